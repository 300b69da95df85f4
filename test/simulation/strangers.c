/* strangers - see sessions.h. */
#include <stdlib.h>

#include "sessions.h"

enum {
	CLOSED_WITHIN_MS = 7000, /* a hello that does not come, a warning that is not taken */
	IDLE_WITHIN_MS = 20000,
	FLOOD_BYTES = 2500,
	FLOOD_MOST = 60,
};

static void send_bytes(struct caller *c, const char *bytes, size_t n)
{
	link_send(&c->peer, bytes, n);
}

/* Events that are sent in a way in which nobody may store them. */
static void pack_never(struct caller *c, msgpack_packer *p)
{
	struct sessions *s = c->sim;
	struct buffer packed = { 0 };

	(void)p;
	caller_events(c, 1, 1, &s->never[s->never_count++], &packed);
	buffer_add_bytes(&s->frame, buffer_bytes(&packed));
	buffer_release(&packed);
}

static void must_end(struct caller *c, const char *wants, int64_t ms)
{
	c->wants = wants;
	c->told = false;
	c->end_due = c->sim->world.now + ms * 1000;
}

static void say_garbage(struct caller *c)
{
	send_bytes(c, "\xc1\xc1", 2);
	must_end(c, "protocol", CLOSED_WITHIN_MS);
}

static void say_huge(struct caller *c)
{
	send_bytes(c, "\x94\x00\x01\xdd\xff\xff\xff\xff", 8);
	must_end(c, "too_large", CLOSED_WITHIN_MS);
}

static void say_no_call(struct caller *c)
{
	send_bytes(c, "\x92\x05\x01", 3);
	must_end(c, "protocol", CLOSED_WITHIN_MS);
}

static void say_nothing(struct caller *c)
{
	must_end(c, NULL, CLOSED_WITHIN_MS);
}

static void say_half(struct caller *c)
{
	send_bytes(c, "\x94\x00\x01\xa5hel", 7);
	must_end(c, NULL, CLOSED_WITHIN_MS);
}

static void append_unasked(struct caller *c)
{
	struct call *call = caller_call(c, CALL_APPEND);
	msgpack_packer p;

	call->parcel = -1;
	frame_begin(c, &p, "append", 1, call->msgid);
	pack_never(c, &p);
	frame_send(c);
	must_end(c, NULL, CLOSED_WITHIN_MS);
}

static void guess_key(struct caller *c)
{
	for (int i = 0; i < 3; i++)
		caller_hello(c, KEY_NEVER);
	must_end(c, NULL, 3 * CLOSED_WITHIN_MS);
}

/* With a key, a large half message, and then nothing. */
static void hold_room(struct caller *c)
{
	static const char zeros[6000] = { 0 };

	caller_hello(c, KEY_WIDE);
	send_bytes(c, "\x94\x00\x02\xa4ping\x91\xc5\x1f\x00", 12);
	send_bytes(c, zeros, 1000 + random_below(&c->sim->world.random, 5000));
	must_end(c, NULL, IDLE_WITHIN_MS);
}

static void garbage_behind_hello(struct caller *c)
{
	caller_hello(c, KEY_WIDE);
	say_garbage(c);
	c->end_due += CLOSED_WITHIN_MS * 1000;
}

/* Notifications of all kinds are no requests. */
static void notify_append(struct caller *c)
{
	msgpack_packer p;

	caller_hello(c, KEY_WIDE);
	frame_notify(c, &p, "append", 1);
	pack_never(c, &p);
	frame_send(c);
	frame_notify(c, &p, "no such method", 0);
	frame_send(c);
	caller_ping(c, 10);
	must_end(c, NULL, IDLE_WITHIN_MS);
}

/* More than a stranger may say at a time, before hello. */
static void say_much(struct caller *c)
{
	static const char zeros[5000] = { 0 };

	send_bytes(c, "\x94\x00\x02\xa4ping\x91\xc5\x13\x88", 12);
	send_bytes(c, zeros, sizeof(zeros));
	must_end(c, "too_large", CLOSED_WITHIN_MS);
}

static void (*const ways[])(struct caller *c) = {
	say_garbage, say_huge, say_no_call, say_nothing, say_half, append_unasked, guess_key, hold_room, garbage_behind_hello,
	notify_append, say_much,
};

static void go_strange(struct caller *c)
{
	struct sessions *s = c->sim;
	struct random *r = &s->world.random;

	if (!c->peer.link) {
		if (s->quiet_since || s->never_count == NEVER_MOST || !caller_connect(c)) {
			caller_goes(c, 50000);
			return;
		}
		c->wants = NULL;
		ways[random_below(r, sizeof(ways) / sizeof(*ways))](c);
	} else if (world_asleep(&s->world, &s->engines[c->server].host)) {
		c->end_due += 100000; /* nobody is there to close it */
	} else if (link_is_broken(&c->peer)) {
		if (world_chance(&s->world, 100))
			caller_leave(c, true);
	} else if (c->end_due && s->world.now > c->end_due && s->world.now > s->world.hung_until + CLOSED_WITHIN_MS * 1000) {
		watch_failed(&s->watch, "not closed", "a stranger's connection stands, though it should have ended%s%s",
			     c->wants ? " with " : "", c->wants ? c->wants : "");
	}
	caller_goes(c, 100000);
}

static void on_strange_answer(struct caller *c, const struct call *call, const msgpack_object *error, const msgpack_object *result)
{
	struct sessions *s = c->sim;

	if (call->kind == CALL_PING && !error)
		caller_check_echo(c, call, result);
	if (call->kind == CALL_APPEND && !(error && answer_is(error, "code", "hello_required")))
		watch_failed(&s->watch, "let in", "who has not said hello may append");
	if (call->kind == CALL_HELLO && error)
		c->refused = true;
	if (call->kind == CALL_HELLO && c->key == KEY_NEVER && !error)
		watch_failed(&s->watch, "let in", "a key that was never made is taken");
}

void stranger_init(struct caller *c)
{
	c->go = go_strange;
	c->answered = on_strange_answer;
	caller_goes(c, 5000);
}

void stranger_check(struct sessions *s)
{
	for (int i = 0; i < s->never_count; i++)
		for (int shard = 0; shard <= WORLD_SHARDS; shard++)
			for (int64_t at = 1; at <= s->world.shards[shard].count; at++)
				if (uuid_equal(&sessions_event(s, shard, at)->event_id, &s->never[i]))
					watch_failed(&s->watch, "let in", "an event stands in the log that nobody might send");
}

/* ---- who does not listen ---- */

static void flood(struct caller *c)
{
	struct random *r = &c->sim->world.random;
	int most = (int)random_below(r, FLOOD_MOST);

	for (int i = 0; i < most; i++) {
		c->call_count = 0; /* it does not even remember what it asked */
		caller_ping(c, random_below(r, FLOOD_BYTES));
	}
}

static void go_deaf(struct caller *c)
{
	struct sessions *s = c->sim;
	struct random *r = &s->world.random;

	if (!c->peer.link) {
		if (!s->quiet_since && caller_connect(c)) {
			c->last_msgid = c->next_msgid - 1;
			caller_hello(c, KEY_WIDE);
			link_hold(&c->peer, (int64_t)random_below(r, 15 * TIME_SECOND));
		}
	} else if (s->quiet_since || world_chance(&s->world, 30)) {
		caller_leave(c, true);
	} else {
		flood(c);
	}
	caller_goes(c, 20000 + (int64_t)random_below(r, 400000));
}

static void on_deaf_answer(struct caller *c, const struct call *call, const msgpack_object *error, const msgpack_object *result)
{
	(void)error;
	(void)c;
	(void)call;
	(void)result;
}

void deaf_init(struct caller *c)
{
	c->go = go_deaf;
	c->forgets = true;
	c->answered = on_deaf_answer;
	caller_goes(c, 5000);
}
