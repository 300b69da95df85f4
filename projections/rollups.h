/*
 * rollups - counts, sums and histograms of what happened, by quarter of an hour and by day.
 *
 *     analytics.rollup_15m    a row: tenant, quarter of an hour (UTC), dimension set, its values
 *     analytics.rollup_day    a row: tenant, day of the tenant's time zone, dimension set, its values
 *
 * Rows are wide: one row has all metrics of its place, so that an event that adds to several of them (a first response
 * is also a reply) touches each row once.
 *
 * Dimension sets.  What is counted is counted in the set "all" and in each further set whose dimensions are all known:
 * an unassigned conversation is in no row of "agent".  So the rows of a set are a part of the whole, never more, and
 * what is missing is what has no agent (team, severity, intent).
 *
 * Whatever is counted can be taken back: a `contribution` says what, when and under which values, and the difference
 * of two of them is all that the rows see.
 *
 * Cost.  A contribution touches at most 9 rows of each table, an inbound message's two ("all" and "channel").  What a
 * batch writes is counted in rows that are left: of generated traffic 0.34 rows of quarters and 0.26 of days an event in
 * batches of 2,000; of a history of fourteen years, whose events hardly ever share a bucket, 0.35 and 0.14 in batches of
 * 1,000.  A row a metric in place of a row with all metrics would be three to five times as many.
 */
#ifndef VERBATIM_PROJECTIONS_ROLLUPS_H
#define VERBATIM_PROJECTIONS_ROLLUPS_H

#include "fold/state.h"
#include "fold/sum.h"

/* Plain counts: name, definition. */
#define ROLLUP_COUNTS(X) \
	X(conversations_created, "conversations that began (conversation.created), without imported (silent) ones") \
	X(conversations_ai_handled, "of conversations_created: those that an AI had from the start") \
	X(resolutions, "times that a conversation was resolved; merging is not resolving") \
	X(reopens, "times that a resolved conversation was reopened; agent and team: who had resolved it") \
	X(conversations_reopened, "of conversations_resolved: those that were reopened at least once since; counted when " \
	  "they were first resolved. Reopen rate = conversations_reopened / conversations_resolved") \
	X(transfers, "times that a conversation was passed on; agent and team: who had it before") \
	X(conversations_transferred, "conversations passed on at least once, counted at the first time. Transfer rate = " \
	  "conversations_transferred / conversations_assigned") \
	X(escalations, "times that a conversation was escalated; agent and team: who had it before") \
	X(conversations_escalated, "of conversations_created: those escalated at least once, counted at the first time. Escalation rate = " \
	  "conversations_escalated / conversations_created") \
	X(handoffs, "times that an AI gave a conversation over to people") \
	X(conversations_handed_off, "of conversations_ai_handled: those handed off at least once, counted at the first time. Hand-off rate = " \
	  "conversations_handed_off / conversations_ai_handled") \
	X(backlog_change, "conversations that became unresolved less those that ceased to be; the sum of all buckets so far " \
	  "is the backlog (analytics.backlog_15m, backlog_day)") \
	X(messages_in, "messages that came in, by the message's own channel; not by team, tier, severity, intent") \
	X(messages_by_agents, "messages of agents to customers, when they were first heard of; agent: the sender") \
	X(messages_by_ai, "messages of an AI to customers") \
	X(messages_by_system, "messages of programs to customers") \
	X(sla_first_response_met, "first_response clocks that were fulfilled in time, counted when fulfilled") \
	X(sla_first_response_breached, "first_response clocks that were not, counted when breached") \
	X(sla_next_response_met, "next_response clocks that were fulfilled in time, counted when fulfilled") \
	X(sla_next_response_breached, "next_response clocks that were not, counted when breached") \
	X(sla_update_met, "update clocks that were fulfilled in time, counted when fulfilled") \
	X(sla_update_breached, "update clocks that were not, counted when breached") \
	X(sla_resolution_met, "resolution clocks of conversations that were fulfilled in time, counted when fulfilled. " \
	  "Attainment = met / (met + breached), of each clock alike; cancelled clocks are in neither") \
	X(sla_resolution_breached, "resolution clocks of conversations that were not, counted when breached") \
	X(sla_issue_met, "clocks of resolutions (issues) that were fulfilled in time; by severity (their priority) alone") \
	X(sla_issue_breached, "clocks of resolutions (issues) that were not, counted when breached; by severity alone")

/* Durations: how many, their sum in seconds, their histogram, definition. */
#define ROLLUP_TIMES(X) \
	X(first_responses, first_response_seconds, first_response_histogram, \
	  "from the conversation's begin, or its hand-off by the AI that had it, to the first public message of an agent; " \
	  "counted when that was sent, for that agent. Conversations never answered are not in it") \
	X(first_responses_in_business_time, first_response_business_seconds, first_response_business_histogram, \
	  "the same in the business time of its SLA clock; of those first responses that a clock measured") \
	X(ai_first_responses, ai_first_response_seconds, ai_first_response_histogram, \
	  "from the conversation's begin to the first public message of an AI, counted when that was sent") \
	X(conversations_assigned, assignment_wait_seconds, assignment_wait_histogram, \
	  "from the conversation's begin to its first assignment to an agent, counted then, for that agent") \
	X(replies, reply_seconds, reply_histogram, \
	  "from the oldest customer's message that nobody has answered to an agent's public message, one for each " \
	  "exchange; the first response is one, too") \
	X(replies_in_business_time, reply_business_seconds, reply_business_histogram, \
	  "the same in business time; of those replies that a next_response clock measured") \
	X(conversations_resolved, first_resolution_seconds, first_resolution_histogram, \
	  "conversations resolved at least once, and the time from their begin to the first resolution; counted then, for " \
	  "the agent who resolved it, without those that were merged into another") \
	X(conversations_resolved_in_business_time, first_resolution_business_seconds, first_resolution_business_histogram, \
	  "the same in business time; of those that a resolution clock measured") \
	X(full_resolutions, full_resolution_seconds, full_resolution_histogram, \
	  "the same conversations, and the time from their begin to the last resolution; counted then") \
	X(full_resolutions_in_business_time, full_resolution_business_seconds, full_resolution_business_histogram, \
	  "the same in business time, over all cycles; of those that resolution clocks measured")

#define ROLLUP_ENUM(name, ...) ROLLUP_##name,
enum rollup_metric { ROLLUP_COUNTS(ROLLUP_ENUM) ROLLUP_COUNT_METRICS };
enum rollup_time { ROLLUP_TIMES(ROLLUP_ENUM) ROLLUP_TIME_METRICS };
#undef ROLLUP_ENUM

/* By what; the values that are not known are nil, absent, -1. */
struct rollup_values {
	struct bytes channel, intent;
	struct uuid team_id, agent_id;
	int16_t tier, severity;
};

enum rollup_set {
	ROLLUP_ALL, ROLLUP_CHANNEL, ROLLUP_TEAM, ROLLUP_AGENT, ROLLUP_TIER, ROLLUP_SEVERITY, ROLLUP_INTENT,
	ROLLUP_CHANNEL_TEAM, ROLLUP_TEAM_AGENT, ROLLUP_SETS,
};

enum { ROLLUP_ENTRIES_MAX = 8 };

struct contribution {
	int64_t at;
	struct bytes time_zone;
	struct rollup_values values;
	int count;
	struct {
		bool timed;
		int16_t metric;  /* enum rollup_metric, or rollup_time when timed */
		int64_t amount;  /* how many, or the duration in microseconds (of one) */
	} entries[ROLLUP_ENTRIES_MAX];
};

/* A contribution of nothing yet. */
void contribution_begin(struct contribution *c, int64_t at, struct bytes time_zone, const struct rollup_values *values);
void contribution_count(struct contribution *c, enum rollup_metric metric, int64_t many);

/* Negative durations count as 0, those over a hundred years as a hundred; TIME_NONE adds nothing. */
void contribution_time(struct contribution *c, enum rollup_time metric, int64_t micros);

/* Contributions on their way to the rows: what goes to the same rows is put in together, so that each is touched once. */
enum { ROLLUP_BASKET = 4 };

struct rollup_basket {
	struct contribution held[ROLLUP_BASKET];
	int count;
};

/* Puts `c` in with the others; moves one out when the basket is full. */
void basket_add(struct fold *f, struct rollup_basket *b, const struct contribution *c);
void basket_empty(struct fold *f, struct rollup_basket *b);

/* Takes `before` out of the rows and puts `after` in; either may be NULL.  What is the same in both touches nothing. */
void rollups_move(struct fold *f, const struct contribution *before, const struct contribution *after);

#endif
