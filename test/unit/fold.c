/* The framework of folds: what is loaded, the two half-spaces, missed rows, tenants, anomalies, values and lists. */
#include "fold/state.h"

#include "fold/plan.h"
#include "fold_support.h"
#include "tap.h"

static struct arena arena;
static int64_t position;

static struct event *make(const char *type, struct uuid tenant, struct uuid entity, const char *more, const char *payload)
{
	position++;
	return event_make(&arena, position, type, tenant, entity, more, position, payload);
}

static const char *conversation_member(struct uuid id)
{
	static char text[2][80];
	static int turn;
	char uuid[UUID_TEXT];

	turn = !turn;
	snprintf(text[turn], sizeof(text[turn]), ",\"conversation_id\":\"%s\"", uuid_format(&id, uuid));
	return text[turn];
}

#define RECEIVED "{\"channel\":\"email\",\"content\":\"hi\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}"
#define CREATED(customer) "{\"customer_id\":\"" customer "\",\"initial_channel\":\"email\"}"
#define CUSTOMER_1 "000000c1-0000-8000-8000-000000000001"
#define TAGS "{\"tags\":[\"a\",\"b\"]}"

static struct uuid tenant_a, tenant_b;

/* A small history of one tenant; ids do not depend on the tenant. */
static int history(struct uuid tenant, const struct event **out)
{
	struct uuid c = test_id(0xc0, 1), k = test_id(0xc1, 1), u = test_id(0xa0, 1);
	int n = 0;

	out[n++] = make("customer.created", tenant, k, "", "{\"identities\":[],\"profile\":{\"name\":\"Ada\"}}");
	out[n++] = make("user.created", tenant, u, "", "{\"email\":\"a@b.example\",\"first_name\":\"A\",\"role\":\"agent\"}");
	out[n++] = make("conversation.created", tenant, c, "", CREATED(CUSTOMER_1));
	out[n++] = make("message.received", tenant, test_id(0xd0, 1), conversation_member(c), RECEIVED);
	out[n++] = make("conversation.assigned", tenant, c, "",
			"{\"agent_id\":\"000000a0-0000-8000-8000-000000000001\",\"assigned_by\":\"manual\"}");
	out[n++] = make("conversation.tagged", tenant, c, "", TAGS);
	out[n++] = make("conversation.resolved", tenant, c, "", "{\"by\":\"agent\"}");
	out[n++] = make("message.received", tenant, test_id(0xd0, 2), conversation_member(c), RECEIVED);
	return n;
}

static void print_fold(const struct event **events, int count, int batch, size_t half_bytes, const struct uuid *tenant,
		       bool positions, struct buffer *out)
{
	struct memory_db db;
	struct state s;

	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, half_bytes);
	for (int i = 0; i < count; i += batch)
		memory_db_fold(&db, &s, events + i, count - i < batch ? count - i : batch);
	buffer_reset(out);
	memory_db_print(&db, tenant, positions, out);
	buffer_add_byte(out, 0);
	state_release(&s);
	memory_db_release(&db);
}

static void half_spaces(void)
{
	const struct event *events[64];
	struct buffer whole = { 0 }, turned = { 0 };
	int n = history(tenant_a, events);

	print_fold(events, n, n, 1 << 20, NULL, true, &whole);
	print_fold(events, n, 1, 1, NULL, true, &turned);
	ok(whole.len > 1000 && strcmp(whole.data, turned.data) == 0,
	   "one event a batch and a bound of one byte give the same rows as one batch");
	buffer_release(&whole);
	buffer_release(&turned);
}

static void memory_is_bounded(void)
{
	enum { N = 3000 };
	const struct event **events = arena_alloc(&arena, sizeof(*events) * (N + 2));
	struct uuid c = test_id(0xc0, 7);
	struct memory_db db;
	struct state s;
	int before, peak = 0;

	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 256 << 10);
	events[0] = make("customer.created", tenant_a, test_id(0xc1, 1), "", "{\"identities\":[]}");
	events[1] = make("conversation.created", tenant_a, c, "", CREATED(CUSTOMER_1));
	for (int i = 0; i < N; i++)
		events[2 + i] = make("message.received", tenant_a, test_id(0xd7, (unsigned)i), conversation_member(c), RECEIVED);
	memory_db_fold(&db, &s, events, 2);
	before = db.found;
	for (int i = 0; i < N; i += 10) {
		int used;

		memory_db_fold(&db, &s, events + 2 + i, 10);
		used = (int)((s.halves[0].arena.used + s.halves[1].arena.used) >> 10);
		peak = used > peak ? used : peak;
	}
	ok(peak < 1024, "memory stays near its bound over many turns (%d KiB)", peak);
	is_int(db.found - before, 0, "a row that every batch touches is never loaded again");
	is_text(memory_db_text(&db, "conversations", &tenant_a, &c, "message_count"), "3000", "all messages are counted");
	is_int(db.faults, 0, "every new row was an INSERT and every old one an UPDATE");
	state_release(&s);
	memory_db_release(&db);
}

static void tenants_are_apart(void)
{
	const struct event *a[64], *b[64], *both[128];
	struct buffer alone = { 0 }, together = { 0 };
	int n = history(tenant_a, a), total = 0;

	history(tenant_b, b);
	for (int i = 0; i < n; i++) {
		both[total++] = b[i];
		both[total++] = a[i];
	}
	print_fold(a, n, n, 1 << 20, &tenant_a, false, &alone);
	print_fold(both, total, 3, 1, &tenant_a, false, &together);
	ok(strcmp(alone.data, together.data) == 0, "another tenant with the same ids changes nothing");
	print_fold(b, n, n, 1 << 20, &tenant_a, false, &alone);
	ok(strcmp(alone.data, "") == 0, "events of one tenant make no rows of another");
	{
		/* b names a's conversation: it exists for a only. */
		const struct event *foreign[] = { a[0], a[2],
						  make("conversation.tagged", tenant_b, test_id(0xc0, 1), "", TAGS) };
		struct memory_db db;
		struct state s;
		struct uuid c = test_id(0xc0, 1);

		memory_db_init(&db, fold_group("core"));
		state_init(&s, db.group, 1 << 20);
		memory_db_fold(&db, &s, foreign, 3);
		is_text(memory_db_text(&db, "conversations", &tenant_a, &c, "tags"), "[]", "a's row stays as it was");
		is_int(memory_db_count(&db, "anomalies"), 1, "b gets an anomaly: it has no such conversation");
		state_release(&s);
		memory_db_release(&db);
	}
	buffer_release(&alone);
	buffer_release(&together);
}

/* A fold may need a row that nothing in the batch names; then the batch is folded again, and nothing is written before. */
static void missed_rows(void)
{
	struct uuid c = test_id(0xc0, 1), k1 = test_id(0xc1, 1), k2 = test_id(0xc1, 2), merge;
	char payload[256], id[UUID_TEXT];
	const struct event *before[4], *unmerge;
	struct memory_db db;
	struct state s;
	struct arena scratch;
	struct error error;
	struct row_keys keys = { 0 };
	bool named = false;

	before[0] = make("customer.created", tenant_a, k1, "", "{\"identities\":[{\"kind\":\"email\",\"value\":\"x@y.example\"}]}");
	before[1] = make("customer.created", tenant_a, k2, "", "{\"identities\":[]}");
	before[2] = make("conversation.created", tenant_a, c, "", CREATED(CUSTOMER_1));
	before[3] = make("customer.merged", tenant_a, k2, "",
			 "{\"from_id\":\"" CUSTOMER_1 "\",\"moved\":{\"conversation_ids\":"
			 "[\"000000c0-0000-8000-8000-000000000001\"],\"identities\":[{\"kind\":\"email\",\"value\":\"x@y.example\"}]}}");
	merge = before[3]->event_id;
	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1 << 20);
	memory_db_fold(&db, &s, before, 4);
	before[0] = make("customer.merged_into", tenant_a, k1, "", "{\"into_id\":\"000000c1-0000-8000-8000-000000000002\"}");
	memory_db_fold(&db, &s, before, 1);
	is_text(memory_db_text(&db, "conversations", &tenant_a, &c, "customer_id"), "000000c1-0000-8000-8000-000000000002",
		"a merge moves the listed conversation");

	/* After a restart only the customers are named by the event; the conversation stands in a hidden list. */
	state_drop(&s);
	snprintf(payload, sizeof(payload), "{\"merge_event_id\":\"%s\"}", uuid_format(&merge, id));
	unmerge = make("customer.unmerged", tenant_a, k1, "", payload);
	arena_init(&scratch, 4096);
	error_clear(&error);
	memory_db_prepare(&db, &s, &unmerge, 1, &scratch);
	is_int(state_fold(&s, unmerge, &error), E_CANCELLED, "a row that was not foreseen cancels the batch");
	is_int(s.missed_count, 1, "and is remembered");
	state_drop(&s);
	ok(s.changed == NULL && s.changed_count == 0, "a dropped state has nothing to write");
	state_wants(&s, &unmerge, 1, &scratch, &keys);
	for (int i = 0; i < keys.count; i++)
		named |= uuid_equal(&keys.keys[i].id, &c);
	ok(named, "the next wants names it");
	arena_release(&scratch);
	is_int(memory_db_fold(&db, &s, &unmerge, 1), 0, "then the batch folds");
	is_text(memory_db_text(&db, "conversations", &tenant_a, &c, "customer_id"), CUSTOMER_1, "the conversation went back");
	is_text(memory_db_text(&db, "customers", &tenant_a, &k2, "identity_graph"),
		"{\"device_fingerprints\":[],\"emails\":[],\"phone_numbers\":[],\"social_ids\":{}}",
		"the survivor gave back what it had gained");
	state_drop(&s);
	is_int(memory_db_fold(&db, &s, (const struct event *[]){ make("customer.merged_into", tenant_a, k1, "",
			"{\"into_id\":\"000000c1-0000-8000-8000-000000000002\"}") }, 1), 0, "merged once more");
	state_release(&s);
	memory_db_release(&db);
}

static void wants(void)
{
	struct uuid c = test_id(0xc0, 1), m = test_id(0xd0, 1);
	const struct event *e = make("message.received", tenant_a, m, conversation_member(c),
				     "{\"channel\":\"email\",\"content\":\"hi\",\"direction\":\"inbound\","
				     "\"parent_message_id\":\"000000d0-0000-8000-8000-000000000009\","
				     "\"sender_id\":\"000000a0-0000-8000-8000-000000000001\",\"sender_type\":\"customer\"}");
	const struct event *twice[] = { e, e };
	const struct event *reading = make("audit.activity_recorded", tenant_a, test_id(1, 1), "",
					   "{\"action\":\"read\",\"resource_type\":\"message\"}");
	struct arena scratch;
	struct row_keys keys = { 0 };
	struct state s;

	arena_init(&scratch, 4096);
	state_init(&s, fold_group("core"), 1 << 20);
	state_wants(&s, twice, 2, &scratch, &keys);
	is_int(keys.count, 4, "a message needs its own row, its conversation's with the facts beside it, and the tenant's, once; not its parent's or its sender's");
	for (int i = 0; i < keys.count; i++)
		state_put(&s, &keys.keys[i], NULL);
	keys.count = 0;
	state_wants(&s, twice, 2, &scratch, &keys);
	is_int(keys.count, 0, "what the database does not have is not asked for again");
	state_wants(&s, &reading, 1, &scratch, &keys);
	is_int(keys.count, 0, "an event that nothing folds needs nothing");
	state_release(&s);
	arena_release(&scratch);
}

/* What was noted of an event while its rows were looked for is for its own fold, whatever the order. */
static void folded_in_another_order(void)
{
	struct uuid c = test_id(0xc0, 1), k = test_id(0xc1, 1);
	const struct event *events[] = {
		make("customer.created", tenant_a, k, "", "{\"identities\":[]}"),
		make("conversation.created", tenant_a, c, "", CREATED(CUSTOMER_1)),
		make("conversation.subject_changed", tenant_a, c, "", "{\"to\":\"one\"}"),
		make("conversation.subject_changed", tenant_a, c, "", "{\"to\":\"two\"}"),
	};
	struct row_keys keys = { 0 };
	struct memory_db db;
	struct state s;
	struct arena scratch;
	int failed = 0;

	arena_init(&scratch, 4096);
	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1 << 20);
	memory_db_fold(&db, &s, events, 2);
	state_wants(&s, events + 2, 2, &scratch, &keys);
	failed += state_fold(&s, events[3], NULL) != 0;
	failed += state_fold(&s, events[2], NULL) != 0;
	failed += state_fold(&s, events[3], NULL) != 0;
	is_int(failed, 0, "events are folded in another order than their rows were looked for");
	memory_db_prepare(&db, &s, NULL, 0, &scratch);
	memory_db_commit(&db, s.changed);
	state_done(&s);
	is_text(memory_db_text(&db, "conversations", &tenant_a, &c, "subject"), "two", "the last one holds");
	state_release(&s);
	memory_db_release(&db);
	arena_release(&scratch);
}

static bool names(const struct row_keys *keys, const struct projection *p, struct uuid id)
{
	for (int i = 0; i < keys->count; i++)
		if (keys->keys[i].projection == p && uuid_equal(&keys->keys[i].id, &id))
			return true;
	return false;
}

/* Rows that came are asked what they lead to; rows that memory let go of are asked for again. */
static void rows_come_and_go(void)
{
	struct uuid c = test_id(0xc0, 1), k = test_id(0xc1, 1), u = test_id(0xa0, 1);
	const struct event *founding[] = {
		make("customer.created", tenant_a, k, "", "{\"identities\":[]}"),
		make("user.created", tenant_a, u, "", "{\"email\":\"a@b.example\",\"role\":\"agent\"}"),
		make("conversation.created", tenant_a, c, "", CREATED(CUSTOMER_1)),
		make("conversation.assigned", tenant_a, c, "", "{\"agent_id\":\"000000a0-0000-8000-8000-000000000001\",\"assigned_by\":\"manual\"}"),
	};
	const struct event *tagged = make("conversation.tagged", tenant_a, c, "", TAGS);
	struct row_keys keys = { 0 };
	struct memory_db db;
	struct state s;
	struct arena scratch;

	arena_init(&scratch, 4096);
	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1);
	memory_db_fold(&db, &s, founding, 4);
	state_drop(&s);
	state_wants(&s, &tagged, 1, &scratch, &keys);
	ok(keys.count == 1 && names(&keys, &conversations, c), "first the conversation is asked for");
	state_put(&s, &keys.keys[0], memory_db_load(&db, &keys.keys[0]));
	keys.count = 0;
	state_wants(&s, &tagged, 1, &scratch, &keys);
	ok(keys.count == 3 && names(&keys, &customers, k) && names(&keys, &users, u) && names(&keys, &assignments, founding[3]->event_id),
	   "then those it leads to");
	state_put(&s, &keys.keys[0], memory_db_load(&db, &keys.keys[0]));
	keys.count = 0;
	state_wants(&s, &tagged, 1, &scratch, &keys);
	is_int(keys.count, 2, "those that did not come are asked for again");
	is_int(memory_db_fold(&db, &s, &tagged, 1), 0, "what is wanted is all that is needed");
	for (unsigned i = 1; i <= 2; i++) {
		const struct event *other = make("team.created", tenant_a, test_id(5, i), "", "{\"name\":\"x\"}");

		memory_db_fold(&db, &s, &other, 1);
	}
	keys.count = 0;
	state_wants(&s, &tagged, 1, &scratch, &keys);
	ok(names(&keys, &conversations, c), "a row that two turns did not touch has gone, and is asked for again");
	state_release(&s);
	memory_db_release(&db);
	arena_release(&scratch);
}

static void anomalies_tell(void)
{
	struct uuid c = test_id(0xc0, 1);
	struct event *unknown = make("conversation.tagged", tenant_a, c, "", TAGS);
	struct event *broken = make("conversation.tagged", tenant_a, c, "", TAGS);
	const struct event *events[] = { make("conversation.tagged", tenant_a, c, "", TAGS), unknown, broken,
					 make("team.created", tenant_a, test_id(5, 5), "", "{\"name\":\"x\"}"),
					 make("team.created", tenant_a, test_id(5, 5), "", "{\"name\":\"y\"}") };
	struct uuid team = test_id(5, 5);
	struct memory_db db;
	struct state s;
	struct buffer out = { 0 };

	unknown->type = NULL;
	unknown->type_name = BYTES("moon.landed");
	broken->payload = BYTES("{\"tags\":7}");
	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1 << 20);
	is_int(memory_db_fold(&db, &s, events, 5), 0, "nothing that does not fit stops the fold");
	is_int(memory_db_count(&db, "anomalies"), 4, "each leaves a row");
	is_int(s.anomalies, 4, "and is counted");
	memory_db_print(&db, NULL, true, &out);
	ok(strstr(buffer_text(&out), "code unknown_conversation"), "unknown_conversation");
	ok(strstr(buffer_text(&out), "code unknown_type"), "unknown_type");
	ok(strstr(buffer_text(&out), "code bad_payload"), "bad_payload");
	ok(strstr(buffer_text(&out), "code exists"), "exists");
	is_text(memory_db_text(&db, "teams", &tenant_a, &team, "name"), "x", "the row stays as it was");
	state_drop(&s);
	state_refuse(&s, events[3], "teams", "row_refused", "the database did not like it");
	memory_db_commit(&db, s.changed);
	state_done(&s);
	is_int(memory_db_count(&db, "anomalies"), 5, "a refused event leaves a row too");
	buffer_release(&out);
	state_release(&s);
	memory_db_release(&db);
}

static void changes(void)
{
	struct uuid u = test_id(0xa0, 1);
	const struct event *events[] = {
		make("user.created", tenant_a, u, "", "{\"email\":\"a@b.example\",\"first_name\":\"A\",\"last_name\":\"B\",\"role\":\"agent\"}"),
		make("user.updated", tenant_a, u, "", "{\"changes\":{\"avatar_url\":{\"to\":\"x\"},\"first_name\":{\"from\":\"A\",\"to\":\"\\u00c4\\n\"}}}"),
	};
	struct memory_db db;
	struct state s;
	struct row *row;
	struct row_key key;
	struct fold f;

	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1 << 20);
	memory_db_fold(&db, &s, events, 2);
	is_text(memory_db_text(&db, "users", &tenant_a, &u, "first_name"), "\xc3\x84\n", "a change is taken, unescaped");
	is_text(memory_db_text(&db, "users", &tenant_a, &u, "full_name"), "\xc3\x84\n B", "what follows from it too");
	is_text(memory_db_text(&db, "users", &tenant_a, &u, "max_concurrent_conversations"), "5", "a default stands");

	/* Values against columns, as `changes` could bring them. */
	key = (struct row_key){ &users, tenant_a, u };
	row = memory_db_load(&db, &key);
	memset(&f, 0, sizeof(f));
	f.state = &s;
	f.arena = &arena;
	{
		static const struct {
			const char *column, *raw;
			bool fits;
		} cases[] = {
			{ "email", "\"new@b.example\"", true }, { "email", "null", false }, { "email", "7", false },
			{ "avatar_url", "null", true }, { "locale", "\"0123456789\"", true }, { "locale", "\"01234567890\"", false },
			{ "locale", "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"", true },
			{ "role", "\"agent\"", true }, { "role", "\"emperor\"", false }, { "team_id", "\"x\"", false },
			{ "max_concurrent_conversations", "2147483647", true }, { "max_concurrent_conversations", "2147483648", false },
			{ "max_concurrent_conversations", "1.5", false }, { "max_concurrent_conversations", "1e3", false },
			{ "is_active", "false", true }, { "is_active", "0", false }, { "skills", "[\"a\"]", true },
			{ "skills", "[1]", false }, { "skills", "{}", false }, { "permissions", "{\"a\":1}", true },
			{ "last_login_at", "\"2026-01-01T00:00:00Z\"", true }, { "last_login_at", "\"yesterday\"", false },
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct column *column = projection_column(&users, cases[i].column);

			ok(column_set(&f, &s.plan->rows[plan_index(s.plan, &users)], (int)(column - users.columns),
				      bytes_text(cases[i].raw), row) == cases[i].fits,
			   "%s %s %s", cases[i].column, cases[i].fits ? "takes" : "does not take", cases[i].raw);
		}
	}
	state_release(&s);
	memory_db_release(&db);
}

static const char *text_of(struct bytes b)
{
	return arena_text(&arena, b);
}

static void lists(void)
{
	struct fold f = { .arena = &arena };
	struct bytes a = { NULL, 0 }, o = { NULL, 0 };

	a = fold_texts_add(&f, a, BYTES("b"));
	a = fold_texts_add(&f, a, BYTES("a"));
	a = fold_texts_add(&f, a, BYTES("b"));
	a = fold_texts_add(&f, a, BYTES("q\"\n"));
	is_text(text_of(a), "[\"b\",\"a\",\"q\\\"\\n\"]", "a list keeps its order and has no doubles");
	a = fold_texts_add_all(&f, a, BYTES("[\"a\",\"c\"]"));
	a = fold_texts_remove(&f, a, BYTES("b"));
	is_text(text_of(a), "[\"a\",\"q\\\"\\n\",\"c\"]", "adding many, removing one");
	ok(fold_texts_has(a, BYTES("c")) && !fold_texts_has(a, BYTES("b")), "has");
	a = fold_texts_remove_all(&f, a, BYTES("[\"a\",\"c\",\"zz\",\"q\\\"\\n\"]"));
	is_text(text_of(a), "[]", "removing all");
	o = fold_object_set(&f, o, BYTES("a"), BYTES("1"));
	o = fold_object_set(&f, o, BYTES("b"), BYTES("{\"x\":[]}"));
	o = fold_object_set(&f, o, BYTES("a"), BYTES("2"));
	is_text(text_of(o), "{\"a\":2,\"b\":{\"x\":[]}}", "members are set and replaced");
	is_text(text_of(fold_object_get(o, BYTES("b"))), "{\"x\":[]}", "and found");
	o = fold_object_set(&f, o, BYTES("a"), (struct bytes){ NULL, 0 });
	is_text(text_of(o), "{\"b\":{\"x\":[]}}", "and removed");
}

/* jsonb prints blanks; a row that was loaded folds on like one that stayed in memory. */
static void loaded_json(void)
{
	struct uuid k = test_id(0xc1, 1);
	const struct event *events[] = { make("customer.created", tenant_a, k, "", "{\"identities\":[]}"),
					 make("customer.updated", tenant_a, k, "", "{\"changes\":{\"name\":{\"to\":\"Ada\"}}}") };
	struct row_key key = { &customers, tenant_a, k };
	const struct column *profile = projection_column(&customers, "profile");
	struct memory_db db;
	struct state s;
	struct row *row;

	memory_db_init(&db, fold_group("core"));
	state_init(&s, db.group, 1 << 20);
	memory_db_fold(&db, &s, events, 1);
	row = memory_db_load(&db, &key);
	*(struct bytes *)(void *)((char *)row + profile->offset) =
		BYTES("{\"name\": null, \"company\": \"a: b, \\\" c\", \"metadata\": {}}");
	state_drop(&s);
	memory_db_fold(&db, &s, events + 1, 1);
	is_text(memory_db_text(&db, "customers", &tenant_a, &k, "profile"),
		"{\"name\":\"Ada\",\"company\":\"a: b, \\\" c\",\"metadata\":{}}", "blanks between values go, those inside stay");
	state_release(&s);
	memory_db_release(&db);
}

int main(void)
{
	arena_init(&arena, 1 << 16);
	catalog_init();
	tenant_a = test_id(0xaaaa, 1);
	tenant_b = test_id(0xbbbb, 1);
	half_spaces();
	memory_is_bounded();
	tenants_are_apart();
	missed_rows();
	wants();
	folded_in_another_order();
	rows_come_and_go();
	anomalies_tell();
	changes();
	lists();
	loaded_json();
	arena_release(&arena);
	return tap_done();
}
