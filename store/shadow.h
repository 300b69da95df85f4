/*
 * shadow - the steps of a rebuild in the database, one function each; what they do stands in schema/log, create_rebuild.
 *
 * Blocking, on db.h's sessions.  Each is one statement, in the caller's transaction if there is one.  Errors:
 * E_FENCED: another one has taken the rebuild over.  E_BUSY: a lock, or a moment, did not come; nothing has happened.
 */
#ifndef VERBATIM_STORE_SHADOW_H
#define VERBATIM_STORE_SHADOW_H

#include "event/event.h"
#include "fold/projection.h"
#include "store/db.h"
#include "store/store.h"

enum { SHADOW_NAME = 64, SHADOW_HOST = 256 };

enum shadow_how { SHADOW_AUTO, SHADOW_RESUME, SHADOW_SCRATCH, SHADOW_BACK };

struct shadow_table {
	const struct projection *projection;
	char live[SHADOW_NAME];   /* what it is called, below schema generations */
	char shadow[SHADOW_NAME]; /* "" while there is none */
	int64_t rows;             /* of the live one, as the planner thinks */
	int indexes;              /* of the live one */
};

/* A rebuild, as the database has it. */
struct shadow_plan {
	struct uuid owner;
	int32_t rebuild;          /* 0: none was begun */
	int32_t generation;       /* whose tables it takes the place of */
	bool resumed;
	bool seen;                /* people see that generation */
	struct shadow_table tables[GROUP_PROJECTIONS_MAX];
	int count;
	int64_t folded[SHARDS_MAX]; /* by shard: how far the shadows are; -1: nothing is there */
};

struct shadow_position {
	int16_t shard;
	int64_t live;             /* checkpoint of the generation */
	bool sound;               /* the log holds that event */
	bool diverged;            /* some checkpoint is not borne out by the log, and nobody has adopted it */
	int64_t head;             /* of the log */
};

/* A session as the engine's role, when the login is a member of it. */
int shadow_open(const char *conninfo, const char *name, struct pg_conn **out, struct error *error) must_check;

/*
 * Begins one (p->owner is set).  E_BUSY tells who is at it.  E_NOT_FOUND: nothing to resume, or to go back to.  With
 * SHADOW_BACK `wanted` is not looked at: p->tables tells.
 */
int shadow_begin(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
		 enum shadow_how how, struct shadow_plan *p, struct error *error) must_check;

/* Only which tables there are, and what a rebuild of them would meet: `unfinished` (may be NULL) gets words about one that was begun, or "". */
int shadow_look(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
		struct shadow_plan *p, char *unfinished, size_t size, struct error *error) must_check;

int shadow_positions(struct pg_conn *c, const struct group *group, int32_t generation, struct shadow_position *out, int *count,
		     struct error *error) must_check;

int shadow_beat(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;

/* A beat that says how far the step of that name is; engines show it. */
int shadow_progress(struct pg_conn *c, const struct shadow_plan *p, const char *name, int64_t done, int64_t total, struct error *error) must_check;
int shadow_folded(struct pg_conn *c, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to, const uint8_t leaf[LEAF_BYTES],
		  struct error *error) must_check; /* from -1: the first time */

/* The indexes of a table, from the first-th (counted from 1) to the last-th; sessions may share a table's among them.  When all
 * are there, it is finished: key, guard, statistics. */
int shadow_index(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, int first, int last,
		 struct error *error) must_check;
int shadow_finish(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, struct error *error) must_check;

/* Rows that changed after p->folded of their shards, from the live table into the old one; `shards`: with shard 0. */
int shadow_bring(struct pg_conn *c, const struct shadow_plan *p, const struct shadow_table *table, int shards, struct error *error) must_check;

/* The old tables stand where the live ones do; these are held. */
int shadow_level(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;

int shadow_hold(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
int shadow_mark(struct pg_conn *c, const struct shadow_plan *p, int32_t *next, struct error *error) must_check;
/* Readers are held until the transaction ends: so far for *locked_us, and no longer than patience_ms, or it is E_BUSY.
 * `event`: the payload of the event that is to tell of it, which is kept until shadow_told. */
int shadow_switch(struct pg_conn *c, const struct shadow_plan *p, int32_t next, int patience_ms, const char *event, int64_t *locked_us,
		  struct error *error) must_check;
int shadow_give_up(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;
int shadow_leave(struct pg_conn *c, const struct shadow_plan *p, struct error *error) must_check;

/* A rebuild that was switched to, of which the log says nothing yet. */
struct shadow_untold {
	int32_t rebuild;
	struct uuid owner;
	int64_t ended_at;
	char *event;
};

/* The first one; rebuild 0: there is none.  The caller frees `event`. */
int shadow_untold(struct pg_conn *c, struct shadow_untold *out, struct error *error) must_check;
int shadow_told(struct pg_conn *c, int32_t rebuild, struct error *error) must_check;

/* Drops what answered before; how many generations went.  `but`: of what rebuilds replaced, all that came before this one; 0: all. */
int shadow_drop_old(struct pg_conn *c, const struct group *group, int32_t but, int *count, struct error *error) must_check;

#endif
