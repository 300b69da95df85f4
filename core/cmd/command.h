/*
 * command - one row a command: its name, its help, its options, its function.
 *
 * core/cmd/main.c finds the row, parses the options by their table (base/option.h: the command line first, then
 * VERBATIM_<NAME> in the environment, then the default), runs the function, and prints the one error it may return.
 * Help, shell completion and the README's reference are printed from the same tables.
 */
#ifndef VERBATIM_CMD_COMMAND_H
#define VERBATIM_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/option.h"

struct command {
	const char *name;
	const char *usage;     /* "append [OPTION]... FILE...|-" */
	const char *brief;     /* one line for `verbatim help` */
	const char *help;      /* paragraphs, then examples; lines that begin with a space are printed as they are */
	const struct option *options; /* ended by a NULL name */
	size_t options_bytes;
	int (*run)(const struct arguments *args, struct error *error); /* 0 or a code: the exit status comes from the table */
	const struct command *sub; /* subcommands (migrate up|down|status), ended by a NULL name, or NULL */
};

/* In the order in which help lists them; ended by NULL (core/cmd/main.c). */
extern const struct command *const commands[];

/* One a file of core/cmd. */
extern const struct command init_command, serve_command, append_command, generate_command, demo_command, status_command, doctor_command,
	rebuild_command, check_command, replay_command, verify_command, prove_command, evidence_command, key_command, migrate_command,
	role_command, events_command, psql_command, version_command, help_command, completion_command;

/* NULL when there is none of this name. */
const struct command *command_find(const char *name);

/* What --help prints (core/cmd/help.c); `parent` of a subcommand, or NULL. */
struct buffer;
void command_print_help(struct buffer *out, const struct command *parent, const struct command *c, int width, bool colour);

#endif
