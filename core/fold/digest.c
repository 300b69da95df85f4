/* digest - see digest.h. */
#include "fold/digest.h"

#include <stdio.h>
#include <xxhash.h>

#include "event/fields.h"
#include "event/json.h"
#include "fold/json_number.h"

enum { SUM_BYTES = 16, TABLE_FROM = 3 }; /* places of the column table: after tenant_id, id and last_position */

static void add(uint64_t *high, uint64_t *low, XXH128_hash_t h)
{
	*low += h.low64;
	*high += h.high64 + (*low < h.low64);
}

static XXH128_canonical_t canonical_of(XXH128_hash_t h)
{
	XXH128_canonical_t out;

	XXH128_canonicalFromHash(&out, h);
	return out;
}

/* ---- JSON ---- */

static XXH128_hash_t two(XXH128_hash_t a, XXH128_hash_t b)
{
	XXH128_canonical_t both[2] = { canonical_of(a), canonical_of(b) };

	return XXH3_128bits(both, sizeof(both));
}

static XXH128_hash_t of_number(struct bytes raw)
{
	struct json_number n;
	char text[sizeof(n.digits) + 16];
	int len;

	json_number_read(raw, &n);
	len = snprintf(text, sizeof(text), "%s%.*se%d", n.minus ? "-" : "", n.count, n.digits, n.power);
	return XXH3_128bits(text, (size_t)len);
}

/* What is nested deeper than any payload may be counts as it is written. */
static XXH128_hash_t of_json(struct bytes raw, int depth)
{
	char begins = raw.len ? raw.data[0] : 0;
	XXH128_hash_t all = { 0 }, value;
	struct bytes key, element;
	size_t at = 0;

	if (json_number_is(raw))
		return of_number(raw);
	if ((begins != '{' && begins != '[') || depth == 0)
		return XXH3_128bits(raw.data, raw.len);
	if (begins == '[')
		all = XXH3_128bits("[", 1);
	while (json_next(raw, &at, &key, &element)) {
		value = of_json(element, depth - 1);
		if (begins == '[')
			all = two(all, value);
		else
			add(&all.high64, &all.low64, two(XXH3_128bits(key.data, key.len), value));
	}
	if (begins == '{') {
		char whole[1 + SUM_BYTES] = "{";
		XXH128_canonical_t sum = canonical_of(all);

		memcpy(whole + 1, &sum, SUM_BYTES);
		all = XXH3_128bits(whole, sizeof(whole));
	}
	return all;
}

/* ---- a row ---- */

static void put_record(struct buffer *out, int place, char kind, struct bytes value)
{
	size_t len = value.data ? value.len : 0;
	char *p = buffer_reserve(out, 8 + len);

	put_be16(p, (uint16_t)place);
	p[2] = kind;
	p[3] = !value.data;
	put_be32(p + 4, (uint32_t)len);
	if (len)
		memcpy(p + 8, value.data, len);
	out->len += 8 + len;
}

static void put_uuid(struct buffer *out, int place, const struct uuid *id)
{
	put_record(out, place, 'u', bytes_of(uuid_is_nil(id) ? NULL : id, sizeof(*id)));
}

/* INT_NONE and TIME_NONE are the same number. */
static void put_number(struct buffer *out, int place, char kind, int64_t number)
{
	char value[8];

	_Static_assert(INT_NONE == TIME_NONE, "null is one number");
	put_be64(value, (uint64_t)number);
	put_record(out, place, kind, bytes_of(number == INT_NONE ? NULL : value, sizeof(value)));
}

static void put_json(struct buffer *out, int place, char kind, struct bytes json)
{
	XXH128_canonical_t h;

	if (json.data) {
		h = canonical_of(of_json(json, JSON_DEPTH_MAX));
		json = bytes_of(&h, sizeof(h));
	}
	put_record(out, place, kind, json);
}

static void put_column(struct buffer *out, int place, const struct column *c, const char *at)
{
	static const char kinds[] = {
		[COLUMN_UUID] = 'u', [COLUMN_TEXT] = 't', [COLUMN_ENUM] = 'e', [COLUMN_INT2] = 'i',  [COLUMN_INT4] = 'i',
		[COLUMN_INT8] = 'i', [COLUMN_BOOL] = 'b', [COLUMN_TIME] = 'T', [COLUMN_JSON] = 'j',  [COLUMN_TEXTS] = 's',
		[COLUMN_UUIDS] = 'U', [COLUMN_DECIMAL] = 'd', [COLUMN_INET] = 'n',
	};
	char kind = kinds[c->kind];
	struct bytes text;
	int64_t number;
	int16_t word;

	switch (c->kind) {
	case COLUMN_UUID:
		put_uuid(out, place, (const struct uuid *)(const void *)at);
		break;
	case COLUMN_ENUM:
		memcpy(&word, at, sizeof(word));
		put_record(out, place, kind, bytes_text(word < 0 ? NULL : c->values[word]));
		break;
	case COLUMN_BOOL:
		put_record(out, place, kind, bytes_of(*at < 0 ? NULL : at, 1));
		break;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_DECIMAL:
	case COLUMN_TIME:
		memcpy(&number, at, sizeof(number));
		put_number(out, place, kind, number);
		break;
	case COLUMN_TEXT:
	case COLUMN_INET:
		memcpy(&text, at, sizeof(text));
		put_record(out, place, kind, text);
		break;
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		memcpy(&text, at, sizeof(text));
		put_json(out, place, kind, text);
		break;
	}
}

void digest_add_row(struct digest *d, const struct row *row, struct buffer *scratch)
{
	const struct projection *p = row->of;

	buffer_reset(scratch);
	put_uuid(scratch, 0, &row->tenant_id);
	put_uuid(scratch, 1, &row->id);
	put_number(scratch, 2, 'i', row->last_position);
	for (int i = 0; i < p->column_count; i++)
		put_column(scratch, TABLE_FROM + i, &p->columns[i], (const char *)row + p->columns[i].offset);
	add(&d->high, &d->low, XXH3_128bits(scratch->data, scratch->len));
	d->rows++;
}

void digest_join(struct digest *d, const struct digest *part)
{
	add(&d->high, &d->low, (XXH128_hash_t){ .low64 = part->low, .high64 = part->high });
	d->rows += part->rows;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->high == b->high && a->low == b->low && a->rows == b->rows;
}

char *digest_format(const struct digest *d, char out[DIGEST_TEXT])
{
	snprintf(out, DIGEST_TEXT, "%016llx%016llx", (unsigned long long)d->high, (unsigned long long)d->low);
	return out;
}
