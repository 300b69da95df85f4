/* tls - see tls.h. */
#include "engine/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "event/pem.h"

enum { KEY_FILE_MOST = 64 << 10, CHAIN_MOST = 64 << 10 };

struct tls_context {
	struct tls_files files;
	BIO_METHOD *ends;
	SSL_CTX *ssl;
	uint8_t fingerprint[TLS_FINGERPRINT_BYTES];
	int64_t expires;
};

/* in: what of the borrowed ciphertext OpenSSL has not taken yet. */
struct tls {
	SSL *ssl;
	struct bytes in;
	struct buffer out;
	enum tls_state state;
	bool end_said, has_peer;
	uint8_t peer[TLS_FINGERPRINT_BYTES];
};

/* ---- the two ends that OpenSSL reads from and writes to ---- */

static int end_read(BIO *bio, char *to, int size)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = t->in.len < (size_t)size ? t->in.len : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (!n) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(to, t->in.data, n);
	t->in.data += n;
	t->in.len -= n;
	return (int)n;
}

static int end_write(BIO *bio, const char *from, int size)
{
	struct tls *t = BIO_get_data(bio);

	buffer_add(&t->out, from, (size_t)size);
	return size;
}

static long end_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *new_ends(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session");

	if (!m || !BIO_meth_set_read(m, end_read) || !BIO_meth_set_write(m, end_write) || !BIO_meth_set_ctrl(m, end_control))
		abort(); /* memory ran out at the start */
	return m;
}

/* ---- words ---- */

/* What OpenSSL calls it, and what is likely to be done about it; from the oldest fault of its queue, which is the cause. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	return text ? text : code && ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : "no reason given";
}

static const struct {
	int reason;
	const char *advice;
} handshake_advice[] = {
	{ SSL_R_UNSUPPORTED_PROTOCOL, "; the client must speak TLS 1.3" },
	{ SSL_R_NO_SHARED_CIPHER, "; the client must speak TLS 1.3" },
	{ SSL_R_VERSION_TOO_LOW, "; the client must speak TLS 1.3" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, "; the client does not know the CA of this engine's certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "; the client does not accept this engine's certificate" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "; the client does not accept this engine's certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "; to the client this engine's certificate has expired" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "; the client must bring one, as --tls-client required says" },
	{ SSL_R_CERTIFICATE_VERIFY_FAILED, "; the client's certificate is not accepted" },
};

static int broken(struct tls *t, struct error *error)
{
	unsigned long code = ERR_peek_error();
	long verdict = SSL_get_verify_result(t->ssl);
	const char *advice = "";

	for (size_t i = 0; i < sizeof(handshake_advice) / sizeof(handshake_advice[0]); i++)
		if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == handshake_advice[i].reason)
			advice = handshake_advice[i].advice;
	t->state = TLS_BROKEN;
	error_set(error, E_PROTOCOL, "%s%s%s%s", reason(), advice, verdict != X509_V_OK ? ": " : "",
		  verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "");
	ERR_clear_error();
	return E_PROTOCOL;
}

/* ---- certificate and key ---- */

static int refuse(struct error *error, const char *option, const char *file, const char *what)
{
	error_set(error, E_CONFIG, "%s '%s': %s (%s)", option, file, what, reason());
	ERR_clear_error();
	return error->code;
}

/* As PostgreSQL and sshd have it: a key is its owner's, who is us; or root's, who may let a group read it. */
static int read_key(const char *file, struct buffer *out, struct error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return error_set(error, errno == EACCES ? E_NO_ACCESS : E_NO_INPUT, "--tls-key: cannot open '%s': %s", file, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		error_set(error, E_NO_INPUT, "--tls-key: '%s' is no file", file);
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		error_set(error, E_NO_ACCESS, "--tls-key: '%s' belongs to another user: chown it", file);
	else if (st.st_mode & (st.st_uid == 0 && geteuid() != 0 ? 027 : 077))
		error_set(error, E_NO_ACCESS, "--tls-key: '%s' can be read by others than its owner; chmod 600 it, and think of whether somebody did",
			  file);
	buffer_reserve(out, KEY_FILE_MOST); /* once: what grows leaves a copy behind */
	while (!error->code && out->len < KEY_FILE_MOST && (n = read(fd, out->data + out->len, KEY_FILE_MOST - out->len)) > 0)
		out->len += (size_t)n;
	if (n < 0)
		error_set(error, E_IO, "cannot read '%s': %s", file, strerror(errno));
	close(fd);
	return error->code;
}

static int use_key(SSL_CTX *ssl, const struct tls_files *f, struct error *error)
{
	struct buffer text = { 0 };
	EVP_PKEY *key = NULL;
	int status = read_key(f->key, &text, error);
	BIO *bio = status ? NULL : BIO_new_mem_buf(text.data, (int)text.len);

	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, pem_passphrase, (void *)f->passphrase);
	if (!status && !key && text.len && memmem(text.data, text.len, "ENCRYPTED", 9))
		status = refuse(error, "--tls-key", f->key, f->passphrase ? "the passphrase does not open it" :
				"it is encrypted; give its passphrase in VERBATIM_TLS_PASSPHRASE");
	else if (!status && !key)
		status = refuse(error, "--tls-key", f->key, "is no private key in PEM form");
	else if (!status && SSL_CTX_use_PrivateKey(ssl, key) != 1)
		status = refuse(error, "--tls-key", f->key, "does not belong to the certificate of --tls-cert");
	BIO_free(bio);
	EVP_PKEY_free(key);
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buffer_release(&text);
	return status;
}

static int check_readable(const char *option, const char *file, struct error *error)
{
	if (access(file, R_OK) == 0)
		return 0;
	return error_set(error, errno == EACCES ? E_NO_ACCESS : E_NO_INPUT, "%s: cannot open '%s': %s", option, file, strerror(errno));
}

static int use_client_ca(SSL_CTX *ssl, const struct tls_files *f, struct error *error)
{
	STACK_OF(X509_NAME) *names;
	int status;

	if (!f->client_ca)
		return 0;
	status = check_readable("--tls-client-ca", f->client_ca, error);
	if (status)
		return status;
	names = SSL_load_client_CA_file(f->client_ca);
	if (!names || SSL_CTX_load_verify_file(ssl, f->client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return refuse(error, "--tls-client-ca", f->client_ca, "holds no certificates in PEM form");
	}
	SSL_CTX_set_client_CA_list(ssl, names);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | (f->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	return 0;
}

static int64_t time_of(const ASN1_TIME *at)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);

	ASN1_TIME_diff(&days, &seconds, epoch, at);
	ASN1_TIME_free(epoch);
	return ((int64_t)days * 86400 + seconds) * TIME_SECOND;
}

static int fill(SSL_CTX *ssl, const struct tls_files *f, struct error *error)
{
	int status = check_readable("--tls-cert", f->cert, error);

	SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_max_cert_list(ssl, CHAIN_MOST);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN); /* the file's chain, not one made of clients' CAs */
	if (!status && SSL_CTX_use_certificate_chain_file(ssl, f->cert) != 1)
		status = refuse(error, "--tls-cert", f->cert, "is no certificate in PEM form");
	if (!status)
		status = use_key(ssl, f, error);
	return status ? status : use_client_ca(ssl, f, error);
}

/* Puts a context made of the files in the place of what there was. */
static int make(struct tls_context *c, bool expired_is_refused, struct error *error)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	char when[TIME_TEXT];
	int64_t expires;
	int status;

	error_clear(error);
	ERR_clear_error();
	if (!ssl)
		return refuse(error, "TLS", "libssl", "cannot be set up");
	status = fill(ssl, &c->files, error);
	expires = status ? 0 : time_of(X509_get0_notAfter(SSL_CTX_get0_certificate(ssl)));
	if (!status && expires < time_wall()) {
		status = error_set(error, E_CONFIG, "--tls-cert '%s': expired at %s; clients will refuse it", c->files.cert,
				   time_format(expires, when));
		if (!expired_is_refused) {
			log_warn("tls", "%s", error->message);
			status = 0;
			error_clear(error);
		}
	}
	if (status) {
		SSL_CTX_free(ssl);
		return status;
	}
	SSL_CTX_free(c->ssl);
	c->ssl = ssl;
	c->expires = expires;
	X509_digest(SSL_CTX_get0_certificate(ssl), EVP_sha256(), c->fingerprint, NULL);
	return 0;
}

int tls_context_open(const struct tls_files *files, struct tls_context **out, struct error *error)
{
	struct tls_context *c = mem_zalloc(sizeof(*c));
	int status;

	c->files = *files;
	status = make(c, false, error);
	if (status) {
		free(c);
		return status;
	}
	c->ends = new_ends();
	*out = c;
	return 0;
}

int tls_context_reload(struct tls_context *c, struct error *error)
{
	return make(c, true, error);
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	BIO_meth_free(c->ends);
	free(c);
}

const uint8_t *tls_context_fingerprint(const struct tls_context *c)
{
	return c->fingerprint;
}

int64_t tls_context_expires(const struct tls_context *c)
{
	return c->expires;
}

/* ---- a connection ---- */

struct tls *tls_new(struct tls_context *c)
{
	struct tls *t = mem_zalloc(sizeof(*t));
	BIO *ends = BIO_new(c->ends);

	t->ssl = SSL_new(c->ssl);
	if (!t->ssl || !ends)
		abort(); /* as everywhere when memory runs out */
	BIO_set_data(ends, t);
	BIO_set_init(ends, 1);
	SSL_set_bio(t->ssl, ends, ends);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	buffer_release(&t->out);
	free(t);
}

static void greeted(struct tls *t)
{
	X509 *peer = SSL_get0_peer_certificate(t->ssl);

	t->state = TLS_OPEN;
	t->has_peer = peer && SSL_get_verify_result(t->ssl) == X509_V_OK && X509_digest(peer, EVP_sha256(), t->peer, NULL) == 1;
}

size_t tls_read(struct tls *t, struct bytes cipher, char *plain, size_t size, struct error *error)
{
	size_t len = 0, n;

	if (t->state == TLS_ENDED || t->state == TLS_BROKEN)
		return 0;
	t->in = cipher;
	ERR_clear_error();
	for (;;) {
		int got = SSL_read_ex(t->ssl, plain + len, size - len, &n);

		if (t->state == TLS_GREETING && SSL_is_init_finished(t->ssl))
			greeted(t);
		if (got == 1) {
			len += n;
			continue;
		}
		switch (SSL_get_error(t->ssl, got)) {
		case SSL_ERROR_WANT_READ:
			break;
		case SSL_ERROR_ZERO_RETURN:
			t->state = TLS_ENDED;
			break;
		default:
			broken(t, error);
		}
		break;
	}
	t->in = (struct bytes){ NULL, 0 };
	return len;
}

void tls_write(struct tls *t, struct bytes plain)
{
	size_t n;

	if (t->state != TLS_OPEN && (t->state != TLS_ENDED || t->end_said))
		return;
	ERR_clear_error();
	if (plain.len && SSL_write_ex(t->ssl, plain.data, plain.len, &n) != 1) { /* memory ran out, or a bug: nothing is sent half */
		log_warn("tls", "cannot encrypt: %s", reason());
		t->state = TLS_BROKEN;
		ERR_clear_error();
	}
}

void tls_end(struct tls *t)
{
	if ((t->state != TLS_OPEN && t->state != TLS_ENDED) || t->end_said)
		return;
	t->end_said = true;
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

enum tls_state tls_get_state(const struct tls *t)
{
	return t->state;
}

struct buffer *tls_out(struct tls *t)
{
	return &t->out;
}

size_t tls_held(const struct tls *t)
{
	return SSL_has_pending(t->ssl) ? TLS_RECORD_MOST : 0;
}

const uint8_t *tls_peer(const struct tls *t)
{
	return t->has_peer ? t->peer : NULL;
}
