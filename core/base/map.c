/* map - see map.h. */
#include "base/map.h"

#define XXH_INLINE_ALL /* a look-up is a few nanoseconds, a call into a library a good part of them */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"

enum { MIN_CAPACITY = 64, VALUE_BYTES = sizeof(void *) };

void map_init(struct map *m, size_t key_bytes)
{
	memset(m, 0, sizeof(*m));
	m->key_bytes = key_bytes;
	m->slot_bytes = VALUE_BYTES + ((key_bytes + 7) & ~(size_t)7);
}

void map_release(struct map *m)
{
	free(m->slots);
	map_init(m, m->key_bytes);
}

void map_clear(struct map *m)
{
	if (m->count)
		memset(m->slots, 0, m->capacity * m->slot_bytes);
	m->count = 0;
}

static void **value_of(char *slot)
{
	return (void **)(void *)slot;
}

static inline char *probe_size(const struct map *m, const void *key, size_t key_bytes)
{
	size_t at = (size_t)XXH3_64bits(key, key_bytes) & (m->capacity - 1);

	for (;; at = (at + 1) & (m->capacity - 1)) {
		char *slot = m->slots + at * m->slot_bytes;

		if (!*value_of(slot) || memcmp(slot + VALUE_BYTES, key, key_bytes) == 0)
			return slot;
	}
}

/* A key of one uuid, of two, or of two and a number is hashed and compared in place. */
static char *probe(const struct map *m, const void *key)
{
	switch (m->key_bytes) {
	case 16:
		return probe_size(m, key, 16);
	case 32:
		return probe_size(m, key, 32);
	case 40:
		return probe_size(m, key, 40);
	default:
		return probe_size(m, key, m->key_bytes);
	}
}

void *map_find(const struct map *m, const void *key)
{
	return m->count ? *value_of(probe(m, key)) : NULL;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->capacity = old.capacity ? old.capacity * 2 : MIN_CAPACITY;
	m->slots = mem_zalloc(m->capacity * m->slot_bytes);
	for (size_t i = 0; i < old.capacity; i++) {
		char *slot = old.slots + i * old.slot_bytes;

		if (*value_of(slot))
			memcpy(probe(m, slot + VALUE_BYTES), slot, m->slot_bytes);
	}
	free(old.slots);
}

void **map_put(struct map *m, const void *key)
{
	char *slot;

	if ((m->count + 1) * 4 > m->capacity * 3)
		grow(m);
	slot = probe(m, key);
	if (!*value_of(slot)) {
		memcpy(slot + VALUE_BYTES, key, m->key_bytes);
		m->count++;
	}
	return value_of(slot);
}

void *map_next(const struct map *m, size_t *at, const void **key)
{
	while (*at < m->capacity) {
		char *slot = m->slots + (*at)++ * m->slot_bytes;

		if (*value_of(slot)) {
			if (key)
				*key = slot + VALUE_BYTES;
			return *value_of(slot);
		}
	}
	return NULL;
}
