/*
 * watch - what must hold of a log and of its read models after every step.
 *
 * Of each batch, when it is stored: positions follow without a gap, recorded_at does not go back, no event stands
 * twice, leaves and root are those of its events.  Of each write of a worker: it comes with the log's own leaf, no
 * further than the log, and its rows are those of a second fold, straight through, with all rows in memory.  At the
 * end: nothing is left out.
 */
#ifndef VERBATIM_TEST_WATCH_H
#define VERBATIM_TEST_WATCH_H

#include "world.h"

struct watch {
	struct world *world;
	const struct group *group;
	const char *failure; /* the first thing that did not hold; NULL */
	char detail[256];
	struct watch_shard {
		int64_t seen, folded;
		int batches;
		int64_t recorded_at;
		struct merkle tree;
		struct state truth;
	} shards[WORLD_SHARDS + 1];
	struct map ids;      /* (tenant, event id) */
	struct map rows;     /* of the second fold: (projection, tenant, id) */
	struct arena arena;
	struct buffer scratch;
};

void watch_open(struct watch *v, struct world *w, const struct group *group);
void watch_close(struct watch *v);

/* The log is another than before: all of it is looked at anew. */
void watch_again(struct watch *v);

/* Other tables have taken the place of those that answered: none of their rows may be another than the fold's. */
void watch_switched(struct watch *v);

/* When everything has settled. */
void watch_end(struct watch *v);

void watch_failed(struct watch *v, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
