/* fair_queue - see fair_queue.h. */
#include "engine/fair_queue.h"

#include <assert.h>

enum { FLOWS_FIRST = 1024 };

void fair_queue_init(struct fair_queue *q)
{
	memset(q, 0, sizeof(*q));
	request_list_init(&q->returned);
	map_init(&q->flows, sizeof(struct uuid));
	q->flows_most = FLOWS_FIRST;
}

void fair_queue_release(struct fair_queue *q)
{
	struct fair_flow *f;
	size_t at = 0;

	assert(!q->events && !q->returned.first);
	while ((f = map_next(&q->flows, &at, NULL)))
		free(f);
	map_release(&q->flows);
	free(q->heap);
}

/* The flow at `i` may start earlier than those above it. */
static void sift_up(struct fair_queue *q, int i)
{
	struct fair_flow *f = q->heap[i];

	for (; i > 0 && q->heap[(i - 1) / 2]->start > f->start; i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = f;
}

/* The first flow may start later than others. */
static void sift_down(struct fair_queue *q)
{
	struct fair_flow *f = q->heap[0];
	int i = 0;

	for (int child; (child = 2 * i + 1) < q->count; i = child) {
		if (child + 1 < q->count && q->heap[child + 1]->start < q->heap[child]->start)
			child++;
		if (q->heap[child]->start >= f->start)
			break;
		q->heap[i] = q->heap[child];
	}
	q->heap[i] = f;
}

/* A tenant that has nothing waiting and is past its finish is as one who never came. */
static void forget_idle(struct fair_queue *q)
{
	struct map kept;
	struct fair_flow *f;
	size_t at = 0;

	map_init(&kept, sizeof(struct uuid));
	while ((f = map_next(&q->flows, &at, NULL)))
		if (f->requests.first || f->finish > q->clock)
			*map_put(&kept, &f->tenant_id) = f;
		else
			free(f);
	map_release(&q->flows);
	q->flows = kept;
	q->flows_most = 2 * kept.count > FLOWS_FIRST ? 2 * kept.count : FLOWS_FIRST;
}

static struct fair_flow *flow_of(struct fair_queue *q, const struct uuid *tenant_id)
{
	struct fair_flow *f = map_find(&q->flows, tenant_id);

	if (f)
		return f;
	if (q->flows.count >= q->flows_most)
		forget_idle(q);
	f = mem_zalloc(sizeof(*f));
	f->tenant_id = *tenant_id;
	request_list_init(&f->requests);
	*map_put(&q->flows, tenant_id) = f;
	return f;
}

static void wake(struct fair_queue *q, struct fair_flow *f)
{
	if (q->count == q->capacity) {
		q->capacity = q->capacity ? q->capacity * 2 : 64;
		q->heap = mem_realloc(q->heap, (size_t)q->capacity * sizeof(*q->heap));
	}
	if (!q->count)
		q->clock = q->last;
	f->start = f->finish = f->finish > q->clock ? f->finish : q->clock;
	q->heap[q->count] = f;
	sift_up(q, q->count++);
}

bool fair_queue_add(struct fair_queue *q, struct request *r)
{
	struct fair_flow *f = flow_of(q, &r->tenant_id);
	bool lone = !f->requests.first;

	if (lone)
		wake(q, f);
	request_list_add(&f->requests, r);
	f->finish += r->count;
	f->events += r->count;
	q->events += r->count;
	q->bytes += r->bytes;
	if (f->finish > q->last)
		q->last = f->finish;
	return lone;
}

struct request *fair_queue_first(const struct fair_queue *q, int64_t *backlog)
{
	struct request *r = q->returned.first;

	if (r) {
		*backlog = r->count;
		return r;
	}
	*backlog = q->count ? q->heap[0]->events : 0;
	return q->count ? q->heap[0]->requests.first : NULL;
}

static struct request *take_turn(struct fair_queue *q)
{
	struct fair_flow *f = q->heap[0];
	struct request *r = request_list_take(&f->requests);

	q->clock = f->start;
	f->start += r->count;
	f->events -= r->count;
	if (!f->requests.first)
		q->heap[0] = q->heap[--q->count];
	if (q->count)
		sift_down(q);
	return r;
}

struct request *fair_queue_take(struct fair_queue *q)
{
	struct request *r = request_list_take(&q->returned);

	if (!r && q->count)
		r = take_turn(q);
	if (!r)
		return NULL;
	q->events -= r->count;
	q->bytes -= r->bytes;
	return r;
}

void fair_queue_return(struct fair_queue *q, struct request_list *list)
{
	for (const struct request *r = list->first; r; r = r->next)
		q->events += r->count;
	q->bytes += list->bytes;
	request_list_prepend(&q->returned, list);
}
