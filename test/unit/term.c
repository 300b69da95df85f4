/* term: widths of UTF-8, tables that fit, numbers with a human face. */
#include "base/term.h"

#include <unistd.h>

#include "tap.h"

static void test_columns(void)
{
	static const struct {
		const char *text;
		int columns;
	} cases[] = {
		{ "", 0 }, { "abc", 3 }, { "Grüße", 5 }, { "日本語", 6 }, { "e\xcc\x81", 1 }, { "👍", 2 }, { "👍🏽", 2 },
		{ "\xff\xfe", 2 }, { "\xe2\x82", 2 }, { "한국", 4 }, { "Ελλάδα", 6 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(term_columns(bytes_text(cases[i].text)), cases[i].columns, cases[i].text);
}

static const char *cut(const char *text, int columns)
{
	static struct buffer out;

	buffer_reset(&out);
	term_cut(&out, bytes_text(text), columns);
	return buffer_text(&out);
}

static void test_cut(void)
{
	is_text(cut("hello", 5), "hello", "what fits stays");
	is_text(cut("hello", 4), "hel…", "what does not ends in an ellipsis");
	is_text(cut("日本語", 5), "日本…", "wide characters are not halved");
	is_text(cut("日本語", 4), "日…", "rather one column less");
	is_text(cut("x", 0), "", "no room, nothing");
}

static void test_table(void)
{
	struct table t;
	struct buffer out = { 0 };

	table_init(&t, 3, (const char *const[]){ "name", ">events", "note" });
	table_cell(&t, "über");
	table_cell(&t, "%d", 7);
	table_cell(&t, "x");
	table_cell(&t, "日本");
	table_cell(&t, "%s", "12,345,678");
	table_cell_style(&t, STYLE_RED, "a\nb\033[2J");
	table_print(&t, &out, 80, false);
	is_text(buffer_text(&out),
		"name      events  note\n"
		"über           7  x\n"
		"日本  12,345,678  a b [2J\n", "columns line up; control characters are taken out");
	buffer_reset(&out);
	table_print(&t, &out, 80, true);
	ok(strstr(buffer_text(&out), "\033[31ma b [2J\033[0m"), "a style stands around the cell's text only");
	table_release(&t);

	table_init(&t, 2, (const char *const[]){ "id", "text" });
	table_cell(&t, "1");
	table_cell(&t, "a very long text that does not fit into so few columns");
	buffer_reset(&out);
	table_print(&t, &out, 20, false);
	is_text(buffer_text(&out), "id  text\n1   a very long tex…\n", "the widest column gives way");
	table_release(&t);

	table_init(&t, 4, (const char *const[]){ "=id", "name", "=day", "note" });
	table_cell(&t, "0199c0de-0001");
	table_cell(&t, "a long name indeed");
	table_cell(&t, "2026-11-22");
	table_cell(&t, "x");
	buffer_reset(&out);
	is_int(table_print(&t, &out, 80, false), 4, "what fits is printed whole");
	buffer_reset(&out);
	is_int(table_print(&t, &out, 40, false), 3, "the last columns are left out");
	is_text(buffer_text(&out), "id             name           day\n0199c0de-0001  a long name …  2026-11-22\n",
		"of the others those are cut that may be");
	buffer_reset(&out);
	is_int(table_print(&t, &out, 5, false), 1, "the first one stays");
	is_text(buffer_text(&out), "id\n0199c0de-0001\n", "and is never cut");
	table_release(&t);
	buffer_release(&out);
}

static void test_defuse(void)
{
	static const char *const cases[][2] = {
		{ "Grüße 日本", "Grüße 日本" }, { "a\033[2Jb", "a [2Jb" }, { "a\r\nb\x7f", "a  b " }, { "a\xc2\x9b" "2Jb", "a  2Jb" },
		{ "a\xc2\xa0" "b\xc2", "a\xc2\xa0" "b\xc2" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", cases[i][0]);
		term_defuse(text);
		is_text(text, cases[i][1], "a text without what a terminal would obey");
	}
}

static void test_numbers(void)
{
	char out[HUMAN_TEXT];

	is_text(human_count(0, out), "0", "0");
	is_text(human_count(999, out), "999", "999");
	is_text(human_count(1000, out), "1,000", "1,000");
	is_text(human_count(-1234567, out), "-1,234,567", "-1,234,567");
	is_text(human_count(INT64_MIN, out), "-9,223,372,036,854,775,808", "the smallest");
	is_text(human_bytes(0, out), "0 B", "0 B");
	is_text(human_bytes(999, out), "999 B", "999 B");
	is_text(human_bytes(1000, out), "1.0 KB", "1.0 KB, never four digits");
	is_text(human_bytes(1258291, out), "1.2 MB", "1.2 MB");
	is_text(human_bytes(128LL << 20, out), "128 MB", "128 MB");
	is_text(human_bytes(INT64_MAX, out), "8.0 EB", "the largest");
	is_text(human_duration(850, out), "850 µs", "microseconds");
	is_text(human_duration(12000, out), "12 ms", "milliseconds");
	is_text(human_duration(3400000, out), "3.4 s", "seconds");
	is_text(human_duration(180 * 1000000LL, out), "3 min", "minutes");
	is_text(human_duration(7500 * 1000000LL, out), "2 h 5 min", "hours");
	is_text(human_duration(4 * 86400 * 1000000LL, out), "4 d", "days");
	is_text(human_rate(7.25, out), "7.2", "a small rate");
	is_text(human_rate(12345, out), "12.3k", "thousands");
	is_text(human_rate(1234567, out), "1.2M", "millions");
}

static void test_progress(void)
{
	FILE *f = tmpfile();
	struct progress p;
	char line[256] = "";

	progress_start(&p, f, "append", "events", 1000);
	for (int i = 0; i <= 1000; i++)
		progress_update(&p, i, NULL);
	rewind(f);
	ok(!fgets(line, sizeof(line), f), "no terminal: nothing for the first seconds");
	progress_stop(&p);
	rewind(f);
	ok(fgets(line, sizeof(line), f) && strncmp(line, "append 100 %  1,000 of 1,000 events  ", 37) == 0,
	   "and one plain line at the end");
	ok(!strchr(line, '\033') && !strchr(line, '\r'), "without a terminal's codes");
	progress_start(&p, NULL, "append", "events", 10);
	progress_update(&p, 5, NULL);
	progress_stop(&p);
	ok(true, "no stream, no output, no crash");
	fclose(f);
}

int main(void)
{
	test_columns();
	test_cut();
	test_table();
	test_defuse();
	test_numbers();
	test_progress();
	return tap_done();
}
