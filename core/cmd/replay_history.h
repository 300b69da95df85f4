/*
 * replay_history - rows as they came about: the registry's folds over a list of events, from nothing, in memory.
 *
 * What is not in memory is not there: rows exist because an event of the list made them.  So nothing is loaded, and a
 * row that a fold asks for in vain either never was, or the event that made it is missing from the list; `missed`
 * tells of each, and whoever gathers events goes by that.
 *
 *   events, rising positions --history_fold--> rows of all groups
 *                                  |
 *                                  +--> missed(key)        changed(event, row)
 *
 * Nothing can leave: there is no session, no store, no handle to anything outside (the folds have none either).
 */
#ifndef VERBATIM_CMD_REPLAY_HISTORY_H
#define VERBATIM_CMD_REPLAY_HISTORY_H

#include "fold/state.h"

struct history {
	struct state *states; /* by group */
	struct arena arena;   /* for one event */
	int64_t folded;
	void (*missed)(void *data, const struct row_key *key);                        /* or NULL */
	void (*changed)(void *data, const struct event *e, const struct row *row);   /* or NULL; once a row and event */
	void *data;
};

void history_init(struct history *h, struct zone_source zones);
void history_release(struct history *h);

/* The next event.  E_INTERNAL only on a bug; what does not fit is an anomaly, as ever. */
int history_fold(struct history *h, const struct event *e, struct error *error) must_check;

/* The row as it stands, or NULL; borrowed until the next event. */
const struct row *history_find(struct history *h, const struct projection *p, const struct uuid *tenant_id,
			       const struct uuid *id);

#endif
