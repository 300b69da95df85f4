/*
 * pg_connect - the connection's making, its settings, and what log stands behind it.
 *
 * Three statements in one round: the settings (pg_sql.c), the step down to the engine's role, the log's identity.
 */
#include "store/pg_rows.h"
#include "store/pg_session.h"

enum { SETTINGS_QUERY, ROLE_QUERY, IDENTITY_QUERY };

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	struct store_connect *c = (struct store_connect *)s->request;

	if (query != IDENTITY_QUERY)
		return;
	if (PQntuples(r) != 1) {
		pg_wrong(s, E_UNSUITABLE, "the database holds no log; 'verbatim init' makes one");
		return;
	}
	pg_fixed(r, 0, 0, c->log_id.b, 16);
	c->epoch = (int32_t)pg_int(r, 0, 1);
	c->shards = (int16_t)pg_int(r, 0, 2);
	c->database_now = pg_time(r, 0, 3);
	c->created_at = pg_time(r, 0, 4);
	if (c->arena && !PQgetisnull(r, 0, 5))
		c->adoptions = arena_copy(c->arena, bytes_of(PQgetvalue(r, 0, 5), (size_t)PQgetlength(r, 0, 5)));
	if (c->shards >= SHARDS_MAX)
		pg_wrong(s, E_UNSUITABLE, "the log has %d shards; this engine serves at most %d", c->shards, SHARDS_MAX - 1);
}

static void on_end(struct pg_session *s)
{
	if (s->request->status == 0)
		s->state = PG_IDLE;
	else if (s->conn) {
		if (s->request->status == E_UNSUITABLE)
			error_set(&s->request->error, E_UNSUITABLE, "the database holds no log; 'verbatim init' makes one");
		pg_unwatch(s);
		PQfinish(s->conn);
		s->conn = NULL;
		s->state = PG_DOWN;
		s->request->lost = true;
	}
	pg_finish(s);
}

static void set_up(struct pg_session *s)
{
	s->state = PG_SETTING_UP;
	pg_run(s, PG_SETTINGS);
	pg_param_text(&s->params, s->factory->role ? s->factory->role : "");
	pg_run(s, PG_ROLE);
	pg_run(s, PG_IDENTITY);
	pg_round(s, 0);
}

/* The first line of what libpq has to say. */
static void cannot_connect(struct pg_session *s)
{
	const char *words = PQerrorMessage(s->conn);
	char line[300];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\n"), words);
	pg_lost(s, "cannot connect: %s", line);
}

void pg_connect_more(struct pg_session *s)
{
	PostgresPollingStatusType status;

	/* libpq may close this socket and open another, even under the same number: libuv must not hold it meanwhile. */
	pg_unwatch(s);
	status = PQconnectPoll(s->conn);
	if (status == PGRES_POLLING_FAILED) {
		cannot_connect(s);
	} else if (status == PGRES_POLLING_READING) {
		pg_watch(s, UV_READABLE);
	} else if (status == PGRES_POLLING_WRITING) {
		pg_watch(s, UV_WRITABLE);
	} else if (PQsetnonblocking(s->conn, 1) != 0 || !PQenterPipelineMode(s->conn)) {
		cannot_connect(s);
	} else {
		set_up(s);
	}
}

static void ignore_notice(void *data, const PGresult *r)
{
}

void pg_connect(struct store *store, struct store_connect *r)
{
	struct pg_session *s = pg_of(store);
	/* What stands before dbname gives way to the conninfo; what stands after it does not. */
	const char *const names[] = { "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
				      "tcp_user_timeout", "dbname", "application_name", "client_encoding", NULL };
	const char *const values[] = { "1", "15", "5", "3", "30000", s->factory->conninfo, s->name, "UTF8", NULL };

	pg_unwatch(s);
	if (s->conn)
		PQfinish(s->conn);
	s->conn = NULL;
	s->state = PG_IDLE;
	for (int i = 0; i < PG_STATEMENT_COUNT; i++)
		s->statements[i].ready = false;
	pg_tables_reconnect(s->tables);
	s->awaited_count = s->awaited_at = s->query = 0;
	if (!pg_begin(s, &r->request, on_result, on_end))
		return;
	s->state = PG_CONNECTING;
	s->conn = PQconnectStartParams(names, values, 1);
	if (!s->conn) {
		pg_lost(s, "cannot connect: out of memory");
		return;
	}
	PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
	if (PQstatus(s->conn) == CONNECTION_BAD) {
		cannot_connect(s);
		return;
	}
	pg_arm(s, s->factory->answer_ms);
	pg_watch(s, UV_WRITABLE);
}
