/*
 * server - starts the engine's parts in order, and ends them in the other.
 *
 *   start:  control session (which log, months) --> appenders, reader, workers, timers --+--> sockets --> ready
 *           keyring's session (who may come in) ------------------------------------------+
 *   stop:   no new calls, no timers --> appenders end their batches --> reader, waits --> threads --> sockets --> loop ends
 *
 * Until the database answers, nothing listens: a client that can connect finds an engine that knows its log and its keys.
 */
#include "engine/server.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/log.h"
#include "engine/control.h"
#include "engine/fault.h"
#include "engine/listen.h"
#include "engine/metrics.h"
#include "engine/session.h"
#include "store/pg.h"

enum {
	SWEEP_MS = 1000,
	KEYS_MOST_MS = 30000,     /* to read them at start; then the command ends with the reason */
	FEED_MOST = 2 << 20,      /* of one worker's feed; less when --memory or the number of shards says so */
	STATE_MOST = 3 << 20,     /* of half a worker's row cache, likewise */
	BATCH_BYTES = 2 << 20,
	WORKER_EVENTS = 1000,     /* of one transaction: what they touch is in memory twice, once for each half of the cache */
	WORKER_READ_BYTES = 2 << 20,
	LEASE_MS = 10000,
	PAUSE_MS = 50,
	BEHIND_MS = 15000,        /* a fold so far behind takes its full share, however much is appended */
	POLL_MS = 200,
	CLOCKS_AT_ONCE = 250,     /* decisions under way in a shard; less when there are many shards */
	CLOCKS_MOST = 4000,       /* and in all */
	CLOCK_NAMES = 200,        /* in an event that says whom an sla_policy.reapply of all concerns */
	CLOCK_ROWS = 5000,        /* of clocks gone through at a time for it */
	CLOCK_LOOK_MS = 20,
	CLOCK_POLL_MS = 1000,
	CLOCK_FULL_MS = 15000,
	CLOCK_LAG_EVENTS = 100000,
	BEHIND_EVENTS = CLOCK_LAG_EVENTS * 3 / 4,  /* likewise; sooner than clocks stand still */
	EXPECTS_MOST = 100,
	FILES_OF_OUR_OWN = 512,   /* the database's sockets, loops, spilled rows: what is no client */
	APPENDS_AT_ONCE = 2,      /* shards with a commit under way; the others gather meanwhile */
	SMALL_AT_ONCE = 1,        /* of these, with few events in it */
};

static struct engine *running; /* one engine a process: the signal handler finds it here */

static void begin_stop(struct engine *e);
static void look_at_keys(struct engine *e, int64_t now);

/* ---- bounds ---- */

static void pause_all(struct engine *e)
{
	e->paused = true;
	for (struct session *s = e->sessions; s; s = s->next)
		session_resume(s);
}

/* Sockets are read again from where the last round ended, so that the room goes around when it is not enough for all. */
static void resume_in_turn(struct engine *e)
{
	int turns = e->session_count;
	struct session *s = e->resume_next ? e->resume_next : e->sessions;

	e->paused = false;
	while (s && turns--) {
		e->resume_next = s->next ? s->next : e->sessions;
		session_resume(s);
		if (e->inflight_bytes > e->inflight_limit) {
			pause_all(e);
			return;
		}
		s = e->resume_next;
	}
}

void engine_balance(struct engine *e)
{
	if (!e->paused && e->inflight_bytes > e->inflight_limit)
		pause_all(e);
	else if (e->paused && e->inflight_bytes < e->inflight_limit / 4 * 3)
		resume_in_turn(e);
}

void engine_committed(void *data, struct appender *a)
{
	struct engine *e = data;

	for (int g = 0; g < group_count; g++)
		feed_put(&e->feeds[g * (e->shards + 1) + a->shard], a->batch.events, a->batch.count);
	reader_committed(&e->reader, a->shard, a->head);
}

static void on_flush(uv_prepare_t *handle)
{
	struct engine *e = handle->data;

	session_flush_all(e);
	if (e->paused) /* answers have made room: sockets that waited for it are read again */
		engine_balance(e);
}

static void on_moved(uv_async_t *handle)
{
	struct engine *e = handle->data;

	waits_look(&e->waits, e->env.env.monotonic(&e->env.env));
	for (int i = 1; e->timers && !e->stopping && i <= e->shards; i++)
		timers_moved(&e->timers[i]);
}

static void worker_moved(void *data, struct worker *w)
{
	(void)data;
	(void)w;
	uv_async_send(&running->moved);
}

static void sweep_appenders(struct engine *e, int64_t now)
{
	bool silent = control_is_silent(e, now);

	for (int i = 0; i <= e->shards; i++)
		appender_sweep(&e->appenders[i], silent);
}

static void on_sweep(uv_timer_t *handle)
{
	struct engine *e = handle->data;
	int64_t now = e->env.env.monotonic(&e->env.env);

	if (e->options->alive)
		e->options->alive(e->options->data);
	session_sweep(e, now);
	access_sweep(e);
	look_at_keys(e, now);
	engine_balance(e);
	if (e->ready && !e->stopping) {
		waits_look(&e->waits, now);
		reader_kick(&e->reader);
		control_look(e, now);
		sweep_appenders(e, now);
		metrics_sweep(e);
	}
}

/* ---- start ---- */

static void on_appender_closed(void *data, struct appender *a);

/* One worker's part of `1/share` of --memory. */
static size_t worker_share(const struct engine *e, int64_t share, size_t most)
{
	size_t part = (size_t)(e->options->memory_bytes / share) / (size_t)((e->shards + 1) * group_count);

	return part < most ? part : most;
}

static void start_timers(struct engine *e, uint64_t seed)
{
	int most = CLOCKS_MOST / (e->shards + 1) + 1;
	struct timers_limits limits = { most < CLOCKS_AT_ONCE ? most : CLOCKS_AT_ONCE, CLOCK_NAMES, CLOCK_ROWS, CLOCK_LOOK_MS, CLOCK_POLL_MS, CLOCK_FULL_MS, CLOCK_LAG_EVENTS };

	if (!e->clocks.clocks)
		return;
	e->timers = mem_zalloc(sizeof(*e->timers) * (size_t)(e->shards + 1));
	for (int i = 1; i <= e->shards; i++) { /* the system tenant has no clocks */
		char name[64];

		snprintf(name, sizeof(name), "verbatim timers %d", i);
		timers_open(&e->timers[i], (int16_t)i, &e->clocks, &e->env.env, e->factory->open(e->factory, name),
			    &threads_worker(&e->threads, e->clocks.group, i)->view, &e->appenders[i], &e->pool, &limits, seed);
		timers_start(&e->timers[i]);
	}
}

static void start_parts(struct engine *e)
{
	const struct server_options *o = e->options;
	struct batch_limits batch = { .events = (int)o->batch_events, .bytes = BATCH_BYTES };
	struct threads_options t = {
		.conninfo = o->conninfo,
		.role = o->role,
		.database_ms = (int)o->database_ms,
		.threads = (int)o->workers,
		.shards = e->shards + 1,
		.limits = { WORKER_EVENTS, WORKER_READ_BYTES, worker_share(e, 6, STATE_MOST), LEASE_MS, PAUSE_MS, POLL_MS },
		.load = &e->load,
		.pace = { BEHIND_MS * 1000, BEHIND_EVENTS },
		.owner = e->owner,
		.moved = worker_moved,
	};
	uint64_t seed;

	t.zones = zones_source(e->zones);
	for (int g = 0; g < group_count && !e->clocks.clocks; g++)
		e->clocks = timers_model_of(groups[g]);
	t.alarms = e->clocks.alarms;

	random_system(&seed, sizeof(seed));
	e->request_limits = (struct request_limits){
		.envelope = { (size_t)o->event_bytes, (int)o->depth },
		.events = (int)o->request_events,
		.expects = EXPECTS_MOST,
		.shards = e->shards,
	};
	e->feeds = mem_zalloc(sizeof(*e->feeds) * (size_t)((e->shards + 1) * group_count));
	for (int i = 0; i < (e->shards + 1) * group_count; i++)
		feed_init(&e->feeds[i], worker_share(e, 8, FEED_MOST));
	e->gate = (struct gate){ .most = APPENDS_AT_ONCE, .most_small = SMALL_AT_ONCE };
	e->appenders = mem_zalloc(sizeof(*e->appenders) * (size_t)(e->shards + 1));
	for (int i = 0; i <= e->shards; i++) {
		struct appender *a = &e->appenders[i];
		char name[64];

		snprintf(name, sizeof(name), "verbatim appender %d", i);
		appender_open(a, (int16_t)i, &e->env.env, e->factory->open(e->factory, name), &e->log, &batch, seed);
		a->gate = &e->gate;
		a->lone = &e->lone;
		a->load = &e->load;
		a->patience_ms = o->database_ms;
		a->committed = engine_committed;
		a->closed = on_appender_closed;
		a->data = e;
		e->appenders_open++;
	}
	reader_open(&e->reader, &e->env.env, e->factory->open(e->factory, "verbatim reader"));
	e->reader.may = method_may_read;
	e->reader.answer = method_answer_read;
	e->reader.data = e;
	t.feeds = e->feeds;
	threads_start(&e->threads, &t);
	e->waits = (struct waits){ .workers = e->threads.workers, .shards = e->shards + 1,
				   .answer = method_answer_wait, .data = e };
	for (int i = 0; i <= e->shards; i++)
		appender_start(&e->appenders[i]);
	reader_start(&e->reader);
	switcher_open(&e->switcher, &e->env.env, e->factory->open(e->factory, "verbatim switcher"), seed);
	switcher_start(&e->switcher);
	start_timers(e, seed);
}

void engine_log_known(struct engine *e)
{
	e->log.log_id = e->known.log_id;
	e->log.epoch = e->known.epoch;
	e->shards = e->known.shards;
	start_parts(e);
	control_journal(e);
	e->log_known_at = e->env.env.monotonic(&e->env.env);
	engine_look_ready(e);
}

void engine_look_ready(struct engine *e)
{
	if (e->ready || e->stopping || !e->log_known_at || !keyring_is_loaded(e->access.ring))
		return;
	if (listen_all(e, &e->fatal)) {
		begin_stop(e);
		return;
	}
	if (e->http)
		buffer_printf(&e->addresses, "http %s\n", e->http_address);
	e->ready = true;
	if (e->options->ready)
		e->options->ready(e->options->data, buffer_text(&e->addresses));
}

/* Keys that cannot be read, while the log can, are a person's to mend; a database that is only slow is waited for. */
static void look_at_keys(struct engine *e, int64_t now)
{
	struct error why;

	if (e->ready || e->stopping || !e->log_known_at || now - e->log_known_at < KEYS_MOST_MS * 1000)
		return;
	keyring_trouble(e->access.ring, &why);
	if (!why.code)
		return;
	error_prefix(&why, "the API keys cannot be read");
	engine_fail(e, &why);
}

/* ---- stop ---- */

static void end_loop(struct engine *e)
{
	session_flush_all(e);
	for (struct session *s = e->sessions, *next; s; s = next) {
		next = s->next;
		session_close(s);
	}
	access_stop(e);
	http_close(e->http);
	uv_close((uv_handle_t *)&e->moved, NULL);
	uv_close((uv_handle_t *)&e->stop, NULL);
	uv_close((uv_handle_t *)&e->reload, NULL);
	uv_close((uv_handle_t *)&e->flush, NULL);
	uv_close((uv_handle_t *)&e->sweep, NULL);
	control_close(e);
}

static void on_reader_closed(void *data)
{
	struct engine *e = data;

	waits_close(&e->waits);
	threads_stop(&e->threads);
	switcher_close(&e->switcher);
	end_loop(e);
}

static void on_appender_closed(void *data, struct appender *a)
{
	struct engine *e = data;

	(void)a;
	if (--e->appenders_open == 0) {
		e->reader.closed = on_reader_closed;
		reader_close(&e->reader);
	}
}

static void begin_stop(struct engine *e)
{
	if (e->stopping)
		return;
	e->stopping = true;
	if (e->options->stopping)
		e->options->stopping(e->options->data);
	for (int i = 0; i < e->listener_count; i++)
		uv_close(&e->listeners[i].handle, NULL);
	for (struct session *s = e->sessions, *next; s; s = next) {
		next = s->next;
		session_resume(s); /* stops reading */
	}
	if (!e->appenders) {
		end_loop(e);
		return;
	}
	for (int i = 1; e->timers && i <= e->shards; i++)
		timers_close(&e->timers[i]);
	for (int i = 0; i <= e->shards; i++)
		appender_close(&e->appenders[i]);
}

void engine_fail(struct engine *e, const struct error *why)
{
	e->fatal = *why;
	begin_stop(e);
}

static void on_stop(uv_async_t *handle)
{
	begin_stop(handle->data);
}

void server_stop(void)
{
	if (running)
		uv_async_send(&running->stop);
}

static void on_reload(uv_async_t *handle)
{
	struct engine *e = handle->data;

	if (e->options->reload && !e->stopping)
		e->options->reload(e->options->data);
}

void server_reload(void)
{
	if (running)
		uv_async_send(&running->reload);
}

static void release(struct engine *e)
{
	for (int i = 0; e->feeds && i < (e->shards + 1) * group_count; i++)
		feed_release(&e->feeds[i]);
	free(e->feeds);
	free(e->appenders);
	free(e->timers);
	threads_release(&e->threads);
	zones_free(e->zones);
	access_release(e);
	request_pool_release(&e->pool);
	buffer_release(&e->addresses);
	msgpack_zone_destroy(&e->zone);
	arena_release(&e->known_arena);
	pg_factory_free(e->factory);
}

/* As many sockets as are allowed, not as many as somebody's shell was set to. */
static void raise_file_limit(int64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= (rlim_t)wanted + FILES_OF_OUR_OWN)
		return;
	if (limit.rlim_max < (rlim_t)wanted + FILES_OF_OUR_OWN)
		log_warn("server", "the system allows %lld open files, too few for --connections %lld: raise the limit (LimitNOFILE=, ulimit -Hn)",
			 (long long)limit.rlim_max, (long long)wanted);
	limit.rlim_cur = limit.rlim_max < (rlim_t)wanted + FILES_OF_OUR_OWN ? limit.rlim_max : (rlim_t)wanted + FILES_OF_OUR_OWN;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* From the first moment on, so that a start that takes long can be watched. */
static int open_http(struct engine *e, struct error *error)
{
	return http_open(&e->loop, e->options->http, metrics_answer, e, &e->http, e->http_address, error);
}

int server_run(const struct server_options *options, struct error *error)
{
	struct engine *e = mem_zalloc(sizeof(*e));
	uint8_t random[16];
	int status;

	signal(SIGPIPE, SIG_IGN);
	raise_file_limit(options->connections);
	catalog_init();
	e->options = options;
	error_clear(&e->fatal);
	uv_loop_init(&e->loop);
	env_uv_init(&e->env, &e->loop);
	msgpack_zone_init(&e->zone, 64 << 10);
	arena_init(&e->known_arena, 1024);
	random_system(random, sizeof(random));
	uuid_v4(&e->owner, random);
	e->started_at = time_monotonic();
	e->inflight_limit = (size_t)options->memory_bytes / 4;
	e->partial_limit = (size_t)options->memory_bytes / 8;
	e->out_limit = (size_t)options->memory_bytes / 8;
	e->zones = zones_new();
	e->factory = pg_factory_new(&e->loop, options->conninfo, options->role, (int)options->database_ms);
	running = e;
	uv_async_init(&e->loop, &e->moved, on_moved);
	uv_async_init(&e->loop, &e->stop, on_stop);
	uv_async_init(&e->loop, &e->reload, on_reload);
	uv_prepare_init(&e->loop, &e->flush);
	uv_timer_init(&e->loop, &e->sweep);
	e->moved.data = e->stop.data = e->reload.data = e->flush.data = e->sweep.data = e;
	uv_prepare_start(&e->flush, on_flush);
	uv_timer_start(&e->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	access_start(e);
	checker_start(&e->checker, options->conninfo, options->check_every_ms, options->memory_bytes);
	control_start(e);
	if (zones_ready(e->zones, &e->fatal) || (options->http && *options->http && open_http(e, &e->fatal)))
		begin_stop(e);
	uv_run(&e->loop, UV_RUN_DEFAULT);
	checker_stop(&e->checker);
	status = e->fatal.code;
	if (status && error)
		*error = e->fatal;
	running = NULL;
	release(e);
	uv_loop_close(&e->loop);
	free(e);
	return status;
}
