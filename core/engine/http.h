/*
 * http - a small HTTP server on the engine's loop, for whoever watches it: GET and HEAD of a few paths.
 *
 * libmicrohttpd speaks the protocol; its epoll descriptor is watched by the loop, so there is no thread and no lock.
 * Connections, their memory and their time are bounded: a client that says nothing is closed.
 */
#ifndef VERBATIM_ENGINE_HTTP_H
#define VERBATIM_ENGINE_HTTP_H

#include <uv.h>

#include "base/bytes.h"
#include "base/error.h"

struct http;

/* Fills `body` and *type ("text/plain", constant) and returns the HTTP status; on the loop's thread. */
typedef int http_answer_fn(void *data, const char *path, struct buffer *body, const char **type);

/* `address` is HOST:PORT, port 0 takes a free one; what it became is put into `bound` (LISTEN_TEXT).  E_CONFIG. */
int http_open(uv_loop_t *loop, const char *address, http_answer_fn *answer, void *data, struct http **out, char *bound,
	      struct error *error) must_check;

/* Closes the port and its clients; the memory goes when the loop has seen its handles closed.  NULL is nothing. */
void http_close(struct http *h);

#endif
