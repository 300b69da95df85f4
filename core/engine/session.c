/* session - see session.h. */
#include "engine/session.h"

#include "base/log.h"
#include "engine/fault.h"

enum { ELEMENTS_MOST = 600000, READ_LEAST = 1024, LINGER_MS = 2000,
       HELLO_BYTES = 4096, HELLO_DEPTH = 16, HELLO_ELEMENTS = 256 }; /* of a stranger's messages */

/* Each reads at most a fair share of the room for half messages, so that what is left over when a pause comes has its place. */
size_t session_share(const struct session *s)
{
	const struct engine *e = s->engine;
	size_t room = e->partial_limit > e->partial_bytes ? e->partial_limit - e->partial_bytes : 0;
	size_t share = room / (size_t)(e->session_count + 1);

	if (share < READ_LEAST)
		share = READ_LEAST;
	return share < SESSION_READ_MOST ? share : SESSION_READ_MOST;
}

void session_gone(struct session *s)
{
	buffer_release(&s->in);
	buffer_release(&s->out);
	free(s);
}

static void count_partial(struct session *s)
{
	struct engine *e = s->engine;
	size_t held = s->in.cap + wire_in(s->wire);

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

	if (e->partial_bytes <= e->partial_limit || fault_on("session.keeps_halves"))
		return;
	if (grown->partial <= e->partial_limit / (size_t)e->session_count)
		for (struct session *s = e->sessions; s; s = s->next)
			if (s->partial > victim->partial && !s->closed_after_write)
				victim = s;
	if (victim->closed_after_write)
		return; /* all that hold any are on their way out */
	error_set(&error, E_OVERLOADED, "too many half messages at a time; connect again, and send smaller ones");
	buffer_release(&victim->in);
	count_partial(victim);
	session_fail(victim, 0, &error);
}

size_t session_unsent(const struct session *s)
{
	return s->out.len + wire_out(s->wire);
}

static void count_out(struct session *s)
{
	struct engine *e = s->engine;
	size_t held = session_unsent(s);

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
	while (e->out_bytes > e->out_limit && !fault_on("session.keeps_the_deaf")) {
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
	wire_close(s->wire);
}

void session_mark(struct session *s)
{
	if (!s->dirty && !s->closing) {
		s->dirty = true;
		s->next_dirty = s->engine->dirty;
		s->engine->dirty = s;
	}
}

struct buffer *session_out(struct session *s)
{
	session_mark(s);
	return &s->out;
}

void session_error(struct session *s, uint32_t msgid, const struct error *error)
{
	s->engine->refused_by[-error->code]++;
	rpc_error(session_out(s), msgid, error);
}

static void stop_reading(struct session *s)
{
	if (s->reading)
		wire_stop(s->wire);
	s->reading = false;
}

/* Answers that come later would go behind the last one, or to a client who was told that nothing more comes. */
void session_finish(struct session *s)
{
	if (!fault_on("session.answers_on")) {
		tickets_abandon(&s->tickets);
		s->inflight = 0;
		s->calls = 0;
	}
	s->closed_after_write = true;
	stop_reading(s);
	session_mark(s);
}

void session_fail(struct session *s, uint32_t msgid, const struct error *error)
{
	s->engine->refused++;
	session_error(s, msgid, error);
	session_finish(s);
}

void session_end(struct session *s, const struct error *error)
{
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
	       (session_unsent(s) < (session_room_is_short(e) ? 1 : SESSION_OUT_MOST) || fault_on("session.reads_on")) &&
	       s->calls < SESSION_CALLS_MOST && (s->inflight == 0 || s->inflight <= inflight_most(e));
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
			buffer_add(&s->in, data + done, n - done - (size_t)fault_on("session.drops_a_byte"));
	} else {
		buffer_add(&s->in, data, n);
		done = consume(s, s->in.data, s->in.len);
		buffer_drop(&s->in, done);
	}
}

void session_read(struct session *s, const char *data, size_t n)
{
	if (n)
		take(s, data, n);
	if (s->closing)
		return;
	if (s->closed_after_write || (s->in.len == 0 && s->in.cap > 4096))
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
	if (may_go_on(s) && !s->reading && !(s->greeted && fault_on("session.stays_stopped")))
		s->reading = wire_start(s->wire);
	else if (!may_go_on(s))
		stop_reading(s);
}

static void flush(struct session *s);

void session_written(struct session *s, bool well)
{
	s->write_out = false;
	if (!well) {
		session_close(s);
		return;
	}
	s->active_at = s->taken_at = s->engine->env.env.monotonic(&s->engine->env.env);
	flush(s);
	if (s->closing)
		return;
	engine_balance(s->engine);
	session_resume(s);
	if (s->engine->reader.queue)
		reader_kick(&s->engine->reader);
}

/*
 * The last answer is written.  Closing a socket that still has bytes to read would throw that answer away on the
 * client's side (a reset), so what comes is read and dropped until the client closes, or the sweep does.
 */
static void linger(struct session *s)
{
	if (s->shutdown)
		return;
	s->shutdown = true;
	s->opened_at = s->engine->env.env.monotonic(&s->engine->env.env);
	buffer_release(&s->in);
	count_partial(s);
	if (!wire_end(s->wire) || (!s->reading && !wire_start(s->wire)))
		session_close(s);
	else
		s->reading = true;
}

static void flush(struct session *s)
{
	if (!s->write_out && session_unsent(s)) {
		enum wire_outcome outcome = wire_write(s->wire, &s->out, s->closed_after_write);

		if (outcome == WIRE_LOST) {
			session_close(s);
			return;
		}
		if (outcome == WIRE_BUSY) {
			s->unsent = 0;
			s->taken_at = s->engine->env.env.monotonic(&s->engine->env.env);
			s->write_out = true;
		}
	}
	count_out(s);
	if (s->closed_after_write && !s->write_out && !session_unsent(s))
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

void session_open(struct engine *e, struct wire *w)
{
	struct session *s = mem_zalloc(sizeof(*s));

	s->engine = e;
	s->wire = w;
	wire_bind(w, s);
	walk_init(&s->walk);
	s->opened_at = s->active_at = e->env.env.monotonic(&e->env.env);
	s->next = e->sessions;
	if (s->next)
		s->next->previous = s;
	e->sessions = s;
	e->session_count++;
	if (e->session_count > e->options->connections || e->stopping)
		session_close(s);
	else
		session_resume(s);
}

/* Room for answers is short: would this one need over a minute for what it was given, at its pace since the last look? */
static bool is_deaf(struct session *s)
{
	size_t left = wire_left(s->wire), before = s->unsent;

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
		else if (!s->greeted && now - s->opened_at > o->hello_ms * 1000 && !fault_on("hello.never_due"))
			session_close(s);
		else if (o->idle_ms && (!busy || stuck) && !e->paused && now - s->active_at > o->idle_ms * 1000)
			session_close(s);
		else if (deaf && session_room_is_short(e))
			session_close(s);
	}
}
