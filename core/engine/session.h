/*
 * session - one client's connection.
 *
 *   wire --> bytes of the moment --> whole messages --> methods
 *                   |  (a half message is kept)            |
 *                   v                                      v
 *                  in                                     out --> wire
 *
 * What a wire brings (wire.h) is borrowed; only the half message at its end is copied into the session's own `in`, so ten
 * thousand idle connections cost little.  Answers gather in `out` and are written once a turn of the loop.
 *
 * A session stops being read while it has too much in flight (the less of it, the more all others have), while its answers pile up, or while the whole
 * engine is at a bound; it goes on where it stopped, with what stands in `in`.
 *
 * Answers that nobody takes are bounded for all together, too.  Past three quarters of that bound no read() is served,
 * who holds answers is not read, and who would need over a minute for what it holds is closed; at the bound itself,
 * whoever has gone longest without taking a bufferful is.  Who takes its answers is served all the while.
 *
 * Ownership: calls under way know their session by their ticket; when the session goes, they are cut loose and finish
 * without an answer.
 */
#ifndef VERBATIM_ENGINE_SESSION_H
#define VERBATIM_ENGINE_SESSION_H

#include "engine/engine.h"
#include "engine/rpc.h"
#include "engine/wire.h"
#include "event/walk.h"

enum {
	SESSION_OUT_MOST = 256 << 10, /* answers not taken: past it the session is not read, and no read() is served */
	SESSION_CALLS_MOST = 64,      /* read() and wait() calls outstanding */
};

struct session {
	struct engine *engine;
	struct wire *wire;
	struct session *next, *previous;
	struct session *next_dirty;
	struct buffer in;        /* [in_at, len) is not handled yet */
	size_t in_at;
	size_t partial;          /* what it counts for in engine->partial_bytes */
	struct walk walk;
	struct buffer out;
	size_t out_counted;
	size_t unsent;           /* of the write under way, when it was last looked at; 0: it is new */
	int64_t taken_at;        /* since when it has not taken a bufferful; monotonic */
	bool greeted, ended, reading, dirty, write_out, closing, closed_after_write, shutdown;
	size_t inflight;         /* bytes of its requests */
	int calls;               /* reads and waits */
	struct ticket *tickets;  /* of the requests, reads and waits under way */
	int64_t opened_at, active_at; /* monotonic */
	char client[48];

	/* Who it is (access.h). */
	struct api_key *key;     /* held; set once it is greeted */
	struct tenant_quota *key_tenant; /* where it counts as a connection */
	struct key_proof proof;  /* while it is asking */
	uint64_t asking;         /* the look it waits for; 0: none */
	int64_t asked_at;        /* monotonic */
	uint32_t hello_msgid;
	bool hello_silent, give_up;
	int hellos;              /* refused */
	int64_t held_until;      /* monotonic: over its limits, and not read until then; 0: it is not */
};

/* Takes the wire. */
void session_open(struct engine *e, struct wire *w);

/* Ends the connection at once; what is under way goes on without it. */
void session_close(struct session *s);

/* The flush at the end of this turn is to look at it. */
void session_mark(struct session *s);

/* Where answers are appended; marks the session. */
struct buffer *session_out(struct session *s);

/* Bytes of answers that the client has not taken. */
size_t session_unsent(const struct session *s);

/* Answers the call with the error, and counts it by its code. */
void session_error(struct session *s, uint32_t msgid, const struct error *error);

/* Writes what there is and then closes; nothing is read any more. */
void session_finish(struct session *s);

/* Answers and then closes: the stream cannot be trusted any more. */
void session_fail(struct session *s, uint32_t msgid, const struct error *error);

/* Answers and closes as session_fail does, whatever is under way: nothing more is given out. */
void session_end(struct session *s, const struct error *error);

/* Is there little room left for answers? */
bool session_room_is_short(const struct engine *e);

void session_flush_all(struct engine *e);

/* Starts or stops reading as the bounds say, and handles what was left in `in`. */
void session_resume(struct session *s);

/* Each second: hello and idle time-outs. */
void session_sweep(struct engine *e, int64_t now);

/* methods.c: one call; the params are valid during it only. */
void method_call(struct session *s, const struct rpc_call *call);
void method_answer_hello(struct session *s, uint32_t msgid);
void method_answer_append(struct request *r);
void method_answer_read(void *engine, struct read_call *c);
bool method_may_read(void *engine, struct read_call *c);
void method_answer_wait(void *engine, struct wait_call *c);

#endif
