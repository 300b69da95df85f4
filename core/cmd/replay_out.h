/*
 * replay_out - what a replay says, in the form that was asked for.
 *
 *     table     for people; whoever shows writes it himself (out->file)
 *     ndjson    an object a line, each with its "kind": replay, event, row, difference, ..., end
 *     json      the same in one array
 *     msgpack   the same, one map after the other
 *     csv       of one kind only, columns by name; what stands around it is left out
 *
 * Objects are made as JSON text and turned into the others here, so that all say the same.
 */
#ifndef VERBATIM_CMD_REPLAY_OUT_H
#define VERBATIM_CMD_REPLAY_OUT_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/error.h"

enum out_format { OUT_TABLE, OUT_JSON, OUT_NDJSON, OUT_CSV, OUT_MSGPACK };

extern const char *const out_formats[]; /* by enum out_format, ended by NULL */

struct out {
	enum out_format format;
	FILE *file;
	const char *const *columns; /* of csv, ended by NULL; set by whoever shows */
	int64_t objects;
	struct buffer scratch;
	int pager;                  /* pid, or 0 */
	char *buffer;               /* stdio's, of a file */
};

/*
 * Opens a file ("-": standard output, through $PAGER when it is a terminal and the format a table).  Unless `replace`, none that
 * is there; a pipe or a terminal may be.  E_EXISTS, E_IO, E_NO_ACCESS.
 */
int out_open(struct out *out, enum out_format format, const char *path, bool replace, bool paged, struct error *error) must_check;

/* Would it refuse the path?  To be asked before the work is done: E_EXISTS. */
int out_free(const char *path, bool replace, struct error *error) must_check;

/* One object: its text begins {"kind":"...".  `data`: it is of the kind that csv is about. */
void out_object(struct out *out, struct bytes json, bool data);

/* Ends what was begun; E_IO when it could not all be written. */
int out_close(struct out *out, struct error *error) must_check;

/* Text for a terminal: control characters, which somebody may have put there for it, become blanks. */
void out_plain(struct bytes text, struct buffer *to);

#endif
