/* envelope - what the door takes, what it makes of it, and what it says of what it refuses. */
#include "tap.h"

#include "base/random.h"
#include "event/canonical.h"
#include "event/envelope.h"
#include "event/walk.h"

#define CONVERSATION "44444444-4444-4444-8444-444444444444"
#define CUSTOMER "33333333-3333-4333-8333-333333333333"
#define ENTITY "22222222-2222-4222-8222-222222222222"
#define TENANT "11111111-1111-4111-8111-111111111111"
#define NIL "00000000-0000-0000-0000-000000000000"

static const int64_t now = 1715000000 * TIME_SECOND; /* 2024-05-06T12:53:20Z */
static const struct envelope_limits limits = { 1 << 20, 16, NULL };
static struct arena arena;
static struct event event;
static struct error error;

/* ---- building events ------------------------------------------------------------------------- */

struct member {
	const char *name;
	const char *json; /* NULL: left out */
};

static const struct member usual[] = {
	{ "event_id", "\"018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b\"" },
	{ "event_type", "\"message.retried\"" },
	{ "tenant_id", "\"" TENANT "\"" },
	{ "entity_id", "\"" ENTITY "\"" },
	{ "conversation_id", "\"" CONVERSATION "\"" },
	{ "actor_type", "\"user\"" },
	{ "occurred_at", "\"2024-05-06T07:08:09.1234567+02:00\"" },
	{ "payload", "{\"attempt\":2}" },
};

/* The usual event with some members replaced or added, as MessagePack. */
static void build(const struct member *changes, size_t count, struct buffer *out)
{
	struct buffer json = { 0 };
	struct uuid event_id, tenant_id;

	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual) + count; i++) {
		struct member m = i < sizeof(usual) / sizeof(*usual) ? usual[i] : changes[i - sizeof(usual) / sizeof(*usual)];

		for (size_t j = 0; i < sizeof(usual) / sizeof(*usual) && j < count; j++)
			if (strcmp(changes[j].name, m.name) == 0)
				m.json = NULL;
		if (m.json)
			buffer_printf(&json, "%c\"%s\":%s", json.len ? ',' : '{', m.name, m.json);
	}
	buffer_add_byte(&json, '}');
	buffer_reset(out);
	if (envelope_from_json(buffer_bytes(&json), out, &event_id, &tenant_id, &error) < 0) {
		note("the test's own JSON: %s", error.message);
		abort();
	}
	buffer_release(&json);
}

static int decode_bytes(struct bytes bytes, const struct envelope_limits *limit)
{
	msgpack_unpacked unpacked;
	size_t at = 0;
	int r;

	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, bytes.data, bytes.len, &at) != MSGPACK_UNPACK_SUCCESS)
		abort();
	arena_reset(&arena);
	error_clear(&error);
	r = envelope_decode(&unpacked.data, now, limit, &arena, &event, &error);
	msgpack_unpacked_destroy(&unpacked);
	return r;
}

static int decode(const struct member *changes, size_t count)
{
	struct buffer packed = { 0 };
	char *copy;
	int r;

	build(changes, count, &packed);
	copy = memcpy(mem_alloc(packed.len), packed.data, packed.len);
	r = decode_bytes(bytes_of(copy, packed.len), &limits);
	memset(copy, 0xee, packed.len); /* nothing of it may be kept */
	free(copy);
	buffer_release(&packed);
	return r;
}

#define DECODE(...) decode((const struct member[]){ __VA_ARGS__ }, sizeof((const struct member[]){ __VA_ARGS__ }) / sizeof(struct member))

static const char *content(void)
{
	static struct buffer out;

	buffer_reset(&out);
	canonical_event(&event, NULL, &out);
	return buffer_text(&out);
}

static const char *payload(void)
{
	return arena_text(&arena, event.payload);
}

/* ---- the envelope ---------------------------------------------------------------------------- */

static void a_usual_event(void)
{
	char time[TIME_TEXT];

	is_int(decode(NULL, 0), 0, "the usual event is taken");
	is_text(content(),
		"{\"actor_type\":\"user\",\"conversation_id\":\"" CONVERSATION "\",\"entity_id\":\"" ENTITY
		"\",\"entity_type\":\"message\",\"event_id\":\"018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b\",\"event_type\":"
		"\"message.retried\",\"event_version\":1,\"occurred_at\":\"2024-05-06T05:08:09.123456Z\",\"payload\":"
		"{\"attempt\":2},\"silent\":false,\"tenant_id\":\"" TENANT "\"}",
		"and has this content");
	ok(event.type == catalog_get(EV_MESSAGE_RETRIED), "its type is the catalog's");
	is_text(time_format(event.occurred_at, time), "2024-05-06T05:08:09.123456Z", "finer than a microsecond is cut off");
	ok(event.position == 0 && event.shard == 0 && event.recorded_at == 0, "the log's own fields are left zero");
}

static void refused_envelopes(void)
{
	static const struct {
		const char *name;
		struct member change;
		const char *field;
		const char *says; /* NULL: anything */
	} cases[] = {
		{ "no event_id", { "event_id", NULL }, "event_id", "required field is missing" },
		{ "null is absent", { "event_id", "null" }, "event_id", "required field is missing" },
		{ "nil event_id", { "event_id", "\"" NIL "\"" }, "event_id", "nil uuid" },
		{ "malformed event_id", { "event_id", "\"x\"" }, "event_id", "'x' is not a uuid" },
		{ "event_id a number", { "event_id", "1" }, "event_id", "not an integer" },
		{ "event_id from the day after tomorrow", { "event_id", "\"018f6000-0000-7000-8000-000000000000\"" }, "event_id",
		  "24 hours ahead" },
		{ "no event_type", { "event_type", NULL }, "event_type", "required field is missing" },
		{ "unknown event_type, misspelt", { "event_type", "\"message.recieved\"" }, "event_type",
		  "did you mean 'message.received'?" },
		{ "unknown event_type", { "event_type", "\"rocket.launched\"" }, "event_type", "unknown event type 'rocket.launched'" },
		{ "event_type of 51 characters", { "event_type", "\"123456789012345678901234567890123456789012345678901\"" },
		  "event_type", "at most 50" },
		{ "empty event_type", { "event_type", "\"\"" }, "event_type", NULL },
		{ "a version that is not there", { "event_version", "7" }, "event_version", "has no version 7; the newest is 1" },
		{ "version zero", { "event_version", "0" }, "event_version", NULL },
		{ "a version with a fraction", { "event_version", "1.5" }, "event_version", NULL },
		{ "no tenant_id", { "tenant_id", NULL }, "tenant_id", "required field is missing" },
		{ "no entity_id", { "entity_id", NULL }, "entity_id", "required field is missing" },
		{ "another entity_type", { "entity_type", "\"customer\"" }, "entity_type", "whose entity is 'message'" },
		{ "no conversation_id where the type needs one", { "conversation_id", NULL }, "conversation_id",
		  "required field is missing" },
		{ "no actor_type", { "actor_type", NULL }, "actor_type", "required field is missing" },
		{ "unknown actor_type", { "actor_type", "\"robot\"" }, "actor_type",
		  "'robot' is not one of user, customer, system, ai, automation, api" },
		{ "an address that is none", { "actor_ip", "\"300.1.1.1\"" }, "actor_ip", "'300.1.1.1' is not an IPv4 or IPv6 address" },
		{ "an address with a mask too wide", { "actor_ip", "\"10.0.0.1/33\"" }, "actor_ip", NULL },
		{ "an address with half a mask", { "actor_ip", "\"10.0.0.1/\"" }, "actor_ip", NULL },
		{ "a network's short form", { "actor_ip", "\"10.1\"" }, "actor_ip", NULL },
		{ "a user agent with a NUL is no JSON; a number", { "actor_user_agent", "12" }, "actor_user_agent", NULL },
		{ "no occurred_at", { "occurred_at", NULL }, "occurred_at", "required field is missing" },
		{ "occurred_at without offset", { "occurred_at", "\"2024-05-06T07:08:09\"" }, "occurred_at", "is not an RFC 3339 time" },
		{ "occurred_at over 24 hours ahead", { "occurred_at", "\"2024-05-07T12:53:20.000001Z\"" }, "occurred_at",
		  "24 hours ahead" },
		{ "silent a number", { "silent", "1" }, "silent", NULL },
		{ "payload an array", { "payload", "[]" }, "payload", "must be a map, not an array" },
		{ "shard", { "shard", "1" }, "shard", "set by the log" },
		{ "position", { "position", "1" }, "position", "set by the log" },
		{ "recorded_at", { "recorded_at", "null" }, "recorded_at", "set by the log" },
		{ "leaf_hash", { "leaf_hash", "\"\"" }, "leaf_hash", "set by the log" },
		{ "log_id", { "log_id", "1" }, "log_id", "set by the log" },
		{ "created_at", { "created_at", "1" }, "created_at", "set by the log" },
		{ "a name that is unknown", { "colour", "1" }, "colour", "unknown field" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(DECODE(cases[i].change), E_INVALID, cases[i].name);
		is_text(error.field, cases[i].field, "names the field");
		ok(!cases[i].says || strstr(error.message, cases[i].says), "says why: %s", error.message);
	}
}

static void taken_envelopes(void)
{
	static const struct {
		const char *name;
		struct member change;
		const char *part; /* of the content */
	} cases[] = {
		{ "upper-case uuid", { "actor_id", "\"ABCDEF01-2345-4789-8BCD-EF0123456789\"" },
		  "\"actor_id\":\"abcdef01-2345-4789-8bcd-ef0123456789\"" },
		{ "the catalog's entity_type", { "entity_type", "\"message\"" }, "\"entity_type\":\"message\"" },
		{ "silent", { "silent", "true" }, "\"silent\":true" },
		{ "null is absent", { "silent", "null" }, "\"silent\":false" },
		{ "version 1 given", { "event_version", "1" }, "\"event_version\":1" },
		{ "occurred_at just 24 hours ahead", { "occurred_at", "\"2024-05-07T12:53:20Z\"" }, "2024-05-07T12:53:20.000000Z" },
		{ "occurred_at long ago", { "occurred_at", "\"0001-01-01T00:00:00Z\"" }, "0001-01-01T00:00:00.000000Z" },
		{ "an IPv4 address", { "actor_ip", "\"192.0.2.7\"" }, "\"actor_ip\":\"192.0.2.7\"" },
		{ "a host's mask is dropped", { "actor_ip", "\"192.0.2.7/32\"" }, "\"actor_ip\":\"192.0.2.7\"" },
		{ "another mask stays", { "actor_ip", "\"192.0.2.7/24\"" }, "\"actor_ip\":\"192.0.2.7/24\"" },
		{ "IPv6 is compressed", { "actor_ip", "\"2001:0DB8:0:0:0:0:0:0001\"" }, "\"actor_ip\":\"2001:db8::1\"" },
		{ "IPv6 host's mask", { "actor_ip", "\"::1/128\"" }, "\"actor_ip\":\"::1\"" },
		{ "IPv6 network", { "actor_ip", "\"fe80::/10\"" }, "\"actor_ip\":\"fe80::/10\"" },
		{ "IPv4 in IPv6", { "actor_ip", "\"::ffff:c000:0207\"" }, "\"actor_ip\":\"::ffff:192.0.2.7\"" },
		{ "a user agent", { "actor_user_agent", "\"a \\\"b\\\"\"" }, "\"actor_user_agent\":\"a \\\"b\\\"\"" },
		{ "an older event_id", { "event_id", "\"abcdef01-2345-4789-8bcd-ef0123456789\"" }, "\"event_id\":\"abcdef01" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(DECODE(cases[i].change), 0, cases[i].name);
		ok(strstr(content(), cases[i].part) != NULL, "becomes %s", cases[i].part);
	}
}

static void user_agent_length(void)
{
	struct buffer json = { 0 };

	buffer_add_byte(&json, '"');
	for (int i = 0; i < 1000; i++)
		buffer_add_text(&json, "\xc3\xa9");
	buffer_add_byte(&json, '"');
	is_int(DECODE({ "actor_user_agent", buffer_text(&json) }), 0, "a user agent of 1,000 characters, 2,000 bytes");
	json.len--;
	buffer_add_text(&json, "x\"");
	is_int(DECODE({ "actor_user_agent", buffer_text(&json) }), E_INVALID, "one more is refused");
	buffer_release(&json);
}

static void the_keys_tenant(void)
{
	struct uuid tenant = { { 0x77 } };
	struct envelope_limits bound = { 1 << 20, 16, &tenant };
	const struct member none = { "tenant_id", NULL };
	struct buffer packed = { 0 };

	build(&none, 1, &packed);
	is_int(decode_bytes(buffer_bytes(&packed), &bound), 0, "a key's tenant stands in for a missing tenant_id");
	ok(uuid_equal(&event.tenant_id, &tenant), "it is taken");
	build(NULL, 0, &packed);
	is_int(decode_bytes(buffer_bytes(&packed), &bound), 0, "a given tenant_id");
	is_int(event.tenant_id.b[0], 0x11, "goes before it, for the server to judge");
	buffer_release(&packed);
}

static void odd_maps(void)
{
	is_int(decode_bytes(BYTES("\x01"), &limits), E_INVALID, "a number is no event");
	is_int(decode_bytes(BYTES("\x81\x01\x02"), &limits), E_INVALID, "a key must be a string");
	is_int(decode_bytes(BYTES("\x82\xa6silent\xc2\xa6silent\xc2"), &limits), E_INVALID, "a field stands once");
	is_text(error.field, "silent", "else it is named");
	is_int(decode_bytes(BYTES("\x81\xa3\xff'\n\x01"), &limits), E_INVALID, "a name of garbage");
	is_text(error.field, "???", "is made fit to print");
}

static void completes_context(void)
{
	is_int(DECODE({ "event_type", "\"conversation.created\"" }, { "conversation_id", NULL },
		      { "payload", "{\"customer_id\":\"" CUSTOMER "\",\"initial_channel\":\"email\"}" }),
	       0, "conversation.created without conversation_id");
	ok(uuid_equal(&event.conversation_id, &event.entity_id), "gets it from entity_id");
	is_int(event.customer_id.b[0], 0x33, "and customer_id from the payload");
	is_int(DECODE({ "event_type", "\"conversation.created\"" },
		      { "payload", "{\"customer_id\":\"" CUSTOMER "\",\"initial_channel\":\"email\"}" }),
	       E_INVALID, "a conversation_id other than the entity_id");
	is_text(error.field, "conversation_id", "is refused by name");
	is_int(DECODE({ "event_type", "\"conversation.created\"" }, { "conversation_id", NULL },
		      { "customer_id", "\"" TENANT "\"" },
		      { "payload", "{\"customer_id\":\"" CUSTOMER "\",\"initial_channel\":\"email\"}" }),
	       E_INVALID, "a customer_id other than the payload's");
	is_text(error.field, "customer_id", "is refused by name");
	is_int(DECODE({ "event_type", "\"note.added\"" }, { "conversation_id", NULL }, { "payload", "{\"content\":\"x\"}" }),
	       E_INVALID, "a note on nothing");
	ok(strstr(error.message, "conversation_id, resolution_id") != NULL, "says what is wanted: %s", error.message);
	is_int(DECODE({ "event_type", "\"note.added\"" }, { "payload", "{\"content\":\"x\"}" }), 0,
	       "a note on the envelope's conversation");
	is_int(DECODE({ "event_type", "\"note.added\"" }, { "conversation_id", NULL },
		      { "payload", "{\"content\":\"x\",\"resolution_id\":\"" ENTITY "\"}" }),
	       0, "a note on the payload's resolution");
	is_int(event.resolution_id.b[0], 0x22, "which the envelope then has");
}

/* ---- payloads -------------------------------------------------------------------------------- */

static void payloads(void)
{
	static const struct {
		const char *name;
		const char *type;
		const char *payload;
		const char *text;  /* canonical; NULL: refused */
		const char *field; /* then: where */
		const char *says;  /* and why */
	} cases[] = {
		{ "no payload where none is wanted", "note.deleted", "{}", "{}", NULL, NULL },
		{ "null is no payload", "note.deleted", "null", "{}", NULL, NULL },
		{ "a field where there is none", "note.deleted", "{\"x\":1}", NULL, "payload.x", "unknown field; there are none here" },
		{ "an unknown field", "message.retried", "{\"attempt\":1,\"colour\":2}", NULL, "payload.colour",
		  "unknown field; the fields are attempt" },
		{ "a missing field", "message.retried", "{}", NULL, "payload.attempt", "required field is missing" },
		{ "null in a required field", "message.retried", "{\"attempt\":null}", NULL, "payload.attempt", "required field is null" },
		{ "null in an optional field", "team.updated", "{\"changes\":{}}", "{\"changes\":{}}", NULL, NULL },
		{ "no payload where one is wanted", "message.retried", "null", NULL, "payload.attempt", "required field is missing" },

		{ "an integer", "message.retried", "{\"attempt\":1000}", "{\"attempt\":1000}", NULL, NULL },
		{ "an integer as a float", "message.retried", "{\"attempt\":3.0}", "{\"attempt\":3}", NULL, NULL },
		{ "an integer with a fraction", "message.retried", "{\"attempt\":1.5}", NULL, "payload.attempt",
		  "must be an integer from 1 to 1000" },
		{ "below the range", "message.retried", "{\"attempt\":0}", NULL, "payload.attempt", "must be an integer from 1 to 1000" },
		{ "above the range", "message.retried", "{\"attempt\":1001}", NULL, "payload.attempt", NULL },
		{ "beyond 2^53", "message.retried", "{\"attempt\":18446744073709551615}", NULL, "payload.attempt", NULL },
		{ "an integer as text", "message.retried", "{\"attempt\":\"1\"}", NULL, "payload.attempt", "must be an integer, not a string" },

		{ "fields are sorted, null left out", "conversation.classified",
		  "{\"severity\":null,\"intent\":\"refund\",\"confidence\":0.25,\"emotion\":\"\"}",
		  "{\"confidence\":0.25,\"emotion\":\"\",\"intent\":\"refund\"}", NULL, NULL },
		{ "a decimal as an integer", "conversation.classified", "{\"confidence\":1}", "{\"confidence\":1}", NULL, NULL },
		{ "a decimal of two digits", "conversation.classified", "{\"confidence\":0.97}", "{\"confidence\":0.97}", NULL, NULL },
		{ "a finer decimal", "conversation.classified", "{\"confidence\":0.975}", NULL, "payload.confidence",
		  "must have at most 2 digits after the point" },
		{ "a decimal out of range", "conversation.classified", "{\"confidence\":1.01}", NULL, "payload.confidence",
		  "must be from 0.00 to 1.00" },
		{ "a decimal below zero", "conversation.classified", "{\"confidence\":-0.01}", NULL, "payload.confidence", NULL },
		{ "a huge decimal", "conversation.classified", "{\"confidence\":1e300}", NULL, "payload.confidence", "number is too large" },

		{ "an enum's value", "conversation.tier_changed", "{\"to\":\"gold\"}", NULL, "payload.to", "'gold' is not one of" },
		{ "an enum as a number", "conversation.tier_changed", "{\"to\":1}", NULL, "payload.to", "must be a string, not an integer" },

		{ "a uuid in upper case", "conversation.team_assigned", "{\"team_id\":\"ABCDEF01-2345-4789-8BCD-EF0123456789\"}",
		  "{\"team_id\":\"abcdef01-2345-4789-8bcd-ef0123456789\"}", NULL, NULL },
		{ "the nil uuid", "conversation.team_assigned", "{\"team_id\":\"" NIL "\"}", NULL, "payload.team_id", "nil uuid" },
		{ "no uuid", "conversation.team_assigned", "{\"team_id\":\"team\"}", NULL, "payload.team_id", "'team' is not a uuid" },

		{ "a time of any offset", "message.delivered", "{\"at\":\"2024-05-06 09:08:09+02:00\"}",
		  "{\"at\":\"2024-05-06T07:08:09.000000Z\"}", NULL, NULL },
		{ "no time", "message.delivered", "{\"at\":\"yesterday\"}", NULL, "payload.at", "is not an RFC 3339 time" },

		{ "a list of strings", "conversation.tagged", "{\"tags\":[\"b\",\"a\"]}", "{\"tags\":[\"b\",\"a\"]}", NULL, NULL },
		{ "a list with a number", "conversation.tagged", "{\"tags\":[\"b\",1]}", NULL, "payload.tags.1",
		  "must be a string, not an integer" },
		{ "a list that is none", "conversation.tagged", "{\"tags\":\"a\"}", NULL, "payload.tags", "must be an array" },
		{ "a list of uuids", "note.added", "{\"content\":\"x\",\"mentions\":[\"" ENTITY "\",\"x\"]}", NULL, "payload.mentions.1",
		  "is not a uuid" },

		{ "any JSON, null inside it", "tenant.created", "{\"name\":\"x\",\"settings\":{\"b\":[null,1.5],\"a\":{}}}",
		  "{\"name\":\"x\",\"settings\":{\"a\":{},\"b\":[null,1.5]}}", NULL, NULL },
		{ "an object", "tenant.created", "{\"name\":\"x\",\"localization\":{\"timezone\":\"UTC\",\"locale\":\"en\"}}",
		  "{\"localization\":{\"locale\":\"en\",\"timezone\":\"UTC\"},\"name\":\"x\"}", NULL, NULL },
		{ "an unknown field of an object", "tenant.created", "{\"name\":\"x\",\"localization\":{\"zone\":\"UTC\"}}", NULL,
		  "payload.localization.zone", "unknown field; the fields are locale, timezone" },
		{ "an empty name", "tenant.created", "{\"name\":\"\"}", NULL, "payload.name", "has 0 characters, at least 1" },
		{ "objects in a list", "customer.created", "{\"identities\":[{\"value\":\"a@b\",\"kind\":\"email\",\"verified\":true}]}",
		  "{\"identities\":[{\"kind\":\"email\",\"value\":\"a@b\",\"verified\":true}]}", NULL, NULL },
		{ "an object in a list without its fields", "customer.created", "{\"identities\":[{\"kind\":\"email\"}]}", NULL,
		  "payload.identities.0.value", "required field is missing" },
		{ "a boolean as text", "customer.created",
		  "{\"identities\":[{\"kind\":\"email\",\"value\":\"x\",\"verified\":\"yes\"}]}", NULL, "payload.identities.0.verified",
		  "must be a boolean, not a string" },

		{ "changes", "tenant.updated", "{\"changes\":{\"slug\":{\"to\":\"b\",\"from\":\"a\"},\"domain\":{\"to\":null}}}",
		  "{\"changes\":{\"domain\":{\"to\":null},\"slug\":{\"from\":\"a\",\"to\":\"b\"}}}", NULL, NULL },
		{ "a column that may not change", "tenant.updated", "{\"changes\":{\"id\":{\"to\":1}}}", NULL, "payload.changes.id",
		  "'id' is not one of name, slug" },
		{ "a change without to", "tenant.updated", "{\"changes\":{\"slug\":{\"from\":\"a\"}}}", NULL, "payload.changes.slug",
		  "a change needs \"to\"" },
		{ "a change with more", "tenant.updated", "{\"changes\":{\"slug\":{\"to\":\"a\",\"why\":1}}}", NULL, "payload.changes.slug",
		  "unknown key 'why'" },
		{ "a change that is a value", "tenant.updated", "{\"changes\":{\"slug\":\"a\"}}", NULL, "payload.changes.slug", NULL },
		{ "a change to what the column cannot hold", "tenant.updated", "{\"changes\":{\"slug\":{\"to\":1}}}", NULL,
		  "payload.changes.slug.to", "must be a string" },

		{ "nested too deep", "tenant.created", "{\"name\":\"x\",\"settings\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", NULL,
		  "payload.settings.0.0.0.0.0.0.0.0.0.0.0.0.0.0", "nested too deep" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char type[64];
		int r;

		snprintf(type, sizeof(type), "\"%s\"", cases[i].type);
		r = DECODE({ "event_type", type }, { "payload", cases[i].payload },
			   { "conversation_id", strncmp(cases[i].type, "conversation.", 13) ? "\"" CONVERSATION "\"" : NULL });
		if (cases[i].text) {
			is_text(r == 0 ? payload() : error.message, cases[i].text, cases[i].name);
			continue;
		}
		ok(r == E_INVALID || r == E_TOO_LARGE, "%s", cases[i].name);
		is_text(error.field, cases[i].field, "names the field");
		ok(!cases[i].says || strstr(error.message, cases[i].says), "says why: %s", error.message);
	}
}

/* What JSON cannot say: bin and timestamps. */
static void native_types(void)
{
	static const struct {
		const char *name;
		const char *type;
		struct bytes payload;
		const char *text; /* NULL: refused */
	} cases[] = {
		{ "a uuid of 16 bytes", "conversation.team_assigned",
		  BYTES("\x81\xa7team_id\xc4\x10\xab\xcd\xef\x01\x23\x45\x47\x89\x8b\xcd\xef\x01\x23\x45\x67\x89"),
		  "{\"team_id\":\"abcdef01-2345-4789-8bcd-ef0123456789\"}" },
		{ "a uuid of 15 bytes", "conversation.team_assigned",
		  BYTES("\x81\xa7team_id\xc4\x0f\xab\xcd\xef\x01\x23\x45\x47\x89\x8b\xcd\xef\x01\x23\x45\x67"), NULL },
		{ "16 zero bytes", "conversation.team_assigned",
		  BYTES("\x81\xa7team_id\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), NULL },
		{ "a timestamp of 4 bytes", "message.delivered", BYTES("\x81\xa2""at\xd6\xff\x66\x38\x80\x00"),
		  "{\"at\":\"2024-05-06T07:00:16.000000Z\"}" },
		{ "a timestamp of 8 bytes, cut to microseconds", "message.delivered",
		  BYTES("\x81\xa2""at\xd7\xff\x1d\x6f\x34\x54\x66\x38\x80\x00"), "{\"at\":\"2024-05-06T07:00:16.123456Z\"}" },
		{ "a timestamp of 12 bytes, before 1970", "message.delivered",
		  BYTES("\x81\xa2""at\xc7\x0c\xff\x1d\xcd\x65\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
		  "{\"at\":\"1969-12-31T23:59:59.500000Z\"}" },
		{ "a timestamp with too many nanoseconds", "message.delivered",
		  BYTES("\x81\xa2""at\xc7\x0c\xff\x3b\x9a\xca\x00\x00\x00\x00\x00\x00\x00\x00\x00"), NULL },
		{ "a timestamp beyond the year 9999", "message.delivered",
		  BYTES("\x81\xa2""at\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), NULL },
		{ "another extension", "message.delivered", BYTES("\x81\xa2""at\xd6\x01\x66\x38\x80\x00"), NULL },
		{ "bin in a string", "note.edited", BYTES("\x81\xa7""content\xc4\x01x"), NULL },
		{ "a string with a NUL", "note.edited", BYTES("\x81\xa7""content\xa3""a\0b"), NULL },
		{ "a string that is not UTF-8", "note.edited", BYTES("\x81\xa7""content\xa3""a\xff""b"), NULL },
		{ "a doubled field", "note.edited", BYTES("\x82\xa7""content\xa1x\xa7""content\xa1x"), NULL },
		{ "a number for a key", "note.edited", BYTES("\x81\x01\xa1x"), NULL },
		{ "bin in any JSON", "tenant.created", BYTES("\x82\xa4name\xa1x\xa8settings\x91\xc4\x01x"), NULL },
		{ "NaN in any JSON", "tenant.created", BYTES("\x82\xa4name\xa1x\xa8settings\xcb\x7f\xf8\0\0\0\0\0\0"), NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char type[64];
		struct buffer packed = { 0 };
		bool own = strncmp(cases[i].type, "conversation.", 13) == 0;
		int r;

		snprintf(type, sizeof(type), "\"%s\"", cases[i].type);
		build((const struct member[]){ { "event_type", type }, { "payload", NULL },
					       { "conversation_id", own ? NULL : "\"" CONVERSATION "\"" } },
		      3, &packed);
		packed.data[0]++; /* one member more: the payload, put behind the others as it is */
		buffer_add(&packed, "\xa7payload", 8);
		buffer_add_bytes(&packed, cases[i].payload);
		r = decode_bytes(buffer_bytes(&packed), &limits);
		if (cases[i].text)
			is_text(r == 0 ? payload() : error.message, cases[i].text, cases[i].name);
		else
			ok(r == E_INVALID && strncmp(error.field, "payload", 7) == 0, "%s: %s %s", cases[i].name, error.field,
			   error.message);
		buffer_release(&packed);
	}
}

static void size_limit(void)
{
	struct buffer json = { 0 };

	buffer_add_text(&json, "{\"content\":\"");
	for (int i = 0; i < 3000; i++)
		buffer_add_byte(&json, 'x');
	buffer_add_text(&json, "\"}");
	{
		const struct member changes[] = { { "event_type", "\"note.edited\"" }, { "payload", buffer_text(&json) } };
		const struct envelope_limits small = { 2048, 16, NULL };
		struct buffer packed = { 0 };

		build(changes, 2, &packed);
		is_int(decode_bytes(buffer_bytes(&packed), &limits), 0, "an event of 3,000 bytes");
		is_int(decode_bytes(buffer_bytes(&packed), &small), E_TOO_LARGE, "is refused where 2,048 are the limit");
		buffer_release(&packed);
	}
	buffer_release(&json);
}

/* ---- one text whatever the order -------------------------------------------------------------- */

static void shuffle(struct random *r, struct member *members, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = random_below(r, i);
		struct member swap = members[i - 1];

		members[i - 1] = members[j];
		members[j] = swap;
	}
}

static void order_does_not_matter(void)
{
	enum { SEED = 21, CASES = 200 };
	struct member facts[] = { { "customer_id", "\"" CUSTOMER "\"" }, { "initial_channel", "\"email\"" },
				  { "subject", "\"help\"" },		 { "tags", "[\"a\",\"b\"]" },
				  { "metadata", "{\"x\":1}" } };
	struct member names[sizeof(usual) / sizeof(*usual)];
	char *first = NULL;
	struct random r;
	int wrong = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	memcpy(names, usual, sizeof(usual));
	for (int i = 0; i < CASES; i++) {
		struct buffer text = { 0 };

		shuffle(&r, facts, sizeof(facts) / sizeof(*facts));
		for (size_t j = 0; j < sizeof(facts) / sizeof(*facts); j++)
			buffer_printf(&text, "%c\"%s\":%s", j ? ',' : '{', facts[j].name, facts[j].json);
		buffer_add_byte(&text, '}');
		shuffle(&r, names, sizeof(names) / sizeof(*names));
		for (size_t j = 0; j < sizeof(names) / sizeof(*names); j++) {
			if (strcmp(names[j].name, "payload") == 0)
				names[j].json = buffer_text(&text);
			else if (strcmp(names[j].name, "event_type") == 0)
				names[j].json = "\"conversation.created\"";
			else if (strcmp(names[j].name, "conversation_id") == 0)
				names[j].json = NULL;
		}
		wrong += decode(names, sizeof(names) / sizeof(*names)) != 0;
		if (!first)
			first = mem_strdup(content());
		wrong += strcmp(first, content()) != 0;
		buffer_release(&text);
	}
	is_int(wrong, 0, "200 orders of envelope and payload give one text");
	free(first);
}

/* ---- out again ------------------------------------------------------------------------------- */

static void as_json(void)
{
	static struct buffer out;

	is_int(DECODE({ "actor_ip", "\"::1\"" }), 0, "an event");
	buffer_reset(&out);
	envelope_to_json(&event, &out);
	is_text(buffer_text(&out), content(), "that has no place in the log yet is written as its content");
	event.position = 42;
	event.shard = 3;
	event.recorded_at = 0;
	memset(event.leaf_hash, 0xab, LEAF_BYTES);
	buffer_reset(&out);
	envelope_to_json(&event, &out);
	is_text(buffer_text(&out),
		"{\"actor_ip\":\"::1\",\"actor_type\":\"user\",\"conversation_id\":\"" CONVERSATION "\",\"entity_id\":\"" ENTITY
		"\",\"entity_type\":\"message\",\"event_id\":\"018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b\",\"event_type\":"
		"\"message.retried\",\"event_version\":1,\"leaf_hash\":"
		"\"abababababababababababababababababababababababababababababababab\",\"occurred_at\":"
		"\"2024-05-06T05:08:09.123456Z\",\"payload\":{\"attempt\":2},\"position\":42,\"recorded_at\":"
		"\"1970-01-01T00:00:00.000000Z\",\"shard\":3,\"silent\":false,\"tenant_id\":\"" TENANT "\"}",
		"with its place it has that too, and the leaf");
	buffer_release(&out);
}

static void as_msgpack(void)
{
	msgpack_sbuffer bytes;
	msgpack_packer packer;
	struct event before;
	char *text;

	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
	is_int(DECODE({ "event_type", "\"tenant.created\"" }, { "actor_ip", "\"10.0.0.0/8\"" },
		      { "actor_user_agent", "\"x\"" }, { "causation_id", "\"" ENTITY "\"" },
		      { "payload", "{\"name\":\"x\",\"settings\":[1,-2.5,1e21,null,{\"a\":\"\\n\"}]}" }),
	       0, "an event");
	text = mem_strdup(content());
	envelope_to_msgpack(&event, &packer);
	is_int(decode_bytes(bytes_of(bytes.data, bytes.size), &limits), 0, "packed and decoded again");
	is_text(content(), text, "has the same content");
	free(text);

	before = event;
	before.position = 42;
	before.shard = 3;
	before.recorded_at = now;
	msgpack_sbuffer_clear(&bytes);
	envelope_to_msgpack(&before, &packer);
	is_int(decode_bytes(bytes_of(bytes.data, bytes.size), &limits), E_INVALID, "with its place in the log");
	is_text(error.message, "set by the log; leave it out", "it cannot be sent again");
	before.payload = BYTES("not JSON");
	msgpack_sbuffer_clear(&bytes);
	envelope_to_msgpack(&before, &packer);
	ok(memmem(bytes.data, bytes.size, "\xa7payload\xa8not JSON", 17) != NULL, "a payload that is no JSON goes out as text");
	msgpack_sbuffer_destroy(&bytes);
}

/* ---- garbage --------------------------------------------------------------------------------- */

static void garbage_is_survived(void)
{
	enum { SEED = 31, CASES = 20000 };
	const struct walk_limits walk_limits = { 4096, 16, 1000 };
	struct buffer packed = { 0 };
	struct random r;
	int odd = 0, taken = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		msgpack_unpacked unpacked;
		struct walk walk;
		size_t at = 0;
		int code;

		build(NULL, 0, &packed);
		for (int flips = 1 + (int)random_below(&r, 3); flips > 0; flips--)
			packed.data[random_below(&r, packed.len)] = (char)random_next(&r);
		walk_init(&walk);
		if (walk_more(&walk, packed.data, packed.len, &walk_limits, &error) != 1)
			continue;
		msgpack_unpacked_init(&unpacked);
		if (msgpack_unpack_next(&unpacked, packed.data, packed.len, &at) == MSGPACK_UNPACK_SUCCESS) {
			arena_reset(&arena);
			code = envelope_decode(&unpacked.data, now, &limits, &arena, &event, &error);
			odd += code != 0 && code != E_INVALID && code != E_TOO_LARGE;
			taken += code == 0;
		}
		msgpack_unpacked_destroy(&unpacked);
	}
	note("%d of %d were still events", taken, CASES);
	is_int(odd, 0, "a damaged event is an event or refused");
	buffer_release(&packed);
}

int main(void)
{
	catalog_init();
	arena_init(&arena, 1 << 16);
	a_usual_event();
	refused_envelopes();
	taken_envelopes();
	user_agent_length();
	the_keys_tenant();
	odd_maps();
	completes_context();
	payloads();
	native_types();
	size_limit();
	order_does_not_matter();
	as_json();
	as_msgpack();
	garbage_is_survived();
	arena_release(&arena);
	return tap_done();
}
