/* models_rebuild - see models.h; here: where a generation stands, and the steps of a rebuild. */
#include <assert.h>
#include <stdlib.h>

#include "fake.h"
#include "models_private.h"

/* ---- where what stands ---- */

void models_positions(struct backend *s, int32_t generation, struct shadow_position *out)
{
	struct models *m = s->models;
	bool diverged = false;

	if (s->snapshot && generation == s->snapshot_generation) {
		memcpy(out, s->snapshot_at, sizeof(s->snapshot_at));
		return;
	}
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		const struct world_shard *shard = &m->world->shards[n];
		uint8_t *leaf;
		int64_t at = *models_position(m, generation, n, &leaf);

		diverged = !shard->given_up && !log_bears_out(shard);
		out[n] = (struct shadow_position){
			.shard = (int16_t)n, .live = at, .diverged = diverged, .head = shard->count,
			.sound = at == 0 || (at <= shard->count && memcmp(shard->events[at - 1].event.leaf_hash, leaf, LEAF_BYTES) == 0),
		};
	}
}

/* ---- the beginning ---- */

static void learn(struct models *m, const int *places, int count, const struct models_rebuild *r, struct shadow_plan *p)
{
	const struct models_generation *g = &m->generations[p->generation];

	p->count = count;
	p->seen = true;
	for (int i = 0; i < count; i++) {
		struct shadow_table *t = &p->tables[i];

		memset(t, 0, sizeof(*t));
		t->projection = m->group->projections[places[i]];
		snprintf(t->live, sizeof(t->live), "t%d", g->table[places[i]]);
		if (r)
			snprintf(t->shadow, sizeof(t->shadow), "t%d", r->shadows[i]);
		t->rows = (int64_t)m->tables[g->table[places[i]]].rows.count;
		t->indexes = 1 + places[i] % MODELS_INDEXES;
	}
	for (int n = 0; n < SHARDS_MAX; n++)
		p->folded[n] = r && n <= WORLD_SHARDS ? r->folded[n] : -1;
}

static int places_of(const struct models *m, const struct projection *const *wanted, int count, int *places)
{
	for (int i = 0; i < count; i++)
		places[i] = models_place(m, wanted[i]);
	return count;
}

void models_look(struct backend *s, const struct projection *const *wanted, int count, struct shadow_plan *p)
{
	int places[GROUP_PROJECTIONS_MAX];

	memset(p, 0, sizeof(*p));
	p->generation = s->snapshot ? s->snapshot_generation : s->models->current;
	learn(s->models, places, places_of(s->models, wanted, count, places), NULL, p);
}

static bool is_alive(const struct models *m, const struct models_rebuild *r)
{
	bool there = false;

	for (const struct backend *s = m->backends; s; s = s->next)
		there = there || s->serial == r->backend;
	return there && m->world->now - r->beat_at < MODELS_ALIVE_MS * 1000LL && m->world->mutation != MUTATION_NEVER_BUSY;
}

static bool goes_on(const struct models *m, const struct models_rebuild *r, const int *places, int count)
{
	if (r->back || r->generation != m->current || r->count != count || memcmp(r->wanted, places, (size_t)count * sizeof(*places)) != 0)
		return false;
	for (int i = 0; i < count; i++)
		if (!m->tables[r->shadows[i]].there)
			return false;
	return true;
}

static void own(struct backend *s, struct models_rebuild *r, const struct shadow_plan *p)
{
	r->owner = p->owner;
	r->backend = s->serial;
	r->beat_at = s->models->world->now;
}

static int32_t before(const struct models *m, struct models_rebuild *out)
{
	for (int32_t i = 1; i <= m->rebuild_count; i++)
		if (m->rebuilds[i].state == MODELS_SWITCHED && m->rebuilds[i].became == m->current &&
		    m->generations[m->rebuilds[i].generation].there) {
			*out = m->rebuilds[i];
			return m->rebuilds[i].generation;
		}
	return 0;
}

static void new_rebuild(struct models *m, const int *places, int count, int32_t back_to)
{
	struct models_rebuild *r;

	m->rebuilds = mem_realloc(m->rebuilds, (size_t)(m->rebuild_count + 2) * sizeof(*m->rebuilds));
	r = &m->rebuilds[++m->rebuild_count];
	*r = (struct models_rebuild){ .generation = m->current, .count = count, .whole = count == m->group->count && !back_to, .back = back_to };
	for (int i = 0; i < count; i++) {
		r->wanted[i] = places[i];
		r->shadows[i] = back_to ? m->generations[back_to].table[places[i]] : models_new_table(m, m->group->projections[places[i]]);
	}
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		uint8_t *leaf;

		r->folded[n] = back_to ? *models_position(m, back_to, n, &leaf) : -1;
	}
}

int models_begin(struct backend *s, const struct projection *const *wanted, int count, enum shadow_how how, struct shadow_plan *p)
{
	struct models *m = s->models;
	struct models_rebuild *r = m->rebuild_count ? &m->rebuilds[m->rebuild_count] : NULL, old;
	int places[GROUP_PROJECTIONS_MAX];
	int32_t back_to = 0;

	count = places_of(m, wanted, count, places);
	p->generation = m->current;
	if (r && r->state == MODELS_BUILDING) {
		if (is_alive(m, r))
			return E_BUSY;
		if ((how == SHADOW_AUTO || how == SHADOW_RESUME) && goes_on(m, r, places, count)) {
			p->resumed = true;
			own(s, r, p);
			p->rebuild = m->rebuild_count;
			learn(m, places, count, r, p);
			return 0;
		}
		if (how != SHADOW_RESUME)
			models_drop(m, r);
	}
	if (how == SHADOW_RESUME)
		return E_NOT_FOUND;
	if (how == SHADOW_BACK) {
		back_to = before(m, &old);
		if (!back_to)
			return E_NOT_FOUND;
		count = old.count;
		memcpy(places, old.wanted, sizeof(places));
	}
	new_rebuild(m, places, count, back_to);
	r = &m->rebuilds[m->rebuild_count];
	own(s, r, p);
	p->rebuild = m->rebuild_count;
	learn(m, places, count, r, p);
	return 0;
}

/* ---- the steps ---- */

static struct models_rebuild *owned(struct backend *s, const struct shadow_plan *p)
{
	struct models_rebuild *r = &s->models->rebuilds[p->rebuild];
	bool is_own = uuid_equal(&r->owner, &p->owner) || s->models->world->mutation == MUTATION_ANY_OWNER;

	if (r->state != MODELS_BUILDING || !is_own)
		return NULL;
	if (s->begun)
		s->owns = p->rebuild;
	return r;
}

int models_beat(struct backend *s, const struct shadow_plan *p)
{
	struct models_rebuild *r = owned(s, p);

	if (!r)
		return E_FENCED;
	r->beat_at = s->models->world->now;
	r->backend = s->serial;
	return 0;
}

int models_folded(struct backend *s, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to, const uint8_t *leaf)
{
	struct models_rebuild *r = owned(s, p);

	assert(s->begun);
	if (!r)
		return E_FENCED;
	if (r->folded[shard] != from)
		return from < 0 ? E_DATABASE : E_FENCED;
	s->folded[shard] = true;
	s->position[shard] = to;
	memcpy(s->leaf[shard], leaf, LEAF_BYTES);
	return 0;
}

static struct models_table *shadow_of(struct models *m, const struct models_rebuild *r, const struct projection *p)
{
	for (int i = 0; i < r->count; i++)
		if (m->group->projections[r->wanted[i]] == p)
			return &m->tables[r->shadows[i]];
	abort();
}

int models_index(struct backend *s, const struct shadow_plan *p, const struct projection *projection, int first, int last)
{
	const struct models_rebuild *r = owned(s, p);
	struct models_table *t = r ? shadow_of(s->models, r, projection) : NULL;

	if (!t)
		return E_FENCED;
	if (t->doubled)
		return E_DATABASE; /* the unique one cannot be made */
	for (int i = first; i <= last && i <= MODELS_INDEXES; i++)
		t->indexed[i] = true;
	return 0;
}

int models_finish(struct backend *s, const struct shadow_plan *p, const struct projection *projection)
{
	const struct models_rebuild *r = owned(s, p);
	struct models_table *t = r ? shadow_of(s->models, r, projection) : NULL;

	if (!t)
		return E_FENCED;
	for (int i = 1; i <= 1 + models_place(s->models, projection) % MODELS_INDEXES; i++)
		if (!t->indexed[i])
			return E_DATABASE;
	t->finished = true;
	return 0;
}

int models_bring(struct backend *s, const struct shadow_plan *p, const struct shadow_table *t, int shards)
{
	struct models *m = s->models;
	const struct models_rebuild *r = owned(s, p);
	const struct row *row;
	size_t at = 0;

	if (!r)
		return E_FENCED;
	while ((row = map_next(&m->tables[models_table_number(t->live)].rows, &at, NULL)))
		if (row->last_position > p->folded[event_shard(&row->tenant_id, shards - 1)] && models_row(s, t->shadow, row, true))
			return E_DATABASE;
	if (!s->begun)
		backend_end(s, true);
	return 0;
}

int models_level(struct backend *s, const struct shadow_plan *p)
{
	struct models *m = s->models;

	if (!owned(s, p))
		return E_FENCED;
	assert(s->begun);
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		s->folded[n] = true;
		s->position[n] = m->world->shards[n].checkpoint;
		memcpy(s->leaf[n], m->world->shards[n].checkpoint_leaf, LEAF_BYTES);
	}
	return 0;
}

int models_hold(struct backend *s, const struct shadow_plan *p)
{
	if (!owned(s, p))
		return E_FENCED;
	s->holds = s->models->world->mutation != MUTATION_NO_HOLD;
	return 0;
}

int models_mark(struct backend *s, const struct shadow_plan *p, int32_t *next)
{
	if (!owned(s, p))
		return E_FENCED;
	*next = ++s->models->marked;
	return 0;
}

int models_switch(struct backend *s, const struct shadow_plan *p, int32_t next, const char *event)
{
	struct models *m = s->models;
	const struct models_rebuild *r = owned(s, p);
	struct shadow_position at[WORLD_SHARDS + 1];

	assert(s->begun);
	if (!r || !m->generations[r->generation].there)
		return E_FENCED;
	if (next <= m->generation_count)
		return E_BUSY;
	models_positions(s, r->generation, at);
	for (int n = 0; n <= WORLD_SHARDS && m->world->mutation != MUTATION_BLIND_SWITCH; n++) {
		int64_t shadow = s->folded[n] ? s->position[n] : r->folded[n] > 0 ? r->folded[n] : 0;

		if (shadow != at[n].live && !(r->whole && (shadow > at[n].live || !at[n].sound)))
			return E_BUSY;
	}
	s->next_generation = next;
	s->event = mem_strdup(event);
	return 0;
}

int models_give_up(struct backend *s, const struct shadow_plan *p)
{
	struct models_rebuild *r = owned(s, p);

	if (!r)
		return E_FENCED;
	models_drop(s->models, r);
	return 0;
}

void models_leave(struct backend *s, const struct shadow_plan *p)
{
	struct models_rebuild *r = owned(s, p);

	if (!r)
		return;
	r->backend = 0;
	r->beat_at = 0;
}
