/*
 * journal - a command journals an event of the system tenant.  VERBATIM_TEST_DB names a database with a log, engines on
 * it or not; VERBATIM_TEST_DB_READER one whose login may read it only, VERBATIM_TEST_DB_EMPTY one without a log.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/random.h"
#include "engine/journal.h"
#include "tap.h"

enum { THREADS = 4, EACH = 5 };

static PGconn *owner;

/* The number that a statement gives, which ends with `value` in quotes. */
static int64_t sql_int(const char *before, const char *value)
{
	char text[300];
	PGresult *r;
	int64_t v;

	snprintf(text, sizeof(text), "%s'%s'", before, value);
	r = PQexec(owner, text);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		note("%s: %s", text, PQerrorMessage(owner));
	v = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;
	PQclear(r);
	return v;
}

/* The sessions that journaling has left behind: a server process outlives its closed connection by a moment. */
static int64_t sessions_left(void)
{
	int64_t start = time_monotonic(), n;

	while ((n = sql_int("SELECT count(*) FROM pg_stat_activity WHERE application_name = ", "verbatim test journal")) != 0 &&
	       time_monotonic() - start < 10 * TIME_SECOND)
		;
	return n;
}

static struct journal_entry entry_of(const char *payload)
{
	struct journal_entry e = { .type = "audit.activity_recorded", .occurred_at = time_wall(), .payload = bytes_text(payload) };
	uint8_t random[10];

	random_system(random, sizeof(random));
	uuid_v7(&e.event_id, time_wall() / 1000, random);
	random_system(random, sizeof(random));
	uuid_v7(&e.entity_id, time_wall() / 1000, random);
	return e;
}

static struct journal_options options_of(const char *conninfo)
{
	return (struct journal_options){ .conninfo = conninfo, .role = "verbatim_engine", .name = "verbatim test journal", .wait_ms = 10000 };
}

static const char looked[] = "{\"action\":\"replay\",\"resource_type\":\"conversation\",\"resource_id\":\"a\"}";

static void test_one(const char *conninfo)
{
	struct journal_options o = options_of(conninfo);
	struct journal_entry e = entry_of(looked), other;
	struct journal_ack ack, again;
	char id[UUID_TEXT];
	struct error error;

	error_clear(&error);
	is_int(journal_append(&o, &e, &ack, &error), 0, "one event is journaled");
	uuid_format(&e.event_id, id);
	is_int(sql_int("SELECT position FROM verbatim.event_log WHERE shard = 0 AND leaf_hash = verbatim.leaf_hash(event_log) AND event_id = ", id),
	       ack.position, "it stands where the answer says, with its leaf");
	ok(!ack.duplicate, "for the first time");
	is_int(journal_append(&o, &e, &again, &error), 0, "the same once more");
	ok(again.duplicate && again.position == ack.position && memcmp(again.leaf, ack.leaf, LEAF_BYTES) == 0, "is the same event");
	is_int(sql_int("SELECT count(*) FROM verbatim.event_log WHERE event_id = ", id), 1, "which stands once");
	other = e;
	other.payload = BYTES("{\"action\":\"export\",\"resource_type\":\"conversation\"}");
	is_int(journal_append(&o, &other, NULL, &error), E_CONFLICT, "its id with another content is a conflict");
	other = entry_of("{\"action\":\"replay\"}");
	is_int(journal_append(&o, &other, NULL, &error), E_INVALID, "what does not fit the catalog is refused");
	is_text(error.field, "payload.resource_type", "with the field");
	is_int(sessions_left(), 0, "no session is left");
}

static void *many(void *data)
{
	struct journal_options o = options_of(data);
	intptr_t failed = 0;

	for (int i = 0; i < EACH; i++) {
		struct journal_entry e = entry_of(looked);
		struct error error;

		failed += journal_append(&o, &e, NULL, &error) != 0;
	}
	return (void *)failed;
}

static void test_together(const char *conninfo)
{
	int64_t before = sql_int("SELECT count(*) FROM verbatim.event_log WHERE event_type = ", "audit.activity_recorded");
	pthread_t threads[THREADS];
	intptr_t failed = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, many, (void *)(uintptr_t)conninfo);
	for (int i = 0; i < THREADS; i++) {
		void *n;

		pthread_join(threads[i], &n);
		failed += (intptr_t)n;
	}
	is_int(failed, 0, "several at a time are all journaled");
	is_int(sql_int("SELECT count(*) FROM verbatim.event_log WHERE event_type = ", "audit.activity_recorded") - before, THREADS * EACH,
	       "each once");
}

static void test_refused(const char *reader, const char *empty)
{
	struct journal_options o = options_of(reader);
	struct journal_entry e = entry_of(looked);
	int64_t start = time_monotonic();
	struct error error;

	is_int(journal_append(&o, &e, NULL, &error), E_NO_ACCESS, "a login that may only read is refused");
	note("%s", error.message);
	o.conninfo = empty;
	is_int(journal_append(&o, &e, NULL, &error), E_UNSUITABLE, "a database without a log is no place");
	ok(time_monotonic() - start < 8 * TIME_SECOND, "both at once, not when the time is up");
	o.conninfo = "host=/nowhere/at/all";
	o.wait_ms = 300;
	is_int(journal_append(&o, &e, NULL, &error), E_TIMEOUT, "a database that is not there is waited for, but not for ever");
	ok(strstr(error.message, "/nowhere/at/all") != NULL, "and the reason is told");
}

/* Somebody holds the shard's fence: the statement waits, and nobody can tell how it ends. */
static void test_held(const char *conninfo)
{
	struct journal_options o = options_of(conninfo);
	struct journal_entry e = entry_of(looked);
	char id[UUID_TEXT];
	struct error error;

	o.wait_ms = 3000;
	PQclear(PQexec(owner, "BEGIN; LOCK TABLE verbatim.log_batch IN SHARE MODE"));
	is_int(journal_append(&o, &e, NULL, &error), E_TIMEOUT, "a shard that is held is waited for as long as was said");
	ok(strstr(error.message, "not known") != NULL, "and the outcome is said to be unknown");
	PQclear(PQexec(owner, "ROLLBACK"));
	o.wait_ms = 10000;
	is_int(journal_append(&o, &e, NULL, &error), 0, "asked again it is journaled");
	uuid_format(&e.event_id, id);
	is_int(sql_int("SELECT count(*) FROM verbatim.event_log WHERE event_id = ", id), 1, "once");
}

int main(void)
{
	const char *conninfo = getenv("VERBATIM_TEST_DB"), *reader = getenv("VERBATIM_TEST_DB_READER"), *empty = getenv("VERBATIM_TEST_DB_EMPTY");

	if (!conninfo || !reader || !empty) {
		printf("1..0 # SKIP VERBATIM_TEST_DB names no database\n");
		return 0;
	}
	owner = PQconnectdb(conninfo);
	catalog_init();
	test_one(conninfo);
	test_together(conninfo);
	test_refused(reader, empty);
	test_held(conninfo);
	PQfinish(owner);
	return tap_done();
}
