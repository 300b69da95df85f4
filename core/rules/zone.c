/* zone - see zone.h. */
#include "rules/zone.h"

#include <stddef.h>

#include "base/time.h"

/* Far outside what can be an instant, and adding an offset stays inside int64. */
#define BEFORE_TIME (INT64_MIN / 2)
#define AFTER_TIME (INT64_MAX / 2)

const struct zone zone_utc = { .name = "UTC", .count = 0, .at = NULL, .east = (const int32_t[]){ 0 } };

static const struct zone *find_utc(void *data, struct bytes name)
{
	(void)data;
	return bytes_is(name, "UTC") ? &zone_utc : NULL;
}

const struct zone_source zones_utc_only = { find_utc, NULL };

bool zone_is_sound(const struct zone *z)
{
	for (int i = 0; i <= z->count; i++)
		if (z->east[i] < -ZONE_EAST_MAX || z->east[i] > ZONE_EAST_MAX)
			return false;
	for (int i = 0; i < z->count; i++)
		if (z->at[i] <= (i ? z->at[i - 1] : BEFORE_TIME) || z->at[i] >= AFTER_TIME)
			return false;
	return true;
}

/* How many changes are not after `at`: the number of the span that holds it. */
static int span_at(const struct zone *z, int64_t at)
{
	int low = 0, high = z->count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (z->at[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int64_t begin(const struct zone *z, int span)
{
	return span == 0 ? BEFORE_TIME : z->at[span - 1];
}

static int64_t finish(const struct zone *z, int span)
{
	return span == z->count ? AFTER_TIME : z->at[span];
}

static int64_t east_of(const struct zone *z, int span)
{
	return z->east[span] * TIME_SECOND;
}

struct zone_span zone_span(const struct zone *z, int64_t at)
{
	int span = span_at(z, at);

	return (struct zone_span){ begin(z, span), finish(z, span), east_of(z, span) };
}

/*
 * Spans that end more than ZONE_EAST_MAX before `local` read as UTC cannot reach it on the wall clock, so the search
 * may begin there; it is over after a step or two, since zones do not change every day.
 */
int64_t zone_first(const struct zone *z, int64_t local)
{
	int span = span_at(z, local - ZONE_EAST_MAX * TIME_SECOND);

	while (finish(z, span) + east_of(z, span) <= local)
		span++;
	return time_later(begin(z, span), local - east_of(z, span));
}

int64_t zone_day(const struct zone *z, int64_t at)
{
	int64_t local = at + zone_span(z, at).east, day = local / TIME_DAY - (local % TIME_DAY < 0);

	return zone_first(z, day * TIME_DAY);
}

int64_t zone_last(const struct zone *z, int64_t local)
{
	int span = span_at(z, local + ZONE_EAST_MAX * TIME_SECOND);

	while (begin(z, span) + east_of(z, span) > local)
		span--;
	return time_earlier(finish(z, span), local - east_of(z, span));
}
