/*
 * fake_rebuild - what a rebuild asks of the world (engine/rebuild_ops.h), on a world's models and its clock.
 *
 * A rebuild is a process of its own (struct rebuilder): fibers for its threads, sessions, and a machine that may be stopped.
 * Each call takes its time, in which everything else goes on, and then has its effect in one step.  Once in a life, at a call
 * chosen beforehand, something befalls it:
 *
 *   killed        before the call's effect, or after it: from there on nothing that it asks for happens; so it unwinds
 *   lost          a session dies, before the effect or after it; a transaction's with its effects
 *   lost, late    the session dies in its commit, which comes to pass some time later
 *   refused       the server says no (disk full)
 *   stopped       the machine stands still for longer than a rebuild counts as alive, and goes on
 */
#ifndef VERBATIM_TEST_FAKE_REBUILD_H
#define VERBATIM_TEST_FAKE_REBUILD_H

#include "engine/rebuild_ops.h"
#include "models.h"

enum rebuilder_fault { WELL, KILLED_BEFORE, KILLED_AFTER, LOST_BEFORE, LOST_AFTER, LOST_LATE, REFUSED, STOPPED, REBUILDER_FAULTS };

struct rebuilder {
	struct world *world;
	struct models *models;
	struct world_host host;
	struct pg_conn *sessions;
	bool dead;
	int64_t pace_us;            /* the most that a call takes, mostly */
	int calls;
	int fault_at;               /* by number of the call; 0: never */
	enum rebuilder_fault fault;
	bool struck;                /* it has come */
};

/* A new life.  Everything of the one before has ended. */
void rebuilder_begin(struct rebuilder *r, enum rebuilder_fault fault, int at);

/* Now: nothing that it asks for happens any more. */
void rebuilder_kill(struct rebuilder *r);

/* Of a fiber: it is this one's from now on, for sessions that it opens.  Sleeping gives others their turn. */
void rebuilder_enter(struct rebuilder *r);
void rebuilder_sleep(struct rebuilder *r, int64_t us);

extern const struct rebuild_ops rebuild_ops_fake;

#endif
