/*
 * tls - the client's end of TLS 1.3 on a socket that dial connected.
 *
 *   client_tls_new --> client_tls_start (handshake) --> client_tls_read, client_tls_write --> client_tls_stop --> start again ...
 *
 * The engine's certificate must be signed by a CA of `ca`, or of the system when there is none, and be for the name or number
 * that was dialled; or, with a pin, it must be that very one, whoever signed it and whatever it is called.
 * One object serves one connection after the other; the CAs are read once.
 */
#ifndef VERBATIM_CLIENT_TLS_H
#define VERBATIM_CLIENT_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { CLIENT_TLS_PIN_BYTES = 32 };

struct client_tls_options {
	bool always;            /* TCP addresses speak TLS even when they do not begin with tls:// */
	const char *ca;         /* PEM file of CAs; NULL: the system's */
	const char *cert, *key; /* PEM files: who we are; NULL: nobody in particular */
	const char *passphrase; /* of the key */
	bool pinned;
	uint8_t pin[CLIENT_TLS_PIN_BYTES]; /* SHA-256 of the one certificate */
};

struct client_tls;

/* Copies the struct, borrows its texts. */
struct client_tls *client_tls_new(const struct client_tls_options *options);
void client_tls_free(struct client_tls *t);

/*
 * The handshake over `fd`, which stays the caller's, with `host` until `deadline` (monotonic).  E_CONFIG: a file is no good, or
 * the engine's certificate is not accepted; E_UNAVAILABLE, E_TIMEOUT, E_INTERRUPTED as of a connection.
 */
int client_tls_start(struct client_tls *t, int fd, const char *host, int64_t deadline, struct error *error) must_check;

/* Says goodbye as far as the socket takes it.  Nothing happens when it was not started. */
void client_tls_stop(struct client_tls *t);
bool client_tls_is_on(const struct client_tls *t);

/*
 * As recv and send, but that what is written gathers here until client_tls_flush, which gives the socket what it takes and tells
 * how much is left: many records go by one call.  A count, 0 at the end (of reading), -1 with errno; EAGAIN when there
 * is nothing or no room.  EPROTO: see client_tls_why.
 */
ssize_t client_tls_read(struct client_tls *t, void *to, size_t size);
ssize_t client_tls_write(struct client_tls *t, const void *from, size_t size);
size_t client_tls_flush(struct client_tls *t);
size_t client_tls_unsent(const struct client_tls *t);

/* The reason of the last EPROTO of this connection, in words; "" when there was none. */
const char *client_tls_why(const struct client_tls *t);

#endif
