/*
 * state - a worker's rows in memory, and the fold of one batch over them.
 *
 * Rows are the snapshots: a batch names the rows it needs (by the catalog's and the columns' refs), those not
 * in memory are loaded, many in one query, the batch is folded, and what changed is written with the
 * checkpoint in one transaction.
 *
 *            wants              load                fold                  write, commit
 *   batch ----------> keys ----------> rows in memory -----> changed rows -------------> state_done
 *     ^                 |                                        |
 *     +--- more keys ---+ (a loaded row's refs)                  +-- refused, fenced --> state_drop
 *
 * Memory is two half-spaces.  A row that is touched lives in the young half (found in the old half, it is
 * copied over); when the young half passes its bound after a batch, the old half is emptied and the two
 * change places.  So the busy rows stay, nothing is freed one by one, and no fold calls malloc for a row.
 *
 * state_drop forgets everything: after a refused write the rows in memory are ahead of the database's.
 *
 * An id means nothing outside its tenant: every look-up has the event's tenant_id in its key, and a fold has
 * no way to name another.
 */
#ifndef VERBATIM_FOLD_STATE_H
#define VERBATIM_FOLD_STATE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"
#include "event/fields.h"
#include "fold/projection.h"

/* Facts that an earlier fold of the group derived from this event, for the later ones.  Reset before each event. */
struct facts {
	bool transition;            /* the conversation's state moved */
	bool transition_derived;    /* by a fixed rule, not by an explicit event */
	int16_t from_state, to_state; /* indexes of values_conversation_state; from -1 when created */
	const char *transition_cause; /* "message.received", "reopen", ... constant text */
	bool agent_changed;         /* the conversation's open load moved between agents */
	struct uuid from_agent, to_agent; /* nil: none.  An agent carries a conversation while it is assigned and not resolved */
};

struct row_key {
	const struct projection *projection;
	struct uuid tenant_id;
	struct uuid id;
};

struct half {
	struct arena arena;
	struct map rows[GROUP_PROJECTIONS_MAX]; /* by (tenant_id, id) */
};

struct state {
	const struct group *group;
	struct half halves[2];
	int young;
	size_t half_bytes;      /* bound of the young half */
	struct row *changed;    /* list, in order of first change */
	struct row **changed_end;
	int changed_count;
	int64_t anomalies;      /* counted since start, for status */
	int64_t folded;
	struct row_key *missed; /* keys a fold asked for that nobody had loaded; see state_fold */
	int missed_count, missed_cap;
};

/* What a fold function sees. */
struct fold {
	struct state *state;
	const struct projection *projection; /* whose fold is running */
	const struct event *event;
	struct fields fields;
	struct facts facts;
	int anomalies;     /* of this event */
	struct arena *arena; /* the young half's: what is put into a row may live here */
};

void state_init(struct state *s, const struct group *group, size_t half_bytes);
void state_release(struct state *s);

/*
 * Adds to `keys` (capacity grown by the callee from `arena`, no doubles) the rows that folding `events` needs and
 * memory does not have: of the entity, the envelope's context and the payload's refs; then, for rows that are in
 * memory, of their columns' refs.  Call, load, state_put each, call again, until it adds none (at most a few
 * rounds: 8 is asserted).
 */
struct row_keys {
	struct row_key *keys;
	int count;
	int capacity;
};
void state_wants(struct state *s, const struct event *const *events, int count, struct arena *arena, struct row_keys *keys);

/* A row as the store loaded it, or NULL when the database has none; texts are copied. */
void state_put(struct state *s, const struct row_key *key, const struct row *row);

/*
 * Folds one event over the rows in memory.  E_CANCELLED when a fold asked for a row that state_wants had not
 * foreseen: then nothing may be written, the caller drops the state, loads s->missed besides, and folds the
 * batch again.
 */
int state_fold(struct state *s, const struct event *e, struct error *error) must_check;

/* The changed rows have been committed: clears the list, turns the halves when the young one is full. */
void state_done(struct state *s);

/* Forgets all rows (and the list). */
void state_drop(struct state *s);

/* Puts an anomaly row for an event that could not be folded or written at all (code "row_refused", ...). */
void state_refuse(struct state *s, const struct event *e, const char *read_model, const char *code, const char *text);

/* ---- for folds ---- */

/* The row of another or the own read model with this id in the event's tenant; NULL when there is none (or it is not loaded: see state_fold). */
void *fold_find(struct fold *f, const struct projection *p, const struct uuid *id);

/* The same, in the running projection. */
void *fold_self(struct fold *f, const struct uuid *id);

/* A new row with the columns' fallbacks; there must be none yet. */
void *fold_create(struct fold *f, const struct uuid *id);

/* Call before (or right after) writing into a row: it will be stored, with last_position = the event's. */
void fold_change(struct fold *f, void *row);

/* Keeps `format`-ed text as an anomaly of this event and read model; returns 0, so that `return fold_anomaly(...)` reads well. */
int fold_anomaly(struct fold *f, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Text into memory that lives as long as the row. */
struct bytes fold_keep(struct fold *f, struct bytes text);

/* Copies the payload fields that are there into columns of the same name. */
void fold_copy(struct fold *f, void *row);

/* JSON arrays of strings as sets: add/remove the strings of `values` (a JSON array, or one plain text), keeping order. */
struct bytes fold_texts_add(struct fold *f, struct bytes array, struct bytes text);
struct bytes fold_texts_remove(struct fold *f, struct bytes array, struct bytes text);
bool fold_texts_has(struct bytes array, struct bytes text);
struct bytes fold_texts_add_all(struct fold *f, struct bytes array, struct bytes values);
struct bytes fold_texts_remove_all(struct fold *f, struct bytes array, struct bytes values);

#endif
