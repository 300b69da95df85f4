/* replay_history - see replay_history.h. */
#include "cmd/replay_history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void history_init(struct history *h, struct zone_source zones)
{
	memset(h, 0, sizeof(*h));
	arena_init(&h->arena, 64 << 10);
	h->states = mem_zalloc(sizeof(*h->states) * (size_t)group_count);
	for (int g = 0; g < group_count; g++) {
		state_init(&h->states[g], groups[g], SIZE_MAX); /* no row may go: there is nowhere to load it from */
		h->states[g].zones = zones;
	}
}

void history_release(struct history *h)
{
	for (int g = 0; g < group_count; g++)
		state_release(&h->states[g]);
	free(h->states);
	arena_release(&h->arena);
	memset(h, 0, sizeof(*h));
}

/* Sums begin at nothing: what the event added is all there is beside what was added before. */
static void settle_sums(struct history *h, struct state *s)
{
	struct row_keys keys = { 0 };

	arena_reset(&h->arena);
	state_sums(s, &h->arena, &keys);
	for (int i = 0; i < keys.count; i++)
		state_put(s, &keys.keys[i], NULL);
	if (keys.count) {
		keys.count = 0;
		state_sums(s, &h->arena, &keys);
		assert(keys.count == 0);
	}
}

static int fold_group(struct history *h, struct state *s, const struct event *e, struct error *error)
{
	int status = state_fold(s, e, error);

	if (status && status != E_CANCELLED) /* a row that was asked for in vain is none */
		return status;
	for (int i = 0; i < s->missed_count && h->missed; i++)
		h->missed(h->data, &s->missed[i]);
	settle_sums(h, s);
	for (const struct row *row = s->changed; row && h->changed; row = row->next_changed)
		h->changed(h->data, e, row);
	state_done(s);
	return 0;
}

int history_fold(struct history *h, const struct event *e, struct error *error)
{
	int status = 0;

	h->folded++;
	for (int g = 0; g < group_count && !status; g++)
		status = fold_group(h, &h->states[g], e, error);
	if (status)
		error_prefix(error, "position %lld", (long long)e->position);
	return status;
}

const struct row *history_find(struct history *h, const struct projection *p, const struct uuid *tenant_id,
			       const struct uuid *id)
{
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++) {
			const struct state *s = &h->states[g];
			const struct row *row;

			if (groups[g]->projections[i] != p)
				continue;
			row = row_map_find(&s->halves[s->young].rows, row_hash(i, tenant_id, id), i, tenant_id, id);
			return row && row->exists ? row : NULL;
		}
	return NULL;
}
