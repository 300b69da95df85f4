/*
 * batch - what one commit takes: requests of one shard, sealed with positions, leaves and a root.
 *
 * Forming takes requests from the queue, as their turns come, until a bound is reached or one must wait:
 *
 *   - an event_id that stands in this batch already (its request waits for this commit, and is then found
 *     to be a duplicate by the log);
 *   - an expectation that an earlier request of this batch would break (it waits too, and the log judges).
 *
 * So a batch never depends on whether one of its own requests is refused.  Requests that need no commit are
 * put on `finished` with their outcome: all events known to be duplicates; the same id twice in one request
 * with different content.
 *
 * Turns.  A large batch is a long commit, and whoever comes meanwhile waits for its end.  While a tenant comes with
 * single events (`lone`), the batch ends after `turn` events before one who has more than that waiting.
 *
 * Sealing: position = head + 1, ...; recorded_at = the later of the clock and the head's; leaf = canonical_leaf;
 * root = the tree's with these leaves.  The tree that was given is not touched: the grown copy is `tree`, and it
 * becomes the shard's when the commit is known.
 *
 * Old ids.  The open month's unique index finds what is in it.  For what may stand in an older month the log is
 * asked by name: ids that are not version 7 (back to 31 days), and version 7 ids from before this month less a
 * day (the door refuses ids more than a day ahead of the clock, so an older id cannot hide behind a later time).
 */
#ifndef VERBATIM_ENGINE_BATCH_H
#define VERBATIM_ENGINE_BATCH_H

#include "engine/fair_queue.h"

struct batch_place {
	const struct uuid *log_id;
	int16_t shard;
	int32_t epoch;
	int64_t head;
	int64_t head_recorded_at; /* TIME_NONE when the shard is empty */
	int64_t first_month;      /* of the shard, or TIME_NONE */
	int64_t now;
	const struct merkle *tree;
};

struct batch_limits {
	int events;      /* a single larger request still goes, alone */
	size_t bytes;
	int requests;    /* 1 when a refused batch is taken apart; 0: no bound */
	int turn;        /* events; 0: nobody is to be spared */
	struct uuid lone;
};

struct batch {
	struct arena arena;
	struct request_list requests;
	struct event **events;
	struct request **owners;  /* by event */
	int *indexes;             /* of the event in its request */
	int count;
	int capacity;
	struct expectation *expects;
	int expect_count;
	struct request **expect_owners;
	int *old;
	int old_count;
	int64_t look_from;
	int64_t recorded_at;
	int64_t head;
	struct merkle tree;
	struct merkle_tile *tiles;
	uint8_t root[LEAF_BYTES];
	struct map ids;           /* (tenant_id, event_id) -> struct request */
	struct buffer scratch;
	bool unsettled;           /* one of its requests is */
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);

/* Empties the batch (its requests must have been taken) and forms the next.  Returns its number of events; 0: nothing to commit. */
int batch_form(struct batch *b, struct fair_queue *queue, const struct batch_place *place,
	       const struct batch_limits *limits, struct request_list *finished);

/*
 * A duplicate that the log has found: marks it when its content is the stored one, else gives the request the
 * outcome `conflict` (status set; the caller answers it).  Returns the request.
 */
struct request *batch_duplicate(struct batch *b, const struct append_hit *hit, const struct uuid *log_id);

/* After the commit: the ack of each request. */
void batch_acknowledge(struct batch *b, const struct uuid *log_id, int32_t epoch);

#endif
