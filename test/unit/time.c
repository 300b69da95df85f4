/* time - instants and their text, over all the years RFC 3339 can write. */
#include "tap.h"

#include "base/random.h"
#include "base/time.h"

static void texts(void)
{
	static const struct {
		const char *text;
		const char *canonical; /* NULL: refused */
	} cases[] = {
		{ "2024-05-06T07:08:09Z", "2024-05-06T07:08:09.000000Z" },
		{ "2024-05-06t07:08:09z", "2024-05-06T07:08:09.000000Z" },
		{ "2024-05-06 07:08:09Z", "2024-05-06T07:08:09.000000Z" },
		{ "2024-05-06T07:08:09.5Z", "2024-05-06T07:08:09.500000Z" },
		{ "2024-05-06T07:08:09.123456789Z", "2024-05-06T07:08:09.123456Z" },
		{ "1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z" },
		{ "2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09.000000Z" },
		{ "2024-05-06T00:00:00-23:59", "2024-05-06T23:59:00.000000Z" },
		{ "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000000Z" },
		{ "2000-02-29T12:00:00Z", "2000-02-29T12:00:00.000000Z" },
		{ "2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z" },
		{ "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z" },
		{ "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z" },
		{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z" },
		{ "0000-01-01T00:00:00Z", NULL },
		{ "0001-01-01T00:00:00+00:01", NULL },
		{ "9999-12-31T23:59:60Z", NULL },
		{ "2023-02-29T12:00:00Z", NULL },
		{ "1900-02-29T12:00:00Z", NULL },
		{ "2024-04-31T12:00:00Z", NULL },
		{ "2024-13-01T12:00:00Z", NULL },
		{ "2024-00-01T12:00:00Z", NULL },
		{ "2024-01-00T12:00:00Z", NULL },
		{ "2024-01-01T24:00:00Z", NULL },
		{ "2024-01-01T12:60:00Z", NULL },
		{ "2024-01-01T12:00:61Z", NULL },
		{ "2024-01-01T12:00:00", NULL },
		{ "2024-01-01T12:00Z", NULL },
		{ "2024-01-01T12:00:00.Z", NULL },
		{ "2024-01-01T12:00:00+0200", NULL },
		{ "2024-01-01T12:00:00+24:00", NULL },
		{ "2024-01-01T12:00:00Zx", NULL },
		{ " 2024-01-01T12:00:00Z", NULL },
		{ "2024-1-01T12:00:00Z", NULL },
		{ "-024-01-01T12:00:00Z", NULL },
		{ "2024-01-01", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].text);
		char *copy = malloc(len + 1), out[TIME_TEXT] = "";
		bool good;
		int64_t t;

		memcpy(copy, cases[i].text, len); /* not terminated: the length counts */
		copy[len] = '9';
		good = time_parse(copy, len, &t);
		if (cases[i].canonical)
			is_text(good ? time_format(t, out) : "refused", cases[i].canonical, cases[i].text);
		else
			ok(!good, "'%s' is refused", cases[i].text);
		free(copy);
	}
}

static void there_and_back(void)
{
	enum { SEED = 51, CASES = 100000 };
	struct random r;
	int wrong = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		int64_t t = TIME_MIN + (int64_t)random_below(&r, (uint64_t)(TIME_MAX - TIME_MIN)), back = 0;
		char text[TIME_TEXT];

		time_format(t, text);
		wrong += strlen(text) != 27 || !time_parse(text, 27, &back) || back != t;
	}
	is_int(wrong, 0, "every instant comes back from its text");
}

static void days(void)
{
	int64_t year = 1;
	unsigned month = 1, day = 1;
	int wrong = 0;

	is_int(time_days_from_civil(1970, 1, 1), 0, "the epoch is day 0");
	is_int(time_days_from_civil(2000, 3, 1), 11017, "2000-03-01 is day 11017");
	is_int(time_days_from_civil(1, 1, 1) * TIME_DAY, TIME_MIN, "TIME_MIN is 0001-01-01");
	for (int64_t d = time_days_from_civil(1, 1, 1); d <= time_days_from_civil(9999, 12, 31); d++) {
		static const unsigned lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
		bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		int64_t y;
		unsigned m, n;

		time_civil_from_days(d, &y, &m, &n);
		wrong += y != year || m != month || n != day || time_days_from_civil(y, m, n) != d;
		if (++day > lengths[month - 1] + (month == 2 && leap)) {
			day = 1;
			if (++month > 12) {
				month = 1;
				year++;
			}
		}
	}
	is_int(wrong, 0, "every day of 9,999 years, counted by hand");
}

static void months(void)
{
	static const struct {
		const char *at, *start, *next;
	} cases[] = {
		{ "2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00.000000Z", "2024-03-01T00:00:00.000000Z" },
		{ "2024-12-01T00:00:00Z", "2024-12-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z" },
		{ "1969-12-31T23:59:59.5Z", "1969-12-01T00:00:00.000000Z", "1970-01-01T00:00:00.000000Z" },
	};
	char text[TIME_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t t = 0;

		ok(time_parse(cases[i].at, strlen(cases[i].at), &t), "%s", cases[i].at);
		is_text(time_format(time_month_start(t), text), cases[i].start, "its month begins");
		is_text(time_format(time_month_next(t), text), cases[i].next, "and the next one");
	}
}

static void none(void)
{
	is_int(time_later(TIME_NONE, 5), 5, "the later of none and some");
	is_int(time_later(5, 7), 7, "the later of two");
	is_int(time_earlier(TIME_NONE, 5), 5, "the earlier of none and some");
	is_int(time_earlier(5, TIME_NONE), 5, "and the other way round");
	ok(time_earlier(TIME_NONE, TIME_NONE) == TIME_NONE, "of none and none there is none");
	is_int(time_earlier(5, 7), 5, "the earlier of two");
}

int main(void)
{
	texts();
	there_and_back();
	days();
	months();
	none();
	return tap_done();
}
