/*
 * arena - memory that is given out piece by piece and taken back all at once.
 *
 * One arena a batch, one a connection's read side, two a worker's row cache.  Pieces are aligned to 16
 * bytes and live until reset or release.  Reset keeps the first block, so a busy loop stops allocating.
 */
#ifndef VERBATIM_BASE_ARENA_H
#define VERBATIM_BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
	char *next;        /* room in the current block */
	char *end;
	size_t block_bytes; /* size of a new block; a larger piece gets a block of its own */
	size_t used;       /* bytes held in blocks, for whoever bounds it */
};

void arena_init(struct arena *a, size_t block_bytes);
void arena_release(struct arena *a);
void arena_reset(struct arena *a);

/* Uninitialised memory, never NULL. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);

/* Copies; absent stays absent. */
struct bytes arena_copy(struct arena *a, struct bytes bytes);

/* A terminated copy. */
char *arena_text(struct arena *a, struct bytes bytes);

#endif
