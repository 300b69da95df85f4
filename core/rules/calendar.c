/* calendar - see calendar.h: the arithmetic.  calendar_json.c reads policies. */
#include "rules/calendar.h"

#include <assert.h>
#include <stddef.h>

#define WEEK_DAYS 7
#define HORIZON (CALENDAR_HORIZON_YEARS * 36525 * (TIME_DAY / 100))

/* A day is plain when no change of offset is so near that another span could show one of its wall times. */
#define SLACK (2 * ZONE_EAST_MAX * TIME_SECOND)
#define SLACK_DAYS 3

const struct calendar calendar_always = { 0 };

static int64_t day_of(int64_t local)
{
	return (local >= 0 ? local : local - (TIME_DAY - 1)) / TIME_DAY;
}

static int weekday_of(int64_t day)
{
	return (int)(((day + 3) % WEEK_DAYS + WEEK_DAYS) % WEEK_DAYS); /* 1970-01-01 was a Thursday, Monday is 0 */
}

/* What has been counted on the way from `from` to `to`. */
struct tally {
	const struct calendar *k;
	int64_t covered; /* open time before here is counted; at first where counting begins */
	int64_t to;
	int64_t budget;
	int64_t sum;
	int64_t due; /* where the sum would pass the budget */
};

/* Adds a window; false when the budget ends inside it. */
static bool add_window(struct tally *t, int64_t open, int64_t close)
{
	open = time_later(open, t->covered);
	close = close < t->to ? close : t->to;
	if (close <= open)
		return true;
	if (close - open > t->budget - t->sum) {
		t->due = open + (t->budget - t->sum);
		return false;
	}
	t->sum += close - open;
	t->covered = close;
	return true;
}

/* The windows of a date; `east` is the offset of a plain day, NULL when its wall times must be looked up. */
static bool add_day(struct tally *t, const struct calendar_day *day, int64_t midnight, const int64_t *east)
{
	const struct zone *zone = t->k->zone;

	for (int i = 0; i < day->count; i++) {
		const struct calendar_window *w = &day->windows[i];
		int64_t open = east ? midnight + w->open - *east : zone_first(zone, midnight + w->open);
		int64_t close = east ? midnight + w->close - *east : zone_last(zone, midnight + w->close);

		if (!add_window(t, open, close))
			return false;
	}
	return true;
}

static int holiday_from(const struct calendar *k, int64_t day)
{
	int low = 0, high = k->holiday_count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (k->holidays[middle].date < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* From a plain day on: how many whole weeks lie before the next change of offset, holiday, end or the budget's end. */
static int64_t weeks_ahead(const struct tally *t, int64_t opens, int64_t until, int64_t days_to_holiday)
{
	int64_t days = (time_earlier(until - SLACK, t->to) - opens) / TIME_DAY;
	int64_t weeks = time_earlier(days, days_to_holiday) / WEEK_DAYS;

	if (t->covered > opens || weeks <= 0)
		return 0;
	return t->k->week ? time_earlier(weeks, (t->budget - t->sum) / t->k->week) : weeks;
}

static bool is_plain(const struct zone_span *span, int64_t opens)
{
	return opens >= span->from + SLACK && opens + TIME_DAY <= span->until - SLACK;
}

/* Counts until the budget (false, with `due`) or the end (true) is reached. */
static bool count(struct tally *t)
{
	const struct calendar *k = t->k;
	struct zone_span span = zone_span(k->zone, t->covered);
	int64_t day = day_of(t->covered + span.east);
	int holiday;

	if (!is_plain(&span, day * TIME_DAY - span.east))
		day -= SLACK_DAYS; /* a date lived twice may reach into this one */
	holiday = holiday_from(k, day);
	for (;;) {
		int64_t midnight = day * TIME_DAY, opens = midnight - span.east;
		bool is_holiday, plain;

		while (holiday < k->holiday_count && k->holidays[holiday].date < day)
			holiday++;
		if (k->week == 0 && holiday == k->holiday_count)
			return true;
		if (opens < span.from || opens >= span.until) {
			span = zone_span(k->zone, opens);
			opens = midnight - span.east;
		}
		plain = is_plain(&span, opens);
		if (opens - (plain ? 0 : SLACK) >= t->to)
			return true;
		is_holiday = holiday < k->holiday_count && k->holidays[holiday].date == day;
		if (plain && !is_holiday) {
			int64_t next = holiday < k->holiday_count ? k->holidays[holiday].date - day : INT64_MAX;
			int64_t weeks = weeks_ahead(t, opens, span.until, next);

			if (weeks > 0) {
				t->sum += weeks * k->week;
				day += weeks * WEEK_DAYS;
				continue;
			}
		}
		if (!add_day(t, is_holiday ? &k->holidays[holiday].day : &k->weekdays[weekday_of(day)], midnight,
			     plain ? &span.east : NULL))
			return false;
		day++;
	}
}

int64_t calendar_elapsed(const struct calendar *k, int64_t start, int64_t end)
{
	struct tally t = { .k = k, .covered = start, .to = end, .budget = INT64_MAX };

	assert(start != TIME_NONE && end != TIME_NONE);
	if (end <= start)
		return 0;
	if (!k->zone)
		return end - start;
	count(&t);
	return t.sum;
}

int64_t calendar_due(const struct calendar *k, int64_t start, int64_t budget)
{
	struct tally t = { .k = k, .covered = start, .to = start + HORIZON, .budget = budget };

	assert(start != TIME_NONE && budget >= 0);
	if (budget >= HORIZON)
		return TIME_NONE;
	if (!k->zone)
		return start + budget;
	return count(&t) ? TIME_NONE : t.due;
}
