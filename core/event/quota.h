/*
 * quota - how much a key, or a tenant, may do: limits, and token buckets on a clock that the caller brings.
 *
 *     events=1000/s,bytes=1M/s,connections=50,inflight=4M
 *
 * A bucket is one instant: when it will be full again if nothing more comes (the "theoretical arrival time" of ATM's generic
 * cell rate algorithm, ITU-T I.371).  Taking n of a rate of r a second moves it n/r seconds on; whoever finds it more than
 * QUOTA_BURST_US ahead of now waits for the difference.  A full bucket holds one burst; a request larger than that is let
 * in when the bucket is full and leaves a debt, so that no request is too large for ever and the mean rate holds.
 */
#ifndef VERBATIM_EVENT_QUOTA_H
#define VERBATIM_EVENT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum { QUOTA_BURST_US = 1000000 }; /* a second's worth */

enum quota_kind { QUOTA_EVENTS, QUOTA_BYTES, QUOTA_CONNECTIONS, QUOTA_INFLIGHT, QUOTA_KINDS };

struct quota_limits {
	int64_t most[QUOTA_KINDS]; /* events a second, bytes a second, connections, bytes in flight; 0: no limit */
};

/* What is used of it now; zeroed is unused. */
struct quota_use {
	int64_t full_at[QUOTA_BYTES + 1]; /* of the two buckets */
	int64_t connections, inflight;
};

/* E_USAGE says which limit is wrong.  "none" is no limits at all. */
int quota_parse(const char *text, struct quota_limits *out, struct error *error) must_check;
void quota_print(const struct quota_limits *limits, struct buffer *out); /* as quota_parse takes it; "" when there is none */
bool quota_is_limited(const struct quota_limits *limits);

/*
 * How many microseconds a request of these events and bytes must wait before it fits; 0: now.  INT64_MAX: until something
 * that is under way is answered.  `*kind` tells of the limit that it meets.  Takes nothing.
 */
int64_t quota_wait_us(const struct quota_limits *limits, const struct quota_use *use, int64_t events, int64_t bytes, int64_t now,
		      enum quota_kind *kind);

/* Takes from both buckets and counts as under way; quota_give ends the latter. */
void quota_take(const struct quota_limits *limits, struct quota_use *use, int64_t events, int64_t bytes, int64_t now);
void quota_give(struct quota_use *use, int64_t bytes);

const char *quota_name(enum quota_kind kind);

#endif
