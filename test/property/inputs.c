/*
 * Each read model, folded with what it needs and nothing else, has the rows that it has in its whole group; and a state
 * with a source of rows gives what one with a database gives, also when next to nothing fits into memory and the rest
 * stands in files.  On histories of all types, out of order, late and told twice.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fold_support.h"

#include "base/random.h"
#include "cmd/generator.h"
#include "engine/row_spill.h"
#include "fold/digest.h"
#include "fold/inputs.h"
#include "tap.h"

enum { STORY_MOST = 12000, LARGE = 1 << 30, SMALL = 16 << 10, BLOCK = 100 };

static struct arena arena;

struct sum {
	struct digest digest;
	struct buffer scratch;
	struct state *state;
	int index;
};

static void add_row(void *data, struct row *row)
{
	struct sum *s = data;

	digest_add_row(&s->digest, row, &s->scratch);
}

static void add_spilled(void *data, struct row *row, struct spill_place *place)
{
	struct sum *s = data;

	if (!state_look(s->state, s->index, &row->tenant_id, &row->id))
		add_row(data, row);
}

static void give_up(const char *why)
{
	note("%s", why);
	abort();
}

static uint64_t history_of(const struct group *group)
{
	uint64_t members = 0;

	for (int i = 0; i < group->count; i++)
		members |= (uint64_t)group->projections[i]->history << i;
	return members;
}

/* The digests of the group's read models, by place; how many rows went into files.  `streamed`: history as nobody asks for it. */
static int64_t fold(const struct group *group, size_t half_bytes, bool streamed, const struct event *const *events, int count,
		    struct digest *digests)
{
	struct state *s = mem_alloc(sizeof(*s));
	struct row_spill *spill = mem_alloc(sizeof(*spill));
	struct row_keys none = { 0 };
	struct arena wishes;
	struct error error;
	int64_t spilled;

	arena_init(&wishes, 4096);
	row_spill_init(spill, group, getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	spill->streamed = streamed ? history_of(group) : 0;
	state_init(s, group, half_bytes);
	s->source = &spill->source;
	for (int i = 0; i < count; i++) {
		int status = state_fold(s, events[i], &error);

		if (status)
			give_up(error.message);
		if (i % BLOCK && i + 1 < count)
			continue;
		state_sums(s, &wishes, &none);
		assert(none.count == 0);
		state_done(s);
	}
	for (int i = 0; i < group->count; i++) {
		struct sum sum = { .state = s, .index = i };
		int status;

		state_each(s, i, add_row, &sum);
		status = row_spill_each(spill, i, add_spilled, &sum, &error);
		if (status)
			give_up(error.message);
		digests[i] = sum.digest;
		buffer_release(&sum.scratch);
	}
	spilled = spill->spilled;
	state_release(s);
	row_spill_release(spill);
	arena_release(&wishes);
	free(s);
	free(spill);
	return spilled;
}

static int place_of(const struct group *group, const struct projection *p)
{
	for (int i = 0; i < group->count; i++)
		if (group->projections[i] == p)
			return i;
	return -1;
}

static int tell(uint64_t seed, const struct event **events)
{
	struct generator_options options = { .seed = seed, .tenants = 2, .conversations = 120, .span = 90 * 60 * TIME_SECOND,
					     .end = TIME_DAY * 20000, .late = 20, .duplicates = 5, .all_types = true };
	struct generator *g = generator_new(&options);
	struct random r;
	struct bytes line;
	struct map ids;
	int count = 0;

	random_seed(&r, seed);
	map_init(&ids, sizeof(struct uuid));
	while (count < STORY_MOST && generator_next(g, &line)) {
		struct event *e = event_from_json(&arena, bytes_of(line.data, line.len - 1), count + 1);
		void **seen = map_put(&ids, &e->event_id);

		if (!*seen)
			events[count++] = e;
		*seen = e;
	}
	/* A little disorder: what does not fit is an anomaly, here as there. */
	for (int i = 1; i < count; i++) {
		int with = i - (int)random_below(&r, i < 30 ? (uint64_t)i : 30);
		const struct event *e = events[i];

		if (random_below(&r, 20))
			continue;
		events[i] = events[with];
		events[with] = e;
	}
	for (int i = 0; i < count; i++)
		((struct event *)(uintptr_t)events[i])->position = i + 1;
	map_release(&ids);
	generator_free(g);
	return count;
}

static void history(uint64_t seed)
{
	const struct event **events = mem_alloc(sizeof(*events) * STORY_MOST);
	int count = tell(seed, events);

	for (int g = 0; g < group_count; g++) {
		struct digest whole[GROUP_PROJECTIONS_MAX], some[GROUP_PROJECTIONS_MAX];
		const struct group *group = groups[g];
		int rows = 0, same = 0;
		int64_t spilled;

		fold(group, LARGE, false, events, count, whole);
		spilled = fold(group, SMALL, false, events, count, some);
		for (int i = 0; i < group->count; i++) {
			rows += (int)whole[i].rows;
			same += digest_equal(&whole[i], &some[i]);
		}
		ok(same == group->count, "seed %llu: %d rows of %d events are the same with next to no memory", (unsigned long long)seed, rows, count);
		ok(spilled > rows, "%lld rows went into files", (long long)spilled);
		fold(group, SMALL, true, events, count, some);
		same = 0;
		for (int i = 0; i < group->count; i++)
			same += digest_equal(&whole[i], &some[i]);
		ok(same == group->count, "and when history is only streamed");
		for (int i = 0; i < group->count; i++) {
			const struct projection *p = group->projections[i];
			const struct group *inputs = group_inputs(group, &p, 1);

			fold(inputs, LARGE, false, events, count, some);
			ok(digest_equal(&whole[i], &some[place_of(inputs, p)]), "%s: %lld rows, with %d of %d read models", p->name,
			   (long long)whole[i].rows, inputs->count, group->count);
		}
	}
	free(events);
}

int main(void)
{
	const char *seed = getenv("SEED");

	catalog_init();
	arena_init(&arena, 1 << 20);
	for (uint64_t s = seed ? strtoull(seed, NULL, 10) : 1; s <= (seed ? strtoull(seed, NULL, 10) : 3); s++)
		history(s);
	note("again with one seed: SEED=n");
	arena_release(&arena);
	return tap_done();
}
