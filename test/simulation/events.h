/*
 * events - what the simulation's clients have to say: support as it comes, at random.
 */
#ifndef VERBATIM_TEST_EVENTS_H
#define VERBATIM_TEST_EVENTS_H

#include "world.h"

struct events_of {
	struct uuid tenant_id, conversation_id, customer_id;
};

/* `count` events as a JSON array, at the end of `json`; their ids, most of which tell their age, into `ids`. */
void events_make(struct world *w, const struct events_of *of, int count, struct uuid *ids, struct buffer *json);

#endif
