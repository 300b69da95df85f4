/*
 * tls - TLS 1.3 between a client's socket and its session, with no socket of its own.
 *
 *   socket --ciphertext--> tls_read ---> what was sent, as a plain socket would have brought it
 *   socket <--ciphertext-- tls_out <--- tls_write <-- answers
 *
 * The session reads and writes the socket as ever; here bytes go in and come out.  What comes in is borrowed for the
 * call and decrypted whole, but for a half record that OpenSSL keeps (TLS_RECORD_MOST bytes at most); so a session that is
 * not read holds nothing here, and back-pressure is the socket's, as without TLS.  What goes out gathers in a buffer that the
 * session empties: its answers, and what the handshake, an alert or a change of keys has to say.
 *
 * TLS 1.3 alone: no renegotiation, no compression.  No tickets and no resumption, so a stolen ticket key opens nothing, and
 * no early data, so nothing can be played back.  The handshake counts for the time in which hello must come.
 *
 * A context holds certificate, key and the clients' CAs.  It is made anew by tls_context_reload: connections that are
 * open keep the old one until they end, and when the new files are no good, the old one stays.
 */
#ifndef VERBATIM_ENGINE_TLS_H
#define VERBATIM_ENGINE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
	TLS_RECORD_MOST = 17 << 10, /* a half record that waits for its rest, with OpenSSL's room around it */
	TLS_FINGERPRINT_BYTES = 32, /* SHA-256 of a certificate's DER */
};

struct tls_files {
	const char *cert;       /* PEM: the certificate, then those of the CAs between it and the root; borrowed, as all here */
	const char *key;        /* PEM: its private key */
	const char *passphrase; /* of the key; NULL: it is not encrypted */
	const char *client_ca;  /* PEM: whose certificates clients may bring; NULL: none is asked for */
	bool client_required;   /* and must */
};

struct tls_context;

/*
 * Reads the files.  E_NO_INPUT or E_NO_ACCESS when one cannot be read or the key can be read by others, E_CONFIG when what is
 * in it is no good.  A certificate that has expired is warned of: who knows it by its fingerprint takes it still.
 */
int tls_context_open(const struct tls_files *files, struct tls_context **out, struct error *error) must_check;

/* Reads them again; as above, and E_CONFIG for a certificate that has expired.  After a failure all is as before. */
int tls_context_reload(struct tls_context *c, struct error *error) must_check;
void tls_context_free(struct tls_context *c);

/* Of the certificate that new connections get. */
const uint8_t *tls_context_fingerprint(const struct tls_context *c);
int64_t tls_context_expires(const struct tls_context *c); /* microseconds since 1970 */

/* One connection. */
struct tls;

struct tls *tls_new(struct tls_context *c);
void tls_free(struct tls *t);

enum tls_state {
	TLS_GREETING, /* the handshake is under way */
	TLS_OPEN,
	TLS_ENDED,    /* the client has said that nothing more comes */
	TLS_BROKEN,   /* nothing can be trusted any more; the alert that says so is in tls_out */
};

/*
 * Takes `cipher` and puts what it held into `plain`, whose `size` is at least cipher.len + TLS_RECORD_MOST.  Returns its length;
 * what stood before an end or a fault still counts, and tls_get_state tells of these.  `error` is set when it broke.
 */
size_t tls_read(struct tls *t, struct bytes cipher, char *plain, size_t size, struct error *error);

/* Encrypts into tls_out.  What is written before the handshake is over, or after the end, goes nowhere. */
void tls_write(struct tls *t, struct bytes plain);

/* Says that nothing more comes from here. */
void tls_end(struct tls *t);

enum tls_state tls_get_state(const struct tls *t);

/* What the socket is to be given; the caller empties it. */
struct buffer *tls_out(struct tls *t);

/* Bytes held of a half record. */
size_t tls_held(const struct tls *t);

/* The fingerprint of the certificate that the client has proved to be its own and a CA of ours has signed; NULL: none. */
const uint8_t *tls_peer(const struct tls *t);

#endif
