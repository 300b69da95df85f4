/* timers - see timers.h. */
#include "engine/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/decision.h"
#include "engine/fault.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 5000,
	ASIDE_MOST = 1000,
	REQUEST_BYTES = 1024, /* what an event of ours counts for in a batch's bound, about */
	ARENA_BLOCK = 64 << 10,
};

struct aside_key {
	struct uuid tenant_id, clock;
	int64_t at;
};

static void tick(struct timers *t);

const char *timers_state_name(enum timers_state state)
{
	static const char *const names[] = { "connecting", "standby",	 "learning", "looking", "naming",
					     "sleeping",   "journaling", "folding",  "closed" };

	return names[state];
}

static void part_name(const struct timers *t, char out[32])
{
	snprintf(out, 32, "timers %d", t->shard);
}

struct timers_model timers_model_of(const struct group *group)
{
	struct timers_model m = { .group = group };

	for (int i = 0; i < group->count; i++) {
		const struct projection *p = group->projections[i];
		bool clocks = strcmp(p->name, "sla_clocks") == 0;
		const struct column *next_at;

		if (!clocks && strcmp(p->name, "sla_reapplications") != 0)
			continue;
		next_at = projection_column(p, "next_at");
		assert(next_at && next_at->kind == COLUMN_TIME);
		*(clocks ? &m.clocks : &m.asks) = p;
		m.alarms.of[!clocks].of = p;
		m.alarms.of[!clocks].offset = next_at->offset;
	}
	return m;
}

static void on_timer(struct env_timer *timer)
{
	struct timers *t = timer->data;

	t->timer_out = t->waiting = false;
	tick(t);
}

static void wait_ms(struct timers *t, int64_t ms)
{
	t->timer_out = true;
	t->env->timer_start(t->env, &t->timer, ms);
}

/* As long, unless the fold moves first. */
static void wait_for_fold(struct timers *t, int64_t ms)
{
	t->waiting = true;
	wait_ms(t, ms);
}

void timers_open(struct timers *t, int16_t shard, const struct timers_model *model, struct env *env, struct store *store,
		 struct worker_view *fold, struct appender *appender, struct request_pool *pool,
		 const struct timers_limits *limits, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->shard = shard;
	t->model = model;
	t->env = env;
	t->store = store;
	t->fold = fold;
	t->appender = appender;
	t->pool = pool;
	t->limits = *limits;
	t->next = INT64_MAX;
	t->from = TIME_MIN;
	t->clear = INT64_MAX;
	random_seed(&t->random, seed + (uint64_t)shard);
	map_init(&t->aside, sizeof(struct aside_key));
	arena_init(&t->call_arena, ARENA_BLOCK);
	naming_init(&t->naming, limits->names);
	t->order = mem_alloc((size_t)limits->clocks * sizeof(*t->order));
	t->timer.fire = on_timer;
	t->timer.data = t;
	env->timer_open(env, &t->timer);
}

static void back_off(struct timers *t)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < t->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	t->failures++;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	wait_ms(t, ms / 2 + (int64_t)random_below(&t->random, (uint64_t)ms));
}

static void on_done(struct store_request *request)
{
	struct timers *t = request->data;

	t->request_out = false;
	tick(t);
}

static void ask(struct timers *t)
{
	t->request_out = true;
	t->call.request.done = on_done;
	t->call.request.data = t;
}

static void fail(struct timers *t, enum timers_state back_to)
{
	char part[32];

	bool fenced = t->call.request.status == E_FENCED;

	part_name(t, part);
	t->fenced += fenced;
	if (fenced ? t->fenced == 2 : t->failures == 0)
		log_warn(part, "%s; trying again", t->call.request.error.message);
	if (!fenced || t->fenced > 1)
		t->trouble = t->call.request.error;
	t->state = t->call.request.lost ? TIMERS_CONNECTING : back_to;
	back_off(t);
}

static void connect_send(struct timers *t)
{
	memset(&t->call.connect, 0, sizeof(t->call.connect));
	ask(t);
	t->store->ops->connect(t->store, &t->call.connect);
}

static void connect_take(struct timers *t)
{
	if (t->call.request.status) {
		t->call.request.lost = true;
		fail(t, TIMERS_CONNECTING);
		return;
	}
	t->state = TIMERS_STANDBY;
}

static bool is_owner(const struct timers *t)
{
	return atomic_load(&t->fold->owner);
}

static void learn_send(struct timers *t)
{
	memset(&t->call.checkpoint, 0, sizeof(t->call.checkpoint));
	t->call.checkpoint.group = t->model->group;
	t->call.checkpoint.shard = t->shard;
	ask(t);
	t->store->ops->checkpoint(t->store, &t->call.checkpoint);
}

static void learn_take(struct timers *t)
{
	if (t->call.request.status) {
		fail(t, TIMERS_STANDBY);
		return;
	}
	t->generation = t->call.checkpoint.generation;
	t->start = -1;
	t->clear = INT64_MAX;
	t->await = 0;
	t->full_due = 0;
	t->state = TIMERS_LOOKING;
}

/* ---- looking ---- */

/* Whatever the fold has written since is known of from here on. */
static void heed_alarm(struct timers *t)
{
	int64_t at = atomic_exchange(&t->fold->alarm, INT64_MAX);

	if (at < t->next)
		t->next = at;
	if (at < t->from)
		t->from = at;
}

static void look_send(struct timers *t)
{
	struct store_due *c = &t->call.due;
	int64_t now = t->env->monotonic(t->env);

	heed_alarm(t);
	if (now >= t->full_due) {
		t->full_due = now + t->limits.full_ms * 1000;
		t->from = TIME_MIN;
		map_clear(&t->aside);
	}
	t->look_due = now + t->limits.look_ms * 1000;
	t->poll_due = now + t->limits.poll_ms * 1000;
	arena_reset(&t->call_arena);
	memset(c, 0, sizeof(*c));
	c->group = t->model->group;
	c->clocks = t->model->clocks;
	c->asks = t->model->asks;
	c->generation = t->generation;
	c->shard = t->shard;
	c->now = t->env->wall(t->env);
	c->from = t->from;
	c->limit = t->limits.clocks + (int)t->aside.count;
	c->arena = &t->call_arena;
	ask(t);
	t->store->ops->due(t->store, c);
}

static struct aside_key key_of(const struct uuid *tenant_id, const struct uuid *clock, int64_t at)
{
	struct aside_key key;

	memset(&key, 0, sizeof(key));
	key.tenant_id = *tenant_id;
	key.clock = *clock;
	key.at = at;
	return key;
}

static int by_subject(const void *a, const void *b)
{
	const struct due_clock *x = *(const struct due_clock *const *)a, *y = *(const struct due_clock *const *)b;
	int c = uuid_compare(&x->tenant_id, &y->tenant_id);

	if (c == 0)
		c = uuid_compare(&x->conversation_id, &y->conversation_id);
	if (c == 0)
		c = uuid_compare(&x->resolution_id, &y->resolution_id);
	if (c == 0)
		c = x->next_at < y->next_at ? -1 : x->next_at > y->next_at;
	return c ? c : uuid_compare(&x->id, &y->id);
}

/* The look's clocks that are not left aside, those of one conversation side by side. */
static int sort_due(struct timers *t)
{
	const struct store_due *c = &t->call.due;
	int n = 0;

	for (int i = 0; i < c->count && n < t->limits.clocks; i++) {
		struct aside_key key = key_of(&c->due[i].tenant_id, &c->due[i].id, c->due[i].next_at);

		if (!map_find(&t->aside, &key))
			t->order[n++] = &c->due[i];
	}
	qsort(t->order, (size_t)n, sizeof(*t->order), by_subject);
	return n;
}

static bool same_request(const struct due_clock *x, const struct due_clock *y)
{
	return uuid_equal(&x->tenant_id, &y->tenant_id) && uuid_equal(&x->conversation_id, &y->conversation_id) &&
	       (!uuid_is_nil(&x->conversation_id) || uuid_equal(&x->resolution_id, &y->resolution_id));
}

/* ---- journaling ---- */

/* Sets the clock of an event aside; false when there is no room. */
static bool set_aside(struct timers *t, const struct event *e)
{
	struct aside_key key = key_of(&e->tenant_id, &e->entity_id, e->occurred_at);

	if (t->aside.count >= ASIDE_MOST)
		return false;
	*map_put(&t->aside, &key) = t;
	return true;
}

static void expect(struct request *r, int scope, const struct uuid *id, const char *types, int64_t after)
{
	r->expects[r->expect_count++] =
		(struct expectation){ .scope = scope, .tenant_id = r->tenant_id, .id = *id, .types = bytes_text(types), .after = after };
}

static void on_answer(struct request *r);

/* One request of the `n` decisions at `due`, which are about one conversation (or one resolution without any). */
static void submit(struct timers *t, struct due_clock *const *due, int n)
{
	struct request *r = request_new(t->pool);

	r->answer = on_answer;
	r->own = true;
	r->ticket.owner = t;
	r->tenant_id = due[0]->tenant_id;
	r->shard = t->shard;
	r->bytes = (size_t)n * REQUEST_BYTES;
	r->count = n;
	r->events = arena_alloc(&r->arena, sizeof(*r->events) * (size_t)n);
	r->states = arena_alloc(&r->arena, sizeof(*r->states) * (size_t)n);
	r->expects = arena_alloc(&r->arena, sizeof(*r->expects) * (size_t)(n + 2));
	for (int i = 0; i < n; i++) {
		r->recorded_after = time_later(r->recorded_after, due[i]->next_at);
		decision_event(due[i], &r->arena, &r->events[i]);
		r->states[i] = (struct request_event){ .same_as = -1 };
		if (!uuid_is_nil(&due[i]->resolution_id) && (i == 0 || !uuid_equal(&due[i]->resolution_id, &due[i - 1]->resolution_id)))
			expect(r, EXPECT_RESOLUTION, &due[i]->resolution_id, "", t->position);
	}
	if (!uuid_is_nil(&due[0]->conversation_id))
		expect(r, EXPECT_CONVERSATION, &due[0]->conversation_id, "", t->position);
	expect(r, EXPECT_TENANT, &r->tenant_id, "sla_policy.reapply", t->position);
	t->under_way++;
	appender_submit(t->appender, r);
}

static void journal(struct timers *t, int n)
{
	t->state = TIMERS_JOURNALING;
	t->await = t->position;
	error_clear(&t->refusal);
	fault_point("timers.decided");
	t->under_way++; /* ours, so that answers inside the call do not end the round */
	for (int i = 0, width; i < n; i += width) {
		for (width = 1; i + width < n && same_request(t->order[i], t->order[i + width]); width++)
			;
		submit(t, t->order + i, width);
	}
	t->under_way--;
}

/* ---- naming ---- */

static void names_send(struct timers *t)
{
	struct store_names *c = &t->call.names;

	arena_reset(&t->call_arena);
	memset(c, 0, sizeof(*c));
	c->clocks = t->model->clocks;
	c->generation = t->generation;
	c->arena = &t->call_arena;
	naming_ask(&t->naming, c, t->limits.rows);
	ask(t);
	t->store->ops->names(t->store, c);
}

static void journal_names(struct timers *t)
{
	struct request *r = request_new(t->pool);

	t->state = TIMERS_JOURNALING;
	t->await = t->position;
	error_clear(&t->refusal);
	fault_point("timers.named");
	r->answer = on_answer;
	r->own = true;
	r->ticket.owner = t;
	r->tenant_id = t->naming.ask.tenant_id;
	r->shard = t->shard;
	r->bytes = REQUEST_BYTES + (size_t)t->naming.count * (UUID_TEXT + 2);
	r->count = 1;
	r->events = arena_zalloc(&r->arena, sizeof(*r->events));
	r->states = arena_alloc(&r->arena, sizeof(*r->states));
	r->expects = arena_alloc(&r->arena, sizeof(*r->expects));
	r->states[0] = (struct request_event){ .same_as = -1 };
	naming_event(&t->naming, &r->arena, &r->events[0]);
	expect(r, EXPECT_TENANT, &r->tenant_id, "sla_policy.reapply", t->position);
	t->under_way += 2; /* ours too, so that an answer inside the call does not end the round */
	appender_submit(t->appender, r);
	t->under_way--;
}

static void names_take(struct timers *t)
{
	if (t->call.request.status) {
		fail(t, TIMERS_STANDBY);
		return;
	}
	naming_add(&t->naming, &t->call.names);
	heed_alarm(t);
	if (naming_is_full(&t->naming))
		journal_names(t);
	else if (t->next < t->env->wall(t->env) - t->skew)
		t->state = TIMERS_LOOKING; /* what is due does not wait for it */
}

/* Whether somebody is to be named, whom that concerns being not left aside. */
static bool has_ask(const struct timers *t, const struct due_ask *a)
{
	struct aside_key key = key_of(&a->tenant_id, &a->policy_id, a->asked_at);

	return !uuid_is_nil(&a->id) && !map_find(&t->aside, &key);
}

/* ---- answers ---- */

static void note_lateness(struct timers *t, int64_t due)
{
	if (due < t->clear) {
		t->past++;
		return;
	}
	t->late = t->env->wall(t->env) - t->skew - due;
	t->late_most = time_later(t->late_most, t->late);
}

static void took_stored(struct timers *t, const struct request *r)
{
	for (int i = 0; i < r->count; i++) {
		const struct event *e = &r->events[i];

		if (r->states[i].duplicate_at && e->position <= t->position) { /* folded, and the row asks all the same */
			if (!set_aside(t, e))
				error_set(&t->refusal, E_OVERLOADED, "too many clocks ask for what is in the log already");
			continue;
		}
		t->await = time_later(t->await, e->position);
		if (r->states[i].duplicate_at)
			continue;
		if (e->type->kind == EV_SLA_POLICY_REAPPLY) {
			naming_done(&t->naming);
			t->named++;
			continue;
		}
		note_lateness(t, e->occurred_at);
		if (e->type->kind == EV_SLA_WARNING)
			t->warnings++;
		else
			t->breaches++;
	}
}

static void took_refusal(struct timers *t, const struct request *r)
{
	char part[32];

	if ((r->status == E_STALE || r->status == E_CONFLICT) && r->error.position > t->position) {
		t->await = time_later(t->await, r->error.position);
		return;
	}
	if (error_get(r->status)->class == CLASS_RETRY || r->status == E_LOG_DIVERGED || r->status == E_PARAMS) {
		t->refusal = r->error;
		return;
	}
	part_name(t, part);
	log_warn(part, "a clock's event was not taken: %s", r->error.message);
	t->trouble = r->error;
	for (int i = 0; i < r->count; i++)
		if ((r->error.index < 0 || r->error.index == i) && !set_aside(t, &r->events[i]))
			t->refusal = r->error;
}

static void on_answer(struct request *r)
{
	struct timers *t = r->ticket.owner;

	/* Closed meanwhile: whoever comes next finds it in the log, or decides it. */
	if (t->state == TIMERS_JOURNALING && r->status)
		took_refusal(t, r);
	else if (t->state == TIMERS_JOURNALING)
		took_stored(t, r);
	request_free(t->pool, r);
	if (--t->under_way == 0)
		tick(t);
}

/* All requests of the round are answered. */
static void round_over(struct timers *t)
{
	fault_point("timers.journaled");
	if (t->refusal.code) {
		t->trouble = t->refusal;
		back_off(t);
	} else {
		t->failures = 0;
	}
	t->state = TIMERS_FOLDING;
}

static void look_take(struct timers *t)
{
	const struct store_due *c = &t->call.due;
	int n;

	if (c->request.status) {
		fail(t, TIMERS_STANDBY);
		return;
	}
	t->fenced = 0;
	t->skew = c->now - c->horizon;
	t->next = c->next == TIME_NONE ? INT64_MAX : c->next;
	t->position = c->position;
	if (t->start < 0)
		t->start = c->head;
	if (c->position < t->await || t->generation != atomic_load(&t->fold->generation)) { /* the server has lost its last commits, or the rows are of another generation now */
		t->state = TIMERS_STANDBY;
		back_off(t);
		return;
	}
	if (c->position < t->start || c->head - c->position > t->limits.lag_events) {
		t->await = time_later(t->start, c->head - t->limits.lag_events);
		t->state = TIMERS_FOLDING;
		return;
	}
	n = sort_due(t);
	if (n) {
		journal(t, n);
		return;
	}
	if (has_ask(t, &c->ask)) {
		naming_begin(&t->naming, &c->ask);
		t->state = TIMERS_NAMING;
		return;
	}
	t->failures = 0;
	t->trouble.code = 0;
	t->from = t->clear = c->horizon;
	t->state = TIMERS_SLEEPING;
}

/* ---- sleeping ---- */

static void sleep_on(struct timers *t)
{
	int64_t now = t->env->monotonic(t->env), horizon = t->env->wall(t->env) - t->skew, us;

	heed_alarm(t);
	if (!is_owner(t)) {
		t->state = TIMERS_STANDBY;
		return;
	}
	us = t->poll_due - now;
	if (us > 0 && t->next != INT64_MAX && t->next - horizon < us)
		us = t->next - horizon + 1; /* the instant itself must be over */
	if (us <= 0) {
		t->state = TIMERS_LOOKING;
		return;
	}
	wait_for_fold(t, (us + 999) / 1000);
}

static void look_on(struct timers *t)
{
	int64_t us = t->look_due - t->env->monotonic(t->env);

	if (!is_owner(t))
		t->state = TIMERS_STANDBY;
	else if (us > 0)
		wait_ms(t, (us + 999) / 1000);
	else
		look_send(t);
}

static void fold_on(struct timers *t)
{
	if (!is_owner(t))
		t->state = TIMERS_STANDBY;
	else if (atomic_load(&t->fold->position) >= t->await)
		t->state = TIMERS_LOOKING;
	else
		wait_for_fold(t, t->limits.poll_ms);
}

static void close_now(struct timers *t);

static void tick(struct timers *t)
{
	static void (*const take[])(struct timers *) = {
		[TIMERS_CONNECTING] = connect_take, [TIMERS_LEARNING] = learn_take, [TIMERS_LOOKING] = look_take,
		[TIMERS_NAMING] = names_take,
		[TIMERS_CLOSED] = NULL,
	};

	if (t->request_out || t->state == TIMERS_CLOSED)
		return;
	if (t->closing) {
		close_now(t);
		return;
	}
	if (t->call.request.done && take[t->state]) {
		t->call.request.done = NULL;
		take[t->state](t);
	}
	while (!t->request_out && !t->timer_out) {
		switch (t->state) {
		case TIMERS_CONNECTING:
			connect_send(t);
			break;
		case TIMERS_STANDBY:
			if (is_owner(t))
				t->state = TIMERS_LEARNING;
			else
				wait_for_fold(t, t->limits.poll_ms);
			break;
		case TIMERS_LEARNING:
			learn_send(t);
			break;
		case TIMERS_LOOKING:
			look_on(t);
			break;
		case TIMERS_NAMING:
			if (is_owner(t))
				names_send(t);
			else
				t->state = TIMERS_STANDBY;
			break;
		case TIMERS_SLEEPING:
			sleep_on(t);
			break;
		case TIMERS_JOURNALING:
			if (t->under_way)
				return;
			round_over(t);
			break;
		case TIMERS_FOLDING:
			fold_on(t);
			break;
		case TIMERS_CLOSED:
			return;
		}
	}
}

void timers_start(struct timers *t)
{
	tick(t);
}

void timers_moved(struct timers *t)
{
	if (!t->waiting)
		return;
	t->env->timer_stop(t->env, &t->timer);
	t->timer_out = t->waiting = false;
	tick(t);
}

static void on_store_closed(void *data)
{
	struct timers *t = data;

	arena_release(&t->call_arena);
	map_release(&t->aside);
	naming_release(&t->naming);
	free(t->order);
	t->order = NULL;
	if (t->closed)
		t->closed(t->data, t);
}

static void close_now(struct timers *t)
{
	t->state = TIMERS_CLOSED;
	t->waiting = false;
	t->env->timer_stop(t->env, &t->timer);
	t->env->timer_close(t->env, &t->timer);
	t->store->ops->close(t->store, on_store_closed, t);
}

void timers_close(struct timers *t)
{
	t->closing = true;
	if (!t->request_out && t->state != TIMERS_CLOSED)
		close_now(t);
}
