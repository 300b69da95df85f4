/* The generator: the same for the same seed, valid to the last event, late and doubled where it was asked for, and fast. */
#include <stdio.h>

#include "base/map.h"
#include "base/time.h"
#include "cmd/generator.h"
#include "event/envelope.h"
#include "tap.h"

#define END (1790000000LL * TIME_SECOND) /* a day in 2026 */

static const struct generator_options usual = {
	.seed = 7, .tenants = 6, .conversations = 1500, .span = 90 * 60 * TIME_SECOND, .end = END, .duplicates = 2, .late = 5,
};

static uint64_t digest(const struct generator_options *options, int64_t *lines)
{
	struct generator *g = generator_new(options);
	uint64_t h = 1469598103934665603u;
	struct bytes line;

	*lines = 0;
	while (generator_next(g, &line)) {
		for (size_t i = 0; i < line.len; i++)
			h = (h ^ (uint8_t)line.data[i]) * 1099511628211u;
		++*lines;
	}
	generator_free(g);
	return h;
}

static void test_seed(void)
{
	struct generator_options other = usual;
	int64_t a, b;

	ok(digest(&usual, &a) == digest(&usual, &b) && a == b, "the same seed gives the same bytes");
	other.seed = 8;
	ok(digest(&other, &b) != digest(&usual, &a), "another seed gives others");
	ok(a > 15000, "1,500 conversations give %lld events", (long long)a);
}

/* Every line goes through the door. */
static void test_valid(void)
{
	const struct envelope_limits limits = { .event_bytes = 256 << 10, .depth = 16 };
	struct generator *g = generator_new(&usual);
	bool kinds[EV_COUNT] = { false };
	int refused = 0, behind = 0, ahead = 0;
	int64_t twice = 0, lines = 0, newest = 0;
	struct buffer packed = { 0 };
	struct arena arena;
	struct map ids;
	struct bytes line;

	arena_init(&arena, 64 << 10);
	map_init(&ids, 16);
	while (generator_next(g, &line)) {
		msgpack_unpacked unpacked;
		struct uuid event_id, tenant_id;
		struct error error;
		struct event e;
		void **seen;
		int code;

		lines++;
		buffer_reset(&packed);
		arena_reset(&arena);
		code = envelope_from_json(bytes_of(line.data, line.len - 1), &packed, &event_id, &tenant_id, &error);
		if (!code) {
			msgpack_unpacked_init(&unpacked);
			if (msgpack_unpack_next(&unpacked, packed.data, packed.len, NULL) != MSGPACK_UNPACK_SUCCESS)
				code = error_set(&error, E_INTERNAL, "not msgpack");
			else
				code = envelope_decode(&unpacked.data, END, &limits, &arena, &e, &error);
			msgpack_unpacked_destroy(&unpacked);
		}
		if (code) {
			if (refused++ < 5) {
				note("%s: %s", error.field, error.message);
				note("%.*s", (int)line.len - 1, line.data);
			}
			continue;
		}
		seen = map_put(&ids, &event_id);
		twice += *seen != NULL;
		*seen = g;
		kinds[e.type->kind] = true;
		behind += e.occurred_at < newest - 20 * TIME_SECOND;
		ahead += e.occurred_at > END + 60 * TIME_SECOND;
		newest = time_later(newest, e.occurred_at);
	}
	is_int(refused, 0, "every event is valid for the catalog");
	is_int(generator_get_counts(g)->lines, lines, "the counts are right");
	is_int(generator_get_counts(g)->duplicates, twice, "as many events come twice as it says");
	ok(twice * 100 > lines && twice * 100 < lines * 3, "about two in a hundred: %lld of %lld", (long long)twice, (long long)lines);
	ok(behind > 50 && behind * 8 < lines, "%d events stand behind later ones", behind);
	is_int(ahead, 0, "none lies in the future");
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = catalog_get((enum event_kind)kind);
		bool engines = type->entity == ENTITY_LOG || type->entity == ENTITY_SLA_CLOCK;

		ok(kinds[kind] != engines, "%s %s", type->name, engines ? "is left to an engine" : "comes");
	}
	map_release(&ids);
	arena_release(&arena);
	buffer_release(&packed);
	generator_free(g);
}

static void test_plain(void)
{
	struct generator_options plain = usual;
	struct generator *g;
	struct bytes line;

	plain.duplicates = plain.late = 0;
	plain.tenants = 1;
	plain.conversations = 1;
	g = generator_new(&plain);
	while (generator_next(g, &line))
		;
	ok(generator_get_counts(g)->duplicates == 0 && generator_get_counts(g)->late == 0, "nothing doubled or late unless asked for");
	generator_free(g);
}

/* As imported history: the same events, each of which says so. */
static void test_silent(void)
{
	struct generator_options silent = usual;
	int64_t lines = 0, loud, said = 0;
	struct generator *g;
	struct bytes line;

	silent.silent = true;
	g = generator_new(&silent);
	for (; generator_next(g, &line); lines++)
		said += memmem(line.data, line.len, "\",\"silent\":true,\"payload\":{", 27) != NULL;
	generator_free(g);
	digest(&usual, &loud);
	is_int(lines, loud, "imported history has as many events");
	is_int(said, lines, "and each of them says that it is");
}

/* Without an end, stamped by the wall clock. */
static void test_live(void)
{
	struct generator_options live = usual;
	struct generator *g;
	struct bytes line;
	bool more = true;

	live.conversations = 0;
	live.live = true;
	live.end = time_wall();
	g = generator_new(&live);
	for (int i = 0; i < 200000 && more; i++)
		more = generator_next(g, &line);
	ok(more, "a live generator goes on");
	generator_free(g);
}

static void test_speed(void)
{
	struct generator_options many = usual;
	int64_t lines = 0, bytes = 0, start = time_monotonic(), us;
	struct generator *g;
	struct bytes line;

	many.conversations = 20000;
	g = generator_new(&many);
	while (generator_next(g, &line)) {
		lines++;
		bytes += (int64_t)line.len;
	}
	us = time_monotonic() - start;
	generator_free(g);
	note("%.0f events a second, %.0f bytes an event, %lld events", (double)lines * 1e6 / (double)us, (double)bytes / (double)lines,
	     (long long)lines);
	ok(lines > 250000, "20,000 conversations are %lld events", (long long)lines);
}

int main(void)
{
	catalog_init();
	test_seed();
	test_valid();
	test_plain();
	test_silent();
	test_live();
	test_speed();
	return tap_done();
}
