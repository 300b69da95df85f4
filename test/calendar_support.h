/* calendar_support - calendars by name for tests, with the system's time zones behind them. */
#ifndef VERBATIM_TEST_CALENDAR_SUPPORT_H
#define VERBATIM_TEST_CALENDAR_SUPPORT_H

#include <stdio.h>

#include "base/arena.h"
#include "base/time.h"
#include "engine/zones.h"
#include "rules/calendar.h"

static struct arena test_arena;
static struct zones *test_zones;

static inline void test_calendars_open(void)
{
	arena_init(&test_arena, 64 << 10);
	test_zones = zones_new();
}

static inline void test_calendars_close(void)
{
	arena_release(&test_arena);
	zones_free(test_zones);
}

#define WORK_WEEK(windows)                                                                     \
	"{\"monday\":" windows ",\"tuesday\":" windows ",\"wednesday\":" windows ",\"thursday\":" windows \
	",\"friday\":" windows "}"
#define WHOLE_WEEK(windows)                                                                    \
	"{\"monday\":" windows ",\"tuesday\":" windows ",\"wednesday\":" windows ",\"thursday\":" windows \
	",\"friday\":" windows ",\"saturday\":" windows ",\"sunday\":" windows "}"
#define FROM_TO(start, end) "{\"start\":\"" start "\",\"end\":\"" end "\"}"

/* The calendars that the cases name. */
static const struct test_calendar {
	const char *name, *timezone, *hours, *holidays;
} test_calendar_list[] = {
	{ "U", "UTC", NULL, NULL },
	{ "B", "Europe/Berlin", NULL, NULL },
	{ "NY", "America/New_York", NULL, NULL },
	{ "BH", "Europe/Berlin", NULL, "[{\"date\":\"2025-12-25\"},{\"date\":\"2025-12-26\"}]" },
	{ "L", "UTC", WORK_WEEK("[" FROM_TO("09:00", "12:00") "," FROM_TO("13:00", "17:00") "]"), NULL },
	{ "N", "Europe/Berlin", WHOLE_WEEK(FROM_TO("22:00", "06:00")), NULL },
	{ "Z8", "Europe/Berlin", WORK_WEEK(FROM_TO("08:00", "18:00")), NULL },
	{ "Z9", "Europe/Berlin", WHOLE_WEEK(FROM_TO("09:00", "18:00")), NULL },
	{ "F", "UTC", WORK_WEEK(FROM_TO("10:00", "18:00")), "[{\"date\":\"2025-03-07\"}]" },
	{ "A", NULL, NULL, NULL },
};

static inline struct bytes test_text(const char *text)
{
	return text ? bytes_text(text) : (struct bytes){ 0 };
}

static inline const struct calendar *test_calendar(const char *name)
{
	const struct test_calendar *t = test_calendar_list;
	struct calendar *k = arena_alloc(&test_arena, sizeof(*k));
	struct error error;

	while (strcmp(t->name, name) != 0)
		t++;
	if (!t->timezone)
		return &calendar_always;
	if (calendar_read(test_text(t->hours), test_text(t->holidays), zones_find(test_zones, bytes_text(t->timezone)),
			  &test_arena, k, &error) < 0)
		printf("# calendar %s: %s\n", name, error.message);
	return k;
}

/* "2025-03-03T10:15:00Z" or, without seconds, "2025-03-03T10:15Z". */
static inline int64_t instant(const char *text)
{
	char whole[40];
	int64_t t;

	snprintf(whole, sizeof(whole), "%.16s%s", text, strlen(text) == 17 ? ":00Z" : text + 16);
	return time_parse(whole, strlen(whole), &t) ? t : TIME_NONE;
}

static inline const char *instant_text(int64_t t)
{
	static char text[4][TIME_TEXT];
	static int turn;

	turn = (turn + 1) % 4;
	return t == TIME_NONE ? "none" : time_format(t, text[turn]);
}

#define is_instant(got, want, name) is_text(instant_text(got), instant_text(want), name)

#endif
