/* fields - payloads are read by name, old versions as the newest, and rows nobody wrote do no harm. */
#include "tap.h"

#include "base/random.h"
#include "event/fields.h"

static struct arena arena;
static struct fields fields;
static struct error error;

static int decode(enum event_kind kind, int version, const char *payload)
{
	struct event e = { .type = catalog_get(kind), .version = version, .payload = bytes_text(payload) };

	e.type_name = bytes_text(e.type->name);
	error_clear(&error);
	return fields_decode(&e, &arena, &fields, &error);
}

static void every_type(void)
{
	struct uuid u;

	is_int(decode(EV_MESSAGE_RECEIVED, 1,
		      "{\"auto_reply\":true,\"channel\":\"email\",\"content\":\"say \\\"hi\\\"\\n\\u00e9\",\"conversation_id\":"
		      "\"44444444-4444-4444-8444-444444444444\",\"direction\":\"inbound\",\"external_created_at\":"
		      "\"2024-05-06T07:08:09.000001Z\",\"language\":\"en\",\"message_number\":-7,\"sender_type\":\"customer\"}"),
	       0, "a message's payload");
	uuid_parse("44444444-4444-4444-8444-444444444444", 36, &u);
	ok(bytes_is(field_text(&fields, "content"), "say \"hi\"\n\xc3\xa9"), "an escaped text");
	ok(bytes_is(field_text(&fields, "language"), "en"), "a plain text");
	ok(bytes_is(field_raw(&fields, "language"), "\"en\""), "its JSON");
	ok(field_enum(&fields, "channel") >= 0 && strcmp(values_channel[field_enum(&fields, "channel")], "email") == 0,
	   "an enum is its index");
	u = field_uuid(&fields, "conversation_id");
	is_int(u.b[15], 0x44, "a uuid");
	is_int(field_int(&fields, "message_number", 1), -7, "an integer");
	ok(field_bool(&fields, "auto_reply", false), "a boolean");
	is_int(field_time(&fields, "external_created_at"), 1714979289000001, "a time");
	ok(field_has(&fields, "content") && !field_has(&fields, "content_html"), "what is there and what is not");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":0.9}"), 0, "a classification");
	is_int(field_decimal(&fields, "confidence", 0), 90, "a decimal times 10^scale");
}

static void absent(void)
{
	struct uuid u;

	is_int(decode(EV_MESSAGE_SENT, 1, "{}"), 0, "an empty payload");
	u = field_uuid(&fields, "sender_id");
	ok(uuid_is_nil(&u), "an absent uuid is nil");
	ok(!field_text(&fields, "content").data, "an absent text has no data");
	ok(!field_raw(&fields, "content").data, "nor has its JSON");
	is_int(field_enum(&fields, "channel"), -1, "an absent enum");
	is_int(field_int(&fields, "message_number", 5), 5, "an absent integer is the fallback");
	ok(field_bool(&fields, "auto_reply", true) && !field_bool(&fields, "auto_reply", false), "so is a boolean");
	ok(field_time(&fields, "external_created_at") == TIME_NONE, "an absent time is TIME_NONE");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":null}"), 0, "null");
	ok(!field_has(&fields, "confidence"), "is absent");
	is_int(field_decimal(&fields, "confidence", 3), 3, "and gives the fallback");
}

static void old_versions(void)
{
	is_int(decode(EV_MESSAGE_FAILED, 1, "{\"code\":\"blocked\",\"error_message\":\"x\"}"), 0, "a version 1 payload");
	ok(!field_bool(&fields, "retryable", true), "reads as version 2");
	ok(bytes_is(field_text(&fields, "error_message"), "x"), "with what it had");
	is_int(decode(EV_MESSAGE_FAILED, 1, "{\"error_message\":\"x\"}"), 0, "another one");
	ok(field_bool(&fields, "retryable", false), "is judged by its own facts");
	is_int(decode(EV_MESSAGE_FAILED, 2, "{\"error_message\":\"x\",\"retryable\":false}"), 0, "a version 2 payload");
	ok(!field_bool(&fields, "retryable", true), "is read as it is");
	is_int(decode(EV_MESSAGE_FAILED, 3, "{}"), E_INVALID, "a version of a newer engine");
	is_text(error.field, "event_version", "is refused by name");
	is_int(decode(EV_MESSAGE_FAILED, 1, "{\"error_message\":"), E_INVALID, "broken text of an old version");
}

static void rows_nobody_wrote(void)
{
	static const struct {
		const char *name;
		const char *payload;
		const char *field;
	} cases[] = {
		{ "empty", "", "payload" },
		{ "an array", "[]", "payload" },
		{ "no JSON", "{x}", "payload" },
		{ "an end in the middle", "{\"attempt\":1", "payload" },
		{ "an open string", "{\"attempt\":\"}", "payload" },
		{ "a bracket too many", "{\"attempt\":1}}", "payload" },
		{ "white space around", " {\"attempt\":1}", "payload" },
		{ "a comma at the end", "{\"attempt\":1,}", "payload" },
		{ "an unknown field", "{\"attempt\":1,\"colour\":2}", "payload.colour" },
		{ "a doubled field", "{\"attempt\":1,\"attempt\":1}", "payload.attempt" },
		{ "another type", "{\"attempt\":\"1\"}", "payload.attempt" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(decode(EV_MESSAGE_RETRIED, 1, cases[i].payload), E_INVALID, cases[i].name);
		is_text(error.field, cases[i].field, error.message);
	}
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"intent\":\"x\",\"emotion\":\"y\"}"), E_INVALID, "fields out of order");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":0.123,\"severity\":\"mauve\"}"), 0, "odd values of the right form");
	is_int(field_decimal(&fields, "confidence", 7), 7, "a finer decimal gives the fallback");
	is_int(field_enum(&fields, "severity"), -1, "an unknown value of an enum is none");
	is_int(decode(EV_CONVERSATION_TEAM_ASSIGNED, 1, "{\"team_id\":\"zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz\"}"), 0, "a uuid that is none");
	{
		struct uuid u = field_uuid(&fields, "team_id");

		ok(uuid_is_nil(&u), "is nil");
	}
}

static void garbage_is_survived(void)
{
	static const char text[] = "{\"confidence\":0.5,\"emotion\":\"\\u00e9\",\"intent\":\"refund\",\"required_skills\":[\"a\",\"b\"]}";
	enum { SEED = 41, CASES = 20000 };
	struct random r;
	int odd = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		size_t len = random_below(&r, 3) ? sizeof(text) - 1 : random_below(&r, sizeof(text));
		char *copy = memcpy(mem_alloc(len), text, len);
		struct event e = { .type = catalog_get(EV_CONVERSATION_CLASSIFIED), .version = 1, .payload = { copy, len } };
		int code;

		for (int flips = 0; len && flips < 2; flips++)
			copy[random_below(&r, len)] = "\"\\{}[],:u0nx"[random_below(&r, 12)];
		code = fields_decode(&e, &arena, &fields, &error);
		odd += code != 0 && code != E_INVALID;
		if (code == 0) {
			field_text(&fields, "intent");
			field_text(&fields, "emotion");
			field_decimal(&fields, "confidence", 0);
			field_enum(&fields, "severity");
		}
		arena_reset(&arena);
		free(copy);
	}
	is_int(odd, 0, "a damaged payload is read or refused, and never read past its end");
}

/* Names are met as they stand in canonical text; what blanks are around them does no harm, and what is kept is read again. */
static void members(void)
{
	struct event e = { .type = catalog_get(EV_MESSAGE_FAILED), .version = 1,
			   .payload = BYTES("{\"code\":\"blocked\",\"error_message\":\"x\"}") };
	const struct bytes *kept;

	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\": 0.9}"), 0, "a blank before a value");
	is_int(field_decimal(&fields, "confidence", 0), 90, "is passed over");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":0.9,\"confidence\":0.8}"), E_INVALID, "a field twice");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":\"0.9\"}"), E_INVALID, "a text for a number");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":"), E_INVALID, "a name and no value");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidence\":}"), E_INVALID, "nothing for a value");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"confidencf\":0.9}"), E_INVALID, "a name that nearly fits");
	is_int(decode(EV_CONVERSATION_CLASSIFIED, 1, "{\"conf\\u0069dence\":0.9}"), E_INVALID, "a name that nobody escapes");

	is_int(decode(EV_MESSAGE_FAILED, 1, e.payload.data), 0, "a payload");
	kept = fields_keep(&fields, &arena);
	is_int(decode(EV_MESSAGE_SENT, 1, "{}"), 0, "another one");
	fields_take(&e, kept, &arena, &fields);
	ok(bytes_is(field_text(&fields, "code"), "blocked") && bytes_is(field_text(&fields, "error_message"), "x"), "the first, from what was kept");
}

int main(void)
{
	catalog_init();
	arena_init(&arena, 1 << 14);
	every_type();
	absent();
	old_versions();
	rows_nobody_wrote();
	members();
	garbage_is_survived();
	arena_release(&arena);
	return tap_done();
}
