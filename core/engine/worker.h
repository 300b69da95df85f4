/*
 * worker - folds one shard of one group of read models, from its checkpoint to the head, and stays there.
 *
 *   CONNECTING --> LEASING --> CHECKPOINT --> IDLE --events--> LOADING --> FOLDED --> WRITING --> IDLE
 *       ^            |  ^                      |  ^               ^  |     (its turn)    |
 *       |            v  |                      v  |               +--+ more keys, sums   |
 *       |          STANDBY (another's)         READING            ^                      |
 *       |                                      (not in the feed)  +---- halved ----------+ refused row
 *       +-------- lost, from anywhere; CHECKPOINT again when fenced --------------------+
 *
 *   any --> STOPPED: a gap in the log, a diverged log, a fold that failed; status says why.  It starts again by
 *   itself after a while, since a person may have mended the cause; nothing is skipped meanwhile.  One that has met
 *   a read model changed by hand (a row that it knows is gone) stays stopped until there is another generation.
 *
 * The rows and the checkpoint are written in one transaction, fenced by (generation, epoch, old position): a
 * crash anywhere leaves either all of a batch's effect or none, and of two workers only one can win.  Whoever
 * is refused drops its rows before anything else.
 *
 * Engines share the shards evenly.  Whoever renews a lease learns how many engines have a worker of this shard; of the
 * shards that it holds, the highest stay, as many as are its share, and others are given back, for those who stand by to
 * take.  What nobody takes (an engine that is there and stands still) comes back, and stays for a while.
 *
 * The generation it folds is its binary's, which need not be the one that people see: a newer version is folded
 * beside the old one until the switch, and an older binary's goes on beside a newer one.  `shown` says how far people
 * see, whoever folds that; while it is another's the worker looks it up each second, and often while somebody waits.
 *
 * A batch comes from the feed when it begins right after the worker's position, else from the log.  Batches grow
 * by themselves while the previous write is in flight, while the thread's other workers have their turn (the
 * gate), and by the pause: some milliseconds pass for each event of the last batch, up to pause_ms, before the next one
 * begins.  What a transaction costs is far more than what an event costs; so a busy shard writes few large ones,
 * and an event that comes alone waits for nothing.  While appends keep the database busy, they come first (pace.h): a
 * worker then takes its place at the gate before it loads, rests there, and has it until the commit.
 */
#ifndef VERBATIM_ENGINE_WORKER_H
#define VERBATIM_ENGINE_WORKER_H

#include <stdatomic.h>

#include "base/random.h"
#include "engine/appender.h"
#include "engine/feed.h"
#include "engine/gate.h"
#include "engine/pace.h"
#include "fold/state.h"

enum worker_state {
	WORKER_CONNECTING,
	WORKER_LEASING,
	WORKER_STANDBY,
	WORKER_CHECKPOINT,
	WORKER_IDLE,
	WORKER_READING,
	WORKER_LOADING,
	WORKER_FOLDED,
	WORKER_WRITING,
	WORKER_STOPPED,
	WORKER_CLOSED,
};

struct worker_limits {
	int events;          /* of one transaction */
	size_t read_bytes;   /* payload bytes of one read */
	size_t state_bytes;  /* of half the row cache */
	int64_t lease_ms;
	int64_t pause_ms;    /* the longest between the beginnings of two batches; 0: none */
	int64_t poll_ms;     /* how often the log is looked at when nothing comes through the feed */
};

/* What other threads may look at. */
struct worker_view {
	_Atomic int64_t position;
	_Atomic int64_t recorded_at; /* of the last event it wrote; 0: none yet */
	_Atomic int64_t taken;  /* how often it got the lease from another, or from nobody */
	_Atomic int64_t shown;  /* people see at least this: what wait() goes by */
	_Atomic int32_t generation;
	_Atomic bool answers;   /* its generation is the one that people see */
	_Atomic int state;
	_Atomic bool reached;   /* nothing has happened to its session since it last connected: to connect anew is no trouble then */
	_Atomic int64_t anomalies;
	_Atomic int64_t events;
	_Atomic int64_t batches;
	_Atomic int64_t behind_us; /* by how much the last batch came after its events were recorded; 0: it has all */
	_Atomic int way;        /* enum pace_way: how it goes forward */
	_Atomic bool watched;   /* somebody waits for its position: a stand-by looks at the checkpoint often */
	_Atomic bool owner;     /* it folds this shard, as far as it knows */
	_Atomic int64_t alarm;  /* the earliest instant it wrote into `alarms` since somebody took it; INT64_MAX: none */
	pthread_mutex_t lock;   /* of trouble */
	struct error trouble;
};

/* Columns of instants that somebody waits for: alarms. */
enum { ALARMS_MAX = 2 };
struct worker_alarms {
	struct {
		const struct projection *of; /* NULL: none */
		size_t offset;               /* of the column, a TIME */
	} of[ALARMS_MAX];
};

struct worker {
	const struct group *group;
	int16_t shard;
	struct env *env;
	struct store *store;
	struct feed *feed;
	struct worker_limits limits;
	struct uuid owner;       /* of the lease: this engine */
	struct worker_alarms alarms;
	int64_t alarm;           /* the earliest in the rows being written */
	struct worker_view view;
	int64_t caught_up;       /* the engine's thread's: when it was last seen with nothing left to fold */

	enum worker_state state;
	struct env_timer timer;
	struct random random;
	bool request_out, timer_out, closing, woken;
	bool pausing;            /* the timer is a pause's: nothing wakes it early */
	struct gate *gate;       /* of its thread: held while a batch is written, or from its first load; NULL: none */
	int at_once;             /* the gate's places when it goes freely */
	struct pace *pace;       /* of its thread; NULL: it always goes freely */
	struct gate_pass pass;
	int failures;
	int gone;                /* loads in a row that found the tables gone */
	int empty_reads;         /* in a row, while the feed says that there is more */
	int32_t epoch;
	int32_t generation;
	int32_t spoiled;         /* the generation that was changed by hand; 0: none */
	struct error spoiled_how;
	int64_t position;
	int64_t next_due;        /* monotonic: when the next batch may begin */
	int64_t began;           /* monotonic: the batch at hand, or the last one */
	int64_t poll_due;        /* monotonic: when the log is looked at although the feed knows of nothing */
	int64_t look_due;        /* monotonic: when it looks what people see; while its generation does not answer */
	bool looking;            /* the checkpoint is asked for that alone */
	int64_t lease_due;       /* monotonic: when it is to be renewed */
	bool renewing;
	int shards;              /* of the log, the system's too */
	bool giving;             /* the lease is being handed to whoever has fewer */
	int64_t kept_until;      /* monotonic: not before, for when nobody took it */
	bool holds;              /* the lease may be ours: an orderly end gives it back */
	bool refusing;           /* the write under way holds the anomaly of a refused event */
	bool again;              /* the write under way is the second try: in the first a row was not there */

	/* The batch at hand. */
	struct feed_batch *taken;    /* list */
	struct arena read_arena;
	const struct event **events;
	int count, capacity;
	int from;                    /* events before it are written */
	int width;                   /* events of this transaction */
	int most;                    /* bound of width, halved when a row is refused */
	struct arena load_arena;
	struct row_keys keys;
	int rounds;
	bool folded;                 /* the batch is; what is loaded now are the sums it added to */
	struct state rows;

	union {
		struct store_request request;
		struct store_connect connect;
		struct store_lease lease;
		struct store_checkpoint checkpoint;
		struct store_read read;
		struct store_load load;
		struct store_project project;
	} call;

	void (*moved)(void *data, struct worker *w);  /* the position or the state changed; on the worker's thread */
	void (*closed)(void *data, struct worker *w);
	void *data;
};

void worker_open(struct worker *w, const struct group *group, int16_t shard, struct env *env, struct store *store,
		 struct feed *feed, const struct worker_limits *limits, const struct uuid *owner, uint64_t seed);
void worker_start(struct worker *w);

/* On its thread: something is in the feed. */
void worker_wake(struct worker *w);

void worker_close(struct worker *w);

/* Whether it does its work, or stands by for who does; from any thread. */
bool worker_is_well(const struct worker *w);

const char *worker_state_name(enum worker_state state);

#endif
