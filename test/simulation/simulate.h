/*
 * simulate - what the files of the simulation share: its clients and what they were told.
 *
 *   simulate.c   a history from beginning to end, its faults, the mutations
 *   clients.c    producers that repeat what was not answered and write down every answer
 *   checks.c     the history against the log, the rows against a fold of the log
 */
#ifndef VERBATIM_TEST_SIMULATE_H
#define VERBATIM_TEST_SIMULATE_H

#include "engine_sim.h"

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
	int cut_shard;          /* whose end is or was missing; -1: none */
	int diverged;           /* requests that were refused for it */
	int events_made;
	const char *failure;
	char detail[256];
	int crashes;
};

/* Notes the first thing that did not hold; the history ends with it. */
void simulation_failed(struct simulation *s, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* clients.c */
void client_next(void *data);                /* a struct client: its next request, when it waits for no answer */

/* checks.c: each notes what does not hold */
void check_log(struct simulation *s);
void check_clients(struct simulation *s);
void check_rows(struct simulation *s);
bool check_settled(const struct simulation *s); /* everything sent is answered, and the read models have caught up */

#endif
