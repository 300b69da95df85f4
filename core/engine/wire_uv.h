/*
 * wire_uv - wires of libuv: TCP with TLS (tls.h) or without, and Unix sockets.
 */
#ifndef VERBATIM_ENGINE_WIRE_UV_H
#define VERBATIM_ENGINE_WIRE_UV_H

#include <uv.h>

#include "engine/tls.h"
#include "engine/wire.h"

/* Who waits at the listener, or NULL when he has gone.  `tls`: the listener speaks TLS, by this context; NULL: it does not. */
struct wire *wire_accept(uv_stream_t *listener, struct tls_context *tls);

#endif
