/*
 * lifecycle - the state machines as data: which input moves which state where, and what does not fit.
 *
 * A machine is one table, states across, inputs down; each cell says what an input does in a state:
 *
 *     -> state    MOVE      the state changes
 *     =           STAY      the event applies, the state stays
 *     .           NOOP      a repeat: nothing to do
 *     !           ANOMALY   does not fit; the row is left as it was
 *     ?           RULE      decided by more than the table: a customer's message on a resolved conversation (rule R
 *                           below), the publication of an article that nobody has approved
 *
 * Folds ask the table and do the rest; the tables are printed for people by machine_print, and the tests walk
 * them cell by cell.  Everything here is pure.
 */
#ifndef VERBATIM_RULES_LIFECYCLE_H
#define VERBATIM_RULES_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum verdict { VERDICT_ANOMALY, VERDICT_NOOP, VERDICT_STAY, VERDICT_MOVE, VERDICT_RULE };

struct cell {
	enum verdict verdict;
	int16_t to; /* of MOVE */
};

struct machine {
	const char *name;
	const char *about;
	const char *const *states; /* NULL-terminated */
	const char *const *inputs; /* NULL-terminated */
	int state_count, input_count;
	const struct cell *cells;  /* [input * state_count + state] */
};

/* Both in range; asserted. */
struct cell machine_step(const struct machine *m, int state, int input);

/* The input of that name, or -1.  Inputs that are event types bear their names, so that a fold table can name the event alone. */
int machine_input(const struct machine *m, const char *name);

/* The table as text, for a person. */
void machine_print(struct buffer *out, const struct machine *m);

extern const struct machine *const machines[]; /* all of them (machines.c), NULL-terminated */

/* ---- conversation ---- */

/* In the order of values_conversation_state. */
enum conversation_state {
	CONVERSATION_OPEN, CONVERSATION_AWAITING_CUSTOMER, CONVERSATION_AWAITING_AGENT, CONVERSATION_ESCALATED,
	CONVERSATION_RESOLVED, CONVERSATION_REOPENED, CONVERSATION_STATES,
};

enum conversation_input {
	INPUT_CUSTOMER_MESSAGE, /* message.received from the customer */
	INPUT_AGENT_MESSAGE,    /* message.sent by an agent, public */
	INPUT_AI_MESSAGE,       /* message.sent by an ai, public */
	INPUT_OTHER_MESSAGE,    /* any other message */
	INPUT_NOTE,             /* note.added */
	INPUT_ASSIGNED,
	INPUT_ASSIGNED_REOPEN,  /* conversation.assigned with assigned_by reopen */
	INPUT_UNASSIGNED,
	INPUT_TRANSFERRED,
	INPUT_HANDED_OFF,
	INPUT_ESCALATED,        /* and resolution.created with escalate */
	INPUT_DEESCALATED,
	INPUT_RESOLVED,         /* and conversation.merged_into */
	INPUT_REOPENED,
	CONVERSATION_INPUTS,
};

extern const struct machine conversation_machine;

/* What rule R looks at: a customer's message on a resolved conversation. */
struct reopen_question {
	bool is_public;
	bool auto_reply;
	bool customer_blocked;
	int64_t occurred_at;           /* of the message */
	int64_t resolved_at;           /* TIME_NONE when unknown */
	int64_t last_agent_message_at; /* the latest there is, or TIME_NONE */
};

/*
 * Rule R: a message reopens unless it is private, an automatic reply, of a blocked customer, or a late copy of
 * something already answered: older than the resolution and older than some agent's message.
 */
bool lifecycle_reopens(const struct reopen_question *q);

/*
 * The guard of conversation.resolved by auto_inactivity: it holds only when no message came after the one that
 * its sender had seen last.  `observed` TIME_NONE: it had seen none.
 */
bool lifecycle_may_auto_resolve(int64_t observed_last_message_at, int64_t last_message_at);

/* ---- message delivery ---- */

/*
 * In order of rank.  The status of a message is the greatest (attempt, rank) of all reports, so their order
 * does not matter: a late "sent" after "delivered" changes nothing, "failed" beats "sent", and evidence of
 * delivery beats "failed".
 */
enum message_status {
	MESSAGE_PENDING, MESSAGE_SENT, MESSAGE_FAILED, MESSAGE_DELIVERED, MESSAGE_READ, MESSAGE_STATUSES,
};

extern const char *const message_statuses[];

/* Within one attempt; the inputs are the statuses after pending. */
enum delivery_input { DELIVERY_SENT, DELIVERY_FAILED, DELIVERY_DELIVERED, DELIVERY_READ, DELIVERY_INPUTS };
extern const struct machine delivery_machine;

/* Joins a report into (attempt, status); true when it moved. */
bool lifecycle_deliver(int64_t *attempt, int16_t *status, int64_t report_attempt, enum message_status report);

/* ---- customer ---- */

enum customer_status {
	CUSTOMER_ACTIVE, CUSTOMER_INACTIVE, CUSTOMER_BLOCKED, CUSTOMER_MERGED, CUSTOMER_STATUSES,
};
enum customer_input {
	CUSTOMER_INPUT_BLOCKED, CUSTOMER_INPUT_UNBLOCKED, CUSTOMER_INPUT_DEACTIVATED, CUSTOMER_INPUT_REACTIVATED,
	CUSTOMER_INPUT_MERGED_INTO, CUSTOMER_INPUT_UNMERGED, CUSTOMER_INPUTS,
};

extern const char *const customer_statuses[];
extern const struct machine customer_machine;

/* ---- channel ---- */

enum channel_status { CHANNEL_ACTIVE, CHANNEL_INACTIVE, CHANNEL_ERROR, CHANNEL_STATUSES };
enum channel_input {
	CHANNEL_INPUT_ACTIVATED, CHANNEL_INPUT_DEACTIVATED, CHANNEL_INPUT_ERRORED, CHANNEL_INPUT_RECOVERED,
	CHANNEL_INPUTS,
};

extern const char *const channel_statuses[];
extern const struct machine channel_machine;

/* ---- resolution ---- */

/* In the order of values_resolution_status. */
enum resolution_status {
	RESOLUTION_INVESTIGATING, RESOLUTION_AWAITING_FIX, RESOLUTION_FIX_IN_PROGRESS, RESOLUTION_AWAITING_DEPLOY,
	RESOLUTION_DEPLOYED, RESOLUTION_MONITORING, RESOLUTION_RESOLVED, RESOLUTION_WONT_FIX, RESOLUTION_DUPLICATE,
	RESOLUTION_STATUSES,
};

/* The first inputs are resolution.status_changed to the status of that number. */
enum resolution_input {
	RESOLUTION_INPUT_FIX_DEPLOYED = RESOLUTION_STATUSES, RESOLUTION_INPUT_REOPENED, RESOLUTION_INPUTS,
};
extern const struct machine resolution_machine;

static inline bool resolution_is_over(int status)
{
	return status >= RESOLUTION_RESOLVED;
}

/* ---- swarm ---- */

enum swarm_status { SWARM_ACTIVE, SWARM_RESOLVED, SWARM_ARCHIVED, SWARM_STATUSES };
enum swarm_input {
	SWARM_INPUT_RESOLVED, SWARM_INPUT_REACTIVATED, SWARM_INPUT_ARCHIVED, SWARM_INPUT_RESOLUTION_OVER,
	SWARM_INPUT_RESOLUTION_REOPENED, SWARM_INPUTS,
};

extern const char *const swarm_statuses[];
extern const struct machine swarm_machine;

/* ---- customer update ---- */

enum customer_update_status {
	CUSTOMER_UPDATE_PENDING, CUSTOMER_UPDATE_SENT, CUSTOMER_UPDATE_FAILED, CUSTOMER_UPDATE_DELIVERED,
	CUSTOMER_UPDATE_CANCELLED, CUSTOMER_UPDATE_STATUSES,
};
enum customer_update_input {
	CUSTOMER_UPDATE_INPUT_SENT, CUSTOMER_UPDATE_INPUT_FAILED, CUSTOMER_UPDATE_INPUT_DELIVERED,
	CUSTOMER_UPDATE_INPUT_CANCELLED, CUSTOMER_UPDATE_INPUTS,
};

extern const char *const customer_update_statuses[];
extern const struct machine customer_update_machine;

/* ---- knowledge base article ---- */

enum kb_article_status {
	KB_ARTICLE_DRAFT, KB_ARTICLE_REVIEW, KB_ARTICLE_APPROVED, KB_ARTICLE_PUBLISHED, KB_ARTICLE_ARCHIVED,
	KB_ARTICLE_STATUSES,
};
enum kb_article_input {
	KB_ARTICLE_INPUT_EDITED, KB_ARTICLE_INPUT_SUBMITTED, KB_ARTICLE_INPUT_APPROVED, KB_ARTICLE_INPUT_REJECTED,
	KB_ARTICLE_INPUT_PUBLISHED, KB_ARTICLE_INPUT_UNPUBLISHED, KB_ARTICLE_INPUT_ARCHIVED, KB_ARTICLE_INPUT_RESTORED,
	KB_ARTICLE_INPUTS,
};

extern const char *const kb_article_statuses[];
extern const struct machine kb_article_machine;

/* ---- attachment scan ---- */

enum attachment_scan { SCAN_UNSCANNED, SCAN_CLEAN, SCAN_INFECTED, SCAN_ERROR, SCAN_STATES };

/* attachment.scanned with the result of that number less one. */
enum attachment_scan_input { SCAN_INPUT_CLEAN, SCAN_INPUT_INFECTED, SCAN_INPUT_ERROR, SCAN_INPUTS };
extern const struct machine attachment_scan_machine;

/*
 * Chains of rows that lead to each other (conversations and customers merged, duplicates of duplicates) are kept this
 * short; a link that would make a longer one is an anomaly.
 */
enum { MERGE_HOPS_MAX = 6 };

#endif
