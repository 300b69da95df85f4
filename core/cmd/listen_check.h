/*
 * listen_check - where an engine is told to listen, and whether it could, asked before anything is made for it.
 *
 * A TCP address is bound for a moment and let go of; a Unix socket is dialled, for a dead one may be replaced and a
 * live one must not be.  Somebody may still come in between: listening itself has the last word.
 */
#ifndef VERBATIM_CMD_LISTEN_CHECK_H
#define VERBATIM_CMD_LISTEN_CHECK_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

/*
 * What the engine is told for a word of --listen.  Relative socket paths are made absolute, for engine.json is read from other
 * folders; once there is a certificate, TCP speaks TLS unless it says otherwise.  Beyond this machine nothing goes in the
 * clear unless `insecure`.  E_USAGE, E_CONFIG.
 */
int listen_take(const char *address, bool certificate, bool insecure, struct buffer *out, struct error *error) must_check;

/* E_CONFIG with who is there and what to do, or why it is no address of this machine; `token` ("": none) is for asking who,
 * `option` ("listen") what the addresses were given by. */
int listen_check(const char *option, const char *const *addresses, int count, struct error *error) must_check;

#endif
