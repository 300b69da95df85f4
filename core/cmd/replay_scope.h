/*
 * replay_scope - which events a subject's rows came from.
 *
 *   events that name the subject --fold--> rows asked for in vain --> events of those entities --fold--> ... none
 *
 * A conversation's folds look at its customer, its team, the tenant's settings and policies, its resolution, the
 * conversations it was merged with: rows that events outside of the conversation made.  Folding what is known names
 * them, the log's indexes lead to their events, and when a round asks for nothing new, all that matters is there.  A
 * round is one round trip.
 *
 * Some subjects have no index that is enough: an agent's row counts conversations that name the agent in their
 * payloads only.  Of those all of the tenant's events are read.
 *
 * What is not looked for: the row of a message that an event of another conversation names (`unfound` counts them).
 */
#ifndef VERBATIM_CMD_REPLAY_SCOPE_H
#define VERBATIM_CMD_REPLAY_SCOPE_H

#include "rules/zone.h"
#include "store/log_find.h"

enum subject_kind { SUBJECT_CONVERSATION, SUBJECT_CUSTOMER, SUBJECT_RESOLUTION, SUBJECT_AGENT, SUBJECT_CORRELATION,
		    SUBJECT_ENTITY };

struct subject {
	enum subject_kind kind;
	struct uuid tenant_id;
	struct uuid id;
};

struct scope {
	struct arena arena;
	struct event **events; /* rising positions, each once */
	int count;
	int rounds;            /* round trips */
	int unfound;
};

/* "conversation", "customer", ... */
const char *subject_name(enum subject_kind kind);

/*
 * Everything up to the limits that the subject's rows and its timeline need.  A SUBJECT_ENTITY that proves to be a
 * conversation, customer, resolution or user becomes that kind.  E_NOT_FOUND: no event names it; E_TOO_LARGE.
 */
int scope_gather(struct scope *s, struct log_find *log, struct subject *subject, const struct find_limits *limits,
		 struct zone_source zones, struct error *error) must_check;
void scope_release(struct scope *s);

/* Whether the event is the subject's own: names it in the envelope, or (other than a conversation's) in the payload. */
bool subject_has_event(const struct subject *subject, const struct event *e);

/* Whether the row is of the subject, by its id or by a column that names it. */
struct row;
bool subject_has_row(const struct subject *subject, const struct row *row);

#endif
