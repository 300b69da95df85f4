/*
 * doctor - what is wrong, or soon will be, with a database that holds a log: one row of a table a check.
 *
 * Blocking, on a session of db.h's, and needs no more rights than an auditor's; what a login may not see is told as
 * such.  Nothing is changed.  Who sits idle in a transaction for a minute is named; the setting verbatim.idle_patience is
 * another time (ALTER ROLE ... SET).
 */
#ifndef VERBATIM_STORE_DOCTOR_H
#define VERBATIM_STORE_DOCTOR_H

#include "base/error.h"

struct pg_conn;

enum doctor_verdict {
	DOCTOR_WELL,
	DOCTOR_NOTE,    /* worth knowing */
	DOCTOR_WARNING, /* will hurt */
	DOCTOR_FAULT,   /* a promise does not hold, or does not hold for long */
	DOCTOR_UNKNOWN, /* could not be looked at */
};

const char *doctor_verdict_name(enum doctor_verdict v);

struct doctor_finding {
	const char *check;   /* "append_only_triggers" */
	const char *about;   /* what was looked at, in words */
	enum doctor_verdict verdict;
	const char *found;   /* one thing that is not well, "" when all is; borrowed for the call */
	const char *remedy;  /* what to do about it, "" when nothing is to be done */
};

typedef void (*doctor_tell_fn)(void *data, const struct doctor_finding *finding);

/*
 * Tells each check's findings, in the table's order: one WELL, or one a thing that is not well (at most
 * DOCTOR_FINDINGS_MOST a check, the last of which says how many more).  E_UNAVAILABLE when the session breaks.
 */
enum { DOCTOR_FINDINGS_MOST = 10 };
int doctor_examine(struct pg_conn *conn, doctor_tell_fn tell, void *data, struct error *error) must_check;

#endif
