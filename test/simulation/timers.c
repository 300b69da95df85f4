/*
 * timers - whole histories of clocks on a fake store, one for each seed: what time decides is in the log, once, and
 * was right where it stands.
 *
 * Two engines share a log.  Producers open conversations, some with a due time that has passed, answer them in time,
 * too late, or in time but told late, resolve them, and give more time (sla_policy.reapply, by name or to all of a
 * policy that was written anew), all around the instants at which the clocks are due.  Engines crash, sessions are lost before and after their commits, commits come late
 * behind everybody's back, engines stand still for longer than their leases, wall clocks jump.  Then the faults end and the last due instant passes.
 *
 * The read model of clocks is one of this file's own, small enough to be seen through: two clocks a conversation (the
 * first answer, which goes by the tenant's one policy, and the resolution), each with one warning at three quarters of
 * its time.  Who asked for all of them is in the product's own sla_reapplications.
 *
 * What must hold: folding the log from its beginning, each sla.warning and sla.breached finds the row of its clock
 * asking for just this decision (so none is there twice, and none after the answer or the further time that stands
 * before it), after its instant was over; and no row asks for anything that is past at the end.  Of each reapply of all,
 * the parts stand in the log once each, in order, and when the last one says that nobody is left, nobody is.
 *
 * runs.h runs the seeds; watch.h looks at the log and the rows after every step.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/decision.h"
#include "engine_sim.h"
#include "projections/registry.h"
#include "projections/slas.h"
#include "runs.h"
#include "tap.h"
#include "watch.h"

enum { ENGINES = 2, PRODUCERS = 4, TENANTS = 3, CONVERSATIONS = 40, STEPS_MOST = 400000, THRESHOLD = 7500 };

/* ---- the read model ---- */

struct clock {
	struct row row;
	struct uuid conversation_id, resolution_id, started_by;
	int16_t clock;
	int64_t cycle, target_version, run, shard, target, due_at, next_at, next_threshold, next_nth;
	int64_t fulfilled_at, breached_at, warned, logged;
	struct uuid policy_id;
	int64_t policy_version;
	int16_t state;
};

enum { RUNNING, FULFILLED };
static const char *const state_names[] = { "running", "fulfilled", NULL };

static struct uuid policy_of(const struct uuid *tenant_id)
{
	struct uuid id = *tenant_id;

	id.b[15] ^= 0xff;
	return id;
}

static int64_t version_of(struct fold *f, const struct uuid *policy_id)
{
	const struct sla *s = fold_find(f, &slas, policy_id);

	return s ? s->policy_version : 0;
}

enum { FIRST_RESPONSE, RESOLUTION };
static const char *const clock_names[] = { "first_response", "resolution", NULL };

/* The conversation's second clock has an id of its own, which follows from the first's. */
static struct uuid clock_id(const struct uuid *conversation, int clock)
{
	struct uuid id = *conversation;

	id.b[15] ^= (uint8_t)clock;
	return id;
}

static void set_next(struct clock *c)
{
	bool warns = c->breached_at == TIME_NONE && !c->warned;

	c->next_at = c->breached_at != TIME_NONE     ? (c->logged ? TIME_NONE : c->breached_at)
		     : c->fulfilled_at != TIME_NONE ? TIME_NONE
		     : warns			      ? c->due_at - c->target / 4
						      : c->due_at;
	c->next_nth = warns ? 0 : -1;
	c->next_threshold = warns ? THRESHOLD : INT_NONE;
}

static struct clock *clock_of(struct fold *f, const struct uuid *conversation, int clock)
{
	struct uuid id = clock_id(conversation, clock);
	struct clock *c = fold_self(f, &id);

	if (c)
		fold_change(f, c);
	return c;
}

static int on_created(struct fold *f, const struct event *e)
{
	for (int k = FIRST_RESPONSE; k <= RESOLUTION; k++) {
		struct uuid id = clock_id(&e->entity_id, k);
		struct clock *c = fold_self(f, &id);

		if (c)
			continue;
		c = fold_create(f, &id);
		c->conversation_id = e->entity_id;
		c->started_by = e->event_id;
		c->clock = (int16_t)k;
		c->cycle = c->target_version = c->run = 1;
		c->shard = e->shard;
		c->target = (1 + id.b[3 + k] % 6) * TIME_SECOND + id.b[7];
		c->due_at = e->occurred_at + c->target;
		c->warned = c->logged = 0;
		c->state = RUNNING;
		c->policy_version = 0;
		if (k == FIRST_RESPONSE) {
			c->policy_id = policy_of(&e->tenant_id);
			c->policy_version = version_of(f, &c->policy_id);
		}
		set_next(c);
	}
	return 0;
}

static void fulfil(struct clock *c, int64_t at)
{
	if (!c || c->fulfilled_at != TIME_NONE)
		return;
	c->fulfilled_at = at;
	c->state = FULFILLED;
	if (at > c->due_at && c->breached_at == TIME_NONE)
		c->breached_at = c->due_at; /* the log is still owed its event */
	else if (c->breached_at != TIME_NONE && at <= c->breached_at)
		c->breached_at = TIME_NONE;
	set_next(c);
}

static int on_sent(struct fold *f, const struct event *e)
{
	fulfil(clock_of(f, &e->conversation_id, FIRST_RESPONSE), e->occurred_at);
	return 0;
}

static int on_resolved(struct fold *f, const struct event *e)
{
	fulfil(clock_of(f, &e->conversation_id, RESOLUTION), e->occurred_at);
	return 0;
}

static int on_reapply(struct fold *f, const struct event *e)
{
	struct bytes list = field_raw(&f->fields, "conversation_ids"), key, value;
	size_t at = 0;

	while (list.data && json_next(list, &at, &key, &value)) {
		struct bytes text = json_string(value, f->arena);
		struct uuid id;
		struct clock *c = uuid_parse(text.data, text.len, &id) ? clock_of(f, &id, FIRST_RESPONSE) : NULL;

		if (c && c->fulfilled_at == TIME_NONE)
			c->policy_version = version_of(f, &e->entity_id);
		if (!c || c->fulfilled_at != TIME_NONE || c->breached_at != TIME_NONE)
			continue;
		c->target_version++;
		c->target += 2 * TIME_SECOND;
		c->due_at += 2 * TIME_SECOND;
		c->warned = 0;
		set_next(c);
	}
	return 0;
}

static int on_warning(struct fold *f, const struct event *e)
{
	struct clock *c = fold_self(f, &e->entity_id);

	if (!c || field_time(&f->fields, "due_at") != c->due_at)
		return 0;
	fold_change(f, c);
	c->warned = 1;
	set_next(c);
	return 0;
}

static int on_breached(struct fold *f, const struct event *e)
{
	struct clock *c = fold_self(f, &e->entity_id);
	int64_t at = field_time(&f->fields, "breached_at");

	if (!c || (c->breached_at != TIME_NONE ? c->breached_at : c->due_at) != at ||
	    (c->breached_at == TIME_NONE && c->fulfilled_at != TIME_NONE))
		return 0;
	fold_change(f, c);
	c->breached_at = at;
	c->logged = 1;
	set_next(c);
	return 0;
}

static const struct column columns[] = {
	COLUMN(clock, conversation_id, UUID), COLUMN(clock, resolution_id, UUID), COLUMN(clock, started_by, UUID),
	COLUMN(clock, clock, ENUM, .values = clock_names), COLUMN(clock, cycle, INT4), COLUMN(clock, target_version, INT4),
	COLUMN(clock, run, INT4), COLUMN(clock, shard, INT2), COLUMN(clock, target, INT8), COLUMN(clock, due_at, TIME),
	COLUMN(clock, next_at, TIME), COLUMN(clock, next_threshold, DECIMAL, .scale = DUE_THRESHOLD_SCALE),
	COLUMN(clock, next_nth, INT2), COLUMN(clock, fulfilled_at, TIME), COLUMN(clock, breached_at, TIME),
	COLUMN(clock, warned, INT4), COLUMN(clock, logged, INT4), COLUMN(clock, policy_id, UUID), COLUMN(clock, policy_version, INT4),
	COLUMN(clock, state, ENUM, .values = state_names),
};

static const struct fold_entry folds[] = {
	ON(CONVERSATION_CREATED, CALL, .then = on_created), ON(MESSAGE_SENT, CALL, .then = on_sent),
	ON(CONVERSATION_RESOLVED, CALL, .then = on_resolved), ON(SLA_POLICY_REAPPLY, CALL, .then = on_reapply),
	ON(SLA_WARNING, CALL, .then = on_warning), ON(SLA_BREACHED, CALL, .then = on_breached), { .kind = EV_UNKNOWN },
};

static const struct projection clocks = {
	.schema = "core", .name = "sla_clocks", .version = 1, .entity = ENTITY_CONVERSATION,
	COLUMNS(clock, columns), FOLDS(folds),
};

static const struct projection *const projections[] = { &slas, &sla_reapplications, &clocks, &anomalies };
static const struct group group = { .name = "core", .projections = projections, .count = 4 };

/* ---- producers ---- */

struct simulation;

struct producer {
	struct simulation *sim;
	char *lines;       /* the request under way, or to be sent again; NULL: none */
	bool out;
	int engine, left;
	struct request_pool pool;
};

struct simulation {
	struct world world;
	struct engine_sim engines[ENGINES];
	struct producer producers[PRODUCERS];
	struct uuid tenants[TENANTS];
	struct uuid conversations[CONVERSATIONS];
	bool policies[TENANTS]; /* which of them have one */
	int made;          /* conversations so far */
	bool ending;
	int crashes, sleeps, jumps;
	int64_t decided, parts, asks;
	struct watch watch;
};

#define failed(s, ...) watch_failed(&(s)->watch, __VA_ARGS__)

static int64_t ago(struct world *w, int64_t most_us)
{
	return w->now - (int64_t)random_below(&w->random, (uint64_t)most_us);
}

/* The next thing to happen: to a new conversation, or to one of the latest, whose clocks still run. */
static char *next_event(struct simulation *s)
{
	static const char sent[] = "{\"channel\":\"email\",\"direction\":\"outbound\",\"sender_type\":\"agent\",\"content\":\"hello\"}";
	static const char received[] = "{\"channel\":\"email\",\"direction\":\"inbound\",\"sender_type\":\"customer\",\"content\":\"help\"}";
	static const char policy[] = "{\"name\":\"N\",\"tier\":\"free\",\"first_response_time_minutes\":5,\"resolution_time_minutes\":5}";
	struct world *w = &s->world;
	int kind = (int)random_below(&w->random, 12);
	int which = s->made - 1 - (int)random_below(&w->random, 8);
	bool fresh = s->made == 0 || (kind < 3 && s->made < CONVERSATIONS);
	const struct uuid *conversation = &s->conversations[fresh ? s->made++ : which < 0 ? 0 : which];
	const struct uuid *tenant = &s->tenants[conversation->b[0] % TENANTS];
	char id[UUID_TEXT], tenant_text[UUID_TEXT], talk[UUID_TEXT], entity[UUID_TEXT], when[TIME_TEXT], payload[160];
	const char *type = "message.received", *body = received;
	struct uuid event_id, entity_id;
	struct buffer b = { 0 };
	int64_t at = w->now;
	bool alone;

	random_fill(&w->random, &entity_id, 16);
	random_fill(&w->random, &event_id, 16);
	uuid_v4(&event_id, event_id.b);
	uuid_format(conversation, talk);
	if (fresh) {
		type = "conversation.created";
		entity_id = *conversation;
		body = "{\"customer_id\":\"000000c1-0000-8000-8000-000000000001\",\"initial_channel\":\"email\"}";
		at = ago(w, world_chance(w, 200) ? 8 * TIME_SECOND : 50000); /* some are overdue as soon as they are known */
	} else if (kind < 6) {
		type = "message.sent";
		body = sent;
		at = ago(w, world_chance(w, 300) ? 4 * TIME_SECOND : 50000); /* some are told late */
	} else if (kind == 6) {
		type = "conversation.resolved";
		entity_id = *conversation;
		body = "{\"by\":\"agent\"}";
		at = ago(w, 2 * TIME_SECOND);
	} else if (kind == 7 || kind == 8) {
		type = "sla_policy.reapply";
		entity_id = policy_of(tenant);
		snprintf(payload, sizeof(payload), kind == 7 ? "{\"conversation_ids\":[\"%s\"]}" : "{\"all\":true}", talk);
		body = payload;
	} else if (kind == 9) {
		bool *there = &s->policies[conversation->b[0] % TENANTS];

		type = *there ? "sla_policy.updated" : "sla_policy.created";
		*there = true;
		entity_id = policy_of(tenant);
		body = policy;
	}
	alone = body == payload || body == policy;
	buffer_printf(&b,
		      "[{\"event_id\":\"%s\",\"event_type\":\"%s\",\"tenant_id\":\"%s\",\"entity_id\":\"%s\",%s%s%s"
		      "\"actor_type\":\"api\",\"occurred_at\":\"%s\",\"payload\":%s}]",
		      uuid_format(&event_id, id), type, uuid_format(tenant, tenant_text), uuid_format(&entity_id, entity),
		      alone ? "" : "\"conversation_id\":\"", alone ? "" : talk, alone ? "" : "\",",
		      time_format(at, when), body);
	buffer_text(&b);
	return b.data;
}

static void produce(void *data);

static void on_answer(struct request *r)
{
	struct producer *p = r->ticket.owner;
	struct world *w = &p->sim->world;

	p->out = false;
	if (!r->status) {
		free(p->lines);
		p->lines = NULL;
	} else if (error_get(r->status)->class != CLASS_RETRY) {
		failed(p->sim, "refused", "%s: %s", error_name(r->status), r->error.message);
	}
	request_free(&p->pool, r);
	world_after(w, 1000 + (int64_t)random_below(&w->random, 400000), produce, p);
}

static void produce(void *data)
{
	struct producer *p = data;
	struct simulation *s = p->sim;
	struct world *w = &s->world;
	struct request *r;
	struct error error;

	if (s->ending || (!p->lines && p->left == 0))
		return;
	p->engine = (int)random_below(&w->random, ENGINES);
	if (!s->engines[p->engine].up) {
		world_after(w, 20000, produce, p);
		return;
	}
	if (!p->lines) {
		p->lines = next_event(s);
		p->left--;
	}
	r = request_new(&p->pool);
	if (engine_sim_decode(r, p->lines, w->now, &error)) {
		failed(s, "bad request", "%s: %s", error.field, error.message);
		request_free(&p->pool, r);
		return;
	}
	r->answer = on_answer;
	r->ticket.owner = p;
	r->bytes = 1000;
	p->out = true;
	engine_sim_submit(&s->engines[p->engine], r);
}

/* ---- faults ---- */

static void crash_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_down(&s->engines[random_below(&w->random, ENGINES)]);
	s->crashes++;
	world_after(w, 500000 + (int64_t)random_below(&w->random, 8000000), crash_some, s);
}

/* An engine stands still, often for longer than its leases, and goes on with the decisions that it had in mind. */
static void sleep_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_sleep(&s->engines[random_below(&w->random, ENGINES)], (int64_t)random_below(&w->random, 8 * TIME_SECOND));
	s->sleeps++;
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 8000000), sleep_some, s);
}

/* An engine's clock is set: mostly within what appending allows, now and then far off. */
static void jump_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;
	int64_t most = (world_chance(w, 100) ? 60 : 4) * TIME_SECOND;

	s->engines[random_below(&w->random, ENGINES)].env.skew = w->faults ? (int64_t)random_below(&w->random, (uint64_t)(2 * most)) - most : 0;
	s->jumps++;
	if (w->faults)
		world_after(w, 300000 + (int64_t)random_below(&w->random, 3000000), jump_some, s);
}

static void faults_end(void *data)
{
	struct simulation *s = data;

	s->world.faults = false;
	for (int i = 0; i < ENGINES; i++)
		s->engines[i].env.skew = 0;
}

/* ---- the end ---- */

static void check_decision(struct simulation *s, const struct map *rows, const struct event *e)
{
	struct row_place place = row_place(&clocks, &e->tenant_id, &e->entity_id);
	const struct clock *c = map_find(rows, &place);
	struct due_clock d;
	struct uuid id;

	s->decided++;
	if (!c) {
		failed(s, "stranger", "%s at %d/%lld is of no clock", e->type->name, e->shard, (long long)e->position);
		return;
	}
	d = (struct due_clock){
		.tenant_id = e->tenant_id, .id = c->row.id, .conversation_id = c->conversation_id, .started_by = c->started_by,
		.clock = bytes_text(clock_names[c->clock]), .cycle = (int32_t)c->cycle, .target_version = (int32_t)c->target_version,
		.run = (int32_t)c->run, .nth = (int)c->next_nth, .threshold = c->next_threshold, .due_at = c->due_at, .next_at = c->next_at,
	};
	if (c->next_at != e->occurred_at || (c->next_nth < 0) != (e->type->kind == EV_SLA_BREACHED)) {
		failed(s, "not asked for", "%s at %d/%lld: the clock, as it stood there, did not ask for it", e->type->name, e->shard,
		       (long long)e->position);
		return;
	}
	id = decision_id(&d);
	if (!uuid_equal(&id, &e->event_id) || !uuid_equal(&e->causation_id, &c->started_by) ||
	    !uuid_equal(&e->conversation_id, &c->conversation_id) || e->actor_type != ACTOR_SYSTEM)
		failed(s, "other words", "%s at %d/%lld is not the event that its row makes", e->type->name, e->shard, (long long)e->position);
	if (e->recorded_at <= e->occurred_at)
		failed(s, "too early", "%s at %d/%lld was recorded before its instant was over", e->type->name, e->shard,
		       (long long)e->position);
}

static int64_t value_of(const struct row *row, const char *column)
{
	return *(const int64_t *)(const void *)((const char *)row + projection_column(row->of, column)->offset);
}

/* A part of an ask, which has been folded: it counted, and when it names nobody, nobody was left. */
static void check_part(struct simulation *s, const struct map *rows, const struct event *e)
{
	struct row_place place = row_place(&sla_reapplications, &e->tenant_id, &e->causation_id);
	const struct row *ask = map_find(rows, &place), *row;
	size_t at = 0;

	s->parts++;
	if (!ask || ask->last_position != e->position) {
		failed(s, "stray part", "%s at %d/%lld is no part of what was asked", e->type->name, e->shard, (long long)e->position);
		return;
	}
	if (value_of(ask, "next_at") != TIME_NONE)
		return;
	s->asks++;
	while ((row = map_next(rows, &at, NULL))) {
		const struct clock *c = (const struct clock *)(const void *)row;

		if (row->of == &clocks && uuid_equal(&row->tenant_id, &e->tenant_id) && c->state == RUNNING && !uuid_is_nil(&c->policy_id) &&
		    c->policy_version < value_of(ask, "policy_version"))
			failed(s, "left out", "a clock of version %lld was named by nobody when %d/%lld ended it", (long long)c->policy_version,
			       e->shard, (long long)e->position);
	}
}

/* Folds a shard's log from its beginning, holding each decision against the row it was made for. */
static void check_shard(struct simulation *s, const struct world_shard *shard, struct map *rows, struct arena *arena)
{
	struct state state;
	struct error error;

	state_init(&state, &group, 1 << 30);
	for (int64_t i = 0; i < shard->count && !s->watch.failure; i++) {
		const struct event *e = &shard->events[i].event;
		int status;

		if (e->type->kind == EV_SLA_WARNING || e->type->kind == EV_SLA_BREACHED)
			check_decision(s, rows, e);
		do {
			struct row_keys keys = { 0 };

			for (state_wants(&state, &e, 1, arena, &keys); keys.count; state_wants(&state, &e, 1, arena, &keys)) {
				for (int k = 0; k < keys.count; k++) {
					struct row_place place = row_place(keys.keys[k].projection, &keys.keys[k].tenant_id, &keys.keys[k].id);

					state_put(&state, &keys.keys[k], map_find(rows, &place));
				}
				memset(&keys, 0, sizeof(keys));
			}
			status = state_fold(&state, e, &error);
			if (status == E_CANCELLED)
				state_drop(&state);
		} while (status == E_CANCELLED);
		if (status)
			failed(s, "fold", "%s", error_name(status));
		for (struct row *r = state.changed; r; r = r->next_changed) {
			struct row_place place = row_place(r->of, &r->tenant_id, &r->id);

			*map_put(rows, &place) = row_copy(r, arena);
		}
		state_done(&state);
		if (e->type->kind == EV_SLA_POLICY_REAPPLY && e->actor_type == ACTOR_SYSTEM)
			check_part(s, rows, e);
	}
	state_release(&state);
}

static void check(struct simulation *s)
{
	struct world *w = &s->world;
	struct arena arena;
	struct map rows;
	const struct row *row;
	size_t at = 0;

	arena_init(&arena, 1 << 16);
	map_init(&rows, sizeof(struct row_place));
	for (int n = 1; n <= WORLD_SHARDS; n++)
		check_shard(s, &w->shards[n], &rows, &arena);
	while (!s->watch.failure && (row = map_next(&rows, &at, NULL)))
		if ((row->of == &clocks || row->of == &sla_reapplications) && value_of(row, "next_at") != TIME_NONE)
			failed(s, "missing", "what was due in %s %.1f s before the end was not journaled", row->of->name,
			       (double)(w->now - value_of(row, "next_at")) / 1e6);
	map_release(&rows);
	arena_release(&arena);
}

static bool produced(const struct simulation *s)
{
	for (int i = 0; i < PRODUCERS; i++)
		if (s->producers[i].left || s->producers[i].lines)
			return false;
	return true;
}

/* Nothing is on its way, and no stored row asks for anything more. */
static bool settled(struct simulation *s)
{
	struct world *w = &s->world;
	const struct row *row;
	size_t at = 0;

	if (w->faults || !produced(s))
		return false;
	for (int n = 0; n <= WORLD_SHARDS; n++)
		if (w->shards[n].checkpoint != w->shards[n].count || w->shards[n].late)
			return false;
	while ((row = map_next(&w->rows, &at, NULL)))
		if ((row->of == &clocks || row->of == &sla_reapplications) && value_of(row, "next_at") != TIME_NONE)
			return false;
	return true;
}

static void begin(struct simulation *s, const struct run *r)
{
	struct world *w = &s->world;

	world_init(w, r->seed);
	w->mutation = r->mutation ? r->mutation->store : 0;
	w->leases_for_all = r->mutation && r->mutation->leases_for_all;
	w->faults = true;
	if (r->seed % 5 == 0)
		w->now = w->leaves_end - (int64_t)random_below(&w->random, 20 * TIME_SECOND);
	watch_open(&s->watch, w, &group);
	for (int i = 0; i < TENANTS; i++)
		random_fill(&w->random, &s->tenants[i], 16);
	for (int i = 0; i < CONVERSATIONS; i++) {
		random_fill(&w->random, &s->conversations[i], 16);
		s->conversations[i].b[15] &= 0xfe; /* room for the second clock's id */
	}
	for (int i = 0; i < ENGINES; i++)
		engine_sim_init(&s->engines[i], w, &group, &s->ending);
	for (int i = 0; i < PRODUCERS; i++) {
		s->producers[i].sim = s;
		s->producers[i].left = 20 + (int)random_below(&w->random, 20);
		world_after(w, 1000, produce, &s->producers[i]);
	}
	world_after(w, 2000000, crash_some, s);
	world_after(w, 3000000, jump_some, s);
	world_after(w, 4000000, sleep_some, s);
	world_after(w, 10 * TIME_SECOND + (int64_t)random_below(&w->random, 20 * TIME_SECOND), faults_end, s);
}

static void end(struct simulation *s)
{
	struct world *w = &s->world;

	s->ending = true;
	w->faults = false;
	for (int i = 0; i < ENGINES; i++)
		engine_sim_down(&s->engines[i]);
	while (world_step(w) && w->steps < 2 * STEPS_MOST)
		;
	for (int i = 0; i < PRODUCERS; i++) {
		free(s->producers[i].lines);
		request_pool_release(&s->producers[i].pool);
	}
	watch_close(&s->watch);
	world_release(w);
}

enum { TALLY_DECIDED, TALLY_ASKS };

static bool history(const struct run *r)
{
	struct simulation *s = mem_zalloc(sizeof(*s));
	struct world *w = &s->world;
	int64_t until;
	bool pass;

	begin(s, r);
	until = w->now + 90 * TIME_SECOND;
	while (w->steps < STEPS_MOST && !s->watch.failure && w->now < until && !settled(s))
		if (!world_step(w))
			break;
	if (w->steps >= STEPS_MOST)
		failed(s, "stuck", "not settled after %d steps", STEPS_MOST);
	if (!s->watch.failure)
		check(s);
	pass = !s->watch.failure;
	r->tally->n[TALLY_DECIDED] += s->decided;
	r->tally->n[TALLY_ASKS] += s->asks;
	if (!pass && (!r->mutation || r->verbose))
		note("seed %llu: %s: %s", (unsigned long long)r->seed, s->watch.failure, s->watch.detail);
	if (r->verbose)
		note("seed %llu: %lld decisions, %d crashes, %d sleeps, %d jumps, %llu steps", (unsigned long long)r->seed,
		     (long long)s->decided, s->crashes, s->sleeps, s->jumps, (unsigned long long)w->steps);
	end(s);
	free(s);
	return pass;
}

static void tallied(const struct run_sums *sum, int seeds)
{
	runs_ok(sum->n[TALLY_DECIDED] > 20 * seeds, "%lld decisions were made in them", (long long)sum->n[TALLY_DECIDED]);
	runs_ok(sum->n[TALLY_ASKS] > seeds, "%lld times all clocks of a policy were named", (long long)sum->n[TALLY_ASKS]);
}

int main(int argc, char **argv)
{
	static const struct mutation mutations[] = {
		{ "ignore-expect", MUTATION_IGNORE_EXPECT, NULL, false, 60, "append does not judge expectations" },
		{ "torn-look", MUTATION_TORN_LOOK, NULL, false, 60, "clocks and checkpoint are not of one moment" },
		{ "lose-clock", MUTATION_LOSE_CLOCK, NULL, false, 60, "some clocks are never shown" },
		{ "decide-anew", 0, "decision.anew", false, 20, "a decision has another identity each time" },
		{ "keep-rows", 0, "worker.keeps_rows", false, 100, "rows are kept in memory although their write was refused" },
		{ "leases-for-all", 0, NULL, true, 0, "whoever asks for a lease has it" },
	};
	static const struct program program = {
		"timers", 500, history, "what time decides is journaled once, rightly, and all of it", tallied,
		mutations, sizeof(mutations) / sizeof(*mutations),
	};

	return runs_main(argc, argv, &program);
}
