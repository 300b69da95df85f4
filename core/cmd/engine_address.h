/* engine_address - how a client command reaches an engine: --to names it, else --data or --db finds the one that runs. */
#ifndef VERBATIM_CMD_ENGINE_ADDRESS_H
#define VERBATIM_CMD_ENGINE_ADDRESS_H

#include <stddef.h>

#include "cmd/target.h"
#include "event/api_key.h"

struct engine_options {
	struct target_options target;
	const char *to;
	const char *key_file;
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
	  .group = "Engine", .help = "the engine's address, or unix:PATH; several with commas are tried in turn. "  \
				     "Without it, the engine that runs on --data or --db" },                        \
	API_KEY_OPTION(type, member.key_file),                                                                      \
	TARGET_OPTIONS(type, member.target)

struct engine_address {
	const char *addresses; /* borrowed from --to or from the target */
	struct target target;
	char key[API_KEY_TEXT]; /* "": none; wiped by engine_release */
};

/* E_NOT_READY when no engine runs, E_CONFIG when --to is no address.  engine_release in any case but failure. */
int engine_find(const struct engine_options *options, struct engine_address *out, struct error *error) must_check;
void engine_release(struct engine_address *e);

#endif
