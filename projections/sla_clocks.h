/*
 * sla_clocks - the row of a clock: one promise to one conversation, or about one resolution, in one cycle.
 *
 * The arithmetic is rules/sla_clock.h; a row keeps that file's struct in columns of its own.  Here is what the
 * files share that fold the clocks: sla_clocks.c (the columns, and what the log says of a single clock),
 * sla_talk.c (the clocks of a conversation; sla_foresee.c the rows that takes), sla_answers.c (which messages are
 * answers), sla_work.c (the clock of a resolution), sla_terms.c (which policy holds); sla_clock_history.c writes
 * down what happened.
 *
 * A resolution's own clock is of the kind `resolution` and has a resolution_id; its conversation_id only tells
 * which conversation the resolution is about.
 */
#ifndef VERBATIM_PROJECTIONS_SLA_CLOCKS_H
#define VERBATIM_PROJECTIONS_SLA_CLOCKS_H

#include "fold/state.h"
#include "rules/sla_clock.h"

/*
 * What sets clocks going, holds them or ends them, entry by entry of a table of folds: for the clocks, and for the read models
 * that follow them.  What is said of clocks themselves (sla.*), and that a customer was told, each of them adds.
 */
#define EVENTS_OF_CLOCKS(CONVERSATION, CONTEXT, MESSAGE, RESOLUTION) \
	CONVERSATION(CONVERSATION_CREATED) CONVERSATION(CONVERSATION_CLASSIFIED) \
	CONVERSATION(CONVERSATION_SEVERITY_CHANGED) CONVERSATION(CONVERSATION_TIER_CHANGED) \
	CONVERSATION(CONVERSATION_STATE_CHANGED) CONVERSATION(CONVERSATION_ASSIGNED) \
	CONVERSATION(CONVERSATION_UNASSIGNED) CONVERSATION(CONVERSATION_TEAM_ASSIGNED) \
	CONVERSATION(CONVERSATION_TRANSFERRED) CONVERSATION(CONVERSATION_HANDED_OFF) \
	CONVERSATION(CONVERSATION_ESCALATED) CONVERSATION(CONVERSATION_DEESCALATED) \
	CONVERSATION(CONVERSATION_RESOLVED) CONVERSATION(CONVERSATION_REOPENED) \
	CONVERSATION(CONVERSATION_MERGED_INTO) CONVERSATION(CONVERSATION_DELETED) \
	CONTEXT(AI_ANNOTATED) CONTEXT(AI_ANNOTATION_CORRECTED) \
	MESSAGE(MESSAGE_RECEIVED) MESSAGE(MESSAGE_SENT) MESSAGE(MESSAGE_DELIVERED) MESSAGE(MESSAGE_READ) \
	MESSAGE(MESSAGE_FAILED) \
	RESOLUTION(RESOLUTION_CREATED) RESOLUTION(RESOLUTION_STATUS_CHANGED) RESOLUTION(RESOLUTION_FIX_DEPLOYED) \
	RESOLUTION(RESOLUTION_PRIORITY_CHANGED) RESOLUTION(RESOLUTION_SLA_PAUSED) \
	RESOLUTION(RESOLUTION_SLA_RESUMED) RESOLUTION(RESOLUTION_REOPENED)

struct clock {
	struct row row;
	struct uuid conversation_id, resolution_id;
	int16_t clock; /* enum sla_kind */
	int64_t cycle, target_seconds, consumed_seconds;
	int64_t started_at, due_at;
	int16_t state; /* enum sla_state */
	int64_t paused_at, warned_at, breached_at, fulfilled_at, elapsed_seconds;
	struct uuid policy_id;
	int64_t policy_version;

	/* For whoever watches the clocks: what is next for time to decide, see struct sla_alarm. */
	int64_t shard;
	int64_t next_at;        /* TIME_NONE: nothing */
	int64_t next_threshold; /* times SLA_THRESHOLD_ONE; INT_NONE: the breach */
	int64_t next_nth;       /* its place among the policy's thresholds; -1: the breach */
	struct uuid started_by; /* the event */
	int64_t run, target_version;

	/* The rest of struct sla_clock. */
	int64_t consumed, elapsed, running_since, gap_at, warned;
	int8_t silent, breach_logged, waived;

	struct uuid version_id; /* the policy version it goes by: a row of sla_policy_versions */
	int8_t always_open;     /* its target counts day and night */
	struct uuid message_id; /* the message that began it: the one that waits for an answer, or the update before */
	struct uuid answer_id;  /* the message that fulfilled it */
	struct bytes channel;   /* what channel_overrides are asked for */
	int8_t has_outcome;     /* a row of sla_outcomes */
	int16_t counted;        /* what it says: met, breached, -1 neither; and since when */
	int64_t counted_at;
	int64_t after_cycle;    /* of update: the cycle that ended as this one began; 0: none */
	struct uuid breach_id;  /* the event that brought its latest breach to light */
	struct uuid told_id;    /* the sla.breached that told of it after that */

	int64_t noted; /* no column: the position of the latest event that has it among its facts */
};

/* Of counted. */
enum sla_outcome { SLA_OUTCOME_MET, SLA_OUTCOME_BREACHED };
extern const char *const sla_outcome_names[];

/* One thing that happened to a clock, with what it left; facts.happenings has those of an event in order. */
struct clock_happening {
	const struct clock *clock;
	enum sla_nth what;
	int64_t at; /* business time: of a breach its own instant, else the event's */
	int64_t due_at, target_seconds, consumed_seconds, policy_version;
	struct uuid policy_id;
	int16_t state;
};

/* The id of a clock's row; `resolution_id` nil: of the conversation's own. */
struct uuid clock_id(const struct uuid *tenant_id, const struct uuid *conversation_id, const struct uuid *resolution_id,
		     enum sla_kind kind, int64_t cycle);

/* The struct of the rules, out of the row and back. */
struct sla_clock clock_of_row(const struct clock *row);

/* Notes which version, and which of its calendars, the clock goes by. */
struct promise;
void clock_target(struct clock *row, const struct sla_terms *terms, const struct promise *by);

/* The operations of rules/sla_clock.h on a row, each kept; what they did, or SLA_DID_NOTHING. */
int clock_fulfil(struct fold *f, struct clock *row, int64_t at, const struct uuid *answer_id);
int clock_revoke(struct fold *f, struct clock *row, int64_t at);
int clock_cancel(struct fold *f, struct clock *row, int64_t at);
int clock_stand(struct fold *f, struct clock *row, bool still, int64_t at); /* paused, or running again */
int clock_retarget(struct fold *f, struct clock *row, const struct sla_terms *terms, const struct promise *by, int64_t at);

static inline bool clock_is_open(int sla_state)
{
	return sla_state == SLA_RUNNING || sla_state == SLA_PAUSED;
}

/*
 * Puts the clock back, about to be written, and keeps what happened to it (bits of SLA_DID) at `at`.  clocks_end has
 * the last word of an event on what time is to decide next.
 */
void clock_keep(struct fold *f, struct clock *row, const struct sla_clock *clock, int did, int64_t at);
void clocks_end(struct fold *f);

#endif
