/* checker - see checker.h. */
#include "engine/checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/time.h"
#include "engine/rebuild.h"

static bool is_closing(void *data)
{
	struct checker *c = data;

	return atomic_load(&c->closing);
}

static void note(struct checker *c, const struct rebuild_result *r, int64_t began, const struct error *error)
{
	size_t len = 0;

	pthread_mutex_lock(&c->lock);
	c->view.at = time_wall();
	c->view.took_us = time_monotonic() - began;
	c->view.checks++;
	c->view.running = false;
	c->view.error = *error;
	c->view.differences = error->code ? -1 : r->differences;
	c->view.differing[0] = 0;
	for (int i = 0; i < r->plan.count && !error->code; i++) {
		const struct projection *p = r->plan.tables[i].projection;

		if (r->differences_of[i] && len < CHECKER_NAMES)
			len += (size_t)snprintf(c->view.differing + len, CHECKER_NAMES - len, "%s%s.%s", len ? ", " : "", p->schema, p->name);
	}
	pthread_mutex_unlock(&c->lock);
	if (error->code)
		log_warn("checker", "the read models could not be compared: %s", error->message);
	else if (r->differences)
		log_error("checker", "%lld rows are not what the log says, in %s; verbatim check lists them, verbatim rebuild puts them right",
			  (long long)r->differences, c->view.differing);
	else
		log_info("checker", "%d read models hold what the log says", r->plan.count);
}

static void compare(struct checker *c)
{
	struct rebuild_options o = { .conninfo = c->conninfo, .group = groups[0], .wanted_count = groups[0]->count, .compare = true,
				     .compare_only = true, .jobs = 1, .memory = c->memory, .stop = is_closing, .data = c };
	struct rebuild_result *r = mem_zalloc(sizeof(*r));
	const char *folder = getenv("TMPDIR");
	int64_t began = time_monotonic();
	struct error error;

	o.folder = folder && *folder ? folder : "/tmp";
	for (int i = 0; i < groups[0]->count; i++)
		o.wanted[i] = groups[0]->projections[i];
	pthread_mutex_lock(&c->lock);
	c->view.running = true;
	pthread_mutex_unlock(&c->lock);
	error_clear(&error);
	if (rebuild_run(&o, r, &error) == 0)
		error_clear(&error);
	note(c, r, began, &error);
	free(r);
}

/* Until the time is up; false when it is to end. */
static bool rest(struct checker *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += c->every_ms / 1000;
	until.tv_nsec += c->every_ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&c->lock);
	while (!atomic_load(&c->closing) && pthread_cond_timedwait(&c->ended, &c->lock, &until) == 0)
		;
	pthread_mutex_unlock(&c->lock);
	return !atomic_load(&c->closing);
}

static void *run(void *data)
{
	struct checker *c = data;

	while (rest(c))
		compare(c);
	return NULL;
}

void checker_start(struct checker *c, const char *conninfo, int64_t every_ms, int64_t memory)
{
	memset(c, 0, sizeof(*c));
	c->conninfo = conninfo;
	c->every_ms = every_ms;
	c->memory = memory;
	c->view.at = TIME_NONE;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ended, NULL);
	if (every_ms && pthread_create(&c->thread, NULL, run, c)) {
		log_error("checker", "no thread can be had: the read models are not compared");
		c->every_ms = 0;
	}
}

void checker_stop(struct checker *c)
{
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->closing, true);
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	if (c->every_ms)
		pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->ended);
}

void checker_look(struct checker *c, struct checker_view *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->view;
	pthread_mutex_unlock(&c->lock);
}
