/*
 * decision - what time has decided about a clock, as the event that the engine journals: sla.warning or sla.breached.
 *
 * Everything in it follows from the clock's row, so that whoever decides the same decides the same bytes: the event
 * occurred at the instant that was due, was caused by the event that set the clock going, and its id is a version 8
 * UUID of the SHA-256 of one line of text,
 *
 *     <tenant> <conversation or resolution> <clock> <cycle> <target version> <run> <threshold, or "breach"> <due_at>
 *
 * with uuids in lower case, the threshold as ECMAScript prints it and the time with six digits and Z.  (A clock that
 * stands still has no due_at; the breach that its row still owes the log stands for it.)
 */
#ifndef VERBATIM_ENGINE_DECISION_H
#define VERBATIM_ENGINE_DECISION_H

#include "store/store.h"

/* Whose clock it is: the resolution, or the conversation. */
static inline const struct uuid *decision_subject(const struct due_clock *d)
{
	return uuid_is_nil(&d->resolution_id) ? &d->conversation_id : &d->resolution_id;
}

struct uuid decision_id(const struct due_clock *d);

/* The event, without what the log gives; its payload stands in the arena. */
void decision_event(const struct due_clock *d, struct arena *arena, struct event *out);

#endif
