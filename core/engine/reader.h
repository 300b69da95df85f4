/*
 * reader - read() calls: one database session that serves them in turn, and the tails that wait for more.
 *
 *   queued --> (session idle, answers not piled up) --> reading --> answered
 *                                                         |
 *      ^------------- something was committed ------- tailing (nothing yet, wait_ms not over)
 *
 * A read whose client does not take its answers stays queued, and others pass it.
 */
#ifndef VERBATIM_ENGINE_READER_H
#define VERBATIM_ENGINE_READER_H

#include "base/random.h"
#include "engine/env.h"
#include "engine/ticket.h"
#include "store/store.h"

enum { READ_TYPES_MOST = 64, READ_EVENTS_MOST = 1000, READ_BYTES = 1 << 20, READ_WAIT_MOST_MS = 60000 };

struct read_call {
	struct read_call *next;
	struct ticket ticket;
	int16_t shard;
	int64_t from;
	struct uuid tenant_id, conversation_id;
	const struct event_type *types[READ_TYPES_MOST];
	int type_count;
	int limit;
	uint8_t leaf[LEAF_BYTES]; /* what the client has seen at from - 1; leaf_bytes of it */
	size_t leaf_bytes;        /* 0: nothing to compare (any more) */
	int64_t deadline;        /* monotonic µs; 0: do not wait */
	void *then;              /* not a read: only `leaf` is looked at, for the wait() that goes on after it */
	/* The outcome. */
	int status;
	struct error error;
	const struct event *events;
	int count;
	int64_t head, next_from;
};

struct reader {
	struct env *env;
	struct store *store;
	int32_t shards;
	struct read_call *queue, **queue_end;
	struct read_call *tails;
	struct read_call *current;
	int64_t heads[SHARDS_MAX];   /* as far as known */
	struct env_timer timer;
	struct arena arena;
	struct event *kept;          /* what passed the type filter, in the arena */
	bool connected, request_out, timer_out, closing, heads_due;
	int failures;
	union {
		struct store_request request;
		struct store_connect connect;
		struct store_read read;
		struct store_heads heads;
	} call;
	/* May the answer to this call be made now (its owner takes what it got)?  And: here it is (events valid during the call only). */
	bool (*may)(void *data, struct read_call *c);
	void (*answer)(void *data, struct read_call *c);
	void (*closed)(void *data);
	void *data;
};

void reader_open(struct reader *r, struct env *env, struct store *store);
void reader_start(struct reader *r);
void reader_submit(struct reader *r, struct read_call *c); /* takes it until answered (reader frees it then) */
void reader_committed(struct reader *r, int16_t shard, int64_t head);
void reader_kick(struct reader *r); /* answers may flow again; also called each second for the deadlines */
void reader_close(struct reader *r);

#endif
