/* metrics - see metrics.h. */
#include "engine/metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "engine/notary.h"

/* ---- steps of histograms ---- */

const int64_t meter_commit_us[METER_STEPS] = { 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 125000, 250000, 500000, 1000000,
					       5000000 };
const int64_t meter_batch_events[METER_STEPS] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000 };

/* ---- lines ---- */

static void line(struct buffer *out, const char *name, const char *labels, int64_t value)
{
	buffer_printf(out, "%s%s%s%s %lld\n", name, *labels ? "{" : "", labels, *labels ? "}" : "", (long long)value);
}

/* Microseconds as seconds. */
static void seconds(struct buffer *out, const char *name, const char *labels, int64_t us)
{
	buffer_printf(out, "%s%s%s%s %lld.%06lld\n", name, *labels ? "{" : "", labels, *labels ? "}" : "", (long long)(us / 1000000),
		      (long long)(us % 1000000));
}

/* All appenders' meters in one; `at` is where it stands in an appender, `us` tells that it holds microseconds. */
static void histogram(const struct engine *e, struct buffer *out, const char *name, size_t at, const int64_t steps[METER_STEPS], bool us)
{
	int64_t below = 0, sum = 0;
	char text[80], labels[48];

	snprintf(text, sizeof(text), "%s_bucket", name);
	for (int i = 0; i <= METER_STEPS; i++) {
		for (int s = 0; s <= e->shards; s++)
			below += ((const struct meter *)(const void *)((const char *)&e->appenders[s] + at))->counts[i];
		if (i == METER_STEPS)
			snprintf(labels, sizeof(labels), "le=\"+Inf\"");
		else if (us)
			snprintf(labels, sizeof(labels), "le=\"%g\"", (double)steps[i] / 1e6);
		else
			snprintf(labels, sizeof(labels), "le=\"%lld\"", (long long)steps[i]);
		line(out, text, labels, below);
	}
	for (int s = 0; s <= e->shards; s++)
		sum += ((const struct meter *)(const void *)((const char *)&e->appenders[s] + at))->sum;
	snprintf(text, sizeof(text), "%s_sum", name);
	if (us)
		seconds(out, text, "", sum);
	else
		line(out, text, "", sum);
	snprintf(text, sizeof(text), "%s_count", name);
	line(out, text, "", below);
}

/* ---- what can be asked of the process, of a shard, of a worker ---- */

static int64_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int64_t n = -3; /* ".", "..", and the folder itself */

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int64_t lag_events(const struct engine *e, const struct worker *w)
{
	int64_t lag = e->appenders[w->shard].head - atomic_load(&w->view.position);

	return lag > 0 ? lag : 0;
}

/* Since when the oldest event that is not folded waits: it is younger than the last one folded, and than the last moment without any. */
static int64_t lag_us(const struct engine *e, const struct worker *w)
{
	int64_t since = atomic_load(&w->view.recorded_at), lag;

	if (!lag_events(e, w))
		return 0;
	since = since > w->caught_up ? since : w->caught_up;
	lag = time_wall() - since;
	return lag > 0 ? lag : 0;
}

void metrics_sweep(struct engine *e)
{
	int64_t now = time_wall();

	for (int i = 0; i < e->threads.worker_count; i++)
		if (!e->threads.workers[i].caught_up || !lag_events(e, &e->threads.workers[i]))
			e->threads.workers[i].caught_up = now;
}

/* ---- the figures ---- */

enum metric_id {
	BUILD_INFO, READY, DATABASE_UP, DATABASE_SILENT, START_TIME, RESIDENT, OPEN_FILES,
	CONNECTIONS, TLS_FAILURES, CERTIFICATE_EXPIRES, INFLIGHT, PARTIAL, OUT, READING_PAUSED, API_KEYS, LOGINS_REFUSED, THROTTLED,
	LOG_POSITION, APPENDER_UP, WAITING, APPENDED, COMMITS, DUPLICATES, REFUSED, BEHIND, BATCH_EVENTS, WAIT_SECONDS, COMMIT_SECONDS,
	PROJECTION_UP, PROJECTION_POSITION, LAG_EVENTS, LAG_SECONDS, PROJECTED, PROJECTION_COMMITS, ANOMALIES, LEASE_HELD, LEASE_MOVES,
	GENERATION_LAG,
	REBUILD_DONE, REBUILD_TOTAL, REBUILD_LEFT,
	TIMERS_UP, TIMERS_NEXT, TIMERS_LATE, WARNINGS, BREACHES,
	CHECKPOINT_UP, CHECKPOINT_POSITION, CHECKPOINT_AGE,
	CHECKS, CHECK_TIME, CHECK_DIFFERENCES,
	METRICS,
};

static const struct metric_name names[METRICS] = {
	[BUILD_INFO] = { "verbatim_build_info", "gauge", "the engine's version and which log it serves; always 1" },
	[READY] = { "verbatim_ready", "gauge", "1 when all is well, as `verbatim status` and /readyz say" },
	[DATABASE_UP] = { "verbatim_database_up", "gauge", "1 while the control session stands" },
	[DATABASE_SILENT] = { "verbatim_database_silent_seconds", "gauge", "how long the database has owed an answer" },
	[START_TIME] = { "process_start_time_seconds", "gauge", "when the engine was started, in Unix time" },
	[RESIDENT] = { "process_resident_memory_bytes", "gauge", "resident memory" },
	[OPEN_FILES] = { "process_open_fds", "gauge", "open file descriptors" },
	[CONNECTIONS] = { "verbatim_connections", "gauge", "clients" },
	[TLS_FAILURES] = { "verbatim_tls_failures_total", "counter", "connections that TLS ended: no handshake, or a record that was changed" },
	[CERTIFICATE_EXPIRES] = { "verbatim_tls_certificate_expires_time_seconds", "gauge", "until when the certificate is good that new connections get, in Unix time" },
	[INFLIGHT] = { "verbatim_inflight_bytes", "gauge", "memory of requests that are not answered yet" },
	[PARTIAL] = { "verbatim_partial_bytes", "gauge", "memory of messages that have not come whole yet" },
	[OUT] = { "verbatim_out_bytes", "gauge", "memory of answers that clients have not taken yet" },
	[READING_PAUSED] = { "verbatim_reading_paused", "gauge", "1 while no socket is read because a bound of --memory is reached" },
	[API_KEYS] = { "verbatim_api_keys", "gauge", "API keys that hold, as far as this engine knows" },
	[LOGINS_REFUSED] = { "verbatim_logins_refused_total", "counter", "hellos whose key was none that holds" },
	[THROTTLED] = { "verbatim_throttled_total", "counter", "requests and connections over a limit of their key or tenant" },
	[LOG_POSITION] = { "verbatim_log_position", "gauge", "the last position of a shard, as far as this engine knows" },
	[APPENDER_UP] = { "verbatim_appender_up", "gauge", "1 while a shard takes events" },
	[WAITING] = { "verbatim_waiting_events", "gauge", "events that wait for their commit" },
	[APPENDED] = { "verbatim_appended_events_total", "counter", "events committed by this engine, what it journals itself among them" },
	[COMMITS] = { "verbatim_append_commits_total", "counter", "batches committed by this engine" },
	[DUPLICATES] = { "verbatim_duplicate_events_total", "counter", "events that stood in the log already" },
	[REFUSED] = { "verbatim_refused_total", "counter", "calls answered with an error, by its code" },
	[BEHIND] = { "verbatim_append_behind_total", "counter", "batches formed anew because another engine had appended to the shard" },
	[BATCH_EVENTS] = { "verbatim_batch_events", "histogram", "events of a batch" },
	[WAIT_SECONDS] = { "verbatim_append_wait_seconds", "histogram", "from a request's coming to the sending of the batch that took it" },
	[COMMIT_SECONDS] = { "verbatim_commit_seconds", "histogram", "from sending a batch to knowing it committed" },
	[PROJECTION_UP] = { "verbatim_projection_up", "gauge", "1 while the read models of a shard are folded, here or by another engine" },
	[PROJECTION_POSITION] = { "verbatim_projection_position", "gauge", "how far the read models have come" },
	[LAG_EVENTS] = { "verbatim_projection_lag_events", "gauge", "events that the read models do not show yet" },
	[LAG_SECONDS] = { "verbatim_projection_lag_seconds", "gauge", "how long the oldest of these has waited, to the second" },
	[PROJECTED] = { "verbatim_projected_events_total", "counter", "events folded by this engine" },
	[PROJECTION_COMMITS] = { "verbatim_projection_commits_total", "counter", "transactions in which it wrote them" },
	[ANOMALIES] = { "verbatim_anomalies_total", "counter", "events that did not fit, met by this engine" },
	[LEASE_HELD] = { "verbatim_lease_held", "gauge", "1 while this engine folds the shard" },
	[LEASE_MOVES] = { "verbatim_lease_moves_total", "counter", "how often this engine took the shard over" },
	[GENERATION_LAG] = { "verbatim_generation_lag_events", "gauge", "events that a generation of read models has still to fold" },
	[REBUILD_DONE] = { "verbatim_rebuild_done", "gauge", "events, rows or tables that an unfinished rebuild is through with, of its step" },
	[REBUILD_TOTAL] = { "verbatim_rebuild_total", "gauge", "how many there are in that step" },
	[REBUILD_LEFT] = { "verbatim_rebuild_left_seconds", "gauge", "until the step ends, if it goes on as so far; absent: nobody can say yet" },
	[TIMERS_UP] = { "verbatim_sla_timers_up", "gauge", "1 while this engine watches the SLA clocks of a shard" },
	[TIMERS_NEXT] = { "verbatim_sla_next_due_time_seconds", "gauge", "the next instant at which a clock is due, in Unix time" },
	[TIMERS_LATE] = { "verbatim_sla_late_seconds", "gauge", "from the instant of the last warning or breach to its acknowledgement; not of what was past when it became known" },
	[WARNINGS] = { "verbatim_sla_warnings_total", "counter", "warnings journaled by this engine" },
	[BREACHES] = { "verbatim_sla_breaches_total", "counter", "breaches journaled by this engine" },
	[CHECKPOINT_UP] = { "verbatim_checkpoint_up", "gauge", "1 while the log extends what was signed of it; 0: nothing more is signed" },
	[CHECKPOINT_POSITION] = { "verbatim_checkpoint_position", "gauge", "the last position under a signed checkpoint" },
	[CHECKPOINT_AGE] = { "verbatim_checkpoint_age_seconds", "gauge", "since the shard's newest checkpoint was signed; 0 when it has all positions" },
	[CHECKS] = { "verbatim_checks_total", "counter", "comparisons of the read models with the log (--check-every) since the start" },
	[CHECK_TIME] = { "verbatim_check_time_seconds", "gauge", "when the last of them ended, in Unix time" },
	[CHECK_DIFFERENCES] = { "verbatim_check_differences", "gauge", "rows that differed; -1: it could not be made" },
};

int metrics_list(const struct metric_name **list)
{
	*list = names;
	return METRICS;
}

static void put_of_process(struct engine *e, enum metric_id id, struct buffer *out)
{
	const char *name = names[id].name;
	char text[UUID_TEXT], labels[128], why[512];

	switch (id) {
	case BUILD_INFO:
		snprintf(labels, sizeof(labels), "version=\"%s\",log_id=\"%s\"", VERBATIM_VERSION, uuid_format(&e->log.log_id, text));
		line(out, name, labels, 1);
		return;
	case READY: line(out, name, "", engine_is_well(e, why, sizeof(why))); return;
	case DATABASE_UP: line(out, name, "", e->control_connected && engine_silence_ms(e) < SILENT_MS); return;
	case DATABASE_SILENT: seconds(out, name, "", engine_silence_ms(e) * 1000); return;
	case START_TIME: seconds(out, name, "", time_wall() - (time_monotonic() - e->started_at)); return;
	case RESIDENT: line(out, name, "", engine_resident_bytes()); return;
	case OPEN_FILES: line(out, name, "", open_files()); return;
	case CONNECTIONS: line(out, name, "", e->session_count); return;
	case TLS_FAILURES: line(out, name, "", e->tls_failures); return;
	case CERTIFICATE_EXPIRES:
		if (e->options->tls)
			seconds(out, name, "", tls_context_expires(e->options->tls));
		return;
	case INFLIGHT: line(out, name, "", (int64_t)e->inflight_bytes); return;
	case PARTIAL: line(out, name, "", (int64_t)e->partial_bytes); return;
	case OUT: line(out, name, "", (int64_t)e->out_bytes); return;
	case READING_PAUSED: line(out, name, "", e->paused); return;
	case API_KEYS: line(out, name, "", keyring_count(e->access.ring)); return;
	case LOGINS_REFUSED: line(out, name, "", e->access.refused_logins); return;
	case THROTTLED: line(out, name, "", e->access.throttled); return;
	default: return;
	}
}

static void put_refused(const struct engine *e, enum metric_id id, struct buffer *out)
{
	char labels[64];

	for (int i = 1; i <= (int)ERROR_COUNT; i++) {
		if (!e->refused_by[i])
			continue;
		snprintf(labels, sizeof(labels), "code=\"%s\"", error_name(-i));
		line(out, names[id].name, labels, e->refused_by[i]);
	}
}

static void put_of_shard(const struct engine *e, enum metric_id id, const struct appender *a, struct buffer *out)
{
	const char *name = names[id].name;
	char labels[32];

	snprintf(labels, sizeof(labels), "shard=\"%d\"", a->shard);
	switch (id) {
	case LOG_POSITION: line(out, name, labels, a->head); return;
	case APPENDER_UP: line(out, name, labels, engine_appender_is_well(a)); return;
	case WAITING: line(out, name, labels, a->batch.count + a->queue.events); return;
	case APPENDED: line(out, name, labels, a->events + a->journaled); return;
	case COMMITS: line(out, name, labels, a->batches); return;
	case DUPLICATES: line(out, name, labels, a->duplicates); return;
	case BEHIND: line(out, name, labels, a->behind); return;
	default: (void)e; return;
	}
}

static void put_of_worker(const struct engine *e, enum metric_id id, const struct worker *w, struct buffer *out)
{
	const char *name = names[id].name;
	char labels[96];

	snprintf(labels, sizeof(labels), "group=\"%s\",shard=\"%d\"", w->group->name, w->shard);
	switch (id) {
	case PROJECTION_UP: line(out, name, labels, worker_is_well(w)); return;
	case PROJECTION_POSITION: line(out, name, labels, atomic_load(&w->view.position)); return;
	case LAG_EVENTS: line(out, name, labels, lag_events(e, w)); return;
	case LAG_SECONDS: seconds(out, name, labels, lag_us(e, w)); return;
	case PROJECTED: line(out, name, labels, atomic_load(&w->view.events)); return;
	case PROJECTION_COMMITS: line(out, name, labels, atomic_load(&w->view.batches)); return;
	case ANOMALIES: line(out, name, labels, atomic_load(&w->view.anomalies)); return;
	case LEASE_HELD: line(out, name, labels, atomic_load(&w->view.owner)); return;
	case LEASE_MOVES: line(out, name, labels, atomic_load(&w->view.taken)); return;
	default: return;
	}
}

static void put_of_generations(const struct engine *e, enum metric_id id, struct buffer *out)
{
	int64_t head = 0;
	char labels[160];

	for (int i = 0; i <= e->shards; i++)
		head += e->appenders[i].head;
	for (int i = 0; i < e->switcher.seen.count; i++) {
		const struct generation *g = &e->switcher.seen.list[i];

		snprintf(labels, sizeof(labels), "group=\"%s\",generation=\"%d\",state=\"%s\"", g->group->name, g->generation,
			 generation_state(g));
		line(out, names[id].name, labels, head > g->position ? head - g->position : 0);
	}
}

static void put_of_rebuilds(const struct engine *e, enum metric_id id, struct buffer *out)
{
	const char *name = names[id].name;
	char labels[128];

	for (int i = 0; i < e->switcher.seen.rebuild_count; i++) {
		const struct rebuild_seen *r = &e->switcher.seen.rebuilds[i];
		int64_t left = rebuild_seen_left(r);

		snprintf(labels, sizeof(labels), "group=\"%s\",rebuild=\"%d\",step=\"%s\"", r->group, r->rebuild, r->step);
		if (id != REBUILD_LEFT)
			line(out, name, labels, id == REBUILD_DONE ? r->done : r->total);
		else if (left >= 0)
			seconds(out, name, labels, left);
	}
}

static void put_of_timers(enum metric_id id, const struct timers *t, struct buffer *out)
{
	const char *name = names[id].name;
	bool owner = atomic_load(&t->fold->owner);
	char labels[32];

	snprintf(labels, sizeof(labels), "shard=\"%d\"", t->shard);
	switch (id) {
	case TIMERS_UP: line(out, name, labels, owner && !t->trouble.code); return;
	case TIMERS_NEXT:
		if (owner && t->next != INT64_MAX)
			seconds(out, name, labels, t->next);
		return;
	case TIMERS_LATE: seconds(out, name, labels, t->late > 0 ? t->late : 0); return;
	case WARNINGS: line(out, name, labels, t->warnings); return;
	case BREACHES: line(out, name, labels, t->breaches); return;
	default: return;
	}
}

static void put_of_checkpoint(struct engine *e, enum metric_id id, int shard, struct buffer *out)
{
	const char *name = names[id].name;
	struct notary_view v;
	char labels[32];

	if (!notary_look(e->options->notary, shard, &v))
		return;
	snprintf(labels, sizeof(labels), "shard=\"%d\"", shard);
	switch (id) {
	case CHECKPOINT_UP: line(out, name, labels, v.well); return;
	case CHECKPOINT_POSITION: line(out, name, labels, v.size); return;
	case CHECKPOINT_AGE:
		if (v.size >= e->appenders[shard].head)
			seconds(out, name, labels, 0);
		else if (v.signed_at != TIME_NONE)
			seconds(out, name, labels, time_wall() > v.signed_at ? time_wall() - v.signed_at : 0);
		return;
	default: return;
	}
}

static void put_of_check(struct engine *e, enum metric_id id, struct buffer *out)
{
	struct checker_view v;

	if (!e->checker.every_ms)
		return;
	checker_look(&e->checker, &v);
	if (id == CHECKS)
		line(out, names[id].name, "", v.checks);
	else if (v.at != TIME_NONE && id == CHECK_TIME)
		seconds(out, names[id].name, "", v.at);
	else if (v.at != TIME_NONE)
		line(out, names[id].name, "", v.differences);
}

static void put(struct engine *e, enum metric_id id, struct buffer *out)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", names[id].name, names[id].help, names[id].name, names[id].type);
	if (id < LOG_POSITION)
		put_of_process(e, id, out);
	else if (id == REFUSED)
		put_refused(e, id, out);
	else if (!e->appenders)
		return; /* the log is not known yet */
	else if (id == BATCH_EVENTS)
		histogram(e, out, names[id].name, offsetof(struct appender, batch_meter), meter_batch_events, false);
	else if (id == WAIT_SECONDS)
		histogram(e, out, names[id].name, offsetof(struct appender, wait_meter), meter_commit_us, true);
	else if (id == COMMIT_SECONDS)
		histogram(e, out, names[id].name, offsetof(struct appender, commit_meter), meter_commit_us, true);
	else if (id < PROJECTION_UP)
		for (int i = 0; i <= e->shards; i++)
			put_of_shard(e, id, &e->appenders[i], out);
	else if (id < GENERATION_LAG)
		for (int i = 0; i < e->threads.worker_count; i++)
			put_of_worker(e, id, &e->threads.workers[i], out);
	else if (id == GENERATION_LAG)
		put_of_generations(e, id, out);
	else if (id < TIMERS_UP)
		put_of_rebuilds(e, id, out);
	else if (id < CHECKPOINT_UP)
		for (int i = 1; e->timers && i <= e->shards; i++)
			put_of_timers(id, &e->timers[i], out);
	else if (id < CHECKS)
		for (int i = 0; i <= e->shards; i++)
			put_of_checkpoint(e, id, i, out);
	else
		put_of_check(e, id, out);
}

int metrics_answer(void *engine, const char *path, struct buffer *body, const char **type)
{
	struct engine *e = engine;
	char why[512];

	if (strcmp(path, "/metrics") == 0) {
		*type = "text/plain; version=0.0.4; charset=utf-8";
		for (int id = 0; id < METRICS; id++)
			put(e, (enum metric_id)id, body);
		return 200;
	}
	if (strcmp(path, "/healthz") == 0) { /* whoever reads this has got an answer from the loop: it is alive */
		buffer_add_text(body, "alive\n");
		return 200;
	}
	if (strcmp(path, "/readyz") == 0) {
		bool well = engine_is_well(e, why, sizeof(why));

		buffer_printf(body, "%s\n", well ? "ready" : why[0] ? why : e->stopping ? "the engine is shutting down" : "not ready yet");
		return well ? 200 : 503;
	}
	buffer_add_text(body, "there are /metrics, /healthz and /readyz\n");
	return 404;
}
