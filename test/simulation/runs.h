/*
 * runs - many histories, one for each seed, over as many processes as there are processors; kept seeds; mutations.
 *
 *     PROGRAM [--seeds N] [--from SEED] [--jobs N] [--mutation NAME] [--verbose]
 *
 * First come the seeds of test/simulation/seeds: each failed once, and is run for ever.  Then N from SEED; one that
 * fails prints the line that repeats it.  Then each mutation, a mistake built in on purpose: it must be caught within
 * so many histories, or the checks prove nothing; and some must not be caught, because nothing may hang on what they
 * take away.
 */
#ifndef VERBATIM_TEST_RUNS_H
#define VERBATIM_TEST_RUNS_H

#include <stdbool.h>
#include <stdint.h>

enum { TALLIES = 9 };

/* What histories add up; each program says what. */
struct run_sums {
	int64_t n[TALLIES];
};

struct mutation {
	const char *name;
	int store;          /* enum world_mutation: of the store; 0: none */
	const char *engine; /* fault_on() of the engine; NULL: none */
	bool leases_for_all;
	int within;         /* histories in which it must be caught; 0: it must never be */
	const char *about;
};

struct run {
	uint64_t seed;
	const struct mutation *mutation; /* NULL: none */
	bool verbose;
	struct run_sums *tally;
};

struct program {
	const char *name;                     /* in the file of seeds */
	int seeds;                            /* when nothing is said */
	bool (*history)(const struct run *r); /* false when something did not hold */
	const char *promise;
	void (*tallied)(const struct run_sums *sum, int seeds); /* further lines; may be NULL */
	const struct mutation *mutations;
	int mutation_count;
};

/* A line of the test's output. */
void runs_ok(bool pass, const char *format, ...) __attribute__((format(printf, 2, 3)));

int runs_main(int argc, char **argv, const struct program *p);

#endif
