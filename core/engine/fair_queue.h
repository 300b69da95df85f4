/*
 * fair_queue - requests wait by tenant, and tenants take turns by the events they bring.
 *
 *     returned -->+
 *     tenant A -->| first come, first served within each; between them the least start tag is first
 *     tenant B -->|
 *
 * Start-time fair queueing: a request's start tag is the later of the queue's clock and the finish of the one before it
 * of its tenant; its finish is that many events later; the clock is the start tag that was served last.  Whoever has
 * nothing waiting starts at the clock, before all that others have piled up; who sends much gets what is left, and
 * all of it when nobody else asks.  One tenant's requests stay in their order, which the log's order rests on.
 *
 * Requests that were taken and have to go again are returned, and are first, in their order.
 *
 * When nothing waits any more, the clock goes to the last finish: nobody owes anything.
 *
 * Requests are linked, not copied.  Tenants that have nothing waiting are remembered, so that a steady load allocates
 * nothing, until there are too many; then those go whose finish the clock has passed.
 *
 * Source: Goyal, Vin, Cheng: Start-time Fair Queueing (1996), section 2.
 */
#ifndef VERBATIM_ENGINE_FAIR_QUEUE_H
#define VERBATIM_ENGINE_FAIR_QUEUE_H

#include "base/map.h"
#include "engine/request.h"

struct fair_flow {
	struct uuid tenant_id;
	struct request_list requests;
	int64_t events; /* that wait */
	int64_t start;  /* of its first request */
	int64_t finish; /* of its last */
};

struct fair_queue {
	struct request_list returned;
	struct map flows;        /* tenant_id -> struct fair_flow, owned */
	size_t flows_most;       /* past it, those are looked for that can go */
	struct fair_flow **heap; /* those with requests, the least start first */
	int count, capacity;
	int64_t clock, last;     /* the start tag that was served last, and the greatest finish */
	int64_t events;          /* all that wait */
	size_t bytes;
};

void fair_queue_init(struct fair_queue *q);
void fair_queue_release(struct fair_queue *q); /* it must be empty */

/* True when its tenant had nothing waiting. */
bool fair_queue_add(struct fair_queue *q, struct request *r);

/* Whose turn it is, or NULL.  `backlog`: the events that its tenant has waiting, its own among them. */
struct request *fair_queue_first(const struct fair_queue *q, int64_t *backlog);

/* The same, taken out. */
struct request *fair_queue_take(struct fair_queue *q);

/* Those that were taken and have to go again; empties `list`. */
void fair_queue_return(struct fair_queue *q, struct request_list *list);

#endif
