/*
 * store_fixture - a database with a log, sessions that are waited for, and events to put in.
 *
 * VERBATIM_TEST_DB names a database that may be empty: what is missing is made.  Each request is started and the
 * loop run until it is answered; what the engine does asynchronously reads here from top to bottom.
 */
#ifndef VERBATIM_TEST_STORE_FIXTURE_H
#define VERBATIM_TEST_STORE_FIXTURE_H

#include <assert.h>
#include <stdlib.h>

#include "base/random.h"
#include "event/canonical.h"
#include "store/pg.h"
#include "store/readmodel.h"
#include "store/schema.h"
#include "tap.h"

static uv_loop_t loop;
static struct store_factory *factory;
static struct store *store;
static PGconn *owner;
static struct store_connect identity;
static struct arena arena;

static void on_done(struct store_request *request)
{
	*(bool *)request->data = true;
	uv_stop(&loop); /* else a turn that began with timers would wait for the socket */
}

/* Starts `op` on `session` and waits for its answer. */
#define ASK(session, op, r)                                                                              \
	(__extension__({                                                                                 \
		bool done_ = false;                                                                      \
		(r)->request.done = on_done;                                                             \
		(r)->request.data = &done_;                                                              \
		(session)->ops->op((session), (r));                                                      \
		ok(!done_, #op ": done does not run inside the call");                                   \
		while (!done_)                                                                           \
			uv_run(&loop, UV_RUN_DEFAULT);                                                      \
		if ((r)->request.status)                                                                 \
			note("%s: %s: %s", #op, error_name((r)->request.status), (r)->request.error.message); \
		(r)->request.status;                                                                     \
	}))

static void on_closed(void *data)
{
	*(bool *)data = true;
	uv_stop(&loop);
}

static void close_and_wait(struct store *s)
{
	bool closed = false;

	s->ops->close(s, on_closed, &closed);
	while (!closed)
		uv_run(&loop, UV_RUN_DEFAULT);
}

static PGresult *sql(const char *text)
{
	PGresult *r = PQexec(owner, text);

	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		note("%s: %s", text, PQerrorMessage(owner));
	return r;
}

static void sql_run(const char *text)
{
	PQclear(sql(text));
}

static int64_t sql_int(const char *text)
{
	PGresult *r = sql(text);
	int64_t v = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;

	PQclear(r);
	return v;
}

static bool fixture_open(void)
{
	const char *conninfo = getenv("VERBATIM_TEST_DB");

	if (!conninfo) {
		printf("1..0 # SKIP VERBATIM_TEST_DB names no database\n");
		return false;
	}
	owner = PQconnectdb(conninfo);
	if (PQstatus(owner) != CONNECTION_OK) {
		printf("Bail out! %s", PQerrorMessage(owner));
		return false;
	}
	sql_run("SET client_min_messages = warning; SET timezone = 'UTC'");
	if (sql_int("SELECT count(to_regclass('verbatim.log_identity'))") == 0)
		for (const struct schema_file *f = schema_files; f->name; f++)
			if (strncmp(f->name, "log/", 4) == 0 && strstr(f->name, ".up.sql")) {
				sql_run("BEGIN");
				sql_run(f->text);
				sql_run("COMMIT");
			}
	if (sql_int("SELECT count(*) FROM verbatim.log_identity") == 0)
		sql_run("SELECT verbatim.init_log(4::int2)");
	catalog_init();
	arena_init(&arena, 1 << 20);
	uv_loop_init(&loop);
	factory = pg_factory_new(&loop, conninfo, "verbatim_engine", 60000);
	return true;
}

static void fixture_close(void)
{
	pg_factory_free(factory);
	uv_run(&loop, UV_RUN_DEFAULT);
	is_int(uv_loop_close(&loop), 0, "no handle is left on the loop");
	arena_release(&arena);
	PQfinish(owner);
}

static void new_id(struct uuid *u)
{
	uint8_t random[10];

	random_system(random, sizeof(random));
	uuid_v7(u, time_wall() / 1000, random);
}

/* A shard's writer: the tree, the head, and the next batch. */
struct writer {
	int16_t shard;
	struct uuid tenant;
	struct merkle tree;
	int64_t recorded_at;
	struct event **events;
	int count;
	struct merkle_tile *tiles;
	struct buffer scratch;
};

static void writer_open(struct writer *w, int16_t shard)
{
	struct store_head head = { .shard = shard, .arena = &arena };
	struct store_tree tree = { .shard = shard, .arena = &arena };

	memset(w, 0, sizeof(*w));
	w->shard = shard;
	merkle_init(&w->tree);
	do
		new_id(&w->tenant);
	while (event_shard(&w->tenant, identity.shards) != shard);
	ok(ASK(store, head, &head) == 0, "the head of shard %d", shard);
	tree.size = head.position;
	ok(ASK(store, tree, &tree) == 0, "the tree of shard %d", shard);
	merkle_load(&w->tree, tree.size, tree.open);
}

static void writer_release(struct writer *w)
{
	merkle_release(&w->tree);
	buffer_release(&w->scratch);
}

/* Events message.received with a payload of about 300 bytes; `every` tenth has all optional columns. */
static void writer_batch(struct writer *w, int count, int64_t at)
{
	static const char filler[] = "My parcel has not come yet and the courier says that nobody was there, which is not so. "
				     "Could you have a look at where it is now, and tell me when it will be brought again? Thank you.";

	w->events = arena_alloc(&arena, (size_t)count * sizeof(*w->events));
	w->count = count;
	w->tiles = NULL;
	w->recorded_at = at;
	for (int i = 0; i < count; i++) {
		struct event *e = w->events[i] = arena_zalloc(&arena, sizeof(*e));
		char text[512];
		int n = snprintf(text, sizeof(text), "{\"channel\":\"email\",\"content\":\"%s\",\"number\":%d}", filler, i);

		new_id(&e->event_id);
		e->tenant_id = w->tenant;
		new_id(&e->entity_id);
		new_id(&e->conversation_id);
		new_id(&e->customer_id);
		e->type = catalog_find(BYTES("message.received"));
		e->type_name = BYTES("message.received");
		e->entity_type = BYTES("message");
		e->version = 1;
		e->actor_type = ACTOR_CUSTOMER;
		if (i % 10 == 0) {
			e->actor_type = ACTOR_AI;
			e->silent = true;
			new_id(&e->resolution_id);
			new_id(&e->actor_id);
			new_id(&e->correlation_id);
			new_id(&e->causation_id);
			e->actor_ip = i % 20 ? BYTES("10.1.2.0/24") : BYTES("2001:db8::7");
			e->actor_user_agent = BYTES("Mozilla/5.0 (\303\251)");
		}
		e->occurred_at = at - 1234567;
		e->payload = arena_copy(&arena, (struct bytes){ text, (size_t)n });
		e->shard = w->shard;
		e->position = w->tree.size + 1;
		e->recorded_at = at;
		canonical_leaf(e, &identity.log_id, &w->scratch, e->leaf_hash);
		merkle_add(&w->tree, e->leaf_hash, &arena, &w->tiles);
	}
}

static void writer_request(struct writer *w, struct store_append *a)
{
	memset(a, 0, sizeof(*a));
	a->shard = w->shard;
	a->epoch = identity.epoch;
	a->head = w->events[0]->position - 1;
	a->now = time_wall();
	a->recorded_at = w->recorded_at;
	merkle_root(&w->tree, a->root);
	a->look_from = TIME_NONE;
	a->events = w->events;
	a->count = w->count;
	a->tiles = w->tiles;
	a->arena = &arena;
}

#endif
