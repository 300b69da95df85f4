/*
 * target - which engine and which database a command is about: --data DIR (the embedded cluster below it) or
 * --db CONNINFO, and how to reach them.
 *
 * A client command asks for the engine (target_engine) and gets the address it listens on.  An SQL command asks for
 * the database (target_database) and gets a libpq string; when no engine runs on DIR, the cluster is started for the
 * time and stopped by target_release.
 *
 * The engine writes down where it listens: DIR/engine.json, or with --db a file named by the log's id in a private
 * folder of the user's.  Its lock, on DIR/lock or on that file, tells that it is alive.  Any number of engines may run on
 * one database: the one that was started last is taken, and the others are named where that matters.
 */
#ifndef VERBATIM_CMD_TARGET_H
#define VERBATIM_CMD_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/option.h"
#include "cmd/secrets.h"

struct cluster;

struct target_options {
	const char *data;
	const char *db;
};

/* The two rows for a command's table; `type` is its options struct, `member` its struct target_options. */
#define TARGET_OPTIONS(type, member)                                                                              \
	{ .name = "data", .kind = OPTION_TEXT, .offset = offsetof(type, member.data), .argument = "DIR",          \
	  .fallback = "var", .filled = true, .excludes = "db", .group = "Database",                               \
	  .help = "folder of the engine and its own PostgreSQL" },                                                \
	{ .name = "db", .kind = OPTION_TEXT, .offset = offsetof(type, member.db), .argument = "CONNINFO",         \
	  .excludes = "data", .group = "Database", .hide = secrets_hide_password,                                 \
	  .help = "use this PostgreSQL instead: a libpq connection string or URI; PG* variables count" }

struct target {
	char *name;      /* for messages: "'var'", "the database" */
	char *conninfo;  /* of the database; NULL after target_engine unless it was at hand */
	char *address;   /* where the engine listens, "HOST:PORT", "tls://HOST:PORT" or "unix:PATH"; NULL when none runs */
	char *key_file;  /* of the API key that it keeps for its own user; there only if it made one; NULL when none runs */
	bool pinned;     /* `pin` is the SHA-256 of its certificate */
	uint8_t pin[32];
	long engine_pid; /* 0 when none runs */
	char *others;    /* more engines of this database, "pid 4711 at 127.0.0.1:7411, pid ..."; NULL: none */
	struct cluster *cluster; /* started for the time, or NULL */
};

/* The running engine: address and engine_pid are set.  E_NOT_READY says how to start one. */
int target_engine(const struct target_options *options, struct target *target, struct error *error) must_check;

/*
 * The database: conninfo is set, and address and engine_pid too when an engine runs.  Starts the cluster of --data
 * when need be (never makes a new one unless `create`).
 */
int target_database(const struct target_options *options, bool create, struct target *target,
		    struct error *error) must_check;

/* After target_database with --db: address and engine_pid of an engine of this user on this machine, if there is one. */
void target_look_for_engine(const struct target_options *options, struct target *target);

/* Stops what was started for the time. */
void target_release(struct target *target);

#endif
