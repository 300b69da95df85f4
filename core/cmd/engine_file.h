/*
 * engine_file - what a running engine writes down for the commands beside it.
 *
 *     DATA/lock          held by the one engine of this folder for as long as it lives
 *     DATA/engine.json   {"pid": 4711, "version": "0.1.0", "started_at": "...", "socket_dir": "/tmp/verbatim-x1y2z3",
 *                         "certificate": "SHA-256 of the certificate that tls addresses show, in hex, or nothing",
 *                         "addresses": ["tcp 127.0.0.1:7411", "tls 0.0.0.0:7412", "unix /run/v.sock"]}
 *
 * With --db there is no DATA: each engine has a file of its own, engine-LOG_ID.PID.json, in a private folder of the user's
 * (XDG_RUNTIME_DIR/verbatim or /tmp/verbatim-UID), and holds a lock on it for as long as it lives.  A file that nobody holds
 * was left by one that was killed: whoever looks for engines takes it away.  No password or connection string is ever in it.
 *
 * A file is written beside its place, locked, and renamed into it: who reads it finds it whole, and held.
 */
#ifndef VERBATIM_CMD_ENGINE_FILE_H
#define VERBATIM_CMD_ENGINE_FILE_H

#include <stdbool.h>

#include "base/error.h"

enum { ENGINE_ADDRESSES_MAX = 16, ENGINES_MAX = 32 };

struct engine_file {
	long pid;
	char version[32];
	char started_at[40];
	char socket_dir[256];
	char certificate[72];
	char addresses[ENGINE_ADDRESSES_MAX][280]; /* "tcp HOST:PORT", "tls HOST:PORT", "unix PATH" */
	int address_count;
	int held;                /* the descriptor with the lock on what was written last; of its writer alone, 0 before */
};

/* Locks DATA for an engine; the descriptor, or E_BUSY naming who has it. */
int engine_lock(const char *data, struct error *error) must_check;

/* Whether an engine holds the lock. */
bool engine_is_locked(const char *data);

/* DATA/engine.json, or this process's file of a log; the caller frees it.  NULL when there is no private folder for it. */
char *engine_file_path(const char *data);
char *engine_file_path_of_log(const char *log_id);

/* Again replaces what was written before.  The lock is held until the process ends or engine_file_remove. */
int engine_file_write(const char *path, struct engine_file *file, struct error *error) must_check;

/* False when there is none, or it is not one. */
bool engine_file_read(const char *path, struct engine_file *file);

/* Removes it if it is this process's. */
void engine_file_remove(const char *path, struct engine_file *file);

/*
 * The engines of a log that live, of this user on this machine: the newest first, at most ENGINES_MAX; allocated.  Takes away
 * the files that engines of any log have left behind.
 */
struct engine_file *engine_file_list(const char *log_id, int *count);

/*
 * The address to connect to, as --to takes it: the first TCP one (a wildcard becomes the loopback), else the first Unix socket,
 * else the first that speaks TLS.
 */
bool engine_file_address(const struct engine_file *file, char *out, size_t size);

/* Fills addresses from what the server says: one a line. */
void engine_file_set_addresses(struct engine_file *file, const char *lines);

#endif
