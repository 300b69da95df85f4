/*
 * map - open addressing from fixed-size binary keys to pointers; XXH3, linear probing, at most 3/4 full.
 *
 * The map copies keys into its own table and never owns the values.  There is no single removal: the users
 * (a batch's id set, half a row cache) fill it and clear it whole, which keeps probing simple and iteration
 * order independent of pointers.
 */
#ifndef VERBATIM_BASE_MAP_H
#define VERBATIM_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
	char *slots;       /* capacity * (8 bytes value, key rounded up to 8) */
	size_t key_bytes;
	size_t slot_bytes;
	size_t capacity;   /* a power of two, or 0 */
	size_t count;
};

void map_init(struct map *m, size_t key_bytes);
void map_release(struct map *m);
void map_clear(struct map *m);

/* The value, or NULL. */
void *map_find(const struct map *m, const void *key);

/* Where the key's value stands; a new one is NULL and must be set to something else.  Valid until the next map_put. */
void **map_put(struct map *m, const void *key);

/* Walks in slot order: start with *at = 0; NULL at the end.  `key`, when not NULL, receives the key. */
void *map_next(const struct map *m, size_t *at, const void **key);

#endif
