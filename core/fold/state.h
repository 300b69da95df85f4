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
 * Between fold and write stands state_sums: rows of sums that were added to without being in memory get what the
 * database has (fold/sum.h).
 *
 * Memory is two half-spaces.  A row that is touched lives in the young half (found in the old half, it is
 * copied over); when the young half passes its bound after a batch, the old half is emptied and the two
 * change places.  So the busy rows stay, nothing is freed one by one, and no fold calls malloc for a row.  Rows of
 * history are in neither: they go when they are written.
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
#include "fold/row_map.h"
#include "rules/zone.h"

/* Facts that an earlier fold of the group derived from this event, for the later ones.  Reset before each event. */
struct facts {
	bool transition;            /* the conversation's state moved */
	bool transition_derived;    /* by a fixed rule, not by an explicit event */
	int16_t from_state, to_state; /* indexes of values_conversation_state; from -1 when created */
	const char *transition_cause; /* "message.received", "reopen", ... constant text */
	struct uuid conversation;   /* whose state moved, or whose assignment changed */
	bool agent_changed;         /* the conversation's open load moved between agents */
	struct uuid from_agent, to_agent; /* nil: none.  An agent carries a conversation while it is assigned and not resolved */
	struct uuid closed_assignment; /* row of the assignment that ended, nil: none */
	const char *closed_reason;     /* constant text, or NULL: the event's own unassignment_reason */
	bool assignment_opened;        /* a new one began, under the event's id */
	int16_t assigned_by;           /* of values_assigned_by */
	struct uuid assigned_agent, assigned_team;
	struct row *message;           /* the row the event's message has, and what happened to it */
	bool message_added;            /* it is new */
	bool message_sent;             /* it left for the customer, for the first time */
	int messages_moved;            /* to another conversation */
	struct row *annotation;        /* of a message, as a person or a program put it right */
	struct uuid note_conversation; /* where a note was added (notes_added 1) or taken away (-1) */
	int notes_added;
	struct row *resolution;        /* whose status an event was about */
	bool resolution_moved, resolution_refused;
	int16_t resolution_from, resolution_to; /* of values_resolution_status, when it moved */
	struct row *told;              /* a customer update that has left for the customer */
	struct row *unmerged;          /* the customer that got its own life back */
	struct row *answer;            /* a message that counts as an answer to the customer since this event, */
	bool answer_void;              /* or does no more */
	int64_t answer_at;             /* from when on it does, or did */
	struct row **clocks;           /* the sla_clocks that changed, each once */
	int clock_count, clock_capacity;
	struct clock_happening *happenings; /* what happened to them, in order (projections/sla_clocks.h) */
	int happening_count, happening_capacity;
};

struct row_key {
	const struct projection *projection;
	struct uuid tenant_id;
	struct uuid id;
};

struct plan;
struct plan_fold;

enum { CHANGED_ROWS = 126 };

struct changed_rows {
	struct changed_rows *next;
	int count;
	struct row *rows[CHANGED_ROWS];
};

struct half {
	struct arena arena;
	struct row_map rows;
};

/*
 * Where the rows are that are not in memory, for whoever can give them at once (a rebuild keeps its own in files).  With
 * a source a fold gets every row it looks for: state_wants need not be asked, and no sum is partial.
 */
struct row_source {
	/* The row, or NULL when there is none; borrowed until the next call.  `index`: the read model's place in the group. */
	const struct row *(*find)(void *data, int index, const struct uuid *tenant_id, const struct uuid *id);

	/* The row goes from memory after a batch; those of history go after theirs. */
	void (*leave)(void *data, int index, const struct row *row);
	void *data;
};

/* For whoever measures: the clock is asked around each projection's fold of an event and around its decoding. */
struct fold_meter {
	int64_t (*clock)(void);
	int64_t decoding, decoded;
	struct {
		int64_t spent, folds;
	} projections[GROUP_PROJECTIONS_MAX]; /* in the group's order */
};

/*
 * Between two rounds of state_wants: which events named rows that were not in memory, and what became of those rows.
 * An event whose rows the database does not have can want nothing more; the others are looked at again.
 *
 * What looking at an event has found is noted for its fold: the payload's values, so that it is read once, and rows that
 * exist, which stay where they are until the batch is over.
 */
enum { MISSING_MOST = 3, NOTED_MOST = 6 };
struct wanting {
	const struct event *const *events; /* of the last round; NULL once rows may have gone */
	int count;
	struct open_event {
		int at, count;
		int missing[MISSING_MOST]; /* numbers of keys; count may be more than there is room for */
	} *open;
	int open_count, open_cap;
	uint8_t *fates; /* by number of key: not put yet, absent, come */
	int key_count, fates_cap;
	struct event_note {
		const struct event *event;  /* to be compared, not looked at */
		const struct bytes *values; /* NULL: not read yet */
		struct row *rows[NOTED_MOST];
		int row_count;
	} *notes; /* by event */
	int note_cap;
	int folded; /* how many of the events state_fold has seen */
};

struct state {
	const struct group *group;
	const struct plan *plan; /* the group's tables, made ready for folding (fold/plan.h) */
	struct half halves[2];
	struct arena passing;   /* of this batch: rows of history, and what is gathered for sums */
	void *gathered;         /* in there; of the read model that settles, NULL: nothing */
	int young;
	size_t half_bytes;      /* bound of the young half */
	struct zone_source zones; /* for folds that reckon in local time; UTC alone until the owner gives another */
	struct row *changed;    /* list, in order of first change */
	struct changed_rows *changed_rows; /* the same rows in no order, for whoever may look at many at once */
	struct row **changed_end;
	int changed_count;
	int64_t anomalies;      /* counted since start, for status */
	int64_t folded;
	struct row_key *missed; /* keys a fold asked for that nobody had loaded; see state_fold */
	int missed_count, missed_cap;
	struct row *recent[GROUP_PROJECTIONS_MAX]; /* found last, in the young half: an event's folds ask for the same rows */
	struct arena memo_arena; /* see memo_find */
	struct map memos;
	struct memo_place *memo_places; /* those found last */
	struct map wanted;      /* state_wants' set of keys */
	uint32_t round;         /* counts its calls */
	struct wanting wanting;
	struct fold_meter *meter; /* NULL unless somebody measures */
	const struct row_source *source; /* NULL: rows are loaded before the fold */
	struct sum_place *sum_places; /* see fold/sum.h; NULL in a group without sums */
	struct partial_row *partials; /* rows of sums that hold only what the batch added; those that do no more, too */
	int partial_count;
};

/* What a fold function sees. */
struct fold {
	struct state *state;
	const struct projection *projection; /* whose fold is running */
	const struct event *event;
	struct fields fields;
	struct facts facts;
	const struct plan_fold *step; /* the running entry */
	void *row;         /* of FOLD_CREATE, FOLD_COPY, FOLD_CHANGES, FOLD_ADD */
	int anomalies;     /* of this event */
	struct arena *arena; /* the young half's: what is put into a row may live here */
};

/* catalog_init must have run.  The first state of a group compiles its tables (thread-safe); the rest share them. */
void state_init(struct state *s, const struct group *group, size_t half_bytes);
void state_release(struct state *s);

/*
 * Adds to `keys` (capacity grown by the callee from `arena`, no doubles) the rows that folding `events` needs and
 * memory does not have: of the entity, the envelope's context and the payload's refs; then, for rows that are in
 * memory, of their columns' refs; and whatever state_fold missed before.  Call, load, state_put each (with NULL
 * for what the database does not have), call again, until it adds none.  That ends: each round puts rows that
 * were not there, and it is a few rounds, since folds keep chains of merges short.  Payloads stay what and where they are
 * until state_sums, state_done or state_drop: what was read of them is folded.
 */
struct row_keys {
	struct row_key *keys;
	int count;
	int capacity;
};
void state_wants(struct state *s, const struct event *const *events, int count, struct arena *arena, struct row_keys *keys);

/*
 * A row as the store loaded it, or NULL when the database has none; texts are copied, JSON loses the blanks that
 * jsonb prints.  A row that is in memory already stays as it is.
 */
void state_put(struct state *s, const struct row_key *key, const struct row *row);

/*
 * Folds one event over the rows in memory.  E_CANCELLED when a fold asked for a row that state_wants had not
 * foreseen: then nothing may be written, the caller drops the state and begins the batch again with state_wants,
 * which now names those rows too.  E_INTERNAL only on a bug.
 *
 * An event that does not fit is an anomaly and 0: of a type this binary does not know (`unknown_type`), with a
 * payload that is not its type's (`bad_payload`), or one that a fold refused.
 */
int state_fold(struct state *s, const struct event *e, struct error *error) must_check;

/*
 * All events of the batch are folded: adds to `keys` (as state_wants does) the rows of sums that hold only what the
 * batch added.  Load, state_put each.  Once it adds none, the rows may be written.
 */
void state_sums(struct state *s, struct arena *arena, struct row_keys *keys);

/* The changed rows have been committed: clears the list, turns the halves when the young one is full. */
void state_done(struct state *s);

/* The row when it is in memory and exists, which stays where it is. */
struct row *state_look(const struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* Calls `each` for every row of a read model (by its place) that is in memory and exists, in the order of tenant and id. */
void state_each(struct state *s, int index, void (*each)(void *data, struct row *row), void *data);

/* Forgets all rows (and the list), but not what was missed. */
void state_drop(struct state *s);

/* Puts an anomaly row for an event that could not be folded or written at all (code "row_refused", ...). */
void state_refuse(struct state *s, const struct event *e, const char *read_model, const char *code, const char *text);

/* ---- what was made of rows that never change ---- */

/*
 * A policy version, once read, is kept beside the rows, by the id of its row: NULL when it is not (any more).  Things
 * live in the state's memo_arena until memos take more than MEMO_BYTES at the end of a batch; then all go.  They save
 * work and decide nothing: the row gives the same thing every time.
 */
enum { MEMO_BYTES = 4 << 20 };
enum { MEMO_PLACES = 64 };

struct memo_place {
	struct uuid tenant_id, id;
	void *thing; /* NULL: free */
};

void *memo_look_up(const struct state *s, const struct uuid *tenant_id, const struct uuid *id);

static inline void *memo_find(const struct state *s, const struct uuid *tenant_id, const struct uuid *id)
{
	const struct memo_place *place = &s->memo_places[id->b[15] % MEMO_PLACES];

	if (place->thing && uuid_equal(&place->id, id) && uuid_equal(&place->tenant_id, tenant_id))
		return place->thing;
	return memo_look_up(s, tenant_id, id);
}
void memo_keep(struct state *s, const struct uuid *tenant_id, const struct uuid *id, void *thing);

/* ---- for a projection's `foresee` ---- */

/* The row will be loaded when it is not in memory; the row when it is there, and exists. */
void *wish_row(struct wish *w, const struct projection *p, const struct uuid *id);

/* The event's payload, read once for all who wish, and for the folds; NULL when it is not its type's. */
const struct fields *wish_fields(struct wish *w);

/* The state that wishes. */
const struct state *wish_state(const struct wish *w);

/* ---- for folds ---- */

/* The row of another or the own read model with this id in the event's tenant; NULL when there is none (or it is not loaded: see state_fold). */
void *fold_find(struct fold *f, const struct projection *p, const struct uuid *id);

/* The same, in the running projection. */
void *fold_self(struct fold *f, const struct uuid *id);

/* A new row with the columns' fallbacks; there must be none yet. */
void *fold_create(struct fold *f, const struct uuid *id);

/* The same under the event's own id, which no row can have yet: nothing needs to be loaded for it. */
void *fold_add(struct fold *f);

/* The same under an id that follows from other rows so that it must be new (a count that goes on). */
void *fold_add_as(struct fold *f, const struct uuid *id);

/*
 * What the event does to a row in this state; *state has moved when it is to.  What does not fit is an anomaly
 * `transition`.  VERDICT_RULE is for the caller to decide.
 */
enum verdict fold_step(struct fold *f, const struct machine *machine, int16_t *state, int input);

/*
 * Rows of one read model that lead to each other: merged into, duplicate of.  A chain has no circle and is at most
 * MERGE_HOPS_MAX long; `height` is a hidden INT2 column, the longest chain that ends in the row.
 */
struct chain {
	size_t link, height; /* where they stand in the row */
	const char *name;    /* "merge": anomalies merge_cycle, merge_too_deep */
};

/* The row at the end of the chain that begins with `row` (which may be NULL). */
void *fold_chain_end(struct fold *f, const struct chain *chain, void *row);

/* Whether `row` may lead to `into`; an anomaly when not. */
bool fold_chain_fits(struct fold *f, const struct chain *chain, void *row, void *into);

/* Makes it lead there. */
void fold_chain_join(struct fold *f, const struct chain *chain, void *row, void *into);

/* The user who did it; nil when it was no user. */
static inline struct uuid fold_author(const struct event *e)
{
	struct uuid nobody = { { 0 } };

	return e->actor_type == ACTOR_USER ? e->actor_id : nobody;
}

/* Call before (or right after) writing into a row: it will be stored, with last_position = the event's. */
void fold_change(struct fold *f, void *row);

/* Keeps `format`-ed text as an anomaly of this event and read model; returns 0, so that `return fold_anomaly(...)` reads well. */
int fold_anomaly(struct fold *f, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Text into memory that lives as long as the row. */
struct bytes fold_keep(struct fold *f, struct bytes text);

/* Formatted text that lives as long as the row. */
struct bytes fold_format(struct fold *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies the payload fields that are there into columns of the same name; a value that does not fit is an anomaly `bad_value` and left out. */
void fold_copy(struct fold *f, void *row);

/* The payload (of the newest version) as one JSON object without the field `but` (NULL: with all). */
struct bytes fold_payload(struct fold *f, const char *but);

/* JSON arrays of strings as sets: add/remove the strings of `values` (a JSON array, or one plain text), keeping order. */
struct bytes fold_texts_add(struct fold *f, struct bytes array, struct bytes text);
struct bytes fold_texts_remove(struct fold *f, struct bytes array, struct bytes text);
bool fold_texts_has(struct bytes array, struct bytes text);
struct bytes fold_texts_add_all(struct fold *f, struct bytes array, struct bytes values);
struct bytes fold_texts_remove_all(struct fold *f, struct bytes array, struct bytes values);

/* The same with an element that is JSON text already. */
struct bytes fold_list_add(struct fold *f, struct bytes array, struct bytes raw);
struct bytes fold_list_remove(struct fold *f, struct bytes array, struct bytes raw);

/* JSON objects: `raw` is the member's JSON text, absent to remove it; the name is as it stands between the quotes.  An absent object counts as {}. */
struct bytes fold_object_set(struct fold *f, struct bytes object, struct bytes name, struct bytes raw);
struct bytes fold_object_get(struct bytes object, struct bytes name);

/* The same value, whatever the order of members and the writing of numbers. */
bool fold_json_same(struct bytes a, struct bytes b);

/* Whether `current` (absent: null) is what {from, to} changes it from, or to already; true without `from`. */
bool fold_change_holds(struct bytes change, struct bytes current);

/* Text as a JSON string with its quotes. */
struct bytes fold_quote(struct fold *f, struct bytes text);

#endif
