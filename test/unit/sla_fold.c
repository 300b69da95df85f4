/* The SLA clocks as read models: which policy holds, who answers, what proves void or late, lives of conversations and resolutions. */
#include "sla_story.h"

#include "rules/reapply.h"

/* ---- which policy ---- */

static void choices(void)
{
	char team[200];

	bare("the team's policy, else the tier's, else the default one; field by field");
	policy(p1, "standard", "60", "480", ",\"is_default\":true,\"next_response_time_minutes\":30");
	policy(p2, "premium", "30", "240", "");
	snprintf(team, sizeof(team), "{\"name\":\"T\",\"sla_override_id\":\"%s\"}", "00000051-0000-8000-8000-000000000003");
	on("2025-01-01T00:00:00Z", "team.created", t1, "", team);
	policy(test_id(0x51, 3), "free", "10", "100", "");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, "",
	   "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\",\"sla_tier\":\"premium\"}");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:30:00Z");
	on("2025-03-03T09:10:00Z", "conversation.team_assigned", c1, "", "{\"team_id\":\"" ID_T1 "\"}");
	CLOCK(FIRST, 1, "policy_id", "00000051-0000-8000-8000-000000000003");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:10:00Z");
	CLOCK(RES, 1, "target_seconds", "6000");
	agent("2025-03-03T09:10:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	customer("2025-03-03T10:00:00Z");
	CLOCK(NEXT, 1, "policy_id", ID_P1); /* the only one that promises it */
	CLOCK(NEXT, 1, "due_at", "2025-03-03T10:30:00Z");
	end(0);

	bare("a policy that is switched off holds for nothing new, the one before holds again");
	policy(p1, "standard", "60", "480", "");
	policy(p2, "standard", "30", "240", "");
	is_text(memory_db_text(&db, "sla_policy_choices", &tenant, &tenant, "default_version_id"), "null", "there is no default");
	on("2025-01-01T00:00:00Z", "sla_policy.deactivated", p2, "", "{}");
	created("2025-03-03T09:00:00Z");
	CLOCK(FIRST, 1, "policy_id", ID_P1);
	on("2025-03-03T09:01:00Z", "sla_policy.deactivated", p1, "", "{}");
	CLOCK(FIRST, 1, "state", "running");
	on("2025-03-03T09:02:00Z", "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	on("2025-03-03T09:03:00Z", "conversation.reopened", c1, "", "{\"trigger\":\"agent\"}");
	CLOCK(RES, 2, "state", "(none)");
	end(0);

	bare("nothing is promised until there is a policy of the tier");
	policy(p2, "premium", "30", "240", "");
	created("2025-03-03T09:00:00Z");
	CLOCK(FIRST, 1, "state", "(none)");
	TALK("first_response_due_at", "null");
	on("2025-03-03T09:20:00Z", "conversation.tier_changed", c1, "", "{\"to\":\"premium\"}");
	CLOCK(FIRST, 1, "started_at", "2025-03-03T09:20:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:50:00Z");
	on("2025-03-03T09:30:00Z", "conversation.tier_changed", c1, "", "{\"to\":\"standard\"}");
	CLOCK(FIRST, 1, "state", "cancelled");
	CLOCK(RES, 1, "state", "cancelled");
	TALK("first_response_due_at", "null");
	agent("2025-03-03T09:40:00Z");
	TALK("first_response_at", "2025-03-03T09:40:00Z");
	end(0);
}

static void versions(void)
{
	scene("a running clock keeps the version it began with, until it is told otherwise", U, "60", "480", "");
	created("2025-03-03T09:00:00Z");
	policy(p1, "standard", "20", "240", ",\"priority_overrides\":{\"P0\":{\"resolution\":10}}");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	severity("2025-03-03T09:10:00Z", "P0");
	CLOCK(RES, 1, "due_at", "2025-03-04T09:00:00Z");
	CLOCK(RES, 1, "policy_version", "1");
	on("2025-03-03T09:10:00Z", "sla_policy.reapply", p1, "", "{\"conversation_ids\":[\"" ID_C1 "\",\"" ID_C2 "\"]}");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:20:00Z");
	CLOCK(FIRST, 1, "policy_version", "2");
	CLOCK(RES, 1, "target_seconds", "600");
	STORY(RES, 1, "at");
	end(1); /* there is no second conversation */
}

/* The part that the engine journals for an ask, under the id that follows from it. */
static void part(struct uuid ask, int64_t nth, const char *payload)
{
	struct uuid id = reapply_id(&tenant, &ask, nth);
	char more[100], text[UUID_TEXT];
	struct event *e;

	snprintf(more, sizeof(more), ",\"causation_id\":\"%s\"", uuid_format(&ask, text));
	e = event_make(&arena, ++position, "sla_policy.reapply", tenant, p1, more, second_of("2025-03-03T09:30:00Z"), payload);
	e->event_id = id;
	ok(memory_db_fold(&db, &state, (const struct event *const *)&e, 1) == 0, "part %d: every row it needs was foreseen", (int)nth);
}

static void for_all(void)
{
	struct uuid ask;

	scene("who asks for all clocks gets them named, part by part, until nobody is left", U, "60", "480", "");
	created("2025-03-03T09:00:00Z");
	policy(p1, "standard", "20", "240", "");
	ask = on("2025-03-03T09:30:00Z", "sla_policy.reapply", p1, "", "{\"all\":true}");
	HAS("sla_reapplications", ask, "policy_version", "2");
	HAS("sla_reapplications", ask, "finished_at", "null");
	CLOCK(FIRST, 1, "policy_version", "1");
	part(ask, 1, "{\"conversation_ids\":[\"" ID_C1 "\"]}");
	CLOCK(FIRST, 1, "policy_version", "2");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:30:00Z");
	HAS("sla_reapplications", ask, "named", "1");
	part(ask, 1, "{}");
	part(ask, 3, "{}");
	HAS("sla_reapplications", ask, "parts", "1");
	part(ask, 2, "{}");
	HAS("sla_reapplications", ask, "parts", "2");
	ok(strcmp(memory_db_text(&db, "sla_reapplications", &tenant, &ask, "finished_at"), "null") != 0, "the part that names nobody ends it");
	part(ask, 3, "{\"conversation_ids\":[\"" ID_C1 "\"]}");
	HAS("sla_reapplications", ask, "parts", "2");
	on("2025-03-03T09:31:00Z", "sla_policy.reapply", p1, ",\"silent\":true", "{\"all\":true}");
	on("2025-03-03T09:31:00Z", "sla_policy.reapply", c1, "", "{\"all\":true}");
	end(2); /* nothing follows from what is silent; and there is no such policy */
}

static void unreadable(void)
{
	scene("what cannot be read of a policy is said when it is written; the rest holds", ",\"timezone\":\"Mars/Olympus\"", "60", "480", "");
	created("2025-03-03T09:00:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	end(1);
}

/* ---- answers ---- */

static void who_answers(void)
{
	scene("a rule, a note, a model: no answer where people are promised", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	answer("2025-03-03T09:01:00Z", "{\"automation_rule_id\":\"" ID_P1 "\",\"channel\":\"email\",\"content\":\"x\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
	answer("2025-03-03T09:02:00Z", "{\"auto_reply\":true,\"channel\":\"email\",\"content\":\"x\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
	answer("2025-03-03T09:03:00Z", "{\"channel\":\"email\",\"content\":\"x\",\"direction\":\"internal\",\"sender_type\":\"agent\"}");
	answer("2025-03-03T09:04:00Z", SENT("system"));
	answer("2025-03-03T09:05:00Z", SENT("ai"));
	CLOCK(FIRST, 1, "state", "running");
	TALK("first_response_at", "null");
	TALK("first_ai_response_at", "2025-03-03T09:05:00Z");
	agent("2025-03-03T09:06:00Z");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:06:00Z");
	end(0);

	scene("anybody's answer, where that is promised", U, "60", FAR, ",\"first_response_by\":\"any\",\"next_response_time_minutes\":30");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, "",
	   "{\"ai_handled\":true,\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	answer("2025-03-03T09:00:04Z", SENT("ai"));
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:00:04Z");
	TALK("first_response_at", "2025-03-03T09:00:04Z");
	TALK("first_human_response_at", "null");
	customer("2025-03-03T09:10:00Z");
	answer("2025-03-03T09:11:00Z", SENT("ai"));
	CLOCK(NEXT, 1, "state", "fulfilled");
	end(0);
}

static void void_answers(void)
{
	struct uuid m, other;

	scene("when an answer fails, the next one there was counts", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	m = agent("2025-03-03T09:10:00Z");
	other = agent("2025-03-03T09:20:00Z");
	failed("2025-03-03T09:30:00Z", m);
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:20:00Z");
	TALK("first_response_at", "2025-03-03T09:20:00Z");
	is_text(clock_text(FIRST, 1, nobody, "answer_id"), ID_M2, "and the clock knows which");
	/* It arrived after all. */
	on("2025-03-03T09:40:00Z", "message.delivered", m, IN_C1, "{\"at\":\"2025-03-03T09:10:30.000000Z\"}");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:10:00Z");
	failed("2025-03-03T09:41:00Z", m);
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:10:00Z");
	failed("2025-03-03T09:41:00Z", other);
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:10:00Z");
	end(0);

	scene("another attempt counts from when it left", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	m = agent("2025-03-03T09:10:00Z");
	failed("2025-03-03T09:30:00Z", m);
	on("2025-03-03T09:31:00Z", "message.retried", m, IN_C1, "{\"attempt\":2}");
	CLOCK(FIRST, 1, "state", "running");
	on("2025-03-03T09:32:00Z", "message.sent", m, IN_C1, "{\"attempt\":2}");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:32:00Z");
	STORY(FIRST, 1, "afvf");
	end(0);

	scene("next_response: a void answer leaves the customer waiting as before", U, FAR, FAR, ",\"next_response_time_minutes\":120");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:10:00Z");
	customer("2025-03-03T10:00:00Z");
	m = agent("2025-03-03T10:30:00Z");
	customer("2025-03-03T10:40:00Z");
	CLOCK(NEXT, 2, "due_at", "2025-03-03T12:40:00Z");
	failed("2025-03-03T10:45:00Z", m);
	CLOCK(NEXT, 1, "state", "running");
	CLOCK(NEXT, 1, "due_at", "2025-03-03T12:00:00Z");
	CLOCK(NEXT, 2, "state", "cancelled");
	customer("2025-03-03T10:50:00Z");
	CLOCK(NEXT, 3, "state", "(none)");
	agent("2025-03-03T11:00:00Z");
	CLOCK(NEXT, 1, "fulfilled_at", "2025-03-03T11:00:00Z");
	customer("2025-03-03T11:10:00Z");
	CLOCK(NEXT, 3, "due_at", "2025-03-03T13:10:00Z");
	STORY(NEXT, 1, "afvf");
	end(0);

	scene("update: a void answer is no update", A, FAR, FAR, ",\"pause_states\":[],\"update_interval_minutes\":60");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:10:00Z");
	m = agent("2025-03-03T09:30:00Z");
	CLOCK(UPDATE, 2, "due_at", "2025-03-03T10:30:00Z");
	failed("2025-03-03T09:31:00Z", m);
	CLOCK(UPDATE, 2, "state", "cancelled");
	CLOCK(UPDATE, 1, "state", "running");
	CLOCK(UPDATE, 1, "due_at", "2025-03-03T10:10:00Z");
	other = agent("2025-03-03T10:00:00Z");
	CLOCK(UPDATE, 1, "fulfilled_at", "2025-03-03T10:00:00Z");
	CLOCK(UPDATE, 3, "due_at", "2025-03-03T11:00:00Z");
	agent("2025-03-03T10:20:00Z");
	failed("2025-03-03T10:21:00Z", other);
	CLOCK(UPDATE, 1, "fulfilled_at", "2025-03-03T10:20:00Z");
	CLOCK(UPDATE, 1, "breached_at", "2025-03-03T10:10:00Z");
	CLOCK(UPDATE, 4, "due_at", "2025-03-03T11:20:00Z");
	end(0);
}

static void late_answers(void)
{
	scene("an answer that comes late is evidence for the cycle it falls into", A, FAR, FAR,
	      ",\"next_response_time_minutes\":10,\"pause_states\":[],\"update_interval_minutes\":60");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:10:00Z");
	customer("2025-03-03T09:20:00Z");
	breach(NEXT, 1, "2025-03-03T09:30:00Z");
	agent("2025-03-03T09:40:00Z");
	customer("2025-03-03T09:50:00Z");
	TALK("sla_breached", "true");
	agent("2025-03-03T09:25:00Z");
	CLOCK(NEXT, 1, "fulfilled_at", "2025-03-03T09:25:00Z");
	CLOCK(NEXT, 1, "breached_at", "null");
	CLOCK(NEXT, 2, "state", "running");
	CLOCK(UPDATE, 1, "fulfilled_at", "2025-03-03T09:25:00Z");
	CLOCK(UPDATE, 2, "state", "running");
	TALK("sla_breached", "false");
	agent("2025-03-03T09:05:00Z");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:05:00Z");
	TALK("first_response_at", "2025-03-03T09:05:00Z");
	/* A customer's message from before the last answer waits for nothing. */
	on("2025-03-03T09:55:00Z", "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	CLOCK(NEXT, 2, "state", "cancelled");
	end(0);
}

/* ---- the conversation's life ---- */

static void lives(void)
{
	scene("merged: nothing is promised any more", U, "60", "480", "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T09:00:00Z", "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	on("2025-03-03T09:10:00Z", "conversation.merged_into", c1, "", "{\"into_id\":\"" ID_C2 "\"}");
	CLOCK(FIRST, 1, "state", "cancelled");
	CLOCK(RES, 1, "state", "cancelled");
	CLOCK(RES, 1, "next_at", "null");
	TALK("resolution_due_at", "null");
	agent("2025-03-03T09:20:00Z");
	CLOCK(FIRST, 1, "state", "cancelled");
	HAS("conversations", c2, "first_response_at", "2025-03-03T09:20:00.000000Z");
	end(0);

	scene("deleted: the same", U, "60", "480", "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T10:10:00Z", "conversation.deleted", c1, "", "{\"reason\":\"x\"}");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	STORY(FIRST, 1, "abc");
	STORY(RES, 1, "ac");
	end(0);

	scene("resolved too late, by the fold's own reckoning; reopened by a message, anew since nothing is left", A, FAR, "60", "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T11:00:00Z", "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	CLOCK(RES, 1, "breached_at", "2025-03-03T10:00:00Z");
	TALK("sla_breached", "true");
	customer("2025-03-03T12:00:00Z");
	TALK("state", "reopened");
	CLOCK(RES, 2, "due_at", "2025-03-03T13:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-03T10:00:00Z");
	end(0);

	scene("history is silent: no timer goes off, what is evident is known all the same", A, "60", "60", "");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, ",\"silent\":true", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	CLOCK(FIRST, 1, "next_at", "null");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	on("2025-03-03T10:30:00Z", "message.sent", m1, IN_C1 ",\"silent\":true", SENT("agent"));
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "null");
	on("2025-03-03T10:40:00Z", "message.received", m2, IN_C1, RECEIVED);
	CLOCK(RES, 1, "next_at", "null"); /* breached in silence while it ran */
	end(0);

	scene("what customers are told of their own accord is an update", A, FAR, FAR, ",\"pause_states\":[],\"update_interval_minutes\":60");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:10:00Z");
	on("2025-03-03T09:20:00Z", "customer_update.scheduled", test_id(0xcb, 1), IN_C1 IN_R1,
	   "{\"channel\":\"email\",\"content\":\"soon\",\"conversation_id\":\"" ID_C1 "\",\"resolution_id\":\"" ID_R1 "\",\"update_type\":\"status_update\"}");
	on("2025-03-03T09:30:00Z", "customer_update.sent", test_id(0xcb, 1), "", "{\"message_id\":\"" ID_M2 "\",\"sent_at\":\"2025-03-03T09:30:00.000000Z\"}");
	CLOCK(UPDATE, 1, "fulfilled_at", "2025-03-03T09:30:00Z");
	CLOCK(UPDATE, 2, "due_at", "2025-03-03T10:30:00Z");
	end(0);
}

/* ---- resolutions ---- */

static void status(const char *time, const char *from, const char *to)
{
	char payload[150];

	snprintf(payload, sizeof(payload), "{\"new_status\":\"%s\",\"previous_status\":\"%s\"}", to, from);
	on(time, "resolution.status_changed", r1, IN_C1, payload);
}

static void resolutions_too(void)
{
	struct uuid id;

	scene("a resolution has a clock of its own", A, FAR, "480", ",\"priority_overrides\":{\"P1\":{\"resolution\":240}}");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T10:00:00Z", "resolution.created", r1, IN_C1,
	   "{\"conversation_id\":\"" ID_C1 "\",\"issue_type\":\"technical\",\"owning_team\":\"infra\",\"priority\":\"P2\"}");
	OWN(1, "due_at", "2025-03-03T18:00:00Z");
	OWN(1, "resolution_id", ID_R1);
	OWN(1, "conversation_id", ID_C1);
	on("2025-03-03T11:00:00Z", "resolution.sla_paused", r1, IN_C1, "{\"reason\":\"x\"}");
	OWN(1, "state", "paused");
	on("2025-03-03T12:00:00Z", "resolution.sla_resumed", r1, IN_C1, "{\"reason\":\"x\"}");
	OWN(1, "due_at", "2025-03-03T19:00:00Z");
	on("2025-03-03T12:00:00Z", "resolution.priority_changed", r1, IN_C1, "{\"to\":\"P1\"}");
	OWN(1, "due_at", "2025-03-03T15:00:00Z");
	status("2025-03-03T12:30:00Z", "investigating", "fix_in_progress");
	on("2025-03-03T13:00:00Z", "resolution.fix_deployed", r1, IN_C1, "{\"fix_deployed_at\":\"2025-03-03T13:00:00.000000Z\"}");
	OWN(1, "state", "paused");
	status("2025-03-03T14:00:00Z", "deployed", "investigating");
	OWN(1, "due_at", "2025-03-03T16:00:00Z");
	id = clock_id(&tenant, &c1, &r1, RES, 1);
	on("2025-03-03T16:00:00Z", "sla.breached", id, IN_C1 IN_R1,
	   "{\"breached_at\":\"2025-03-03T16:00:00.000000Z\",\"clock\":\"resolution\",\"cycle\":1,\"due_at\":\"2025-03-03T16:00:00.000000Z\"}");
	WORK("sla_breached", "true");
	TALK("sla_breached", "false");
	status("2025-03-03T17:00:00Z", "investigating", "wont_fix");
	OWN(1, "state", "fulfilled");
	OWN(1, "breached_at", "2025-03-03T16:00:00Z");
	on("2025-03-03T18:00:00Z", "resolution.reopened", r1, IN_C1, "{\"reason\":\"x\"}");
	OWN(2, "due_at", "2025-03-03T22:00:00Z");
	policy(p1, "standard", FAR, "60", A);
	on("2025-03-03T18:00:00Z", "sla_policy.reapply", p1, "", "{\"resolution_ids\":[\"" ID_R1 "\"]}");
	OWN(2, "due_at", "2025-03-03T19:00:00Z");
	end(0);
}

/* ---- what the log says of a clock ---- */

static void waive(const char *time, enum sla_kind kind, struct uuid breach_event)
{
	char payload[150], text[UUID_TEXT];

	snprintf(payload, sizeof(payload), "{\"breach_event_id\":\"%s\",\"cause\":\"waiver\"}", uuid_format(&breach_event, text));
	on(time, "sla.breach_retracted", clock_id(&tenant, &c1, &nobody, kind, 1), IN_C1, payload);
}

static void said(void)
{
	struct uuid event, shown;

	scene("a waiver; and what does not fit", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	event = breach(FIRST, 1, "2025-03-03T10:00:00Z");
	waive("2025-03-03T11:00:00Z", FIRST, event);
	CLOCK(FIRST, 1, "breached_at", "null");
	TALK("sla_breached", "false");
	agent("2025-03-03T12:00:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	STORY(FIRST, 1, "abxf");
	breach(FIRST, 1, "2025-03-03T11:30:00Z");
	warning(RES, 1, "2025-03-04T12:00:00Z", "0.5", "2025-03-04T14:00:00Z");
	on("2025-03-03T12:00:00Z", "sla.breached", test_id(0x5c, 9), IN_C1,
	   "{\"breached_at\":\"2025-03-03T16:00:00.000000Z\",\"clock\":\"resolution\",\"cycle\":1,\"due_at\":\"2025-03-03T16:00:00.000000Z\"}");
	end(3);

	scene("a waiver names a breach of its clock, or waives nothing", U, "60", "60", "");
	created("2025-03-03T09:00:00Z");
	event = breach(RES, 1, "2025-03-03T10:00:00Z");
	waive("2025-03-03T10:10:00Z", FIRST, event);
	agent("2025-03-03T10:30:00Z");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	waive("2025-03-03T11:00:00Z", FIRST, event);
	waive("2025-03-03T11:00:00Z", FIRST, clock_id(&tenant, &c1, &nobody, FIRST, 1));
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-03T10:00:00Z");
	STORY(FIRST, 1, "abf");
	end(3);

	scene("by the event that brought it to light", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	shown = on("2025-03-03T10:30:00Z", "message.sent", test_id(0xd0, 99), IN_C1, SENT("agent"));
	breach(FIRST, 1, "2025-03-03T10:00:00Z");
	waive("2025-03-03T11:00:00Z", FIRST, shown);
	CLOCK(FIRST, 1, "breached_at", "null");
	end(0);

	scene("or by the one that told of it after that; the first of two", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T10:30:00Z");
	event = breach(FIRST, 1, "2025-03-03T10:00:00Z");
	waive("2025-03-03T11:00:00Z", FIRST, breach(FIRST, 1, "2025-03-03T10:00:00Z"));
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	waive("2025-03-03T11:00:00Z", FIRST, event);
	CLOCK(FIRST, 1, "breached_at", "null");
	STORY(FIRST, 1, "abfx");
	end(1);
}

/* ---- what it costs ---- */

static void costs(void)
{
	const struct event *e;
	struct row_keys keys = { 0 };
	struct arena scratch;
	int writes, clocks;

	scene("a message that changes no clock neither loads nor writes one", U, FAR, FAR, "");
	created("2025-03-03T09:00:00Z");
	customer("2025-03-03T09:01:00Z");
	clocks = memory_db_count(&db, "sla_clocks");
	is_int(clocks, 2, "two clocks run");
	state_drop(&state);
	arena_init(&scratch, 4096);
	e = event_make(&arena, ++position, "message.received", tenant, test_id(0xd0, ++messages_made), IN_C1, second_of("2025-03-03T09:02:00Z"), RECEIVED);
	for (;;) {
		keys.count = 0;
		state_wants(&state, &e, 1, &scratch, &keys);
		if (keys.count == 0)
			break;
		for (int i = 0; i < keys.count; i++) {
			ok(keys.keys[i].projection != &sla_clocks, "%s is loaded", keys.keys[i].projection->name);
			state_put(&state, &keys.keys[i], memory_db_load(&db, &keys.keys[i]));
		}
	}
	writes = db.inserts + db.updates;
	is_int(memory_db_fold(&db, &state, &e, 1), 0, "it folds");
	is_int(db.inserts + db.updates - writes, 6, "the message, its conversation, and four rows that count messages are written");
	arena_release(&scratch);
	end(0);
}

int main(void)
{
	sla_setup();
	choices();
	versions();
	for_all();
	unreadable();
	who_answers();
	void_answers();
	late_answers();
	lives();
	resolutions_too();
	said();
	costs();
	zones_free(zones);
	arena_release(&arena);
	return tap_done();
}
