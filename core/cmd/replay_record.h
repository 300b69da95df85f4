/*
 * replay_record - every look at the log is an event itself: audit.activity_recorded of the system tenant, which view
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

struct access {
	const char *action;         /* "replay" */
	const char *resource_type;  /* "conversation", "log" */
	const char *resource_id;    /* or "" */
	const char *actor;          /* the login in the database */
	const char *purpose;        /* or "" */
	struct uuid tenant_id;      /* nil: of all */
	struct bytes scope;         /* a JSON object */
};

struct record;

/* Begins; everything is copied.  `to` (may be NULL) is an engine's address that takes the event instead of the database. */
struct record *record_start(const char *conninfo, const char *to, const char *token, const struct access *access);

/* Waits for the outcome, once, and frees. */
int record_finish(struct record *r, struct error *error) must_check;

#endif
