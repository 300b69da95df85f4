/*
 * fake_log - the log of a world: the statements of schema/log, whole, as steps that nothing can fall into.
 *
 * The fence, duplicates as the real look-up finds them (the batch's own month always, older ones where it is told to
 * look), expectations, gapless positions; months that have leaves; and what a backend does whose client has gone.
 */
#include <assert.h>
#include <stdlib.h>

#include "event/canonical.h"
#include "fake.h"

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

/* Whether the look-up goes into the month of `e` for the batch's event number i. */
static bool is_looked_at(const struct world *w, const struct store_append *c, int i, const struct event *e)
{
	if (e->recorded_at >= time_month_start(c->recorded_at))
		return true; /* the leaf's unique index */
	if (c->look_from == TIME_NONE || e->recorded_at < c->look_from || w->mutation == MUTATION_FORGET_MONTHS)
		return false;
	for (int k = 0; k < c->old_count; k++)
		if (c->old[k] == i)
			return true;
	return false;
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
			    !uuid_equal(&e->tenant_id, &c->events[i]->tenant_id) || !is_looked_at(w, c, i, e))
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

static void store_batch(struct world_shard *s, const struct store_append *c)
{
	if (s->batch_count == s->batch_capacity) {
		s->batch_capacity = s->batch_capacity ? s->batch_capacity * 2 : 64;
		s->batches = mem_realloc(s->batches, (size_t)s->batch_capacity * sizeof(*s->batches));
	}
	s->batches[s->batch_count] = (struct world_batch){ c->head + 1, c->head + c->count, c->recorded_at, { 0 } };
	memcpy(s->batches[s->batch_count++].root, c->root, LEAF_BYTES);
}

/* One batch by schema/log's append. */
static void append_one(struct world *w, struct store_append *c)
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
	if (c->recorded_at >= w->leaves_end) {
		c->outcome = APPEND_MONTH;
		return;
	}
	find_duplicates(w, s, c);
	if (!c->hit_count) {
		judge_expects(w, s, c);
		c->outcome = APPEND_EXPECT;
	} else {
		c->outcome = APPEND_DUPLICATES;
	}
	if (c->hit_count) {
		if (w->mutation == MUTATION_SEQUENCE)
			store_batch(s, c); /* numbers that were drawn are gone, whatever becomes of the rows */
		return;
	}
	c->outcome = APPEND_OK;
	if (w->mutation == MUTATION_ACK_FIRST && world_chance(w, 20))
		return;
	for (int i = 0; i < c->count; i++)
		if (w->mutation != MUTATION_TORN_BATCH || i + 1 < c->count || i == 0 || !world_chance(w, 50))
			store_event(s, c->events[i]);
	store_batch(s, c);
	if (w->appended)
		w->appended(w, c->shard);
}

/* Its head is as it says: the fence would be its own. */
static bool takes_fence(const struct world_shard *s, const struct store_append *c)
{
	return (s->batch_count ? s->batches[s->batch_count - 1].last : 0) == c->head;
}

/* schema/log's append_together: what it leaves to append is told to come apart. */
static void append_together(struct world *w, struct store_append *first)
{
	bool apart = false;

	for (struct store_append *c = first; c; c = c->also) {
		struct world_shard *s = &w->shards[c->shard];

		if (!takes_fence(s, c) || c->epoch != w->epoch)
			continue;
		find_duplicates(w, s, c);
		apart |= c->hit_count > 0 || c->recorded_at >= w->leaves_end;
	}
	for (struct store_append *c = first; c; c = c->also) {
		const struct world_shard *s = &w->shards[c->shard];
		bool opens = s->batch_count == 0 || s->batches[s->batch_count - 1].recorded_at < time_month_start(c->recorded_at);

		if (c->epoch == w->epoch && (apart || (opens && takes_fence(s, c))))
			c->outcome = APPEND_APART;
		else
			append_one(w, c);
	}
}

void log_append(struct world *w, struct store_append *first)
{
	bool plain = first->also != NULL;

	for (const struct store_append *c = first; c; c = c->also)
		plain &= !c->look && !c->old_count && !c->expect_count;
	if (plain) {
		append_together(w, first);
		return;
	}
	for (struct store_append *c = first; c; c = c->also)
		append_one(w, c);
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
	append_one(w, &late->call); /* it checked the head when it took the fence, which nobody else could since */
	arena_release(&late->arena);
	free(late);
}

void log_go_late(struct world *w, const struct store_append *c)
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
	if (c->old_count) {
		int *old = arena_alloc(&late->arena, (size_t)c->old_count * sizeof(*old));

		memcpy(old, c->old, (size_t)c->old_count * sizeof(*old));
		late->call.old = old;
	}
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

bool log_bears_out(const struct world_shard *s)
{
	return s->checkpoint == 0 ||
	       (s->checkpoint <= s->count &&
		memcmp(s->events[s->checkpoint - 1].event.leaf_hash, s->checkpoint_leaf, LEAF_BYTES) == 0);
}

void log_head(struct world *w, struct store_head *c)
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
	c->leaves = NULL;
	c->leaf_count = 0;
	if (c->after && c->after < c->position) { /* all, or as many as are given at a time */
		int64_t n = c->position - c->after, most = 1 + c->position % 7;
		uint8_t *leaves = arena_alloc(c->arena, (size_t)(n < most ? n : most) * LEAF_BYTES);

		for (c->leaves = leaves; c->leaf_count < n && c->leaf_count < most; c->leaf_count++)
			memcpy(leaves + c->leaf_count * LEAF_BYTES, s->events[c->after + c->leaf_count].event.leaf_hash, LEAF_BYTES);
	}
	if (c->compare && !log_bears_out(s) && !s->given_up && w->mutation != MUTATION_BLIND_HEAD)
		c->diverged = s->checkpoint;
}

void log_tree(struct world *w, struct store_tree *c)
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

static bool is_wanted(const struct store_read *c, const struct event *e)
{
	return (uuid_is_nil(&c->tenant_id) || uuid_equal(&c->tenant_id, &e->tenant_id)) &&
	       (uuid_is_nil(&c->conversation_id) || uuid_equal(&c->conversation_id, &e->conversation_id));
}

void log_read(struct world *w, struct store_read *c)
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
		if (!is_wanted(c, &s->events[i].event))
			continue;
		if (w->mutation == MUTATION_SKIP_READ && i + 1 < upto && world_chance(w, 20))
			continue;
		c->events[c->count] = s->events[i].event;
		bytes += c->events[c->count++].payload.len;
	}
}

void log_maintain(struct world *w, struct store_maintain *c)
{
	int64_t end = time_month_next(time_month_next(time_month_next(c->now)));

	if (end > w->leaves_end)
		w->leaves_end = end;
}
