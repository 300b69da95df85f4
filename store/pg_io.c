/*
 * pg_io - the socket, the deadline and the answers of a session.  See pg_session.h.
 *
 * libuv must let go of a socket before libpq closes it, and the handle's memory lives until libuv has said so:
 * hence a handle of its own for each socket, which points back to the session while it is wanted.
 */
#include <assert.h>
#include <stdlib.h>

#include "store/pg_session.h"

struct pg_poll {
	uv_poll_t handle;
	struct pg_session *session;
	int fd;
	int events;
};

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void pg_unwatch(struct pg_session *s)
{
	if (!s->poll)
		return;
	s->poll->session = NULL;
	uv_close((uv_handle_t *)&s->poll->handle, on_poll_closed);
	s->poll = NULL;
}

static void take_error(struct pg_session *s, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *table = PQresultErrorField(r, PG_DIAG_TABLE_NAME);
	int code = E_DATABASE;
	int length;

	state = state ? state : "?????";
	words = words ? words : "no words";
	length = (int)strlen(words);
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "57P0", 4) == 0 || strncmp(state, "53", 2) == 0 ||
	    strncmp(state, "58", 2) == 0 || strcmp(state, "25006") == 0)
		code = E_UNAVAILABLE;
	else if (strcmp(state, "VB001") == 0)
		code = E_FENCED;
	else if (strcmp(state, "VB005") == 0)
		code = E_READ_MODEL;
	else if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || strcmp(state, "55P03") == 0)
		code = E_BUSY;
	else if (strcmp(state, "57014") == 0)
		code = E_TIMEOUT;
	else if (strcmp(state, "42501") == 0)
		code = E_NO_ACCESS;
	else if (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0)
		code = s->state == PG_SETTING_UP ? E_UNSUITABLE : s->of_generation ? E_FENCED : E_DATABASE;
	if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0) {
		s->data_refused = true;
		snprintf(s->refused_table, sizeof(s->refused_table), "%s", table ? table : "");
		/* "invalid input syntax for type inet: "the value"": the value stays out of every diary. */
		if (strncmp(state, "22", 2) == 0)
			length = (int)strcspn(words, ":");
	}
	pg_wrong(s, code, "%.*s (SQLSTATE %s)", length, words, state);
	if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
		pg_lost(s, "%.*s (SQLSTATE %s)", length, words, state);
}

/* The answers that have arrived.  True when the round is over. */
static bool take_answers(struct pg_session *s)
{
	int ends = 0;

	while (s->conn && !PQisBusy(s->conn)) {
		PGresult *r = PQgetResult(s->conn);
		ExecStatusType status = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;
		struct pg_awaited *a = &s->awaited[s->awaited_at];

		if (!r) {
			/* The end of one statement's answers; twice in a row, there is nothing more to come. */
			if (PQstatus(s->conn) == CONNECTION_BAD || ends++) {
				pg_lost(s, "the connection was lost");
				return false;
			}
			continue;
		}
		ends = 0;
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			return true;
		}
		if (status == PGRES_FATAL_ERROR) {
			s->failed = s->query;
			take_error(s, r);
			if (s->conn && PQstatus(s->conn) == CONNECTION_BAD)
				pg_lost(s, "the connection was lost");
		}
		if (s->awaited_at < s->awaited_count) {
			if (a->prepares)
				a->prepares->ready = status == PGRES_COMMAND_OK;
			else if (status == PGRES_TUPLES_OK && s->result && s->request->status == 0)
				s->result(s, s->query, r);
			s->query += !a->prepares;
			s->awaited_at++;
		}
		PQclear(r);
	}
	return false;
}

/* Everything that can have happened on the socket.  The last call in here may end the session. */
static void on_socket(uv_poll_t *handle, int status, int events)
{
	struct pg_poll *poll = handle->data;
	struct pg_session *s = poll->session;
	bool broken;
	int unsent = 0;

	if (!s || s->put_off)
		return;
	if (s->state == PG_CONNECTING) {
		pg_connect_more(s);
		return;
	}
	broken = status < 0 || !PQconsumeInput(s->conn) || (unsent = PQflush(s->conn)) < 0;
	/* The answer, or the server's last words, may have arrived with the end of the connection. */
	if (!s->request || !take_answers(s)) {
		if (broken)
			pg_lost(s, "the connection was lost");
		else if (s->conn)
			pg_watch(s, UV_READABLE | (unsent ? UV_WRITABLE : 0));
		return;
	}
	if (broken)
		pg_unwatch(s); /* the next request will find out */
	uv_timer_stop(&s->timer);
	s->awaited_count = s->awaited_at = 0;
	s->query = 0;
	s->end(s);
}

void pg_watch(struct pg_session *s, int events)
{
	int fd = PQsocket(s->conn);
	struct pg_poll *p = s->poll;

	if (p && p->fd != fd)
		pg_unwatch(s);
	if (!s->poll) {
		p = mem_zalloc(sizeof(*p));
		p->session = s;
		p->fd = fd;
		p->handle.data = p;
		if (uv_poll_init(s->factory->loop, &p->handle, fd) < 0) {
			free(p);
			pg_lost(s, "the connection's socket cannot be watched");
			return;
		}
		s->poll = p;
	}
	if (p->events == events)
		return;
	p->events = events;
	if (events)
		uv_poll_start(&p->handle, events, on_socket);
	else
		uv_poll_stop(&p->handle);
}

/* ---- the deadline, and answers that were put off ---- */

static void on_timer(uv_timer_t *timer)
{
	struct pg_session *s = timer->data;

	if (s->put_off) {
		pg_finish(s);
		return;
	}
	if (!s->request)
		return;
	if (!s->last_look) {
		s->last_look = true;
		uv_timer_start(&s->timer, on_timer, PG_LAST_LOOK_MS, 0);
		return;
	}
	pg_lost(s, "the database has not answered for %g s%s", s->patience_ms / 1000.0,
		s->state == PG_CONNECTING ? ", not even to connect" : "");
}

void pg_arm(struct pg_session *s, int ms)
{
	s->patience_ms = ms;
	s->last_look = false;
	uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
}

static void put_off(struct pg_session *s)
{
	s->put_off = true;
	pg_arm(s, 0);
}

void pg_wrong(struct pg_session *s, int code, const char *format, ...)
{
	va_list args;
	char words[sizeof(s->request->error.message)];

	if (!s->request || s->request->status)
		return;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	s->request->status = error_set(&s->request->error, code, "%s", words);
}

void pg_fail(struct pg_session *s, int code, const char *format, ...)
{
	va_list args;
	char words[sizeof(s->request->error.message)];

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	pg_wrong(s, code, "%s", words);
	put_off(s);
}

void pg_lost(struct pg_session *s, const char *format, ...)
{
	va_list args;
	char words[sizeof(s->request->error.message)];

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	pg_unwatch(s);
	if (s->conn)
		PQfinish(s->conn);
	s->conn = NULL;
	s->state = PG_DOWN;
	if (!s->request)
		return;
	s->request->lost = true;
	/* Whatever was wrong before, the session is gone: that is what the owner must know. */
	if (s->request->status != E_UNSUITABLE && s->request->status != E_UNAVAILABLE)
		s->request->status = error_set(&s->request->error, E_UNAVAILABLE, "%s", words);
	put_off(s);
}

void pg_finish(struct pg_session *s)
{
	struct store_request *request = s->request;
	struct store_append *also = s->also;

	assert(request);
	uv_timer_stop(&s->timer);
	s->put_off = false;
	s->request = NULL;
	if (s->state == PG_BUSY)
		s->state = PG_IDLE;
	s->also = NULL;
	for (struct store_append *next; also; also = next) {
		next = also->also;
		also->request.status = request->status;
		also->request.lost = request->lost;
		also->request.error = request->error;
		also->request.done(&also->request);
	}
	request->done(request);
}

/* ---- sending ---- */

bool pg_begin(struct pg_session *s, struct store_request *request,
	      void (*result)(struct pg_session *s, int query, const PGresult *r), void (*end)(struct pg_session *s))
{
	assert(!s->request && !s->closing);
	s->request = request;
	s->result = result;
	s->end = end;
	s->round = 0;
	s->data_refused = s->of_generation = false;
	request->status = 0;
	request->lost = s->state != PG_IDLE;
	error_clear(&request->error);
	pg_params_reset(&s->params);
	if (s->state != PG_IDLE) {
		pg_fail(s, E_UNAVAILABLE, "not connected to the database");
		return false;
	}
	s->state = PG_BUSY;
	return true;
}

static void await(struct pg_session *s, struct pg_statement *prepares)
{
	if (s->awaited_count == s->awaited_capacity) {
		s->awaited_capacity = s->awaited_capacity ? 2 * s->awaited_capacity : 16;
		s->awaited = mem_realloc(s->awaited, (size_t)s->awaited_capacity * sizeof(*s->awaited));
	}
	s->awaited[s->awaited_count++].prepares = prepares;
}

void pg_query(struct pg_session *s, struct pg_statement *statement)
{
	struct pg_params *p = &s->params;

	if (s->put_off)
		return;
	if (!statement->ready) {
		bool twice = false;

		for (int i = 0; i < s->awaited_count; i++)
			twice = twice || s->awaited[i].prepares == statement;
		if (!twice) {
			await(s, statement);
			if (!PQsendPrepare(s->conn, statement->name, statement->sql, 0, NULL)) {
				pg_lost(s, "the statement cannot be sent");
				return;
			}
		}
	}
	await(s, NULL);
	if (!PQsendQueryPrepared(s->conn, statement->name, p->count, pg_params_values(p), p->lengths, p->formats, 1))
		pg_lost(s, "the statement cannot be sent");
	pg_params_reset(p);
}

void pg_round(struct pg_session *s, int ms)
{
	int unsent;

	if (s->put_off)
		return;
	s->round++;
	s->failed = -1;
	if (!PQpipelineSync(s->conn) || (unsent = PQflush(s->conn)) < 0) {
		pg_lost(s, "the connection was lost");
		return;
	}
	pg_watch(s, UV_READABLE | (unsent ? UV_WRITABLE : 0));
	pg_arm(s, ms ? ms : s->factory->answer_ms);
}
