/* due - the clocks whose time has come, as the store finds them on PostgreSQL: which, in what order, and at what cost. */
#include "store_fixture.h"

static const char *const kinds[] = { "first_response", "update", NULL };

struct clock {
	struct row row;
	struct uuid conversation_id, resolution_id, started_by;
	int16_t clock;
	int64_t cycle, target_version, run, shard, due_at, next_at, next_threshold, next_nth;
	struct uuid policy_id;
	int64_t policy_version;
	int16_t state;
};

static const char *const states[] = { "running", "paused", "fulfilled", NULL };

static const struct column columns[] = {
	COLUMN(clock, conversation_id, UUID), COLUMN(clock, resolution_id, UUID), COLUMN(clock, started_by, UUID),
	COLUMN(clock, clock, ENUM, .sql = "varchar(20)", .values = kinds), COLUMN(clock, cycle, INT4),
	COLUMN(clock, target_version, INT4), COLUMN(clock, run, INT4), COLUMN(clock, shard, INT2), COLUMN(clock, due_at, TIME),
	COLUMN(clock, next_at, TIME), COLUMN(clock, next_threshold, DECIMAL, .sql = "numeric(14,4)", .scale = DUE_THRESHOLD_SCALE),
	COLUMN(clock, next_nth, INT2), COLUMN(clock, policy_id, UUID), COLUMN(clock, policy_version, INT4, .sql = "integer"),
	COLUMN(clock, state, ENUM, .sql = "varchar(20)", .values = states),
};

static const char *const indexes[] = { "(shard, next_at) WHERE next_at IS NOT NULL", "(tenant_id, due_at)", "(tenant_id, conversation_id)", NULL };

static const struct projection clocks = {
	.schema = "cache", .name = "sla_clocks", .version = 1, .indexes = indexes, COLUMNS(clock, columns),
};

static const struct projection *const members[] = { &clocks };
static const struct group group = { .name = "clocks", .projections = members, .count = 1 };
static const struct group *const list[] = { &group };

static struct store_due look(int16_t shard, int64_t now, int64_t from, int limit)
{
	struct store_due d = { .group = &group, .clocks = &clocks, .generation = 1, .shard = shard, .now = now, .from = from,
			       .limit = limit, .arena = &arena };

	is_int(ASK(store, due, &d), 0, "due");
	return d;
}

/* Clock `n` of shard 1: next_at is n seconds after `base`; every third a warning, the last two of a resolution. */
static void put_clocks(int64_t base)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "INSERT INTO generations.cache_sla_clocks_v1_g1 (tenant_id, id, last_position, conversation_id, resolution_id, started_by,"
		 " clock, cycle, target_version, run, shard, due_at, next_at, next_threshold, next_nth)"
		 " SELECT md5('t')::uuid, md5('c' || n)::uuid, n, CASE WHEN n < 9 THEN md5('v' || n)::uuid END,"
		 " CASE WHEN n > 8 THEN md5('r' || n)::uuid END, md5('e' || n)::uuid, 'update', n, n + 1, n + 2, 1, t + interval '1 h', t,"
		 " CASE WHEN n %% 3 = 0 THEN 0.75 END, CASE WHEN n %% 3 = 0 THEN 1 ELSE -1 END"
		 " FROM (SELECT n, timestamptz 'epoch' + (%lld + n * 1000000::int8) * interval '1 us' t FROM generate_series(1, 10) n) n",
		 (long long)base);
	sql_run(text);
}

/* Ids here are MD5 of short texts. */
static void is_id(const struct uuid *got, const char *seed)
{
	char want[128], text[UUID_TEXT];
	PGresult *r;

	snprintf(want, sizeof(want), "SELECT md5('%s')::uuid", seed);
	r = sql(want);
	is_text(uuid_format(got, text), PQgetvalue(r, 0, 0), seed);
	PQclear(r);
}

static void test_rows(int64_t base)
{
	struct store_due d = look(1, base + 5 * TIME_SECOND, TIME_MIN, 100);

	is_int(d.count, 4, "due is what lies before the engine's clock, not what lies at it");
	is_int(d.next, base + 5 * TIME_SECOND, "which is what comes next");
	is_int(d.horizon, base + 5 * TIME_SECOND, "the horizon is the earlier clock");
	ok(d.position == 0 && d.head == 20, "with the checkpoint and the head");
	for (int i = 0; i < d.count; i++)
		ok(d.due[i].next_at == base + (i + 1) * TIME_SECOND && d.due[i].cycle == i + 1, "in order: %d", i + 1);
	is_id(&d.due[0].tenant_id, "t");
	is_id(&d.due[0].id, "c1");
	is_id(&d.due[0].conversation_id, "v1");
	is_id(&d.due[0].started_by, "e1");
	ok(uuid_is_nil(&d.due[0].resolution_id), "no resolution");
	ok(bytes_is(d.due[0].clock, "update") && d.due[0].target_version == 2 && d.due[0].run == 3, "clock, target version, run");
	is_int(d.due[0].due_at, base + TIME_SECOND + TIME_HOUR, "due_at");
	ok(d.due[0].nth == -1 && d.due[0].threshold == INT_NONE, "a breach");
	ok(d.due[2].nth == 1 && d.due[2].threshold == 7500, "a warning at three quarters");

	d = look(1, base + TIME_HOUR, TIME_MIN, 100);
	ok(d.count == 10 && d.next == TIME_NONE, "all of them, and nothing after them");
	ok(uuid_is_nil(&d.due[9].conversation_id) && !uuid_is_nil(&d.due[9].resolution_id), "the last one is a resolution's");
	d = look(1, base + TIME_HOUR, TIME_MIN, 3);
	ok(d.count == 3 && d.due[2].cycle == 3, "no more than asked for, the earliest");
	d = look(1, base + TIME_HOUR, base + 8 * TIME_SECOND, 100);
	ok(d.count == 3 && d.due[0].cycle == 8, "and none before `from`");
	d = look(2, base + TIME_HOUR, TIME_MIN, 100);
	ok(d.count == 0 && d.next == TIME_NONE && d.head == 0, "another shard has its own");
}

/* The engine's clock is ahead of the database's: the database's says what is due. */
static void test_clocks(int64_t base)
{
	char text[256];
	struct store_due d;

	snprintf(text, sizeof(text), "CREATE OR REPLACE FUNCTION verbatim.log_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
				     " AS 'SELECT timestamptz ''epoch'' + %lld * interval ''1 us'''", (long long)(base + 3 * TIME_SECOND));
	sql_run(text);
	d = look(1, base + 7 * TIME_SECOND, TIME_MIN, 100);
	ok(d.count == 2 && d.horizon == base + 3 * TIME_SECOND && d.next == d.horizon, "due must be so by the database's clock, too");
	sql_run("CREATE OR REPLACE FUNCTION verbatim.log_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE"
		" AS 'SELECT clock_timestamp()'");
}

static int64_t tuples(const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "SELECT sum(%s) FROM pg_stat_all_tables WHERE relname = 'cache_sla_clocks_v1_g1'", what);
	return sql_int(text);
}

/* A look at a shard of many clocks reads those it gives, whatever the planner knows of the table. */
static void test_cost(int64_t base)
{
	int64_t before, fetched, scanned, wanted = 0;
	char text[768];
	struct store_due d;

	snprintf(text, sizeof(text),
		 "INSERT INTO generations.cache_sla_clocks_v1_g1 (tenant_id, id, last_position, conversation_id, started_by, clock, cycle,"
		 " target_version, run, shard, due_at, next_at, next_nth) SELECT md5('t')::uuid, md5('m' || n)::uuid, n, md5('v' || n)::uuid,"
		 " md5('e' || n)::uuid, 'update', 1, 1, 1, 3, t, CASE WHEN n %% 2 = 0 THEN t END, -1 FROM (SELECT n, timestamptz 'epoch'"
		 " + (%lld + n * 1000::int8) * interval '1 us' t FROM generate_series(1, 30000) n) n", (long long)base);
	sql_run(text);
	before = tuples("idx_tup_fetch");
	scanned = tuples("seq_tup_read");
	for (int i = 0; i < 10; i++) {
		d = look(3, base + 20 * TIME_SECOND, TIME_MIN, 50);
		wanted += d.count;
	}
	is_int(wanted, 500, "ten looks at 15,000 clocks, of which 10,000 are due, at most 50 at a time");
	for (int i = 0; i < 100 && tuples("idx_tup_fetch") - before < wanted; i++) {
		PQclear(sql("SELECT pg_sleep(0.1)"));
		d = look(4, base, TIME_MIN, 1); /* the session tells what it did when it ends a statement, once a second at most */
	}
	fetched = tuples("idx_tup_fetch") - before;
	ok(fetched >= 500 && fetched <= 600, "read %lld rows by an index", (long long)fetched);
	is_int(tuples("seq_tup_read"), scanned, "and none by scanning the table");
}

/* Whom an ask concerns, gone through a few rows at a time: each open clock of an older version once, and an end to it. */
static void test_names(void)
{
	struct store_names n = { .clocks = &clocks, .generation = 1, .rows = 7, .limit = 3, .arena = &arena };
	struct uuid seen[200] = { { { 0 } } };
	int count = 0, looks = 0;
	PGresult *r;

	sql_run("INSERT INTO generations.cache_sla_clocks_v1_g1 (tenant_id, id, last_position, conversation_id, resolution_id, started_by, clock, cycle,"
		" target_version, run, shard, policy_id, policy_version, state) SELECT md5('n')::uuid, md5('n' || n)::uuid, n, md5('v' || n / 5)::uuid,"
		" CASE WHEN n % 5 = 4 THEN md5('r' || n)::uuid END, md5('e')::uuid, 'update', 1, 1, 1, 3, md5('p' || n % 3)::uuid, 1 + n % 2,"
		" (ARRAY['running', 'paused', 'fulfilled'])[1 + n % 7 % 3] FROM generate_series(0, 149) n");
	r = sql("SELECT md5('n')::uuid, md5('p1')::uuid");
	ok(uuid_parse(PQgetvalue(r, 0, 0), 36, &n.ask.tenant_id) && uuid_parse(PQgetvalue(r, 0, 1), 36, &n.ask.policy_id), "an ask");
	PQclear(r);
	n.ask.policy_version = 2;
	while (!n.complete && looks++ < 100) {
		is_int(ASK(store, names, &n), 0, "names");
		ok(n.count <= n.limit, "no more than asked for");
		for (int i = 0; i < n.count && count < 200; i++)
			seen[count++] = uuid_is_nil(&n.names[i].resolution_id) ? n.names[i].conversation_id : n.names[i].resolution_id;
	}
	sql_run("CREATE TEMP TABLE named (id uuid)");
	for (int i = 0; i < count; i++) {
		char text[120], id[UUID_TEXT];

		snprintf(text, sizeof(text), "INSERT INTO named VALUES ('%s')", uuid_format(&seen[i], id));
		sql_run(text);
	}
#define WANTED "SELECT coalesce(resolution_id, conversation_id) FROM generations.cache_sla_clocks_v1_g1 WHERE tenant_id = md5('n')::uuid" \
	       " AND policy_id = md5('p1')::uuid AND policy_version < 2 AND state <> 'fulfilled'"
	ok(count > 10 && looks > 20 && looks < 100, "%d named in %d looks", count, looks);
	is_int(sql_int("SELECT count(*) FROM ((" WANTED " EXCEPT ALL TABLE named) UNION ALL (TABLE named EXCEPT ALL " WANTED ")) d"), 0,
	       "each open clock of an older version of the policy, once");
}

int main(void)
{
	struct store_checkpoint c = { .group = &group, .shard = 1 };
	struct store_maintain m = { .now = time_wall() };
	int64_t base = time_wall() - 2 * TIME_HOUR;
	struct store_due early = { .group = &group, .clocks = &clocks, .generation = 1, .shard = 1, .now = base, .from = TIME_MIN,
				   .limit = 1, .arena = &arena };
	struct store_append a;
	struct error error;
	struct writer w;

	if (!fixture_open())
		return getenv("VERBATIM_TEST_DB") ? 1 : 0;
	store = factory->open(factory, "verbatim test");
	is_int(ASK(store, connect, &identity), 0, "connect");
	is_int(ASK(store, maintain, &m), 0, "maintain");
	is_int(readmodel_prepare_groups(owner, list, 1, NULL, &error), 0, "the read model");
	writer_open(&w, 1);
	writer_batch(&w, 20, time_wall());
	writer_request(&w, &a);
	is_int(ASK(store, append, &a), 0, "some events");
	is_int(ASK(store, due, &early), E_INTERNAL, "what is due is not known before the checkpoint is");
	is_int(ASK(store, checkpoint, &c), 0, "checkpoint");
	put_clocks(base);
	test_rows(base);
	test_clocks(base);
	test_cost(base);
	test_names();
	writer_release(&w);
	close_and_wait(store);
	fixture_close();
	return tap_done();
}
