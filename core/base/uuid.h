/*
 * uuid - 16 bytes, RFC 9562.  The nil UUID stands for "absent" everywhere in the engine; events that
 * name it are refused at the door.
 */
#ifndef VERBATIM_BASE_UUID_H
#define VERBATIM_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT 37 /* room for the text and its NUL */

struct uuid {
	uint8_t b[16];
};

static inline bool uuid_is_nil(const struct uuid *u)
{
	static const struct uuid nil;

	return memcmp(u, &nil, 16) == 0;
}

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, 16) == 0;
}

static inline int uuid_compare(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, 16);
}

/* The 36-character form with hyphens, either case; false when it is anything else. */
bool uuid_parse(const char *text, size_t len, struct uuid *out);

/* Lower case, terminated; returns `out`, which has room for UUID_TEXT. */
char *uuid_format(const struct uuid *u, char *out);

static inline int uuid_version(const struct uuid *u)
{
	return u->b[6] >> 4;
}

/* The time in a version 7 UUID, milliseconds since 1970 (RFC 9562 section 5.7). */
static inline int64_t uuid_v7_time_ms(const struct uuid *u)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u->b[i];
	return ms;
}

/* Version 7 from a time and 10 bytes of randomness. */
void uuid_v7(struct uuid *out, int64_t time_ms, const uint8_t random[10]);

/* Version 4 from 16 bytes of randomness. */
void uuid_v4(struct uuid *out, const uint8_t random[16]);

/* Version 8 from XXH3 of some bytes: quick, and no proof against somebody who looks for two that give the same. */
void uuid_digest(struct uuid *out, const void *data, size_t len);

/* Puts a time (microseconds) first, in milliseconds, as version 7 has it: ids of one time stand together in an index. */
void uuid_set_time(struct uuid *id, int64_t time);

/* Version 8 from the first 16 bytes of a hash. */
void uuid_v8(struct uuid *out, const uint8_t hash[16]);

#endif
