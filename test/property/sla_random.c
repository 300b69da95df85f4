/*
 * Random histories of promises, seeded, with a watcher that journals warnings and breaches as a timer would.  Whatever
 * happens: the rows agree with each other, nothing is told twice, and folding again, in any batches, with restarts and
 * with hardly any memory, gives the same rows.
 */
#include "projections/sla_clocks.h"

#include "fold_support.h"

#include "base/random.h"
#include "engine/zones.h"
#include "projections/conversations.h"
#include "tap.h"

enum { CONVERSATIONS = 5, POLICIES = 4, TEAMS = 2, RESOLUTIONS = 3, MESSAGES = 60, EVENTS = 500, MAX_EVENTS = 4 * EVENTS };

static struct zones *zones;
static struct uuid tenant;

struct history {
	struct random r;
	struct arena arena;
	const struct event *events[MAX_EVENTS];
	int count;
	int64_t now; /* seconds */
	struct memory_db db;
	struct state state;
	int surprises;
	int warned, breached;
};

static struct uuid pick(struct history *h, unsigned kind, unsigned count)
{
	return test_id(kind, 1 + (unsigned)random_below(&h->r, count));
}

static const char *text_of(struct uuid id)
{
	static char text[4][UUID_TEXT];
	static int turn;

	turn = (turn + 1) % 4;
	return uuid_format(&id, text[turn]);
}

static const char *one_of(struct random *r, const char *const *list, size_t count)
{
	return list[random_below(r, count)];
}
#define ONE_OF(h, ...) one_of(&(h)->r, (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void take(struct history *h, const char *type, struct uuid entity, const char *more, int64_t second, const char *payload)
{
	const struct event *e = event_make(&h->arena, h->count + 1, type, tenant, entity, more, second, payload);

	h->events[h->count++] = e;
	if (memory_db_fold(&h->db, &h->state, &e, 1)) {
		note("%s came as a surprise (event %d)", type, h->count);
		h->surprises++;
	}
}

static void found(struct history *h)
{
	char payload[300];

	take(h, "customer.created", test_id(0xc1, 1), "", 0, "{\"identities\":[],\"sla_tier\":\"standard\"}");
	for (unsigned i = 1; i <= POLICIES; i++) {
		snprintf(payload, sizeof(payload),
			 "{\"business_hours_only\":%s,\"first_response_time_minutes\":%u,\"is_default\":%s,\"name\":\"N\",\"next_response_time_minutes\":%u,"
			 "\"on_reopen\":\"%s\",\"first_response_by\":\"%s\",\"resolution_time_minutes\":%u,\"tier\":\"%s\",\"timezone\":\"%s\","
			 "\"update_interval_minutes\":%u,\"warn_at\":[0.5,0.75,60]}",
			 i % 2 ? "false" : "true", 2 + i, i == 1 ? "true" : "false", 3 + i, i % 2 ? "resume" : "restart",
			 i == 3 ? "any" : "human", 10 * i, i % 2 ? "standard" : "premium", i == 2 ? "Europe/Berlin" : "UTC", 4 + i);
		take(h, "sla_policy.created", test_id(0x51, i), "", 0, payload);
	}
	take(h, "team.created", test_id(0x7e, 1), "", 0, "{\"name\":\"T\",\"sla_override_id\":\"00000051-0000-8000-8000-000000000003\"}");
	take(h, "team.created", test_id(0x7e, 2), "", 0, "{\"name\":\"U\"}");
}

static void step(struct history *h)
{
	struct random *r = &h->r;
	struct uuid c = pick(h, 0xc0, CONVERSATIONS), m = pick(h, 0xd0, MESSAGES), w = pick(h, 0xee, RESOLUTIONS);
	int64_t second = h->now - (random_below(r, 5) == 0 ? (int64_t)random_below(r, 900) : 0);
	char more[200], payload[400] = "{}";
	struct uuid entity = c;
	const char *type;

	if (second < 0)
		second = 0;
	snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"%s", text_of(c), random_below(r, 8) ? "" : ",\"silent\":true");
#define PAYLOAD(...) snprintf(payload, sizeof(payload), __VA_ARGS__)
	switch (random_below(r, 34)) {
	case 0: case 1: case 2:
		type = "conversation.created";
		PAYLOAD("{\"ai_handled\":%s,\"customer_id\":\"%s\",\"initial_channel\":\"email\",\"sla_tier\":\"%s\"}", ONE_OF(h, "true", "false"),
			text_of(test_id(0xc1, 1)), ONE_OF(h, "standard", "premium", "free"));
		break;
	case 3: case 4: case 5: case 6: case 7: case 8:
		type = "message.received", entity = m;
		PAYLOAD("{\"auto_reply\":%s,\"channel\":\"email\",\"content\":\"x\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}",
			ONE_OF(h, "false", "false", "true"));
		break;
	case 9: case 10: case 11: case 12: case 13:
		type = "message.sent", entity = m;
		PAYLOAD("{\"channel\":\"sms\",\"content\":\"x\",\"direction\":\"%s\",\"sender_type\":\"%s\"}", ONE_OF(h, "outbound", "outbound", "internal"),
			ONE_OF(h, "agent", "agent", "ai", "system"));
		break;
	case 14: case 15:
		type = "message.failed", entity = m;
		PAYLOAD("{\"error_message\":\"no\"}");
		break;
	case 16:
		type = "message.delivered", entity = m;
		PAYLOAD("{\"at\":\"2024-10-04T00:00:00.000000Z\"}");
		break;
	case 17:
		type = "message.retried", entity = m;
		PAYLOAD("{\"attempt\":%u}", 1 + (unsigned)random_below(r, 3));
		break;
	case 18:
		type = "message.sent", entity = m;
		PAYLOAD("{\"attempt\":%u}", 1 + (unsigned)random_below(r, 3));
		break;
	case 19: case 20:
		type = "conversation.resolved";
		PAYLOAD("{\"by\":\"agent\"}");
		break;
	case 21:
		type = "conversation.reopened";
		PAYLOAD("{\"trigger\":\"agent\"}");
		break;
	case 22:
		type = "conversation.severity_changed";
		PAYLOAD("{\"to\":\"%s\"}", ONE_OF(h, "P0", "P1", "P3"));
		break;
	case 23:
		type = "conversation.tier_changed";
		PAYLOAD("{\"to\":\"%s\"}", ONE_OF(h, "standard", "premium", "free"));
		break;
	case 24:
		type = "conversation.team_assigned";
		PAYLOAD("{\"team_id\":\"%s\"}", text_of(pick(h, 0x7e, TEAMS)));
		break;
	case 25:
		type = "conversation.handed_off";
		PAYLOAD("{\"from\":\"ai\",\"reason\":\"policy\"}");
		break;
	case 26:
		if (random_below(r, 6)) {
			type = "conversation.escalated";
			PAYLOAD("{\"reason\":\"x\"}");
		} else if (random_below(r, 2)) {
			type = "conversation.deleted";
			PAYLOAD("{\"reason\":\"x\"}");
		} else {
			type = "conversation.merged_into";
			PAYLOAD("{\"into_id\":\"%s\"}", text_of(pick(h, 0xc0, CONVERSATIONS)));
		}
		break;
	case 27:
		type = "resolution.created", entity = w;
		PAYLOAD("{\"conversation_id\":\"%s\",\"issue_type\":\"technical\",\"owning_team\":\"infra\",\"priority\":\"P1\"}", text_of(c));
		break;
	case 28:
		type = "resolution.status_changed", entity = w;
		PAYLOAD("{\"new_status\":\"%s\",\"previous_status\":\"%s\"}", ONE_OF(h, "awaiting_fix", "resolved", "fix_in_progress"),
			ONE_OF(h, "investigating", "awaiting_fix", "fix_in_progress"));
		break;
	case 29:
		type = ONE_OF(h, "resolution.sla_paused", "resolution.sla_resumed", "resolution.reopened"), entity = w;
		PAYLOAD("{\"reason\":\"x\"}");
		break;
	case 30:
		type = ONE_OF(h, "sla_policy.activated", "sla_policy.deactivated"), entity = pick(h, 0x51, POLICIES);
		break;
	case 31:
		type = "sla_policy.updated", entity = pick(h, 0x51, POLICIES);
		PAYLOAD("{\"business_hours_only\":false,\"first_response_time_minutes\":%u,\"name\":\"M\",\"resolution_time_minutes\":%u,"
			"\"priority_overrides\":{\"P0\":{\"resolution\":1,\"update\":1}},\"tier\":\"%s\"}",
			1 + (unsigned)random_below(r, 9), 1 + (unsigned)random_below(r, 30), ONE_OF(h, "standard", "premium"));
		break;
	case 32:
		type = "sla_policy.reapply", entity = pick(h, 0x51, POLICIES);
		PAYLOAD("{\"conversation_ids\":[\"%s\"],\"resolution_ids\":[\"%s\"]}", text_of(c), text_of(w));
		break;
	default:
		type = "conversation.state_changed";
		PAYLOAD("{\"cause\":\"explicit\",\"new_state\":\"%s\",\"previous_state\":\"%s\"}", ONE_OF(h, "open", "resolved", "awaiting_customer"),
			ONE_OF(h, "open", "resolved", "awaiting_agent", "awaiting_customer"));
		break;
	}
	take(h, type, entity, more, second, payload);
}

/* ---- the watcher ---- */

static void journal(struct history *h, const struct clock *row)
{
	char more[200], payload[300], at[TIME_TEXT], due[TIME_TEXT], resolution[100] = "", event[UUID_TEXT];
	int64_t second = (row->next_at - TIME_DAY * 20000) / TIME_SECOND;

	if (!uuid_is_nil(&row->resolution_id))
		snprintf(resolution, sizeof(resolution), ",\"resolution_id\":\"%s\"", text_of(row->resolution_id));
	snprintf(more, sizeof(more), ",\"causation_id\":\"%s\",\"conversation_id\":\"%s\"%s", uuid_format(&row->started_by, event),
		 text_of(row->conversation_id), resolution);
	time_format(row->next_at, at);
	time_format(row->due_at == TIME_NONE ? row->next_at : row->due_at, due); /* a paused clock that was late has no due time */
	if (row->next_nth < 0) {
		snprintf(payload, sizeof(payload), "{\"breached_at\":\"%s\",\"clock\":\"%s\",\"cycle\":%d,\"due_at\":\"%s\"}", at,
			 values_sla_clock[row->clock], (int)row->cycle, due);
		h->breached++;
	} else {
		snprintf(payload, sizeof(payload), "{\"clock\":\"%s\",\"cycle\":%d,\"due_at\":\"%s\",\"threshold\":%d.%04d}",
			 values_sla_clock[row->clock], (int)row->cycle, due, (int)(row->next_threshold / 10000), (int)(row->next_threshold % 10000));
		for (char *zero = strchr(payload, '}') - 1; *zero == '0' && zero[-1] != '.'; zero--)
			memmove(zero, zero + 1, strlen(zero));
		if (strstr(payload, ".0}"))
			memmove(strstr(payload, ".0}"), "}", 2);
		h->warned++;
	}
	take(h, row->next_nth < 0 ? "sla.breached" : "sla.warning", row->row.id, more, second, payload);
}

static const struct clock *next_clock(struct memory_db *db, size_t *at)
{
	return map_next(&db->rows[memory_db_index(db, &sla_clocks)], at, NULL);
}

/* Journals what time has decided, and finds that it does not have to be told twice. */
static bool watch(struct history *h)
{
	bool fine = true, again = true;

	for (int rounds = 0; again && h->count < MAX_EVENTS - 10; rounds++) {
		const struct clock *row;
		size_t at = 0;

		again = false;
		while (!again && (row = next_clock(&h->db, &at))) {
			struct memory_key key = { tenant, row->row.id };
			const struct clock *after;
			int64_t instant = row->next_at, nth = row->next_nth;

			if (instant == TIME_NONE || instant >= TIME_DAY * 20000 + h->now * TIME_SECOND)
				continue;
			journal(h, row);
			again = true;
			after = map_find(&h->db.rows[memory_db_index(&h->db, &sla_clocks)], &key);
			if (after->next_at != TIME_NONE && after->next_nth == nth && after->next_at <= instant) {
				note("%s of a clock that is %s is asked for again", nth < 0 ? "the breach" : "a warning", sla_states[after->state]);
				fine = false;
				again = false;
			}
			break;
		}
	}
	return fine;
}

/* ---- what must agree ---- */

static bool agrees(const struct clock *row)
{
	bool over = row->state == SLA_FULFILLED || row->state == SLA_CANCELLED;

	if ((row->state == SLA_PAUSED) != (row->paused_at != TIME_NONE) || (row->state == SLA_FULFILLED) != (row->fulfilled_at != TIME_NONE))
		return false;
	if (over != (row->elapsed_seconds != INT_NONE) || (row->next_at == TIME_NONE) != (row->next_nth == INT_NONE))
		return false;
	if (row->state == SLA_FULFILLED && row->breached_at != TIME_NONE && row->fulfilled_at <= row->breached_at)
		return false;
	if (row->silent == 1 && row->next_at != TIME_NONE)
		return false;
	/* Met exactly when no more time passed than was promised; a pause that is told late takes no breach back. */
	if (row->state == SLA_FULFILLED && row->target_version == 1 && row->waived == 0 &&
	    (row->breached_at != TIME_NONE) != (row->elapsed > row->target_seconds * TIME_SECOND) &&
	    (row->run == 1 || row->breached_at == TIME_NONE))
		return false;
	return row->target_seconds > 0 && row->cycle >= 1;
}

static int conversation_faults(struct memory_db *db, const struct conversation *c)
{
	int open[SLA_KINDS] = { 0 }, breaches = 0, faults = 0;
	const struct clock *row;
	size_t at = 0;

	while ((row = next_clock(db, &at))) {
		if (!uuid_equal(&row->conversation_id, &c->row.id) || !uuid_is_nil(&row->resolution_id))
			continue;
		open[row->clock] += clock_is_open(row->state);
		breaches += row->breached_at != TIME_NONE;
		if (row->cycle != c->clock_cycles[row->clock]) {
			faults += clock_is_open(row->state);
			continue;
		}
		faults += conversation_clock(c, (enum sla_kind)row->clock) != row->state;
		if (row->clock == SLA_RESOLUTION)
			faults += c->resolution_due_at != (row->state == SLA_CANCELLED ? TIME_NONE : row->due_at);
		if (row->clock == SLA_FIRST_RESPONSE && row->state == SLA_FULFILLED)
			faults += c->first_response_at != row->fulfilled_at;
		if (row->clock == SLA_RESOLUTION)
			faults += c->state == CONVERSATION_RESOLVED && clock_is_open(row->state);
	}
	for (int kind = 0; kind < SLA_KINDS; kind++)
		faults += open[kind] > 1;
	faults += (c->sla_breached == 1) != (breaches > 0) || c->breached_clocks != breaches;
	return faults;
}

static int faults_of(struct memory_db *db)
{
	const struct conversation *c;
	const struct clock *row;
	int faults = 0;
	size_t at = 0;

	while ((row = next_clock(db, &at)))
		faults += !agrees(row);
	at = 0;
	while ((c = map_next(&db->rows[memory_db_index(db, &conversations)], &at, NULL)))
		faults += conversation_faults(db, c);
	return faults;
}

static void again(struct history *h, struct random *split, size_t half_bytes, struct buffer *out)
{
	struct memory_db db;
	struct state s;

	memory_db_init(&db, fold_group("core"));
	db.jsonb = false;
	state_init(&s, db.group, half_bytes);
	s.zones = zones_source(zones);
	for (int i = 0; i < h->count;) {
		int batch = split ? 1 + (int)random_below(split, 40) : h->count;

		if (batch > h->count - i)
			batch = h->count - i;
		memory_db_fold(&db, &s, h->events + i, batch);
		if (split && random_below(split, 6) == 0)
			state_drop(&s);
		i += batch;
	}
	buffer_reset(out);
	memory_db_print(&db, NULL, true, out);
	buffer_add_byte(out, 0);
	if (db.faults || db.refused)
		note("%d faults, %s", db.faults, db.refusal);
	state_release(&s);
	memory_db_release(&db);
}

static void run(uint64_t seed)
{
	static struct history h;
	struct buffer whole = { 0 }, other = { 0 };
	bool told_once = true;
	int faults = 0;

	memset(&h, 0, sizeof(h));
	random_seed(&h.r, seed);
	arena_init(&h.arena, 1 << 20);
	memory_db_init(&h.db, fold_group("core"));
	state_init(&h.state, h.db.group, 1 << (random_below(&h.r, 20)));
	h.state.zones = zones_source(zones);
	found(&h);
	for (int i = 0; i < EVENTS && h.count < MAX_EVENTS - 10; i++) {
		h.now += (int64_t)random_below(&h.r, 240);
		step(&h);
		if (random_below(&h.r, 3) == 0)
			told_once = watch(&h) && told_once;
		faults += faults_of(&h.db);
		if (faults) {
			note("seed %llu: after event %d, %s", (unsigned long long)seed, h.count, h.events[h.count - 1]->type->name);
			break;
		}
	}
	is_int(faults, 0, "the rows agree with each other after every event");
	ok(told_once, "seed %llu: what was journaled is not asked for again (%d warnings, %d breaches, %d clocks)", (unsigned long long)seed,
	   h.warned, h.breached, memory_db_count(&h.db, "sla_clocks"));
	ok(h.db.faults == 0 && h.db.refused == 0, "nothing that a database would refuse %s", h.db.refusal);
	ok(h.surprises <= 2, "hardly a row that was needed was not foreseen (%d)", h.surprises);
	memory_db_print(&h.db, NULL, true, &whole);
	buffer_add_byte(&whole, 0);
	again(&h, NULL, 1 << 20, &other);
	ok(strcmp(whole.data, other.data) == 0, "seed %llu: the same rows in one batch", (unsigned long long)seed);
	for (int round = 0; round < 2; round++) {
		again(&h, NULL, 1 << 20, &whole);
		again(&h, &h.r, (size_t)1 << (round * 12), &other);
		ok(strcmp(whole.data, other.data) == 0, "seed %llu: the same rows in random batches with restarts", (unsigned long long)seed);
	}
	state_release(&h.state);
	memory_db_release(&h.db);
	buffer_release(&whole);
	buffer_release(&other);
	arena_release(&h.arena);
}

int main(void)
{
	const char *seeds = getenv("SEED");

	catalog_init();
	zones = zones_new();
	tenant = test_id(0xaaaa, 1);
	for (uint64_t seed = seeds ? strtoull(seeds, NULL, 10) : 1; seed <= (seeds ? strtoull(seeds, NULL, 10) : 20); seed++)
		run(seed);
	zones_free(zones);
	note("again with one seed: SEED=n");
	return tap_done();
}
