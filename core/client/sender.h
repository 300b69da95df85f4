/*
 * sender - brings events to an engine: grouped by tenant, each tenant's order kept, many requests under way, and
 * everything sent again that may not have arrived.
 *
 *   event --> lane of its tenant --> open request --full--> WAITING --> SENT --ack--> gone
 *                                                              ^          |
 *                                                              +-- retry, lost connection, one event refused
 *
 * Order.  The engine applies the requests that one connection brings for one tenant in the order they come, so a
 * lane may have several on the way.  After any trouble (a request refused for now, an event refused for good, a lost
 * connection) the lane sends the earliest unanswered request first and one at a time, until a while has passed
 * without trouble.  What could be refused for its content is looked for here, before it is sent, with the
 * same checks as at the engine's door.
 *
 * Once only.  Whatever has no answer is sent again under its event_ids; the log recognises what it has.
 *
 * Bounds: `memory` bytes of events are held; past it `sender_add` sends before it takes more.
 */
#ifndef VERBATIM_CLIENT_SENDER_H
#define VERBATIM_CLIENT_SENDER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/uuid.h"

struct client_tls_options;

struct sender_options {
	const char *addresses; /* as client_options */
	const char *key;       /* likewise */
	const struct client_tls_options *tls; /* copied; NULL: as the addresses say */
	const char *name;
	int batch;             /* most events a request */
	int outstanding;       /* most requests under way */
	int64_t give_up_ms;    /* how long to go on without any success */
	size_t memory;         /* 0: 16 MiB */
	const volatile sig_atomic_t *stop; /* set by a signal's handler; may be NULL */
	/* An event that will not be stored: its line, its id (nil: unknown), why.  May be NULL. */
	void (*refused)(void *data, int64_t line, const struct uuid *event_id, const struct error *why);
	/* Something a person may want to know: waiting, reconnected.  "" when it is over.  May be NULL. */
	void (*notice)(void *data, const char *text);
	void *data;
};

struct sender_counts {
	int64_t added;
	int64_t stored;
	int64_t duplicates; /* stood in the log already, word for word ... */
	int64_t doubtful;   /* ... of them: sent before the connection was lost, perhaps stored by ourselves */
	int64_t refused;
	int64_t requests;   /* answered with success */
	int64_t repeated;   /* sent again */
	int64_t reconnects;
	int shards;         /* touched */
};

struct sender;

struct sender *sender_new(const struct sender_options *options);
void sender_free(struct sender *s);

/* Connects, trying until `give_up_ms`.  E_UNAVAILABLE, E_UNAUTHORIZED, E_INTERRUPTED, ... */
int sender_open(struct sender *s, struct error *error) must_check;

/*
 * Takes one event (a MessagePack map, as envelope_from_json gives it, copied).  May send, and wait.  Returns 0 also when the
 * event is refused here; an error is the end of the whole: E_UNAVAILABLE, E_INTERRUPTED, E_LOG_DIVERGED, ...
 */
int sender_add(struct sender *s, int64_t line, const struct uuid *tenant_id, const struct uuid *event_id, struct bytes event,
	       struct error *error) must_check;

/* Counts and reports a line that is no event at all. */
void sender_refuse(struct sender *s, int64_t line, const struct uuid *event_id, const struct error *why);

/* Sends what can be sent and takes the answers that come in `timeout_ms`; with `all`, half-full requests too. */
int sender_pump(struct sender *s, int timeout_ms, bool all, struct error *error) must_check;

/* Until everything is answered.  After `stop`: only what is under way, for a moment, and E_INTERRUPTED. */
int sender_finish(struct sender *s, struct error *error) must_check;

/* Until all read models show what was acknowledged. E_TIMEOUT, E_WORKER_STOPPED, ... */
int sender_wait(struct sender *s, int64_t timeout_ms, struct error *error) must_check;

bool sender_is_idle(const struct sender *s);
const struct sender_counts *sender_get_counts(const struct sender *s);

#endif
