/*
 * command - one row a command: its name, its help, its options, its function.
 *
 * core/cmd/main.c finds the row, parses the options by their table (the command line first, then VERBATIM_<NAME>
 * in the environment, then the default), runs the function, and prints the one error it may return.  Help, shell
 * completion and the README's reference are printed from the same tables.
 */
#ifndef VERBATIM_CMD_COMMAND_H
#define VERBATIM_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum option_kind {
	OPTION_FLAG,   /* bool */
	OPTION_TEXT,   /* const char * */
	OPTION_TEXTS,  /* struct texts: may be repeated */
	OPTION_INT,    /* int64_t, RANGE */
	OPTION_BYTES,  /* int64_t; 4096, 64K, 4M, 1G */
	OPTION_TIME,   /* int64_t milliseconds; 250ms, 10s, 5m, 1h */
	OPTION_ENUM,   /* const char *, one of values */
};

struct texts {
	const char **items;
	int count;
};

struct option {
	const char *name;      /* "listen": --listen, VERBATIM_LISTEN */
	enum option_kind kind;
	size_t offset;         /* in the command's options struct */
	const char *argument;  /* "HOST:PORT" */
	const char *fallback;  /* as it would be typed; NULL: none */
	int64_t min, max;      /* of INT, BYTES, TIME; 0, 0: any not negative */
	const char *const *values; /* of ENUM */
	const char *help;      /* one or two sentences */
	const char *group;     /* heading in --help; NULL: "Options" */
};

struct arguments {
	void *options;         /* the command's struct, filled */
	const char **words;    /* what is not an option; after "--" everything */
	int count;
};

struct command {
	const char *name;
	const char *usage;     /* "append [OPTION]... FILE...|-" */
	const char *brief;     /* one line for `verbatim help` */
	const char *help;      /* paragraphs, then examples */
	const struct option *options; /* ended by a NULL name */
	size_t options_bytes;
	int (*run)(const struct arguments *args, struct error *error); /* 0 or a code: the exit status comes from the table */
	const struct command *sub; /* subcommands (migrate up|down|status), ended by a NULL name, or NULL */
};

/* In the order in which help lists them; ended by a NULL name (core/cmd/main.c). */
extern const struct command *const commands[];

#endif
