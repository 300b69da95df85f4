/*
 * projection - what one read model is: a row, its columns, its folds.
 *
 * A projection is data: a table of columns (where each stands in the row's struct, how it is stored) and a
 * table from event type to fold.  Where a fold is a plain copy of payload fields into columns of the same
 * name, it is an entry without a function.
 *
 *     struct team {
 *             struct row row;          // tenant_id, id and last_position are columns of every read model
 *             struct bytes name;
 *             ...
 *     };
 *
 * C types by column kind, and how NULL is written:
 *
 *     UUID     struct uuid    nil            TEXT, JSON, TEXTS, UUIDS, INET   struct bytes   data NULL
 *     ENUM     int16_t        -1             INT2, INT4, INT8, DECIMAL        int64_t        INT64_MIN
 *     BOOL     int8_t         -1             TIME                             int64_t        TIME_NONE
 *
 * TEXTS and UUIDS (text[], uuid[]) are held as JSON arrays of strings, escaped as RFC 8785 says, JSON (jsonb)
 * as JSON text; DECIMAL (numeric) as an integer times 10^scale.
 *
 * Two columns look after themselves when a read model has them: created_at is the occurred_at of the event
 * that made the row, updated_at the latest occurred_at of all events that changed it.
 *
 * A column with a machine is the row's state.  When an event that COPY, CHANGES or REWRITE would fold is one of
 * that machine's inputs (they bear the events' names), the machine is asked first: what does not fit is an anomaly
 * `transition`, a repeat is nothing, and otherwise the state has moved before anything is copied.
 *
 * A unique column's value belongs to the row that had it first, until that row gets another one.  A second row with
 * the same value is stored all the same, since what happened happened, with an anomaly `not_unique`
 * (core/fold/unique.h).
 *
 * Analysts read no content and no personal data.  What that is comes from the catalog: a column is withheld from
 * them when a field of its name, in an event that the read model folds, is marked pii, is JSON, or is a text longer
 * than a name; and so is, to be safe, a text or JSON column of which no field speaks.  Where that is wrong, the column
 * is marked `withheld` or `open`; a hidden column is always withheld, and a read model may be as a whole.
 *
 * A read model of sums (fold/sum.h) has no row that a fold must have seen before it adds to it: its columns that add
 * up say so (`adds`), the others never change.  Numbers add up; JSON that adds up is an object of counters, held as
 * struct counters.
 *
 * A read model of history has rows that folds only add, under ids that no row can have yet, and none ever asks for.
 *
 * Rows that stand beside an entity's (`beside`) have that entity's ids and are loaded whenever its row is, if the event
 * is folded into them.
 *
 * No projection names SQL values from input; the store builds its statements from these tables alone.
 */
#ifndef VERBATIM_FOLD_PROJECTION_H
#define VERBATIM_FOLD_PROJECTION_H

#include "event/event.h"
#include "rules/lifecycle.h"

enum column_kind {
	COLUMN_UUID, COLUMN_TEXT, COLUMN_ENUM, COLUMN_INT2, COLUMN_INT4, COLUMN_INT8, COLUMN_BOOL,
	COLUMN_TIME, COLUMN_JSON, COLUMN_TEXTS, COLUMN_UUIDS, COLUMN_DECIMAL, COLUMN_INET,
};

#define INT_NONE INT64_MIN

struct column {
	const char *name;
	enum column_kind kind;
	size_t offset;
	const char *sql;           /* the column's type where the kind's own (uuid, text, int4, ...) is not it: "varchar(500)" */
	const char *const *values; /* of ENUM, NULL-terminated */
	bool required;             /* NOT NULL */
	bool hidden;               /* for the folds, not for people: left out of the view over the table */
	bool unique;               /* of TEXT: no two rows of a tenant should have the same */
	bool withheld;             /* holds content or personal data, though no field of the catalog says so */
	bool open;                 /* holds neither, though the catalog cannot say so */
	int scale;                 /* of DECIMAL */
	enum entity ref;           /* a row of this entity is loaded beside this row */
	const struct machine *machine; /* of ENUM: this column is the row's state, `values` are the machine's states */
	bool adds;                 /* of INT2, INT4, INT8, DECIMAL, and JSON: the column is a sum */
	const char *fallback;      /* the value a new row begins with: text of an enum value, number, "true", JSON; NULL: null */
	const char *about;         /* the column's COMMENT */
};

/* COLUMN(team, name, TEXT, .sql = "varchar(100)", .required = true) */
#define COLUMN(type, member, column_kind, ...) \
	{ .name = #member, .kind = COLUMN_##column_kind, .offset = offsetof(struct type, member), __VA_ARGS__ }

struct projection;

/* What every row begins with. */
struct row {
	const struct projection *of;
	struct row *next_changed; /* the batch's list of rows to write, in order of first change */
	struct uuid tenant_id;
	struct uuid id;
	int64_t last_position;
	uint32_t looked; /* state_wants has followed its refs in this round */
	uint8_t place;    /* of its read model in the group */
	bool exists : 1;  /* false: looked for, and not in the database */
	bool fresh : 1;   /* created in this batch: INSERT, not UPDATE */
	bool changed : 1; /* on the batch's list */
	bool partial : 1; /* of a read model of sums: holds only what this batch added; what was there before is to be loaded */
};

struct fold;

/* Names rows that folding the event will need and that no ref leads to; asked again as rows come in (state.h, wish_row). */
struct wish;
typedef void (*foresee_fn)(struct wish *w, const struct event *e);

/* All events of a batch are folded: what was gathered goes into the rows. */
struct state;
typedef void (*settle_fn)(struct state *s);

/* 0, or a negative code that stops the worker (a bug or a lost row; an event that does not fit is an anomaly and 0). */
typedef int (*fold_fn)(struct fold *f, const struct event *e);

enum fold_how {
	FOLD_CALL,    /* only the function */
	FOLD_CREATE,  /* a new row for the event's entity, payload fields copied; an anomaly `exists` when it is there */
	FOLD_COPY,    /* payload fields that are there are copied into the entity's row; `unknown_<entity>` when there is none */
	FOLD_CHANGES, /* payload.changes: {column: {from, to}} applied to the entity's row, all or none: `stale_write` when the
		       * row holds neither `from` nor `to` already; then as FOLD_COPY for the other fields */
	FOLD_REWRITE, /* FOLD_COPY of the whole: a field that is not there puts its column back to the fallback */
	FOLD_ADD,     /* FOLD_CREATE under the event's own id (history rows: the row's id is the event_id) */
};

struct fold_entry {
	enum event_kind kind; /* EV_UNKNOWN ends the table */
	enum fold_how how;
	fold_fn then;         /* after the copy (fold.row is the row), or alone with FOLD_CALL; may be NULL otherwise */
	enum entity refs;     /* the fold looks at rows of this entity that the payload names: they are loaded before it runs;
			       * ENTITY_TENANT: at the tenant's own row */
};

/* ON(TEAM_ACTIVATED, COPY, .then = on_activated) */
#define ON(event, fold_how, ...) { .kind = EV_##event, .how = FOLD_##fold_how, __VA_ARGS__ }

struct projection {
	const char *schema;  /* "core" */
	const char *name;    /* "conversations" */
	int version;
	const char *about;   /* the table's COMMENT */
	enum entity entity;  /* its ids are the rows' ids; ENTITY_NONE when rows are only added */
	enum entity beside;  /* the rows have the ids of this entity, whose read model is another one */
	const char *beside_if; /* the BOOL column there that says whether there is such a row; NULL: there always is */
	size_t row_bytes;
	const struct column *columns;
	int column_count;
	const struct fold_entry *folds;
	const char *const *indexes; /* "(tenant_id, state)", "USING gin (tags)", "UNIQUE ..." not allowed; NULL-terminated or NULL */
	/*
	 * 0: 100; less for rows that change often.  The room it leaves takes versions that need no entry in any index; while a
	 * stranger's old snapshot keeps what is dead from being removed, it is all the room there is.
	 */
	int fillfactor;
	bool history;        /* rows are added and never looked at again, so memory keeps none that is written */
	bool withheld;       /* the whole of it, ids too, is none of the analysts' business */
	settle_fn settle;    /* of sums: adds what the folds gathered (state.h), or NULL */
	foresee_fn foresee;  /* for the events it folds, or NULL */
	const struct projection *const *needs; /* whose folds must run with its own (fold/inputs.h); NULL-terminated, or NULL */
	const struct projection *const *marked_by; /* who write into its rows what they alone look at; the same */
};

/* FOLDS(a_table): the table ends with { .kind = EV_UNKNOWN }. */
#define FOLDS(table) .folds = (table)

/* NEEDS(&conversations, &messages) */
#define NEEDS(...) .needs = (const struct projection *const[]){ __VA_ARGS__, NULL }
#define MARKED_BY(...) .marked_by = (const struct projection *const[]){ __VA_ARGS__, NULL }

#define COLUMNS(type, table) .row_bytes = sizeof(struct type), .columns = (table), \
	.column_count = (int)(sizeof(table) / sizeof((table)[0]))

/* A group goes forward together: one checkpoint, one transaction, folds in this order on each event. */
struct group {
	const char *name;
	const struct projection *const *projections;
	int count;
};

enum { GROUP_PROJECTIONS_MAX = 64 };

/* The registry (projections/registry.c): all groups of this binary. */
extern const struct group *const groups[];
extern const int group_count;

/* NULL when the group has no read model of that entity. */
const struct projection *group_projection_of(const struct group *g, enum entity entity);
const struct column *projection_column(const struct projection *p, const char *name);

/* Whether analysts must not read it (core/fold/withheld.c). */
bool column_is_withheld(const struct projection *p, const struct column *c);

#endif
