/*
 * pg - the store on PostgreSQL: sessions of libpq on a libuv loop (see store.h for what they answer).
 *
 * A factory belongs to the thread of its loop, and so do its sessions.  It outlives them.
 */
#ifndef VERBATIM_STORE_PG_H
#define VERBATIM_STORE_PG_H

#include <uv.h>

#include "store/store.h"

/*
 * Copies both texts.  `conninfo` is any libpq connection string or URI; PG* variables fill in what it leaves
 * out.  `role` is what every session steps down to ("verbatim_engine"); NULL: stay the login.  A login that is
 * no member of the role stays itself.  A server that keeps silent for `answer_ms` is given up like a lost
 * connection.  Never fails; a wrong conninfo shows when a session connects.
 */
struct store_factory *pg_factory_new(uv_loop_t *loop, const char *conninfo, const char *role, int answer_ms);

/* All its sessions must have been closed, and their `closed` have run. */
void pg_factory_free(struct store_factory *f);

#endif
