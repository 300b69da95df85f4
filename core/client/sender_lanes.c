/* sender_lanes - each tenant's requests in their order, and which lanes have something to do.  See sender_private.h. */
#include "client/sender_private.h"

void lanes_free_request(struct request *r)
{
	buffer_release(&r->body);
	free(r->items);
	free(r);
}

void lanes_free(struct sender *s)
{
	struct lane *lane;
	size_t at = 0;

	while ((lane = map_next(&s->lanes, &at, NULL))) {
		while (lane->first) {
			struct request *r = lane->first;

			lane->first = r->next;
			lanes_free_request(r);
		}
		free(lane);
	}
	map_clear(&s->lanes);
	s->ready = s->ready_last = s->open = s->open_last = NULL;
}

struct request *lanes_take(struct sender *s, struct lane *lane)
{
	struct request *r = s->spare;

	if (r)
		s->spare = r->next;
	else
		r = mem_zalloc(sizeof(*r));
	r->next = NULL;
	r->lane = lane;
	r->state = REQUEST_OPEN;
	r->doubtful = r->repeated = false;
	r->count = 0;
	buffer_reset(&r->body);
	return r;
}

/* Out of its lane and back to the spare ones. */
void lanes_give(struct sender *s, struct request *r)
{
	struct lane *lane = r->lane;
	struct request **at = &lane->first, *before = NULL;

	while (*at != r) {
		before = *at;
		at = &before->next;
	}
	*at = r->next;
	if (lane->last == r)
		lane->last = before;
	s->held -= r->body.len;
	r->next = s->spare;
	s->spare = r;
}

void lanes_make_ready(struct sender *s, struct lane *lane)
{
	if (lane->ready)
		return;
	lane->ready = true;
	lane->next_ready = NULL;
	if (s->ready)
		s->ready_last->next_ready = lane;
	else
		s->ready = lane;
	s->ready_last = lane;
}

void lanes_seal(struct sender *s, struct lane *lane)
{
	if (lane->last && lane->last->state == REQUEST_OPEN) {
		lane->last->state = REQUEST_WAITING;
		lanes_make_ready(s, lane);
	}
}

/* Seals the request that has been open longest; false when none is open. */
bool lanes_seal_oldest(struct sender *s)
{
	struct lane *lane = s->open;

	if (!lane)
		return false;
	s->open = lane->next_open;
	lane->open = false;
	lanes_seal(s, lane);
	return true;
}

struct lane *lanes_get(struct sender *s, const struct uuid *tenant_id)
{
	void **at = map_put(&s->lanes, tenant_id);
	struct lane *lane = *at;

	if (!lane) {
		lane = mem_zalloc(sizeof(*lane));
		lane->tenant_id = *tenant_id;
		*at = lane;
	}
	return lane;
}

static void request_add(struct sender *s, struct request *r, int64_t line, const struct uuid *id, struct bytes event)
{
	if (r->count == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 64;
		r->items = mem_realloc(r->items, (size_t)r->cap * sizeof(*r->items));
	}
	buffer_add_bytes(&r->body, event);
	r->items[r->count++] = (struct item){ r->body.len, line, *id };
	s->held += event.len;
}

/* The earliest request that waits, or NULL. */
struct request *lanes_first_waiting(const struct lane *lane)
{
	struct request *r = lane->first;

	while (r && r->state == REQUEST_SENT)
		r = r->next;
	return r && r->state == REQUEST_WAITING ? r : NULL;
}

/* To the lane's open request; a new one is begun when there is none. */
void lanes_add(struct sender *s, struct lane *lane, int64_t line, const struct uuid *id, struct bytes event)
{
	if (!lane->last || lane->last->state != REQUEST_OPEN) {
		struct request *r = lanes_take(s, lane);

		if (lane->last)
			lane->last->next = r;
		else
			lane->first = r;
		lane->last = r;
	}
	if (!lane->open) {
		lane->open = true;
		lane->next_open = NULL;
		if (s->open)
			s->open_last->next_open = lane;
		else
			s->open = lane;
		s->open_last = lane;
	}
	request_add(s, lane->last, line, id, event);
}

void lanes_drop_event(struct sender *s, struct request *r, int index)
{
	size_t from = index ? r->items[index - 1].end : 0, len = r->items[index].end - from;

	memmove(r->body.data + from, r->body.data + from + len, r->body.len - from - len);
	r->body.len -= len;
	s->held -= len;
	for (int i = index + 1; i < r->count; i++) {
		r->items[i].end -= len;
		r->items[i - 1] = r->items[i];
	}
	r->count--;
}

/* The second half into a request of its own, right behind. */
void lanes_split(struct sender *s, struct request *r)
{
	struct request *tail = lanes_take(s, r->lane);
	int half = r->count / 2;
	size_t from = r->items[half - 1].end;

	for (int i = half; i < r->count; i++) {
		size_t at = i ? r->items[i - 1].end : 0;

		request_add(s, tail, r->items[i].line, &r->items[i].id, bytes_of(r->body.data + at, r->items[i].end - at));
	}
	s->held -= r->body.len - from;
	r->body.len = from;
	r->count = half;
	tail->state = REQUEST_WAITING;
	tail->doubtful = r->doubtful;
	tail->repeated = true;
	tail->next = r->next;
	r->next = tail;
	if (r->lane->last == r)
		r->lane->last = tail;
}
