/*
 * warm - what is made once in a process, at its first use, made beside the wait for the database: for commands that are over
 * in the time of a few round trips.
 *
 * Nobody need wait for it: who needs a thing before it is there makes it, or waits for this thread to be done with it.
 */
#ifndef VERBATIM_CMD_WARM_H
#define VERBATIM_CMD_WARM_H

#include <pthread.h>
#include <stdbool.h>

struct warm {
	pthread_t thread;
	bool started;
	bool folds;      /* tables of the folds (fold/plan.h) */
	bool signatures; /* libcrypto's part in signatures of notes */
};

/* After catalog_init; `w` says what is wanted, and stays where it is until warm_end. */
void warm_begin(struct warm *w);
void warm_end(struct warm *w);

#endif
