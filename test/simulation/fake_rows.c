/*
 * fake_rows - the read models of a world: rows and checkpoint in one step, clocks that are due, leases.
 */
#include <assert.h>
#include <stdlib.h>

#include "fake.h"
#include "models.h"

void rows_checkpoint(struct world *w, struct store_checkpoint *c)
{
	const struct world_shard *s = &w->shards[c->shard];

	c->generation = w->models ? w->models->current : 1;
	c->position = c->shown = s->checkpoint;
	c->answers = true;
	memcpy(c->leaf, s->checkpoint_leaf, LEAF_BYTES);
	c->diverged = !log_bears_out(s);
}

static const struct row *row_of(struct world *w, int32_t generation, const struct projection *p, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row_place place = row_place(p, tenant_id, id);

	return map_find(world_rows(w, generation, p), &place);
}

/* Whether the fence lets it pass: (generation, epoch, old position). */
static bool passes(struct world *w, const struct store_project *c, const int64_t *position)
{
	if (w->models && models_fences(w->models, c->generation))
		return false;
	return w->mutation == MUTATION_NO_PROJECT_FENCE || (*position == c->old_position && c->epoch == w->epoch);
}

int rows_project(struct world *w, struct store_project *c)
{
	struct world_shard *s = &w->shards[c->shard];
	int64_t *position = &s->checkpoint;
	uint8_t *leaf = s->checkpoint_leaf;

	if (w->models)
		position = models_position(w->models, c->generation, c->shard, &leaf);
	if (!passes(w, c, position))
		return E_FENCED;
	if (w->faults && c->new_position - c->old_position > 1 && world_chance(w, 30)) {
		w->faults_made[5]++;
		return E_ROW_REFUSED; /* of a batch: it must come again in halves, down to the event */
	}
	for (const struct row *r = c->changed; r; r = r->next_changed)
		if (r->fresh && row_of(w, c->generation, r->of, &r->tenant_id, &r->id))
			return E_ROW_REFUSED; /* the table's key */
	for (const struct row *r = c->changed; r; r = r->next_changed)
		if (!r->fresh && !row_of(w, c->generation, r->of, &r->tenant_id, &r->id))
			return E_READ_MODEL;
	c->answers = true;
	if (w->mutation != MUTATION_ROWS_ALONE || !world_chance(w, 50)) {
		*position = c->new_position;
		memcpy(leaf, c->leaf, LEAF_BYTES);
	}
	if (w->mutation == MUTATION_EARLY_CHECKPOINT && world_chance(w, 50))
		return 0;
	for (const struct row *r = c->changed; r; r = r->next_changed) {
		struct row_place place = row_place(r->of, &r->tenant_id, &r->id);

		*map_put(world_rows(w, c->generation, r->of), &place) = row_copy(r, &w->memory);
	}
	if (w->projected)
		w->projected(w, c);
	return 0;
}

bool rows_held(const struct world *w)
{
	return w->models && models_holds(w->models);
}

int rows_load(struct world *w, int32_t generation, struct store_load *c)
{
	c->rows = arena_alloc(c->arena, sizeof(*c->rows) * (size_t)(c->count + 1));
	for (int i = 0; i < c->count; i++) {
		const struct row *row;

		if (!world_rows(w, generation, c->keys[i].projection))
			return E_FENCED;
		row = row_of(w, generation, c->keys[i].projection, &c->keys[i].tenant_id, &c->keys[i].id);
		c->rows[i] = row ? row_copy(row, c->arena) : NULL;
	}
	return 0;
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

static void look_for_ask(const struct map *asks, struct store_due *c)
{
	const struct row *row;
	size_t at = 0;

	memset(&c->ask, 0, sizeof(c->ask));
	while ((row = map_next(asks, &at, NULL)))
		if (row->of == c->asks && int_of(row, "shard") == c->shard && int_of(row, "next_at") != TIME_NONE)
			ask_of(row, &c->ask);
}

int rows_due(struct world *w, struct store_due *c)
{
	struct world_shard *s = &w->shards[c->shard];
	const struct map *clocks = world_rows(w, c->generation, c->clocks);
	struct due_clock *all;
	const struct row *row;
	uint8_t *leaf;
	size_t at = 0;
	int n = 0;

	if (!clocks)
		return E_FENCED;
	c->horizon = c->now < w->now ? c->now : w->now;
	c->position = w->models ? *models_position(w->models, c->generation, c->shard, &leaf) : s->checkpoint;
	if (w->mutation == MUTATION_TORN_LOOK)
		c->position = s->count;
	c->head = s->count;
	c->next = TIME_NONE;
	all = arena_alloc(c->arena, (clocks->count + 1) * sizeof(*all));
	if (c->asks)
		look_for_ask(world_rows(w, c->generation, c->asks), c);
	while ((row = map_next(clocks, &at, NULL))) {
		int64_t next_at;

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
	return 0;
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

int rows_names(struct world *w, struct store_names *c)
{
	const struct map *clocks = world_rows(w, c->generation, c->clocks);
	const struct row *row, **all;
	size_t at = 0;
	int n = 0, i;

	if (!clocks)
		return E_FENCED;
	all = arena_alloc(c->arena, (clocks->count + 1) * sizeof(const struct row *));
	while ((row = map_next(clocks, &at, NULL)))
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
	return 0;
}

void rows_lease(struct world *w, struct store_lease *c)
{
	struct world_shard *s = &w->shards[c->shard];

	if (uuid_is_nil(&s->lease_owner) || uuid_equal(&s->lease_owner, &c->owner) || s->lease_end <= w->now) {
		s->lease_owner = c->owner;
		s->lease_end = w->now + c->ttl_ms * 1000;
	}
	c->holder = s->lease_owner;
	c->held = uuid_equal(&s->lease_owner, &c->owner) || w->leases_for_all;
	c->engines = w->factories;
	c->higher = 0;
	for (int n = c->shard + 1; n <= WORLD_SHARDS; n++)
		c->higher += uuid_equal(&w->shards[n].lease_owner, &c->owner) && w->shards[n].lease_end > w->now;
	if (c->ttl_ms == 0 && uuid_equal(&s->lease_owner, &c->owner))
		s->lease_owner = (struct uuid){ { 0 } };
}
