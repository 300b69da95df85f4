/* clients - see simulate.h. */
#include <stdlib.h>

#include "events.h"
#include "simulate.h"

static struct sent *new_request(struct client *c)
{
	struct simulation *s = c->sim;
	struct world *w = &s->world;
	struct buffer text = { 0 };
	struct sent *x;

	if (c->count == c->capacity) {
		c->capacity = c->capacity ? c->capacity * 2 : 32;
		c->sent = mem_realloc(c->sent, (size_t)c->capacity * sizeof(*c->sent));
	}
	x = &c->sent[c->count++];
	memset(x, 0, sizeof(*x));
	x->count = 1 + (int)random_below(&w->random, EVENTS_MOST);
	x->tenant = (int)random_below(&w->random, TENANTS);
	x->conversation = (int)random_below(&w->random, CONVERSATIONS);
	x->expect = world_chance(w, 150);
	x->after = s->known_position[x->tenant][x->conversation];
	events_make(w, &(struct events_of){ s->tenants[x->tenant], s->conversations[x->conversation], s->customer }, x->count, x->ids, &text);
	s->events_made += x->count;
	x->lines = (char *)(uintptr_t)buffer_text(&text);
	return x;
}

static void record(struct client *c, struct sent *x, const struct request *r)
{
	struct simulation *s = c->sim;
	const struct engine_sim *e = &s->engines[c->engine];

	if (r->status == E_LOG_DIVERGED && s->cut[r->shard]) { /* it asks again until the end is back, or given up */
		s->diverged++;
		return;
	}
	if (r->status) {
		switch (error_get(r->status)->class) {
		case CLASS_RETRY:
			return;
		default:
			if (r->status == E_STALE && x->expect) {
				if (x->acked)
					watch_failed(&s->watch, "stale after ack", "a stored request was called stale");
				x->refused = true;
				return;
			}
			watch_failed(&s->watch, "refused", "client %d: %s: %s", c->number, error_name(r->status), r->error.message);
			x->refused = true;
			return;
		}
	}
	for (int i = 0; i < x->count; i++) {
		int64_t at = r->events[i].position;

		if (x->positions[i] && x->positions[i] != at)
			watch_failed(&s->watch, "two positions", "one event was acknowledged at %lld and at %lld",
			       (long long)x->positions[i], (long long)at);
		x->positions[i] = at;
	}
	if (s->knows[c->engine][r->shard] == e->lives && e->lives)
		watch_failed(&s->watch, "went on", "engine %d took a request for shard %d, whose end it has seen and is gone", c->engine,
			     r->shard);
	x->acked = true;
	x->first = r->first;
	x->last = r->last;
	if (r->last > s->known_position[x->tenant][x->conversation])
		s->known_position[x->tenant][x->conversation] = r->last;
}

static void on_answer(struct request *r)
{
	struct client *c = r->ticket.owner;
	struct sent *x = &c->sent[r->ticket.msgid];
	struct engine_sim *e = &c->sim->engines[c->engine];

	if (r != c->waiting) { /* nobody hears this */
		request_free(&c->pool, r);
		return;
	}
	c->waiting = NULL;
	x->out = false;
	if (!e->crashing || world_chance(&c->sim->world, 300)) /* the answer was on the wire before the crash */
		record(c, x, r);
	request_free(&c->pool, r);
	world_after(&c->sim->world, 100 + (int64_t)random_below(&c->sim->world.random, 50000), client_next, c);
}

void client_leave(struct client *c)
{
	if (!c->waiting)
		return;
	c->waiting = NULL;
	c->sent[c->current].out = false;
	world_after(&c->sim->world, 1000, client_next, c);
}

static void send_request(struct client *c, int index)
{
	struct simulation *s = c->sim;
	struct world *w = &s->world;
	struct sent *x = &c->sent[index];
	struct engine_sim *e = &s->engines[c->engine];
	struct request *r = request_new(&c->pool);
	struct error error;

	if (engine_sim_decode(r, x->lines, w->now, &error)) {
		watch_failed(&s->watch, "bad request", "%s: %s", error.field, error.message);
		request_free(&c->pool, r);
	} else {
		if (x->expect) {
			r->expects = arena_zalloc(&r->arena, sizeof(*r->expects));
			r->expects[0].scope = EXPECT_CONVERSATION;
			r->expects[0].tenant_id = s->tenants[x->tenant];
			r->expects[0].id = s->conversations[x->conversation];
			r->expects[0].types = BYTES("");
			r->expects[0].after = x->after;
			r->expect_count = 1;
		}
		r->answer = on_answer;
		r->ticket.owner = c;
		r->ticket.msgid = (uint32_t)index;
		r->bytes = 1000;
		x->out = true;
		x->sent_at = w->now;
		x->attempts++;
		c->waiting = r;
		engine_sim_submit(e, r);
	}
}

void client_next(void *data)
{
	struct client *c = data;
	struct simulation *s = c->sim;
	struct world *w = &s->world;

	if (c->waiting || s->ending)
		return;
	if (world_chance(w, 100))
		c->engine = (int)random_below(&w->random, ENGINES);
	if (!s->engines[c->engine].up) {
		c->engine = (c->engine + 1) % ENGINES;
		world_after(w, 20000, client_next, c);
		return;
	}
	if (c->current >= 0 && !c->sent[c->current].acked && !c->sent[c->current].refused) {
		send_request(c, c->current); /* again: the answer was lost, or said to come back */
		return;
	}
	for (int k = 0; k < c->count; k++)
		if (c->sent[k].again && !c->sent[k].acked && !c->sent[k].refused) { /* it was lost: as ever, in its order */
			c->current = k;
			send_request(c, k);
			return;
		}
	if (c->count && world_chance(w, 80)) { /* a producer that sends an old request once more */
		c->current = (int)random_below(&w->random, (uint64_t)c->count);
		if (c->sent[c->current].acked) {
			send_request(c, c->current);
			return;
		}
	}
	c->current = -1;
	if (c->left == 0)
		return;
	c->left--;
	new_request(c);
	c->current = c->count - 1;
	send_request(c, c->current);
}
