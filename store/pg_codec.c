/* pg_codec - see pg_codec.h. */
#include "store/pg_codec.h"

#include <assert.h>
#include <stdlib.h>

#include "base/time.h"

void pg_params_release(struct pg_params *p)
{
	buffer_release(&p->data);
	free(p->at);
	free(p->lengths);
	free(p->values);
	free(p->formats);
	memset(p, 0, sizeof(*p));
}

void pg_params_reset(struct pg_params *p)
{
	buffer_reset(&p->data);
	p->count = 0;
}

/* The next parameter begins at the buffer's end; its length is set when it is known. */
static int param_next(struct pg_params *p)
{
	if (p->count == p->capacity) {
		int capacity = p->capacity ? 2 * p->capacity : 64;

		p->at = mem_realloc(p->at, (size_t)capacity * sizeof(*p->at));
		p->lengths = mem_realloc(p->lengths, (size_t)capacity * sizeof(*p->lengths));
		p->values = mem_realloc(p->values, (size_t)capacity * sizeof(*p->values));
		p->formats = mem_realloc(p->formats, (size_t)capacity * sizeof(*p->formats));
		for (int i = p->capacity; i < capacity; i++)
			p->formats[i] = 1;
		p->capacity = capacity;
	}
	p->at[p->count] = p->data.len;
	p->lengths[p->count] = -1;
	return p->count++;
}

const char *const *pg_params_values(struct pg_params *p)
{
	for (int i = 0; i < p->count; i++)
		p->values[i] = p->lengths[i] < 0 ? NULL : p->data.data ? p->data.data + p->at[i] : "";
	return p->values;
}

void pg_param_null(struct pg_params *p)
{
	param_next(p);
}

void pg_param_bytes(struct pg_params *p, const void *data, size_t len)
{
	int i = param_next(p);

	if (!data)
		return;
	buffer_reserve(&p->data, len + 1);
	buffer_add(&p->data, data, len);
	p->lengths[i] = (int)len;
}

void pg_param_text(struct pg_params *p, const char *text)
{
	pg_param_bytes(p, text, text ? strlen(text) : 0);
}

void pg_param_bool(struct pg_params *p, bool v)
{
	char c = v;

	pg_param_bytes(p, &c, 1);
}

void pg_param_int2(struct pg_params *p, int16_t v)
{
	char b[2];

	put_be16(b, (uint16_t)v);
	pg_param_bytes(p, b, sizeof(b));
}

void pg_param_int4(struct pg_params *p, int32_t v)
{
	char b[4];

	put_be32(b, (uint32_t)v);
	pg_param_bytes(p, b, sizeof(b));
}

void pg_param_int8(struct pg_params *p, int64_t v)
{
	char b[8];

	put_be64(b, (uint64_t)v);
	pg_param_bytes(p, b, sizeof(b));
}

void pg_param_time(struct pg_params *p, int64_t t)
{
	if (t == TIME_NONE)
		pg_param_null(p);
	else
		pg_param_int8(p, t - TIME_PG_EPOCH);
}

void pg_param_uuid(struct pg_params *p, const struct uuid *u)
{
	if (uuid_is_nil(u))
		pg_param_null(p);
	else
		pg_param_bytes(p, u->b, sizeof(u->b));
}

/* ---- arrays ---- */

enum { ARRAY_HEAD = 20 };

size_t pg_array_begin(struct pg_params *p, enum pg_oid element, int count)
{
	size_t began;
	char *h;

	param_next(p);
	began = p->data.len;
	h = buffer_reserve(&p->data, ARRAY_HEAD);
	put_be32(h, 1);
	put_be32(h + 4, 0);
	put_be32(h + 8, element);
	put_be32(h + 12, (uint32_t)count);
	put_be32(h + 16, 1);
	p->data.len += ARRAY_HEAD;
	return began;
}

/* `absent` of the elements were NULL. */
void pg_array_end(struct pg_params *p, size_t began, int absent)
{
	char *h = p->data.data + began;

	if (absent == (int)get_be32(h + 12)) {
		p->data.len = began;
		return;
	}
	put_be32(h + 4, absent > 0);
	p->lengths[p->count - 1] = (int)(p->data.len - began);
}

void pg_array_first(struct pg_params *p)
{
	int i = p->count - 1;

	if (p->lengths[i] < 0)
		return;
	p->at[i] += ARRAY_HEAD + 4;
	p->lengths[i] -= ARRAY_HEAD + 4;
}

void pg_item_null(struct pg_params *p)
{
	put_be32(buffer_reserve(&p->data, 4), UINT32_MAX);
	p->data.len += 4;
}

void pg_item(struct pg_params *p, const void *data, size_t len)
{
	char *to = buffer_reserve(&p->data, len + 4);

	put_be32(to, (uint32_t)len);
	if (len)
		memcpy(to + 4, data, len);
	p->data.len += len + 4;
}

static inline const char *field_at(const void *items, int i, size_t offset)
{
	const char *item;

	memcpy(&item, (const char *)items + (size_t)i * sizeof(item), sizeof(item));
	return item + offset;
}

static inline int64_t int_at(const void *items, int i, size_t offset)
{
	int64_t v;

	memcpy(&v, field_at(items, i, offset), sizeof(v));
	return v;
}

static inline struct bytes bytes_at(const void *items, int i, size_t offset)
{
	struct bytes v;

	memcpy(&v, field_at(items, i, offset), sizeof(v));
	return v;
}

/* Elements of at most `len` bytes, written without asking for room again: `to` starts with `count` times 4 + len bytes. */
static char *room(struct pg_params *p, int count, size_t len)
{
	return buffer_reserve(&p->data, (size_t)count * (len + 4));
}

static inline char *put_null(char *to)
{
	put_be32(to, UINT32_MAX);
	return to + 4;
}

static inline char *put_item(char *to, const void *data, size_t len)
{
	put_be32(to, (uint32_t)len);
	memcpy(to + 4, data, len);
	return to + 4 + len;
}

void pg_array_uuid(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_UUID, count);
	char *to = room(p, count, 16);
	int absent = 0;

	for (int i = 0; i < count; i++) {
		struct uuid u;

		memcpy(&u, field_at(items, i, offset), sizeof(u));
		if (uuid_is_nil(&u)) {
			to = put_null(to);
			absent++;
		} else {
			to = put_item(to, u.b, 16);
		}
	}
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, absent);
}

void pg_array_bytes(struct pg_params *p, const void *items, int count, size_t offset, enum pg_oid element)
{
	size_t began = pg_array_begin(p, element, count);
	int absent = 0;

	for (int i = 0; i < count; i++) {
		struct bytes v = bytes_at(items, i, offset);

		if (!v.data) {
			pg_item_null(p);
			absent++;
		} else if (element != OID_JSONB) {
			pg_item(p, v.data, v.len);
		} else {
			put_be32(buffer_reserve(&p->data, v.len + 5), (uint32_t)v.len + 1);
			p->data.len += 4;
			buffer_add_byte(&p->data, 1); /* the format's version */
			buffer_add_bytes(&p->data, v);
		}
	}
	pg_array_end(p, began, absent);
}

void pg_array_fixed(struct pg_params *p, const void *items, int count, size_t offset, size_t len)
{
	size_t began = pg_array_begin(p, OID_BYTEA, count);
	char *to = room(p, count, len);

	for (int i = 0; i < count; i++)
		to = put_item(to, field_at(items, i, offset), len);
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, 0);
}

void pg_array_time(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_TIMESTAMPTZ, count);
	char *to = room(p, count, 8);
	int absent = 0;

	for (int i = 0; i < count; i++) {
		int64_t t = int_at(items, i, offset);

		if (t == TIME_NONE) {
			to = put_null(to);
			absent++;
		} else {
			put_be32(to, 8);
			put_be64(to + 4, (uint64_t)(t - TIME_PG_EPOCH));
			to += 12;
		}
	}
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, absent);
}

void pg_array_int32(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_INT4, count);
	char *to = room(p, count, 4);

	for (int i = 0; i < count; i++) {
		uint32_t v;

		memcpy(&v, field_at(items, i, offset), sizeof(v));
		put_be32(to, 4);
		put_be32(to + 4, v);
		to += 8;
	}
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, 0);
}

void pg_array_bool(struct pg_params *p, const void *items, int count, size_t offset)
{
	size_t began = pg_array_begin(p, OID_BOOL, count);
	char *to = room(p, count, 1);
	int absent = 0;

	for (int i = 0; i < count; i++) {
		signed char v = (signed char)*field_at(items, i, offset);

		absent += v < 0;
		to = v < 0 ? put_null(to) : put_item(to, &v, 1);
	}
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, absent);
}

bool pg_array_int(struct pg_params *p, const void *items, int count, size_t offset, enum pg_oid element)
{
	size_t began = pg_array_begin(p, element, count);
	char *to = room(p, count, 8);
	int absent = 0;
	bool fits = true;

	for (int i = 0; i < count; i++) {
		int64_t v = int_at(items, i, offset);

		if ((element == OID_INT2 && v != (int16_t)v) || (element == OID_INT4 && v != (int32_t)v)) {
			fits = fits && v == INT64_MIN;
			v = INT64_MIN;
		}
		if (v == INT64_MIN) {
			to = put_null(to);
			absent++;
		} else if (element == OID_INT2) {
			put_be32(to, 2);
			put_be16(to + 4, (uint16_t)v);
			to += 6;
		} else if (element == OID_INT4) {
			put_be32(to, 4);
			put_be32(to + 4, (uint32_t)v);
			to += 8;
		} else {
			put_be32(to, 8);
			put_be64(to + 4, (uint64_t)v);
			to += 12;
		}
	}
	p->data.len = (size_t)(to - p->data.data);
	pg_array_end(p, began, absent);
	return fits;
}

int64_t pg_get_int(const char *data, int len)
{
	switch (len) {
	case 2:
		return (int16_t)get_be16(data);
	case 4:
		return (int32_t)get_be32(data);
	case 8:
		return (int64_t)get_be64(data);
	default:
		return INT64_MIN;
	}
}

int64_t pg_get_time(const char *data)
{
	return (int64_t)get_be64(data) + TIME_PG_EPOCH;
}
