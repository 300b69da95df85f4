/*
 * histogram - durations counted by size, in classes each of which is 2 % wider than the one before.
 *
 * There are 35 classes between a duration and its double: class k holds [2^(k/35), 2^((k+1)/35)) microseconds, whatever
 * is below one microsecond belongs to class 0.  The value that stands for a class, 2^(k/35) * 2g/(g+1) with g =
 * 2^(1/35) = 1.0200, is at most (g-1)/(g+1) = 0.99 % from every duration in it; so is any percentile read off the
 * counts.  Counts of two histograms add up to the histogram of both, and can be taken away again, which sketches such
 * as t-digest cannot do.
 *
 * Integers and a table, so that every machine finds the same class.  SQL's side is schema/read/20_analytics.sql.
 */
#ifndef VERBATIM_RULES_HISTOGRAM_H
#define VERBATIM_RULES_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_OCTAVE = 35, HISTOGRAM_CLASSES = 63 * HISTOGRAM_OCTAVE };

/* 0 to HISTOGRAM_CLASSES - 1. */
int histogram_class(int64_t micros);

#endif
