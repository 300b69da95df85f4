/* session - see session.h. */
#include "engine/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { ELEMENTS_MOST = 600000, KEEPALIVE_S = 60, READ_LEAST = 1024, LINGER_MS = 2000, TLS_HANDSHAKE = 0x16, TLS_TELL_S = 1,
       HELLO_BYTES = 4096, HELLO_DEPTH = 16, HELLO_ELEMENTS = 256 }; /* of a stranger's messages */

/* Each socket reads at most a fair share of the room for half messages, so that what is left over when a pause comes has its place. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct session *s = handle->data;
	struct engine *e = s->engine;
	size_t room = e->partial_limit > e->partial_bytes ? e->partial_limit - e->partial_bytes : 0;
	size_t share = room / (size_t)(e->session_count + 1);

	(void)suggested;
	if (share < READ_LEAST)
		share = READ_LEAST;
	*buf = uv_buf_init(e->scratch, share < sizeof(e->scratch) ? (unsigned)share : (unsigned)sizeof(e->scratch));
}

static void on_closed(uv_handle_t *handle)
{
	struct session *s = handle->data;

	tls_free(s->tls);
	buffer_release(&s->in);
	buffer_release(&s->out);
	buffer_release(&s->writing);
	free(s);
}

static void count_partial(struct session *s)
{
	struct engine *e = s->engine;
	size_t held = s->in.cap + (s->tls ? tls_held(s->tls) : 0);

	e->partial_bytes = e->partial_bytes - s->partial + held;
	s->partial = held;
}

/*
 * Half messages hold more memory than there is for them all: somebody must go, or one client that never ends its
 * message could stop the others.  It is whoever has just grown past a fair share, else the largest.
 */
static void evict_partial(struct session *grown)
{
	struct engine *e = grown->engine;
	struct session *victim = grown;
	struct error error;

	if (e->partial_bytes <= e->partial_limit)
		return;
	if (grown->partial <= e->partial_limit / (size_t)e->session_count)
		for (struct session *s = e->sessions; s; s = s->next)
			if (s->partial > victim->partial && !s->closed_after_write)
				victim = s;
	error_set(&error, E_OVERLOADED, "too many half messages at a time; connect again, and send smaller ones");
	buffer_release(&victim->in);
	count_partial(victim);
	session_fail(victim, 0, &error);
}

static size_t unsent(struct session *s)
{
	return s->out.len + s->writing.len + (s->tls ? tls_out(s->tls)->len : 0);
}

static void count_out(struct session *s)
{
	struct engine *e = s->engine;
	size_t held = unsent(s);

	e->out_bytes = e->out_bytes - s->out_counted + held;
	s->out_counted = held;
}

bool session_room_is_short(const struct engine *e)
{
	return e->out_bytes > e->out_limit / 4 * 3;
}

/* Answers hold all the memory there is for them: who has gone longest without taking any makes room. */
static void evict_deaf(struct engine *e)
{
	while (e->out_bytes > e->out_limit) {
		struct session *victim = NULL;

		for (struct session *s = e->sessions; s; s = s->next)
			if (s->write_out && (!victim || s->taken_at < victim->taken_at))
				victim = s;
		if (!victim)
			return;
		log_debug("session", "client '%s' does not take its answers: closed", victim->client);
		session_close(victim);
	}
}

/* Whoever is closed under TLS is told so, as far as its socket takes that at once. */
static void say_end(struct session *s)
{
	uv_buf_t buf;

	if (!s->tls || s->write_out || tls_out(s->tls)->len)
		return;
	tls_end(s->tls);
	buf = uv_buf_init(tls_out(s->tls)->data, (unsigned)tls_out(s->tls)->len);
	if (buf.len && uv_try_write(&s->u.stream, &buf, 1) < 0)
		return; /* it has gone already */
}

void session_close(struct session *s)
{
	struct engine *e = s->engine;

	if (s->closing)
		return;
	s->closing = true;
	tickets_abandon(&s->tickets);
	access_leave(s);
	if (s->dirty)
		for (struct session **link = &e->dirty; *link; link = &(*link)->next_dirty)
			if (*link == s) {
				*link = s->next_dirty;
				break;
			}
	if (e->resume_next == s)
		e->resume_next = s->next;
	if (s->next)
		s->next->previous = s->previous;
	if (s->previous)
		s->previous->next = s->next;
	else
		e->sessions = s->next;
	e->session_count--;
	e->partial_bytes -= s->partial;
	e->out_bytes -= s->out_counted;
	s->partial = s->out_counted = 0;
	say_end(s);
	uv_close(&s->u.handle, on_closed);
}

static void mark_dirty(struct session *s)
{
	if (!s->dirty && !s->closing) {
		s->dirty = true;
		s->next_dirty = s->engine->dirty;
		s->engine->dirty = s;
	}
}

struct buffer *session_out(struct session *s)
{
	mark_dirty(s);
	return &s->out;
}

void session_error(struct session *s, uint32_t msgid, const struct error *error)
{
	s->engine->refused_by[-error->code]++;
	rpc_error(session_out(s), msgid, error);
}

void session_fail(struct session *s, uint32_t msgid, const struct error *error)
{
	s->engine->refused++;
	session_error(s, msgid, error);
	s->closed_after_write = true;
	if (s->reading)
		uv_read_stop(&s->u.stream);
	s->reading = false;
}

void session_end(struct session *s, const struct error *error)
{
	tickets_abandon(&s->tickets);
	buffer_reset(&s->out);
	buffer_release(&s->in);
	count_partial(s);
	s->ended = true;
	s->opened_at = s->engine->env.env.monotonic(&s->engine->env.env); /* the sweep ends one that does not take the answer */
	session_fail(s, 0, error);
}

/* Half of what is free for whoever asks: the more there are who take much, the less each may, and there is always room for one more. */
static size_t inflight_most(const struct engine *e)
{
	size_t room = e->inflight_limit > e->inflight_bytes ? (e->inflight_limit - e->inflight_bytes) / 2 : 0;

	return room < e->inflight_limit / 4 ? room : e->inflight_limit / 4;
}

static bool may_go_on(struct session *s)
{
	const struct engine *e = s->engine;

	return !s->closing && !s->closed_after_write && !s->asking && !s->held_until && !e->paused && !e->stopping &&
	       unsent(s) < (session_room_is_short(e) ? 1 : SESSION_OUT_MOST) && s->calls < SESSION_CALLS_MOST &&
	       (s->inflight == 0 || s->inflight <= inflight_most(e));
}

/* Takes one whole message apart.  The zone is the engine's, emptied after each. */
static void handle(struct session *s, const char *data, size_t len)
{
	struct engine *e = s->engine;
	struct rpc_call call;
	struct error error;
	msgpack_object message;
	size_t at = 0;

	error_clear(&error);
	e->message_bytes = len;
	if (msgpack_unpack(data, len, &at, &e->zone, &message) != MSGPACK_UNPACK_SUCCESS || at != len)
		error_set(&error, E_PROTOCOL, "a message cannot be decoded");
	else if (rpc_decode(&message, &call, &error) == 0)
		method_call(s, &call);
	if (error.code)
		session_fail(s, 0, &error);
	msgpack_zone_clear(&e->zone);
}

/*
 * Handles the whole messages of data[0, len) and returns how many bytes they were.  Stops early when the session
 * may not go on.  s->walk remembers how far the half message at the end was looked at.
 */
static size_t consume(struct session *s, const char *data, size_t len)
{
	const struct server_options *o = s->engine->options;
	size_t done = 0;

	while (done < len && may_go_on(s)) {
		struct walk_limits limits = { (size_t)o->frame_bytes, (int)o->depth + 4, ELEMENTS_MOST };
		struct error error;
		int whole;

		if (!s->greeted)
			limits = (struct walk_limits){ HELLO_BYTES, HELLO_DEPTH, HELLO_ELEMENTS };
		error_clear(&error);
		whole = walk_more(&s->walk, data + done, len - done, &limits, &error);
		if (whole == 0)
			break;
		if (whole < 0) {
			session_fail(s, 0, &error);
			return len;
		}
		handle(s, data + done, s->walk.at);
		done += s->walk.at;
		walk_init(&s->walk);
	}
	return done;
}

/* What the client sent, behind what it sent before. */
static void take(struct session *s, const char *data, size_t n)
{
	size_t done;

	s->active_at = s->engine->env.env.monotonic(&s->engine->env.env);
	if (s->in.len == 0) {
		done = consume(s, data, n);
		if (done < n && !s->closing)
			buffer_add(&s->in, data + done, n - done);
	} else {
		buffer_add(&s->in, data, n);
		done = consume(s, s->in.data, s->in.len);
		buffer_drop(&s->in, done);
	}
}

/* The alert that says why goes out, and the connection with it.  One line a second: whoever knocks at the port writes it. */
static void fail_tls(struct session *s, const struct error *error)
{
	struct engine *e = s->engine;
	struct sockaddr_storage peer;
	char name[LISTEN_TEXT] = "somebody";
	int n = sizeof(peer);

	e->tls_failures++;
	if (s->active_at - e->tls_told_at >= TLS_TELL_S * TIME_SECOND || !e->tls_told_at) {
		if (uv_tcp_getpeername(&s->u.tcp, (struct sockaddr *)&peer, &n) == 0)
			listen_format(&peer, name);
		log_info("session", "TLS with %s failed: %s", name, error->message);
		e->tls_told_at = s->active_at;
	}
	s->closed_after_write = true;
	if (s->reading)
		uv_read_stop(&s->u.stream);
	s->reading = false;
	mark_dirty(s);
}

static void take_wrapped(struct session *s, const char *data, size_t n)
{
	struct engine *e = s->engine;
	enum tls_state before = tls_get_state(s->tls);
	struct error error;
	size_t len;

	error_clear(&error);
	if (!s->tls_begun && data[0] != TLS_HANDSHAKE) { /* MessagePack, or who knows what: answered in kind */
		tls_free(s->tls);
		s->tls = NULL;
		error_set(&error, E_PROTOCOL, "this address speaks TLS: connect with tls://HOST:PORT");
		session_fail(s, 0, &error);
		return;
	}
	s->tls_begun = true;
	len = tls_read(s->tls, bytes_of(data, n), e->plain, sizeof(e->plain), &error);
	if (tls_out(s->tls)->len)
		mark_dirty(s);
	if (before == TLS_GREETING && tls_peer(s->tls)) {
		s->certified = true;
		memcpy(s->certificate, tls_peer(s->tls), sizeof(s->certificate));
	}
	if (len)
		take(s, e->plain, len);
	if (s->closing || s->closed_after_write)
		return;
	if (tls_get_state(s->tls) == TLS_BROKEN && before != TLS_BROKEN)
		fail_tls(s, &error);
	else if (tls_get_state(s->tls) == TLS_ENDED)
		session_close(s);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct session *s = stream->data;

	if (n < 0) {
		session_close(s);
		return;
	}
	if (n == 0 || s->closed_after_write)
		return;
	if (s->tls)
		take_wrapped(s, buf->base, (size_t)n);
	else
		take(s, buf->base, (size_t)n);
	if (s->closing)
		return;
	if (s->in.len == 0 && s->in.cap > 4096)
		buffer_release(&s->in);
	count_partial(s);
	evict_partial(s);
	engine_balance(s->engine);
	session_resume(s);
}

void session_resume(struct session *s)
{
	if (s->closing || s->closed_after_write)
		return;
	if (may_go_on(s) && s->in.len) {
		size_t done = consume(s, s->in.data, s->in.len);

		buffer_drop(&s->in, done);
		if (s->in.len == 0)
			buffer_release(&s->in);
		count_partial(s);
	}
	if (s->closing || s->closed_after_write)
		return;
	if (may_go_on(s) && !s->reading)
		s->reading = uv_read_start(&s->u.stream, on_alloc, on_read) == 0;
	else if (!may_go_on(s) && s->reading) {
		uv_read_stop(&s->u.stream);
		s->reading = false;
	}
}

static void flush(struct session *s);

static void on_written(uv_write_t *w, int status)
{
	struct session *s = w->data;

	s->write_out = false;
	if (s->closing)
		return;
	if (status < 0) {
		session_close(s);
		return;
	}
	s->active_at = s->taken_at = s->engine->env.env.monotonic(&s->engine->env.env);
	buffer_reset(&s->writing);
	if (s->writing.cap > SESSION_OUT_MOST)
		buffer_release(&s->writing);
	flush(s);
	if (s->closing)
		return;
	engine_balance(s->engine);
	session_resume(s);
	if (s->engine->reader.queue)
		reader_kick(&s->engine->reader);
}

static void on_shut(uv_shutdown_t *request, int status)
{
	(void)status;
	free(request);
}

/*
 * The last answer is written.  Closing a socket that still has bytes to read would throw that answer away on the
 * client's side (a reset), so what comes is read and dropped until the client closes, or the sweep does.
 */
static void linger(struct session *s)
{
	uv_shutdown_t *request;

	if (s->shutdown)
		return;
	s->shutdown = true;
	s->opened_at = s->engine->env.env.monotonic(&s->engine->env.env);
	buffer_release(&s->in);
	count_partial(s);
	request = mem_alloc(sizeof(*request));
	if (uv_shutdown(request, &s->u.stream, on_shut)) {
		free(request);
		session_close(s);
		return;
	}
	if (!s->reading && uv_read_start(&s->u.stream, on_alloc, on_read)) {
		session_close(s);
		return;
	}
	s->reading = true;
}

/* What is to be written now, into `writing`. */
static void gather(struct session *s)
{
	struct buffer *from = &s->out, spare = s->writing;

	if (s->tls) {
		tls_write(s->tls, buffer_bytes(&s->out));
		buffer_reset(&s->out);
		if (s->out.cap > SESSION_OUT_MOST)
			buffer_release(&s->out);
		if (s->closed_after_write)
			tls_end(s->tls);
		from = tls_out(s->tls);
	}
	s->writing = *from;
	*from = spare;
	buffer_reset(from);
}

static void flush(struct session *s)
{
	if (!s->write_out && unsent(s)) {
		uv_buf_t buf;
		int n;

		gather(s);
		if (s->tls && tls_get_state(s->tls) == TLS_BROKEN && !s->closed_after_write) {
			session_close(s);
			return;
		}
		buf = uv_buf_init(s->writing.data, (unsigned)s->writing.len);
		n = s->writing.len ? uv_try_write(&s->u.stream, &buf, 1) : 0;
		if (n == (int)s->writing.len) {
			buffer_reset(&s->writing);
			if (s->writing.cap > SESSION_OUT_MOST)
				buffer_release(&s->writing);
		} else {
			if (n > 0)
				buf = uv_buf_init(s->writing.data + n, (unsigned)(s->writing.len - (size_t)n));
			s->write.data = s;
			s->unsent = 0;
			s->taken_at = s->engine->env.env.monotonic(&s->engine->env.env);
			if (uv_write(&s->write, &s->u.stream, &buf, 1, on_written)) {
				session_close(s);
				return;
			}
			s->write_out = true;
		}
	}
	count_out(s);
	if (s->closed_after_write && !s->write_out && !unsent(s))
		linger(s);
	evict_deaf(s->engine);
}

void session_flush_all(struct engine *e)
{
	while (e->dirty) {
		struct session *s = e->dirty;

		e->dirty = s->next_dirty;
		s->dirty = false;
		flush(s);
		if (!s->closing && !s->reading)
			session_resume(s); /* what it waited for may be answered now */
	}
}

/* A Unix socket tells who connected: the engine's own user, and root, could read its key file as well. */
static bool is_local(const struct session *s)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uv_os_fd_t fd;

	return uv_fileno(&s->u.handle, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

void session_accept(struct engine *e, uv_stream_t *listener, bool tls)
{
	struct session *s = mem_zalloc(sizeof(*s));

	s->engine = e;
	if (listener->type == UV_TCP)
		uv_tcp_init(&e->loop, &s->u.tcp);
	else
		uv_pipe_init(&e->loop, &s->u.pipe, 0);
	s->u.handle.data = s;
	walk_init(&s->walk);
	s->opened_at = s->active_at = e->env.env.monotonic(&e->env.env);
	s->next = e->sessions;
	if (s->next)
		s->next->previous = s;
	e->sessions = s;
	e->session_count++;
	if (uv_accept(listener, &s->u.stream) || e->session_count > e->options->connections || e->stopping) {
		session_close(s);
		return;
	}
	s->local = listener->type == UV_NAMED_PIPE && is_local(s);
	if (listener->type == UV_TCP) {
		uv_tcp_nodelay(&s->u.tcp, 1);
		uv_tcp_keepalive(&s->u.tcp, 1, KEEPALIVE_S);
	}
	if (tls)
		s->tls = tls_new(e->options->tls);
	session_resume(s);
}

/* Room for answers is short: would this one need over a minute for what it was given, at its pace since the last look? */
static bool is_deaf(struct session *s)
{
	size_t left = s->write_out ? uv_stream_get_write_queue_size(&s->u.stream) : 0, before = s->unsent;

	s->unsent = left;
	return before && left && (before - left) * 60 < left;
}

void session_sweep(struct engine *e, int64_t now)
{
	const struct server_options *o = e->options;

	for (struct session *s = e->sessions, *next; s; s = next) {
		bool busy = s->tickets;
		bool stuck = s->write_out || s->in.len, deaf = is_deaf(s);

		next = s->next;
		if ((s->shutdown || s->ended) && now - s->opened_at > LINGER_MS * 1000)
			session_close(s);
		else if (!s->greeted && now - s->opened_at > o->hello_ms * 1000)
			session_close(s);
		else if (o->idle_ms && (!busy || stuck) && !e->paused && now - s->active_at > o->idle_ms * 1000)
			session_close(s);
		else if (deaf && session_room_is_short(e))
			session_close(s);
	}
}
