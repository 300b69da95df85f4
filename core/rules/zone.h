/*
 * zone - a time zone as a table of the instants at which its clocks were or will be set.
 *
 *     east[0]      east[1]            east[2]
 *   ─────────┬──────────────────┬───────────────────▶ time
 *           at[0]              at[1]
 *
 * Nothing here knows where tables come from.  Whoever folds is handed a `zone_source` that was made outside
 * (core/engine/zones.h) and gives the same table for the same name as long as the process lives.
 *
 * Setting clocks forward leaves out wall times, setting them back repeats some; so a wall time belongs to no
 * instant, one or two.  zone_first and zone_last answer for all three cases, and both never go back when the wall
 * time goes on, however odd the zone (a day left out, a day lived twice).
 */
#ifndef VERBATIM_RULES_ZONE_H
#define VERBATIM_RULES_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct zone {
	const char *name;
	int count;           /* of changes */
	const int64_t *at;   /* instants of the changes, rising */
	const int32_t *east; /* seconds that local time is ahead of UTC: count + 1 of them, the first before any change */
};

enum { ZONE_EAST_MAX = 26 * 3600 }; /* no zone was ever further from UTC, either way */

extern const struct zone zone_utc;

/* A stretch of time with one offset; the ends of time lie beyond TIME_MIN and TIME_MAX. */
struct zone_span {
	int64_t from, until; /* [from, until) */
	int64_t east;        /* microseconds */
};

/* How folds find tables; NULL when there is no zone of this name. */
struct zone_source {
	const struct zone *(*find)(void *data, struct bytes name);
	void *data;
};

/* Knows no zone but UTC. */
extern const struct zone_source zones_utc_only;

/* False when the table breaks the rules above; for whoever makes one from outside data. */
bool zone_is_sound(const struct zone *z);

/* The span that holds `at`. */
struct zone_span zone_span(const struct zone *z, int64_t at);

/* The first instant at which local time is not before `local` (microseconds since 1970-01-01 00:00 by the wall clock). */
int64_t zone_first(const struct zone *z, int64_t local);

/* The instant at which the local day that holds `at` began. */
int64_t zone_day(const struct zone *z, int64_t at);

/* The last instant until which local time was not after `local`. */
int64_t zone_last(const struct zone *z, int64_t local);

#endif
