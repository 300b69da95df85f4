/*
 * checker - compares the read models with a fresh fold of the log now and then, while the engine runs.
 *
 * A thread of its own that sleeps between two comparisons (rebuild.h, compare_only) and does one shard at a time, so that
 * it takes a processor at most.  It writes nothing; what it found stands in status and in the diary.
 */
#ifndef VERBATIM_ENGINE_CHECKER_H
#define VERBATIM_ENGINE_CHECKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { CHECKER_NAMES = 512 };

/* What the last one found. */
struct checker_view {
	int64_t at;            /* when it ended; TIME_NONE: none has */
	int64_t took_us;
	int64_t checks;        /* since the start */
	int64_t differences;   /* rows; -1: it failed, see error */
	char differing[CHECKER_NAMES]; /* "core.messages, core.users" */
	struct error error;
	bool running;
};

struct checker {
	const char *conninfo;  /* borrowed */
	int64_t every_ms;      /* 0: never; then there is no thread */
	int64_t memory;
	pthread_t thread;
	pthread_mutex_t lock;  /* of view */
	pthread_cond_t ended;
	_Atomic bool closing;
	struct checker_view view;
};

void checker_start(struct checker *c, const char *conninfo, int64_t every_ms, int64_t memory);

/* Ends the thread, and the comparison it may be at. */
void checker_stop(struct checker *c);

void checker_look(struct checker *c, struct checker_view *out);

#endif
