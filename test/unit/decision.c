/*
 * decision - the events that time decides: ids that anybody can work out with a SHA-256, and bytes that the door would
 * have taken and made just so.
 */
#include "engine/decision.h"
#include "engine/naming.h"

#include "event/canonical.h"
#include "event/envelope.h"
#include "tap.h"

static struct uuid id_of(const char *text)
{
	struct uuid id;

	ok(uuid_parse(text, strlen(text), &id), "%s", text);
	return id;
}

/* Through text and the door, and compared. */
static void passes_the_door(const struct event *e)
{
	struct envelope_limits limits = { 1 << 18, 16 };
	struct buffer text = { 0 }, packed = { 0 }, again = { 0 };
	struct event decoded;
	struct arena arena;
	struct error error;
	msgpack_object map;
	msgpack_zone zone;
	size_t at = 0;

	arena_init(&arena, 1024);
	msgpack_zone_init(&zone, 1024);
	error_clear(&error);
	canonical_event(e, NULL, &text);
	ok(json_to_msgpack(buffer_bytes(&text), &packed, &error) == 0 &&
	   msgpack_unpack(packed.data, packed.len, &at, &zone, &map) == MSGPACK_UNPACK_SUCCESS, "%s", buffer_text(&text));
	ok(envelope_decode(&map, e->occurred_at, &limits, &arena, &decoded, &error) == 0, "the door takes it: %s", error.message);
	canonical_event(&decoded, NULL, &again);
	is_text(buffer_text(&again), buffer_text(&text), "as it stands");
	msgpack_zone_destroy(&zone);
	arena_release(&arena);
	buffer_release(&text);
	buffer_release(&packed);
	buffer_release(&again);
}

/* Whom an sla_policy.reapply of all concerns, as the event that names them. */
static void names(struct uuid tenant, struct uuid conversation, struct uuid resolution, struct uuid cause, int64_t at, struct arena *arena)
{
	struct due_name found[] = { { .conversation_id = conversation }, { .conversation_id = conversation },
				    { conversation, resolution }, { .conversation_id = conversation } };
	struct due_ask ask = { .tenant_id = tenant, .id = cause, .policy_id = resolution, .asked_at = at, .parts = 2 };
	struct store_names answer = { .names = found, .count = 4, .after_conversation = conversation, .after_clock = cause };
	struct naming n;
	char text[UUID_TEXT];
	struct event e;

	naming_init(&n, 10);
	naming_begin(&n, &ask);
	naming_add(&n, &answer);
	ok(!naming_is_full(&n), "a part has room while there are clocks to look at");
	answer.complete = true;
	answer.count = 0;
	naming_add(&n, &answer);
	ok(naming_is_full(&n), "and is full when there are none");
	naming_event(&n, arena, &e);
	is_text(uuid_format(&e.event_id, text), "baf6137e-009e-8bf4-bdbc-1d9122715147", "the third part's id is the hash of the line in reapply.h");
	ok(uuid_equal(&e.causation_id, &cause) && e.occurred_at == at && e.actor_type == ACTOR_SYSTEM, "caused by who asked, as of then");
	ok(bytes_is(e.payload, "{\"conversation_ids\":[\"0192f0c1-2e00-7000-8000-0000000000cc\"],\"resolution_ids\":[\"0192f0c1-2e00-7000-8000-0000000000dd\"]}"),
	   "each is named once");
	passes_the_door(&e);
	naming_done(&n);
	ask.parts = 3;
	naming_begin(&n, &ask);
	ok(uuid_equal(&n.conversation, &conversation) && n.count == 0, "the next part goes on from there");
	naming_event(&n, arena, &e);
	ok(bytes_is(e.payload, "{}"), "the last one names nobody");
	passes_the_door(&e);
	ask.id = tenant;
	naming_begin(&n, &ask);
	ok(uuid_is_nil(&n.conversation), "another ask begins at the beginning");
	naming_release(&n);
}

int main(void)
{
	static const struct {
		const char *about, *clock, *id;
		int cycle, version, run, nth;
		int64_t threshold;
		bool resolution, still;
	} cases[] = {
		{ "a breach", "first_response", "9830b8db-784c-8454-be77-db059c93ff48", 1, 1, 1, -1, INT64_MIN, false, false },
		{ "a warning at a part of the target", "update", "05ef59c6-109f-802e-bdfe-2552c7709018", 3, 2, 4, 1, 7500, false, false },
		{ "a warning an hour before, of a resolution", "resolution", "aac6fc6c-52a2-819a-8fe6-463dab43dacc", 1, 1, 1, 0, 36000000, true, false },
		{ "a breach that a clock which stands still owes the log", "first_response", "9830b8db-784c-8454-be77-db059c93ff48", 1, 1, 1, -1, INT64_MIN, false, true },
	};
	struct uuid tenant = id_of("0192f0c1-2e00-7000-8000-000000000001"), conversation = id_of("0192f0c1-2e00-7000-8000-0000000000cc");
	struct uuid resolution = id_of("0192f0c1-2e00-7000-8000-0000000000dd"), row = id_of("0192f0c1-2e00-7000-8000-0000000000ee");
	struct uuid cause = id_of("0192f0c1-2e00-7000-8000-0000000000ff");
	const char due[] = "2025-03-03T11:15:00.000000Z", before[] = "2025-03-03T11:00:00.000000Z";
	int64_t due_at, before_at;
	struct arena arena;

	catalog_init();
	arena_init(&arena, 1024);
	ok(time_parse(due, strlen(due), &due_at) && time_parse(before, strlen(before), &before_at), "times");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct due_clock d = {
			.tenant_id = tenant, .id = row, .conversation_id = conversation, .started_by = cause,
			.clock = bytes_text(cases[i].clock), .cycle = cases[i].cycle, .target_version = cases[i].version, .run = cases[i].run,
			.nth = cases[i].nth, .threshold = cases[i].threshold, .due_at = cases[i].still ? TIME_NONE : due_at,
			.next_at = cases[i].nth < 0 ? due_at : before_at,
		};
		char text[UUID_TEXT];
		struct event e;

		note("%s", cases[i].about);
		if (cases[i].resolution)
			d.resolution_id = resolution;
		decision_event(&d, &arena, &e);
		is_text(uuid_format(&e.event_id, text), cases[i].id, "its id is the hash of the line in decision.h");
		is_text(e.type->name, cases[i].nth < 0 ? "sla.breached" : "sla.warning", "its type");
		is_int(e.occurred_at, d.next_at, "it occurred at the instant that was due");
		ok(uuid_equal(&e.causation_id, &cause) && uuid_equal(&e.entity_id, &row) && e.actor_type == ACTOR_SYSTEM,
		   "of the clock, caused by what set it going, decided by the engine");
		passes_the_door(&e);
	}
	names(tenant, conversation, resolution, cause, due_at, &arena);
	arena_release(&arena);
	return tap_done();
}
