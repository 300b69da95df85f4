/* check - see check.h. */
#include "event/check.h"

#include <math.h>
#include <stdlib.h>

#include "event/canonical.h"
#include "event/canonical_text.h"
#include "event/field_index.h"
#include "event/form.h"
#include "event/number.h"

enum { COUNT_DEFAULT = 100 };

/* What a check of one field needs to know. */
struct place {
	const struct field *field;
	const struct path *path;
	int depth; /* levels of arrays and maps that may still be opened */
	struct buffer *out;
	struct error *error;
};

static int wrong_kind(const struct path *path, struct error *error, const char *wanted, const msgpack_object *value)
{
	return path_error(path, error, E_INVALID, "must be %s, not %s", wanted, value_kind(value));
}

static int too_deep(const struct path *path, struct error *error)
{
	return path_error(path, error, E_TOO_LARGE, "nested too deep");
}

/* ---- single values --------------------------------------------------------------------------- */

int check_uuid(const msgpack_object *value, const struct path *path, struct uuid *out, struct error *error)
{
	char text[QUOTE_BYTES];

	if (value->type == MSGPACK_OBJECT_BIN) {
		if (value->via.bin.size != sizeof(out->b))
			return path_error(path, error, E_INVALID, "must be a uuid of 16 bytes, not %u",
					  value->via.bin.size);
		memcpy(out->b, value->via.bin.ptr, sizeof(out->b));
	} else if (value->type == MSGPACK_OBJECT_STR) {
		if (!uuid_parse(value->via.str.ptr, value->via.str.size, out))
			return path_error(path, error, E_INVALID, "'%s' is not a uuid", quote(value_text(value), text));
	} else {
		return wrong_kind(path, error, "a uuid (16 bytes or text)", value);
	}
	if (uuid_is_nil(out))
		return path_error(path, error, E_INVALID, "must not be the nil uuid; leave the field out instead");
	return 0;
}

/* The timestamp extension of the MessagePack specification: 4, 8 or 12 bytes. */
static bool read_timestamp(const msgpack_object_ext *ext, int64_t *out)
{
	int64_t seconds;
	uint32_t nanos = 0;

	if (ext->type != -1)
		return false;
	switch (ext->size) {
	case 4:
		seconds = get_be32(ext->ptr);
		break;
	case 8:
		nanos = (uint32_t)(get_be64(ext->ptr) >> 34);
		seconds = (int64_t)(get_be64(ext->ptr) & 0x3ffffffff);
		break;
	case 12:
		nanos = get_be32(ext->ptr);
		seconds = (int64_t)get_be64(ext->ptr + 4);
		break;
	default:
		return false;
	}
	if (nanos > 999999999 || seconds < TIME_MIN / TIME_SECOND || seconds > TIME_MAX / TIME_SECOND)
		return false;
	*out = seconds * TIME_SECOND + nanos / 1000;
	return true;
}

int check_time(const msgpack_object *value, const struct path *path, int64_t *out, struct error *error)
{
	char text[QUOTE_BYTES];

	if (value->type == MSGPACK_OBJECT_EXT) {
		if (read_timestamp(&value->via.ext, out))
			return 0;
		return path_error(path, error, E_INVALID, "extension value is not a timestamp of the years 0001 to 9999");
	}
	if (value->type != MSGPACK_OBJECT_STR)
		return wrong_kind(path, error, "a time (timestamp extension or RFC 3339 text)", value);
	if (!time_parse(value->via.str.ptr, value->via.str.size, out))
		return path_error(path, error, E_INVALID, "'%s' is not an RFC 3339 time such as 2024-05-06T07:08:09.123456Z",
				  quote(value_text(value), text));
	return 0;
}

int check_string(const msgpack_object *value, const struct path *path, int64_t min, int64_t max, struct bytes *out,
		 struct error *error)
{
	size_t characters;

	if (value->type != MSGPACK_OBJECT_STR)
		return wrong_kind(path, error, "a string", value);
	*out = value_text(value);
	if (!utf8_check(*out, &characters))
		return path_error(path, error, E_INVALID, "string is not UTF-8 or holds a NUL");
	if (max > 0 && characters > (size_t)max)
		return path_error(path, error, E_INVALID, "string has %zu characters, at most %lld are allowed",
				  characters, (long long)max);
	if (min > 0 && characters < (size_t)min)
		return path_error(path, error, E_INVALID, "string has %zu characters, at least %lld are needed",
				  characters, (long long)min);
	return 0;
}

/* The value as an integer, if it is one. */
static bool read_int(const msgpack_object *value, int64_t *out)
{
	double v = value->via.f64;

	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		*out = (int64_t)value->via.u64;
		return value->via.u64 <= NUMBER_INT_MAX;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		*out = value->via.i64;
		return value->via.i64 >= -NUMBER_INT_MAX;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		if (!(fabs(v) <= (double)NUMBER_INT_MAX) || v != rint(v))
			return false;
		*out = (int64_t)v;
		return true;
	default:
		return false;
	}
}

static bool is_number(const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER || value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
	       value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64;
}

int check_int(const msgpack_object *value, const struct path *path, int64_t min, int64_t max, int64_t *out,
	      struct error *error)
{
	if (!is_number(value))
		return wrong_kind(path, error, "an integer", value);
	if (!read_int(value, out) || *out < min || *out > max)
		return path_error(path, error, E_INVALID, "must be an integer from %lld to %lld", (long long)min,
				  (long long)max);
	return 0;
}

static int not_in_list(struct bytes text, const struct path *path, const char *const *values, struct error *error)
{
	char got[QUOTE_BYTES], list[240] = "";
	size_t n = 0;

	for (int i = 0; values[i]; i++) {
		int more = snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", values[i]);

		if (more < 0 || n + (size_t)more >= sizeof(list) - 5) {
			memcpy(list + n, ", ...", 6);
			break;
		}
		n += (size_t)more;
	}
	return path_error(path, error, E_INVALID, "'%s' is not one of %s", quote(text, got), list);
}

int check_enum(const msgpack_object *value, const struct path *path, const char *const *values, int *out,
	       struct error *error)
{
	struct bytes text;

	if (value->type != MSGPACK_OBJECT_STR)
		return wrong_kind(path, error, "a string", value);
	text = value_text(value);
	for (int i = 0; values[i]; i++)
		if (bytes_is(text, values[i])) {
			*out = i;
			return 0;
		}
	return not_in_list(text, path, values, error);
}

/* ---- fields: each writes its canonical text -------------------------------------------------- */

static int put_string(const struct place *at, const msgpack_object *value)
{
	struct bytes text;
	int unused, r;

	r = at->field->values ? check_enum(value, at->path, at->field->values, &unused, at->error) :
				check_string(value, at->path, at->field->min, at->field->max, &text, at->error);
	if (r == 0 && at->field->form)
		r = form_check(at->field->form, value, at->path, at->error);
	if (r == 0)
		canonical_string(value_text(value), at->out);
	return r;
}

static int put_uuid(const struct place *at, const msgpack_object *value, struct uuid *u)
{
	int r = check_uuid(value, at->path, u, at->error);
	char *p;

	if (r < 0)
		return r;
	p = buffer_reserve(at->out, UUID_TEXT + 2);
	*p = '"';
	uuid_format(u, p + 1);
	p[UUID_TEXT] = '"';
	at->out->len += UUID_TEXT + 1;
	return 0;
}

static int put_time(const struct place *at, const msgpack_object *value)
{
	int64_t t;
	int r = check_time(value, at->path, &t, at->error);
	char *p;

	if (r < 0)
		return r;
	p = buffer_reserve(at->out, TIME_TEXT + 2);
	*p = '"';
	time_format(t, p + 1);
	p[TIME_TEXT] = '"';
	at->out->len += TIME_TEXT + 1;
	return 0;
}

static int put_int(const struct place *at, const msgpack_object *value)
{
	const struct field *f = at->field;
	int64_t v, min = f->bounded ? f->min : -NUMBER_INT_MAX, max = f->bounded ? f->max : NUMBER_INT_MAX;
	int r = check_int(value, at->path, min, max, &v, at->error);
	char *p;

	if (r < 0)
		return r;
	p = buffer_reserve(at->out, NUMBER_TEXT);
	at->out->len += (size_t)(number_put_int(v, p) - p);
	return 0;
}

/* A bound of a DECIMAL, which the catalog gives times 10^scale, as people read it. */
static const char *decimal_text(int64_t v, int scale, char out[48])
{
	uint64_t whole = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, rest, unit = 1;
	char digits[20];
	int n = 0;

	for (; n < scale && n < 18; n++)
		unit *= 10;
	rest = whole % unit;
	for (digits[n] = 0; n; rest /= 10)
		digits[--n] = (char)('0' + rest % 10);
	snprintf(out, 48, "%s%llu%s%s", v < 0 ? "-" : "", (unsigned long long)(whole / unit), *digits ? "." : "", digits);
	return out;
}

static int put_decimal(const struct place *at, const msgpack_object *value)
{
	const struct field *f = at->field;
	char min[48], max[48];
	enum number_fit fit;
	size_t start = at->out->len;
	int64_t v = 0;
	int r;

	if (!is_number(value))
		return wrong_kind(at->path, at->error, "a number", value);
	r = canonical_any_number(value, at->path, at->out, at->error);
	if (r < 0)
		return r;
	fit = number_decimal(bytes_of(at->out->data + start, at->out->len - start), f->scale, &v);
	if (fit == NUMBER_FINER)
		return path_error(at->path, at->error, E_INVALID, "must have at most %d digits after the point", f->scale);
	if (fit != NUMBER_FITS)
		return path_error(at->path, at->error, E_INVALID, "number is too large");
	if (f->bounded && (v < f->min || v > f->max))
		return path_error(at->path, at->error, E_INVALID, "must be from %s to %s",
				  decimal_text(f->min, f->scale, min), decimal_text(f->max, f->scale, max));
	return 0;
}

static int put_json(const struct place *at, const msgpack_object *value)
{
	size_t start = at->out->len;
	int r = canonical_any(value, at->path, at->depth, at->out, at->error);

	if (r == 0 && at->field->max > 0 && at->out->len - start > (size_t)at->field->max)
		return path_error(at->path, at->error, E_INVALID, "value takes %zu bytes as JSON, at most %lld are allowed",
				  at->out->len - start, (long long)at->field->max);
	return r == 0 && at->field->form ? form_check(at->field->form, value, at->path, at->error) : r;
}

static int check_object(const msgpack_object *value, const struct field *fields, const struct path *path, int depth,
			struct buffer *out, struct check_context *context, struct error *error);

static int put_element(const struct place *at, const msgpack_object *value)
{
	struct uuid unused;

	switch (at->field->type) {
	case FIELD_STRINGS:
		return put_string(at, value);
	case FIELD_UUIDS:
		return put_uuid(at, value, &unused);
	default:
		return check_object(value, at->field->fields, at->path, at->depth, at->out, NULL, at->error);
	}
}

static int put_list(const struct place *at, const msgpack_object *value)
{
	uint32_t most = (uint32_t)(at->field->count ? at->field->count : COUNT_DEFAULT);

	if (value->type != MSGPACK_OBJECT_ARRAY)
		return wrong_kind(at->path, at->error, "an array", value);
	if (at->depth <= 0)
		return too_deep(at->path, at->error);
	if (value->via.array.size > most)
		return path_error(at->path, at->error, E_INVALID, "array has %u elements, at most %u are allowed",
				  value->via.array.size, most);
	buffer_add_byte(at->out, '[');
	for (uint32_t i = 0; i < value->via.array.size; i++) {
		struct path path = { at->path, { NULL, 0 }, i };
		struct place element = { at->field, &path, at->depth - 1, at->out, at->error };
		int r;

		if (i)
			buffer_add_byte(at->out, ',');
		r = put_element(&element, &value->via.array.ptr[i]);
		if (r < 0)
			return r;
	}
	buffer_add_byte(at->out, ']');
	return 0;
}

static int put_field(const struct place *at, const msgpack_object *value, struct check_context *context);

/* One side of a change: null, or what the column may hold. */
static int put_side(const struct place *at, const struct field *column, struct bytes name, const msgpack_object *value)
{
	struct path path = { at->path, name, 0 };
	struct place side = { column, &path, at->depth - 1, at->out, at->error };

	canonical_string(name, at->out);
	buffer_add_byte(at->out, ':');
	if (!column || value->type == MSGPACK_OBJECT_NIL)
		return canonical_any(value, &path, side.depth, at->out, at->error);
	return put_field(&side, value, NULL);
}

/* {"from": value, "to": value} with "to" at least; `column` says what a value may be, NULL: anything. */
static int put_change(const struct place *at, const struct field *column, const msgpack_object *value)
{
	const msgpack_object *from = NULL, *to = NULL;
	char name[QUOTE_BYTES];
	int r = 0;

	if (value->type != MSGPACK_OBJECT_MAP)
		return wrong_kind(at->path, at->error, "a map of \"from\" and \"to\"", value);
	if (at->depth <= 0)
		return too_deep(at->path, at->error);
	for (uint32_t i = 0; i < value->via.map.size; i++) {
		const msgpack_object_kv *pair = &value->via.map.ptr[i];
		struct bytes key = pair->key.type == MSGPACK_OBJECT_STR ? value_text(&pair->key) : BYTES("?");
		const msgpack_object **slot = bytes_is(key, "from") ? &from : bytes_is(key, "to") ? &to : NULL;

		if (!slot)
			return path_error(at->path, at->error, E_INVALID,
					  "unknown key '%s'; a change has \"from\" and \"to\"", quote(key, name));
		if (*slot)
			return path_error(at->path, at->error, E_INVALID, "key '%s' stands twice", quote(key, name));
		*slot = &pair->val;
	}
	if (!to)
		return path_error(at->path, at->error, E_INVALID, "a change needs \"to\", the new value or null");
	buffer_add_byte(at->out, '{');
	if (from) {
		r = put_side(at, column, BYTES("from"), from);
		buffer_add_byte(at->out, ',');
	}
	if (r == 0)
		r = put_side(at, column, BYTES("to"), to);
	buffer_add_byte(at->out, '}');
	return r;
}

static int put_column_change(const struct place *at, const msgpack_object_kv *pair)
{
	struct path path = { at->path, value_text(&pair->key), 0 };
	struct place change = { at->field, &path, at->depth - 1, at->out, at->error };
	int unused, r = 0;

	if (at->field->values)
		r = check_enum(&pair->key, &path, at->field->values, &unused, at->error);
	if (r < 0)
		return r;
	canonical_string(path.name, at->out);
	buffer_add_byte(at->out, ':');
	return put_change(&change, catalog_column(at->field, path.name), &pair->val);
}

static int put_changes(const struct place *at, const msgpack_object *value)
{
	const msgpack_object_map *map = &value->via.map;
	uint32_t few[32], *order;
	size_t start = at->out->len;
	int r;

	if (value->type != MSGPACK_OBJECT_MAP)
		return wrong_kind(at->path, at->error, "a map of column to {\"from\", \"to\"}", value);
	if (at->depth <= 0)
		return too_deep(at->path, at->error);
	order = map->size <= 32 ? few : mem_alloc(map->size * sizeof(*order));
	r = canonical_order(map, at->path, order, at->error);
	buffer_add_byte(at->out, '{');
	for (uint32_t i = 0; r == 0 && i < map->size; i++) {
		if (i)
			buffer_add_byte(at->out, ',');
		r = put_column_change(at, &map->ptr[order[i]]);
	}
	buffer_add_byte(at->out, '}');
	if (order != few)
		free(order);
	if (r == 0 && at->field->max > 0 && at->out->len - start > (size_t)at->field->max)
		return path_error(at->path, at->error, E_INVALID, "changes take %zu bytes as JSON, at most %lld are allowed",
				  at->out->len - start, (long long)at->field->max);
	return r;
}

static int put_context_uuid(const struct place *at, const msgpack_object *value, struct check_context *context)
{
	struct uuid u;
	int r = put_uuid(at, value, &u);

	if (r < 0 || !at->field->context || !context)
		return r;
	if (strcmp(at->field->name, "conversation_id") == 0)
		context->conversation_id = u;
	else if (strcmp(at->field->name, "customer_id") == 0)
		context->customer_id = u;
	else if (strcmp(at->field->name, "resolution_id") == 0)
		context->resolution_id = u;
	return 0;
}

static int put_field(const struct place *at, const msgpack_object *value, struct check_context *context)
{
	switch (at->field->type) {
	case FIELD_STRING:
	case FIELD_ENUM:
		return put_string(at, value);
	case FIELD_UUID:
		return put_context_uuid(at, value, context);
	case FIELD_INT:
		return put_int(at, value);
	case FIELD_DECIMAL:
		return put_decimal(at, value);
	case FIELD_BOOL:
		if (value->type != MSGPACK_OBJECT_BOOLEAN)
			return wrong_kind(at->path, at->error, "a boolean", value);
		buffer_add_text(at->out, value->via.boolean ? "true" : "false");
		return 0;
	case FIELD_TIME:
		return put_time(at, value);
	case FIELD_JSON:
		return put_json(at, value);
	case FIELD_STRINGS:
	case FIELD_UUIDS:
	case FIELD_OBJECTS:
		return put_list(at, value);
	case FIELD_OBJECT:
		return check_object(value, at->field->fields, at->path, at->depth, at->out, NULL, at->error);
	case FIELD_CHANGES:
		return put_changes(at, value);
	}
	return error_set(at->error, E_INTERNAL, "field '%s' has no type", at->field->name);
}

/* ---- objects --------------------------------------------------------------------------------- */

static int unknown_field(const struct field_index *index, const struct path *path, struct error *error)
{
	char list[240] = "";
	size_t n = 0;

	if (index->count == 0)
		return path_error(path, error, E_INVALID, "unknown field; there are none here");
	for (int i = 0; i < index->count; i++) {
		struct bytes name = index->names[index->order[i]];

		if (n + name.len + 7 >= sizeof(list)) {
			memcpy(list + n, ", ...", 6);
			break;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.*s", i ? ", " : "", (int)name.len, name.data);
	}
	return path_error(path, error, E_INVALID, "unknown field; the fields are %s", list);
}

/* Sorts a map's values to their fields' numbers; nil is absent. */
static int collect(const msgpack_object_map *map, const struct field_index *index, const struct path *path,
		   const msgpack_object **values, struct error *error)
{
	for (uint32_t i = 0; i < map->size; i++) {
		const msgpack_object_kv *pair = &map->ptr[i];
		struct path at = { path, { NULL, 0 }, 0 };
		int n;

		if (pair->key.type != MSGPACK_OBJECT_STR)
			return path_error(path, error, E_INVALID, "keys must be strings, not %s", value_kind(&pair->key));
		at.name = value_text(&pair->key);
		n = field_index_find(index, at.name);
		if (n < 0)
			return unknown_field(index, &at, error);
		if (values[n])
			return path_error(&at, error, E_INVALID, "field stands twice");
		values[n] = &pair->val;
	}
	return 0;
}

static int check_object(const msgpack_object *value, const struct field *fields, const struct path *path, int depth,
			struct buffer *out, struct check_context *context, struct error *error)
{
	const struct field_index *index = field_index_get(fields);
	const msgpack_object *values[CATALOG_FIELDS_MAX] = { NULL };
	bool any = false;
	int r;

	if (value->type != MSGPACK_OBJECT_MAP)
		return wrong_kind(path, error, "a map", value);
	if (depth <= 0)
		return too_deep(path, error);
	r = collect(&value->via.map, index, path, values, error);
	if (r < 0)
		return r;
	buffer_add_byte(out, '{');
	for (int i = 0; i < index->count; i++) {
		int n = index->order[i];
		struct path at = { path, index->names[n], 0 };
		struct place place = { &fields[n], &at, depth - 1, out, error };
		bool null = values[n] && values[n]->type == MSGPACK_OBJECT_NIL;

		if (!values[n] || null) {
			if (fields[n].required && !(context && fields[n].context)) /* the envelope may say it instead */
				return path_error(&at, error, E_INVALID, "required field is %s", null ? "null" : "missing");
			continue;
		}
		if (any)
			buffer_add_byte(out, ',');
		any = true;
		if (context)
			context->any_of |= fields[n].any_of;
		buffer_add_bytes(out, index->members[n]);
		r = put_field(&place, values[n], context);
		if (r < 0)
			return r;
	}
	buffer_add_byte(out, '}');
	return 0;
}

int check_payload(const msgpack_object *payload, const struct field *fields, int depth, struct buffer *out,
		  struct check_context *context, struct error *error)
{
	struct path path = { NULL, BYTES("payload"), 0 };

	memset(context, 0, sizeof(*context));
	return check_object(payload, fields, &path, depth, out, context, error);
}
