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
#include "base/time.h"
#include "client/client.h"
#include "common.h"

enum { EVENTS_MOST = 100000, TIMEOUT_MS = 10000 };

struct visible {
	struct bench_talk talk;
	struct uuid conversation_id;
};

static void set_up(struct visible *v)
{
	struct uuid customer = bench_new_uuid();
	msgpack_object result;

	v->conversation_id = bench_new_uuid();
	bench_begin_append(&v->talk, 2);
	bench_pack_customer(&v->talk, &customer);
	bench_pack_conversation(&v->talk, &v->conversation_id, &customer, time_wall());
	bench_call(&v->talk, "append", TIMEOUT_MS, &result);
}

/* One message; the times in microseconds from sending to the acknowledgement and to being shown. */
static void measure(struct visible *v, int64_t *acked, int64_t *shown)
{
	struct uuid message = bench_new_uuid();
	msgpack_packer *p = &v->talk.packer;
	int64_t began, shard, last;
	msgpack_object result;

	bench_begin_append(&v->talk, 1);
	bench_pack_event(&v->talk, "message.received", &message, "customer", time_wall(), 2);
	bench_pack_uuid(p, "conversation_id", &v->conversation_id);
	bench_pack_text(p, "payload");
	msgpack_pack_map(p, 5);
	bench_pack_uuid(p, "conversation_id", &v->conversation_id);
	bench_pack_pair(p, "channel", "email");
	bench_pack_pair(p, "direction", "inbound");
	bench_pack_pair(p, "sender_type", "customer");
	bench_pack_pair(p, "content", "hello, my order has not arrived");
	began = time_monotonic();
	bench_call(&v->talk, "append", TIMEOUT_MS, &result);
	*acked = time_monotonic() - began;
	shard = client_int(&result, "shard", -1);
	last = client_int(&result, "last", 0);
	bench_begin(&v->talk, 3);
	msgpack_pack_array(p, 0);
	msgpack_pack_array(p, 2);
	msgpack_pack_int64(p, shard);
	msgpack_pack_int64(p, last);
	msgpack_pack_int(p, TIMEOUT_MS);
	bench_call(&v->talk, "wait", TIMEOUT_MS, &result);
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
	const char *to = "127.0.0.1:7411";
	long events = 200, pause_ms = 10;
	struct visible v = { 0 };
	int64_t *acked, *shown;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': to = optarg; break;
		case 'e': events = bench_number("events", optarg, 1, EVENTS_MOST); break;
		case 'p': pause_ms = bench_number("pause", optarg, 0, 60000); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("visible: --help tells the options\n", stderr); return 2;
		}
	}
	acked = mem_alloc((size_t)events * sizeof(*acked));
	shown = mem_alloc((size_t)events * sizeof(*shown));
	bench_talk_open(&v.talk, to);
	set_up(&v);
	for (long i = 0; i < events; i++) {
		usleep((useconds_t)pause_ms * 1000);
		measure(&v, &acked[i], &shown[i]);
	}
	bench_sort(acked, events);
	bench_sort(shown, events);
	printf("{\"bench\":\"visible\",\"events\":%ld,", events);
	bench_print_ms("acked_ms", acked, events);
	printf(",");
	bench_print_ms("visible_ms", shown, events);
	printf("}\n");
	bench_talk_close(&v.talk);
	free(acked);
	free(shown);
	return 0;
}
