/*
 * envelope - see envelope.h.
 *
 *     map ──▶ values by name ──▶ event type, shape ──▶ columns, one reader a kind ──▶ payload ──▶ context
 *
 * Everything is judged before anything is copied; what is kept of the map are the texts, in the arena.
 */
#include "event/envelope.h"

#include <arpa/inet.h>
#include <assert.h>

#include "event/canonical.h"
#include "event/canonical_text.h"
#include "event/check.h"
#include "event/envelope_names.h"
#include "event/field_index.h"
#include "event/number.h"
#include "event/scratch.h"

/* In the order of enum envelope_name. */
const struct field envelope_names[] = {
	{ .name = "event_id", .type = FIELD_UUID, .required = true },
	{ .name = "event_type", .type = FIELD_STRING, .required = true, .max = EVENT_TYPE_CHARACTERS },
	{ .name = "event_version", .type = FIELD_INT },
	{ .name = "tenant_id", .type = FIELD_UUID, .required = true },
	{ .name = "entity_type", .type = FIELD_STRING },
	{ .name = "entity_id", .type = FIELD_UUID, .required = true },
	{ .name = "conversation_id", .type = FIELD_UUID },
	{ .name = "customer_id", .type = FIELD_UUID },
	{ .name = "resolution_id", .type = FIELD_UUID },
	{ .name = "actor_type", .type = FIELD_ENUM, .required = true, .values = values_actor_type },
	{ .name = "actor_id", .type = FIELD_UUID },
	{ .name = "actor_ip", .type = FIELD_STRING },
	{ .name = "actor_user_agent", .type = FIELD_STRING, .max = USER_AGENT_CHARACTERS },
	{ .name = "correlation_id", .type = FIELD_UUID },
	{ .name = "causation_id", .type = FIELD_UUID },
	{ .name = "occurred_at", .type = FIELD_TIME, .required = true },
	{ .name = "silent", .type = FIELD_BOOL },
	{ .name = "payload", .type = FIELD_JSON },
	{ .name = "shard" },
	{ .name = "position" },
	{ .name = "recorded_at" },
	{ .name = "leaf_hash" },
	{ .name = "log_id" },
	{ .name = "created_at" },
	{ .name = NULL },
};

_Static_assert(sizeof(envelope_names) / sizeof(*envelope_names) == ENVELOPE_NAMES + 1, "a name for each number");

/* Rough size of the canonical text beside payload and user agent. */
enum { ENVELOPE_BYTES = 900 };

struct decoder {
	const msgpack_object *values[ENVELOPE_NAMES]; /* NULL when absent */
	const struct envelope_limits *limits;
	int64_t latest; /* no time of this event may be later */
	struct arena *arena;
	struct event *out;
	struct error *error;
};

static struct path path_of(enum envelope_name name)
{
	return (struct path){ NULL, bytes_text(envelope_names[name].name), 0 };
}

/* ---- names ----------------------------------------------------------------------------------- */

static int collect(struct decoder *d, const msgpack_object *map)
{
	const struct field_index *index = field_index_get(envelope_names);
	bool seen[ENVELOPE_NAMES] = { false };

	if (map->type != MSGPACK_OBJECT_MAP)
		return error_set(d->error, E_INVALID, "event must be a map, not %s", value_kind(map));
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *pair = &map->via.map.ptr[i];
		struct path path = { NULL, { NULL, 0 }, 0 };
		int n;

		if (pair->key.type != MSGPACK_OBJECT_STR)
			return error_set(d->error, E_INVALID, "keys must be strings, not %s", value_kind(&pair->key));
		path.name = value_text(&pair->key);
		n = field_index_find(index, path.name);
		if (n < 0)
			return path_error(&path, d->error, E_INVALID,
					  "unknown field of an event; facts of the event go into payload");
		if (n >= ENVELOPE_BY_LOG)
			return path_error(&path, d->error, E_INVALID, "set by the log; leave it out");
		if (seen[n])
			return path_error(&path, d->error, E_INVALID, "field stands twice");
		seen[n] = true;
		if (pair->val.type != MSGPACK_OBJECT_NIL)
			d->values[n] = &pair->val;
	}
	return 0;
}

static int missing(const struct decoder *d, enum envelope_name name)
{
	return error_field(d->error, E_INVALID, envelope_names[name].name, "required field is missing");
}

/* ---- event type ------------------------------------------------------------------------------ */

/* Edits (insert, delete, replace) from one name to the other; only for an error's text. */
static int distance(struct bytes a, const char *b)
{
	int row[EVENT_TYPE_CHARACTERS * 4 + 1];
	int b_len = (int)strlen(b);

	if (b_len > EVENT_TYPE_CHARACTERS)
		return b_len;
	for (int j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		int corner = row[0];

		row[0] = (int)i + 1;
		for (int j = 1; j <= b_len; j++) {
			int replaced = corner + (a.data[i] != b[j - 1]), best = row[j - 1] + 1;

			corner = row[j];
			if (corner + 1 < best)
				best = corner + 1;
			row[j] = replaced < best ? replaced : best;
		}
	}
	return row[b_len];
}

static int unknown_type(const struct decoder *d, struct bytes name)
{
	const char *nearest = NULL;
	char text[QUOTE_BYTES];
	int least = 4; /* edits; further than that is no misprint */

	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const char *candidate = catalog_get(kind)->name;
		int edits = abs((int)name.len - (int)strlen(candidate)) < least ? distance(name, candidate) : least;

		if (edits < least) {
			least = edits;
			nearest = candidate;
		}
	}
	if (nearest)
		return error_field(d->error, E_INVALID, "event_type", "unknown event type '%s'; did you mean '%s'?",
				   quote(name, text), nearest);
	return error_field(d->error, E_INVALID, "event_type",
			   "unknown event type '%s'; verbatim events lists all there are", quote(name, text));
}

static int read_type(struct decoder *d, const struct shape **shape)
{
	const struct path type_path = path_of(NAME_EVENT_TYPE), version_path = path_of(NAME_EVENT_VERSION);
	int64_t version = 1;
	struct bytes name;
	int r;

	if (!d->values[NAME_EVENT_TYPE])
		return missing(d, NAME_EVENT_TYPE);
	r = check_string(d->values[NAME_EVENT_TYPE], &type_path, 1, EVENT_TYPE_CHARACTERS, &name, d->error);
	if (r < 0)
		return r;
	d->out->type = catalog_find(name);
	if (!d->out->type)
		return unknown_type(d, name);
	d->out->type_name = bytes_text(d->out->type->name);
	if (d->values[NAME_EVENT_VERSION])
		r = check_int(d->values[NAME_EVENT_VERSION], &version_path, 1, INT32_MAX, &version, d->error);
	if (r < 0)
		return r;
	d->out->version = (int32_t)version;
	*shape = catalog_shape(d->out->type, (int)version);
	if (!*shape)
		return path_error(&version_path, d->error, E_INVALID, "%s has no version %lld; the newest is %d",
				  d->out->type->name, (long long)version, d->out->type->shape.version);
	return 0;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Left nil when absent. */
static int read_uuid(struct decoder *d, enum envelope_name name, struct uuid *out)
{
	const struct path path = path_of(name);

	if (!d->values[name])
		return envelope_names[name].required && uuid_is_nil(out) ? missing(d, name) : 0;
	return check_uuid(d->values[name], &path, out, d->error);
}

static int read_uuids(struct decoder *d)
{
	struct event *out = d->out;
	const struct {
		enum envelope_name name;
		struct uuid *out;
	} columns[] = {
		{ NAME_EVENT_ID, &out->event_id },
		{ NAME_TENANT_ID, &out->tenant_id },
		{ NAME_ENTITY_ID, &out->entity_id },
		{ NAME_CONVERSATION_ID, &out->conversation_id },
		{ NAME_CUSTOMER_ID, &out->customer_id },
		{ NAME_RESOLUTION_ID, &out->resolution_id },
		{ NAME_ACTOR_ID, &out->actor_id },
		{ NAME_CORRELATION_ID, &out->correlation_id },
		{ NAME_CAUSATION_ID, &out->causation_id },
	};

	if (d->limits->tenant_id)
		out->tenant_id = *d->limits->tenant_id;
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		int r = read_uuid(d, columns[i].name, columns[i].out);

		if (r < 0)
			return r;
	}
	if (uuid_version(&out->event_id) == 7 && uuid_v7_time_ms(&out->event_id) > d->latest / 1000)
		return error_field(d->error, E_INVALID, "event_id",
				   "the version 7 uuid's time is over 24 hours ahead; is the producer's clock right?");
	return 0;
}

static int read_entity_type(struct decoder *d)
{
	struct bytes name = bytes_text(entity_name(d->out->type->entity));
	const msgpack_object *value = d->values[NAME_ENTITY_TYPE];
	char text[QUOTE_BYTES];

	d->out->entity_type = name;
	if (!value)
		return 0;
	if (value->type != MSGPACK_OBJECT_STR)
		return error_field(d->error, E_INVALID, "entity_type", "must be a string, not %s", value_kind(value));
	if (!bytes_equal(value_text(value), name))
		return error_field(d->error, E_INVALID, "entity_type", "'%s' does not go with %s, whose entity is '%s'",
				   quote(value_text(value), text), d->out->type->name, name.data);
	return 0;
}

/* An address as PostgreSQL's inet prints it: the mask only when it is not a host's. */
static bool inet_canonical(struct bytes text, char *out, size_t room)
{
	const char *slash = memchr(text.data, '/', text.len);
	size_t len = slash ? (size_t)(slash - text.data) : text.len, digits = slash ? text.len - len - 1 : 0;
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int family, most, bits = 0;

	if (len == 0 || len >= sizeof(address) || (slash && (digits == 0 || digits > 3)))
		return false;
	memcpy(address, text.data, len);
	address[len] = 0;
	family = memchr(address, ':', len) ? AF_INET6 : AF_INET;
	most = family == AF_INET ? 32 : 128;
	if (inet_pton(family, address, bytes) != 1)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (slash[1 + i] < '0' || slash[1 + i] > '9')
			return false;
		bits = bits * 10 + (slash[1 + i] - '0');
	}
	if (bits > most || !inet_ntop(family, bytes, out, (socklen_t)room))
		return false;
	if (slash && bits != most)
		snprintf(out + strlen(out), room - strlen(out), "/%d", bits);
	return true;
}

static int read_actor(struct decoder *d)
{
	const struct path type_path = path_of(NAME_ACTOR_TYPE), agent_path = path_of(NAME_ACTOR_USER_AGENT),
			  ip_path = path_of(NAME_ACTOR_IP);
	char text[INET6_ADDRSTRLEN + 8], quoted[QUOTE_BYTES];
	struct bytes given;
	int actor, r;

	if (!d->values[NAME_ACTOR_TYPE])
		return missing(d, NAME_ACTOR_TYPE);
	r = check_enum(d->values[NAME_ACTOR_TYPE], &type_path, values_actor_type, &actor, d->error);
	if (r < 0)
		return r;
	d->out->actor_type = (enum actor_type)actor;
	if (d->values[NAME_ACTOR_IP]) {
		r = check_string(d->values[NAME_ACTOR_IP], &ip_path, 0, 0, &given, d->error);
		if (r < 0)
			return r;
		if (!inet_canonical(given, text, sizeof(text)))
			return path_error(&ip_path, d->error, E_INVALID, "'%s' is not an IPv4 or IPv6 address",
					  quote(given, quoted));
		d->out->actor_ip = arena_copy(d->arena, bytes_text(text));
	}
	if (d->values[NAME_ACTOR_USER_AGENT]) {
		r = check_string(d->values[NAME_ACTOR_USER_AGENT], &agent_path, 0, USER_AGENT_CHARACTERS, &given,
				 d->error);
		if (r < 0)
			return r;
		d->out->actor_user_agent = arena_copy(d->arena, given);
	}
	return 0;
}

static int read_when(struct decoder *d)
{
	const struct path path = path_of(NAME_OCCURRED_AT);
	const msgpack_object *silent = d->values[NAME_SILENT];
	int r;

	if (!d->values[NAME_OCCURRED_AT])
		return missing(d, NAME_OCCURRED_AT);
	r = check_time(d->values[NAME_OCCURRED_AT], &path, &d->out->occurred_at, d->error);
	if (r < 0)
		return r;
	if (d->out->occurred_at > d->latest)
		return path_error(&path, d->error, E_INVALID,
				  "time is over 24 hours ahead; is the producer's clock right?");
	if (silent && silent->type != MSGPACK_OBJECT_BOOLEAN)
		return error_field(d->error, E_INVALID, "silent", "must be a boolean, not %s", value_kind(silent));
	d->out->silent = silent && silent->via.boolean;
	return 0;
}

/* ---- payload and context --------------------------------------------------------------------- */

static int read_payload(struct decoder *d, const struct shape *shape, struct check_context *context)
{
	static const msgpack_object empty = { .type = MSGPACK_OBJECT_MAP };
	const msgpack_object *payload = d->values[NAME_PAYLOAD] ? d->values[NAME_PAYLOAD] : &empty;
	struct buffer *text = &scratch_get()->payload;
	int r;

	buffer_reset(text);
	r = check_payload(payload, shape->fields, d->limits->depth - 1, text, context, d->error);
	if (r == 0 && text->len + d->out->actor_user_agent.len + ENVELOPE_BYTES > d->limits->event_bytes)
		r = error_field(d->error, E_TOO_LARGE, "payload",
				"event takes about %zu bytes, at most %zu are allowed; keep large content elsewhere and send a reference",
				text->len + d->out->actor_user_agent.len + ENVELOPE_BYTES, d->limits->event_bytes);
	if (r == 0)
		d->out->payload = arena_copy(d->arena, buffer_bytes(text));
	scratch_trim(text);
	return r;
}

/* `known` is what a column must be, if anything says so. */
static int complete(struct decoder *d, enum envelope_name name, struct uuid *column, const struct uuid *known,
		    const char *source)
{
	if (uuid_is_nil(known))
		return 0;
	if (!uuid_is_nil(column) && !uuid_equal(column, known))
		return error_field(d->error, E_INVALID, envelope_names[name].name,
				   "differs from %s, which says the same for %s", source, d->out->type->name);
	*column = *known;
	return 0;
}

/* At least one of the fields marked `any_of` is in the payload, or in the envelope's column of its name. */
static int check_any_of(const struct decoder *d, const struct shape *shape, const struct check_context *context)
{
	const struct event *out = d->out;
	bool given = context->any_of, wanted = false;
	char list[200] = "";
	size_t n = 0;

	for (const struct field *f = shape->fields; f && f->name && !given; f++) {
		int more;

		if (!f->any_of)
			continue;
		wanted = true;
		more = snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", f->name);
		n = more > 0 && n + (size_t)more < sizeof(list) ? n + (size_t)more : n;
		given = f->context && ((strcmp(f->name, "conversation_id") == 0 && !uuid_is_nil(&out->conversation_id)) ||
				       (strcmp(f->name, "customer_id") == 0 && !uuid_is_nil(&out->customer_id)) ||
				       (strcmp(f->name, "resolution_id") == 0 && !uuid_is_nil(&out->resolution_id)));
	}
	if (wanted && !given)
		return error_field(d->error, E_INVALID, "payload", "at least one of these must be there: %s", list);
	return 0;
}

static int read_context(struct decoder *d, const struct shape *shape, const struct check_context *context)
{
	struct event *out = d->out;
	const struct {
		enum entity entity;
		enum envelope_name name;
		struct uuid *column;
		const struct uuid *fact;
		const char *source;
	} rows[] = {
		{ ENTITY_CONVERSATION, NAME_CONVERSATION_ID, &out->conversation_id, &context->conversation_id,
		  "payload.conversation_id" },
		{ ENTITY_CUSTOMER, NAME_CUSTOMER_ID, &out->customer_id, &context->customer_id, "payload.customer_id" },
		{ ENTITY_RESOLUTION, NAME_RESOLUTION_ID, &out->resolution_id, &context->resolution_id,
		  "payload.resolution_id" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(rows) / sizeof(*rows); i++) {
		if (out->type->entity == rows[i].entity)
			r = complete(d, rows[i].name, rows[i].column, &out->entity_id, "entity_id");
		if (r == 0)
			r = complete(d, rows[i].name, rows[i].column, rows[i].fact, rows[i].source);
	}
	for (const struct field *f = shape->fields; r == 0 && f->name; f++)
		for (size_t i = 0; f->required && f->context && i < sizeof(rows) / sizeof(*rows); i++)
			if (strcmp(f->name, envelope_names[rows[i].name].name) == 0 && uuid_is_nil(rows[i].column))
				return error_field(d->error, E_INVALID, rows[i].source,
						   "required field is missing, here and in the envelope");
	if (r == 0 && out->type->needs_conversation && uuid_is_nil(&out->conversation_id))
		r = missing(d, NAME_CONVERSATION_ID);
	return r == 0 ? check_any_of(d, shape, context) : r;
}

int envelope_decode(const msgpack_object *map, int64_t now, const struct envelope_limits *limits,
		    struct arena *arena, struct event *out, struct error *error)
{
	struct decoder d = { .limits = limits, .latest = now + TIME_DAY, .arena = arena, .out = out, .error = error };
	struct check_context context;
	const struct shape *shape = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	r = collect(&d, map);
	if (r == 0)
		r = read_type(&d, &shape);
	if (r == 0)
		r = read_uuids(&d);
	if (r == 0)
		r = read_entity_type(&d);
	if (r == 0)
		r = read_actor(&d);
	if (r == 0)
		r = read_when(&d);
	if (r == 0)
		r = read_payload(&d, shape, &context);
	if (r == 0)
		r = read_context(&d, shape, &context);
	return r;
}
