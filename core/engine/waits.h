/*
 * waits - wait() calls: read-your-writes.  Looked at whenever a worker has moved, and each second for time-outs.
 */
#ifndef VERBATIM_ENGINE_WAITS_H
#define VERBATIM_ENGINE_WAITS_H

#include "engine/ticket.h"
#include "engine/worker.h"

struct wait_call {
	struct wait_call *next;
	struct ticket ticket;
	int16_t shard;
	int64_t position;
	bool groups[GROUPS_MAX]; /* which must have come that far */
	int64_t deadline;        /* monotonic µs */
	int status;
	struct error error;
	int64_t reached;
};

struct waits {
	struct wait_call *first;
	struct worker *workers;
	int shards;              /* with shard 0 */
	void (*answer)(void *data, struct wait_call *c);
	void *data;
};

/* Takes the call; answers it at once when it can be, else later (then frees it). */
void waits_submit(struct waits *w, struct wait_call *c, int64_t now);
void waits_look(struct waits *w, int64_t now);
void waits_close(struct waits *w);

#endif
