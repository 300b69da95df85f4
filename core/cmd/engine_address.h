/* engine_address - how a client command reaches an engine: --to names it, else --data or --db finds the one that runs. */
#ifndef VERBATIM_CMD_ENGINE_ADDRESS_H
#define VERBATIM_CMD_ENGINE_ADDRESS_H

#include <stddef.h>

#include "cmd/target.h"

struct engine_options {
	struct target_options target;
	const char *to;
	const char *token;
	int64_t wait_ms; /* how long an engine of --data or --db that does not run yet is waited for; no row of its own */
};

/* The rows for a command's table; `type` is its options struct, `member` its struct engine_options. */
#define ENGINE_OPTIONS(type, member)                                                                                \
	{ .name = "to", .kind = OPTION_TEXT, .offset = offsetof(type, member.to), .argument = "HOST:PORT",         \
	  .group = "Engine", .help = "the engine's address, or unix:PATH; several with commas are tried in turn. "  \
				     "Without it, the engine that runs on --data or --db" },                        \
	{ .name = "token", .kind = OPTION_TEXT, .offset = offsetof(type, member.token), .argument = "TOKEN",       \
	  .group = "Engine", .help = "the engine's token; better set as VERBATIM_TOKEN than typed" },              \
	TARGET_OPTIONS(type, member.target)

struct engine_address {
	const char *addresses; /* borrowed from --to or from the target */
	struct target target;
};

/* E_NOT_READY when no engine runs, E_CONFIG when --to is no address.  engine_release in any case but failure. */
int engine_find(const struct engine_options *options, struct engine_address *out, struct error *error) must_check;
void engine_release(struct engine_address *e);

#endif
