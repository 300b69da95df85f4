/* worker - see worker.h.  Here: its life, what it does between batches, and the one function that asks and takes. */
#include "engine/worker_private.h"

#include "base/log.h"
#include "engine/fault.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 5000,
	STOPPED_MS = 15000,     /* a stopped worker looks again */
	ROUNDS_MOST = 200,      /* of loads for one batch; each event needs few, for the folds bound their chains */
	ARENA_BLOCK = 256 << 10,
};

static void tick(struct worker *w);

const char *worker_state_name(enum worker_state state)
{
	static const char *const names[] = { "connecting", "leasing", "standby", "checkpoint", "idle", "reading",
					     "loading",	   "folded",  "writing", "stopped", "closed" };

	return names[state];
}

void worker_part(const struct worker *w, char out[48])
{
	snprintf(out, 48, "worker %s/%d", w->group->name, w->shard);
}

static void on_timer(struct env_timer *t)
{
	struct worker *w = t->data;

	w->timer_out = w->pausing = false;
	tick(w);
}

void worker_wait(struct worker *w, int64_t ms)
{
	w->timer_out = true;
	w->env->timer_start(w->env, &w->timer, ms);
}

/* True when `due` is still to come: then the timer runs, and nothing in the feed wakes the worker early. */
bool worker_pause(struct worker *w, int64_t due)
{
	int64_t us = due - w->env->monotonic(w->env);

	if (us <= 0)
		return false;
	w->pausing = true;
	worker_wait(w, (us + 999) / 1000);
	return true;
}

/* Its turn has come; another worker's call is under way, so it begins on the next turn of the loop. */
static void let_in(void *data)
{
	worker_wait(data, 0);
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

void worker_set_state(struct worker *w, enum worker_state state)
{
	w->state = state;
	/* A lease that is renewed costs nobody his place in the queue. */
	if ((state < WORKER_READING || state > WORKER_WRITING) && !(state <= WORKER_IDLE && w->renewing))
		gate_leave(w->gate, &w->pass);
	atomic_store(&w->view.state, (int)state);
	atomic_store(&w->view.owner, w->renewing || (state >= WORKER_IDLE && state <= WORKER_WRITING));
}

void worker_set_trouble(struct worker *w, const struct error *e)
{
	pthread_mutex_lock(&w->view.lock);
	w->view.trouble = *e;
	pthread_mutex_unlock(&w->view.lock);
}

void worker_set_position(struct worker *w, int64_t position)
{
	w->position = position;
	atomic_store(&w->view.position, position);
	if (atomic_load(&w->view.answers))
		atomic_store(&w->view.shown, position);
}

bool worker_is_well(const struct worker *w)
{
	int s = atomic_load(&w->view.state);

	return s != WORKER_STOPPED && s != WORKER_CLOSED && (s != WORKER_CONNECTING || atomic_load(&w->view.reached));
}

void worker_tell(struct worker *w)
{
	if (w->moved)
		w->moved(w->data, w);
}

void worker_back_off(struct worker *w)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < w->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	w->failures++;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	worker_wait(w, ms / 2 + (int64_t)random_below(&w->random, (uint64_t)ms));
}

void worker_drop(struct worker *w)
{
	while (w->taken) {
		struct feed_batch *next = w->taken->next;

		feed_batch_free(w->taken);
		w->taken = next;
	}
	w->count = w->from = w->width = 0;
}

/* Stands still for a while; nothing that is in memory is kept. */
void worker_halt(struct worker *w, const struct error *e)
{
	worker_set_trouble(w, e);
	state_drop(&w->rows);
	worker_drop(w);
	atomic_store(&w->view.reached, false);
	worker_set_state(w, WORKER_STOPPED);
	/* Nobody else may go on from rows that are not right: the lease is kept. */
	worker_wait(w, w->spoiled && w->limits.lease_ms / 2 < STOPPED_MS ? w->limits.lease_ms / 2 : STOPPED_MS);
	worker_tell(w);
}

void worker_stop(struct worker *w, const struct error *e)
{
	char part[48];

	worker_part(w, part);
	log_error(part, "stopped at position %lld: %s", (long long)w->position, e->message);
	worker_halt(w, e);
}

static void on_done(struct store_request *request)
{
	struct worker *w = request->data;

	w->request_out = false;
	tick(w);
}

void worker_ask(struct worker *w)
{
	w->request_out = true;
	w->call.request.done = on_done;
	w->call.request.data = w;
}

void worker_forget(struct worker *w)
{
	if (fault_on("worker.keeps_rows") && !w->rows.partial_count && !w->rows.gathered)
		state_done(&w->rows);
	else
		state_drop(&w->rows);
}

/* Lost session, or a passing refusal: forget what is not written, and begin again. */
void worker_fail(struct worker *w)
{
	char part[48];

	worker_part(w, part);
	if (w->failures == 0)
		log_warn(part, "%s; trying again", w->call.request.error.message);
	worker_set_trouble(w, &w->call.request.error);
	worker_forget(w);
	worker_drop(w);
	if (w->call.request.lost) {
		w->holds = false;
		atomic_store(&w->view.reached, false);
	}
	worker_set_state(w, w->call.request.lost ? WORKER_CONNECTING : WORKER_LEASING);
	worker_back_off(w);
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
		return !worker_pause(w, p->rest_until);
	worker_pause(w, w->lease_due);
	return false;
}

/* While people see another generation: whether it is time to see how far that one is. */
static bool look_is_due(struct worker *w, int64_t now)
{
	if (atomic_load(&w->view.answers))
		return false;
	if (atomic_load(&w->view.watched) && w->look_due > now + WORKER_WATCHED_MS * 1000)
		w->look_due = now + WORKER_WATCHED_MS * 1000;
	return now >= w->look_due;
}

/* What IDLE does: renew the lease, look what people see, take from the feed, or read the log. */
static void idle_next(struct worker *w)
{
	int64_t now = w->env->monotonic(w->env);

	if (now >= w->lease_due) {
		w->renewing = true;
		worker_set_state(w, WORKER_LEASING);
		return;
	}
	if (look_is_due(w, now)) {
		w->looking = true;
		worker_set_state(w, WORKER_CHECKPOINT);
		return;
	}
	if (worker_pause(w, w->next_due) || !may_begin(w, now))
		return;
	w->woken = false;
	if (worker_take_feed(w))
		worker_begin(w);
	else if (feed_head(w->feed) <= w->position && now < w->poll_due)
		worker_wait(w, (w->poll_due - now + 999) / 1000);
	else
		worker_read(w);
}

static void close_soon(struct worker *w);

static void tick(struct worker *w)
{
	static void (*const take[])(struct worker *) = {
		[WORKER_CONNECTING] = worker_connected, [WORKER_LEASING] = worker_leased, [WORKER_STANDBY] = worker_stand_by,
		[WORKER_CHECKPOINT] = worker_take_checkpoint, [WORKER_READING] = worker_take_events, [WORKER_LOADING] = worker_take_rows,
		[WORKER_WRITING] = worker_written, [WORKER_CLOSED] = NULL,
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
			worker_connect(w);
			break;
		case WORKER_LEASING:
			worker_lease(w);
			break;
		case WORKER_STANDBY:
		case WORKER_CHECKPOINT:
			worker_ask_checkpoint(w);
			break;
		case WORKER_IDLE:
			idle_next(w);
			break;
		case WORKER_LOADING:
			if (w->rounds >= ROUNDS_MOST)
				worker_narrow(w);
			else if (worker_load(w))
				break;
			else if (w->folded)
				worker_set_state(w, WORKER_FOLDED);
			else
				worker_fold(w);
			break;
		case WORKER_FOLDED:
			if (!gate_enter(w->gate, &w->pass, w->width < w->limits.events / 4))
				return;
			worker_write(w);
			break;
		case WORKER_STOPPED: /* the time is up: begin again from the checkpoint */
			worker_set_state(w, WORKER_CONNECTING);
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
	worker_drop(w);
	worker_set_state(w, WORKER_CLOSED);
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
	worker_set_state(w, WORKER_IDLE); /* no answer of the past is taken any more */
	worker_ask_lease(w, 0);
}

void worker_close(struct worker *w)
{
	w->closing = true;
	if (!w->request_out && w->state != WORKER_CLOSED)
		close_soon(w);
}
