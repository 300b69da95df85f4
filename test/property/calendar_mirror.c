/*
 * Over years and real time zones, seeded: elapsed and due mirror each other, time adds up however it is cut or paused,
 * and what a call costs.
 */
#include "base/random.h"
#include "calendar_support.h"
#include "rules/sla_clock.h"
#include "tap.h"

enum { ROUNDS = 20000, CUTS = 300, CALLS = 20000 };

static const char *const names[] = { "U", "B", "NY", "BH", "L", "N", "Z8", "Z9", "F", "A" };
static const char *const places[] = {
	"Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns",
	"Antarctica/Troll", "Asia/Gaza", "America/Havana",
};

enum { NAMED = sizeof(names) / sizeof(names[0]), PLACES = sizeof(places) / sizeof(places[0]) };

static int64_t some_instant(struct random *r)
{
	return instant("1985-01-01T00:00Z") + (int64_t)random_below(r, 75 * 365) * TIME_DAY + (int64_t)random_below(r, TIME_DAY);
}

static void mirror(const struct calendar *k, const char *name, struct random *r)
{
	int bad = 0;

	for (int i = 0; i < ROUNDS / (NAMED + PLACES) && bad < 3; i++) {
		int64_t start = some_instant(r), budget = (int64_t)random_below(r, random_below(r, 2) ? TIME_DAY : 200 * TIME_DAY);
		int64_t due = calendar_due(k, start, budget), t;

		if (random_below(r, 2))
			due = calendar_due(k, start, budget -= budget % TIME_SECOND);
		t = due + (int64_t)random_below(r, 20 * TIME_DAY) - 10 * TIME_DAY;
		if ((calendar_elapsed(k, start, t) > budget) != (t > due) || calendar_elapsed(k, start, due) > budget ||
		    calendar_elapsed(k, start, due + 1) <= budget) {
			note("start %s, budget %" PRId64 ", due %s, t %s", instant_text(start), budget, instant_text(due), instant_text(t));
			bad++;
		}
	}
	ok(bad == 0, "%s: elapsed is more than the budget exactly after due", name);
}

static void adds_up(const struct calendar *k, const char *name, struct random *r)
{
	int bad = 0;

	for (int i = 0; i < CUTS / (NAMED + PLACES) + 1; i++) {
		int64_t a = some_instant(r), b = a + (int64_t)random_below(r, 900) * TIME_DAY + (int64_t)random_below(r, TIME_DAY);
		int64_t whole = calendar_elapsed(k, a, b), sum = 0;

		for (int64_t t = a; t < b;) {
			int64_t next = t + 1 + (int64_t)random_below(r, 2 * TIME_DAY);

			next = next < b ? next : b;
			sum += calendar_elapsed(k, t, next);
			t = next;
		}
		if (sum != whole) {
			note("%s to %s: %" PRId64 " at once, %" PRId64 " in pieces", instant_text(a), instant_text(b), whole, sum);
			bad++;
		}
	}
	ok(bad == 0, "%s: time adds up", name);
}

/* However often a clock pauses, it is due when a budget longer by the pauses' open time would have been. */
static void pauses(const struct calendar *k, const char *name, struct random *r)
{
	int bad = 0;

	for (int i = 0; i < ROUNDS / 10 / (NAMED + PLACES); i++) {
		struct sla_terms terms = { .seconds = 1 + (int64_t)random_below(r, 60 * 86400), .calendar = k };
		int64_t start = some_instant(r), t = start, paused = 0, due;
		struct sla_clock c;

		sla_clock_start(&c, 1, &terms, start, false);
		for (int n = (int)random_below(r, 5); n > 0; n--) {
			int64_t p = t + (int64_t)random_below(r, 5 * TIME_DAY);

			if (p > c.due_at)
				break;
			t = p + (int64_t)random_below(r, 5 * TIME_DAY);
			paused += calendar_elapsed(k, p, t);
			sla_clock_pause(&c, k, p);
			sla_clock_resume(&c, k, t, false);
		}
		due = calendar_due(k, start, terms.seconds * TIME_SECOND + paused);
		bad += c.due_at != due || c.breached_at != TIME_NONE || sla_clock_elapsed(&c, k, due) != terms.seconds * TIME_SECOND;
	}
	ok(bad == 0, "%s: pauses add up", name);
}

static double cost_ns(const struct calendar *k, int64_t minutes)
{
	int64_t from = instant("2025-01-01T00:00Z"), begun = time_monotonic(), sum = 0;

	for (int i = 0; i < CALLS; i++)
		sum += calendar_due(k, from + i * (365 * TIME_DAY / CALLS), minutes * 60 * TIME_SECOND) & 1;
	return (double)(time_monotonic() - begun) * 1000 / CALLS + (double)(sum & 0);
}

static void cost(void)
{
	const struct calendar *b = test_calendar("BH"), *n = test_calendar("N");

	note("due, ns a call: Berlin's working hours 1 h %.0f, 8 h %.0f, 48 h %.0f, 1000 h %.0f; nights 48 h %.0f",
	     cost_ns(b, 60), cost_ns(b, 480), cost_ns(b, 48 * 60), cost_ns(b, 60000), cost_ns(n, 48 * 60));
}

/* The next opening far off: nine days of holidays, and a year of them. */
static void far_opening(void)
{
	static const int lengths[] = { 9, 365 };

	for (int l = 0; l < 2; l++) {
		struct buffer list = { 0 };
		struct calendar k;
		struct error error;
		int64_t opening;

		for (int d = 0; d < lengths[l]; d++) {
			char text[TIME_TEXT];

			buffer_printf(&list, "%s{\"date\":\"%.10s\"}", d ? "," : "[", time_format(instant("2025-01-01T00:00Z") + d * TIME_DAY, text));
		}
		buffer_add_text(&list, "]");
		opening = instant(lengths[l] == 9 ? "2025-01-10T08:00Z" : "2026-01-01T08:00Z");
		ok(calendar_read((struct bytes){ 0 }, buffer_bytes(&list), zones_find(test_zones, BYTES("Europe/Berlin")), &test_arena,
				 &k, &error) == 0, "%d days of holidays are read", lengths[l]);
		is_instant(calendar_due(&k, instant("2025-01-01T09:00Z"), 60 * 60 * TIME_SECOND),
			   opening + TIME_HOUR, "due an hour after the next opening");
		if (lengths[l] == 9) {
			int64_t start = instant("2025-01-01T09:00Z"), begun = time_monotonic(), sum = 0;

			for (int i = 0; i < CALLS; i++)
				sum += calendar_due(&k, start + i, 60 * 60 * TIME_SECOND) & 1;
			note("due over nine closed days: %.0f ns a call",
			     (double)(time_monotonic() - begun) * 1000 / CALLS + (double)(sum & 0));
		}
		buffer_release(&list);
	}
}

int main(void)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : 20251026;
	struct random r;

	test_calendars_open();
	random_seed(&r, seed);
	note("seed %" PRIu64, seed);
	for (int i = 0; i < NAMED; i++) {
		mirror(test_calendar(names[i]), names[i], &r);
		adds_up(test_calendar(names[i]), names[i], &r);
		pauses(test_calendar(names[i]), names[i], &r);
	}
	for (int i = 0; i < PLACES; i++) {
		struct calendar k;
		struct error error;

		if (calendar_read(BYTES(WHOLE_WEEK("[[\"00:00\",\"01:30\"],[\"02:15\",\"11:00\"],[\"23:00\",\"24:00\"]]")),
				  (struct bytes){ 0 }, zones_find(test_zones, bytes_text(places[i])), &test_arena, &k, &error) < 0)
			ok(false, "%s: %s", places[i], error.message);
		mirror(&k, places[i], &r);
		adds_up(&k, places[i], &r);
		pauses(&k, places[i], &r);
	}
	far_opening();
	cost();
	test_calendars_close();
	return tap_done();
}
