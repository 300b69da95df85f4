/*
 * row_map - the rows of one half of memory, by read model, tenant and id.
 *
 * Open addressing with linear probing, at most 3/4 full.  A slot holds a row's hash and where it stands, and the row
 * itself says whose it is, so that four slots fill a cache line, a table that grows asks no row, and the key is compared
 * where it is needed next.  There is no removal of one: a half is emptied whole.
 */
#ifndef VERBATIM_FOLD_ROW_MAP_H
#define VERBATIM_FOLD_ROW_MAP_H

#include "fold/projection.h"

struct row_slot {
	uint64_t hash;
	struct row *row; /* NULL: free */
};

struct row_map {
	struct row_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

/* Of a read model's place in its group, which stands in the highest byte, and the row's key. */
uint64_t row_hash(int place, const struct uuid *tenant_id, const struct uuid *id);

/* The place that a slot's row has: whoever looks for one read model's rows need not look at the others'. */
int row_slot_place(const struct row_slot *slot);

void row_map_release(struct row_map *m);
void row_map_clear(struct row_map *m);

/* NULL when it is not there. */
struct row *row_map_find(const struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id);

/* Where the row stands; when there is none, NULL, to be set to one that bears this key.  Valid until the next call. */
struct row **row_map_put(struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id);

#endif
