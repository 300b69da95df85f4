/* engine_sim - see engine_sim.h. */
#include "engine_sim.h"

static const struct worker_limits worker_limits = { 50, 1 << 16, 20000, 3000, 20, 100 };
static const struct batch_limits batch_limits = { 8, 1 << 16, 0 };
static const struct timers_limits timers_limits = { 6, 2, 3, 20, 500, 3000, 40 };

static void engine_up(void *data);

static void wake_later(void *data)
{
	struct worker *w = data;
	struct engine_sim *e = w->data;
	int64_t left = world_asleep(e->world, &e->host);

	if (left)
		world_after(e->world, left, wake_later, w);
	else
		worker_wake(w);
}

static void feed_wakes(void *data)
{
	struct worker *w = *(struct worker **)data;
	struct engine_sim *e = w->data;

	if (e->up)
		world_after(e->world, 10, wake_later, w);
}

void engine_sim_part_closed(struct engine_sim *e)
{
	if (--e->open)
		return;
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		feed_release(&e->feeds[i]);
		e->warnings += e->timers[i].warnings;
		e->breaches += e->timers[i].breaches;
	}
	memset(e->timers, 0, sizeof(e->timers));
	if (e->front)
		e->front->gone(e);
	request_pool_release(&e->pool);
	world_factory_free(e->factory);
	e->crashing = false;
	if (!*e->ending)
		world_after(e->world, 1000 + (int64_t)random_below(&e->world->random, 3000000), engine_up, e);
}

static void appender_closed(void *data, struct appender *a)
{
	(void)a;
	engine_sim_part_closed(data);
}

static void worker_closed(void *data, struct worker *w)
{
	world_forget(((struct engine_sim *)data)->world, w);
	engine_sim_part_closed(data);
}

static void timers_closed(void *data, struct timers *t)
{
	world_forget(((struct engine_sim *)data)->world, t);
	engine_sim_part_closed(data);
}

static void committed(void *data, struct appender *a)
{
	struct engine_sim *e = data;

	feed_put(&e->feeds[a->shard], a->batch.events, a->batch.count);
	if (e->front && e->up)
		e->front->committed(e, a);
}

/* What the server does each second; its control session knows how long the store has been silent. */
static void sweep(void *data)
{
	struct engine_sim *e = data;
	struct world *w = e->world;
	bool silent = w->now < w->hung_until && w->now - w->hung_since >= WORLD_ANSWER_MS * 1000;

	if (!e->up)
		return;
	if (e->front && !world_asleep(w, &e->host))
		e->front->sweep(e);
	for (int i = 0; i <= WORLD_SHARDS && !world_asleep(w, &e->host); i++)
		appender_sweep(&e->appenders[i], silent);
	world_after(w, TIME_SECOND + world_asleep(w, &e->host), sweep, e);
}

static void moved_later(void *data)
{
	struct timers *t = data;
	struct engine_sim *e = t->data;
	int64_t left = world_asleep(e->world, &e->host);

	if (left)
		world_after(e->world, left, moved_later, t);
	else
		timers_moved(t);
}

static void front_moved(void *data)
{
	struct engine_sim *e = *(struct engine_sim **)data;
	int64_t left = world_asleep(e->world, &e->host);

	if (left)
		world_after(e->world, left, front_moved, data);
	else if (e->up)
		e->front->moved(e);
}

/* Word comes from another thread: later, and once for several. */
static void worker_moved(void *data, struct worker *w)
{
	struct engine_sim *e = data;

	if (e->front && e->up) {
		world_forget(e->world, &e->told);
		world_after(e->world, 10, front_moved, &e->told);
	}
	if (!e->up || !e->clocks.clocks || w->shard == 0)
		return;
	world_forget(e->world, &e->timers[w->shard]);
	world_after(e->world, 10, moved_later, &e->timers[w->shard]);
}

static void open_timers(struct engine_sim *e, int i, uint64_t seed)
{
	timers_open(&e->timers[i], (int16_t)i, &e->clocks, &e->env.env, e->factory->open(e->factory, "t"), &e->workers[i].view,
		    &e->appenders[i], &e->pool, &timers_limits, seed);
	e->timers[i].closed = timers_closed;
	e->timers[i].data = e;
	e->open++;
}

static void engine_up(void *data)
{
	struct engine_sim *e = data;
	struct world *w = e->world;

	if (*e->ending)
		return;
	e->lives++;
	e->host.asleep_until = 0;
	world_env_init(&e->env, w, &e->host, (int64_t)random_below(&w->random, 2 * TIME_SECOND) - TIME_SECOND);
	e->factory = world_factory_new(w, &e->host);
	random_fill(&w->random, &e->owner, sizeof(e->owner));
	e->log = (struct appender_log){ w->log_id, w->epoch };
	e->appends = (struct gate){ .most = 1 + (int)random_below(&w->random, 2), .most_small = 1 };
	e->writes = (struct gate){ .most = 2, .most_small = 1 };
	e->load = (struct load){ 0 };
	if (random_below(&w->random, 3) == 0) /* appends that never end: nobody may starve */
		load_enter(&e->load, w->now + 1);
	e->pace = (struct pace){ .load = &e->load };
	e->pace.limits.lag_us = (int64_t)random_below(&w->random, 2) * TIME_HOUR + TIME_SECOND;
	e->pace.limits.lag_events = 1 + (int64_t)random_below(&w->random, 100);
	e->open = 0;
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		uint64_t seed = random_next(&w->random);

		feed_init(&e->feeds[i], 1 + random_below(&w->random, 30000));
		e->wakes[i] = &e->workers[i];
		e->feeds[i].wake = feed_wakes;
		e->feeds[i].data = &e->wakes[i];
		appender_open(&e->appenders[i], (int16_t)i, &e->env.env, e->factory->open(e->factory, "a"), &e->log,
			      &batch_limits, seed);
		if (seed % 2)
			e->appenders[i].small_bytes = 0; /* all are large: engines take turns */
		e->appenders[i].gate = &e->appends;
		e->appenders[i].lone = &e->lone;
		e->appenders[i].load = &e->load;
		e->appenders[i].patience_ms = WORLD_ANSWER_MS;
		e->appenders[i].committed = committed;
		e->appenders[i].closed = appender_closed;
		e->appenders[i].data = e;
		worker_open(&e->workers[i], e->group, (int16_t)i, &e->env.env, e->factory->open(e->factory, "w"),
			    &e->feeds[i], &worker_limits, &e->owner, seed);
		e->workers[i].gate = &e->writes;
		e->workers[i].at_once = e->writes.most;
		e->workers[i].pace = &e->pace;
		e->workers[i].alarms = e->clocks.alarms;
		e->workers[i].moved = worker_moved;
		e->workers[i].closed = worker_closed;
		e->workers[i].data = e;
		e->open += 2;
		if (i > 0 && e->clocks.clocks)
			open_timers(e, i, seed);
	}
	e->up = true;
	if (e->front)
		e->front->up(e);
	world_forget(w, e);
	world_after(w, TIME_SECOND, sweep, e);
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		appender_start(&e->appenders[i]);
		worker_start(&e->workers[i]);
		if (i > 0 && e->clocks.clocks)
			timers_start(&e->timers[i]);
	}
}

void engine_sim_init(struct engine_sim *e, struct world *w, const struct group *group, const bool *ending)
{
	const struct engine_front *front = e->front;
	void *front_data = e->front_data;

	memset(e, 0, sizeof(*e));
	e->front = front;
	e->front_data = front_data;
	e->told = e;
	e->world = w;
	e->group = group;
	e->ending = ending;
	e->clocks = timers_model_of(group);
	engine_up(e);
}

void engine_sim_down(struct engine_sim *e)
{
	if (!e->up)
		return;
	e->up = false;
	e->crashing = true; /* answers that still come are never sent */
	if (e->front)
		e->front->down(e);
	world_factory_crash(e->factory);
	if (e->front)
		e->front->stopped(e);
	for (int i = 0; i <= WORLD_SHARDS; i++) {
		if (i > 0 && e->clocks.clocks)
			timers_close(&e->timers[i]);
		appender_close(&e->appenders[i]);
		worker_close(&e->workers[i]);
	}
}

void engine_sim_sleep(struct engine_sim *e, int64_t us)
{
	if (e->up)
		e->host.asleep_until = e->world->now + us;
}

struct delivery {
	struct engine_sim *engine;
	struct request *request;
	int life;
};

static void delivered(void *data)
{
	struct delivery d = *(struct delivery *)data;
	int64_t left = world_asleep(d.engine->world, &d.engine->host);

	if (left && d.engine->lives == d.life && d.engine->up) { /* a machine that dies cuts its connections */
		world_after(d.engine->world, left < TIME_SECOND ? left : TIME_SECOND, delivered, data);
		return;
	}
	free(data);
	if (d.engine->up && d.engine->lives == d.life)
		appender_submit(&d.engine->appenders[d.request->shard], d.request);
	else
		request_refuse(d.request, E_UNAVAILABLE, "the connection is gone");
}

void engine_sim_submit(struct engine_sim *e, struct request *r)
{
	struct delivery *d = mem_alloc(sizeof(*d));

	*d = (struct delivery){ e, r, e->lives };
	delivered(d);
}

int engine_sim_decode(struct request *r, const char *events, int64_t now, struct error *error)
{
	static const struct request_limits limits = { { 1 << 18, 16 }, 100, 10, WORLD_SHARDS };
	struct buffer packed = { 0 };
	msgpack_zone zone;
	msgpack_object list;
	size_t at = 0;
	int status;

	msgpack_zone_init(&zone, 4096);
	error_clear(error);
	status = json_to_msgpack(bytes_text(events), &packed, error);
	if (!status && msgpack_unpack(packed.data, packed.len, &at, &zone, &list) != MSGPACK_UNPACK_SUCCESS)
		status = error_set(error, E_INTERNAL, "the events cannot be unpacked");
	if (!status)
		status = request_decode(r, &list, NULL, now, &limits, error);
	msgpack_zone_destroy(&zone);
	buffer_release(&packed);
	return status;
}
