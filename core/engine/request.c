/* request - see request.h. */
#include "engine/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/reader.h"
#include "engine/rpc.h"

enum {
	ARENA_BLOCK = 2048,
	POOL_MOST = 4096,          /* free requests kept */
	POOL_KEEP_BYTES = 64 << 10, /* a larger arena is given back */
	TYPES_MOST = 64,           /* event types in one expectation */
};

void request_list_init(struct request_list *l)
{
	memset(l, 0, sizeof(*l));
	l->end = &l->first;
}

void request_list_add(struct request_list *l, struct request *r)
{
	r->next = NULL;
	*l->end = r;
	l->end = &r->next;
	l->count++;
	l->bytes += r->bytes;
}

struct request *request_list_take(struct request_list *l)
{
	struct request *r = l->first;

	if (!r)
		return NULL;
	l->first = r->next;
	if (!l->first)
		l->end = &l->first;
	l->count--;
	l->bytes -= r->bytes;
	r->next = NULL;
	return r;
}

void request_list_prepend(struct request_list *l, struct request_list *front)
{
	if (!front->first)
		return;
	*front->end = l->first;
	if (!l->first)
		l->end = front->end;
	l->first = front->first;
	l->count += front->count;
	l->bytes += front->bytes;
	request_list_init(front);
}

struct request *request_new(struct request_pool *pool)
{
	struct request *r = pool->free;

	if (r) {
		struct arena arena = r->arena;

		pool->free = r->next;
		pool->free_count--;
		memset(r, 0, sizeof(*r));
		r->arena = arena;
		return r;
	}
	r = mem_zalloc(sizeof(*r));
	arena_init(&r->arena, ARENA_BLOCK);
	return r;
}

void request_free(struct request_pool *pool, struct request *r)
{
	arena_reset(&r->arena);
	if (pool->free_count >= POOL_MOST || r->arena.used > POOL_KEEP_BYTES) {
		arena_release(&r->arena);
		free(r);
		return;
	}
	r->next = pool->free;
	pool->free = r;
	pool->free_count++;
}

void request_pool_release(struct request_pool *pool)
{
	while (pool->free) {
		struct request *r = pool->free;

		pool->free = r->next;
		arena_release(&r->arena);
		free(r);
	}
	pool->free_count = 0;
}

static struct bytes text_of(const msgpack_object *o)
{
	if (o->type != MSGPACK_OBJECT_STR)
		return (struct bytes){ NULL, 0 };
	return bytes_of(o->via.str.ptr ? o->via.str.ptr : "", o->via.str.size);
}

static bool uuid_of(const msgpack_object *o, struct uuid *out)
{
	if (o->type == MSGPACK_OBJECT_BIN && o->via.bin.size == 16) {
		memcpy(out, o->via.bin.ptr, 16);
		return !uuid_is_nil(out);
	}
	if (o->type == MSGPACK_OBJECT_STR)
		return uuid_parse(o->via.str.ptr, o->via.str.size, out) && !uuid_is_nil(out);
	return false;
}

static int expect_types(struct request *r, const msgpack_object *value, struct expectation *e, struct error *error)
{
	struct buffer joined = { 0 };

	if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > TYPES_MOST)
		return error_field(error, E_PARAMS, "expect.types", "not an array of at most %d event types", TYPES_MOST);
	for (uint32_t i = 0; i < value->via.array.size; i++) {
		struct bytes name = text_of(&value->via.array.ptr[i]);

		if (!name.data || !catalog_find(name)) {
			buffer_release(&joined);
			return error_field(error, E_PARAMS, "expect.types", "element %u is no event type of the catalog", i);
		}
		if (i)
			buffer_add_byte(&joined, ',');
		buffer_add_bytes(&joined, name);
	}
	e->types = arena_copy(&r->arena, buffer_bytes(&joined));
	buffer_release(&joined);
	return 0;
}

static int expect_decode(struct request *r, const msgpack_object *o, struct expectation *e, struct error *error)
{
	static const char *const scopes[] = { "entity", "conversation", "resolution", "tenant" };
	bool has_scope = false, has_after = false;

	memset(e, 0, sizeof(*e));
	e->tenant_id = r->tenant_id;
	e->types = (struct bytes){ "", 0 };
	if (o->type != MSGPACK_OBJECT_MAP)
		return error_field(error, E_PARAMS, "expect", "not a map");
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		struct bytes key = text_of(&o->via.map.ptr[i].key);
		const msgpack_object *value = &o->via.map.ptr[i].val;

		if (key.data && bytes_is(key, "scope")) {
			struct bytes name = text_of(value);

			for (int s = 0; name.data && s < 4; s++)
				if (bytes_is(name, scopes[s])) {
					e->scope = s;
					has_scope = true;
				}
			if (!has_scope)
				return error_field(error, E_PARAMS, "expect.scope", "not one of entity, conversation, resolution, tenant");
		} else if (key.data && bytes_is(key, "id")) {
			if (!uuid_of(value, &e->id))
				return error_field(error, E_PARAMS, "expect.id", "not a uuid");
		} else if (key.data && bytes_is(key, "after")) {
			if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > INT64_MAX)
				return error_field(error, E_PARAMS, "expect.after", "not a position");
			e->after = (int64_t)value->via.u64;
			has_after = true;
		} else if (key.data && bytes_is(key, "types")) {
			int status = expect_types(r, value, e, error);

			if (status)
				return status;
		} else {
			return error_field(error, E_PARAMS, "expect", "has a key that is none of scope, id, types, after");
		}
	}
	if (!has_scope || !has_after)
		return error_field(error, E_PARAMS, has_scope ? "expect.after" : "expect.scope", "is missing");
	if (e->scope == EXPECT_TENANT)
		e->id = r->tenant_id;
	if (uuid_is_nil(&e->id))
		return error_field(error, E_PARAMS, "expect.id", "is missing");
	return 0;
}

static int options_decode(struct request *r, const msgpack_object *options, const struct request_limits *limits,
			  struct error *error)
{
	if (!options || options->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (options->type != MSGPACK_OBJECT_MAP)
		return error_field(error, E_PARAMS, "options", "not a map");
	for (uint32_t i = 0; i < options->via.map.size; i++) {
		struct bytes key = text_of(&options->via.map.ptr[i].key);
		const msgpack_object *value = &options->via.map.ptr[i].val;

		if (!key.data || !bytes_is(key, "expect"))
			return error_field(error, E_PARAMS, "options", "has a key that is not 'expect'");
		if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > (uint32_t)limits->expects)
			return error_field(error, E_PARAMS, "expect", "not an array of at most %d maps", limits->expects);
		r->expect_count = (int)value->via.array.size;
		r->expects = arena_alloc(&r->arena, sizeof(*r->expects) * (size_t)(r->expect_count + 1));
		for (int k = 0; k < r->expect_count; k++) {
			int status = expect_decode(r, &value->via.array.ptr[k], &r->expects[k], error);

			if (status)
				return status;
		}
	}
	return 0;
}

int request_decode(struct request *r, const msgpack_object *events, const msgpack_object *options, int64_t now,
		   const struct request_limits *limits, struct error *error)
{
	int status;

	if (events->type != MSGPACK_OBJECT_ARRAY || events->via.array.size == 0)
		return error_field(error, E_PARAMS, "events", "not an array of at least one event");
	if (events->via.array.size > (uint32_t)limits->events)
		return error_field(error, E_TOO_LARGE, "events", "%u events in one request, at most %d go",
				   events->via.array.size, limits->events);
	r->count = (int)events->via.array.size;
	r->events = arena_alloc(&r->arena, sizeof(*r->events) * (size_t)r->count);
	r->states = arena_alloc(&r->arena, sizeof(*r->states) * (size_t)r->count);
	for (int i = 0; i < r->count; i++) {
		struct event *e = &r->events[i];

		r->states[i] = (struct request_event){ .same_as = -1 };
		status = envelope_decode(&events->via.array.ptr[i], now, &limits->envelope, &r->arena, e, error);
		if (!status && i > 0 && !uuid_equal(&e->tenant_id, &r->events[0].tenant_id))
			status = error_field(error, E_MIXED_TENANTS, "tenant_id",
					     "differs from the first event's; send each tenant's events in requests of their own");
		if (!status && e->type->entity == ENTITY_LOG && !r->answer)
			status = error_field(error, E_INVALID, "event_type", "'%s' is written by the engine alone", e->type->name);
		if (!status && uuid_equal(&e->tenant_id, &system_tenant) && e->type->kind != EV_AUDIT_ACTIVITY_RECORDED && !r->answer)
			status = error_field(error, E_INVALID, "tenant_id",
					     "is the system tenant's, of whose events only audit.activity_recorded may come from outside");
		if (status) {
			error->index = i;
			return status;
		}
	}
	r->tenant_id = r->events[0].tenant_id;
	r->shard = event_shard(&r->tenant_id, limits->shards);
	return options_decode(r, options, limits, error);
}

int request_read_filter(const msgpack_object *o, int shards, const struct uuid *bound, struct read_call *c, struct error *error)
{
	bool has_shard = false;

	if (o ? o->type != MSGPACK_OBJECT_MAP : !bound)
		return error_field(error, E_PARAMS, "filter", "not a map with shard or tenant_id");
	for (uint32_t i = 0; o && i < o->via.map.size; i++) {
		const msgpack_object *value = &o->via.map.ptr[i].val;
		struct bytes key;

		if (!rpc_text(&o->via.map.ptr[i].key, &key))
			return error_field(error, E_PARAMS, "filter", "has a key that is not a str");
		if (bytes_is(key, "shard")) {
			if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > (uint64_t)shards)
				return error_field(error, E_PARAMS, "filter.shard", "not a shard from 0 to %d", shards);
			c->shard = (int16_t)value->via.u64;
			has_shard = true;
		} else if (bytes_is(key, "tenant_id")) {
			if (!rpc_uuid(value, &c->tenant_id))
				return error_field(error, E_PARAMS, "filter.tenant_id", "not a uuid");
		} else if (bytes_is(key, "conversation_id")) {
			if (!rpc_uuid(value, &c->conversation_id))
				return error_field(error, E_PARAMS, "filter.conversation_id", "not a uuid");
		} else if (bytes_is(key, "leaf")) {
			if (value->type != MSGPACK_OBJECT_BIN || value->via.bin.size < 8 || value->via.bin.size > LEAF_BYTES ||
			    c->from < 2)
				return error_field(error, E_PARAMS, "filter.leaf",
						   "not 8 to %d bytes, or 'from' is 1 and there is nothing before it", LEAF_BYTES);
			memcpy(c->leaf, value->via.bin.ptr, value->via.bin.size);
			c->leaf_bytes = value->via.bin.size;
		} else if (bytes_is(key, "types")) {
			if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > READ_TYPES_MOST)
				return error_field(error, E_PARAMS, "filter.types", "not an array of at most %d event types",
						   READ_TYPES_MOST);
			c->type_count = 0;
			for (uint32_t k = 0; k < value->via.array.size; k++) {
				struct bytes name;
				const struct event_type *type =
					rpc_text(&value->via.array.ptr[k], &name) ? catalog_find(name) : NULL;

				if (!type)
					return error_field(error, E_PARAMS, "filter.types",
							   "element %u is no event type of the catalog", k);
				c->types[c->type_count++] = type;
			}
		} else {
			return error_field(error, E_PARAMS, "filter",
					   "has a key that is none of shard, tenant_id, conversation_id, types, leaf");
		}
	}
	if (bound && uuid_is_nil(&c->tenant_id) && (!has_shard || c->shard == event_shard(bound, shards)))
		c->tenant_id = *bound;
	if (!uuid_is_nil(&c->conversation_id) && uuid_is_nil(&c->tenant_id))
		return error_field(error, E_PARAMS, "filter.tenant_id", "is missing beside conversation_id");
	if (!uuid_is_nil(&c->tenant_id)) {
		int shard = event_shard(&c->tenant_id, shards);

		if (has_shard && shard != c->shard)
			return error_field(error, E_PARAMS, "filter.shard", "is not the tenant's, which is %d", shard);
		c->shard = (int16_t)shard;
	} else if (!has_shard) {
		return error_field(error, E_PARAMS, "filter", "names neither shard nor tenant_id");
	}
	return 0;
}

int request_duplicates(const struct request *r)
{
	int count = 0;

	for (int i = 0; i < r->count; i++)
		count += r->states[i].same_as >= 0 || r->states[i].duplicate_at > 0;
	return count;
}

void request_refuse(struct request *r, int code, const char *format, ...)
{
	char text[sizeof(r->error.message)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	r->status = error_set(&r->error, code, "%s", text);
	r->answer(r);
}
