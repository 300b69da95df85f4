/* uuid - text, versions and the time inside (RFC 9562). */
#include "tap.h"

#include "base/random.h"
#include "base/uuid.h"

static void texts(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b", true },
		{ "018F3A2B-4C5D-7E6F-8A9B-0C1D2E3F4A5B", true },
		{ "00000000-0000-0000-0000-000000000000", true },
		{ "ffffffff-ffff-ffff-ffff-ffffffffffff", true },
		{ "", false },
		{ "018f3a2b4c5d7e6f8a9b0c1d2e3f4a5b", false },
		{ "{018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5}", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5b0", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5g", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a5\xc0", false },
		{ "018f3a2b-4c5d-7e6f-8a9b00c1d2e3f4a5b", false },
		{ "018f3a2-b4c5d-7e6f-8a9b-0c1d2e3f4a5b", false },
		{ "018f3a2b-4c5d-7e6f-8a9b--c1d2e3f4a5b", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a@b", false },
		{ "018f3a2b-4c5d-7e6f-8a9b-0c1d2e3f4a\x10\x11", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct uuid u;

		ok(uuid_parse(cases[i].text, strlen(cases[i].text), &u) == cases[i].good, "'%s' is %s", cases[i].text,
		   cases[i].good ? "taken" : "refused");
	}
}

static void there_and_back(void)
{
	enum { SEED = 61, CASES = 10000 };
	struct random r;
	int wrong = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		struct uuid u, back;
		char text[UUID_TEXT];

		random_fill(&r, &u, sizeof(u));
		uuid_format(&u, text);
		wrong += strlen(text) != 36 || !uuid_parse(text, 36, &back) || !uuid_equal(&u, &back);
		for (char *p = text; *p; p++)
			wrong += *p >= 'A' && *p <= 'F';
	}
	is_int(wrong, 0, "every uuid comes back from its lower-case text");
}

static void versions(void)
{
	uint8_t bytes[16];
	struct uuid u, later;
	char text[UUID_TEXT];

	memset(bytes, 0xff, sizeof(bytes));
	uuid_v7(&u, 0x018f3a2b4c5d, bytes);
	is_text(uuid_format(&u, text), "018f3a2b-4c5d-7fff-bfff-ffffffffffff", "version 7: time, version, variant, randomness");
	is_int(uuid_version(&u), 7, "says its version");
	is_int(uuid_v7_time_ms(&u), 0x018f3a2b4c5d, "and its time");
	memset(bytes, 0, sizeof(bytes));
	uuid_v7(&later, 0x018f3a2b4c5e, bytes);
	ok(uuid_compare(&u, &later) < 0, "a later one sorts behind");
	uuid_v4(&u, bytes);
	is_text(uuid_format(&u, text), "00000000-0000-4000-8000-000000000000", "version 4");
	uuid_v8(&u, bytes);
	is_text(uuid_format(&u, text), "00000000-0000-8000-8000-000000000000", "version 8");
	memset(&u, 0, sizeof(u));
	ok(uuid_is_nil(&u) && !uuid_is_nil(&later), "nil is nil");
}

int main(void)
{
	texts();
	there_and_back();
	versions();
	return tap_done();
}
