/* rebuild - see rebuild.h; here: the steps in their order, the threads, the switch. */
#include "engine/rebuild.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/time.h"
#include "engine/fault.h"
#include "engine/rebuild_private.h"
#include "engine/zones.h"
#include "fold/inputs.h"

enum {
	BEAT_MS = 1000,
	NEAR = 500,            /* events to fold: few enough to hold the workers for */
	ROUNDS_MOST = 50,      /* of catching up before the workers are held anyway */
	SWITCHES_MOST = 40,
	TRIES_SHORT = 3,
	PAUSE_FIRST_MS = 20,
	PAUSE_MOST_MS = 2000,
	INDEX_SHARES = 4,      /* of a job's share of the indexes: a table with more than one of them is shared */
};

/* ---- the threads ---- */

static void job_close(struct job *j)
{
	const struct rebuild_ops *ops = j->of ? j->of->ops : NULL;

	if (j->log)
		ops->log.close(j->log);
	if (j->copy)
		ops->rows.close(j->copy);
	if (j->conn)
		ops->session.close(j->conn);
	j->log = NULL;
	j->copy = NULL;
	j->conn = NULL;
}

static int job_open(struct job *j, struct error *error)
{
	const struct rebuild_options *o = j->of->options;
	const struct rebuild_ops *ops = j->of->ops;
	char name[64];
	int status = 0;

	snprintf(name, sizeof(name), "verbatim %s %d", o->compare_only ? "check" : "rebuild", j->number);
	if (!j->log)
		status = ops->log.open(o->conninfo, "verbatim_engine", name, &j->log, NULL, error);
	if (status || j->conn)
		return status;
	status = ops->session.open(o->conninfo, name, &j->conn, error);
	if (status)
		return status;
	j->copy = ops->rows.open(j->conn);
	return ops->session.tune(j->conn, o->memory / j->of->job_count, error);
}

static void work(void *data, int number)
{
	struct rebuild *r = data;
	struct job *j = &r->jobs[number];
	int task, status = job_open(j, &j->error);

	while (status == 0 && !atomic_load(&r->stopping) && (task = atomic_fetch_add(&r->next_task, 1)) < r->task_count)
		status = r->task(j, task, &j->error);
	if (status) {
		j->error.code = status;
		atomic_store(&r->stopping, true);
	}
}

static void work_not(void *data, int number)
{
	struct rebuild *r = data;

	error_set(&r->jobs[number].error, E_NO_MEMORY, "no thread can be had");
	atomic_store(&r->stopping, true);
}

int rebuild_attend(struct rebuild *r, struct error *error)
{
	const struct rebuild_options *o = r->options;
	struct rebuild_progress p = { .step = r->step, .done = atomic_load(&r->done), .total = r->total };

	if (o->progress)
		o->progress(o->data, &p);
	if (o->stop && o->stop(o->data))
		return error_set(error, E_INTERRUPTED, "interrupted");
	if (!r->plan->rebuild || r->ops->machine.now() - r->beaten < BEAT_MS * 1000)
		return 0;
	r->beaten = r->ops->machine.now();
	return r->ops->shadow.progress(r->beat, r->plan, p.step, p.done, p.total, error);
}

static void attend(void *data)
{
	struct rebuild *r = data;

	if (r->attending.code == 0 && rebuild_attend(r, &r->attending))
		atomic_store(&r->stopping, true);
}

/* The first thing that went wrong; that others were stopped because of it is not it. */
static int first_error(struct rebuild *r, struct error *error)
{
	if (r->attending.code) {
		*error = r->attending;
		return error->code;
	}
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < r->job_count; i++)
			if (r->jobs[i].error.code && (pass || r->jobs[i].error.code != E_INTERRUPTED)) {
				*error = r->jobs[i].error;
				return error->code;
			}
	return 0;
}

int rebuild_tasks(struct rebuild *r, const char *step, int64_t total, int count,
		  int (*task)(struct job *j, int number, struct error *error), struct error *error)
{
	struct rebuild_crew crew = { count < r->job_count ? count : r->job_count, work, work_not, attend, r };

	r->step = step;
	r->total = total;
	r->task = task;
	r->task_count = count;
	error_clear(&r->attending);
	atomic_store(&r->done, 0);
	atomic_store(&r->next_task, 0);
	atomic_store(&r->stopping, false);
	for (int i = 0; i < r->job_count; i++) {
		struct job *j = &r->jobs[i];

		error_clear(&j->error);
		j->of = r;
		j->number = i + 1;
	}
	r->ops->machine.together(&crew);
	return first_error(r, error);
}

/* ---- where to ---- */

int rebuild_aim(struct rebuild *r, struct pg_conn *c, bool first, int64_t *behind, struct error *error)
{
	struct shadow_position *at = mem_alloc(SHARDS_MAX * sizeof(*at));
	int count = 0, status = r->ops->shadow.positions(c, r->options->group, r->plan->generation, at, &count, error);

	*behind = 0;
	for (int i = 0; i < count && status == 0; i++) {
		struct shard_fold *s = r->shards ? &r->shards[i] : NULL;
		bool ahead = r->whole && (!at[i].sound || (first && !r->options->compare));
		int64_t target = ahead ? at[i].head : at[i].live;

		if (at[i].diverged)
			status = error_set(error, E_LOG_DIVERGED, "shard %d: the log is not the one that the read models have seen; adopt it first with"
					   " verbatim init --adopt", at[i].shard);
		else if (!at[i].sound && !r->whole)
			status = error_set(error, E_LOG_DIVERGED, "shard %d: the read models stand at position %lld of a log that was lost; rebuild them all"
					   " together with --all", at[i].shard, (long long)at[i].live);
		if (status || !s)
			continue;
		/* A new generation may be ahead of one that stands still; what it lacks of an unsound one nobody can say. */
		if (!at[i].sound && !first && s->position)
			target = s->position;
		s->target = target > s->position ? target : s->position;
		*behind += s->target - s->position;
	}
	if (status == 0 && !r->shards)
		r->shard_count = count;
	free(at);
	return status;
}

/* ---- the steps ---- */

static void find_wanted(struct rebuild *r)
{
	for (int i = 0; i < r->plan->count; i++) {
		r->wanted_at[i] = -1;
		for (int k = 0; k < r->inputs->count; k++)
			if (r->inputs->projections[k] == r->plan->tables[i].projection)
				r->wanted_at[i] = k;
		assert(r->wanted_at[i] >= 0);
	}
}

static int open_shards(struct rebuild *r, struct error *error)
{
	int64_t behind;
	int status = rebuild_aim(r, r->main, true, &behind, error);

	if (status)
		return status;
	r->shards = mem_zalloc((size_t)r->shard_count * sizeof(*r->shards));
	status = rebuild_aim(r, r->main, true, &behind, error);
	/* Memory goes by events; to a shard that has next to none goes next to nothing. */
	for (int i = 0; i < r->shard_count; i++)
		shard_open(&r->shards[i], r, (int16_t)i,
			   (int64_t)((double)r->options->memory * (double)(r->shards[i].target + 1) / (double)(behind + r->shard_count)));
	return status;
}

static int64_t to_fold(const struct rebuild *r)
{
	int64_t events = 0;

	for (int i = 0; i < r->shard_count; i++)
		events += (r->shards[i].written >= 0 ? r->shards[i].written : r->shards[i].target) - r->shards[i].position;
	return events;
}

static int fold_and_write(struct job *j, int number, struct error *error)
{
	int status = shard_fold(j, number, error);

	return status ? status : shard_write(j, number, error);
}

static int by_cost(const void *a, const void *b)
{
	const struct index_part *x = a, *y = b;

	return x->cost != y->cost ? (x->cost < y->cost ? 1 : -1) : x->table != y->table ? x->table - y->table : x->first - y->first;
}

static int64_t rows_of(const struct rebuild *r, int table)
{
	return r->result->digests[table].rows + 1;
}

/*
 * Which indexes are made when: the largest first, so that no job is left with much at the end.  A table whose indexes are a
 * good part of a job's share is divided among the jobs; the many small ones cost less when they are asked for once.
 */
static void divide_indexes(struct rebuild *r)
{
	int64_t all = 0;
	int count = 0;

	for (int i = 0; i < r->plan->count; i++) {
		all += rows_of(r, i) * r->plan->tables[i].indexes;
		count += r->plan->tables[i].indexes + 1;
	}
	r->parts = mem_alloc((size_t)count * sizeof(*r->parts));
	for (int i = 0; i < r->plan->count; i++) {
		int indexes = r->plan->tables[i].indexes, before = r->part_count;
		bool divided = indexes > 1 && rows_of(r, i) * indexes > all / (INDEX_SHARES * r->job_count);
		int step = divided ? 1 : indexes + 1;

		for (int k = 1; k <= indexes || k == 1; k += step)
			r->parts[r->part_count++] = (struct index_part){ i, k, k + step - 1, rows_of(r, i) * (divided ? 1 : indexes) };
		atomic_store(&r->parts_left[i], r->part_count - before);
	}
	qsort(r->parts, (size_t)r->part_count, sizeof(r->parts[0]), by_cost);
}

static int index_part(struct job *j, int number, struct error *error)
{
	struct rebuild *r = j->of;
	const struct index_part *part = &r->parts[number];
	const struct projection *p = r->plan->tables[part->table].projection;
	int status = r->ops->shadow.index(j->conn, r->plan, p, part->first, part->last, error);

	fault_point("rebuild.indexed");
	if (status == 0 && atomic_fetch_sub(&r->parts_left[part->table], 1) == 1) {
		status = r->ops->shadow.finish(j->conn, r->plan, p, error);
		atomic_fetch_add(&r->done, 1);
	}
	return status ? error_prefix(error, "index of %s", p->name) : 0;
}

static int index_tables(struct rebuild *r, struct error *error)
{
	int64_t began = time_monotonic();
	int status;

	divide_indexes(r);
	status = rebuild_tasks(r, "index", r->plan->count, r->part_count, index_part, error);
	r->result->index_us = time_monotonic() - began;
	return status;
}

static void keep_digests(struct rebuild *r)
{
	for (int i = 0; i < r->shard_count; i++) {
		r->result->at[i].position = r->shards[i].digests_at;
		for (int k = 0; k < r->plan->count; k++)
			digest_join(&r->result->digests[k], &r->shards[i].digests[k]);
	}
}

/* The shards that have something to fold are the tasks that cost; the others end at once. */
static int catch_up(struct rebuild *r, struct pg_conn *c, int64_t *behind, struct error *error)
{
	int status = rebuild_aim(r, c, false, behind, error);

	if (status || *behind == 0)
		return status;
	return rebuild_tasks(r, "catch up", *behind, r->shard_count, shard_merge, error);
}

static int come_near(struct rebuild *r, struct error *error)
{
	int64_t behind = NEAR, began = time_monotonic();
	int status = 0;

	for (int round = 0; round < ROUNDS_MOST && behind >= NEAR && status == 0; round++)
		status = catch_up(r, r->main, &behind, error);
	fault_point("rebuild.caught_up");
	r->result->catch_up_us += time_monotonic() - began;
	return status;
}

static int catch_up_held(struct rebuild *r, struct error *error)
{
	int64_t behind;

	return fault_on("rebuild.no_catch_up") ? 0 : catch_up(r, r->main, &behind, error);
}

/* The event's words go along, so that whoever comes next can say them if this process cannot any more. */
static int switch_views(struct rebuild *r, int32_t next, int patience_ms, int64_t *locked_us, struct error *error)
{
	struct buffer event = { 0 };
	int status;

	for (int i = 0; r->shards && i < r->shard_count; i++)
		r->result->at[i].switched_at = r->shards[i].position;
	r->result->became = next;
	r->options->event(r->options->data, r->result, &event);
	r->result->became = 0;
	status = r->ops->shadow.switch_to(r->main, r->plan, next, patience_ms, buffer_text(&event), locked_us, error);
	buffer_release(&event);
	return status;
}

int rebuild_switch_once(struct rebuild *r, int (*level)(struct rebuild *r, struct error *error), int try, struct error *error)
{
	/* Where views cannot be replaced in a moment (many of them, a machine without a processor to spare), it takes one longer: if it may. */
	int doubled = try < TRIES_SHORT ? 0 : try - TRIES_SHORT < 5 ? try - TRIES_SHORT + 1 : 5;
	int64_t longer = (int64_t)REBUILD_READERS_MS << doubled;
	int patience_ms = (int)(longer < r->options->readers_ms ? longer : r->options->readers_ms);
	int64_t held = 0, locked = 0, began;
	int32_t next = 0;
	int status = r->ops->session.begin(r->main, error);

	if (status == 0)
		status = r->ops->shadow.hold(r->main, r->plan, error);
	held = time_monotonic();
	fault_point("rebuild.held");
	if (status == 0)
		status = level(r, error);
	if (status == 0)
		status = r->ops->shadow.mark(r->beat, r->plan, &next, error);
	fault_point("rebuild.marked");
	if (status == 0)
		status = switch_views(r, next, patience_ms, &locked, error);
	fault_point("rebuild.switching");
	began = time_monotonic();
	if (status == 0) {
		status = r->ops->session.commit(r->main, error);
		status = fault_on("rebuild.lost_is_done") ? 0 : status;
	}
	if (status) {
		struct error ignored;

		/* Whoever cannot even say that has lost the session, and the server rolls back. */
		return r->ops->session.rollback(r->main, &ignored) && status == E_BUSY ? E_UNAVAILABLE : status;
	}
	r->result->became = next;
	r->result->held_us = time_monotonic() - held;
	r->result->switch_us = locked + time_monotonic() - began;
	fault_point("rebuild.switched");
	return 0;
}

static int switch_over(struct rebuild *r, struct error *error)
{
	int status = E_BUSY;

	for (int try = 0; try < SWITCHES_MOST && status == E_BUSY; try++) {
		int64_t pause = PAUSE_FIRST_MS << (try < 8 ? try : 8);

		if (try) {
			r->ops->machine.pause(pause < PAUSE_MOST_MS ? pause : PAUSE_MOST_MS);
			status = rebuild_attend(r, error);
			if (status == 0)
				status = come_near(r, error);
			if (status)
				return status;
		}
		r->step = "switch";
		r->total = 0;
		status = rebuild_switch_once(r, catch_up_held, try, error);
	}
	if (status == E_BUSY)
		return error_prefix(error, "not switched after %d tries (what is written waits for the same command; --readers-wait gives it more time)",
				    SWITCHES_MOST);
	return status;
}

static int compare(struct rebuild *r, struct error *error)
{
	int64_t began = time_monotonic();
	int status = rebuild_compare(r, error);

	r->result->compare_us = time_monotonic() - began;
	if (status || r->result->differences == 0 || r->options->compare_only)
		return status;
	r->result->forced = r->options->force;
	if (!r->options->force)
		status = error_set(error, E_DIFFERS, "%lld rows differ from what is live; nothing was switched (--force does it all the same)",
				   (long long)r->result->differences);
	return status;
}

static int steps(struct rebuild *r, struct error *error)
{
	int64_t began = time_monotonic();
	int status;

	find_wanted(r);
	status = open_shards(r, error);
	r->result->shards = r->shard_count;
	if (status == 0)
		status = rebuild_tasks(r, "fold", to_fold(r), r->shard_count, fold_and_write, error);
	if (status)
		return status;
	r->result->fold_us = time_monotonic() - began;
	keep_digests(r);
	if (r->plan->rebuild)
		status = index_tables(r, error);
	if (status == 0 && r->plan->rebuild)
		status = come_near(r, error);
	if (status == 0 && (r->options->compare || r->options->compare_only))
		status = compare(r, error);
	if (status == 0 && r->plan->rebuild && !r->options->keep)
		status = switch_over(r, error);
	return status;
}

/* ---- beginning and end ---- */

int rebuild_open(struct rebuild *r, struct error *error)
{
	const char *name = r->options->compare_only ? "verbatim check" : "verbatim rebuild";
	int status = zones_ready(r->zones, error);

	if (!status)
		status = r->ops->session.open(r->options->conninfo, name, &r->main, error);
	return status ? status : r->ops->session.open(r->options->conninfo, name, &r->beat, error);
}

void rebuild_init(struct rebuild *r, const struct rebuild_options *o, struct rebuild_result *result)
{
	uint8_t bytes[16];

	memset(r, 0, sizeof(*r));
	memset(result, 0, sizeof(*result));
	r->options = o;
	r->ops = o->ops ? o->ops : &rebuild_ops_real;
	r->result = result;
	r->plan = &result->plan;
	r->job_count = o->jobs < 1 ? 1 : o->jobs > REBUILD_JOBS_MAX ? REBUILD_JOBS_MAX : o->jobs;
	r->whole = o->wanted_count == o->group->count;
	r->step = "begin";
	result->differences = -1;
	r->zones = zones_new();
	snprintf(result->zones_version, sizeof(result->zones_version), "%s", zones_version(r->zones));
	r->ops->machine.random(bytes, sizeof(bytes));
	uuid_v4(&result->plan.owner, bytes);
}

/* There is a way back to the tables that were just replaced; those before them go, unless somebody still reads them. */
static void drop_older(struct rebuild *r)
{
	struct error ignored;
	int count, status = r->ops->shadow.drop_old(r->beat, r->options->group, r->plan->generation, &count, &ignored);

	(void)status; /* another time, or --drop-old */
}

/* What is begun goes, or waits: an interrupted one, or one that could not switch, for whoever resumes it, what cannot be told any more as well. */
static void leave(struct rebuild *r, int status)
{
	struct error ignored;
	int left = 0;

	if (r->result->became)
		drop_older(r);
	if (!r->plan->rebuild || r->result->became)
		return;
	if (status == 0 || status == E_INTERRUPTED || (status == E_BUSY && r->inputs)) /* there is nothing to wait for on the way back */
		left = r->ops->shadow.leave(r->beat, r->plan, &ignored);
	else if (status != E_FENCED)
		left = r->ops->shadow.give_up(r->beat, r->plan, &ignored);
	(void)left; /* then the heart stops, and the next one sees to it */
}

void rebuild_close(struct rebuild *r, int status)
{
	/* The jobs' transactions end before the shadows go. */
	for (int i = 0; i < r->job_count; i++) {
		const struct job *j = &r->jobs[i];
		int64_t parsing = j->metered_us ? (int64_t)((double)j->folding_us * (double)j->metered_parsing_us / (double)j->metered_us) : 0;

		r->result->reading_us += j->reading_us;
		r->result->parsing_us += parsing;
		r->result->folding_us += j->folding_us - parsing;
		r->result->writing_us += j->writing_us;
		job_close(&r->jobs[i]);
	}
	leave(r, status);
	for (int i = 0; r->shards && i < r->shard_count; i++) {
		r->result->events += r->shards[i].position;
		r->result->spilled += r->shards[i].spill.spilled;
		shard_close(&r->shards[i]);
	}
	free(r->shards);
	free(r->parts);
	if (r->main)
		r->ops->session.close(r->main);
	if (r->beat)
		r->ops->session.close(r->beat);
	zones_free(r->zones);
	free(r);
}

/* Whoever was succeeded meets all sorts of refusals; that he was is the reason for them. */
static int true_reason(struct rebuild *r, int status, struct error *error)
{
	struct error fenced;

	if (!status || status == E_FENCED || !r->plan->rebuild || r->result->became)
		return status;
	if (r->ops->shadow.beat(r->beat, r->plan, &fenced) != E_FENCED)
		return status;
	*error = fenced;
	return E_FENCED;
}

int rebuild_run(const struct rebuild_options *o, struct rebuild_result *result, struct error *error)
{
	struct rebuild *r = mem_alloc(sizeof(*r));
	int status;

	rebuild_init(r, o, result);
	r->inputs = result->inputs = group_inputs(o->group, o->wanted, o->wanted_count);
	status = rebuild_open(r, error);
	if (status == 0 && o->compare_only)
		status = r->ops->shadow.look(r->main, o->group, o->wanted, o->wanted_count, r->plan, NULL, 0, error);
	else if (status == 0)
		status = r->ops->shadow.begin(r->beat, o->group, o->wanted, o->wanted_count, o->how, r->plan, error);
	if (status) {
		result->plan.rebuild = 0;
	} else {
		r->beaten = r->ops->machine.now();
		fault_point("rebuild.begun");
		status = true_reason(r, steps(r, error), error);
	}
	rebuild_close(r, status);
	return status;
}
