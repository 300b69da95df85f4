/*
 * common - what the bench's programs share: numbers on the command line, the machine's and the process's time, samples, events,
 * and a connection on which one call at a time is made.
 */
#ifndef VERBATIM_BENCH_COMMON_H
#define VERBATIM_BENCH_COMMON_H

#include <msgpack.h>
#include <stdint.h>

#include "base/uuid.h"

struct client;

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

/* Prints `"NAME":{"p50":...,"p99":...}` of sorted microseconds, in milliseconds. */
void bench_print_ms(const char *name, const int64_t *sorted, long n);

/* One connection and one tenant.  Whatever fails ends the program with the reason. */
struct bench_talk {
	struct client *client;
	struct uuid tenant_id;
	msgpack_sbuffer out;
	msgpack_packer packer; /* into `out`: the parameters of the next call */
};

void bench_talk_open(struct bench_talk *t, const char *addresses); /* with the key of VERBATIM_API_KEY */
void bench_talk_close(struct bench_talk *t);

/* Begins a call of so many parameters; packs them; makes it, which lends `result` until the next. */
void bench_begin(struct bench_talk *t, size_t params);
void bench_call(struct bench_talk *t, const char *method, int timeout_ms, msgpack_object *result);

/* An append of so many events, which follow: the members that every event has, then `more` others. */
void bench_begin_append(struct bench_talk *t, size_t events);
void bench_pack_event(struct bench_talk *t, const char *type, const struct uuid *entity, const char *actor, int64_t at, int more);

/* Whole events, by actor system: a customer, and a conversation with one. */
void bench_pack_customer(struct bench_talk *t, const struct uuid *id);
void bench_pack_conversation(struct bench_talk *t, const struct uuid *id, const struct uuid *customer, int64_t at);

#endif
