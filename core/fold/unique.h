/*
 * unique - which row a value belongs to that no two rows of a tenant should share: an e-mail address, a slug.
 *
 * Folds find rows by id alone, so the question "who has this value" is a row of its own, in the group's read model
 * named "unique_values": its id is a version 8 UUID of SHA-256(tenant, read model, column, value), its holder_id the
 * row that has the value, null once that row took another.  The value itself is not kept there.
 *
 * Whoever came first holds the value.  A row that comes with a value of another is stored as it came, with an anomaly
 * `not_unique`; should the holder give the value up, the next row that is given it holds it.
 */
#ifndef VERBATIM_FOLD_UNIQUE_H
#define VERBATIM_FOLD_UNIQUE_H

#include "fold/plan.h"
#include "fold/state.h"

enum { UNIQUE_MAX = 4 }; /* columns of one read model */

struct unique_value {
	struct row row;
	struct bytes read_model, column_name;
	struct uuid holder_id;
};

/* Remembers the unique columns' values of a row that is about to change. */
void unique_before(struct fold *f, const void *row, struct bytes held[UNIQUE_MAX]);

/* Gives up what the row does not have any more, takes what is new. */
void unique_after(struct fold *f, void *row, const struct bytes held[UNIQUE_MAX]);

/* The id under which a row's value of its unique column number `n` is kept; false when it has none. */
bool unique_id_held(const struct plan_rows *rows, const struct row *row, int n, struct uuid *out);

/* The same for the value that folding the event would give the column. */
bool unique_id_named(const struct plan_rows *rows, const struct plan_fold *fold, const struct fields *fields,
		     const struct event *e, int n, struct arena *arena, struct uuid *out);

#endif
