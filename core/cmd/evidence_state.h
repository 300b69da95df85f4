/*
 * evidence_state - the events that a bundle is about, and what they were folded into as they stood at its checkpoint:
 * state.ndjson.
 *
 * By the indexes and folds of `verbatim replay` over the log up to the checkpoint, so the same log, checkpoint and version
 * give the same bytes.
 */
#ifndef VERBATIM_CMD_EVIDENCE_STATE_H
#define VERBATIM_CMD_EVIDENCE_STATE_H

#include "cmd/replay_scope.h"
#include "engine/zones.h"
#include "event/checkpoint.h"
#include "store/db.h"

struct evidence_state {
	struct subject subject;
	struct zones *zones;
	struct scope scope; /* the conversation's events, and those that its rows came from besides */
	int64_t head_at;    /* when the newest event of the shard had been recorded, as they were looked for */
};

/* Before the session is opened: what takes its time goes on beside that.  evidence_state_release in any case. */
void evidence_state_begin(struct evidence_state *out);

/* Finds the events up to the checkpoint; `scope.count` may be 0.  The session then looks by indexes alone (log_find_on). */
int evidence_find(struct pg_conn *conn, const struct checkpoint *checkpoint, const struct uuid *tenant_id,
		  const struct uuid *conversation_id, struct evidence_state *s, struct error *error) must_check;
void evidence_state_release(struct evidence_state *s);

/* Whether an event of the scope is the conversation's own: only those go into the bundle. */
bool evidence_has(const struct evidence_state *s, const struct event *e);

/* Appends the rows of every read model that are about the conversation: an object of versions first, then one a row. */
int evidence_rows(struct evidence_state *s, const struct checkpoint *checkpoint, struct buffer *out, struct error *error) must_check;

#endif
