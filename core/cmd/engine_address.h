/* engine_address - how a client command reaches an engine: --to names it, else --data or --db finds the one that runs. */
#ifndef VERBATIM_CMD_ENGINE_ADDRESS_H
#define VERBATIM_CMD_ENGINE_ADDRESS_H

#include <stddef.h>

#include "client/tls.h"
#include "cmd/target.h"
#include "event/api_key.h"

struct engine_options {
	struct target_options target;
	const char *to;
	const char *key_file;
	struct client_tls_options tls;
	int64_t wait_ms; /* how long an engine of --data or --db that does not run yet is waited for; no row of its own */
};

#define API_KEY_OPTION(type, member)                                                                                \
	{ .name = "api-key-file", .kind = OPTION_TEXT, .offset = offsetof(type, member), .argument = "FILE",        \
	  .filled = true, .group = "Engine",                                                                       \
	  .help = "the API key, as `verbatim key create` made it; nobody but its owner may read the file. "         \
		  "VERBATIM_API_KEY may hold the key itself instead. Without either, the engine that is found by "   \
		  "--data or --db lets its own user in" }

/* The rows for a command's table; `type` is its options struct, `member` its struct engine_options. */
#define ENGINE_OPTIONS(type, member)                                                                                \
	{ .name = "to", .kind = OPTION_TEXT, .offset = offsetof(type, member.to), .argument = "HOST:PORT",         \
	  .group = "Engine", .help = "the engine's address, tls://HOST:PORT or unix:PATH; several with commas are "  \
				     "tried in turn. Without it, the engine that runs on --data or --db" },         \
	API_KEY_OPTION(type, member.key_file),                                                                      \
	{ .name = "tls", .kind = OPTION_FLAG, .offset = offsetof(type, member.tls.always), .group = "Engine",      \
	  .help = "speak TLS 1.3 with --to, as tls:// does" },                                                      \
	{ .name = "tls-ca", .kind = OPTION_TEXT, .offset = offsetof(type, member.tls.ca), .argument = "FILE",       \
	  .filled = true, .group = "Engine", .help = "whose certificates are believed (PEM); the system's CAs otherwise" }, \
	{ .name = "tls-cert", .kind = OPTION_TEXT, .offset = offsetof(type, member.tls.cert), .argument = "FILE",   \
	  .filled = true, .group = "Engine", .help = "our own certificate (PEM), for an engine that asks for one" }, \
	{ .name = "tls-key", .kind = OPTION_TEXT, .offset = offsetof(type, member.tls.key), .argument = "FILE",     \
	  .filled = true, .group = "Engine", .help = "its private key (PEM)" },                                     \
	{ .name = "tls-passphrase", .kind = OPTION_TEXT, .offset = offsetof(type, member.tls.passphrase),           \
	  .argument = "TEXT", .filled = true, .hide = secrets_hide, .group = "Engine",                              \
	  .help = "opens the private key, if that is encrypted; better given by the variable than typed" },         \
	TARGET_OPTIONS(type, member.target)

struct engine_address {
	const char *addresses; /* borrowed from --to or from the target */
	struct client_tls_options tls; /* texts borrowed; an engine that was found is known by the certificate it wrote down */
	struct target target;
	char key[API_KEY_TEXT]; /* "": none; wiped by engine_release */
};

/* E_NOT_READY when no engine runs, E_CONFIG when --to is no address.  engine_release in any case but failure. */
int engine_find(const struct engine_options *options, struct engine_address *out, struct error *error) must_check;

/* TLS with an engine that was found: its address says whether, and it is known by the certificate it wrote down. */
void engine_trust(struct client_tls_options *tls, const struct target *target);
void engine_release(struct engine_address *e);

#endif
