/*
 * pace - what folding takes of the machine while appends come in: acknowledgements first, and nobody starves.
 *
 * The load is the share of the last moments in which some append of this engine was at the database:
 *
 *     0 %                 60 %                     90 %                100 %
 *      |      freely       |        in turn         |  in turn, resting  |
 *
 *     freely            a thread's workers load, fold and write beside each other
 *     in turn           one of them at a time, from the first load to the commit; the others gather larger batches,
 *                       which cost the database less an event
 *     in turn, resting  the thread also stands still between two batches, up to twice as long as the last one took
 *
 * Folding catches up when appends leave room.  It must not wait for that for ever: a shard whose fold is lag_us
 * behind the clock, or lag_events behind the log, goes freely whatever the load is.  An engine that appends little is
 * never asked to wait.
 *
 * The load is counted by the appenders' thread and read by the workers'; a look that falls between the two counters
 * is off by one append at most.
 */
#ifndef VERBATIM_ENGINE_PACE_H
#define VERBATIM_ENGINE_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* For how long appends have been at the database; one an engine, counted on the appenders' thread. */
struct load {
	_Atomic int64_t busy_us; /* until `since` */
	_Atomic int64_t since;   /* monotonic: of the first that is there now; 0: none is */
	int under_way;
};

void load_enter(struct load *l, int64_t now);
void load_leave(struct load *l, int64_t now);

enum pace_way { PACE_FREELY, PACE_IN_TURN, PACE_RESTING };

struct pace_limits {
	int64_t lag_us;      /* a fold so far behind the clock goes freely */
	int64_t lag_events;  /* and one so far behind the log */
};

/* Of one thread's workers. */
struct pace {
	const struct load *load; /* NULL: there are no appends to yield to */
	struct pace_limits limits;
	int64_t looked_at, busy_us; /* when the load was looked at, and what it had counted */
	_Atomic int percent;        /* the load, lately */
	int64_t rest_until;         /* monotonic */
};

/* The rule itself. */
enum pace_way pace_way(int load_percent, int64_t behind_us, int64_t behind_events, const struct pace_limits *limits);

/* How long to rest after a batch that took so long. */
int64_t pace_rest_us(int load_percent, int64_t took_us);

/* Looks at the load, no more often than it tells something. */
void pace_look(struct pace *p, int64_t now);

const char *pace_way_name(enum pace_way way);

#endif
