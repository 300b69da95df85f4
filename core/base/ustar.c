/* ustar - see ustar.h. */
#include "base/ustar.h"

#include <assert.h>
#include <stdio.h>

/* Where a field stands in the header, and how long it is with its NUL. */
enum { NAME = 0, MODE = 100, UID = 108, GID = 116, SIZE = 124, TIME = 136, SUM = 148, TYPE = 156, MAGIC = 257, VERSION = 263 };

static bool is_name(const char *name)
{
	char before = '/';

	for (const char *p = name; *p; before = *p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '-';

		if (!plain && !((*p == '/' || *p == '.') && before != '/' && before != '.'))
			return false;
	}
	return before != '/' && before != '.' && strlen(name) <= USTAR_NAME_MAX;
}

static void octal(char *field, int width, size_t value)
{
	field[width - 1] = 0;
	for (int i = width - 2; i >= 0; i--, value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static void make_header(const char *name, size_t size, char out[USTAR_BLOCK])
{
	unsigned sum = 0;

	memset(out, 0, USTAR_BLOCK);
	memcpy(out + NAME, name, strlen(name));
	octal(out + MODE, 8, 0644);
	octal(out + UID, 8, 0);
	octal(out + GID, 8, 0);
	octal(out + SIZE, 12, size);
	octal(out + TIME, 12, 0);
	out[TYPE] = '0';
	memcpy(out + MAGIC, "ustar", 6);
	memcpy(out + VERSION, "00", 2);
	memset(out + SUM, ' ', 8); /* the sum is taken with spaces in its place, and is written as six digits, NUL, space */
	for (int i = 0; i < USTAR_BLOCK; i++)
		sum += (uint8_t)out[i];
	octal(out + SUM, 7, sum);
}

static size_t padding(size_t size)
{
	return (USTAR_BLOCK - size % USTAR_BLOCK) % USTAR_BLOCK;
}

static void add_zeros(struct buffer *out, size_t count)
{
	memset(buffer_reserve(out, count), 0, count);
	out->len += count;
}

void ustar_add(struct buffer *out, const char *name, struct bytes content)
{
	assert(is_name(name) && content.len <= USTAR_FILE_MAX);
	make_header(name, content.len, buffer_reserve(out, USTAR_BLOCK));
	out->len += USTAR_BLOCK;
	buffer_add_bytes(out, content);
	add_zeros(out, padding(content.len));
}

void ustar_end(struct buffer *out)
{
	add_zeros(out, (size_t)2 * USTAR_BLOCK);
}

static bool is_zero(const char *p, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (p[i])
			return false;
	return true;
}

int ustar_next(struct bytes archive, size_t *at, char name[USTAR_NAME_MAX + 1], struct bytes *content)
{
	char header[USTAR_BLOCK];
	const char *p = archive.data + *at;
	size_t left = archive.len - *at, size = 0;

	if (left < (size_t)2 * USTAR_BLOCK)
		return -1;
	if (is_zero(p, USTAR_BLOCK))
		return left == (size_t)2 * USTAR_BLOCK && is_zero(p, left) ? 0 : -1;
	memcpy(name, p + NAME, USTAR_NAME_MAX);
	name[USTAR_NAME_MAX] = 0;
	for (int i = 0; i < 11; i++) { /* 33 bits at most */
		if (p[SIZE + i] < '0' || p[SIZE + i] > '7')
			return -1;
		size = size << 3 | (size_t)(p[SIZE + i] - '0');
	}
	if (!is_name(name) || size > USTAR_FILE_MAX)
		return -1;
	make_header(name, size, header);
	left -= USTAR_BLOCK;
	if (memcmp(header, p, USTAR_BLOCK) != 0 || size + padding(size) > left || !is_zero(p + USTAR_BLOCK + size, padding(size)))
		return -1;
	*content = bytes_of(p + USTAR_BLOCK, size);
	*at += USTAR_BLOCK + size + padding(size);
	return 1;
}
