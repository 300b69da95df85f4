/* row_map - see row_map.h. */
#include "fold/row_map.h"

#include <stdlib.h>

enum { MIN_CAPACITY = 64, PLACE_BITS = 8 };

/* The two halves of a product of 128 bits: each bit of the result depends on all of both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t row_hash(int place, const struct uuid *tenant_id, const struct uuid *id)
{
	uint64_t t[2], i[2], hash;

	memcpy(t, tenant_id, sizeof(t));
	memcpy(i, id, sizeof(i));
	hash = mix(t[0] ^ 0x9e3779b97f4a7c15u, t[1] ^ 0xd6e8feb86659fd93u) ^
	       mix(i[0] ^ 0xa0761d6478bd642fu, (i[1] ^ 0xe7037ed1a0b428dbu) + (uint64_t)place);
	return hash << PLACE_BITS >> PLACE_BITS | (uint64_t)place << (64 - PLACE_BITS);
}

int row_slot_place(const struct row_slot *slot)
{
	return (int)(slot->hash >> (64 - PLACE_BITS));
}

void row_map_release(struct row_map *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

void row_map_clear(struct row_map *m)
{
	if (m->count)
		memset(m->slots, 0, m->capacity * sizeof(*m->slots));
	m->count = 0;
}

static struct row_slot *probe(const struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id,
			      const struct uuid *id)
{
	for (size_t at = hash & (m->capacity - 1);; at = (at + 1) & (m->capacity - 1)) {
		struct row_slot *slot = &m->slots[at];

		if (!slot->row || (slot->hash == hash && slot->row->place == place && uuid_equal(&slot->row->id, id) &&
				   uuid_equal(&slot->row->tenant_id, tenant_id)))
			return slot;
	}
}

struct row *row_map_find(const struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id)
{
	return m->count ? probe(m, hash, place, tenant_id, id)->row : NULL;
}

static void grow(struct row_map *m)
{
	struct row_map old = *m;

	m->capacity = old.capacity ? old.capacity * 2 : MIN_CAPACITY;
	m->slots = mem_zalloc(m->capacity * sizeof(*m->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		size_t at = old.slots[i].hash & (m->capacity - 1);

		if (!old.slots[i].row)
			continue;
		while (m->slots[at].row)
			at = (at + 1) & (m->capacity - 1);
		m->slots[at] = old.slots[i];
	}
	free(old.slots);
}

struct row **row_map_put(struct row_map *m, uint64_t hash, int place, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row_slot *slot;

	if ((m->count + 1) * 4 > m->capacity * 3)
		grow(m);
	slot = probe(m, hash, place, tenant_id, id);
	if (!slot->row) {
		slot->hash = hash;
		m->count++;
	}
	return &slot->row;
}
