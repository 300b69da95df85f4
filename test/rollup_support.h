/*
 * rollup_support - the roll-ups made once more, from the rows that other folds left, and compared.
 *
 * `rollup_lines` writes what the two tables hold, one line a number that is not zero; `rollup_expected` writes the same
 * lines for the numbers of conversations out of analytics.conversation_facts, out of core.messages and
 * core.sla_clocks, summed by sorting.  Written plainly, with divisions and text, so that it shares nothing with
 * projections/rollups.c but the names.
 */
#ifndef VERBATIM_TEST_ROLLUP_SUPPORT_H
#define VERBATIM_TEST_ROLLUP_SUPPORT_H

#include <math.h>

#include "fold_support.h"

struct rollup_line {
	char key[400];
	long long amount;
};

struct rollup_lines {
	struct rollup_line *lines;
	size_t count, room;
};

__attribute__((unused)) static void lines_add(struct rollup_lines *l, const char *key, long long amount)
{
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 1024;
		l->lines = mem_realloc(l->lines, l->room * sizeof(*l->lines));
	}
	snprintf(l->lines[l->count].key, sizeof(l->lines[0].key), "%s", key);
	l->lines[l->count++].amount = amount;
}

static int lines_order(const void *a, const void *b)
{
	return strcmp(((const struct rollup_line *)a)->key, ((const struct rollup_line *)b)->key);
}

/* Adds up lines of the same key; those that come to nothing go. */
__attribute__((unused)) static void lines_sum(struct rollup_lines *l)
{
	size_t n = 0;

	qsort(l->lines, l->count, sizeof(*l->lines), lines_order);
	for (size_t i = 0; i < l->count;) {
		struct rollup_line sum = l->lines[i];

		for (i++; i < l->count && strcmp(l->lines[i].key, sum.key) == 0; i++)
			sum.amount += l->lines[i].amount;
		if (sum.amount)
			l->lines[n++] = sum;
	}
	l->count = n;
}

/* The lines on which the two differ; prints the first few. */
__attribute__((unused)) static int lines_differ(const struct rollup_lines *a, const struct rollup_lines *b, const char *first,
						const char *second)
{
	size_t i = 0, j = 0;
	int wrong = 0;

	while (i < a->count || j < b->count) {
		int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->lines[i].key, b->lines[j].key);
		long long x = order <= 0 ? a->lines[i].amount : 0, y = order >= 0 ? b->lines[j].amount : 0;
		const char *key = order <= 0 ? a->lines[i].key : b->lines[j].key;

		if (x != y && wrong++ < 5)
			printf("# %s: %s %lld, %s %lld\n", key, first, x, second, y);
		i += order <= 0;
		j += order >= 0;
	}
	return wrong;
}

/* ---- columns by name ---- */

static const char *cell(const struct row *row, const char *name)
{
	static struct buffer out[8];
	static int turn;
	const struct column *c = projection_column(row->of, name);

	assert(c);
	turn = (turn + 1) % 8;
	buffer_reset(&out[turn]);
	memory_db_print_column(&out[turn], c, row);
	return buffer_text(&out[turn]);
}

static int64_t cell_number(const struct row *row, const char *name)
{
	const struct column *c = projection_column(row->of, name);
	int64_t number;

	assert(c);
	memcpy(&number, (const char *)row + c->offset, sizeof(number));
	return number;
}

static bool cell_true(const struct row *row, const char *name)
{
	return strcmp(cell(row, name), "true") == 0;
}

#define EACH_ROW(db, read_model, row) \
	for (size_t at_##row = 0; (row = map_next(&(db)->rows[memory_db_index(db, memory_db_projection(db, read_model))], &at_##row, NULL));)

/* ---- what the tables hold ---- */

struct rollup_name {
	const char *metric, *seconds, *histogram; /* of durations */
};

static const struct rollup_name rollup_durations[] = {
	{ "first_responses", "first_response_seconds", "first_response_histogram" },
	{ "first_responses_in_business_time", "first_response_business_seconds", "first_response_business_histogram" },
	{ "ai_first_responses", "ai_first_response_seconds", "ai_first_response_histogram" },
	{ "conversations_assigned", "assignment_wait_seconds", "assignment_wait_histogram" },
	{ "conversations_resolved", "first_resolution_seconds", "first_resolution_histogram" },
	{ "conversations_resolved_in_business_time", "first_resolution_business_seconds", "first_resolution_business_histogram" },
	{ "full_resolutions", "full_resolution_seconds", "full_resolution_histogram" },
	{ "full_resolutions_in_business_time", "full_resolution_business_seconds", "full_resolution_business_histogram" },
	{ "replies", "reply_seconds", "reply_histogram" },
	{ "replies_in_business_time", "reply_business_seconds", "reply_business_histogram" },
};

static const char *const rollup_counts[] = {
	"conversations_created", "conversations_ai_handled", "conversations_reopened", "conversations_transferred",
	"conversations_escalated", "conversations_handed_off", "messages_in", "messages_by_agents", "messages_by_ai",
	"messages_by_system", "sla_first_response_met", "sla_first_response_breached", "sla_next_response_met",
	"sla_next_response_breached", "sla_update_met", "sla_update_breached", "sla_resolution_met", "sla_resolution_breached",
	"sla_issue_met", "sla_issue_breached",
};

static void row_lines(const struct row *row, const char *table, bool replies, struct rollup_lines *out)
{
	char place[300], key[400];

	snprintf(place, sizeof(place), "%s %s %s %s %s %s %s %s %s", table, cell(row, "bucket_at"), cell(row, "dimensions"),
		 cell(row, "channel"), cell(row, "team_id"), cell(row, "agent_id"), cell(row, "tier"), cell(row, "severity"),
		 cell(row, "intent"));
	for (size_t i = 0; i < sizeof(rollup_counts) / sizeof(rollup_counts[0]); i++) {
		snprintf(key, sizeof(key), "%s %s", place, rollup_counts[i]);
		lines_add(out, key, cell_number(row, rollup_counts[i]));
	}
	for (size_t i = 0; i < sizeof(rollup_durations) / sizeof(rollup_durations[0]); i++) {
		const struct rollup_name *n = &rollup_durations[i];
		const char *text = cell(row, n->histogram);

		if (strncmp(n->metric, "replies", 7) == 0 && !replies)
			continue;
		snprintf(key, sizeof(key), "%s %s", place, n->metric);
		lines_add(out, key, cell_number(row, n->metric));
		snprintf(key, sizeof(key), "%s %s", place, n->seconds);
		lines_add(out, key, cell_number(row, n->seconds));
		for (const char *p = strchr(text, '"'); p; p = strchr(p, '"')) {
			char *end;
			long class = strtol(p + 1, &end, 10);

			snprintf(key, sizeof(key), "%s %s %ld", place, n->metric, class);
			lines_add(out, key, strtol(end + 2, &end, 10));
			p = end;
		}
	}
}

__attribute__((unused)) static void rollup_lines(struct memory_db *database, bool replies, struct rollup_lines *out)
{
	struct row *row;

	EACH_ROW(database, "rollup_15m", row)
		row_lines(row, "15m", replies, out);
	EACH_ROW(database, "rollup_day", row)
		row_lines(row, "day", replies, out);
	lines_sum(out);
}

/* ---- what they should ---- */

struct rollup_thing {
	int64_t at;
	int64_t east; /* of the tenant's days: a zone that never changes */
	const char *channel, *team, *agent, *tier, *severity, *intent;
};

static int64_t floor_to(int64_t at, int64_t step)
{
	return at - (at % step + step) % step;
}

static void thing_add(struct rollup_lines *out, const struct rollup_thing *t, const char *what, long long amount)
{
	/* set, and which values it names */
	static const struct {
		const char *name;
		bool channel, team, agent, tier, severity, intent;
	} sets[] = {
		{ "all", 0 }, { "channel", .channel = 1 }, { "team", .team = 1 }, { "agent", .agent = 1 }, { "tier", .tier = 1 },
		{ "severity", .severity = 1 }, { "intent", .intent = 1 }, { "channel_team", .channel = 1, .team = 1 },
		{ "team_agent", .team = 1, .agent = 1 },
	};
	int64_t quarter = floor_to(t->at, 900 * TIME_SECOND), day = floor_to(t->at + t->east, TIME_DAY) - t->east;
	char key[400], when[TIME_TEXT];

#define NAMED(member) (sets[i].member ? t->member : "null")
#define LACKS(member) (sets[i].member && strcmp(t->member, "null") == 0)
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (LACKS(channel) || LACKS(team) || LACKS(agent) || LACKS(tier) || LACKS(severity) || LACKS(intent))
			continue;
		for (int table = 0; table < 2; table++) {
			snprintf(key, sizeof(key), "%s %s %s %s %s %s %s %s %s %s", table ? "day" : "15m",
				 time_format(table ? day : quarter, when), sets[i].name, NAMED(channel), NAMED(team), NAMED(agent),
				 NAMED(tier), NAMED(severity), NAMED(intent), what);
			lines_add(out, key, amount);
		}
	}
#undef NAMED
#undef LACKS
}

/* The class by definition, with logarithms. */
static long class_of(int64_t micros)
{
	long class = micros < 1 ? 0 : (long)floor(35 * log2((double)micros) + 1e-9);

	return class;
}

static void duration_add(struct rollup_lines *out, const struct rollup_thing *t, const struct rollup_name *n, int64_t micros)
{
	char what[100];

	if (micros == INT_NONE)
		return;
	thing_add(out, t, n->metric, 1);
	thing_add(out, t, n->seconds, micros);
	snprintf(what, sizeof(what), "%s %ld", n->metric, class_of(micros));
	thing_add(out, t, what, 1);
}

static void conversation_lines(const struct row *k, int64_t east, struct rollup_lines *out)
{
	static const struct {
		const char *at, *seconds, *business, *agent, *team;
		int duration, business_duration;
		const char *count;
	} marks[] = {
		{ "created_at", NULL, NULL, NULL, "team_id", -1, -1, "conversations_created" },
		{ "first_response_at", "first_response_seconds", "first_response_business_seconds", "first_response_agent_id",
		  "first_response_team_id", 0, 1, NULL },
		{ "ai_first_response_at", "ai_first_response_seconds", NULL, NULL, NULL, 2, -1, NULL },
		{ "first_assigned_at", "assignment_wait_seconds", NULL, "first_assigned_agent_id", "first_assigned_team_id", 3, -1, NULL },
		{ "first_resolved_at", "first_resolution_seconds", "first_resolution_business_seconds", "first_resolution_agent_id",
		  "first_resolution_team_id", 4, 5, "conversations_reopened" },
		{ "resolved_at", "full_resolution_seconds", "full_resolution_business_seconds", "full_resolution_agent_id",
		  "full_resolution_team_id", 6, 7, NULL },
		{ "transferred_at", NULL, NULL, "transferred_agent_id", "transferred_team_id", -1, -1, "conversations_transferred" },
		{ "escalated_at", NULL, NULL, "escalated_agent_id", "escalated_team_id", -1, -1, "conversations_escalated" },
		{ "handed_off_at", NULL, NULL, NULL, "handed_off_team_id", -1, -1, "conversations_handed_off" },
	};

	if (cell_true(k, "merged"))
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char text[6][80];
		struct rollup_thing t = { cell_number(k, marks[i].at), east, text[0], text[1], text[2], text[3], text[4], text[5] };

		if (t.at == TIME_NONE)
			continue;
		snprintf(text[0], 80, "%s", cell(k, "channel"));
		snprintf(text[1], 80, "%s", marks[i].team ? cell(k, marks[i].team) : "null");
		snprintf(text[2], 80, "%s", marks[i].agent ? cell(k, marks[i].agent) : "null");
		snprintf(text[3], 80, "%s", cell(k, "tier"));
		snprintf(text[4], 80, "%s", cell(k, "severity"));
		snprintf(text[5], 80, "%s", cell(k, "intent"));
		if (marks[i].duration >= 0)
			duration_add(out, &t, &rollup_durations[marks[i].duration], cell_number(k, marks[i].seconds));
		if (marks[i].business)
			duration_add(out, &t, &rollup_durations[marks[i].business_duration], cell_number(k, marks[i].business));
		if (i == 0 && cell_true(k, "imported"))
			continue;
		if ((i == 7 || i == 8) && (cell_true(k, "imported") || (i == 8 && !cell_true(k, "ai_handled"))))
			continue;
		if (i == 0 && cell_true(k, "ai_handled"))
			thing_add(out, &t, "conversations_ai_handled", 1);
		if (marks[i].count && (i != 4 || cell_number(k, "reopen_count") > 0))
			thing_add(out, &t, marks[i].count, 1);
	}
}

static void message_lines(const struct row *m, int64_t east, struct rollup_lines *out)
{
	char text[3][80];
	struct rollup_thing t = { cell_number(m, "created_at"), east, text[0], "null", text[1], "null", "null", "null" };
	bool in = strcmp(cell(m, "direction"), "inbound") == 0, by_agent = strcmp(cell(m, "sender_type"), "agent") == 0;

	if (strcmp(cell(m, "direction"), "internal") == 0)
		return;
	snprintf(text[0], 80, "%s", cell(m, "channel"));
	snprintf(text[1], 80, "%s", !in && by_agent ? cell(m, "sender_id") : "null");
	thing_add(out, &t, in ? "messages_in" : by_agent ? "messages_by_agents" : strcmp(cell(m, "sender_type"), "ai") == 0 ?
		  "messages_by_ai" : "messages_by_system", 1);
}

/* Kept or broken, says the clock; by which values, its outcome's row. */
static void clock_lines(struct memory_db *database, const struct row *clock, int64_t east, struct rollup_lines *out)
{
	struct memory_key key = { clock->tenant_id, clock->id };
	const struct row *o = map_find(&database->rows[memory_db_index(database, memory_db_projection(database, "sla_outcomes"))], &key);
	int64_t breached_at = cell_number(clock, "breached_at"), fulfilled_at = cell_number(clock, "fulfilled_at");
	bool own = strcmp(cell(clock, "resolution_id"), "null") == 0;
	char text[6][80], what[60];
	struct rollup_thing t = { breached_at == TIME_NONE ? fulfilled_at : breached_at, east, text[0], text[1], text[2], text[3],
				  text[4], text[5] };

	if (t.at == TIME_NONE || (breached_at == TIME_NONE && strcmp(cell(clock, "state"), "fulfilled") != 0))
		return;
	assert(o);
	snprintf(text[0], 80, "%s", cell(o, "channel"));
	snprintf(text[1], 80, "%s", cell(o, "team_id"));
	snprintf(text[2], 80, "%s", cell(o, "agent_id"));
	snprintf(text[3], 80, "%s", cell(o, "tier"));
	snprintf(text[4], 80, "%s", cell(o, "severity"));
	snprintf(text[5], 80, "%s", cell(o, "intent"));
	snprintf(what, sizeof(what), "sla_%s_%s", own ? cell(clock, "clock") : "issue", breached_at == TIME_NONE ? "met" : "breached");
	thing_add(out, &t, what, 1);
}

__attribute__((unused)) static void rollup_expected(struct memory_db *database, int64_t east, struct rollup_lines *out)
{
	struct row *row;

	EACH_ROW(database, "conversation_facts", row)
		conversation_lines(row, east, out);
	EACH_ROW(database, "messages", row)
		message_lines(row, east, out);
	EACH_ROW(database, "sla_clocks", row)
		clock_lines(database, row, east, out);
	lines_sum(out);
}

#endif
