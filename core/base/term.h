/*
 * term - what a person sees: colour where it is wanted, tables, a progress line, numbers with a human face.
 *
 * Colour is on for a terminal unless NO_COLOR is set or TERM is "dumb".  Nothing here writes anywhere but to the
 * stream or buffer it was given.
 */
#ifndef VERBATIM_BASE_TERM_H
#define VERBATIM_BASE_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

bool term_is_terminal(FILE *stream);
bool term_has_colour(FILE *stream);

/* Columns of the terminal, 80 when it is none. */
int term_width(FILE *stream);

enum term_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_BLUE, STYLE_CYAN };

/* The escape sequence that begins a style (STYLE_PLAIN ends all), or "" without colour. */
const char *term_style(enum term_style style, bool colour);

/* Columns that a UTF-8 text takes: wide East Asian and emoji count two, combining marks none. */
int term_columns(struct bytes text);

/* Makes control characters (C0, DEL, and C1 as UTF-8 writes them) spaces, so that a text cannot speak to the terminal. */
void term_defuse(char *text);

/* Cuts `text` to at most `columns`, the last of which is then an ellipsis; appends to `out`. */
void term_cut(struct buffer *out, struct bytes text, int columns);

/*
 * A table: declare the columns, add the cells row by row, print.  Texts are copied.
 *
 *     struct table t;
 *     table_init(&t, 3, (const char *const[]){ "shard", ">events", "state" });   (">": to the right)
 *     table_cell(&t, "%d", 1); table_cell(&t, "%s", human_count(n, text)); table_cell(&t, "live");
 *     table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
 *     table_release(&t);
 *
 * When the width does not do, the widest columns are cut, but never one whose heading begins with "=" (ids: half of one
 * is none).  In a table that has such, the last columns are left out until the others fit; the first one stays.
 */
enum { TABLE_COLUMNS_MAX = 16 };

struct table {
	int columns;
	const char *headings[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX], whole[TABLE_COLUMNS_MAX];
	int widths[TABLE_COLUMNS_MAX];
	struct buffer texts;  /* cells one after the other, each with its NUL */
	struct buffer styles; /* one byte a cell */
	int cells;
};

void table_init(struct table *t, int columns, const char *const *headings);
void table_release(struct table *t);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_cell_style(struct table *t, enum term_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int table_print(const struct table *t, struct buffer *out, int width, bool colour); /* how many columns were printed */

/*
 * A progress line on a stream (stderr, mostly): on a terminal one line drawn again at most ten times a second, a
 * plain line every five seconds otherwise; nothing at all when `stream` is NULL.
 */
struct progress {
	FILE *stream;
	const char *label;   /* "append" */
	const char *unit;    /* "events" */
	int64_t total;       /* 0: not known */
	int64_t done;
	int64_t started;     /* monotonic µs */
	int64_t drawn;
	int64_t window_at, window_done; /* where the recent rate is counted from */
	double rate;         /* a second, recent */
	bool terminal;
	bool visible;        /* a line stands on the terminal */
};

void progress_start(struct progress *p, FILE *stream, const char *label, const char *unit, int64_t total);

/* `done` of `total`; `note` (may be NULL) is put behind. Cheap: call it as often as you like. */
void progress_update(struct progress *p, int64_t done, const char *note);

/* Takes the line away, so that something else may be printed; the next update draws it again. */
void progress_clear(struct progress *p);

/* Draws the last state and ends the line. */
void progress_stop(struct progress *p);

/* Numbers for people.  Each writes into `out`, which has room for HUMAN_TEXT, and returns it. */
#define HUMAN_TEXT 32
char *human_count(int64_t n, char *out);       /* 12,345 */
char *human_bytes(int64_t n, char *out);       /* 1.2 MB (powers of 1024) */
char *human_duration(int64_t us, char *out);   /* 850 µs, 12 ms, 3.4 s, 3 min, 2 h 5 min, 4 d */
char *human_rate(double n, char *out);         /* 850, 12.3k, 1.2M */

#endif
