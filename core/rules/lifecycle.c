/* lifecycle - see lifecycle.h. */
#include "rules/lifecycle.h"

#include <assert.h>

#include "base/time.h"

#define TO(state) { VERDICT_MOVE, (state) }
#define STAY { VERDICT_STAY, 0 }
#define NOOP { VERDICT_NOOP, 0 }
#define WRONG { VERDICT_ANOMALY, 0 }
#define RULE { VERDICT_RULE, 0 }

struct cell machine_step(const struct machine *m, int state, int input)
{
	assert(state >= 0 && state < m->state_count);
	assert(input >= 0 && input < m->input_count);
	return m->cells[input * m->state_count + state];
}

void machine_print(struct buffer *out, const struct machine *m)
{
	enum { WIDTH = 20, FIRST = 32 };

	buffer_printf(out, "%s - %s\n\n%-*s", m->name, m->about, FIRST, "");
	for (int state = 0; state < m->state_count; state++)
		buffer_printf(out, "%-*s", WIDTH, m->states[state]);
	buffer_add_byte(out, '\n');
	for (int input = 0; input < m->input_count; input++) {
		buffer_printf(out, "%-*s", FIRST, m->inputs[input]);
		for (int state = 0; state < m->state_count; state++) {
			struct cell cell = machine_step(m, state, input);
			const char *text = cell.verdict == VERDICT_MOVE ? m->states[cell.to] :
					   cell.verdict == VERDICT_STAY ? "=" :
					   cell.verdict == VERDICT_NOOP ? "." :
					   cell.verdict == VERDICT_RULE ? "?" : "!";

			buffer_printf(out, "%-*s", WIDTH, text);
		}
		buffer_add_byte(out, '\n');
	}
}

/* ---- conversation ---- */

#define OPEN TO(CONVERSATION_OPEN)
#define CUSTOMER TO(CONVERSATION_AWAITING_CUSTOMER)
#define AGENT TO(CONVERSATION_AWAITING_AGENT)
#define ESCALATED TO(CONVERSATION_ESCALATED)
#define RESOLVED TO(CONVERSATION_RESOLVED)
#define REOPENED TO(CONVERSATION_REOPENED)

static const char *const conversation_states[] = {
	"open", "awaiting_customer", "awaiting_agent", "escalated", "resolved", "reopened", NULL,
};

static const char *const conversation_inputs[] = {
	"message.received (customer)", "message.sent (agent, public)", "message.sent (ai, public)", "other messages",
	"note.added", "conversation.assigned", "conversation.assigned (reopen)", "conversation.unassigned",
	"conversation.transferred", "conversation.handed_off", "conversation.escalated", "conversation.deescalated",
	"conversation.resolved", "conversation.reopened", NULL,
};

static const struct cell conversation_cells[CONVERSATION_INPUTS][CONVERSATION_STATES] = {
	/*                           open       aw.customer aw.agent   escalated  resolved  reopened */
	[INPUT_CUSTOMER_MESSAGE] = { STAY,      AGENT,      STAY,      STAY,      RULE,     STAY },
	[INPUT_AGENT_MESSAGE]    = { CUSTOMER,  STAY,       CUSTOMER,  STAY,      STAY,     CUSTOMER },
	[INPUT_AI_MESSAGE]       = { CUSTOMER,  STAY,       CUSTOMER,  STAY,      STAY,     CUSTOMER },
	[INPUT_OTHER_MESSAGE]    = { STAY,      STAY,       STAY,      STAY,      STAY,     STAY },
	[INPUT_NOTE]             = { STAY,      STAY,       STAY,      STAY,      STAY,     STAY },
	[INPUT_ASSIGNED]         = { AGENT,     STAY,       STAY,      STAY,      WRONG,    AGENT },
	[INPUT_ASSIGNED_REOPEN]  = { AGENT,     STAY,       STAY,      STAY,      STAY,     AGENT },
	[INPUT_UNASSIGNED]       = { STAY,      STAY,       OPEN,      STAY,      STAY,     STAY },
	[INPUT_TRANSFERRED]      = { AGENT,     STAY,       STAY,      STAY,      WRONG,    AGENT },
	[INPUT_HANDED_OFF]       = { AGENT,     AGENT,      STAY,      STAY,      WRONG,    AGENT },
	[INPUT_ESCALATED]        = { ESCALATED, ESCALATED,  ESCALATED, STAY,      WRONG,    ESCALATED },
	[INPUT_DEESCALATED]      = { NOOP,      NOOP,       NOOP,      AGENT,     NOOP,     NOOP },
	[INPUT_RESOLVED]         = { RESOLVED,  RESOLVED,   RESOLVED,  RESOLVED,  NOOP,     RESOLVED },
	[INPUT_REOPENED]         = { WRONG,     WRONG,      WRONG,     WRONG,     REOPENED, NOOP },
};

const struct machine conversation_machine = {
	.name = "conversation",
	.about = "whose turn it is; a customer's message on a resolved one reopens it by rule R",
	.states = conversation_states, .state_count = CONVERSATION_STATES,
	.inputs = conversation_inputs, .input_count = CONVERSATION_INPUTS,
	.cells = &conversation_cells[0][0],
};

bool lifecycle_reopens(const struct reopen_question *q)
{
	if (!q->is_public || q->auto_reply || q->customer_blocked)
		return false;
	if (q->resolved_at == TIME_NONE || q->last_agent_message_at == TIME_NONE)
		return true;
	return !(q->occurred_at < q->resolved_at && q->last_agent_message_at > q->occurred_at);
}

bool lifecycle_may_auto_resolve(int64_t observed_last_message_at, int64_t last_message_at)
{
	/* TIME_NONE is less than every instant. */
	return last_message_at <= observed_last_message_at;
}

/* ---- message delivery ---- */

const char *const message_statuses[] = { "pending", "sent", "failed", "delivered", "read", NULL };

static const char *const delivery_inputs[] = {
	"message.sent", "message.failed", "message.delivered", "message.read", NULL,
};

static const struct cell delivery_cells[DELIVERY_INPUTS][MESSAGE_STATUSES] = {
	/*                       pending                sent                   failed                 delivered         read */
	[DELIVERY_SENT]      = { TO(MESSAGE_SENT),      NOOP,                  NOOP,                  NOOP,             NOOP },
	[DELIVERY_FAILED]    = { TO(MESSAGE_FAILED),    TO(MESSAGE_FAILED),    NOOP,                  NOOP,             NOOP },
	[DELIVERY_DELIVERED] = { TO(MESSAGE_DELIVERED), TO(MESSAGE_DELIVERED), TO(MESSAGE_DELIVERED), NOOP,             NOOP },
	[DELIVERY_READ]      = { TO(MESSAGE_READ),      TO(MESSAGE_READ),      TO(MESSAGE_READ),      TO(MESSAGE_READ), NOOP },
};

const struct machine delivery_machine = {
	.name = "message delivery",
	.about = "the greatest report of the latest attempt; message.retried begins the next attempt as pending",
	.states = message_statuses, .state_count = MESSAGE_STATUSES,
	.inputs = delivery_inputs, .input_count = DELIVERY_INPUTS,
	.cells = &delivery_cells[0][0],
};

bool lifecycle_deliver(int64_t *attempt, int16_t *status, int64_t report_attempt, enum message_status report)
{
	struct cell cell;

	if (report_attempt < *attempt)
		return false;
	if (report_attempt > *attempt) {
		*attempt = report_attempt;
		*status = (int16_t)report;
		return true;
	}
	if (report == MESSAGE_PENDING)
		return false;
	cell = machine_step(&delivery_machine, *status, (int)report - 1);
	if (cell.verdict != VERDICT_MOVE)
		return false;
	*status = cell.to;
	return true;
}

/* ---- customer ---- */

const char *const customer_statuses[] = { "active", "inactive", "blocked", "merged", NULL };

static const char *const customer_inputs[] = {
	"customer.blocked", "customer.unblocked", "customer.deactivated", "customer.reactivated", "customer.merged_into",
	"customer.unmerged", NULL,
};

static const struct cell customer_cells[CUSTOMER_INPUTS][CUSTOMER_STATUSES] = {
	/*                                active                 inactive               blocked                merged */
	[CUSTOMER_INPUT_BLOCKED]      = { TO(CUSTOMER_BLOCKED),  TO(CUSTOMER_BLOCKED),  NOOP,                  WRONG },
	[CUSTOMER_INPUT_UNBLOCKED]    = { NOOP,                  NOOP,                  TO(CUSTOMER_ACTIVE),   WRONG },
	[CUSTOMER_INPUT_DEACTIVATED]  = { TO(CUSTOMER_INACTIVE), NOOP,                  WRONG,                 WRONG },
	[CUSTOMER_INPUT_REACTIVATED]  = { NOOP,                  TO(CUSTOMER_ACTIVE),   WRONG,                 WRONG },
	[CUSTOMER_INPUT_MERGED_INTO]  = { TO(CUSTOMER_MERGED),   TO(CUSTOMER_MERGED),   TO(CUSTOMER_MERGED),   WRONG },
	[CUSTOMER_INPUT_UNMERGED]     = { NOOP,                  NOOP,                  NOOP,                  TO(CUSTOMER_ACTIVE) },
};

const struct machine customer_machine = {
	.name = "customer",
	.about = "an event on a merged customer goes to the one it was merged into",
	.states = customer_statuses, .state_count = CUSTOMER_STATUSES,
	.inputs = customer_inputs, .input_count = CUSTOMER_INPUTS,
	.cells = &customer_cells[0][0],
};

/* ---- channel ---- */

const char *const channel_statuses[] = { "active", "inactive", "error", NULL };

static const char *const channel_inputs[] = {
	"channel.activated", "channel.deactivated", "channel.errored", "channel.recovered", NULL,
};

static const struct cell channel_cells[CHANNEL_INPUTS][CHANNEL_STATUSES] = {
	/*                              active                inactive            error */
	[CHANNEL_INPUT_ACTIVATED]   = { NOOP,                 TO(CHANNEL_ACTIVE), TO(CHANNEL_ACTIVE) },
	[CHANNEL_INPUT_DEACTIVATED] = { TO(CHANNEL_INACTIVE), NOOP,               WRONG },
	[CHANNEL_INPUT_ERRORED]     = { TO(CHANNEL_ERROR),    WRONG,              STAY },
	[CHANNEL_INPUT_RECOVERED]   = { NOOP,                 WRONG,              TO(CHANNEL_ACTIVE) },
};

const struct machine channel_machine = {
	.name = "channel",
	.about = "whether it carries messages",
	.states = channel_statuses, .state_count = CHANNEL_STATUSES,
	.inputs = channel_inputs, .input_count = CHANNEL_INPUTS,
	.cells = &channel_cells[0][0],
};

const struct machine *const machines[] = {
	&conversation_machine, &delivery_machine, &customer_machine, &channel_machine, NULL,
};
