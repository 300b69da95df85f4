/* Unit tests of event/quota.c (limits as text, token buckets on a clock of our own) and engine/tally.c. */
#include "event/quota.h"

#include "engine/tally.h"
#include "tap.h"

static void test_texts(void)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "events=1000/s", "events=1000/s" },
		{ "events=1000/s,bytes=1M/s,connections=50,inflight=4M", "events=1000/s,bytes=1048576/s,connections=50,inflight=4194304" },
		{ "bytes=1MB/s", "bytes=1048576/s" },
		{ "bytes=64K", "bytes=65536/s" },
		{ "connections=1", "connections=1" },
		{ "none", "" },
		{ "", NULL },
		{ "events", NULL },
		{ "events=", NULL },
		{ "events=0/s", NULL },
		{ "events=-1/s", NULL },
		{ "events=1.5/s", NULL },
		{ "events=1K/s", NULL },
		{ "events=10/m", NULL },
		{ "events=99999999999999999999/s", NULL },
		{ "bytes=9999999G/s", NULL },
		{ "connections=5/s", NULL },
		{ "speed=5/s", NULL },
		{ "events=1/s;bytes=1/s", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct quota_limits l;
		struct buffer out = { 0 };
		struct error error;
		int status = quota_parse(cases[i].text, &l, &error);

		if (!status)
			quota_print(&l, &out);
		ok(cases[i].printed ? !status && strcmp(buffer_text(&out), cases[i].printed) == 0 : status == E_USAGE, "limits '%s'",
		   cases[i].text);
		buffer_release(&out);
	}
}

/* Sends requests of `n` events as often as it is let, for `seconds`; how many events went through. */
static int64_t pour(const struct quota_limits *l, struct quota_use *use, int64_t n, int64_t start, int64_t seconds)
{
	int64_t now = start, sent = 0;
	enum quota_kind kind;

	while (now < start + seconds * 1000000) {
		int64_t wait = quota_wait_us(l, use, n, 0, now, &kind);

		if (wait) {
			now += wait;
			continue;
		}
		quota_take(l, use, n, 0, now);
		quota_give(use, 0);
		sent += n;
	}
	return sent;
}

static void test_bucket(void)
{
	static const int64_t rates[] = { 1, 7, 1000, 100000 };
	static const int64_t sizes[] = { 1, 3, 100, 5000 };
	const struct quota_limits ten = { .most = { [QUOTA_EVENTS] = 10 } };
	struct quota_use use = { 0 };
	enum quota_kind kind;

	for (size_t r = 0; r < 4; r++)
		for (size_t s = 0; s < 4; s++) {
			const struct quota_limits l = { .most = { [QUOTA_EVENTS] = rates[r] } };
			struct quota_use u = { 0 };
			int64_t sent = pour(&l, &u, sizes[s], 1000000000, 100), want = rates[r] * 100;

			ok(sent <= want + rates[r] + 2 * sizes[s] && sent >= want - 2 * sizes[s],
			   "%lld events a second in requests of %lld: %lld in 100 s", (long long)rates[r], (long long)sizes[s], (long long)sent);
		}
	ok(quota_wait_us(&ten, &use, 10, 0, 5, &kind) == 0, "a burst of a second's worth is let through");
	quota_take(&ten, &use, 10, 0, 5);
	is_int(quota_wait_us(&ten, &use, 1, 0, 5, &kind), 100000, "the next event waits a tenth of a second");
	ok(kind == QUOTA_EVENTS, "and is told for what");
	is_int(quota_wait_us(&ten, &use, 1, 0, 100005, &kind), 0, "and no longer");
	is_int(quota_wait_us(&ten, &use, 1000, 0, 100005, &kind), 900000, "a request larger than a burst waits until nothing is owed");
	quota_take(&ten, &use, 1000, 0, 1000005);
	is_int(quota_wait_us(&ten, &use, 1, 0, 1000005, &kind), 99100000, "and then owes its whole");
	is_int(quota_wait_us(&ten, &use, 0, 0, 1000005, &kind), 0, "which nothing is not told of");
}

static void test_inflight(void)
{
	const struct quota_limits l = { .most = { [QUOTA_INFLIGHT] = 1000, [QUOTA_BYTES] = 1000000 } };
	struct quota_use use = { 0 };
	enum quota_kind kind;

	ok(quota_wait_us(&l, &use, 1, 5000, 0, &kind) == 0, "one request goes, however large");
	quota_take(&l, &use, 1, 800, 0);
	ok(quota_wait_us(&l, &use, 1, 300, 0, &kind) == INT64_MAX && kind == QUOTA_INFLIGHT, "a second one beside it only if both fit");
	ok(quota_wait_us(&l, &use, 1, 200, 0, &kind) == 0, "as this one does");
	quota_give(&use, 800);
	ok(quota_wait_us(&l, &use, 1, 300, 0, &kind) == 0 && use.inflight == 0, "an answer makes room");
}

/* ---- tally ---- */

static struct tally_kind kind_of(const char *id)
{
	struct tally_kind k = { .action = "login.refused", .resource_type = "address", .reason = "empty" };

	snprintf(k.resource_id, sizeof(k.resource_id), "%s", id);
	return k;
}

static void test_tally(void)
{
	static struct tally t;
	struct tally_kind k = kind_of("10.0.0.1");
	struct tally_entry *e, *again;
	int64_t told = 0, events = 0;

	tally_add(&t, &k, 500, 0);
	e = tally_next(&t, 0);
	ok(e && e->sent == 1 && e->sent_first == 500, "the first is told at once");
	for (int i = 1; i <= 100; i++)
		tally_add(&t, &k, 500 + i, i);
	ok(!tally_next(&t, 59999999), "more of its kind wait");
	tally_told(e, true);
	ok(!tally_next(&t, 59999999), "for a minute");
	e = tally_next(&t, 60000000);
	ok(e && e->sent == 100 && e->sent_first == 501 && e->sent_last == 600, "and are told as one, with their number");
	tally_add(&t, &k, 700, 60000001);
	tally_told(e, false);
	again = tally_next(&t, 120000000);
	ok(again == e && e->sent == 101 && e->sent_first == 501 && e->sent_last == 700, "what did not come in is told again with what came since");
	tally_told(e, true);
	ok(!tally_next(&t, 180000000) && !e->used, "a kind of which nothing more comes is forgotten");

	for (int i = 0; i < 100000; i++) {
		char id[32];

		snprintf(id, sizeof(id), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		k = kind_of(id);
		tally_add(&t, &k, i, 200000000);
	}
	while ((e = tally_next(&t, 200000000))) {
		told += e->sent;
		events++;
		tally_told(e, true);
	}
	is_int(told, 100000, "from however many addresses, all are counted");
	is_int(events, TALLY_MOST + 1, "in a bounded number of events");
}

int main(void)
{
	test_texts();
	test_bucket();
	test_inflight();
	test_tally();
	return tap_done();
}
