/*
 * Random calendars in random zones, seeded: business time against a reference that looks at every second on its own.
 *
 * The reference marks each second open or closed from the definition alone, trying every instant as the one that shows
 * a wall time, and counts the marks.  Zones are made up, with changes of any size up to a whole day (a date left out,
 * a date lived twice), so that gaps and overlaps lie wherever they hurt.
 */
#include "base/random.h"
#include "calendar_support.h"
#include "tap.h"

enum {
	CALENDARS = 16,
	QUESTIONS = 150,
	DAYS = 12,
	DAY = 86400,
	SECONDS = DAYS * DAY,
	REACH = ZONE_EAST_MAX + DAY + 1, /* a wall time is shown no further than this from where UTC shows it */
	CHANGES = 4,
	EARLY = 4 * DAY + REACH + 1, /* before base: where the clock is looked at first */
	LOOKED = SECONDS + 2 * EARLY,
};

struct world {
	int64_t base; /* of the marks, seconds */
	int64_t at[CHANGES];
	int32_t east[CHANGES + 1];
	struct zone zone;
	struct calendar k;
	struct day {
		int count;
		int open[8], close[8];
	} days[DAYS + 8]; /* from four dates before base's */
	int64_t wall[LOOKED]; /* what the clock shows, from base - EARLY on */
	uint8_t open[SECONDS];
	int32_t passed[SECONDS + 1]; /* open seconds before */
};

static int below(struct random *r, int n)
{
	return (int)random_below(r, (uint64_t)n);
}

/* Changes three days or more apart, as odd as can be. */
static void make_zone(struct world *w, struct random *r)
{
	static const int steps[] = { 3600, 3600, 1800, 7200, 86400, 82800, 1172, 900 };
	int64_t at = w->base + below(r, 4 * DAY);
	int count = 1 + below(r, CHANGES);

	w->east[0] = (below(r, 97) - 48) * 900;
	for (int i = 0; i < count; i++) {
		int step = steps[below(r, 8)] * (below(r, 2) ? 1 : -1);

		w->east[i + 1] = w->east[i] + step;
		if (w->east[i + 1] > DAY || w->east[i + 1] < -DAY)
			w->east[i + 1] = w->east[i] - step;
		w->at[i] = (below(r, 2) ? at : at - at % 1800) * TIME_SECOND;
		at += 3 * DAY + below(r, 3 * DAY);
	}
	w->zone = (struct zone){ .name = "Made/Up", .count = count, .at = w->at, .east = w->east };
}

/* Rising windows, some touching; as clock faces, to the second now and then. */
static struct day make_day(struct random *r)
{
	struct day d = { 0 };
	int from = 0;

	for (int n = below(r, 4); n > 0 && from < DAY - 7200; n--) {
		int grain = below(r, 4) ? 900 : 1, room = DAY - from;
		int open = from + (from && below(r, 3) == 0 ? 0 : below(r, room / 2) / grain * grain);
		int close = open + grain * (1 + below(r, (DAY - open) / grain));

		d.open[d.count] = open;
		d.close[d.count++] = close;
		from = close;
	}
	return d;
}

static void print_windows(struct buffer *out, const struct day *d)
{
	for (int i = 0; i < d->count; i++)
		buffer_printf(out, "%s[\"%02d:%02d:%02d\",\"%02d:%02d:%02d\"]", i ? "," : "[", d->open[i] / 3600, d->open[i] / 60 % 60,
			      d->open[i] % 60, d->close[i] / 3600, d->close[i] / 60 % 60, d->close[i] % 60);
	buffer_add_text(out, d->count ? "]" : "[]");
}

static void make_calendar(struct world *w, struct random *r)
{
	static const char *const names[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };
	struct buffer hours = { 0 }, holidays = { 0 };
	struct day week[7];
	struct error error;
	const char *sep = "[";

	for (int d = 0; d < 7; d++) {
		week[d] = make_day(r);
		buffer_printf(&hours, "%s\"%s\":", d ? "," : "{", names[d]);
		print_windows(&hours, &week[d]);
	}
	buffer_add_text(&hours, "}");
	for (int i = 0; i < DAYS + 8; i++) {
		int64_t date = w->base / DAY - 4 + i, year;
		unsigned month, day;

		w->days[i] = week[(date + 3) % 7];
		if (below(r, 6))
			continue;
		w->days[i] = below(r, 2) ? make_day(r) : (struct day){ 0 };
		time_civil_from_days(date, &year, &month, &day);
		buffer_printf(&holidays, "%s{\"date\":\"%04d-%02u-%02u\",\"intervals\":", sep, (int)year, month, day);
		print_windows(&holidays, &w->days[i]);
		buffer_add_text(&holidays, "}");
		sep = ",";
	}
	buffer_add_text(&holidays, *sep == '[' ? "[]" : "]");
	if (calendar_read(buffer_bytes(&hours), buffer_bytes(&holidays), &w->zone, &test_arena, &w->k, &error) < 0)
		ok(false, "calendar is read: %s", error.message);
	buffer_release(&hours);
	buffer_release(&holidays);
}

static void look_at_clock(struct world *w)
{
	for (int i = 0; i < LOOKED; i++) {
		int64_t second = w->base - EARLY + i;
		int span = 0;

		while (span < w->zone.count && w->at[span] <= second * TIME_SECOND)
			span++;
		w->wall[i] = second + w->east[span];
	}
}

/*
 * The instant of a wall time: where the clock shows it, or jumps over it when it never does; the first such instant for
 * an opening, the last for a closing.
 */
static int64_t instant_of(const struct world *w, int64_t local, bool closing)
{
	int64_t shown = INT64_MIN, jumped = INT64_MIN, first = local - REACH;
	const int64_t *wall = w->wall + (first - (w->base - EARLY));

	for (int i = 0; i < 2 * REACH; i++) {
		if (wall[i] == local && (closing || shown == INT64_MIN))
			shown = first + i;
		if (wall[i - 1] < local && wall[i] > local && (closing || jumped == INT64_MIN))
			jumped = first + i;
	}
	return shown != INT64_MIN ? shown : jumped;
}

static void mark(struct world *w)
{
	memset(w->open, 0, sizeof(w->open));
	look_at_clock(w);
	for (int i = 0; i < DAYS + 8; i++)
		for (int n = 0; n < w->days[i].count; n++) {
			int64_t midnight = (w->base / DAY - 4 + i) * DAY;
			int64_t from = instant_of(w, midnight + w->days[i].open[n], false);
			int64_t to = instant_of(w, midnight + w->days[i].close[n], true);

			for (int64_t t = from > w->base ? from : w->base; t < to && t < w->base + SECONDS; t++)
				w->open[t - w->base] = 1;
		}
	w->passed[0] = 0;
	for (int t = 0; t < SECONDS; t++)
		w->passed[t + 1] = w->passed[t] + w->open[t];
}

/* The last second until which no more than `budget` passed; -1 when that is not within the marks. */
static int reference_due(const struct world *w, int start, int budget)
{
	for (int t = start; t < SECONDS; t++)
		if (w->passed[t + 1] - w->passed[start] > budget)
			return t;
	return -1;
}

static bool agrees(const struct world *w, struct random *r)
{
	int a = below(r, SECONDS), b = a + below(r, SECONDS - a), n = below(r, below(r, 2) ? DAY : 5 * DAY);
	int64_t start = (w->base + a) * TIME_SECOND, end = (w->base + b) * TIME_SECOND, due, want, part = below(r, 1000000);

	if (below(r, 3) == 0)
		n = w->passed[b] - w->passed[a]; /* exactly what there is up to some moment */
	want = reference_due(w, a, n);
	due = calendar_due(&w->k, start, n * TIME_SECOND);
	if (calendar_elapsed(&w->k, start, end) != (w->passed[b] - w->passed[a]) * TIME_SECOND) {
		note("elapsed %d..%d: %" PRId64 ", want %d", a, b, (int64_t)calendar_elapsed(&w->k, start, end), w->passed[b] - w->passed[a]);
		return false;
	}
	if (want >= 0 && due != (w->base + want) * TIME_SECOND) {
		note("due %d + %d: %s, want second %d", a, n, instant_text(due), (int)want);
		return false;
	}
	/* Between seconds, too: a budget with a fraction is due that much later, or where it is used up. */
	want = calendar_due(&w->k, start, n * TIME_SECOND + part);
	if (want != TIME_NONE && (calendar_elapsed(&w->k, start, want) != n * TIME_SECOND + part ||
				  calendar_elapsed(&w->k, start, want + 1) != n * TIME_SECOND + part + 1)) {
		note("due %d + %d.%06d: %s", a, n, (int)part, instant_text(want));
		return false;
	}
	return true;
}

int main(void)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : 20250330;
	struct world *w = mem_zalloc(sizeof(*w));
	struct random r;

	test_calendars_open();
	note("seed %" PRIu64, seed);
	for (int n = 0; n < CALENDARS; n++) {
		int good = 0;

		random_seed(&r, seed + (uint64_t)n);
		w->base = (15000 + below(&r, 9000)) * (int64_t)DAY;
		make_zone(w, &r);
		make_calendar(w, &r);
		if (!zone_is_sound(&w->zone))
			ok(false, "the zone made up is a possible one");
		mark(w);
		while (good < QUESTIONS && agrees(w, &r))
			good++;
		ok(good == QUESTIONS, "calendar %d, %d open seconds in %d days: %d questions", n, w->passed[SECONDS], DAYS, good);
		arena_reset(&test_arena);
	}
	free(w);
	test_calendars_close();
	return tap_done();
}
