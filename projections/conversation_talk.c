/*
 * conversation_talk - what messages, notes and models do to a conversation.
 *
 * The messages' fold ran before: facts.message is the row, message_added tells that it is new, message_sent
 * that it left for the customer now for the first time.
 *
 *   message_count, last_message_at       every new message, of any direction
 *   last_customer_message_at             a customer's, inbound
 *   last_agent_message_at                an agent's, public, when it was sent
 *
 * The instants are those of the events (occurred_at) and never go back, so a late event does no harm.  Which messages
 * are first responses is sla_answers.c's to say, since a message that failed is none.
 *
 * Classification.  An annotation of a message sets intent, severity and sentiment of the conversation that the
 * message belongs to, unless a person has classified it: what people say is not overruled by a model.  Correcting
 * an annotation's intent, severity or sentiment is classifying.  The conversation is the one that the event's
 * envelope names.
 */
#include "projections/ai_annotations.h"
#include "projections/conversations.h"
#include "projections/messages.h"
#include "projections/registry.h"

static struct message *message_of(struct fold *f)
{
	return (struct message *)(void *)f->facts.message;
}

/* The conversation the message belongs to (after merges), about to be changed; NULL and an anomaly when there is none. */
static struct conversation *talk_of(struct fold *f, const struct message *m)
{
	struct conversation *c = conversation_find(f, &m->conversation_id);

	if (c)
		fold_change(f, c);
	else
		fold_anomaly(f, "unknown_conversation", "no such conversation; the message is kept");
	return c;
}

static void count(struct fold *f, struct conversation *c, const struct message *m)
{
	c->message_count++;
	c->last_message_at = time_later(c->last_message_at, f->event->occurred_at);
	if (m->sender_type == SENDER_CUSTOMER && m->direction == DIRECTION_INBOUND)
		c->last_customer_message_at = time_later(c->last_customer_message_at, f->event->occurred_at);
	if (c->substate == SUBSTATE_INITIALIZED)
		conversation_set_substate(c, SUBSTATE_NONE);
	if (message_is_public(m))
		conversation_use_channel(f, c, bytes_text(values_channel[m->channel]));
}

int conversation_on_received(struct fold *f, const struct event *e)
{
	const struct message *m = message_of(f);
	struct conversation *c;

	if (!m || !f->facts.message_added)
		return 0;
	c = talk_of(f, m);
	if (!c)
		return 0;
	/* The state first: rule R asks what stood before this message. */
	conversation_step(f, c, m->sender_type == SENDER_CUSTOMER && message_is_public(m) ? INPUT_CUSTOMER_MESSAGE :
											    INPUT_OTHER_MESSAGE,
			  "message.received", true);
	count(f, c, m);
	return 0;
}

int conversation_on_queued(struct fold *f, const struct event *e)
{
	const struct message *m = message_of(f);
	struct conversation *c = m && f->facts.message_added ? talk_of(f, m) : NULL;

	if (c)
		count(f, c, m);
	return 0;
}

int conversation_on_sent(struct fold *f, const struct event *e)
{
	const struct message *m = message_of(f);
	enum conversation_input input = INPUT_OTHER_MESSAGE;
	struct conversation *c;

	if (!m || !(f->facts.message_added || f->facts.message_sent))
		return 0;
	c = talk_of(f, m);
	if (!c)
		return 0;
	if (f->facts.message_added)
		count(f, c, m);
	if (message_is_public(m) && m->sender_type == SENDER_AGENT) {
		input = INPUT_AGENT_MESSAGE;
		c->last_agent_message_at = time_later(c->last_agent_message_at, e->occurred_at);
		if (c->substate == SUBSTATE_TRANSFERRED)
			conversation_set_substate(c, SUBSTATE_NONE);
	} else if (message_is_public(m) && m->sender_type == SENDER_AI) {
		input = INPUT_AI_MESSAGE;
	}
	conversation_step(f, c, input, "message.sent", true);
	return 0;
}

/* The notes' fold has found out which conversation has a note more or less. */
int conversation_on_note(struct fold *f, const struct event *e)
{
	struct conversation *c = f->facts.notes_added ? fold_self(f, &f->facts.note_conversation) : NULL;

	if (!c)
		return 0;
	fold_change(f, c);
	c->internal_note_count += f->facts.notes_added;
	return 0;
}

int conversation_on_annotated(struct fold *f, const struct event *e)
{
	const struct message *m = message_of(f);
	struct conversation *c = conversation_find(f, &e->conversation_id);

	if (!m || !c || !uuid_equal(&m->conversation_id, &c->row.id) || c->classified_by == CLASSIFIED_BY_USER)
		return 0;
	fold_change(f, c);
	c->intent = fold_keep(f, field_text(&f->fields, "intent"));
	c->severity = (int16_t)field_enum(&f->fields, "severity");
	c->sentiment = (int16_t)field_enum(&f->fields, "sentiment");
	c->confidence = field_decimal(&f->fields, "intent_confidence", INT_NONE);
	c->classified_by = CLASSIFIED_BY_AI;
	return 0;
}

/* What a person put right holds for the conversation too, and no model overrules it after that. */
int conversation_on_corrected(struct fold *f, const struct event *e)
{
	const struct annotation *a = (const struct annotation *)(const void *)f->facts.annotation;
	struct bytes changes = field_raw(&f->fields, "changes");
	struct conversation *c = conversation_find(f, &e->conversation_id);
	const struct message *m = message_of(f);
	bool by_user = e->actor_type == ACTOR_USER;

	if (!a || !m || !c || !uuid_equal(&m->conversation_id, &c->row.id) || (!by_user && c->classified_by == CLASSIFIED_BY_USER))
		return 0;
	if (!json_member(changes, "intent").data && !json_member(changes, "severity").data && !json_member(changes, "sentiment").data)
		return 0;
	fold_change(f, c);
	if (json_member(changes, "intent").data)
		c->intent = fold_keep(f, a->intent);
	if (json_member(changes, "severity").data)
		c->severity = a->severity;
	if (json_member(changes, "sentiment").data)
		c->sentiment = a->sentiment;
	if (by_user)
		c->classified_by = CLASSIFIED_BY_USER;
	return 0;
}

/* The messages' fold has moved the rows; the counts follow.  The instants of both stay: they tell of what happened here. */
int conversation_on_split(struct fold *f, const struct event *e)
{
	struct uuid into_id = field_uuid(&f->fields, "into_id");
	struct conversation *c = fold_self(f, &e->entity_id), *into = fold_self(f, &into_id);

	if (!c || !into)
		return fold_anomaly(f, "unknown_conversation", "no such conversation; nothing was moved");
	if (c == into)
		return fold_anomaly(f, "split_cycle", "a conversation cannot be split into itself");
	fold_change(f, c);
	fold_change(f, into);
	c->message_count -= f->facts.messages_moved;
	into->message_count += f->facts.messages_moved;
	into->split_from_id = e->entity_id;
	if (f->facts.messages_moved && into->substate == SUBSTATE_INITIALIZED)
		conversation_set_substate(into, SUBSTATE_NONE);
	return 0;
}
