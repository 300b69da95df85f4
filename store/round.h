/*
 * round - statements that go out together, in one round trip, on a session of db.h.
 *
 *     round_add, round_add, ... --> round_go --> results[0], results[1], ... --> round_forget
 *
 * By libpq's pipeline mode, in which the session is between round_add and round_go alone.  The statements of a round are one
 * transaction: the first that fails undoes and ends it.  Their texts are constants; what differs goes into `params`, in binary,
 * before each round_add.
 */
#ifndef VERBATIM_STORE_ROUND_H
#define VERBATIM_STORE_ROUND_H

#include "base/error.h"
#include "store/pg_codec.h"

enum { ROUND_MOST = 16 };

struct pg_conn;
struct pg_result;

struct round {
	struct pg_conn *conn;
	struct pg_params params;
	struct pg_result *results[ROUND_MOST];
	int sent;
};

/* One statement more, with the parameters that have been put; rows come in binary. */
void round_add(struct round *r, const char *sql);

/* Sends them and takes all answers; the first error is the round's. */
int round_go(struct round *r, struct error *error) must_check;

/* Frees the results; the next round may begin. */
void round_forget(struct round *r);
void round_release(struct round *r);

#endif
