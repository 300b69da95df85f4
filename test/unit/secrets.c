/* secrets: what of a command line is overwritten, and what is left for people to see. */
#include "cmd/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "tap.h"

static void test_passwords(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "host=db dbname=support", "host=db dbname=support" },
		{ "host=db password=secret dbname=x", "host=db password=xxxxxx dbname=x" },
		{ "password = secret", "password = xxxxxx" },
		{ "password='two words' host=db", "password='xxxxxxxxx' host=db" },
		{ "password='it\\'s' user=u", "password='xxxxx' user=u" },
		{ "PASSWORD=secret", "PASSWORD=xxxxxx" },
		{ "sslpassword=secret password=other", "sslpassword=xxxxxx password=xxxxx" },
		{ "postgresql://me:secret@db/support", "postgresql://me:xxxxxx@db/support" },
		{ "postgresql://me:se@cret@db:5432/support", "postgresql://me:xxxxxxx@db:5432/support" },
		{ "postgres://me:a?b@db", "postgres://me:xxx@db" },
		{ "postgresql://me@db:5432/support", "postgresql://me@db:5432/support" },
		{ "postgresql://db:5432/support?user=me&password=secret&sslmode=require",
		  "postgresql://db:5432/support?user=me&password=xxxxxx&sslmode=require" },
		{ "password=", "password=" },
		{ "password", "password" },
		{ "password='open", "password='xxxx" },
		{ "password='open\\", "password='xxxxx" },
		{ "://", "://" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "%s", cases[i].text);
		secrets_hide_password(text);
		is_text(text, cases[i].want, *cases[i].text ? cases[i].text : "nothing");
	}
}

struct sample {
	const char *phrase, *plain;
};

/* The value is the option's, its source is nobody's. */
static void test_sources(void)
{
	static const struct option table[] = {
		{ .name = "phrase", .kind = OPTION_TEXT, .offset = offsetof(struct sample, phrase), .hide = secrets_hide },
		{ .name = "plain", .kind = OPTION_TEXT, .offset = offsetof(struct sample, plain) },
		{ .name = NULL },
	};
	char one[] = "--phrase", two[] = "open sesame", joined[] = "--phrase=open sesame", three[] = "--plain=x y";
	char *words[] = { one, two, three }, *other[] = { joined };
	struct sample sample;
	struct arguments args;
	struct error error;
	bool help;

	is_int(option_parse(table, 3, words, &sample, sizeof(sample), &args, &help, &error), 0, "a secret on the command line");
	is_text(sample.phrase, "open sesame", "is the option's value");
	is_text(two, "xxxxxxxxxxx", "and overwritten there");
	is_text(sample.plain, "x y", "what is no secret");
	ok(sample.plain == three + 8, "is left where it is");
	option_release(table, &args);
	is_int(option_parse(table, 1, other, &sample, sizeof(sample), &args, &help, &error), 0, "one behind an equals sign");
	is_text(sample.phrase, "open sesame", "is the value");
	is_text(joined, "--phrase=xxxxxxxxxxx", "and overwritten");
	option_release(table, &args);
	setenv("VERBATIM_PHRASE", "from outside", 1);
	is_int(option_parse(table, 0, words, &sample, sizeof(sample), &args, &help, &error), 0, "one in the environment");
	is_text(sample.phrase, "from outside", "is the value");
	ok(!getenv("VERBATIM_PHRASE"), "and is not there any more");
	option_release(table, &args);
}

int main(void)
{
	test_passwords();
	test_sources();
	return tap_done();
}
