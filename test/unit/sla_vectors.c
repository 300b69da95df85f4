/* The rule book's worked vectors, by number: events in, rows out. */
#include "sla_story.h"

static void due_only(const char *nth, const char *calendar, enum sla_kind kind, const char *minutes, const char *at, const char *due)
{
	scene(nth, calendar, kind == FIRST ? minutes : FAR, kind == RES ? minutes : FAR, "");
	created(at);
	CLOCK(kind, 1, "due_at", due);
	CLOCK(kind, 1, "state", "running");
	if (kind == FIRST)
		TALK("first_response_due_at", due);
	else
		TALK("resolution_due_at", due);
	end(0);
}

static void vectors_of_due_times(void)
{
	due_only("1", U, FIRST, "60", "2025-03-03T10:15:00Z", "2025-03-03T11:15:00Z");
	due_only("2: the clocks go forward on the way", NY, FIRST, "60", "2025-03-07T23:30:00Z", "2025-03-10T14:00:00Z");
	due_only("3: over a weekend", U, FIRST, "60", "2025-03-07T16:30:00Z", "2025-03-10T09:30:00Z");
	due_only("4: used up at closing time", U, FIRST, "60", "2025-03-07T16:00:00Z", "2025-03-10T09:00:00Z");
	due_only("5: holidays", B ",\"holidays\":[{\"date\":\"2025-12-25\"},{\"date\":\"2025-12-26\"}]", RES, "960",
		 "2025-12-24T14:00:00Z", "2025-12-30T14:00:00Z");
	due_only("6", B, FIRST, "120", "2025-03-28T15:00:00Z", "2025-03-31T08:00:00Z");
	due_only("7", B, FIRST, "120", "2025-10-24T14:00:00Z", "2025-10-27T09:00:00Z");
	due_only("8: a night of seven hours", N, RES, "390", "2025-03-29T21:00:00Z", "2025-03-30T03:30:00Z");
	due_only("8: all of it", N, RES, "420", "2025-03-29T21:00:00Z", "2025-03-30T20:00:00Z");
	due_only("9: a night of nine hours", N, RES, "510", "2025-10-25T20:00:00Z", "2025-10-26T04:30:00Z");
	due_only("10: day and night", A, RES, "720", "2025-03-29T20:00:00Z", "2025-03-30T08:00:00Z");
	due_only("22: before lunch", L, FIRST, "60", "2025-03-03T11:30:00Z", "2025-03-03T13:30:00Z");
	due_only("22: at lunch", L, FIRST, "60", "2025-03-03T12:30:00Z", "2025-03-03T14:00:00Z");
	due_only("22: until lunch", L, FIRST, "60", "2025-03-03T11:00:00Z", "2025-03-03T13:00:00Z");
}

static void vectors_of_pauses(void)
{
	scene("11: a pause in business hours", U, FAR, "480", "");
	created("2025-03-03T14:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-04T14:00:00Z");
	agent("2025-03-03T16:00:00Z");
	CLOCK(RES, 1, "state", "paused");
	CLOCK(RES, 1, "consumed_seconds", "7200");
	CLOCK(RES, 1, "paused_at", "2025-03-03T16:00:00Z");
	CLOCK(RES, 1, "due_at", "null");
	CLOCK(RES, 1, "next_at", "null");
	TALK("resolution_due_at", "null");
	customer("2025-03-05T10:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-05T16:00:00Z");
	CLOCK(RES, 1, "paused_at", "null");
	TALK("resolution_due_at", "2025-03-05T16:00:00Z");
	STORY(RES, 1, "apr");
	end(0);

	scene("12: a pause at night", U, FAR, "480", "");
	created("2025-03-03T14:00:00Z");
	agent("2025-03-03T20:00:00Z");
	customer("2025-03-04T07:30:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-04T14:00:00Z");
	end(0);

	scene("13: two pauses", A, FAR, "1440", "");
	created("2025-03-06T12:00:00Z");
	agent("2025-03-06T18:00:00Z");
	customer("2025-03-07T09:00:00Z");
	agent("2025-03-07T17:00:00Z");
	CLOCK(RES, 1, "consumed_seconds", "50400");
	customer("2025-03-10T08:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-10T18:00:00Z");
	CLOCK(RES, 1, "run", "3");
	STORY(RES, 1, "aprpr");
	end(0);

	scene("14: the due time passes in a pause", U, FAR, "240", "");
	created("2025-03-03T09:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-03T13:00:00Z");
	agent("2025-03-03T12:30:00Z");
	customer("2025-03-03T15:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-03T15:30:00Z");
	CLOCK(RES, 1, "breached_at", "null");
	end(0);
}

static void vector_of_reopening(bool restart)
{
	scene(restart ? "15: reopened, anew" : "15: reopened, with what was left", U, FAR, "480", restart ? ",\"on_reopen\":\"restart\"" : "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T14:00:00Z", "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	CLOCK(RES, 1, "state", "fulfilled");
	CLOCK(RES, 1, "elapsed_seconds", "18000");
	CLOCK(RES, 1, "breached_at", "null");
	on("2025-03-04T11:00:00Z", "conversation.reopened", c1, "", "{\"trigger\":\"agent\"}");
	CLOCK(RES, 2, "due_at", restart ? "2025-03-05T11:00:00Z" : "2025-03-04T14:00:00Z");
	CLOCK(RES, 1, "state", "fulfilled");
	TALK("resolution_due_at", restart ? "2025-03-05T11:00:00Z" : "2025-03-04T14:00:00Z");
	end(0);
}

static void vectors_of_targets(void)
{
	scene("16: a graver case", U, FAR, "1440", ",\"priority_overrides\":{\"P0\":{\"resolution\":240},\"P2\":{\"resolution\":1440}}");
	created("2025-03-03T09:00:00Z");
	severity("2025-03-03T09:00:00Z", "P2");
	CLOCK(RES, 1, "due_at", "2025-03-06T09:00:00Z");
	CLOCK(RES, 1, "target_version", "1");
	severity("2025-03-03T12:00:00Z", "P0");
	CLOCK(RES, 1, "consumed_seconds", "10800");
	CLOCK(RES, 1, "due_at", "2025-03-03T13:00:00Z");
	CLOCK(RES, 1, "target_version", "2");
	STORY(RES, 1, "at");
	end(0);

	scene("17: too late as soon as it is graver, and not before", U, FAR, "1440", ",\"priority_overrides\":{\"P0\":{\"resolution\":60}}");
	created("2025-03-03T09:00:00Z");
	severity("2025-03-03T09:00:00Z", "P2");
	severity("2025-03-03T12:00:00Z", "P0");
	CLOCK(RES, 1, "due_at", "2025-03-03T12:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-03T12:00:00Z");
	CLOCK(RES, 1, "next_at", "2025-03-03T12:00:00Z");
	TALK("sla_breached", "true");
	STORY(RES, 1, "abt");
	end(0);

	scene("18: looser after the breach", U, "120", FAR, "");
	policy(p2, "premium", "60", FAR, "");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, "",
	   "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\",\"sla_tier\":\"premium\"}");
	on("2025-03-03T10:30:00Z", "conversation.tier_changed", c1, "", "{\"to\":\"standard\"}");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T11:00:00Z");
	CLOCK(FIRST, 1, "policy_id", ID_P1);
	agent("2025-03-03T10:45:00Z");
	CLOCK(FIRST, 1, "state", "fulfilled");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	TALK("sla_breached", "true");
	STORY(FIRST, 1, "abtf");
	end(0);

	scene("19: a machine talks first", U, "30", FAR, "");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, "",
	   "{\"ai_handled\":true,\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	answer("2025-03-03T09:00:04Z", SENT("ai"));
	CLOCK(FIRST, 1, "state", "(none)");
	on("2025-03-03T09:20:00Z", "conversation.handed_off", c1, "", "{\"from\":\"ai\",\"reason\":\"customer_request\"}");
	CLOCK(FIRST, 1, "started_at", "2025-03-03T09:20:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T09:50:00Z");
	TALK("first_response_at", "null");
	agent("2025-03-03T09:45:00Z");
	CLOCK(FIRST, 1, "elapsed_seconds", "1500");
	CLOCK(FIRST, 1, "breached_at", "null");
	TALK("first_ai_response_at", "2025-03-03T09:00:04Z");
	TALK("first_response_at", "2025-03-03T09:45:00Z");
	TALK("first_human_response_at", "2025-03-03T09:45:00Z");
	end(0);

	scene("20: updates", U, FAR, FAR, ",\"update_interval_minutes\":720");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T09:00:00Z", "conversation.escalated", c1, "", "{\"reason\":\"x\"}");
	agent("2025-03-03T10:00:00Z");
	CLOCK(UPDATE, 1, "due_at", "2025-03-04T14:00:00Z");
	agent("2025-03-04T11:00:00Z");
	CLOCK(UPDATE, 1, "state", "fulfilled");
	CLOCK(UPDATE, 1, "breached_at", "null");
	CLOCK(UPDATE, 2, "due_at", "2025-03-05T15:00:00Z");
	on("2025-03-04T15:00:00Z", "conversation.state_changed", c1, "",
	   "{\"cause\":\"explicit\",\"new_state\":\"awaiting_customer\",\"previous_state\":\"escalated\"}");
	CLOCK(UPDATE, 2, "consumed_seconds", "14400");
	CLOCK(UPDATE, 2, "state", "paused");
	customer("2025-03-06T09:30:00Z");
	CLOCK(UPDATE, 2, "due_at", "2025-03-07T09:30:00Z");
	STORY(UPDATE, 1, "af");
	STORY(UPDATE, 2, "apr");
	end(0);

	scene("23: the oldest message that waits", U, FAR, FAR, ",\"next_response_time_minutes\":120");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:30:00Z");
	customer("2025-03-03T10:00:00Z");
	CLOCK(NEXT, 1, "due_at", "2025-03-03T12:00:00Z");
	customer("2025-03-03T10:40:00Z");
	CLOCK(NEXT, 1, "due_at", "2025-03-03T12:00:00Z");
	CLOCK(NEXT, 2, "state", "(none)");
	CLOCK(NEXT, 1, "message_id", ID_M2);
	agent("2025-03-03T11:59:00Z");
	CLOCK(NEXT, 1, "state", "fulfilled");
	CLOCK(NEXT, 1, "breached_at", "null");
	end(0);
}

static void vectors_of_evidence(void)
{
	struct uuid m;

	scene("21: a warning", U, FAR, "480", "");
	created("2025-03-03T14:00:00Z");
	CLOCK(RES, 1, "next_at", "2025-03-04T12:00:00Z");
	CLOCK(RES, 1, "next_threshold", "7500");
	CLOCK(RES, 1, "next_nth", "0");
	CLOCK(RES, 1, "shard", "1");
	warning(RES, 1, "2025-03-04T12:00:00Z", "0.75", "2025-03-04T14:00:00Z");
	CLOCK(RES, 1, "warned_at", "2025-03-04T12:00:00Z");
	CLOCK(RES, 1, "next_at", "2025-03-04T14:00:00Z");
	CLOCK(RES, 1, "next_threshold", "null");
	CLOCK(RES, 1, "next_nth", "-1");
	breach(RES, 1, "2025-03-04T14:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-04T14:00:00Z");
	CLOCK(RES, 1, "next_at", "null");
	STORY(RES, 1, "awb");
	end(0);

	scene("24: an answer that failed", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	m = agent("2025-03-03T09:50:00Z");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:50:00Z");
	TALK("first_response_at", "2025-03-03T09:50:00Z");
	failed("2025-03-03T09:55:00Z", m);
	CLOCK(FIRST, 1, "state", "running");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	TALK("first_response_at", "null");
	TALK("first_human_response_at", "null");
	CLOCK(UPDATE, 1, "state", "cancelled");
	agent("2025-03-03T10:20:00Z");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "elapsed_seconds", "4800");
	CLOCK(UPDATE, 2, "started_at", "2025-03-03T10:20:00Z");
	TALK("first_response_at", "2025-03-03T10:20:00Z");
	STORY(FIRST, 1, "afvbf");
	end(0);

	scene("25: an answer that was in time, and told late", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	breach(FIRST, 1, "2025-03-03T10:00:00Z");
	TALK("sla_breached", "true");
	agent("2025-03-03T09:58:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	CLOCK(FIRST, 1, "elapsed_seconds", "3480");
	TALK("sla_breached", "false");
	STORY(FIRST, 1, "abxf");
	end(0);

	scene("26: in the last second", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	end(0);
	scene("26: a second too late", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T10:00:01Z");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "2025-03-03T10:00:00Z");
	breach(FIRST, 1, "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "null");
	STORY(FIRST, 1, "abf");
	end(0);

	scene("27: day and night for what is grave", U, "60", FAR, ",\"priority_overrides\":{\"P0\":{\"business_hours_only\":false}}");
	created("2025-03-08T02:00:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-10T10:00:00Z");
	severity("2025-03-08T02:00:00Z", "P0");
	CLOCK(FIRST, 1, "due_at", "2025-03-08T03:00:00Z");
	end(0);
}

int main(void)
{
	sla_setup();
	vectors_of_due_times();
	vectors_of_pauses();
	vector_of_reopening(false);
	vector_of_reopening(true);
	vectors_of_targets();
	vectors_of_evidence();
	zones_free(zones);
	arena_release(&arena);
	return tap_done();
}
