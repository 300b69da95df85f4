/*
 * bytes - borrowed runs of bytes, and a growing buffer that owns its own.
 *
 * Memory that cannot be had ends the process with a message: every size that comes from outside is
 * bounded before it gets here, so running out is not something a caller could mend.
 */
#ifndef VERBATIM_BASE_BYTES_H
#define VERBATIM_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed, not owned, not terminated.  `data` is NULL when the value is absent; an empty value that is there has len 0 and data not NULL. */
struct bytes {
	const char *data;
	size_t len;
};

#define BYTES(literal) ((struct bytes){ (literal), sizeof(literal) - 1 })

static inline struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){ data, len };
}

static inline struct bytes bytes_text(const char *text)
{
	return (struct bytes){ text, text ? strlen(text) : 0 };
}

/* Of 8 to 16 bytes, by two words that may overlap. */
static inline bool bytes_same_words(const char *a, const char *b, size_t len)
{
	uint64_t x[2], y[2];

	memcpy(&x[0], a, 8);
	memcpy(&y[0], b, 8);
	memcpy(&x[1], a + len - 8, 8);
	memcpy(&y[1], b + len - 8, 8);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* Names and other short texts are compared in place. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	if (a.len != b.len)
		return false;
	if (a.len >= 8 && a.len <= 16)
		return bytes_same_words(a.data, b.data, a.len);
	return a.len == 0 || memcmp(a.data, b.data, a.len) == 0;
}

static inline bool bytes_is(struct bytes a, const char *text)
{
	return a.len == strlen(text) && memcmp(a.data, text, a.len) == 0;
}

/* Never NULL: the process ends with a message when memory cannot be had. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *text);

/* A growing run of bytes: [0, len) is filled, [len, cap) is room.  Zero-initialised is empty and ready. */
struct buffer {
	char *data;
	size_t len;
	size_t cap;
};

void buffer_release(struct buffer *b);

/* Makes room for `extra` more bytes and returns where they go; the caller adds to len what it wrote. */
char *buffer_reserve(struct buffer *b, size_t extra);

void buffer_add(struct buffer *b, const void *data, size_t len);
void buffer_add_byte(struct buffer *b, char c);
void buffer_add_text(struct buffer *b, const char *text);
void buffer_add_bytes(struct buffer *b, struct bytes bytes);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a NUL that does not count and returns the text. */
const char *buffer_text(struct buffer *b);

/* Forgets the first `n` bytes, moving the rest to the front. */
void buffer_drop(struct buffer *b, size_t n);

static inline void buffer_reset(struct buffer *b)
{
	b->len = 0;
}

static inline struct bytes buffer_bytes(const struct buffer *b)
{
	return (struct bytes){ b->data ? b->data : "", b->len };
}

/* Big-endian integers, as PostgreSQL and MessagePack write them. */
static inline void put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void put_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static inline void put_be64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}

static inline uint16_t get_be16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return __builtin_bswap16(v);
}

static inline uint32_t get_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline uint64_t get_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}

/* Lower-case hex; `out` takes 2 * len + 1. */
void hex_encode(const void *data, size_t len, char *out);

/* Exactly `len` bytes from 2 * len hex digits; false when it is not that. */
bool hex_decode(const char *text, size_t text_len, void *out, size_t len);

#endif
