/*
 * store - everything the engine asks of PostgreSQL, as one struct of functions.
 *
 * A `struct store` is one session with the database, on one loop, used by one owner (an appender, a worker,
 * the reader).  At most one request is under way on it.  Each call takes a request that the caller owns and
 * that stays where it is until its `done` runs; `done` never runs inside the call.  The texts and rows a
 * request gives back live in the arena the caller put into it.
 *
 * Two implementations: store/pg_*.c on libpq, and test/simulation/fake_store.c with a virtual clock and
 * injected faults.  The engine cannot tell them apart.
 *
 * Failures.  `lost`: the session is gone (status E_UNAVAILABLE); whether the request had its effect is unknown;
 * call `connect` again before anything else.  Not lost: the server answered, nothing was changed, the session
 * stays usable: E_UNAVAILABLE (disk full, read-only), E_FENCED, E_ROW_REFUSED, E_READ_MODEL, E_TIMEOUT, E_BUSY, E_DATABASE.
 * `request.error` has the words.
 */
#ifndef VERBATIM_STORE_STORE_H
#define VERBATIM_STORE_STORE_H

#include "base/arena.h"
#include "base/error.h"
#include "event/event.h"
#include "event/merkle.h"
#include "fold/state.h"

struct store;

struct store_request {
	void (*done)(struct store_request *request);
	void *data;       /* the owner's */
	int status;       /* 0 or a negative code */
	bool lost;        /* with a failure: the session is gone, and whether it happened is unknown */
	struct error error;
};

enum { SHARDS_MAX = 256, GROUPS_MAX = 8 };

/* Connects (or connects again) and learns what log this is. */
struct store_connect {
	struct store_request request;
	struct uuid log_id;
	int32_t epoch;
	int16_t shards;       /* tenant shards: 1..shards; shard 0 besides */
	int64_t created_at;   /* of the log */
	struct arena *arena;  /* for adoptions; NULL: not wanted */
	struct bytes adoptions; /* JSON [{epoch, at, payload}, ...] of the epochs after the first; absent when the log was never adopted */
	int64_t database_now; /* its clock when it answered */
};

struct expectation {
	int item;            /* the caller's number for the request it belongs to */
	enum { EXPECT_ENTITY, EXPECT_CONVERSATION, EXPECT_RESOLUTION, EXPECT_TENANT } scope;
	struct uuid tenant_id;
	struct uuid id;
	struct bytes types;  /* comma-joined event types, empty: all */
	int64_t after;
};

enum append_outcome {
	APPEND_OK,
	APPEND_HEAD,       /* the head is another: head_* say which */
	APPEND_DUPLICATES, /* found: hits name the events (item = index in events) */
	APPEND_EXPECT,     /* hits name the expectations that do not hold (item = expectation.item), with the position in the way */
	APPEND_EXPECT_FAR, /* hits name expectations whose `after` lies too far back to be judged */
	APPEND_EPOCH,      /* the log was adopted: head_position = its epoch */
	APPEND_CLOCK,      /* the clocks differ by more than 5 s: head_recorded_at = the database's */
	APPEND_MONTH,      /* the month has no leaf yet: maintain first */
	APPEND_APART,      /* it went together with others, and something stood in the way: alone it learns what */
};

struct append_hit {
	int item;
	int64_t position;
	int64_t recorded_at;
	uint8_t leaf[LEAF_BYTES];
};

enum { APPEND_TOGETHER_MOST = 4 };

/*
 * One batch, one statement, one commit.  Any outcome but APPEND_OK has written nothing.
 *
 * Small batches of several shards may share a statement and its commit: `also` chains up to
 * APPEND_TOGETHER_MOST of them, shards rising (so that two engines never wait for each other's fences in a circle).
 * Each has an outcome of its own; status, loss and error are the statement's, the same for all.  Every `done` runs,
 * that of the first one last.
 */
struct store_append {
	struct store_request request;
	struct store_append *also; /* goes along; NULL at the end */
	int16_t shard;
	int32_t epoch;
	int64_t head;        /* the expected last position */
	int64_t now;         /* the engine's clock */
	int64_t recorded_at;
	uint8_t root[LEAF_BYTES];
	bool look;           /* look for duplicates before inserting; else a violation is the signal */
	int64_t look_from;   /* start of the oldest month to look in, or TIME_NONE */
	const int *old;      /* indexes of events whose ids may stand in older months */
	int old_count;
	struct event *const *events; /* with position and leaf_hash set: head + 1, head + 2, ... */
	int count;
	const struct merkle_tile *tiles;
	const struct expectation *expects;
	int expect_count;
	struct arena *arena; /* for hits */

	enum append_outcome outcome;
	struct append_hit *hits;
	int hit_count;
	int64_t head_position, head_recorded_at;
	uint8_t head_root[LEAF_BYTES];
};

enum { HEAD_LEAVES_MOST = 4096 };

/* The head of a shard and what is needed to go on from it. */
struct store_head {
	struct store_request request;
	int16_t shard;
	int64_t known;       /* the last position the caller vouches for; 0: none */
	bool compare;        /* with what the read models have seen of this shard, as one snapshot shows both */
	bool wait;           /* for the end of an append that is under way: what it has stored is seen */
	int64_t after;       /* the leaves behind this position are wanted too; 0: none */
	struct arena *arena;

	int32_t epoch;
	int64_t position;    /* 0: empty */
	int64_t recorded_at; /* TIME_NONE when empty */
	uint8_t root[LEAF_BYTES];
	uint8_t known_root[LEAF_BYTES]; /* of the batch that ends at `known`; zero when there is no such batch */
	bool known_found;
	int64_t first_month; /* start of the oldest month in which the shard has events, or TIME_NONE */
	/*
	 * With `compare`: the furthest checkpoint (of any group and generation) that the log does not bear out, because it
	 * ends before it or holds another leaf there, and that no adoption has given up since; 0: none.
	 */
	int64_t diverged;
	const uint8_t *leaves; /* of after + 1, after + 2, ..., in the arena: up to `position`, or fewer */
	int leaf_count;
};

/* The open tiles of the tree at a size (merkle_load); hashes stand in the arena. */
struct store_tree {
	struct store_request request;
	int16_t shard;
	int64_t size;
	struct arena *arena;
	const uint8_t *open[MERKLE_LEVELS];
};

/* Events in order of position.  Stops at `limit` events or once `bytes` of payload are passed; `complete` tells that everything up to `head` was seen. */
struct store_read {
	struct store_request request;
	int16_t shard;
	int64_t after;        /* first wanted position - 1 */
	int64_t upto;         /* last wanted position; 0: the head */
	struct uuid tenant_id;       /* nil: all */
	struct uuid conversation_id; /* nil: all; needs tenant_id */
	bool leaves_only;     /* only position and leaf_hash are filled */
	int limit;
	size_t bytes;
	struct arena *arena;

	struct event *events;
	int count;
	int64_t head;         /* the shard's last position when it was read */
	bool complete;
};

/* The heads of all shards in one look: for waiting readers, and for what other engines append. */
struct store_heads {
	struct store_request request;
	int64_t position[SHARDS_MAX]; /* by shard; 0 where empty */
	int32_t epoch;
	int64_t database_now;
};

/* Where a group stands in a shard, read before the worker starts. */
struct store_checkpoint {
	struct store_request request;
	const struct group *group;
	int16_t shard;

	int32_t generation;
	int64_t position;
	uint8_t leaf[LEAF_BYTES]; /* of the event at position; zero at 0 */
	bool diverged;            /* the log has another leaf there, or ends before it */
	bool answers;             /* this generation is the one that people see */
	int64_t shown;            /* where the one that people see stands, be it this or another */
};

/* Rows by key, all of one projection or of several.  E_FENCED as of store_due. */
struct store_load {
	struct store_request request;
	const struct row_key *keys;
	int count;
	struct arena *arena;
	struct row **rows;    /* by key; NULL where there is none; rows and texts stand in the arena */
};

/* The changed rows and the checkpoint, in one transaction, fenced by (generation, epoch, old position). */
struct store_project {
	struct store_request request;
	const struct group *group;
	int32_t generation;
	int16_t shard;
	int32_t epoch;
	int64_t old_position;
	int64_t new_position;
	uint8_t leaf[LEAF_BYTES];
	struct row *changed;  /* the state's list */

	bool answers;         /* as of this commit, the generation is the one that people see */
	/*
	 * E_FENCED: another was first.  E_ROW_REFUSED: the database refused a row; error.field names the read model.
	 * E_READ_MODEL: a row to be updated is not there; twice in a row: somebody has changed the read model by hand.
	 */
};

/* A clock of which time has something to decide: a warning, or the breach. */
struct due_clock {
	struct uuid tenant_id, id;
	struct uuid conversation_id, resolution_id; /* whose clock it is; at least one */
	struct uuid started_by;   /* the event that set it going */
	struct bytes clock;       /* "first_response", ... */
	int32_t cycle, target_version, run;
	int nth;                  /* of the policy's thresholds; -1: the breach */
	int64_t threshold;        /* times 10^DUE_THRESHOLD_SCALE; of a warning */
	int64_t due_at, next_at;  /* when the promise ends; when this is to be decided */
};

enum { DUE_THRESHOLD_SCALE = 4 };

/* An sla_policy.reapply of `all` that is not done with: the engine names whom it concerns (rules/reapply.h). */
struct due_ask {
	struct uuid tenant_id, id; /* of the event; nil: there is none */
	struct uuid policy_id;
	int64_t policy_version;    /* clocks of an older one are concerned */
	int64_t asked_at;
	int64_t parts;             /* that are in the log */
};

/*
 * The clocks of a shard whose next_at has passed, the earliest first, with what the caller must know to decide on
 * them; all of it as it stood at one moment.  `checkpoint` comes before, which tells the generation.  E_FENCED, as of
 * store_names: its tables are gone, for others have taken their place; the next checkpoint tells which.
 */
struct store_due {
	struct store_request request;
	const struct group *group;
	const struct projection *clocks; /* the read model, with columns named as in core.sla_clocks */
	const struct projection *asks;   /* as core.sla_reapplications; NULL: there is none */
	int32_t generation;
	int16_t shard;
	int64_t now;          /* the engine's clock */
	int64_t from;         /* only clocks with next_at at or after it */
	int limit;
	struct arena *arena;  /* for due and its texts */

	int64_t horizon;      /* the earlier of `now` and the database's clock: due is what lies before it */
	int64_t position;     /* of the group's checkpoint */
	int64_t head;         /* of the shard */
	int64_t next;         /* the first instant at or after the horizon; TIME_NONE: none */
	struct due_clock *due;
	int count;
	struct due_ask ask;   /* the one that waits longest */
};

/* Whom an ask concerns: a conversation's own clocks, or those of a resolution. */
struct due_name {
	struct uuid conversation_id, resolution_id;
};

/*
 * The open clocks of a policy in versions before the ask's, in order of (conversation_id, id).  Looks at no more than
 * `rows` of the tenant's clocks after the place named, and stops at `limit` found; `checkpoint` comes before.
 */
struct store_names {
	struct store_request request;
	const struct projection *clocks;
	int32_t generation;
	struct due_ask ask;
	struct uuid after_conversation, after_clock; /* then: how far it has come */
	int rows, limit;
	struct arena *arena;

	struct due_name *names;
	int count;
	bool complete;        /* there are no clocks after that */
};

/* A lease in a row, on the database's clock. */
struct store_lease {
	struct store_request request;
	const char *name;
	const struct group *group; /* NULL; or the lease is of the generation of it that this binary folds */
	int16_t shard;
	struct uuid owner;
	int64_t ttl_ms;       /* 0 gives it back */
	bool held;
	struct uuid holder;
	int engines;          /* that have a session of this one's name, this one among them: who could hold it */
	int higher;           /* leases of this name on higher shards that the owner holds */
};

/* A generation of a group's read models. */
struct generation {
	const struct group *group;
	int32_t generation;
	bool answers;         /* people see it */
	bool folded;          /* this binary's workers fold it */
	bool shown;           /* now or before */
	int64_t position;     /* sum of its checkpoints over the shards */
	int64_t created_at;
};

enum { GENERATIONS_MAX = 64 };

/* A rebuild that is not done (engine/rebuild.h), as its last heartbeat told of it. */
struct rebuild_seen {
	int32_t rebuild;
	char group[32];
	int32_t read_models;
	bool alive;           /* its heart beats; else it waits for whoever resumes it */
	char step[16];        /* "" before the first */
	int64_t done, total;  /* of the step: events, rows (compare) or tables (index) */
	int64_t spent_us;     /* on it so far */
	int64_t begun_at;
};

enum { REBUILDS_SEEN = GROUPS_MAX };

/* What generations there are of all groups of this binary, by group, the oldest first; at most GENERATIONS_MAX, the newest of each; and what rebuilds. */
struct store_generations {
	struct store_request request;
	struct generation list[GENERATIONS_MAX];
	int count;
	struct rebuild_seen rebuilds[REBUILDS_SEEN];
	int rebuild_count;
};

/*
 * Makes people see this generation, as soon as it has come as far as the one they see, and sweeps away what it has
 * overtaken.  E_BUSY: readers hold the views, or another engine is at it.  Whoever sees SWITCH_READY or
 * SWITCH_BEHIND asks again.
 */
struct store_switch {
	struct store_request request;
	const struct group *group;
	int32_t generation;
	enum switch_outcome { SWITCH_BEHIND, SWITCH_READY, SWITCH_DONE, SWITCH_KEPT } outcome;
};

/* Makes the leaves of the month of `now` and the two after it, closes what is past.  E_BUSY: try again soon. */
struct store_maintain {
	struct store_request request;
	int64_t now;
};

struct store_ops {
	void (*connect)(struct store *s, struct store_connect *r);
	void (*append)(struct store *s, struct store_append *r);
	void (*head)(struct store *s, struct store_head *r);
	void (*tree)(struct store *s, struct store_tree *r);
	void (*read)(struct store *s, struct store_read *r);
	void (*heads)(struct store *s, struct store_heads *r);
	void (*checkpoint)(struct store *s, struct store_checkpoint *r);
	void (*load)(struct store *s, struct store_load *r);
	void (*project)(struct store *s, struct store_project *r);
	void (*due)(struct store *s, struct store_due *r);
	void (*names)(struct store *s, struct store_names *r);
	void (*lease)(struct store *s, struct store_lease *r);
	void (*maintain)(struct store *s, struct store_maintain *r);
	void (*generations)(struct store *s, struct store_generations *r);
	void (*switch_to)(struct store *s, struct store_switch *r);

	/* Ends the session; a request under way is answered with E_CANCELLED first; then `closed` runs, last, and the store is gone. */
	void (*close)(struct store *s, void (*closed)(void *data), void *data);
};

struct store {
	const struct store_ops *ops;
};

/* Opens sessions: one factory a thread (it is bound to that thread's loop). */
struct store_factory {
	/* Not connected yet; never fails.  `name` shows in pg_stat_activity: "verbatim appender 2". */
	struct store *(*open)(struct store_factory *f, const char *name);
};

#endif
