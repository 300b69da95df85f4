/* threads - see threads.h. */
#include "engine/threads.h"

#include "base/random.h"
#include "store/pg.h"

/*
 * Of a thread's workers, how many write at once.  One: what waits meanwhile makes a larger batch, which costs the
 * database half as much an event, and appends keep a core of their own.  When batches have grown large all the
 * same, the read models fall behind, and two write.
 */
enum { WRITING_AT_ONCE = 2, SMALL_AT_ONCE = 1 };

static void on_worker_closed(void *data, struct worker *w)
{
	struct thread *t = data;

	(void)w;
	if (--t->open == 0)
		uv_close((uv_handle_t *)&t->wake, NULL);
}

static void on_wake(uv_async_t *handle)
{
	struct thread *t = handle->data;

	for (int i = 0; i < t->count; i++) {
		if (t->stop)
			worker_close(t->workers[i]);
		else
			worker_wake(t->workers[i]);
	}
}

static void feed_wakes(void *data)
{
	struct thread *t = data;

	uv_async_send(&t->wake);
}

static void run(void *data)
{
	struct thread *t = data;

	for (int i = 0; i < t->count; i++)
		worker_start(t->workers[i]);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	pg_factory_free(t->factory);
	uv_loop_close(&t->loop);
}

void threads_start(struct threads *t, const struct threads_options *o)
{
	uint64_t seed;

	random_system(&seed, sizeof(seed));
	t->worker_count = o->shards * group_count;
	t->count = o->threads < t->worker_count ? o->threads : t->worker_count;
	t->workers = mem_zalloc(sizeof(*t->workers) * (size_t)t->worker_count);
	t->threads = mem_zalloc(sizeof(*t->threads) * (size_t)t->count);
	for (int i = 0; i < t->count; i++) {
		struct thread *th = &t->threads[i];

		th->gate = (struct gate){ .most = WRITING_AT_ONCE, .most_small = SMALL_AT_ONCE };
		th->pace = (struct pace){ .load = o->load, .limits = o->pace };
		uv_loop_init(&th->loop);
		uv_async_init(&th->loop, &th->wake, on_wake);
		th->wake.data = th;
		env_uv_init(&th->env, &th->loop);
		th->factory = pg_factory_new(&th->loop, o->conninfo, o->role, o->database_ms);
		th->workers = mem_zalloc(sizeof(*th->workers) * (size_t)t->worker_count);
	}
	for (int i = 0; i < t->worker_count; i++) {
		struct thread *th = &t->threads[i % t->count];
		struct worker *w = &t->workers[i];
		char name[64];

		snprintf(name, sizeof(name), "verbatim %s %d", groups[i / o->shards]->name, i % o->shards);
		worker_open(w, groups[i / o->shards], (int16_t)(i % o->shards), &th->env.env,
			    th->factory->open(th->factory, name), &o->feeds[i], &o->limits, &o->owner, seed + (uint64_t)i);
		w->rows.zones = o->zones;
		w->alarms = o->alarms; /* in another group no row is of that read model */
		w->gate = &th->gate;
		w->at_once = WRITING_AT_ONCE;
		w->pace = &th->pace;
		w->moved = o->moved;
		w->closed = on_worker_closed;
		w->data = th;
		th->workers[th->count++] = w;
		th->open++;
		o->feeds[i].wake = feed_wakes;
		o->feeds[i].data = th;
	}
	for (int i = 0; i < t->count; i++)
		uv_thread_create(&t->threads[i].id, run, &t->threads[i]);
}

struct worker *threads_worker(struct threads *t, const struct group *group, int shard)
{
	int shards = t->worker_count / group_count;

	for (int g = 0; g < group_count; g++)
		if (groups[g] == group)
			return &t->workers[g * shards + shard];
	return NULL;
}

int threads_load(const struct threads *t)
{
	int most = 0;

	for (int i = 0; i < t->count; i++) {
		int percent = atomic_load(&t->threads[i].pace.percent);

		most = percent > most ? percent : most;
	}
	return most;
}

void threads_stop(struct threads *t)
{
	for (int i = 0; i < t->count; i++) {
		t->threads[i].stop = true;
		uv_async_send(&t->threads[i].wake);
	}
	for (int i = 0; i < t->count; i++) {
		uv_thread_join(&t->threads[i].id);
		free(t->threads[i].workers);
	}
	free(t->threads);
	t->threads = NULL;
	t->count = 0;
}

void threads_release(struct threads *t)
{
	free(t->workers);
	memset(t, 0, sizeof(*t));
}
