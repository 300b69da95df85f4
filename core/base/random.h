/*
 * random - two kinds that must not be mixed up: seeded numbers for generators, tests and back-off jitter
 * (xoshiro256**, D. Blackman and S. Vigna, public domain algorithm), and the system's for identities.
 */
#ifndef VERBATIM_BASE_RANDOM_H
#define VERBATIM_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t s[4];
};

void random_seed(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);

/* In [0, bound), without bias worth naming; bound > 0. */
uint64_t random_below(struct random *r, uint64_t bound);

void random_fill(struct random *r, void *out, size_t len);

/* From the operating system; ends the process when it gives none. */
void random_system(void *out, size_t len);

#endif
