/*
 * sla_answers - which messages count as answers to the customer, from when on, and until they prove void.
 *
 * An answer is an outbound message of an agent or a model that no rule and no automatic reply has sent.  It counts
 * from the moment it left; when it failed it does not count any more, unless another attempt leaves or a report shows
 * that it arrived after all.
 *
 * A conversation keeps the ids of its first few answers and of the latest few, so that when one proves void the next
 * is found; between them, in a long talk with more failures than that, an answer may be overlooked.
 *
 *     first_human_response_at   the earliest answer of an agent
 *     first_ai_response_at      the earliest of a model
 */
#include "projections/sla_answers.h"

#include "projections/registry.h"

enum { ANSWERS_MAX = 8, ANSWERS_FIRST = 4 };

static bool is_answer(const struct message *m)
{
	return m->direction == DIRECTION_OUTBOUND && (m->sender_type == SENDER_AGENT || m->sender_type == SENDER_AI) &&
	       uuid_is_nil(&m->automation_rule_id) && m->auto_reply != 1;
}

bool answer_counts(enum sla_responder by, const struct message *m)
{
	struct sla_answer a = { .sender_type = m->sender_type, .is_public = true };

	return is_answer(m) && sla_answers(by, &a);
}

static bool has_left(int status)
{
	return status == MESSAGE_SENT || status == MESSAGE_DELIVERED || status == MESSAGE_READ;
}

bool answer_may_change(const struct message *m, const struct event *e)
{
	if (e->type->kind == EV_MESSAGE_FAILED)
		return m->answer_at != TIME_NONE;
	return m->answer_at == TIME_NONE && m->sent_at != TIME_NONE && is_answer(m);
}

/* ---- the list ---- */

static struct message *next_answer(struct fold *f, const struct conversation *c, size_t *at)
{
	struct bytes key, value;
	struct uuid id;

	while (json_next(c->answers, at, &key, &value)) {
		struct message *m = value.len == 38 && uuid_parse(value.data + 1, 36, &id) ? fold_find(f, &messages, &id) : NULL;

		if (m && m->answer_at != TIME_NONE)
			return m;
	}
	return NULL;
}

struct message *answer_since(struct fold *f, const struct conversation *c, enum sla_responder by, int64_t since)
{
	struct message *m, *first = NULL;
	size_t at = 0;

	while ((m = next_answer(f, c, &at)))
		if (m->answer_at >= since && answer_counts(by, m) && (!first || m->answer_at < first->answer_at))
			first = m;
	return first;
}

void wish_answers(struct wish *w, const struct conversation *c)
{
	struct bytes key, value;
	struct uuid id;
	size_t at = 0;

	while (json_next(c->answers, &at, &key, &value))
		if (value.len == 38 && uuid_parse(value.data + 1, 36, &id))
			wish_row(w, &messages, &id);
}

/* A full list loses the one after the first few. */
static void remember(struct fold *f, struct conversation *c, const struct uuid *id)
{
	struct bytes kept = BYTES("[]"), key, value;
	char text[UUID_TEXT];
	size_t at = 0;
	int count = 0;

	while (json_next(c->answers, &at, &key, &value))
		count++;
	at = 0;
	if (count >= ANSWERS_MAX) {
		for (int i = 0; json_next(c->answers, &at, &key, &value); i++)
			if (i != ANSWERS_FIRST)
				kept = fold_list_add(f, kept, value);
		c->answers = kept;
	}
	c->answers = fold_texts_add(f, c->answers, bytes_text(uuid_format(id, text)));
}

/* ---- weighing ---- */

static int64_t *first_of(struct conversation *c, const struct message *m)
{
	return m->sender_type == SENDER_AGENT ? &c->first_human_response_at : &c->first_ai_response_at;
}

static void count(struct fold *f, struct conversation *c, struct message *m, int64_t at)
{
	m->answer_at = at;
	remember(f, c, &m->row.id);
	*first_of(c, m) = time_earlier(*first_of(c, m), at);
	if (m->sender_type == SENDER_AI)
		c->last_ai_answer_at = time_later(c->last_ai_answer_at, at);
}

static void discount(struct fold *f, struct conversation *c, struct message *m)
{
	enum sla_responder by = m->sender_type == SENDER_AGENT ? SLA_BY_HUMAN : SLA_BY_AI;
	int64_t was = m->answer_at;
	const struct message *first;
	char text[UUID_TEXT];

	m->answer_at = TIME_NONE;
	c->answers = fold_texts_remove(f, c->answers, bytes_text(uuid_format(&m->row.id, text)));
	if (*first_of(c, m) != was)
		return;
	first = answer_since(f, c, by, TIME_MIN);
	*first_of(c, m) = first ? first->answer_at : TIME_NONE;
}

enum answer_change answer_weigh(struct fold *f, struct message *m)
{
	bool counted = m->answer_at != TIME_NONE;
	struct conversation *c;

	if (!is_answer(m) || (counted ? m->status != MESSAGE_FAILED : !has_left(m->status) || m->sent_at == TIME_NONE))
		return ANSWER_SAME;
	c = conversation_find(f, &m->conversation_id);
	if (!c)
		return ANSWER_SAME;
	fold_change(f, m);
	fold_change(f, c);
	if (counted)
		discount(f, c, m);
	else
		count(f, c, m, f->event->type->kind == EV_MESSAGE_SENT ? f->event->occurred_at : m->sent_at);
	return counted ? ANSWER_VOID : ANSWER_COUNTS;
}
