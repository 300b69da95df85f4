/* common - what the bench's programs share: numbers on the command line, the machine's and the process's time, samples, events. */
#ifndef VERBATIM_BENCH_COMMON_H
#define VERBATIM_BENCH_COMMON_H

#include <msgpack.h>
#include <stdint.h>

#include "base/uuid.h"

/* The number that option --`option` was given; ends the program when it is none of `low` to `high`. */
long bench_number(const char *option, const char *text, long low, long high);

/* User and system time of this process. */
int64_t bench_cpu_us(void);

/* The machine's time so far, in ticks: all of it, and what the hypervisor kept. */
void bench_machine_time(uint64_t *all, uint64_t *steal);

/* Per cent of the machine's time that the hypervisor kept, between two looks. */
double bench_steal_percent(const uint64_t all[2], const uint64_t steal[2]);

/* Sorts samples; and the one below which the part `p` of sorted samples lies, a thousandth of its unit. */
void bench_sort(int64_t *samples, long n);
double bench_percentile(const int64_t *sorted, long n, double p);

/* A new version 7 id; and parts of events, packed. */
struct uuid bench_new_uuid(void);
void bench_pack_text(msgpack_packer *p, const char *text);
void bench_pack_pair(msgpack_packer *p, const char *name, const char *text);
void bench_pack_uuid(msgpack_packer *p, const char *name, const struct uuid *id);

#endif
