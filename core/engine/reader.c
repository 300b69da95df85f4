/* reader - see reader.h. */
#include "engine/reader.h"

#include "base/log.h"

enum { POLL_MS = 100, RETRY_MS = 500, ARENA_BLOCK = 256 << 10 };

static void tick(struct reader *r);

static void on_timer(struct env_timer *t)
{
	struct reader *r = t->data;

	r->timer_out = false;
	r->heads_due = true;
	tick(r);
}

void reader_open(struct reader *r, struct env *env, struct store *store)
{
	memset(r, 0, sizeof(*r));
	r->env = env;
	r->store = store;
	r->queue_end = &r->queue;
	arena_init(&r->arena, ARENA_BLOCK);
	r->timer.fire = on_timer;
	r->timer.data = r;
	env->timer_open(env, &r->timer);
}

static void enqueue(struct reader *r, struct read_call *c)
{
	c->next = NULL;
	*r->queue_end = c;
	r->queue_end = &c->next;
}

static void finish(struct reader *r, struct read_call *c)
{
	r->answer(r->data, c);
	free(c);
}

/* The first call whose owner takes answers. */
static struct read_call *dequeue(struct reader *r)
{
	for (struct read_call **link = &r->queue; *link; link = &(*link)->next) {
		struct read_call *c = *link;

		if (c->ticket.owner && !c->then && !r->may(r->data, c))
			continue;
		*link = c->next;
		if (!*link)
			r->queue_end = link;
		return c;
	}
	return NULL;
}

static void on_done(struct store_request *request)
{
	struct reader *r = request->data;

	r->request_out = false;
	tick(r);
}

static void ask(struct reader *r)
{
	r->request_out = true;
	r->call.request.done = on_done;
	r->call.request.data = r;
}

static void wait_ms(struct reader *r, int64_t ms)
{
	r->timer_out = true;
	r->env->timer_start(r->env, &r->timer, ms);
}

static void read_send(struct reader *r, struct read_call *c)
{
	r->current = c;
	arena_reset(&r->arena);
	memset(&r->call.read, 0, sizeof(r->call.read));
	r->call.read.shard = c->shard;
	r->call.read.after = c->from - 1;
	r->call.read.tenant_id = c->tenant_id;
	r->call.read.conversation_id = c->conversation_id;
	r->call.read.limit = c->limit;
	if (c->leaf_bytes) { /* first: is this the log that the client has been reading? */
		r->call.read.after = c->from - 2;
		r->call.read.upto = c->from - 1;
		r->call.read.leaves_only = true;
		r->call.read.tenant_id = r->call.read.conversation_id = (struct uuid){ { 0 } };
		r->call.read.limit = 1;
	}
	r->call.read.bytes = READ_BYTES;
	r->call.read.arena = &r->arena;
	ask(r);
	r->store->ops->read(r->store, &r->call.read);
}

static bool wanted(const struct read_call *c, const struct event *e)
{
	if (c->type_count == 0)
		return true;
	for (int i = 0; i < c->type_count; i++)
		if (c->types[i] == e->type)
			return true;
	return false;
}

static void read_take(struct reader *r)
{
	struct read_call *c = r->current;
	struct store_read *s = &r->call.read;
	int kept = 0;

	r->current = NULL;
	if (s->request.status) {
		if (s->request.lost)
			r->connected = false;
		if (s->request.lost && c->then && c->ticket.owner) { /* a wait outlives a lost connection */
			enqueue(r, c);
			return;
		}
		c->status = E_UNAVAILABLE;
		c->error = s->request.error;
		c->error.code = E_UNAVAILABLE;
		finish(r, c);
		return;
	}
	if (c->leaf_bytes) {
		if (s->count != 1 || memcmp(s->events[0].leaf_hash, c->leaf, c->leaf_bytes) != 0) {
			c->status = error_field(&c->error, E_LOG_DIVERGED, "filter.leaf",
						"the log does not hold the event that was read at position %lld",
						(long long)(c->from - 1));
			finish(r, c);
			return;
		}
		c->leaf_bytes = 0;
		if (c->then)
			finish(r, c);
		else
			enqueue(r, c);
		return;
	}
	if (s->head > r->heads[c->shard])
		r->heads[c->shard] = s->head;
	c->next_from = s->complete ? (s->head >= c->from ? s->head + 1 : c->from)
				   : s->events[s->count - 1].position + 1;
	for (int i = 0; i < s->count; i++)
		if (wanted(c, &s->events[i]))
			s->events[kept++] = s->events[i];
	c->events = s->events;
	c->count = kept;
	c->head = s->head;
	if (kept == 0 && !s->complete) { /* the filter took all: read on */
		c->from = c->next_from;
		enqueue(r, c);
		return;
	}
	if (kept == 0 && c->ticket.owner && r->env->monotonic(r->env) < c->deadline) {
		c->from = c->next_from;
		c->next = r->tails;
		r->tails = c;
		return;
	}
	finish(r, c);
}

/* Tails whose shard has grown go back to the queue; those whose time is over are answered empty. */
static void look_at_tails(struct reader *r)
{
	int64_t now = r->env->monotonic(r->env);
	struct read_call **link = &r->tails;

	while (*link) {
		struct read_call *c = *link;

		if (c->ticket.owner && r->heads[c->shard] < c->from && now < c->deadline && !r->closing) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		if (r->heads[c->shard] >= c->from && c->ticket.owner && !r->closing) {
			enqueue(r, c);
			continue;
		}
		c->events = NULL;
		c->count = 0;
		c->head = r->heads[c->shard];
		c->next_from = c->from;
		finish(r, c);
	}
}

/* Those for a wait() whose time is over, while the database is not there to ask. */
static void look_at_checks(struct reader *r)
{
	int64_t now = r->env->monotonic(r->env);
	struct read_call **link = &r->queue;

	while (*link) {
		struct read_call *c = *link;

		if (!c->then || now < c->deadline) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		c->status = error_set(&c->error, E_TIMEOUT, "the database cannot be asked for position %lld of shard %d",
				      (long long)(c->from - 1), c->shard);
		finish(r, c);
	}
	r->queue_end = link;
}

static void heads_take(struct reader *r)
{
	if (r->call.request.status) {
		if (r->call.request.lost)
			r->connected = false;
		return;
	}
	for (int i = 0; i < SHARDS_MAX; i++)
		if (r->call.heads.position[i] > r->heads[i])
			r->heads[i] = r->call.heads.position[i];
}

static void close_now(struct reader *r);

static void tick(struct reader *r)
{
	struct read_call *c;

	if (r->request_out)
		return;
	if (r->call.request.done) {
		r->call.request.done = NULL;
		if (r->current) {
			read_take(r);
		} else if (!r->connected) {
			r->connected = r->call.request.status == 0;
			if (!r->connected) {
				r->failures++;
				wait_ms(r, RETRY_MS);
			}
		} else {
			heads_take(r);
		}
	}
	if (r->closing) {
		close_now(r);
		return;
	}
	look_at_tails(r);
	while (!r->request_out) {
		if (!r->connected) {
			look_at_checks(r);
			if (r->timer_out)
				return;
			memset(&r->call.connect, 0, sizeof(r->call.connect));
			ask(r);
			r->store->ops->connect(r->store, &r->call.connect);
			return;
		}
		c = dequeue(r);
		if (c) {
			read_send(r, c);
			return;
		}
		if (!r->tails)
			return;
		if (!r->heads_due) { /* another engine may append */
			if (!r->timer_out)
				wait_ms(r, POLL_MS);
			return;
		}
		r->heads_due = false;
		memset(&r->call.heads, 0, sizeof(r->call.heads));
		ask(r);
		r->store->ops->heads(r->store, &r->call.heads);
	}
}

void reader_start(struct reader *r)
{
	tick(r);
}

void reader_submit(struct reader *r, struct read_call *c)
{
	enqueue(r, c);
	tick(r);
}

void reader_committed(struct reader *r, int16_t shard, int64_t head)
{
	if (head > r->heads[shard])
		r->heads[shard] = head;
	if (r->tails)
		tick(r);
}

void reader_kick(struct reader *r)
{
	tick(r);
}

static void on_store_closed(void *data)
{
	struct reader *r = data;

	arena_release(&r->arena);
	r->closed(r->data);
}

static void close_now(struct reader *r)
{
	look_at_tails(r);
	while (r->queue) {
		struct read_call *c = r->queue;

		r->queue = c->next;
		c->status = error_set(&c->error, E_STOPPING, "the engine is shutting down");
		finish(r, c);
	}
	r->queue_end = &r->queue;
	r->env->timer_stop(r->env, &r->timer);
	r->env->timer_close(r->env, &r->timer);
	r->store->ops->close(r->store, on_store_closed, r);
}

void reader_close(struct reader *r)
{
	r->closing = true;
	if (!r->request_out)
		close_now(r);
}
