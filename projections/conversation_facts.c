/*
 * conversation_facts - what each conversation adds to the roll-ups, and what it is counted by.
 *
 * A row stands beside its conversation.  Its columns are instants and durations that people may ask directly (a median
 * under any condition, say), and together with the values (channel, tier, ...) they are all that the roll-ups count:
 * on each event the row is brought up to date from the conversation, and the difference between what it said before and
 * what it says now goes to the roll-ups.  So a late event, another classification, a response that proves to have
 * failed, or a merge leave the same numbers as if everything had been known from the start.
 *
 * Two kinds of numbers:
 *   - of the conversation: created, first response, assignment, resolution, that it was transferred, escalated, handed
 *     off, reopened.  They go where the conversation's channel, tier, severity and intent are now, and with the agent
 *     and team who did it.  A conversation that was merged into another is none of its own any more: they are taken out.
 *   - of an event: a message, a reopening, a transfer, a move of the backlog.  They stay under the values that held then.
 *     The latest reply still follows the conversation, and is put right by what comes late.
 *
 * Exchanges.  waiting_since is the oldest message of the customer that nobody has answered.  An answer of an agent (as
 * sla_answers.c counts them: not of automation, and not one that failed) ends the wait, and that is one reply; so does an
 * AI's, which is none.  A hand-off by an AI
 * begins a wait, resolving ends it.  Late messages are put where they belong within the latest exchange: a customer's
 * message before the reply makes the wait longer, an agent's after the question shorter, and a question that comes to
 * light after its answer makes an exchange of the two.  Older exchanges are settled.
 *
 * Days are those of the time zone that the tenant reported in when the conversation began.
 */
#include "projections/conversation_facts.h"

#include <assert.h>

#include "projections/conversations.h"
#include "projections/messages.h"
#include "projections/registry.h"
#include "projections/sla_answers.h"
#include "projections/sla_clocks.h"
#include "projections/tenants.h"

/* Something that happens once to a conversation, when, after how long, and who did it. */
struct mark {
	int64_t at, took, business; /* TIME_NONE, microseconds or INT_NONE */
	struct uuid agent_id, team_id;
};

enum mark_kind {
	MARK_CREATED, MARK_FIRST_RESPONSE, MARK_AI_FIRST_RESPONSE, MARK_ASSIGNED, MARK_FIRST_RESOLUTION, MARK_FULL_RESOLUTION,
	MARK_TRANSFERRED, MARK_ESCALATED, MARK_HANDED_OFF, MARK_REPLY, MARKS,
};

struct record {
	struct row row;
	struct rollup_values values; /* as they are now */
	struct bytes time_zone;
	int8_t imported, ai_handled, merged, in_backlog;
	int64_t resolve_count, reopen_count, transfer_count, escalation_count, handoff_count;
	struct mark marks[MARKS];
	int64_t waiting_since, last_reply_at, exchange_after;
};

const struct rollup_values *facts_values(struct fold *f, const struct uuid *conversation_id, struct bytes *time_zone)
{
	const struct record *k = fold_find(f, &conversation_facts, conversation_id);

	if (!k)
		return NULL;
	*time_zone = k->time_zone;
	return &k->values;
}

void facts_answered_by(struct fold *f, const struct uuid *conversation_id, int64_t at, struct rollup_values *values)
{
	const struct record *k = fold_find(f, &conversation_facts, conversation_id);

	for (int kind = 0; k && kind < MARKS; kind++) {
		if ((kind != MARK_FIRST_RESPONSE && kind != MARK_REPLY && kind != MARK_FULL_RESOLUTION) || k->marks[kind].at != at)
			continue;
		values->agent_id = k->marks[kind].agent_id;
		values->team_id = k->marks[kind].team_id;
	}
}

/* The message that the event brought, or tells of. */
static const struct message *message_of(const struct fold *f)
{
	return (const struct message *)(const void *)(f->facts.answer ? f->facts.answer : f->facts.message);
}

/* ---- what a row adds ---- */

static void mark_contribution(const struct record *k, enum mark_kind kind, struct contribution *out)
{
	const struct mark *m = &k->marks[kind];
	struct rollup_values values = k->values;

	if (kind != MARK_CREATED)
		values.team_id = m->team_id;
	values.agent_id = m->agent_id;
	contribution_begin(out, m->at, k->time_zone, &values);
	if (m->at == TIME_NONE || (k->merged == 1 && kind != MARK_REPLY))
		return;
	switch (kind) {
	case MARK_CREATED:
		if (k->imported != 1)
			contribution_count(out, ROLLUP_conversations_created, 1);
		if (k->imported != 1 && k->ai_handled == 1)
			contribution_count(out, ROLLUP_conversations_ai_handled, 1);
		break;
	case MARK_FIRST_RESPONSE:
		contribution_time(out, ROLLUP_first_responses, m->took);
		contribution_time(out, ROLLUP_first_responses_in_business_time, m->business);
		break;
	case MARK_AI_FIRST_RESPONSE:
		contribution_time(out, ROLLUP_ai_first_responses, m->took);
		break;
	case MARK_ASSIGNED:
		contribution_time(out, ROLLUP_conversations_assigned, m->took);
		break;
	case MARK_REPLY:
		contribution_time(out, ROLLUP_replies, m->took);
		contribution_time(out, ROLLUP_replies_in_business_time, m->business);
		break;
	case MARK_FIRST_RESOLUTION:
		contribution_time(out, ROLLUP_conversations_resolved, m->took);
		contribution_time(out, ROLLUP_conversations_resolved_in_business_time, m->business);
		if (k->reopen_count > 0)
			contribution_count(out, ROLLUP_conversations_reopened, 1);
		break;
	case MARK_FULL_RESOLUTION:
		contribution_time(out, ROLLUP_full_resolutions, m->took);
		contribution_time(out, ROLLUP_full_resolutions_in_business_time, m->business);
		break;
	case MARK_TRANSFERRED:
		contribution_count(out, ROLLUP_conversations_transferred, 1);
		break;
	case MARK_ESCALATED: /* this and the next: only of those that their rates are divided by */
		if (k->imported != 1)
			contribution_count(out, ROLLUP_conversations_escalated, 1);
		break;
	case MARK_HANDED_OFF:
		if (k->imported != 1 && k->ai_handled == 1)
			contribution_count(out, ROLLUP_conversations_handed_off, 1);
		break;
	case MARKS:
		assert(!"no mark");
	}
}

/* One thing that happened now, under these values. */
static void count_now(struct fold *f, struct rollup_basket *b, const struct record *k, enum rollup_metric metric,
		      const struct uuid *agent, const struct uuid *team)
{
	struct rollup_values values = k->values;
	struct contribution c;

	values.agent_id = *agent;
	values.team_id = *team;
	contribution_begin(&c, f->event->occurred_at, k->time_zone, &values);
	contribution_count(&c, metric, 1);
	basket_add(f, b, &c);
}

static void backlog(struct fold *f, const struct record *k, int64_t by, struct contribution *out)
{
	contribution_begin(out, f->event->occurred_at, k->time_zone, &k->values);
	contribution_count(out, ROLLUP_backlog_change, by);
}

/* The conversation leaves the backlog, joins it, or goes over from one agent's (team's, tier's) to another's. */
static void move_backlog(struct fold *f, struct rollup_basket *b, const struct record *before, const struct record *after)
{
	struct contribution out, in;

	if (before->in_backlog == 1 && after->in_backlog == 1) {
		backlog(f, before, 1, &out);
		backlog(f, after, 1, &in);
		rollups_move(f, &out, &in);
	} else if (before->in_backlog == 1) {
		backlog(f, before, -1, &out);
		basket_add(f, b, &out);
	} else if (after->in_backlog == 1) {
		backlog(f, after, 1, &in);
		basket_add(f, b, &in);
	}
}

/* The events that are counted as such.  A resolution that is none (by merging) does not raise resolve_count. */
static void count_events(struct fold *f, struct rollup_basket *b, const struct record *before, const struct record *after)
{
	const struct mark *resolved = &before->marks[MARK_FULL_RESOLUTION], *now = &after->marks[MARK_FULL_RESOLUTION];
	struct uuid nobody = { { 0 } };

	if (after->resolve_count > before->resolve_count)
		count_now(f, b, after, ROLLUP_resolutions, &now->agent_id, &now->team_id);
	if (after->reopen_count > before->reopen_count)
		count_now(f, b, after, ROLLUP_reopens, &resolved->agent_id, &resolved->team_id);
	if (after->transfer_count > before->transfer_count)
		count_now(f, b, after, ROLLUP_transfers, &before->values.agent_id, &before->values.team_id);
	if (after->escalation_count > before->escalation_count)
		count_now(f, b, after, ROLLUP_escalations, &before->values.agent_id, &before->values.team_id);
	if (after->handoff_count > before->handoff_count)
		count_now(f, b, after, ROLLUP_handoffs, &nobody, &after->values.team_id);
}

/* ---- keeping the row ---- */

static void mark_clear(struct mark *m)
{
	memset(m, 0, sizeof(*m));
	m->at = TIME_NONE;
	m->took = m->business = INT_NONE;
}

static void mark_set(struct mark *m, int64_t at, int64_t since, const struct uuid *agent, const struct uuid *team)
{
	mark_clear(m);
	if (at == TIME_NONE)
		return;
	m->at = at;
	m->took = at > since ? at - since : 0;
	m->agent_id = *agent;
	m->team_id = *team;
}

/* Keeps the earliest; the agent and team are those from before the event. */
static void mark_first(struct fold *f, struct mark *m, const struct record *before)
{
	if (m->at == TIME_NONE || f->event->occurred_at < m->at) {
		mark_set(m, f->event->occurred_at, f->event->occurred_at, &before->values.agent_id, &before->values.team_id);
		m->took = INT_NONE;
	}
}

static void set_values(struct record *k, const struct conversation *c)
{
	struct rollup_values *v = &k->values;

	if (!bytes_equal(v->channel, c->initial_channel) || !v->channel.data)
		v->channel = c->initial_channel;
	if (!bytes_equal(v->intent, c->intent) || !v->intent.data != !c->intent.data)
		v->intent = c->intent;
	v->tier = c->sla_tier;
	v->severity = c->severity;
	v->team_id = c->assigned_team_id;
	v->agent_id = c->assigned_agent_id;
}

/* Who said it: the message's sender, else the user who did it, else who has the conversation. */
static struct uuid speaker(struct fold *f, const struct conversation *c, const struct message *m)
{
	struct uuid author = fold_author(f->event);

	return m && !uuid_is_nil(&m->sender_id) ? m->sender_id : !uuid_is_nil(&author) ? author : c->assigned_agent_id;
}

/* An answer proved void: who gave the one that is the first now. */
static const struct message *first_answer(struct fold *f, const struct conversation *c, const struct message *m)
{
	return f->facts.answer && f->facts.answer_void ? answer_since(f, c, SLA_BY_HUMAN, TIME_MIN) : m;
}

static void note_responses(struct fold *f, const struct conversation *c, const struct message *m, struct record *k)
{
	struct mark *first = &k->marks[MARK_FIRST_RESPONSE], *ai = &k->marks[MARK_AI_FIRST_RESPONSE];
	const struct mark *handed_off = &k->marks[MARK_HANDED_OFF];
	struct uuid none = { { 0 } }, agent;

	if (c->first_human_response_at != first->at) {
		agent = speaker(f, c, first_answer(f, c, m));
		mark_set(first, c->first_human_response_at, c->created_at, &agent, &c->assigned_team_id);
	}
	if (first->at != TIME_NONE) {
		bool from_ai = c->ai_handled == 1 && handed_off->at != TIME_NONE && handed_off->at <= first->at;
		int64_t since = from_ai ? handed_off->at : c->created_at;

		first->took = first->at > since ? first->at - since : 0;
	}
	if (c->first_ai_response_at != ai->at)
		mark_set(ai, c->first_ai_response_at, c->created_at, &none, &none);
}

/* Business time, where a clock has measured just this. */
static void note_clocks(struct fold *f, const struct conversation *c, struct record *k)
{
	static const enum mark_kind marks[][2] = {
		[SLA_FIRST_RESPONSE] = { MARK_FIRST_RESPONSE, MARK_FIRST_RESPONSE }, [SLA_NEXT_RESPONSE] = { MARK_REPLY, MARK_REPLY },
		[SLA_UPDATE] = { MARKS, MARKS }, [SLA_RESOLUTION] = { MARK_FIRST_RESOLUTION, MARK_FULL_RESOLUTION },
	};

	for (int i = 0; i < f->facts.clock_count; i++) {
		const struct clock *row = (const struct clock *)(const void *)f->facts.clocks[i];

		if (!uuid_is_nil(&row->resolution_id) || !uuid_equal(&row->conversation_id, &c->row.id) || row->state != SLA_FULFILLED)
			continue;
		for (int n = 0; n < 2; n++) {
			enum mark_kind kind = marks[row->clock][n];

			if (kind != MARKS && k->marks[kind].at == row->fulfilled_at)
				k->marks[kind].business = row->elapsed;
		}
	}
}

static void note_resolution(struct fold *f, const struct event *e, const struct conversation *c, struct record *k)
{
	struct mark *first = &k->marks[MARK_FIRST_RESOLUTION], *full = &k->marks[MARK_FULL_RESOLUTION];
	struct uuid agent = fold_author(e);

	if (uuid_is_nil(&agent) && !(e->type->kind == EV_CONVERSATION_RESOLVED && c->resolved_by == RESOLVED_BY_AI))
		agent = c->assigned_agent_id;
	k->resolve_count++;
	mark_set(full, e->occurred_at, c->created_at, &agent, &c->assigned_team_id);
	if (first->at == TIME_NONE || e->occurred_at < first->at)
		*first = *full;
}

/* What the conversation's own counters tell of the event. */
static void note_moves(struct fold *f, const struct event *e, const struct conversation *c, const struct record *before,
		       struct record *k)
{
	bool by_merge = e->type->kind == EV_CONVERSATION_MERGED_INTO ||
			(e->type->kind == EV_CONVERSATION_RESOLVED && c->resolved_by == RESOLVED_BY_MERGE);
	bool resolved = f->facts.transition && f->facts.to_state == CONVERSATION_RESOLVED && f->facts.from_state >= 0 &&
			uuid_equal(&f->facts.conversation, &c->row.id);

	if (resolved && !by_merge)
		note_resolution(f, e, c, k);
	if (resolved && e->type->kind != EV_CONVERSATION_MERGED_INTO)
		k->waiting_since = TIME_NONE;
	k->reopen_count = c->reopen_count;
	if (c->transfer_count > k->transfer_count)
		mark_first(f, &k->marks[MARK_TRANSFERRED], before);
	k->transfer_count = c->transfer_count;
	if (c->escalation_count > k->escalation_count)
		mark_first(f, &k->marks[MARK_ESCALATED], before);
	k->escalation_count = c->escalation_count;
	if (c->handoff_count > k->handoff_count) {
		mark_first(f, &k->marks[MARK_HANDED_OFF], before);
		memset(&k->marks[MARK_HANDED_OFF].agent_id, 0, sizeof(struct uuid));
		if (k->waiting_since == TIME_NONE)
			k->waiting_since = e->occurred_at;
	}
	k->handoff_count = c->handoff_count;
	if (c->first_assigned_at != k->marks[MARK_ASSIGNED].at)
		mark_set(&k->marks[MARK_ASSIGNED], c->first_assigned_at, c->created_at, &c->assigned_agent_id, &c->assigned_team_id);
	k->merged = !uuid_is_nil(&c->merged_into_id);
	k->in_backlog = c->state != CONVERSATION_RESOLVED && c->deleted_at == TIME_NONE;
}

/* ---- exchanges ---- */

static void exchange(struct record *k, int64_t from, int64_t at, const struct uuid *agent, const struct uuid *team)
{
	mark_set(&k->marks[MARK_REPLY], at, from, agent, team);
}

/* True when a new exchange stands in the place of the one before, which is settled. */
static bool hear_customer(struct record *k, int64_t at)
{
	struct mark *reply = &k->marks[MARK_REPLY];

	if (k->last_reply_at == TIME_NONE || at > k->last_reply_at) {
		k->waiting_since = time_earlier(k->waiting_since, at);
		return false;
	}
	if (reply->at == TIME_NONE || at > reply->at) { /* the answer was there before the question came to light */
		k->exchange_after = reply->at;
		exchange(k, at, k->last_reply_at, &k->values.agent_id, &k->values.team_id);
		return true;
	}
	if (at < reply->at - reply->took && (k->exchange_after == TIME_NONE || at > k->exchange_after)) {
		reply->took = reply->at - at;
		reply->business = INT_NONE;
	}
	return false;
}

static bool hear_agent(struct record *k, int64_t at, const struct uuid *agent)
{
	struct mark *reply = &k->marks[MARK_REPLY];
	int64_t from = k->waiting_since;
	bool settled = false;

	if (from != TIME_NONE && at >= from) {
		k->exchange_after = k->last_reply_at;
		exchange(k, from, at, agent, &k->values.team_id);
		k->waiting_since = TIME_NONE;
		settled = true;
	} else if (reply->at != TIME_NONE && at < reply->at && at >= reply->at - reply->took) {
		exchange(k, reply->at - reply->took, at, agent, &k->values.team_id); /* an earlier answer */
	}
	k->last_reply_at = time_later(k->last_reply_at, at);
	return settled;
}

/* The latest reply proved void: another answered instead, or the customer waits again. */
static void unhear_agent(struct fold *f, const struct conversation *c, struct record *k, int64_t at)
{
	struct mark *reply = &k->marks[MARK_REPLY];
	int64_t from = reply->at - reply->took;
	const struct message *other;
	struct uuid agent;

	if (reply->at != at) {
		if (k->last_reply_at == at)
			k->last_reply_at = reply->at;
		return;
	}
	other = answer_since(f, c, SLA_BY_HUMAN, from);
	if (k->last_reply_at == at)
		k->last_reply_at = other ? other->answer_at : k->exchange_after;
	if (other) {
		agent = speaker(f, c, other);
		exchange(k, from, other->answer_at, &agent, &reply->team_id);
		return;
	}
	mark_clear(reply);
	if (c->state != CONVERSATION_RESOLVED)
		k->waiting_since = time_earlier(k->waiting_since, from);
}

static bool hear(struct fold *f, const struct conversation *c, const struct message *m, struct record *k)
{
	int64_t at = f->facts.answer_at;
	struct uuid agent;

	if (f->facts.message_added && f->event->type->kind == EV_MESSAGE_RECEIVED)
		return m->sender_type == SENDER_CUSTOMER && m->auto_reply != 1 && message_is_public(m) &&
		       hear_customer(k, f->event->occurred_at);
	if (!f->facts.answer)
		return false;
	if (m->sender_type == SENDER_AI && !f->facts.answer_void && k->waiting_since != TIME_NONE && at >= k->waiting_since)
		k->waiting_since = TIME_NONE;
	if (m->sender_type == SENDER_AGENT && f->facts.answer_void)
		unhear_agent(f, c, k, at);
	if (m->sender_type != SENDER_AGENT || f->facts.answer_void)
		return false;
	agent = speaker(f, c, m);
	return hear_agent(k, at, &agent);
}

/* What the customer waits for goes on in the conversation that this one was merged into. */
static void pass_wait_on(struct fold *f, const struct conversation *c, struct record *k)
{
	const struct conversation *end = conversation_find(f, &c->row.id);
	struct record *into = end && end != c ? fold_self(f, &end->row.id) : NULL;

	if (!into || k->waiting_since == TIME_NONE)
		return;
	if (end->state != CONVERSATION_RESOLVED && (into->last_reply_at == TIME_NONE || k->waiting_since > into->last_reply_at)) {
		fold_change(f, into);
		into->waiting_since = time_earlier(into->waiting_since, k->waiting_since);
	}
	k->waiting_since = TIME_NONE;
}

/* ---- events ---- */

static void count_message(struct fold *f, const struct message *m, const struct record *k)
{
	static const enum rollup_metric by_sender[] = {
		[SENDER_CUSTOMER] = ROLLUP_messages_by_system, [SENDER_AGENT] = ROLLUP_messages_by_agents,
		[SENDER_SYSTEM] = ROLLUP_messages_by_system, [SENDER_AI] = ROLLUP_messages_by_ai,
	};
	struct rollup_values values = { .tier = -1, .severity = -1 };
	struct contribution c;

	if (!message_is_public(m))
		return;
	values.channel = bytes_text(values_channel[m->channel]);
	if (m->direction == DIRECTION_OUTBOUND && m->sender_type == SENDER_AGENT)
		values.agent_id = m->sender_id;
	contribution_begin(&c, m->created_at, k ? k->time_zone : tenant_time_zone(f), &values);
	contribution_count(&c, m->direction == DIRECTION_INBOUND ? ROLLUP_messages_in : by_sender[m->sender_type], 1);
	rollups_move(f, NULL, &c);
}

static struct record *begin(struct fold *f, const struct event *e, const struct conversation *c)
{
	struct record *k = fold_create(f, &c->row.id);

	k->time_zone = tenant_time_zone(f);
	k->imported = e->silent;
	k->ai_handled = c->ai_handled == 1;
	mark_clear(&k->marks[MARK_CREATED]); /* so that it is a difference, too */
	return k;
}

/* Whether what all marks are counted by is the same. */
static bool same_ground(const struct record *a, const struct record *b)
{
	return a->values.tier == b->values.tier && a->values.severity == b->values.severity &&
	       bytes_equal(a->values.intent, b->values.intent) && bytes_equal(a->values.channel, b->values.channel) &&
	       a->merged == b->merged && !a->reopen_count == !b->reopen_count;
}

/* The difference goes to the roll-ups. */
static void settle(struct fold *f, const struct record *before, const struct record *after, bool new_exchange)
{
	bool same = same_ground(before, after);
	struct rollup_basket basket;
	struct contribution old, new;

	basket.count = 0; /* what it has room for is large */
	for (int kind = 0; kind < MARKS; kind++) {
		const struct mark *was = &before->marks[kind], *is = &after->marks[kind];
		bool same_team = kind != MARK_CREATED || uuid_equal(&before->values.team_id, &after->values.team_id);

		if (same && same_team && memcmp(was, is, sizeof(*is)) == 0)
			continue;
		mark_contribution(after, (enum mark_kind)kind, &new);
		if (was->at == TIME_NONE || (kind == MARK_REPLY && new_exchange)) {
			basket_add(f, &basket, &new);
		} else {
			mark_contribution(before, (enum mark_kind)kind, &old);
			rollups_move(f, &old, &new);
		}
	}
	move_backlog(f, &basket, before, after);
	count_events(f, &basket, before, after);
	basket_empty(f, &basket);
}

/* Brings the row up to what the conversation is now. */
static void follow(struct fold *f, const struct event *e, const struct conversation *c, struct record *k)
{
	const struct message *m = message_of(f);
	struct record before, after;
	bool settled;

	memcpy(&before, k, sizeof(before));
	memcpy(&after, k, sizeof(after));
	set_values(&after, c);
	after.marks[MARK_CREATED].at = c->created_at;
	note_moves(f, e, c, &before, &after);
	note_responses(f, c, m, &after);
	settled = hear(f, c, m, &after);
	note_clocks(f, c, &after);
	if (e->type->kind == EV_CONVERSATION_MERGED_INTO && after.merged == 1)
		pass_wait_on(f, c, &after);
	if (memcmp(&before, &after, sizeof(before)) == 0)
		return;
	fold_change(f, k);
	after.row = k->row;
	memcpy(k, &after, sizeof(*k));
	settle(f, &before, &after, settled);
}

/* The conversation that the event may have changed, as the conversations' fold looked it up. */
static const struct conversation *subject(struct fold *f, const struct event *e)
{
	const struct message *m = message_of(f);

	if (e->type->entity == ENTITY_CONVERSATION)
		return fold_find(f, &conversations, &e->entity_id);
	if (e->type->kind == EV_RESOLUTION_CREATED)
		return fold_find(f, &conversations, &e->conversation_id);
	return conversation_find(f, m ? &m->conversation_id : &e->conversation_id);
}

static int on_event(struct fold *f, const struct event *e)
{
	const struct conversation *c = subject(f, e);
	struct record *k = c ? fold_self(f, &c->row.id) : NULL;

	if (c && !k && e->type->kind == EV_CONVERSATION_CREATED)
		k = begin(f, e, c);
	if (f->facts.message_added)
		count_message(f, (const struct message *)(const void *)f->facts.message, k);
	if (k)
		follow(f, e, c, k);
	return 0;
}

/* What becomes of a message on its way matters when it counts as an answer since, or does no more. */
static int on_report(struct fold *f, const struct event *e)
{
	return f->facts.answer ? on_event(f, e) : 0;
}

/* ---- tables ---- */

#define MARK(column, field, kind_, mark, ...) \
	{ .name = column, .kind = COLUMN_##kind_, .offset = offsetof(struct record, marks[MARK_##mark].field), __VA_ARGS__ }
#define MARK_AT(column, mark, ...) MARK(column, at, TIME, mark, __VA_ARGS__)
#define MARK_TOOK(column, mark, ...) MARK(column, took, DECIMAL, mark, .sql = "numeric(24,6)", .scale = 6, __VA_ARGS__)
#define MARK_BUSINESS(column, mark, ...) MARK(column, business, DECIMAL, mark, .sql = "numeric(24,6)", .scale = 6, __VA_ARGS__)
#define MARK_BY(agent, team, mark) \
	MARK(agent, agent_id, UUID, mark, .about = "whom that is counted for"), \
	MARK(team, team_id, UUID, mark, .about = "which team that is counted for")
#define VALUE(column, kind_, member, ...) \
	{ .name = column, .kind = COLUMN_##kind_, .offset = offsetof(struct record, values.member), __VA_ARGS__ }

static const struct column columns[] = {
	VALUE("channel", TEXT, channel, .sql = "varchar(30)", .open = true, .about = "over which it began"),
	VALUE("team_id", UUID, team_id, .about = "which team has it now, or had it last"),
	VALUE("agent_id", UUID, agent_id, .about = "who has it now, or had it last"),
	VALUE("tier", ENUM, tier, .sql = "varchar(20)", .values = values_sla_tier, .about = "as it is now"),
	VALUE("severity", ENUM, severity, .sql = "varchar(10)", .values = values_severity, .about = "as it is now"),
	VALUE("intent", TEXT, intent, .sql = "varchar(50)", .open = true, .about = "as it is now"),
	COLUMN(record, time_zone, TEXT, .sql = "varchar(50)", .required = true, .open = true, .fallback = "UTC",
	       .about = "whose days its numbers are counted by"),
	COLUMN(record, imported, BOOL, .required = true, .fallback = "false",
	       .about = "it came as silent history: no conversation created"),
	COLUMN(record, ai_handled, BOOL, .required = true, .fallback = "false", .about = "an AI had it from the start"),
	COLUMN(record, merged, BOOL, .required = true, .fallback = "false",
	       .about = "into another one, and counted as none of its own"),
	COLUMN(record, in_backlog, BOOL, .required = true, .fallback = "false", .about = "neither resolved nor deleted"),
	COLUMN(record, resolve_count, INT4, .sql = "integer", .required = true, .fallback = "0",
	       .about = "times that it was resolved, without merging"),
	COLUMN(record, reopen_count, INT4, .sql = "integer", .required = true, .fallback = "0",
	       .about = "times that it was reopened"),
	COLUMN(record, transfer_count, INT4, .sql = "integer", .required = true, .fallback = "0",
	       .about = "times that it was passed on"),
	COLUMN(record, escalation_count, INT4, .sql = "integer", .required = true, .fallback = "0",
	       .about = "times that it was escalated"),
	COLUMN(record, handoff_count, INT4, .sql = "integer", .required = true, .fallback = "0",
	       .about = "times that an AI gave it over to people"),

	MARK_AT("created_at", CREATED, .required = true, .about = "when the conversation began"),
	MARK_AT("first_response_at", FIRST_RESPONSE, .about = "the first public message of an agent"),
	MARK_TOOK("first_response_seconds", FIRST_RESPONSE,
		  .about = "since the conversation, or its hand-off by the AI that had it, began"),
	MARK_BUSINESS("first_response_business_seconds", FIRST_RESPONSE, .about = "as its SLA clock measured it"),
	MARK_BY("first_response_agent_id", "first_response_team_id", FIRST_RESPONSE),
	MARK_AT("ai_first_response_at", AI_FIRST_RESPONSE, .about = "the first public message of an AI"),
	MARK_TOOK("ai_first_response_seconds", AI_FIRST_RESPONSE, .about = "since the conversation began"),
	MARK_AT("first_assigned_at", ASSIGNED, .about = "first given to an agent"),
	MARK_TOOK("assignment_wait_seconds", ASSIGNED, .about = "since the conversation began"),
	MARK_BY("first_assigned_agent_id", "first_assigned_team_id", ASSIGNED),
	MARK_AT("first_resolved_at", FIRST_RESOLUTION, .about = "merging is not resolving"),
	MARK_TOOK("first_resolution_seconds", FIRST_RESOLUTION, .about = "since the conversation began"),
	MARK_BUSINESS("first_resolution_business_seconds", FIRST_RESOLUTION, .about = "as its SLA clock measured it"),
	MARK_BY("first_resolution_agent_id", "first_resolution_team_id", FIRST_RESOLUTION),
	MARK_AT("resolved_at", FULL_RESOLUTION, .about = "the latest; kept when the conversation is reopened"),
	MARK_TOOK("full_resolution_seconds", FULL_RESOLUTION,
		  .about = "from the conversation's begin to the latest resolution"),
	MARK_BUSINESS("full_resolution_business_seconds", FULL_RESOLUTION,
		      .about = "as its SLA clocks measured it, all cycles"),
	MARK_BY("full_resolution_agent_id", "full_resolution_team_id", FULL_RESOLUTION),
	MARK_AT("transferred_at", TRANSFERRED, .about = "the first time"),
	MARK_BY("transferred_agent_id", "transferred_team_id", TRANSFERRED),
	MARK_AT("escalated_at", ESCALATED, .about = "the first time"),
	MARK_BY("escalated_agent_id", "escalated_team_id", ESCALATED),
	MARK_AT("handed_off_at", HANDED_OFF, .about = "the first time"),
	MARK("handed_off_team_id", team_id, UUID, HANDED_OFF, .about = "which team that is counted for"),
	MARK_AT("reply_at", REPLY, .about = "of the latest exchange"),
	MARK_TOOK("reply_seconds", REPLY, .about = "after the oldest message that it answered"),
	MARK_BUSINESS("reply_business_seconds", REPLY, .about = "as its SLA clock measured it"),
	MARK_BY("reply_agent_id", "reply_team_id", REPLY),
	COLUMN(record, waiting_since, TIME, .about = "the oldest message of the customer that nobody has answered"),
	COLUMN(record, last_reply_at, TIME, .hidden = true),
	COLUMN(record, exchange_after, TIME, .hidden = true),
};

static const struct fold_entry folds[] = {
	ON(CONVERSATION_CREATED, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(CONVERSATION_CLASSIFIED, CALL, .then = on_event),
	ON(CONVERSATION_SEVERITY_CHANGED, CALL, .then = on_event),
	ON(CONVERSATION_TIER_CHANGED, CALL, .then = on_event),
	ON(CONVERSATION_STATE_CHANGED, CALL, .then = on_event),
	ON(CONVERSATION_ASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_UNASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_TEAM_ASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_TRANSFERRED, CALL, .then = on_event),
	ON(CONVERSATION_HANDED_OFF, CALL, .then = on_event),
	ON(CONVERSATION_ESCALATED, CALL, .then = on_event),
	ON(CONVERSATION_RESOLVED, CALL, .then = on_event),
	ON(CONVERSATION_REOPENED, CALL, .then = on_event),
	ON(CONVERSATION_MERGED_INTO, CALL, .then = on_event),
	ON(CONVERSATION_DELETED, CALL, .then = on_event),
	ON(RESOLUTION_CREATED, CALL, .then = on_event),
	ON(MESSAGE_RECEIVED, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(MESSAGE_QUEUED, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(MESSAGE_SENT, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(MESSAGE_DELIVERED, CALL, .then = on_report),
	ON(MESSAGE_READ, CALL, .then = on_report),
	ON(MESSAGE_FAILED, CALL, .then = on_report),
	ON(AI_ANNOTATED, CALL, .then = on_event),
	ON(AI_ANNOTATION_CORRECTED, CALL, .then = on_event),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, created_at)", NULL };

const struct projection conversation_facts = {
	.schema = "analytics", .name = "conversation_facts", .version = 1,
	.about = "What each conversation adds to the roll-ups: instants, durations, who did it, and what it is counted by.",
	.beside = ENTITY_CONVERSATION, COLUMNS(record, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 50,
	NEEDS(&conversations, &messages, &sla_clocks, &tenants, &rollup_15m, &rollup_day),
};
