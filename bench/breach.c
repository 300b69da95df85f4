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
#include "base/time.h"
#include "client/client.h"
#include "common.h"

enum { EVENTS_MOST = 1000, TIMEOUT_MS = 10000, WAIT_MS = 5000, LEAD_MS = 1500 };

struct breach {
	struct bench_talk talk;
	struct uuid customer_id;
	int64_t shard, next; /* where the reader goes on */
};

static void set_up(struct breach *v)
{
	struct uuid policy = bench_new_uuid();
	msgpack_packer *p = &v->talk.packer;
	msgpack_object result;

	v->customer_id = bench_new_uuid();
	bench_begin_append(&v->talk, 2);
	bench_pack_customer(&v->talk, &v->customer_id);
	bench_pack_event(&v->talk, "sla_policy.created", &policy, "system", time_wall(), 1);
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
	bench_call(&v->talk, "append", TIMEOUT_MS, &result);
	v->shard = client_int(&result, "shard", -1);
	v->next = client_int(&result, "last", 0) + 1;
}

/* Conversations that are due one after another, the first in a moment. */
static void converse(struct breach *v, long count, long pause_ms)
{
	int64_t first = time_wall() + LEAD_MS * 1000;
	msgpack_object result;

	bench_begin_append(&v->talk, (size_t)count);
	for (long i = 0; i < count; i++) {
		struct uuid id = bench_new_uuid();

		bench_pack_conversation(&v->talk, &id, &v->customer_id, first + i * pause_ms * 1000 - 60 * TIME_SECOND);
	}
	bench_call(&v->talk, "append", TIMEOUT_MS, &result);
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
	msgpack_packer *p = &v->talk.packer;
	const msgpack_object *events;
	msgpack_object result;
	int64_t now;
	long n = 0;

	bench_begin(&v->talk, 4);
	msgpack_pack_int64(p, v->next);
	msgpack_pack_map(p, 2);
	bench_pack_uuid(p, "tenant_id", &v->talk.tenant_id);
	bench_pack_text(p, "types");
	msgpack_pack_array(p, 1);
	bench_pack_text(p, "sla.breached");
	msgpack_pack_int(p, 100);
	msgpack_pack_int(p, WAIT_MS);
	bench_call(&v->talk, "read", WAIT_MS + TIMEOUT_MS, &result);
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
	const char *to = "127.0.0.1:7411";
	long events = 50, pause_ms = 100, got = 0;
	struct breach v = { 0 };
	int64_t *recorded, *seen, until;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': to = optarg; break;
		case 'e': events = bench_number("events", optarg, 1, EVENTS_MOST); break;
		case 'p': pause_ms = bench_number("pause", optarg, 0, 1000); break;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("breach: --help tells the options\n", stderr); return 2;
		}
	}
	recorded = mem_alloc((size_t)events * sizeof(*recorded));
	seen = mem_alloc((size_t)events * sizeof(*seen));
	bench_talk_open(&v.talk, to);
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
	printf("{\"bench\":\"breach\",\"events\":%ld,", events);
	bench_print_ms("recorded_ms", recorded, events);
	printf(",");
	bench_print_ms("seen_ms", seen, events);
	printf("}\n");
	bench_talk_close(&v.talk);
	free(recorded);
	free(seen);
	return 0;
}
