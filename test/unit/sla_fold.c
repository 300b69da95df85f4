/*
 * The SLA clocks as read models: events in, rows out.  First the worked vectors of the rule book, by number, then what
 * else the clocks promise.
 *
 *     scene("1", U, FR "60", created at...)   a tenant with one policy, and one customer
 *     created(at);                            the conversation c1
 *     CLOCK(FIRST, 1, "due_at", want)         a column of the clock's row in that cycle
 */
#include "projections/sla_clocks.h"

#include "fold_story.h"

#define U ""
#define B ",\"timezone\":\"Europe/Berlin\""
#define NY ",\"timezone\":\"America/New_York\""
#define A ",\"business_hours_only\":false"
#define DAY_L(day) "\"" day "\":[[\"09:00\",\"12:00\"],[\"13:00\",\"17:00\"]]"
#define L ",\"business_hours\":{" DAY_L("friday") "," DAY_L("monday") "," DAY_L("thursday") "," DAY_L("tuesday") "," DAY_L("wednesday") "}"
#define DAY_N(day) "\"" day "\":[[\"22:00\",\"06:00\"]]"
#define N B ",\"business_hours\":{" DAY_N("friday") "," DAY_N("monday") "," DAY_N("saturday") "," DAY_N("sunday") "," \
	DAY_N("thursday") "," DAY_N("tuesday") "," DAY_N("wednesday") "}"
#define FAR "100000" /* a promise that does not matter here */

static struct uuid p1, p2, t1, r1, nobody;
static unsigned messages_made;
#define ID_P1 "00000051-0000-8000-8000-000000000001"
#define ID_P2 "00000051-0000-8000-8000-000000000002"
#define ID_T1 "0000007e-0000-8000-8000-000000000001"
#define ID_R1 "000000ee-0000-8000-8000-000000000001"
#define IN_R1 ",\"resolution_id\":\"" ID_R1 "\""

static int64_t second_of(const char *time)
{
	int64_t t;

	if (!time_parse(time, strlen(time), &t))
		abort();
	return (t - TIME_DAY * 20000) / TIME_SECOND;
}

/* One event at an instant, folded and committed at once; nothing may come as a surprise to state_wants. */
static struct uuid on(const char *time, const char *type, struct uuid entity, const char *more, const char *payload)
{
	const struct event *e;

	position++;
	e = event_make(&arena, position, type, tenant, entity, more, second_of(time), payload);
	ok(memory_db_fold(&db, &state, &e, 1) == 0, "%s %s: every row it needs was foreseen", time, type);
	return e->event_id;
}

static void policy(struct uuid id, const char *tier, const char *fr, const char *res, const char *more)
{
	char payload[4096];

	snprintf(payload, sizeof(payload), "{\"first_response_time_minutes\":%s,\"name\":\"N\",\"resolution_time_minutes\":%s,\"tier\":\"%s\"%s}",
		 fr, res, tier, more);
	on("2025-01-01T00:00:00Z", strcmp(memory_db_text(&db, "slas", &tenant, &id, "name"), "(none)") ? "sla_policy.updated" : "sla_policy.created",
	   id, "", payload);
}

/* Without a policy. */
static void bare(const char *name)
{
	note("%s", name);
	memory_db_init(&db, fold_group("core"));
	state_init(&state, db.group, 1);
	state.zones = zones_source(zones);
	messages_made = 0;
	on("2025-01-01T00:00:00Z", "customer.created", k1, "", "{\"identities\":[]}");
}

static void scene(const char *name, const char *calendar, const char *fr, const char *res, const char *more)
{
	char both[4096];

	bare(name);
	snprintf(both, sizeof(both), "%s%s", calendar, more);
	policy(p1, "standard", fr, res, both);
}

static void created(const char *time)
{
	on(time, "conversation.created", c1, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
}

static struct uuid customer(const char *time)
{
	struct uuid m = test_id(0xd0, ++messages_made);

	on(time, "message.received", m, IN_C1, RECEIVED);
	return m;
}

static struct uuid answer(const char *time, const char *payload)
{
	struct uuid m = test_id(0xd0, ++messages_made);

	on(time, "message.sent", m, IN_C1, payload);
	return m;
}

static struct uuid agent(const char *time)
{
	return answer(time, SENT("agent"));
}

static void failed(const char *time, struct uuid message)
{
	on(time, "message.failed", message, IN_C1 ",\"event_version\":2", "{\"error_message\":\"no\",\"retryable\":true}");
}

static const char *clock_text(enum sla_kind kind, int64_t cycle, struct uuid resolution, const char *column)
{
	struct uuid id = clock_id(&tenant, &c1, &resolution, kind, cycle);

	return memory_db_text(&db, "sla_clocks", &tenant, &id, column);
}

/* "2025-03-03T10:15:00Z" as the rows print it; other texts as they are. */
static const char *full(const char *want)
{
	static char text[TIME_TEXT];
	int64_t t;

	return strlen(want) == 20 && time_parse(want, 20, &t) ? time_format(t, text) : want;
}

#define FIRST SLA_FIRST_RESPONSE
#define NEXT SLA_NEXT_RESPONSE
#define UPDATE SLA_UPDATE
#define RES SLA_RESOLUTION
#define CLOCK(kind, cycle, column, want) is_text(clock_text(kind, cycle, nobody, column), full(want), #kind " " #cycle " " column)
#define OWN(cycle, column, want) is_text(clock_text(RES, cycle, r1, column), full(want), "resolution's own " #cycle " " column)
#define TALK(column, want) is_text(memory_db_text(&db, "conversations", &tenant, &c1, column), full(want), "conversation " column)
#define WORK(column, want) is_text(memory_db_text(&db, "resolutions", &tenant, &r1, column), full(want), "resolution " column)

/* What happened to a clock, in order, one letter each: a p r t w f v b x c (applied ... retargeted, warning, fulfilled, voided, breached, x retracted, cancelled). */
static const char *story(enum sla_kind kind, int64_t cycle)
{
	static const char letters[] = { [SLA_NTH_APPLIED] = 'a', [SLA_NTH_PAUSED] = 'p', [SLA_NTH_RESUMED] = 'r', [SLA_NTH_RETARGETED] = 't',
					[SLA_NTH_WARNED] = 'w', [SLA_NTH_FULFILLED] = 'f', [SLA_NTH_REVOKED] = 'v', [SLA_NTH_BREACHED] = 'b',
					[SLA_NTH_BREACH_RETRACTED] = 'x', [SLA_NTH_CANCELLED] = 'c' };
	const struct projection *p = memory_db_projection(&db, "sla_clock_history");
	size_t clock_at = projection_column(p, "clock_id")->offset, what_at = projection_column(p, "happening")->offset;
	size_t position_at = projection_column(p, "position")->offset, ordinal_at = projection_column(p, "ordinal")->offset;
	struct uuid id = clock_id(&tenant, &c1, &nobody, kind, cycle);
	static char text[64];
	int64_t last = -1;
	int len = 0;

	for (;;) {
		int64_t next = INT64_MAX, order;
		size_t at = 0;
		struct row *row;
		char letter = 0;

		while ((row = map_next(&db.rows[memory_db_index(&db, p)], &at, NULL))) {
			order = *(int64_t *)(void *)((char *)row + position_at) * 1000 + *(int64_t *)(void *)((char *)row + ordinal_at);
			if (!uuid_equal((struct uuid *)(void *)((char *)row + clock_at), &id) || order <= last || order >= next)
				continue;
			next = order;
			letter = letters[*(int16_t *)(void *)((char *)row + what_at)];
		}
		if (!letter)
			break;
		last = next;
		text[len++] = letter;
	}
	text[len] = 0;
	return text;
}

#define STORY(kind, cycle, want) is_text(story(kind, cycle), want, "what happened to " #kind " " #cycle)

static void fin(int anomalies_wanted)
{
	end(anomalies_wanted);
}

/* ---- the worked vectors ---- */

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
	fin(0);
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
	fin(0);

	scene("12: a pause at night", U, FAR, "480", "");
	created("2025-03-03T14:00:00Z");
	agent("2025-03-03T20:00:00Z");
	customer("2025-03-04T07:30:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-04T14:00:00Z");
	fin(0);

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
	fin(0);

	scene("14: the due time passes in a pause", U, FAR, "240", "");
	created("2025-03-03T09:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-03T13:00:00Z");
	agent("2025-03-03T12:30:00Z");
	customer("2025-03-03T15:00:00Z");
	CLOCK(RES, 1, "due_at", "2025-03-03T15:30:00Z");
	CLOCK(RES, 1, "breached_at", "null");
	fin(0);
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
	fin(0);
}

static void severity(const char *time, const char *to)
{
	char payload[100];

	snprintf(payload, sizeof(payload), "{\"to\":\"%s\"}", to);
	on(time, "conversation.severity_changed", c1, "", payload);
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
	fin(0);

	scene("17: too late as soon as it is graver, and not before", U, FAR, "1440", ",\"priority_overrides\":{\"P0\":{\"resolution\":60}}");
	created("2025-03-03T09:00:00Z");
	severity("2025-03-03T09:00:00Z", "P2");
	severity("2025-03-03T12:00:00Z", "P0");
	CLOCK(RES, 1, "due_at", "2025-03-03T12:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-03T12:00:00Z");
	CLOCK(RES, 1, "next_at", "2025-03-03T12:00:00Z");
	TALK("sla_breached", "true");
	STORY(RES, 1, "abt");
	fin(0);

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
	fin(0);

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
	fin(0);

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
	fin(0);

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
	fin(0);
}

/* What a timer journals. */
static struct uuid journal(const char *time, const char *type, enum sla_kind kind, int64_t cycle, struct uuid resolution, const char *rest)
{
	char payload[300];

	snprintf(payload, sizeof(payload), "{\"clock\":\"%s\",\"cycle\":%d,%s}", values_sla_clock[kind], (int)cycle, rest);
	return on(time, type, clock_id(&tenant, &c1, &resolution, kind, cycle), IN_C1, payload);
}

static struct uuid breach(enum sla_kind kind, int64_t cycle, const char *at)
{
	char rest[150];

	snprintf(rest, sizeof(rest), "\"breached_at\":\"%s\",\"due_at\":\"%s\"", full(at), full(at));
	return journal(at, "sla.breached", kind, cycle, nobody, rest);
}

static void warning(enum sla_kind kind, int64_t cycle, const char *at, const char *threshold, const char *due_at)
{
	char rest[150];

	snprintf(rest, sizeof(rest), "\"due_at\":\"%s\",\"threshold\":%s", full(due_at), threshold);
	journal(at, "sla.warning", kind, cycle, nobody, rest);
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
	fin(0);

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
	fin(0);

	scene("25: an answer that was in time, and told late", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	breach(FIRST, 1, "2025-03-03T10:00:00Z");
	TALK("sla_breached", "true");
	agent("2025-03-03T09:58:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	CLOCK(FIRST, 1, "elapsed_seconds", "3480");
	TALK("sla_breached", "false");
	STORY(FIRST, 1, "abxf");
	fin(0);

	scene("26: in the last second", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	fin(0);
	scene("26: a second too late", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T10:00:01Z");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "2025-03-03T10:00:00Z");
	breach(FIRST, 1, "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "null");
	STORY(FIRST, 1, "abf");
	fin(0);

	scene("27: day and night for what is grave", U, "60", FAR, ",\"priority_overrides\":{\"P0\":{\"business_hours_only\":false}}");
	created("2025-03-08T02:00:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-10T10:00:00Z");
	severity("2025-03-08T02:00:00Z", "P0");
	CLOCK(FIRST, 1, "due_at", "2025-03-08T03:00:00Z");
	fin(0);
}

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
	fin(0);

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
	fin(0);

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
	fin(0);
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
	on("2025-03-03T09:11:00Z", "sla_policy.reapply", p1, "", "{\"all\":true}");
	fin(2); /* there is no second conversation; and "all" names nobody */
}

static void unreadable(void)
{
	scene("what cannot be read of a policy is said when it is written; the rest holds", ",\"timezone\":\"Mars/Olympus\"", "60", "480", "");
	created("2025-03-03T09:00:00Z");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	fin(1);
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
	fin(0);

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
	fin(0);
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
	fin(0);

	scene("another attempt counts from when it left", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	m = agent("2025-03-03T09:10:00Z");
	failed("2025-03-03T09:30:00Z", m);
	on("2025-03-03T09:31:00Z", "message.retried", m, IN_C1, "{\"attempt\":2}");
	CLOCK(FIRST, 1, "state", "running");
	on("2025-03-03T09:32:00Z", "message.sent", m, IN_C1, "{\"attempt\":2}");
	CLOCK(FIRST, 1, "fulfilled_at", "2025-03-03T09:32:00Z");
	STORY(FIRST, 1, "afvf");
	fin(0);

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
	fin(0);

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
	fin(0);
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
	fin(0);
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
	fin(0);

	scene("deleted: the same", U, "60", "480", "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T10:10:00Z", "conversation.deleted", c1, "", "{\"reason\":\"x\"}");
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	STORY(FIRST, 1, "abc");
	STORY(RES, 1, "ac");
	fin(0);

	scene("resolved too late, by the fold's own reckoning; reopened by a message, anew since nothing is left", A, FAR, "60", "");
	created("2025-03-03T09:00:00Z");
	on("2025-03-03T11:00:00Z", "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	CLOCK(RES, 1, "breached_at", "2025-03-03T10:00:00Z");
	TALK("sla_breached", "true");
	customer("2025-03-03T12:00:00Z");
	TALK("state", "reopened");
	CLOCK(RES, 2, "due_at", "2025-03-03T13:00:00Z");
	CLOCK(RES, 1, "breached_at", "2025-03-03T10:00:00Z");
	fin(0);

	scene("history is silent: no timer goes off, what is evident is known all the same", A, "60", "60", "");
	on("2025-03-03T09:00:00Z", "conversation.created", c1, ",\"silent\":true", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	CLOCK(FIRST, 1, "next_at", "null");
	CLOCK(FIRST, 1, "due_at", "2025-03-03T10:00:00Z");
	on("2025-03-03T10:30:00Z", "message.sent", m1, IN_C1 ",\"silent\":true", SENT("agent"));
	CLOCK(FIRST, 1, "breached_at", "2025-03-03T10:00:00Z");
	CLOCK(FIRST, 1, "next_at", "null");
	on("2025-03-03T10:40:00Z", "message.received", m2, IN_C1, RECEIVED);
	CLOCK(RES, 1, "next_at", "null"); /* breached in silence while it ran */
	fin(0);

	scene("what customers are told of their own accord is an update", A, FAR, FAR, ",\"pause_states\":[],\"update_interval_minutes\":60");
	created("2025-03-03T09:00:00Z");
	agent("2025-03-03T09:10:00Z");
	on("2025-03-03T09:20:00Z", "customer_update.scheduled", test_id(0xcb, 1), IN_C1 IN_R1,
	   "{\"channel\":\"email\",\"content\":\"soon\",\"conversation_id\":\"" ID_C1 "\",\"resolution_id\":\"" ID_R1 "\",\"update_type\":\"status_update\"}");
	on("2025-03-03T09:30:00Z", "customer_update.sent", test_id(0xcb, 1), "", "{\"message_id\":\"" ID_M2 "\",\"sent_at\":\"2025-03-03T09:30:00.000000Z\"}");
	CLOCK(UPDATE, 1, "fulfilled_at", "2025-03-03T09:30:00Z");
	CLOCK(UPDATE, 2, "due_at", "2025-03-03T10:30:00Z");
	fin(0);
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
	fin(0);
}

/* ---- what the log says of a clock ---- */

static void said(void)
{
	struct uuid event;
	char payload[150], text[UUID_TEXT];

	scene("a waiver; and what does not fit", U, "60", FAR, "");
	created("2025-03-03T09:00:00Z");
	event = breach(FIRST, 1, "2025-03-03T10:00:00Z");
	snprintf(payload, sizeof(payload), "{\"breach_event_id\":\"%s\",\"cause\":\"waiver\"}", uuid_format(&event, text));
	on("2025-03-03T11:00:00Z", "sla.breach_retracted", clock_id(&tenant, &c1, &nobody, FIRST, 1), IN_C1, payload);
	CLOCK(FIRST, 1, "breached_at", "null");
	TALK("sla_breached", "false");
	agent("2025-03-03T12:00:00Z");
	CLOCK(FIRST, 1, "breached_at", "null");
	STORY(FIRST, 1, "abxf");
	breach(FIRST, 1, "2025-03-03T11:30:00Z");
	warning(RES, 1, "2025-03-04T12:00:00Z", "0.5", "2025-03-04T14:00:00Z");
	on("2025-03-03T12:00:00Z", "sla.breached", test_id(0x5c, 9), IN_C1,
	   "{\"breached_at\":\"2025-03-03T16:00:00.000000Z\",\"clock\":\"resolution\",\"cycle\":1,\"due_at\":\"2025-03-03T16:00:00.000000Z\"}");
	fin(3);
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
	is_int(db.inserts + db.updates - writes, 2, "the message and its conversation are written");
	arena_release(&scratch);
	fin(0);
}

int main(void)
{
	story_setup();
	p1 = test_id(0x51, 1);
	p2 = test_id(0x51, 2);
	t1 = test_id(0x7e, 1);
	r1 = test_id(0xee, 1);
	vectors_of_due_times();
	vectors_of_pauses();
	vector_of_reopening(false);
	vector_of_reopening(true);
	vectors_of_targets();
	vectors_of_evidence();
	choices();
	versions();
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
