/*
 * dial - from an address as people write it to a connected, non-blocking stream socket.
 *
 *     HOST:PORT    127.0.0.1:7411, localhost:7411, [::1]:7411, :7411 (this machine)
 *     unix:PATH    unix:/run/verbatim/socket
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

/* Only the check: 0, or E_CONFIG with the reason. */
int dial_check(struct bytes address, struct error *error) must_check;

#endif
