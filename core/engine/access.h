/*
 * access - who a session is, what its key lets it do, and what the system tenant is told of that.
 *
 *   NEW --hello, key known--> GREETED
 *    |                           ^  |
 *    +--key not known--> ASKING -+  +--key ends--> told so, closed
 *                          |
 *                          +--unknown, the database is away, no answer--> NEW (refused; after a few times closed)
 *
 * While it is asking, nothing else of its stream is looked at.  A session holds its key until it closes, a request until it
 * is answered, so that what is under way is counted where it was taken.
 *
 * Who goes over a rate is refused and told when to come again; if it is its own (the key's, or that of the tenant the key is
 * bound to), its socket is not read until then either: a flood that does not listen costs one request each time.
 *
 * Failed hellos, refused tenants and methods, and reads by an audit scope are tallied (tally.h) and journaled; changes of
 * keys and roles come from the database's outbox and are journaled one by one, under ids that follow from theirs.
 */
#ifndef VERBATIM_ENGINE_ACCESS_H
#define VERBATIM_ENGINE_ACCESS_H

#include "engine/env.h"
#include "engine/keyring.h"
#include "engine/request.h"
#include "engine/tally.h"

struct engine;
struct read_call;
struct session;

struct access {
	struct keyring *ring;
	struct tally tally;
	int asking, held;         /* sessions */
	struct env_timer hold;    /* the next of them to be read again */
	int64_t hold_due;         /* monotonic: when it fires; 0: not at all */
	int64_t refused_logins, throttled;
	struct outbox_row *outbox; /* being journaled */
	int outbox_count, outbox_left;
	int64_t outbox_due;       /* monotonic: some were not taken; then the rest is let go */
	struct buffer outbox_done;
};

void access_start(struct engine *e);
void access_stop(struct engine *e);    /* no more looks; may block for seconds when the database is silent */
void access_release(struct engine *e); /* after the loop has ended */

/* Each second: expiry, what asks for too long, the tallies. */
void access_sweep(struct engine *e);

/* hello's token: greets at once (method_answer_hello), or later, or refuses. */
int access_hello(struct session *s, struct bytes token, uint32_t msgid, bool silent, struct error *error) must_check;

/* The session goes. */
void access_leave(struct session *s);

/* Whether the key's scopes allow the method; E_FORBIDDEN. */
int access_method(struct session *s, const char *method, struct error *error) must_check;

/* The tenant that the session is bound to, or NULL. */
const struct uuid *access_tenant(const struct session *s);
bool access_sees_all(const struct session *s); /* all of status, the system tenant's shard */

/* A decoded request: whether the key may send it, and whether it fits its limits; then it is charged.  E_FORBIDDEN, E_OVERLOADED. */
int access_append(struct session *s, struct request *r, size_t bytes, struct error *error) must_check;
void access_answered(struct request *r);

/* Binds a read to what the key may see, and tallies it.  E_FORBIDDEN. */
int access_read(struct session *s, struct read_call *c, struct error *error) must_check;

/* The shard of a token.  E_FORBIDDEN. */
int access_wait(struct session *s, int16_t shard, struct error *error) must_check;

#endif
