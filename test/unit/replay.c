/* replay - a history folded in memory, what it shows of each event, of rows and of differences; byte by byte. */
#include <stdlib.h>

#include "cmd/replay.h"
#include "cmd/replay_show.h"
#include "event/canonical.h"
#include "fold/row_json.h"
#include "fold_story.h"

static struct event *events[64];
static int event_count;

static void tell(int64_t second, const char *type, struct uuid entity, const char *more, const char *payload)
{
	events[event_count] = event_make(&arena, event_count + 1, type, tenant, entity, more, second, payload);
	events[event_count]->recorded_at = events[event_count]->occurred_at + 12 * 1000;
	event_count++;
}

/* The history that all cases look at: 10 events, the last of which came two hours late. */
static void setup(void)
{
	tell(0, "customer.created", k1, "", "{\"identities\":[],\"profile\":{\"name\":\"Ada\"},\"sla_tier\":\"premium\"}");
	tell(0, "user.created", u1, "", "{\"display_name\":\"Bo\",\"email\":\"u1@x.example\",\"role\":\"agent\"}");
	tell(1, "conversation.created", c1, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\",\"subject\":\"Parcel\"}");
	tell(2, "message.received", m1, IN_C1 ",\"actor_type\":\"customer\",\"actor_id\":\"" ID_K1 "\"",
	     "{\"channel\":\"email\",\"content\":\"Where is \\u001b[31mit?\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}");
	tell(3, "conversation.assigned", c1, ",\"actor_type\":\"user\",\"actor_id\":\"" ID_U1 "\"", ASSIGN(ID_U1));
	tell(4, "message.sent", m2, IN_C1 ",\"actor_type\":\"user\",\"actor_id\":\"" ID_U1 "\"",
	     "{\"channel\":\"email\",\"content\":\"On its way\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
	tell(5, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
	tell(6, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	tell(7, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	tell(3, "note.added", test_id(0xbb, 1), IN_C1, "{\"content\":\"late\"}");
	events[9]->recorded_at = events[9]->occurred_at + 7200 * TIME_SECOND;
}

static struct subject subject = { .kind = SUBJECT_CONVERSATION };

/* Folds `count` events with a mark after `marked`, and shows them. */
static const char *shown(void (*what)(struct show *s), enum out_format format, int count, int marked)
{
	static char *text;
	static size_t len;
	struct error error;
	struct track t;
	struct out out = { .format = format };
	struct show s = { .track = &t, .out = &out, .width = 100 };
	int status = 0;

	free(text);
	text = NULL;
	out.file = open_memstream(&text, &len);
	subject.tenant_id = tenant;
	subject.id = c1;
	track_init(&t, &subject, zones_source(zones));
	for (int i = 0; i < count && !status; i++) {
		status = track_fold(&t, events[i], &error);
		if (i + 1 == marked)
			track_mark(&t);
	}
	is_int(status, 0, "folds");
	what(&s);
	track_release(&t);
	is_int(out_close(&out, &error), 0, "closes");
	return text;
}

static void test_timeline(void)
{
	const char *text = shown(show_timeline, OUT_TABLE, event_count, 0);

	is_text(text,
		"position  occurred            recorded     who            what\n"
		"       3  2024-10-04 00:00:01 +12 ms       system         conversation.created        Parcel\n"
		"                                                          state: open (created)\n"
		"       4  2024-10-04 00:00:02 +12 ms       Ada            message.received            Where is [31mit?\n"
		"                                                          substate: initialized -> -\n"
		"       5  2024-10-04 00:00:03 +12 ms       Bo             conversation.assigned       assigned_by manual\n"
		"                                                          assigned_agent_id: - -> Bo\n"
		"                                                          state: open -> awaiting_agent\n"
		"                                                            (conversation.assigned)\n"
		"       6  2024-10-04 00:00:04 +12 ms       Bo             message.sent                On its way\n"
		"                                                          state: awaiting_agent -> awaiting_customer\n"
		"                                                            (message.sent)\n"
		"       8  2024-10-04 00:00:06 +12 ms       system         conversation.resolved       by agent\n"
		"                                                          resolved_by: - -> agent\n"
		"                                                          state: awaiting_customer -> resolved\n"
		"                                                            (conversation.resolved)\n"
		"       9  2024-10-04 00:00:07 +12 ms       system         conversation.resolved       by agent\n"
		"      10  2024-10-04 00:00:03 +2 h 0 min   system         note.added                  late\n",
		"the timeline: who, when, what was said, what became of it; nothing of the other conversation");
	ok(!strchr(text, 033), "what a customer wrote does not command the terminal");
	ok(strstr(shown(show_timeline, OUT_NDJSON, event_count, 0), "\"late_seconds\":7200"), "a late one is marked");
	ok(strstr(shown(show_timeline, OUT_JSON, 3, 0), "]}]\n"), "json ends its array");
}

static void test_rows(void)
{
	const char *text = shown(show_rows, OUT_CSV, 4, 0);

	ok(strncmp(text, "read_model,id,last_position,row\r\n", 33) == 0, "csv has a heading");
	ok(strstr(text, "core.conversations," ID_C1 ",4,"), "with a row a line");
	ok(!strstr(text, "core.customers"), "of the conversation alone");
	ok(strstr(shown(show_rows, OUT_TABLE, 4, 0), "    subject                      Parcel\n"), "a table has a line a column");
	ok(!strstr(shown(show_rows, OUT_TABLE, 4, 0), "clock_cycles"), "hidden columns stay hidden");
}

static void test_difference(void)
{
	const char *text;
	char *found;

	is_text(shown(show_difference, OUT_TABLE, 6, 6), "\nnothing is different\n", "from itself nothing is different");
	text = shown(show_difference, OUT_NDJSON, event_count, 6);
	found = strstr(text, "\"column\":\"state\"");
	ok(found && strncmp(found, "\"column\":\"state\",\"from\":\"awaiting_customer\",\"to\":\"resolved\",\"new_row\":false,\"events\":[{\"position\":8,", 90) == 0,
	   "a field, from what, to what, and by which event");
	ok(!strstr(found ? found + 1 : "", "\"column\":\"state\",\"from\":\"awaiting_agent\""), "and not what happened before");
	text = shown(show_difference, OUT_TABLE, event_count, 6);
	ok(strstr(text, "    state: awaiting_customer -> resolved\n      by conversation.resolved at position 8, 2024-10-04 00:00:06\n"), "for people");
	ok(strstr(text, "core.internal_notes\n") && strstr(text, "  (new)\n"), "a row that was not there is new");
	text = shown(show_difference, OUT_CSV, 5, 4);
	ok(strstr(text, "core.conversations," ID_C1 ",assigned_agent_id,," ID_U1 ",\"[{\"\"position\"\":5,"), "csv has the events as JSON");
}

static void test_rows_json(void)
{
	static const char *const words[] = { "yes", "no", NULL };
	struct all {
		struct row row;
		struct uuid uuid;
		struct bytes text, json;
		int16_t word;
		int8_t truth;
		int64_t number, decimal, at;
	};
	static const struct column columns[] = {
		COLUMN(all, uuid, UUID), COLUMN(all, text, TEXT), COLUMN(all, json, JSON), COLUMN(all, word, ENUM, .values = words),
		COLUMN(all, truth, BOOL), COLUMN(all, number, INT8), COLUMN(all, decimal, DECIMAL, .scale = 2), COLUMN(all, at, TIME),
		COLUMN(all, number, INT8, .hidden = true),
	};
	static const struct projection model = { .schema = "x", .name = "all", COLUMNS(all, columns) };
	struct all a = { .row = { .of = &model, .last_position = 7 }, .word = -1, .truth = -1, .number = INT_NONE, .decimal = INT_NONE, .at = TIME_NONE };
	struct buffer out = { 0 };

	row_json(&a.row, &out);
	is_text(buffer_text(&out),
		"{\"tenant_id\":\"00000000-0000-0000-0000-000000000000\",\"id\":\"00000000-0000-0000-0000-000000000000\",\"last_position\":7,"
		"\"uuid\":null,\"text\":null,\"json\":null,\"word\":null,\"truth\":null,\"number\":null,\"decimal\":null,\"at\":null}",
		"what is absent is null");
	for (int i = 0; i < model.column_count; i++)
		ok(row_is_null(&a.row, &columns[i]) && row_same(NULL, &a.row, &columns[i]), "%s: no row holds null as well", columns[i].name);
	a = (struct all){ .row = a.row, .uuid = c1, .text = BYTES("a\"\n"), .json = BYTES("{\"b\":1}"), .word = 1, .truth = 0, .number = -5,
			  .decimal = -105, .at = 0 };
	buffer_reset(&out);
	row_json(&a.row, &out);
	is_text(strstr(buffer_text(&out), "\"uuid\""),
		"\"uuid\":\"" ID_C1 "\",\"text\":\"a\\\"\\n\",\"json\":{\"b\":1},\"word\":\"no\",\"truth\":false,\"number\":-5,\"decimal\":-1.05,"
		"\"at\":\"1970-01-01T00:00:00.000000Z\"}", "each kind as itself");
	ok(!row_same(NULL, &a.row, &columns[0]) && row_same(&a.row, &a.row, &columns[1]), "and is the same as itself only");
	buffer_release(&out);
}

static void test_moments(void)
{
	static const struct {
		const char *text;
		int64_t position, time;
	} cases[] = {
		{ "4711", 4711, 0 },
		{ "1970-01-01T00:00:01Z", 0, 1000000 },
		{ "1970-01-01T02:00:01+02:00", 0, 1000000 },
		{ "1970-01-01 00:01", 0, 60000000 },
		{ "1970-01-01T00:00:02", 0, 2000000 },
		{ "1970-01-01", 0, TIME_DAY - 1 },
		{ "0", -1, 0 }, { "-3", -1, 0 }, { "tomorrow", -1, 0 }, { "1970-13-01", -1, 0 }, { "99999999999999999999", -1, 0 },
	};
	struct texts patterns = { .items = (const char *[]){ "message.*", "note.added" }, .count = 2 }, none = { 0 };
	struct moment m;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = moment_parse("at", cases[i].text, &m, NULL);

		if (cases[i].position < 0)
			is_int(status, E_USAGE, cases[i].text);
		else
			ok(!status && m.given && m.position == cases[i].position && m.time == cases[i].time, "%s", cases[i].text);
	}
	ok(!moment_parse("at", "", &m, NULL) && !m.given, "an empty text is no moment");
	ok(type_fits(&patterns, BYTES("message.sent")) && type_fits(&patterns, BYTES("note.added")), "patterns of types");
	ok(!type_fits(&patterns, BYTES("note.edited")) && !type_fits(&patterns, BYTES("messag")) && type_fits(&none, BYTES("x.y")), "and what does not fit");
}

static void test_verify(void)
{
	struct uuid log_id = test_id(0x10, 1);
	struct verify v = { 0 };
	struct buffer scratch = { 0 }, out = { 0 };
	struct event e = *events[3];
	struct error error;

	canonical_leaf(&e, &log_id, &scratch, e.leaf_hash);
	ok(verify_event(&v, &e, &log_id) && verify_outcome(&v, &error) == 0, "an event that is what was appended");
	e.payload = BYTES("{}");
	ok(!verify_event(&v, &e, &log_id), "and one that is not");
	is_int(verify_outcome(&v, &error), E_LOG_DIVERGED, "which fails the whole");
	ok(strstr(error.message, "position 4") != NULL, "by its position");
	verify_say(&v, &out);
	ok(strstr(buffer_text(&out), "verified: 1 of 2 events give their leaf hashes\nnot verified: "), "and is counted");
	verify_release(&v);
	buffer_release(&scratch);
	buffer_release(&out);
}

int main(void)
{
	story_setup();
	setup();
	test_timeline();
	test_rows();
	test_difference();
	test_rows_json();
	test_moments();
	test_verify();
	zones_free(zones);
	arena_release(&arena);
	return tap_done();
}
