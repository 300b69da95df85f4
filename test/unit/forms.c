/* forms - what a policy's JSON must look like at the door, and what is said of what does not. */
#include "tap.h"

#include "event/catalog/forms.h"
#include "event/envelope.h"
#include "rules/sla.h"

static const struct envelope_limits limits = { 1 << 20, 16, NULL };
static struct arena arena;

/* A policy with this beside what it must have. */
static int decode(const char *more, struct error *error)
{
	struct buffer json = { 0 }, packed = { 0 };
	struct uuid event_id, tenant_id;
	msgpack_unpacked unpacked;
	struct event event;
	size_t at = 0;
	int r;

	buffer_printf(&json, "{\"event_id\":\"018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b\",\"event_type\":\"sla_policy.created\","
			     "\"tenant_id\":\"11111111-1111-4111-8111-111111111111\",\"entity_id\":\"22222222-2222-4222-8222-222222222222\","
			     "\"actor_type\":\"user\",\"occurred_at\":\"2024-05-06T07:08:09Z\",\"payload\":{\"name\":\"N\",\"tier\":\"free\",%s%s}}",
		      strstr(more, "time_minutes") ? "" : "\"first_response_time_minutes\":5,\"resolution_time_minutes\":5,", more);
	error_clear(error);
	r = envelope_from_json(buffer_bytes(&json), &packed, &event_id, &tenant_id, error);
	if (r == 0) {
		msgpack_unpacked_init(&unpacked);
		if (msgpack_unpack_next(&unpacked, packed.data, packed.len, &at) != MSGPACK_UNPACK_SUCCESS)
			abort();
		arena_reset(&arena);
		r = envelope_decode(&unpacked.data, 1715000000 * TIME_SECOND, &limits, &arena, &event, error);
		msgpack_unpacked_destroy(&unpacked);
	}
	buffer_release(&json);
	buffer_release(&packed);
	return r;
}

#define HOURS(day) "\"business_hours\":{\"monday\":" day "}"

static void taken(void)
{
	static const char *const cases[] = {
		HOURS("{\"start\":\"09:00\",\"end\":\"17:00\"}"),
		HOURS("[{\"start\":\"09:00:30\",\"end\":\"12:00\"},[\"13:00\",\"24:00\"]]"),
		HOURS("[]"), HOURS("[],\"tuesday\":null"),
		"\"business_hours\":null",
		"\"holidays\":[{\"date\":\"2024-02-29\"},{\"date\":\"2025-12-24\",\"intervals\":[[\"09:00\",\"12:00\"]]}]",
		"\"priority_overrides\":{\"P0\":{\"first_response\":0.5,\"business_hours_only\":false},\"P1\":null}",
		"\"channel_overrides\":{\"our own\":{\"resolution\":5256000}}",
		"\"warn_at\":[]", "\"warn_at\":[0.75,600]",
		"\"pause_states\":[\"awaiting_customer\",\"deployed\"]",
		"\"first_response_time_minutes\":5256000,\"resolution_time_minutes\":5256000",
	};
	struct error error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(decode(cases[i], &error) == 0, "taken: %s%s%s", cases[i], error.code ? ": " : "", error.code ? error.message : "");
}

static void refused(void)
{
	static const struct {
		const char *more, *field, *says;
	} cases[] = {
		{ "\"business_hours\":{}", "payload.business_hours", "of one day at least; nothing of that is there" },
		{ "\"business_hours\":{\"monday\":null}", "payload.business_hours", "nothing of that is there" },
		{ "\"business_hours\":[]", "payload.business_hours", "windows by weekday" },
		{ "\"business_hours\":{\"mon\":[]}", "payload.business_hours.mon", "'mon' is not one of monday, tuesday" },
		{ HOURS("\"09:00\""), "payload.business_hours.monday", "'09:00' is not a window" },
		{ HOURS("{\"start\":\"9:00\",\"end\":\"17:00\"}"), "payload.business_hours.monday.start", "'9:00' is not a time of day such as \"09:00\"" },
		{ HOURS("{\"start\":\"09:00\",\"end\":\"24:01\"}"), "payload.business_hours.monday.end", "up to \"24:00\"" },
		{ HOURS("{\"start\":\"09:00\"}"), "payload.business_hours.monday", "has no \"end\"" },
		{ HOURS("{\"start\":\"09:00\",\"end\":\"17:00\",\"zone\":1}"), "payload.business_hours.monday.zone", "'zone' is not one of start, end" },
		{ HOURS("[[\"09:00\",\"12:00\"],[\"13:00\"]]"), "payload.business_hours.monday.1", "nothing of that is there" },
		{ HOURS("[[\"09:00\",\"12:00\",\"13:00\"]]"), "payload.business_hours.monday.0", "at most 2" },
		{ HOURS("[\"09:00\",\"17:00\"]"), "payload.business_hours.monday.0", "'09:00' is not a window" },
		{ "\"holidays\":[{\"date\":\"2025-02-29\"}]", "payload.holidays.0.date", "'2025-02-29' is not a date" },
		{ "\"holidays\":[{\"date\":\"2025-12-24\",\"intervals\":[{\"start\":\"x\",\"end\":\"y\"}]}]", "payload.holidays.0.intervals.0.start", "is not a time of day" },
		{ "\"priority_overrides\":{\"P4\":{}}", "payload.priority_overrides.P4", "'P4' is not one of P0, P1, P2, P3" },
		{ "\"priority_overrides\":{\"P0\":{\"first\":5}}", "payload.priority_overrides.P0.first", "'first' is not one of first_response, next_response" },
		{ "\"priority_overrides\":{\"P0\":{\"resolution\":0}}", "payload.priority_overrides.P0.resolution", "minutes, more than 0" },
		{ "\"priority_overrides\":{\"P0\":{\"resolution\":\"5\"}}", "payload.priority_overrides.P0.resolution", "'5' is not minutes" },
		{ "\"channel_overrides\":{\"email\":{\"update\":5256000.1}}", "payload.channel_overrides.email.update", "at most 5256000" },
		{ "\"channel_overrides\":{\"a channel of more than thirty chars\":{}}", "payload.channel_overrides", "at most 30" },
		{ "\"channel_overrides\":{\"email\":5}", "payload.channel_overrides.email", "must be an override" },
		{ "\"warn_at\":0.75", "payload.warn_at", "a list of thresholds" },
		{ "\"warn_at\":[-1]", "payload.warn_at.0", "a share of the target" },
		{ "\"warn_at\":[0.12345]", "payload.warn_at.0", "up to four decimals" },
		{ "\"warn_at\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "payload.warn_at", "at most 16" },
		{ "\"pause_states\":[\"pending\"]", "payload.pause_states.0", "'pending' is not one of" },
		{ "\"on_reopen\":\"again\"", "payload.on_reopen", "'again' is not one of resume, restart" },
		{ "\"first_response_by\":\"dog\"", "payload.first_response_by", "'dog' is not one of human, ai, any" },
		{ "\"first_response_time_minutes\":0,\"resolution_time_minutes\":5", "payload.first_response_time_minutes", "from 1 to 5256000" },
		{ "\"first_response_time_minutes\":5,\"resolution_time_minutes\":2147483647", "payload.resolution_time_minutes", "from 1 to 5256000" },
	};
	struct error error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = decode(cases[i].more, &error);

		ok(r == E_INVALID && strcmp(error.field, cases[i].field) == 0 && strstr(error.message, cases[i].says),
		   "refused by name: %s", cases[i].more);
		if (r != E_INVALID || strcmp(error.field, cases[i].field) != 0 || !strstr(error.message, cases[i].says))
			note("%d %s: %s", r, error.field, error.message);
	}
}

/* Words that stand in two lists: whoever adds to the one hears of the other. */
static void pauses_are_states(void)
{
	const char *const *const lists[] = { values_conversation_state, values_resolution_status };

	for (int l = 0; l < 2; l++)
		for (int i = 0; lists[l][i]; i++) {
			int at = 0;

			while (values_sla_pause[at] && strcmp(values_sla_pause[at], lists[l][i]) != 0)
				at++;
			ok(values_sla_pause[at] != NULL, "a clock may stand still in %s", lists[l][i]);
		}
}

/* What passes the door and would still never be due is told when the policy is read, and promised to nobody. */
static void never_due(void)
{
	static const struct {
		const char *hours, *overrides;
		bool business_hours_only;
		const char *field;
		int64_t first_response, urgent;
	} cases[] = {
		{ "{\"monday\":[]}", NULL, true, "business_hours", 0, 0 },
		{ "{\"monday\":[]}", NULL, false, "", 600, 0 },
		{ "{\"monday\":[]}", "{\"P0\":{\"business_hours_only\":true}}", false, "business_hours", 0, 0 },
		{ "{\"monday\":[[\"09:00\",\"09:01\"]]}", NULL, true, "", 600, 0 },
		{ "{\"monday\":[[\"09:00\",\"09:01\"]]}", "{\"P0\":{\"first_response\":100000}}", true, "priority_overrides", 600, 0 },
		{ "{\"monday\":[[\"09:00\",\"17:01\"]]}", "{\"P0\":{\"first_response\":100000}}", true, "", 600, 6000000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sla_policy_fields in = {
			.minutes = { [SLA_FIRST_RESPONSE] = 10 }, .business_hours = bytes_text(cases[i].hours),
			.business_hours_only = cases[i].business_hours_only,
			.priority_overrides = cases[i].overrides ? bytes_text(cases[i].overrides) : (struct bytes){ NULL, 0 },
		};
		struct sla_policy policy;
		struct error error;

		arena_reset(&arena);
		if (sla_policy_read(&in, zones_utc_only, &arena, &policy, &error) == 0)
			error.field[0] = 0;
		is_text(error.field, cases[i].field, cases[i].field[0] ? "what would never be due is told" : "what will be due is promised");
		is_int(policy.seconds[SLA_FIRST_RESPONSE], cases[i].first_response, cases[i].hours);
		is_int(policy.severities[0].seconds[SLA_FIRST_RESPONSE], cases[i].urgent, "and what is urgent");
	}
}

int main(void)
{
	catalog_init();
	arena_init(&arena, 1 << 16);
	taken();
	refused();
	pauses_are_states();
	never_due();
	arena_release(&arena);
	return tap_done();
}
