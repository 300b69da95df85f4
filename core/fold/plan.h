/*
 * plan - a group's tables, made ready for folding: what happens on each kind of event, and what it needs.
 *
 * Compiled once a group and kept for the life of the process; after that nothing is looked up by name while
 * events are folded.
 *
 * What is loaded for an event.  Only rows that one of its folds can look at: those of the event's own entity and
 * of the envelope's context (conversation_id, customer_id, resolution_id) whose read models fold this kind, and
 * of the payload's refs those that a fold's entry names.
 */
#ifndef VERBATIM_FOLD_PLAN_H
#define VERBATIM_FOLD_PLAN_H

#include <assert.h>

#include "fold/projection.h"

struct copy_step {
	int16_t field;   /* of the newest shape */
	int16_t column;
	uint16_t column_at; /* with context_at: where the column stands in the row */
	uint16_t context_at; /* of a context field: where the envelope's column stands in struct event; 0: from the payload */
};

struct plan_fold {
	const struct projection *projection;
	int index;               /* of the projection in the group */
	enum fold_how how;
	fold_fn then;
	const struct copy_step *copies;
	int copy_count;
	const struct machine *machine; /* asked first, or NULL */
	int input;
	size_t state_at;         /* where the state stands in the row */
	bool unique;             /* may change a unique column */
};

enum want_from { WANT_ENTITY, WANT_CONVERSATION, WANT_CUSTOMER, WANT_RESOLUTION, WANT_TENANT };

struct plan_want {
	enum want_from from;
	int index;
};

struct plan_kind {
	const struct plan_fold *folds;
	int fold_count;
	struct plan_want wants[5];
	int want_count;
	uint64_t entities;         /* bit by entity: whose refs in the payload are followed */
	const int16_t *ref_fields; /* top-level fields that hold such refs */
	int ref_field_count;
	bool unique;               /* one of the folds may change a unique column */
	const foresee_fn *foresee; /* of the projections that fold it */
	int foresee_count;
	uint64_t folded;           /* bit by projection: which this kind is folded into */
};

struct plan_ref {
	size_t offset;
	int index;
};

/* A projection's columns. */
struct plan_rows {
	const struct projection *projection;
	const struct row *blank;   /* what a new row begins as; all columns null in `null` */
	const struct row *null;
	const size_t *texts;       /* offsets of struct bytes columns */
	const bool *is_json;       /* beside texts: JSON, whose blanks are dropped on loading */
	int text_count;
	const struct plan_ref *refs;
	int ref_count;
	const int32_t *limits;     /* by column: most characters of a varchar, 0: any */
	const int16_t *unique;     /* columns whose values belong to one row */
	int unique_count;
	const int16_t *sums;       /* columns that add up */
	int sum_count;
	uint64_t beside;           /* bit by projection: whose rows stand beside these */
	size_t beside_if;          /* of rows that stand beside others: where those say so, 0: they need not */
	size_t created_at, updated_at; /* offsets, 0: no such column */
};

/* Read models by their addresses, a few to a full table; NULL: free. */
enum { PLAN_PLACES = 4 * GROUP_PROJECTIONS_MAX };

struct plan_place {
	const struct projection *projection;
	int index;
};

struct plan {
	const struct group *group;
	struct plan_place places[PLAN_PLACES];
	struct plan_kind kinds[EV_COUNT];
	struct plan_rows rows[GROUP_PROJECTIONS_MAX];
	int by_entity[ENTITY_COUNT]; /* index of the projection, -1: none */
	int anomalies;               /* index of the read model of that name, -1: none */
	int unique_values;           /* the same */
	struct plan *next;
};

/* Where it is looked for first. */
static inline size_t plan_place_of(const struct projection *projection)
{
	return (size_t)((uintptr_t)projection * UINT64_C(0x9e3779b97f4a7c15) >> 32) % PLAN_PLACES;
}

/* The group's plan; compiled on first use, thread-safe. */
const struct plan *plan_get(const struct group *group);

/* The projection's place in the group; asserts that it is there. */
static inline int plan_index(const struct plan *plan, const struct projection *projection)
{
	size_t at = plan_place_of(projection);

	for (; plan->places[at].projection != projection; at = (at + 1) % PLAN_PLACES)
		assert(plan->places[at].projection); /* else a fold named a read model of another group */
	return plan->places[at].index;
}

/* Sets a column from a JSON value; false when the value does not fit, and then nothing is written. */
struct fold;
bool column_set(struct fold *f, const struct plan_rows *rows, int column, struct bytes raw, void *row);

/* The row's column holds this JSON value; null also stands for what a new row begins with. */
bool column_holds(struct fold *f, const struct plan_rows *rows, int column, struct bytes raw, const void *row);

/* The column's NULL. */
void column_null(const struct column *column, void *row);

#endif
