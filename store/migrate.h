/*
 * migrate - brings a database's log schema to this binary's state, and takes it back.
 *
 * Migrations are schema/log/YYYYMMDD_HHMMSS_name.up.sql and .down.sql, embedded (store/schema.h); the version is
 * the part before the name.  Each runs in one transaction together with its row in verbatim.schema_migrations:
 *
 *     version  text primary key   "20261122_100000"
 *     name     text               "create_event_log"
 *     checksum bytea              SHA-256 of the up text as it was applied
 *     applied_at timestamptz
 *
 * Each of these transactions takes one advisory lock first and then looks again at what is applied, so any number
 * of engines may start at once.  An applied migration whose text has changed since, and one that this binary does
 * not know, are refused: E_MIGRATION.
 *
 * Only the log has migrations; read models are made by readmodel_prepare and rebuilt when they change.
 */
#ifndef VERBATIM_STORE_MIGRATE_H
#define VERBATIM_STORE_MIGRATE_H

#include <stdbool.h>

#include "base/error.h"

struct pg_conn;

enum migration_state { MIGRATION_PENDING, MIGRATION_APPLIED, MIGRATION_CHANGED, MIGRATION_UNKNOWN };

struct migration {
	char version[32];
	char name[96];
	enum migration_state state;
	char applied_at[40]; /* RFC 3339, or "" */
};

struct migrations {
	struct migration *items; /* by version; this binary's and the database's */
	int count;
	int pending;
	int applied;             /* in whatever state */
	char log_id[40];         /* "" when there is no log yet */
	char epoch[16];
	char shards[16];
};

/* What is applied and what is not; needs no more than to read. */
int migrate_status(struct pg_conn *conn, struct migrations *out, struct error *error) must_check;
void migrations_release(struct migrations *m);
const char *migration_state_name(enum migration_state state);

/* 0 when the database is exactly as this binary needs it; E_MIGRATION otherwise, with the remedy. */
int migrate_check(struct pg_conn *conn, struct error *error) must_check;

/* Whether the session may migrate: a superuser, a member of verbatim_owner, or, where that role is still to be made, a login with CREATEROLE. */
int migrate_may(struct pg_conn *conn, bool *may, struct error *error) must_check;

/* Applies what is pending, `done` (may be NULL) hears of each; then makes the read models' tables and views. */
typedef void (*migrate_done_fn)(void *data, const char *version, const char *name);
int migrate_up(struct pg_conn *conn, migrate_done_fn done, void *data, struct error *error) must_check;

/*
 * Takes the newest `steps` back, or with `to` all that are newer than that version ("0": all); `steps` is not looked
 * at then.  `destroy_log` is the log_id of a log that may be lost with its events, or NULL.  E_BUSY while an engine
 * works with the database.
 */
int migrate_down(struct pg_conn *conn, int steps, const char *to, const char *destroy_log, migrate_done_fn done,
		 void *data, struct error *error) must_check;

/*
 * What init and serve need after migrate_up: the log's identity (made with `shards` tenant shards when there is
 * none; 0: 4, or whatever it has) and the leaves of this month and the two after it.
 * E_CONFLICT when the log has another number of shards.
 */
int log_prepare(struct pg_conn *conn, int shards, struct error *error) must_check;

/*
 * Takes the log over after its history was cut: the epoch goes up by one, with who and why and what was lost
 * ([{"shard": 1, "first": 5, "last": 9}, ...]).  The engine that comes next journals it as an event.
 */
int log_adopt(struct pg_conn *conn, const char *who, const char *why, const char *lost_json, int *epoch,
	      struct error *error) must_check;

#endif
