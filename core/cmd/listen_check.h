/*
 * listen_check - whether an engine could listen where it is told to, asked before anything is made for it.
 *
 * A TCP address is bound for a moment and let go of; a Unix socket is dialled, for a dead one may be replaced and a
 * live one must not be.  Somebody may still come in between: listening itself has the last word.
 */
#ifndef VERBATIM_CMD_LISTEN_CHECK_H
#define VERBATIM_CMD_LISTEN_CHECK_H

#include "base/error.h"

/* E_CONFIG with who is there and what to do, or why it is no address of this machine; `token` ("": none) is for asking who,
 * `option` ("listen") what the addresses were given by. */
int listen_check(const char *option, const char *const *addresses, int count, struct error *error) must_check;

#endif
