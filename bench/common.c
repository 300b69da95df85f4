/* common - see common.h. */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/random.h"
#include "base/time.h"

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
