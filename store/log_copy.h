/*
 * log_copy - a shard's events in order of position, at the speed of COPY, for commands that read the whole log:
 * rebuild, replay, verify.
 *
 * Blocking, on a session of its own; several may run side by side, one a thread.  A slice of at most SLICE positions
 * of one leaf is one statement and one snapshot, so no reading holds a snapshot for long.  The rows are decoded
 * straight from the server's buffer; a block of them stands in the reader's arena until the next one is asked for.
 *
 * Every row's position is the one before plus one, or reading stops with E_LOG_GAP: an event is missing, or
 * stands twice.  Whether the bytes are those that were appended is for who reads to check (canonical_leaf).
 */
#ifndef VERBATIM_STORE_LOG_COPY_H
#define VERBATIM_STORE_LOG_COPY_H

#include "base/error.h"
#include "event/event.h"

struct log_copy;

struct log_copy_source {
	struct uuid log_id;
	int32_t epoch;
	int16_t shards;        /* tenant shards: 1..shards; shard 0 besides */
	int64_t created_at;
};

/*
 * Connects.  `role` is what the session steps down to when its login is a member of it, NULL: stay the login.  `name`
 * shows in pg_stat_activity.  `source` (may be NULL) tells what log it is.
 */
int log_copy_open(const char *conninfo, const char *role, const char *name, struct log_copy **out,
		  struct log_copy_source *source, struct error *error) must_check;
void log_copy_close(struct log_copy *l);

/* The shard's last position as of now, 0 when it is empty, with the root over it (may be NULL) and when it was recorded (may be NULL). */
int log_copy_head(struct log_copy *l, int16_t shard, int64_t *position, uint8_t root[LEAF_BYTES], int64_t *recorded_at,
		  struct error *error) must_check;

/* The last position whose recorded_at is not after `at`; 0 when there is none. */
int log_copy_position_at(struct log_copy *l, int16_t shard, int64_t at, int64_t *position, struct error *error) must_check;

/* The statement that finds it, for sessions of another kind: shard, microseconds since 1970; one row, the position. */
extern const char log_copy_position_sql[];

/* Begins (again, also amid another reading or after a failure that left the session alive) with positions after+1 .. upto, which is at most the head. */
int log_copy_begin(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error) must_check;

/*
 * The same for folds alone, a quarter cheaper: without what none of them looks at (correlation_id, actor_ip,
 * actor_user_agent, leaf_hash); of an event whose type is known, entity_type is the catalog's.
 */
int log_copy_begin_folding(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error) must_check;

/*
 * The next block: at most LOG_COPY_BLOCK events; 0 of them when all have been given.  They and their texts are borrowed
 * until the next call.  An event of a type this binary does not know has type NULL and its name.
 */
enum { LOG_COPY_BLOCK = 1000 };
int log_copy_next(struct log_copy *l, struct event **events, int *count, struct error *error) must_check;

#endif
