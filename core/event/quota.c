/* quota - see quota.h. */
#include "event/quota.h"

#include <stdlib.h>

static const struct {
	const char *name, *text;
	bool a_second, bytes;
	int64_t most;
} kinds[QUOTA_KINDS] = {
	[QUOTA_EVENTS] = { "events", "events a second", true, false, 1000000000 },
	[QUOTA_BYTES] = { "bytes", "bytes a second", true, true, 1LL << 40 },
	[QUOTA_CONNECTIONS] = { "connections", "connections", false, false, 1000000 },
	[QUOTA_INFLIGHT] = { "inflight", "bytes in flight", false, true, 1LL << 40 },
};

const char *quota_name(enum quota_kind kind)
{
	return kinds[kind].text;
}

bool quota_is_limited(const struct quota_limits *l)
{
	return l->most[QUOTA_EVENTS] || l->most[QUOTA_BYTES] || l->most[QUOTA_CONNECTIONS] || l->most[QUOTA_INFLIGHT];
}

/* "1000/s", "1M/s", "1MB/s", "50"; 0 when it is none. */
static int64_t amount(struct bytes text, int k)
{
	int64_t n = 0;
	size_t at = 0;

	for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
		n = n * 10 + (text.data[at] - '0');
		if (n > kinds[k].most)
			return 0;
	}
	if (at == 0)
		return 0;
	if (kinds[k].bytes && at < text.len && strchr("KMG", text.data[at])) {
		n <<= text.data[at] == 'K' ? 10 : text.data[at] == 'M' ? 20 : 30;
		at++;
		at += at < text.len && text.data[at] == 'B';
	}
	if (kinds[k].a_second && text.len - at == 2 && memcmp(text.data + at, "/s", 2) == 0)
		at += 2;
	return at == text.len && n <= kinds[k].most ? n : 0;
}

int quota_parse(const char *text, struct quota_limits *out, struct error *error)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(text, "none") == 0)
		return 0;
	while (*text) {
		size_t len = strcspn(text, ",");
		const char *equals = memchr(text, '=', len);
		struct bytes name = bytes_of(text, equals ? (size_t)(equals - text) : len);
		int k = 0;

		while (k < QUOTA_KINDS && !bytes_is(name, kinds[k].name))
			k++;
		if (k == QUOTA_KINDS || !equals)
			return error_set(error, E_USAGE, "'%.*s' is no limit; say events=1000/s, bytes=1M/s, connections=50, inflight=4M, or none",
					 (int)(len < 60 ? len : 60), text);
		out->most[k] = amount(bytes_of(equals + 1, len - name.len - 1), k);
		if (!out->most[k])
			return error_set(error, E_USAGE, "'%.*s': not a number from 1 to %lld", (int)(len < 60 ? len : 60), text,
					 (long long)kinds[k].most);
		text += len;
		text += *text == ',';
	}
	return quota_is_limited(out) ? 0 : error_set(error, E_USAGE, "no limit is named");
}

void quota_print(const struct quota_limits *l, struct buffer *out)
{
	const char *comma = "";

	for (int k = 0; k < QUOTA_KINDS; k++) {
		if (!l->most[k])
			continue;
		buffer_printf(out, "%s%s=%lld%s", comma, kinds[k].name, (long long)l->most[k], kinds[k].a_second ? "/s" : "");
		comma = ",";
	}
}

/* Of n at a rate of most a second, in microseconds; both are bounded, so the product is split to stay in 64 bits. */
static int64_t cost_us(int64_t n, int64_t most)
{
	return n / most * 1000000 + n % most * 1000000 / most;
}

static int64_t bucket_wait(int64_t most, int64_t full_at, int64_t n, int64_t now)
{
	int64_t cost, ahead = full_at > now ? full_at - now : 0, wait;

	if (!most || !n)
		return 0;
	cost = cost_us(n, most);
	if (cost > QUOTA_BURST_US)
		cost = QUOTA_BURST_US; /* larger than a burst: let in when the bucket is full */
	wait = ahead + cost - QUOTA_BURST_US;
	return wait > 0 ? wait : 0;
}

int64_t quota_wait_us(const struct quota_limits *l, const struct quota_use *use, int64_t events, int64_t bytes, int64_t now,
		      enum quota_kind *kind)
{
	int64_t for_events = bucket_wait(l->most[QUOTA_EVENTS], use->full_at[QUOTA_EVENTS], events, now);
	int64_t for_bytes = bucket_wait(l->most[QUOTA_BYTES], use->full_at[QUOTA_BYTES], bytes, now);

	if (l->most[QUOTA_INFLIGHT] && use->inflight && use->inflight + bytes > l->most[QUOTA_INFLIGHT]) {
		*kind = QUOTA_INFLIGHT;
		return INT64_MAX;
	}
	*kind = for_events >= for_bytes ? QUOTA_EVENTS : QUOTA_BYTES;
	return for_events >= for_bytes ? for_events : for_bytes;
}

void quota_take(const struct quota_limits *l, struct quota_use *use, int64_t events, int64_t bytes, int64_t now)
{
	const int64_t n[] = { events, bytes };

	for (int k = QUOTA_EVENTS; k <= QUOTA_BYTES; k++)
		if (l->most[k])
			use->full_at[k] = (use->full_at[k] > now ? use->full_at[k] : now) + cost_us(n[k], l->most[k]);
	use->inflight += bytes;
}

void quota_give(struct quota_use *use, int64_t bytes)
{
	use->inflight -= bytes;
}
