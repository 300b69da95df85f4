/*
 * load - how fast does an engine acknowledge, and how soon?
 *
 * One process opens K connections and keeps up to W requests of B events outstanding on each.  The events are
 * messages, about 300 bytes of payload each, of at least 64 tenants over all shards.  Each tenant has 64
 * conversations at a time; after some 12 messages a conversation makes way for a new one, as in real support, so a
 * request of conversation.created events goes between (after its answer the new ones are written to).  Requests of
 * messages are packed once; before one is sent again only its ids and times are written anew, so that the client
 * costs next to nothing; what it costs is printed.
 *
 * Closed loop by default: the next request goes when an answer came.  With --rate the loop is open: requests have a
 * timetable, and latency counts from when a request was due, so a slow engine cannot hide by slowing the
 * client down.
 *
 * With --watch a further connection asks for the engine's status ten times a second: how far the read models are
 * behind the log (the sum over shards, events), whether that grows, how fast they go forward, and how long
 * after the last acknowledgement they show everything.
 *
 * One JSON line comes out; "latency_ms" is from sending (or being due) to the acknowledgement:
 *
 *   {"bench":"load","connections":1,"batch":100,"outstanding":16,"seconds":10.0,"events":412300,
 *    "events_per_second":41230,"requests_per_second":412.3,"latency_ms":{"p50":..,"p90":..,"p99":..,"max":..},
 *    "client_cpu_us_per_event":1.9,"errors":0,"retries":0,"steal_percent":0.3}
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "client/client.h"
#include "event/event.h"
#include "common.h"

enum {
	SHARDS = 4,              /* as a log has them when nobody says otherwise; for --shards */
	CONVERSATIONS = 64,      /* a tenant, at a time */
	MESSAGES = 12,           /* a conversation */
	BUCKETS = 64 * 32,       /* of latencies: 32 a power of two of microseconds */
	ANSWERS_A_TURN = 64,
};

/* A packed message, and where its changing parts stand in the request. */
struct packed_event {
	size_t event_id, entity_id, conversation_id, payload_conversation_id, occurred_at;
	size_t slot;             /* which of all conversations */
};

/* A packed request of one tenant. */
struct packed {
	struct buffer body;
	struct packed_event *events;
	long since;              /* messages sent since conversations were replaced */
	size_t oldest;           /* of its conversations, the next to be replaced */
	struct uuid next[CONVERSATIONS]; /* the ids of those that the opening under way makes */
	bool opening;
};

struct pending {
	uint32_t msgid;
	int64_t due;             /* microseconds */
	long events;
	struct packed *opens;    /* an opening: whose */
};

struct connection {
	struct client *client;
	struct pending *pending;
	int outstanding;
	int next_packed;
	bool waits_for_room;
};

struct load {
	const char *to, *key, *tls_ca;
	long connections, batch, outstanding, tenants, payload, seconds, events, rate, seed;
	int half;                /* tenants whose shard of a log with SHARDS is odd (1) or even (2) alone; 0: all */
	struct random random;
	struct uuid *tenant_ids, *conversation_ids, *customer_ids;
	struct packed *packed;
	int packed_count;
	struct connection *at;
	int epoll;
	int64_t sent_events, acked_events, failed_events, acked_requests, errors, retries;
	int64_t start, stop_sending, schedule; /* schedule: due time of the next request with --rate */
	uint64_t histogram[BUCKETS];
	int64_t worst;
	char error_text[512];
	bool watch;
	struct client *watcher;
	int64_t next_look, lags_from;
	double lag_sum[3]; /* by third of the run */
	int64_t lag_count[3], lag_most, behind_us;
	struct mark { int64_t at, acked, projected; } marks[4]; /* first look, and the last one of each third */
};

static void die(const char *what, const struct error *error)
{
	fprintf(stderr, "load: %s: %s\n", what, error->message);
	exit(1);
}

static void new_uuid(struct load *l, struct uuid *out, int64_t ms)
{
	uint8_t tail[16];

	random_fill(&l->random, tail, sizeof(tail));
	uuid_v7(out, ms, tail);
}

/* ---- events ---- */

/* 96 bits: nanoseconds, then seconds. */
static void put_time(char *to, int64_t us)
{
	put_be32(to, (uint32_t)(us % 1000000 * 1000));
	put_be64(to + 4, (uint64_t)(us / 1000000));
}

static void pack_time(msgpack_packer *p, const char *name, int64_t us)
{
	char bytes[12];

	bench_pack_text(p, name);
	put_time(bytes, us);
	msgpack_pack_ext_with_body(p, bytes, sizeof(bytes), -1);
}

static void pack_message(struct load *l, msgpack_packer *p, msgpack_sbuffer *out, long tenant, bool inbound, const char *text,
			 struct packed_event *at)
{
	static const struct uuid nobody;
	size_t which = (size_t)tenant * CONVERSATIONS + random_below(&l->random, CONVERSATIONS);

	at->slot = which;
	msgpack_pack_map(p, 9);
	bench_pack_uuid(p, "event_id", &nobody);
	at->event_id = out->size - 16;
	bench_pack_text(p, "event_type");
	bench_pack_text(p, inbound ? "message.received" : "message.sent");
	bench_pack_uuid(p, "tenant_id", &l->tenant_ids[tenant]);
	bench_pack_uuid(p, "entity_id", &nobody);
	at->entity_id = out->size - 16;
	bench_pack_uuid(p, "conversation_id", &nobody);
	at->conversation_id = out->size - 16;
	bench_pack_uuid(p, "customer_id", &l->customer_ids[which]);
	bench_pack_text(p, "actor_type");
	bench_pack_text(p, inbound ? "customer" : "user");
	pack_time(p, "occurred_at", 0);
	at->occurred_at = out->size - 12;
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 6);
	bench_pack_uuid(p, "conversation_id", &nobody);
	at->payload_conversation_id = out->size - 16;
	bench_pack_text(p, "channel");
	bench_pack_text(p, "email");
	bench_pack_text(p, "direction");
	bench_pack_text(p, inbound ? "inbound" : "outbound");
	bench_pack_text(p, "sender_type");
	bench_pack_text(p, inbound ? "customer" : "agent");
	bench_pack_text(p, "language");
	bench_pack_text(p, "en");
	bench_pack_text(p, "content");
	msgpack_pack_str_with_body(p, text, (size_t)l->payload > 160 ? (size_t)l->payload - 160 : 1);
}

static void pack_requests(struct load *l)
{
	static const char *const words[] = { "the", "order", "has", "not", "arrived", "yet", "and", "I", "would", "like", "to", "know", "when",
					     "it", "comes", "because", "my", "address", "changed", "last", "week", "please", "help" };
	char *text = mem_alloc((size_t)l->payload + 64);
	size_t len = 0;

	while (len < (size_t)l->payload) {
		const char *w = words[random_below(&l->random, sizeof(words) / sizeof(words[0]))];

		len += (size_t)snprintf(text + len, 32, "%s ", w);
	}
	l->packed_count = (int)l->tenants; /* a request is of one tenant */
	l->packed = mem_zalloc((size_t)l->packed_count * sizeof(*l->packed));
	for (int i = 0; i < l->packed_count; i++) {
		msgpack_sbuffer out;
		msgpack_packer pack;

		l->packed[i].events = mem_alloc((size_t)l->batch * sizeof(*l->packed[i].events));
		msgpack_sbuffer_init(&out);
		msgpack_packer_init(&pack, &out, msgpack_sbuffer_write);
		msgpack_pack_array(&pack, 1);
		msgpack_pack_array(&pack, (size_t)l->batch);
		for (long j = 0; j < l->batch; j++)
			pack_message(l, &pack, &out, i, (i + j) % 2 == 0, text, &l->packed[i].events[j]);
		buffer_add(&l->packed[i].body, out.data, out.size);
		msgpack_sbuffer_destroy(&out);
	}
	free(text);
}

/* New identities and times for all its events. */
static void renew(struct load *l, struct packed *p, int64_t now)
{
	uint64_t a = random_next(&l->random), b = random_next(&l->random);
	uint8_t tail[16];
	struct uuid id;

	memcpy(tail, &a, 8);
	memcpy(tail + 8, &b, 8);
	for (long i = 0; i < l->batch; i++) {
		const struct packed_event *at = &p->events[i];
		const struct uuid *conversation = &l->conversation_ids[at->slot];

		put_be32(tail + 6, (uint32_t)i); /* unlike its neighbours, the rest is random for each request */
		uuid_v7(&id, now / 1000, tail);
		memcpy(p->body.data + at->event_id, id.b, 16);
		id.b[9] ^= 0x20; /* the message's own id */
		memcpy(p->body.data + at->entity_id, id.b, 16);
		memcpy(p->body.data + at->conversation_id, conversation->b, 16);
		memcpy(p->body.data + at->payload_conversation_id, conversation->b, 16);
		put_time(p->body.data + at->occurred_at, now);
	}
}

static void pack_created(struct load *l, msgpack_packer *p, long tenant, const struct uuid *entity, const struct uuid *customer, int64_t now)
{
	struct uuid id;

	new_uuid(l, &id, now / 1000);
	msgpack_pack_map(p, 7);
	bench_pack_uuid(p, "event_id", &id);
	bench_pack_text(p, "event_type");
	bench_pack_text(p, customer ? "conversation.created" : "customer.created");
	bench_pack_uuid(p, "tenant_id", &l->tenant_ids[tenant]);
	bench_pack_uuid(p, "entity_id", entity);
	bench_pack_text(p, "actor_type");
	bench_pack_text(p, "system");
	pack_time(p, "occurred_at", now);
	bench_pack_text(p, "payload");
	if (customer) {
		msgpack_pack_map(p, 2);
		bench_pack_uuid(p, "customer_id", customer);
		bench_pack_text(p, "initial_channel");
		bench_pack_text(p, "email");
	} else {
		msgpack_pack_map(p, 1);
		bench_pack_text(p, "identities");
		msgpack_pack_array(p, 0);
	}
}

/* Tenants, customers and first conversations that the messages belong to: not part of what is measured. */
static void set_up(struct load *l, struct client *client)
{
	size_t all = (size_t)l->tenants * CONVERSATIONS;
	int64_t now = time_wall();
	struct error error;

	l->tenant_ids = mem_alloc((size_t)l->tenants * sizeof(struct uuid));
	l->conversation_ids = mem_alloc(all * sizeof(struct uuid));
	l->customer_ids = mem_alloc(all * sizeof(struct uuid));
	for (long t = 0; t < l->tenants; t++) {
		msgpack_object result;
		msgpack_sbuffer out;
		msgpack_packer p;

		do
			new_uuid(l, &l->tenant_ids[t], now / 1000);
		while (l->half && event_shard(&l->tenant_ids[t], SHARDS) % 2 != l->half % 2);
		msgpack_sbuffer_init(&out);
		msgpack_packer_init(&p, &out, msgpack_sbuffer_write);
		msgpack_pack_array(&p, 1);
		msgpack_pack_array(&p, CONVERSATIONS * 2);
		for (size_t which = (size_t)t * CONVERSATIONS; which < (size_t)(t + 1) * CONVERSATIONS; which++) {
			new_uuid(l, &l->customer_ids[which], now / 1000);
			new_uuid(l, &l->conversation_ids[which], now / 1000);
			pack_created(l, &p, t, &l->customer_ids[which], NULL, now);
			pack_created(l, &p, t, &l->conversation_ids[which], &l->customer_ids[which], now);
		}
		if (client_call(client, "append", bytes_of(out.data, out.size), 30000, &result, &error))
			die("cannot set up", &error);
		msgpack_sbuffer_destroy(&out);
	}
}

/* How many conversations an opening replaces: as many as a request may have events. */
static long openings(const struct load *l)
{
	return l->batch < CONVERSATIONS ? l->batch : CONVERSATIONS;
}

/* The same customers' next conversations, in the place of the oldest. */
static void pack_opening(struct load *l, struct packed *p, msgpack_sbuffer *out)
{
	long tenant = p - l->packed;
	int64_t now = time_wall();
	msgpack_packer pack;

	msgpack_sbuffer_init(out);
	msgpack_packer_init(&pack, out, msgpack_sbuffer_write);
	msgpack_pack_array(&pack, 1);
	msgpack_pack_array(&pack, (size_t)openings(l));
	for (long i = 0; i < openings(l); i++) {
		size_t which = (size_t)tenant * CONVERSATIONS + (p->oldest + (size_t)i) % CONVERSATIONS;

		new_uuid(l, &p->next[i], now / 1000);
		pack_created(l, &pack, tenant, &p->next[i], &l->customer_ids[which], now);
	}
}

/* The opening is in the log: messages go to the new ones from now on. */
static void replace(struct load *l, struct packed *p)
{
	for (long i = 0; i < openings(l); i++, p->oldest = (p->oldest + 1) % CONVERSATIONS)
		l->conversation_ids[(size_t)(p - l->packed) * CONVERSATIONS + p->oldest] = p->next[i];
}

/* ---- measuring ---- */

static void record(struct load *l, int64_t us)
{
	uint64_t v = us < 1 ? 1 : (uint64_t)us;
	int power = 63 - __builtin_clzll(v);
	int bucket = power < 5 ? (int)v : (power - 4) * 32 + (int)(v >> (power - 5) & 31);

	l->histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	if (us > l->worst)
		l->worst = us;
}

static double percentile(const struct load *l, double p)
{
	uint64_t all = 0, seen = 0;

	for (int i = 0; i < BUCKETS; i++)
		all += l->histogram[i];
	for (int i = 0; i < BUCKETS; i++) {
		seen += l->histogram[i];
		if (seen && (double)seen >= p * (double)all)
			return i < 32 ? i / 1000.0 : (double)((uint64_t)(32 + i % 32) << (i / 32 - 1)) / 1000.0;
	}
	return 0;
}

/* ---- sending ---- */

static bool more(const struct load *l, int64_t now)
{
	return now < l->stop_sending && (!l->events || l->sent_events < l->events);
}

/* Sends, and asks for word when the socket has room for the rest. */
static void push(struct load *l, struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	struct error error;
	bool wants;

	if (client_unsent(c->client) && client_flush(c->client, &error))
		die("sending", &error);
	wants = client_unsent(c->client) > 0;
	if (wants)
		e.events |= EPOLLOUT;
	if (wants != c->waits_for_room && epoll_ctl(l->epoll, EPOLL_CTL_MOD, client_fd(c->client), &e) == 0)
		c->waits_for_room = wants;
}

static bool send_body(struct load *l, struct connection *c, struct bytes body, struct pending pending)
{
	struct error error;
	int code = client_send(c->client, "append", body, &pending.msgid, &error);

	if (code == E_OVERLOADED)
		return false;
	if (code)
		die("sending", &error);
	c->pending[c->outstanding++] = pending;
	l->sent_events += pending.events;
	return true;
}

static bool send_one(struct load *l, struct connection *c, int64_t due)
{
	struct packed *p = &l->packed[c->next_packed];

	if (!p->opening && p->since >= MESSAGES * openings(l)) {
		msgpack_sbuffer out;

		pack_opening(l, p, &out);
		p->opening = send_body(l, c, bytes_of(out.data, out.size), (struct pending){ 0, due, openings(l), p });
		msgpack_sbuffer_destroy(&out);
		if (p->opening)
			p->since = 0;
		return p->opening;
	}
	renew(l, p, time_wall());
	if (!send_body(l, c, buffer_bytes(&p->body), (struct pending){ 0, due, l->batch, NULL }))
		return false;
	p->since += l->batch;
	c->next_packed = (c->next_packed + 1) % l->packed_count;
	return true;
}

/* Closed loop: as many as may be outstanding. */
static void send_some(struct load *l, struct connection *c)
{
	int64_t now = time_monotonic();

	if (!l->rate)
		while (c->outstanding < l->outstanding && more(l, now) && send_one(l, c, now))
			;
	push(l, c);
}

/* Open loop: what is due by now, over the connections in turn; late when all are full, and counted so. */
static void send_due(struct load *l, int64_t now, long *turn)
{
	int64_t gap_ns = (int64_t)1000000000 * l->batch / l->rate;

	while (l->schedule / 1000 <= now && more(l, now)) {
		struct connection *c = NULL;

		for (long i = 0; i < l->connections && !c; i++) {
			struct connection *other = &l->at[(*turn + i) % l->connections];

			if (other->outstanding < l->outstanding)
				c = other;
		}
		if (!c || !send_one(l, c, l->schedule / 1000))
			return;
		push(l, c);
		*turn = (c - l->at + 1) % l->connections;
		l->schedule += gap_ns;
	}
}

static void take_answers(struct load *l, struct connection *c)
{
	struct client_answer answer;
	struct error error;
	int n = 0;

	for (int i = 0; i < ANSWERS_A_TURN && (!i || c->outstanding) && (n = client_poll(c->client, 0, &answer, &error)) == 1; i++) {
		int at = 0;

		while (at < c->outstanding && c->pending[at].msgid != answer.msgid)
			at++;
		if (at == c->outstanding)
			continue;
		if (answer.error.code) {
			if (error_get(answer.error.code)->class == CLASS_RETRY)
				l->retries++;
			else
				l->errors++;
			l->failed_events += c->pending[at].events;
			snprintf(l->error_text, sizeof(l->error_text), "%s: %s", error_name(answer.error.code), answer.error.message);
		} else {
			record(l, time_monotonic() - c->pending[at].due);
			l->acked_events += c->pending[at].events;
			l->acked_requests++;
			if (c->pending[at].opens)
				replace(l, c->pending[at].opens);
		}
		if (c->pending[at].opens)
			c->pending[at].opens->opening = false;
		c->pending[at] = c->pending[--c->outstanding];
	}
	if (n < 0)
		die("receiving", &error);
}

/* ---- the read models ---- */

/* How far they are, and how far behind, in events over all shards. */
static int64_t look(struct load *l, int64_t *position)
{
	msgpack_object status;
	const msgpack_object *groups;
	struct error error;
	int64_t lag = 0;

	if (client_call(l->watcher, "status", bytes_of("\x90", 1), 30000, &status, &error))
		die("asking for status", &error);
	groups = client_member(&status, "groups");
	*position = 0;
	for (uint32_t i = 0; groups && groups->type == MSGPACK_OBJECT_ARRAY && i < groups->via.array.size; i++) {
		*position += client_int(&groups->via.array.ptr[i], "position", 0);
		lag += client_int(&groups->via.array.ptr[i], "lag", 0);
	}
	return lag;
}

static void watch_open(struct load *l)
{
	struct error error;

	if (!l->watch)
		return;
	l->watcher = client_new(&(struct client_options){ .addresses = l->to, .key = l->key, .tls = { .ca = l->tls_ca },
							  .name = "bench watch" });
	if (client_open(l->watcher, &error))
		die("cannot connect", &error);
}

static void watch_look(struct load *l, int64_t now)
{
	int64_t position, lag, length = l->stop_sending - l->start;
	int third;

	if (!l->watch || now < l->next_look || now >= l->stop_sending)
		return;
	lag = look(l, &position);
	l->next_look = now + 100000;
	third = (int)((now - l->start) * 3 / length);
	third = third > 2 ? 2 : third;
	for (int i = l->marks[0].at ? third + 1 : 0; i < 4; i++)
		l->marks[i] = (struct mark){ now, l->acked_events, position };
	l->lag_sum[third] += (double)lag;
	l->lag_count[third]++;
	if (lag > l->lag_most)
		l->lag_most = lag;
}

/* Waits until nothing is behind; at most half a minute. */
static void watch_end(struct load *l)
{
	int64_t position, began = time_monotonic();

	while (l->watch && look(l, &position) > 0 && time_monotonic() - began < 30 * TIME_SECOND)
		usleep(2000);
	l->behind_us = time_monotonic() - began;
}

static void open_all(struct load *l)
{
	struct error error;

	l->at = mem_zalloc((size_t)l->connections * sizeof(*l->at));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (long i = 0; i < l->connections; i++) {
		struct connection *c = &l->at[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		c->client = client_new(&(struct client_options){ .addresses = l->to, .key = l->key, .tls = { .ca = l->tls_ca },
								 .name = "bench load", .corked = true });
		if (client_open(c->client, &error))
			die("cannot connect", &error);
		c->pending = mem_alloc((size_t)l->outstanding * sizeof(*c->pending));
		if (i == 0) {
			set_up(l, c->client);
			pack_requests(l);
		}
		c->next_packed = (int)(i * 7 % l->packed_count);
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, client_fd(c->client), &e) != 0) {
			perror("load: epoll");
			exit(1);
		}
	}
}

static void run(struct load *l)
{
	long turn = 0;
	int64_t now;

	l->start = now = time_monotonic();
	l->stop_sending = l->start + (l->events ? INT64_MAX / 2 : l->seconds * TIME_SECOND);
	l->schedule = l->start * 1000;
	for (long i = 0; i < l->connections; i++)
		send_some(l, &l->at[i]);
	while (more(l, now) || l->sent_events > l->acked_events + l->failed_events) {
		struct epoll_event events[256];
		int64_t wait_us = 100000;
		struct timespec wait;
		int n;

		if (l->rate && more(l, now)) {
			int64_t left = l->schedule / 1000 - time_monotonic();

			wait_us = left < 0 ? 0 : left < wait_us ? left : wait_us;
		}
		wait = (struct timespec){ .tv_nsec = wait_us * 1000 };
		n = epoll_pwait2(l->epoll, events, 256, &wait, NULL); /* a millisecond would be too coarse */
		if (n < 0 && errno != EINTR) {
			perror("load: epoll_wait");
			exit(1);
		}
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			take_answers(l, c);
			send_some(l, c);
		}
		now = time_monotonic();
		if (l->rate)
			send_due(l, now, &turn);
		watch_look(l, now);
		if (now > l->stop_sending + 30 * TIME_SECOND) {
			fprintf(stderr, "load: some requests were never answered\n");
			exit(1);
		}
	}
}

static const char help[] =
	"load - keeps an engine busy with appends and tells how fast it acknowledges\n"
	"\n"
	"  --to HOST:PORT     the engine, or tls://HOST:PORT or unix:PATH (default 127.0.0.1:7411)\n"
	"  --tls-ca FILE      whose certificates are believed\n"
	"  VERBATIM_API_KEY holds the API key\n"
	"  --connections K    (default 1)\n"
	"  --batch B          events a request (default 100)\n"
	"  --outstanding W    requests under way a connection (default 16)\n"
	"  --tenants N        (default 64)\n"
	"  --shards odd|even  only tenants of every other shard of a log that has four (default: of all)\n"
	"  --payload BYTES    about how long a payload is (default 300)\n"
	"  --seconds S        how long (default 10)\n"
	"  --events N         stop after so many instead\n"
	"  --rate R           events a second, open loop: latency counts from when a request was due\n"
	"  --watch            how far the read models are behind, meanwhile and at the end\n"
	"  --seed N           of ids and texts (default: from the system)\n"
	"  --help             this text\n"
	"\n"
	"example: load --to 127.0.0.1:7411 --connections 64 --batch 1 --seconds 10\n";

static double per_second(int64_t n, int64_t us)
{
	return us > 0 ? (double)n * 1e6 / (double)us : 0.0;
}

static void print_result(const struct load *l, int64_t us, int64_t cpu, const uint64_t all[2], const uint64_t steal[2])
{
	double seconds = (double)us / 1e6;

	printf("{\"bench\":\"load\",\"connections\":%ld,\"batch\":%ld,\"outstanding\":%ld,\"tenants\":%ld,\"payload_bytes\":%ld,\"rate\":%ld,", l->connections,
	       l->batch, l->outstanding, l->tenants, l->payload, l->rate);
	printf("\"seconds\":%.3f,\"events\":%" PRId64 ",\"events_per_second\":%.0f,\"requests_per_second\":%.1f,", seconds, l->acked_events,
	       (double)l->acked_events / seconds, (double)l->acked_requests / seconds);
	printf("\"latency_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},", percentile(l, 0.5), percentile(l, 0.9), percentile(l, 0.99),
	       (double)l->worst / 1000);
	if (l->watch) {
		const struct mark *m = l->marks;
		double third[3];

		for (int i = 0; i < 3; i++)
			third[i] = l->lag_count[i] ? l->lag_sum[i] / (double)l->lag_count[i] : 0.0;
		printf("\"last_third\":{\"events_per_second\":%.0f,\"projected_per_second\":%.0f},",
		       per_second(m[3].acked - m[2].acked, m[3].at - m[2].at), per_second(m[3].projected - m[2].projected, m[3].at - m[2].at));
		printf("\"projected_per_second\":%.0f,\"lag_events\":{\"first_third\":%.0f,\"second_third\":%.0f,\"last_third\":%.0f,\"max\":%" PRId64
		       "},\"caught_up_ms\":%.1f,",
		       per_second(m[3].projected - m[0].projected, m[3].at - m[0].at),
		       third[0], third[1], third[2], l->lag_most, (double)l->behind_us / 1000);
	}
	printf("\"client_cpu_us_per_event\":%.2f,\"errors\":%" PRId64 ",\"retries\":%" PRId64 ",\"steal_percent\":%.1f}\n",
	       l->acked_events ? (double)cpu / (double)l->acked_events : 0.0, l->errors, l->retries,
	       bench_steal_percent(all, steal));
	if (l->errors || l->retries)
		fprintf(stderr, "load: the last refusal was %s\n", l->error_text);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },	      { "connections", required_argument, NULL, 'c' },
		{ "batch", required_argument, NULL, 'b' },    { "outstanding", required_argument, NULL, 'o' }, { "tenants", required_argument, NULL, 'n' },
		{ "payload", required_argument, NULL, 'p' },  { "seconds", required_argument, NULL, 's' },  { "events", required_argument, NULL, 'e' },
		{ "rate", required_argument, NULL, 'r' },     { "seed", required_argument, NULL, 'x' },	    { "watch", no_argument, NULL, 'w' },
		{ "shards", required_argument, NULL, 'd' },   { "tls-ca", required_argument, NULL, 'a' },   { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct load l = { .to = "127.0.0.1:7411", .connections = 1, .batch = 100, .outstanding = 16, .tenants = 64, .payload = 300, .seconds = 10 };
	uint64_t all[2], steal[2], seed;
	int64_t cpu, start;
	int c;

	l.key = getenv("VERBATIM_API_KEY");
	random_system(&seed, sizeof(seed));
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': l.to = optarg; break;
		case 'a': l.tls_ca = optarg; break;
		case 'c': l.connections = bench_number("connections", optarg, 1, 10000); break;
		case 'b': l.batch = bench_number("batch", optarg, 1, 10000); break;
		case 'o': l.outstanding = bench_number("outstanding", optarg, 1, 1024); break;
		case 'n': l.tenants = bench_number("tenants", optarg, 1, 100000); break;
		case 'd': l.half = strcmp(optarg, "odd") == 0 ? 1 : 2; break;
		case 'p': l.payload = bench_number("payload", optarg, 200, 100000); break;
		case 's': l.seconds = bench_number("seconds", optarg, 1, 86400); break;
		case 'e': l.events = bench_number("events", optarg, 1, 1000000000); break;
		case 'r': l.rate = bench_number("rate", optarg, 1, 10000000); break;
		case 'x': seed = (uint64_t)bench_number("seed", optarg, 0, 1000000000); break;
		case 'w': l.watch = true; break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("load: --help tells the options\n", stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "load: unexpected \"%s\"; --help tells the options\n", argv[optind]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	random_seed(&l.random, seed);
	open_all(&l);
	watch_open(&l);
	bench_machine_time(&all[0], &steal[0]);
	cpu = bench_cpu_us();
	start = time_monotonic();
	run(&l);
	start = time_monotonic() - start;
	cpu = bench_cpu_us() - cpu;
	bench_machine_time(&all[1], &steal[1]);
	watch_end(&l);
	print_result(&l, start, cpu, all, steal);
	return l.errors ? 1 : 0;
}
