/*
 * sla_talk - the folds of a conversation's clocks; see sla_talk.c.
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

/* As conversation_find, for `foresee`. */
struct conversation *wish_conversation(struct wish *w, const struct uuid *id);

/* The rows that they need. */
void sla_foresee_talk(struct wish *w, const struct event *e);

#endif
