/*
 * db - one blocking session with PostgreSQL, for commands: migrate, init, status and what runs before the loop does.
 *
 * The engine's own work goes through store.h; nothing here is called on its loop.  `struct pg_conn` and
 * `struct pg_result` are libpq's own (PGconn, PGresult), named so that a caller needs no libpq header.
 *
 * Failures: the server's SQLSTATE decides the code (see db.c), the message is its primary text and its hint.
 */
#ifndef VERBATIM_STORE_DB_H
#define VERBATIM_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct pg_conn;
struct pg_result;

/*
 * Opens a session in UTF-8 and UTC, notices silenced, search_path pg_catalog only.  `name` shows in pg_stat_activity.
 * The caller closes it.
 */
int db_open(const char *conninfo, const char *name, struct pg_conn **out, struct error *error) must_check;
void db_close(struct pg_conn *conn);

/* The two halves of that, for who has more to ask in the first round trip: the session as it is made, and what settles it. */
int db_connect(const char *conninfo, const char *name, struct pg_conn **out, struct error *error) must_check;
extern const char db_settings_sql[];

/* From another thread than the one that waits in a call above: cuts the connection, so that the call fails at once. */
void db_break(struct pg_conn *conn);

/* Steps down to `role` for the rest of the session; a login that is no member of it stays itself, as one does for NULL. */
int db_step_down(struct pg_conn *conn, const char *role, struct error *error) must_check;
extern const char db_step_down_sql[]; /* by which that is done; the role is its parameter */

/* Runs one or more statements and forgets their rows. */
int db_exec(struct pg_conn *conn, const char *sql, struct error *error) must_check;

/* One statement with text parameters ($1...); rows as text.  The caller frees them. */
int db_query(struct pg_conn *conn, const char *sql, int count, const char *const *values, struct pg_result **rows,
	     struct error *error) must_check;

/* The same with parameters and rows in binary (pg_codec.h, and pg_session.h's readers of fields); empties `params`. */
struct pg_params;
int db_ask(struct pg_conn *conn, const char *sql, struct pg_params *params, struct pg_result **rows, struct error *error) must_check;

int db_rows(const struct pg_result *rows);
int db_columns(const struct pg_result *rows);
bool db_is_null(const struct pg_result *rows, int row, int column);
const char *db_text(const struct pg_result *rows, int row, int column); /* "" for NULL */
int64_t db_int(const struct pg_result *rows, int row, int column);
bool db_bool(const struct pg_result *rows, int row, int column);
void db_free(struct pg_result *rows);

/* The first column of the first row, or "" when there is none; at most `size` with the NUL. */
int db_value(struct pg_conn *conn, const char *sql, int count, const char *const *values, char *out, size_t size,
	     struct error *error) must_check;

/* What the last failure of a query, or of the session itself, means; fills and returns the code. */
int db_error(struct pg_conn *conn, const struct pg_result *result, struct error *error);

/* The same for a session that did not come about. */
int db_connect_error(struct pg_conn *conn, struct error *error);

/*
 * Puts a connection string into the environment of this process (PGHOST, PGUSER, PGPASSWORD, ...), so that a program
 * started next connects to it without a password on its command line.  What it leaves out stays as it was; what it
 * gives as empty is unset.
 */
int db_export(const char *conninfo, struct error *error) must_check;

/* A connection string for messages: "host=h user=u dbname=d", never a password.  The caller frees it. */
char *db_describe(const char *conninfo);

#endif
