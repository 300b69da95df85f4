/*
 * sla_talk - what the events of a conversation mean to its clocks.
 *
 *     first_response   from conversation.created, or from the hand-over when a machine talks first and people are
 *                      promised, to the first answer that counts
 *     next_response    from the oldest customer's message after that which nobody has answered; resolving cancels it
 *     update           from each answer, once there is a first one, to the next; news by customer_update count too
 *     resolution       from conversation.created to conversation.resolved; a reopening is its next cycle
 *
 * Each cycle goes by the newest version of the policy that holds as it begins, and stays with that version: editing a
 * policy touches no clock that runs.  Another severity asks the same version anew; another tier or team asks all
 * policies, starts what was not promised before and cancels what is promised no more; sla_policy.reapply does so for
 * one policy.
 *
 * Which answers count is sla_answers.c.  One that comes late is evidence for the cycle it falls into, that of now or
 * the one before, and begins no cycle.  One that proves void takes its doings back: the clock it fulfilled goes on, or
 * is fulfilled by the next answer there was; the cycle that it began, if it still runs, is cancelled, and the
 * conversation is back in the cycle before.
 *
 * Most events change no clock, and the conversation's row knows enough to say so (clock_cycles, clock_states): no
 * clock is loaded or written for them.
 */
#include "projections/sla_talk.h"

#include "projections/customer_updates.h"
#include "projections/messages.h"
#include "projections/registry.h"
#include "projections/sla_answers.h"
#include "projections/sla_terms.h"

/* One event's look at a conversation. */
struct talk {
	struct fold *f;
	struct conversation *c;
	int64_t at;
	struct promises now; /* once asked */
	bool asked;
};

static int state_of(const struct talk *t, enum sla_kind kind)
{
	return conversation_clock(t->c, kind);
}

static bool is_open(const struct talk *t, enum sla_kind kind)
{
	return clock_is_open(state_of(t, kind));
}

static const struct uuid nobody;

const struct uuid *talk_clock_id(struct conversation *c, enum sla_kind kind, int64_t cycle)
{
	if (c->clock_ids_cycle[kind] != cycle) {
		c->clock_ids[kind] = clock_id(&c->row.tenant_id, &c->row.id, &nobody, kind, cycle);
		c->clock_ids_cycle[kind] = cycle;
	}
	return &c->clock_ids[kind];
}

/* The row of a cycle; NULL for none. */
static struct clock *clock_in(struct talk *t, enum sla_kind kind, int64_t cycle)
{
	return cycle > 0 ? fold_self(t->f, talk_clock_id(t->c, kind, cycle)) : NULL;
}

static struct clock *clock_now(struct talk *t, enum sla_kind kind)
{
	return clock_in(t, kind, t->c->clock_cycles[kind]);
}

static struct clock *clock_open(struct talk *t, enum sla_kind kind)
{
	return is_open(t, kind) ? clock_now(t, kind) : NULL;
}

/* Merged or deleted: nothing is promised any more. */
static bool is_gone(const struct conversation *c)
{
	return c->deleted_at != TIME_NONE || !uuid_is_nil(&c->merged_into_id);
}

bool talk_is_answered(const struct conversation *c)
{
	int state = conversation_clock(c, SLA_FIRST_RESPONSE);

	return state == SLA_FULFILLED || (!clock_is_open(state) && c->first_human_response_at != TIME_NONE);
}

/* ---- beginning ---- */

struct offer {
	struct sla_terms terms;
	const struct promise *by;
};

static const struct promises *promises(struct talk *t)
{
	if (!t->asked)
		t->now = promises_now(t->f, &t->c->assigned_team_id, t->c->sla_tier);
	t->asked = true;
	return &t->now;
}

static bool offered(struct talk *t, enum sla_kind kind, struct bytes channel, struct offer *out)
{
	return promises_find(promises(t), kind, t->c->severity, channel, &out->terms, &out->by);
}

/* Stands still or runs, as the conversation's state says. */
static void settle(struct talk *t, struct clock *row, int64_t at)
{
	struct sla_terms terms;

	if (row && clock_is_open(row->state) && terms_of_clock(t->f, row, &terms))
		clock_stand(t->f, row, sla_pauses(terms.policy, (enum sla_kind)row->clock, t->c->state), at);
}

static int64_t next_cycle(struct conversation *c, enum sla_kind kind)
{
	if (kind == SLA_NEXT_RESPONSE)
		return ++c->next_response_begun;
	if (kind == SLA_UPDATE)
		return ++c->update_begun;
	return c->clock_cycles[kind] + 1;
}

/* The next cycle; `last` is the fulfilled one whose budget it may take up, or NULL. */
static void begin(struct talk *t, enum sla_kind kind, struct bytes channel, const struct offer *offer, int64_t at,
		  const struct clock *last, const struct uuid *message_id)
{
	struct conversation *c = t->c;
	int64_t after = c->clock_cycles[kind], cycle = next_cycle(c, kind);
	struct clock *row = fold_add_as(t->f, talk_clock_id(c, kind, cycle));
	const struct event *e = t->f->event;
	struct sla_clock clock, before;
	int did;

	fold_change(t->f, c);
	c->clock_cycles[kind] = cycle;
	row->conversation_id = c->row.id;
	row->clock = (int16_t)kind;
	row->channel = channel;
	row->shard = e->shard;
	row->started_by = e->event_id;
	row->message_id = *message_id;
	row->after_cycle = after;
	clock_target(row, &offer->terms, offer->by);
	if (last) {
		before = clock_of_row(last);
		did = sla_clock_reopen(&clock, &before, &offer->terms, offer->by->policy.on_reopen, at, e->silent);
	} else {
		did = sla_clock_start(&clock, (int32_t)cycle, &offer->terms, at, e->silent);
	}
	clock_keep(t->f, row, &clock, did, at);
	settle(t, row, t->at);
}

static void begin_first_response(struct talk *t)
{
	struct conversation *c = t->c;
	struct offer offer;

	if (is_open(t, SLA_FIRST_RESPONSE) || talk_is_answered(c) || !offered(t, SLA_FIRST_RESPONSE, c->initial_channel, &offer))
		return;
	if (sla_waits_for_handoff(&offer.by->policy, c->ai_handled == 1 && c->handoff_count == 0))
		return;
	begin(t, SLA_FIRST_RESPONSE, c->initial_channel, &offer, t->at, NULL, &nobody);
}

/* A conversation that was resolved before takes up its last cycle. */
static void begin_resolution(struct talk *t)
{
	struct clock *last = state_of(t, SLA_RESOLUTION) == SLA_FULFILLED ? clock_now(t, SLA_RESOLUTION) : NULL;
	struct offer offer;

	if (!is_open(t, SLA_RESOLUTION) && t->c->state != CONVERSATION_RESOLVED &&
	    offered(t, SLA_RESOLUTION, t->c->initial_channel, &offer))
		begin(t, SLA_RESOLUTION, t->c->initial_channel, &offer, t->at, last, &nobody);
}

/* A customer's message that nobody has answered begins to wait. */
static void begin_next_response(struct talk *t, const struct message *m)
{
	struct conversation *c = t->c;
	struct bytes channel = bytes_text(values_channel[m->channel]);
	int64_t answered_at = c->last_agent_message_at;
	struct offer offer;

	if (is_open(t, SLA_NEXT_RESPONSE) || !talk_is_answered(c) || c->state == CONVERSATION_RESOLVED ||
	    !offered(t, SLA_NEXT_RESPONSE, channel, &offer))
		return;
	if (offer.by->policy.first_response_by != SLA_BY_HUMAN)
		answered_at = time_later(answered_at, c->last_ai_answer_at);
	if (t->at > answered_at)
		begin(t, SLA_NEXT_RESPONSE, channel, &offer, t->at, NULL, &m->row.id);
}

/* ---- targets ---- */

static void retarget(struct talk *t, struct clock *row, const struct offer *offer)
{
	if (clock_retarget(t->f, row, &offer->terms, offer->by, t->at))
		settle(t, row, t->at);
}

/* Another severity: the version that the clock goes by is asked anew. */
static void retarget_pinned(struct talk *t, struct clock *row)
{
	struct offer offer;

	if (row && terms_anew(t->f, row, t->c->severity, row->channel, &offer.terms, &offer.by))
		retarget(t, row, &offer);
}

/* Another tier or team: all policies are asked.  One that holds as before stays with its version. */
static void retarget_served(struct talk *t, struct clock *row)
{
	struct offer offer;

	if (!row)
		return;
	if (!offered(t, (enum sla_kind)row->clock, row->channel, &offer))
		clock_cancel(t->f, row, t->at);
	else if (uuid_equal(&offer.by->policy_id, &row->policy_id))
		retarget_pinned(t, row);
	else
		retarget(t, row, &offer);
}

static void look_at_terms(struct talk *t)
{
	struct conversation *c = t->c;
	bool served = c->clocked_tier != c->sla_tier || !uuid_equal(&c->clocked_team_id, &c->assigned_team_id);

	if (!served && c->clocked_severity == c->severity)
		return;
	fold_change(t->f, c);
	c->clocked_severity = c->severity;
	c->clocked_tier = c->sla_tier;
	c->clocked_team_id = c->assigned_team_id;
	for (int kind = 0; kind < SLA_KINDS; kind++) {
		if (served)
			retarget_served(t, clock_open(t, (enum sla_kind)kind));
		else
			retarget_pinned(t, clock_open(t, (enum sla_kind)kind));
	}
	if (served) {
		begin_first_response(t);
		begin_resolution(t);
	}
}

/* ---- answers ---- */

static bool counts_for(struct talk *t, const struct clock *row, const struct message *m)
{
	struct sla_terms terms;

	return terms_of_clock(t->f, row, &terms) && answer_counts(terms.policy->first_response_by, m);
}

bool talk_is_late(const struct conversation *c, int64_t at)
{
	return at < time_later(c->last_agent_message_at, c->last_ai_answer_at);
}

/* The cycle that evidence of `at` falls into: the one of now, or the one before; NULL when neither. */
static struct clock *clock_at(struct talk *t, enum sla_kind kind, int64_t at)
{
	struct clock *row = clock_now(t, kind);

	if (row && at < row->started_at)
		row = clock_in(t, kind, row->after_cycle);
	return row && at >= row->started_at ? row : NULL;
}

static void answer_first(struct talk *t, const struct message *m)
{
	int state = state_of(t, SLA_FIRST_RESPONSE);
	struct clock *row;

	if (!clock_is_open(state) && !(state == SLA_FULFILLED && m->answer_at < t->c->first_response_at))
		return;
	row = clock_now(t, SLA_FIRST_RESPONSE);
	if (row && counts_for(t, row, m))
		clock_fulfil(t->f, row, m->answer_at, &m->row.id);
}

static void answer_next(struct talk *t, struct message *m)
{
	struct clock *row;

	if (!is_open(t, SLA_NEXT_RESPONSE) && !talk_is_late(t->c, m->answer_at))
		return;
	row = clock_at(t, SLA_NEXT_RESPONSE, m->answer_at);
	if (row && counts_for(t, row, m) && (clock_fulfil(t->f, row, m->answer_at, &m->row.id) & SLA_DID_FULFILLED))
		m->next_response_cycle = row->cycle;
}

/* News went out at `at`: the update that was promised is there, and the next one is promised.  True when it is. */
static bool update(struct talk *t, int64_t at, const struct uuid *message_id, const struct message *m)
{
	struct clock *row = clock_at(t, SLA_UPDATE, at);
	struct offer offer;

	if (row && (!m || counts_for(t, row, m)))
		clock_fulfil(t->f, row, at, message_id);
	if (row != clock_now(t, SLA_UPDATE) || is_open(t, SLA_UPDATE))
		return false; /* late, or not the one that is waited for */
	if (!talk_is_answered(t->c) || !offered(t, SLA_UPDATE, t->c->initial_channel, &offer) ||
	    (m && !answer_counts(offer.by->policy.first_response_by, m)))
		return false;
	begin(t, SLA_UPDATE, t->c->initial_channel, &offer, at, NULL, message_id);
	return true;
}

static void answer_update(struct talk *t, struct message *m)
{
	if (t->c->clock_cycles[SLA_UPDATE] == 0 && t->c->state == CONVERSATION_RESOLVED)
		return;
	if (update(t, m->answer_at, &m->row.id, m))
		m->update_cycle = t->c->clock_cycles[SLA_UPDATE];
}

/* ---- answers that prove void ---- */

/* The conversation is in an earlier cycle again: the one that began since does not count. */
static void go_back(struct talk *t, struct clock *row)
{
	struct clock *begun = clock_open(t, (enum sla_kind)row->clock);

	if (begun && begun != row)
		clock_cancel(t->f, begun, t->at);
	fold_change(t->f, t->c);
	t->c->clock_cycles[row->clock] = row->cycle;
}

/* The clock goes on; it takes what other evidence there is, or what changed meanwhile. */
static void revoke(struct talk *t, struct clock *row, const struct clock *later)
{
	int64_t since = row->clock == SLA_FIRST_RESPONSE ? TIME_MIN : row->started_at + (row->clock == SLA_UPDATE);
	struct sla_terms terms;
	struct message *other = terms_of_clock(t->f, row, &terms) ?
		answer_since(t->f, t->c, terms.policy->first_response_by, since) : NULL;

	if (!other && !(later && later->state == SLA_FULFILLED))
		go_back(t, row);
	clock_revoke(t->f, row, t->at);
	if (other) {
		clock_fulfil(t->f, row, other->answer_at, &other->row.id);
	} else if (later && later->state == SLA_FULFILLED) {
		clock_fulfil(t->f, row, later->fulfilled_at, &later->answer_id);
	} else {
		retarget_pinned(t, row);
		settle(t, row, time_later(t->c->state_changed_at, row->started_at));
	}
}

static void void_first(struct talk *t, const struct message *m)
{
	struct clock *row = state_of(t, SLA_FIRST_RESPONSE) == SLA_FULFILLED ? clock_now(t, SLA_FIRST_RESPONSE) : NULL, *waiting;

	if (!row || !uuid_equal(&row->answer_id, &m->row.id))
		return;
	revoke(t, row, NULL);
	if (row->state == SLA_FULFILLED)
		return;
	/* These wait for a first response. */
	for (int kind = SLA_NEXT_RESPONSE; kind <= SLA_UPDATE; kind++) {
		waiting = clock_open(t, (enum sla_kind)kind);
		if (waiting)
			clock_cancel(t->f, waiting, t->at);
	}
}

static void void_next(struct talk *t, const struct message *m)
{
	struct clock *row = clock_in(t, SLA_NEXT_RESPONSE, m->next_response_cycle), *now = clock_now(t, SLA_NEXT_RESPONSE);

	if (row && row->state == SLA_FULFILLED && uuid_equal(&row->answer_id, &m->row.id))
		revoke(t, row, now != row ? now : NULL);
}

static void void_update(struct talk *t, const struct message *m)
{
	struct clock *begun = clock_in(t, SLA_UPDATE, m->update_cycle), *row;

	if (!begun || !uuid_equal(&begun->message_id, &m->row.id))
		return;
	row = clock_in(t, SLA_UPDATE, begun->after_cycle);
	if (row && row->state == SLA_FULFILLED && uuid_equal(&row->answer_id, &m->row.id))
		revoke(t, row, begun);
	else if (clock_is_open(begun->state))
		clock_cancel(t->f, begun, t->at);
}

/* ---- states ---- */

static void cancel_all(struct talk *t)
{
	for (int kind = 0; kind < SLA_KINDS; kind++) {
		struct clock *row = clock_open(t, (enum sla_kind)kind);

		if (row)
			clock_cancel(t->f, row, t->at);
	}
}

static void resolved(struct talk *t)
{
	struct clock *row = clock_open(t, SLA_RESOLUTION);

	if (row)
		clock_fulfil(t->f, row, t->at, &nobody);
	row = clock_open(t, SLA_NEXT_RESPONSE);
	if (row)
		clock_cancel(t->f, row, t->at);
}

static void moved(struct talk *t)
{
	const struct facts *facts = &t->f->facts;

	if (!facts->transition || facts->from_state < 0 || !uuid_equal(&facts->conversation, &t->c->row.id))
		return;
	if (facts->to_state == CONVERSATION_RESOLVED)
		resolved(t);
	else if (facts->from_state == CONVERSATION_RESOLVED)
		begin_resolution(t);
	for (int kind = 0; kind < SLA_KINDS; kind++)
		if (kind == SLA_UPDATE || kind == SLA_RESOLUTION)
			settle(t, clock_open(t, (enum sla_kind)kind), t->at);
}

/* False when there is nothing to look at: no such conversation (which others say), or one that is gone. */
static bool talk_about(struct talk *t, struct fold *f, const struct event *e, struct conversation *c)
{
	*t = (struct talk){ .f = f, .c = c, .at = e->occurred_at };
	if (c && is_gone(c))
		cancel_all(t);
	return c && !is_gone(c);
}

/* ---- reapply ---- */

/* One policy's newest version: for the clocks that go by it, and for those that would if they began now. */
static void reapply(struct talk *t, const struct uuid *policy_id)
{
	struct conversation *c = t->c;
	struct offer offer;

	for (int kind = 0; kind < SLA_KINDS; kind++) {
		struct clock *row = clock_open(t, (enum sla_kind)kind);
		bool holds;

		if (!row)
			continue;
		holds = offered(t, (enum sla_kind)kind, row->channel, &offer);
		if (holds && (uuid_equal(&offer.by->policy_id, policy_id) || uuid_equal(&row->policy_id, policy_id)))
			retarget(t, row, &offer);
		else if (!holds && uuid_equal(&row->policy_id, policy_id))
			clock_cancel(t->f, row, t->at);
	}
	if (offered(t, SLA_FIRST_RESPONSE, c->initial_channel, &offer) && uuid_equal(&offer.by->policy_id, policy_id))
		begin_first_response(t);
	if (offered(t, SLA_RESOLUTION, c->initial_channel, &offer) && uuid_equal(&offer.by->policy_id, policy_id))
		begin_resolution(t);
}

int sla_on_reapply(struct fold *f, const struct event *e)
{
	struct bytes ids = field_raw(&f->fields, "conversation_ids"), key, value;
	struct talk t;
	struct uuid id;
	size_t at = 0;

	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value)) {
		struct conversation *c = uuid_parse(value.data + 1, value.len - 2, &id) ? fold_find(f, &conversations, &id) : NULL;

		if (!c)
			fold_anomaly(f, "unknown_conversation", "no such conversation");
		else if (talk_about(&t, f, e, c))
			reapply(&t, &e->entity_id);
	}
	clocks_end(f);
	return 0;
}

/* ---- the events ---- */


int sla_on_conversation(struct fold *f, const struct event *e)
{
	struct talk t;

	if (talk_about(&t, f, e, fold_find(f, &conversations, &e->entity_id))) {
		look_at_terms(&t);
		moved(&t);
		if (e->type->kind == EV_CONVERSATION_HANDED_OFF && t.c->handoff_count > 0)
			begin_first_response(&t);
	}
	clocks_end(f);
	return 0;
}

/* What models say, and resolution.created, which may escalate. */
int sla_on_context(struct fold *f, const struct event *e)
{
	struct talk t;

	if (talk_about(&t, f, e, conversation_find(f, &e->conversation_id))) {
		look_at_terms(&t);
		moved(&t);
	}
	clocks_end(f);
	return 0;
}

static void message_in_talk(struct talk *t, struct message *m, enum answer_change change)
{
	int state;

	if (change == ANSWER_VOID) {
		void_first(t, m);
		void_next(t, m);
		void_update(t, m);
		m->next_response_cycle = m->update_cycle = INT_NONE;
	} else if (change == ANSWER_COUNTS) {
		answer_first(t, m);
		answer_next(t, m);
		answer_update(t, m);
	}
	state = state_of(t, SLA_FIRST_RESPONSE);
	if (change != ANSWER_SAME && (state < 0 || state == SLA_CANCELLED))
		t->c->first_response_at = t->c->first_human_response_at;
	moved(t);
	if (t->f->facts.message_added && m->sender_type == SENDER_CUSTOMER && m->direction == DIRECTION_INBOUND && m->auto_reply != 1)
		begin_next_response(t, m);
}

int sla_on_message(struct fold *f, const struct event *e)
{
	struct message *m = fold_find(f, &messages, &e->entity_id);
	int64_t counted_at = m ? m->answer_at : TIME_NONE;
	enum answer_change change = m && e->type->kind != EV_MESSAGE_RECEIVED ? answer_weigh(f, m) : ANSWER_SAME;
	struct talk t;

	if (change != ANSWER_SAME) {
		f->facts.answer = &m->row;
		f->facts.answer_void = change == ANSWER_VOID;
		f->facts.answer_at = change == ANSWER_VOID ? counted_at : m->answer_at;
	}
	if (!m || (change == ANSWER_SAME && !f->facts.transition && !f->facts.message_added))
		return 0;
	if (talk_about(&t, f, e, conversation_find(f, &m->conversation_id)))
		message_in_talk(&t, m, change);
	clocks_end(f);
	return 0;
}

int sla_on_told(struct fold *f, const struct event *e)
{
	const struct customer_update *u = (const struct customer_update *)(const void *)f->facts.told;
	struct talk t;

	if (u && talk_about(&t, f, e, conversation_find(f, &u->conversation_id)) &&
	    (t.c->clock_cycles[SLA_UPDATE] || t.c->state != CONVERSATION_RESOLVED))
		update(&t, e->occurred_at, &u->message_id, NULL);
	clocks_end(f);
	return 0;
}
