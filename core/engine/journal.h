/*
 * journal - what the system tenant has to tell, as events of shard 0: by the engine (server.c), and by a command that
 * has no engine at hand.
 *
 * A command's way is an appender of its own on a small loop.  It is fenced like any engine's, so that running engines
 * are no obstacle: whoever comes second takes the head that the first one left.  The caller's thread waits; it may be
 * any thread, and several may journal at a time.
 *
 * The event_id is the caller's and makes it exactly-once: with an id that follows from what is told, or one kept from a
 * first try whose outcome was unknown, the event stands in the log once.  Best is version 7: it tells its age, so that it
 * is found however old it is.
 */
#ifndef VERBATIM_ENGINE_JOURNAL_H
#define VERBATIM_ENGINE_JOURNAL_H

#include "engine/request.h"

struct journal_entry {
	const char *type;           /* "audit.activity_recorded"; of any family, log.* too */
	struct uuid event_id;
	struct uuid entity_id;
	const char *actor_type;     /* one of values_actor_type; NULL: "system" */
	struct uuid actor_id;       /* nil: none */
	struct uuid correlation_id; /* nil: none */
	int64_t occurred_at;
	struct bytes payload;       /* a JSON object, checked against the catalog like any other's */
};

struct journal_options {
	const char *conninfo;       /* of the database; borrowed */
	const char *role;           /* what the session steps down to when its login is a member of it ("verbatim_engine"); NULL: stay the login */
	const char *name;           /* shows in pg_stat_activity */
	int wait_ms;                /* how long to go on trying; a statement under way then is given as long again to end */
};

struct journal_ack {
	struct uuid log_id;
	int32_t epoch;
	int64_t position;           /* in shard 0 */
	uint8_t leaf[LEAF_BYTES];   /* of the event there */
	bool duplicate;             /* it was in the log before */
};

/* Fills a request (whose `answer` is set) with one event of the system tenant.  E_INVALID as of envelope_decode. */
int journal_request(struct request *r, const struct journal_entry *entry, int64_t now, const struct request_limits *limits,
		    struct error *error) must_check;

/*
 * Appends the entry and waits until it is committed; `ack` may be NULL.  catalog_init must have run.  Errors: E_INVALID;
 * E_CONFLICT, the id stands in the log with other content; E_NO_ACCESS, the login may not append; E_UNSUITABLE, there is
 * no log; E_LOG_DIVERGED; E_CLOCK; E_TIMEOUT, not within wait_ms, with the reason, and whether it may be stored all the same.
 */
int journal_append(const struct journal_options *options, const struct journal_entry *entry, struct journal_ack *ack,
		   struct error *error) must_check;

#endif
