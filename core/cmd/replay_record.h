/*
 * replay_record - every look at the log, by replay, evidence or prove, is an event itself: audit.activity_recorded of the system tenant, which view
 * audit.access shows.
 *
 * It is journaled before anything is shown, and what is shown waits for it: so a look that fails halfway, or that
 * somebody breaks off, stands in the log like any other, and one that cannot be journaled does not take place.  The
 * journaling goes on beside the reading, in a thread of its own.
 */
#ifndef VERBATIM_CMD_REPLAY_RECORD_H
#define VERBATIM_CMD_REPLAY_RECORD_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/uuid.h"
#include "cmd/engine_address.h"

struct access {
	const char *action;         /* "replay", "evidence", "prove" */
	const char *resource_type;  /* "conversation", "log" */
	const char *resource_id;    /* or "" */
	const char *actor;          /* the login in the database */
	const char *purpose;        /* or "" */
	struct uuid tenant_id;      /* nil: of all */
	struct bytes scope;         /* a JSON object */
};

struct record;

/* E_NO_ACCESS when nobody takes the event: the login may not append (`appends`), and --to names no engine that does. */
int record_may(const struct engine_options *engine, bool appends, const char *login, struct error *error) must_check;

/*
 * Begins; everything is copied.  With --to that engine takes the event instead of the database.  The engine that runs on
 * --data is asked first, for it is quicker than a session of our own; if it does not take it, the database does, and once.
 */
struct record *record_start(const struct target *target, const struct engine_options *engine, const struct access *access);

/* Waits for the outcome, once, and frees; NULL is fine. */
int record_finish(struct record *r, struct error *error) must_check;

#endif
