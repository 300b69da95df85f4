/* batch - what a request is told that was sent twice because the first answer was lost. */
#include "engine/batch.h"

#include "tap.h"

enum { EVENTS = 3 };

static struct event events[EVENTS];
static struct request_event states[EVENTS];

/* A request whose batch was sent at head 10, and of which the log says where its events stand. */
static struct request unsettled(const int64_t *at)
{
	struct request r = { .events = events, .states = states, .count = EVENTS, .unsettled = true, .unsettled_after = 10 };

	memset(events, 0, sizeof(events));
	for (int i = 0; i < EVENTS; i++) {
		events[i].event_id.b[15] = (uint8_t)(i + 1);
		events[i].position = at[i];
		states[i] = (struct request_event){ .duplicate_at = at[i], .same_as = -1 };
	}
	return r;
}

static void form(struct request *r)
{
	struct request_list queue, finished;
	struct batch_limits limits = { .events = 100, .bytes = 1 << 20 };
	struct uuid log_id = { { 1 } };
	struct merkle tree;
	struct batch b;

	merkle_init(&tree);
	struct batch_place place = { .log_id = &log_id, .shard = 1, .epoch = 1, .head = 30, .head_recorded_at = TIME_NONE,
				     .first_month = TIME_NONE, .tree = &tree };
	batch_init(&b);
	request_list_init(&queue);
	request_list_init(&finished);
	request_list_add(&queue, r);
	ok(batch_form(&b, &queue, &place, &limits, &finished) == 0 && finished.first == r, "nothing is left to commit");
	batch_release(&b);
	merkle_release(&tree);
}

int main(void)
{
	struct request r;

	r = unsettled((const int64_t[]){ 11, 12, 13 });
	form(&r);
	ok(r.first == 11 && r.last == 13, "the lost attempt's positions are the ack's");
	ok(!states[0].duplicate_at && !states[1].duplicate_at && !states[2].duplicate_at, "its events are no duplicates");

	r = unsettled((const int64_t[]){ 11, 5, 12 });
	form(&r);
	ok(r.first == 11 && r.last == 12, "an older duplicate among them does not move the first position");
	ok(states[1].duplicate_at == 5 && !states[0].duplicate_at && !states[2].duplicate_at, "and is the only duplicate");

	r = unsettled((const int64_t[]){ 11, 5, 20 });
	form(&r);
	ok(states[0].duplicate_at == 11 && states[1].duplicate_at == 5 && states[2].duplicate_at == 20,
	   "what others stored meanwhile, here and there, is a duplicate like any other");
	ok(r.first == 5 && r.last == 20, "at the positions where it stands");
	return tap_done();
}
