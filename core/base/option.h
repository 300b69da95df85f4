/*
 * option - the options of a command as one table: read from the command line, the environment and the defaults,
 * and printed as help and shell completion from the same rows.
 *
 *     --listen 127.0.0.1:7411   --listen=127.0.0.1:7411   VERBATIM_LISTEN=127.0.0.1:7411   the fallback
 *
 * What stands further left wins.  `-h` and `--help` are always known; `--` ends the options; a lone `-` is a word.
 * A repeatable option (TEXTS) takes a list with commas from the environment and from its fallback; each occurrence
 * on the command line adds one.  A variable that is set but empty counts as not set.
 *
 * Texts point into argv, the environment or the table; only the arrays are allocated, and the copies of what is hidden where it
 * came from (option_release).
 */
#ifndef VERBATIM_BASE_OPTION_H
#define VERBATIM_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum option_kind {
	OPTION_FLAG,   /* bool; --name, or --name=yes|no */
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
	const char *fallback;  /* as it would be typed; NULL: none, the value is zero */
	int64_t min, max;      /* of INT, BYTES, TIME; 0, 0: any not negative; otherwise both hold */
	const char *const *values; /* of ENUM, ended by NULL */
	bool filled;           /* of TEXT and TEXTS: an empty text is refused */
	const char *help;      /* one or two sentences */
	const char *group;     /* heading in --help; NULL: "Options" */
	void (*hide)(char *text); /* of TEXT: the value is copied, and this overwrites what of it others are not to see in argv or the
	                           * environment; an environment's is taken out, too */
	const char *excludes;  /* name of another row: both on the command line are refused, and this one on the
	                        * command line makes the other's variable and fallback count as not set */
};

struct arguments {
	void *options;         /* the command's struct, filled */
	const char **words;    /* what is not an option; after "--" everything */
	int count;
};

/*
 * Fills `options` (`options_bytes` long, cleared first) and `args` from argv[0..argc).  `table` may be NULL.
 * `*help` tells that -h or --help was there; nothing is checked any more then.  E_USAGE for the command line,
 * E_CONFIG for a variable.
 */
int option_parse(const struct option *table, int argc, char *const *argv, void *options, size_t options_bytes,
		 struct arguments *args, bool *help, struct error *error) must_check;

/* Frees the arrays of `args` and of the TEXTS in its options, and wipes and frees what was hidden. */
void option_release(const struct option *table, struct arguments *args);

/* One value: as option_parse does it.  `source` stands in messages: "--memory", "VERBATIM_MEMORY". */
int option_set(const struct option *o, const char *source, int code, const char *text, void *options,
	       struct error *error) must_check;

/* The help of the table's rows, by groups, wrapped at `width`. */
void option_print(struct buffer *out, const struct option *table, int width, bool colour);

/* VERBATIM_<NAME>; returns `out`. */
char *option_variable(const struct option *o, char *out, size_t size);

/* The nearest of the names to `text`, or NULL when none is near. `next` gives the i-th name, NULL after the last. */
const char *option_nearest(const char *text, const char *(*next)(const void *list, int i), const void *list);

/* Appends paragraphs wrapped at `width`, each line after the first indented by `indent`; the first line is taken to begin at `column`. */
void option_wrap(struct buffer *out, const char *text, int column, int indent, int width);

#endif
