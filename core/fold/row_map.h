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

enum { ROW_PLACE_BITS = 8, ROW_LINE = 64 };

/* The two halves of a product of 128 bits: each bit of the result depends on all of both. */
static inline uint64_t row_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of a read model's place in its group, which stands in the highest byte, and the row's key. */
static inline uint64_t row_hash(int place, const struct uuid *tenant_id, const struct uuid *id)
{
	uint64_t t[2], i[2], hash;

	memcpy(t, tenant_id, sizeof(t));
	memcpy(i, id, sizeof(i));
	hash = row_mix(t[0] ^ 0x9e3779b97f4a7c15u, t[1] ^ 0xd6e8feb86659fd93u) ^
	       row_mix(i[0] ^ 0xa0761d6478bd642fu, (i[1] ^ 0xe7037ed1a0b428dbu) + (uint64_t)place);
	return hash << ROW_PLACE_BITS >> ROW_PLACE_BITS | (uint64_t)place << (64 - ROW_PLACE_BITS);
}

/* The place that a slot's row has: whoever looks for one read model's rows need not look at the others'. */
int row_slot_place(const struct row_slot *slot);

void row_map_release(struct row_map *m);
void row_map_clear(struct row_map *m);

/* The row's slot, or the free one where it would stand; there are slots. */
static inline struct row_slot *row_map_probe(const struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id,
					     const struct uuid *id)
{
	for (size_t at = hash & (m->capacity - 1);; at = (at + 1) & (m->capacity - 1)) {
		struct row_slot *slot = &m->slots[at];

		if (!slot->row || (slot->hash == hash && slot->row->place == place && uuid_equal(&slot->row->id, id) &&
				   uuid_equal(&slot->row->tenant_id, tenant_id)))
			return slot;
	}
}

/* NULL when it is not there. */
static inline struct row *row_map_find(const struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id)
{
	return m->count ? row_map_probe(m, hash, place, tenant_id, id)->row : NULL;
}

/* It will be looked for soon: where it stands is brought into the cache, */
static inline void row_map_fetch(const struct row_map *m, uint64_t hash)
{
	if (m->count)
		__builtin_prefetch(&m->slots[hash & (m->capacity - 1)]);
}

/* and, a while later, its first lines, if it stands in one of the places where it most likely does. */
static inline void row_map_fetch_row(const struct row_map *m, uint64_t hash)
{
	for (size_t at = hash, tries = m->count ? 3 : 0; tries; at++, tries--) {
		const struct row_slot *slot = &m->slots[at & (m->capacity - 1)];

		if (slot->hash != hash)
			continue;
		for (int i = 0; i < 4; i++)
			__builtin_prefetch((const char *)slot->row + i * ROW_LINE);
		return;
	}
}

/* Where the row stands; when there is none, NULL, to be set to one that bears this key.  Valid until the next call. */
struct row **row_map_put(struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id);

#endif
