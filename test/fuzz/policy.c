/*
 * policy - a calendar out of whatever JSON a policy holds: reading it names the first fault, what is left can be reckoned
 * with, and the two functions mirror each other.
 */
#include "fuzz.h"

#include "rules/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t start = (1700000000 + (int64_t)fuzz_take(&data, &size, 256) * 86400 / 3) * TIME_SECOND;
	int64_t budget = (int64_t)fuzz_take(&data, &size, 256) * 977 * TIME_SECOND, due;
	size_t cut = size * (fuzz_take(&data, &size, 255) + 1) / 256;
	struct bytes hours = bytes_of(data, cut < size ? cut : size), holidays = { 0 };
	struct calendar k;
	struct arena arena;
	struct error error;

	if (hours.len < size)
		holidays = bytes_of(data + hours.len, size - hours.len);
	arena_init(&arena, 4096);
	error_clear(&error);
	if (calendar_read(hours, holidays, &zone_utc, &arena, &k, &error))
		must(error.code == E_INVALID && error.message[0]);
	must(k.holiday_count <= CALENDAR_HOLIDAYS_MAX);
	for (int i = 0; i < 7; i++)
		must(k.weekdays[i].count <= CALENDAR_WINDOWS_MAX);
	due = calendar_due(&k, start, budget);
	if (due != TIME_NONE) {
		must(due >= start);
		must(calendar_elapsed(&k, start, due) <= budget);
		must(calendar_elapsed(&k, start, due + 1) > budget);
	}
	arena_release(&arena);
	return 0;
}
