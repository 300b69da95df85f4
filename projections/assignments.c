/*
 * assignments - who had a conversation, from when to when.
 *
 * The row's id is the event's id.  A row begins with conversation.assigned, with conversation.transferred to
 * an agent (assigned_by transfer), and with the reopening of a conversation that has an agent (assigned_by
 * reopen: the agent keeps it until routing says otherwise).  It ends, with its reason, when the agent is
 * unassigned (the event's own reason), when another assignment begins ("reassigned"), on a transfer
 * ("transferred"), when the conversation is resolved or merged ("resolved", "merged"), and when it is deleted
 * ("deleted").  So an agent's work on a conversation is the sum of its rows, and the open ones are those
 * without unassigned_at.
 */
#include "fold/state.h"
#include "projections/registry.h"

struct assignment {
	struct row row;
	struct uuid conversation_id, agent_id, team_id;
	int16_t assigned_by;
	struct uuid assigned_by_user_id;
	struct bytes reason;
	int64_t assigned_at, unassigned_at;
	struct bytes unassignment_reason;
};

static void close_row(struct fold *f, const struct event *e)
{
	struct assignment *a = fold_self(f, &f->facts.closed_assignment);

	if (!a)
		return;
	fold_change(f, a);
	a->unassigned_at = time_later(a->assigned_at, e->occurred_at);
	a->unassignment_reason = f->facts.closed_reason ? bytes_text(f->facts.closed_reason) :
			 fold_keep(f, field_text(&f->fields, "unassignment_reason"));
}

static int on_event(struct fold *f, const struct event *e)
{
	struct assignment *a;

	close_row(f, e);
	if (!f->facts.assignment_opened)
		return 0;
	a = fold_add(f);
	a->conversation_id = f->facts.conversation;
	a->agent_id = f->facts.assigned_agent;
	a->team_id = f->facts.assigned_team;
	a->assigned_by = f->facts.assigned_by;
	a->assigned_at = e->occurred_at;
	if (e->actor_type == ACTOR_USER && e->type->kind != EV_MESSAGE_RECEIVED)
		a->assigned_by_user_id = e->actor_id;
	return 0;
}

static int on_assigned(struct fold *f, const struct event *e)
{
	struct assignment *a;

	on_event(f, e);
	if (!f->facts.assignment_opened)
		return 0;
	a = fold_self(f, &e->event_id);
	if (field_has(&f->fields, "reason"))
		a->reason = fold_keep(f, field_text(&f->fields, "reason"));
	if (e->type->kind == EV_CONVERSATION_ASSIGNED && field_has(&f->fields, "assigned_by_user_id"))
		a->assigned_by_user_id = field_uuid(&f->fields, "assigned_by_user_id");
	return 0;
}

static const struct column columns[] = {
	COLUMN(assignment, conversation_id, UUID, .required = true),
	COLUMN(assignment, agent_id, UUID, .required = true),
	COLUMN(assignment, team_id, UUID),
	COLUMN(assignment, assigned_by, ENUM, .sql = "varchar(30)", .required = true, .values = values_assigned_by),
	COLUMN(assignment, assigned_by_user_id, UUID),
	COLUMN(assignment, reason, TEXT),
	COLUMN(assignment, assigned_at, TIME, .required = true),
	COLUMN(assignment, unassigned_at, TIME),
	COLUMN(assignment, unassignment_reason, TEXT, .sql = "varchar(50)"),
};

static const struct fold_entry folds[] = {
	ON(CONVERSATION_ASSIGNED, CALL, .then = on_assigned),
	ON(CONVERSATION_TRANSFERRED, CALL, .then = on_assigned),
	ON(CONVERSATION_UNASSIGNED, CALL, .then = on_event),
	ON(CONVERSATION_RESOLVED, CALL, .then = on_event),
	ON(CONVERSATION_REOPENED, CALL, .then = on_event),
	ON(CONVERSATION_STATE_CHANGED, CALL, .then = on_event),
	ON(CONVERSATION_MERGED_INTO, CALL, .then = on_event),
	ON(CONVERSATION_DELETED, CALL, .then = on_event),
	ON(MESSAGE_RECEIVED, CALL, .then = on_event),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, conversation_id)", "(tenant_id, agent_id)", "(tenant_id, assigned_at) WHERE unassigned_at IS NULL", NULL,
};

const struct projection assignments = {
	.schema = "core", .name = "assignments", .version = 1,
	.about = "Who had a conversation, from when to when, and why it ended.",
	.entity = ENTITY_ASSIGNMENT, COLUMNS(assignment, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 80,
	NEEDS(&conversations),
};
