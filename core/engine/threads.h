/*
 * threads - the workers' threads: each with a loop, sessions with the database and timers of its own.
 */
#ifndef VERBATIM_ENGINE_THREADS_H
#define VERBATIM_ENGINE_THREADS_H

#include <uv.h>

#include "engine/env_uv.h"
#include "engine/worker.h"

struct thread {
	uv_thread_t id;
	uv_loop_t loop;
	uv_async_t wake;
	struct env_uv env;
	struct store_factory *factory;
	struct worker **workers; /* borrowed from threads.workers */
	int count, open;
	struct gate gate;
	struct pace pace;
	_Atomic bool stop;
};

struct threads {
	struct thread *threads;
	int count;
	struct worker *workers;  /* by group * shards_with_system + shard */
	int worker_count;
};

struct threads_options {
	const char *conninfo;
	const char *role;
	int database_ms;
	int threads;
	int shards;              /* with shard 0 */
	struct feed *feeds;
	const struct load *load;  /* of the appends */
	struct pace_limits pace;
	struct worker_limits limits;
	struct uuid owner;
	struct zone_source zones;
	struct worker_alarms alarms; /* for the workers of that read model's group */
	void (*moved)(void *data, struct worker *w); /* on a worker's thread */
	void *data;
};

/* Makes the workers and starts the threads. */
void threads_start(struct threads *t, const struct threads_options *options);

struct worker *threads_worker(struct threads *t, const struct group *group, int shard);

/* The share of the time that appends were at the database, lately, as the workers see it. */
int threads_load(const struct threads *t);

/* Asks all workers to end, waits for the threads, frees everything but the views (threads_release). */
void threads_stop(struct threads *t);
void threads_release(struct threads *t);

#endif
