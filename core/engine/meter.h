/*
 * meter - a histogram of fixed steps, as monitoring reads it: how many values, their sum, and how many were at most so much.
 *
 * One owner, one thread; adding costs a few comparisons and no memory.
 */
#ifndef VERBATIM_ENGINE_METER_H
#define VERBATIM_ENGINE_METER_H

#include <stdint.h>

enum { METER_STEPS = 14 };

struct meter {
	int64_t counts[METER_STEPS + 1]; /* by step; the last one: above all of them */
	int64_t sum;
};

/* Upper bounds, rising: microseconds of a commit or of the wait for one, events of a batch. */
extern const int64_t meter_commit_us[METER_STEPS];
extern const int64_t meter_batch_events[METER_STEPS];

static inline void meter_add(struct meter *m, const int64_t steps[METER_STEPS], int64_t value)
{
	int i = 0;

	while (i < METER_STEPS && value > steps[i])
		i++;
	m->counts[i]++;
	m->sum += value;
}

#endif
