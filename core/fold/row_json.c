/* row_json - see row_json.h. */
#include "fold/row_json.h"

#include <stdio.h>

#include "event/canonical.h"

/* The member of a row's struct that a column is. */
union value {
	struct uuid uuid;
	struct bytes text;
	int64_t number;
	int16_t place;
	int8_t truth;
};

static union value value_of(const struct row *row, const struct column *c)
{
	const char *at = (const char *)row + c->offset;
	union value v = { .number = 0 };

	switch (c->kind) {
	case COLUMN_UUID:
		memcpy(&v.uuid, at, sizeof(v.uuid));
		break;
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
	case COLUMN_INET:
		memcpy(&v.text, at, sizeof(v.text));
		break;
	case COLUMN_ENUM:
		memcpy(&v.place, at, sizeof(v.place));
		break;
	case COLUMN_BOOL:
		memcpy(&v.truth, at, sizeof(v.truth));
		break;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
	case COLUMN_DECIMAL:
		memcpy(&v.number, at, sizeof(v.number));
		break;
	}
	return v;
}

bool row_is_null(const struct row *row, const struct column *c)
{
	union value v = value_of(row, c);

	switch (c->kind) {
	case COLUMN_UUID:
		return uuid_is_nil(&v.uuid);
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
	case COLUMN_INET:
		return !v.text.data;
	case COLUMN_ENUM:
		return v.place < 0;
	case COLUMN_BOOL:
		return v.truth < 0;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
	case COLUMN_DECIMAL:
		break;
	}
	return v.number == INT64_MIN; /* INT_NONE and TIME_NONE alike */
}

static void add_decimal(int64_t v, int scale, struct buffer *out)
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v, one = 1;

	for (int i = 0; i < scale; i++)
		one *= 10;
	buffer_printf(out, "%s%llu", v < 0 ? "-" : "", (unsigned long long)(left / one));
	if (scale)
		buffer_printf(out, ".%0*llu", scale, (unsigned long long)(left % one));
}

void row_json_column(const struct row *row, const struct column *c, struct buffer *out)
{
	char text[TIME_TEXT > UUID_TEXT ? TIME_TEXT : UUID_TEXT];
	union value v;

	if (!row || row_is_null(row, c)) {
		buffer_add_text(out, "null");
		return;
	}
	v = value_of(row, c);
	switch (c->kind) {
	case COLUMN_UUID:
		buffer_printf(out, "\"%s\"", uuid_format(&v.uuid, text));
		return;
	case COLUMN_TEXT:
	case COLUMN_INET:
		canonical_string(v.text, out);
		return;
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		buffer_add_bytes(out, v.text);
		return;
	case COLUMN_ENUM:
		canonical_string(bytes_text(c->values[v.place]), out);
		return;
	case COLUMN_BOOL:
		buffer_add_text(out, v.truth ? "true" : "false");
		return;
	case COLUMN_TIME:
		buffer_printf(out, "\"%s\"", time_format(v.number, text));
		return;
	case COLUMN_DECIMAL:
		add_decimal(v.number, c->scale, out);
		return;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
		buffer_printf(out, "%lld", (long long)v.number);
		return;
	}
}

void row_json(const struct row *row, struct buffer *out)
{
	char tenant[UUID_TEXT], id[UUID_TEXT];

	buffer_printf(out, "{\"tenant_id\":\"%s\",\"id\":\"%s\",\"last_position\":%lld", uuid_format(&row->tenant_id, tenant),
		      uuid_format(&row->id, id), (long long)row->last_position);
	for (int i = 0; i < row->of->column_count; i++) {
		const struct column *c = &row->of->columns[i];

		if (c->hidden)
			continue;
		buffer_printf(out, ",\"%s\":", c->name);
		row_json_column(row, c, out);
	}
	buffer_add_byte(out, '}');
}

bool row_same(const struct row *a, const struct row *b, const struct column *c)
{
	bool null = !a || row_is_null(a, c);
	union value x, y;

	if (null || row_is_null(b, c))
		return null && row_is_null(b, c);
	x = value_of(a, c);
	y = value_of(b, c);
	switch (c->kind) {
	case COLUMN_UUID:
		return uuid_equal(&x.uuid, &y.uuid);
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
	case COLUMN_INET:
		return bytes_equal(x.text, y.text);
	case COLUMN_ENUM:
		return x.place == y.place;
	case COLUMN_BOOL:
		return x.truth == y.truth;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
	case COLUMN_DECIMAL:
		break;
	}
	return x.number == y.number;
}
