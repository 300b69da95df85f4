/*
 * row_copy - whole tables of read-model rows, in and out, at the speed of COPY.
 *
 * Blocking, on db.h's sessions, for commands; the engine's own rows go by pg_load and pg_project.  Values are the same
 * bytes either way, since both go by the kinds of projection.h.  Table names are those of verbatim.generation and
 * verbatim.rebuild_table, below schema generations.
 */
#ifndef VERBATIM_STORE_ROW_COPY_H
#define VERBATIM_STORE_ROW_COPY_H

#include "base/arena.h"
#include "base/error.h"
#include "fold/projection.h"
#include "store/db.h"

struct row_copy; /* one table at a time; as long as the session */

struct row_copy *row_copy_new(struct pg_conn *conn);
void row_copy_free(struct row_copy *c);

/* From now on the tables that rows are put into stand there, not in generations; a name that row_schema_fits, borrowed. */
void row_copy_set_schema(struct row_copy *c, const char *schema);

/*
 * Rows into a table: begin, put each, end.  E_ROW_REFUSED when the database refuses one; after any failure the
 * transaction is lost and `end` need not be called.  The table may be empty or hold other rows; it has the read model's
 * columns.
 */
int row_copy_begin(struct row_copy *c, const struct projection *p, const char *table, struct error *error) must_check;
int row_copy_put(struct row_copy *c, const struct row *row, struct error *error) must_check;
int row_copy_end(struct row_copy *c, struct error *error) must_check;

/*
 * Changed rows into a table that has its key: the state's list of changes, or those of it that are of this read model.
 * In the caller's transaction; by way of a temporary table.
 */
int row_copy_merge(struct row_copy *c, const struct projection *p, const char *table, struct row *changed,
		   struct error *error) must_check;

/* All rows of a table, each borrowed for the call, in the caller's transaction and its snapshot; `each` answers 0 or a code, which ends it. */
typedef int (*row_copy_fn)(void *data, const struct row *row, struct error *error);
int row_copy_read(struct row_copy *c, const struct projection *p, const char *table, row_copy_fn each, void *data,
		  struct error *error) must_check;

#endif
