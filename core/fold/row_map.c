/* row_map - see row_map.h. */
#include "fold/row_map.h"

#include <stdlib.h>

enum { MIN_CAPACITY = 64 };

int row_slot_place(const struct row_slot *slot)
{
	return (int)(slot->hash >> (64 - ROW_PLACE_BITS));
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
	slot = row_map_probe(m, hash, place, tenant_id, id);
	if (!slot->row) {
		slot->hash = hash;
		m->count++;
	}
	return &slot->row;
}
