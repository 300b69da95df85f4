/*
 * breach - how soon after its instant does a broken promise stand in the log?
 *
 * One tenant with a promise of a minute; conversations that began just so long ago that they are due one after
 * another, a pause apart, on an idle engine at rest.  A reader waits for the breaches; one JSON line comes out, both times
 * count from the instant that was due, to recorded_at and to the reader's seeing it (so after the commit):
 *
 *   {"bench":"breach","events":100,"recorded_ms":{"p50":1.2,"p99":3.0},"seen_ms":{"p50":4.1,"p99":8.0}}
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "client/client.h"
#include "common.h"

enum { EVENTS_MOST = 1000, TIMEOUT_MS = 10000, WAIT_MS = 5000, LEAD_MS = 1500 };

struct breach {
	struct client *client;
	struct uuid tenant_id, customer_id;
	int64_t shard, next; /* where the reader goes on */
	msgpack_sbuffer out;
	msgpack_packer packer;
};

static void die(const char *what, const struct error *error)
{
	fprintf(stderr, "breach: %s: %s\n", what, error->message);
	exit(1);
}

/* The members that every event has; `more` others follow. */
static void pack_event(struct breach *v, const char *type, const struct uuid *entity, int64_t at, int more)
{
	msgpack_packer *p = &v->packer;
	char text[TIME_TEXT];
	struct uuid id = bench_new_uuid();

	msgpack_pack_map(p, 6 + (size_t)more);
	bench_pack_uuid(p, "event_id", &id);
	bench_pack_pair(p, "event_type", type);
	bench_pack_uuid(p, "tenant_id", &v->tenant_id);
	bench_pack_uuid(p, "entity_id", entity);
	bench_pack_pair(p, "actor_type", "system");
	bench_pack_pair(p, "occurred_at", time_format(at, text));
}

static const msgpack_object *send_events(struct breach *v, msgpack_object *result)
{
	struct error error;

	if (client_call(v->client, "append", bytes_of(v->out.data, v->out.size), TIMEOUT_MS, result, &error))
		die("appending", &error);
	return result;
}

static void begin(struct breach *v, size_t events)
{
	msgpack_sbuffer_clear(&v->out);
	msgpack_pack_array(&v->packer, 1);
	msgpack_pack_array(&v->packer, events);
}

static void set_up(struct breach *v)
{
	struct uuid policy = bench_new_uuid();
	msgpack_packer *p = &v->packer;
	msgpack_object result;

	v->tenant_id = bench_new_uuid();
	v->customer_id = bench_new_uuid();
	begin(v, 2);
	pack_event(v, "customer.created", &v->customer_id, time_wall(), 1);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 1);
	bench_pack_text(p, "identities");
	msgpack_pack_array(p, 0);
	pack_event(v, "sla_policy.created", &policy, time_wall(), 1);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 7);
	bench_pack_pair(p, "name", "a minute");
	bench_pack_pair(p, "tier", "standard");
	bench_pack_text(p, "first_response_time_minutes");
	msgpack_pack_int(p, 1);
	bench_pack_text(p, "resolution_time_minutes");
	msgpack_pack_int(p, 100000);
	bench_pack_text(p, "business_hours_only");
	msgpack_pack_false(p);
	bench_pack_text(p, "is_default");
	msgpack_pack_true(p);
	bench_pack_text(p, "warn_at");
	msgpack_pack_array(p, 0);
	send_events(v, &result);
	v->shard = client_int(&result, "shard", -1);
	v->next = client_int(&result, "last", 0) + 1;
}

/* Conversations that are due one after another, the first in a moment. */
static void converse(struct breach *v, long count, long pause_ms)
{
	int64_t first = time_wall() + LEAD_MS * 1000;
	msgpack_packer *p = &v->packer;
	msgpack_object result;

	begin(v, (size_t)count);
	for (long i = 0; i < count; i++) {
		struct uuid id = bench_new_uuid();

		pack_event(v, "conversation.created", &id, first + i * pause_ms * 1000 - 60 * TIME_SECOND, 1);
		bench_pack_text(p, "payload");
		msgpack_pack_map(p, 2);
		bench_pack_uuid(p, "customer_id", &v->customer_id);
		bench_pack_pair(p, "initial_channel", "email");
	}
	send_events(v, &result);
}

static int64_t time_member(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = client_member(map, key);
	msgpack_timestamp t = { 0 };

	if (!value || !msgpack_object_to_timestamp(value, &t)) {
		fprintf(stderr, "breach: an event has no time \"%s\"\n", key);
		exit(1);
	}
	return t.tv_sec * TIME_SECOND + t.tv_nsec / 1000;
}

/* Waits for the next breaches of the tenant; how many there were. */
static long read_breaches(struct breach *v, int64_t *recorded, int64_t *seen, long room)
{
	msgpack_packer *p = &v->packer;
	const msgpack_object *events;
	msgpack_object result;
	struct error error;
	int64_t now;
	long n = 0;

	msgpack_sbuffer_clear(&v->out);
	msgpack_pack_array(p, 4);
	msgpack_pack_int64(p, v->next);
	msgpack_pack_map(p, 2);
	bench_pack_uuid(p, "tenant_id", &v->tenant_id);
	bench_pack_text(p, "types");
	msgpack_pack_array(p, 1);
	bench_pack_text(p, "sla.breached");
	msgpack_pack_int(p, 100);
	msgpack_pack_int(p, WAIT_MS);
	if (client_call(v->client, "read", bytes_of(v->out.data, v->out.size), WAIT_MS + TIMEOUT_MS, &result, &error))
		die("reading", &error);
	now = time_wall();
	events = client_member(&result, "events");
	if (!events || events->type != MSGPACK_OBJECT_ARRAY)
		return 0;
	for (uint32_t i = 0; i < events->via.array.size && n < room; i++, n++) {
		int64_t due = time_member(&events->via.array.ptr[i], "occurred_at");

		recorded[n] = time_member(&events->via.array.ptr[i], "recorded_at") - due;
		seen[n] = now - due;
	}
	v->next = client_int(&result, "next", v->next);
	return n;
}

static const char help[] =
	"breach - promises that are broken one after another on an idle engine: in the log when?\n"
	"\n"
	"  --to HOST:PORT   the engine, or unix:PATH (default 127.0.0.1:7411)\n"
	"  VERBATIM_API_KEY holds the API key\n"
	"  --events N       (default 50)\n"
	"  --pause MS       between two due instants (default 100)\n"
	"  --help           this text\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "events", required_argument, NULL, 'e' }, { "pause", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	struct client_options to = { .addresses = "127.0.0.1:7411", .key = getenv("VERBATIM_API_KEY"), .name = "bench breach" };
	long events = 50, pause_ms = 100, got = 0;
	struct breach v = { 0 };
	int64_t *recorded, *seen, until;
	struct error error;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': to.addresses = optarg; break;
		case 'e': events = bench_number("events", optarg, 1, EVENTS_MOST); break;
		case 'p': pause_ms = bench_number("pause", optarg, 0, 1000); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("breach: --help tells the options\n", stderr); return 2;
		}
	}
	recorded = mem_alloc((size_t)events * sizeof(*recorded));
	seen = mem_alloc((size_t)events * sizeof(*seen));
	msgpack_sbuffer_init(&v.out);
	msgpack_packer_init(&v.packer, &v.out, msgpack_sbuffer_write);
	v.client = client_new(&to);
	if (client_open(v.client, &error))
		die("cannot connect", &error);
	set_up(&v);
	converse(&v, events, pause_ms);
	until = time_monotonic() + (LEAD_MS + events * pause_ms + TIMEOUT_MS) * 1000;
	while (got < events && time_monotonic() < until)
		got += read_breaches(&v, recorded + got, seen + got, events - got);
	if (got < events) {
		fprintf(stderr, "breach: %ld of %ld breaches were journaled\n", got, events);
		return 1;
	}
	bench_sort(recorded, events);
	bench_sort(seen, events);
	printf("{\"bench\":\"breach\",\"events\":%ld,\"recorded_ms\":{\"p50\":%.3f,\"p99\":%.3f},\"seen_ms\":{\"p50\":%.3f,\"p99\":%.3f}}\n", events,
	       bench_percentile(recorded, events, 0.5), bench_percentile(recorded, events, 0.99), bench_percentile(seen, events, 0.5),
	       bench_percentile(seen, events, 0.99));
	client_free(v.client);
	msgpack_sbuffer_destroy(&v.out);
	free(recorded);
	free(seen);
	return 0;
}
