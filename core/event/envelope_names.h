/*
 * envelope_names - the envelope as a list of fields, for all who read it by name.
 */
#ifndef VERBATIM_EVENT_ENVELOPE_NAMES_H
#define VERBATIM_EVENT_ENVELOPE_NAMES_H

#include "event/catalog.h"

/* The numbers of envelope_names; those from ENVELOPE_BY_LOG on are set by the log and refused from outside. */
enum envelope_name {
	NAME_EVENT_ID,
	NAME_EVENT_TYPE,
	NAME_EVENT_VERSION,
	NAME_TENANT_ID,
	NAME_ENTITY_TYPE,
	NAME_ENTITY_ID,
	NAME_CONVERSATION_ID,
	NAME_CUSTOMER_ID,
	NAME_RESOLUTION_ID,
	NAME_ACTOR_TYPE,
	NAME_ACTOR_ID,
	NAME_ACTOR_IP,
	NAME_ACTOR_USER_AGENT,
	NAME_CORRELATION_ID,
	NAME_CAUSATION_ID,
	NAME_OCCURRED_AT,
	NAME_SILENT,
	NAME_PAYLOAD,
	ENVELOPE_BY_LOG,
	ENVELOPE_NAMES = ENVELOPE_BY_LOG + 6,
};

enum { EVENT_TYPE_CHARACTERS = 50, USER_AGENT_CHARACTERS = 1000 };

extern const struct field envelope_names[];

#endif
