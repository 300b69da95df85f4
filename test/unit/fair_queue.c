/* fair_queue - turns between tenants: what each gets, in which order, and that nothing is lost. */
#include "engine/fair_queue.h"

#include "base/random.h"
#include "tap.h"

enum { REQUESTS = 3000, TENANTS = 40 };

static struct request requests[REQUESTS];

static struct request *make(int i, int tenant, int events)
{
	struct request *r = &requests[i];

	*r = (struct request){ .count = events, .bytes = (size_t)events * 100, .first = i };
	r->tenant_id.b[0] = (uint8_t)tenant;
	r->tenant_id.b[1] = (uint8_t)(tenant >> 8);
	return r;
}

static int tenant_of(const struct request *r)
{
	return r->tenant_id.b[0] | r->tenant_id.b[1] << 8;
}

static void test_flood(void)
{
	struct fair_queue q;
	int64_t backlog;
	int before = 0;

	fair_queue_init(&q);
	ok(!fair_queue_take(&q) && !fair_queue_first(&q, &backlog) && backlog == 0, "nothing waits");
	ok(fair_queue_add(&q, make(0, 1, 100)), "the first of a flood comes alone");
	for (int i = 1; i < 50; i++)
		if (fair_queue_add(&q, make(i, 1, 100)))
			before = -1;
	is_int(before, 0, "the others do not");
	ok(q.events == 5000 && q.bytes == 500000, "all of it waits");
	ok(fair_queue_take(&q) == &requests[0] && fair_queue_take(&q) == &requests[1], "a flood alone goes on");
	ok(fair_queue_add(&q, make(100, 2, 1)), "a neighbour comes with one event");
	ok(fair_queue_take(&q) == &requests[100] || fair_queue_take(&q) == &requests[100], "and is served next but one at most");
	ok(fair_queue_first(&q, &backlog) != NULL && backlog >= 4700, "then the flood again, which knows how much it is");
	for (int i = 0; i < 20; i++)
		fair_queue_add(&q, make(200 + i, 2, 100));
	for (int i = 0; i < 20; i++)
		before += tenant_of(fair_queue_take(&q)) == 2;
	ok(before >= 9 && before <= 11, "two that send much share alike: %d of 20", before);
	while (fair_queue_take(&q))
		;
	fair_queue_add(&q, make(300, 1, 10));
	fair_queue_add(&q, make(301, 3, 10));
	ok(fair_queue_take(&q) == &requests[300] && fair_queue_take(&q) == &requests[301], "after a pause nobody owes anything");
	ok(q.events == 0 && q.bytes == 0, "nothing is left");
	fair_queue_release(&q);
}

static void test_return(void)
{
	struct fair_queue q;
	struct request_list batch;
	struct request *third;
	int64_t backlog;

	fair_queue_init(&q);
	request_list_init(&batch);
	for (int i = 0; i < 6; i++)
		fair_queue_add(&q, make(i, i % 2, 5));
	for (int i = 0; i < 3; i++)
		request_list_add(&batch, fair_queue_take(&q));
	ok(batch.first == &requests[0] && batch.first->next == &requests[1], "turns go around");
	third = batch.first->next->next;
	fair_queue_return(&q, &batch);
	ok(!batch.first && q.events == 30 && q.bytes == 3000, "what was taken is back");
	ok(fair_queue_add(&q, make(9, 9, 1)) && fair_queue_first(&q, &backlog) == &requests[0], "and before who comes new");
	for (int i = 0; i < 3; i++)
		request_list_add(&batch, fair_queue_take(&q));
	ok(batch.first == &requests[0] && batch.first->next == &requests[1] && batch.first->next->next == third, "in its order");
	while (fair_queue_take(&q))
		;
	ok(q.events == 0 && !q.returned.first, "all has gone");
	fair_queue_release(&q);
}

/* Whatever comes and goes: each tenant's requests leave in their order, none twice, and none stays. */
static void test_random(void)
{
	struct fair_queue q;
	struct random random;
	int64_t last[TENANTS + 2000];
	int64_t waiting = 0;
	int in = 0, out = 0, wrong = 0;
	struct request_list batch;

	for (int i = 0; i < TENANTS + 2000; i++)
		last[i] = -1;
	random_seed(&random, 7);
	fair_queue_init(&q);
	request_list_init(&batch);
	while (out < REQUESTS) {
		if (in < REQUESTS && random_below(&random, 2)) {
			int tenant = random_below(&random, 3) ? (int)random_below(&random, TENANTS) : TENANTS + (int)random_below(&random, 2000);
			struct request *r = make(in++, tenant, 1 + (int)random_below(&random, 50));

			fair_queue_add(&q, r);
			waiting += r->count;
		} else if (random_below(&random, 10) == 0 && q.events) {
			for (int i = 0; i < 5 && q.events; i++)
				request_list_add(&batch, fair_queue_take(&q));
			fair_queue_return(&q, &batch);
		} else {
			struct request *r = fair_queue_take(&q);

			if (!r)
				continue;
			out++;
			waiting -= r->count;
			wrong += last[tenant_of(r)] >= r->first;
			last[tenant_of(r)] = r->first;
		}
		wrong += waiting != q.events;
	}
	is_int(wrong, 0, "each tenant's order holds, and the counts");
	ok(!q.events && !q.bytes && !q.count && q.flows.count <= 2048, "and tenants that went are forgotten");
	fair_queue_release(&q);
}

int main(void)
{
	test_flood();
	test_return();
	test_random();
	return tap_done();
}
