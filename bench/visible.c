/*
 * visible - how soon after sending does one event stand in the log, and how soon in the read models?
 *
 * One connection, one event at a time, on an idle engine: append, then wait(all read models, the acknowledgement's
 * token), then a pause, so that each event finds everything at rest.  One JSON line comes out; both times count
 * from sending:
 *
 *   {"bench":"visible","events":200,"acked_ms":{"p50":0.9,"p99":1.8},"visible_ms":{"p50":2.1,"p99":4.0}}
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "client/client.h"
#include "common.h"

enum { EVENTS_MOST = 100000, TIMEOUT_MS = 10000 };

struct visible {
	struct client *client;
	struct uuid tenant_id, customer_id, conversation_id;
	msgpack_sbuffer out;
	msgpack_packer packer;
};

static void die(const char *what, const struct error *error)
{
	fprintf(stderr, "visible: %s: %s\n", what, error->message);
	exit(1);
}

/* The members that every event has; `more` others follow. */
static void pack_event(struct visible *v, const char *type, const struct uuid *entity, const char *actor, int more)
{
	msgpack_packer *p = &v->packer;
	char now[TIME_TEXT];
	struct uuid id = bench_new_uuid();

	msgpack_pack_map(p, 6 + (size_t)more);
	bench_pack_uuid(p, "event_id", &id);
	bench_pack_pair(p, "event_type", type);
	bench_pack_uuid(p, "tenant_id", &v->tenant_id);
	bench_pack_uuid(p, "entity_id", entity);
	bench_pack_pair(p, "actor_type", actor);
	bench_pack_pair(p, "occurred_at", time_format(time_wall(), now));
}

static const msgpack_object *send_events(struct visible *v, msgpack_object *result)
{
	struct error error;

	if (client_call(v->client, "append", bytes_of(v->out.data, v->out.size), TIMEOUT_MS, result, &error))
		die("appending", &error);
	return result;
}

static void begin(struct visible *v, size_t events)
{
	msgpack_sbuffer_clear(&v->out);
	msgpack_pack_array(&v->packer, 1);
	msgpack_pack_array(&v->packer, events);
}

static void set_up(struct visible *v)
{
	msgpack_packer *p = &v->packer;
	msgpack_object result;

	v->tenant_id = bench_new_uuid();
	v->customer_id = bench_new_uuid();
	v->conversation_id = bench_new_uuid();
	begin(v, 2);
	pack_event(v, "customer.created", &v->customer_id, "system", 1);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 1);
	bench_pack_text(p, "identities");
	msgpack_pack_array(p, 0);
	pack_event(v, "conversation.created", &v->conversation_id, "system", 1);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 2);
	bench_pack_uuid(p, "customer_id", &v->customer_id);
	bench_pack_pair(p, "initial_channel", "email");
	send_events(v, &result);
}

/* One message; the times in microseconds from sending to the acknowledgement and to being shown. */
static void measure(struct visible *v, int64_t *acked, int64_t *shown)
{
	struct uuid message = bench_new_uuid();
	msgpack_packer *p = &v->packer;
	int64_t began, shard, last;
	msgpack_object result;
	struct error error;

	begin(v, 1);
	pack_event(v, "message.received", &message, "customer", 2);
	bench_pack_uuid(p, "conversation_id", &v->conversation_id);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 5);
	bench_pack_uuid(p, "conversation_id", &v->conversation_id);
	bench_pack_pair(p, "channel", "email");
	bench_pack_pair(p, "direction", "inbound");
	bench_pack_pair(p, "sender_type", "customer");
	bench_pack_pair(p, "content", "hello, my order has not arrived");
	began = time_monotonic();
	send_events(v, &result);
	*acked = time_monotonic() - began;
	shard = client_int(&result, "shard", -1);
	last = client_int(&result, "last", 0);
	msgpack_sbuffer_clear(&v->out);
	msgpack_pack_array(p, 3);
	msgpack_pack_array(p, 0);
	msgpack_pack_array(p, 2);
	msgpack_pack_int64(p, shard);
	msgpack_pack_int64(p, last);
	msgpack_pack_int(p, TIMEOUT_MS);
	if (client_call(v->client, "wait", bytes_of(v->out.data, v->out.size), TIMEOUT_MS, &result, &error))
		die("waiting for the read models", &error);
	*shown = time_monotonic() - began;
}

static const char help[] =
	"visible - one event at a time on an idle engine: acknowledged when, shown by the read models when?\n"
	"\n"
	"  --to HOST:PORT   the engine, or unix:PATH (default 127.0.0.1:7411)\n"
	"  VERBATIM_API_KEY holds the API key\n"
	"  --events N       (default 200)\n"
	"  --pause MS       between two events (default 10)\n"
	"  --help           this text\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "events", required_argument, NULL, 'e' }, { "pause", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	struct client_options to = { .addresses = "127.0.0.1:7411", .key = getenv("VERBATIM_API_KEY"), .name = "bench visible" };
	long events = 200, pause_ms = 10;
	struct visible v = { 0 };
	int64_t *acked, *shown;
	struct error error;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': to.addresses = optarg; break;
		case 'e': events = bench_number("events", optarg, 1, EVENTS_MOST); break;
		case 'p': pause_ms = bench_number("pause", optarg, 0, 60000); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("visible: --help tells the options\n", stderr); return 2;
		}
	}
	acked = mem_alloc((size_t)events * sizeof(*acked));
	shown = mem_alloc((size_t)events * sizeof(*shown));
	msgpack_sbuffer_init(&v.out);
	msgpack_packer_init(&v.packer, &v.out, msgpack_sbuffer_write);
	v.client = client_new(&to);
	if (client_open(v.client, &error))
		die("cannot connect", &error);
	set_up(&v);
	for (long i = 0; i < events; i++) {
		usleep((useconds_t)pause_ms * 1000);
		measure(&v, &acked[i], &shown[i]);
	}
	bench_sort(acked, events);
	bench_sort(shown, events);
	printf("{\"bench\":\"visible\",\"events\":%ld,\"acked_ms\":{\"p50\":%.3f,\"p99\":%.3f},\"visible_ms\":{\"p50\":%.3f,\"p99\":%.3f}}\n", events,
	       bench_percentile(acked, events, 0.5), bench_percentile(acked, events, 0.99), bench_percentile(shown, events, 0.5),
	       bench_percentile(shown, events, 0.99));
	client_free(v.client);
	msgpack_sbuffer_destroy(&v.out);
	free(acked);
	free(shown);
	return 0;
}
