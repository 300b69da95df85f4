/*
 * ticket - a call under way, seen from whoever waits for its answer.
 *
 * A session holds the tickets of its calls in one list.  When it goes, tickets_abandon cuts them loose (owner NULL),
 * and the calls finish without an answer; an answered call takes its ticket off the list first.
 */
#ifndef VERBATIM_ENGINE_TICKET_H
#define VERBATIM_ENGINE_TICKET_H

#include <stddef.h>
#include <stdint.h>

struct ticket {
	void *owner; /* the session, or whoever sent the call; NULL when it has gone */
	uint32_t msgid;
	struct ticket *next, **link; /* the owner's list; link is NULL when it keeps none */
};

static inline void ticket_open(struct ticket *t, void *owner, uint32_t msgid, struct ticket **list)
{
	t->owner = owner;
	t->msgid = msgid;
	t->next = *list;
	t->link = list;
	if (t->next)
		t->next->link = &t->next;
	*list = t;
}

static inline void ticket_close(struct ticket *t)
{
	if (t->next)
		t->next->link = t->link;
	*t->link = t->next;
}

static inline void tickets_abandon(struct ticket **list)
{
	while (*list) {
		struct ticket *t = *list;

		*list = t->next;
		t->owner = NULL;
	}
}

#endif
