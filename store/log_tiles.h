/*
 * log_tiles - the hashes of a shard's tree by level and index, for proofs.
 *
 *     level 0..7      from a full tile of level 0, or the leaf hashes of events behind the last one
 *     level 8..15     from a full tile of level 1, or the hashes of full tiles of level 0 (each made from its 256)
 *     ...
 *
 * A proof asks for at most two nodes a level, and a node is one statement that reads at most 256 hashes or tiles.
 * Whether the hashes are right shows when the proof is checked.
 *
 * Blocking, on a session of db.h.
 */
#ifndef VERBATIM_STORE_LOG_TILES_H
#define VERBATIM_STORE_LOG_TILES_H

#include "event/proof.h"
#include "store/db.h"

struct log_tiles {
	struct pg_conn *conn;
	int16_t shard;
};

/* A proof_node_fn; `data` is a struct log_tiles.  E_UNPROVEN when the log does not hold what is needed. */
int log_tiles_node(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error);

#endif
