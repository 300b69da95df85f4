/*
 * conversation_transitions - every change of a conversation's state, with what caused it.
 *
 * The row's id is the event's id: an event moves at most one conversation.  `derived` tells moves that a fixed
 * rule made (a customer's message reopens) from those that somebody asked for.
 */
#include "fold/state.h"
#include "projections/registry.h"

struct transition {
	struct row row;
	struct uuid conversation_id;
	int16_t from_state, to_state;
	struct bytes cause;
	int8_t derived;
	struct uuid event_id;
	struct bytes event_type;
	int16_t actor_type;
	struct uuid actor_id;
	int64_t position, occurred_at, recorded_at;
};

static int on_event(struct fold *f, const struct event *e)
{
	struct transition *t;

	if (!f->facts.transition)
		return 0;
	t = fold_add(f);
	t->conversation_id = f->facts.conversation;
	t->from_state = f->facts.from_state;
	t->to_state = f->facts.to_state;
	t->cause = bytes_text(f->facts.transition_cause);
	t->derived = f->facts.transition_derived;
	t->event_id = e->event_id;
	t->event_type = bytes_text(e->type->name);
	t->actor_type = (int16_t)e->actor_type;
	t->actor_id = e->actor_id;
	t->position = e->position;
	t->occurred_at = e->occurred_at;
	t->recorded_at = e->recorded_at;
	return 0;
}

static const struct column columns[] = {
	COLUMN(transition, conversation_id, UUID, .required = true),
	COLUMN(transition, from_state, ENUM, .sql = "varchar(30)", .values = values_conversation_state,
	       .about = "null: the conversation began"),
	COLUMN(transition, to_state, ENUM, .sql = "varchar(30)", .required = true, .values = values_conversation_state),
	COLUMN(transition, cause, TEXT, .required = true, .about = "reopen, merge, created, explicit, or the event's type"),
	COLUMN(transition, derived, BOOL, .required = true, .about = "by a fixed rule, not because somebody asked for it"),
	COLUMN(transition, event_id, UUID, .required = true),
	COLUMN(transition, event_type, TEXT, .required = true, .open = true),
	COLUMN(transition, actor_type, ENUM, .values = values_actor_type),
	COLUMN(transition, actor_id, UUID),
	COLUMN(transition, position, INT8, .required = true, .about = "the event's position in its shard"),
	COLUMN(transition, occurred_at, TIME, .required = true),
	COLUMN(transition, recorded_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(CONVERSATION_CREATED, CALL, .then = on_event),
	ON(MESSAGE_RECEIVED, CALL, .then = on_event),
	ON(MESSAGE_SENT, CALL, .then = on_event),
	ON(CONVERSATION_ASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_UNASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_TRANSFERRED, CALL, .then = on_event),
	ON(CONVERSATION_HANDED_OFF, CALL, .then = on_event),
	ON(CONVERSATION_ESCALATED, CALL, .then = on_event),
	ON(CONVERSATION_DEESCALATED, CALL, .then = on_event),
	ON(CONVERSATION_RESOLVED, CALL, .then = on_event),
	ON(CONVERSATION_REOPENED, CALL, .then = on_event),
	ON(CONVERSATION_STATE_CHANGED, CALL, .then = on_event),
	ON(CONVERSATION_MERGED_INTO, CALL, .then = on_event),
	ON(RESOLUTION_CREATED, CALL, .then = on_event),
	{ .kind = EV_UNKNOWN },
};

/* The second is asked by analytics.resolved_between. */
static const char *const indexes[] = {
	"(tenant_id, conversation_id, position)", "(tenant_id, occurred_at) WHERE to_state = 'resolved'", NULL,
};

const struct projection conversation_transitions = {
	.schema = "core", .name = "conversation_transitions", .version = 1,
	.about = "Every change of a conversation's state, and what caused it.",
	COLUMNS(transition, columns), FOLDS(folds), .indexes = indexes, .history = true,
	NEEDS(&conversations),
};
