/* db - see db.h. */
#include "store/db.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "store/pg_codec.h"

/* ---- what an SQLSTATE means ---- */

static const struct state {
	const char *prefix; /* the longest that fits wins: put it first */
	int code;
} states[] = {
	{ "VB001", E_FENCED },
	{ "VB002", E_NO_ACCESS },   /* the log is append-only */
	{ "VB003", E_CONFLICT },    /* the log is not what the caller takes it for */
	{ "VB004", E_USAGE },       /* would destroy events: an option says so */
	{ "28", E_NO_ACCESS },      /* authentication, unknown role */
	{ "3D000", E_NOT_FOUND },   /* no such database */
	{ "42501", E_NO_ACCESS },
	{ "42P04", E_EXISTS },      /* duplicate database */
	{ "55P03", E_BUSY },        /* lock not available */
	{ "40P01", E_BUSY },
	{ "40001", E_BUSY },
	{ "57014", E_TIMEOUT },     /* query cancelled */
	{ "57", E_UNAVAILABLE },
	{ "53", E_UNAVAILABLE },    /* out of disk, memory, connections */
	{ "08", E_UNAVAILABLE },
	{ "25006", E_UNAVAILABLE }, /* read-only: a standby */
	{ "58", E_IO },
};

static int code_of(const char *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0)
			return states[i].code;
	return E_DATABASE;
}

/* libpq ends its messages with a line break and may put several lines into one. */
static void one_line(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++) {
		char c = *text == '\n' || *text == '\t' ? ' ' : *text;

		if (c == ' ' && (n == 0 || out[n - 1] == ' '))
			continue;
		out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}

int db_error(struct pg_conn *conn, const struct pg_result *result, struct error *error)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
	char text[360];

	if (state && primary)
		return error_set(error, code_of(state), "%s%s%s (SQLSTATE %s)", primary, hint ? "; " : "", hint ? hint : "",
				 state);
	one_line(PQerrorMessage(conn), text, sizeof(text));
	return error_set(error, PQstatus(conn) == CONNECTION_BAD ? E_UNAVAILABLE : E_DATABASE, "%s",
			 *text ? text : "the connection is lost");
}

/* ---- connecting ---- */

static void drop_notice(void *data, const PGresult *notice)
{
}

/* Before there is a session, libpq has no SQLSTATE; its words must do. */
int db_connect_error(struct pg_conn *conn, struct error *error)
{
	char text[320];
	int code = E_UNAVAILABLE;

	one_line(PQerrorMessage(conn), text, sizeof(text));
	if (strstr(text, "does not exist") && strstr(text, "database \""))
		code = E_NOT_FOUND;
	else if (strstr(text, "authentication failed") || strstr(text, "no password supplied") ||
		 strstr(text, "no pg_hba.conf entry") || (strstr(text, "role \"") && strstr(text, "does not exist")))
		code = E_NO_ACCESS;
	else if (strstr(text, "invalid connection option") || strstr(text, "missing \"=\"") ||
		 strstr(text, "invalid URI") || strstr(text, "invalid port"))
		code = E_CONFIG;
	return error_set(error, code, "cannot connect to the database: %s", *text ? text : "no reason given");
}

const char db_settings_sql[] =
	"SELECT set_config('client_min_messages', 'warning', false), set_config('search_path', 'pg_catalog', false),"
	" set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),"
	" set_config('IntervalStyle', 'postgres', false), set_config('standard_conforming_strings', 'on', false),"
	" set_config('default_transaction_isolation', 'read committed', false)";

int db_connect(const char *conninfo, const char *name, struct pg_conn **out, struct error *error)
{
	/* Later ones win: our wishes, then what the string says, then what must be. */
	const char *const keywords[] = { "connect_timeout", "fallback_application_name", "dbname", "client_encoding", NULL };
	const char *const values[] = { "10", name, conninfo, "UTF8", NULL };
	PGconn *conn = PQconnectdbParams(keywords, values, 1);
	int status;

	*out = NULL;
	if (PQstatus(conn) != CONNECTION_OK) {
		status = db_connect_error(conn, error);
		PQfinish(conn);
		return status;
	}
	PQsetNoticeReceiver(conn, drop_notice, NULL);
	*out = conn;
	return 0;
}

int db_open(const char *conninfo, const char *name, struct pg_conn **out, struct error *error)
{
	int status = db_connect(conninfo, name, out, error);

	if (!status)
		status = db_exec(*out, db_settings_sql, error);
	if (status) {
		db_close(*out);
		*out = NULL;
	}
	return status;
}

/* A name that is no role's is no reason to fail, and view pg_roles takes a new session a millisecond to plan. */
const char db_step_down_sql[] =
	"SELECT set_config('role', $1::text, false)"
	" WHERE pg_has_role(session_user, pg_catalog.to_regrole(pg_catalog.quote_ident($1::text)), 'MEMBER')";

int db_step_down(struct pg_conn *conn, const char *role, struct error *error)
{
	struct pg_result *rows;
	int status;

	if (!role)
		return 0;
	status = db_query(conn, db_step_down_sql, 1, &role, &rows, error);
	if (!status)
		db_free(rows);
	return status;
}

void db_close(struct pg_conn *conn)
{
	if (conn)
		PQfinish(conn);
}

void db_break(struct pg_conn *conn)
{
	shutdown(PQsocket(conn), SHUT_RDWR);
}

/* ---- statements ---- */

int db_exec(struct pg_conn *conn, const char *sql, struct error *error)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType kind = PQresultStatus(result);
	int status = 0;

	if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK && kind != PGRES_EMPTY_QUERY)
		status = db_error(conn, result, error);
	PQclear(result);
	return status;
}

int db_query(struct pg_conn *conn, const char *sql, int count, const char *const *values, struct pg_result **rows,
	     struct error *error)
{
	PGresult *result = PQexecParams(conn, sql, count, NULL, values, NULL, NULL, 0);
	ExecStatusType kind = PQresultStatus(result);

	*rows = NULL;
	if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
		int status = db_error(conn, result, error);

		PQclear(result);
		return status;
	}
	*rows = result;
	return 0;
}

int db_ask(struct pg_conn *conn, const char *sql, struct pg_params *params, struct pg_result **rows, struct error *error)
{
	PGresult *result = PQexecParams(conn, sql, params->count, NULL, pg_params_values(params), params->lengths, params->formats, 1);
	int status = 0;

	pg_params_reset(params);
	*rows = NULL;
	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		*rows = result;
		return 0;
	}
	status = db_error(conn, result, error);
	PQclear(result);
	return status;
}

int db_columns(const struct pg_result *rows)
{
	return PQnfields(rows);
}

int db_rows(const struct pg_result *rows)
{
	return PQntuples(rows);
}

bool db_is_null(const struct pg_result *rows, int row, int column)
{
	return PQgetisnull(rows, row, column) != 0;
}

const char *db_text(const struct pg_result *rows, int row, int column)
{
	return PQgetvalue(rows, row, column);
}

int64_t db_int(const struct pg_result *rows, int row, int column)
{
	return strtoll(PQgetvalue(rows, row, column), NULL, 10);
}

bool db_bool(const struct pg_result *rows, int row, int column)
{
	return PQgetvalue(rows, row, column)[0] == 't';
}

void db_free(struct pg_result *rows)
{
	PQclear(rows);
}

int db_value(struct pg_conn *conn, const char *sql, int count, const char *const *values, char *out, size_t size,
	     struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn, sql, count, values, &rows, error);

	if (status)
		return status;
	snprintf(out, size, "%s", db_rows(rows) > 0 ? db_text(rows, 0, 0) : "");
	db_free(rows);
	return 0;
}

int db_export(const char *conninfo, struct error *error)
{
	char *fault = NULL, text[256];
	PQconninfoOption *options = PQconninfoParse(conninfo, &fault);

	if (!options) {
		one_line(fault ? fault : "", text, sizeof(text));
		PQfreemem(fault);
		return error_set(error, E_CONFIG, "not a connection string: %s", text);
	}
	for (PQconninfoOption *o = options; o->keyword; o++) {
		if (!o->val || !o->envvar)
			continue;
		if (*o->val)
			setenv(o->envvar, o->val, 1);
		else
			unsetenv(o->envvar);
	}
	PQconninfoFree(options);
	return 0;
}

char *db_describe(const char *conninfo)
{
	static const char *const shown[] = { "service", "host", "hostaddr", "port", "dbname", "user" };
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	struct buffer text = { 0 };

	for (PQconninfoOption *o = options; o && o->keyword; o++)
		for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
			if (o->val && *o->val && strcmp(o->keyword, shown[i]) == 0)
				buffer_printf(&text, "%s%s=%s", text.len ? " " : "", o->keyword, o->val);
	PQconninfoFree(options);
	if (text.len == 0)
		buffer_add_text(&text, "the database of the PG* variables");
	return (char *)(uintptr_t)buffer_text(&text); /* taken over by the caller */
}
