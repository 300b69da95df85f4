/*
 * log_verify - reads a shard from its first event and tells everything that is not as it was written.
 *
 *     events        each hashes to its leaf, stands where it should, and was not recorded before the one in front of it
 *     batches       they join without a seam, carry their events' time, and their roots are those of the leaves
 *     tiles         all there, none besides, with the leaves' hashes
 *     checkpoints   signed, and the log's roots at their sizes are theirs; so are those that somebody kept elsewhere
 *
 * Whoever owns the database can change any of these so that they fit one another.  He cannot sign: a checkpoint that was
 * signed before, by a key that is known from elsewhere, finds him, and best one that was kept elsewhere, too.
 *
 * The tree is built from the leaf hashes that are stored: where only a text was changed, its own hash tells, and the tree
 * around it still holds.
 *
 * Blocking, on two sessions of its own; several may run side by side, one a thread.
 */
#ifndef VERBATIM_STORE_LOG_VERIFY_H
#define VERBATIM_STORE_LOG_VERIFY_H

#include <stdatomic.h>
#include <signal.h>

#include "event/checkpoint.h"
#include "store/log_copy.h"

/* What can be wrong; names are for machines. */
#define FAULTS(X)                                                                                   \
	X(FAULT_EVENT, "event_changed")          /* its text does not give its leaf hash */         \
	X(FAULT_MISSING, "event_missing")                                                           \
	X(FAULT_DOUBLED, "event_doubled")                                                           \
	X(FAULT_BESIDE, "event_beside")          /* stands outside of what the log says it holds */ \
	X(FAULT_UNREADABLE, "event_unreadable")                                                     \
	X(FAULT_TIME, "time_went_back")                                                             \
	X(FAULT_BATCH, "batch")                  /* seam, time or epoch */                          \
	X(FAULT_ROOT, "batch_root")                                                                 \
	X(FAULT_TILE, "tile")                                                                       \
	X(FAULT_CHECKPOINT, "checkpoint")        /* the log is not what was signed */               \
	X(FAULT_SIGNATURE, "signature")          /* a checkpoint that is not signed as it says */   \
	X(FAULT_UNSIGNED, "unsigned")            /* keys are given, and none of them signed anything of it */ \
	X(FAULT_CUT, "end_missing")              /* a checkpoint reaches further than the log */    \
	X(FAULT_KEPT, "kept_checkpoint")         /* not what somebody kept elsewhere */

#define X(symbol, name) symbol,
enum fault { FAULTS(X) FAULT_COUNT };
#undef X

const char *fault_name(enum fault fault);

struct finding {
	enum fault fault;
	int16_t shard;
	int64_t position;     /* 0: of no single event */
	struct uuid event_id; /* nil: not known */
	struct uuid tenant_id;
	char text[400];
};

typedef void (*finding_fn)(void *data, const struct finding *finding);

/* A checkpoint that was kept elsewhere; its signature was checked by whoever gives it. */
struct kept_checkpoint {
	const char *name;
	struct checkpoint checkpoint;
};

enum { FINDINGS_TOLD = 20 }; /* of each kind and shard; the others are counted */

struct log_verify {
	/* from the caller */
	const char *conninfo, *role;
	int16_t shard;
	const struct note_key *keys;
	int key_count;
	bool trusted;                  /* the keys come from elsewhere; a checkpoint by another one is passed over */
	const struct kept_checkpoint *kept;
	int kept_count;                /* of all shards */
	finding_fn found;              /* on the thread that verifies */
	void *data;
	_Atomic int64_t *done;         /* events, of all shards */
	const volatile sig_atomic_t *stop;

	/* for him */
	struct log_copy_source source;
	int64_t head;                  /* what was verified: positions 1..head as of the start */
	uint8_t root[LEAF_BYTES];
	int64_t events, batches, tiles, checkpoints, unknown_checkpoints, superseded, kept_checked;
	int64_t signed_size;           /* of the newest checkpoint that holds; 0: none */
	int64_t counts[FAULT_COUNT];
};

/* 0 when it came to the shard's end, whatever was found; E_INTERRUPTED and what the database says otherwise. */
int log_verify_shard(struct log_verify *v, struct error *error) must_check;

#endif
