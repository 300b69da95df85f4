/* server_sim - see server_sim.h. */
#include "server_sim.h"

#include <stdlib.h>

enum { FRAME_BYTES = 8192, EVENT_BYTES = 4096, REQUEST_EVENTS = 100, CONNECTIONS = 10, IDLE_MS = 15000, HELLO_MS = 4000,
       TURN_US = 200,
       ANSWER_MOST = 40000 }; /* a read of as many events as anybody here asks for */

/* An engine of a process of its own: its time is that of the machine it stands on. */
struct process {
	struct engine engine;
	struct server_sim *server;
};

static struct process *process_of(const struct engine *e)
{
	return (struct process *)((char *)(uintptr_t)e - offsetof(struct process, engine));
}

static struct env *env_of(struct env *e)
{
	struct engine *engine = (struct engine *)((char *)e - offsetof(struct engine, env));

	return &process_of(engine)->server->sim->env.env;
}

static int64_t wall(struct env *e)
{
	struct env *of = env_of(e);

	return of->wall(of);
}

static int64_t monotonic(struct env *e)
{
	struct env *of = env_of(e);

	return of->monotonic(of);
}

static void timer_open(struct env *e, struct env_timer *t)
{
	struct env *of = env_of(e);

	of->timer_open(of, t);
}

static void timer_start(struct env *e, struct env_timer *t, int64_t ms)
{
	struct env *of = env_of(e);

	of->timer_start(of, t, ms);
}

static void timer_stop(struct env *e, struct env_timer *t)
{
	struct env *of = env_of(e);

	of->timer_stop(of, t);
}

static void timer_close(struct env *e, struct env_timer *t)
{
	struct env *of = env_of(e);

	of->timer_close(of, t);
}

static void reader_gone(void *data)
{
	engine_sim_part_closed(process_of(data)->server->sim);
}

static void on_up(struct engine_sim *sim)
{
	struct server_sim *s = sim->front_data;
	struct process *p = mem_zalloc(sizeof(*p));
	struct engine *e = &p->engine;

	p->server = s;
	s->engine = e;
	s->flush_due = false;
	e->options = &s->options;
	e->env.env = (struct env){ wall, monotonic, timer_open, timer_start, timer_stop, timer_close };
	e->log = sim->log;
	e->shards = WORLD_SHARDS;
	e->appenders = sim->appenders;
	e->inflight_limit = (size_t)s->options.memory_bytes / 4;
	e->partial_limit = (size_t)s->options.memory_bytes / 8;
	e->out_limit = (size_t)s->options.memory_bytes / 8;
	e->request_limits = (struct request_limits){ { EVENT_BYTES, 16 }, REQUEST_EVENTS, 10, WORLD_SHARDS };
	msgpack_zone_init(&e->zone, 8192);
	reader_open(&e->reader, &e->env.env, sim->factory->open(sim->factory, "r"));
	e->reader.may = method_may_read;
	e->reader.answer = method_answer_read;
	e->reader.closed = reader_gone;
	e->reader.data = e;
	sim->open++;
	e->waits = (struct waits){ .workers = sim->workers, .shards = WORLD_SHARDS + 1, .answer = method_answer_wait };
	fake_keys_serve(s->keys, &sim->host);
	access_start(e);
	e->ready = true;
	reader_start(&e->reader);
}

/* The machine dies: the network's ends first, so that nothing of what the parts still say goes out. */
static void on_down(struct engine_sim *sim)
{
	struct server_sim *s = sim->front_data;
	struct engine *e = s->engine;

	network_lose(s->network, sim);
	while (e->sessions)
		session_close(e->sessions);
	access_stop(e);
	waits_close(&e->waits);
	e->ready = false;
	e->stopping = true;
	world_forget(sim->world, s);
}

static void on_stopped(struct engine_sim *sim)
{
	struct server_sim *s = sim->front_data;

	reader_close(&s->engine->reader);
}

static void on_gone(struct engine_sim *sim)
{
	struct server_sim *s = sim->front_data;
	struct engine *e = s->engine;

	s->engine = NULL;
	access_release(e);
	request_pool_release(&e->pool);
	msgpack_zone_destroy(&e->zone);
	free(process_of(e));
}

static void on_committed(struct engine_sim *sim, struct appender *a)
{
	struct server_sim *s = sim->front_data;

	reader_committed(&s->engine->reader, a->shard, a->head);
}

static void on_moved(struct engine_sim *sim)
{
	struct engine *e = ((struct server_sim *)sim->front_data)->engine;

	waits_look(&e->waits, e->env.env.monotonic(&e->env.env));
}

static void on_sweep(struct engine_sim *sim)
{
	struct server_sim *s = sim->front_data;
	struct engine *e = s->engine;
	int64_t now = e->env.env.monotonic(&e->env.env);

	session_sweep(e, now);
	access_sweep(e);
	engine_balance(e);
	waits_look(&e->waits, now);
	reader_kick(&e->reader);
}

static const struct engine_front front = { on_up, on_down, on_stopped, on_gone, on_committed, on_moved, on_sweep };

void server_sim_init(struct server_sim *s, struct engine_sim *sim, struct network *n, struct fake_keys *k, int64_t memory)
{
	memset(s, 0, sizeof(*s));
	s->sim = sim;
	s->network = n;
	s->keys = k;
	s->options = (struct server_options){
		.frame_bytes = FRAME_BYTES, .event_bytes = EVENT_BYTES, .request_events = REQUEST_EVENTS, .depth = 16,
		.insecure = true, /* an empty token would do; nobody brings one */
		.connections = CONNECTIONS, .idle_ms = IDLE_MS, .hello_ms = HELLO_MS, .memory_bytes = memory,
	};
	sim->front = &front;
	sim->front_data = s;
}

static void accept_wire(struct engine_sim *sim, struct wire *w)
{
	session_open(((struct server_sim *)sim->front_data)->engine, w);
}

void server_sim_connect(struct server_sim *s, struct peer *p)
{
	link_open(s->network, p, s->sim, accept_wire);
}

static void flush(void *data)
{
	struct server_sim *s = data;
	int64_t left = world_asleep(s->sim->world, &s->sim->host);

	if (left) {
		world_after(s->sim->world, left, flush, s);
		return;
	}
	s->flush_due = false;
	session_flush_all(s->engine);
	if (s->engine->paused)
		engine_balance(s->engine);
}

void server_sim_turn(struct server_sim *s)
{
	struct world *w = s->sim->world;

	if (!s->sim->up || s->flush_due || !s->engine->dirty)
		return;
	s->flush_due = true;
	world_after(w, 1 + (int64_t)random_below(&w->random, TURN_US), flush, s);
}

/* ---- what must hold ---- */

static void most(int64_t *seen, size_t now)
{
	if ((int64_t)now > *seen)
		*seen = (int64_t)now;
}

const char *server_sim_wrong(struct server_sim *s)
{
	const struct engine *e = s->engine;
	struct key_uses uses;
	size_t partial = 0, out = 0, inflight = 0;
	int sessions = 0, asking = 0, held = 0, greeted = 0;

	if (!s->sim->up)
		return NULL;
	for (const struct session *x = e->sessions; x; x = x->next) {
		sessions++;
		partial += x->partial;
		out += x->out_counted;
		inflight += x->inflight;
		asking += x->asking != 0;
		held += x->held_until != 0;
		greeted += x->key && !x->key->over;
		if (x->reading && x->inflight > e->inflight_limit / 4 + 4 * FRAME_BYTES)
			return "a session with too much in flight is read";
		if (session_unsent(x) > SESSION_OUT_MOST + ANSWER_MOST)
			return "somebody who takes nothing is served";
		if (x->greeted && !x->key)
			return "somebody without a key is greeted";
	}
	uses = fake_keys_uses(e->access.ring);
	s->pauses += e->paused && !s->paused;
	s->paused = e->paused;
	s->shortages += session_room_is_short(e) && !s->short_of_room;
	s->short_of_room = session_room_is_short(e);
	most(&s->most_inflight, e->inflight_bytes);
	most(&s->most_partial, e->partial_bytes);
	most(&s->most_out, e->out_bytes);
	if (sessions != e->session_count || sessions > CONNECTIONS)
		return "sessions are miscounted";
	if (partial != e->partial_bytes)
		return "half messages are miscounted";
	if (out != e->out_bytes)
		return "answers are miscounted";
	if (inflight > e->inflight_bytes)
		return "requests in flight are miscounted";
	if (asking != e->access.asking || held != e->access.held)
		return "who asks or is held is miscounted";
	if (greeted > uses.holders || uses.connections < greeted || uses.inflight < 0)
		return "what keys are used for is miscounted";
	if (e->inflight_bytes > e->inflight_limit / 4 * 5 + 4 * FRAME_BYTES)
		return "requests in flight are over their bound";
	if (e->partial_bytes > e->partial_limit)
		return "half messages are over their bound";
	if (e->out_bytes > e->out_limit)
		return "answers are over their bound";
	return NULL;
}

const char *server_sim_not_idle(const struct server_sim *s)
{
	const struct engine *e = s->engine;
	struct key_uses uses;

	if (!s->sim->up)
		return NULL;
	uses = fake_keys_uses(e->access.ring);
	if (e->sessions || e->session_count || e->dirty)
		return "there is a session";
	if (e->inflight_bytes)
		return "bytes of requests are in flight";
	if (e->partial_bytes || e->out_bytes)
		return "bytes of messages are held";
	if (e->access.asking || e->access.held)
		return "somebody asks or is held";
	if (uses.connections || uses.inflight || uses.holders)
		return "a key is in use";
	if (e->reader.queue || e->reader.tails || e->reader.current || e->waits.first)
		return "somebody reads or waits";
	return NULL;
}
