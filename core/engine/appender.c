/* appender - see appender.h.  Here: its life, its queue, and the one function that moves its state. */
#include "engine/appender_private.h"

#include "base/log.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 5000,
	LONE_EVENTS = 16,          /* as many as a person's doing brings */
	SMALL_BYTES = 64 << 10,
	STOPPED_MS = 5000,         /* a stopped appender looks again */
	RECONNECT_MS = 2000,       /* a new session's chance before clients are told that the database is silent */
	ARENA_BLOCK = 16 << 10,
};

static void tick(struct appender *a);

const char *appender_state_name(enum appender_state state)
{
	static const char *const names[] = { "connecting", "learning", "catching up", "idle", "sending",
					     "waiting", "stopped", "closed" };

	return names[state];
}

int64_t appender_silence_ms(const struct appender *a)
{
	return a->asked_at ? (a->env->monotonic(a->env) - a->asked_at) / 1000 : 0;
}

static void part_name(const struct appender *a, char out[32])
{
	snprintf(out, 32, "appender %d", a->shard);
}

static void on_timer(struct env_timer *t)
{
	struct appender *a = t->data;

	a->timer_out = false;
	tick(a);
}

/* Its turn has come; another appender's call is under way, so it begins on the next turn of the loop. */
static void let_in(void *data)
{
	struct appender *a = data;

	a->looked = false; /* it may have waited long */
	a->timer_out = true;
	a->env->timer_start(a->env, &a->timer, 0);
}

void appender_open(struct appender *a, int16_t shard, struct env *env, struct store *store, struct appender_log *log,
		   const struct batch_limits *limits, uint64_t seed)
{
	memset(a, 0, sizeof(*a));
	a->shard = shard;
	a->env = env;
	a->store = store;
	a->log = log;
	a->limits = *limits;
	a->small_bytes = SMALL_BYTES;
	a->state = APPENDER_CONNECTING;
	a->head_recorded_at = TIME_NONE;
	a->first_month = TIME_NONE;
	random_seed(&a->random, seed + (uint64_t)shard);
	fair_queue_init(&a->queue);
	batch_init(&a->batch);
	merkle_init(&a->tree);
	arena_init(&a->call_arena, ARENA_BLOCK);
	a->pass.let_in = let_in;
	a->pass.data = a;
	a->timer.fire = on_timer;
	a->timer.data = a;
	env->timer_open(env, &a->timer);
}

void appender_answer(struct request_list *list)
{
	struct request *r;

	while ((r = request_list_take(list)))
		r->answer(r);
}

/* An outcome is known. */
void appender_count(struct appender *a, const struct request *r)
{
	int duplicates = r->status ? 0 : request_duplicates(r);

	if (r->own) {
		a->races += r->status ? r->count : duplicates;
		a->journaled += r->status ? 0 : r->count - duplicates;
		return;
	}
	a->refused += r->status != 0;
	a->duplicates += duplicates;
	a->events += r->status ? 0 : r->count - duplicates;
}

/* The same of a request that is refused only after this. */
static void count_refused(struct appender *a, const struct request *r)
{
	if (r->own)
		a->races += r->count;
	else
		a->refused++;
}

void appender_refuse(struct appender *a, int code, const char *text)
{
	struct request *r;

	while ((r = fair_queue_take(&a->queue))) {
		count_refused(a, r);
		request_refuse(r, code, "%s", text);
	}
}

void appender_wait(struct appender *a, int64_t ms)
{
	gate_leave(a->gate, &a->pass);
	a->timer_out = true;
	a->env->timer_start(a->env, &a->timer, ms);
}

void appender_back_off(struct appender *a)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < a->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	a->failures++;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	appender_wait(a, ms / 2 + (int64_t)random_below(&a->random, (uint64_t)ms));
}

void appender_stop(struct appender *a, int code, const char *text)
{
	char part[32];

	part_name(a, part);
	if (a->refuse_code != code)
		log_error(part, "stopped: %s", text);
	error_set(&a->trouble, code, "%s", text);
	a->state = APPENDER_STOPPED;
	a->refuse_code = code;
	fair_queue_return(&a->queue, &a->batch.requests);
	appender_refuse(a, code, text);
	appender_wait(a, STOPPED_MS);
}

/* The batch's requests go back to the front of the queue, in their order. */
void appender_unform(struct appender *a)
{
	fair_queue_return(&a->queue, &a->batch.requests);
	a->batch.count = 0;
}

static void on_done(struct store_request *request)
{
	struct appender *a = request->data;

	a->request_out = false;
	if (!request->lost)
		a->asked_at = 0;
	tick(a);
}

void appender_ask(struct appender *a)
{
	if (!a->asked_at)
		a->asked_at = a->env->monotonic(a->env);
	a->request_out = true;
	a->call.request.done = on_done;
	a->call.request.data = a;
}

/* The queue is answered as the database's silence allows: what was never sent is not stored, of the rest nobody knows. */
void appender_refuse_waiting(struct appender *a, const char *text)
{
	struct request *r;

	while ((r = fair_queue_take(&a->queue))) {
		count_refused(a, r);
		request_refuse(r, E_UNAVAILABLE, "%s; %s", text,
			       r->unsettled ? "whether this request is stored is not known: send it again, and it is stored once"
					    : "this request is not stored: send it again later");
	}
}

void appender_lost(struct appender *a)
{
	bool anothers = a->rode && a->state == APPENDER_SENDING; /* session, that of whoever took us along */
	char part[32];

	part_name(a, part);
	if (a->failures == 0 && !anothers)
		log_warn(part, "%s; connecting again", a->call.request.error.message);
	a->trouble = a->call.request.error;
	for (struct request *r = a->batch.requests.first; r; r = r->next)
		if (!r->unsettled) {
			r->unsettled = true;
			r->unsettled_after = a->batch.head;
		}
	appender_unform(a);
	a->state = anothers ? APPENDER_LEARNING : APPENDER_CONNECTING;
	appender_back_off(a);
}

static void waiting_take(struct appender *a)
{
	if (appender_failed(a))
		return;
	a->state = APPENDER_LEARNING;
}

static void close_now(struct appender *a);

/* The one function that moves the state. */
static void tick(struct appender *a)
{
	static void (*const take[])(struct appender *) = {
		[APPENDER_CONNECTING] = appender_connected, [APPENDER_LEARNING] = appender_take_head,
		[APPENDER_CATCHING_UP] = appender_take_leaves, [APPENDER_SENDING] = appender_take_outcome,
		[APPENDER_WAITING] = waiting_take,
	};
	enum appender_state before = a->state;

	if (a->request_out)
		return;
	if (a->call.request.done && take[before]) {
		a->call.request.done = NULL;
		take[before](a);
	}
	if (before == APPENDER_SENDING) {
		gate_leave(a->gate, &a->pass);
		if (a->load)
			load_leave(a->load, a->env->monotonic(a->env));
	}
	if (a->closing && a->state != APPENDER_CLOSED) {
		close_now(a);
		return;
	}
	while (!a->request_out && !a->timer_out) {
		switch (a->state) {
		case APPENDER_CONNECTING:
			appender_connect(a);
			return;
		case APPENDER_LEARNING:
			appender_ask_head(a);
			return;
		case APPENDER_CATCHING_UP:
			appender_catch_up(a);
			break;
		case APPENDER_IDLE:
			if (!a->queue.events) {
				gate_leave(a->gate, &a->pass);
				return;
			}
			a->pass.joins = !a->alone && !a->apart;
			if (!gate_enter(a->gate, &a->pass, a->queue.bytes < a->small_bytes))
				return;
			if (a->rival && !a->looked && !a->pass.small) {
				a->state = APPENDER_LEARNING;
				break;
			}
			appender_send(a);
			break;
		case APPENDER_WAITING: /* the timer has run out: look again */
			a->state = APPENDER_LEARNING;
			break;
		case APPENDER_STOPPED: /* the time is up: a person may have mended it */
			a->state = APPENDER_CONNECTING;
			break;
		case APPENDER_SENDING:
		case APPENDER_CLOSED:
			return;
		}
	}
}

void appender_start(struct appender *a)
{
	tick(a);
}

void appender_submit(struct appender *a, struct request *r)
{
	r->came_at = a->env->monotonic(a->env);
	if (fair_queue_add(&a->queue, r) && a->lone && r->count <= LONE_EVENTS && !r->own)
		*a->lone = (struct appender_lone){ r->tenant_id, r->came_at };
	if (a->closing) {
		appender_refuse(a, E_STOPPING, "the engine is shutting down");
		return;
	}
	if (a->refuse_code) {
		appender_refuse(a, a->refuse_code, a->trouble.message);
		return;
	}
	if (a->state == APPENDER_IDLE && !a->timer_out && !a->pass.queued) {
		/* One turn of the loop gathers what has come in together. */
		a->timer_out = true;
		a->env->timer_start(a->env, &a->timer, 0);
	}
}

void appender_sweep(struct appender *a, bool silent)
{
	if (!silent && (!a->patience_ms || appender_silence_ms(a) < a->patience_ms + RECONNECT_MS))
		return;
	if (a->state == APPENDER_CONNECTING) { /* until it has caught up again */
		if (!a->trouble.code)
			error_set(&a->trouble, E_UNAVAILABLE, "the database does not answer");
		if (!a->refuse_code)
			a->refuse_code = E_UNAVAILABLE;
	}
	appender_refuse_waiting(a, a->trouble.code ? a->trouble.message : "the database does not answer");
}

static void on_store_closed(void *data)
{
	struct appender *a = data;

	batch_release(&a->batch);
	fair_queue_release(&a->queue);
	merkle_release(&a->tree);
	arena_release(&a->call_arena);
	a->closed(a->data, a);
}

static void close_now(struct appender *a)
{
	fair_queue_return(&a->queue, &a->batch.requests);
	appender_refuse(a, E_STOPPING, "the engine is shutting down");
	a->state = APPENDER_CLOSED;
	gate_leave(a->gate, &a->pass);
	a->env->timer_stop(a->env, &a->timer);
	a->env->timer_close(a->env, &a->timer);
	a->store->ops->close(a->store, on_store_closed, a);
}

void appender_close(struct appender *a)
{
	a->closing = true;
	if (!a->request_out && a->state != APPENDER_CLOSED)
		close_now(a);
}
