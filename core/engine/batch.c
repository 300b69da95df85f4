/* batch - see batch.h. */
#include "engine/batch.h"

#include <assert.h>

#include "engine/fault.h"
#include "event/canonical.h"

enum { MEMORY_DAYS = 31, ARENA_BLOCK = 64 << 10 };

struct id_key {
	struct uuid tenant_id, event_id;
};

void batch_init(struct batch *b)
{
	memset(b, 0, sizeof(*b));
	arena_init(&b->arena, ARENA_BLOCK);
	request_list_init(&b->requests);
	merkle_init(&b->tree);
	map_init(&b->ids, sizeof(struct id_key));
}

void batch_release(struct batch *b)
{
	assert(!b->requests.first);
	arena_release(&b->arena);
	merkle_release(&b->tree);
	map_release(&b->ids);
	buffer_release(&b->scratch);
	free(b->events);
	free(b->owners);
	free(b->indexes);
	free(b->old);
}

static void room_for(struct batch *b, int more)
{
	size_t n;

	if (b->count + more <= b->capacity)
		return;
	while (b->capacity < b->count + more)
		b->capacity = b->capacity ? b->capacity * 2 : 256;
	n = (size_t)b->capacity;
	b->events = mem_realloc(b->events, n * sizeof(*b->events));
	b->owners = mem_realloc(b->owners, n * sizeof(*b->owners));
	b->indexes = mem_realloc(b->indexes, n * sizeof(*b->indexes));
	b->old = mem_realloc(b->old, n * sizeof(*b->old));
}

static bool same_content(struct batch *b, const struct event *x, const struct event *y)
{
	size_t middle;

	buffer_reset(&b->scratch);
	canonical_event(x, NULL, &b->scratch);
	middle = b->scratch.len;
	canonical_event(y, NULL, &b->scratch);
	return b->scratch.len == 2 * middle && memcmp(b->scratch.data, b->scratch.data + middle, middle) == 0;
}

/* Would an event of the batch break this expectation? */
static bool broken_by(const struct event *e, const struct expectation *x)
{
	const struct uuid *id = x->scope == EXPECT_ENTITY	  ? &e->entity_id
				: x->scope == EXPECT_CONVERSATION ? &e->conversation_id
				: x->scope == EXPECT_RESOLUTION	  ? &e->resolution_id
								  : &e->tenant_id;
	struct bytes rest = x->types;

	if (!uuid_equal(&e->tenant_id, &x->tenant_id) || !uuid_equal(id, &x->id))
		return false;
	if (rest.len == 0)
		return true;
	while (rest.len) {
		const char *comma = memchr(rest.data, ',', rest.len);
		size_t n = comma ? (size_t)(comma - rest.data) : rest.len;

		if (bytes_equal(bytes_of(rest.data, n), e->type_name))
			return true;
		rest.data += n + (comma != NULL);
		rest.len -= n + (comma != NULL);
	}
	return false;
}

enum fit { FITS, WAITS, FINISHED };

/*
 * Whether the request may stand in this batch beside those that are in it.  Ids are entered as they are
 * looked at; when the request turns out to wait, the batch ends here, so what was entered does no harm.
 */
static enum fit request_fits(struct batch *b, struct request *r)
{
	int fresh = 0, known = -1; /* the first event that stands in the log */

	for (int i = 0; i < r->count; i++) {
		struct event *e = &r->events[i];
		struct id_key key = { e->tenant_id, e->event_id };
		void **slot;

		if (r->states[i].duplicate_at) {
			if (known < 0)
				known = i;
			continue;
		}
		slot = map_put(&b->ids, &key);
		if (*slot && *slot != r && !fault_on("batch.takes_twins"))
			return WAITS;
		if (*slot == r && r->states[i].same_as < 0) {
			for (int k = 0; k < i; k++)
				if (uuid_equal(&r->events[k].event_id, &e->event_id)) {
					r->states[i].same_as = k;
					break;
				}
			if (!same_content(b, e, &r->events[r->states[i].same_as])) {
				r->status = error_field(&r->error, E_CONFLICT, "event_id",
							"stands twice in this request with different content");
				r->error.index = i;
				return FINISHED;
			}
		}
		*slot = r;
		if (r->states[i].same_as < 0)
			fresh++;
	}
	if (fresh == 0)
		return FINISHED;
	if (r->recorded_after && b->recorded_at <= r->recorded_after) {
		r->status = error_set(&r->error, E_CLOCK, "its instant is not over by the clock that it would be recorded with");
		return FINISHED;
	}
	if (known >= 0 && r->expect_count) {
		r->status = error_set(&r->error, E_CONFLICT,
				      "some of the request's events stand in the log and some do not; with 'expect' it must be all or none");
		r->error.index = known;
		r->error.position = r->states[known].duplicate_at;
		return FINISHED;
	}
	for (int x = 0; x < r->expect_count; x++)
		for (int i = 0; i < b->count; i++)
			if (broken_by(b->events[i], &r->expects[x]) && !fault_on("batch.expects_apart"))
				return WAITS;
	return FITS;
}

static int request_fresh(const struct request *r)
{
	int n = 0;

	for (int i = 0; i < r->count; i++)
		n += !r->states[i].duplicate_at && r->states[i].same_as < 0;
	return n;
}

static int64_t oldest_look(const struct event *e, int64_t recorded_at)
{
	int64_t at;

	if (uuid_version(&e->event_id) == 7)
		at = uuid_v7_time_ms(&e->event_id) * 1000 - TIME_DAY;
	else
		at = recorded_at - MEMORY_DAYS * TIME_DAY;
	return time_month_start(at > TIME_MIN ? at : TIME_MIN);
}

static void mark_old(struct batch *b, const struct batch_place *place)
{
	int64_t open = time_month_start(b->recorded_at);

	b->old_count = 0;
	b->look_from = TIME_NONE;
	if (place->first_month == TIME_NONE || place->first_month >= open)
		return; /* no older month has an event of this shard */
	for (int i = 0; i < b->count; i++) {
		int64_t from = oldest_look(b->events[i], b->recorded_at);

		if (from >= open)
			continue;
		if (from < place->first_month)
			from = place->first_month;
		b->look_from = time_earlier(b->look_from, from);
		b->old[b->old_count++] = i;
	}
}

static void seal(struct batch *b, const struct batch_place *place)
{
	b->head = place->head;
	merkle_copy(&b->tree, place->tree);
	for (int i = 0; i < b->count; i++) {
		struct event *e = b->events[i];

		e->shard = place->shard;
		e->position = place->head + 1 + i;
		e->recorded_at = b->recorded_at;
		canonical_leaf(e, place->log_id, &b->scratch, e->leaf_hash);
		merkle_add(&b->tree, e->leaf_hash, &b->arena, &b->tiles);
	}
	merkle_root(&b->tree, b->root);
	mark_old(b, place);
}

static void gather_expects(struct batch *b)
{
	int n = 0;

	for (struct request *r = b->requests.first; r; r = r->next)
		n += r->expect_count;
	b->expect_count = 0;
	if (n == 0)
		return;
	b->expects = arena_alloc(&b->arena, sizeof(*b->expects) * (size_t)n);
	b->expect_owners = arena_alloc(&b->arena, sizeof(*b->expect_owners) * (size_t)n);
	for (struct request *r = b->requests.first; r; r = r->next)
		for (int x = 0; x < r->expect_count; x++) {
			b->expects[b->expect_count] = r->expects[x];
			b->expects[b->expect_count].item = b->expect_count;
			b->expect_owners[b->expect_count++] = r;
		}
}

static void take_request(struct batch *b, struct request *r)
{
	room_for(b, r->count);
	for (int i = 0; i < r->count; i++) {
		if (r->states[i].duplicate_at || r->states[i].same_as >= 0)
			continue;
		b->events[b->count] = &r->events[i];
		b->owners[b->count] = r;
		b->indexes[b->count++] = i;
	}
	b->unsettled |= r->unsettled;
	request_list_add(&b->requests, r);
}

/*
 * An attempt whose answer was lost has stored this request after all: its events stand one after another behind the
 * head of that attempt, and are no duplicates then.  (What another engine has stored meanwhile does not come so.)
 */
static void own_what_was_stored(struct request *r)
{
	int64_t next = 0;

	if (!r->unsettled || request_fresh(r))
		return;
	for (int i = 0; i < r->count; i++) {
		int64_t at = r->states[i].duplicate_at;

		if (at <= r->unsettled_after)
			continue;
		if (next && at != next)
			return;
		next = at + 1;
	}
	for (int i = 0; i < r->count; i++)
		if (r->states[i].duplicate_at > r->unsettled_after)
			r->states[i].duplicate_at = 0;
}

static void acknowledge(struct request *r, const struct uuid *log_id, int32_t epoch)
{
	const struct event *last = NULL;
	int64_t first = 0;
	bool fresh;

	own_what_was_stored(r);
	fresh = request_fresh(r) > 0;
	for (int i = 0; i < r->count; i++) {
		const struct event *e = &r->events[i];

		if (r->states[i].same_as >= 0 || (fresh && r->states[i].duplicate_at))
			continue;
		if (!last || e->position > last->position)
			last = e;
		if (!first || e->position < first)
			first = e->position;
	}
	assert(last);
	r->status = 0;
	r->log_id = *log_id;
	r->epoch = epoch;
	r->first = first;
	r->last = last->position;
	memcpy(r->leaf, last->leaf_hash, LEAF_BYTES);
}

int batch_form(struct batch *b, struct fair_queue *queue, const struct batch_place *place,
	       const struct batch_limits *limits, struct request_list *finished)
{
	struct request *r;
	int64_t backlog;

	assert(!b->requests.first);
	arena_reset(&b->arena);
	map_clear(&b->ids);
	b->count = 0;
	b->tiles = NULL;
	b->unsettled = false;
	b->recorded_at = fault_on("batch.time_goes_back") ? place->now : time_later(place->now, place->head_recorded_at);
	while ((r = fair_queue_first(queue, &backlog))) {
		enum fit fit;

		if (b->count && (b->count + request_fresh(r) > limits->events ||
				 b->requests.bytes + r->bytes > limits->bytes))
			break;
		if (limits->requests && b->requests.count >= limits->requests)
			break;
		if (limits->turn && b->count >= limits->turn && backlog > limits->turn && !uuid_equal(&r->tenant_id, &limits->lone))
			break;
		fit = request_fits(b, r);
		if (fit == WAITS)
			break;
		fair_queue_take(queue);
		if (fit == FINISHED && !r->status)
			acknowledge(r, place->log_id, place->epoch);
		if (fit == FINISHED)
			request_list_add(finished, r);
		else
			take_request(b, r);
	}
	if (b->count) {
		seal(b, place);
		gather_expects(b);
	}
	return b->count;
}

struct request *batch_duplicate(struct batch *b, const struct append_hit *hit, const struct uuid *log_id)
{
	struct request *r = b->owners[hit->item];
	int i = b->indexes[hit->item];
	struct event *e = &r->events[i];
	uint8_t leaf[LEAF_BYTES];

	e->position = hit->position;
	e->recorded_at = hit->recorded_at;
	canonical_leaf(e, log_id, &b->scratch, leaf);
	if (memcmp(leaf, hit->leaf, LEAF_BYTES) == 0) {
		memcpy(e->leaf_hash, leaf, LEAF_BYTES);
		r->states[i].duplicate_at = hit->position;
		return r;
	}
	r->status = error_field(&r->error, E_CONFLICT, "event_id",
				"stands in the log at position %lld with other content; give a new event its own id",
				(long long)hit->position);
	r->error.index = i;
	r->error.position = hit->position;
	return r;
}

void batch_acknowledge(struct batch *b, const struct uuid *log_id, int32_t epoch)
{
	for (struct request *r = b->requests.first; r; r = r->next)
		acknowledge(r, log_id, epoch);
}
