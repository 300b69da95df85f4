/*
 * log_row - a row of event_log, read in binary, as an event: for what looks for some events, not for all (log_copy.h).
 */
#ifndef VERBATIM_STORE_LOG_ROW_H
#define VERBATIM_STORE_LOG_ROW_H

#include "base/arena.h"
#include "event/event.h"

struct pg_result;

#define LOG_ROW_COLUMNS                                                                                            \
	"shard, position, recorded_at, occurred_at, event_version, silent, event_id, tenant_id, entity_id,"        \
	" conversation_id, customer_id, resolution_id, actor_id, correlation_id, causation_id, event_type, entity_type," \
	" actor_type, leaf_hash, actor_ip, actor_user_agent, payload"

/* From LOG_ROW_COLUMNS; texts are copied into the arena.  What no event can be gets a leaf_hash of zeroes, which none has. */
void log_row_take(const struct pg_result *r, int row, struct arena *arena, struct event *e);

#endif
