/* worker - see worker.h. */
#include "engine/worker.h"

#include <assert.h>

#include "base/log.h"
#include "engine/fault.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 5000,
	STOPPED_MS = 15000,     /* a stopped worker looks again */
	STANDBY_MS = 1000,
	WATCHED_MS = 50,
	LOOK_MS = 1000,         /* while another generation answers, how often it is looked at */
	ROUNDS_MOST = 200,      /* of loads for one batch; each event needs few, for the folds bound their chains */
	ARENA_BLOCK = 256 << 10,
	PAUSE_MS_PER_EVENT = 4,
	PAUSES_IN_TURN = 4,     /* so much longer they are while appends come first */
};

static void tick(struct worker *w);

const char *worker_state_name(enum worker_state state)
{
	static const char *const names[] = { "connecting", "leasing", "standby", "checkpoint", "idle", "reading",
					     "loading",	   "folded",  "writing", "stopped", "closed" };

	return names[state];
}

static void part_name(const struct worker *w, char out[48])
{
	snprintf(out, 48, "worker %s/%d", w->group->name, w->shard);
}

static void on_timer(struct env_timer *t)
{
	struct worker *w = t->data;

	w->timer_out = w->pausing = false;
	tick(w);
}

static void wait_ms(struct worker *w, int64_t ms)
{
	w->timer_out = true;
	w->env->timer_start(w->env, &w->timer, ms);
}

/* True when `due` is still to come: then the timer runs, and nothing in the feed wakes the worker early. */
static bool pause_until(struct worker *w, int64_t due)
{
	int64_t us = due - w->env->monotonic(w->env);

	if (us <= 0)
		return false;
	w->pausing = true;
	wait_ms(w, (us + 999) / 1000);
	return true;
}

/* Its turn has come; another worker's call is under way, so it begins on the next turn of the loop. */
static void let_in(void *data)
{
	wait_ms(data, 0);
}

void worker_open(struct worker *w, const struct group *group, int16_t shard, struct env *env, struct store *store,
		 struct feed *feed, const struct worker_limits *limits, const struct uuid *owner, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->group = group;
	w->shard = shard;
	w->env = env;
	w->store = store;
	w->feed = feed;
	w->limits = *limits;
	w->owner = *owner;
	w->most = limits->events;
	w->view.alarm = INT64_MAX;
	pthread_mutex_init(&w->view.lock, NULL);
	random_seed(&w->random, seed + (uint64_t)shard);
	arena_init(&w->read_arena, ARENA_BLOCK);
	arena_init(&w->load_arena, ARENA_BLOCK);
	state_init(&w->rows, group, limits->state_bytes);
	w->pass.let_in = let_in;
	w->pass.data = w;
	w->timer.fire = on_timer;
	w->timer.data = w;
	env->timer_open(env, &w->timer);
}

static void set_state(struct worker *w, enum worker_state state)
{
	w->state = state;
	/* A lease that is renewed costs nobody his place in the queue. */
	if ((state < WORKER_READING || state > WORKER_WRITING) && !(state <= WORKER_IDLE && w->renewing))
		gate_leave(w->gate, &w->pass);
	atomic_store(&w->view.state, (int)state);
	atomic_store(&w->view.owner, w->renewing || (state >= WORKER_IDLE && state <= WORKER_WRITING));
}

static void set_trouble(struct worker *w, const struct error *e)
{
	pthread_mutex_lock(&w->view.lock);
	w->view.trouble = *e;
	pthread_mutex_unlock(&w->view.lock);
}

static void set_position(struct worker *w, int64_t position)
{
	w->position = position;
	atomic_store(&w->view.position, position);
	if (atomic_load(&w->view.answers))
		atomic_store(&w->view.shown, position);
}

static void tell(struct worker *w)
{
	if (w->moved)
		w->moved(w->data, w);
}

static void back_off(struct worker *w)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < w->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	w->failures++;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	wait_ms(w, ms / 2 + (int64_t)random_below(&w->random, (uint64_t)ms));
}

static void drop_batch(struct worker *w)
{
	while (w->taken) {
		struct feed_batch *next = w->taken->next;

		feed_batch_free(w->taken);
		w->taken = next;
	}
	w->count = w->from = w->width = 0;
}

/* Stands still for a while; nothing that is in memory is kept. */
static void halt(struct worker *w, const struct error *e)
{
	set_trouble(w, e);
	state_drop(&w->rows);
	drop_batch(w);
	set_state(w, WORKER_STOPPED);
	/* Nobody else may go on from rows that are not right: the lease is kept. */
	wait_ms(w, w->spoiled && w->limits.lease_ms / 2 < STOPPED_MS ? w->limits.lease_ms / 2 : STOPPED_MS);
	tell(w);
}

static void stop(struct worker *w, const struct error *e)
{
	char part[48];

	part_name(w, part);
	log_error(part, "stopped at position %lld: %s", (long long)w->position, e->message);
	halt(w, e);
}

static void on_done(struct store_request *request)
{
	struct worker *w = request->data;

	w->request_out = false;
	tick(w);
}

static void ask(struct worker *w)
{
	w->request_out = true;
	w->call.request.done = on_done;
	w->call.request.data = w;
}

/* Lost session, or a passing refusal: forget what is not written, and begin again. */
static void fail(struct worker *w)
{
	char part[48];

	part_name(w, part);
	if (w->failures == 0)
		log_warn(part, "%s; trying again", w->call.request.error.message);
	set_trouble(w, &w->call.request.error);
	state_drop(&w->rows);
	drop_batch(w);
	if (w->call.request.lost)
		w->holds = false;
	set_state(w, w->call.request.lost ? WORKER_CONNECTING : WORKER_LEASING);
	back_off(w);
}

static void connect_send(struct worker *w)
{
	memset(&w->call.connect, 0, sizeof(w->call.connect));
	ask(w);
	w->store->ops->connect(w->store, &w->call.connect);
}

static void connect_take(struct worker *w)
{
	if (w->call.request.status) {
		w->call.request.lost = true;
		fail(w);
		return;
	}
	w->epoch = w->call.connect.epoch;
	set_state(w, WORKER_LEASING);
}

static void lease_ask(struct worker *w, int64_t ttl_ms)
{
	memset(&w->call.lease, 0, sizeof(w->call.lease));
	w->call.lease.name = w->group->name;
	w->call.lease.group = w->group;
	w->call.lease.shard = w->shard;
	w->call.lease.owner = w->owner;
	w->call.lease.ttl_ms = ttl_ms;
	ask(w);
	w->store->ops->lease(w->store, &w->call.lease);
}

static void lease_send(struct worker *w)
{
	w->holds = true;
	lease_ask(w, w->limits.lease_ms);
}

static void lease_take(struct worker *w)
{
	if (w->call.request.status) {
		w->renewing = false;
		fail(w);
		return;
	}
	if (!w->call.lease.held) {
		state_drop(&w->rows);
		drop_batch(w);
		w->renewing = false;
		w->holds = false;
		set_state(w, WORKER_STANDBY);
		return;
	}
	w->lease_due = w->env->monotonic(w->env) + w->limits.lease_ms * 1000 / 3;
	if (!w->renewing)
		atomic_fetch_add(&w->view.taken, 1);
	set_state(w, w->renewing ? WORKER_IDLE : WORKER_CHECKPOINT);
	w->renewing = false;
	if (w->pass.queued)
		pause_until(w, w->lease_due);
}

static void checkpoint_send(struct worker *w)
{
	memset(&w->call.checkpoint, 0, sizeof(w->call.checkpoint));
	w->call.checkpoint.group = w->group;
	w->call.checkpoint.shard = w->shard;
	ask(w);
	w->store->ops->checkpoint(w->store, &w->call.checkpoint);
}

static bool checkpoint_learned(struct worker *w)
{
	const struct store_checkpoint *c = &w->call.checkpoint;
	struct error e;

	if (c->request.status) {
		fail(w);
		return false;
	}
	if (c->diverged) {
		error_set(&e, E_LOG_DIVERGED,
			  "the read models stand at position %lld of a log that is not this one; adopt the log with "
			  "verbatim init --adopt, then rebuild", (long long)c->position);
		stop(w, &e);
		return false;
	}
	w->generation = c->generation;
	atomic_store(&w->view.generation, c->generation);
	atomic_store(&w->view.answers, c->answers);
	if (w->spoiled == c->generation) {
		halt(w, &w->spoiled_how);
		return false;
	}
	w->spoiled = 0;
	set_position(w, c->position);
	atomic_store(&w->view.shown, c->shown);
	w->look_due = w->env->monotonic(w->env) + LOOK_MS * 1000;
	tell(w);
	return true;
}

static void checkpoint_take(struct worker *w)
{
	bool same = w->looking && w->call.checkpoint.generation == w->generation && w->call.checkpoint.position == w->position;
	struct error none;

	w->looking = false;
	if (!checkpoint_learned(w))
		return;
	if (!same) /* begun anew; or people were switched to another generation of these versions */
		state_drop(&w->rows);
	error_clear(&none);
	set_trouble(w, &none);
	w->failures = 0;
	set_state(w, WORKER_IDLE);
	tell(w); /* it is the owner now */
}

/* Another engine holds the lease: follow its checkpoint, and ask for the lease now and then. */
static void standby_take(struct worker *w)
{
	if (!checkpoint_learned(w))
		return;
	w->failures = 0;
	set_state(w, WORKER_LEASING);
	wait_ms(w, atomic_load(&w->view.watched) ? WATCHED_MS : STANDBY_MS);
}

static void room_for(struct worker *w, int more)
{
	if (w->count + more <= w->capacity)
		return;
	while (w->capacity < w->count + more)
		w->capacity = w->capacity ? w->capacity * 2 : 256;
	w->events = mem_realloc(w->events, (size_t)w->capacity * sizeof(*w->events));
}

/* Takes what the feed has, up to the bound of one transaction.  False: nothing that fits. */
static bool take_feed(struct worker *w)
{
	struct feed_batch **end = &w->taken;

	drop_batch(w);
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

static void read_send(struct worker *w)
{
	arena_reset(&w->read_arena);
	memset(&w->call.read, 0, sizeof(w->call.read));
	w->call.read.shard = w->shard;
	w->call.read.after = w->position;
	w->call.read.limit = w->limits.events;
	w->call.read.bytes = w->limits.read_bytes;
	w->call.read.arena = &w->read_arena;
	set_state(w, WORKER_READING);
	ask(w);
	w->store->ops->read(w->store, &w->call.read);
}

/* Nothing of the batch is folded. */
static void start_rounds(struct worker *w)
{
	w->rounds = 0;
	w->folded = false;
}

static void begin(struct worker *w)
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
	set_state(w, WORKER_LOADING);
}

static void read_take(struct worker *w)
{
	const struct store_read *r = &w->call.read;

	if (r->request.status) {
		fail(w);
		return;
	}
	drop_batch(w);
	if (r->count == 0) {
		set_state(w, WORKER_IDLE);
		w->poll_due = w->env->monotonic(w->env) + w->limits.poll_ms * 1000;
		if (w->empty_reads++ && feed_head(w->feed) > w->position) /* the log does not show yet what the feed knows of */
			wait_ms(w, w->limits.poll_ms);
		return;
	}
	room_for(w, r->count);
	for (int i = 0; i < r->count; i++)
		w->events[w->count++] = &r->events[i];
	begin(w);
}

/* True when a question went out; false when all rows are in memory that are to be folded, or have been. */
static bool load_send(struct worker *w)
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
	ask(w);
	w->store->ops->load(w->store, c);
	return true;
}

static void load_take(struct worker *w)
{
	const struct store_load *c = &w->call.load;

	if (c->request.status) {
		fail(w);
		return;
	}
	for (int i = 0; i < c->count; i++)
		state_put(&w->rows, &c->keys[i], c->rows[i]);
}

/* A batch whose rows name ever more rows goes in halves; one event alone has no such excuse. */
static void narrow(struct worker *w)
{
	struct error e;

	if (w->width == 1) {
		error_set(&e, E_INTERNAL, "the event at position %lld needs rows without end", (long long)(w->position + 1));
		stop(w, &e);
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

		if (e->position != w->position + 1 + i)
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

static void write_send(struct worker *w)
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
	set_state(w, WORKER_WRITING);
	ask(w);
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
	set_state(w, WORKER_FOLDED);
	state_refuse(&w->rows, w->events[w->from], e.field[0] ? e.field : w->group->name, "row_refused", e.message);
}

static void fold(struct worker *w)
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
		stop(w, &e);
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
	drop_batch(w);
	set_state(w, WORKER_IDLE);
}

static void write_take(struct worker *w)
{
	int status = w->call.request.status;
	bool again = w->again;
	struct error none;

	w->again = false;
	if (status == E_ROW_REFUSED && !w->call.request.lost) {
		if (w->refusing) { /* not even the anomaly goes in: a person must look */
			w->refusing = false;
			stop(w, &w->call.request.error);
			return;
		}
		if (w->width == 1) {
			refuse_event(w);
			return;
		}
		state_drop(&w->rows);
		w->most = w->width = w->width / 2;
		start_rounds(w);
		set_state(w, WORKER_LOADING);
		return;
	}
	if (status == E_READ_MODEL && !w->call.request.lost && !again) {
		w->again = true; /* somebody may have held the row while we came: it is another version now */
		set_state(w, WORKER_FOLDED);
		return;
	}
	if (status == E_READ_MODEL && !w->call.request.lost) {
		w->spoiled = w->generation;
		w->spoiled_how = w->call.request.error;
		stop(w, &w->spoiled_how);
		return;
	}
	if (status == E_FENCED && !w->call.request.lost) {
		char part[48];

		part_name(w, part);
		log_info(part, "fenced: another worker wrote first, or the read models were rebuilt, or the log was adopted");
		state_drop(&w->rows);
		drop_batch(w);
		set_state(w, WORKER_CONNECTING); /* which learns the epoch */
		back_off(w);
		return;
	}
	if (status) {
		fail(w);
		return;
	}
	fault_point("project.committed");
	w->refusing = false;
	atomic_store(&w->view.answers, w->call.project.answers);
	ring(w);
	set_position(w, w->position + w->width);
	atomic_store(&w->view.recorded_at, w->events[w->from + w->width - 1]->recorded_at);
	state_done(&w->rows);
	atomic_fetch_add(&w->view.events, w->width);
	atomic_fetch_add(&w->view.batches, 1);
	atomic_store(&w->view.anomalies, w->rows.anomalies);
	w->failures = 0;
	if (w->view.trouble.code) {
		error_clear(&none);
		set_trouble(w, &none);
	}
	w->from += w->width;
	if (w->most < w->limits.events)
		w->most *= 2;
	if (w->from < w->count) {
		int rest = w->count - w->from;

		if (atomic_load(&w->view.way) == PACE_FREELY)
			gate_leave(w->gate, &w->pass);
		w->width = rest < w->most ? rest : w->most;
		start_rounds(w);
		set_state(w, WORKER_LOADING);
	} else {
		finish(w);
	}
	tell(w);
}

/* Whether the next batch may begin as far as the appends are concerned; else let_in or the timer will come. */
static bool may_begin(struct worker *w, int64_t now)
{
	struct pace *p = w->pace;
	int64_t head = feed_head(w->feed);
	enum pace_way way = PACE_FREELY;

	if (!p)
		return true;
	pace_look(p, now);
	if (head > w->position)
		way = pace_way(atomic_load(&p->percent), atomic_load(&w->view.behind_us), head - w->position, &p->limits);
	atomic_store(&w->view.way, (int)way);
	if (w->gate)
		w->gate->most = way == PACE_FREELY ? w->at_once : 1;
	if (way == PACE_FREELY) {
		gate_leave(w->gate, &w->pass); /* it may have waited inside */
		return true;
	}
	if (gate_enter(w->gate, &w->pass, false))
		return !pause_until(w, p->rest_until);
	pause_until(w, w->lease_due);
	return false;
}

/* While people see another generation: whether it is time to see how far that one is. */
static bool look_is_due(struct worker *w, int64_t now)
{
	if (atomic_load(&w->view.answers))
		return false;
	if (atomic_load(&w->view.watched) && w->look_due > now + WATCHED_MS * 1000)
		w->look_due = now + WATCHED_MS * 1000;
	return now >= w->look_due;
}

/* What IDLE does: renew the lease, look what people see, take from the feed, or read the log. */
static void idle_next(struct worker *w)
{
	int64_t now = w->env->monotonic(w->env);

	if (now >= w->lease_due) {
		w->renewing = true;
		set_state(w, WORKER_LEASING);
		return;
	}
	if (look_is_due(w, now)) {
		w->looking = true;
		set_state(w, WORKER_CHECKPOINT);
		return;
	}
	if (pause_until(w, w->next_due) || !may_begin(w, now))
		return;
	w->woken = false;
	if (take_feed(w))
		begin(w);
	else if (feed_head(w->feed) <= w->position && now < w->poll_due)
		wait_ms(w, (w->poll_due - now + 999) / 1000);
	else
		read_send(w);
}

static void close_soon(struct worker *w);

static void tick(struct worker *w)
{
	static void (*const take[])(struct worker *) = {
		[WORKER_CONNECTING] = connect_take, [WORKER_LEASING] = lease_take, [WORKER_STANDBY] = standby_take,
		[WORKER_CHECKPOINT] = checkpoint_take, [WORKER_READING] = read_take, [WORKER_LOADING] = load_take,
		[WORKER_WRITING] = write_take, [WORKER_CLOSED] = NULL,
	};

	if (w->request_out)
		return;
	if (w->call.request.done && take[w->state]) {
		w->call.request.done = NULL;
		take[w->state](w);
	}
	if (w->closing && w->state != WORKER_CLOSED) {
		close_soon(w);
		return;
	}
	while (!w->request_out && !w->timer_out && (!w->pass.queued || w->env->monotonic(w->env) >= w->lease_due)) {
		switch (w->state) {
		case WORKER_CONNECTING:
			connect_send(w);
			break;
		case WORKER_LEASING:
			lease_send(w);
			break;
		case WORKER_STANDBY:
		case WORKER_CHECKPOINT:
			checkpoint_send(w);
			break;
		case WORKER_IDLE:
			idle_next(w);
			break;
		case WORKER_LOADING:
			if (w->rounds >= ROUNDS_MOST)
				narrow(w);
			else if (load_send(w))
				break;
			else if (w->folded)
				set_state(w, WORKER_FOLDED);
			else
				fold(w);
			break;
		case WORKER_FOLDED:
			if (!gate_enter(w->gate, &w->pass, w->width < w->limits.events / 4))
				return;
			write_send(w);
			break;
		case WORKER_STOPPED: /* the time is up: begin again from the checkpoint */
			set_state(w, WORKER_CONNECTING);
			break;
		case WORKER_READING:
		case WORKER_WRITING:
		case WORKER_CLOSED:
			return;
		}
	}
}

void worker_start(struct worker *w)
{
	tick(w);
}

void worker_wake(struct worker *w)
{
	if (w->state != WORKER_IDLE || !w->timer_out || w->pausing)
		return;
	w->env->timer_stop(w->env, &w->timer);
	w->timer_out = false;
	tick(w);
}

static void on_store_closed(void *data)
{
	struct worker *w = data;

	arena_release(&w->read_arena);
	arena_release(&w->load_arena);
	state_release(&w->rows);
	free(w->events);
	w->events = NULL;
	w->closed(w->data, w);
}

static void close_now(struct worker *w)
{
	drop_batch(w);
	set_state(w, WORKER_CLOSED);
	w->env->timer_stop(w->env, &w->timer);
	w->env->timer_close(w->env, &w->timer);
	w->store->ops->close(w->store, on_store_closed, w);
}

/* The lease goes first, so that nobody waits for it to run out. */
static void close_soon(struct worker *w)
{
	if (!w->holds) {
		close_now(w);
		return;
	}
	w->holds = false;
	set_state(w, WORKER_IDLE); /* no answer of the past is taken any more */
	lease_ask(w, 0);
}

void worker_close(struct worker *w)
{
	w->closing = true;
	if (!w->request_out && w->state != WORKER_CLOSED)
		close_soon(w);
}
