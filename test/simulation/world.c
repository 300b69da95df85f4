/* world - see world.h: the clock, the queue, timers, rows. */
#include <stdlib.h>

#include "models.h"

struct grave {
	char *memory;
	struct grave *next;
};

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	random_seed(&w->random, seed);
	w->now = 1795000000LL * TIME_SECOND; /* a day in November 2026 */
	random_fill(&w->random, &w->log_id, sizeof(w->log_id));
	w->epoch = 1;
	map_init(&w->rows, sizeof(struct row_place));
	arena_init(&w->memory, 1 << 16);
	w->leaves_end = time_month_next(w->now);
}

void world_release(struct world *w)
{
	for (int s = 0; s <= WORLD_SHARDS; s++) {
		if (w->shards[s].cut)
			world_mend(&w->shards[s]);
		for (int64_t i = 0; i < w->shards[s].count; i++)
			free(w->shards[s].events[i].memory);
		free(w->shards[s].events);
		free(w->shards[s].batches);
	}
	for (struct grave *g = w->graves, *next; g; g = next) {
		next = g->next;
		free(g->memory);
		free(g);
	}
	map_release(&w->rows);
	arena_release(&w->memory);
	free(w->queue);
}

static bool sooner(const struct world_entry *a, const struct world_entry *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct world_entry *a, struct world_entry *b)
{
	struct world_entry t = *a;

	*a = *b;
	*b = t;
}

void world_after(struct world *w, int64_t us, void (*run)(void *data), void *data)
{
	int i = w->queued++;

	if (w->queued > w->capacity) {
		w->capacity = w->capacity ? w->capacity * 2 : 256;
		w->queue = mem_realloc(w->queue, (size_t)w->capacity * sizeof(*w->queue));
	}
	w->queue[i] = (struct world_entry){ w->now + us, w->order++, run, data };
	for (; i && sooner(&w->queue[i], &w->queue[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->queue[i], &w->queue[(i - 1) / 2]);
}

static void sift_down(struct world *w, int i)
{
	for (;;) {
		int least = i;

		for (int c = 2 * i + 1; c <= 2 * i + 2 && c < w->queued; c++)
			if (sooner(&w->queue[c], &w->queue[least]))
				least = c;
		if (least == i)
			return;
		swap(&w->queue[i], &w->queue[least]);
		i = least;
	}
}

void world_forget(struct world *w, const void *data)
{
	int kept = 0;

	for (int i = 0; i < w->queued; i++)
		if (w->queue[i].data != data)
			w->queue[kept++] = w->queue[i];
	w->queued = kept;
	for (int i = kept / 2; i >= 0; i--)
		sift_down(w, i);
}

bool world_step(struct world *w)
{
	struct world_entry next;

	if (!w->queued)
		return false;
	next = w->queue[0];
	w->queue[0] = w->queue[--w->queued];
	sift_down(w, 0);
	if (next.at > w->now)
		w->now = next.at;
	w->steps++;
	next.run(next.data);
	return true;
}

bool world_chance(struct world *w, int in_thousand)
{
	return (int)random_below(&w->random, 1000) < in_thousand;
}

static int64_t cut_count(const struct world_shard *s)
{
	return s->cut_batch.last - s->cut_batch.first + 1;
}

void world_cut(struct world_shard *s)
{
	s->cut_batch = s->batches[--s->batch_count];
	s->count -= cut_count(s);
	s->cut = mem_alloc((size_t)cut_count(s) * sizeof(*s->cut));
	memcpy(s->cut, s->events + s->count, (size_t)cut_count(s) * sizeof(*s->cut));
}

bool world_mend(struct world_shard *s)
{
	bool free_place = s->count + 1 == s->cut_batch.first;

	for (int64_t i = 0; i < cut_count(s); i++) {
		if (free_place)
			s->events[s->count++] = s->cut[i];
		else
			free(s->cut[i].memory);
	}
	if (free_place)
		s->batches[s->batch_count++] = s->cut_batch;
	free(s->cut);
	s->cut = NULL;
	return free_place;
}

static void bury(struct world *w, char *memory)
{
	struct grave *g = mem_alloc(sizeof(*g));

	*g = (struct grave){ memory, w->graves };
	w->graves = g;
}

void world_keep(const struct world *w, struct world_copy *copy)
{
	const void *key;
	size_t at = 0;
	void *row;

	map_init(&copy->rows, w->rows.key_bytes);
	while ((row = map_next(&w->rows, &at, &key)))
		*map_put(&copy->rows, key) = row;
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		const struct world_shard *s = &w->shards[n];

		copy->shards[n].count = s->count;
		copy->shards[n].batch_count = s->batch_count;
		copy->shards[n].checkpoint = s->checkpoint;
		memcpy(copy->shards[n].leaf, s->checkpoint_leaf, LEAF_BYTES);
	}
}

void world_bring_back(struct world *w, struct world_copy *copy)
{
	map_release(&w->rows);
	w->rows = copy->rows;
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		struct world_shard *s = &w->shards[n];

		while (s->count > copy->shards[n].count)
			bury(w, s->events[--s->count].memory);
		s->batch_count = copy->shards[n].batch_count;
		s->checkpoint = copy->shards[n].checkpoint;
		memcpy(s->checkpoint_leaf, copy->shards[n].leaf, LEAF_BYTES);
	}
}

void world_adopt(struct world *w)
{
	w->epoch++;
	for (int n = 0; n <= WORLD_SHARDS; n++)
		w->shards[n].given_up = true;
}

/* ---- timers ---- */

struct world_timer {
	struct world *world;
	const struct world_host *host;
	struct env_timer *timer;
};

int64_t world_asleep(const struct world *w, const struct world_host *host)
{
	return host->asleep_until > w->now ? host->asleep_until - w->now : 0;
}

static void timer_fires(void *data)
{
	struct world_timer *t = data;
	int64_t left = world_asleep(t->world, t->host);

	if (left)
		world_after(t->world, left, timer_fires, t);
	else
		t->timer->fire(t->timer);
}

static int64_t env_wall(struct env *e)
{
	struct world_env *we = (struct world_env *)e;

	return we->world->now + we->skew;
}

static int64_t env_monotonic(struct env *e)
{
	return ((struct world_env *)e)->world->now;
}

static void env_timer_open(struct env *e, struct env_timer *t)
{
	struct world_timer *wt = mem_alloc(sizeof(*wt));

	wt->world = ((struct world_env *)e)->world;
	wt->host = ((struct world_env *)e)->host;
	wt->timer = t;
	t->impl = wt;
}

static void env_timer_stop(struct env *e, struct env_timer *t)
{
	world_forget(((struct world_env *)e)->world, t->impl);
}

static void env_timer_start(struct env *e, struct env_timer *t, int64_t ms)
{
	struct world *w = ((struct world_env *)e)->world;

	world_forget(w, t->impl);
	world_after(w, ms * 1000, timer_fires, t->impl);
}

static void env_timer_close(struct env *e, struct env_timer *t)
{
	env_timer_stop(e, t);
	free(t->impl);
	t->impl = NULL;
}

void world_env_init(struct world_env *e, struct world *w, const struct world_host *host, int64_t skew)
{
	*e = (struct world_env){
		.env = { env_wall, env_monotonic, env_timer_open, env_timer_start, env_timer_stop, env_timer_close },
		.world = w,
		.host = host,
		.skew = skew,
	};
}

/* ---- rows ---- */

static bool is_text(enum column_kind kind)
{
	return kind == COLUMN_TEXT || kind == COLUMN_JSON || kind == COLUMN_TEXTS || kind == COLUMN_UUIDS ||
	       kind == COLUMN_INET;
}

static size_t value_bytes(enum column_kind kind)
{
	switch (kind) {
	case COLUMN_UUID:
		return sizeof(struct uuid);
	case COLUMN_ENUM:
		return sizeof(int16_t);
	case COLUMN_BOOL:
		return sizeof(int8_t);
	default:
		return sizeof(int64_t);
	}
}

struct row_place row_place(const struct projection *of, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row_place place;

	memset(&place, 0, sizeof(place));
	place = (struct row_place){ of, *tenant_id, *id };
	return place;
}

struct row *row_copy(const struct row *row, struct arena *arena)
{
	struct row *copy = arena_alloc(arena, row->of->row_bytes);

	memcpy(copy, row, row->of->row_bytes);
	copy->next_changed = NULL;
	copy->changed = copy->fresh = false;
	copy->exists = true;
	for (int i = 0; i < row->of->column_count; i++) {
		const struct column *c = &row->of->columns[i];
		struct bytes *text = (struct bytes *)(void *)((char *)copy + c->offset);

		if (is_text(c->kind))
			*text = arena_copy(arena, *text);
	}
	return copy;
}

const char *row_difference(const struct row *a, const struct row *b)
{
	if (a->last_position != b->last_position)
		return "last_position";
	for (int i = 0; i < a->of->column_count; i++) {
		const struct column *c = &a->of->columns[i];
		const char *x = (const char *)a + c->offset, *y = (const char *)b + c->offset;

		if (is_text(c->kind)) {
			const struct bytes *s = (const void *)x, *t = (const void *)y;

			if (!s->data != !t->data || (s->data && !bytes_equal(*s, *t)))
				return c->name;
		} else if (memcmp(x, y, value_bytes(c->kind)) != 0) {
			return c->name;
		}
	}
	return NULL;
}

struct map *world_rows(struct world *w, int32_t generation, const struct projection *p)
{
	return w->models ? models_rows(w->models, generation, p) : &w->rows;
}

size_t world_row_count(const struct world *w)
{
	return w->models ? models_count(w->models) : w->rows.count;
}

const struct row *world_row(struct world *w, const struct projection *p, const struct uuid *tenant, const struct uuid *id)
{
	struct row_place place = row_place(p, tenant, id);

	return map_find(world_rows(w, w->models ? w->models->current : 1, p), &place);
}
