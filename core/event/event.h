/*
 * event - one event, decoded: the envelope's names of DESIGN as C fields.
 *
 * An event borrows everything it points at (payload, texts) from one arena or buffer, the request's or the
 * batch's; the owner of that memory is the owner of the event.  An absent uuid is nil, an absent text has
 * data NULL, an absent time is TIME_NONE.
 */
#ifndef VERBATIM_EVENT_EVENT_H
#define VERBATIM_EVENT_EVENT_H

#include "base/bytes.h"
#include "base/time.h"
#include "base/uuid.h"
#include "event/catalog.h"

enum actor_type { ACTOR_USER, ACTOR_CUSTOMER, ACTOR_SYSTEM, ACTOR_AI, ACTOR_AUTOMATION, ACTOR_API };

/* By its name; ACTOR_SYSTEM for one that is none (which only a log that was tampered with holds). */
enum actor_type actor_type_find(struct bytes name);

enum { LEAF_BYTES = 32 };

struct event {
	struct uuid event_id;
	struct uuid tenant_id;
	struct uuid entity_id;
	struct uuid conversation_id;
	struct uuid customer_id;
	struct uuid resolution_id;
	struct uuid actor_id;
	struct uuid correlation_id;
	struct uuid causation_id;
	const struct event_type *type; /* NULL when this binary does not know it (only from the log) */
	struct bytes type_name;
	struct bytes entity_type;
	int32_t version;
	enum actor_type actor_type;
	bool silent;
	struct bytes actor_ip; /* as PostgreSQL prints an inet: no /32 on an IPv4, no /128 on an IPv6 host */
	struct bytes actor_user_agent;
	int64_t occurred_at;
	struct bytes payload; /* canonical JSON text (RFC 8785) */

	/* Given by the log. */
	int16_t shard;
	int64_t position;
	int64_t recorded_at;
	uint8_t leaf_hash[LEAF_BYTES];
};

/* The system tenant, whose events stand in shard 0: 00000000-0000-8000-8000-000000000000. */
extern const struct uuid system_tenant;

/* 0 for the system tenant, else 1 + XXH3_64(tenant_id bytes) mod shards. */
int event_shard(const struct uuid *tenant_id, int shards);

#endif
