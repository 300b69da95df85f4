/*
 * Every type of the catalog folds: the smallest and the largest valid event of each, alone in an empty world and in
 * one where everything exists, stops no worker and makes no row that PostgreSQL would refuse.  And random histories
 * of all types over a few ids give the same rows however they are split, with restarts between, and with JSON kept
 * as jsonb keeps it.
 */
#include "fold_support.h"
#include "test/catalog_gen.h"
#include "tap.h"

enum { EVENTS = 600, WORLDS = 2 };

static struct arena arena;

static struct event *generate(struct gen *g, const struct event_type *type, const struct shape *shape,
			      const struct gen_plan *plan, int64_t position)
{
	struct buffer line = { 0 };
	struct event *e;

	gen_event(g, type, shape, plan, GEN_JSON, &line);
	e = event_from_json(&arena, buffer_bytes(&line), position);
	buffer_release(&line);
	return e;
}

static const struct gen_plan plans[] = {
	{ .size = GEN_MINIMAL }, { .size = GEN_MINIMAL, .bare = true }, { .size = GEN_LOWEST }, { .size = GEN_HIGHEST, .cap = 200 },
};
enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

static const struct event_type *type_of(int kind)
{
	return catalog_get((enum event_kind)kind);
}

/* All kinds in the catalog's order, which creates before it changes, with every plan; one event a batch. */
static void each_type(uint64_t seed, bool world)
{
	struct memory_db db;
	struct state s;
	struct gen g;
	int64_t position = 0;

	gen_init(&g, seed);
	memory_db_init(&db, fold_group("core"));
	db.jsonb = true;
	state_init(&s, db.group, 1 << 20);
	if (world)
		for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
			const struct event *e = generate(&g, type_of(kind), &type_of(kind)->shape, &plans[3], ++position);

			memory_db_fold(&db, &s, &e, 1);
		}
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = type_of(kind);
		bool fine = true;

		for (const struct shape *shape = &type->shape; shape; shape = shape->older)
			for (int p = 0; p < PLANS; p++) {
				const struct event *e;

				if (!world) { /* nothing exists */
					state_release(&s);
					memory_db_release(&db);
					memory_db_init(&db, fold_group("core"));
					db.jsonb = true;
					state_init(&s, db.group, 1 << 20);
				}
				e = generate(&g, type, shape, &plans[p], ++position);
				fine = e && memory_db_fold(&db, &s, &e, 1) >= 0 && db.faults == 0 && db.refused == 0 && fine;
			}
		ok(fine, "%s folds %s", type->name, world ? "where everything exists" : "where nothing exists");
		if (!fine)
			note("%s", db.refusal);
		db.refused = 0;
	}
	state_release(&s);
	memory_db_release(&db);
}

static void fold_split(const struct event **events, int count, struct random *split, size_t half_bytes, struct buffer *out,
		       int *wrong, int *odd)
{
	struct memory_db db;
	struct state s;

	memory_db_init(&db, fold_group("core"));
	db.jsonb = true;
	state_init(&s, db.group, half_bytes);
	for (int i = 0; i < count;) {
		int batch = split ? 1 + (int)random_below(split, 40) : 1;

		if (batch > count - i)
			batch = count - i;
		*wrong += memory_db_fold(&db, &s, events + i, batch) < 0;
		if (!split || random_below(split, 4) == 0)
			state_drop(&s);
		i += batch;
	}
	*wrong += db.faults + db.refused;
	if (db.refused)
		note("%s", db.refusal);
	*odd = memory_db_count(&db, "anomalies");
	buffer_reset(out);
	memory_db_print(&db, NULL, true, out);
	buffer_add_byte(out, 0);
	state_release(&s);
	memory_db_release(&db);
}

/* Two small worlds of one tenant that know of each other: the others of one are the own of the other. */
static void random_history(uint64_t seed)
{
	const struct event *events[EVENTS];
	struct buffer first = { 0 }, other = { 0 };
	struct gen worlds[WORLDS];
	struct random r;
	int wrong = 0, odd = 0, founding = 0;

	random_seed(&r, seed);
	gen_init(&worlds[0], seed);
	worlds[1] = worlds[0];
	memcpy(worlds[1].ids, worlds[0].others, sizeof(worlds[1].ids));
	memcpy(worlds[1].others, worlds[0].ids, sizeof(worlds[1].others));
	worlds[1].ids[ENTITY_TENANT] = worlds[0].tenant_id;
	random_seed(&worlds[1].random, seed + 1000);
	for (int i = 0; i < EVENTS; i++) {
		struct gen *g = &worlds[random_below(&r, WORLDS)];
		int kind = EV_UNKNOWN + 1 + (int)random_below(&r, EV_COUNT - EV_UNKNOWN - 1);

		/* Most things exist soon. */
		while (founding < WORLDS * (EV_COUNT - 1) && i % 2 == 0) {
			const char *name;

			kind = EV_UNKNOWN + 1 + founding / WORLDS;
			g = &worlds[founding++ % WORLDS];
			name = type_of(kind)->name;
			if (strstr(name, "created") || strstr(name, "added") || strstr(name, "received") || strstr(name, "scheduled") ||
			    strstr(name, "annotated") || strstr(name, "connected"))
				break;
		}
		g->occurred_at += (int64_t)random_below(&r, 20) * TIME_SECOND - 5 * TIME_SECOND;
		events[i] = generate(g, type_of(kind), &type_of(kind)->shape, &plans[random_below(&r, PLANS)], i + 1);
	}
	fold_split(events, EVENTS, NULL, 1, &first, &wrong, &odd);
	for (int round = 0; round < 3; round++) {
		fold_split(events, EVENTS, &r, (size_t)1 << (8 * round), &other, &wrong, &odd);
		ok(strcmp(first.data, other.data) == 0, "seed %llu: %d events of all types, the same rows however they are split",
		   (unsigned long long)seed, EVENTS);
	}
	ok(wrong == 0, "seed %llu: nothing stopped, nothing was refused (%d anomalies)", (unsigned long long)seed, odd);
	buffer_release(&first);
	buffer_release(&other);
}

int main(void)
{
	const char *seed = getenv("SEED");

	catalog_init();
	arena_init(&arena, 1 << 20);
	each_type(1, false);
	each_type(2, true);
	for (uint64_t s = seed ? strtoull(seed, NULL, 10) : 1; s <= (seed ? strtoull(seed, NULL, 10) : 20); s++)
		random_history(s);
	note("again with one seed: SEED=n");
	arena_release(&arena);
	return tap_done();
}
