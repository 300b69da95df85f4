/*
 * pg_codec_text - the kinds whose binary form has a grammar of its own: numeric, inet, arrays of strings, jsonb.
 * See pg_codec.h.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "event/canonical.h"
#include "event/fields.h"
#include "store/pg_codec.h"

static inline const char *field_at(const void *items, int i, size_t offset)
{
	const char *item;

	memcpy(&item, (const char *)items + (size_t)i * sizeof(item), sizeof(item));
	return item + offset;
}

/* ---- numeric:  digits(2) weight(2) sign(2) scale(2) { base-10000 digit(2) }... ---- */

enum { NUMERIC_NEGATIVE = 0x4000, NUMERIC_SPECIAL = 0xC000 };

void pg_item_decimal(struct pg_params *p, int64_t v, int scale)
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	uint16_t digits[8]; /* 19 decimal digits and the padding of the fraction need 6 */
	int fraction = (scale + 3) / 4; /* base-10000 digits behind the point */
	uint64_t pad = 1;
	uint64_t low;
	int count = 0;
	char *to;

	/* The lowest digit holds what is left of the scale, moved up to a multiple of four. */
	for (int i = scale; i % 4; i++)
		pad *= 10;
	low = left % (10000 / pad) * pad;
	left /= 10000 / pad;
	if (scale % 4 || left || low)
		digits[count++] = (uint16_t)low;
	while (left) {
		digits[count++] = (uint16_t)(left % 10000);
		left /= 10000;
	}
	to = buffer_reserve(&p->data, 4 + 8 + 2 * (size_t)count);
	put_be32(to, 8 + 2 * (uint32_t)count);
	put_be16(to + 4, (uint16_t)count);
	put_be16(to + 6, (uint16_t)(count - 1 - fraction));
	put_be16(to + 8, v < 0 ? NUMERIC_NEGATIVE : 0);
	put_be16(to + 10, (uint16_t)scale);
	for (int i = 0; i < count; i++)
		put_be16(to + 12 + 2 * i, digits[count - 1 - i]);
	p->data.len += 12 + 2 * (size_t)count;
}

void pg_array_decimal(struct pg_params *p, const void *items, int count, size_t offset, int scale)
{
	size_t began = pg_array_begin(p, OID_NUMERIC, count);
	int absent = 0;

	for (int i = 0; i < count; i++) {
		int64_t v;

		memcpy(&v, field_at(items, i, offset), sizeof(v));
		if (v == INT64_MIN) {
			pg_item_null(p);
			absent++;
		} else {
			pg_item_decimal(p, v, scale);
		}
	}
	pg_array_end(p, began, absent);
}

int64_t pg_get_decimal(const char *data, int len, int scale)
{
	int count, weight, sign;
	int64_t v = 0;

	if (len < 8)
		return INT64_MIN;
	count = get_be16(data);
	weight = (int16_t)get_be16(data + 2);
	sign = get_be16(data + 4);
	if (len < 8 + 2 * count || (sign & NUMERIC_SPECIAL) == NUMERIC_SPECIAL)
		return INT64_MIN;
	/* Decimal digit by decimal digit, from the highest down to the scale; finer digits are cut off. */
	for (int place = 4 * weight + 3; place >= -scale; place--) {
		int i = weight - (place >= 0 ? place / 4 : -((3 - place) / 4));
		int inside = place >= 0 ? place % 4 : 3 - (-place - 1) % 4;
		int digit = i >= 0 && i < count ? get_be16(data + 8 + 2 * i) : 0;

		while (inside-- > 0)
			digit /= 10;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit % 10, &v))
			return INT64_MIN;
	}
	return sign == NUMERIC_NEGATIVE ? -v : v;
}

/* ---- inet:  family(1) bits(1) is_cidr(1)=0 length(1) address ---- */

enum { INET_V4 = 2, INET_V6 = 3 };

bool pg_item_inet(struct pg_params *p, struct bytes text)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = memchr(text.data, '/', text.len);
	size_t host_len = slash ? (size_t)(slash - text.data) : text.len;
	char v[20];
	int bytes = memchr(text.data, ':', host_len) ? 16 : 4;
	int bits = 8 * bytes;

	if (host_len == 0 || host_len >= sizeof(host))
		return false;
	memcpy(host, text.data, host_len);
	host[host_len] = 0;
	if (inet_pton(bytes == 16 ? AF_INET6 : AF_INET, host, v + 4) != 1)
		return false;
	if (slash) {
		size_t digits = text.len - host_len - 1;

		if (digits < 1 || digits > 3)
			return false;
		bits = 0;
		for (size_t i = 1; i <= digits; i++) {
			if (slash[i] < '0' || slash[i] > '9')
				return false;
			bits = 10 * bits + slash[i] - '0';
		}
		if (bits > 8 * bytes)
			return false;
	}
	v[0] = bytes == 16 ? INET_V6 : INET_V4;
	v[1] = (char)bits;
	v[2] = 0;
	v[3] = (char)bytes;
	pg_item(p, v, 4 + (size_t)bytes);
	return true;
}

bool pg_array_inet(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_INET, count);
	int absent = 0;
	bool right = true;

	for (int i = 0; i < count; i++) {
		struct bytes v;

		memcpy(&v, field_at(items, i, offset), sizeof(v));
		if (v.data && pg_item_inet(p, v))
			continue;
		right = right && !v.data;
		pg_item_null(p);
		absent++;
	}
	pg_array_end(p, began, absent);
	return right;
}

struct bytes pg_get_inet(const char *data, int len, struct arena *arena)
{
	char text[INET6_ADDRSTRLEN + 4];
	bool v6 = len == 20;
	size_t n;

	if ((len != 8 && len != 20) || !inet_ntop(v6 ? AF_INET6 : AF_INET, data + 4, text, sizeof(text)))
		return (struct bytes){ NULL, 0 };
	n = strlen(text);
	if ((uint8_t)data[1] != (v6 ? 128 : 32))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "/%d", (uint8_t)data[1]);
	return arena_copy(arena, (struct bytes){ text, n });
}

/* ---- lists of strings ---- */

/* A JSON array of strings as PostgreSQL's array literal: {"a","b \" c"}. */
static bool put_literal(struct pg_params *p, struct bytes array, struct arena *scratch)
{
	size_t length_at = p->data.len, at = 0;
	struct bytes key, raw;
	bool first = true;

	if (array.len < 2 || array.data[0] != '[' || array.data[array.len - 1] != ']')
		return false;
	buffer_reserve(&p->data, 4 + array.len);
	p->data.len += 4;
	buffer_add_byte(&p->data, '{');
	while (json_next(array, &at, &key, &raw)) {
		struct bytes text = json_string(raw, scratch);

		if (!text.data) {
			p->data.len = length_at;
			return false;
		}
		buffer_add_text(&p->data, first ? "\"" : ",\"");
		first = false;
		for (size_t i = 0; i < text.len; i++) {
			if (text.data[i] == '"' || text.data[i] == '\\')
				buffer_add_byte(&p->data, '\\');
			buffer_add_byte(&p->data, text.data[i]);
		}
		buffer_add_byte(&p->data, '"');
	}
	buffer_add_byte(&p->data, '}');
	put_be32(p->data.data + length_at, (uint32_t)(p->data.len - length_at - 4));
	return true;
}

bool pg_array_literals(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_TEXT, count);
	struct arena scratch;
	int absent = 0;
	bool right = true;

	arena_init(&scratch, 4096);
	for (int i = 0; i < count; i++) {
		struct bytes v;

		memcpy(&v, field_at(items, i, offset), sizeof(v));
		if (v.data && put_literal(p, v, &scratch))
			continue;
		right = right && !v.data;
		pg_item_null(p);
		absent++;
	}
	arena_release(&scratch);
	pg_array_end(p, began, absent);
	return right;
}

struct bytes pg_get_strings(const char *data, int len, bool uuids, struct arena *arena)
{
	const char *end = data + len, *at = data + 20;
	struct buffer out = { 0 };
	struct bytes kept;
	uint32_t count = len >= 20 ? get_be32(data + 12) : 0;
	char text[UUID_TEXT];

	buffer_add_byte(&out, '[');
	for (uint32_t i = 0; i < count && end - at >= 4; i++) {
		int32_t n = (int32_t)get_be32(at);

		at += 4;
		if (n > end - at)
			break;
		if (n < 0)
			continue; /* a NULL in the list: nobody here writes one */
		if (out.len > 1)
			buffer_add_byte(&out, ',');
		if (uuids && n == 16) {
			struct uuid u;

			memcpy(&u, at, 16);
			uuid_format(&u, text);
			canonical_string(bytes_text(text), &out);
		} else {
			canonical_string((struct bytes){ at, (size_t)n }, &out);
		}
		at += n;
	}
	buffer_add_byte(&out, ']');
	kept = arena_copy(arena, buffer_bytes(&out));
	buffer_release(&out);
	return kept;
}

struct bytes pg_get_jsonb(const char *data, int len, struct arena *arena)
{
	char *out, *to;
	bool inside = false;

	if (len < 1 || data[0] != 1)
		return (struct bytes){ NULL, 0 };
	out = to = arena_alloc(arena, (size_t)len);
	for (int i = 1; i < len; i++) {
		if (!inside && data[i] == ' ')
			continue;
		if (data[i] == '"')
			inside = !inside;
		*to++ = data[i];
		if (inside && data[i] == '\\' && i + 1 < len)
			*to++ = data[++i];
	}
	return (struct bytes){ out, (size_t)(to - out) };
}
