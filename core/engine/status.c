/* status - the engine's state as one map, for `verbatim status` and for monitoring. */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/rpc.h"

/* Resident memory, from /proc; 0 where there is none. */
static int64_t resident_bytes(void)
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

static bool all_well(const struct engine *e)
{
	for (int i = 0; i <= e->shards; i++) {
		enum appender_state s = e->appenders[i].state;

		if (e->appenders[i].refuse_code || (s != APPENDER_IDLE && s != APPENDER_SENDING && s != APPENDER_CATCHING_UP))
			return false;
	}
	for (int i = 0; i < e->threads.worker_count; i++) {
		int s = atomic_load(&e->threads.workers[i].view.state);

		if (s == WORKER_STOPPED || s == WORKER_CONNECTING)
			return false;
	}
	return e->ready && !e->stopping;
}

static void pack_shard(const struct appender *a, msgpack_packer *p)
{
	int64_t waiting = a->batch.count;

	for (const struct request *r = a->queue.first; r; r = r->next)
		waiting += r->count;
	msgpack_pack_map(p, 5);
	pack_key_int(p, "shard", a->shard);
	pack_key_int(p, "position", a->head);
	pack_key_text(p, "state", appender_state_name(a->state));
	pack_key_int(p, "waiting_events", waiting);
	pack_key_text(p, "error", a->trouble.code ? a->trouble.message : "");
}

static void pack_group(const struct engine *e, struct worker *w, msgpack_packer *p)
{
	int64_t position = atomic_load(&w->view.position), head = e->appenders[w->shard].head;

	msgpack_pack_map(p, 8);
	pack_key_text(p, "group", w->group->name);
	pack_key_int(p, "shard", w->shard);
	pack_key_int(p, "position", position);
	pack_key_int(p, "lag", head > position ? head - position : 0);
	pack_key_text(p, "state", worker_state_name((enum worker_state)atomic_load(&w->view.state)));
	pack_key_int(p, "events", atomic_load(&w->view.events));
	pack_key_int(p, "anomalies", atomic_load(&w->view.anomalies));
	pthread_mutex_lock(&w->view.lock);
	pack_key_text(p, "error", w->view.trouble.code ? w->view.trouble.message : "");
	pthread_mutex_unlock(&w->view.lock);
}

void status_pack(struct engine *e, msgpack_packer *p)
{
	int64_t events = 0, batches = 0, duplicates = 0, refused = e->refused;
	const char *database = e->control_connected ? "connected" : "connecting";
	char log_id[UUID_TEXT];

	for (int i = 0; i <= e->shards; i++) {
		events += e->appenders[i].events;
		batches += e->appenders[i].batches;
		duplicates += e->appenders[i].duplicates;
		refused += e->appenders[i].refused;
		if (e->appenders[i].state == APPENDER_CONNECTING)
			database = "connecting";
	}
	msgpack_pack_map(p, 19);
	pack_text(p, "ready");
	pack_bool(p, all_well(e));
	pack_key_text(p, "version", VERBATIM_VERSION);
	pack_key_int(p, "pid", getpid());
	pack_key_text(p, "log_id", uuid_format(&e->log.log_id, log_id));
	pack_key_int(p, "epoch", e->log.epoch);
	pack_key_int(p, "shards", e->shards);
	pack_key_int(p, "uptime_ms", (time_monotonic() - e->started_at) / 1000);
	pack_key_text(p, "database", database);
	pack_key_int(p, "connections", e->session_count);
	pack_key_int(p, "inflight_bytes", (int64_t)e->inflight_bytes);
	pack_key_int(p, "partial_bytes", (int64_t)e->partial_bytes);
	pack_key_int(p, "out_bytes", (int64_t)e->out_bytes);
	pack_key_int(p, "memory_bytes", resident_bytes());
	pack_key_int(p, "appended_events", events);
	pack_key_int(p, "appended_batches", batches);
	pack_key_int(p, "duplicates", duplicates);
	pack_key_int(p, "refused", refused);
	pack_text(p, "shard_list");
	msgpack_pack_array(p, (size_t)e->shards + 1);
	for (int i = 0; i <= e->shards; i++)
		pack_shard(&e->appenders[i], p);
	pack_text(p, "groups");
	msgpack_pack_array(p, (size_t)e->threads.worker_count);
	for (int i = 0; i < e->threads.worker_count; i++)
		pack_group(e, &e->threads.workers[i], p);
}
