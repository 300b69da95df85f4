/* checks - see simulate.h: the end of a history. */
#include <stdlib.h>

#include "event/canonical.h"
#include "simulate.h"

void check_log(struct simulation *s)
{
	struct world *w = &s->world;
	struct buffer scratch = { 0 };

	for (int n = 0; n <= WORLD_SHARDS; n++) {
		struct world_shard *shard = &w->shards[n];
		struct merkle m;
		int64_t before = TIME_NONE;
		int b = 0;

		merkle_init(&m);
		for (int64_t i = 0; i < shard->count; i++) {
			const struct event *e = &shard->events[i].event;
			uint8_t leaf[LEAF_BYTES], root[LEAF_BYTES];

			if (e->position != i + 1)
				simulation_failed(s, "gap", "shard %d: position %lld stands at place %lld", n, (long long)e->position,
				       (long long)i + 1);
			if (e->recorded_at < before)
				simulation_failed(s, "recorded_at", "goes back at %d/%lld", n, (long long)e->position);
			before = e->recorded_at;
			canonical_leaf(e, &w->log_id, &scratch, leaf);
			if (memcmp(leaf, e->leaf_hash, LEAF_BYTES) != 0)
				simulation_failed(s, "leaf", "of %d/%lld is wrong", n, (long long)e->position);
			merkle_add(&m, leaf, NULL, NULL);
			if (b < shard->batch_count && shard->batches[b].last == i + 1) {
				merkle_root(&m, root);
				if (memcmp(root, shard->batches[b].root, LEAF_BYTES) != 0)
					simulation_failed(s, "root", "of batch %d of shard %d is wrong", b, n);
				b++;
			}
			for (int64_t k = 0; k < i; k++)
				if (uuid_equal(&shard->events[k].event.event_id, &e->event_id) &&
				    uuid_equal(&shard->events[k].event.tenant_id, &e->tenant_id))
					simulation_failed(s, "doubled", "one event stands at %d/%lld and %d/%lld", n, (long long)k + 1, n,
					       (long long)i + 1);
		}
		merkle_release(&m);
	}
	buffer_release(&scratch);
}

static const struct event *at_position(struct simulation *s, int tenant, int64_t position)
{
	struct world_shard *shard = &s->world.shards[event_shard(&s->tenants[tenant], WORLD_SHARDS)];

	return position >= 1 && position <= shard->count ? &shard->events[position - 1].event : NULL;
}

static void check_expect(struct simulation *s, const struct sent *x)
{
	for (int64_t p = x->after + 1; p < x->first; p++) {
		const struct event *e = at_position(s, x->tenant, p);

		if (e && uuid_equal(&e->tenant_id, &s->tenants[x->tenant]) &&
		    uuid_equal(&e->conversation_id, &s->conversations[x->conversation]))
			simulation_failed(s, "expect", "a request was stored at %lld although %lld stood in its way", (long long)x->first,
			       (long long)p);
	}
}

void check_clients(struct simulation *s)
{
	for (int n = 0; n < CLIENTS; n++) {
		struct client *c = &s->clients[n];

		for (int k = 0; k < c->count; k++) {
			struct sent *x = &c->sent[k];

			if (!x->acked && !x->refused)
				simulation_failed(s, "unanswered", "client %d, request %d after %d attempts", n, k, x->attempts);
			for (int i = 0; i < x->count && x->acked; i++) {
				const struct event *e = at_position(s, x->tenant, x->positions[i]);

				if (!e || !uuid_equal(&e->event_id, &x->ids[i]) ||
				    !uuid_equal(&e->tenant_id, &s->tenants[x->tenant]))
					simulation_failed(s, "lost", "client %d was told that request %d stands at %lld, and it does not", n,
					       k, (long long)x->positions[i]);
			}
			if (x->acked && x->expect)
				check_expect(s, x);
			for (int i = 0; i + 1 < x->count && x->acked; i++)
				if (x->positions[i + 1] != x->positions[i] + 1)
					simulation_failed(s, "torn", "client %d, request %d does not stand together", n, k);
			/* A client sends the next after the answer to the last: the log keeps that order. */
			for (int j = k + 1; j < c->count && x->acked; j++)
				if (c->sent[j].acked && c->sent[j].tenant == x->tenant && c->sent[j].first < x->first)
					simulation_failed(s, "order", "client %d: request %d stands behind request %d", n, k, j);
		}
	}
}

/* A second fold of the log, straight through, in one state with all rows in memory. */
void check_rows(struct simulation *s)
{
	struct world *w = &s->world;
	struct arena arena;
	struct error error;
	size_t at = 0;
	struct map truth;
	const void *key;
	struct row *row;

	struct row_place { const struct projection *p; struct uuid t, i; };

	arena_init(&arena, 1 << 16);
	map_init(&truth, sizeof(struct row_place));
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		struct world_shard *shard = &w->shards[n];
		struct state state;

		if (shard->checkpoint != shard->count)
			simulation_failed(s, "behind", "shard %d: the read models stand at %lld of %lld", n, (long long)shard->checkpoint,
			       (long long)shard->count);
		state_init(&state, groups[0], 1 << 30);
		for (int64_t i = 0; i < shard->count && !s->failure; i++) {
			const struct event *e = &shard->events[i].event;
			int status;

			for (;;) {
				struct row_keys keys = { 0 };

				state_wants(&state, &e, 1, &arena, &keys);
				if (!keys.count)
					break;
				for (int k = 0; k < keys.count; k++)
					state_put(&state, &keys.keys[k], NULL);
			}
			status = state_fold(&state, e, &error);
			if (status) {
				simulation_failed(s, "fold", "%s", error_name(status));
				break;
			}
			for (;;) {
				struct row_keys keys = { 0 };

				state_sums(&state, &arena, &keys);
				if (!keys.count)
					break;
				for (int k = 0; k < keys.count; k++)
					state_put(&state, &keys.keys[k], NULL);
			}
			for (struct row *r = state.changed; r; r = r->next_changed) {
				struct row_place place;

				memset(&place, 0, sizeof(place));
				place = (struct row_place){ r->of, r->tenant_id, r->id };
				*map_put(&truth, &place) = row_copy(r, &arena);
			}
			state_done(&state);
		}
		state_release(&state);
	}
	while ((row = map_next(&truth, &at, &key)) && !s->failure) {
		const struct row *stored = world_row(w, row->of, &row->tenant_id, &row->id);
		const char *column;

		if (!stored) {
			simulation_failed(s, "row missing", "%s at position %lld", row->of->name, (long long)row->last_position);
			continue;
		}
		column = row_difference(row, stored);
		if (column)
			simulation_failed(s, "row differs", "%s.%s, last_position %lld and %lld", row->of->name, column,
			       (long long)row->last_position, (long long)stored->last_position);
	}
	if (!s->failure && truth.count != w->rows.count)
		simulation_failed(s, "rows", "%zu rows stored, %zu by the fold", w->rows.count, truth.count);
	map_release(&truth);
	arena_release(&arena);
}

bool check_settled(const struct simulation *s)
{
	for (int n = 0; n < CLIENTS; n++) {
		const struct client *c = &s->clients[n];

		if (c->left || (c->current >= 0 && !c->sent[c->current].acked && !c->sent[c->current].refused))
			return false;
		if (c->current >= 0 && c->sent[c->current].out)
			return false;
	}
	for (int n = 0; n <= WORLD_SHARDS; n++)
		if (s->world.shards[n].checkpoint != s->world.shards[n].count || s->world.shards[n].late)
			return false;
	return true;
}
