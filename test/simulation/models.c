/* models - see models.h; here: generations, tables, sessions. */
#include <assert.h>
#include <stdlib.h>

#include "models_private.h"

int models_new_table(struct models *m, const struct projection *of)
{
	m->tables = mem_realloc(m->tables, (size_t)(m->table_count + 1) * sizeof(*m->tables));
	m->tables[m->table_count] = (struct models_table){ .of = of, .there = true };
	map_init(&m->tables[m->table_count].rows, sizeof(struct row_place));
	return m->table_count++;
}

static struct models_generation *new_generation(struct models *m)
{
	m->generations = mem_realloc(m->generations, (size_t)(m->generation_count + 2) * sizeof(*m->generations));
	memset(&m->generations[++m->generation_count], 0, sizeof(*m->generations));
	return &m->generations[m->generation_count];
}

void models_init(struct models *m, struct world *w, const struct group *group)
{
	struct models_generation *g;

	memset(m, 0, sizeof(*m));
	m->world = w;
	m->group = group;
	w->models = m;
	g = new_generation(m);
	g->there = true;
	for (int i = 0; i < group->count; i++) {
		g->table[i] = models_new_table(m, group->projections[i]);
		m->tables[g->table[i]].finished = true;
	}
	m->current = m->marked = 1;
}

void models_release(struct models *m)
{
	assert(!m->backends);
	for (int i = 0; i < m->table_count; i++)
		if (m->tables[i].there)
			map_release(&m->tables[i].rows);
	for (int i = 1; i <= m->rebuild_count; i++)
		free(m->rebuilds[i].event);
	free(m->tables);
	free(m->generations);
	free(m->rebuilds);
	m->world->models = NULL;
}

int models_place(const struct models *m, const struct projection *p)
{
	for (int i = 0; i < m->group->count; i++)
		if (m->group->projections[i] == p)
			return i;
	abort();
}

struct map *models_rows(struct models *m, int32_t generation, const struct projection *p)
{
	const struct models_generation *g = &m->generations[generation];

	return g->there ? &m->tables[g->table[models_place(m, p)]].rows : NULL;
}

bool models_fences(const struct models *m, int32_t generation)
{
	return generation != m->current && (m->world->mutation != MUTATION_OLD_WORKERS || !m->generations[generation].there);
}

bool models_holds(const struct models *m)
{
	for (const struct backend *s = m->backends; s; s = s->next)
		if (s->holds)
			return true;
	return false;
}

int64_t *models_position(struct models *m, int32_t generation, int shard, uint8_t **leaf)
{
	bool is_live = generation == m->current;

	*leaf = is_live ? m->world->shards[shard].checkpoint_leaf : m->generations[generation].leaf[shard];
	return is_live ? &m->world->shards[shard].checkpoint : &m->generations[generation].position[shard];
}

size_t models_count(const struct models *m)
{
	size_t count = 0;

	for (int i = 0; i < m->group->count; i++)
		count += m->tables[m->generations[m->current].table[i]].rows.count;
	return count;
}

int models_table_number(const char *name)
{
	return *name == 't' ? atoi(name + 1) : -1;
}

/* ---- what is dropped ---- */

/* But for tables that another generation has, or somebody who goes back to them. */
static void drop_table(struct models *m, int table)
{
	for (int32_t g = 1; g <= m->generation_count; g++)
		for (int i = 0; i < m->group->count && m->generations[g].there; i++)
			if (m->generations[g].table[i] == table)
				return;
	for (int32_t r = 1; r <= m->rebuild_count; r++)
		for (int i = 0; i < m->rebuilds[r].count && m->rebuilds[r].state == MODELS_BUILDING; i++)
			if (m->rebuilds[r].shadows[i] == table)
				return;
	if (m->tables[table].there)
		map_release(&m->tables[table].rows);
	m->tables[table].there = false;
}

void models_drop(struct models *m, struct models_rebuild *r)
{
	r->state = MODELS_GIVEN_UP;
	for (int i = 0; i < r->count && m->world->mutation != MUTATION_LEAVE_SHADOWS; i++)
		drop_table(m, r->shadows[i]);
}

int models_drop_old(struct models *m, int32_t but)
{
	int count = 0;

	for (int32_t g = 1; g <= m->generation_count; g++) {
		struct models_generation *old = &m->generations[g];
		bool wanted = false;

		for (int32_t r = 1; r <= m->rebuild_count && g != but && g != m->current && old->there; r++)
			wanted = wanted || (m->rebuilds[r].state == MODELS_SWITCHED && m->rebuilds[r].generation == g);
		if (!wanted)
			continue;
		old->there = false;
		for (int i = 0; i < m->group->count; i++)
			drop_table(m, old->table[i]);
		count++;
	}
	return count;
}

/* ---- sessions ---- */

static void empty(struct backend *s)
{
	free(s->event);
	if (s->snapshot)
		for (int i = 0; i < s->snapshot_tables; i++)
			map_release(&s->snapshot[i]);
	free(s->snapshot);
	s->snapshot = NULL;
	s->event = NULL;
	s->rows = NULL;
	s->rows_end = &s->rows;
	s->begun = s->failed = s->holds = false;
	s->owns = s->next_generation = 0;
	memset(s->folded, 0, sizeof(s->folded));
}

struct backend *backend_open(struct models *m)
{
	struct backend *s = mem_zalloc(sizeof(*s));

	s->models = m;
	s->serial = ++m->serial;
	s->next = m->backends;
	m->backends = s;
	empty(s);
	return s;
}

void backend_close(struct backend *s)
{
	for (struct backend **link = &s->models->backends; *link; link = &(*link)->next)
		if (*link == s) {
			*link = s->next;
			break;
		}
	backend_end(s, false);
	free(s);
}

static void take_snapshot(struct backend *s)
{
	struct models *m = s->models;

	s->snapshot_generation = m->current;
	models_positions(s, m->current, s->snapshot_at);
	s->snapshot = mem_zalloc((size_t)m->table_count * sizeof(*s->snapshot));
	s->snapshot_tables = m->table_count;
	for (int i = 0; i < m->table_count; i++) {
		const void *key;
		size_t at = 0;
		void *row;

		map_init(&s->snapshot[i], sizeof(struct row_place));
		while (m->tables[i].there && (row = map_next(&m->tables[i].rows, &at, &key)))
			*map_put(&s->snapshot[i], key) = row;
	}
}

void backend_begin(struct backend *s, bool snapshot)
{
	s->begun = true;
	if (snapshot)
		take_snapshot(s);
}

bool backend_owned_elsewhere(const struct backend *s, int32_t rebuild)
{
	for (const struct backend *o = s->models->backends; o; o = o->next)
		if (o != s && o->owns == rebuild)
			return true;
	return false;
}

static void write_rows(struct backend *s)
{
	for (const struct models_row *r = s->rows; r; r = r->next) {
		struct row_place place = row_place(r->row->of, &r->row->tenant_id, &r->row->id);
		struct models_table *t = &s->models->tables[r->table];
		void **slot;

		if (!t->there)
			continue; /* a mistake's: somebody has taken the rebuild over */
		slot = map_put(&t->rows, &place);
		t->doubled += *slot && !r->merged;
		*slot = (void *)(uintptr_t)r->row;
	}
}

/* See rebuild_switch. */
static void switch_over(struct backend *s)
{
	struct models *m = s->models;
	struct models_rebuild *r = &m->rebuilds[s->owns];
	struct models_generation *g, *old;

	while (m->generation_count < s->next_generation)
		new_generation(m);
	g = &m->generations[s->next_generation];
	old = &m->generations[m->current];
	*g = *old;
	g->there = true;
	for (int i = 0; i < r->count; i++)
		g->table[r->wanted[i]] = r->shadows[i];
	old->closed = true;
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		struct world_shard *shard = &m->world->shards[n];

		old->position[n] = shard->checkpoint;
		memcpy(old->leaf[n], shard->checkpoint_leaf, LEAF_BYTES);
		shard->checkpoint = r->folded[n] > 0 ? r->folded[n] : 0;
		memcpy(shard->checkpoint_leaf, r->leaf[n], LEAF_BYTES);
	}
	m->current = r->became = s->next_generation;
	r->state = MODELS_SWITCHED;
	r->ended_at = m->world->now;
	free(r->event);
	r->event = s->event;
	s->event = NULL;
	if (m->switched)
		m->switched(m->data, r);
}

void backend_end(struct backend *s, bool commit)
{
	struct models *m = s->models;
	bool torn = m->world->mutation == MUTATION_TORN_COPY && s->rows && !s->rows->merged;

	commit = commit && !s->failed;
	if (commit || torn)
		write_rows(s);
	for (int n = 0; n <= WORLD_SHARDS && commit; n++)
		if (s->folded[n]) {
			m->rebuilds[s->owns].folded[n] = s->position[n];
			memcpy(m->rebuilds[s->owns].leaf[n], s->leaf[n], LEAF_BYTES);
		}
	if (commit && s->next_generation)
		switch_over(s);
	empty(s);
}

/* ---- rows of a session ---- */

int models_row(struct backend *s, const char *table, const struct row *row, bool merged)
{
	struct models *m = s->models;
	struct models_row *r = arena_zalloc(&m->world->memory, sizeof(*r));
	int n = models_table_number(table);

	if (n < 0 || n >= m->table_count || !m->tables[n].there || m->tables[n].of != row->of)
		return E_DATABASE;
	if (merged && !m->tables[n].finished)
		return E_DATABASE; /* no key to merge by */
	*r = (struct models_row){ .table = n, .merged = merged, .row = row_copy(row, &m->world->memory) };
	*s->rows_end = r;
	s->rows_end = &r->next;
	return 0;
}

