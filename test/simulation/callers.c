/* callers - see sessions.h. */
#include <stdlib.h>

#include "events.h"
#include "sessions.h"

enum { ANSWER_MOST_MS = 10000 };

static const struct walk_limits answer_limits = { 4 << 20, 24, 600000 };

static void goes(void *data)
{
	struct caller *c = data;

	if (!c->sim->ending)
		c->go(c);
}

void caller_goes(struct caller *c, int64_t us)
{
	int64_t wait = c->not_before - c->sim->world.now;

	world_forget(&c->sim->world, c);
	world_after(&c->sim->world, us > wait ? us : wait, goes, c);
}

static void forget_connection(struct caller *c)
{
	for (int i = 0; i < c->call_count; i++)
		if (c->calls[i].kind == CALL_APPEND && c->calls[i].parcel >= 0)
			c->parcels[c->calls[i].parcel].out = false;
	c->call_count = 0;
	c->greeted = c->refused = c->warned = false;
	c->end_due = 0;
	buffer_release(&c->in);
}

static void on_ended(struct peer *p)
{
	struct caller *c = (struct caller *)(void *)p;

	if (c->wants && !c->told && !p->broken)
		watch_failed(&c->sim->watch, "not told", "a stranger's connection ended without %s", c->wants);
	forget_connection(c);
	caller_goes(c, 1000 + (int64_t)random_below(&c->sim->world.random, 300000));
}

/* msgid 0: about the connection. */
static void take_warning(struct caller *c, const msgpack_object *error)
{
	c->warned = true;
	if (c->wants && answer_is(error, "code", c->wants)) {
		c->told = true;
		return;
	}
	/* Room is taken from whoever holds much of it; a key ends; whose hello is refused is a stranger still. */
	c->wants = NULL;
	if (c->refused || answer_is(error, "code", "overloaded") || (c->key == KEY_ENDING && answer_is(error, "code", "unauthorized")))
		return;
	watch_failed(&c->sim->watch, "warned", "client %d did nothing wrong and its connection ends", c->number);
}

static void take_answer(struct caller *c, const msgpack_object *o)
{
	struct sessions *s = c->sim;
	const msgpack_object *part = o->via.array.ptr;
	struct call call;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 4 || part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    part[0].via.u64 != 1 || part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
		watch_failed(&s->watch, "no answer", "client %d was sent something else", c->number);
		return;
	}
	if (c->warned)
		watch_failed(&s->watch, "warned", "client %d gets answers although its connection ends", c->number);
	if (part[1].via.u64 == 0) {
		take_warning(c, &part[2]);
		return;
	}
	for (int i = 0; i < c->call_count; i++)
		if (c->calls[i].msgid == part[1].via.u64) {
			call = c->calls[i];
			c->calls[i] = c->calls[--c->call_count];
			s->answers[call.kind] += part[2].type == MSGPACK_OBJECT_NIL;
			c->answered(c, &call, part[2].type == MSGPACK_OBJECT_NIL ? NULL : &part[2], &part[3]);
			return;
		}
	if (c->forgets && part[1].via.u64 > c->last_msgid && part[1].via.u64 < c->next_msgid) {
		c->last_msgid = (uint32_t)part[1].via.u64;
		return;
	}
	watch_failed(&s->watch, "msgid", "client %d gets an answer to %llu, which nobody asked or was answered", c->number,
		     (unsigned long long)part[1].via.u64);
}

static void on_took(struct peer *p, const char *data, size_t n)
{
	struct caller *c = (struct caller *)(void *)p;
	struct sessions *s = c->sim;
	size_t done = 0;

	buffer_add(&c->in, data, n);
	while (p->link && done < c->in.len && !s->watch.failure) {
		msgpack_object message;
		struct error error;
		size_t at = 0;
		int whole;

		error_clear(&error);
		whole = walk_more(&c->walk, c->in.data + done, c->in.len - done, &answer_limits, &error);
		if (whole == 0)
			break;
		if (whole < 0 || msgpack_unpack(c->in.data + done, c->walk.at, &at, &s->zone, &message) != MSGPACK_UNPACK_SUCCESS) {
			watch_failed(&s->watch, "garbage", "client %d was sent what is no MessagePack", c->number);
			return;
		}
		done += c->walk.at;
		walk_init(&c->walk);
		take_answer(c, &message);
		msgpack_zone_clear(&s->zone);
	}
	if (p->link)
		buffer_drop(&c->in, done);
}

void caller_init(struct caller *c, struct sessions *s, int number)
{
	c->sim = s;
	c->number = number;
	c->peer.took = on_took;
	c->peer.ended = on_ended;
	c->next_msgid = 1;
	walk_init(&c->walk);
}

void caller_release(struct caller *c)
{
	for (int i = 0; i < c->parcel_count; i++)
		buffer_release(&c->parcels[i].events);
	free(c->parcels);
	buffer_release(&c->in);
}

bool caller_connect(struct caller *c)
{
	struct sessions *s = c->sim;

	c->server = (int)random_below(&s->world.random, ENGINES);
	if (!s->engines[c->server].up)
		c->server = (c->server + 1) % ENGINES;
	if (!s->engines[c->server].up)
		return false;
	walk_init(&c->walk);
	server_sim_connect(&s->servers[c->server], &c->peer);
	return true;
}

void caller_leave(struct caller *c, bool rude)
{
	if (c->peer.link)
		link_leave(&c->peer, rude);
	forget_connection(c);
}

struct call *caller_call(struct caller *c, enum call_kind kind)
{
	struct call *call = &c->calls[c->call_count];

	if (c->call_count == CALLS_MOST)
		return NULL;
	c->call_count++;
	*call = (struct call){ .msgid = c->next_msgid++, .kind = kind, .sent_at = c->sim->world.now };
	return call;
}

msgpack_packer *frame_begin(struct caller *c, msgpack_packer *p, const char *method, size_t params, uint32_t msgid)
{
	buffer_reset(&c->sim->frame);
	rpc_packer(p, &c->sim->frame);
	msgpack_pack_array(p, 4);
	msgpack_pack_int(p, 0);
	msgpack_pack_uint32(p, msgid);
	pack_text(p, method);
	msgpack_pack_array(p, params);
	return p;
}

msgpack_packer *frame_notify(struct caller *c, msgpack_packer *p, const char *method, size_t params)
{
	buffer_reset(&c->sim->frame);
	rpc_packer(p, &c->sim->frame);
	msgpack_pack_array(p, 3);
	msgpack_pack_int(p, 2);
	pack_text(p, method);
	msgpack_pack_array(p, params);
	return p;
}

void frame_send(struct caller *c)
{
	link_send(&c->peer, c->sim->frame.data, c->sim->frame.len);
}

void caller_hello(struct caller *c, int key)
{
	struct call *call = caller_call(c, CALL_HELLO);
	msgpack_packer p;

	c->key = key;
	frame_begin(c, &p, "hello", 3, call->msgid);
	msgpack_pack_int(&p, 1);
	pack_text(&p, c->sim->keys.texts[key]);
	pack_text(&p, "caller");
	frame_send(c);
}

/* What it holds follows from its number, so that the echo can be compared. */
static char echo_byte(uint32_t msgid, size_t i)
{
	return (char)(msgid * 31 + i % 251);
}

void caller_ping(struct caller *c, size_t bytes)
{
	struct call *call = caller_call(c, CALL_PING);
	msgpack_packer p;

	if (!call)
		return;
	call->bytes = bytes;
	frame_begin(c, &p, "ping", 1, call->msgid);
	msgpack_pack_bin(&p, bytes);
	for (size_t i = 0; i < bytes; i++)
		buffer_add_byte(&c->sim->frame, echo_byte(call->msgid, i));
	frame_send(c);
}

void caller_check_echo(struct caller *c, const struct call *call, const msgpack_object *result)
{
	bool equal = result->type == MSGPACK_OBJECT_BIN && result->via.bin.size == call->bytes;

	for (size_t i = 0; equal && i < call->bytes; i++)
		equal = result->via.bin.ptr[i] == echo_byte(call->msgid, i);
	if (!equal)
		watch_failed(&c->sim->watch, "echo", "client %d gets another ping back than it sent", c->number);
}

void caller_events(struct caller *c, int tenant, int count, struct uuid *ids, struct buffer *packed)
{
	struct sessions *s = c->sim;
	struct buffer json = { 0 };
	struct error error;

	error_clear(&error);
	events_make(&s->world, &(struct events_of){ s->tenants[tenant], s->conversation, s->customer }, count, ids, &json);
	if (json_to_msgpack(buffer_bytes(&json), packed, &error))
		watch_failed(&s->watch, "bad request", "%s", error.message);
	buffer_release(&json);
}

const struct call *caller_overdue(const struct caller *c)
{
	const struct call *oldest = NULL;

	for (int i = 0; i < c->call_count; i++)
		if (!oldest || c->calls[i].sent_at < oldest->sent_at)
			oldest = &c->calls[i];
	return oldest && c->sim->world.now - oldest->sent_at > ANSWER_MOST_MS * 1000 ? oldest : NULL;
}

/* ---- answers ---- */

const msgpack_object *answer_find(const msgpack_object *map, const char *key)
{
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		struct bytes name;

		if (rpc_text(&map->via.map.ptr[i].key, &name) && bytes_is(name, key))
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

int64_t answer_int(const msgpack_object *map, const char *key)
{
	const msgpack_object *o = answer_find(map, key);

	return o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (int64_t)o->via.u64 : -1;
}

bool answer_is(const msgpack_object *map, const char *key, const char *text)
{
	const msgpack_object *o = answer_find(map, key);
	struct bytes value;

	return o && rpc_text(o, &value) && bytes_is(value, text);
}
