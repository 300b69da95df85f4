/* tls - see tls.h. */
#include "client/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/time.h"
#include "event/pem.h"

enum { OUT_MOST = 128 << 10 };

/* out: [0, out_at) is sent, [out_at, len) waits for the socket. */
struct client_tls {
	struct client_tls_options options;
	BIO_METHOD *socket;
	SSL_CTX *context; /* NULL until the first connection */
	SSL *ssl;         /* NULL between connections */
	int fd;
	struct buffer out;
	size_t out_at;
	char why[200];
};

/* ---- the socket, as OpenSSL sees it: never a SIGPIPE ---- */

static int socket_read(BIO *bio, char *to, int size)
{
	const struct client_tls *t = BIO_get_data(bio);
	ssize_t n = recv(t->fd, to, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

size_t client_tls_unsent(const struct client_tls *t)
{
	return t && t->ssl ? t->out.len - t->out_at : 0;
}

size_t client_tls_flush(struct client_tls *t)
{
	while (t->out_at < t->out.len) {
		ssize_t n = send(t->fd, t->out.data + t->out_at, t->out.len - t->out_at, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return client_tls_unsent(t);
		t->out_at = n > 0 ? t->out_at + (size_t)n : t->out.len; /* that it is lost is told by reading, after what was still said */
	}
	buffer_reset(&t->out);
	t->out_at = 0;
	return 0;
}

static int socket_write(BIO *bio, const char *from, int size)
{
	struct client_tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (client_tls_unsent(t) >= OUT_MOST && client_tls_flush(t) >= OUT_MOST) {
		BIO_set_retry_write(bio);
		return -1;
	}
	if (t->out_at >= OUT_MOST) {
		buffer_drop(&t->out, t->out_at);
		t->out_at = 0;
	}
	buffer_add(&t->out, from, (size_t)size);
	return size;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

struct client_tls *client_tls_new(const struct client_tls_options *options)
{
	struct client_tls *t = mem_zalloc(sizeof(*t));

	t->options = *options;
	t->fd = -1;
	t->socket = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "client");
	if (!t->socket || !BIO_meth_set_read(t->socket, socket_read) || !BIO_meth_set_write(t->socket, socket_write) ||
	    !BIO_meth_set_ctrl(t->socket, socket_control))
		abort(); /* memory ran out */
	return t;
}

void client_tls_free(struct client_tls *t)
{
	if (!t)
		return;
	client_tls_stop(t);
	SSL_CTX_free(t->context);
	BIO_meth_free(t->socket);
	buffer_release(&t->out);
	free(t);
}

bool client_tls_is_on(const struct client_tls *t)
{
	return t && t->ssl;
}

/* ---- words ---- */

static const struct {
	int reason;
	const char *advice;
} advice[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, "it does not answer in TLS; leave out tls:// or --tls if that is right" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "it does not speak TLS 1.3" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "it does not speak TLS 1.3" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "it wants to see a certificate: give yours with --tls-cert and --tls-key" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, "it does not accept our certificate: no CA that it knows has signed it" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "it does not accept our certificate, which has expired" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "it does not accept our certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "it does not accept our certificate" },
	{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "it does not accept our certificate" },
};

/* In words that a person can act upon; empties OpenSSL's queue. */
static const char *why(struct client_tls *t)
{
	unsigned long code = ERR_peek_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++)
		if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == advice[i].reason)
			text = advice[i].advice;
	snprintf(t->why, sizeof(t->why), "%s", text ? text : "TLS failed");
	ERR_clear_error();
	return t->why;
}

const char *client_tls_why(const struct client_tls *t)
{
	return t->why;
}

/* ---- what we go by ---- */

static int refuse(struct error *error, const char *option, const char *file, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	error_set(error, E_CONFIG, "%s '%s': %s%s%s%s", option, file, what, reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
	ERR_clear_error();
	return E_CONFIG;
}

static int set_identity(struct client_tls *t, SSL_CTX *c, struct error *error)
{
	const struct client_tls_options *o = &t->options;

	if (!o->cert != !o->key)
		return error_set(error, E_CONFIG, "--tls-cert and --tls-key go together");
	if (!o->cert)
		return 0;
	SSL_CTX_set_default_passwd_cb(c, pem_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(c, (void *)o->passphrase);
	if (SSL_CTX_use_certificate_chain_file(c, o->cert) != 1)
		return refuse(error, "--tls-cert", o->cert, access(o->cert, R_OK) ? strerror(errno) : "is no certificate in PEM form");
	if (SSL_CTX_use_PrivateKey_file(c, o->key, SSL_FILETYPE_PEM) != 1)
		return refuse(error, "--tls-key", o->key, access(o->key, R_OK) ? strerror(errno) : "is not that certificate's key in PEM form");
	return 0;
}

static int set_trust(struct client_tls *t, SSL_CTX *c, struct error *error)
{
	const struct client_tls_options *o = &t->options;

	if (o->ca && SSL_CTX_load_verify_file(c, o->ca) != 1)
		return refuse(error, "--tls-ca", o->ca, access(o->ca, R_OK) ? strerror(errno) : "holds no certificates in PEM form");
	if (!o->ca)
		SSL_CTX_set_default_verify_paths(c);
	return 0;
}

static int prepare(struct client_tls *t, struct error *error)
{
	SSL_CTX *c = t->context ? NULL : SSL_CTX_new(TLS_client_method());
	int code;

	if (t->context)
		return 0;
	ERR_clear_error();
	if (!c)
		return refuse(error, "TLS", "libssl", "cannot be set up");
	SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(c, 1); /* many records by one recv */
	code = t->options.pinned ? 0 : set_trust(t, c, error);
	if (!code)
		code = set_identity(t, c, error);
	if (code)
		SSL_CTX_free(c);
	else
		t->context = c;
	return code;
}

/* ---- the handshake ---- */

static void expect_host(struct client_tls *t, const char *host)
{
	uint8_t number[16];
	bool is_number = inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

	if (!is_number)
		SSL_set_tlsext_host_name(t->ssl, host);
	if (t->options.pinned)
		return;
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!(is_number ? X509_VERIFY_PARAM_set1_ip_asc(param, host) : X509_VERIFY_PARAM_set1_host(param, host, 0)))
		abort(); /* memory ran out */
}

static int refused_certificate(struct client_tls *t, const char *host, struct error *error)
{
	long verdict = SSL_get_verify_result(t->ssl);
	const char *text = X509_verify_cert_error_string(verdict);

	ERR_clear_error();
	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return error_set(error, E_CONFIG, "the engine's certificate is not for \"%s\"; connect by a name that stands in it", host);
	if (verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	    verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || verdict == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)
		return error_set(error, E_CONFIG, "the engine's certificate is signed by nobody we know (%s); name its CA with --tls-ca",
				 text);
	return error_set(error, E_CONFIG, "the engine's certificate is not accepted: %s", text);
}

static int check_pin(struct client_tls *t, struct error *error)
{
	X509 *peer = t->options.pinned ? SSL_get0_peer_certificate(t->ssl) : NULL;
	uint8_t digest[CLIENT_TLS_PIN_BYTES];

	if (!t->options.pinned ||
	    (peer && X509_digest(peer, EVP_sha256(), digest, NULL) == 1 && memcmp(digest, t->options.pin, sizeof(digest)) == 0))
		return 0;
	return error_set(error, E_CONFIG, "the engine's certificate is not the one that it wrote down");
}

/* Waits until OpenSSL can go on: 0, or why not. */
static int wait_for(struct client_tls *t, int want, int64_t deadline, struct error *error)
{
	bool out = want == SSL_ERROR_WANT_WRITE || client_tls_unsent(t);
	struct pollfd wait = { .fd = t->fd, .events = out ? POLLOUT : POLLIN };
	int64_t left = (deadline - time_monotonic() + 999) / 1000;
	int n = left > 0 ? poll(&wait, 1, (int)left) : 0;

	if (n > 0)
		return 0;
	if (n < 0 && errno == EINTR)
		return error_set(error, E_INTERRUPTED, "stopped by a signal");
	return error_set(error, E_TIMEOUT, "no TLS handshake within the time given");
}

static int shake_hands(struct client_tls *t, const char *host, int64_t deadline, struct error *error)
{
	for (;;) {
		int n, what, trouble, code;

		ERR_clear_error();
		errno = 0;
		n = SSL_connect(t->ssl);
		trouble = errno;
		what = SSL_get_error(t->ssl, n);
		client_tls_flush(t);
		if (n == 1)
			return check_pin(t, error);
		if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
			code = wait_for(t, what, deadline, error);
			if (code)
				return code;
			continue;
		}
		if (!t->options.pinned && what == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
			return refused_certificate(t, host, error);
		if (what == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return error_set(error, E_CONFIG, "no TLS: %s", why(t));
		ERR_clear_error();
		return error_set(error, E_UNAVAILABLE, "the connection ended in the TLS handshake%s%s", trouble ? ": " : "",
				 trouble ? strerror(trouble) : "");
	}
}

int client_tls_start(struct client_tls *t, int fd, const char *host, int64_t deadline, struct error *error)
{
	BIO *bio;
	int code = prepare(t, error);

	if (code)
		return code;
	client_tls_stop(t);
	t->why[0] = 0;
	buffer_reset(&t->out);
	t->out_at = 0;
	t->fd = fd;
	t->ssl = SSL_new(t->context);
	bio = BIO_new(t->socket);
	if (!t->ssl || !bio)
		abort(); /* memory ran out */
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	expect_host(t, host);
	code = shake_hands(t, host, deadline, error);
	if (code) {
		SSL_free(t->ssl);
		t->ssl = NULL;
	}
	return code;
}

void client_tls_stop(struct client_tls *t)
{
	if (!t || !t->ssl)
		return;
	SSL_shutdown(t->ssl);
	client_tls_flush(t);
	buffer_reset(&t->out);
	t->out_at = 0;
	SSL_free(t->ssl);
	ERR_clear_error();
	t->ssl = NULL;
	t->fd = -1;
}

/* ---- bytes ---- */

static ssize_t not_now(struct client_tls *t, int n)
{
	switch (SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = errno ? errno : ECONNRESET;
		ERR_clear_error();
		return -1;
	default:
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			return 0;
		}
		why(t);
		errno = EPROTO;
		return -1;
	}
}

ssize_t client_tls_read(struct client_tls *t, void *to, size_t size)
{
	size_t n;
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_read_ex(t->ssl, to, size, &n);
	if (client_tls_unsent(t)) { /* an answer to a change of keys, an alert */
		int before = errno;

		client_tls_flush(t);
		errno = before;
	}
	return got == 1 ? (ssize_t)n : not_now(t, got);
}

ssize_t client_tls_write(struct client_tls *t, const void *from, size_t size)
{
	size_t n;
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_write_ex(t->ssl, from, size, &n);
	return got == 1 ? (ssize_t)n : not_now(t, got);
}
