/* appender - see appender.h. */
#include "engine/appender.h"

#include <assert.h>

#include "base/log.h"
#include "engine/fault.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MOST_MS = 5000,
	CATCH_UP_MOST = 16384,     /* leaves read one by one rather than from tiles */
	LOOK_BATCHES = 64,         /* after a duplicate, how long it is looked for first */
	CLOCK_RETRY_MS = 1000,
	SMALL_BYTES = 64 << 10,    /* below, a commit costs more than its events */
	STOPPED_MS = 5000,         /* a stopped appender looks again */
	RECONNECT_MS = 2000,       /* a new session's chance before clients are told that the database is silent */
	ARENA_BLOCK = 16 << 10,
};

static void tick(struct appender *a);

const char *appender_state_name(enum appender_state state)
{
	static const char *const names[] = { "connecting", "learning", "catching up", "idle", "sending",
					     "waiting", "stopped", "closed" };

	return names[state];
}

int64_t appender_silence_ms(const struct appender *a)
{
	return a->asked_at ? (a->env->monotonic(a->env) - a->asked_at) / 1000 : 0;
}

static void part_name(const struct appender *a, char out[32])
{
	snprintf(out, 32, "appender %d", a->shard);
}

static void on_timer(struct env_timer *t)
{
	struct appender *a = t->data;

	a->timer_out = false;
	tick(a);
}

/* Its turn has come; another appender's call is under way, so it begins on the next turn of the loop. */
static void let_in(void *data)
{
	struct appender *a = data;

	a->timer_out = true;
	a->env->timer_start(a->env, &a->timer, 0);
}

void appender_open(struct appender *a, int16_t shard, struct env *env, struct store *store, struct appender_log *log,
		   const struct batch_limits *limits, uint64_t seed)
{
	memset(a, 0, sizeof(*a));
	a->shard = shard;
	a->env = env;
	a->store = store;
	a->log = log;
	a->limits = *limits;
	a->state = APPENDER_CONNECTING;
	a->head_recorded_at = TIME_NONE;
	a->first_month = TIME_NONE;
	random_seed(&a->random, seed + (uint64_t)shard);
	request_list_init(&a->queue);
	batch_init(&a->batch);
	merkle_init(&a->tree);
	arena_init(&a->call_arena, ARENA_BLOCK);
	a->pass.let_in = let_in;
	a->pass.data = a;
	a->timer.fire = on_timer;
	a->timer.data = a;
	env->timer_open(env, &a->timer);
}

static void answer_all(struct request_list *list)
{
	struct request *r;

	while ((r = request_list_take(list)))
		r->answer(r);
}

/* An outcome is known. */
static void count(struct appender *a, const struct request *r)
{
	int duplicates = r->status ? 0 : request_duplicates(r);

	if (r->own) {
		a->races += r->status ? r->count : duplicates;
		a->journaled += r->status ? 0 : r->count - duplicates;
		return;
	}
	a->refused += r->status != 0;
	a->duplicates += duplicates;
	a->events += r->status ? 0 : r->count - duplicates;
}

/* The same of a request that is refused only after this. */
static void count_refused(struct appender *a, const struct request *r)
{
	if (r->own)
		a->races += r->count;
	else
		a->refused++;
}

static void refuse_all(struct appender *a, struct request_list *list, int code, const char *text)
{
	struct request *r;

	while ((r = request_list_take(list))) {
		count_refused(a, r);
		request_refuse(r, code, "%s", text);
	}
}

static void wait_ms(struct appender *a, int64_t ms)
{
	a->timer_out = true;
	a->env->timer_start(a->env, &a->timer, ms);
}

static void back_off(struct appender *a)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < a->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	a->failures++;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	wait_ms(a, ms / 2 + (int64_t)random_below(&a->random, (uint64_t)ms));
}

static void stop(struct appender *a, int code, const char *text)
{
	char part[32];

	part_name(a, part);
	if (a->refuse_code != code)
		log_error(part, "stopped: %s", text);
	error_set(&a->trouble, code, "%s", text);
	a->state = APPENDER_STOPPED;
	a->refuse_code = code;
	request_list_prepend(&a->queue, &a->batch.requests);
	refuse_all(a, &a->queue, code, text);
	wait_ms(a, STOPPED_MS);
}

/* The batch's requests go back to the front of the queue, in their order. */
static void unform(struct appender *a)
{
	request_list_prepend(&a->queue, &a->batch.requests);
	a->batch.count = 0;
}

static void on_done(struct store_request *request)
{
	struct appender *a = request->data;

	a->request_out = false;
	if (!request->lost)
		a->asked_at = 0;
	tick(a);
}

static void ask(struct appender *a)
{
	if (!a->asked_at)
		a->asked_at = a->env->monotonic(a->env);
	a->request_out = true;
	a->call.request.done = on_done;
	a->call.request.data = a;
}

/* The queue is answered as the database's silence allows: what was never sent is not stored, of the rest nobody knows. */
static void refuse_waiting(struct appender *a, const char *text)
{
	struct request *r;

	while ((r = request_list_take(&a->queue))) {
		count_refused(a, r);
		request_refuse(r, E_UNAVAILABLE, "%s; %s", text,
			       r->unsettled ? "whether this request is stored is not known: send it again, and it is stored once"
					    : "this request is not stored: send it again later");
	}
}

static void lost(struct appender *a)
{
	bool anothers = a->rode && a->state == APPENDER_SENDING; /* session, that of whoever took us along */
	char part[32];

	part_name(a, part);
	if (a->failures == 0 && !anothers)
		log_warn(part, "%s; connecting again", a->call.request.error.message);
	a->trouble = a->call.request.error;
	for (struct request *r = a->batch.requests.first; r; r = r->next)
		if (!r->unsettled) {
			r->unsettled = true;
			r->unsettled_after = a->batch.head;
		}
	unform(a);
	a->state = anothers ? APPENDER_LEARNING : APPENDER_CONNECTING;
	back_off(a);
}

/* ---- one function a state: sends its question, or takes its answer ---- */

static void connect_send(struct appender *a)
{
	memset(&a->call.connect, 0, sizeof(a->call.connect));
	ask(a);
	a->store->ops->connect(a->store, &a->call.connect);
}

static void connect_take(struct appender *a)
{
	const struct store_connect *c = &a->call.connect;

	if (c->request.status) {
		lost(a);
		return;
	}
	if (uuid_is_nil(&a->log->log_id))
		a->log->log_id = c->log_id;
	if (!uuid_equal(&c->log_id, &a->log->log_id)) {
		stop(a, E_LOG_DIVERGED, "the database holds another log now (its log_id differs)");
		return;
	}
	if (c->epoch < a->log->epoch) {
		stop(a, E_LOG_DIVERGED, "the log's epoch has gone back: an older copy was restored; see verbatim init --adopt");
		return;
	}
	if (c->epoch > a->log->epoch)
		a->log->epoch = c->epoch;
	a->compared = false;
	a->state = APPENDER_LEARNING;
}

static void head_send(struct appender *a)
{
	arena_reset(&a->call_arena);
	memset(&a->call.head, 0, sizeof(a->call.head));
	a->call.head.shard = a->shard;
	a->call.head.known = a->vouched;
	a->call.head.compare = !a->compared;
	a->call.head.arena = &a->call_arena;
	ask(a);
	a->store->ops->head(a->store, &a->call.head);
}

/* An error that is not a lost session: the server has answered, nothing was changed, we try again later. */
static bool take_failed(struct appender *a)
{
	int status = a->call.request.status;

	if (!status)
		return false;
	if (a->call.request.lost) {
		lost(a);
		return true;
	}
	a->trouble = a->call.request.error;
	a->state = APPENDER_LEARNING;
	back_off(a);
	return true;
}

static void forget_tree(struct appender *a)
{
	merkle_release(&a->tree);
	merkle_init(&a->tree);
}

static void head_take(struct appender *a)
{
	const struct store_head *h = &a->call.head;
	char text[200];

	if (take_failed(a))
		return;
	if (h->epoch > a->log->epoch)
		a->log->epoch = h->epoch;
	if (a->vouched && h->epoch > a->vouched_epoch) { /* adopted: what we vouched for was given up, by name */
		a->vouched = 0;
		forget_tree(a);
	} else if (a->vouched && (h->position < a->vouched || !h->known_found ||
				  memcmp(h->known_root, a->vouched_root, LEAF_BYTES) != 0)) {
		stop(a, E_LOG_DIVERGED,
		     "an acknowledged commit is missing from the log; restore it, or adopt the log with verbatim init --adopt");
		return;
	}
	if (h->diverged) {
		snprintf(text, sizeof(text), "the read models have seen position %lld of a log that is not this one: its end is missing; "
			 "restore it, or adopt the log with verbatim init --adopt", (long long)h->diverged);
		stop(a, E_LOG_DIVERGED, text);
		return;
	}
	a->compared = true;
	if (h->position && h->recorded_at > a->env->wall(a->env) + 5 * TIME_SECOND) {
		a->refuse_code = E_CLOCK;
		error_set(&a->trouble, E_CLOCK, "the log's head lies in the future of this engine's clock");
		refuse_all(a, &a->queue, E_CLOCK, a->trouble.message);
		a->state = APPENDER_WAITING;
		wait_ms(a, CLOCK_RETRY_MS);
		return;
	}
	a->target = h->position;
	a->target_recorded_at = h->position ? h->recorded_at : TIME_NONE;
	memcpy(a->target_root, h->root, LEAF_BYTES);
	a->first_month = h->first_month;
	a->state = APPENDER_CATCHING_UP;
}

static void caught_up(struct appender *a)
{
	uint8_t root[LEAF_BYTES];

	merkle_root(&a->tree, root);
	if (a->target && memcmp(root, a->target_root, LEAF_BYTES) != 0) {
		forget_tree(a);
		stop(a, E_LOG_DIVERGED, "the stored leaves do not give the root of the last batch: the log was changed");
		return;
	}
	a->head_leaf_known = false;
	a->head = a->target;
	a->head_recorded_at = a->target_recorded_at;
	memcpy(a->head_root, a->target_root, LEAF_BYTES);
	a->vouched = a->head;
	memcpy(a->vouched_root, a->head_root, LEAF_BYTES);
	a->vouched_epoch = a->log->epoch;
	a->failures = 0;
	a->refuse_code = 0;
	a->trouble.code = 0;
	a->state = APPENDER_IDLE;
}

static void catch_up_send(struct appender *a)
{
	if (a->tree.size > a->target) /* after an adoption */
		forget_tree(a);
	if (a->tree.size == a->target) {
		caught_up(a);
		return;
	}
	arena_reset(&a->call_arena);
	if (a->tree.size && a->target - a->tree.size <= CATCH_UP_MOST) {
		memset(&a->call.read, 0, sizeof(a->call.read));
		a->call.read.shard = a->shard;
		a->call.read.after = a->tree.size;
		a->call.read.upto = a->target;
		a->call.read.leaves_only = true;
		a->call.read.limit = CATCH_UP_MOST;
		a->call.read.bytes = SIZE_MAX;
		a->call.read.arena = &a->call_arena;
		ask(a);
		a->store->ops->read(a->store, &a->call.read);
		return;
	}
	memset(&a->call.tree, 0, sizeof(a->call.tree));
	a->call.tree.shard = a->shard;
	a->call.tree.size = a->target;
	a->call.tree.arena = &a->call_arena;
	forget_tree(a);
	ask(a);
	a->store->ops->tree(a->store, &a->call.tree);
}

static void catch_up_take(struct appender *a)
{
	if (a->call.request.status) {
		forget_tree(a);
		take_failed(a);
		return;
	}
	if (a->tree.size)
		for (int i = 0; i < a->call.read.count; i++)
			merkle_add(&a->tree, a->call.read.events[i].leaf_hash, NULL, NULL);
	else
		merkle_load(&a->tree, a->target, a->call.tree.open);
	/* The state stays: the next turn reads on, or finds the tree whole. */
}

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

	if (a->alone) {
		limits.requests = 1;
		a->alone--;
	}
	request_list_init(&done);
	formed = batch_form(b, &a->queue, &place, &limits, &done) > 0;
	for (struct request *r; (r = request_list_take(&done)); request_list_add(finished, r))
		count(a, r);
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
	a->rode = a->shared = false;
	if (a->load)
		load_enter(a->load, a->sent_at);
	ask(a);
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
			if (b->queue.first) /* it tries again by itself */
				wait_ms(b, 0);
			continue;
		}
		b->rode = true;
		a->shared = b->shared = true;
		first = chain_in(first, &b->call.append);
	}
	return first;
}

static void append_send(struct appender *a)
{
	struct request_list finished;

	request_list_init(&finished);
	if (form(a, &finished)) {
		struct store_append *first = take_along(a, &finished);

		fault_point("append.before");
		a->store->ops->append(a->store, first);
		fault_point("append.sent");
	}
	answer_all(&finished);
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
	for (const struct request *r = done.first; r; r = r->next)
		count(a, r);
	if (a->committed)
		a->committed(a->data, a);
	request_list_init(&b->requests);
	b->count = 0;
	answer_all(&done);
	fault_point("append.answered");
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
	request_list_prepend(&a->queue, &kept);
	for (const struct request *o = out.first; o; o = o->next)
		count(a, o);
	a->state = APPENDER_IDLE;
	answer_all(&out);
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
	unform(a);
	a->refuse_code = E_CLOCK;
	refuse_all(a, &a->queue, E_CLOCK, text);
	a->state = APPENDER_WAITING;
	wait_ms(a, CLOCK_RETRY_MS);
}

static void month_send(struct appender *a)
{
	memset(&a->call.maintain, 0, sizeof(a->call.maintain));
	a->call.maintain.now = a->env->wall(a->env);
	ask(a);
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
		unform(a);
		refuse_waiting(a, a->call.request.error.message);
		a->state = APPENDER_LEARNING;
		back_off(a);
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
	unform(a);
	a->state = APPENDER_IDLE;
}

static void append_take(struct appender *a)
{
	if (a->call.request.status) {
		if (a->call.request.lost)
			lost(a);
		else
			took_refusal(a);
		return;
	}
	switch (a->call.append.outcome) {
	case APPEND_OK:
		took_commit(a);
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
		unform(a);
		month_send(a);
		return;
	case APPEND_HEAD:
	case APPEND_EPOCH:
		unform(a);
		a->state = APPENDER_LEARNING;
		return;
	}
}

static void waiting_take(struct appender *a)
{
	if (take_failed(a))
		return;
	a->state = APPENDER_LEARNING;
}

static void close_now(struct appender *a);

/* The one function that moves the state. */
static void tick(struct appender *a)
{
	static void (*const take[])(struct appender *) = {
		[APPENDER_CONNECTING] = connect_take, [APPENDER_LEARNING] = head_take,
		[APPENDER_CATCHING_UP] = catch_up_take, [APPENDER_SENDING] = append_take,
		[APPENDER_WAITING] = waiting_take,
	};
	enum appender_state before = a->state;

	if (a->request_out)
		return;
	if (a->call.request.done && take[before]) {
		a->call.request.done = NULL;
		take[before](a);
	}
	if (before == APPENDER_SENDING) {
		gate_leave(a->gate, &a->pass);
		if (a->load)
			load_leave(a->load, a->env->monotonic(a->env));
	}
	if (a->closing && a->state != APPENDER_CLOSED) {
		close_now(a);
		return;
	}
	while (!a->request_out && !a->timer_out) {
		switch (a->state) {
		case APPENDER_CONNECTING:
			connect_send(a);
			return;
		case APPENDER_LEARNING:
			head_send(a);
			return;
		case APPENDER_CATCHING_UP:
			catch_up_send(a);
			break;
		case APPENDER_IDLE:
			if (!a->queue.first) {
				gate_leave(a->gate, &a->pass);
				return;
			}
			a->pass.joins = !a->alone;
			if (!gate_enter(a->gate, &a->pass, a->queue.bytes < SMALL_BYTES))
				return;
			append_send(a);
			break;
		case APPENDER_WAITING: /* the timer has run out: look again */
			a->state = APPENDER_LEARNING;
			break;
		case APPENDER_STOPPED: /* the time is up: a person may have mended it */
			a->state = APPENDER_CONNECTING;
			break;
		case APPENDER_SENDING:
		case APPENDER_CLOSED:
			return;
		}
	}
}

void appender_start(struct appender *a)
{
	tick(a);
}

void appender_submit(struct appender *a, struct request *r)
{
	request_list_add(&a->queue, r);
	if (a->closing) {
		refuse_all(a, &a->queue, E_STOPPING, "the engine is shutting down");
		return;
	}
	if (a->refuse_code) {
		refuse_all(a, &a->queue, a->refuse_code, a->trouble.message);
		return;
	}
	if (a->state == APPENDER_IDLE && !a->timer_out && !a->pass.queued) {
		/* One turn of the loop gathers what has come in together. */
		a->timer_out = true;
		a->env->timer_start(a->env, &a->timer, 0);
	}
}

void appender_sweep(struct appender *a, bool silent)
{
	if (!silent && (!a->patience_ms || appender_silence_ms(a) < a->patience_ms + RECONNECT_MS))
		return;
	if (a->state == APPENDER_CONNECTING) { /* until it has caught up again */
		if (!a->trouble.code)
			error_set(&a->trouble, E_UNAVAILABLE, "the database does not answer");
		if (!a->refuse_code)
			a->refuse_code = E_UNAVAILABLE;
	}
	refuse_waiting(a, a->trouble.code ? a->trouble.message : "the database does not answer");
}

static void on_store_closed(void *data)
{
	struct appender *a = data;

	batch_release(&a->batch);
	merkle_release(&a->tree);
	arena_release(&a->call_arena);
	a->closed(a->data, a);
}

static void close_now(struct appender *a)
{
	request_list_prepend(&a->queue, &a->batch.requests);
	refuse_all(a, &a->queue, E_STOPPING, "the engine is shutting down");
	a->state = APPENDER_CLOSED;
	gate_leave(a->gate, &a->pass);
	a->env->timer_stop(a->env, &a->timer);
	a->env->timer_close(a->env, &a->timer);
	a->store->ops->close(a->store, on_store_closed, a);
}

void appender_close(struct appender *a)
{
	a->closing = true;
	if (!a->request_out && a->state != APPENDER_CLOSED)
		close_now(a);
}
