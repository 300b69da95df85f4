/* client - see client.h. */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "client/dial.h"
#include "event/walk.h"

enum {
	CONNECT_MS = 5000,
	OUT_BYTES = 16 << 20,
	FRAME_BYTES = 64 << 20,
	READ_BYTES = 64 << 10,
	ANSWER_DEPTH = 24,
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 3000,
	RETRY_AFTER_MOST_MS = 60000, /* a longer wait is cut: somebody may have raised the limit */
};

/*
 * in:   [0, in_at)   answers already given out
 *       [in_at, len) what the socket gave since; walk.at bytes of it are looked at
 * out:  [0, out_at)  sent, [out_at, len) to be sent
 */
struct client {
	struct client_options options;
	char *address;
	size_t next_address; /* offset in options.addresses where the next attempt begins */
	int fd;
	struct client_tls *tls; /* NULL until the first address that speaks it */
	uint32_t next_msgid;
	struct buffer in, out;
	size_t in_at, out_at;
	struct walk walk;
	msgpack_unpacked unpacked;
	struct client_log log;
};

struct client *client_new(const struct client_options *options)
{
	struct client *c = mem_zalloc(sizeof(*c));

	c->options = *options;
	if (!c->options.connect_ms)
		c->options.connect_ms = CONNECT_MS;
	if (!c->options.out_bytes)
		c->options.out_bytes = OUT_BYTES;
	if (!c->options.frame_bytes)
		c->options.frame_bytes = FRAME_BYTES;
	c->fd = -1;
	c->address = mem_strdup("");
	msgpack_unpacked_init(&c->unpacked);
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	client_close(c);
	client_tls_free(c->tls);
	msgpack_unpacked_destroy(&c->unpacked);
	buffer_release(&c->in);
	buffer_release(&c->out);
	free(c->address);
	free(c);
}

void client_close(struct client *c)
{
	client_tls_stop(c->tls);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buffer_reset(&c->in);
	buffer_reset(&c->out);
	c->in_at = c->out_at = 0;
	walk_init(&c->walk);
	c->address[0] = 0;
}

bool client_is_open(const struct client *c)
{
	return c->fd >= 0;
}

const struct client_log *client_get_log(const struct client *c)
{
	return &c->log;
}

const char *client_address(const struct client *c)
{
	return c->address;
}

int client_fd(const struct client *c)
{
	return c->fd;
}

size_t client_unsent(const struct client *c)
{
	return c->out.len - c->out_at + client_tls_unsent(c->tls);
}

int client_backoff_ms(int attempt, struct random *random)
{
	int ms = BACKOFF_FIRST_MS;

	while (attempt-- > 1 && ms < BACKOFF_MOST_MS)
		ms *= 2;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	return ms / 2 + (int)random_below(random, (uint64_t)ms / 2 + 1);
}

/* ---- results ---- */

const msgpack_object *client_member(const msgpack_object *map, const char *key)
{
	size_t len = strlen(key);

	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];

		if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == len &&
		    memcmp(kv->key.via.str.ptr, key, len) == 0)
			return &kv->val;
	}
	return NULL;
}

int64_t client_int(const msgpack_object *map, const char *key, int64_t fallback)
{
	const msgpack_object *o = client_member(map, key);

	if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		return (int64_t)o->via.u64;
	if (o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return o->via.i64;
	return fallback;
}

bool client_bool(const msgpack_object *map, const char *key)
{
	const msgpack_object *o = client_member(map, key);

	return o && o->type == MSGPACK_OBJECT_BOOLEAN && o->via.boolean;
}

struct bytes client_text(const msgpack_object *map, const char *key)
{
	const msgpack_object *o = client_member(map, key);

	if (o && o->type == MSGPACK_OBJECT_STR)
		return bytes_of(o->via.str.ptr ? o->via.str.ptr : "", o->via.str.size);
	if (o && o->type == MSGPACK_OBJECT_BIN)
		return bytes_of(o->via.bin.ptr ? o->via.bin.ptr : "", o->via.bin.size);
	return (struct bytes){ NULL, 0 };
}

/* The error map of an answer.  A code that this table does not have still has its class. */
static void read_error(const msgpack_object *map, struct error *error)
{
	struct bytes name = client_text(map, "code"), class = client_text(map, "class");
	struct bytes message = client_text(map, "message"), field = client_text(map, "field");
	int code = name.data ? error_find(name.data, name.len) : 0;

	if (!code)
		code = bytes_is(class, "caller") ? E_INVALID : bytes_is(class, "retry") ? E_UNAVAILABLE : E_INTERNAL;
	if (message.data)
		error_set(error, code, "%.*s", (int)(message.len < 380 ? message.len : 380), message.data);
	else
		error_set(error, code, "%s", error_get(code)->text);
	if (field.data)
		snprintf(error->field, sizeof(error->field), "%.*s", (int)(field.len < 95 ? field.len : 95), field.data);
	error->index = (int)client_int(map, "index", -1);
	error->position = client_int(map, "position", 0);
	error->retry_after_ms = (int)client_int(map, "retry_after_ms", 0);
	if (error->retry_after_ms < 0 || error->retry_after_ms > RETRY_AFTER_MOST_MS)
		error->retry_after_ms = RETRY_AFTER_MOST_MS;
}

/* ---- bytes ---- */

static int lost(struct client *c, struct error *error, const char *what)
{
	int code = error_set(error, E_UNAVAILABLE, "connection to \"%s\" lost: %s", c->address, what);

	client_close(c);
	return code;
}

/* Writes what the socket takes. */
static int flush(struct client *c, struct error *error)
{
	while (c->out_at < c->out.len) {
		const char *from = c->out.data + c->out_at;
		size_t len = c->out.len - c->out_at;
		ssize_t n = client_tls_is_on(c->tls) ? client_tls_write(c->tls, from, len) : send(c->fd, from, len, MSG_NOSIGNAL);

		if (n > 0) {
			c->out_at += (size_t)n;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		/* What the server said before it closed may still be worth reading: the read side reports the loss. */
		c->out_at = c->out.len;
		break;
	}
	if (client_tls_unsent(c->tls))
		client_tls_flush(c->tls);
	if (c->out_at == c->out.len) {
		buffer_reset(&c->out);
		c->out_at = 0;
	} else if (c->out_at >= c->out.len / 2) {
		buffer_drop(&c->out, c->out_at);
		c->out_at = 0;
	}
	return c->fd >= 0 ? 0 : lost(c, error, "closed");
}

int client_send(struct client *c, const char *method, struct bytes params, uint32_t *msgid, struct error *error)
{
	size_t method_len = strlen(method), need = params.len + method_len + 16;
	char head[16];

	if (c->fd < 0)
		return error_set(error, E_UNAVAILABLE, "not connected");
	if (client_unsent(c) + need > c->options.out_bytes) {
		int code = flush(c, error);

		if (code)
			return code;
		if (client_unsent(c) && client_unsent(c) + need > c->options.out_bytes)
			return error_set(error, E_OVERLOADED, "%zu bytes wait to be sent", client_unsent(c));
	}
	*msgid = c->next_msgid++;
	head[0] = (char)0x94; /* array of 4 */
	head[1] = 0;          /* request */
	head[2] = (char)0xce; /* uint32 */
	put_be32(head + 3, *msgid);
	head[7] = (char)0xd9; /* str 8 */
	head[8] = (char)method_len;
	buffer_add(&c->out, head, 9);
	buffer_add(&c->out, method, method_len);
	buffer_add(&c->out, params.data, params.len);
	return c->options.corked ? 0 : flush(c, error);
}

int client_flush(struct client *c, struct error *error)
{
	return c->fd >= 0 ? flush(c, error) : error_set(error, E_UNAVAILABLE, "not connected");
}

/* 1: `*answer` is filled from the bytes at hand; 0: more are needed. */
static int take_answer(struct client *c, struct client_answer *answer, struct error *error)
{
	const struct walk_limits limits = { c->options.frame_bytes, ANSWER_DEPTH, c->options.frame_bytes };
	const msgpack_object *o = &c->unpacked.data, *part;
	size_t at = 0, len = c->in.len - c->in_at;
	const char *data = c->in.data + c->in_at;
	struct error detail;
	int n = len ? walk_more(&c->walk, data, len, &limits, &detail) : 0;

	if (n == 0)
		return 0;
	if (n == 1 && msgpack_unpack_next(&c->unpacked, data, c->walk.at, &at) != MSGPACK_UNPACK_SUCCESS)
		n = E_PROTOCOL;
	part = n == 1 && o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 4 ? o->via.array.ptr : NULL;
	if (!part || part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[0].via.u64 != 1 ||
	    part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[1].via.u64 > UINT32_MAX) {
		n = error_set(error, E_PROTOCOL, "\"%s\" does not answer in MessagePack-RPC; is it a Verbatim engine?", c->address);
		client_close(c);
		return n;
	}
	c->in_at += c->walk.at;
	walk_init(&c->walk);
	answer->msgid = (uint32_t)part[1].via.u64;
	error_clear(&answer->error);
	if (part[2].type != MSGPACK_OBJECT_NIL)
		read_error(&part[2], &answer->error);
	answer->result = part[3];
	return 1;
}

/* 1: read something, 0: nothing there. */
static int fill(struct client *c, struct error *error)
{
	ssize_t n;

	if (c->in_at == c->in.len) {
		buffer_reset(&c->in);
		c->in_at = 0;
	} else if (c->in_at > READ_BYTES) {
		buffer_drop(&c->in, c->in_at);
		c->in_at = 0;
	}
	buffer_reserve(&c->in, READ_BYTES);
	n = client_tls_is_on(c->tls) ? client_tls_read(c->tls, c->in.data + c->in.len, READ_BYTES) :
				       recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
	if (n > 0) {
		c->in.len += (size_t)n;
		return 1;
	}
	if (n == 0)
		return lost(c, error, "the engine closed it");
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	return lost(c, error, errno == EPROTO ? client_tls_why(c->tls) : strerror(errno));
}

int client_poll(struct client *c, int timeout_ms, struct client_answer *answer, struct error *error)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : time_monotonic() + (int64_t)timeout_ms * 1000;
	int n;

	for (;;) {
		struct pollfd wait = { .fd = c->fd, .events = POLLIN };
		int64_t left;

		if (c->fd < 0)
			return error_set(error, E_UNAVAILABLE, "not connected");
		n = take_answer(c, answer, error);
		if (n)
			return n;
		if (client_unsent(c) && (n = flush(c, error)))
			return n;
		n = fill(c, error);
		if (n < 0)
			return n;
		if (n > 0)
			continue;
		left = deadline == INT64_MAX ? -1 : (deadline - time_monotonic() + 999) / 1000;
		if (timeout_ms >= 0 && left <= 0)
			return 0;
		if (client_unsent(c))
			wait.events |= POLLOUT;
		n = poll(&wait, 1, (int)left);
		if (n <= 0)
			return n == 0 || errno == EINTR ? 0 : lost(c, error, strerror(errno));
	}
}

int client_call(struct client *c, const char *method, struct bytes params, int timeout_ms, msgpack_object *result,
		struct error *error)
{
	int64_t deadline = time_monotonic() + (int64_t)timeout_ms * 1000;
	struct client_answer answer;
	uint32_t msgid;
	int n = client_send(c, method, params, &msgid, error);

	if (n)
		return n;
	do {
		int64_t left = (deadline - time_monotonic() + 999) / 1000; /* never early: that would look like a signal */

		n = client_poll(c, left > 0 ? (int)left : 0, &answer, error);
	} while (n == 1 && answer.msgid != msgid && (answer.msgid || answer.error.code != E_PROTOCOL)); /* msgid 0: it closes the connection */
	if (n < 0)
		return n;
	if (n == 0) {
		n = time_monotonic() < deadline ? error_set(error, E_INTERRUPTED, "stopped by a signal") :
			error_set(error, E_TIMEOUT, "no answer to %s from \"%s\" in %d ms", method, c->address, timeout_ms);
		client_close(c);
		return n;
	}
	if (answer.error.code) {
		*error = answer.error;
		return error->code;
	}
	*result = answer.result;
	return 0;
}

/* ---- opening ---- */

static int say_hello(struct client *c, struct error *error)
{
	const char *key = c->options.key ? c->options.key : "";
	const char *name = c->options.name ? c->options.name : "verbatim";
	msgpack_sbuffer params;
	msgpack_packer pack;
	msgpack_object result;
	const msgpack_object *limits;
	struct bytes text;
	int code;

	msgpack_sbuffer_init(&params);
	msgpack_packer_init(&pack, &params, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, 3);
	msgpack_pack_int(&pack, CLIENT_PROTOCOL_VERSION);
	msgpack_pack_str_with_body(&pack, key, strlen(key));
	msgpack_pack_str_with_body(&pack, name, strlen(name));
	code = client_call(c, "hello", bytes_of(params.data, params.size), c->options.connect_ms, &result, error);
	explicit_bzero(params.data, params.size);
	msgpack_sbuffer_destroy(&params);
	if (c->out.data && !client_unsent(c))
		explicit_bzero(c->out.data, c->out.cap); /* the key has gone out through it */
	if (code)
		return code;

	memset(&c->log, 0, sizeof(c->log));
	text = client_text(&result, "log_id");
	if (text.len != 16)
		return error_set(error, E_PROTOCOL, "hello's answer has no log_id");
	memcpy(c->log.log_id.b, text.data, 16);
	text = client_text(&result, "server");
	snprintf(c->log.server, sizeof(c->log.server), "%.*s", (int)(text.len < 63 ? text.len : 63), text.data ? text.data : "");
	c->log.epoch = client_int(&result, "epoch", 1);
	c->log.shards = client_int(&result, "shards", 1);
	limits = client_member(&result, "limits");
	c->log.frame_bytes = client_int(limits, "frame_bytes", 4 << 20);
	c->log.event_bytes = client_int(limits, "event_bytes", 256 << 10);
	c->log.request_events = client_int(limits, "request_events", 10000);
	c->log.inflight_bytes = client_int(limits, "inflight_bytes", 16 << 20);
	return 0;
}

/* The address that stands at `at` of the list; advances `at` past it, round and round. */
static struct bytes next_address(const char *list, size_t *at)
{
	struct bytes a;

	if (!list[*at])
		*at = 0;
	a = bytes_of(list + *at, strcspn(list + *at, ","));
	*at += a.len + (list[*at + a.len] == ',');
	while (a.len && a.data[0] == ' ')
		a.data++, a.len--;
	while (a.len && a.data[a.len - 1] == ' ')
		a.len--;
	return a;
}

static int secure(struct client *c, const char *host, int64_t deadline, struct error *error)
{
	int code;

	if (!c->tls)
		c->tls = client_tls_new(&c->options.tls);
	code = client_tls_start(c->tls, c->fd, host, deadline, error);
	return code ? error_prefix(error, "\"%s\"", c->address) : 0;
}

static int open_one(struct client *c, struct bytes address, struct error *error)
{
	int64_t deadline = time_monotonic() + (int64_t)c->options.connect_ms * 1000;
	struct bytes bare = address;
	char host[DIAL_HOST_TEXT];
	bool tls = (dial_scheme(&bare) || c->options.tls.always) && dial_host(bare, host);
	int code = dial(address, c->options.connect_ms, &c->fd, error);

	if (code)
		return code;
	free(c->address);
	c->address = mem_alloc(address.len + 1);
	memcpy(c->address, address.data, address.len);
	c->address[address.len] = 0;
	code = tls ? secure(c, host, deadline, error) : 0;
	if (!code)
		code = say_hello(c, error);
	if (code == E_UNAVAILABLE && tls && *client_tls_why(c->tls))
		code = error->code = E_CONFIG; /* it has looked at our certificate by now, and does not want us */
	if (code)
		client_close(c);
	return code;
}

int client_open(struct client *c, struct error *error)
{
	const char *list = c->options.addresses;
	struct error passing = { 0 };
	int count = 1, code = 0;

	for (const char *p = list; *p; p++)
		count += *p == ',' && p[1];
	client_close(c);
	for (int i = 0; i < count; i++) {
		struct bytes address = next_address(list, &c->next_address);

		code = open_one(c, address, error);
		if (!code || code == E_INTERRUPTED)
			return code;
		if (error_get(code)->class == CLASS_RETRY)
			passing = *error;
	}
	if (passing.code)
		*error = passing;
	return error->code;
}
