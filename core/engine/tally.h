/*
 * tally - happenings that anybody could cause as often as he likes, counted until they are journaled: the first of a kind at
 * once, then at most one event a minute with how many there were.
 *
 *     add --new--> counted --due--> told (sent) --ok--> waits a minute --counted again--> told ...
 *                     ^                 |                    +--nothing--> forgotten
 *                     +---- failed -----+
 *
 * TALLY_MOST kinds at a time.  When they are used up, what comes is counted under its action alone, so that nobody fills
 * the log or the memory by coming from many addresses.
 */
#ifndef VERBATIM_ENGINE_TALLY_H
#define VERBATIM_ENGINE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

enum { TALLY_MOST = 128, TALLY_ACTIONS = 8, TALLY_EVERY_MS = 60000 };

struct tally_kind {
	const char *action;    /* of static life: "login.refused" */
	const char *resource_type; /* likewise */
	char resource_id[64];
	char actor[160];
	const char *reason;    /* of static life */
	struct uuid tenant_id; /* nil: none */
};

struct tally_entry {
	struct tally_kind kind;
	bool used;
	int64_t count, sent;      /* not told yet; told, not yet known whether it came in */
	int64_t first_at, last_at; /* of `count`, by the wall clock */
	int64_t sent_first, sent_last;
	int64_t due;              /* monotonic */
};

struct tally {
	struct tally_entry list[TALLY_MOST + TALLY_ACTIONS]; /* the last ones are of actions alone */
};

void tally_add(struct tally *t, const struct tally_kind *kind, int64_t wall, int64_t now);

/* One that is to be told now, or NULL; its `sent` is how many.  tally_told must follow, at any time. */
struct tally_entry *tally_next(struct tally *t, int64_t now);
void tally_told(struct tally_entry *e, bool well);

#endif
