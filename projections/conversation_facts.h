/*
 * conversation_facts - what a conversation is counted by, for the other folds of analytics.
 */
#ifndef VERBATIM_PROJECTIONS_CONVERSATION_FACTS_H
#define VERBATIM_PROJECTIONS_CONVERSATION_FACTS_H

#include "projections/rollups.h"

/* The values that hold now, and the zone of its days; NULL when there is no such conversation. */
const struct rollup_values *facts_values(struct fold *f, const struct uuid *conversation_id, struct bytes *time_zone);

/* Puts in the agent and team who gave the answer, or resolved the conversation, at that instant, if they are known. */
void facts_answered_by(struct fold *f, const struct uuid *conversation_id, int64_t at, struct rollup_values *values);

#endif
