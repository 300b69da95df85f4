/* watch - see watch.h. */
#include "watch.h"

#include <stdarg.h>
#include <stdlib.h>

#include "event/canonical.h"
#include "fake.h"

struct id_place {
	struct uuid tenant_id, event_id;
};

static struct row *find_row(const struct watch *v, const struct row_key *key)
{
	struct row_place place = row_place(key->projection, &key->tenant_id, &key->id);

	return map_find(&v->rows, &place);
}

void watch_failed(struct watch *v, const char *what, const char *format, ...)
{
	va_list args;

	if (v->failure)
		return;
	v->failure = what;
	va_start(args, format);
	vsnprintf(v->detail, sizeof(v->detail), format, args);
	va_end(args);
}

static void look_at_event(struct watch *v, int shard, int64_t at)
{
	const struct event *e = &v->world->shards[shard].events[at].event;
	struct watch_shard *seen = &v->shards[shard];
	struct id_place id = { e->tenant_id, e->event_id };
	uint8_t leaf[LEAF_BYTES];
	void **slot = map_put(&v->ids, &id);

	if (e->position != at + 1)
		watch_failed(v, "gap", "shard %d: position %lld stands at place %lld", shard, (long long)e->position, (long long)at + 1);
	if (e->recorded_at < seen->recorded_at)
		watch_failed(v, "recorded_at", "goes back at %d/%lld", shard, (long long)e->position);
	if (*slot)
		watch_failed(v, "doubled", "the event at %d/%lld stands there twice", shard, (long long)at + 1);
	*slot = v;
	seen->recorded_at = e->recorded_at;
	canonical_leaf(e, &v->world->log_id, &v->scratch, leaf);
	if (memcmp(leaf, e->leaf_hash, LEAF_BYTES) != 0)
		watch_failed(v, "leaf", "of %d/%lld is wrong", shard, (long long)e->position);
	merkle_add(&seen->tree, leaf, NULL, NULL);
}

/* The batches that have come to the shard. */
static void look(struct watch *v, int shard)
{
	const struct world_shard *s = &v->world->shards[shard];
	struct watch_shard *seen = &v->shards[shard];

	for (; seen->batches < s->batch_count; seen->batches++) {
		const struct world_batch *b = &s->batches[seen->batches];
		uint8_t root[LEAF_BYTES];

		if (b->first != seen->seen + 1 || b->last > s->count) {
			watch_failed(v, "gap", "shard %d: a batch of %lld to %lld comes after %lld of %lld", shard, (long long)b->first,
				     (long long)b->last, (long long)seen->seen, (long long)s->count);
			return;
		}
		while (seen->seen < b->last)
			look_at_event(v, shard, seen->seen++);
		merkle_root(&seen->tree, root);
		if (memcmp(root, b->root, LEAF_BYTES) != 0)
			watch_failed(v, "root", "of batch %d of shard %d is wrong", seen->batches, shard);
	}
	if (seen->seen != s->count)
		watch_failed(v, "gap", "shard %d has %lld events and batches of %lld", shard, (long long)s->count, (long long)seen->seen);
}

static void on_appended(struct world *w, int16_t shard)
{
	look(w->watcher, shard);
}

/* Sums that begin here: there is no row of them yet, or it is in memory. */
static void bring_sums(struct watch *v, struct state *state)
{
	for (;;) {
		struct row_keys keys = { 0 };

		state_sums(state, &v->arena, &keys);
		if (!keys.count)
			return;
		for (int k = 0; k < keys.count; k++)
			state_put(state, &keys.keys[k], find_row(v, &keys.keys[k]));
	}
}

static void fold_one(struct watch *v, struct state *state, const struct event *e)
{
	struct error error;
	int status;

	do {
		struct row_keys keys = { 0 };

		for (state_wants(state, &e, 1, &v->arena, &keys); keys.count; state_wants(state, &e, 1, &v->arena, &keys)) {
			for (int k = 0; k < keys.count; k++)
				state_put(state, &keys.keys[k], find_row(v, &keys.keys[k]));
			memset(&keys, 0, sizeof(keys));
		}
		status = state_fold(state, e, &error);
		if (status == E_CANCELLED)
			state_drop(state);
	} while (status == E_CANCELLED);
	if (status) {
		watch_failed(v, "fold", "%s", error_name(status));
		return;
	}
	bring_sums(v, state);
	for (struct row *r = state->changed; r; r = r->next_changed) {
		struct row_place place = row_place(r->of, &r->tenant_id, &r->id);

		*map_put(&v->rows, &place) = row_copy(r, &v->arena);
	}
	state_done(state);
}

static void fold_to(struct watch *v, int shard, int64_t position)
{
	struct watch_shard *seen = &v->shards[shard];

	while (seen->folded < position && !v->failure)
		fold_one(v, &seen->truth, &v->world->shards[shard].events[seen->folded++].event);
}

static void compare(struct watch *v, const struct row *row)
{
	struct row_place place = row_place(row->of, &row->tenant_id, &row->id);
	const struct row *truth = map_find(&v->rows, &place);
	const char *column = truth ? row_difference(truth, row) : NULL;

	if (!truth)
		watch_failed(v, "row invented", "%s at position %lld", row->of->name, (long long)row->last_position);
	else if (column)
		watch_failed(v, "row differs", "%s.%s, last_position %lld and not %lld", row->of->name, column,
			     (long long)row->last_position, (long long)truth->last_position);
}

static void on_projected(struct world *w, const struct store_project *c)
{
	struct watch *v = w->watcher;
	const struct world_shard *s = &w->shards[c->shard];

	if (c->new_position > s->count) {
		watch_failed(v, "ahead", "the checkpoint of shard %d goes to %lld of %lld", c->shard, (long long)c->new_position,
			     (long long)s->count);
		return;
	}
	if (memcmp(c->leaf, s->events[c->new_position - 1].event.leaf_hash, LEAF_BYTES) != 0)
		watch_failed(v, "another log", "the checkpoint of shard %d comes to %lld with another leaf", c->shard,
			     (long long)c->new_position);
	fold_to(v, c->shard, c->new_position);
	if (v->shards[c->shard].folded != c->new_position)
		watch_failed(v, "folded twice", "shard %d: a write of %lld to %lld comes after one up to %lld", c->shard,
			     (long long)c->old_position + 1, (long long)c->new_position, (long long)v->shards[c->shard].folded);
	for (const struct row *r = c->changed; r && !v->failure; r = r->next_changed)
		compare(v, r);
}

static void begin(struct watch *v)
{
	arena_init(&v->arena, 1 << 16);
	map_init(&v->ids, sizeof(struct id_place));
	map_init(&v->rows, sizeof(struct row_place));
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		struct watch_shard *s = &v->shards[n];

		memset(s, 0, sizeof(*s));
		s->recorded_at = TIME_NONE;
		merkle_init(&s->tree);
		state_init(&s->truth, v->group, 1 << 30);
	}
}

static void end(struct watch *v)
{
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		merkle_release(&v->shards[n].tree);
		state_release(&v->shards[n].truth);
	}
	map_release(&v->ids);
	map_release(&v->rows);
	arena_release(&v->arena);
}

void watch_open(struct watch *v, struct world *w, const struct group *group)
{
	memset(v, 0, sizeof(*v));
	v->world = w;
	v->group = group;
	w->watcher = v;
	w->appended = on_appended;
	w->projected = on_projected;
	begin(v);
}

void watch_close(struct watch *v)
{
	end(v);
	buffer_release(&v->scratch);
	v->world->appended = NULL;
	v->world->projected = NULL;
}

void watch_again(struct watch *v)
{
	end(v);
	begin(v);
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		look(v, n);
		fold_to(v, n, v->world->shards[n].checkpoint);
	}
}

/* Every row that is there, and no other. */
static void compare_all(struct watch *v)
{
	struct world *w = v->world;
	const struct row *row;
	size_t at = 0;

	while ((row = map_next(&v->rows, &at, NULL)) && !v->failure) {
		const struct row *stored = world_row(w, row->of, &row->tenant_id, &row->id);

		if (!stored)
			watch_failed(v, "row missing", "%s at position %lld", row->of->name, (long long)row->last_position);
		else
			compare(v, stored);
	}
	if (!v->failure && v->rows.count != world_row_count(w))
		watch_failed(v, "rows", "%zu rows stored, %zu by the fold", world_row_count(w), v->rows.count);
}

void watch_switched(struct watch *v)
{
	for (int n = 0; n <= WORLD_SHARDS && !v->failure; n++) {
		const struct world_shard *s = &v->world->shards[n];

		look(v, n);
		if (!log_bears_out(s)) {
			watch_failed(v, "another log", "the new tables of shard %d stand at %lld with another leaf", n, (long long)s->checkpoint);
			return;
		}
		fold_to(v, n, s->checkpoint);
		if (v->shards[n].folded != s->checkpoint)
			watch_failed(v, "went back", "shard %d: the new tables stand at %lld, the old ones at %lld", n, (long long)s->checkpoint,
				     (long long)v->shards[n].folded);
	}
	compare_all(v);
}

void watch_end(struct watch *v)
{
	struct world *w = v->world;

	for (int n = 0; n <= WORLD_SHARDS && !v->failure; n++) {
		const struct world_shard *s = &w->shards[n];

		look(v, n);
		if (s->checkpoint != s->count)
			watch_failed(v, "behind", "shard %d: the read models stand at %lld of %lld", n, (long long)s->checkpoint,
				     (long long)s->count);
		fold_to(v, n, s->count);
	}
	compare_all(v);
}
