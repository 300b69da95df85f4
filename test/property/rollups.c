/*
 * Random histories, seeded, with late, repeated, reordered and misfit events, merges, other classifications, imports and
 * deletions: in whatever batches and with whatever restarts they are folded, the roll-ups are
 *
 *   - what the final rows of conversations, messages and clocks add up to (rollup_support.h);
 *   - the same by quarters of an hour as by days, and no set more than the whole;
 *   - in step with core.conversations and core.conversation_transitions: the backlog is who is unresolved, in all sets;
 *     resolutions, reopenings, transfers, escalations, hand-offs are those that happened.
 *
 * In histories where nothing is late, replies are those that reading the talk from beginning to end finds.
 */
#include "rollup_support.h"

#include "base/random.h"
#include "engine/zones.h"
#include "tap.h"

enum { CONVERSATIONS = 8, AGENTS = 4, TEAMS = 3, EVENTS = 500, STEP = 397 };

static const int64_t east = (5 * 60 + 45) * 60 * TIME_SECOND;
static struct zones *zones;
static struct uuid tenant;

static const char *text_of(struct uuid id)
{
	static char text[8][UUID_TEXT];
	static int turn;

	turn = (turn + 1) % 8;
	return uuid_format(&id, text[turn]);
}

static struct uuid pick(struct random *r, unsigned kind, unsigned count)
{
	return test_id(kind, 1 + (unsigned)random_below(r, count));
}

static const char *one_of(struct random *r, const char *const *list, size_t count)
{
	return list[random_below(r, count)];
}
#define ONE_OF(r, ...) one_of((r), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* ---- the history ---- */

static struct event *next_event(struct random *r, struct arena *arena, int64_t position, bool in_order)
{
	struct uuid c = pick(r, 0xc0, CONVERSATIONS), u = pick(r, 0xa0, AGENTS), team = pick(r, 0x7e, TEAMS), entity = c;
	int64_t second = position * STEP - (!in_order && random_below(r, 4) == 0 ? (int64_t)random_below(r, 90 * STEP) : 0);
	char more[300] = "", payload[400] = "{}";
	const char *type;

#define PAYLOAD(...) snprintf(payload, sizeof(payload), __VA_ARGS__)
#define MESSAGE(direction, sender) \
	(entity = test_id(0xd0, in_order ? (unsigned)position : 1 + (unsigned)random_below(r, 300)), \
	 snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", text_of(c)), \
	 PAYLOAD("{\"auto_reply\":%s,\"channel\":\"%s\",\"content\":\"x\",\"direction\":\"%s\",\"sender_id\":\"%s\",\"sender_type\":\"%s\"}", \
		 ONE_OF(r, "false", "false", "false", "true"), ONE_OF(r, "email", "sms"), direction, text_of(u), sender))
	if (position == 1) {
		entity = tenant;
		type = "tenant.created";
		PAYLOAD("{\"name\":\"T\",\"localization\":{\"timezone\":\"Asia/Kathmandu\"}}");
	} else if (position == 2) {
		entity = test_id(0xc1, 1);
		type = "customer.created";
		PAYLOAD("{\"identities\":[]}");
	} else if (position == 3) {
		entity = test_id(0x51a, 1);
		type = "sla_policy.created";
		PAYLOAD("{\"name\":\"P\",\"tier\":\"standard\",\"is_default\":true,\"first_response_time_minutes\":60,"
			"\"next_response_time_minutes\":30,\"resolution_time_minutes\":300,\"business_hours_only\":%s}",
			ONE_OF(r, "true", "false"));
	} else if (position <= 3 + CONVERSATIONS / 2 || random_below(r, 30) == 0) {
		if (position <= 3 + CONVERSATIONS / 2)
			entity = test_id(0xc0, (unsigned)position - 3);
		type = "conversation.created";
		snprintf(more, sizeof(more), "%s", ONE_OF(r, "", "", ",\"silent\":true"));
		PAYLOAD("{\"ai_handled\":%s,\"customer_id\":\"%s\",\"initial_channel\":\"%s\",\"sla_tier\":\"%s\"}", ONE_OF(r, "false", "true"),
			text_of(test_id(0xc1, 1)), ONE_OF(r, "email", "sms"), ONE_OF(r, "free", "standard"));
	} else {
		switch (random_below(r, 22)) {
		case 0:
		case 1:
		case 2:
		case 3:
			type = "message.received";
			MESSAGE("inbound", "customer");
			break;
		case 4:
		case 5:
		case 6:
			type = "message.sent";
			MESSAGE(ONE_OF(r, "outbound", "outbound", "internal"), ONE_OF(r, "agent", "agent", "agent", "ai", "system"));
			break;
		case 7:
			type = "message.queued";
			MESSAGE("outbound", "agent");
			break;
		case 8:
			type = ONE_OF(r, "message.sent", "message.failed", "message.failed", "message.delivered");
			entity = test_id(0xd0, 1 + (unsigned)random_below(r, in_order ? (unsigned)position : 300));
			snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", text_of(c));
			PAYLOAD("{%s}", strcmp(type, "message.failed") == 0 ? "\"error_message\":\"no\"" :
				strcmp(type, "message.delivered") == 0 ? "\"at\":\"2024-10-04T00:00:00Z\"" : "");
			if (in_order)
				type = "conversation.subject_changed", entity = c, PAYLOAD("{\"to\":\"s\"}");
			break;
		case 9:
		case 10:
			type = "conversation.assigned";
			PAYLOAD("{\"agent_id\":\"%s\",\"assigned_by\":\"%s\",\"team_id\":\"%s\"}", text_of(u), ONE_OF(r, "manual", "reopen"),
				text_of(team));
			break;
		case 11:
			type = "conversation.unassigned";
			PAYLOAD("{\"agent_id\":\"%s\",\"unassignment_reason\":\"r\"}", text_of(u));
			break;
		case 12:
			type = "conversation.transferred";
			PAYLOAD("{\"to_team_id\":\"%s\",\"to_agent_id\":\"%s\"}", text_of(team), text_of(u));
			break;
		case 13:
		case 14:
			type = "conversation.resolved";
			snprintf(more, sizeof(more), "%s", ONE_OF(r, "", ",\"actor_type\":\"user\",\"actor_id\":\"000000a0-0000-8000-8000-000000000001\""));
			PAYLOAD("{\"by\":\"%s\"}", ONE_OF(r, "agent", "agent", "ai", "merge"));
			break;
		case 15:
			type = "conversation.reopened";
			PAYLOAD("{\"trigger\":\"agent\"}");
			break;
		case 16:
			type = ONE_OF(r, "conversation.escalated", "conversation.deescalated");
			PAYLOAD("{\"reason\":\"x\"}");
			break;
		case 17:
			type = "conversation.handed_off";
			PAYLOAD("{\"from\":\"ai\",\"reason\":\"policy\"}");
			break;
		case 18:
			type = "conversation.classified";
			PAYLOAD("{\"intent\":\"%s\",\"severity\":\"%s\",\"source\":\"ai\"}", ONE_OF(r, "billing", "\\u00e4\\\"q", "x"), ONE_OF(r, "P0", "P3"));
			break;
		case 19:
			type = "conversation.tier_changed";
			PAYLOAD("{\"to\":\"%s\"}", ONE_OF(r, "free", "premium"));
			break;
		case 20:
			type = ONE_OF(r, "conversation.team_assigned", "conversation.state_changed");
			if (strcmp(type, "conversation.team_assigned") == 0)
				PAYLOAD("{\"team_id\":\"%s\"}", text_of(team));
			else
				PAYLOAD("{\"cause\":\"explicit\",\"new_state\":\"%s\",\"previous_state\":\"%s\"}", ONE_OF(r, "open", "resolved"),
					ONE_OF(r, "open", "resolved", "awaiting_agent"));
			break;
		default:
			type = ONE_OF(r, "conversation.merged_into", "conversation.deleted", "conversation.subject_changed",
				      "conversation.subject_changed");
			if (strcmp(type, "conversation.merged_into") == 0 && in_order)
				type = "conversation.subject_changed";
			PAYLOAD(strcmp(type, "conversation.merged_into") == 0 ? "{\"into_id\":\"%s\"}" :
				strcmp(type, "conversation.deleted") == 0 ? "{\"reason\":\"r\"}" : "{\"to\":\"s\"}",
				text_of(pick(r, 0xc0, CONVERSATIONS)));
			break;
		}
	}
	return event_make(arena, position, type, tenant, entity, more, second, payload);
}

/* ---- comparing ---- */

static long long total(struct memory_db *db, const char *table, const char *set, const char *metric)
{
	struct row *row;
	long long sum = 0;

	EACH_ROW(db, table, row)
		if (strcmp(cell(row, "dimensions"), set) == 0)
			sum += cell_number(row, metric);
	return sum;
}

static long long column_total(struct memory_db *db, const char *read_model, const char *column)
{
	struct row *row;
	long long sum = 0;

	EACH_ROW(db, read_model, row)
		sum += cell_number(row, column);
	return sum;
}

/* Quarters and days say the same, and no set has more than the whole. */
static int totals_differ(struct memory_db *db)
{
	static const char *const sets[] = { "all", "channel", "team", "agent", "tier", "severity", "intent", "channel_team", "team_agent" };
	const struct projection *p = memory_db_projection(db, "rollup_15m");
	int wrong = 0;

	for (int i = 0; i < p->column_count; i++) {
		const struct column *c = &p->columns[i];
		long long whole = total(db, "rollup_15m", "all", c->name);

		if (!c->adds || c->kind == COLUMN_JSON)
			continue;
		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
			long long part = total(db, "rollup_15m", sets[s], c->name);

			wrong += part != total(db, "rollup_day", sets[s], c->name);
			wrong += strcmp(c->name, "backlog_change") != 0 && (part > whole || part < 0);
		}
		wrong += total(db, "rollup_15m", "channel", c->name) != whole;
	}
	return wrong;
}

/* The backlog by set and values, over all time, against the conversations. */
static int backlog_differs(struct memory_db *db)
{
	struct rollup_lines got = { 0 }, want = { 0 };
	char key[400];
	struct row *row;
	int wrong;

	EACH_ROW(db, "rollup_day", row) {
		snprintf(key, sizeof(key), "day 1970-01-01T00:00:00.000000Z %s %s %s %s %s %s %s x", cell(row, "dimensions"), cell(row, "channel"),
			 cell(row, "team_id"), cell(row, "agent_id"), cell(row, "tier"), cell(row, "severity"), cell(row, "intent"));
		lines_add(&got, key, cell_number(row, "backlog_change"));
	}
	EACH_ROW(db, "conversations", row) {
		char text[6][100];
		struct rollup_thing t = { 0, 0, text[0], text[1], text[2], text[3], text[4], text[5] };
		struct rollup_lines both = { 0 };

		if (strcmp(cell(row, "state"), "resolved") == 0 || cell_number(row, "deleted_at") != TIME_NONE)
			continue;
		snprintf(text[0], 100, "%s", cell(row, "initial_channel"));
		snprintf(text[1], 100, "%s", cell(row, "assigned_team_id"));
		snprintf(text[2], 100, "%s", cell(row, "assigned_agent_id"));
		snprintf(text[3], 100, "%s", cell(row, "sla_tier"));
		snprintf(text[4], 100, "%s", cell(row, "severity"));
		snprintf(text[5], 100, "%s", cell(row, "intent"));
		thing_add(&both, &t, "x", 1);
		for (size_t i = 0; i < both.count; i++)
			if (strncmp(both.lines[i].key, "day", 3) == 0)
				lines_add(&want, both.lines[i].key, 1);
		free(both.lines);
	}
	lines_sum(&got);
	lines_sum(&want);
	wrong = lines_differ(&got, &want, "the roll-ups have", "the conversations are");
	free(got.lines);
	free(want.lines);
	return wrong;
}

static int events_differ(struct memory_db *db)
{
	long long resolved = 0, reopened = 0;
	struct row *row;
	int wrong = 0;

	EACH_ROW(db, "conversation_transitions", row) {
		bool from_resolved = strcmp(cell(row, "from_state"), "resolved") == 0;

		resolved += strcmp(cell(row, "to_state"), "resolved") == 0 && strcmp(cell(row, "cause"), "merge") != 0;
		reopened += from_resolved && strcmp(cell(row, "to_state"), "reopened") == 0;
	}
	wrong += total(db, "rollup_15m", "all", "resolutions") != resolved;
	wrong += total(db, "rollup_15m", "all", "reopens") != reopened;
	wrong += total(db, "rollup_15m", "all", "transfers") != column_total(db, "conversations", "transfer_count");
	wrong += total(db, "rollup_15m", "all", "escalations") != column_total(db, "conversations", "escalation_count");
	wrong += total(db, "rollup_15m", "all", "handoffs") != column_total(db, "conversations", "handoff_count");
	return wrong;
}

/* The facts of a conversation are what its row says. */
static int facts_differ(struct memory_db *db)
{
	static const char *const same[][2] = {
		{ "created_at", "created_at" }, { "first_response_at", "first_human_response_at" },
		{ "ai_first_response_at", "first_ai_response_at" }, { "first_assigned_at", "first_assigned_at" },
		{ "channel", "initial_channel" }, { "team_id", "assigned_team_id" }, { "agent_id", "assigned_agent_id" },
		{ "tier", "sla_tier" }, { "severity", "severity" }, { "intent", "intent" }, { "reopen_count", "reopen_count" },
	};
	struct row *k;
	int wrong = 0;

	EACH_ROW(db, "conversation_facts", k) {
		struct memory_key key = { k->tenant_id, k->id };
		struct row *c = map_find(&db->rows[memory_db_index(db, &conversations)], &key);

		for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
			if (strcmp(cell(k, same[i][0]), cell(c, same[i][1])) != 0 && wrong++ < 5)
				printf("# %s: %s %s, %s %s\n", text_of(k->id), same[i][0], cell(k, same[i][0]), same[i][1], cell(c, same[i][1]));
	}
	return wrong;
}

static bool is_misfit(struct memory_db *db, const struct uuid *event_id)
{
	struct row *row;

	EACH_ROW(db, "anomalies", row)
		if (strcmp(cell(row, "event_id"), text_of(*event_id)) == 0)
			return true;
	return false;
}

/* Reads the talk of each conversation from beginning to end. */
static int replies_differ(struct memory_db *db, const struct event *const *events, int count)
{
	long long replies = 0, micros = 0;

	for (unsigned n = 1; n <= CONVERSATIONS; n++) {
		struct uuid c = test_id(0xc0, n);
		int64_t waiting = TIME_NONE;

		for (int i = 0; i < count; i++) {
			const struct event *e = events[i];
			struct memory_key key = { e->tenant_id, e->entity_id };
			struct row *m = map_find(&db->rows[memory_db_index(db, &messages)], &key), *t;
			const char *kind = e->type->name;

			if (!uuid_equal(&e->conversation_id, &c) || is_misfit(db, &e->event_id))
				continue;
			if (m && strcmp(cell(m, "direction"), "internal") != 0 && !cell_true(m, "auto_reply")) {
				bool by_agent = strcmp(cell(m, "sender_type"), "agent") == 0, by_ai = strcmp(cell(m, "sender_type"), "ai") == 0;

				if (strcmp(kind, "message.received") == 0 && waiting == TIME_NONE)
					waiting = e->occurred_at;
				if (strcmp(kind, "message.sent") == 0 && waiting != TIME_NONE && (by_agent || by_ai)) {
					replies += by_agent;
					micros += by_agent ? e->occurred_at - waiting : 0;
					waiting = TIME_NONE;
				}
			}
			key.id = e->event_id;
			t = map_find(&db->rows[memory_db_index(db, &conversation_transitions)], &key);
			if (t && strcmp(cell(t, "to_state"), "resolved") == 0)
				waiting = TIME_NONE;
			if (strcmp(kind, "conversation.handed_off") == 0 && waiting == TIME_NONE)
				waiting = e->occurred_at;
		}
	}
	if (replies != total(db, "rollup_15m", "all", "replies") || micros != total(db, "rollup_15m", "all", "reply_seconds"))
		printf("# replies: %lld, want %lld; micros %lld, want %lld\n", total(db, "rollup_15m", "all", "replies"), replies,
		       total(db, "rollup_15m", "all", "reply_seconds"), micros);
	return replies != total(db, "rollup_15m", "all", "replies") || micros != total(db, "rollup_15m", "all", "reply_seconds");
}

/* ---- folding ---- */

static bool fold_all(struct memory_db *db, const struct event *const *events, int count, struct random *split)
{
	struct state s;
	bool fine = true;
	int again = 0;

	memory_db_init(db, fold_group("core"));
	db->jsonb = true;
	state_init(&s, db->group, split ? 4096 : 1 << 20);
	s.zones = zones_source(zones);
	for (int i = 0; i < count;) {
		int batch = split ? 1 + (int)random_below(split, 40) : 1, tries;

		if (batch > count - i)
			batch = count - i;
		tries = memory_db_fold(db, &s, events + i, batch);
		fine = fine && tries >= 0;
		again += tries;
		if (split && random_below(split, 4) == 0)
			state_drop(&s); /* a restart */
		i += batch;
	}
	state_release(&s);
	if (db->refused)
		printf("# %s\n", db->refusal);
	return fine && again <= count / 20 && db->faults == 0 && db->refused == 0; /* hardly ever folded twice */
}

static void run(uint64_t seed, bool in_order)
{
	struct rollup_lines got = { 0 }, want = { 0 }, other = { 0 };
	const struct event *events[EVENTS];
	struct memory_db db;
	struct random r;
	struct arena arena;

	random_seed(&r, seed);
	arena_init(&arena, 1 << 20);
	for (int i = 0; i < EVENTS; i++)
		events[i] = next_event(&r, &arena, i + 1, in_order);
	ok(fold_all(&db, events, EVENTS, NULL), "seed %llu: it folds, event by event%s", (unsigned long long)seed, in_order ? ", nothing late" : "");
	rollup_lines(&db, false, &got);
	rollup_expected(&db, east, &want);
	ok(want.count > 500 && lines_differ(&got, &want, "the tables have", "the rows say") == 0,
	   "seed %llu: %zu numbers are what the rows add up to", (unsigned long long)seed, want.count);
	is_int(facts_differ(&db), 0, "the facts are the conversations'");
	is_int(totals_differ(&db), 0, "quarters and days agree, and no set has more than the whole");
	is_int(backlog_differs(&db), 0, "the backlog is who is unresolved");
	is_int(events_differ(&db), 0, "events are counted as they happened");
	if (in_order)
		is_int(replies_differ(&db, events, EVENTS), 0, "replies are those of the talk");
	free(got.lines);
	got = (struct rollup_lines){ 0 };
	rollup_lines(&db, true, &got);
	memory_db_release(&db);
	for (int round = 0; round < 2; round++) {
		other = (struct rollup_lines){ 0 };
		ok(fold_all(&db, events, EVENTS, &r), "it folds in random batches");
		rollup_lines(&db, true, &other);
		is_int(lines_differ(&got, &other, "event by event", "in batches"), 0, "random batches with restarts give the same");
		free(other.lines);
		memory_db_release(&db);
	}
	free(got.lines);
	free(want.lines);
	arena_release(&arena);
}

int main(void)
{
	const char *seeds = getenv("SEED");

	catalog_init();
	zones = zones_new();
	tenant = test_id(0xaaaa, 1);
	if (seeds) {
		run(strtoull(seeds, NULL, 10), getenv("IN_ORDER") != NULL);
	} else {
		for (uint64_t seed = 1; seed <= 12; seed++)
			run(seed, seed % 4 == 0);
	}
	note("again with one seed: SEED=n, IN_ORDER=1 for histories where nothing is late");
	zones_free(zones);
	return tap_done();
}
