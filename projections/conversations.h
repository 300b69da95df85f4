/*
 * conversations - the row of a conversation, and what its folds share: three files fold it
 * (conversations.c its own events, conversation_flow.c the state machine, conversation_talk.c messages and
 * what models say about them), and the messages' fold looks at it.
 */
#ifndef VERBATIM_PROJECTIONS_CONVERSATIONS_H
#define VERBATIM_PROJECTIONS_CONVERSATIONS_H

#include "fold/state.h"
#include "rules/lifecycle.h"
#include "rules/sla.h"

struct conversation {
	struct row row;
	struct uuid customer_id;
	int16_t state, previous_state;
	struct bytes channels_used, current_channel, initial_channel;
	struct uuid assigned_agent_id, assigned_team_id;
	struct bytes intent;
	int16_t severity, sentiment;
	struct bytes required_skills;
	int16_t sla_tier;
	int64_t first_response_at, first_response_due_at, resolution_due_at;
	int8_t sla_breached;
	struct uuid resolution_id;
	struct bytes subject, summary, tags, metadata;
	int64_t message_count, internal_note_count;
	int64_t last_message_at, last_customer_message_at, last_agent_message_at;
	int64_t resolved_at, reopened_at, created_at, updated_at;

	int16_t status, substate;
	int64_t state_changed_at, first_assigned_at, first_human_response_at, first_ai_response_at, first_resolved_at;
	struct bytes emotion;
	int16_t classified_by;
	int64_t confidence;
	int8_t ai_handled;
	struct bytes session_id, summary_source;
	int64_t transfer_count, escalation_count, escalation_level, handoff_count, reopen_count, resolve_count;
	struct bytes resolution_code;
	int16_t resolved_by;
	int64_t csat, nps, ces;
	struct bytes feedback_comment;
	struct uuid merged_into_id, split_from_id;
	int64_t deleted_at;

	struct uuid current_assignment_id;
	struct bytes merged_customers;
	int64_t merge_height, csat_cycle, nps_cycle, ces_cycle;

	/* Its clocks, so that most events need not look at them (projections/sla_talk.c). */
	int64_t clock_cycles[SLA_KINDS]; /* the cycle each is in; 0: it has none yet */
	int64_t next_response_begun, update_begun; /* cycles so far; more than the one it is in when answers proved void */
	int64_t clock_states;            /* of that cycle, see conversation_clock */
	int64_t breached_clocks;         /* over all cycles */
	int16_t clocked_severity, clocked_tier;
	struct uuid clocked_team_id;     /* what they were targeted by */
	int64_t last_ai_answer_at;
	struct bytes answers;            /* messages that count as answers: the first few and the latest few */

	struct uuid clock_ids[SLA_KINDS];    /* no columns: the rows of some cycles, reckoned once */
	int64_t clock_ids_cycle[SLA_KINDS];
};

/* status: the state, or the substate while there is one. */
enum { STATUS_INITIALIZED = CONVERSATION_STATES, STATUS_PROCESSING, STATUS_TRANSFERRED };
enum substate { SUBSTATE_NONE = -1, SUBSTATE_INITIALIZED, SUBSTATE_PROCESSING, SUBSTATE_TRANSFERRED };
enum classified_by { CLASSIFIED_BY_AI, CLASSIFIED_BY_USER };
enum resolved_by { RESOLVED_BY_AGENT, RESOLVED_BY_AI, RESOLVED_BY_CUSTOMER, RESOLVED_BY_INACTIVITY, RESOLVED_BY_MERGE };

extern const char *const resolved_bys[];

/* The state of one of its clocks in the latest cycle (enum sla_state), -1 when it has none. */
static inline int conversation_clock(const struct conversation *c, enum sla_kind kind)
{
	return (int)(c->clock_states >> (int)kind * 3 & 7) - 1;
}

static inline void conversation_set_clock(struct conversation *c, enum sla_kind kind, int state)
{
	c->clock_states = (c->clock_states & ~(7LL << (int)kind * 3)) | (int64_t)(state + 1) << (int)kind * 3;
}

/* The conversation with this id or, when that one was merged, the one it went into; NULL when there is none. */
struct conversation *conversation_find(struct fold *f, const struct uuid *id);

/* The event's own conversation, about to be changed; NULL and an anomaly when there is none. */
struct conversation *conversation_of(struct fold *f, const struct event *e);

/*
 * Asks the machine; true when the input applies, and then the state has moved if it is to.  What does not fit is
 * an anomaly; a conversation that was merged does not move any more.
 */
bool conversation_step(struct fold *f, struct conversation *c, enum conversation_input input, const char *cause,
		       bool derived);

/* Moves to a state, keeping previous_state, resolved_at, reopened_at, counts and the facts for later folds. */
void conversation_move(struct fold *f, struct conversation *c, int16_t to, const char *cause, bool derived);

void conversation_set_substate(struct conversation *c, enum substate substate);

/* Gives the conversation to an agent (nil: to nobody) and tells the assignments' fold. */
void conversation_assign(struct fold *f, struct conversation *c, const struct uuid *agent, int16_t assigned_by,
			 const char *closed_reason);

/* Notes the channel as the current one. */
void conversation_use_channel(struct fold *f, struct conversation *c, struct bytes channel);

/* The fold functions of the other two files. */
int conversation_on_assigned(struct fold *f, const struct event *e);
int conversation_on_unassigned(struct fold *f, const struct event *e);
int conversation_on_transferred(struct fold *f, const struct event *e);
int conversation_on_handed_off(struct fold *f, const struct event *e);
int conversation_on_escalated(struct fold *f, const struct event *e);
int conversation_on_deescalated(struct fold *f, const struct event *e);
int conversation_on_resolved(struct fold *f, const struct event *e);
int conversation_on_reopened(struct fold *f, const struct event *e);
int conversation_on_state_changed(struct fold *f, const struct event *e);
int conversation_on_merged_into(struct fold *f, const struct event *e);
int conversation_on_deleted(struct fold *f, const struct event *e);
int conversation_on_resolution_created(struct fold *f, const struct event *e);

int conversation_on_received(struct fold *f, const struct event *e);
int conversation_on_queued(struct fold *f, const struct event *e);
int conversation_on_sent(struct fold *f, const struct event *e);
int conversation_on_note(struct fold *f, const struct event *e);
int conversation_on_annotated(struct fold *f, const struct event *e);
int conversation_on_corrected(struct fold *f, const struct event *e);
int conversation_on_split(struct fold *f, const struct event *e);

#endif
