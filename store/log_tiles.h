/*
 * log_tiles - the hashes of a shard's tree by level and index, for proofs.
 *
 *     level 0..7      from a full tile of level 0, or the leaf hashes of events behind the last one
 *     level 8..15     from a full tile of level 1, or the hashes of full tiles of level 0 (each made from its 256)
 *     ...
 *
 * Tiles are kept as they come, so that many proofs cost little more than one: each tile is read once, and what the proofs of
 * many events need comes in one round trip (log_tiles_bring).  A tile that was not brought is asked for when a node needs it.
 * Whether the hashes are right shows when the proof is checked.
 *
 * Blocking, on a session of db.h that is not in a pipeline.
 */
#ifndef VERBATIM_STORE_LOG_TILES_H
#define VERBATIM_STORE_LOG_TILES_H

#include "base/map.h"
#include "event/proof.h"
#include "store/round.h"

struct log_tiles {
	struct round round;
	int16_t shard;
	struct arena arena;
	struct map known; /* (level, index) of a tile -> its hashes */
};

void log_tiles_init(struct log_tiles *t, struct pg_conn *conn, int16_t shard);
void log_tiles_release(struct log_tiles *t);

/* Reads what leads from `count` positions, none of which is behind `size`, to the root there: the full tiles above them, and the open ones. */
int log_tiles_bring(struct log_tiles *t, const int64_t *positions, int count, int64_t size, struct error *error) must_check;

/* A proof_node_fn; `data` is a struct log_tiles.  E_UNPROVEN when the log does not hold what is needed. */
int log_tiles_node(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error);

/*
 * The hash of each tile in column 1 of the first `count` rows, up to the first that is no full tile; how many those were.  An
 * open tile of level 1 is made of up to 255, which is 65,000 nodes: two threads share them.
 */
int log_tiles_hash(const struct pg_result *rows, int count, uint8_t (*out)[LEAF_BYTES]);

/*
 * (level, index, hashes) of the full tiles of shard $1 whose levels and indexes the arrays $2 and $3 name.  What an open tile
 * is made of, in order: (position, leaf_hash) of positions $2+1..$3 of shard $1 that were recorded by $4; (index, hashes) of the
 * tiles $2..$3-1 of level $4.
 */
extern const char log_tiles_full_sql[], log_tiles_leaves_sql[], log_tiles_below_sql[];

/*
 * By when all was recorded, if no clock was set back.  Months are made ahead, and a statement that names no end is planned for
 * each of them, by a new session from nothing.  Who misses something asks once more, up to TIME_MAX.
 */
int64_t log_tiles_by_now(void);

#endif
