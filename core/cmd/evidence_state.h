/* evidence_state - what a bundle's events were folded into, as they stood at its checkpoint: state.ndjson. */
#ifndef VERBATIM_CMD_EVIDENCE_STATE_H
#define VERBATIM_CMD_EVIDENCE_STATE_H

#include "base/bytes.h"
#include "base/error.h"
#include "event/checkpoint.h"

/*
 * Appends the rows of every read model that are about the conversation, by the folds of `verbatim replay` over the log up to
 * the checkpoint: an object of versions first, then one a row.  The same log, checkpoint and version give the same bytes.
 */
int evidence_state(const char *conninfo, const struct checkpoint *checkpoint, const struct uuid *tenant_id,
		   const struct uuid *conversation_id, struct buffer *out, struct error *error) must_check;

#endif
