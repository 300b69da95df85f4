/* Unit tests of event/api_key.c: what a key looks like, what is none, scopes. */
#include "event/api_key.h"

#include <stdio.h>

#include "tap.h"

static const struct uuid id = { { 0x01, 0x99, 0xc0, 0xde, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } };

static void test_round_trip(void)
{
	char text[API_KEY_TEXT], second[API_KEY_TEXT];
	uint8_t made[API_KEY_HASH_BYTES], parsed[API_KEY_HASH_BYTES];
	struct error error;
	struct uuid got;

	api_key_make(&id, text, made);
	ok(strlen(text) == API_KEY_TEXT - 1, "a key has its length");
	ok(strncmp(text, "vk1_0199c0de000070008000000000000001_", 37) == 0, "it begins with vk1_ and the id");
	ok(api_key_parse(bytes_text(text), &got, parsed, &error) == 0, "it is read again");
	ok(uuid_equal(&got, &id) && api_hash_equal(made, parsed), "with the id and the hash it was made with");
	api_key_make(&id, second, parsed);
	ok(strcmp(text, second) != 0 && !api_hash_equal(made, parsed), "the next one has another secret");
}

/* Whatever is done to a key, it is refused, and the message holds nothing of it. */
static void test_damaged(void)
{
	char text[API_KEY_TEXT], bad[API_KEY_TEXT + 8];
	uint8_t hash[API_KEY_HASH_BYTES];
	struct error error;
	struct uuid got;
	int passed = 0, silent = 0, n = 0;

	api_key_make(&id, text, hash);
	for (size_t len = 0; len < API_KEY_TEXT - 1; len++, n++) {
		passed += api_key_parse(bytes_of(text, len), &got, hash, &error) != E_UNAUTHORIZED;
		silent += strstr(error.message, text + 60) == NULL;
	}
	for (size_t at = 0; at < API_KEY_TEXT - 1; at++, n++) {
		memcpy(bad, text, sizeof(text));
		bad[at] = bad[at] == '3' ? '4' : '3';
		passed += api_key_parse(bytes_text(bad), &got, hash, &error) != E_UNAUTHORIZED;
		silent += strstr(error.message, text + 60) == NULL && strstr(error.message, "0199c0de") == NULL;
	}
	ok(passed == 0, "every prefix and every changed character is refused");
	ok(silent == n, "no message repeats any of it");
	snprintf(bad, sizeof(bad), "%sff", text);
	ok(api_key_parse(bytes_text(bad), &got, hash, &error) == E_UNAUTHORIZED && strstr(error.message, "characters"),
	   "a longer one is told its length");
	ok(api_key_parse(bytes_text("open sesame"), &got, hash, &error) == E_UNAUTHORIZED && strstr(error.message, "vk1_"),
	   "and what is no key at all, what one looks like");
}

static void test_scopes(void)
{
	static const struct {
		const char *text;
		unsigned scopes;
	} cases[] = {
		{ "append", SCOPE_APPEND },
		{ "read,append", SCOPE_APPEND | SCOPE_READ },
		{ "append,read,audit,admin", 15 },
		{ "", 0 },
		{ "reading", 0 },
		{ "append,,read", 0 },
		{ "append read", 0 },
	};
	struct error error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned got;
		int status = api_scopes_parse(cases[i].text, &got, &error);

		ok(cases[i].scopes ? !status && got == cases[i].scopes : status == E_USAGE, "scopes '%s'", cases[i].text);
	}
	for (unsigned s = 1; s < 16; s++) {
		struct buffer text = { 0 };
		unsigned got = 0;

		api_scopes_print(s, &text);
		ok(api_scopes_parse(buffer_text(&text), &got, &error) == 0 && got == s, "scopes %s as text and back", buffer_text(&text));
		buffer_release(&text);
	}
}

int main(void)
{
	test_round_trip();
	test_damaged();
	test_scopes();
	return tap_done();
}
