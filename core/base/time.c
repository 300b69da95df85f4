/* time - see time.h. */
#include "base/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t time_days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

void time_civil_from_days(int64_t z, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = (unsigned)(z - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static bool number(const char **p, const char *end, int digits, int *out)
{
	int v = 0;

	if (end - *p < digits)
		return false;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	return true;
}

static bool literal(const char **p, const char *end, const char *any)
{
	if (*p == end)
		return false;
	for (; *any; any++)
		if (**p == *any) {
			(*p)++;
			return true;
		}
	return false;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

bool time_parse(const char *text, size_t len, int64_t *out)
{
	const char *p = text, *end = text + len;
	int year, month, day, hour, minute, second, offset = 0;
	int64_t micros = 0, t;

	if (!number(&p, end, 4, &year) || !literal(&p, end, "-") || !number(&p, end, 2, &month) ||
	    !literal(&p, end, "-") || !number(&p, end, 2, &day) || !literal(&p, end, "Tt ") ||
	    !number(&p, end, 2, &hour) || !literal(&p, end, ":") || !number(&p, end, 2, &minute) ||
	    !literal(&p, end, ":") || !number(&p, end, 2, &second))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	if (literal(&p, end, ".")) {
		int n = 0;

		for (; p < end && *p >= '0' && *p <= '9'; p++, n++)
			if (n < 6)
				micros = micros * 10 + (*p - '0');
		if (n == 0)
			return false;
		for (; n < 6; n++)
			micros *= 10;
	}
	if (!literal(&p, end, "Zz")) {
		bool west = p < end && *p == '-';
		int h, m;

		if (!literal(&p, end, "+-") || !number(&p, end, 2, &h) || !literal(&p, end, ":") ||
		    !number(&p, end, 2, &m) || h > 23 || m > 59)
			return false;
		offset = (h * 60 + m) * (west ? -60 : 60);
	}
	if (p != end)
		return false;
	t = time_days_from_civil(year, (unsigned)month, (unsigned)day) * 86400 + hour * 3600 + minute * 60 +
	    second - offset;
	t = t * TIME_SECOND + micros;
	if (t < TIME_MIN || t > TIME_MAX)
		return false;
	*out = t;
	return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static void two(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
}

static bool parse_two(const char *p, int64_t max, int64_t *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (p[0] - '0') * 10 + (p[1] - '0');
	return *out <= max;
}

bool time_of_day_parse(const char *text, size_t len, int64_t *out)
{
	int64_t hours, minutes, seconds = 0;

	if ((len != 5 && len != 8) || !parse_two(text, 24, &hours) || text[2] != ':' || !parse_two(text + 3, 59, &minutes))
		return false;
	if (len == 8 && (text[5] != ':' || !parse_two(text + 6, 59, &seconds)))
		return false;
	*out = ((hours * 60 + minutes) * 60 + seconds) * TIME_SECOND;
	return *out <= TIME_DAY;
}

bool time_date_parse(const char *text, size_t len, int64_t *day)
{
	char whole[] = "YYYY-MM-DDT00:00:00Z";
	int64_t t;

	if (len != 10)
		return false;
	memcpy(whole, text, 10);
	if (!time_parse(whole, sizeof(whole) - 1, &t))
		return false;
	*day = (t - (t < 0 ? TIME_DAY - 1 : 0)) / TIME_DAY;
	return true;
}

char *time_format(int64_t t, char *out)
{
	int64_t days = floor_div(t, TIME_DAY), rest = t - days * TIME_DAY, year;
	unsigned month, day, seconds = (unsigned)(rest / TIME_SECOND), micros = (unsigned)(rest % TIME_SECOND);

	time_civil_from_days(days, &year, &month, &day);
	two(out, (unsigned)year / 100);
	two(out + 2, (unsigned)year % 100);
	out[4] = '-';
	two(out + 5, month);
	out[7] = '-';
	two(out + 8, day);
	out[10] = 'T';
	two(out + 11, seconds / 3600);
	out[13] = ':';
	two(out + 14, seconds / 60 % 60);
	out[16] = ':';
	two(out + 17, seconds % 60);
	out[19] = '.';
	for (int i = 25; i >= 20; i--, micros /= 10)
		out[i] = (char)('0' + micros % 10);
	out[26] = 'Z';
	out[27] = 0;
	return out;
}

int64_t time_month_start(int64_t t)
{
	int64_t year;
	unsigned month, day;

	time_civil_from_days(floor_div(t, TIME_DAY), &year, &month, &day);
	return time_days_from_civil(year, month, 1) * TIME_DAY;
}

int64_t time_month_next(int64_t t)
{
	int64_t year;
	unsigned month, day;

	time_civil_from_days(floor_div(t, TIME_DAY), &year, &month, &day);
	if (++month > 12) {
		month = 1;
		year++;
	}
	return time_days_from_civil(year, month, 1) * TIME_DAY;
}

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * TIME_SECOND + ts.tv_nsec / 1000;
}

int64_t time_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t time_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
