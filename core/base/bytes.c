/* bytes - see bytes.h. */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void out_of_memory(size_t size)
{
	fprintf(stderr, "verbatim: cannot allocate %zu bytes\n", size);
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *mem_zalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		out_of_memory(size);
	return p;
}

char *mem_strdup(const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(mem_alloc(n), text, n);
}

void buffer_release(struct buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

char *buffer_reserve(struct buffer *b, size_t extra)
{
	size_t need = b->len + extra;

	if (need < extra)
		out_of_memory(extra);
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap < need)
			cap = cap > SIZE_MAX / 2 ? need : cap * 2;
		b->data = mem_realloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buffer_add(struct buffer *b, const void *data, size_t len)
{
	char *room;

	if (len == 0)
		return;
	room = buffer_reserve(b, len);
	memcpy(room, data, len);
	b->len += len;
}

void buffer_add_byte(struct buffer *b, char c)
{
	*buffer_reserve(b, 1) = c;
	b->len++;
}

void buffer_add_text(struct buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

void buffer_add_bytes(struct buffer *b, struct bytes bytes)
{
	buffer_add(b, bytes.data, bytes.len);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return;
	va_start(args, format);
	vsnprintf(buffer_reserve(b, (size_t)n + 1), (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
}

const char *buffer_text(struct buffer *b)
{
	*buffer_reserve(b, 1) = 0;
	return b->data;
}

void buffer_drop(struct buffer *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

/* Four bytes at a time: their digits are spread over eight, and those above nine lifted to the letters. */
static void hex_encode_four(const uint8_t *p, char *out)
{
	uint64_t x = get_be32(p);

	x = (x | x << 16) & 0x0000ffff0000ffff;
	x = (x | x << 8) & 0x00ff00ff00ff00ff;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
	put_be64(out, x + 0x3030303030303030 + ((x + 0x0606060606060606) >> 4 & 0x0101010101010101) * ('a' - '0' - 10));
}

void hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i = 0;

	for (; i + 4 <= len; i += 4, out += 8)
		hex_encode_four(p + i, out);
	for (; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = 0;
}

/* Without branches that digits of a hash would mislead; -1 for what is none. */
static int hex_digit(char c)
{
	unsigned digit = (unsigned char)c - '0', letter = ((unsigned char)c | 32u) - 'a';

	return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

bool hex_decode(const char *text, size_t text_len, void *out, size_t len)
{
	uint8_t *p = out;
	int wrong = 0;

	if (text_len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		wrong |= high | low;
		p[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return wrong >= 0;
}
