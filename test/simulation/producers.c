/* producers - see sessions.h. */
#include <stdlib.h>

#include "sessions.h"

enum { OUT_MOST = 3, PING_MOST = 900, READ_WAIT_MS = 2000, WAIT_MS = 3000 };

static struct parcel *new_parcel(struct caller *c)
{
	struct sessions *s = c->sim;
	struct random *r = &s->world.random;
	struct parcel *x;

	if (c->parcel_count == c->parcel_capacity) {
		c->parcel_capacity = c->parcel_capacity ? c->parcel_capacity * 2 : 16;
		c->parcels = mem_realloc(c->parcels, (size_t)c->parcel_capacity * sizeof(*c->parcels));
	}
	x = &c->parcels[c->parcel_count++];
	memset(x, 0, sizeof(*x));
	x->count = 1 + (int)random_below(r, EVENTS_MOST);
	x->tenant = (int)random_below(r, TENANTS);
	caller_events(c, x->tenant, x->count, x->ids, &x->events);
	s->events += x->count;
	return x;
}

/* A key that the engine will take: bound to the tenant only when all that is left is its own. */
static int choose_key(struct caller *c)
{
	struct random *r = &c->sim->world.random;
	bool ended = c->sim->keys.rows[KEY_ENDING].revoked;
	bool bound = !c->left;

	for (int i = 0; i < c->parcel_count; i++)
		bound = bound && (c->parcels[i].acked || c->parcels[i].tenant == 0);
	switch (random_below(r, 8)) {
	case 0: return bound ? KEY_BOUND : KEY_WIDE;
	case 1: case 2: return KEY_LIMITED;
	case 3: case 4: return ended ? KEY_WIDE : KEY_ENDING;
	default: return KEY_WIDE;
	}
}

static void send_parcel(struct caller *c, int index)
{
	struct call *call = caller_call(c, CALL_APPEND);
	struct parcel *x = &c->parcels[index];
	msgpack_packer p;

	call->parcel = index;
	x->out = true;
	c->sim->resent += x->attempts++ > 0;
	frame_begin(c, &p, "append", 1, call->msgid);
	buffer_add_bytes(&c->sim->frame, buffer_bytes(&x->events));
	frame_send(c);
}

static void send_read(struct caller *c)
{
	struct sessions *s = c->sim;
	struct random *r = &s->world.random;
	struct call *call = caller_call(c, CALL_READ);
	msgpack_packer p;

	call->tenant = c->key == KEY_BOUND ? 0 : (int)random_below(r, TENANTS + 1) - 1;
	call->shard = call->tenant >= 0 ? sessions_shard(s, call->tenant) : 1 + (int)random_below(r, WORLD_SHARDS);
	call->position = 1 + (int64_t)random_below(r, (uint64_t)s->world.shards[call->shard].count + 2);
	frame_begin(c, &p, "read", 4, call->msgid);
	msgpack_pack_int64(&p, call->position);
	msgpack_pack_map(&p, 1);
	if (call->tenant >= 0) {
		pack_text(&p, "tenant_id");
		pack_uuid(&p, &s->tenants[call->tenant]);
	} else {
		pack_key_int(&p, "shard", call->shard);
	}
	msgpack_pack_int64(&p, 1 + (int64_t)random_below(r, 30));
	msgpack_pack_int64(&p, (int64_t)random_below(r, 2) * READ_WAIT_MS);
	frame_send(c);
}

static void send_wait(struct caller *c)
{
	struct sessions *s = c->sim;
	struct call *call;
	msgpack_packer p;
	int shard = c->key == KEY_BOUND ? sessions_shard(s, 0) : 1 + (int)random_below(&s->world.random, WORLD_SHARDS);

	if (!c->seen[shard])
		return;
	call = caller_call(c, CALL_WAIT);
	call->shard = shard;
	call->position = c->seen[shard];
	frame_begin(c, &p, "wait", 3, call->msgid);
	msgpack_pack_array(&p, 1);
	pack_text(&p, groups[0]->projections[0]->name);
	msgpack_pack_array(&p, 2);
	msgpack_pack_int(&p, call->shard);
	msgpack_pack_int64(&p, call->position);
	msgpack_pack_int(&p, WAIT_MS);
	frame_send(c);
}

static void send_notification(struct caller *c)
{
	msgpack_packer p;

	frame_notify(c, &p, "ping", 1);
	pack_text(&p, "nobody answers this");
	frame_send(c);
}

/* The next to send: the first that is not acknowledged, or a new one. */
static int next_parcel(struct caller *c)
{
	for (int i = 0; i < c->parcel_count; i++)
		if (!c->parcels[i].acked && !c->parcels[i].out)
			return c->key == KEY_BOUND && c->parcels[i].tenant ? -1 : i;
	if (!c->left || c->key == KEY_BOUND)
		return -1;
	c->left--;
	new_parcel(c);
	return c->parcel_count - 1;
}

static void send_something(struct caller *c)
{
	struct random *r = &c->sim->world.random;
	int next;

	switch (random_below(r, 10)) {
	case 0: caller_ping(c, random_below(r, PING_MOST)); break;
	case 1: send_read(c); break;
	case 2: send_wait(c); break;
	case 3: send_notification(c); break;
	default:
		next = next_parcel(c);
		if (next >= 0)
			send_parcel(c, next);
	}
}

static void begin(struct caller *c)
{
	if (producer_is_done(c) || !caller_connect(c)) {
		caller_goes(c, 50000);
		return;
	}
	caller_hello(c, choose_key(c));
	caller_goes(c, 1000);
}

static void go(struct caller *c)
{
	struct sessions *s = c->sim;
	struct random *r = &s->world.random;
	const struct call *overdue;

	if (!c->peer.link) {
		begin(c);
		return;
	}
	overdue = caller_overdue(c);
	if (overdue) {
		if (s->quiet_since && overdue->sent_at > s->quiet_since && !link_is_broken(&c->peer))
			watch_failed(&s->watch, "kept waiting", "client %d is not answered, and nothing stands in the way", c->number);
		caller_leave(c, true);
		caller_goes(c, 1000);
		return;
	}
	if (c->refused || (c->call_count == 0 && (producer_is_done(c) || world_chance(&s->world, 20)))) {
		caller_leave(c, false);
		caller_goes(c, 20000);
		return;
	}
	if (world_chance(&s->world, 10))
		link_hold(&c->peer, (int64_t)random_below(r, 3 * TIME_SECOND));
	/* Some do not wait for hello's answer. */
	for (int n = (int)random_below(r, OUT_MOST + 1); n > 0 && (c->greeted || c->number % 2) && c->call_count < OUT_MOST; n--)
		send_something(c);
	caller_goes(c, 1000 + (int64_t)random_below(r, 150000));
}

/* ---- answers ---- */

static void take_positions(struct caller *c, struct parcel *x, int shard, const msgpack_object *result)
{
	struct sessions *s = c->sim;
	const msgpack_object *duplicates = answer_find(result, "duplicates");
	int64_t first = answer_int(result, "first"), last = answer_int(result, "last");
	bool again = duplicates && duplicates->type == MSGPACK_OBJECT_ARRAY && duplicates->via.array.size;

	if (again && duplicates->via.array.size != (uint32_t)x->count)
		watch_failed(&s->watch, "torn", "a part of a request of client %d was there already", c->number);
	if (!again && last - first + 1 != x->count)
		watch_failed(&s->watch, "torn", "client %d sent %d events and is told %lld to %lld", c->number, x->count, (long long)first,
			     (long long)last);
	for (int i = 0; i < x->count && !s->watch.failure; i++) {
		int64_t at = again ? (int64_t)duplicates->via.array.ptr[i].via.array.ptr[1].via.u64 : first + i;
		const struct event *e = sessions_event(s, shard, at);

		if (!e || !uuid_equal(&e->event_id, &x->ids[i]) || !uuid_equal(&e->tenant_id, &s->tenants[x->tenant]))
			watch_failed(&s->watch, "lost", "client %d is told that its event stands at %d/%lld, and it does not", c->number, shard,
				     (long long)at);
		if (x->positions[i] && x->positions[i] != at)
			watch_failed(&s->watch, "two positions", "one event was acknowledged at %lld and at %lld", (long long)x->positions[i],
				     (long long)at);
		x->positions[i] = at;
	}
	if (last > c->seen[shard])
		c->seen[shard] = last;
}

static void on_append(struct caller *c, const struct call *call, const msgpack_object *error, const msgpack_object *result)
{
	struct parcel *x = &c->parcels[call->parcel];
	int shard = sessions_shard(c->sim, x->tenant);

	x->out = false;
	if (error)
		return;
	if (answer_int(result, "shard") != shard)
		watch_failed(&c->sim->watch, "shard", "client %d is told another shard than its tenant's", c->number);
	take_positions(c, x, shard, result);
	x->acked = true;
}

/* Every event from `from` on that the filter lets through, and no other. */
static void on_read(struct caller *c, const struct call *call, const msgpack_object *result)
{
	struct sessions *s = c->sim;
	const msgpack_object *list = answer_find(result, "events");
	int64_t next = answer_int(result, "next");
	uint32_t k = 0;

	for (int64_t at = call->position; list && at < next; at++) {
		const struct event *e = sessions_event(s, call->shard, at);
		const msgpack_object *id;

		if (e && call->tenant >= 0 && !uuid_equal(&e->tenant_id, &s->tenants[call->tenant]))
			continue;
		id = k < list->via.array.size ? answer_find(&list->via.array.ptr[k], "event_id") : NULL;
		if (!e || !id || id->type != MSGPACK_OBJECT_BIN || memcmp(id->via.bin.ptr, e->event_id.b, 16) != 0)
			watch_failed(&s->watch, "read", "client %d reads another event at %d/%lld than stands there", c->number, call->shard,
				     (long long)at);
		k++;
	}
	if (!list || next < call->position || k != list->via.array.size)
		watch_failed(&s->watch, "read", "client %d reads from %d/%lld and gets too many events", c->number, call->shard,
			     (long long)call->position);
}

static void on_wait(struct caller *c, const struct call *call, const msgpack_object *result)
{
	if (answer_int(result, "position") < call->position || c->sim->world.shards[call->shard].checkpoint < call->position)
		watch_failed(&c->sim->watch, "read your writes", "client %d is told that %d/%lld shows", c->number, call->shard,
			     (long long)call->position);
}

/* What a producer may be refused, though it does nothing wrong. */
static void take_refusal(struct caller *c, const struct call *call, const msgpack_object *error)
{
	struct sessions *s = c->sim;
	int64_t after = answer_int(error, "retry_after_ms");
	bool retry = answer_is(error, "class", "retry");

	if (call->kind == CALL_HELLO)
		c->refused = true;
	if (after > 0)
		c->not_before = s->world.now + after * 1000;
	if (retry || (call->kind == CALL_HELLO && c->key == KEY_ENDING && answer_is(error, "code", "unauthorized")) ||
	    (c->refused && answer_is(error, "code", "hello_required")))
		return;
	watch_failed(&s->watch, "refused", "client %d, call of kind %d", c->number, call->kind);
}

static void on_answer(struct caller *c, const struct call *call, const msgpack_object *error, const msgpack_object *result)
{
	if (error)
		take_refusal(c, call, error);
	switch (call->kind) {
	case CALL_HELLO:
		c->greeted = !error;
		break;
	case CALL_APPEND:
		on_append(c, call, error, result);
		break;
	case CALL_READ:
		if (!error)
			on_read(c, call, result);
		break;
	case CALL_WAIT:
		if (!error)
			on_wait(c, call, result);
		break;
	default:
		if (!error)
			caller_check_echo(c, call, result);
	}
}

void producer_init(struct caller *c, int requests)
{
	c->left = requests;
	c->go = go;
	c->answered = on_answer;
	caller_goes(c, 1000);
}

bool producer_is_done(const struct caller *c)
{
	if (c->left)
		return false;
	for (int i = 0; i < c->parcel_count; i++)
		if (!c->parcels[i].acked)
			return false;
	return true;
}

void producer_check(struct caller *c)
{
	struct sessions *s = c->sim;

	for (int k = 0; k < c->parcel_count; k++) {
		const struct parcel *x = &c->parcels[k];

		if (!x->acked)
			watch_failed(&s->watch, "unanswered", "client %d, request %d after %d attempts", c->number, k, x->attempts);
		for (int i = 0; i < x->count && x->acked; i++) {
			const struct event *e = sessions_event(s, sessions_shard(s, x->tenant), x->positions[i]);

			if (!e || !uuid_equal(&e->event_id, &x->ids[i]))
				watch_failed(&s->watch, "lost", "client %d, request %d is not where it was", c->number, k);
		}
	}
}
