/*
 * What the roll-ups count, metric by metric, and how it is taken back.
 *
 * Histories are short; COUNT sums a column over the rows of a dimension set, HAS looks at analytics.conversation_facts.
 * After each history the roll-ups must be what the other read models' rows add up to (rollup_support.h).
 */
#include "fold_story.h"
#include "rollup_support.h"
#include "projections/sla_clocks.h"
#include "rules/histogram.h"

#define SECOND TIME_SECOND
#define MESSAGE(direction, sender, more) \
	"{\"channel\":\"email\",\"content\":\"x\",\"direction\":\"" direction "\",\"sender_type\":\"" sender "\"" more "}"
#define BY(agent) ",\"sender_id\":\"" agent "\""
#define QUESTION MESSAGE("inbound", "customer", "")
#define ANSWER MESSAGE("outbound", "agent", BY(ID_U1))
#define ID_T1 "0000007e-0000-8000-8000-000000000001"
#define ID_T2 "0000007e-0000-8000-8000-000000000002"
#define ACTOR_U2 ",\"actor_type\":\"user\",\"actor_id\":\"" ID_U2 "\""

/* The sum of a column over the rows of a set, or over those whose `column` holds `value`. */
static long long sum_where(const char *table, const char *set, const char *column, const char *value, const char *metric)
{
	struct row *row;
	long long sum = 0;

	EACH_ROW(&db, table, row)
		if (strcmp(cell(row, "dimensions"), set) == 0 && (!column || strcmp(cell(row, column), value) == 0))
			sum += cell_number(row, metric);
	return sum;
}

#define ALL(metric, want) is_int(sum_where("rollup_15m", "all", NULL, NULL, #metric), want, #metric)
#define SECONDS(metric, want) is_int(sum_where("rollup_15m", "all", NULL, NULL, #metric), (want) * SECOND, #metric)
#define IN(set, column, value, metric, want) \
	is_int(sum_where("rollup_15m", set, column, value, #metric), want, set " " value ": " #metric)
#define FACT(id, column, want) HAS("conversation_facts", id, column, want)

/* The end of a history; east: of the tenant's days. */
static void finish(int anomalies_wanted, int64_t east)
{
	struct rollup_lines got = { 0 }, want = { 0 };

	rollup_lines(&db, false, &got);
	rollup_expected(&db, east, &want);
	ok(want.count > 0 && lines_differ(&got, &want, "the tables have", "the rows say") == 0,
	   "the roll-ups are what %zu numbers of the rows add up to", want.count);
	free(got.lines);
	free(want.lines);
	end(anomalies_wanted);
}

static unsigned said;

static struct uuid say(int64_t second, const char *type, const char *more, const char *payload)
{
	struct uuid id = test_id(0xd0, 100 + said++);

	at(second, type, id, more, payload);
	return id;
}

static void test_first_response(void)
{
	begin("first response: from the beginning to an agent's first public message, for that agent");
	say(10, "message.received", IN_C1, QUESTION);
	ALL(first_responses, 0);
	at(20, "conversation.assigned", c1, "", "{\"agent_id\":\"" ID_U2 "\",\"team_id\":\"" ID_T1 "\",\"assigned_by\":\"manual\"}");
	say(61, "message.sent", IN_C1, MESSAGE("outbound", "system", ""));
	say(61, "message.sent", IN_C1, MESSAGE("internal", "agent", ""));
	ALL(first_responses, 0);
	say(121, "message.sent", IN_C1, ANSWER);
	ALL(first_responses, 1);
	SECONDS(first_response_seconds, 120);
	IN("agent", "agent_id", ID_U1, first_responses, 1);
	IN("agent", "agent_id", ID_U2, first_responses, 0);
	IN("team", "team_id", ID_T1, first_responses, 1);
	IN("team_agent", "agent_id", ID_U1, first_responses, 1);
	IN("channel_team", "team_id", ID_T1, first_responses, 1);
	say(200, "message.sent", IN_C1, ANSWER);
	ALL(first_responses, 1);
	note("an earlier one comes to light: the number moves, and so does the agent");
	say(91, "message.sent", IN_C1, MESSAGE("outbound", "agent", BY(ID_U2)));
	ALL(first_responses, 1);
	SECONDS(first_response_seconds, 90);
	IN("agent", "agent_id", ID_U1, first_responses, 0);
	IN("agent", "agent_id", ID_U2, first_responses, 1);
	FACT(c1, "first_response_seconds", "90000000");
	ALL(messages_in, 1);
	ALL(messages_by_agents, 3);
	ALL(messages_by_system, 1);
	finish(0, 0);

	begin("first response: of a conversation that an AI had, from the hand-off");
	at(100, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\",\"ai_handled\":true}");
	say(104, "message.sent", IN_C2, MESSAGE("outbound", "ai", ""));
	ALL(ai_first_responses, 1);
	SECONDS(ai_first_response_seconds, 4);
	ALL(first_responses, 0);
	at(400, "conversation.handed_off", c2, "", "{\"from\":\"ai\",\"reason\":\"low_confidence\"}");
	at(401, "conversation.handed_off", c2, "", "{\"from\":\"ai\",\"reason\":\"low_confidence\"}");
	say(700, "message.sent", IN_C2, ANSWER);
	SECONDS(first_response_seconds, 300);
	ALL(handoffs, 2);
	ALL(conversations_handed_off, 1);
	ALL(conversations_ai_handled, 1);
	ALL(conversations_created, 2);
	IN("channel", "channel", "sms", conversations_created, 1);
	IN("channel", "channel", "email", conversations_created, 1);
	ALL(replies, 1);
	SECONDS(reply_seconds, 300);
	finish(0, 0);
}

static void test_replies(void)
{
	begin("replies: one for each exchange, since the oldest message that nobody has answered");
	say(10, "message.received", IN_C1, QUESTION);
	say(40, "message.received", IN_C1, QUESTION);
	say(70, "message.sent", IN_C1, ANSWER);
	say(80, "message.sent", IN_C1, ANSWER);
	ALL(replies, 1);
	SECONDS(reply_seconds, 60);
	say(100, "message.received", IN_C1, QUESTION);
	say(105, "message.received", IN_C1, MESSAGE("inbound", "customer", ",\"auto_reply\":true"));
	say(110, "message.sent", IN_C1, MESSAGE("outbound", "agent", ",\"auto_reply\":true"));
	FACT(c1, "waiting_since", "2024-10-04T00:01:40.000000Z");
	say(130, "message.sent", IN_C1, ANSWER);
	ALL(replies, 2);
	SECONDS(reply_seconds, 90);
	note("resolving ends a wait");
	say(140, "message.received", IN_C1, QUESTION);
	at(150, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	say(160, "message.sent", IN_C1, ANSWER);
	ALL(replies, 2);
	note("so does an AI's answer, which is no reply");
	say(200, "message.received", IN_C1, QUESTION);
	say(203, "message.sent", IN_C1, MESSAGE("outbound", "ai", ""));
	say(240, "message.sent", IN_C1, ANSWER);
	ALL(replies, 2);
	finish(0, 0);

	begin("replies: the answer is known before its question");
	say(70, "message.sent", IN_C1, ANSWER);
	ALL(replies, 0);
	say(10, "message.received", IN_C1, QUESTION);
	ALL(replies, 1);
	SECONDS(reply_seconds, 60);
	note("an older question and an earlier answer come to light");
	say(5, "message.received", IN_C1, QUESTION);
	SECONDS(reply_seconds, 65);
	say(35, "message.sent", IN_C1, ANSWER);
	ALL(replies, 1);
	SECONDS(reply_seconds, 30);
	note("what comes after it leaves it alone, and what belongs before it is settled");
	say(100, "message.received", IN_C1, QUESTION);
	say(110, "message.sent", IN_C1, ANSWER);
	ALL(replies, 2);
	SECONDS(reply_seconds, 40);
	say(4, "message.received", IN_C1, QUESTION);
	ALL(replies, 2);
	SECONDS(reply_seconds, 40);
	finish(0, 0);
}

static void test_resolutions(void)
{
	begin("resolutions: events, conversations, first and last; reopening is charged to who had resolved");
	at(20, "conversation.assigned", c1, "", ASSIGN(ID_U1));
	ALL(conversations_assigned, 1);
	SECONDS(assignment_wait_seconds, 19);
	at(101, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	ALL(resolutions, 1);
	ALL(conversations_resolved, 1);
	ALL(conversations_reopened, 0);
	SECONDS(full_resolution_seconds, 100);
	ALL(backlog_change, 0);
	at(200, "conversation.assigned", c1, "", "{\"agent_id\":\"" ID_U2 "\",\"assigned_by\":\"reopen\"}");
	at(201, "conversation.reopened", c1, "", "{\"trigger\":\"agent\"}");
	ALL(reopens, 1);
	IN("agent", "agent_id", ID_U1, reopens, 1);
	ALL(conversations_reopened, 1);
	IN("agent", "agent_id", ID_U1, conversations_reopened, 1);
	ALL(backlog_change, 1);
	IN("agent", "agent_id", ID_U2, backlog_change, 1);
	IN("agent", "agent_id", ID_U1, backlog_change, 0);
	at(301, "conversation.resolved", c1, ACTOR_U2, "{\"by\":\"agent\"}");
	ALL(resolutions, 2);
	ALL(conversations_resolved, 1);
	SECONDS(first_resolution_seconds, 100);
	SECONDS(full_resolution_seconds, 300);
	ALL(full_resolutions, 1);
	IN("agent", "agent_id", ID_U2, full_resolutions, 1);
	IN("agent", "agent_id", ID_U1, full_resolutions, 0);
	IN("agent", "agent_id", ID_U1, conversations_resolved, 1);
	at(302, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	ALL(resolutions, 2);
	finish(0, 0);
}

static void test_moves(void)
{
	begin("transfers, escalations: events, and conversations at their first time; for who had it before");
	at(20, "conversation.assigned", c1, "", "{\"agent_id\":\"" ID_U1 "\",\"team_id\":\"" ID_T1 "\",\"assigned_by\":\"manual\"}");
	at(30, "conversation.transferred", c1, "", "{\"to_agent_id\":\"" ID_U2 "\",\"to_team_id\":\"" ID_T2 "\"}");
	at(40, "conversation.transferred", c1, "", "{\"to_agent_id\":\"" ID_U1 "\"}");
	ALL(transfers, 2);
	ALL(conversations_transferred, 1);
	IN("agent", "agent_id", ID_U1, transfers, 1);
	IN("agent", "agent_id", ID_U2, transfers, 1);
	IN("agent", "agent_id", ID_U1, conversations_transferred, 1);
	IN("team", "team_id", ID_T1, conversations_transferred, 1);
	at(50, "conversation.escalated", c1, "", "{\"reason\":\"x\",\"to_team_id\":\"" ID_T1 "\"}");
	at(60, "conversation.escalated", c1, "", "{\"reason\":\"x\"}");
	ALL(escalations, 2);
	ALL(conversations_escalated, 1);
	IN("team", "team_id", ID_T2, escalations, 1);
	IN("team", "team_id", ID_T1, escalations, 1);
	IN("team", "team_id", ID_T1, backlog_change, 1);
	IN("team", "team_id", ID_T2, backlog_change, 0);
	IN("team", "team_id", ID_T1, conversations_created, 1);
	finish(0, 0);
}

static void test_attribution(void)
{
	begin("another tier, severity and intent take the conversation's numbers with them, not the events'");
	say(10, "message.received", IN_C1, QUESTION);
	say(70, "message.sent", IN_C1, ANSWER);
	at(80, "conversation.transferred", c1, "", "{\"to_agent_id\":\"" ID_U2 "\"}");
	IN("tier", "tier", "premium", first_responses, 1);
	is_int(sum_where("rollup_15m", "severity", NULL, NULL, "first_responses"), 0, "no severity yet");
	at(90, "conversation.classified", c1, "", "{\"intent\":\"billing\",\"severity\":\"P2\",\"source\":\"ai\"}");
	IN("severity", "severity", "P2", first_responses, 1);
	IN("severity", "severity", "P2", replies, 1);
	IN("severity", "severity", "P2", transfers, 0);
	IN("severity", "severity", "P2", backlog_change, 1);
	IN("intent", "intent", "billing", conversations_created, 1);
	at(91, "conversation.severity_changed", c1, "", "{\"to\":\"P0\"}");
	at(92, "conversation.tier_changed", c1, "", "{\"to\":\"free\"}");
	IN("severity", "severity", "P2", first_responses, 0);
	IN("severity", "severity", "P2", backlog_change, 0);
	IN("severity", "severity", "P0", first_responses, 1);
	IN("severity", "severity", "P0", conversations_transferred, 1);
	IN("tier", "tier", "premium", first_responses, 0);
	IN("tier", "tier", "free", first_responses, 1);
	IN("tier", "tier", "premium", transfers, 1);
	IN("tier", "tier", "free", backlog_change, 1);
	finish(0, 0);
}

static void test_merge(void)
{
	begin("a merged conversation is none of its own any more; who waits in it waits in the other");
	at(2, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	at(20, "conversation.assigned", c1, "", ASSIGN(ID_U1));
	say(30, "message.sent", IN_C1, ANSWER);
	say(40, "message.received", IN_C1, QUESTION);
	ALL(conversations_created, 2);
	at(50, "conversation.merged_into", c1, "", "{\"into_id\":\"" ID_C2 "\"}");
	ALL(conversations_created, 1);
	ALL(first_responses, 0);
	ALL(conversations_assigned, 0);
	ALL(resolutions, 0);
	ALL(conversations_resolved, 0);
	ALL(backlog_change, 1);
	ALL(messages_in, 1);
	FACT(c2, "waiting_since", "2024-10-04T00:00:40.000000Z");
	say(100, "message.sent", IN_C1, ANSWER);
	ALL(first_responses, 1);
	SECONDS(first_response_seconds, 98);
	ALL(replies, 1);
	SECONDS(reply_seconds, 60);
	finish(0, 0);
}

static void test_silent_and_deleted(void)
{
	begin("imported history is no conversation created; a deleted one leaves the backlog, not the past");
	at(2, "conversation.created", c2, ",\"silent\":true", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\",\"ai_handled\":true}");
	ALL(conversations_created, 1);
	ALL(conversations_ai_handled, 0);
	ALL(backlog_change, 2);
	at(9, "conversation.resolved", c2, ",\"silent\":true", "{\"by\":\"ai\"}");
	ALL(resolutions, 1);
	at(10, "conversation.deleted", c1, "", "{\"reason\":\"x\"}");
	ALL(backlog_change, 0);
	ALL(conversations_created, 1);
	finish(0, 0);
}

/* What a rate counts is among what it is divided by. */
static void test_rates(void)
{
	static const char *const made[] = {
		"{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\",\"ai_handled\":true}",
		"{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}",
	};

	begin("imported history, and what an AI did not have from the start, are in no rate that they are not divided by");
	for (unsigned i = 0; i < 4; i++)
		at(2, "conversation.created", test_id(0xc0, 20 + i), i < 2 ? ",\"silent\":true" : "", made[i % 2]);
	ALL(conversations_created, 3);
	ALL(conversations_ai_handled, 1);
	for (unsigned i = 0; i < 4; i++) {
		at(5, "conversation.handed_off", test_id(0xc0, 20 + i), i == 0 ? ",\"silent\":true" : "",
		   "{\"from\":\"ai\",\"reason\":\"low_confidence\"}");
		at(6, "conversation.escalated", test_id(0xc0, 20 + i), i == 0 ? ",\"silent\":true" : "", "{\"reason\":\"x\"}");
	}
	ALL(handoffs, 4);
	ALL(escalations, 4);
	ALL(conversations_handed_off, 1);
	ALL(conversations_escalated, 2);
	finish(0, 0);
}

#define POLICY \
	"{\"name\":\"P\",\"tier\":\"premium\",\"is_default\":true,\"first_response_time_minutes\":2,\"next_response_time_minutes\":1," \
	"\"resolution_time_minutes\":60,\"update_interval_minutes\":30,\"business_hours\":{\"friday\":{\"start\":\"00:01\",\"end\":\"24:00\"}}}"

/* A conversation c2 under a promise: first response in 2 minutes of business time, which begins at second 60. */
static void promised(const char *name)
{
	begin(name);
	at(2, "sla_policy.created", test_id(0x51a, 1), "", POLICY);
	at(10, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\",\"assigned_team_id\":\"" ID_T1 "\"}");
}

static struct uuid clock_of(enum sla_kind kind, int64_t cycle)
{
	struct uuid none = { { 0 } };

	return clock_id(&tenant, &c2, &none, kind, cycle);
}

#define BREACHED(clock, second) \
	"{\"clock\":\"" clock "\",\"cycle\":1,\"breached_at\":\"2024-10-04T" second "Z\",\"due_at\":\"2024-10-04T" second "Z\"}"

static void test_clocks(void)
{
	char payload[150], text[UUID_TEXT];
	struct uuid answer, breach;

	promised("clocks: met when they are fulfilled, for who answered; business time is the clock's");
	at(20, "conversation.assigned", c2, "", ASSIGN(ID_U2));
	say(30, "message.received", IN_C2, QUESTION);
	say(90, "message.sent", IN_C2, ANSWER);
	ALL(sla_first_response_met, 1);
	ALL(sla_first_response_breached, 0);
	IN("agent", "agent_id", ID_U1, sla_first_response_met, 1);
	IN("team", "team_id", ID_T1, sla_first_response_met, 1);
	SECONDS(first_response_seconds, 80);
	SECONDS(first_response_business_seconds, 30);
	ALL(first_responses_in_business_time, 1);
	say(100, "message.received", IN_C2, QUESTION);
	say(150, "message.sent", IN_C2, ANSWER);
	ALL(sla_next_response_met, 1);
	ALL(sla_update_met, 1);
	ALL(replies, 2);
	ALL(replies_in_business_time, 1);
	SECONDS(reply_business_seconds, 50);
	at(160, "conversation.resolved", c2, "", "{\"by\":\"agent\"}");
	ALL(sla_resolution_met, 1);
	SECONDS(full_resolution_seconds, 150);
	SECONDS(first_resolution_business_seconds, 80); /* it stood still while the customer was awaited: 90 to 100, 150 to 160 */
	IN("agent", "agent_id", ID_U2, sla_resolution_met, 1);
	finish(0, 0);

	promised("clocks: an answer that came too late, another conversation's that never came");
	at(11, "conversation.classified", c2, "", "{\"severity\":\"P1\",\"source\":\"user\"}");
	say(300, "message.sent", IN_C2, ANSWER);
	ALL(sla_first_response_met, 0);
	ALL(sla_first_response_breached, 1);
	IN("severity", "severity", "P1", sla_first_response_breached, 1);
	HAS("sla_outcomes", ((struct uuid[]){ clock_of(SLA_FIRST_RESPONSE, 1) })[0], "at", "2024-10-04T00:03:00.000000Z");
	note("the answer that was in time comes to light");
	say(180, "message.sent", IN_C2, ANSWER);
	ALL(sla_first_response_met, 1);
	ALL(sla_first_response_breached, 0);
	SECONDS(first_response_seconds, 170);
	finish(0, 0);

	promised("clocks: a journaled breach counts at its due time, and is taken back when it is waived");
	breach = at(181, "sla.breached", clock_of(SLA_FIRST_RESPONSE, 1), IN_C2, BREACHED("first_response", "00:03:00"));
	ALL(sla_first_response_breached, 1);
	snprintf(payload, sizeof(payload), "{\"breach_event_id\":\"%s\",\"cause\":\"waiver\"}", uuid_format(&breach, text));
	at(200, "sla.breach_retracted", clock_of(SLA_FIRST_RESPONSE, 1), IN_C2, payload);
	ALL(sla_first_response_breached, 0);
	ALL(sla_first_response_met, 0);
	finish(0, 0);

	promised("clocks: an answer that failed is none; the response, the reply and the promise kept go with it");
	say(20, "message.received", IN_C2, QUESTION);
	answer = say(100, "message.sent", IN_C2, ANSWER);
	ALL(first_responses, 1);
	ALL(replies, 1);
	ALL(sla_first_response_met, 1);
	at(110, "message.failed", answer, IN_C2, "{\"error_message\":\"bounced\"}");
	ALL(first_responses, 0);
	ALL(replies, 0);
	ALL(first_responses_in_business_time, 0);
	ALL(sla_first_response_met, 0);
	FACT(c2, "waiting_since", "2024-10-04T00:00:20.000000Z");
	ALL(messages_by_agents, 1);
	say(170, "message.sent", IN_C2, MESSAGE("outbound", "agent", BY(ID_U2)));
	ALL(first_responses, 1);
	SECONDS(first_response_seconds, 160);
	IN("agent", "agent_id", ID_U2, first_responses, 1);
	ALL(sla_first_response_met, 1);
	SECONDS(reply_seconds, 150);
	note("and when another has answered already, that one counts");
	say(175, "message.sent", IN_C2, MESSAGE("outbound", "agent", BY(ID_U1)));
	at(178, "message.failed", test_id(0xd0, 100 + said - 2), IN_C2, "{\"error_message\":\"bounced\"}");
	ALL(first_responses, 1);
	SECONDS(first_response_seconds, 165);
	SECONDS(reply_seconds, 155);
	IN("agent", "agent_id", ID_U1, replies, 1);
	IN("agent", "agent_id", ID_U2, replies, 0);
	finish(0, 0);

	promised("clocks: of a resolution, by its priority alone");
	at(70, "resolution.created", test_id(0x4e, 1), IN_C2, "{\"conversation_id\":\"" ID_C2 "\",\"issue_type\":\"ops\",\"owning_team\":\"infra\",\"priority\":\"P1\"}");
	at(600, "resolution.status_changed", test_id(0x4e, 1), IN_C2, "{\"previous_status\":\"investigating\",\"new_status\":\"resolved\"}");
	ALL(sla_issue_met, 1);
	IN("severity", "severity", "P1", sla_issue_met, 1);
	ALL(sla_resolution_met, 0);
	finish(0, 0);

	promised("clocks: what is cancelled is neither kept nor broken, unless it was broken before");
	say(20, "message.sent", IN_C2, ANSWER);
	say(100, "message.received", IN_C2, QUESTION);
	at(110, "conversation.resolved", c2, "", "{\"by\":\"agent\"}");
	ALL(sla_next_response_met, 0);
	ALL(sla_next_response_breached, 0);
	say(200, "message.received", IN_C2, QUESTION);
	at(261, "sla.breached", clock_of(SLA_NEXT_RESPONSE, 2), IN_C2,
	   "{\"clock\":\"next_response\",\"cycle\":2,\"breached_at\":\"2024-10-04T00:04:20Z\",\"due_at\":\"2024-10-04T00:04:20Z\"}");
	at(270, "conversation.resolved", c2, "", "{\"by\":\"agent\"}");
	ALL(sla_next_response_breached, 1);
	finish(0, 0);
}

/* The rows of a set in a table, by their bucket. */
static void test_days(void)
{
	const int64_t east = (5 * 60 + 45) * 60 * SECOND;

	begin("days are the tenant's");
	at(0, "tenant.created", tenant, "", "{\"name\":\"T\",\"localization\":{\"timezone\":\"Asia/Kathmandu\"}}");
	HAS("tenants", tenant, "reporting_time_zone", "Asia/Kathmandu");
	at(0, "tenant.updated", tenant, "", "{\"changes\":{\"settings\":{\"to\":{\"reporting_time_zone\":\"nowhere\"}}}}");
	HAS("tenants", tenant, "reporting_time_zone", "Asia/Kathmandu");
	at(66000, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}"); /* 18:20Z, 00:05 there */
	is_int(sum_where("rollup_day", "all", "bucket_at", "2024-10-04T18:15:00.000000Z", "conversations_created"), 1, "its day began at 18:15Z");
	is_int(sum_where("rollup_15m", "all", "bucket_at", "2024-10-04T18:15:00.000000Z", "conversations_created"), 1, "and a quarter of an hour too");
	is_int(sum_where("rollup_day", "all", "time_zone", "Asia/Kathmandu", "conversations_created"), 1, "in its zone");
	note("another zone is for conversations that begin later");
	at(66001, "tenant.updated", tenant, "", "{\"changes\":{\"settings\":{\"to\":{\"reporting_time_zone\":\"America/New_York\"}}}}");
	HAS("tenants", tenant, "reporting_time_zone", "America/New_York");
	at(66002, "conversation.resolved", c2, "", "{\"by\":\"agent\"}");
	is_int(sum_where("rollup_day", "all", "bucket_at", "2024-10-04T18:15:00.000000Z", "resolutions"), 1, "this one stays in its days");
	end(0);

	begin("days are the tenant's, all of them");
	state_release(&state);
	memory_db_release(&db);
	memory_db_init(&db, fold_group("core"));
	state_init(&state, db.group, 1);
	state.zones = zones_source(zones);
	at(0, "tenant.created", tenant, "", "{\"name\":\"T\",\"localization\":{\"timezone\":\"Asia/Kathmandu\"}}");
	at(0, "customer.created", k1, "", "{\"identities\":[]}");
	for (int i = 0; i < 20; i++) {
		struct uuid c = test_id(0xc0, 10 + (unsigned)i);
		char more[100], text[UUID_TEXT];

		snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", uuid_format(&c, text));
		at(i * 7000, "conversation.created", c, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
		say(i * 7000 + 5, "message.received", more, QUESTION);
		say(i * 9000 + 60, "message.sent", more, ANSWER);
		at(i * 9000 + 70, "conversation.resolved", c, "", "{\"by\":\"agent\"}");
	}
	finish(0, east);
}

static void test_partial_rows(void)
{
	const struct event *many[40];
	struct uuid m;

	begin("rows that are not in memory are added to, and not folded twice");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 40; i++) {
			m = test_id(0xd0, 1000 + (unsigned)(round * 40 + i));
			position++;
			many[i] = event_make(&arena, position, "message.received", tenant, m, IN_C1, 10 + round * 40 + i, QUESTION);
		}
		is_int(memory_db_fold(&db, &state, many, 40), 0, "forty messages in one go");
		state_drop(&state); /* a restart: nothing is in memory */
		ALL(messages_in, 40 * (round + 1));
	}
	for (int i = 0; i < 40; i++) {
		char more[100], text[UUID_TEXT];
		struct uuid c = test_id(0xc0, 50 + (unsigned)i);

		snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", uuid_format(&c, text));
		at(1, "conversation.created", c, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
		state_drop(&state);
		say(1 + i * i, "message.sent", more, ANSWER);
		state_drop(&state);
	}
	ALL(first_responses, 40);
	finish(0, 0);
}

static void test_classes(void)
{
	int wrong = 0, last = 0;

	is_int(histogram_class(INT64_MIN), 0, "no duration is less than nothing");
	is_int(histogram_class(0), 0, "nothing");
	is_int(histogram_class(1), 0, "a microsecond");
	is_int(histogram_class(2), 35, "two");
	is_int(histogram_class(INT64_MAX), 62 * 35 + 34, "the longest");
	for (int64_t v = 1; v < INT64_MAX / 3; v += v / 700 + 1) {
		int class = histogram_class(v);
		double low = exp2(class / 35.0), middle = low * 2 * exp2(1 / 35.0) / (exp2(1 / 35.0) + 1);

		wrong += class < last || class >= HISTOGRAM_CLASSES || v < low * (1 - 1e-12) || v > low * exp2(1 / 35.0) * (1 + 1e-12) ||
			 fabs(middle - (double)v) > 0.01 * (double)v;
		last = class;
	}
	is_int(wrong, 0, "each duration is in its class, and what stands for the class is at most 1 % off");
}

int main(void)
{
	story_setup();
	test_classes();
	test_first_response();
	test_replies();
	test_resolutions();
	test_moves();
	test_attribution();
	test_merge();
	test_silent_and_deleted();
	test_rates();
	test_clocks();
	test_days();
	test_partial_rows();
	zones_free(zones);
	arena_release(&arena);
	return tap_done();
}
