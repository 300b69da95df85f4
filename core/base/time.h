/*
 * time - instants as microseconds since 1970-01-01T00:00:00Z, and their text.
 *
 * Pure arithmetic on the proleptic Gregorian calendar, without time zones and without a clock.  Years
 * 0001 to 9999: what RFC 3339 can write.
 */
#ifndef VERBATIM_BASE_TIME_H
#define VERBATIM_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_NONE INT64_MIN /* no instant: NULL in a column, absent in an event */
#define TIME_MIN (-62135596800LL * 1000000)          /* 0001-01-01T00:00:00Z */
#define TIME_MAX (253402300799LL * 1000000 + 999999) /* 9999-12-31T23:59:59.999999Z */
#define TIME_SECOND 1000000LL
#define TIME_HOUR (3600 * TIME_SECOND)
#define TIME_DAY (24 * TIME_HOUR)
#define TIME_PG_EPOCH (946684800LL * 1000000) /* 2000-01-01, where PostgreSQL's timestamps begin */
#define TIME_TEXT 28 /* room for the text and its NUL */

/*
 * RFC 3339 date-time with any offset, 'T', 't' or a space between date and time; more than six digits of
 * a second are cut off.  A leap second (:60) counts as the first of the next minute.  False when it is not
 * one, or lies outside TIME_MIN..TIME_MAX.
 */
bool time_parse(const char *text, size_t len, int64_t *out);

/* "HH:MM" or "HH:MM:SS" up to 24:00, as microseconds since midnight; false when it is neither. */
bool time_of_day_parse(const char *text, size_t len, int64_t *out);

/* "YYYY-MM-DD", a date that exists, as days since 1970-01-01. */
bool time_date_parse(const char *text, size_t len, int64_t *day);

/* `YYYY-MM-DDTHH:MM:SS.ffffffZ`, always 27 characters; returns `out`, which has room for TIME_TEXT. */
char *time_format(int64_t t, char *out);

/* The first instant of the UTC month that holds `t`, and of the one after it. */
int64_t time_month_start(int64_t t);
int64_t time_month_next(int64_t t);

/* Days since 1970-01-01 of a civil date, and back (H. Hinnant's algorithm). */
int64_t time_days_from_civil(int64_t year, unsigned month, unsigned day);
void time_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/* The later / earlier of two instants, either of which may be TIME_NONE. */
static inline int64_t time_later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t time_earlier(int64_t a, int64_t b)
{
	if (a == TIME_NONE || b == TIME_NONE)
		return a == TIME_NONE ? b : a;
	return a < b ? a : b;
}

/* The wall clock and a clock that only goes forward, both in microseconds; for commands and the engine's loop, not for folds. */
int64_t time_wall(void);
int64_t time_monotonic(void);

#endif
