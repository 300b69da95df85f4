/*
 * simulate - what the files of the simulation share: its clients and what they were told.
 *
 *   simulate.c   a history from beginning to end, its faults, the mutations
 *   clients.c    producers that repeat what was not answered and write down every answer
 *   checks.c     the clients' history against the log
 *   watch.c      the log and the rows, after every step
 */
#ifndef VERBATIM_TEST_SIMULATE_H
#define VERBATIM_TEST_SIMULATE_H

#include "engine_sim.h"
#include "watch.h"

enum { ENGINES = 2, CLIENTS = 5, EVENTS_MOST = 5, STEPS_MOST = 200000, TENANTS = 3, CONVERSATIONS = 3 };

/* What a client has sent and what it was told. */
struct sent {
	char *lines;            /* the events as a JSON array */
	struct uuid ids[EVENTS_MOST];
	uint64_t hash[EVENTS_MOST];
	int count;
	int tenant;
	bool expect;
	int conversation;
	int64_t after;
	bool acked, refused, out;
	bool again;             /* it was acknowledged, lost with the log's end, and is sent once more */
	int64_t sent_at;
	int64_t positions[EVENTS_MOST]; /* as acknowledged; 0: not told */
	int64_t first, last;
	int attempts;
};

struct client {
	struct simulation *sim;
	int number;
	struct sent *sent;
	int count, capacity;
	int current;            /* waits for its answer; -1: none */
	int left;               /* new requests still to make */
	int engine;
	struct request *waiting; /* whose answer counts; a request that was given up may still be answered */
	struct request_pool pool;
};

struct simulation {
	struct world world;
	struct engine_sim engines[ENGINES];
	struct client clients[CLIENTS];
	struct uuid tenants[TENANTS];
	struct uuid conversations[CONVERSATIONS]; /* the same ids for every tenant, on purpose */
	struct uuid customer;
	int64_t known_position[TENANTS][CONVERSATIONS]; /* what clients have seen, for expect */
	bool ending;
	bool cut[WORLD_SHARDS + 1]; /* whose end is or was missing */
	/* Which life of an engine has seen what is gone from a shard, and may not take an event for it; 0: none. */
	int knows[ENGINES][WORLD_SHARDS + 1];
	int64_t diverged;       /* requests that were refused for it */
	int events_made;
	struct watch watch;     /* what did not hold: it ends the history */
	int crashes, sleeps, jumps;
};

/* clients.c */
void client_next(void *data);                /* a struct client: its next request, when it waits for no answer */
void client_leave(struct client *c);         /* gives up the connection it waits on */

/* checks.c */
void check_clients(struct simulation *s);       /* notes what does not hold */
bool check_settled(const struct simulation *s); /* everything sent is answered, and the read models have caught up */

#endif
