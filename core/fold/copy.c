/*
 * copy - see state.h and plan.h; here: JSON values into columns, and text into the rows' memory.
 *
 * What comes by a typed payload field was checked at the door; what comes by `changes` was not, so every
 * value is checked against its column here, once for both.
 */
#include <stdarg.h>

#include "event/canonical.h"
#include "fold/plan.h"
#include "fold/state.h"

struct bytes fold_keep(struct fold *f, struct bytes text)
{
	return arena_copy(f->arena, text);
}

struct bytes fold_format(struct fold *f, const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	return arena_copy(f->arena, bytes_of(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1));
}

struct bytes fold_payload(struct fold *f, const char *but)
{
	const struct field *fields = f->fields.type->shape.fields;
	int count = shape_field_count(&f->fields.type->shape);
	size_t room = 2, len = 0;
	char *out;

	for (int i = 0; i < count; i++)
		if (f->fields.values[i].data)
			room += strlen(fields[i].name) + f->fields.values[i].len + 4;
	out = arena_alloc(f->arena, room);
	out[len++] = '{';
	for (int i = 0; i < count; i++) {
		struct bytes value = f->fields.values[i];
		size_t name = strlen(fields[i].name);

		if (!value.data || (but && strcmp(fields[i].name, but) == 0))
			continue;
		if (len > 1)
			out[len++] = ',';
		out[len++] = '"';
		memcpy(out + len, fields[i].name, name);
		len += name;
		out[len++] = '"';
		out[len++] = ':';
		memcpy(out + len, value.data, value.len);
		len += value.len;
	}
	out[len++] = '}';
	return bytes_of(out, len);
}

/* The string's text in the rows' memory; absent unless `raw` is a string. */
static struct bytes keep_string(struct fold *f, struct bytes raw)
{
	struct bytes text = json_string(raw, f->arena);

	/* Unescaped text stands in the arena already; plain text still points into the payload. */
	if (text.data && text.data >= raw.data && text.data <= raw.data + raw.len)
		return arena_copy(f->arena, text);
	return text;
}

static bool fits(struct bytes text, int32_t limit)
{
	size_t characters = 0;

	if (limit == 0 || text.len <= (size_t)limit)
		return true;
	for (size_t i = 0; i < text.len; i++)
		characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	return characters <= (size_t)limit;
}

/* A JSON number times 10^scale; false when it has more digits than that, or an exponent. */
static bool parse_number(struct bytes raw, int scale, int64_t *out)
{
	bool minus = raw.len && raw.data[0] == '-', point = false;
	int64_t value = 0;
	size_t i = minus, digits = 0;

	for (; i < raw.len; i++) {
		char c = raw.data[i];

		if (c == '.' && !point && digits) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9' || (point && scale-- == 0) || ++digits > 18)
			return false;
		value = value * 10 + (c - '0');
	}
	if (!digits)
		return false;
	for (; scale > 0; scale--)
		if (__builtin_mul_overflow(value, 10, &value))
			return false;
	*out = minus ? -value : value;
	return true;
}

static bool all_strings(struct bytes raw, bool uuids)
{
	struct bytes key, value;
	struct uuid id;
	size_t at = 0;

	if (!raw.len || raw.data[0] != '[')
		return false;
	while (json_next(raw, &at, &key, &value))
		if (!value.len || value.data[0] != '"' ||
		    (uuids && (value.len != 38 || !uuid_parse(value.data + 1, 36, &id))))
			return false;
	return true;
}

static bool number_fits(const struct column *c, int64_t value)
{
	if (c->kind == COLUMN_INT2)
		return value >= INT16_MIN && value <= INT16_MAX;
	if (c->kind == COLUMN_INT4)
		return value >= INT32_MIN && value <= INT32_MAX;
	return true;
}

static bool set_bool(struct bytes raw, char *at)
{
	int8_t value = bytes_is(raw, "true");

	if (!value && !bytes_is(raw, "false"))
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool set_enum(const struct column *c, struct bytes raw, char *at)
{
	if (raw.len < 2 || raw.data[0] != '"')
		return false;
	for (int16_t i = 0; c->values[i]; i++) {
		if (raw.data[1] != c->values[i][0] || !bytes_is(bytes_of(raw.data + 1, raw.len - 2), c->values[i]))
			continue;
		memcpy(at, &i, sizeof(i));
		return true;
	}
	return false;
}

static bool set_text(struct fold *f, struct bytes raw, int32_t limit, char *at)
{
	struct bytes text = keep_string(f, raw);

	if (!text.data || !fits(text, limit))
		return false;
	memcpy(at, &text, sizeof(text));
	return true;
}

bool column_set(struct fold *f, const struct plan_rows *rows, int column, struct bytes raw, void *row)
{
	const struct column *c = &rows->projection->columns[column];
	char *at = (char *)row + c->offset;
	struct bytes text;
	int64_t number;
	struct uuid id;

	if (json_is_null(raw)) {
		if (!c->required)
			column_null(c, row);
		return !c->required;
	}
	switch (c->kind) {
	case COLUMN_UUID:
		if (raw.len != 38 || raw.data[0] != '"' || !uuid_parse(raw.data + 1, 36, &id))
			return false;
		memcpy(at, &id, sizeof(id));
		return true;
	case COLUMN_ENUM:
		return set_enum(c, raw, at);
	case COLUMN_BOOL:
		return set_bool(raw, at);
	case COLUMN_TEXT:
	case COLUMN_INET:
		return set_text(f, raw, rows->limits[column], at);
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_DECIMAL:
		if (!parse_number(raw, c->kind == COLUMN_DECIMAL ? c->scale : 0, &number) || !number_fits(c, number))
			return false;
		memcpy(at, &number, sizeof(number));
		return true;
	case COLUMN_TIME:
		text = json_string(raw, f->arena);
		if (!text.data || !time_parse(text.data, text.len, &number))
			return false;
		memcpy(at, &number, sizeof(number));
		return true;
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		if (!all_strings(raw, c->kind == COLUMN_UUIDS))
			return false;
		break;
	case COLUMN_JSON:
		break;
	}
	text = arena_copy(f->arena, raw);
	memcpy(at, &text, sizeof(text));
	return true;
}

static bool same_text(const struct column *c, const void *a, const void *b)
{
	struct bytes x, y;

	memcpy(&x, (const char *)a + c->offset, sizeof(x));
	memcpy(&y, (const char *)b + c->offset, sizeof(y));
	if (!x.data || !y.data)
		return x.data == y.data;
	return c->kind == COLUMN_TEXT || c->kind == COLUMN_INET ? bytes_equal(x, y) : fold_json_same(x, y);
}

static bool same_value(const struct column *c, const void *a, const void *b)
{
	size_t size = c->kind == COLUMN_UUID ? sizeof(struct uuid) : c->kind == COLUMN_ENUM ? sizeof(int16_t) :
		      c->kind == COLUMN_BOOL ? sizeof(int8_t) : sizeof(int64_t);

	switch (c->kind) {
	case COLUMN_TEXT:
	case COLUMN_INET:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		return same_text(c, a, b);
	default:
		return memcmp((const char *)a + c->offset, (const char *)b + c->offset, size) == 0;
	}
}

bool column_holds(struct fold *f, const struct plan_rows *rows, int column, struct bytes raw, const void *row)
{
	const struct column *c = &rows->projection->columns[column];
	struct row *other;

	if (json_is_null(raw))
		return same_value(c, row, rows->null) || same_value(c, row, rows->blank);
	other = arena_alloc(f->arena, rows->projection->row_bytes);
	return column_set(f, rows, column, raw, other) && same_value(c, row, other);
}

void fold_copy(struct fold *f, void *row)
{
	const struct plan_fold *step = f->step;
	const struct plan_rows *rows = &f->state->plan->rows[step->index];

	for (int i = 0; i < step->copy_count; i++) {
		struct bytes raw = f->fields.values[step->copies[i].field];
		int column = step->copies[i].column;

		if (step->copies[i].context_at) {
			const void *id = (const char *)f->event + step->copies[i].context_at;

			if (!uuid_is_nil(id))
				memcpy((char *)row + step->copies[i].column_at, id, sizeof(struct uuid));
			continue;
		}
		if (raw.data && !json_is_null(raw) && !column_set(f, rows, column, raw, row))
			fold_anomaly(f, "bad_value", "\"%s\" does not fit its column", rows->projection->columns[column].name);
	}
}
