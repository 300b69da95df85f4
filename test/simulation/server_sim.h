/*
 * server_sim - what stands before an engine's parts in life, in a simulation: sessions, reader, waits and keys of the real
 * code, on the network and the keys of the world.
 *
 * Answers are written at the end of a turn, as on a loop: server_sim_turn after each step of the world.
 */
#ifndef VERBATIM_TEST_SERVER_SIM_H
#define VERBATIM_TEST_SERVER_SIM_H

#include "engine/session.h"
#include "fake_keys.h"
#include "network.h"

struct server_sim {
	struct engine_sim *sim;
	struct network *network;
	struct fake_keys *keys;
	struct server_options options;
	struct engine *engine;  /* of this life; NULL: it is down */
	bool flush_due;
	int64_t most_inflight, most_partial, most_out; /* seen, of all lives */
	bool paused, short_of_room; /* when it was last looked at */
	int64_t pauses, shortages;  /* how often no socket was read; how often room for answers was short */
};

/* Before engine_sim_init; `memory` is --memory. */
void server_sim_init(struct server_sim *s, struct engine_sim *sim, struct network *n, struct fake_keys *k, int64_t memory);

/* Takes a peer's connection. */
void server_sim_connect(struct server_sim *s, struct peer *p);

void server_sim_turn(struct server_sim *s);

/* What must hold between any two steps: the first thing that does not, or NULL. */
const char *server_sim_wrong(struct server_sim *s);

/* When everybody has gone and all is answered. */
const char *server_sim_not_idle(const struct server_sim *s);

#endif
