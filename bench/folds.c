/*
 * folds - what folding costs: generated events, decoded and in memory, through every group of read models.
 *
 * No database: a row that is not in memory is answered with "there is none", as an empty database would, and memory is
 * large enough to keep all rows, and stays with the process between rounds, as in an engine that has run for a while.
 * A batch goes as in a worker: wants, puts, folds, done.  What is timed is this thread's
 * CPU, so that other people's load disturbs little; each figure is the least of the rounds.
 *
 *     whole       all of it
 *     preparing   of it, finding out which rows are needed, and that they are there
 *     settling    of it, at the end of a batch, putting what was gathered into the rows of sums
 *     parsing     fields_decode alone, in a pass of its own; the whole has it in it
 *     a read model's, its folds alone, by a clock asked around each, in further rounds; the clock's own time is taken off
 *
 * One JSON line comes out; times are microseconds:
 *
 *   {"bench":"folds","events":176811,"groups":[{"group":"core","cpu_us_per_event":2.1,"preparing_us_per_event":0.5,
 *    "settling_us_per_event":0.4,"parsing_us_per_event":0.3,"projections":[{"name":"conversations","events":115986,"cpu_us_per_event":0.31,"share":0.2},...]}]}
 *
 * A read model's cpu_us_per_event is per event that it folds, its share is of all read models' time.
 */
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/map.h"
#include "base/time.h"
#include "cmd/generator.h"
#include "event/envelope.h"
#include "projections/registry.h"
#include "fold/state.h"

#define END (1790000000LL * TIME_SECOND) /* a day in 2026 */

enum {
	EVENTS_MOST = 5000000,
	HALF_BYTES_MOST = 1 << 30,
	TAKEN_AWAY_NS = 50000, /* no fold takes that long: the thread was not running */
};

struct options {
	int conversations, rounds, batch;
};

struct history {
	struct arena arena;
	const struct event **events;
	int count, room;
	struct map ids; /* the log takes an event once */
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "folds: %s: %s\n", what, why);
	exit(1);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Cheap enough to be asked around each fold; it stands still while somebody else has the processor. */
static int64_t running_ns(void)
{
	static int64_t before, running;
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec * 1000000000LL + t.tv_nsec;
	if (now - before < TAKEN_AWAY_NS)
		running += now - before;
	before = now;
	return running;
}

/* What asking the clock twice adds to what is between. */
static double clock_cost_ns(void)
{
	enum { TIMES = 1000 };
	int64_t least = INT64_MAX;

	for (int round = 0; round < 200; round++) {
		int64_t spent = 0;

		for (int i = 0; i < TIMES; i++) {
			int64_t began = running_ns();

			spent += running_ns() - began;
		}
		least = spent < least ? spent : least;
	}
	return (double)least / TIMES;
}

/* ---- the events ---- */

static void take(struct history *h, struct bytes line, struct buffer *packed)
{
	static const struct envelope_limits limits = { .event_bytes = 256 << 10, .depth = 16 };
	struct uuid event_id, tenant_id;
	msgpack_unpacked unpacked;
	struct error error;
	struct event *e;
	void **seen;
	int err;

	buffer_reset(packed);
	err = envelope_from_json(bytes_of(line.data, line.len - 1), packed, &event_id, &tenant_id, &error);
	if (err)
		die("generated event", error.message);
	seen = map_put(&h->ids, &event_id);
	if (*seen)
		return;
	e = arena_zalloc(&h->arena, sizeof(*e));
	*seen = e;
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, packed->data, packed->len, NULL) != MSGPACK_UNPACK_SUCCESS)
		die("generated event", "not MessagePack");
	err = envelope_decode(&unpacked.data, END, &limits, &h->arena, e, &error);
	msgpack_unpacked_destroy(&unpacked);
	if (err)
		die("generated event", error.message);
	if (h->count == h->room) {
		h->room = h->room ? 2 * h->room : 1 << 16;
		h->events = mem_realloc(h->events, sizeof(h->events[0]) * (size_t)h->room);
	}
	e->shard = 1;
	e->recorded_at = END;
	h->events[h->count++] = e;
	e->position = h->count;
}

static void make(struct history *h, const struct options *o)
{
	struct generator_options usual = { .seed = 1, .tenants = 8, .conversations = o->conversations, .span = 90 * 60 * TIME_SECOND,
					   .end = END, .duplicates = 1, .late = 3 };
	struct generator *g = generator_new(&usual);
	struct buffer packed = { 0 };
	struct bytes line;

	arena_init(&h->arena, 4 << 20);
	map_init(&h->ids, sizeof(struct uuid));
	while (h->count < EVENTS_MOST && generator_next(g, &line))
		take(h, line, &packed);
	generator_free(g);
	buffer_release(&packed);
	map_release(&h->ids);
}

/* ---- folding them ---- */

/* Without events: the sums that were added to. */
static void put_nothing(struct state *s, const struct event *const *events, int count, struct arena *arena)
{
	for (;;) {
		struct row_keys keys = { 0 };

		if (events)
			state_wants(s, events, count, arena, &keys);
		else
			state_sums(s, arena, &keys);
		if (!keys.count)
			return;
		for (int i = 0; i < keys.count; i++)
			state_put(s, &keys.keys[i], NULL);
	}
}

struct spent {
	int64_t whole, preparing, settling;
};

static struct spent fold(const struct history *h, const struct group *group, const struct options *o, struct fold_meter *meter)
{
	struct state *s = mem_alloc(sizeof(*s));
	struct arena arena;
	struct error error;
	struct spent spent = { 0 };
	int64_t began;

	arena_init(&arena, 1 << 20);
	state_init(s, group, HALF_BYTES_MOST);
	s->meter = meter;
	began = cpu_ns();
	for (int at = 0; at < h->count; at += o->batch) {
		int count = h->count - at < o->batch ? h->count - at : o->batch;
		int64_t from = cpu_ns();

		arena_reset(&arena);
		put_nothing(s, h->events + at, count, &arena);
		spent.preparing += cpu_ns() - from;
		for (int i = 0; i < count; i++)
			if (state_fold(s, h->events[at + i], &error) < 0)
				die(h->events[at + i]->type->name, error.message);
		from = cpu_ns();
		put_nothing(s, NULL, 0, &arena);
		spent.settling += cpu_ns() - from;
		state_done(s);
	}
	spent.whole = cpu_ns() - began;
	state_release(s);
	arena_release(&arena);
	free(s);
	return spent;
}

static int64_t parse(const struct history *h)
{
	struct arena arena;
	struct error error;
	int64_t began, spent;

	arena_init(&arena, 1 << 20);
	began = cpu_ns();
	for (int i = 0; i < h->count; i++) {
		struct fields fields;

		if (i % 1000 == 0)
			arena_reset(&arena);
		if (fields_decode(h->events[i], &arena, &fields, &error) < 0)
			die(h->events[i]->type->name, error.message);
	}
	spent = cpu_ns() - began;
	arena_release(&arena);
	return spent;
}

/* ---- the figures ---- */

static void print_projections(const struct group *group, const struct fold_meter *least, double clock_cost)
{
	double own[GROUP_PROJECTIONS_MAX], all = 0;

	for (int i = 0; i < group->count; i++) {
		own[i] = (double)least->projections[i].spent - clock_cost * (double)least->projections[i].folds;
		own[i] = own[i] < 0 ? 0 : own[i];
		all += own[i];
	}
	for (int i = 0; i < group->count; i++) {
		int64_t folds = least->projections[i].folds;

		printf("%s{\"name\":\"%s\",\"events\":%lld,\"cpu_us_per_event\":%.4f,\"share\":%.4f}", i ? "," : "", group->projections[i]->name,
		       (long long)folds, folds ? own[i] / 1000 / (double)folds : 0.0, all > 0 ? own[i] / all : 0.0);
	}
}

static void measure(const struct history *h, const struct group *group, const struct options *o, double parsing_us)
{
	struct fold_meter least = { 0 };
	struct spent best = { .whole = INT64_MAX };
	double us;

	for (int round = 0; round < o->rounds; round++) {
		struct fold_meter meter = { .clock = running_ns };
		struct spent spent = fold(h, group, o, NULL);

		best = spent.whole < best.whole ? spent : best;
		fold(h, group, o, &meter);
		for (int i = 0; i < group->count; i++)
			if (round == 0 || meter.projections[i].spent < least.projections[i].spent)
				least.projections[i] = meter.projections[i];
	}
	us = (double)best.whole / 1000 / h->count;
	printf("{\"group\":\"%s\",\"cpu_us_per_event\":%.4f,\"preparing_us_per_event\":%.4f,\"settling_us_per_event\":%.4f,\"parsing_us_per_event\":%.4f,\"projections\":[",
	       group->name, us, (double)best.preparing / 1000 / h->count, (double)best.settling / 1000 / h->count, parsing_us);
	print_projections(group, &least, clock_cost_ns());
	printf("]}");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "conversations", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "batch", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .conversations = 8000, .rounds = 5, .batch = 1000 };
	struct history h = { 0 };
	int64_t parsing = INT64_MAX;

	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		int *to = c == 'c' ? &o.conversations : c == 'r' ? &o.rounds : c == 'b' ? &o.batch : NULL;

		if (!to || (*to = atoi(optarg)) < 1)
			die("usage", "folds [--conversations N] [--rounds N] [--batch N]");
	}
	mallopt(M_MMAP_THRESHOLD, HALF_BYTES_MOST);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	catalog_init();
	make(&h, &o);
	for (int round = 0; round < o.rounds; round++) {
		int64_t spent = parse(&h);

		parsing = spent < parsing ? spent : parsing;
	}
	printf("{\"bench\":\"folds\",\"events\":%d,\"groups\":[", h.count);
	for (int i = 0; i < group_count; i++) {
		if (i)
			putchar(',');
		measure(&h, groups[i], &o, (double)parsing / 1000 / h.count);
	}
	printf("]}\n");
	free(h.events);
	arena_release(&h.arena);
	return 0;
}
