/*
 * env - the time and the timers that the engine's parts see: libuv's in life, a virtual clock in simulation.
 */
#ifndef VERBATIM_ENGINE_ENV_H
#define VERBATIM_ENGINE_ENV_H

#include <stdint.h>

struct env;

/* Long-lived; belongs to one owner.  Zero-initialise, then env_timer_open. */
struct env_timer {
	void (*fire)(struct env_timer *t);
	void *data;
	void *impl; /* the env's */
};

struct env {
	int64_t (*wall)(struct env *e);      /* microseconds since 1970 */
	int64_t (*monotonic)(struct env *e); /* microseconds */
	void (*timer_open)(struct env *e, struct env_timer *t);
	void (*timer_start)(struct env *e, struct env_timer *t, int64_t ms); /* once; again replaces */
	void (*timer_stop)(struct env *e, struct env_timer *t);
	void (*timer_close)(struct env *e, struct env_timer *t); /* stops and gives its memory back */
};

#endif
