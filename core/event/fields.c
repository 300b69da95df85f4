/*
 * fields - see fields.h.
 *
 * Canonical text has its members in the order of their names, and the index of the shape has its fields in the
 * same order, so one pass over the text with one cursor over the fields finds everything; a member that the
 * cursor does not meet is unknown, doubled or out of order.
 */
#include "event/fields.h"

#include <assert.h>

#include "event/field_index.h"
#include "event/json.h"
#include "event/number.h"
#include "event/path.h"
#include "event/scratch.h"

/* The payload in the newest version's shape; in `arena` when it had to be lifted. */
static int lift(const struct event *e, struct arena *arena, struct bytes *payload, struct error *error)
{
	const struct shape *shape = catalog_shape(e->type, e->version);
	struct scratch *scratch = scratch_get();
	struct buffer *from = &scratch->payload, *to = &scratch->lifted;
	int r = 0;

	*payload = e->payload;
	if (!shape)
		return error_field(error, E_INVALID, "event_version", "this binary does not know version %d of %s",
				   e->version, e->type->name);
	if (!shape->upcast)
		return 0;
	if (!json_check(e->payload, JSON_DEPTH_MAX))
		return error_field(error, E_INVALID, "payload", "payload is not JSON");
	buffer_reset(from);
	buffer_add_bytes(from, e->payload);
	for (int version = shape->version; r == 0 && shape && shape->upcast; shape = catalog_shape(e->type, ++version)) {
		struct buffer *lifted = to;

		buffer_reset(to);
		r = shape->upcast(buffer_bytes(from), to);
		to = from;
		from = lifted;
	}
	if (r < 0)
		return error_field(error, E_INVALID, "payload", "version %d of %s cannot be lifted", e->version,
				   e->type->name);
	*payload = arena_copy(arena, buffer_bytes(from));
	return 0;
}

/* By the first byte alone: json_check has seen the rest. */
static bool has_form(const struct field *field, char first)
{
	switch (field->type) {
	case FIELD_STRING:
	case FIELD_ENUM:
	case FIELD_UUID:
	case FIELD_TIME:
		return first == '"';
	case FIELD_INT:
	case FIELD_DECIMAL:
		return first == '-' || (first >= '0' && first <= '9');
	case FIELD_BOOL:
		return first == 't' || first == 'f';
	case FIELD_STRINGS:
	case FIELD_UUIDS:
	case FIELD_OBJECTS:
		return first == '[';
	case FIELD_OBJECT:
	case FIELD_CHANGES:
		return first == '{';
	case FIELD_JSON:
		return true;
	}
	return false;
}

/*
 * Where the value of a member begins whose name stands as canonical text has it, *cursor being at its field; else NULL, and
 * the cursor stays.
 */
static const char *meet_member(const struct field_index *index, int *cursor, const char *p, const char *end, struct bytes *name)
{
	for (int at = *cursor; at < index->count; at++) {
		int n = index->order[at];
		struct bytes member = index->members[n];

		if ((size_t)(end - p) <= member.len || p[1] != member.data[1] || memcmp(p, member.data, member.len) != 0)
			continue;
		*cursor = at;
		*name = index->names[n];
		return (uint8_t)p[member.len] > ' ' ? p + member.len : NULL;
	}
	return NULL;
}

/* The end of the value, NULL when it is none. */
static const char *scan_value(const char *start, const char *end)
{
	bool escaped;
	const char *p;

	if (start == end || *start != '"')
		return json_scan_value(start, end, JSON_DEPTH_MAX - 1);
	p = json_scan_string(start + 1, end, &escaped);
	return p ? p + 1 : NULL;
}

/* One member of the payload, at `p`; returns its end. */
static const char *read_member(struct fields *out, int *cursor, const char *p, const char *end, struct error *error)
{
	const struct path parent = { NULL, BYTES("payload"), 0 };
	const struct field_index *index = out->index;
	struct path path = { &parent, { NULL, 0 }, 0 };
	const char *start = meet_member(index, cursor, p, end, &path.name);
	struct bytes value;
	int n;

	if (!start)
		start = json_scan_key(p, end, &path.name);
	p = start ? scan_value(start, end) : NULL;
	if (!p) {
		path_error(&parent, error, E_INVALID, "payload is not JSON");
		return NULL;
	}
	while (*cursor < index->count && !bytes_equal(index->names[index->order[*cursor]], path.name))
		++*cursor;
	if (*cursor == index->count) {
		path_error(&path, error, E_INVALID, "field is unknown to %s, doubled or out of canonical order",
			   out->type->name);
		return NULL;
	}
	n = index->order[(*cursor)++];
	value = bytes_of(start, (size_t)(p - start));
	if (!has_form(&index->fields[n], *start) && !json_is_null(value)) {
		path_error(&path, error, E_INVALID, "field does not hold a value of type %s",
			   field_type_name(index->fields[n].type));
		return NULL;
	}
	out->values[n] = value;
	return p;
}

int fields_decode(const struct event *e, struct arena *arena, struct fields *out, struct error *error)
{
	struct bytes payload;
	const char *p, *end;
	int cursor = 0, r;

	assert(e->type && e->payload.data);
	out->type = e->type;
	out->arena = arena;
	out->index = field_index_get(e->type->shape.fields);
	memset(out->values, 0, sizeof(out->values[0]) * (size_t)out->index->count);
	r = lift(e, arena, &payload, error);
	if (r < 0)
		return r;
	p = payload.data;
	end = p + payload.len;
	if (payload.len < 2 || *p != '{' || end[-1] != '}')
		return error_field(error, E_INVALID, "payload", "payload is not a JSON object");
	if (payload.len == 2)
		return 0;
	do {
		p = read_member(out, &cursor, p + 1, end - 1, error);
		if (!p)
			return E_INVALID;
	} while (p < end - 1 && *p == ',');
	return p == end - 1 ? 0 : error_field(error, E_INVALID, "payload", "payload is not canonical JSON");
}

struct bytes *fields_keep(const struct fields *f, struct arena *arena)
{
	size_t bytes = sizeof(f->values[0]) * (size_t)f->index->count;

	return memcpy(arena_alloc(arena, bytes), f->values, bytes);
}

void fields_take(const struct event *e, const struct bytes *values, struct arena *arena, struct fields *out)
{
	out->type = e->type;
	out->arena = arena;
	out->index = field_index_get(e->type->shape.fields);
	memcpy(out->values, values, sizeof(out->values[0]) * (size_t)out->index->count);
}

/* ---- readers --------------------------------------------------------------------------------- */

static int number_of(const struct fields *f, const char *name)
{
	int n = field_index_find(f->index, bytes_text(name));

	assert(n >= 0);
	return n;
}

struct bytes field_raw(const struct fields *f, const char *name)
{
	return f->values[number_of(f, name)];
}

bool field_has(const struct fields *f, const char *name)
{
	struct bytes raw = field_raw(f, name);

	return raw.data && !json_is_null(raw);
}

struct bytes field_text(const struct fields *f, const char *name)
{
	return json_string(field_raw(f, name), f->arena);
}

int field_enum(const struct fields *f, const char *name)
{
	int n = number_of(f, name);
	const char *const *values = f->type->shape.fields[n].values;
	struct bytes text = json_string(f->values[n], f->arena);

	for (int i = 0; text.len && values && values[i]; i++)
		if (text.data[0] == values[i][0] && bytes_is(text, values[i]))
			return i;
	return -1;
}

struct uuid field_uuid(const struct fields *f, const char *name)
{
	struct bytes raw = field_raw(f, name);
	struct uuid u = { { 0 } };

	if (raw.len != 38 || !uuid_parse(raw.data + 1, 36, &u))
		memset(&u, 0, sizeof(u));
	return u;
}

int64_t field_int(const struct fields *f, const char *name, int64_t fallback)
{
	struct bytes raw = field_raw(f, name);
	int64_t v;

	return raw.data && number_decimal(raw, 0, &v) == NUMBER_FITS ? v : fallback;
}

int64_t field_decimal(const struct fields *f, const char *name, int64_t fallback)
{
	int n = number_of(f, name);
	int64_t v;

	if (!f->values[n].data)
		return fallback;
	return number_decimal(f->values[n], f->type->shape.fields[n].scale, &v) == NUMBER_FITS ? v : fallback;
}

bool field_bool(const struct fields *f, const char *name, bool fallback)
{
	struct bytes raw = field_raw(f, name);

	if (!raw.data || json_is_null(raw))
		return fallback;
	return bytes_is(raw, "true");
}

int64_t field_time(const struct fields *f, const char *name)
{
	struct bytes raw = field_raw(f, name);
	int64_t t;

	return raw.len > 2 && raw.data[0] == '"' && time_parse(raw.data + 1, raw.len - 2, &t) ? t : TIME_NONE;
}
