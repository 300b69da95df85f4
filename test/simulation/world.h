/*
 * world - a virtual clock, one queue of things to come, and a log and rows in memory behind the store's seam.
 *
 * Everything that happens in a simulation is an event of this queue, in order of virtual time and then of its
 * entry; all randomness comes from one seed.  So a seed is a whole history, and a failing seed repeats.
 *
 * Faults of a session (by chance, while `faults` is on):
 *
 *   lost before    the connection dies, nothing happened
 *   lost after     the statement was committed, its answer never comes
 *   lost, late     the connection dies; the old backend commits some time later, unless another holds the fence
 *   refused        the server answers with an error (disk full, a row refused)
 *   slow           the answer takes long
 *
 * Of an engine's machine: it is stopped for a while, longer than its leases last (struct world_host), and goes on with
 * what it believed.  Of its clock: it jumps.  Of the log: its end is cut off, or an older copy comes back.
 *
 * And of the whole store: until `hung_until` nothing is answered; a session that has waited for WORLD_ANSWER_MS is
 * lost, and what its backend was told is done when the store wakes up.
 */
#ifndef VERBATIM_TEST_WORLD_H
#define VERBATIM_TEST_WORLD_H

#include "base/map.h"
#include "base/random.h"
#include "engine/env.h"
#include "store/store.h"

enum { WORLD_SHARDS = 2, WORLD_ANSWER_MS = 5000 };

struct world_entry {
	int64_t at;
	uint64_t order;
	void (*run)(void *data);
	void *data;
};

struct world_event { /* one row of the log */
	struct event event;
	char *memory;
};

struct world_batch {
	int64_t first, last, recorded_at;
	uint8_t root[LEAF_BYTES];
};

struct world_shard {
	struct world_event *events;
	int64_t count, capacity;
	struct world_batch *batches;
	int batch_count, batch_capacity;
	int64_t checkpoint;         /* of the one group */
	uint8_t checkpoint_leaf[LEAF_BYTES];
	struct uuid lease_owner;
	int64_t lease_end;
	/* A lost session's backend that has not committed yet: it holds the fence until it ends. */
	struct world_late *late;
	bool given_up;              /* what the read models have seen and is gone: adopted */
	/* What a hand has cut off the end of the log, until it is put back; NULL: nothing. */
	struct world_event *cut;
	struct world_batch cut_batch;
};

struct models;
struct world {
	int64_t now;                /* virtual µs since 1970 */
	uint64_t order;
	struct world_entry *queue;  /* a heap */
	int queued, capacity;
	struct random random;
	bool faults;
	int64_t hung_since, hung_until;
	uint64_t steps;
	struct uuid log_id;
	int32_t epoch;
	struct world_shard shards[WORLD_SHARDS + 1];
	struct map rows;            /* (projection, tenant, id) -> struct row, malloc'ed */
	struct models *models;      /* instead, where rebuilds are (models.h); else NULL */
	struct arena memory;        /* of rows; only grows */
	struct grave *graves;       /* of events that are gone: somebody may still look at them */
	int factories;              /* engines that have sessions */
	int64_t leaves_end;         /* the first instant whose month has no leaf */
	int faults_made[8];
	int mutation;               /* a fault built in on purpose, to see it caught; 0: none */
	bool leases_for_all;        /* whoever asks for a lease has it */
	/* Somebody looks on: a batch was stored; rows were written. */
	void (*appended)(struct world *w, int16_t shard);
	void (*projected)(struct world *w, const struct store_project *c);
	void *watcher;
};

enum world_mutation {
	MUTATION_NONE,
	MUTATION_NO_FENCE,          /* append does not compare the head */
	MUTATION_FORGET_DUPLICATES, /* append does not look for event ids */
	MUTATION_EARLY_CHECKPOINT,  /* the checkpoint moves although the rows are lost */
	MUTATION_NO_PROJECT_FENCE,  /* project does not compare the old position */
	MUTATION_SKIP_READ,         /* read leaves out an event now and then */
	MUTATION_IGNORE_EXPECT,     /* append does not judge expectations */
	MUTATION_BLIND_HEAD,        /* head does not compare the checkpoints */
	MUTATION_TORN_LOOK,         /* due gives rows of one moment and the checkpoint of a later one */
	MUTATION_LOSE_CLOCK,        /* due never shows some clocks */
	MUTATION_FORGET_MONTHS,     /* append looks for event ids in the open month only */
	MUTATION_SEQUENCE,          /* a refused batch uses up its positions */
	MUTATION_ACK_FIRST,         /* append answers and stores nothing, now and then */
	MUTATION_TORN_BATCH,        /* append leaves out the last event of a batch, now and then */
	MUTATION_ROWS_ALONE,        /* rows are written and the checkpoint stays, now and then */
	/* Of rebuilds: */
	MUTATION_OLD_WORKERS,       /* project lets workers of a closed generation write */
	MUTATION_NO_HOLD,           /* hold does not hold workers */
	MUTATION_BLIND_SWITCH,      /* switch does not compare positions */
	MUTATION_TORN_COPY,         /* rows that were copied in stay although their transaction was lost */
	MUTATION_ANY_OWNER,         /* a step does not ask whose the rebuild is */
	MUTATION_NEVER_BUSY,        /* begin takes a rebuild from somebody who is well */
	MUTATION_LEAVE_SHADOWS,     /* shadows of a rebuild that was given up stay */
};

void world_init(struct world *w, uint64_t seed);
void world_release(struct world *w);

/* Runs `run(data)` after `us` of virtual time. */
void world_after(struct world *w, int64_t us, void (*run)(void *data), void *data);

/* Drops what is queued for `data`. */
void world_forget(struct world *w, const void *data);

/* One step; false when nothing is to come. */
bool world_step(struct world *w);

bool world_chance(struct world *w, int in_thousand);

/* Cuts the last batch off a shard's log, by hand; and puts it back.  False when something else has been written there. */
void world_cut(struct world_shard *s);
bool world_mend(struct world_shard *s);

/*
 * The log and the read models as they stand, and a copy of them brought back.  Who runs meanwhile keeps what he knows;
 * events that are gone stay readable until the end.
 */
struct world_copy {
	struct map rows;
	struct { int64_t count, checkpoint; int batch_count; uint8_t leaf[LEAF_BYTES]; } shards[WORLD_SHARDS + 1];
};
void world_keep(const struct world *w, struct world_copy *copy);
void world_bring_back(struct world *w, struct world_copy *copy); /* releases it */

/* Somebody decides to go on with the log as it is. */
void world_adopt(struct world *w);

/* A machine that may be stopped: nothing runs on it, no timer and no answer, until it goes on. */
struct world_host {
	int64_t asleep_until;
};

/* For how long it will sleep; 0: it is awake. */
int64_t world_asleep(const struct world *w, const struct world_host *host);

/* An env whose clock is the world's plus `skew`. */
struct world_env {
	struct env env;
	struct world *world;
	const struct world_host *host;
	int64_t skew;
};
void world_env_init(struct world_env *e, struct world *w, const struct world_host *host, int64_t skew);

struct store_factory *world_factory_new(struct world *w, const struct world_host *host);
void world_factory_free(struct store_factory *f);

/* Kills every session of the factory: what is under way is answered as lost (it happened or not). */
void world_factory_crash(struct store_factory *f);

/* Another server stands in its place: sessions notice when they ask the next time. */
void world_factory_sever(struct store_factory *f);

/* Rows of a generation's read model; NULL when they are gone. */
struct map *world_rows(struct world *w, int32_t generation, const struct projection *p);

/* Of what people see. */
size_t world_row_count(const struct world *w);
const struct row *world_row(struct world *w, const struct projection *p, const struct uuid *tenant, const struct uuid *id);

/* Compares two rows column by column; the first that differs, or NULL. */
const char *row_difference(const struct row *a, const struct row *b);

/* A deep copy of a row into an arena. */
struct row *row_copy(const struct row *row, struct arena *arena);

/* Where a row stands, as a key of maps: its bytes are all said, so that two of one place are equal. */
struct row_place {
	const struct projection *of;
	struct uuid tenant_id, id;
};
struct row_place row_place(const struct projection *of, const struct uuid *tenant_id, const struct uuid *id);

#endif
