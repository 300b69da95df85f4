/*
 * wire_uv - see wire_uv.h.
 *
 * Bytes are read into one buffer that all connections share (the engine's scratch).  Under TLS they are decrypted into a
 * second one that all share, and answers are encrypted when they are written; all else is the same.
 */
#include "engine/wire_uv.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/session.h"

enum { KEEPALIVE_S = 60, TLS_HANDSHAKE = 0x16, TLS_TELL_S = 1 };

struct wire {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	struct session *session;   /* NULL: it never had one */
	struct tls *tls;           /* NULL: plain */
	bool tls_begun;            /* the first byte was one of a handshake */
	struct buffer writing;
	uv_write_t write;
	bool write_out;
	uv_shutdown_t shutdown;
};

/* ---- open, close ---- */

static void on_closed(uv_handle_t *handle)
{
	struct wire *w = handle->data;

	if (w->session)
		session_gone(w->session);
	tls_free(w->tls);
	buffer_release(&w->writing);
	free(w);
}

struct wire *wire_accept(uv_stream_t *listener, struct tls_context *tls)
{
	struct wire *w = mem_zalloc(sizeof(*w));

	if (listener->type == UV_TCP)
		uv_tcp_init(listener->loop, &w->u.tcp);
	else
		uv_pipe_init(listener->loop, &w->u.pipe, 0);
	w->u.handle.data = w;
	if (uv_accept(listener, &w->u.stream)) {
		uv_close(&w->u.handle, on_closed);
		return NULL;
	}
	if (listener->type == UV_TCP) {
		uv_tcp_nodelay(&w->u.tcp, 1);
		uv_tcp_keepalive(&w->u.tcp, 1, KEEPALIVE_S);
	}
	if (tls)
		w->tls = tls_new(tls);
	return w;
}

void wire_bind(struct wire *w, struct session *s)
{
	w->session = s;
}

/* Whoever is closed under TLS is told so, as far as its socket takes that at once. */
static void say_end(struct wire *w)
{
	uv_buf_t buf;

	if (!w->tls || w->write_out || tls_out(w->tls)->len)
		return;
	tls_end(w->tls);
	buf = uv_buf_init(tls_out(w->tls)->data, (unsigned)tls_out(w->tls)->len);
	if (buf.len && uv_try_write(&w->u.stream, &buf, 1) < 0)
		return; /* it has gone already */
}

void wire_close(struct wire *w)
{
	say_end(w);
	uv_close(&w->u.handle, on_closed);
}

/* ---- reading ---- */

/* The alert that says why goes out, and the connection with it.  One line a second: whoever knocks at the port writes it. */
static void fail_tls(struct wire *w, const struct error *error)
{
	struct session *s = w->session;
	struct engine *e = s->engine;
	int64_t now = e->env.env.monotonic(&e->env.env);
	char peer[WIRE_PEER];

	e->tls_failures++;
	if (now - e->tls_told_at >= TLS_TELL_S * TIME_SECOND || !e->tls_told_at) {
		log_info("session", "TLS with %s failed: %s", wire_peer(w, peer), error->message);
		e->tls_told_at = now;
	}
	session_finish(s);
}

static void read_wrapped(struct wire *w, const char *data, size_t n)
{
	struct session *s = w->session;
	struct engine *e = s->engine;
	enum tls_state before = tls_get_state(w->tls);
	struct error error;
	size_t len;

	error_clear(&error);
	if (!w->tls_begun && data[0] != TLS_HANDSHAKE) { /* MessagePack, or who knows what: answered in kind */
		tls_free(w->tls);
		w->tls = NULL;
		error_set(&error, E_PROTOCOL, "this address speaks TLS: connect with tls://HOST:PORT");
		session_fail(s, 0, &error);
		return;
	}
	w->tls_begun = true;
	len = tls_read(w->tls, bytes_of(data, n), e->plain, sizeof(e->plain), &error);
	if (tls_out(w->tls)->len)
		session_mark(s);
	session_read(s, e->plain, len);
	if (s->closing || s->closed_after_write)
		return;
	if (tls_get_state(w->tls) == TLS_BROKEN && before != TLS_BROKEN)
		fail_tls(w, &error);
	else if (tls_get_state(w->tls) == TLS_ENDED)
		session_close(s);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct wire *w = handle->data;

	(void)suggested;
	*buf = uv_buf_init(w->session->engine->scratch, (unsigned)session_share(w->session));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct wire *w = stream->data;
	struct session *s = w->session;

	if (n < 0)
		session_close(s);
	else if (n == 0 || s->closed_after_write)
		return;
	else if (w->tls)
		read_wrapped(w, buf->base, (size_t)n);
	else
		session_read(s, buf->base, (size_t)n);
}

bool wire_start(struct wire *w)
{
	return uv_read_start(&w->u.stream, on_alloc, on_read) == 0;
}

void wire_stop(struct wire *w)
{
	uv_read_stop(&w->u.stream);
}

size_t wire_in(const struct wire *w)
{
	return w->tls ? tls_held(w->tls) : 0;
}

/* ---- writing ---- */

static void trim(struct buffer *b)
{
	buffer_reset(b);
	if (b->cap > SESSION_OUT_MOST)
		buffer_release(b);
}

static void on_written(uv_write_t *write, int status)
{
	struct wire *w = write->data;

	w->write_out = false;
	trim(&w->writing);
	if (!uv_is_closing(&w->u.handle))
		session_written(w->session, status == 0);
}

/* What is to be written now, into `writing`; `out` gets its memory in return. */
static void gather(struct wire *w, struct buffer *out, bool last)
{
	struct buffer *from = out, spare = w->writing;

	if (w->tls) {
		tls_write(w->tls, buffer_bytes(out));
		trim(out);
		if (last)
			tls_end(w->tls);
		from = tls_out(w->tls);
	}
	w->writing = *from;
	*from = spare;
	buffer_reset(from);
}

enum wire_outcome wire_write(struct wire *w, struct buffer *out, bool last)
{
	uv_buf_t buf;
	int n;

	gather(w, out, last);
	if (w->tls && tls_get_state(w->tls) == TLS_BROKEN && !last)
		return WIRE_LOST;
	buf = uv_buf_init(w->writing.data, (unsigned)w->writing.len);
	n = w->writing.len ? uv_try_write(&w->u.stream, &buf, 1) : 0;
	if (n == (int)w->writing.len) {
		trim(&w->writing);
		return WIRE_DONE;
	}
	if (n > 0)
		buf = uv_buf_init(w->writing.data + n, (unsigned)(w->writing.len - (size_t)n));
	w->write.data = w;
	if (uv_write(&w->write, &w->u.stream, &buf, 1, on_written))
		return WIRE_LOST;
	w->write_out = true;
	return WIRE_BUSY;
}

static void on_shut(uv_shutdown_t *request, int status)
{
	(void)request;
	(void)status;
}

bool wire_end(struct wire *w)
{
	return uv_shutdown(&w->shutdown, &w->u.stream, on_shut) == 0;
}

size_t wire_out(const struct wire *w)
{
	return w->writing.len + (w->tls ? tls_out(w->tls)->len : 0);
}

size_t wire_left(const struct wire *w)
{
	return w->write_out ? uv_stream_get_write_queue_size(&w->u.stream) : 0;
}

/* ---- who it is ---- */

/* A Unix socket tells who connected: the engine's own user, and root, could read its key file as well. */
bool wire_is_local(const struct wire *w)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uv_os_fd_t fd;

	return w->u.handle.type == UV_NAMED_PIPE && uv_fileno(&w->u.handle, &fd) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

const uint8_t *wire_certificate(const struct wire *w)
{
	return w->tls ? tls_peer(w->tls) : NULL;
}

const char *wire_peer(const struct wire *w, char out[WIRE_PEER])
{
	struct sockaddr_storage at;
	int len = sizeof(at);

	snprintf(out, WIRE_PEER, "unix socket");
	if (w->u.handle.type == UV_TCP && uv_tcp_getpeername(&w->u.tcp, (struct sockaddr *)&at, &len) == 0)
		listen_format(&at, out);
	return out;
}
