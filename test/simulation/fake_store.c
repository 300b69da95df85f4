/*
 * fake_store - the store's functions on the world's memory (see world.h for the faults).
 *
 * The rules are those of schema/log: the fence, duplicates first, expectations, gapless positions; one commit is
 * one step of the world, so that a crash falls before or after it, never inside.
 */
#include <assert.h>
#include <stdlib.h>

#include "event/canonical.h"
#include "world.h"

enum call_kind { CALL_CONNECT, CALL_APPEND, CALL_HEAD, CALL_TREE, CALL_READ, CALL_HEADS, CALL_CHECKPOINT, CALL_LOAD,
		 CALL_PROJECT, CALL_DUE, CALL_NAMES, CALL_LEASE, CALL_MAINTAIN };

struct fake_factory;

struct fake {
	struct store store;
	struct fake_factory *factory;
	struct fake *next;
	struct world *world;
	struct store_request *out;   /* under way */
	enum call_kind kind;
	int fate;
	int64_t begun_at;
	bool connected;
};

struct fake_factory {
	struct store_factory factory;
	struct world *world;
	struct fake *sessions;
};

/* A batch whose session is gone and whose backend lives on. */
struct world_late {
	struct world *world;
	struct store_append call;    /* deep copy of what matters */
	struct arena arena;
};

enum fate { FATE_WELL, FATE_LOST_BEFORE, FATE_LOST_AFTER, FATE_LOST_LATE, FATE_REFUSED };

static void grow_events(struct world_shard *s)
{
	if (s->count < s->capacity)
		return;
	s->capacity = s->capacity ? s->capacity * 2 : 256;
	s->events = mem_realloc(s->events, (size_t)s->capacity * sizeof(*s->events));
}

static struct bytes keep(char **at, struct bytes b)
{
	struct bytes kept = { *at, b.len };

	if (!b.data)
		return b;
	memcpy(*at, b.data, b.len);
	*at += b.len;
	return kept;
}

static void store_event(struct world_shard *s, const struct event *e)
{
	struct world_event *row;
	char *at;

	grow_events(s);
	row = &s->events[s->count++];
	row->event = *e;
	row->memory = at = mem_alloc(e->payload.len + e->actor_ip.len + e->actor_user_agent.len + 1);
	row->event.payload = keep(&at, e->payload);
	row->event.actor_ip = keep(&at, e->actor_ip);
	row->event.actor_user_agent = keep(&at, e->actor_user_agent);
	row->event.type_name = bytes_text(e->type->name);
	row->event.entity_type = bytes_text(entity_name(e->type->entity));
}

static bool type_listed(struct bytes types, const char *name)
{
	char list[1024], want[128];

	if (!types.len)
		return true;
	snprintf(list, sizeof(list), ",%.*s,", (int)types.len, types.data);
	snprintf(want, sizeof(want), ",%s,", name);
	return strstr(list, want) != NULL;
}

static const struct uuid *scope_id(const struct event *e, const struct expectation *x)
{
	switch (x->scope) {
	case EXPECT_ENTITY:
		return &e->entity_id;
	case EXPECT_CONVERSATION:
		return &e->conversation_id;
	case EXPECT_RESOLUTION:
		return &e->resolution_id;
	default:
		return &e->tenant_id;
	}
}

static void head_of(struct world_shard *s, struct store_append *c)
{
	const struct world_batch *b = s->batch_count ? &s->batches[s->batch_count - 1] : NULL;

	c->outcome = APPEND_HEAD;
	c->head_position = b ? b->last : 0;
	c->head_recorded_at = b ? b->recorded_at : TIME_NONE;
	if (b)
		memcpy(c->head_root, b->root, LEAF_BYTES);
}

static void find_duplicates(struct world *w, struct world_shard *s, struct store_append *c)
{
	c->hits = arena_alloc(c->arena, sizeof(*c->hits) * (size_t)(c->count + 1));
	c->hit_count = 0;
	if (w->mutation == MUTATION_FORGET_DUPLICATES)
		return;
	for (int i = 0; i < c->count; i++)
		for (int64_t k = 0; k < s->count; k++) {
			const struct event *e = &s->events[k].event;

			if (!uuid_equal(&e->event_id, &c->events[i]->event_id) ||
			    !uuid_equal(&e->tenant_id, &c->events[i]->tenant_id))
				continue;
			c->hits[c->hit_count] = (struct append_hit){ i, e->position, e->recorded_at, { 0 } };
			memcpy(c->hits[c->hit_count++].leaf, e->leaf_hash, LEAF_BYTES);
		}
}

static void judge_expects(struct world *w, struct world_shard *s, struct store_append *c)
{
	c->hits = arena_alloc(c->arena, sizeof(*c->hits) * (size_t)(c->expect_count + 1));
	c->hit_count = 0;
	for (int x = 0; x < c->expect_count && w->mutation != MUTATION_IGNORE_EXPECT; x++) {
		const struct expectation *want = &c->expects[x];

		for (int64_t k = want->after; k < s->count; k++) {
			const struct event *e = &s->events[k].event;

			if (!uuid_equal(&e->tenant_id, &want->tenant_id) || !uuid_equal(scope_id(e, want), &want->id) ||
			    !type_listed(want->types, e->type->name))
				continue;
			c->hits[c->hit_count++] = (struct append_hit){ want->item, e->position, 0, { 0 } };
			break;
		}
	}
}

/* The statement of schema/log's append, whole. */
static void append_now(struct world *w, struct store_append *c)
{
	struct world_shard *s = &w->shards[c->shard];
	int64_t head = s->batch_count ? s->batches[s->batch_count - 1].last : 0;
	int64_t skew = c->now - w->now;

	if (c->epoch != w->epoch) {
		c->outcome = APPEND_EPOCH;
		c->head_position = w->epoch;
		return;
	}
	if (skew > 5 * TIME_SECOND || skew < -5 * TIME_SECOND - 2 * TIME_SECOND) {
		c->outcome = APPEND_CLOCK;
		c->head_recorded_at = w->now;
		return;
	}
	if (w->mutation != MUTATION_NO_FENCE && head != c->head) {
		head_of(s, c);
		return;
	}
	find_duplicates(w, s, c);
	if (c->hit_count) {
		c->outcome = APPEND_DUPLICATES;
		return;
	}
	judge_expects(w, s, c);
	if (c->hit_count) {
		c->outcome = APPEND_EXPECT;
		return;
	}
	for (int i = 0; i < c->count; i++)
		store_event(s, c->events[i]);
	if (s->batch_count == s->batch_capacity) {
		s->batch_capacity = s->batch_capacity ? s->batch_capacity * 2 : 64;
		s->batches = mem_realloc(s->batches, (size_t)s->batch_capacity * sizeof(*s->batches));
	}
	s->batches[s->batch_count] = (struct world_batch){ c->head + 1, c->head + c->count, c->recorded_at, { 0 } };
	memcpy(s->batches[s->batch_count++].root, c->root, LEAF_BYTES);
	c->outcome = APPEND_OK;
}

static void late_ends(void *data)
{
	struct world_late *late = data;
	struct world *w = late->world;
	struct world_shard *s = &w->shards[late->call.shard];

	assert(s->late == late);
	if (w->now < w->hung_until) { /* it hangs like all the others */
		world_after(w, w->hung_until - w->now + 1000, late_ends, late);
		return;
	}
	s->late = NULL;
	append_now(w, &late->call); /* it checked the head when it took the fence, which nobody else could since */
	arena_release(&late->arena);
	free(late);
}

/* Keeps the batch for its orphaned backend. */
static void go_late(struct world *w, const struct store_append *c)
{
	struct world_shard *s = &w->shards[c->shard];
	struct world_late *late;
	struct event **events;

	if (s->late || (s->batch_count ? s->batches[s->batch_count - 1].last : 0) != c->head)
		return; /* it could not have taken the fence */
	late = mem_zalloc(sizeof(*late));
	arena_init(&late->arena, 4096);
	late->world = w;
	late->call = *c;
	events = arena_alloc(&late->arena, sizeof(*events) * (size_t)c->count);
	for (int i = 0; i < c->count; i++) {
		events[i] = arena_alloc(&late->arena, sizeof(**events));
		*events[i] = *c->events[i];
		events[i]->payload = arena_copy(&late->arena, c->events[i]->payload);
		events[i]->actor_ip = arena_copy(&late->arena, c->events[i]->actor_ip);
		events[i]->actor_user_agent = arena_copy(&late->arena, c->events[i]->actor_user_agent);
	}
	late->call.events = events;
	late->call.arena = &late->arena;
	if (c->expect_count) {
		struct expectation *expects = arena_alloc(&late->arena, sizeof(*expects) * (size_t)c->expect_count);

		for (int i = 0; i < c->expect_count; i++) {
			expects[i] = c->expects[i];
			expects[i].types = arena_copy(&late->arena, c->expects[i].types);
		}
		late->call.expects = expects;
	}
	s->late = late;
	world_after(w, 1000 + (int64_t)random_below(&w->random, 3000000), late_ends, late);
}

/* Whether the log bears out what the read models have seen of the shard. */
static bool is_borne_out(const struct world_shard *s)
{
	return s->checkpoint == 0 ||
	       (s->checkpoint <= s->count &&
		memcmp(s->events[s->checkpoint - 1].event.leaf_hash, s->checkpoint_leaf, LEAF_BYTES) == 0);
}

static void head_now(struct world *w, struct store_head *c)
{
	struct world_shard *s = &w->shards[c->shard];
	const struct world_batch *b = s->batch_count ? &s->batches[s->batch_count - 1] : NULL;

	c->epoch = w->epoch;
	c->position = b ? b->last : 0;
	c->recorded_at = b ? b->recorded_at : TIME_NONE;
	if (b)
		memcpy(c->root, b->root, LEAF_BYTES);
	c->known_found = false;
	for (int i = 0; i < s->batch_count; i++)
		if (s->batches[i].last == c->known) {
			c->known_found = true;
			memcpy(c->known_root, s->batches[i].root, LEAF_BYTES);
		}
	c->first_month = b ? time_month_start(s->batches[0].recorded_at) : TIME_NONE;
	if (c->compare && !is_borne_out(s) && w->mutation != MUTATION_BLIND_HEAD)
		c->diverged = s->checkpoint;
}

static void tree_now(struct world *w, struct store_tree *c)
{
	struct world_shard *s = &w->shards[c->shard];
	struct merkle m;

	merkle_init(&m);
	for (int64_t i = 0; i < c->size; i++)
		merkle_add(&m, s->events[i].event.leaf_hash, NULL, NULL);
	for (int l = 0; l < MERKLE_LEVELS; l++) {
		size_t n = (size_t)merkle_open_count(c->size, l) * LEAF_BYTES;
		uint8_t *copy = arena_alloc(c->arena, n + 1);

		if (n)
			memcpy(copy, m.open[l], n);
		c->open[l] = copy;
	}
	merkle_release(&m);
}

static void read_now(struct world *w, struct store_read *c)
{
	struct world_shard *s = &w->shards[c->shard];
	int64_t upto = c->upto && c->upto < s->count ? c->upto : s->count;
	size_t bytes = 0;

	c->head = s->count;
	c->events = arena_alloc(c->arena, sizeof(*c->events) * (size_t)(c->limit + 1));
	c->complete = true;
	for (int64_t i = c->after; i < upto; i++) {
		if (c->count == c->limit || bytes > c->bytes) {
			c->complete = false;
			break;
		}
		if (w->mutation == MUTATION_SKIP_READ && i + 1 < upto && world_chance(w, 20))
			continue;
		c->events[c->count] = s->events[i].event;
		bytes += c->events[c->count++].payload.len;
	}
}

struct row_place {
	const struct projection *projection;
	struct uuid tenant_id, id;
};

static int project_now(struct world *w, struct store_project *c)
{
	struct world_shard *s = &w->shards[c->shard];

	if (w->mutation != MUTATION_NO_PROJECT_FENCE && (s->checkpoint != c->old_position || c->epoch != w->epoch))
		return E_FENCED;
	if (w->faults && c->new_position - c->old_position > 1 && world_chance(w, 30)) {
		w->faults_made[5]++;
		return E_ROW_REFUSED; /* of a batch: it must come again in halves, down to the event */
	}
	for (const struct row *r = c->changed; r; r = r->next_changed)
		if (r->fresh && world_row(w, r->of, &r->tenant_id, &r->id))
			return E_ROW_REFUSED; /* the table's key */
	for (const struct row *r = c->changed; r; r = r->next_changed)
		if (!r->fresh && !world_row(w, r->of, &r->tenant_id, &r->id))
			return E_READ_MODEL;
	s->checkpoint = c->new_position;
	c->answers = true;
	memcpy(s->checkpoint_leaf, c->leaf, LEAF_BYTES);
	if (w->mutation == MUTATION_EARLY_CHECKPOINT && world_chance(w, 50))
		return 0;
	for (const struct row *r = c->changed; r; r = r->next_changed) {
		struct row_place place;
		void **slot;

		memset(&place, 0, sizeof(place));
		place = (struct row_place){ r->of, r->tenant_id, r->id };
		slot = map_put(&w->rows, &place);
		*slot = row_copy(r, &w->memory);
	}
	return 0;
}

static void load_now(struct world *w, struct store_load *c)
{
	c->rows = arena_alloc(c->arena, sizeof(*c->rows) * (size_t)(c->count + 1));
	for (int i = 0; i < c->count; i++) {
		const struct row *row = world_row(w, c->keys[i].projection, &c->keys[i].tenant_id, &c->keys[i].id);

		c->rows[i] = row ? row_copy(row, c->arena) : NULL;
	}
}

static const void *value_of(const struct row *row, const char *column)
{
	const struct column *c = projection_column(row->of, column);

	assert(c);
	return (const char *)row + c->offset;
}

static int64_t int_of(const struct row *row, const char *column)
{
	return *(const int64_t *)value_of(row, column);
}

static struct due_clock clock_of(const struct row *row)
{
	const struct column *clock = projection_column(row->of, "clock");

	return (struct due_clock){
		.tenant_id = row->tenant_id,
		.id = row->id,
		.conversation_id = *(const struct uuid *)value_of(row, "conversation_id"),
		.resolution_id = *(const struct uuid *)value_of(row, "resolution_id"),
		.started_by = *(const struct uuid *)value_of(row, "started_by"),
		.clock = bytes_text(clock->values[*(const int16_t *)value_of(row, "clock")]),
		.cycle = (int32_t)int_of(row, "cycle"),
		.target_version = (int32_t)int_of(row, "target_version"),
		.run = (int32_t)int_of(row, "run"),
		.nth = (int)int_of(row, "next_nth"),
		.threshold = int_of(row, "next_threshold"),
		.due_at = int_of(row, "due_at"),
		.next_at = int_of(row, "next_at"),
	};
}

/* Which of several, does not matter. */
static void ask_of(const struct row *row, struct due_ask *out)
{
	*out = (struct due_ask){
		.tenant_id = row->tenant_id,
		.id = row->id,
		.policy_id = *(const struct uuid *)value_of(row, "policy_id"),
		.policy_version = int_of(row, "policy_version"),
		.asked_at = int_of(row, "asked_at"),
		.parts = int_of(row, "parts"),
	};
}

static int by_instant(const void *a, const void *b)
{
	const struct due_clock *x = a, *y = b;

	return x->next_at < y->next_at ? -1 : x->next_at > y->next_at;
}

static void due_now(struct world *w, struct store_due *c)
{
	struct world_shard *s = &w->shards[c->shard];
	struct due_clock *all;
	const struct row *row;
	size_t at = 0;
	int n = 0;

	c->horizon = c->now < w->now ? c->now : w->now;
	c->position = w->mutation == MUTATION_TORN_LOOK ? s->count : s->checkpoint;
	c->head = s->count;
	c->next = TIME_NONE;
	all = arena_alloc(c->arena, (w->rows.count + 1) * sizeof(*all));
	memset(&c->ask, 0, sizeof(c->ask));
	while ((row = map_next(&w->rows, &at, NULL))) {
		int64_t next_at;

		if (c->asks && row->of == c->asks && int_of(row, "shard") == c->shard && int_of(row, "next_at") != TIME_NONE)
			ask_of(row, &c->ask);
		if (row->of != c->clocks || int_of(row, "shard") != c->shard || int_of(row, "next_at") == TIME_NONE)
			continue;
		if (w->mutation == MUTATION_LOSE_CLOCK && row->id.b[0] % 4 == 0)
			continue;
		next_at = int_of(row, "next_at");
		if (next_at >= c->horizon)
			c->next = time_earlier(c->next, next_at);
		else if (next_at >= c->from)
			all[n++] = clock_of(row);
	}
	qsort(all, (size_t)n, sizeof(*all), by_instant);
	c->due = all;
	c->count = n < c->limit ? n : c->limit;
}

static int by_place(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	int c = uuid_compare(value_of(x, "conversation_id"), value_of(y, "conversation_id"));

	return c ? c : uuid_compare(&x->id, &y->id);
}

static bool is_after(const struct row *row, const struct store_names *c)
{
	int d = uuid_compare(value_of(row, "conversation_id"), &c->after_conversation);

	return d > 0 || (d == 0 && uuid_compare(&row->id, &c->after_clock) > 0);
}

static void names_now(struct world *w, struct store_names *c)
{
	const struct row *row, **all = arena_alloc(c->arena, (w->rows.count + 1) * sizeof(const struct row *));
	size_t at = 0;
	int n = 0, i;

	while ((row = map_next(&w->rows, &at, NULL)))
		if (row->of == c->clocks && uuid_equal(&row->tenant_id, &c->ask.tenant_id) && is_after(row, c))
			all[n++] = row;
	qsort(all, (size_t)n, sizeof(const struct row *), by_place);
	c->names = arena_alloc(c->arena, (size_t)c->limit * sizeof(*c->names));
	for (i = 0; i < n && i < c->rows && c->count < c->limit; i++) {
		const int16_t *state = value_of(all[i], "state");

		c->after_conversation = *(const struct uuid *)value_of(all[i], "conversation_id");
		c->after_clock = all[i]->id;
		if (*state == 0 && uuid_equal(value_of(all[i], "policy_id"), &c->ask.policy_id) &&
		    int_of(all[i], "policy_version") < c->ask.policy_version)
			c->names[c->count++] = (struct due_name){ .conversation_id = c->after_conversation };
	}
	c->complete = i == n && n < c->rows;
}

static void lease_now(struct world *w, struct store_lease *c)
{
	struct world_shard *s = &w->shards[c->shard];

	if (uuid_is_nil(&s->lease_owner) || uuid_equal(&s->lease_owner, &c->owner) || s->lease_end <= w->now) {
		s->lease_owner = c->owner;
		s->lease_end = w->now + c->ttl_ms * 1000;
	}
	c->holder = s->lease_owner;
	c->held = uuid_equal(&s->lease_owner, &c->owner);
}

static int effect(struct fake *f)
{
	struct world *w = f->world;

	switch (f->kind) {
	case CALL_CONNECT: {
		struct store_connect *c = (void *)f->out;

		c->log_id = w->log_id;
		c->epoch = w->epoch;
		c->shards = WORLD_SHARDS;
		c->database_now = w->now;
		return 0;
	}
	case CALL_APPEND:
		for (struct store_append *c = (void *)f->out; c; c = c->also)
			append_now(w, c);
		return 0;
	case CALL_HEAD:
		head_now(w, (void *)f->out);
		return 0;
	case CALL_TREE:
		tree_now(w, (void *)f->out);
		return 0;
	case CALL_READ:
		read_now(w, (void *)f->out);
		return 0;
	case CALL_HEADS: {
		struct store_heads *c = (void *)f->out;

		for (int s = 0; s <= WORLD_SHARDS; s++)
			c->position[s] = w->shards[s].count;
		return 0;
	}
	case CALL_CHECKPOINT: {
		struct store_checkpoint *c = (void *)f->out;

		c->generation = 1;
		c->position = c->shown = w->shards[c->shard].checkpoint;
		c->answers = true;
		memcpy(c->leaf, w->shards[c->shard].checkpoint_leaf, LEAF_BYTES);
		c->diverged = !is_borne_out(&w->shards[c->shard]);
		return 0;
	}
	case CALL_LOAD:
		load_now(w, (void *)f->out);
		return 0;
	case CALL_PROJECT:
		return project_now(w, (void *)f->out);
	case CALL_DUE:
		due_now(w, (void *)f->out);
		break;
	case CALL_NAMES:
		names_now(w, (void *)f->out);
		return 0;
	case CALL_LEASE:
		lease_now(w, (void *)f->out);
		return 0;
	case CALL_MAINTAIN:
		return 0;
	}
	return 0;
}

static void answer_one(struct store_request *r, int status, bool lost)
{
	r->status = status;
	r->lost = lost;
	if (status)
		error_set(&r->error, status, "injected: %s", error_name(status));
	if (status == E_ROW_REFUSED)
		snprintf(r->error.field, sizeof(r->error.field), "messages");
	r->done(r);
}

/* The first one last, as store.h says. */
static void answer(struct fake *f, int status, bool lost)
{
	struct store_request *r = f->out;
	struct store_append *also = f->kind == CALL_APPEND ? ((struct store_append *)(void *)r)->also : NULL;

	f->out = NULL;
	if (lost)
		f->connected = false;
	for (struct store_append *next; also; also = next) {
		next = also->also;
		answer_one(&also->request, status, lost);
	}
	answer_one(r, status, lost);
}

/* A fence it needs is held by an orphaned backend. */
static bool must_wait(const struct fake *f)
{
	if (f->kind == CALL_APPEND)
		for (const struct store_append *c = (const void *)f->out; c; c = c->also)
			if (f->world->shards[c->shard].late)
				return true;
	return false;
}

static void goes_late(struct fake *f)
{
	for (const struct store_append *c = (const void *)f->out; c; c = c->also)
		go_late(f->world, c);
}

static void arrive(void *data)
{
	struct fake *f = data;
	struct world *w = f->world;
	int status;

	if (w->now < w->hung_until) { /* the session waits for the answer as long as sessions do */
		if (w->now >= f->begun_at + WORLD_ANSWER_MS * 1000) {
			if (f->kind == CALL_APPEND)
				goes_late(f); /* the server has the statement, and will get to it */
			answer(f, E_UNAVAILABLE, true);
			return;
		}
		world_after(w, 100000, arrive, f);
		return;
	}
	if (must_wait(f)) {
		world_after(w, 20000, arrive, f); /* the fence is held: the statement waits */
		return;
	}
	switch (f->fate) {
	case FATE_LOST_BEFORE:
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_LOST_AFTER:
		effect(f);
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_LOST_LATE:
		if (f->kind == CALL_APPEND)
			goes_late(f);
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_REFUSED:
		if (f->kind != CALL_CONNECT) {
			answer(f, E_UNAVAILABLE, false);
			return;
		}
		break;
	default:
		break;
	}
	if (f->kind == CALL_CONNECT)
		f->connected = true;
	assert(f->connected);
	status = effect(f);
	answer(f, status, false);
}

static void begin(struct store *s, struct store_request *r, enum call_kind kind)
{
	struct fake *f = (struct fake *)s;
	struct world *w = f->world;
	int64_t delay = 100 + (int64_t)random_below(&w->random, 3000);

	assert(!f->out);
	assert(kind == CALL_CONNECT || f->connected);
	f->out = r;
	f->kind = kind;
	f->begun_at = w->now;
	f->fate = FATE_WELL;
	if (w->faults) {
		if (world_chance(w, 20)) {
			f->fate = 1 + (int)random_below(&w->random, 4);
			w->faults_made[f->fate]++;
		}
		if (world_chance(w, 10))
			delay += (int64_t)random_below(&w->random, 2000000);
		if (kind == CALL_PROJECT && world_chance(w, 20))
			delay += 8000000; /* a zombie: its lease is long gone when the statement arrives */
	}
	world_after(w, delay, arrive, f);
}

#define CALL(name, kind) \
	static void fake_##name(struct store *s, struct store_##name *r) { begin(s, &r->request, kind); }
CALL(connect, CALL_CONNECT)
CALL(append, CALL_APPEND)
CALL(head, CALL_HEAD)
CALL(tree, CALL_TREE)
CALL(read, CALL_READ)
CALL(heads, CALL_HEADS)
CALL(checkpoint, CALL_CHECKPOINT)
CALL(load, CALL_LOAD)
CALL(project, CALL_PROJECT)
CALL(due, CALL_DUE)
CALL(names, CALL_NAMES)
CALL(lease, CALL_LEASE)
CALL(maintain, CALL_MAINTAIN)

struct closing {
	void (*closed)(void *data);
	void *data;
};

static void run_closed(void *data)
{
	struct closing c = *(struct closing *)data;

	free(data);
	c.closed(c.data);
}

static void fake_close(struct store *s, void (*closed)(void *data), void *data)
{
	struct fake *f = (struct fake *)s;
	struct closing *c = mem_alloc(sizeof(*c));

	*c = (struct closing){ closed, data };
	for (struct fake **link = &f->factory->sessions; *link; link = &(*link)->next)
		if (*link == f) {
			*link = f->next;
			break;
		}
	world_forget(f->world, f);
	world_after(f->world, 0, run_closed, c);
	free(f);
}

static const struct store_ops ops = {
	fake_connect, fake_append, fake_head, fake_tree, fake_read, fake_heads,
	fake_checkpoint, fake_load, fake_project, fake_due, fake_names, fake_lease, fake_maintain, NULL, NULL, fake_close,
};

static struct store *fake_open(struct store_factory *factory, const char *name)
{
	struct fake_factory *ff = (struct fake_factory *)factory;
	struct fake *f = mem_zalloc(sizeof(*f));

	(void)name;
	f->store.ops = &ops;
	f->factory = ff;
	f->world = ff->world;
	f->next = ff->sessions;
	ff->sessions = f;
	return &f->store;
}

struct store_factory *world_factory_new(struct world *w)
{
	struct fake_factory *f = mem_zalloc(sizeof(*f));

	f->factory.open = fake_open;
	f->world = w;
	return &f->factory;
}

void world_factory_crash(struct store_factory *factory)
{
	struct fake_factory *ff = (struct fake_factory *)factory;

	for (struct fake *f = ff->sessions, *next; f; f = next) {
		next = f->next;
		if (!f->out)
			continue;
		world_forget(f->world, f);
		if (f->kind == CALL_APPEND && world_chance(f->world, 300))
			goes_late(f);
		else if (world_chance(f->world, 500) && !must_wait(f))
			effect(f);
		answer(f, E_UNAVAILABLE, true);
	}
}

void world_factory_free(struct store_factory *f)
{
	free(f);
}
