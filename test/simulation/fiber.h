/*
 * fiber - code that blocks, in a world where nothing may: a stack of its own, left and come back to in the world's queue.
 *
 * One runs at a time, and only fiber_sleep lets others run: so what happens is the seed's alone.  Threads that hand over to
 * one another would do as well, and cost a wake-up of a processor for each call.
 */
#ifndef VERBATIM_TEST_FIBER_H
#define VERBATIM_TEST_FIBER_H

#include "world.h"

/* Begins at the world's next step; it runs nowhere while the host sleeps.  Gone when `run` returns. */
void fiber_start(struct world *w, const struct world_host *host, void (*run)(void *data), void *data);

/* Of a fiber: the world goes on for so long. */
void fiber_sleep(int64_t us);

#endif
