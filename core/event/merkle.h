/*
 * merkle - RFC 6962 trees over a shard's leaves, with the tiles of C2SP tlog-tiles.
 *
 *     hash of a leaf:  SHA-256(0x00 || data)        (made by canonical_leaf)
 *     hash of a node:  SHA-256(0x01 || left || right)
 *
 * `struct merkle` holds the open tile of each level: level 0 the leaves since the last full tile, level L the
 * hashes of the full tiles of level L-1.  A full tile is handed out once (256 hashes, 8,192 bytes) and its own
 * hash goes one level up.  The root of any size follows from the open tiles alone.
 *
 * Leaf index = position - 1.  Memory: 8 KiB a level that has been reached.
 */
#ifndef VERBATIM_EVENT_MERKLE_H
#define VERBATIM_EVENT_MERKLE_H

#include "base/arena.h"
#include "event/event.h"

enum { MERKLE_TILE = 256, MERKLE_LEVELS = 8 };

struct merkle_tile {
	int level;
	int64_t index;
	uint8_t *hashes; /* MERKLE_TILE * LEAF_BYTES */
	struct merkle_tile *next;
};

struct merkle {
	int64_t size;
	uint8_t *open[MERKLE_LEVELS]; /* owned; MERKLE_TILE * LEAF_BYTES each, NULL until reached */
	int count[MERKLE_LEVELS];
};

void merkle_init(struct merkle *m);
void merkle_release(struct merkle *m);
void merkle_copy(struct merkle *to, const struct merkle *from); /* `to` is initialised; its memory is reused */

/* One more leaf.  A tile that fills is copied into `arena` and put at the end of *tiles; arena may be NULL when the caller wants no tiles. */
void merkle_add(struct merkle *m, const uint8_t leaf[LEAF_BYTES], struct arena *arena, struct merkle_tile **tiles);

/* SHA-256 of nothing for size 0 (RFC 6962 section 2.1). */
void merkle_root(const struct merkle *m, uint8_t out[LEAF_BYTES]);

/* The hash of a full tile, for building the next level from stored tiles. */
void merkle_tile_hash(const uint8_t *hashes, int count, uint8_t out[LEAF_BYTES]);

/*
 * Builds the tree of `size` from storage: for each level, the hashes of its open (partial) tile, in order.
 * merkle_open_count gives how many that are on a level: (size >> 8 level) mod 256.
 */
int merkle_open_count(int64_t size, int level);
void merkle_load(struct merkle *m, int64_t size, const uint8_t *const open[MERKLE_LEVELS]);

/* Proofs, RFC 6962 sections 2.1.1 and 2.1.2 / RFC 9162 section 2.1.3-4, checked without the tree. */
bool merkle_check_inclusion(int64_t index, int64_t size, const uint8_t leaf[LEAF_BYTES],
			    const uint8_t *path, int path_count, const uint8_t root[LEAF_BYTES]);
bool merkle_check_consistency(int64_t old_size, const uint8_t old_root[LEAF_BYTES], int64_t size,
			      const uint8_t root[LEAF_BYTES], const uint8_t *path, int path_count);

/* The hash of a node; `out` may be one of the two. */
void merkle_node(const uint8_t left[LEAF_BYTES], const uint8_t right[LEAF_BYTES], uint8_t out[LEAF_BYTES]);

/* SHA-256 in one call. */
void sha256(const void *data, size_t len, uint8_t out[32]);
/* SHA-256 of two runs, one after the other. */
void sha256_two(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[32]);

#endif
