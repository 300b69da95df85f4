/* engines - see simulate.h. */
#include "simulate.h"

static const struct worker_limits worker_limits = { 50, 1 << 16, 20000, 3000, 20, 100 };
static const struct batch_limits batch_limits = { 8, 1 << 16, 0 };

static void wake_later(void *data)
{
	worker_wake(data);
}

static void feed_wakes(void *data)
{
	struct worker *w = *(struct worker **)data;
	struct engine_sim *e = w->data;

	if (e->up)
		world_after(e->world, 10, wake_later, w);
}

static void part_closed(struct engine_sim *e)
{
	if (--e->open)
		return;
	for (int i = 0; i <= WORLD_SHARDS; i++)
		feed_release(&e->feeds[i]);
	world_factory_free(e->factory);
	e->crashing = false;
	if (!e->sim->ending)
		world_after(e->world, 1000 + (int64_t)random_below(&e->world->random, 3000000), engine_sim_up, e);
}

static void appender_closed(void *data, struct appender *a)
{
	(void)a;
	part_closed(data);
}

static void worker_closed(void *data, struct worker *w)
{
	world_forget(((struct engine_sim *)data)->world, w);
	part_closed(data);
}

static void committed(void *data, struct appender *a)
{
	struct engine_sim *e = data;

	feed_put(&e->feeds[a->shard], a->batch.events, a->batch.count);
}

/* What the server does each second; its control session knows how long the store has been silent. */
static void sweep(void *data)
{
	struct engine_sim *e = data;
	struct world *w = e->world;
	bool silent = w->now < w->hung_until && w->now - w->hung_since >= WORLD_ANSWER_MS * 1000;

	if (!e->up)
		return;
	for (int i = 0; i <= WORLD_SHARDS; i++)
		appender_sweep(&e->appenders[i], silent);
	world_after(w, TIME_SECOND, sweep, e);
}

void engine_sim_up(void *data)
{
	struct engine_sim *e = data;
	struct world *w = e->world;

	if (e->sim->ending)
		return;
	world_env_init(&e->env, w, (int64_t)random_below(&w->random, 2 * TIME_SECOND) - TIME_SECOND);
	e->factory = world_factory_new(w);
	random_fill(&w->random, &e->owner, sizeof(e->owner));
	e->log = (struct appender_log){ w->log_id, w->epoch };
	e->appends = (struct gate){ .most = 1 + (int)random_below(&w->random, 2), .most_small = 1 };
	e->writes = (struct gate){ .most = 2, .most_small = 1 };
	e->open = 0;
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		uint64_t seed = random_next(&w->random);

		feed_init(&e->feeds[i], 1 + random_below(&w->random, 30000));
		e->wakes[i] = &e->workers[i];
		e->feeds[i].wake = feed_wakes;
		e->feeds[i].data = &e->wakes[i];
		appender_open(&e->appenders[i], (int16_t)i, &e->env.env, e->factory->open(e->factory, "a"), &e->log,
			      &batch_limits, seed);
		e->appenders[i].gate = &e->appends;
		e->appenders[i].patience_ms = WORLD_ANSWER_MS;
		e->appenders[i].committed = committed;
		e->appenders[i].closed = appender_closed;
		e->appenders[i].data = e;
		worker_open(&e->workers[i], groups[0], (int16_t)i, &e->env.env, e->factory->open(e->factory, "w"),
			    &e->feeds[i], &worker_limits, &e->owner, seed);
		e->workers[i].gate = &e->writes;
		e->workers[i].closed = worker_closed;
		e->workers[i].data = e;
		e->open += 2;
	}
	e->up = true;
	world_forget(w, e);
	world_after(w, TIME_SECOND, sweep, e);
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		appender_start(&e->appenders[i]);
		worker_start(&e->workers[i]);
	}
}

void engine_sim_down(struct engine_sim *e)
{
	if (!e->up)
		return;
	e->up = false;
	e->crashing = true; /* answers that still come are never sent */
	world_factory_crash(e->factory);
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		appender_close(&e->appenders[i]);
		worker_close(&e->workers[i]);
	}
}
