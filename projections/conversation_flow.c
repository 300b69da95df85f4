/*
 * conversation_flow - the conversation's state machine at work: who has it, whose turn it is, how it ends.
 *
 * The table is rules/lifecycle.c.  Decisions beside it:
 *   - conversation.assigned with assigned_by reopen on a resolved conversation records the agent and leaves it
 *     resolved: assigning is not reopening.
 *   - Resolving ends the assignment but keeps assigned_agent_id, so that reopening gives the conversation back
 *     to the agent who had it: a new assignment with assigned_by reopen begins.
 *   - A transfer to a team alone leaves nobody assigned.  substate is "transferred" until an agent is assigned
 *     or answers.
 *   - A conversation that was merged does not move any more; only messages and notes for it go on, in the one
 *     it went into.
 *   - state_changed with cause derived is a copy of what a fold found; it is compared, never applied.
 */
#include "projections/conversations.h"

#include "projections/customers.h"
#include "projections/messages.h"
#include "projections/registry.h"

/* Fixed places in values_assigned_by; a test holds them together. */
enum { ASSIGNED_BY_ROUTING, ASSIGNED_BY_MANUAL, ASSIGNED_BY_ESCALATION, ASSIGNED_BY_TRANSFER, ASSIGNED_BY_REOPEN };

static const struct chain merges = {
	offsetof(struct conversation, merged_into_id), offsetof(struct conversation, merge_height), "merge",
};

struct conversation *conversation_find(struct fold *f, const struct uuid *id)
{
	return fold_chain_end(f, &merges, fold_find(f, &conversations, id));
}

struct conversation *conversation_of(struct fold *f, const struct event *e)
{
	struct conversation *c = fold_self(f, &e->entity_id);

	if (c)
		fold_change(f, c);
	else
		fold_anomaly(f, "unknown_conversation", "no such conversation");
	return c;
}

/* ---- who carries it ---- */

/* The agent who carries the conversation now, or nil. */
static struct uuid carrier(const struct conversation *c)
{
	struct uuid none = { { 0 } };

	return c->state == CONVERSATION_RESOLVED || c->deleted_at != TIME_NONE ? none : c->assigned_agent_id;
}

/* The first call of an event fixes from whom the load goes, the last one to whom. */
static void carried(struct fold *f, const struct conversation *c, struct uuid before)
{
	if (!f->facts.agent_changed)
		f->facts.from_agent = before;
	f->facts.to_agent = carrier(c);
	f->facts.agent_changed = !uuid_equal(&f->facts.from_agent, &f->facts.to_agent);
}

static void end_assignment(struct fold *f, struct conversation *c, const char *reason)
{
	if (uuid_is_nil(&c->current_assignment_id))
		return;
	f->facts.closed_assignment = c->current_assignment_id;
	f->facts.closed_reason = reason;
	memset(&c->current_assignment_id, 0, sizeof(c->current_assignment_id));
}

static void begin_assignment(struct fold *f, struct conversation *c, int16_t assigned_by)
{
	f->facts.conversation = c->row.id;
	f->facts.assignment_opened = true;
	f->facts.assigned_by = assigned_by;
	f->facts.assigned_agent = c->assigned_agent_id;
	f->facts.assigned_team = c->assigned_team_id;
	c->current_assignment_id = f->event->event_id;
}

void conversation_assign(struct fold *f, struct conversation *c, const struct uuid *agent, int16_t assigned_by,
			 const char *closed_reason)
{
	struct uuid before = carrier(c);

	end_assignment(f, c, closed_reason);
	c->assigned_agent_id = *agent;
	if (!uuid_is_nil(agent)) {
		begin_assignment(f, c, assigned_by);
		c->first_assigned_at = time_earlier(c->first_assigned_at, f->event->occurred_at);
	}
	carried(f, c, before);
}

/* ---- moving ---- */

static void derive_status(struct conversation *c)
{
	c->status = (int16_t)(c->substate < 0 ? c->state : STATUS_INITIALIZED + c->substate);
}

void conversation_set_substate(struct conversation *c, enum substate substate)
{
	c->substate = (int16_t)substate;
	derive_status(c);
}

void conversation_move(struct fold *f, struct conversation *c, int16_t to, const char *cause, bool derived)
{
	struct uuid before = carrier(c);
	int16_t from = c->state;

	if (from == to)
		return;
	c->previous_state = from;
	c->state = to;
	c->state_changed_at = f->event->occurred_at;
	if (to == CONVERSATION_RESOLVED) {
		c->resolved_at = f->event->occurred_at;
		c->first_resolved_at = time_earlier(c->first_resolved_at, f->event->occurred_at);
		c->resolve_count++;
		c->substate = SUBSTATE_NONE;
		end_assignment(f, c, bytes_is(bytes_text(cause), "merge") ? "merged" : "resolved");
	} else if (from == CONVERSATION_RESOLVED) {
		if (to == CONVERSATION_REOPENED) {
			c->reopened_at = f->event->occurred_at;
			c->reopen_count++;
		}
		if (!uuid_is_nil(&c->assigned_agent_id) && uuid_is_nil(&c->current_assignment_id))
			begin_assignment(f, c, ASSIGNED_BY_REOPEN);
	}
	derive_status(c);
	f->facts.transition = true;
	f->facts.transition_derived = derived;
	f->facts.transition_cause = cause;
	f->facts.from_state = from;
	f->facts.to_state = to;
	f->facts.conversation = c->row.id;
	carried(f, c, before);
}

/* Rule R on the event's message. */
static bool reopens(struct fold *f, const struct conversation *c)
{
	const struct message *m = (const struct message *)(const void *)f->facts.message;
	const struct customer *customer = customer_find(f, &c->customer_id);
	struct reopen_question q = {
		.is_public = m && message_is_public(m),
		.auto_reply = m && m->auto_reply == 1,
		.customer_blocked = customer && customer_is_blocked(customer),
		.occurred_at = f->event->occurred_at,
		.resolved_at = c->resolved_at,
		.last_agent_message_at = c->last_agent_message_at,
	};

	return uuid_is_nil(&c->merged_into_id) && lifecycle_reopens(&q);
}

bool conversation_step(struct fold *f, struct conversation *c, enum conversation_input input, const char *cause,
		       bool derived)
{
	struct cell cell = machine_step(&conversation_machine, c->state, (int)input);

	switch (cell.verdict) {
	case VERDICT_STAY:
		return true;
	case VERDICT_NOOP:
		return false;
	case VERDICT_RULE:
		if (reopens(f, c))
			conversation_move(f, c, CONVERSATION_REOPENED, "reopen", true);
		return true;
	case VERDICT_MOVE:
		if (!uuid_is_nil(&c->merged_into_id)) {
			fold_anomaly(f, "merged", "the conversation was merged into another and does not move any more");
			return false;
		}
		conversation_move(f, c, cell.to, cause, derived);
		return true;
	case VERDICT_ANOMALY:
		break;
	}
	fold_anomaly(f, "transition", "%s does not fit a conversation that is %s", f->event->type->name,
		     values_conversation_state[c->state]);
	return false;
}

/* ---- the events ---- */

int conversation_on_assigned(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid agent = field_uuid(&f->fields, "agent_id"), team = field_uuid(&f->fields, "team_id");
	int16_t by = (int16_t)field_enum(&f->fields, "assigned_by");

	if (!c || !conversation_step(f, c, by == ASSIGNED_BY_REOPEN ? INPUT_ASSIGNED_REOPEN : INPUT_ASSIGNED,
				     "conversation.assigned", false))
		return 0;
	if (!uuid_is_nil(&team))
		c->assigned_team_id = team;
	if (c->substate == SUBSTATE_TRANSFERRED)
		conversation_set_substate(c, SUBSTATE_NONE);
	conversation_assign(f, c, &agent, by, "reassigned");
	return 0;
}

int conversation_on_unassigned(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid agent = field_uuid(&f->fields, "agent_id"), nobody = { { 0 } };

	if (!c || uuid_is_nil(&c->assigned_agent_id))
		return 0;
	if (!uuid_equal(&agent, &c->assigned_agent_id))
		return fold_anomaly(f, "stale_write", "the conversation is assigned to another agent");
	if (conversation_step(f, c, INPUT_UNASSIGNED, "conversation.unassigned", false))
		conversation_assign(f, c, &nobody, -1, NULL);
	return 0;
}

int conversation_on_transferred(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid agent = field_uuid(&f->fields, "to_agent_id"), team = field_uuid(&f->fields, "to_team_id");

	if (!c || !conversation_step(f, c, INPUT_TRANSFERRED, "conversation.transferred", false))
		return 0;
	c->transfer_count++;
	if (!uuid_is_nil(&team))
		c->assigned_team_id = team;
	conversation_set_substate(c, SUBSTATE_TRANSFERRED);
	conversation_assign(f, c, &agent, ASSIGNED_BY_TRANSFER, "transferred");
	return 0;
}

int conversation_on_handed_off(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);

	if (c && conversation_step(f, c, INPUT_HANDED_OFF, "conversation.handed_off", false))
		c->handoff_count++;
	return 0;
}

static void escalate(struct fold *f, struct conversation *c, int64_t level, const char *cause)
{
	bool again = c->state == CONVERSATION_ESCALATED;

	if (!conversation_step(f, c, INPUT_ESCALATED, cause, false))
		return;
	c->escalation_count++;
	if (level == INT_NONE)
		level = again ? c->escalation_level + 1 : 1;
	if (again && level <= c->escalation_level)
		level = c->escalation_level + 1;
	c->escalation_level = level > INT32_MAX ? INT32_MAX : level; /* the sender may begin at the top */
}

int conversation_on_escalated(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid team = field_uuid(&f->fields, "to_team_id");
	int64_t before;

	if (!c)
		return 0;
	before = c->escalation_count;
	escalate(f, c, field_int(&f->fields, "level", INT_NONE), "conversation.escalated");
	if (c->escalation_count == before)
		return 0;
	if (!uuid_is_nil(&team))
		c->assigned_team_id = team;
	if (!uuid_is_nil(&e->resolution_id))
		c->resolution_id = e->resolution_id;
	return 0;
}

int conversation_on_deescalated(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);

	if (c && conversation_step(f, c, INPUT_DEESCALATED, "conversation.deescalated", false))
		c->escalation_level = 0;
	return 0;
}

int conversation_on_resolved(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	int16_t by = (int16_t)field_enum(&f->fields, "by");

	if (!c)
		return 0;
	if (by == RESOLVED_BY_INACTIVITY && c->state != CONVERSATION_RESOLVED &&
	    !lifecycle_may_auto_resolve(field_time(&f->fields, "observed_last_message_at"), c->last_message_at))
		return fold_anomaly(f, "stale_resolve", "a message came that the resolver had not seen");
	if (!conversation_step(f, c, INPUT_RESOLVED, by == RESOLVED_BY_MERGE ? "merge" : "conversation.resolved", false))
		return 0;
	c->resolved_by = by;
	c->resolution_code = fold_keep(f, field_text(&f->fields, "resolution_code"));
	return 0;
}

int conversation_on_reopened(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);

	if (c)
		conversation_step(f, c, INPUT_REOPENED, "conversation.reopened", false);
	return 0;
}

int conversation_on_state_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	int16_t previous = (int16_t)field_enum(&f->fields, "previous_state"), to = (int16_t)field_enum(&f->fields, "new_state");

	if (!c)
		return 0;
	if (bytes_is(field_text(&f->fields, "cause"), "derived")) {
		if (to != c->state)
			return fold_anomaly(f, "derived_differs", "the fold has \"%s\", the event says \"%s\"",
					    values_conversation_state[c->state], values_conversation_state[to]);
		return 0;
	}
	if (previous != c->state)
		return fold_anomaly(f, "stale_write", "the conversation is %s, not %s", values_conversation_state[c->state],
				    values_conversation_state[previous]);
	if (!uuid_is_nil(&c->merged_into_id))
		return fold_anomaly(f, "merged", "the conversation was merged into another and does not move any more");
	conversation_move(f, c, to, "explicit", false);
	return 0;
}

int conversation_on_merged_into(struct fold *f, const struct event *e)
{
	struct uuid into_id = field_uuid(&f->fields, "into_id");
	struct conversation *c = fold_self(f, &e->entity_id), *into = fold_self(f, &into_id);

	if (!c || !into)
		return fold_anomaly(f, "unknown_conversation", "no such conversation");
	if (uuid_equal(&c->merged_into_id, &into_id))
		return 0;
	if (!uuid_is_nil(&c->merged_into_id))
		return fold_anomaly(f, "merged", "the conversation was merged into another already");
	if (!fold_chain_fits(f, &merges, c, into))
		return 0;
	fold_change(f, c);
	conversation_move(f, c, CONVERSATION_RESOLVED, "merge", false);
	c->resolved_by = RESOLVED_BY_MERGE;
	fold_chain_join(f, &merges, c, into);
	return 0;
}

int conversation_on_deleted(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid before;

	if (!c || c->deleted_at != TIME_NONE)
		return 0;
	before = carrier(c);
	end_assignment(f, c, "deleted");
	c->deleted_at = e->occurred_at;
	carried(f, c, before);
	return 0;
}

int conversation_on_resolution_created(struct fold *f, const struct event *e)
{
	struct conversation *c = fold_self(f, &e->conversation_id);

	if (!c)
		return fold_anomaly(f, "unknown_conversation", "no such conversation");
	fold_change(f, c);
	c->resolution_id = e->entity_id;
	if (field_bool(&f->fields, "escalate", false))
		escalate(f, c, INT_NONE, "resolution.created");
	return 0;
}
