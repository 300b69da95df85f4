/*
 * request - one append call on its way from a socket to its answer.
 *
 *   decoded --> queued at its shard's appender --> in a batch --> answered
 *                        ^                            |
 *                        +---- stale head, lost ------+
 *
 * A request owns the memory of its events (one arena).  Requests come from a pool and go back to it, so that
 * a steady load allocates nothing.  Whoever holds a request is on exactly one list with it; the answer is
 * given once, by calling `answer`, which must not keep the request.
 */
#ifndef VERBATIM_ENGINE_REQUEST_H
#define VERBATIM_ENGINE_REQUEST_H

#include <msgpack.h>

#include "base/arena.h"
#include "engine/ticket.h"
#include "event/envelope.h"
#include "store/store.h"

/* What is known of one event of a request beside the event itself. */
struct request_event {
	int64_t duplicate_at; /* position of the same event in the log; 0: not there */
	int same_as;          /* an earlier event of this request with this id and content; -1: none */
};

struct api_key;
struct engine;
struct read_call;
struct tenant_quota;

struct request {
	struct request *next;
	struct arena arena;
	struct event *events;
	struct request_event *states;
	int count;
	struct expectation *expects;
	int expect_count;
	struct uuid tenant_id;
	int shard;
	struct engine *engine; /* whoever takes the answer when the session has gone */
	size_t bytes;          /* what it counts for in the engine's bounds */
	struct api_key *key;   /* whose limits it counts for until it is answered, held; NULL: the engine's own */
	struct tenant_quota *tenant_quota;
	int64_t wire_bytes;    /* as they count for these */
	bool own;              /* the engine's, which journals something: counted apart from what clients send */
	int64_t came_at;       /* monotonic: to the appender */
	int64_t recorded_after; /* `clock` when it would be recorded at or before this instant; 0: none */

	/* A batch with this request was sent and its connection died: what the log holds behind `unsettled_after` may be ours, not a duplicate. */
	bool unsettled;
	int64_t unsettled_after;

	/* The outcome: status 0 and the ack, or an error. */
	int status;
	struct error error;
	struct uuid log_id;
	int32_t epoch;
	int64_t first, last;
	uint8_t leaf[LEAF_BYTES];

	void (*answer)(struct request *r);
	struct ticket ticket;
};

struct request_list {
	struct request *first;
	struct request **end;
	int count;
	size_t bytes;
};

void request_list_init(struct request_list *l);
void request_list_add(struct request_list *l, struct request *r);
struct request *request_list_take(struct request_list *l); /* the first, or NULL */
void request_list_prepend(struct request_list *l, struct request_list *front); /* empties `front` */

struct request_pool {
	struct request *free;
	int free_count;
};

struct request *request_new(struct request_pool *pool);
void request_free(struct request_pool *pool, struct request *r);
void request_pool_release(struct request_pool *pool);

struct request_limits {
	struct envelope_limits envelope;
	int events;
	int expects;
	int shards;
};

/*
 * Fills `r` from append's parameters: `events` an array of maps, `options` a map or NULL.  Errors: E_PARAMS,
 * E_INVALID (index and field say where), E_MIXED_TENANTS, E_TOO_LARGE.
 */
int request_decode(struct request *r, const msgpack_object *events, const msgpack_object *options, int64_t now,
		   const struct request_limits *limits, struct error *error) must_check;

/*
 * Fills `c`, zeroed but for `from`, from the filter of a read: a map, or NULL.  `bound`: the tenant that the caller is bound
 * to, or NULL; then the filter need name none.  A key that stands twice holds as it stands last.  Error: E_PARAMS.
 */
int request_read_filter(const msgpack_object *filter, int shards, const struct uuid *bound, struct read_call *c,
			struct error *error) must_check;

/* How many of its events stood in the log before, or earlier in the request itself, once it is acknowledged. */
int request_duplicates(const struct request *r);

/* Sets the outcome to `code` and answers. */
void request_refuse(struct request *r, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
