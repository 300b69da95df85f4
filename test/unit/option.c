/* option: the command line before the environment before the default, and messages that say what to type. */
#include <stdlib.h>

#include "base/option.h"
#include "tap.h"

struct sample {
	const char *name;
	struct texts listen;
	bool json;
	int64_t memory, idle, steps, offset;
	const char *format;
	const char *data, *db;
};

#define AT(member) .offset = offsetof(struct sample, member)

static const char *const formats[] = { "text", "json", "markdown", NULL };

static const struct option table[] = {
	{ .name = "name", .kind = OPTION_TEXT, AT(name), .argument = "NAME", .help = "a name" },
	{ .name = "listen", .kind = OPTION_TEXTS, AT(listen), .argument = "ADDRESS", .fallback = "a:1,b:2" },
	{ .name = "json", .kind = OPTION_FLAG, AT(json) },
	{ .name = "memory", .kind = OPTION_BYTES, AT(memory), .fallback = "96M", .min = 1 << 20, .max = 1LL << 40 },
	{ .name = "idle", .kind = OPTION_TIME, AT(idle), .fallback = "10m" },
	{ .name = "steps", .kind = OPTION_INT, AT(steps), .min = 1, .max = 100 },
	{ .name = "offset-by", .kind = OPTION_INT, AT(offset), .min = -5, .max = 5 },
	{ .name = "format", .kind = OPTION_ENUM, AT(format), .fallback = "text", .values = formats },
	{ .name = "data", .kind = OPTION_TEXT, AT(data), .fallback = "var", .excludes = "db" },
	{ .name = "db", .kind = OPTION_TEXT, AT(db), .excludes = "data" },
	{ .name = NULL },
};

static struct sample sample;
static struct arguments args;
static struct error error;
static bool help;

/* `words` are split at blanks; they live on, since the options point into them. */
static int parse(const char *words)
{
	static char text[512], *argv[32];
	int argc = 0;

	if (args.words)
		option_release(table, &args);
	snprintf(text, sizeof(text), "%s", words);
	for (char *p = text, *word; (word = strsep(&p, " "));)
		if (*word)
			argv[argc++] = word;
	error_clear(&error);
	return option_parse(table, argc, argv, &sample, sizeof(sample), &args, &help, &error);
}

static void test_values(void)
{
	is_int(parse(""), 0, "nothing is fine");
	is_int(sample.memory, 96 << 20, "the default of a size");
	is_int(sample.idle, 600000, "the default of a time");
	is_int(sample.listen.count, 2, "the default of a list is split at commas");
	is_text(sample.listen.items[1], "b:2", "its second item");
	is_text(sample.format, "text", "the default of an enum");
	ok(!sample.name && !sample.json && !sample.db, "what has no default is zero");

	is_int(parse("--name x --memory=2G --idle 250ms one --json --listen c:3 --listen=d:4 - -- --two"), 0, "all forms");
	is_text(sample.name, "x", "--name value");
	is_int(sample.memory, 2LL << 30, "--name=value");
	is_int(sample.idle, 250, "milliseconds");
	ok(sample.json, "a flag");
	is_int(sample.listen.count, 2, "repeated values take the default's place");
	is_text(sample.listen.items[0], "c:3", "in order");
	is_int(args.count, 3, "words");
	is_text(args.words[1], "-", "a lone hyphen is a word");
	is_text(args.words[2], "--two", "behind -- everything is a word");

	is_int(parse("--offset-by -3 --idle 0 --json=no"), 0, "a negative value");
	is_int(sample.offset, -3, "is taken where the range allows it");
	is_int(sample.idle, 0, "a time of 0 needs no unit");
	ok(!sample.json, "a flag can be taken back");

	is_int(parse("--steps 0 --help"), 0, "--help wins over mistakes");
	ok(help, "and is told");
	is_int(parse("-- --help"), 0, "--help behind -- is a word");
	ok(!help, "and no call for help");
}

static void test_refusals(void)
{
	static const struct {
		const char *words, *message;
	} cases[] = {
		{ "--memory 12X", "--memory 12X: not a size; say 64M or 1G" },
		{ "--memory -1", "--memory -1: must lie between 1M and 1T" },
		{ "--memory 4K", "--memory 4K: must lie between 1M and 1T" },
		{ "--memory 99999999999999T", "--memory 99999999999999T: not a size; say 64M or 1G" },
		{ "--idle 5", "--idle 5: not a time; say 250ms, 10s, 5m or 1h" },
		{ "--idle -1s", "--idle -1s: must not be negative" },
		{ "--steps 1.5", "--steps 1.5: not a whole number" },
		{ "--steps 101", "--steps 101: must lie between 1 and 100" },
		{ "--format xml", "--format xml: say text, json or markdown" },
		{ "--json=maybe", "--json maybe: say yes or no" },
		{ "--name", "--name needs NAME" },
		{ "--name a --name b", "--name is given twice" },
		{ "--memroy 1G", "unknown option '--memroy'; did you mean '--memory'?" },
		{ "--mem 1G", "unknown option '--mem'; did you mean '--memory'?" },
		{ "--quux", "unknown option '--quux'; --help lists them" },
		{ "-x", "unknown option '-x'; options begin with '--'" },
		{ "--data d --db e", "--data and --db exclude each other" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		is_int(parse(cases[i].words), E_USAGE, cases[i].words);
		is_text(error.message, cases[i].message, "its message");
	}
}

static void test_environment(void)
{
	char text[64];

	is_text(option_variable(&table[6], text, sizeof(text)), "VERBATIM_OFFSET_BY", "a variable's name");
	setenv("VERBATIM_NAME", "env", 1);
	setenv("VERBATIM_LISTEN", "x:1, y:2,,z:3", 1);
	setenv("VERBATIM_JSON", "1", 1);
	setenv("VERBATIM_FORMAT", "", 1);
	is_int(parse("--json=no"), 0, "variables are read");
	is_text(sample.name, "env", "a text");
	is_int(sample.listen.count, 3, "a list");
	is_text(sample.listen.items[1], "y:2", "blanks behind commas are dropped");
	ok(!sample.json, "the command line wins");
	is_text(sample.format, "text", "an empty variable is not set");

	setenv("VERBATIM_MEMORY", "much", 1);
	is_int(parse(""), E_CONFIG, "a wrong variable is a setting's fault, not the command line's");
	is_text(error.message, "VERBATIM_MEMORY much: not a size; say 64M or 1G", "and it is named");
	is_int(parse("--memory 64M"), 0, "unless the command line overrules it");
	unsetenv("VERBATIM_MEMORY");

	setenv("VERBATIM_DB", "dbname=x", 1);
	is_int(parse("--data d"), 0, "--data on the command line");
	ok(!sample.db, "overrules VERBATIM_DB");
	is_int(parse(""), 0, "without it");
	is_text(sample.db, "dbname=x", "VERBATIM_DB counts");
	is_int(parse("--db dbname=y"), 0, "--db on the command line");
	ok(!sample.data, "overrules the default of --data");
}

static void test_help(void)
{
	struct buffer out = { 0 };
	const char *text;

	option_print(&out, table, 60, false);
	text = buffer_text(&out);
	ok(strstr(text, "  --name NAME               a name [VERBATIM_NAME]\n"), "a row of help");
	ok(strstr(text, "(default 96M)"), "defaults are shown as typed");
	ok(strstr(text, "text, json or markdown"), "values are listed");
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		ok(strcspn(p, "\n") <= 60, "a line of %zu columns", strcspn(p, "\n"));
	buffer_release(&out);
}

int main(void)
{
	test_values();
	test_refusals();
	test_environment();
	test_help();
	option_release(table, &args);
	return tap_done();
}
