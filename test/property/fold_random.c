/*
 * Random histories, seeded: any split into batches, any bound of memory and any interleaving with other tenants
 * gives the same rows; and the counts and states are those of a second, naive fold written here.
 */
#include "fold_support.h"

#include "base/random.h"
#include "rules/lifecycle.h"
#include "tap.h"

enum { CONVERSATIONS = 6, CUSTOMERS = 4, AGENTS = 3, TEAMS = 2, MESSAGES = 40, EVENTS = 400, MAX_EVENTS = 2 * EVENTS + 64 };

/* ---- the history ---- */

static struct uuid pick(struct random *r, unsigned kind, unsigned count)
{
	return test_id(kind, 1 + (unsigned)random_below(r, count));
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
#define ONE_OF(r, ...) one_of((r), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

enum { FOUNDED = CUSTOMERS + AGENTS + CONVERSATIONS };

/* A history begins with everything that may be spoken of later: the kind of event, and its id. */
static int founding(int64_t position, struct uuid *customer, struct uuid *agent, struct uuid *conversation)
{
	if (position <= CUSTOMERS) {
		*customer = test_id(0xc1, (unsigned)position);
		return 0;
	}
	if (position <= CUSTOMERS + AGENTS) {
		*agent = test_id(0xa0, (unsigned)position - CUSTOMERS);
		return 1;
	}
	*conversation = test_id(0xc0, (unsigned)position - CUSTOMERS - AGENTS);
	return 2;
}

/* One event; some name what does not exist (ids one past the end), some repeat, some are late. */
static struct event *next_event(struct random *r, struct arena *arena, struct uuid tenant, int64_t position, int64_t clock)
{
	struct uuid c = pick(r, 0xc0, CONVERSATIONS + 1), k = pick(r, 0xc1, CUSTOMERS + 1), u = pick(r, 0xa0, AGENTS + 1);
	struct uuid m = pick(r, 0xd0, MESSAGES), team = pick(r, 0x7e, TEAMS);
	int64_t second = clock - (random_below(r, 5) == 0 ? (int64_t)random_below(r, 50) : 0);
	char more[256] = "", payload[512] = "{}";
	struct uuid entity = c;
	const char *type;

#define PAYLOAD(...) snprintf(payload, sizeof(payload), __VA_ARGS__)
#define IN_TALK() snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", text_of(c))
	switch (position <= FOUNDED ? founding(position, &k, &u, &c) : (int)random_below(r, 32)) {
	case 0:
		entity = k;
		type = "customer.created";
		PAYLOAD("{\"identities\":[{\"kind\":\"email\",\"value\":\"%u@x.example\"}],\"sla_tier\":\"%s\"}",
			(unsigned)random_below(r, 9), ONE_OF(r, "free", "premium"));
		break;
	case 1:
		entity = u;
		type = "user.created";
		PAYLOAD("{\"email\":\"u@x.example\",\"role\":\"agent\",\"team_id\":\"%s\"}", text_of(team));
		break;
	case 2:
	case 3:
		entity = c;
		type = "conversation.created";
		PAYLOAD("{\"customer_id\":\"%s\",\"initial_channel\":\"%s\",\"tags\":[\"new\"]}", text_of(k), ONE_OF(r, "email", "sms"));
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		type = "message.received", entity = m;
		IN_TALK();
		PAYLOAD("{\"auto_reply\":%s,\"channel\":\"%s\",\"content\":\"in %lld\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}",
			ONE_OF(r, "false", "false", "true"), ONE_OF(r, "email", "sms", "whatsapp"), (long long)position);
		break;
	case 9:
	case 10:
	case 11:
		type = "message.sent", entity = m;
		IN_TALK();
		PAYLOAD("{\"channel\":\"email\",\"content\":\"out\",\"direction\":\"%s\",\"sender_type\":\"%s\"}",
			ONE_OF(r, "outbound", "outbound", "internal"), ONE_OF(r, "agent", "agent", "ai", "system"));
		break;
	case 12:
		type = "message.queued", entity = m;
		IN_TALK();
		PAYLOAD("{\"channel\":\"email\",\"content\":\"q\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
		break;
	case 13:
		type = "message.sent", entity = m;
		IN_TALK();
		break;
	case 14:
		type = "message.failed", entity = m;
		IN_TALK();
		PAYLOAD("{\"error_message\":\"no\"}");
		break;
	case 15:
		type = "message.retried", entity = m;
		IN_TALK();
		PAYLOAD("{\"attempt\":%u}", 1 + (unsigned)random_below(r, 3));
		break;
	case 16:
	case 17:
		type = "conversation.assigned";
		PAYLOAD("{\"agent_id\":\"%s\",\"assigned_by\":\"%s\"}", text_of(u), ONE_OF(r, "manual", "routing_engine", "reopen"));
		break;
	case 18:
		type = "conversation.unassigned";
		PAYLOAD("{\"agent_id\":\"%s\",\"unassignment_reason\":\"r\"}", text_of(u));
		break;
	case 19:
		type = "conversation.transferred";
		if (random_below(r, 2))
			PAYLOAD("{\"to_agent_id\":\"%s\"}", text_of(u));
		else
			PAYLOAD("{\"to_team_id\":\"%s\"}", text_of(team));
		break;
	case 20:
	case 21:
		type = "conversation.resolved";
		PAYLOAD("{\"by\":\"%s\"}", ONE_OF(r, "agent", "agent", "auto_inactivity"));
		break;
	case 22:
		type = "conversation.reopened";
		PAYLOAD("{\"trigger\":\"agent\"}");
		break;
	case 23:
		type = "conversation.escalated";
		PAYLOAD("{\"reason\":\"x\"}");
		break;
	case 24:
		type = "conversation.state_changed";
		PAYLOAD("{\"cause\":\"explicit\",\"new_state\":\"%s\",\"previous_state\":\"%s\"}", ONE_OF(r, "open", "resolved", "awaiting_agent"),
			ONE_OF(r, "open", "resolved", "awaiting_agent"));
		break;
	case 25:
		type = random_below(r, 3) ? "conversation.tagged" : "conversation.merged_into";
		if (strcmp(type, "conversation.tagged") == 0)
			PAYLOAD("{\"tags\":[\"%s\",\"x\"]}", ONE_OF(r, "a", "b", "\\u00e4\\\"q"));
		else
			PAYLOAD("{\"into_id\":\"%s\"}", text_of(pick(r, 0xc0, CONVERSATIONS)));
		break;
	case 26:
		type = "customer.blocked", entity = k;
		break;
	case 27:
		type = "customer.unblocked", entity = k;
		break;
	case 28:
		type = random_below(r, 3) ? "customer.tagged" : "customer.merged_into", entity = k;
		if (strcmp(type, "customer.tagged") == 0)
			PAYLOAD("{\"tags\":[\"t%u\"]}", (unsigned)random_below(r, 5));
		else
			PAYLOAD("{\"into_id\":\"%s\"}", text_of(pick(r, 0xc1, CUSTOMERS)));
		break;
	case 29:
		type = "ai.annotated", entity = test_id(0xaf, (unsigned)position);
		IN_TALK();
		PAYLOAD("{\"intent\":\"unknown\",\"intent_confidence\":0.5,\"message_id\":\"%s\",\"model_version\":\"m\",\"sentiment\":\"neutral\","
			"\"severity\":\"%s\",\"severity_confidence\":1}",
			text_of(m), ONE_OF(r, "P0", "P3"));
		break;
	case 30:
		type = "conversation.split";
		PAYLOAD("{\"into_id\":\"%s\",\"message_ids\":[\"%s\",\"%s\"]}", text_of(pick(r, 0xc0, CONVERSATIONS)), text_of(m),
			text_of(pick(r, 0xd0, MESSAGES)));
		break;
	default:
		type = "conversation.deescalated";
		break;
	}
	return event_make(arena, position, type, tenant, entity, more, second, payload);
}

/* ---- folding it in different ways ---- */

static bool fold_all(const struct event **events, int count, struct random *split, size_t half_bytes, const struct uuid *tenant,
		     bool positions, struct buffer *out, struct memory_db *keep)
{
	struct memory_db own, *db = keep ? keep : &own;
	struct state s;
	bool fine = true;

	memory_db_init(db, fold_group("core"));
	state_init(&s, db->group, half_bytes);
	for (int i = 0; i < count;) {
		int batch = split ? 1 + (int)random_below(split, 30) : count;

		if (batch > count - i)
			batch = count - i;
		fine = memory_db_fold(db, &s, events + i, batch) >= 0 && fine;
		if (split && random_below(split, 8) == 0)
			state_drop(&s); /* a restart */
		i += batch;
	}
	fine = fine && db->faults == 0;
	buffer_reset(out);
	memory_db_print(db, tenant, positions, out);
	buffer_add_byte(out, 0);
	state_release(&s);
	if (!keep)
		memory_db_release(db);
	return fine;
}

/* ---- the naive fold: what the rows themselves say of messages by conversation and load by agent ---- */

static int rows_with(struct memory_db *db, const struct projection *p, const struct uuid *tenant, const char *column,
		     struct uuid id, bool unresolved)
{
	size_t at = 0, offset = projection_column(p, column)->offset;
	struct row *row;
	int count = 0;

	while ((row = map_next(&db->rows[memory_db_index(db, p)], &at, NULL))) {
		int16_t state = -1;

		if (unresolved)
			memcpy(&state, (char *)row + projection_column(p, "state")->offset, sizeof(state));
		count += uuid_equal(&row->tenant_id, tenant) && state != CONVERSATION_RESOLVED &&
			 uuid_equal((struct uuid *)(void *)((char *)row + offset), &id);
	}
	return count;
}

static bool counts_agree(struct memory_db *db, const struct uuid *tenant)
{
	int wrong = 0;

	for (unsigned i = 1; i <= CONVERSATIONS; i++) {
		struct uuid c = test_id(0xc0, i);

		wrong += strtol(memory_db_text(db, "conversations", tenant, &c, "message_count"), NULL, 10) !=
			 rows_with(db, &messages, tenant, "conversation_id", c, false);
	}
	for (unsigned i = 1; i <= AGENTS; i++) {
		struct uuid u = test_id(0xa0, i);

		wrong += strtol(memory_db_text(db, "users", tenant, &u, "current_conversation_count"), NULL, 10) !=
			 rows_with(db, &conversations, tenant, "assigned_agent_id", u, true);
	}
	return wrong == 0;
}

/*
 * The state machine once more, written as plainly as can be, over a history in which everything exists and
 * nothing is late: created, then messages, assignments and resolutions only.
 */
static void states_agree(struct random *r, struct arena *arena)
{
	static const char *const names[] = { "open", "awaiting_customer", "awaiting_agent", "escalated", "resolved", "reopened" };
	struct uuid tenant = test_id(0xaaaa, 9), c = test_id(0xc0, 1), k = test_id(0xc1, 1);
	const struct event *events[MAX_EVENTS];
	const char *state = "open";
	int n = 0, messages_said = 0, wrong = 0;
	struct memory_db db;
	struct state s;
	char payload[256];

	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 4096);
	events[n] = event_make(arena, n + 1, "customer.created", tenant, k, "", 0, "{\"identities\":[]}"), n++;
	snprintf(payload, sizeof(payload), "{\"customer_id\":\"%s\",\"initial_channel\":\"email\"}", text_of(k));
	events[n] = event_make(arena, n + 1, "conversation.created", tenant, c, "", 0, payload), n++;
	memory_db_fold(&db, &s, events, n);
	for (int step = 0; step < 60; step++) {
		char more[100];
		const char *type;
		struct uuid entity = c;

		snprintf(more, sizeof(more), ",\"conversation_id\":\"%s\"", text_of(c));
		switch (random_below(r, 5)) {
		case 0:
		case 1:
			type = "message.received", entity = test_id(0xd0, (unsigned)n);
			snprintf(payload, sizeof(payload), "{\"channel\":\"sms\",\"content\":\"x\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}");
			messages_said++;
			if (strcmp(state, "awaiting_customer") == 0)
				state = names[2];
			else if (strcmp(state, "resolved") == 0)
				state = names[5];
			break;
		case 2:
			type = "message.sent", entity = test_id(0xd0, (unsigned)n);
			snprintf(payload, sizeof(payload), "{\"channel\":\"sms\",\"content\":\"x\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
			messages_said++;
			if (strcmp(state, "open") == 0 || strcmp(state, "awaiting_agent") == 0 || strcmp(state, "reopened") == 0)
				state = names[1];
			break;
		case 3:
			type = "conversation.assigned";
			snprintf(payload, sizeof(payload), "{\"agent_id\":\"%s\",\"assigned_by\":\"manual\"}", text_of(test_id(0xa0, 1)));
			if (strcmp(state, "open") == 0 || strcmp(state, "reopened") == 0)
				state = names[2];
			break;
		default:
			type = "conversation.resolved";
			snprintf(payload, sizeof(payload), "{\"by\":\"agent\"}");
			state = names[4];
			break;
		}
		events[n] = event_make(arena, n + 1, type, tenant, entity, entity.b[3] == 0xd0 ? more : "", n, payload);
		memory_db_fold(&db, &s, events + n, 1);
		n++;
		if (strcmp(memory_db_text(&db, "conversations", &tenant, &c, "state"), state) != 0)
			wrong++;
		if (strtol(memory_db_text(&db, "conversations", &tenant, &c, "message_count"), NULL, 10) != messages_said)
			wrong++;
	}
	ok(wrong == 0, "states and counts are those of a naive fold, step by step");
	state_release(&s);
	memory_db_release(&db);
}

static void run(uint64_t seed)
{
	struct uuid a = test_id(0xaaaa, 1), b = test_id(0xbbbb, 1);
	const struct event *events[MAX_EVENTS], *mixed[MAX_EVENTS];
	struct buffer whole = { 0 }, other = { 0 };
	struct memory_db db;
	struct random r;
	struct arena arena;
	int total = 0, other_tenant = 0;
	bool fine;

	random_seed(&r, seed);
	arena_init(&arena, 1 << 20);
	for (int i = 0; i < EVENTS; i++)
		events[i] = next_event(&r, &arena, a, i + 1, i);
	fine = fold_all(events, EVENTS, NULL, 1 << 20, NULL, true, &whole, &db);
	ok(fine, "seed %llu: it folds in one batch (%zu bytes of rows, %d anomalies)",
	   (unsigned long long)seed, whole.len, memory_db_count(&db, "anomalies"));
	ok(counts_agree(&db, &a), "seed %llu: message and load counts are those of the rows", (unsigned long long)seed);
	memory_db_release(&db);
	for (int round = 0; round < 3; round++) {
		ok(fold_all(events, EVENTS, &r, (size_t)1 << (round * 8), NULL, true, &other, NULL) && strcmp(whole.data, other.data) == 0,
		   "seed %llu: the same rows in random batches with restarts", (unsigned long long)seed);
	}
	/* The same events among another tenant's, whose ids are the same; positions differ, rows do not. */
	fold_all(events, EVENTS, NULL, 1 << 20, &a, false, &whole, NULL);
	for (int i = 0; i < EVENTS; i++) {
		struct event *moved = arena_alloc(&arena, sizeof(*moved));

		while (random_below(&r, 2) && other_tenant < EVENTS) {
			mixed[total] = next_event(&r, &arena, b, total + 1, i);
			total++, other_tenant++;
		}
		*moved = *events[i];
		moved->position = total + 1;
		mixed[total++] = moved;
	}
	ok(fold_all(mixed, total, &r, 1, &a, false, &other, NULL) && strcmp(whole.data, other.data) == 0,
	   "seed %llu: %d events of another tenant between them change nothing", (unsigned long long)seed, other_tenant);
	states_agree(&r, &arena);
	buffer_release(&whole);
	buffer_release(&other);
	arena_release(&arena);
}

int main(void)
{
	const char *seeds = getenv("SEED");

	catalog_init();
	if (seeds) {
		run(strtoull(seeds, NULL, 10));
	} else {
		for (uint64_t seed = 1; seed <= 12; seed++)
			run(seed);
	}
	note("again with one seed: SEED=n");
	return tap_done();
}
