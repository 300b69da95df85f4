/*
 * pg_session - one connection of libpq on a libuv loop: rounds of prepared statements, and their failures.
 *
 *   DOWN --connect--> CONNECTING --greeted--> SETTING_UP --> IDLE --request--> BUSY --> IDLE
 *    ^                     |                      |            |                 |
 *    +------- lost, timed out, closed by the server -----------+-----------------+
 *
 * A request is one or more rounds.  A round is a pipeline: statements (each prepared on its first use), one
 * sync, one flush; each statement runs in the round's implicit transaction.  Answers come back in order to the
 * request's `result`, and `end` runs when the sync has been answered: it finishes the request or begins the
 * next round.  After an error the rest of a round is skipped by the server; `end` finds the error in the request.
 *
 * `done` is called last of all, from the loop, never inside a call: what fails at once is put off to the next turn.
 *
 * A server that keeps silent for the factory's answer_ms is given up like a lost connection: it hangs, or the
 * network swallows what is sent, and no error would ever come.  A loop that was asleep itself (a stopped process)
 * first looks at what has arrived meanwhile.  PQconnectStart asks the resolver in the calling thread; sockets of a
 * directory and numeric addresses need none.
 */
#ifndef VERBATIM_STORE_PG_SESSION_H
#define VERBATIM_STORE_PG_SESSION_H

#include <libpq-fe.h>
#include <uv.h>

#include "store/pg.h"
#include "store/pg_codec.h"

enum { PG_LAST_LOOK_MS = 50, PG_LONG_MS = 900000 };

struct pg_factory {
	struct store_factory factory;
	uv_loop_t *loop;
	char *conninfo;
	char *role;
	int answer_ms;
	int sessions;
};

/* The statements that never change. */
#define PG_STATEMENTS(X)                                                                                      \
	X(SETTINGS) X(ROLE) X(IDENTITY) X(APPEND) X(APPEND_2) X(APPEND_3) X(APPEND_4) X(APPEND_TOGETHER) X(AWAIT_APPEND) X(HEAD) X(COMPARE) X(LEAVES) \
	X(TILES) X(READ_HEAD) X(READ_MONTH) X(READ)                                                           \
	X(READ_TENANT) X(READ_CONVERSATION) X(READ_LEAVES) X(HEADS) X(GENERATION) X(CHECKPOINT) X(LEASE_TAKE) \
	X(LEASE_GIVE) X(SHOWN) X(GENERATIONS) X(REBUILDS) X(SWITCH) X(SWEEP) X(MAKE_LEAVES) X(OPEN_MONTH) X(PATIENCE) X(CLOSE_MONTH) X(BEGIN) X(ROLLBACK)

#define X(name) PG_##name,
enum pg_statement_id { PG_STATEMENTS(X) PG_STATEMENT_COUNT };
#undef X

extern const char *const pg_statement_sql[PG_STATEMENT_COUNT];

struct pg_statement {
	char name[16];
	const char *sql; /* owned by whoever keeps the statement */
	bool ready;      /* the connection knows it */
};

/* What is awaited, in order: the answer to a PREPARE (then `prepares` is set) or to an execution. */
struct pg_awaited {
	struct pg_statement *prepares;
};

struct pg_tables; /* pg_rows.h: the read models' tables and statements */

struct pg_poll;

struct pg_session {
	struct store store; /* first */
	struct pg_factory *factory;
	char name[64];
	enum { PG_DOWN, PG_CONNECTING, PG_SETTING_UP, PG_IDLE, PG_BUSY } state;
	PGconn *conn;
	struct pg_poll *poll; /* NULL while there is no socket */
	uv_timer_t timer;     /* the request's deadline, or 0: an answer that was put off */
	int patience_ms;      /* how long the answer under way may take */
	bool last_look;       /* the deadline is over; what has arrived is looked at before the session is given up */
	bool put_off;
	bool closing;
	void (*closed)(void *data);
	void *closed_data;

	struct store_request *request;
	struct store_append *also; /* answered together with it */
	void (*result)(struct pg_session *s, int query, const PGresult *r);
	void (*end)(struct pg_session *s);
	struct pg_awaited *awaited;
	int awaited_count, awaited_capacity, awaited_at;
	int query;     /* executions answered in this round */
	int failed;    /* number of the execution that failed in it, or -1 */
	bool data_refused; /* the error was about the data (classes 22 and 23) */
	bool of_generation; /* the request is about tables that go when others take their place */
	char refused_table[64]; /* the table the server named with it, or "" */
	int round;     /* for requests of several rounds: theirs to count */
	int64_t after, upto, mark; /* theirs to use: what the round under way looks at */

	struct pg_statement statements[PG_STATEMENT_COUNT];
	struct pg_params params;
	struct pg_tables *tables;
};

static inline struct pg_session *pg_of(struct store *s)
{
	return (struct pg_session *)s;
}

/* Takes the request.  False when the session is down: the request is answered later, and the caller returns. */
bool pg_begin(struct pg_session *s, struct store_request *request,
	      void (*result)(struct pg_session *s, int query, const PGresult *r), void (*end)(struct pg_session *s));

/* Adds one execution with s->params to the round, and empties s->params. */
void pg_query(struct pg_session *s, struct pg_statement *statement);

static inline void pg_run(struct pg_session *s, enum pg_statement_id id)
{
	pg_query(s, &s->statements[id]);
}

/* Sends the round.  `ms`: how long its answer may take, 0: the factory's answer_ms. */
void pg_round(struct pg_session *s, int ms);

/* Ends the request from `end`: done runs.  The session may be gone afterwards. */
void pg_finish(struct pg_session *s);

/* Ends the request from inside a call: done runs on the next turn of the loop. */
void pg_fail(struct pg_session *s, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Notes the request's error in `result` or `end` (the first one stays). */
void pg_wrong(struct pg_session *s, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Gives the connection up; the request under way, if any, is answered E_UNAVAILABLE on the next turn. */
void pg_lost(struct pg_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* pg_connect.c */
void pg_connect(struct store *store, struct store_connect *r);
void pg_connect_more(struct pg_session *s);
void pg_connect_done(struct pg_session *s);

/* pg_io.c */
void pg_watch(struct pg_session *s, int events); /* of the connection's socket; makes the handle when there is none */
void pg_unwatch(struct pg_session *s);
void pg_arm(struct pg_session *s, int ms);

/* The requests, a file each. */
void pg_append(struct store *store, struct store_append *r);
void pg_head(struct store *store, struct store_head *r);
void pg_tree(struct store *store, struct store_tree *r);
void pg_read(struct store *store, struct store_read *r);
void pg_heads(struct store *store, struct store_heads *r);
void pg_checkpoint(struct store *store, struct store_checkpoint *r);
void pg_load(struct store *store, struct store_load *r);
void pg_project(struct store *store, struct store_project *r);
void pg_due(struct store *store, struct store_due *r);
void pg_names(struct store *store, struct store_names *r);
void pg_lease(struct store *store, struct store_lease *r);
void pg_maintain(struct store *store, struct store_maintain *r);
void pg_generations(struct store *store, struct store_generations *r);
void pg_switch(struct store *store, struct store_switch *r);

/* pg_generation.c: three parameters that name this binary's versions of a group's read models (NULL: of none). */
void pg_param_versions(struct pg_params *params, const struct group *group);

/* Result fields. */
static inline int64_t pg_int(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? INT64_MIN
					   : pg_get_int(PQgetvalue(r, row, column), PQgetlength(r, row, column));
}

static inline int64_t pg_time(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? TIME_NONE : pg_get_time(PQgetvalue(r, row, column));
}

static inline bool pg_bool(const PGresult *r, int row, int column)
{
	return !PQgetisnull(r, row, column) && *PQgetvalue(r, row, column) == 1;
}

static inline struct bytes pg_bytes(const PGresult *r, int row, int column)
{
	if (PQgetisnull(r, row, column))
		return (struct bytes){ NULL, 0 };
	return (struct bytes){ PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column) };
}

/* Copies a field of exactly `len` bytes; zeroes when it is NULL or of another length. */
static inline void pg_fixed(const PGresult *r, int row, int column, void *out, size_t len)
{
	if (PQgetlength(r, row, column) == (int)len)
		memcpy(out, PQgetvalue(r, row, column), len);
	else
		memset(out, 0, len);
}

#endif
