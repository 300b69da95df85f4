/*
 * fake - what the files of the fake store share.
 *
 *   fake_store.c   sessions: when a call arrives, what becomes of it and of its answer
 *   fake_log.c     the log's statements, and what happens to a log by hand
 *   fake_rows.c    the read models' statements, and leases
 *
 * Of rebuilds (only rebuilds.c has them):
 *
 *   models*.c        generations, shadows, who rebuilds: what the database keeps
 *   fake_rebuild.c   a rebuild's calls, and what befalls it
 *   fiber.c          its threads
 */
#ifndef VERBATIM_TEST_FAKE_H
#define VERBATIM_TEST_FAKE_H

#include "world.h"

/* A batch whose session is gone and whose backend lives on. */
struct world_late {
	struct world *world;
	struct store_append call;    /* deep copy of what matters */
	struct arena arena;
};

/* A whole statement: the batch, and what goes along. */
void log_append(struct world *w, struct store_append *first);
void log_go_late(struct world *w, const struct store_append *c); /* keeps the batch for its orphaned backend */
void log_head(struct world *w, struct store_head *c);
void log_tree(struct world *w, struct store_tree *c);
void log_read(struct world *w, struct store_read *c);
void log_maintain(struct world *w, struct store_maintain *c);

/* Whether the log bears out what the read models have seen of the shard. */
bool log_bears_out(const struct world_shard *s);

void rows_checkpoint(struct world *w, struct store_checkpoint *c);
int rows_project(struct world *w, struct store_project *c);
int rows_load(struct world *w, int32_t generation, struct store_load *c); /* of that which the session's last checkpoint was of */
int rows_due(struct world *w, struct store_due *c);
int rows_names(struct world *w, struct store_names *c);
bool rows_held(const struct world *w);  /* workers wait */
void rows_lease(struct world *w, struct store_lease *c);

#endif
