/* rebuild_ops - see rebuild_ops.h; here: the real ones. */
#include "engine/rebuild_ops.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"

/* ---- sessions ---- */

/*
 * Building an index may take what the rows of a shard would, and no more processors than there are jobs.  Statistics of a
 * third of the usual grain cost a third.
 */
static int tune(struct pg_conn *c, int64_t index_bytes, struct error *error)
{
	int64_t kb = index_bytes / 4096 * 4;
	char sql[192];

	snprintf(sql, sizeof(sql), "SET maintenance_work_mem = '%lldkB'; SET synchronous_commit = off; SET default_statistics_target = 30;"
		 " SET max_parallel_maintenance_workers = 0", (long long)(kb < 1024 ? 1024 : kb > 1 << 20 ? 1 << 20 : kb));
	return db_exec(c, sql, error);
}

static int begin(struct pg_conn *c, struct error *error)
{
	return db_exec(c, "BEGIN", error);
}

static int begin_snapshot(struct pg_conn *c, struct error *error)
{
	return db_exec(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
}

static int commit(struct pg_conn *c, struct error *error)
{
	return db_exec(c, "COMMIT", error);
}

static int rollback(struct pg_conn *c, struct error *error)
{
	return db_exec(c, "ROLLBACK", error);
}

/* Who still reads what is to go is waited for a moment. */
static int drop_old(struct pg_conn *c, const struct group *group, int32_t but, int *count, struct error *error)
{
	int status = db_exec(c, "SET lock_timeout = '1s'", error);

	return status ? status : shadow_drop_old(c, group, but, count, error);
}

/* ---- the machine ---- */

static void pause_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

struct crew {
	const struct rebuild_crew *of;
	pthread_mutex_t lock; /* of `running` */
	pthread_cond_t ended;
	int running;
	struct hand {
		struct crew *crew;
		pthread_t thread;
		bool started;
	} hands[];
};

static void hand_ended(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->running--;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
}

static void *hand_works(void *data)
{
	struct hand *h = data;

	h->crew->of->work(h->crew->of->data, (int)(h - h->crew->hands));
	hand_ended(h->crew);
	return NULL;
}

static void attend_until_ended(struct crew *c)
{
	struct timespec until;

	pthread_mutex_lock(&c->lock);
	while (c->running > 0) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += REBUILD_ATTEND_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&c->ended, &c->lock, &until);
		if (c->running == 0)
			continue;
		pthread_mutex_unlock(&c->lock);
		c->of->attend(c->of->data);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

static void together(const struct rebuild_crew *crew)
{
	struct crew *c = mem_zalloc(sizeof(*c) + (size_t)crew->count * sizeof(c->hands[0]));

	c->of = crew;
	c->running = crew->count;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ended, NULL);
	for (int i = 0; i < crew->count; i++) {
		struct hand *h = &c->hands[i];

		h->crew = c;
		h->started = pthread_create(&h->thread, NULL, hand_works, h) == 0;
		if (h->started)
			continue;
		crew->missing(crew->data, i);
		hand_ended(c);
	}
	attend_until_ended(c);
	for (int i = 0; i < crew->count; i++)
		if (c->hands[i].started)
			pthread_join(c->hands[i].thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->ended);
	free(c);
}

const struct rebuild_ops rebuild_ops_real = {
	.session = { shadow_open, tune, db_close, begin, begin_snapshot, commit, rollback },
	.shadow = {
		.begin = shadow_begin, .look = shadow_look, .positions = shadow_positions, .beat = shadow_beat, .progress = shadow_progress,
		.folded = shadow_folded, .index = shadow_index, .finish = shadow_finish, .bring = shadow_bring, .level = shadow_level,
		.hold = shadow_hold, .mark = shadow_mark, .switch_to = shadow_switch, .give_up = shadow_give_up, .leave = shadow_leave,
		.untold = shadow_untold, .told = shadow_told, .drop_old = drop_old,
	},
	.log = { log_copy_open, log_copy_close, log_copy_begin, log_copy_begin_folding, log_copy_next },
	.rows = { row_copy_new, row_copy_free, row_copy_begin, row_copy_put, row_copy_end, row_copy_merge, row_copy_read },
	.machine = { time_monotonic, pause_ms, random_system, together },
};
