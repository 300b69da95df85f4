/*
 * sla_talk - the folds of a conversation's clocks (sla_talk.c), and what they need to be loaded (sla_foresee.c).
 */
#ifndef VERBATIM_PROJECTIONS_SLA_TALK_H
#define VERBATIM_PROJECTIONS_SLA_TALK_H

#include "projections/conversations.h"
#include "projections/sla_clocks.h"

int sla_on_conversation(struct fold *f, const struct event *e);
int sla_on_context(struct fold *f, const struct event *e);
int sla_on_message(struct fold *f, const struct event *e);
int sla_on_told(struct fold *f, const struct event *e);
int sla_on_reapply(struct fold *f, const struct event *e);

/* The id of a clock's row; reckoned once, since that costs as much as finding some rows.  `cycle` is not 0. */
const struct uuid *talk_clock_id(struct conversation *c, enum sla_kind kind, int64_t cycle);

/* The customer has had an answer of the kind that the promise asks for; of people when nothing was promised. */
bool talk_is_answered(const struct conversation *c);

/* Whether an answer of `at` is told after one that was later. */
bool talk_is_late(const struct conversation *c, int64_t at);

/* As conversation_find, for `foresee`. */
struct conversation *wish_conversation(struct wish *w, const struct uuid *id);

/* The rows that they need. */
void sla_foresee_talk(struct wish *w, const struct event *e);

#endif
