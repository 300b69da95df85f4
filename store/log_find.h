/*
 * log_find - the events that concern an entity, by the log's indexes, and the places and proofs around them: for
 * commands that show how something came about without reading the log.
 *
 * Blocking, on one read-only session.  What is asked together goes out together, in one round trip; opening costs one
 * beside the connection's own.
 *
 * A login that reads by tenant (verbatim_reader) sees its tenant's events and neither batches nor tiles: then
 * `log_find_log.bound` is set, and what needs those is E_NO_ACCESS.
 */
#ifndef VERBATIM_STORE_LOG_FIND_H
#define VERBATIM_STORE_LOG_FIND_H

#include "base/arena.h"
#include "base/error.h"
#include "event/event.h"
#include "event/merkle.h"

struct log_find;

struct log_find_log {
	struct uuid log_id;
	int16_t shards;       /* tenant shards: 1..shards; shard 0 besides */
	int64_t now;          /* the database's clock */
	bool bound;           /* the login reads one tenant at a time, by row security */
	bool appends;         /* the login may append */
	char login[64];
};

/* `tenant` is the one a bound login names; nil: none. */
int log_find_open(const char *conninfo, const char *name, const struct uuid *tenant, struct log_find **out,
		  struct log_find_log *log, struct error *error) must_check;
void log_find_close(struct log_find *l);


/* How events are looked for; each by an index of every leaf, but where it says otherwise. */
enum find_by {
	FIND_CONVERSATION, /* conversation_id */
	FIND_RESOLUTION,   /* resolution_id */
	FIND_ENTITY,       /* entity_id, outside of conversations */
	FIND_CONTEXT,      /* entity_id of a customer, user, team or tenant, amid a conversation */
	FIND_NAMES,        /* entity_id of a user: only what says what the user is called */
	FIND_OTHER,        /* the other party of a merge, a split, a change of customer */
	FIND_BEGUN,        /* conversation.created with this customer_id */
	FIND_POLICIES,     /* all events of the tenant's SLA policies; `ids` does not count */
	FIND_ACTOR,        /* actor_id: reads all of the tenant's events */
	FIND_CORRELATION,  /* correlation_id: reads all of the tenant's events of months that are not closed */
	FIND_ANYWHERE,     /* entity_id, wherever: like FIND_CORRELATION */
	FIND_TENANT,       /* everything of the tenant's */
};

struct find_ask {
	enum find_by by;
	const struct uuid *ids;
	int count;
};

/* Which part of the log counts. */
struct find_limits {
	int64_t position;    /* up to here; INT64_MAX: no bound */
	int64_t recorded_at; /* not after; TIME_MAX: no bound */
	int64_t events;      /* E_TOO_LARGE when there are more */
};

/*
 * Everything that fits one of the asks, each as often as it fits, in no order.  The array and the texts stand in `arena`.
 */
int log_find_events(struct log_find *l, const struct uuid *tenant, const struct find_limits *limits,
		    const struct find_ask *asks,
		    int count, struct arena *arena, struct event **events, int *found, struct error *error) must_check;

/* The tenants that have an event with this id, at most `most`; by FIND_CONVERSATION, FIND_RESOLUTION or FIND_ENTITY. */
int log_find_tenants(struct log_find *l, enum find_by by, const struct uuid *id, struct uuid *tenants, int most, int *count,
		     struct error *error) must_check;

/* ---- places and proofs; not for a bound login ---- */

struct log_place {
	int64_t position;     /* 0: nothing of the shard is as old as that */
	int64_t recorded_at;  /* of its batch */
	int32_t epoch;        /* of its batch: how often the log had been adopted */
	int64_t batch_end;    /* last position of its batch; `root` is over 1..batch_end */
	uint8_t root[LEAF_BYTES];
	int64_t head;         /* the shard's last position */
	int64_t head_at;      /* when it was recorded */
};

/*
 * On a session of db.h that is there and reads more than one tenant; it becomes a read-only one that looks by indexes, and stays
 * the caller's, also for questions in between.  To be closed in any case.  A place is asked for in the same round trip.
 */
struct pg_conn;
int log_find_on(struct pg_conn *conn, int16_t shard, int64_t position, struct log_find **out, struct log_place *place,
		struct error *error) must_check;

/* The last position that was recorded at or before `at` (TIME_MAX: the head), or the position `position` when it is above 0. */
int log_find_place(struct log_find *l, int16_t shard, int64_t at, int64_t position, struct log_place *place,
		   struct error *error) must_check;

/* The root over positions 1..size, from the stored tiles and the leaves of the open one. */
int log_find_root(struct log_find *l, int16_t shard, int64_t size, uint8_t root[LEAF_BYTES], struct error *error) must_check;

/*
 * How events stand in the tree, in a round trip or two: the place of `position`, the root there, which is the batch's when it ends
 * there (and none behind the head), and the leaves at so many rising positions as the tree's full tiles have them; `there` tells of each whether its tile
 * is full.  A leaf's 32 bytes are cut out of its tile's 8,192 where they lie.
 */
struct log_standing {
	struct log_place place;
	uint8_t root[LEAF_BYTES];
	uint8_t (*leaves)[LEAF_BYTES]; /* the caller's, as many as positions */
	bool *there;
};

int log_find_standing(struct log_find *l, int16_t shard, int64_t position, const int64_t *positions, int count,
		      struct log_standing *out, struct error *error) must_check;

#endif
