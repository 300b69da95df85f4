/* json - JSON text is read strictly, in place and into MessagePack, and no text is read past its end. */
#include "tap.h"

#include "base/random.h"
#include "event/canonical.h"
#include "event/envelope.h"
#include "event/fields.h"

/* In memory of exactly that size, so that the sanitizer sees every step too far. */
static struct bytes exact(struct bytes text)
{
	return bytes_of(memcpy(mem_alloc(text.len), text.data, text.len), text.len);
}

/* ---- well-formed and not --------------------------------------------------------------------- */

#define JSON(literal) { (literal), sizeof(literal) - 1 }

static const struct {
	struct bytes text;
	bool good;
} texts[] = {
	{ JSON("{}"), true },
	{ JSON("[]"), true },
	{ JSON(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : null } \n"), true },
	{ JSON("null"), true },
	{ JSON("true"), true },
	{ JSON("false"), true },
	{ JSON("\"\""), true },
	{ JSON("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\""), true },
	{ JSON("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), true },
	{ JSON("0"), true },
	{ JSON("-0"), true },
	{ JSON("-1.5e+10"), true },
	{ JSON("1E5"), true },
	{ JSON("[[[[[[[[]]]]]]]]"), true },
	{ JSON("{\"a\":{\"b\":[{}]}}"), true },
	{ JSON(""), false },
	{ JSON("  "), false },
	{ JSON("{"), false },
	{ JSON("["), false },
	{ JSON("}"), false },
	{ JSON("[1,]"), false },
	{ JSON("[,1]"), false },
	{ JSON("[1 2]"), false },
	{ JSON("[1}"), false },
	{ JSON("{]"), false },
	{ JSON("{\"a\":1]"), false },
	{ JSON("{\"a\"}"), false },
	{ JSON("{\"a\":}"), false },
	{ JSON("{\"a\":1,}"), false },
	{ JSON("{,}"), false },
	{ JSON("{a:1}"), false },
	{ JSON("{'a':1}"), false },
	{ JSON("{1:1}"), false },
	{ JSON("{} {}"), false },
	{ JSON("1 2"), false },
	{ JSON("01"), false },
	{ JSON("-"), false },
	{ JSON("+1"), false },
	{ JSON("1."), false },
	{ JSON(".5"), false },
	{ JSON("1e"), false },
	{ JSON("1e+"), false },
	{ JSON("0x10"), false },
	{ JSON("NaN"), false },
	{ JSON("Infinity"), false },
	{ JSON("nul"), false },
	{ JSON("nulll"), false },
	{ JSON("True"), false },
	{ JSON("\""), false },
	{ JSON("\"abc"), false },
	{ JSON("\"\\"), false },
	{ JSON("\"\\x\""), false },
	{ JSON("\"\\u12\""), false },
	{ JSON("\"\\u12g4\""), false },
	{ JSON("\"\\u0000\""), false },
	{ JSON("\"\\ud83d\""), false },
	{ JSON("\"\\ud83d\\u0041\""), false },
	{ JSON("\"\\ude00\""), false },
	{ JSON("\"a\nb\""), false },
	{ JSON("\"a\0b\""), false },
	{ JSON("\"\xff\""), false },
	{ JSON("\"\xed\xa0\x80\""), false },
	{ JSON("\"12345678\x80\""), false },
	{ JSON("\xef\xbb\xbf{}"), false },
	{ JSON("// comment\n1"), false },
	{ JSON("[[[[[[[[[]]]]]]]]]"), false }, /* nine levels, eight are allowed here */
};

static void well_formed(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct bytes text = exact(texts[i].text);
		struct buffer out = { 0 };
		struct error error;
		bool nine = i == sizeof(texts) / sizeof(*texts) - 1;

		ok(json_check(text, 8) == texts[i].good, "json_check says %s of %.*s", texts[i].good ? "yes" : "no",
		   (int)text.len, text.data);
		ok((json_to_msgpack(text, &out, &error) == 0) == (texts[i].good || nine) || nine,
		   "json_to_msgpack says the same");
		buffer_release(&out);
		free((char *)text.data);
	}
}

/* ---- to MessagePack -------------------------------------------------------------------------- */

/* Strings are passed over many bytes at a time: whatever stands in one is seen at any place, and nothing behind its end is. */
static void strings_of_any_length(void)
{
	static const struct {
		const char *text;
		bool good;
	} inner[] = { { "a", true }, { "\\n", true }, { "\\x", false }, { "\n", false }, { "\x1f", false }, { "\xc3\xa4", true }, { "\xe4", false } };
	int wrong = 0;

	for (size_t before = 0; before < 40; before++)
		for (size_t behind = 0; behind < 40; behind++)
			for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
				size_t own = strlen(inner[i].text), len = before + own + behind + 2;
				char *text = malloc(len); /* for who looks at what is read behind it */

				memset(text, 'x', len);
				memcpy(text + 1 + before, inner[i].text, own);
				text[0] = text[len - 1] = '"';
				wrong += json_check(bytes_of(text, len), 8) != inner[i].good;
				text[len - 1] = 'x';
				wrong += json_check(bytes_of(text, len), 8);
				free(text);
			}
	is_int(wrong, 0, "strings of any length, with anything anywhere in them");
}

static void to_msgpack(void)
{
	static const struct {
		const char *json;
		struct bytes msgpack;
	} cases[] = {
		{ "null", JSON("\xc0") },
		{ "true", JSON("\xc3") },
		{ "0", JSON("\x00") },
		{ "-0", JSON("\x00") },
		{ "127", JSON("\x7f") },
		{ "128", JSON("\xcc\x80") },
		{ "256", JSON("\xcd\x01\x00") },
		{ "65536", JSON("\xce\x00\x01\x00\x00") },
		{ "4294967296", JSON("\xcf\x00\x00\x00\x01\x00\x00\x00\x00") },
		{ "18446744073709551615", JSON("\xcf\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ "-32", JSON("\xe0") },
		{ "-33", JSON("\xd0\xdf") },
		{ "-129", JSON("\xd1\xff\x7f") },
		{ "-32769", JSON("\xd2\xff\xff\x7f\xff") },
		{ "-2147483649", JSON("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff") },
		{ "-9223372036854775808", JSON("\xd3\x80\x00\x00\x00\x00\x00\x00\x00") },
		{ "1.5", JSON("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00") },
		{ "1e3", JSON("\xcb\x40\x8f\x40\x00\x00\x00\x00\x00") },
		{ "1000000000000000000000", JSON("\xcb\x44\x4b\x1a\xe4\xd6\xe2\xef\x50") },
		{ "-100000000000000000000", JSON("\xcb\xc4\x15\xaf\x1d\x78\xb5\x8c\x40") },
		{ "\"abc\"", JSON("\xa3""abc") },
		{ "\"a\\n\\u00e9\\ud83d\\ude00\"", JSON("\xa8""a\n\xc3\xa9\xf0\x9f\x98\x80") },
		{ "\"12345678901234567890123456789012\"", JSON("\xd9\x20""12345678901234567890123456789012") },
		{ "[1,[2],{}]", JSON("\x93\x01\x91\x02\x80") },
		{ "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,[16]]",
		  JSON("\xdc\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x91\x10") },
		{ "{\"b\":1,\"a\":{\"b\":2}}", JSON("\x82\xa1""b\x01\xa1""a\x81\xa1""b\x02") },
		/* A uuid is a string where no envelope is. */
		{ "{\"event_id\":\"x\"}", JSON("\x81\xa8""event_id\xa1x") },
	};
	struct buffer out = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error error;

		buffer_reset(&out);
		ok(json_to_msgpack(bytes_text(cases[i].json), &out, &error) == 0 &&
			   bytes_equal(buffer_bytes(&out), cases[i].msgpack),
		   "%s", cases[i].json);
	}
	buffer_release(&out);
}

static void refused(void)
{
	static const struct {
		const char *json;
		const char *field;
		const char *message; /* the beginning */
	} cases[] = {
		{ "{\"a\":1,\"b\":2,\"a\":3}", "a", "key stands twice" },
		{ "{\"a\":1,\"\\u0061\":3}", "a", "key stands twice" },
		{ "{\"x\":[0,{\"a\":1,\"a\":1}]}", "x.1.a", "key stands twice" },
		{ "{\"a\":1,\"b\":2,\"c\":2,\"d\":2,\"e\":2,\"f\":2,\"g\":2,\"h\":2,\"i\":2,\"j\":2,\"k\":2,\"l\":2,\"m\":2,\"b\":1}",
		  "b", "key stands twice" },
		{ "{\"a\":{\"b\":tru}}", "a.b", "not JSON at byte 10" },
		{ "[1,2", "", "not JSON at byte 4: it ends too early" },
		{ "{\"n\":100000000000000000001}", "n", "not JSON at byte 26: integer cannot be kept exactly" },
		{ "1e999", "", "not JSON at byte 5: number is too large for a double" },
		{ "1e-999", "", "not JSON at byte 6: number is too small for a double" },
	};
	struct buffer out = { 0 };

	buffer_add_text(&out, "before");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error error;

		error_clear(&error);
		is_int(json_to_msgpack(bytes_text(cases[i].json), &out, &error), E_INVALID, cases[i].json);
		is_text(error.field, cases[i].field, "names the place");
		ok(strncmp(error.message, cases[i].message, strlen(cases[i].message)) == 0, "says why: %s", error.message);
		is_int((int64_t)out.len, 6, "and adds nothing to the output");
	}
	buffer_release(&out);
}

static void deep_and_wide(void)
{
	struct buffer text = { 0 }, out = { 0 };
	struct error error;

	for (int i = 0; i < 100000; i++)
		buffer_add_byte(&text, '[');
	is_int(json_to_msgpack(buffer_bytes(&text), &out, &error), E_INVALID, "a bomb of brackets");
	ok(!json_check(buffer_bytes(&text), 64), "is refused by the check too");
	buffer_reset(&text);
	buffer_add_text(&text, "{\"a\":{");
	for (int i = 0; i < 70000; i++)
		buffer_printf(&text, "%s\"k%d\":%d", i ? "," : "", i, i % 10);
	buffer_add_text(&text, "},\"b\":1}");
	is_int(json_to_msgpack(buffer_bytes(&text), &out, &error), 0, "an object of 70,000 members");
	ok(out.len > 9 && memcmp(out.data, "\x82\xa1""a\xdf\x00\x01\x11\x70\xa2k0\x00", 12) == 0, "has a map 32");
	ok(memcmp(out.data + out.len - 3, "\xa1""b\x01", 3) == 0, "and what follows stands behind it");
	buffer_release(&text);
	buffer_release(&out);
}

/* Canonical text -> MessagePack -> canonical text is the identity. */
static void there_and_back(void)
{
	static const char *const cases[] = {
		"{\"a\":[1,2.5,-3e-7,1e+21,\"x\\ny\",null,true,{}],\"b\":{\"c\":{\"d\":[[],[[]]]}},\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}",
		"[9007199254740991,-9007199254740991,0.1,5e-324,1.7976931348623157e+308]",
		"\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\"",
	};
	struct buffer packed = { 0 }, out = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		msgpack_unpacked unpacked;
		struct error error;
		size_t at = 0;

		buffer_reset(&packed);
		buffer_reset(&out);
		msgpack_unpacked_init(&unpacked);
		ok(json_to_msgpack(bytes_text(cases[i]), &packed, &error) == 0 &&
			   msgpack_unpack_next(&unpacked, packed.data, packed.len, &at) == MSGPACK_UNPACK_SUCCESS &&
			   at == packed.len && canonical_value(&unpacked.data, "", 32, &out, &error) == 0,
		   "text to MessagePack to text");
		is_text(buffer_text(&out), cases[i], "comes back as it was");
		msgpack_unpacked_destroy(&unpacked);
	}
	buffer_release(&packed);
	buffer_release(&out);
}

/* ---- walks ----------------------------------------------------------------------------------- */

static void walks(void)
{
	struct bytes object = BYTES("{\"a\":\"x\\\"}y\",\"b\":[1,{\"c\":\"]\"},[]],\"d\":-1.5e3,\"e\":null,\"f\":{}}");
	static const struct {
		const char *key, *value;
	} members[] = { { "a", "\"x\\\"}y\"" }, { "b", "[1,{\"c\":\"]\"},[]]" }, { "d", "-1.5e3" }, { "e", "null" }, { "f", "{}" } };
	struct bytes key, value, list = json_member(object, "b");
	struct arena arena;
	size_t at = 0;
	int n = 0;

	arena_init(&arena, 4096);
	for (; json_next(object, &at, &key, &value); n++)
		ok(n < 5 && bytes_is(key, members[n].key) && bytes_is(value, members[n].value), "member %d", n);
	is_int(n, 5, "all members, then the end");
	for (at = 0, n = 0; json_next(list, &at, &key, &value); n++)
		ok(key.len == 0 && (n != 1 || bytes_is(json_member(value, "c"), "\"]\"")), "element %d", n);
	is_int(n, 3, "all elements, then the end");
	ok(!json_member(object, "c").data, "no member of that name");
	ok(json_is_null(json_member(object, "e")), "null");
	ok(bytes_is(json_string(json_member(object, "a"), &arena), "x\"}y"), "an escaped string");
	ok(bytes_is(json_string(BYTES("\"plain\""), &arena), "plain"), "a plain string");
	ok(json_string(BYTES("\"\""), &arena).data != NULL, "an empty string is there");
	ok(!json_string(BYTES("12"), &arena).data, "a number is no string");
	at = 0;
	ok(!json_next(BYTES("{}"), &at, &key, &value), "an empty object");
	at = 0;
	ok(!json_next(BYTES("12"), &at, &key, &value), "a number has no members");
	at = 0;
	ok(!json_next(BYTES(""), &at, &key, &value), "nothing has no members");
	arena_release(&arena);
}

/* Every beginning of a text, and every text with a byte changed: no reader goes past the end or does not stop. */
static void garbage_is_survived(void)
{
	static const char text[] = "{\"a\":\"x\\u00e9\\ud83d\\ude00\",\"b\":[1,-2.5e3,{\"c\":\"]\"}],\"d\":true,\"long enough for words\":{}}";
	enum { SEED = 5, CASES = 20000 };
	struct buffer out = { 0 };
	struct arena arena;
	struct random r;
	int odd = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	arena_init(&arena, 1 << 16);
	for (int i = 0; i < CASES; i++) {
		size_t len = i < (int)sizeof(text) ? (size_t)i : sizeof(text) - 1, at = 0;
		struct bytes copy = exact(bytes_of(text, len)), key, value;
		struct error error;
		bool good;

		for (int flips = i < (int)sizeof(text) ? 0 : 3; flips > 0; flips--)
			((char *)copy.data)[random_below(&r, len)] =
				random_below(&r, 2) ? (char)random_next(&r) : "\"\\{}[],:u0"[random_below(&r, 10)];
		good = json_check(copy, 8);
		buffer_reset(&out);
		odd += good && json_to_msgpack(copy, &out, &error) < 0 && !strstr(error.message, "twice") &&
		       !strstr(error.message, "number");
		odd += !good && json_to_msgpack(copy, &out, &error) == 0;
		for (int n = 0; json_next(copy, &at, &key, &value); n++) {
			odd += n > 100 || at > len;
			json_string(value, &arena);
		}
		arena_reset(&arena);
		free((char *)copy.data);
	}
	is_int(odd, 0, "broken text is refused alike by check and reader, and never read past its end");
	arena_release(&arena);
	buffer_release(&out);
}

/* ---- the envelope's own treatment ------------------------------------------------------------- */

static void envelope_line(void)
{
	struct buffer out = { 0 };
	struct uuid event_id, tenant_id;
	struct error error;

	is_int(envelope_from_json(BYTES("{\"event_id\":\"018F3A2B-4C5D-7E6F-8A9B-0C1D2E3F4A5B\","
					"\"tenant_id\":\"11111111-1111-4111-8111-111111111111\",\"entity_id\":\"nonsense\","
					"\"occurred_at\":\"2024-05-06T07:08:09Z\","
					"\"payload\":{\"event_id\":\"018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b\"}}\n"),
				  &out, &event_id, &tenant_id, &error),
	       0, "a line of NDJSON");
	ok(memcmp(out.data, "\x85\xa8""event_id\xc4\x10\x01\x8f\x3a\x2b\x4c\x5d\x7e\x6f\x8a\x9b\x0c\x1d\x2e\x3f\x4a\x5b", 28) == 0,
	   "uuids of the envelope become 16 bytes");
	ok(memmem(out.data, out.len, "\xa9""entity_id\xa8nonsense", 19) != NULL, "what is no uuid stays for the server to name");
	ok(memmem(out.data, out.len, "\xd9\x24""018f3a2b-4c5d", 15) != NULL, "the payload is left as it is");
	is_int(uuid_version(&event_id), 7, "event_id is given back");
	is_int(tenant_id.b[0], 0x11, "tenant_id is given back");
	is_int(envelope_from_json(BYTES("{}"), &out, &event_id, &tenant_id, &error), 0, "an object without ids");
	ok(uuid_is_nil(&event_id) && uuid_is_nil(&tenant_id), "gives nil ids");
	is_int(envelope_from_json(BYTES("[]"), &out, &event_id, &tenant_id, &error), E_INVALID, "an array is no event");
	is_int(envelope_from_json(BYTES(""), &out, &event_id, &tenant_id, &error), E_INVALID, "an empty line is no event");
	buffer_release(&out);
}

int main(void)
{
	catalog_init();
	well_formed();
	strings_of_any_length();
	to_msgpack();
	refused();
	deep_and_wide();
	there_and_back();
	walks();
	garbage_is_survived();
	envelope_line();
	return tap_done();
}
