/* appender_send - a batch is formed, alone or with others' sent, and what became of it. */
#include "engine/appender_private.h"

#include "engine/fault.h"

enum {
	RIVAL_MOST_MS = 10,  /* and as long as half a commit: another engine's chance between two of this one's */
	LOOK_BATCHES = 64,   /* after a duplicate, how long it is looked for first */
	LONE_US = 2000000,   /* for how long a tenant with single events is expected to send more */
	TURN_EVENTS = 256,   /* a commit of these takes a few milliseconds, and costs little more an event than a large one */
};

/* Forms a batch and the question about it.  False: there is nothing to commit. */
static bool form(struct appender *a, struct request_list *finished)
{
	struct batch_place place = {
		.log_id = &a->log->log_id,
		.shard = a->shard,
		.epoch = a->log->epoch,
		.head = a->head,
		.head_recorded_at = a->head_recorded_at,
		.first_month = a->first_month,
		.now = a->env->wall(a->env),
		.tree = &a->tree,
	};
	struct batch_limits limits = a->limits;
	struct request_list done;
	struct store_append *c = &a->call.append;
	struct batch *b = &a->batch;
	bool formed;

	if (a->lone && a->lone->at && a->env->monotonic(a->env) - a->lone->at < LONE_US) {
		limits.turn = TURN_EVENTS;
		limits.lone = a->lone->tenant_id;
	}
	if (a->alone) {
		limits.requests = 1;
		a->alone--;
	}
	request_list_init(&done);
	formed = batch_form(b, &a->queue, &place, &limits, &done) > 0;
	for (struct request *r; (r = request_list_take(&done)); request_list_add(finished, r))
		appender_count(a, r);
	if (!formed)
		return false;
	a->sent_at = a->env->monotonic(a->env);
	arena_reset(&a->call_arena);
	memset(c, 0, sizeof(*c));
	c->shard = a->shard;
	c->epoch = a->log->epoch;
	c->head = a->head;
	c->now = place.now;
	c->recorded_at = b->recorded_at;
	memcpy(c->root, b->root, LEAF_BYTES);
	c->look = a->look > 0 || b->unsettled;
	c->look_from = b->look_from;
	c->old = b->old;
	c->old_count = b->old_count;
	c->events = b->events;
	c->count = b->count;
	c->tiles = b->tiles;
	c->expects = b->expects;
	c->expect_count = b->expect_count;
	c->arena = &a->call_arena;
	if (a->look > 0)
		a->look--;
	a->state = APPENDER_SENDING;
	a->rode = a->shared = a->apart = a->looked = false;
	if (a->load)
		load_enter(a->load, a->sent_at);
	appender_ask(a);
	return true;
}

/* Puts `c` into the chain that begins with `first`, shards rising; returns the first. */
static struct store_append *chain_in(struct store_append *first, struct store_append *c)
{
	struct store_append *before = first;

	if (c->shard < first->shard) {
		c->also = first;
		return c;
	}
	while (before->also && before->also->shard < c->shard)
		before = before->also;
	c->also = before->also;
	before->also = c;
	return first;
}

/* Those who wait with a small batch go along. */
static struct store_append *take_along(struct appender *a, struct request_list *finished)
{
	struct store_append *first = &a->call.append;
	struct gate_pass *pass;

	for (int n = 1; n < APPEND_TOGETHER_MOST && a->pass.joins && (pass = gate_join(a->gate)); n++) {
		struct appender *b = pass->data;

		if (!form(b, finished)) {
			if (b->queue.events) /* it tries again by itself */
				appender_wait(b, 0);
			continue;
		}
		b->rode = true;
		a->shared = b->shared = true;
		first = chain_in(first, &b->call.append);
	}
	return first;
}

void appender_send(struct appender *a)
{
	struct request_list finished;

	request_list_init(&finished);
	if (form(a, &finished)) {
		struct store_append *first = take_along(a, &finished);

		fault_point("append.before");
		a->store->ops->append(a->store, first);
		fault_point("append.sent");
	}
	appender_answer(&finished);
}

static void took_commit(struct appender *a)
{
	struct batch *b = &a->batch;
	struct request_list done = b->requests;
	struct merkle grown = b->tree;

	fault_point("append.committed");
	b->tree = a->tree;
	a->tree = grown;
	if (a->first_month == TIME_NONE)
		a->first_month = time_month_start(b->recorded_at);
	a->head += b->count;
	a->head_recorded_at = b->recorded_at;
	memcpy(a->head_root, b->root, LEAF_BYTES);
	memcpy(a->head_leaf, b->events[b->count - 1]->leaf_hash, LEAF_BYTES);
	a->head_leaf_known = true;
	a->vouched = a->head;
	memcpy(a->vouched_root, b->root, LEAF_BYTES);
	a->vouched_epoch = a->log->epoch;
	a->batches++;
	meter_add(&a->batch_meter, meter_batch_events, b->count);
	meter_add(&a->commit_meter, meter_commit_us, a->env->monotonic(a->env) - a->sent_at);
	a->failures = 0;
	a->trouble.code = 0;
	a->state = APPENDER_IDLE;
	batch_acknowledge(b, &a->log->log_id, a->log->epoch);
	for (const struct request *r = done.first; r; r = r->next) {
		meter_add(&a->wait_meter, meter_commit_us, a->sent_at - r->came_at);
		appender_count(a, r);
	}
	if (a->committed)
		a->committed(a->data, a);
	request_list_init(&b->requests);
	b->count = 0;
	appender_answer(&done);
	fault_point("append.answered");
}

/* Whoever waits for the end of this commit comes next. */
static void stand_back(struct appender *a)
{
	int64_t ms = (a->env->monotonic(a->env) - a->sent_at) / 2000 + 1;

	appender_wait(a, ms < RIVAL_MOST_MS ? ms : RIVAL_MOST_MS);
}

/* Requests with an outcome leave the batch; the rest goes back to the queue. */
static void sift(struct appender *a)
{
	struct request_list kept, out;
	struct request *r;

	request_list_init(&kept);
	request_list_init(&out);
	while ((r = request_list_take(&a->batch.requests)))
		request_list_add(r->status ? &out : &kept, r);
	a->batch.count = 0;
	fair_queue_return(&a->queue, &kept);
	for (const struct request *o = out.first; o; o = o->next)
		appender_count(a, o);
	a->state = APPENDER_IDLE;
	appender_answer(&out);
}

static void took_duplicates(struct appender *a)
{
	const struct store_append *c = &a->call.append;

	for (int i = 0; i < c->hit_count; i++) {
		struct request *r = a->batch.owners[c->hits[i].item];

		if (!r->status)
			batch_duplicate(&a->batch, &c->hits[i], &a->log->log_id);
	}
	a->look = LOOK_BATCHES;
	sift(a);
}

static void took_expect(struct appender *a, bool far)
{
	const struct store_append *c = &a->call.append;

	for (int i = 0; i < c->hit_count; i++) {
		struct request *r = a->batch.expect_owners[c->hits[i].item];

		if (r->status)
			continue;
		if (far) {
			r->status = error_field(&r->error, E_PARAMS, "expect.after",
						"lies too far back for scope 'entity'; use scope 'conversation' with types");
			continue;
		}
		r->status = error_set(&r->error, E_STALE, "an event that 'expect' rules out stands at position %lld",
				      (long long)c->hits[i].position);
		r->error.position = c->hits[i].position;
	}
	sift(a);
}

static void took_clock(struct appender *a)
{
	char text[160];

	snprintf(text, sizeof(text), "this engine's clock and the database's differ by %.1f s; set them right (at most 5 s)",
		 (double)(a->call.append.now - a->call.append.head_recorded_at) / 1e6);
	error_set(&a->trouble, E_CLOCK, "%s", text);
	appender_unform(a);
	a->refuse_code = E_CLOCK;
	appender_refuse(a, E_CLOCK, text);
	a->state = APPENDER_WAITING;
	appender_wait(a, APPENDER_CLOCK_RETRY_MS);
}

static void month_send(struct appender *a)
{
	memset(&a->call.maintain, 0, sizeof(a->call.maintain));
	a->call.maintain.now = a->env->wall(a->env);
	appender_ask(a);
	a->asked_at = 0; /* it may close a month as well, which takes minutes: no sign of silence */
	a->state = APPENDER_WAITING;
	a->store->ops->maintain(a->store, &a->call.maintain);
}

static void took_refusal(struct appender *a)
{
	struct batch *b = &a->batch;
	int code = a->call.request.status;

	a->trouble = a->call.request.error;
	if (code == E_UNAVAILABLE || code == E_TIMEOUT || code == E_BUSY) {
		appender_unform(a);
		appender_refuse_waiting(a, a->call.request.error.message);
		a->state = APPENDER_LEARNING;
		appender_back_off(a);
		return;
	}
	if (b->requests.count == 1 && !a->shared) {
		struct request *r = b->requests.first;

		r->status = error_set(&r->error, E_INTERNAL, "the database refused the request: %s",
				      a->call.request.error.message);
		sift(a);
		return;
	}
	a->alone = b->requests.count; /* find the one by sending each alone */
	appender_unform(a);
	a->state = APPENDER_IDLE;
}

void appender_take_outcome(struct appender *a)
{
	if (a->call.request.status) {
		if (a->call.request.lost && fault_on("append.lost_is_done")) {
			took_commit(a);
			a->state = APPENDER_CONNECTING;
		} else if (a->call.request.lost) {
			appender_lost(a);
		} else {
			took_refusal(a);
		}
		return;
	}
	switch (a->call.append.outcome) {
	case APPEND_OK:
		took_commit(a);
		if (a->rival)
			stand_back(a);
		return;
	case APPEND_DUPLICATES:
		took_duplicates(a);
		return;
	case APPEND_EXPECT:
	case APPEND_EXPECT_FAR:
		took_expect(a, a->call.append.outcome == APPEND_EXPECT_FAR);
		return;
	case APPEND_CLOCK:
		took_clock(a);
		return;
	case APPEND_MONTH:
		appender_unform(a);
		month_send(a);
		return;
	case APPEND_APART:
		appender_unform(a);
		a->apart = true;
		a->state = APPENDER_IDLE;
		return;
	case APPEND_HEAD:
		a->behind++;
		a->rival = a->pass.small ? 0 : APPENDER_RIVAL_LOOKS;
		appender_unform(a);
		a->state = APPENDER_LEARNING;
		return;
	case APPEND_EPOCH:
		appender_unform(a);
		a->state = APPENDER_LEARNING;
		return;
	}
}
