/*
 * engine_key - the API key that a command brings to an engine, and the one that an engine keeps for its own user.
 *
 *     --api-key-file FILE    or VERBATIM_API_KEY_FILE
 *     VERBATIM_API_KEY       the key itself
 *     DATA/local.key         made by `serve`; taken when the engine was found by --data (or --db) and neither was given
 *
 * A key is never a word of the command line and does not stay in the environment: main() has it taken from there at once, so
 * that neither `ps` nor a program started next shows it.  A local key is not sent to an address that somebody named with
 * --to: that may be anybody's.
 */
#ifndef VERBATIM_CMD_ENGINE_KEY_H
#define VERBATIM_CMD_ENGINE_KEY_H

#include "event/api_key.h"

/* Moves VERBATIM_API_KEY out of the environment; to be called once, before anything is started. */
void engine_key_take(void);

/*
 * The key of `file`, else of the variable, else of `local` where there is such a file (NULL: none); "" when there is none at
 * all.  The caller wipes it.  E_NO_ACCESS: others may read the file; E_NO_INPUT; E_CONFIG: it is no key, or both were given.
 */
int engine_key_find(const char *file, const char *local, char out[API_KEY_TEXT], struct error *error) must_check;

/* What the keys are called that engines keep for their own users; no other key is. */
#define ENGINE_KEY_NAME "local"

struct pg_conn;

/*
 * For an engine's start: the key of its own user, of scope admin, in the file `path` (mode 0600).  It is made
 * when there is none that this database knows.  E_NO_ACCESS: the session's login may not make keys.
 */
int engine_key_keep(struct pg_conn *conn, const char *path, struct error *error) must_check;

/* Where the local key stands that belongs to an engine's file (engine_file.h); the caller frees it. */
char *engine_key_path(const char *engine_file);

#endif
