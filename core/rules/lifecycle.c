/* lifecycle - see lifecycle.h. */
#include "rules/lifecycle.h"

#include <assert.h>
#include <string.h>

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

int machine_input(const struct machine *m, const char *name)
{
	for (int input = 0; input < m->input_count; input++)
		if (strcmp(m->inputs[input], name) == 0)
			return input;
	return -1;
}

static int widest(const char *const *names)
{
	int width = 0;

	for (; *names; names++)
		if ((int)strlen(*names) > width)
			width = (int)strlen(*names);
	return width + 2;
}

/* Blanks after the last column are left out. */
static void end_line(struct buffer *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	buffer_add_byte(out, '\n');
}

void machine_print(struct buffer *out, const struct machine *m)
{
	int first = widest(m->inputs), width = widest(m->states);

	buffer_printf(out, "%s - %s\n\n%-*s", m->name, m->about, first, "");
	for (int state = 0; state < m->state_count; state++)
		buffer_printf(out, "%-*s", width, m->states[state]);
	end_line(out);
	for (int input = 0; input < m->input_count; input++) {
		buffer_printf(out, "%-*s", first, m->inputs[input]);
		for (int state = 0; state < m->state_count; state++) {
			struct cell cell = machine_step(m, state, input);
			const char *text = cell.verdict == VERDICT_MOVE ? m->states[cell.to] :
					   cell.verdict == VERDICT_STAY ? "=" :
					   cell.verdict == VERDICT_NOOP ? "." :
					   cell.verdict == VERDICT_RULE ? "?" : "!";

			buffer_printf(out, "%-*s", width, text);
		}
		end_line(out);
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

/* ---- resolution ---- */

static const char *const resolution_states[] = {
	"investigating", "awaiting_fix", "fix_in_progress", "awaiting_deploy", "deployed", "monitoring", "resolved",
	"wont_fix", "duplicate", NULL,
};

/* A status_changed input is named after where it wants to go. */
static const char *const resolution_inputs[] = {
	"to investigating", "to awaiting_fix", "to fix_in_progress", "to awaiting_deploy", "to deployed", "to monitoring",
	"to resolved", "to wont_fix", "to duplicate", "resolution.fix_deployed", "resolution.reopened", NULL,
};

#define INVEST TO(RESOLUTION_INVESTIGATING)
#define AWAITS TO(RESOLUTION_AWAITING_FIX)
#define INWORK TO(RESOLUTION_FIX_IN_PROGRESS)
#define TODEPL TO(RESOLUTION_AWAITING_DEPLOY)
#define DEPLOY TO(RESOLUTION_DEPLOYED)
#define WATCH  TO(RESOLUTION_MONITORING)
#define SOLVED TO(RESOLUTION_RESOLVED)
#define WONT   TO(RESOLUTION_WONT_FIX)
#define TWICE  TO(RESOLUTION_DUPLICATE)

static const struct cell resolution_cells[RESOLUTION_INPUTS][RESOLUTION_STATUSES] = {
	/*                                 investig. aw.fix  in prog. aw.dep. deployed monitor. resolved wont_fix duplicate */
	[RESOLUTION_INVESTIGATING]      = { NOOP,    INVEST, INVEST,  WRONG,  INVEST,  INVEST,  WRONG,   WRONG,   WRONG },
	[RESOLUTION_AWAITING_FIX]       = { AWAITS,  NOOP,   AWAITS,  WRONG,  WRONG,   WRONG,   WRONG,   WRONG,   WRONG },
	[RESOLUTION_FIX_IN_PROGRESS]    = { INWORK,  INWORK, NOOP,    INWORK, WRONG,   WRONG,   WRONG,   WRONG,   WRONG },
	[RESOLUTION_AWAITING_DEPLOY]    = { WRONG,   WRONG,  TODEPL,  NOOP,   WRONG,   WRONG,   WRONG,   WRONG,   WRONG },
	[RESOLUTION_DEPLOYED]           = { WRONG,   WRONG,  WRONG,   DEPLOY, NOOP,    WRONG,   WRONG,   WRONG,   WRONG },
	[RESOLUTION_MONITORING]         = { WRONG,   WRONG,  WRONG,   WRONG,  WATCH,   NOOP,    WRONG,   WRONG,   WRONG },
	[RESOLUTION_RESOLVED]           = { SOLVED,  SOLVED, SOLVED,  WRONG,  SOLVED,  SOLVED,  NOOP,    WRONG,   WRONG },
	[RESOLUTION_WONT_FIX]           = { WONT,    WONT,   WONT,    WRONG,  WRONG,   WRONG,   WRONG,   NOOP,    WRONG },
	[RESOLUTION_DUPLICATE]          = { TWICE,   TWICE,  WRONG,   WRONG,  WRONG,   WRONG,   WRONG,   WRONG,   NOOP },
	[RESOLUTION_INPUT_FIX_DEPLOYED] = { WRONG,   WRONG,  DEPLOY,  DEPLOY, STAY,    WRONG,   WRONG,   WRONG,   WRONG },
	[RESOLUTION_INPUT_REOPENED]     = { NOOP,    WRONG,  WRONG,   WRONG,  WRONG,   WRONG,   INVEST,  INVEST,  INVEST },
};

const struct machine resolution_machine = {
	.name = "resolution",
	.about = "from investigation to a deployed fix; what is over begins again only by resolution.reopened",
	.states = resolution_states, .state_count = RESOLUTION_STATUSES,
	.inputs = resolution_inputs, .input_count = RESOLUTION_INPUTS,
	.cells = &resolution_cells[0][0],
};

/* ---- swarm ---- */

const char *const swarm_statuses[] = { "active", "resolved", "archived", NULL };

static const char *const swarm_inputs[] = {
	"swarm.resolved", "swarm.reactivated", "swarm.archived", "its resolution is over", "its resolution is reopened", NULL,
};

static const struct cell swarm_cells[SWARM_INPUTS][SWARM_STATUSES] = {
	/*                                   active              resolved            archived */
	[SWARM_INPUT_RESOLVED]            = { TO(SWARM_RESOLVED), NOOP,               WRONG },
	[SWARM_INPUT_REACTIVATED]         = { NOOP,               TO(SWARM_ACTIVE),   WRONG },
	[SWARM_INPUT_ARCHIVED]            = { TO(SWARM_ARCHIVED), TO(SWARM_ARCHIVED), NOOP },
	[SWARM_INPUT_RESOLUTION_OVER]     = { TO(SWARM_RESOLVED), NOOP,               NOOP },
	[SWARM_INPUT_RESOLUTION_REOPENED] = { NOOP,               TO(SWARM_ACTIVE),   NOOP },
};

const struct machine swarm_machine = {
	.name = "swarm",
	.about = "ends and begins again with its resolution, until it is archived",
	.states = swarm_statuses, .state_count = SWARM_STATUSES,
	.inputs = swarm_inputs, .input_count = SWARM_INPUTS,
	.cells = &swarm_cells[0][0],
};

/* ---- customer update ---- */

const char *const customer_update_statuses[] = { "pending", "sent", "failed", "delivered", "cancelled", NULL };

static const char *const customer_update_inputs[] = {
	"customer_update.sent", "customer_update.failed", "customer_update.delivered", "customer_update.cancelled", NULL,
};

/* As with messages, in whatever order the reports come; a late "sent" says which message it was, so it stays and is kept. */
static const struct cell customer_update_cells[CUSTOMER_UPDATE_INPUTS][CUSTOMER_UPDATE_STATUSES] = {
	/*                                   pending                        sent                           failed                         delivered cancelled */
	[CUSTOMER_UPDATE_INPUT_SENT]      = { TO(CUSTOMER_UPDATE_SENT),      NOOP,                          STAY,                          STAY,     WRONG },
	[CUSTOMER_UPDATE_INPUT_FAILED]    = { TO(CUSTOMER_UPDATE_FAILED),    TO(CUSTOMER_UPDATE_FAILED),    NOOP,                          NOOP,     WRONG },
	[CUSTOMER_UPDATE_INPUT_DELIVERED] = { TO(CUSTOMER_UPDATE_DELIVERED), TO(CUSTOMER_UPDATE_DELIVERED), TO(CUSTOMER_UPDATE_DELIVERED), NOOP,     WRONG },
	[CUSTOMER_UPDATE_INPUT_CANCELLED] = { TO(CUSTOMER_UPDATE_CANCELLED), WRONG,                         WRONG,                         WRONG,    NOOP },
};

const struct machine customer_update_machine = {
	.name = "customer update",
	.about = "the greatest report of its delivery; cancelled only while it waits",
	.states = customer_update_statuses, .state_count = CUSTOMER_UPDATE_STATUSES,
	.inputs = customer_update_inputs, .input_count = CUSTOMER_UPDATE_INPUTS,
	.cells = &customer_update_cells[0][0],
};

/* ---- knowledge base article ---- */

const char *const kb_article_statuses[] = { "draft", "review", "approved", "published", "archived", NULL };

static const char *const kb_article_inputs[] = {
	"kb.edited", "kb.submitted", "kb.approved", "kb.rejected", "kb.published", "kb.unpublished", "kb.archived",
	"kb.restored", NULL,
};

#define DRAFT    TO(KB_ARTICLE_DRAFT)
#define REVIEW   TO(KB_ARTICLE_REVIEW)
#define APPROVED TO(KB_ARTICLE_APPROVED)
#define PUBLIC   TO(KB_ARTICLE_PUBLISHED)
#define AWAY     TO(KB_ARTICLE_ARCHIVED)

static const struct cell kb_article_cells[KB_ARTICLE_INPUTS][KB_ARTICLE_STATUSES] = {
	/*                                draft   review    approved published archived */
	[KB_ARTICLE_INPUT_EDITED]      = { STAY,   STAY,     STAY,    STAY,     WRONG },
	[KB_ARTICLE_INPUT_SUBMITTED]   = { REVIEW, NOOP,     WRONG,   WRONG,    WRONG },
	[KB_ARTICLE_INPUT_APPROVED]    = { WRONG,  APPROVED, NOOP,    WRONG,    WRONG },
	[KB_ARTICLE_INPUT_REJECTED]    = { NOOP,   DRAFT,    WRONG,   WRONG,    WRONG },
	[KB_ARTICLE_INPUT_PUBLISHED]   = { RULE,   WRONG,    PUBLIC,  NOOP,     WRONG },
	[KB_ARTICLE_INPUT_UNPUBLISHED] = { NOOP,   WRONG,    WRONG,   DRAFT,    WRONG },
	[KB_ARTICLE_INPUT_ARCHIVED]    = { AWAY,   AWAY,     AWAY,    AWAY,     NOOP },
	[KB_ARTICLE_INPUT_RESTORED]    = { NOOP,   WRONG,    WRONG,   WRONG,    DRAFT },
};

const struct machine kb_article_machine = {
	.name = "knowledge base article",
	.about = "a draft may be published without review unless the tenant's settings say \"kb_require_review\": true",
	.states = kb_article_statuses, .state_count = KB_ARTICLE_STATUSES,
	.inputs = kb_article_inputs, .input_count = KB_ARTICLE_INPUTS,
	.cells = &kb_article_cells[0][0],
};

/* ---- attachment scan ---- */

static const char *const scan_states[] = { "unscanned", "clean", "infected", "error", NULL };
static const char *const scan_inputs[] = { "scanned: clean", "scanned: infected", "scanned: error", NULL };

/* A later scan may find what an earlier one could not know; that a file is clean after all takes more than another scan. */
static const struct cell scan_cells[SCAN_INPUTS][SCAN_STATES] = {
	/*                      unscanned          clean              infected error */
	[SCAN_INPUT_CLEAN]    = { TO(SCAN_CLEAN),    NOOP,              WRONG,   TO(SCAN_CLEAN) },
	[SCAN_INPUT_INFECTED] = { TO(SCAN_INFECTED), TO(SCAN_INFECTED), NOOP,    TO(SCAN_INFECTED) },
	[SCAN_INPUT_ERROR]    = { TO(SCAN_ERROR),    NOOP,              NOOP,    NOOP },
};

const struct machine attachment_scan_machine = {
	.name = "attachment scan",
	.about = "what is known about viruses in a file; an error leaves what was known, and asks for another scan",
	.states = scan_states, .state_count = SCAN_STATES,
	.inputs = scan_inputs, .input_count = SCAN_INPUTS,
	.cells = &scan_cells[0][0],
};
