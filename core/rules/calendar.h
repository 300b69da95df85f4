/*
 * calendar - when a tenant is open, and business time on it: how much passed, and when a budget of it runs out.
 *
 * A calendar is a week of windows on the wall clock of a time zone, and holidays that close or replace single
 * dates.  A window [open, close) of a local date is the instants from zone_first(open) to zone_last(close): a wall
 * time that the clocks jump over is the jump, one that they show twice is its first showing for an opening and
 * its last for a closing.  Windows that touch or overlap count once.  All sums are of absolute time, so an hour is
 * an hour on the days the clocks are set.
 *
 * The two functions mirror each other:
 *
 *     calendar_elapsed(k, start, t) > budget   exactly when   t > calendar_due(k, start, budget)
 *
 * so a budget that is used up at closing time is due at the next opening, and "due_at < now" says the same as
 * "more time passed than was promised".
 *
 * Nothing is allocated and nothing is stepped through: whole weeks between two changes of the zone's offset are
 * counted at once, single days only around such changes, holidays and the two ends.
 */
#ifndef VERBATIM_RULES_CALENDAR_H
#define VERBATIM_RULES_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/time.h"
#include "rules/zone.h"

/* Microseconds since local midnight, 0 <= open < close <= TIME_DAY. */
struct calendar_window {
	int64_t open, close;
};

struct calendar_day {
	const struct calendar_window *windows; /* rising and apart */
	int count;
};

struct calendar_holiday {
	int64_t date; /* days since 1970-01-01 */
	struct calendar_day day;
};

struct calendar {
	const struct zone *zone; /* NULL: always open, and nothing below is looked at */
	struct calendar_day weekdays[7]; /* Monday first */
	int64_t week; /* what their windows sum up to */
	const struct calendar_holiday *holidays; /* by date, rising */
	int holiday_count;
};

enum {
	CALENDAR_WINDOWS_MAX = 24,    /* a day */
	CALENDAR_HOLIDAYS_MAX = 500,
	CALENDAR_HORIZON_YEARS = 100, /* what is due later than this is not due at all */
};

/* Open day and night. */
extern const struct calendar calendar_always;

/* Open time in [start, end), microseconds; 0 when end is not after start. */
int64_t calendar_elapsed(const struct calendar *k, int64_t start, int64_t end);

/* The last instant at which no more than `budget` (microseconds, not negative) has passed; TIME_NONE beyond the horizon. */
int64_t calendar_due(const struct calendar *k, int64_t start, int64_t budget);

/*
 * Reads a calendar from a policy's fields, JSON text each or absent (canonical, as the log holds it):
 *
 *     hours     {"monday": {"start": "09:00", "end": "17:00"}, "friday": [{...}, ["13:00", "17:00"]], ...}
 *               absent: Monday to Friday 09:00 to 17:00; a day left out, null or [] is closed; times are HH:MM or
 *               HH:MM:SS, up to 24:00; an end that is not after its start is on the next day
 *     holidays  [{"date": "2025-12-25"}, {"date": "2025-12-24", "intervals": [{...}]}, ...]
 *               closed unless it has intervals (and does not say "closed": true); an entry with "closed": false
 *               and no intervals is no holiday; of several of the same date the last holds
 *
 * Copies into `arena`; borrows `zone`, which must outlive the calendar.  The catalog refuses what has
 * another form (event/catalog/forms.c), but not all that means nothing, and older logs hold what it took then:
 * E_INVALID names the first fault, and `out` can be used all the same, without what could not be read (hours of
 * which not one window can be read are taken as absent).
 */
int calendar_read(struct bytes hours, struct bytes holidays, const struct zone *zone, struct arena *arena,
		  struct calendar *out, struct error *error) must_check;

#endif
