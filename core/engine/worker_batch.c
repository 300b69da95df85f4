/* worker_batch - a batch is taken or read, its rows are loaded, it is folded and written; and what becomes of one that is refused. */
#include "engine/worker_private.h"

#include "base/log.h"
#include "engine/fault.h"

enum {
	PAUSE_MS_PER_EVENT = 4,
	PAUSES_IN_TURN = 4, /* so much longer they are while appends come first */
};

static void room_for(struct worker *w, int more)
{
	if (w->count + more <= w->capacity)
		return;
	while (w->capacity < w->count + more)
		w->capacity = w->capacity ? w->capacity * 2 : 256;
	w->events = mem_realloc(w->events, (size_t)w->capacity * sizeof(*w->events));
}

/* Takes what the feed has, up to the bound of one transaction.  False: nothing that fits. */
bool worker_take_feed(struct worker *w)
{
	struct feed_batch **end = &w->taken;

	worker_drop(w);
	while (w->count < w->limits.events) {
		struct feed_batch *b = feed_take(w->feed, w->position + 1 + w->count);

		if (!b)
			break;
		*end = b;
		end = &b->next;
		room_for(w, b->count);
		for (int i = 0; i < b->count; i++)
			w->events[w->count++] = &b->events[i];
	}
	return w->count > 0;
}

void worker_read(struct worker *w)
{
	arena_reset(&w->read_arena);
	memset(&w->call.read, 0, sizeof(w->call.read));
	w->call.read.shard = w->shard;
	w->call.read.after = w->position;
	w->call.read.limit = w->limits.events;
	w->call.read.bytes = w->limits.read_bytes;
	w->call.read.arena = &w->read_arena;
	worker_set_state(w, WORKER_READING);
	worker_ask(w);
	w->store->ops->read(w->store, &w->call.read);
}

/* Nothing of the batch is folded. */
static void start_rounds(struct worker *w)
{
	w->rounds = 0;
	w->folded = false;
}

void worker_begin(struct worker *w)
{
	int64_t now = w->env->monotonic(w->env);
	/* A batch that is as large as they come says that more waits. */
	int64_t pause_ms = w->count < w->limits.events / 2 ? PAUSE_MS_PER_EVENT * (int64_t)w->count : 0;
	int64_t most_ms = w->limits.pause_ms * (atomic_load(&w->view.way) == PACE_FREELY ? 1 : PAUSES_IN_TURN);

	w->began = now;
	w->next_due = now + (pause_ms < most_ms ? pause_ms : most_ms) * 1000;
	w->poll_due = now + w->limits.poll_ms * 1000;
	w->empty_reads = 0;
	w->from = 0;
	w->width = w->count < w->most ? w->count : w->most;
	start_rounds(w);
	worker_set_state(w, WORKER_LOADING);
}

void worker_take_events(struct worker *w)
{
	const struct store_read *r = &w->call.read;

	if (r->request.status) {
		worker_fail(w);
		return;
	}
	worker_drop(w);
	if (r->count == 0) {
		worker_set_state(w, WORKER_IDLE);
		w->poll_due = w->env->monotonic(w->env) + w->limits.poll_ms * 1000;
		if (w->empty_reads++ && feed_head(w->feed) > w->position) /* the log does not show yet what the feed knows of */
			worker_wait(w, w->limits.poll_ms);
		return;
	}
	room_for(w, r->count);
	for (int i = 0; i < r->count; i++)
		w->events[w->count++] = &r->events[i];
	worker_begin(w);
}

/* True when a question went out; false when all rows are in memory that are to be folded, or have been. */
bool worker_load(struct worker *w)
{
	struct store_load *c = &w->call.load;
	struct row_keys *keys = &w->keys;

	arena_reset(&w->load_arena);
	memset(keys, 0, sizeof(*keys));
	if (w->folded)
		state_sums(&w->rows, &w->load_arena, keys);
	else
		state_wants(&w->rows, w->events + w->from, w->width, &w->load_arena, keys);
	if (keys->count == 0)
		return false;
	w->rounds++;
	memset(c, 0, sizeof(*c));
	c->keys = keys->keys;
	c->count = keys->count;
	c->arena = &w->load_arena;
	worker_ask(w);
	w->store->ops->load(w->store, c);
	return true;
}

static void fenced(struct worker *w);

void worker_take_rows(struct worker *w)
{
	const struct store_load *c = &w->call.load;
	int gone = c->request.status == E_FENCED && !c->request.lost ? w->gone + 1 : 0;

	w->gone = gone;
	if (gone == 1) { /* others have taken the tables' place: which, the checkpoint tells */
		fenced(w);
		return;
	}
	if (c->request.status) {
		worker_fail(w);
		return;
	}
	for (int i = 0; i < c->count; i++)
		state_put(&w->rows, &c->keys[i], c->rows[i]);
}

/* A batch whose rows name ever more rows goes in halves; one event alone has no such excuse. */
void worker_narrow(struct worker *w)
{
	struct error e;

	if (w->width == 1) {
		error_set(&e, E_INTERNAL, "the event at position %lld needs rows without end", (long long)(w->position + 1));
		worker_stop(w, &e);
		return;
	}
	state_drop(&w->rows);
	w->most = w->width = w->width / 2;
	start_rounds(w);
}

static int fold_all(struct worker *w, struct error *error)
{
	for (int i = 0; i < w->width; i++) {
		const struct event *e = w->events[w->from + i];
		int status;

		if (e->position != w->position + 1 + i && !fault_on("worker.steps_over"))
			return error_set(error, E_LOG_GAP, "position %lld is missing: the log goes on at %lld",
					 (long long)(w->position + 1 + i), (long long)e->position);
		status = state_fold(&w->rows, e, error);
		if (status)
			return status;
	}
	return 0;
}

static int64_t earliest_alarm(const struct worker *w)
{
	int64_t earliest = INT64_MAX;

	for (const struct row *r = w->alarms.of[0].of ? w->rows.changed : NULL; r; r = r->next_changed)
		for (int i = 0; i < ALARMS_MAX; i++) {
			int64_t at;

			if (r->of != w->alarms.of[i].of)
				continue;
			memcpy(&at, (const char *)r + w->alarms.of[i].offset, sizeof(at));
			if (at != TIME_NONE && at < earliest)
				earliest = at;
		}
	return earliest;
}

/* What was written is there for others to see. */
static void ring(struct worker *w)
{
	int64_t known = atomic_load(&w->view.alarm);

	while (w->alarm < known && !atomic_compare_exchange_weak(&w->view.alarm, &known, w->alarm))
		;
}

void worker_write(struct worker *w)
{
	struct store_project *c = &w->call.project;
	const struct event *last = w->events[w->from + w->width - 1];

	memset(c, 0, sizeof(*c));
	c->group = w->group;
	c->generation = w->generation;
	c->shard = w->shard;
	c->epoch = w->epoch;
	c->old_position = w->position;
	c->new_position = last->position;
	memcpy(c->leaf, last->leaf_hash, LEAF_BYTES);
	c->changed = w->rows.changed;
	w->alarm = earliest_alarm(w);
	worker_set_state(w, WORKER_WRITING);
	worker_ask(w);
	fault_point("project.before");
	w->store->ops->project(w->store, c);
	fault_point("project.sent");
}

/* The database has refused a row of one event alone: the event becomes an anomaly, and nothing else of it is kept. */
static void refuse_event(struct worker *w)
{
	struct error e = w->call.request.error;

	w->refusing = true;
	state_drop(&w->rows);
	worker_set_state(w, WORKER_FOLDED);
	state_refuse(&w->rows, w->events[w->from], e.field[0] ? e.field : w->group->name, "row_refused", e.message);
}

void worker_fold(struct worker *w)
{
	struct error e;
	int status;

	error_clear(&e);
	status = fold_all(w, &e);
	if (status == E_CANCELLED) { /* a row that was not foreseen: state_wants names it now, and all is folded again */
		state_drop(&w->rows);
		return;
	}
	if (status) {
		worker_stop(w, &e);
		return;
	}
	w->folded = true;
}

/* The batch is written. */
static void finish(struct worker *w)
{
	int64_t now = w->env->monotonic(w->env);
	bool all = feed_head(w->feed) <= w->position;

	atomic_store(&w->view.behind_us, all ? 0 : w->env->wall(w->env) - w->events[w->count - 1]->recorded_at);
	if (w->pace && atomic_load(&w->view.way) == PACE_RESTING)
		w->pace->rest_until = now + pace_rest_us(atomic_load(&w->pace->percent), now - w->began);
	worker_drop(w);
	worker_set_state(w, WORKER_IDLE);
}

/* Back to less: halves of the batch, or its one event as an anomaly.  `width` is not 0. */
static void rows_refused(struct worker *w)
{
	if (w->refusing) { /* not even the anomaly goes in: a person must look */
		w->refusing = false;
		worker_stop(w, &w->call.request.error);
		return;
	}
	if (w->width == 1) {
		refuse_event(w);
		return;
	}
	state_drop(&w->rows);
	w->most = w->width = w->width / 2;
	start_rounds(w);
	worker_set_state(w, WORKER_LOADING);
}

/* A row is not what was read of it. */
static void rows_differ(struct worker *w, bool again)
{
	if (!again) {
		w->again = true; /* somebody may have held the row while we came: it is another version now */
		worker_set_state(w, WORKER_FOLDED);
		return;
	}
	w->spoiled = w->generation;
	w->spoiled_how = w->call.request.error;
	worker_stop(w, &w->spoiled_how);
}

static void fenced(struct worker *w)
{
	char part[48];

	worker_part(w, part);
	log_info(part, "fenced: another worker wrote first, or the read models were rebuilt, or the log was adopted");
	worker_forget(w);
	worker_drop(w);
	worker_set_state(w, WORKER_CONNECTING); /* which learns the epoch */
	worker_back_off(w);
}

/* What was read goes on being folded, or all of it is written. */
static void next_part(struct worker *w)
{
	int rest;

	w->from += w->width;
	if (w->most < w->limits.events)
		w->most *= 2;
	rest = w->count - w->from;
	if (rest == 0) {
		finish(w);
		return;
	}
	if (atomic_load(&w->view.way) == PACE_FREELY)
		gate_leave(w->gate, &w->pass);
	w->width = rest < w->most ? rest : w->most;
	start_rounds(w);
	worker_set_state(w, WORKER_LOADING);
}

static void took_commit(struct worker *w)
{
	struct error none;

	fault_point("project.committed");
	w->refusing = false;
	atomic_store(&w->view.answers, w->call.project.answers);
	ring(w);
	worker_set_position(w, w->position + w->width);
	atomic_store(&w->view.recorded_at, w->events[w->from + w->width - 1]->recorded_at);
	state_done(&w->rows);
	atomic_fetch_add(&w->view.events, w->width);
	atomic_fetch_add(&w->view.batches, 1);
	atomic_store(&w->view.anomalies, w->rows.anomalies);
	w->failures = 0;
	if (w->view.trouble.code) {
		error_clear(&none);
		worker_set_trouble(w, &none);
	}
	next_part(w);
	worker_tell(w);
}

void worker_written(struct worker *w)
{
	int status = w->call.request.lost ? E_UNAVAILABLE : w->call.request.status;
	bool again = w->again;

	w->again = false;
	if (status == 0)
		took_commit(w);
	else if (status == E_ROW_REFUSED)
		rows_refused(w);
	else if (status == E_READ_MODEL)
		rows_differ(w, again);
	else if (status == E_FENCED)
		fenced(w);
	else
		worker_fail(w);
}
