/*
 * wire - a client's bytes as its session sees them: what came, what is to go, that it has ended.
 *
 *   client --bytes--> wire --session_read------> session
 *   client <--bytes-- wire <--wire_write-------- session
 *                      |  ----session_written-->    |    only of a write that was WIRE_BUSY
 *                      |  ----session_close----->   |    the client has gone
 *                      +  <---wire_close--------    +    ... session_gone, once, and nothing else any more
 *
 * In life that is a socket of the loop, with TLS or without (wire_uv.h); in simulation a network in memory, which loses,
 * delays and cuts.  A program is linked with one of them, so the seam costs a call and nothing else.
 *
 * The session is told of bytes only between wire_start and wire_stop; what comes meanwhile stays where it is, and so the
 * client is held back in the end.  One write is under way at a time; its bytes are the wire's until it is over.
 */
#ifndef VERBATIM_ENGINE_WIRE_H
#define VERBATIM_ENGINE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct session;
struct wire;

/* Once, before anything else: who is told. */
void wire_bind(struct wire *w, struct session *s);

/* False when there is nothing to read from any more. */
bool wire_start(struct wire *w) must_check;
void wire_stop(struct wire *w);

/* Takes all of `out` and leaves it empty.  `last`: nothing will be written after it. */
enum wire_outcome { WIRE_DONE, WIRE_BUSY, WIRE_LOST };
enum wire_outcome wire_write(struct wire *w, struct buffer *out, bool last) must_check;

/* Tells the client that nothing more comes; what he still sends is read as ever.  False when he has gone. */
bool wire_end(struct wire *w) must_check;

/* Ends at once, whatever is under way.  session_gone follows, not from inside the call. */
void wire_close(struct wire *w);

size_t wire_in(const struct wire *w);   /* bytes held of what came and is no use yet */
size_t wire_out(const struct wire *w);  /* bytes held for the client */
size_t wire_left(const struct wire *w); /* of the write under way, what the client has not taken */

/* Who is at the other end: */
bool wire_is_local(const struct wire *w);             /* the engine's own user, or root, on a Unix socket */
const uint8_t *wire_certificate(const struct wire *w); /* its fingerprint, when it was proved; NULL */
enum { WIRE_PEER = 64 };
const char *wire_peer(const struct wire *w, char out[WIRE_PEER]); /* its address, "127.0.0.1:40312"; "unix socket" */

/* What the session is told; its part of the seam.  `session_share`: at most so many bytes are given at a time, of SESSION_READ_MOST. */
enum { SESSION_READ_MOST = 65536 };
size_t session_share(const struct session *s);
void session_read(struct session *s, const char *data, size_t n); /* n is 0 when bytes came that were the wire's own */
void session_written(struct session *s, bool well);
void session_gone(struct session *s);

#endif
