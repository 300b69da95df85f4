/*
 * appender - one shard's way into the log.
 *
 *      +--------------------------------------------------------------------------+
 *      v                                                                          |
 *   CONNECTING --> LEARNING --> CATCHING_UP --> IDLE --form--> SENDING --ok--> IDLE
 *      ^  |            ^              |           ^               |
 *      |  +-- back off |              |           +-- refused ----+  requests taken out, formed anew
 *      |               +--------------|---------------------------+  stale head
 *      +------------------------------+---------------------------+  connection lost
 *
 *   IDLE/SENDING --> WAITING (the month has no leaf, the clocks differ, the server refuses writes) --> LEARNING
 *   any --> STOPPED (the log is not the one that was seen before): every request is answered log_diverged
 *
 * Batches gather in `queue` while one is in flight; its commit opens the door for them all, and an idle
 * appender commits at once.  Tenants take turns (fair_queue.h), and while one of them sends a few events now and
 * then, another's flood goes in batches that are over soon (batch.h: turn).
 *
 * Rivals.  When another engine appends to the same shard, one of two batches that are sent at a time was sent for
 * nothing, and whoever has just committed knows the head first and would win again.  So after a large batch was
 * refused because of the head, the engines take turns: each looks at the head before it forms the next, which waits
 * for the end of an append that is under way (store.h: store_head.wait), and stands back for a moment after its
 * commit.  This is courtesy alone; the fence decides.  Small batches cost less than that.
 *
 * Unknown outcome.  When the connection dies with a batch in flight, its requests go back to the front of the
 * queue, marked unsettled, and are sent again with the then head as expectation, looking for duplicates.  That
 * attempt is the question: if the old backend still holds the fence, the new statement waits for it; if the old
 * batch was committed, the head has moved, and the next try finds its events word for word and acknowledges
 * them at their first positions; if not, they are stored now.  Nothing is concluded from a look without the fence.
 *
 * Together.  What a small commit costs is hardly its events; so whoever is let through the gate with a small batch
 * takes along the small batches of those who wait there, as one statement on its own session (store.h: store_append.also).
 * Each is answered on its own.  A statement that the server refuses says nothing about any one of them: then they
 * go one by one.  One that something rare stands in the way of (a duplicate, a month to open) is told to go again
 * without the others, who may have to as well, and learns then what it was.
 *
 * Patience.  A client may wait for a database that is away for a moment; it must not wait for one that hangs.  Once
 * no question has been answered for patience_ms, over as many sessions as were tried, what waits is answered
 * `unavailable` (appender_sweep), and so is what comes until the head is known again.  Of a request whose commit was
 * under way the answer says that its outcome is unknown: its repetition is the question then, its event ids the key.
 *
 * Diverged.  The appender remembers the last position and root it has seen committed.  When the log's head lies
 * before it, or another root stands there, it stops: continuing would hide that acknowledged events are gone.
 * What an engine before it has seen it learns from the read models: each new session's first look compares the log
 * with their checkpoints, and one that the log does not bear out stops the shard as well.  It goes on answering
 * log_diverged, and looks again now and then: an adoption (a greater epoch), or the missing part put back, is the way on.
 */
#ifndef VERBATIM_ENGINE_APPENDER_H
#define VERBATIM_ENGINE_APPENDER_H

#include "base/random.h"
#include "engine/batch.h"
#include "engine/env.h"
#include "engine/gate.h"
#include "engine/meter.h"
#include "engine/pace.h"

enum appender_state {
	APPENDER_CONNECTING,
	APPENDER_LEARNING,
	APPENDER_CATCHING_UP,
	APPENDER_IDLE,
	APPENDER_SENDING,
	APPENDER_WAITING,
	APPENDER_STOPPED,
	APPENDER_CLOSED,
};

struct appender_log { /* what all appenders of an engine agree on */
	struct uuid log_id; /* nil: the first to connect learns it */
	int32_t epoch;
};

struct appender_lone { /* who last sent a few events and had nothing else waiting */
	struct uuid tenant_id;
	int64_t at;         /* monotonic; 0: nobody yet */
};

struct appender {
	int16_t shard;
	enum appender_state state;
	struct env *env;
	struct store *store;
	struct appender_log *log;
	struct batch_limits limits;
	size_t small_bytes;    /* with less waiting, a commit costs more than its events */
	struct env_timer timer;
	struct random random;
	bool request_out;      /* a store request is under way */
	bool timer_out;
	bool closing;
	struct gate *gate;     /* of the engine: held while a batch is under way; NULL: none */
	struct gate_pass pass;
	struct load *load;     /* of the engine: counts the time that batches are under way; NULL: nobody asks */
	bool shared;           /* the call under way is of several appenders ... */
	bool rode;             /* ... and went by another's session */
	int failures;          /* in a row, for the back-off */
	int64_t patience_ms;   /* how long clients wait for a silent database; 0: for ever */
	int64_t asked_at;      /* monotonic: since when the database owes an answer; 0: it owes none */
	struct fair_queue queue;
	struct appender_lone *lone; /* of the engine; NULL: nobody is spared */
	struct batch batch;
	struct merkle tree;    /* of the committed head */
	int64_t head;
	int64_t head_recorded_at;
	uint8_t head_root[LEAF_BYTES];
	uint8_t head_leaf[LEAF_BYTES]; /* of the event at head, when head_leaf_known */
	bool head_leaf_known;
	int64_t target;        /* the head LEARNING saw, which CATCHING_UP grows the tree to */
	int64_t target_recorded_at;
	uint8_t target_root[LEAF_BYTES];
	int64_t first_month;
	int64_t vouched;       /* last position seen committed by us, and its root: what must never vanish */
	uint8_t vouched_root[LEAF_BYTES];
	int32_t vouched_epoch; /* in which it was seen: a greater one has given it up, by name */
	bool compared;         /* this session has found the log to bear out the read models' checkpoints */
	int look;              /* batches for which duplicates are looked for first */
	int rival;             /* another engine appends much to this shard: so many more looks that find nothing of it */
	bool looked;           /* the head was looked at just now */
	bool apart;            /* the next batch goes without others: with them it was told nothing */
	int alone;             /* requests that go one by one: a batch with them was refused for an unknown reason */
	int refuse_code;       /* while not 0, new requests are answered with it at once */
	struct error trouble;  /* the last thing that went wrong, for status */

	union {
		struct store_request request;
		struct store_connect connect;
		struct store_head head;
		struct store_tree tree;
		struct store_read read;
		struct store_append append;
		struct store_maintain maintain;
	} call;
	struct arena call_arena;

	/* Told of each commit (events of the batch, in order, before the acks), on the appender's thread. */
	void (*committed)(void *data, struct appender *a);
	void (*closed)(void *data, struct appender *a);
	void *data;
	int64_t sent_at;       /* monotonic: of the batch under way */
	struct meter commit_meter, batch_meter; /* microseconds and events, by batch */
	struct meter wait_meter;                /* microseconds, by request */
	/* Counted since start: what clients sent; and the engine's own, of which `races` were not taken, or there already. */
	int64_t events, batches, duplicates, refused, journaled, races;
	int64_t behind; /* batches that were refused because somebody else's came first */
};

/* Takes `store` (not connected). */
void appender_open(struct appender *a, int16_t shard, struct env *env, struct store *store, struct appender_log *log,
		   const struct batch_limits *limits, uint64_t seed);
void appender_start(struct appender *a);

/* Takes the request; it is answered later, never inside the call. */
void appender_submit(struct appender *a, struct request *r);

/* Answers what is queued with `stopping` after the batch in flight has ended, then calls `closed`. */
void appender_close(struct appender *a);

/* How long the database has owed an answer. */
int64_t appender_silence_ms(const struct appender *a);

/* Each second: answers what has waited too long.  `silent`: nobody else has had an answer for patience_ms either. */
void appender_sweep(struct appender *a, bool silent);

const char *appender_state_name(enum appender_state state);

#endif
