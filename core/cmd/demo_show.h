/* demo_show - the second half of `verbatim demo`: what the read models and the log say afterwards, for a person. */
#ifndef VERBATIM_CMD_DEMO_SHOW_H
#define VERBATIM_CMD_DEMO_SHOW_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

/*
 * Prints to standard output: conversations by state, anomalies, the head of the agent queue, which promises are kept,
 * one conversation's timeline.  `tenants` is a PostgreSQL array literal of the tenants to look at.
 */
int demo_show(const char *conninfo, const char *tenants, struct error *error) must_check;

/* How the engine and its database are reached, and whether they still are when the command has ended. */
struct demo_place {
	const char *address;
	const char *conninfo;
	const char *data; /* NULL with --db */
	const char *key_file; /* of the engine's own user */
	bool stays;
};

/* The rest: how to connect and what to try, from the shell this was started in. */
void demo_show_next(const struct demo_place *place);

#endif
