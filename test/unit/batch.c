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
	struct fair_queue queue;
	struct request_list finished;
	struct batch_limits limits = { .events = 100, .bytes = 1 << 20 };
	struct uuid log_id = { { 1 } };
	struct merkle tree;
	struct batch b;

	merkle_init(&tree);
	struct batch_place place = { .log_id = &log_id, .shard = 1, .epoch = 1, .head = 30, .head_recorded_at = TIME_NONE,
				     .first_month = TIME_NONE, .tree = &tree };
	batch_init(&b);
	fair_queue_init(&queue);
	request_list_init(&finished);
	fair_queue_add(&queue, r);
	ok(batch_form(&b, &queue, &place, &limits, &finished) == 0 && finished.first == r, "nothing is left to commit");
	batch_release(&b);
	fair_queue_release(&queue);
	merkle_release(&tree);
}

/* A new event that must not be recorded at or before `after`, in a batch of the instant `now` on a log that was last written at `last`. */
static int recorded(int64_t after, int64_t now, int64_t last)
{
	struct event e = { .type = catalog_get(EV_SLA_BREACHED), .event_id = { { 7 } }, .payload = BYTES("{}") };
	struct request_event fresh = { .same_as = -1 };
	struct request r = { .events = &e, .states = &fresh, .count = 1, .recorded_after = after };
	struct batch_limits limits = { .events = 100, .bytes = 1 << 20 };
	struct fair_queue queue;
	struct request_list finished;
	struct uuid log_id = { { 1 } };
	struct merkle tree;
	struct batch b;
	int status;

	merkle_init(&tree);
	struct batch_place place = { .log_id = &log_id, .shard = 1, .epoch = 1, .head_recorded_at = last, .first_month = TIME_NONE,
				     .now = now, .tree = &tree };
	e.type_name = bytes_text(e.type->name);
	e.entity_type = bytes_text("sla_clock");
	batch_init(&b);
	fair_queue_init(&queue);
	request_list_init(&finished);
	fair_queue_add(&queue, &r);
	status = batch_form(&b, &queue, &place, &limits, &finished) ? 0 : r.status;
	request_list_init(&b.requests);
	batch_release(&b);
	fair_queue_release(&queue);
	merkle_release(&tree);
	return status;
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

	catalog_init();
	is_int(recorded(1000, 1001, TIME_NONE), 0, "what was due before the watermark is recorded");
	is_int(recorded(1000, 1000, TIME_NONE), E_CLOCK, "what is due at this very instant has to wait");
	is_int(recorded(1000, 900, TIME_NONE), E_CLOCK, "and so has it when the clock was set back meanwhile");
	is_int(recorded(1000, 900, 1001), 0, "unless the log itself is past it already");
	return tap_done();
}
