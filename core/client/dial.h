/*
 * dial - from an address as people write it to a connected, non-blocking stream socket.
 *
 *     HOST:PORT    127.0.0.1:7411, localhost:7411, [::1]:7411, :7411 (this machine)
 *     unix:PATH    unix:/run/verbatim/socket
 *
 * TCP addresses may begin with tls:// or tls:, which is for the caller to heed (dial_scheme).
 *
 * A host name may stand for several machines; they are tried in the resolver's order within one time limit.
 */
#ifndef VERBATIM_CLIENT_DIAL_H
#define VERBATIM_CLIENT_DIAL_H

#include "base/bytes.h"
#include "base/error.h"

/*
 * Blocks for at most `timeout_ms`.  E_CONFIG when the address is none, E_UNAVAILABLE when nobody answers there,
 * E_INTERRUPTED when a signal came.  The caller closes the descriptor.
 */
int dial(struct bytes address, int timeout_ms, int *fd, struct error *error) must_check;

/* Takes tls:// or tls: off the address, and tells whether it was there. */
bool dial_scheme(struct bytes *address);

/* The host of a TCP address as people wrote it, "localhost" for this machine.  False for a Unix socket, or when it is no address. */
enum { DIAL_HOST_TEXT = 256 };
bool dial_host(struct bytes address, char out[DIAL_HOST_TEXT]) must_check;

/* Only the check: 0, or E_CONFIG with the reason. */
int dial_check(struct bytes address, struct error *error) must_check;

#endif
