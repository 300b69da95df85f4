/* sender - see sender.h. */
#include "client/sender_private.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>

#include "base/time.h"
#include "event/envelope.h"

enum {
	MEMORY = 16 << 20,
	REQUEST_BYTES = 1 << 20,
	LANES_MAX = 65536,     /* then all is sent and the lanes are made anew */
	QUIET_SUCCESSES = 32,  /* before a lane that met trouble sends more than one request at a time again */
	STALL_MS = 60000,      /* no answer at all for so long: the connection is given up */
	STOP_MS = 3000,        /* after a signal, for the answers under way */
};

static bool stopped(const struct sender *s)
{
	return s->options.stop && *s->options.stop;
}

static void notice(struct sender *s, const char *text)
{
	if (s->options.notice)
		s->options.notice(s->options.data, text);
}

struct sender *sender_new(const struct sender_options *options)
{
	struct sender *s = mem_zalloc(sizeof(*s));
	uint64_t seed;

	s->options = *options;
	assert(options->batch >= 1 && options->outstanding >= 1);
	if (s->options.outstanding > OUTSTANDING_MAX)
		s->options.outstanding = OUTSTANDING_MAX;
	if (!s->options.memory)
		s->options.memory = MEMORY;
	random_system(&seed, sizeof(seed));
	random_seed(&s->random, seed);
	s->client = client_new(&(struct client_options){ .addresses = options->addresses, .key = options->key, .name = options->name,
							 .tls = options->tls ? *options->tls : (struct client_tls_options){ 0 } });
	map_init(&s->lanes, 16);
	arena_init(&s->arena, 64 << 10);
	msgpack_unpacked_init(&s->unpacked);
	return s;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	lanes_free(s);
	while (s->spare) {
		struct request *r = s->spare;

		s->spare = r->next;
		lanes_free_request(r);
	}
	map_release(&s->lanes);
	client_free(s->client);
	buffer_release(&s->params);
	arena_release(&s->arena);
	msgpack_unpacked_destroy(&s->unpacked);
	free(s);
}

const struct sender_counts *sender_get_counts(const struct sender *s)
{
	return &s->counts;
}

bool sender_is_idle(const struct sender *s)
{
	return s->held == 0;
}

void sender_refuse(struct sender *s, int64_t line, const struct uuid *event_id, const struct error *why)
{
	s->counts.refused++;
	if (s->options.refused)
		s->options.refused(s->options.data, line, event_id, why);
}

/* ---- trouble ---- */

/* `hold_ms`: as the engine said; 0: as long as seems wise. */
static void lane_trouble(struct sender *s, struct lane *lane, bool hold, int hold_ms)
{
	lane->careful = true;
	lane->successes = 0;
	if (hold)
		lane->hold_until = time_monotonic() +
				   (int64_t)(hold_ms ? hold_ms : client_backoff_ms(++lane->attempts, &s->random)) * 1000;
	lanes_make_ready(s, lane);
}

/* Remembers when a row of failures began; gives `why` as the error when it has lasted too long. */
static int trouble(struct sender *s, const struct error *why, struct error *error)
{
	int64_t now = time_monotonic();

	if (!s->trouble_since)
		s->trouble_since = now;
	if (now - s->trouble_since < s->options.give_up_ms * 1000)
		return 0;
	*error = *why;
	return why->code;
}

static void all_waiting_again(struct sender *s)
{
	for (int i = 0; i < s->sent_count; i++) {
		struct request *r = s->sent[i];

		r->state = REQUEST_WAITING;
		r->doubtful = r->repeated = true;
		r->lane->sent = 0;
		lane_trouble(s, r->lane, false, 0);
	}
	s->sent_count = 0;
}

static int take_log(struct sender *s, struct error *error)
{
	const struct client_log *log = client_get_log(s->client);

	if (s->known_log && (!uuid_equal(&log->log_id, &s->log.log_id) || log->epoch != s->log.epoch))
		return error_set(error, E_LOG_DIVERGED, "the engine at \"%s\" has another log, or another epoch of it, than before; "
				 "send the whole input again", client_address(s->client));
	s->log = *log;
	s->known_log = true;
	s->request_events = s->options.batch < log->request_events ? s->options.batch : (int)log->request_events;
	s->request_bytes = REQUEST_BYTES;
	if (log->frame_bytes > 0 && (size_t)log->frame_bytes / 2 < s->request_bytes)
		s->request_bytes = (size_t)log->frame_bytes / 2;
	return 0;
}

/* Tries until it works, `give_up_ms` is over, or somebody stops it. */
static int connect_again(struct sender *s, struct error *error)
{
	struct error failure;
	char text[512];
	bool told = false;
	int attempt = 0, code;

	for (;;) {
		if (stopped(s))
			return error_set(error, E_INTERRUPTED, "stopped");
		code = client_open(s->client, error);
		if (!code)
			break;
		if (code == E_INTERRUPTED && !stopped(s))
			continue;
		if (error_get(code)->class != CLASS_RETRY)
			return code;
		failure = *error;
		code = trouble(s, &failure, error);
		if (code)
			return code;
		snprintf(text, sizeof(text), "waiting for the engine: %s", error->message);
		notice(s, text);
		told = true;
		poll(NULL, 0, client_backoff_ms(++attempt, &s->random));
	}
	s->heard_at = time_monotonic();
	if (told)
		notice(s, "");
	return take_log(s, error);
}

int sender_open(struct sender *s, struct error *error)
{
	int code = connect_again(s, error);

	s->trouble_since = 0;
	return code;
}

static int reconnect(struct sender *s, struct error *error)
{
	all_waiting_again(s);
	s->counts.reconnects++;
	return connect_again(s, error);
}

/* ---- sending ---- */

static int send_request(struct sender *s, struct request *r, struct error *error)
{
	char head[6] = { (char)0x92, (char)0xdd };
	int code;

	put_be32(head + 2, (uint32_t)r->count);
	buffer_reset(&s->params);
	buffer_add(&s->params, head, sizeof(head));
	buffer_add_bytes(&s->params, buffer_bytes(&r->body));
	buffer_add_byte(&s->params, (char)0x80);
	code = client_send(s->client, "append", buffer_bytes(&s->params), &r->msgid, error);
	if (code)
		return code;
	if (!s->sent_count)
		s->heard_at = time_monotonic();
	s->counts.repeated += r->repeated;
	r->state = REQUEST_SENT;
	r->lane->sent++;
	s->sent[s->sent_count++] = r;
	return 0;
}

/* One turn over the ready lanes at most; `*wake` is lowered to when a held lane may go on. */
static int send_ready(struct sender *s, int64_t *wake, struct error *error)
{
	struct lane *end = s->ready_last, *lane;
	int64_t now = time_monotonic();
	bool last = false;
	int code;

	while (s->ready && !last && s->sent_count < s->options.outstanding) {
		struct request *r;

		lane = s->ready;
		last = lane == end;
		r = lanes_first_waiting(lane);
		if (r && lane->hold_until <= now && !(lane->careful && lane->sent)) {
			code = send_request(s, r, error);
			if (code == E_OVERLOADED)
				return 0; /* the socket is full; answers first */
			if (code)
				return code;
			r = lane->careful ? NULL : lanes_first_waiting(lane);
		} else if (r && lane->hold_until > now) {
			*wake = *wake < lane->hold_until ? *wake : lane->hold_until;
		} else {
			r = NULL; /* an answer makes it ready again */
		}
		s->ready = lane->next_ready;
		lane->ready = false;
		if (r)
			lanes_make_ready(s, lane);
	}
	return 0;
}

/* ---- answers ---- */

static void count_success(struct sender *s, const struct request *r, const msgpack_object *result)
{
	const msgpack_object *list = client_member(result, "duplicates");
	int64_t shard = client_int(result, "shard", -1), last = client_int(result, "last", 0);
	int duplicates = list && list->type == MSGPACK_OBJECT_ARRAY ? (int)list->via.array.size : 0;
	struct bytes leaf = client_text(result, "leaf");

	if (duplicates > r->count)
		duplicates = r->count;
	s->counts.requests++;
	s->counts.stored += r->count - duplicates;
	s->counts.duplicates += duplicates;
	if (r->doubtful)
		s->counts.doubtful += duplicates;
	if (shard >= 0 && shard < SHARDS_MAX) {
		struct touched *t = &s->touched[shard];

		s->counts.shards += t->last == 0;
		if (last > t->last) {
			t->last = last;
			t->epoch = client_int(result, "epoch", s->log.epoch);
			t->leaf_len = leaf.len < sizeof(t->leaf) ? leaf.len : sizeof(t->leaf);
			memcpy(t->leaf, leaf.data ? leaf.data : "", t->leaf_len);
		}
	}
}

/* What to do about a request that was not taken.  A code is the end of the whole. */
static int on_refusal(struct sender *s, struct request *r, const struct error *why, struct error *error)
{
	enum error_class class = error_get(why->code)->class;

	r->state = REQUEST_WAITING;
	r->repeated = true;
	if (class == CLASS_RETRY) {
		r->doubtful = r->doubtful || why->code == E_UNAVAILABLE; /* its commit may have been under way */
		lane_trouble(s, r->lane, true, why->retry_after_ms);
		return trouble(s, why, error);
	}
	lane_trouble(s, r->lane, false, 0);
	if (why->code == E_FORBIDDEN && !why->field[0]) { /* the key may not append at all */
		*error = *why;
		return why->code;
	}
	switch (why->code) {
	case E_FORBIDDEN: /* their tenant */
	case E_INVALID:
	case E_CONFLICT:
	case E_STALE:
	case E_MIXED_TENANTS:
	case E_TOO_LARGE:
	case E_NOT_FOUND:
	case E_EXISTS:
		break;
	default: /* of the connection or the engine, not of the events */
		*error = *why;
		return why->code;
	}
	if (why->index >= 0 && why->index < r->count) {
		sender_refuse(s, r->items[why->index].line, &r->items[why->index].id, why);
		lanes_drop_event(s, r, why->index);
	} else if (why->code == E_TOO_LARGE && r->count > 1) {
		lanes_split(s, r);
	} else {
		for (int i = 0; i < r->count; i++)
			sender_refuse(s, r->items[i].line, &r->items[i].id, why);
		r->count = 0;
	}
	if (!r->count)
		lanes_give(s, r);
	return 0;
}

static int on_answer(struct sender *s, const struct client_answer *answer, struct error *error)
{
	struct request *r;
	struct lane *lane;
	int i = 0;

	while (i < s->sent_count && s->sent[i]->msgid != answer->msgid)
		i++;
	if (i == s->sent_count)
		return 0; /* to a question of another time */
	r = s->sent[i];
	lane = r->lane;
	s->sent[i] = s->sent[--s->sent_count];
	lane->sent--;
	s->heard_at = time_monotonic();
	if (answer->error.code)
		return on_refusal(s, r, &answer->error, error);
	count_success(s, r, &answer->result);
	s->trouble_since = 0;
	lane->attempts = 0;
	if (++lane->successes >= QUIET_SUCCESSES)
		lane->careful = false;
	lanes_give(s, r);
	lanes_make_ready(s, lane);
	return 0;
}

int sender_pump(struct sender *s, int timeout_ms, bool all, struct error *error)
{
	int64_t wake = time_monotonic() + (int64_t)timeout_ms * 1000;
	struct client_answer answer;
	int code;

	while (all && lanes_seal_oldest(s))
		;
	code = client_is_open(s->client) ? send_ready(s, &wake, error) : E_UNAVAILABLE;
	while (code >= 0) {
		int64_t left = (wake - time_monotonic() + 999) / 1000;

		code = client_poll(s->client, timeout_ms && left > 0 ? (int)left : 0, &answer, error);
		if (code <= 0)
			break;
		timeout_ms = 0; /* one wait, then all that is there */
		code = on_answer(s, &answer, error);
		if (code)
			return code;
	}
	if (code == 0 && s->sent_count && time_monotonic() - s->heard_at > STALL_MS * 1000LL) {
		client_close(s->client);
		code = E_UNAVAILABLE;
	}
	if (code == E_UNAVAILABLE)
		return stopped(s) ? error_set(error, E_INTERRUPTED, "stopped") : reconnect(s, error);
	return code;
}

/* ---- taking ---- */

/* As the engine's door sees it; what only the engine can know (its clock, a key's tenant) is left to it. */
static int check(struct sender *s, struct bytes event, struct error *error)
{
	static const struct uuid some = { { 1 } };
	struct envelope_limits limits = { .event_bytes = (size_t)s->log.event_bytes, .depth = 16, .tenant_id = &some };
	struct event e;

	arena_reset(&s->arena);
	if (msgpack_unpack_next(&s->unpacked, event.data, event.len, NULL) != MSGPACK_UNPACK_SUCCESS)
		return error_set(error, E_INVALID, "not one event");
	return envelope_decode(&s->unpacked.data, TIME_MAX - 2 * TIME_DAY, &limits, &s->arena, &e, error);
}

int sender_add(struct sender *s, int64_t line, const struct uuid *tenant_id, const struct uuid *event_id, struct bytes event,
	       struct error *error)
{
	struct lane *lane;
	struct error why;
	int code = 0;

	if (stopped(s))
		return error_set(error, E_INTERRUPTED, "stopped");
	s->counts.added++;
	error_clear(&why);
	if (check(s, event, &why)) {
		sender_refuse(s, line, event_id, &why);
		return 0;
	}
	if (s->lanes.count >= LANES_MAX && !map_find(&s->lanes, tenant_id)) {
		code = sender_finish(s, error);
		if (code)
			return code;
		lanes_free(s);
	}
	lane = lanes_get(s, tenant_id);
	if (lane->last && lane->last->state == REQUEST_OPEN &&
	    (lane->last->count >= s->request_events || lane->last->body.len + event.len > s->request_bytes)) {
		lanes_seal(s, lane);
		code = sender_pump(s, 0, false, error);
		if (code)
			return code;
	}
	lanes_add(s, lane, line, event_id, event);
	if (!s->sent_count && !s->ready && lane->last->count >= (s->request_events + 3) / 4) {
		lanes_seal(s, lane); /* the engine has nothing to do */
		code = sender_pump(s, 0, false, error);
		if (code)
			return code;
	}
	while (s->held > s->options.memory) {
		if (!s->ready && s->sent_count < s->options.outstanding)
			lanes_seal_oldest(s);
		code = sender_pump(s, 100, false, error);
		if (code)
			return code;
		if (stopped(s))
			return error_set(error, E_INTERRUPTED, "stopped");
	}
	return 0;
}

int sender_finish(struct sender *s, struct error *error)
{
	int64_t deadline = 0;
	int code;

	while (s->held) {
		if (!stopped(s)) {
			code = sender_pump(s, 200, true, error);
			if (code && code != E_INTERRUPTED)
				return code;
			continue;
		}
		/* Only the answers to what is under way. */
		if (!deadline)
			deadline = time_monotonic() + STOP_MS * 1000LL;
		while (s->sent_count && time_monotonic() < deadline && client_is_open(s->client)) {
			struct client_answer answer;
			struct error ignored;

			code = client_poll(s->client, 100, &answer, &ignored);
			if (code == 1)
				code = on_answer(s, &answer, &ignored);
			if (code < 0)
				break;
		}
		return error_set(error, E_INTERRUPTED, "stopped by a signal");
	}
	return stopped(s) ? error_set(error, E_INTERRUPTED, "stopped by a signal") : 0;
}

/* ---- waiting for the read models ---- */

static void pack_wait(struct buffer *out, const struct sender *s, int shard, int64_t timeout_ms)
{
	const struct touched *t = &s->touched[shard];
	msgpack_sbuffer b;
	msgpack_packer pack;

	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pack, &b, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, 3);
	msgpack_pack_array(&pack, 0);
	msgpack_pack_array(&pack, 5);
	msgpack_pack_bin_with_body(&pack, s->log.log_id.b, 16);
	msgpack_pack_int64(&pack, t->epoch);
	msgpack_pack_int(&pack, shard);
	msgpack_pack_int64(&pack, t->last);
	msgpack_pack_bin_with_body(&pack, t->leaf, t->leaf_len);
	msgpack_pack_int64(&pack, timeout_ms);
	buffer_reset(out);
	buffer_add(out, b.data, b.size);
	msgpack_sbuffer_destroy(&b);
}

int sender_wait(struct sender *s, int64_t timeout_ms, struct error *error)
{
	int64_t deadline = time_monotonic() + timeout_ms * 1000;

	assert(sender_is_idle(s));
	for (int shard = 0; shard < SHARDS_MAX; shard++) {
		msgpack_object result;
		int64_t left, slice;
		int code;

		if (!s->touched[shard].last)
			continue;
		do { /* in slices, so that a signal is seen and a lost connection mended */
			if (stopped(s))
				return error_set(error, E_INTERRUPTED, "stopped by a signal");
			left = (deadline - time_monotonic()) / 1000;
			slice = left < 1000 ? left > 0 ? left : 0 : 1000;
			if (!client_is_open(s->client) && (code = reconnect(s, error)))
				return code;
			pack_wait(&s->params, s, shard, slice);
			code = client_call(s->client, "wait", buffer_bytes(&s->params), (int)slice + 10000, &result, error);
		} while (code && error_get(code)->class == CLASS_RETRY && left > 0);
		if (code)
			return error_prefix(error, "shard %d", shard);
	}
	return 0;
}
