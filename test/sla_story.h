/*
 * sla_story - short histories of promises: events at instants of 2025, each folded and committed at once, and the
 * columns of the clocks that they must leave.
 *
 *     scene("what this is about", U, "60", FAR, "");   a customer, and a policy: calendar, first response, resolution, more
 *     created("2025-03-03T10:15:00Z");                 the conversation c1
 *     agent("2025-03-03T10:20:00Z");
 *     CLOCK(FIRST, 1, "state", "fulfilled");           a column of the clock's row in that cycle
 *     STORY(FIRST, 1, "af");                           what happened to it
 *     end(0);                                          how many anomalies there must be
 */
#ifndef VERBATIM_TEST_SLA_STORY_H
#define VERBATIM_TEST_SLA_STORY_H

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

__attribute__((unused)) static struct uuid p1, p2, t1, r1, nobody;
__attribute__((unused)) static unsigned messages_made;
#define ID_P1 "00000051-0000-8000-8000-000000000001"
#define ID_P2 "00000051-0000-8000-8000-000000000002"
#define ID_T1 "0000007e-0000-8000-8000-000000000001"
#define ID_R1 "000000ee-0000-8000-8000-000000000001"
#define IN_R1 ",\"resolution_id\":\"" ID_R1 "\""

__attribute__((unused)) static int64_t second_of(const char *time)
{
	int64_t t;

	if (!time_parse(time, strlen(time), &t))
		abort();
	return (t - TIME_DAY * 20000) / TIME_SECOND;
}

/* One event at an instant, folded and committed at once; nothing may come as a surprise to state_wants. */
__attribute__((unused)) static struct uuid on(const char *time, const char *type, struct uuid entity, const char *more, const char *payload)
{
	const struct event *e;

	position++;
	e = event_make(&arena, position, type, tenant, entity, more, second_of(time), payload);
	ok(memory_db_fold(&db, &state, &e, 1) == 0, "%s %s: every row it needs was foreseen", time, type);
	return e->event_id;
}

__attribute__((unused)) static void policy(struct uuid id, const char *tier, const char *fr, const char *res, const char *more)
{
	char payload[4096];

	snprintf(payload, sizeof(payload), "{\"first_response_time_minutes\":%s,\"name\":\"N\",\"resolution_time_minutes\":%s,\"tier\":\"%s\"%s}",
		 fr, res, tier, more);
	on("2025-01-01T00:00:00Z", strcmp(memory_db_text(&db, "slas", &tenant, &id, "name"), "(none)") ? "sla_policy.updated" : "sla_policy.created",
	   id, "", payload);
}

/* Without a policy. */
__attribute__((unused)) static void bare(const char *name)
{
	note("%s", name);
	memory_db_init(&db, fold_group("core"));
	state_init(&state, db.group, 1);
	state.zones = zones_source(zones);
	messages_made = 0;
	on("2025-01-01T00:00:00Z", "customer.created", k1, "", "{\"identities\":[]}");
}

__attribute__((unused)) static void scene(const char *name, const char *calendar, const char *fr, const char *res, const char *more)
{
	char both[4096];

	bare(name);
	snprintf(both, sizeof(both), "%s%s", calendar, more);
	policy(p1, "standard", fr, res, both);
}

__attribute__((unused)) static void created(const char *time)
{
	on(time, "conversation.created", c1, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
}

__attribute__((unused)) static struct uuid customer(const char *time)
{
	struct uuid m = test_id(0xd0, ++messages_made);

	on(time, "message.received", m, IN_C1, RECEIVED);
	return m;
}

__attribute__((unused)) static struct uuid answer(const char *time, const char *payload)
{
	struct uuid m = test_id(0xd0, ++messages_made);

	on(time, "message.sent", m, IN_C1, payload);
	return m;
}

__attribute__((unused)) static struct uuid agent(const char *time)
{
	return answer(time, SENT("agent"));
}

__attribute__((unused)) static void failed(const char *time, struct uuid message)
{
	on(time, "message.failed", message, IN_C1 ",\"event_version\":2", "{\"error_message\":\"no\",\"retryable\":true}");
}

__attribute__((unused)) static const char *clock_text(enum sla_kind kind, int64_t cycle, struct uuid resolution, const char *column)
{
	struct uuid id = clock_id(&tenant, &c1, &resolution, kind, cycle);

	return memory_db_text(&db, "sla_clocks", &tenant, &id, column);
}

/* "2025-03-03T10:15:00Z" as the rows print it; other texts as they are. */
__attribute__((unused)) static const char *full(const char *want)
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
__attribute__((unused)) static const char *story(enum sla_kind kind, int64_t cycle)
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

__attribute__((unused)) static void severity(const char *time, const char *to)
{
	char payload[100];

	snprintf(payload, sizeof(payload), "{\"to\":\"%s\"}", to);
	on(time, "conversation.severity_changed", c1, "", payload);
}

/* What a timer journals. */
__attribute__((unused)) static struct uuid journal(const char *time, const char *type, enum sla_kind kind, int64_t cycle, struct uuid resolution, const char *rest)
{
	char payload[300];

	snprintf(payload, sizeof(payload), "{\"clock\":\"%s\",\"cycle\":%d,%s}", values_sla_clock[kind], (int)cycle, rest);
	return on(time, type, clock_id(&tenant, &c1, &resolution, kind, cycle), IN_C1, payload);
}

__attribute__((unused)) static struct uuid breach(enum sla_kind kind, int64_t cycle, const char *at)
{
	char rest[150];

	snprintf(rest, sizeof(rest), "\"breached_at\":\"%s\",\"due_at\":\"%s\"", full(at), full(at));
	return journal(at, "sla.breached", kind, cycle, nobody, rest);
}

__attribute__((unused)) static void warning(enum sla_kind kind, int64_t cycle, const char *at, const char *threshold, const char *due_at)
{
	char rest[150];

	snprintf(rest, sizeof(rest), "\"due_at\":\"%s\",\"threshold\":%s", full(due_at), threshold);
	journal(at, "sla.warning", kind, cycle, nobody, rest);
}

/* Call first. */
__attribute__((unused)) static void sla_setup(void)
{
	story_setup();
	p1 = test_id(0x51, 1);
	p2 = test_id(0x51, 2);
	t1 = test_id(0x7e, 1);
	r1 = test_id(0xee, 1);
}

#endif
