/* common - see common.h. */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "client/client.h"

long bench_number(const char *option, const char *text, long low, long high)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < low || value > high) {
		fprintf(stderr, "%s: --%s takes a number from %ld to %ld, not \"%s\"\n", program_invocation_short_name, option, low, high, text);
		exit(2);
	}
	return value;
}

int64_t bench_cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

void bench_machine_time(uint64_t *all, uint64_t *steal)
{
	uint64_t t[8] = { 0 };
	FILE *f = fopen("/proc/stat", "r");

	*all = *steal = 0;
	if (!f)
		return;
	if (fscanf(f, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &t[0], &t[1], &t[2],
		   &t[3], &t[4], &t[5], &t[6], &t[7]) == 8) {
		for (int i = 0; i < 8; i++)
			*all += t[i];
		*steal = t[7];
	}
	fclose(f);
}

double bench_steal_percent(const uint64_t all[2], const uint64_t steal[2])
{
	return all[1] > all[0] ? 100.0 * (double)(steal[1] - steal[0]) / (double)(all[1] - all[0]) : 0.0;
}

static int by_size(const void *a, const void *b)
{
	int64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

void bench_sort(int64_t *samples, long n)
{
	qsort(samples, (size_t)n, sizeof(*samples), by_size);
}

double bench_percentile(const int64_t *sorted, long n, double p)
{
	long at = (long)(p * (double)n);

	return (double)sorted[at < n ? at : n - 1] / 1000;
}

struct uuid bench_new_uuid(void)
{
	uint8_t tail[16];
	struct uuid id;

	random_system(tail, sizeof(tail));
	uuid_v7(&id, time_wall() / 1000, tail);
	return id;
}

void bench_pack_text(msgpack_packer *p, const char *text)
{
	msgpack_pack_str_with_body(p, text, strlen(text));
}

void bench_pack_pair(msgpack_packer *p, const char *name, const char *text)
{
	bench_pack_text(p, name);
	bench_pack_text(p, text);
}

void bench_pack_uuid(msgpack_packer *p, const char *name, const struct uuid *id)
{
	bench_pack_text(p, name);
	msgpack_pack_bin_with_body(p, id->b, 16);
}

void bench_print_ms(const char *name, const int64_t *sorted, long n)
{
	printf("\"%s\":{\"p50\":%.3f,\"p99\":%.3f}", name, bench_percentile(sorted, n, 0.5), bench_percentile(sorted, n, 0.99));
}

/* ---- a connection ---- */

static void die(const char *what, const struct error *error)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, error->message);
	exit(1);
}

void bench_talk_open(struct bench_talk *t, const char *addresses)
{
	const struct client_options to = { .addresses = addresses, .key = getenv("VERBATIM_API_KEY"), .name = program_invocation_short_name };
	struct error error;

	t->tenant_id = bench_new_uuid();
	msgpack_sbuffer_init(&t->out);
	msgpack_packer_init(&t->packer, &t->out, msgpack_sbuffer_write);
	t->client = client_new(&to);
	if (client_open(t->client, &error))
		die("cannot connect", &error);
}

void bench_talk_close(struct bench_talk *t)
{
	client_free(t->client);
	msgpack_sbuffer_destroy(&t->out);
}

void bench_begin(struct bench_talk *t, size_t params)
{
	msgpack_sbuffer_clear(&t->out);
	msgpack_pack_array(&t->packer, params);
}

void bench_call(struct bench_talk *t, const char *method, int timeout_ms, msgpack_object *result)
{
	struct error error;

	if (client_call(t->client, method, bytes_of(t->out.data, t->out.size), timeout_ms, result, &error))
		die(method, &error);
}

void bench_begin_append(struct bench_talk *t, size_t events)
{
	bench_begin(t, 1);
	msgpack_pack_array(&t->packer, events);
}

void bench_pack_event(struct bench_talk *t, const char *type, const struct uuid *entity, const char *actor, int64_t at, int more)
{
	msgpack_packer *p = &t->packer;
	char text[TIME_TEXT];
	struct uuid id = bench_new_uuid();

	msgpack_pack_map(p, 6 + (size_t)more);
	bench_pack_uuid(p, "event_id", &id);
	bench_pack_pair(p, "event_type", type);
	bench_pack_uuid(p, "tenant_id", &t->tenant_id);
	bench_pack_uuid(p, "entity_id", entity);
	bench_pack_pair(p, "actor_type", actor);
	bench_pack_pair(p, "occurred_at", time_format(at, text));
}

void bench_pack_customer(struct bench_talk *t, const struct uuid *id)
{
	bench_pack_event(t, "customer.created", id, "system", time_wall(), 1);
	bench_pack_text(&t->packer, "payload");
	msgpack_pack_map(&t->packer, 1);
	bench_pack_text(&t->packer, "identities");
	msgpack_pack_array(&t->packer, 0);
}

void bench_pack_conversation(struct bench_talk *t, const struct uuid *id, const struct uuid *customer, int64_t at)
{
	bench_pack_event(t, "conversation.created", id, "system", at, 1);
	bench_pack_text(&t->packer, "payload");
	msgpack_pack_map(&t->packer, 2);
	bench_pack_uuid(&t->packer, "customer_id", customer);
	bench_pack_pair(&t->packer, "initial_channel", "email");
}
