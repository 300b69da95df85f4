/*
 * methods - what a client can call (PROTOCOL.md), one table.
 *
 * A method either answers at once or hands the call to an appender, the reader or the waits, which come back
 * through the answer functions below, on the same thread, never inside the call.
 */
#include "base/log.h"
#include "engine/fault.h"
#include "engine/session.h"

enum { PROTOCOL_VERSION = 1, WAIT_MOST_MS = 600000 };

static void refuse(struct session *s, const struct rpc_call *call, const struct error *error)
{
	if (!call->notification)
		session_error(s, call->msgid, error);
}

/* ---- hello ---- */

static int hello(struct session *s, const struct rpc_call *call, struct error *error)
{
	struct bytes token = { NULL, 0 }, client = BYTES("");
	int64_t version;
	int status = rpc_int(call, 0, "version", 0, INT32_MAX, 0, &version, error);

	if (status)
		return status;
	if (version != PROTOCOL_VERSION)
		return error_field(error, E_VERSION, "version", "is %lld; this engine speaks %d", (long long)version,
				   PROTOCOL_VERSION);
	if (rpc_param(call, 1) && !rpc_text(rpc_param(call, 1), &token))
		return error_field(error, E_PARAMS, "token", "not a str");
	if (rpc_param(call, 2) && !rpc_text(rpc_param(call, 2), &client))
		return error_field(error, E_PARAMS, "client", "not a str");
	snprintf(s->client, sizeof(s->client), "%.*s", (int)(client.len < 47 ? client.len : 47), client.data);
	status = access_hello(s, token, call->msgid, call->notification, error);
	if (token.len)
		explicit_bzero((void *)(uintptr_t)token.data, token.len); /* where the socket's bytes were read to: a core file may show them */
	return status;
}

void method_answer_hello(struct session *s, uint32_t msgid)
{
	struct engine *e = s->engine;
	const struct server_options *o = e->options;
	msgpack_packer p;

	rpc_packer(&p, session_out(s));
	rpc_result(&p, msgid);
	msgpack_pack_map(&p, 6);
	pack_key_int(&p, "version", PROTOCOL_VERSION);
	pack_key_text(&p, "server", "verbatim " VERBATIM_VERSION);
	pack_text(&p, "log_id");
	pack_uuid(&p, &e->log.log_id);
	pack_key_int(&p, "epoch", e->log.epoch);
	pack_key_int(&p, "shards", e->shards);
	pack_text(&p, "limits");
	msgpack_pack_map(&p, 6);
	pack_key_int(&p, "frame_bytes", o->frame_bytes);
	pack_key_int(&p, "event_bytes", o->event_bytes);
	pack_key_int(&p, "request_events", o->request_events);
	pack_key_int(&p, "depth", o->depth);
	pack_key_int(&p, "inflight_bytes", (int64_t)(e->inflight_limit / 4));
	pack_key_int(&p, "read_events", READ_EVENTS_MOST);
}

/* ---- append ---- */

static void pack_ack(msgpack_packer *p, const struct request *r)
{
	msgpack_pack_map(p, 7);
	pack_text(p, "log_id");
	pack_uuid(p, &r->log_id);
	pack_key_int(p, "epoch", r->epoch);
	pack_key_int(p, "shard", r->shard);
	pack_key_int(p, "first", r->first);
	pack_key_int(p, "last", r->last);
	pack_text(p, "leaf");
	pack_bin(p, r->leaf, LEAF_BYTES);
	pack_text(p, "duplicates");
	msgpack_pack_array(p, (size_t)request_duplicates(r));
	for (int i = 0; i < r->count; i++) {
		const struct request_event *x = &r->states[i];
		int64_t at = x->same_as >= 0 ? r->events[x->same_as].position : x->duplicate_at;

		if (!at)
			continue; /* stored by this request, be it by an attempt whose answer was lost */
		msgpack_pack_array(p, 2);
		msgpack_pack_int(p, i);
		msgpack_pack_int64(p, at);
	}
}

/* A mistake for simulations to find: nobody knows yet whether it will stand there. */
static void ack_early(struct request *r)
{
	struct session *s = r->ticket.owner;
	struct request guess = *r;
	msgpack_packer p;

	guess.first = s->engine->appenders[r->shard].head + 1;
	guess.last = guess.first + r->count - 1;
	rpc_packer(&p, session_out(s));
	rpc_result(&p, r->ticket.msgid);
	pack_ack(&p, &guess);
	s->inflight -= r->bytes;
	ticket_close(&r->ticket);
	r->ticket.owner = NULL;
}

static int append(struct session *s, const struct rpc_call *call, struct error *error)
{
	struct engine *e = s->engine;
	struct request_limits limits = e->request_limits;
	struct request *r;
	int status;

	if (call->notification)
		return error_set(error, E_PROTOCOL, "append is a request, not a notification");
	if (!rpc_param(call, 0))
		return error_field(error, E_PARAMS, "events", "is missing");
	limits.envelope.tenant_id = access_tenant(s);
	r = request_new(&e->pool);
	status = request_decode(r, rpc_param(call, 0), rpc_param(call, 1), e->env.env.wall(&e->env.env), &limits, error);
	if (!status)
		status = access_append(s, r, e->message_bytes, error);
	if (status) {
		request_free(&e->pool, r);
		return status;
	}
	r->answer = method_answer_append;
	r->engine = e;
	r->bytes = r->arena.used + sizeof(*r);
	ticket_open(&r->ticket, s, call->msgid, &s->tickets);
	s->inflight += r->bytes;
	e->inflight_bytes += r->bytes;
	if (fault_on("append.acks_early"))
		ack_early(r);
	appender_submit(&e->appenders[r->shard], r);
	return 0;
}

void method_answer_append(struct request *r)
{
	struct session *s = r->ticket.owner;
	struct engine *e = r->engine;

	if (s) {
		ticket_close(&r->ticket);
		s->inflight -= r->bytes;
		if (r->status) {
			session_error(s, r->ticket.msgid, &r->error);
		} else {
			msgpack_packer p;

			rpc_packer(&p, session_out(s));
			rpc_result(&p, r->ticket.msgid - (uint32_t)fault_on("append.answers_another"));
			pack_ack(&p, r);
		}
	}
	if (s || !fault_on("append.keeps_budget"))
		e->inflight_bytes -= r->bytes;
	access_answered(r);
	request_free(&e->pool, r);
}

/* ---- read ---- */

static void read_begin(struct session *s, struct read_call *c, uint32_t msgid)
{
	ticket_open(&c->ticket, s, msgid, &s->tickets);
	s->calls++;
	reader_submit(&s->engine->reader, c);
}

static int read_events(struct session *s, const struct rpc_call *call, struct error *error)
{
	struct engine *e = s->engine;
	struct read_call *c = mem_zalloc(sizeof(*c));
	int64_t limit, wait_ms;
	int status = rpc_int(call, 0, "from", 1, INT64_MAX, 1, &c->from, error);

	if (!status)
		status = request_read_filter(rpc_param(call, 1), e->shards, access_tenant(s), c, error);
	if (!status)
		status = rpc_int(call, 2, "limit", 1, READ_EVENTS_MOST, 100, &limit, error);
	if (!status)
		status = rpc_int(call, 3, "wait_ms", 0, READ_WAIT_MOST_MS, 0, &wait_ms, error);
	if (!status)
		status = access_read(s, c, error);
	if (!status && call->notification)
		status = error_set(error, E_PROTOCOL, "read is a request, not a notification");
	if (status) {
		free(c);
		return status;
	}
	c->limit = (int)limit;
	if (wait_ms)
		c->deadline = e->env.env.monotonic(&e->env.env) + wait_ms * 1000;
	read_begin(s, c, call->msgid);
	return 0;
}

bool method_may_read(void *engine, struct read_call *c)
{
	const struct engine *e = engine;
	const struct session *s = c->ticket.owner;

	return session_unsent(s) < SESSION_OUT_MOST && !session_room_is_short(e) && !fault_on("read.never_served");
}

static void wait_begin(struct session *s, struct wait_call *c, uint32_t msgid);

void method_answer_read(void *engine, struct read_call *c)
{
	struct session *s = c->ticket.owner;
	msgpack_packer p;

	(void)engine;
	if (!s) {
		free(c->then);
		return;
	}
	ticket_close(&c->ticket);
	s->calls--;
	if (c->then && !c->status) {
		wait_begin(s, c->then, c->ticket.msgid);
		return;
	}
	if (c->then) {
		free(c->then);
		if (c->status == E_LOG_DIVERGED)
			error_field(&c->error, E_LOG_DIVERGED, "token", "names an event at position %lld that the log does not hold there",
				    (long long)(c->from - 1));
	}
	if (c->status) {
		session_error(s, c->ticket.msgid, &c->error);
		return;
	}
	rpc_packer(&p, session_out(s));
	rpc_result(&p, c->ticket.msgid);
	msgpack_pack_map(&p, 4);
	pack_key_int(&p, "shard", c->shard);
	pack_text(&p, "events");
	msgpack_pack_array(&p, (size_t)c->count);
	for (int i = 0; i < c->count; i++)
		envelope_to_msgpack(&c->events[i], &p);
	pack_key_int(&p, "next", c->next_from);
	pack_key_int(&p, "head", c->head);
}

/* ---- wait ---- */

static int wait_groups(const msgpack_object *o, struct wait_call *c, struct error *error)
{
	if (!o || (o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 0)) {
		for (int g = 0; g < group_count; g++)
			c->groups[g] = true;
		return 0;
	}
	if (o->type != MSGPACK_OBJECT_ARRAY)
		return error_field(error, E_PARAMS, "read_models", "not an array of read models' names");
	for (uint32_t i = 0; i < o->via.array.size; i++) {
		struct bytes name = { NULL, 0 };
		bool found = false;

		if (rpc_text(&o->via.array.ptr[i], &name))
			for (int g = 0; g < group_count; g++)
				for (int k = 0; k < groups[g]->count; k++)
					if (bytes_is(name, groups[g]->projections[k]->name))
						c->groups[g] = found = true;
		if (!found)
			return error_field(error, E_NOT_FOUND, "read_models", "there is no read model '%.*s'", (int)name.len,
					   name.data ? name.data : "");
	}
	return 0;
}

/* `check`: what must be looked for in the log before waiting; its leaf_bytes are 0 when nothing must. */
static int wait_token(struct engine *e, const msgpack_object *o, struct wait_call *c, struct read_call *check,
		      struct error *error)
{
	const msgpack_object *a = o && o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.ptr : NULL;
	uint32_t n = a ? o->via.array.size : 0;
	const msgpack_object *place = n == 5 ? a + 2 : a;
	const struct appender *appender;
	struct uuid log_id;

	if ((n != 2 && n != 5) || place[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    place[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || place[0].via.u64 > (uint64_t)e->shards ||
	    place[1].via.u64 >= INT64_MAX ||
	    (n == 5 && (a[4].type != MSGPACK_OBJECT_BIN || a[4].via.bin.size < 8 || a[4].via.bin.size > LEAF_BYTES)))
		return error_field(error, E_PARAMS, "token",
				   "not [log_id, epoch, shard, position, leaf] or [shard, position]");
	c->shard = (int16_t)place[0].via.u64;
	c->position = (int64_t)place[1].via.u64;
	if (n == 2 || c->position == 0)
		return 0;
	if (!rpc_uuid(&a[0], &log_id) || !uuid_equal(&log_id, &e->log.log_id) ||
	    a[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || a[1].via.u64 > (uint64_t)e->log.epoch)
		return error_field(error, E_LOG_DIVERGED, "token", "is of another log or a later epoch");
	appender = &e->appenders[c->shard];
	if (a[1].via.u64 == (uint64_t)e->log.epoch && appender->head_leaf_known && c->position == appender->head &&
	    memcmp(a[4].via.bin.ptr, appender->head_leaf, a[4].via.bin.size) == 0)
		return 0; /* the newest of all, as most tokens are: nothing to ask the database */
	check->shard = c->shard;
	check->from = c->position + 1;
	check->leaf_bytes = a[4].via.bin.size;
	memcpy(check->leaf, a[4].via.bin.ptr, a[4].via.bin.size);
	return 0;
}

static void wait_begin(struct session *s, struct wait_call *c, uint32_t msgid)
{
	struct engine *e = s->engine;

	ticket_open(&c->ticket, s, msgid, &s->tickets);
	s->calls++;
	waits_submit(&e->waits, c, e->env.env.monotonic(&e->env.env));
}

static int wait_for(struct session *s, const struct rpc_call *call, struct error *error)
{
	struct engine *e = s->engine;
	struct wait_call *c = mem_zalloc(sizeof(*c));
	struct read_call *check = mem_zalloc(sizeof(*check));
	int64_t timeout_ms;
	int status = wait_groups(rpc_param(call, 0), c, error);

	if (!status)
		status = wait_token(e, rpc_param(call, 1), c, check, error);
	if (!status)
		status = access_wait(s, c->shard, error);
	if (!status)
		status = rpc_int(call, 2, "timeout_ms", 0, WAIT_MOST_MS, 30000, &timeout_ms, error);
	if (!status && call->notification)
		status = error_set(error, E_PROTOCOL, "wait is a request, not a notification");
	if (status) {
		free(check);
		free(c);
		return status;
	}
	c->deadline = e->env.env.monotonic(&e->env.env) + timeout_ms * 1000;
	if (check->leaf_bytes) {
		check->then = c;
		check->deadline = c->deadline;
		read_begin(s, check, call->msgid);
	} else {
		free(check);
		wait_begin(s, c, call->msgid);
	}
	return 0;
}

void method_answer_wait(void *engine, struct wait_call *c)
{
	struct session *s = c->ticket.owner;
	msgpack_packer p;

	(void)engine;
	if (!s)
		return;
	ticket_close(&c->ticket);
	s->calls--;
	if (c->status) {
		session_error(s, c->ticket.msgid, &c->error);
		return;
	}
	rpc_packer(&p, session_out(s));
	rpc_result(&p, c->ticket.msgid);
	msgpack_pack_map(&p, 2);
	pack_key_int(&p, "shard", c->shard);
	pack_key_int(&p, "position", c->reached);
}

/* ---- status, ping ---- */

static int status_call(struct session *s, const struct rpc_call *call, struct error *error)
{
	msgpack_packer p;

	(void)error;
	if (call->notification)
		return 0;
	rpc_packer(&p, session_out(s));
	rpc_result(&p, call->msgid);
	if (access_sees_all(s))
		status_pack(s->engine, &p);
	else
		status_pack_own(s->engine, access_tenant(s), &p);
	return 0;
}

static int ping(struct session *s, const struct rpc_call *call, struct error *error)
{
	msgpack_packer p;

	(void)error;
	if (call->notification)
		return 0;
	rpc_packer(&p, session_out(s));
	rpc_result(&p, call->msgid);
	if (rpc_param(call, 0))
		msgpack_pack_object(&p, *rpc_param(call, 0));
	else
		msgpack_pack_nil(&p);
	return 0;
}

static const struct method {
	const char *name;
	int (*call)(struct session *s, const struct rpc_call *call, struct error *error);
} methods[] = {
	{ "append", append }, { "hello", hello }, { "read", read_events }, { "wait", wait_for },
	{ "status", status_call }, { "ping", ping },
};

void method_call(struct session *s, const struct rpc_call *call)
{
	const struct method *m = NULL;
	struct error error;

	error_clear(&error);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && !m; i++)
		if (bytes_is(call->method, methods[i].name))
			m = &methods[i];
	if (!s->greeted && m && m->call != hello && fault_on("hello.not_required") &&
	    access_hello(s, BYTES(""), 0, true, &error))
		return;
	if (!s->greeted && (!m || m->call != hello))
		error_set(&error, E_HELLO, "the first call must be hello(version, token, client)");
	else if (!m)
		error_field(&error, E_METHOD, "method", "there is no method '%.*s'; see the protocol's page",
			    (int)(call->method.len < 40 ? call->method.len : 40), call->method.data);
	else if (m->call == hello || access_method(s, m->name, &error) == 0)
		m->call(s, call, &error);
	if (!error.code)
		return;
	s->engine->refused++;
	if (s->give_up)
		session_fail(s, call->msgid, &error);
	else
		refuse(s, call, &error);
}
