/*
 * sla_answers - which messages count as answers to the customer; see sla_answers.c.
 */
#ifndef VERBATIM_PROJECTIONS_SLA_ANSWERS_H
#define VERBATIM_PROJECTIONS_SLA_ANSWERS_H

#include "projections/conversations.h"
#include "projections/messages.h"

/* What the event made of a message: it counts from message.answer_at on, or counts no more. */
enum answer_change { ANSWER_SAME, ANSWER_COUNTS, ANSWER_VOID };
enum answer_change answer_weigh(struct fold *f, struct message *m);

/* Whether weighing could change anything, as far as the row tells; for `foresee`. */
bool answer_may_change(const struct message *m, const struct event *e);

/* Whether it is one of those that the promise asks for. */
bool answer_counts(enum sla_responder by, const struct message *m);

/* The earliest that counts, not before `since`; NULL for none. */
struct message *answer_since(struct fold *f, const struct conversation *c, enum sla_responder by, int64_t since);

/* The messages that might be it. */
void wish_answers(struct wish *w, const struct conversation *c);

#endif
