/*
 * naming - whom an sla_policy.reapply of `all` concerns, gathered part by part, and the event that names them.
 *
 *   begin --> store's names, added until the part is full or the clocks are at an end --> event --> done, begin, ...
 *
 * Kept in memory is how far the tenant's clocks have been gone through; lost with the engine, the next one begins at the
 * first, and finds only those that no part has named: the fold of a part has moved them to the newest version.  When
 * nobody is found the event names nobody, and the fold ends the ask (projections/sla_reapplications.c).
 */
#ifndef VERBATIM_ENGINE_NAMING_H
#define VERBATIM_ENGINE_NAMING_H

#include "store/store.h"

struct naming {
	struct due_ask ask;
	struct uuid from_conversation, from_clock; /* where this part begins */
	struct uuid conversation, clock;           /* where it ends so far */
	struct due_name *names;
	int count, most;
	bool complete;
};

void naming_init(struct naming *n, int most);
void naming_release(struct naming *n);

/* The next part of this ask, or more of the same part; another ask than the one before is gone through from its beginning. */
void naming_begin(struct naming *n, const struct due_ask *ask);

/* The question for more, and what it found; once for each name. */
void naming_ask(const struct naming *n, struct store_names *out, int rows);
void naming_add(struct naming *n, const struct store_names *found);
bool naming_is_full(const struct naming *n);

/* The event, without what the log gives; its payload stands in the arena. */
void naming_event(const struct naming *n, struct arena *arena, struct event *out);

/* It is in the log: the next part goes on from here. */
void naming_done(struct naming *n);

#endif
