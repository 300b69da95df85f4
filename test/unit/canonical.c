/* canonical - the exact bytes that are hashed. */
#include "tap.h"

#include <math.h>

#include "base/random.h"
#include "event/canonical.h"
#include "event/merkle.h"

/* ---- strings --------------------------------------------------------------------------------- */

static void strings(void)
{
	static const struct {
		const char *name;
		struct bytes text;
		const char *json;
	} cases[] = {
		{ "empty", { "", 0 }, "\"\"" },
		{ "plain", { "plain text, long enough for words", 33 }, "\"plain text, long enough for words\"" },
		{ "the two that must be escaped", { "a\"b\\c", 5 }, "\"a\\\"b\\\\c\"" },
		{ "those with a short form", { "\b\t\n\f\r", 5 }, "\"\\b\\t\\n\\f\\r\"" },
		{ "control characters", { "\x01\x0b\x1f", 3 }, "\"\\u0001\\u000b\\u001f\"" },
		{ "slash, DEL and beyond stay", { "/\x7f\xc2\x80\xe2\x82\xac\xf0\x9d\x84\x9e", 11 },
		  "\"/\x7f\xc2\x80\xe2\x82\xac\xf0\x9d\x84\x9e\"" },
		{ "escapes in the eighth place", { "1234567\n1234567\"x", 17 }, "\"1234567\\n1234567\\\"x\"" },
		{ "an escape behind a control character", { "\x1f\"234567", 8 }, "\"\\u001f\\\"234567\"" },
	};
	struct buffer out = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buffer_reset(&out);
		canonical_string(cases[i].text, &out);
		is_text(buffer_text(&out), cases[i].json, cases[i].name);
	}
	buffer_release(&out);
}

/* One character at a time, as the RFC words it. */
static void naive_string(struct bytes text, struct buffer *out)
{
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		const char *shorts = "\b\t\n\f\r\"\\", *found = c ? strchr(shorts, c) : NULL;

		if (found)
			buffer_printf(out, "\\%c", "btnfr\"\\"[found - shorts]);
		else if (c < 0x20)
			buffer_printf(out, "\\u%04x", c);
		else
			buffer_add_byte(out, (char)c);
	}
	buffer_add_byte(out, '"');
}

static void strings_as_defined(void)
{
	enum { SEED = 3, CASES = 3000 };
	struct buffer fast = { 0 }, naive = { 0 };
	struct random r;
	int wrong = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		size_t len = random_below(&r, i % 100 == 0 ? 9000 : 60);
		char *text = mem_alloc(len);

		for (size_t j = 0; j < len; j++)
			text[j] = random_below(&r, 4) ? 'x' : (char)random_next(&r);
		buffer_reset(&fast);
		buffer_reset(&naive);
		canonical_string(bytes_of(text, len), &fast);
		naive_string(bytes_of(text, len), &naive);
		wrong += !bytes_equal(buffer_bytes(&fast), buffer_bytes(&naive));
		free(text);
	}
	is_int(wrong, 0, "escaping eight bytes at a time is escaping one by one");
	buffer_release(&fast);
	buffer_release(&naive);
}

static void utf8(void)
{
	static const struct {
		const char *name;
		struct bytes text;
		int characters; /* -1: refused */
	} cases[] = {
		{ "empty", { "", 0 }, 0 },
		{ "ASCII", { "0123456789abcdef!", 17 }, 17 },
		{ "two, three and four bytes", { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9 }, 3 },
		{ "counted as scalar values, not as bytes", { "abcdefgh\xc3\xa9jklmnopq", 18 }, 17 },
		{ "U+FFFF", { "\xef\xbf\xbf", 3 }, 1 },
		{ "U+10FFFF", { "\xf4\x8f\xbf\xbf", 4 }, 1 },
		{ "NUL", { "\0", 1 }, -1 },
		{ "NUL among words", { "0123456\0" "89abcdef", 16 }, -1 },
		{ "a lone continuation", { "\x80", 1 }, -1 },
		{ "an end in the middle", { "\xe2\x82", 2 }, -1 },
		{ "overlong slash", { "\xc0\xaf", 2 }, -1 },
		{ "overlong of three", { "\xe0\x9f\xbf", 3 }, -1 },
		{ "overlong of four", { "\xf0\x8f\xbf\xbf", 4 }, -1 },
		{ "a surrogate", { "\xed\xa0\x80", 3 }, -1 },
		{ "beyond U+10FFFF", { "\xf4\x90\x80\x80", 4 }, -1 },
		{ "0xff", { "\xff", 1 }, -1 },
		{ "a bad third byte", { "\xe2\x82\x28", 3 }, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = 0;
		bool good = utf8_check(cases[i].text, &n);

		is_int(good ? (int)n : -1, cases[i].characters, cases[i].name);
	}
}

static void key_order(void)
{
	/* RFC 8785 section 3.2.3's sample, in order: CR, 1, U+0080, U+00F6, U+20AC, U+1F600 (d83d de00), U+FB33. */
	static const char *const keys[] = { "", "\r", "1", "10", "\xc2\x80", "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					    "\xee\x80\x80", "\xef\xac\xb3" };
	int wrong = 0;

	for (int i = 0; i < 10; i++)
		for (int j = 0; j < 10; j++) {
			int c = utf16_compare(bytes_text(keys[i]), bytes_text(keys[j]));

			wrong += (c > 0) - (c < 0) != (i > j) - (i < j);
		}
	is_int(wrong, 0, "keys sort by UTF-16 code units");
}

/* ---- values ---------------------------------------------------------------------------------- */

static msgpack_sbuffer bytes;
static msgpack_packer packer;
static msgpack_unpacked unpacked;

static const msgpack_object *unpack(void)
{
	size_t at = 0;

	msgpack_unpacked_destroy(&unpacked);
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, bytes.data, bytes.size, &at) != MSGPACK_UNPACK_SUCCESS)
		abort();
	return &unpacked.data;
}

static void pack(const void *data, size_t len)
{
	msgpack_sbuffer_clear(&bytes);
	msgpack_sbuffer_write(&bytes, data, len);
}

static void values(void)
{
#define MP(literal) (literal), sizeof(literal) - 1
	static const struct {
		const char *name;
		const char *data;
		size_t len;
		const char *json;  /* NULL: refused */
		const char *field; /* of the refusal */
	} cases[] = {
		{ "nil", MP("\xc0"), "null", NULL },
		{ "booleans", MP("\x92\xc2\xc3"), "[false,true]", NULL },
		{ "integers", MP("\x94\x00\xff\xcd\x01\x00\xd0\x80"), "[0,-1,256,-128]", NULL },
		{ "2^53 - 1", MP("\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"), "9007199254740991", NULL },
		{ "2^53", MP("\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), NULL, "payload" },
		{ "2^64 - 1", MP("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), NULL, "payload" },
		{ "-(2^53 - 1)", MP("\xd3\xff\xe0\x00\x00\x00\x00\x00\x01"), "-9007199254740991", NULL },
		{ "-(2^53)", MP("\xd3\xff\xe0\x00\x00\x00\x00\x00\x00"), NULL, "payload" },
		{ "2^53 as a float is that integer", MP("\xcb\x43\x40\x00\x00\x00\x00\x00\x00"), NULL, "payload" },
		{ "1e300", MP("\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c"), "1e+300", NULL },
		{ "float32 is widened", MP("\xca\x3d\xcc\xcc\xcd"), "0.10000000149011612", NULL },
		{ "a float without a fraction", MP("\xcb\x40\x08\x00\x00\x00\x00\x00\x00"), "3", NULL },
		{ "minus zero", MP("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), "0", NULL },
		{ "NaN", MP("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), NULL, "payload" },
		{ "infinity", MP("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), NULL, "payload" },
		{ "-infinity as float32", MP("\xca\xff\x80\x00\x00"), NULL, "payload" },
		{ "empty map", MP("\x80"), "{}", NULL },
		{ "keys are sorted", MP("\x83\xa1""b\x01\xa1""a\x02\xa2""aa\x03"), "{\"a\":2,\"aa\":3,\"b\":1}", NULL },
		{ "in inner maps too", MP("\x81\xa1""x\x91\x82\xa1""b\x01\xa1""a\x02"), "{\"x\":[{\"a\":2,\"b\":1}]}", NULL },
		{ "doubled key", MP("\x83\xa1""b\x01\xa1""a\x02\xa1""b\x03"), NULL, "payload" },
		{ "doubled key in an inner map", MP("\x81\xa1""x\x91\x82\xa1""a\x01\xa1""a\x02"), NULL, "payload.x.0" },
		{ "a key that is no string", MP("\x81\x01\x02"), NULL, "payload" },
		{ "a key that is not UTF-8", MP("\x81\xa1\xff\x02"), NULL, "payload" },
		{ "a string with a NUL", MP("\x81\xa1""a\xa1\x00"), NULL, "payload.a" },
		{ "binary", MP("\x82\xa1""a\x01\xa1""b\xc4\x01\x00"), NULL, "payload.b" },
		{ "an extension", MP("\x92\x01\xd6\xff\x00\x00\x00\x00"), NULL, "payload.1" },
		{ "four levels", MP("\x91\x91\x91\x90"), "[[[[]]]]", NULL },
		{ "five levels", MP("\x91\x91\x91\x91\x90"), NULL, "payload.0.0.0.0" },
	};
	struct buffer out = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error error;
		int r;

		pack(cases[i].data, cases[i].len);
		error_clear(&error);
		buffer_reset(&out);
		r = canonical_value(unpack(), "payload", 4, &out, &error);
		if (cases[i].json)
			is_text(r == 0 ? buffer_text(&out) : error.message, cases[i].json, cases[i].name);
		else
			is_text(r < 0 ? error.field : buffer_text(&out), cases[i].field, cases[i].name);
	}
	buffer_release(&out);
}

/* A map with more keys than any array on the stack holds, in two different orders. */
static void large_maps(void)
{
	enum { KEYS = 500 };
	struct buffer first = { 0 }, second = { 0 };
	struct error error;

	for (int turn = 0; turn < 2; turn++) {
		msgpack_sbuffer_clear(&bytes);
		msgpack_pack_map(&packer, KEYS);
		for (int i = 0; i < KEYS; i++) {
			char key[16];
			int n = turn ? (i * 7 + 3) % KEYS : i;

			snprintf(key, sizeof(key), "key %d", n);
			msgpack_pack_str_with_body(&packer, key, strlen(key));
			msgpack_pack_int(&packer, n);
		}
		is_int(canonical_value(unpack(), "", 4, turn ? &second : &first, &error), 0, "a map of 500 keys");
	}
	ok(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)), "has one text whatever its order");
	buffer_release(&first);
	buffer_release(&second);
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct uuid some_uuid(int n)
{
	struct uuid u;

	memset(&u, n, sizeof(u));
	return u;
}

static struct event full_event(void)
{
	struct event e = {
		.event_id = some_uuid(0x11),
		.tenant_id = some_uuid(0x22),
		.entity_id = some_uuid(0x33),
		.conversation_id = some_uuid(0x44),
		.customer_id = some_uuid(0x55),
		.resolution_id = some_uuid(0x66),
		.actor_id = some_uuid(0x77),
		.correlation_id = some_uuid(0x88),
		.causation_id = some_uuid(0x99),
		.type_name = BYTES("message.received"),
		.entity_type = BYTES("message"),
		.version = 1,
		.actor_type = ACTOR_CUSTOMER,
		.silent = true,
		.actor_ip = BYTES("192.0.2.7"),
		.actor_user_agent = BYTES("a \"browser\""),
		.payload = BYTES("{\"content\":\"hello\"}"),
		.shard = 3,
		.position = 42,
	};

	time_parse("2024-05-06T07:08:09.123456Z", 27, &e.occurred_at);
	time_parse("2024-05-06T07:08:10.5Z", 22, &e.recorded_at);
	return e;
}

static void a_worked_example(void)
{
	static const char text[] =
		"{\"actor_id\":\"77777777-7777-7777-7777-777777777777\",\"actor_ip\":\"192.0.2.7\",\"actor_type\":\"customer\","
		"\"actor_user_agent\":\"a \\\"browser\\\"\",\"causation_id\":\"99999999-9999-9999-9999-999999999999\","
		"\"conversation_id\":\"44444444-4444-4444-4444-444444444444\","
		"\"correlation_id\":\"88888888-8888-8888-8888-888888888888\","
		"\"customer_id\":\"55555555-5555-5555-5555-555555555555\","
		"\"entity_id\":\"33333333-3333-3333-3333-333333333333\",\"entity_type\":\"message\","
		"\"event_id\":\"11111111-1111-1111-1111-111111111111\",\"event_type\":\"message.received\",\"event_version\":1,"
		"\"log_id\":\"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa\",\"occurred_at\":\"2024-05-06T07:08:09.123456Z\","
		"\"payload\":{\"content\":\"hello\"},\"position\":42,\"recorded_at\":\"2024-05-06T07:08:10.500000Z\","
		"\"resolution_id\":\"66666666-6666-6666-6666-666666666666\",\"shard\":3,\"silent\":true,"
		"\"tenant_id\":\"22222222-2222-2222-2222-222222222222\"}";
	const struct uuid log_id = some_uuid(0xaa);
	struct event e = full_event();
	struct buffer out = { 0 };
	uint8_t leaf[32];
	char hex[65];

	canonical_event(&e, &log_id, &out);
	is_text(buffer_text(&out), text, "an event with every field, word for word");
	canonical_leaf(&e, &log_id, &out, leaf);
	hex_encode(leaf, 32, hex);
	is_text(hex, "380a599e67c2e627d41bde4d213c05dbc8251d91f22a45e665f634675c4a9a71", "and its leaf: SHA-256 of a zero byte and these bytes");
	buffer_release(&out);
}

static void absent_fields(void)
{
	struct event e = {
		.event_id = some_uuid(0x11),
		.tenant_id = some_uuid(0x22),
		.entity_id = some_uuid(0x33),
		.type_name = BYTES("team.deleted"),
		.entity_type = BYTES("team"),
		.version = 2,
		.actor_type = ACTOR_SYSTEM,
		.occurred_at = 0,
		.payload = BYTES("{}"),
		.shard = 3,
		.position = 42,
	};
	struct buffer out = { 0 };

	canonical_event(&e, NULL, &out);
	is_text(buffer_text(&out),
		"{\"actor_type\":\"system\",\"entity_id\":\"33333333-3333-3333-3333-333333333333\",\"entity_type\":\"team\","
		"\"event_id\":\"11111111-1111-1111-1111-111111111111\",\"event_type\":\"team.deleted\",\"event_version\":2,"
		"\"occurred_at\":\"1970-01-01T00:00:00.000000Z\",\"payload\":{},\"silent\":false,"
		"\"tenant_id\":\"22222222-2222-2222-2222-222222222222\"}",
		"absent fields are left out; so are the log's own without log_id");
	buffer_release(&out);
}

/* The event's text, read as a value and written again, is the same: its keys are in order and its strings escaped. */
static void events_are_jcs(void)
{
	static const char *const names[] = { "actor_id",      "actor_ip",	"actor_type", "actor_user_agent", "causation_id",
					     "conversation_id", "correlation_id", "customer_id", "entity_id",	  "entity_type",
					     "event_id",      "event_type",	"event_version", "log_id",	  "occurred_at",
					     "payload",	      "position",	"recorded_at", "resolution_id",	  "shard",
					     "silent",	      "tenant_id" };
	const struct uuid log_id = some_uuid(0xaa);
	struct event e = full_event();
	struct buffer out = { 0 };
	const char *at;
	int wrong = 0;

	canonical_event(&e, &log_id, &out);
	at = buffer_text(&out);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char member[40];

		snprintf(member, sizeof(member), "%c\"%s\":", i ? ',' : '{', names[i]);
		at = at ? strstr(at, member) : NULL;
		if (i)
			wrong += utf16_compare(bytes_text(names[i - 1]), bytes_text(names[i])) >= 0;
	}
	ok(at && wrong == 0, "the 22 names stand in the order of their UTF-16 code units");
	buffer_release(&out);
}

int main(void)
{
	catalog_init();
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
	msgpack_unpacked_init(&unpacked);
	strings();
	strings_as_defined();
	utf8();
	key_order();
	values();
	large_maps();
	a_worked_example();
	absent_fields();
	events_are_jcs();
	msgpack_unpacked_destroy(&unpacked);
	msgpack_sbuffer_destroy(&bytes);
	return tap_done();
}
