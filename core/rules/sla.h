/*
 * sla - what a policy promises: targets, calendar, pauses, warnings; and which policy holds.
 *
 * A policy is read once, from the fields of the event or row that holds it, and is then a constant that clocks
 * (rules/sla_clock.h) are run by.  Each clock finds its target on its own, the first of these that has one:
 *
 *     policies     of the team, else of the tier, else the default one
 *     in a policy  priority_overrides of the severity, else channel_overrides of the channel, else the column
 *
 * and the calendar, pauses and warnings of the policy in which it was found.  The overrides may also say
 * business_hours_only; that falls through in the same way, apart from the target.
 */
#ifndef VERBATIM_RULES_SLA_H
#define VERBATIM_RULES_SLA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "rules/calendar.h"

struct fields;

/* In the order of the catalog's values of sla.breached.clock. */
enum sla_kind { SLA_FIRST_RESPONSE, SLA_NEXT_RESPONSE, SLA_UPDATE, SLA_RESOLUTION, SLA_KINDS };

enum sla_reopening { SLA_REOPEN_RESUME, SLA_REOPEN_RESTART };      /* as the catalog's on_reopen */
enum sla_responder { SLA_BY_HUMAN, SLA_BY_AI, SLA_BY_ANY };        /* as its first_response_by */

enum {
	SLA_SEVERITIES = 4,
	SLA_CHANNELS_MAX = 64,  /* overridden in one policy */
	SLA_WARNINGS_MAX = 16,
	SLA_THRESHOLD_ONE = 10000, /* thresholds have four decimals: below 1 a share of the target, from 1 on seconds before due */
};

/* A policy as the log and the read model hold it; JSON text as it stands there, absent when it is null. */
struct sla_policy_fields {
	int64_t minutes[SLA_KINDS]; /* 0: not promised */
	struct bytes channel_overrides, priority_overrides, business_hours, holidays, pause_states, warn_at; /* JSON */
	struct bytes timezone; /* plain text */
	bool business_hours_only;
	enum sla_reopening on_reopen;
	enum sla_responder first_response_by;
};

struct sla_override {
	struct bytes channel;
	int64_t seconds[SLA_KINDS]; /* 0: says nothing */
	int8_t business_hours_only; /* -1: says nothing */
};

struct sla_policy {
	struct calendar calendar;
	int64_t seconds[SLA_KINDS]; /* 0: not promised */
	bool business_hours_only;
	struct sla_override severities[SLA_SEVERITIES]; /* in the catalog's order */
	const struct sla_override *channels;
	int channel_count;
	uint32_t pauses[SLA_KINDS];   /* a bit for each state of a conversation */
	uint32_t resolution_pauses;   /* a bit for each status of a resolution, for its own clock */
	int64_t warnings[SLA_WARNINGS_MAX]; /* thresholds, times SLA_THRESHOLD_ONE */
	int warning_count;
	enum sla_reopening on_reopen;
	enum sla_responder first_response_by;
};

/* From sla_policy.created or .updated; what is left out gets the catalog's default. */
struct sla_policy_fields sla_policy_fields(const struct fields *f);

/*
 * Copies what it needs into `arena`.  JSON fields may hold anything, so not everything can be refused at the door:
 * E_INVALID names the first fault, and `out` holds without the member at fault (its default, or the next in line;
 * UTC for an unknown time zone).
 *
 *     overrides     {"P0": {"first_response": 5, "resolution": 60.5, "business_hours_only": false}}: minutes by clock
 *                   ("update_interval" or "update"), or under the policy's own column names
 *     pause_states  states of a conversation and statuses of a resolution.  Absent: resolution clocks pause in
 *                   awaiting_customer, the update clock there and in resolved, a resolution's own in deployed and
 *                   monitoring.  A list says it anew for the one of the two machines that it names states of, an
 *                   empty one for both.  The update clock pauses in resolved whatever it says: nobody waits for news.
 *     warn_at       thresholds; absent: [0.75]
 */
int sla_policy_read(const struct sla_policy_fields *in, struct zone_source zones, struct arena *arena,
		    struct sla_policy *out, struct error *error) must_check;

/* What was found for a clock. */
struct sla_terms {
	const struct sla_policy *policy;
	int candidate;                   /* its place among those given */
	int64_t seconds;
	const struct calendar *calendar; /* the policy's, or calendar_always */
};

/*
 * Candidates in order (team's, tier's, default; NULL where there is none or it is not active).  `severity` -1 when
 * not known; `channel` is the first of the conversation, for next_response that of the waiting message, absent for
 * a resolution's own clock.  False when nothing is promised.
 */
bool sla_find_terms(const struct sla_policy *const *candidates, int count, enum sla_kind kind, int severity,
		    struct bytes channel, struct sla_terms *out);

/* Whether a clock of a conversation stands still in `state` (enum conversation_state). */
bool sla_pauses(const struct sla_policy *p, enum sla_kind kind, int state);

/* The same for a resolution's own clock, in the catalog's order of statuses; being paused by hand comes on top. */
bool sla_pauses_resolution(const struct sla_policy *p, int status);

/* What is asked of an outbound message. */
struct sla_answer {
	int sender_type;   /* in the catalog's order: customer, agent, system, ai */
	bool is_public;    /* outbound to the customer: no note, no internal message */
	bool is_automatic; /* sent by an automation rule or a campaign, or an automatic reply */
};

/* Whether it counts as an answer or an update; whether it was delivered is not asked here. */
bool sla_answers(enum sla_responder by, const struct sla_answer *a);

/* Whether first_response waits for a machine to hand over instead of starting with the conversation. */
bool sla_waits_for_handoff(const struct sla_policy *p, bool ai_handled);

#endif
