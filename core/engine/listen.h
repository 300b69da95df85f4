/*
 * listen - addresses, and the engine's sockets that take clients.
 */
#ifndef VERBATIM_ENGINE_LISTEN_H
#define VERBATIM_ENGINE_LISTEN_H

#include <uv.h>

#include "base/error.h"

struct engine;

/*
 * HOST:PORT to an address that can be bound; names are looked up, which may block.  `option` names the option in
 * words ("--listen").  E_CONFIG.
 */
int listen_resolve(uv_loop_t *loop, const char *option, const char *address, struct sockaddr_storage *out,
		   struct error *error) must_check;

/* "127.0.0.1:7411", "[::1]:7411". */
enum { LISTEN_TEXT = 64 };
const char *listen_format(const struct sockaddr_storage *address, char out[LISTEN_TEXT]);

/* Opens all of the engine's --listen addresses and writes down what they became.  E_CONFIG. */
int listen_all(struct engine *e, struct error *error) must_check;

#endif
