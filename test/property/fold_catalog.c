/*
 * Every type of the catalog folds: the smallest and the largest valid event of each, alone in an empty world and in
 * one where everything exists, stops no worker and makes no row that PostgreSQL would refuse.  And random histories
 * of all types over a few ids, and the generator's stories, late, told twice and out of order, give in every read model
 * of every group the same rows (by their digests) live as from scratch: however they are split, with next to no memory,
 * with restarts between, and with JSON kept as jsonb keeps it.  And the generator tells of every type.
 */
#include <limits.h>

#include "fold_support.h"

#include "cmd/generator.h"
#include "fold/anomaly.h"
#include "test/catalog_gen.h"
#include "tap.h"

enum { EVENTS = 600, WORLDS = 2, STORY_MOST = 8000, TOLD_MOST = 100000 };

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

/* ---- whole histories, in different ways ---- */

struct way {
	const char *name;
	int batch_most;    /* events of a batch: 1 to this */
	size_t half_bytes; /* of memory for rows */
	int restarts;      /* one after so many batches; 0: none */
	bool jsonb;
};

static const struct way from_scratch = { "from scratch, in one go", INT_MAX, 64 << 20, 0, false };

static const struct way lives[] = {
	{ "one event at a time, always restarted", 1, 1, 1, true },
	{ "in random batches, with hardly any memory", 40, 1, 0, true },
	{ "in random batches, restarted now and then", 40, 1 << 12, 4, false },
	{ "in large random batches, with some memory", 300, 1 << 16, 9, true },
};
enum { LIVES = sizeof(lives) / sizeof(lives[0]) };

struct outcome {
	struct digest digests[GROUP_PROJECTIONS_MAX];
	int wrong, anomalies;
	int64_t rows;
};

/* What a worker of the group would have written, however its turns fell. */
static void fold_history(const struct group *group, const struct event *const *events, int count, const struct way *way, struct random *r,
			 struct memory_db *db, struct outcome *out)
{
	struct state s;

	memset(out, 0, sizeof(*out));
	memory_db_init(db, group);
	db->jsonb = way->jsonb;
	state_init(&s, group, way->half_bytes);
	for (int i = 0, batch; i < count; i += batch) {
		batch = way->batch_most >= count ? count : 1 + (int)random_below(r, (uint64_t)way->batch_most);
		if (batch > count - i)
			batch = count - i;
		out->wrong += memory_db_fold(db, &s, events + i, batch) < 0;
		if (way->restarts && random_below(r, (uint64_t)way->restarts) == 0)
			state_drop(&s);
	}
	out->wrong += db->faults + db->refused;
	if (db->refused)
		note("%s", db->refusal);
	out->anomalies = (int)s.anomalies;
	memory_db_digest(db, out->digests);
	for (int i = 0; i < group->count; i++)
		out->rows += out->digests[i].rows;
	state_release(&s);
}

static int differing(const struct group *group, const struct outcome *a, const struct outcome *b)
{
	char one[DIGEST_TEXT], other[DIGEST_TEXT];
	int count = 0;

	for (int i = 0; i < group->count; i++) {
		if (digest_equal(&a->digests[i], &b->digests[i]))
			continue;
		count++;
		note("%s: %lld rows, %s; %lld rows, %s", group->projections[i]->name, (long long)a->digests[i].rows,
		     digest_format(&a->digests[i], one), (long long)b->digests[i].rows, digest_format(&b->digests[i], other));
	}
	return count;
}

/* Every group of the registry, every table of it: live is what folding from scratch gives. */
static void live_is_scratch(const char *what, uint64_t seed, const struct event *const *events, int count, struct random *r)
{
	for (int g = 0; g < group_count; g++) {
		struct outcome scratch, live;
		struct memory_db db;
		int wrong;

		fold_history(groups[g], events, count, &from_scratch, r, &db, &scratch);
		memory_db_release(&db);
		wrong = scratch.wrong;
		for (int i = 0; i < LIVES; i++) {
			fold_history(groups[g], events, count, &lives[i], r, &db, &live);
			memory_db_release(&db);
			wrong += live.wrong;
			is_int(differing(groups[g], &scratch, &live), 0, lives[i].name);
		}
		ok(wrong == 0 && scratch.rows > 0, "seed %llu, group %s: %d %s make %lld rows (%d anomalies); nothing stopped, nothing was refused",
		   (unsigned long long)seed, groups[g]->name, count, what, (long long)scratch.rows, scratch.anomalies);
	}
}

static struct event *copied(const struct event *e, struct random *r)
{
	struct event *copy = arena_alloc(&arena, sizeof(*copy));

	*copy = *e;
	if (r)
		random_fill(r, copy->event_id.b + 8, 8);
	return copy;
}

/*
 * What a log may hold of the same facts: some told twice under another id, soon or much later, some far from their place
 * (before what they are about, or when it is long over), neighbours the wrong way round.  Returns the new count.
 */
static int disturb(const struct event **events, int count, int room, struct random *r)
{
	int extra = count / 10 < room - count ? count / 10 : room - count;

	for (int i = 0; i + 1 < count; i++) {
		int with = i + (int)random_below(r, 12);

		if (random_below(r, 10) == 0 && with < count) {
			const struct event *e = events[i];

			events[i] = events[with];
			events[with] = e;
		}
	}
	for (; extra > 0; extra--) {
		int from = (int)random_below(r, (uint64_t)count);
		int to = random_below(r, 2) ? from + (int)random_below(r, 30) : (int)random_below(r, (uint64_t)count);
		const struct event *again = copied(events[from], r);

		to = to > count ? count : to;
		memmove(events + to + 1, events + to, sizeof(events[0]) * (size_t)(count - to));
		events[to] = again;
		count++;
	}
	for (int i = 0; i < count; i++) {
		struct event *e = copied(events[i], NULL);

		e->position = i + 1;
		e->recorded_at = TIME_DAY * 20000 + e->position * 1000;
		events[i] = e;
	}
	return count;
}

/* Two small worlds of one tenant that know of each other: the others of one are the own of the other. */
static void random_history(uint64_t seed)
{
	const struct event *events[2 * EVENTS];
	struct gen worlds[WORLDS];
	struct random r;
	int founding = 0, count;

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
	count = disturb(events, EVENTS, 2 * EVENTS, &r);
	live_is_scratch("events of all types", seed, events, count, &r);
}

/* ---- the generator's stories ---- */

/* As the log takes them: each event once.  Returns how many, at most `room`. */
static int tell(const struct generator_options *options, const struct event **events, int room)
{
	struct generator *g = generator_new(options);
	struct bytes line;
	struct map ids;
	int count = 0;

	map_init(&ids, sizeof(struct uuid));
	while (count < room && generator_next(g, &line)) {
		struct event *e = event_from_json(&arena, bytes_of(line.data, line.len - 1), count + 1);
		void **seen;

		assert(e);
		seen = map_put(&ids, &e->event_id);
		if (!*seen)
			events[count++] = e;
		*seen = e;
	}
	map_release(&ids);
	generator_free(g);
	return count;
}

static void story_history(uint64_t seed)
{
	struct generator_options options = { .seed = seed, .tenants = 2, .conversations = 60, .span = 90 * 60 * TIME_SECOND,
					     .end = TIME_DAY * 20000, .late = 20, .duplicates = 5, .all_types = true };
	const struct event **events = mem_alloc(sizeof(*events) * STORY_MOST);
	struct random r;
	int count;

	random_seed(&r, seed);
	count = tell(&options, events, STORY_MOST / 2);
	count = disturb(events, count, STORY_MOST, &r);
	live_is_scratch("events of stories", seed, events, count, &r);
	free(events);
}

/* How many anomalies with this code; NULL: with any, but for what the generator makes up about clocks that there never were. */
static int anomalies_of(const struct memory_db *db, const char *code)
{
	const struct anomaly *a;
	size_t at = 0;
	int count = 0;

	while ((a = map_next(&db->rows[memory_db_index(db, memory_db_projection(db, "anomalies"))], &at, NULL)))
		count += code ? bytes_is(a->code, code) : catalog_find(a->event_type)->entity != ENTITY_SLA_CLOCK;
	return count;
}

/* The generator leaves no type out but what the engine says of its own log, and what it tells makes sense to the folds. */
static void every_type_is_told(void)
{
	struct generator_options options = { .seed = 1, .tenants = 4, .conversations = 1500, .span = 90 * 60 * TIME_SECOND,
					     .end = TIME_DAY * 20000, .late = 3, .duplicates = 1, .all_types = true };
	const struct event **events = mem_alloc(sizeof(*events) * TOLD_MOST);
	bool told[EV_COUNT] = { false };
	int count = tell(&options, events, TOLD_MOST);
	struct random r;

	random_seed(&r, 1);
	for (int i = 0; i < count; i++)
		told[events[i]->type->kind] = true;
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++)
		if (type_of(kind)->entity != ENTITY_LOG)
			ok(told[kind], "the generator tells of %s", type_of(kind)->name);
	for (int g = 0; g < group_count; g++) {
		struct outcome out;
		struct memory_db db;

		fold_history(groups[g], events, count, &from_scratch, &r, &db, &out);
		ok(out.wrong == 0, "%d events fold; nothing that PostgreSQL would refuse", count);
		ok(count > 30000 && anomalies_of(&db, NULL) * 1000 < count, "%d anomalies: fewer than one in a thousand", anomalies_of(&db, NULL));
		is_int(anomalies_of(&db, "bad_payload"), 0, "no payload is refused");
		is_int(anomalies_of(&db, "unknown_type"), 0, "no type is unknown");
		memory_db_release(&db);
	}
	free(events);
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
	for (uint64_t s = seed ? strtoull(seed, NULL, 10) : 1; s <= (seed ? strtoull(seed, NULL, 10) : 5); s++)
		story_history(s);
	every_type_is_told();
	note("again with one seed: SEED=n");
	arena_release(&arena);
	return tap_done();
}
