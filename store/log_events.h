/*
 * log_events - single events out of the log with their canonical text, and the proofs that they stand there.
 *
 * The text is made of the row here, as function verbatim.canonical makes it for whoever looks with psql; what it hashes to is
 * compared with the row's leaf before anything is proved by it.  Blocking, on a session of db.h.
 */
#ifndef VERBATIM_STORE_LOG_EVENTS_H
#define VERBATIM_STORE_LOG_EVENTS_H

#include "base/arena.h"
#include "event/event.h"
#include "event/proof.h"
#include "store/log_tiles.h"

struct logged_event {
	struct uuid event_id, tenant_id;
	int16_t shard;
	int64_t position;
	struct bytes type;
	struct bytes text; /* canonical; its leaf is `leaf` */
	uint8_t leaf[LEAF_BYTES];
};

/* What is hashed of an event of the log, which must give its leaf: E_UNPROVEN.  Texts stand in `arena`, but for the type's. */
int log_event_take(const struct event *from, const struct uuid *log_id, struct arena *arena, struct logged_event *out,
		   struct error *error) must_check;

/*
 * By its id; `tenant_id` may be NULL as long as one tenant has it.  E_NOT_FOUND, E_USAGE when two have it; E_UNPROVEN when the
 * row is not what was hashed.  Texts stand in `arena`.
 */
int log_event_find(struct pg_conn *conn, const struct uuid *log_id, const struct uuid *event_id, const struct uuid *tenant_id,
		   struct arena *arena, struct logged_event *out, struct error *error) must_check;

/*
 * Whose conversation it is: its id means nothing outside its tenant, and the log's index begins with the tenant, so the read
 * model is asked.  E_NOT_FOUND; E_USAGE when two have it.
 */
int log_events_tenant(struct pg_conn *conn, const struct uuid *conversation_id, struct uuid *out, struct error *error) must_check;

/* How many events of a conversation stand behind `position`, of those recorded by then. */
int log_events_behind(struct pg_conn *conn, const struct uuid *tenant_id, const struct uuid *conversation_id, int64_t position,
		      int64_t recorded_by, int64_t *count, struct error *error) must_check;

/* The proof that leads from the event to the checkpoint, checked; E_NOT_FOUND when the checkpoint does not reach it. */
int log_event_prove(struct log_tiles *tiles, const struct checkpoint *c, const struct logged_event *e, struct proof *out,
		    struct error *error) must_check;

/* The proof that `to` extends `from`, checked. */
int log_prove_extends(struct pg_conn *conn, const struct checkpoint *from, const struct checkpoint *to, struct proof *out,
		      struct error *error) must_check;

#endif
