/* status - the engine's state as one map, for `verbatim status` and for monitoring. */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/notary.h"
#include "engine/rpc.h"

int64_t engine_resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long long size = 0, resident = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lld %lld", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * sysconf(_SC_PAGESIZE);
}

static bool is_silent(const struct engine *e)
{
	return engine_silence_ms(e) >= SILENT_MS;
}

static const char *silence_words(int64_t ms, char out[64])
{
	snprintf(out, 64, "the database has not answered for %lld s", (long long)(ms / 1000));
	return out;
}

static const char *either(const char *words, const char *otherwise)
{
	return words[0] ? words : otherwise;
}

/* What is wrong with an appender, in words; "" when nothing is. */
static const char *appender_trouble(const struct appender *a, char out[64])
{
	int64_t silence_ms = appender_silence_ms(a);

	if (a->trouble.code)
		return a->trouble.message;
	return silence_ms >= SILENT_MS ? silence_words(silence_ms, out) : "";
}

bool engine_appender_is_well(const struct appender *a)
{
	enum appender_state s = a->state;

	return !a->refuse_code && appender_silence_ms(a) < SILENT_MS &&
	       (s == APPENDER_IDLE || s == APPENDER_SENDING || s == APPENDER_CATCHING_UP);
}

bool engine_is_well(struct engine *e, char *why, size_t size)
{
	char text[64];

	why[0] = 0;
	if (is_silent(e) || e->control_error.code) {
		snprintf(why, size, "%s", e->control_error.code ? e->control_error.message : silence_words(engine_silence_ms(e), text));
		if (is_silent(e) || !e->control_connected)
			return false;
	}
	for (int i = 0; e->appenders && i <= e->shards; i++)
		if (!engine_appender_is_well(&e->appenders[i])) {
			snprintf(why, size, "shard %d: %s", i,
				 either(appender_trouble(&e->appenders[i], text), appender_state_name(e->appenders[i].state)));
			return false;
		}
	for (int i = 0; i < e->threads.worker_count; i++) {
		struct worker *w = &e->threads.workers[i];

		if (worker_is_well(w))
			continue;
		pthread_mutex_lock(&w->view.lock);
		snprintf(why, size, "read models of shard %d: %s", w->shard,
			 either(w->view.trouble.code ? w->view.trouble.message : "",
				worker_state_name((enum worker_state)atomic_load(&w->view.state))));
		pthread_mutex_unlock(&w->view.lock);
		return false;
	}
	if (e->log_known_at && !e->ready) {
		struct error trouble;

		keyring_trouble(e->access.ring, &trouble);
		snprintf(why, size, "%s", trouble.code ? trouble.message : "the API keys are not read yet");
	}
	return e->ready && !e->stopping;
}

static void pack_shard(const struct appender *a, msgpack_packer *p)
{
	char text[64];

	msgpack_pack_map(p, 5);
	pack_key_int(p, "shard", a->shard);
	pack_key_int(p, "position", a->head);
	pack_key_text(p, "state", appender_state_name(a->state));
	pack_key_int(p, "waiting_events", a->batch.count + a->queue.events);
	pack_key_text(p, "error", appender_trouble(a, text));
}

static void pack_group(const struct engine *e, struct worker *w, msgpack_packer *p)
{
	int64_t position = atomic_load(&w->view.position), head = e->appenders[w->shard].head;

	msgpack_pack_map(p, 11);
	pack_key_text(p, "group", w->group->name);
	pack_key_int(p, "shard", w->shard);
	pack_key_int(p, "generation", atomic_load(&w->view.generation));
	pack_key_int(p, "position", position);
	pack_key_int(p, "lag", head > position ? head - position : 0);
	pack_key_text(p, "state", worker_state_name((enum worker_state)atomic_load(&w->view.state)));
	pack_key_text(p, "pace", pace_way_name((enum pace_way)atomic_load(&w->view.way)));
	pack_key_int(p, "events", atomic_load(&w->view.events));
	pack_key_int(p, "batches", atomic_load(&w->view.batches));
	pack_key_int(p, "anomalies", atomic_load(&w->view.anomalies));
	pthread_mutex_lock(&w->view.lock);
	pack_key_text(p, "error", w->view.trouble.code ? w->view.trouble.message : "");
	pthread_mutex_unlock(&w->view.lock);
}

static void pack_generation(const struct engine *e, const struct generation *g, int64_t head, msgpack_packer *p)
{
	int64_t rate = switcher_rate(&e->switcher, g), lag = head > g->position ? head - g->position : 0;
	char created_at[TIME_TEXT];

	msgpack_pack_map(p, 8);
	pack_key_text(p, "group", g->group->name);
	pack_key_int(p, "generation", g->generation);
	pack_key_text(p, "state", generation_state(g));
	pack_key_text(p, "created_at", time_format(g->created_at, created_at));
	pack_key_int(p, "position", g->position);
	pack_key_int(p, "head", head);
	pack_key_int(p, "rate", rate);
	pack_text(p, "left_ms");
	if (rate && g->folded)
		msgpack_pack_int64(p, lag / rate * 1000 + lag % rate * 1000 / rate);
	else
		msgpack_pack_nil(p);
}

static void pack_rebuild(const struct rebuild_seen *r, msgpack_packer *p)
{
	int64_t left = rebuild_seen_left(r);
	char begun_at[TIME_TEXT];

	msgpack_pack_map(p, 11);
	pack_key_int(p, "rebuild", r->rebuild);
	pack_key_text(p, "group", r->group);
	pack_key_int(p, "read_models", r->read_models);
	pack_key_text(p, "state", r->alive ? "running" : "waiting");
	pack_key_text(p, "begun_at", time_format(r->begun_at, begun_at));
	pack_key_text(p, "step", r->step);
	pack_key_int(p, "done", r->done);
	pack_key_int(p, "total", r->total);
	pack_key_int(p, "percent", r->total > 0 && r->done <= r->total ? (int64_t)(100.0 * (double)r->done / (double)r->total) : 0);
	pack_key_int(p, "rate", rebuild_seen_rate(r));
	pack_text(p, "left_ms");
	if (left >= 0)
		msgpack_pack_int64(p, left / 1000);
	else
		msgpack_pack_nil(p);
}

static void pack_timers(const struct timers *t, msgpack_packer *p)
{
	bool owner = atomic_load(&t->fold->owner);
	char next[TIME_TEXT];

	msgpack_pack_map(p, 10);
	pack_key_int(p, "shard", t->shard);
	pack_text(p, "owner");
	pack_bool(p, owner);
	pack_key_text(p, "state", timers_state_name(t->state));
	pack_key_text(p, "next", owner && t->next != INT64_MAX ? time_format(t->next, next) : "");
	pack_key_int(p, "warnings", t->warnings);
	pack_key_int(p, "breaches", t->breaches);
	pack_key_int(p, "past", t->past);
	pack_key_int(p, "late_ms", t->late / 1000);
	pack_key_int(p, "late_most_ms", t->late_most / 1000);
	pack_key_text(p, "error", t->trouble.code ? t->trouble.message : "");
}

/* What the last comparison with the log found; nil when none is asked for. */
static void pack_check(struct checker *c, msgpack_packer *p)
{
	struct checker_view v;
	char at[TIME_TEXT];

	if (!c->every_ms) {
		msgpack_pack_nil(p);
		return;
	}
	checker_look(c, &v);
	msgpack_pack_map(p, 8);
	pack_key_int(p, "every_ms", c->every_ms);
	pack_text(p, "running");
	pack_bool(p, v.running);
	pack_key_int(p, "checks", v.checks);
	pack_key_text(p, "at", v.at == TIME_NONE ? "" : time_format(v.at, at));
	pack_key_int(p, "took_ms", v.took_us / 1000);
	pack_key_int(p, "differences", v.differences);
	pack_key_text(p, "differing", v.differing);
	pack_key_text(p, "error", v.error.code ? v.error.message : "");
}

void status_pack(struct engine *e, msgpack_packer *p)
{
	int64_t events = 0, batches = 0, duplicates = 0, refused = e->refused, journaled = 0, races = 0, head = 0;
	const char *database = is_silent(e) ? "not answering" : e->control_connected ? "connected" : "connecting";
	char log_id[UUID_TEXT], why[512];
	bool well = engine_is_well(e, why, sizeof(why));

	for (int i = 0; i <= e->shards; i++) {
		events += e->appenders[i].events;
		batches += e->appenders[i].batches;
		duplicates += e->appenders[i].duplicates;
		refused += e->appenders[i].refused;
		journaled += e->appenders[i].journaled;
		races += e->appenders[i].races;
		head += e->appenders[i].head;
		if (e->appenders[i].state == APPENDER_CONNECTING && !is_silent(e))
			database = "connecting";
	}
	msgpack_pack_map(p, 28);
	pack_text(p, "ready");
	pack_bool(p, well);
	pack_key_text(p, "version", VERBATIM_VERSION);
	pack_key_int(p, "pid", getpid());
	pack_key_text(p, "log_id", uuid_format(&e->log.log_id, log_id));
	pack_key_int(p, "epoch", e->log.epoch);
	pack_key_int(p, "shards", e->shards);
	pack_key_int(p, "uptime_ms", (time_monotonic() - e->started_at) / 1000);
	pack_key_text(p, "database", database);
	pack_key_text(p, "error", why);
	pack_key_int(p, "connections", e->session_count);
	pack_key_int(p, "inflight_bytes", (int64_t)e->inflight_bytes);
	pack_key_int(p, "partial_bytes", (int64_t)e->partial_bytes);
	pack_key_int(p, "out_bytes", (int64_t)e->out_bytes);
	pack_key_int(p, "memory_bytes", engine_resident_bytes());
	pack_key_int(p, "appended_events", events);
	pack_key_int(p, "appended_batches", batches);
	pack_key_int(p, "append_percent", threads_load(&e->threads));
	pack_key_int(p, "duplicates", duplicates);
	pack_key_int(p, "refused", refused);
	pack_key_int(p, "journaled_events", journaled);
	pack_key_int(p, "journal_races", races);
	pack_text(p, "shard_list");
	msgpack_pack_array(p, (size_t)e->shards + 1);
	for (int i = 0; i <= e->shards; i++)
		pack_shard(&e->appenders[i], p);
	pack_text(p, "groups");
	msgpack_pack_array(p, (size_t)e->threads.worker_count);
	for (int i = 0; i < e->threads.worker_count; i++)
		pack_group(e, &e->threads.workers[i], p);
	pack_text(p, "generations");
	msgpack_pack_array(p, (size_t)e->switcher.seen.count);
	for (int i = 0; i < e->switcher.seen.count; i++)
		pack_generation(e, &e->switcher.seen.list[i], head, p);
	pack_text(p, "rebuilds");
	msgpack_pack_array(p, (size_t)e->switcher.seen.rebuild_count);
	for (int i = 0; i < e->switcher.seen.rebuild_count; i++)
		pack_rebuild(&e->switcher.seen.rebuilds[i], p);
	pack_text(p, "timers");
	msgpack_pack_array(p, e->timers ? (size_t)e->shards : 0);
	for (int i = 1; e->timers && i <= e->shards; i++)
		pack_timers(&e->timers[i], p);
	notary_pack(e->options->notary, p);
	pack_text(p, "check");
	pack_check(&e->checker, p);
}

void status_pack_own(struct engine *e, const struct uuid *tenant_id, msgpack_packer *p)
{
	char log_id[UUID_TEXT], why[512];
	bool well = engine_is_well(e, why, sizeof(why));
	int shard = tenant_id ? event_shard(tenant_id, e->shards) : 0;
	int64_t position = tenant_id ? e->appenders[shard].head : 0, lag = 0;

	for (int i = 0; i < e->threads.worker_count && tenant_id; i++) {
		struct worker *w = &e->threads.workers[i];
		int64_t behind = w->shard == shard ? position - atomic_load(&w->view.position) : 0;

		lag = behind > lag ? behind : lag;
	}
	msgpack_pack_map(p, tenant_id ? 9 : 6);
	pack_text(p, "ready");
	pack_bool(p, well);
	pack_key_text(p, "version", VERBATIM_VERSION);
	pack_key_text(p, "log_id", uuid_format(&e->log.log_id, log_id));
	pack_key_int(p, "epoch", e->log.epoch);
	pack_key_int(p, "shards", e->shards);
	pack_key_text(p, "error", well ? "" : "the engine is not well; its operator sees why");
	if (!tenant_id)
		return;
	pack_key_int(p, "shard", shard);
	pack_key_int(p, "position", position);
	pack_key_int(p, "lag", lag);
}
