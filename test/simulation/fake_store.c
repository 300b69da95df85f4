/*
 * fake_store - the store's functions on the world's memory (see world.h for the faults).
 *
 * A call has its effect in one step of the world, so that a crash falls before or after it, never inside; and its
 * answer in the same step, unless whoever asked is asleep: then it waits for him.
 */
#include <assert.h>
#include <stdlib.h>

#include "fake.h"

enum call_kind { CALL_CONNECT, CALL_APPEND, CALL_HEAD, CALL_TREE, CALL_READ, CALL_HEADS, CALL_CHECKPOINT, CALL_LOAD,
		 CALL_PROJECT, CALL_DUE, CALL_NAMES, CALL_LEASE, CALL_MAINTAIN };

struct fake_factory;

struct fake {
	struct store store;
	struct fake_factory *factory;
	struct fake *next;
	struct world *world;
	struct store_request *out;   /* under way */
	enum call_kind kind;
	int fate;
	int64_t begun_at;
	bool connected, severed;     /* the server has gone away under the session */
	int32_t generation;          /* of the last checkpoint: its tables are meant */
	bool answered, lost;         /* the answer has come; whoever asked is asleep */
	int status;
};

struct fake_factory {
	struct store_factory factory;
	struct world *world;
	const struct world_host *host;
	struct fake *sessions;
};

enum fate { FATE_WELL, FATE_LOST_BEFORE, FATE_LOST_AFTER, FATE_LOST_LATE, FATE_REFUSED };

static int effect(struct fake *f)
{
	struct world *w = f->world;

	switch (f->kind) {
	case CALL_CONNECT: {
		struct store_connect *c = (void *)f->out;

		c->log_id = w->log_id;
		c->epoch = w->epoch;
		c->shards = WORLD_SHARDS;
		c->database_now = w->now;
		return 0;
	}
	case CALL_APPEND:
		log_append(w, (void *)f->out);
		return 0;
	case CALL_HEAD:
		log_head(w, (void *)f->out);
		return 0;
	case CALL_TREE:
		log_tree(w, (void *)f->out);
		return 0;
	case CALL_READ:
		log_read(w, (void *)f->out);
		return 0;
	case CALL_HEADS: {
		struct store_heads *c = (void *)f->out;

		for (int s = 0; s <= WORLD_SHARDS; s++)
			c->position[s] = w->shards[s].count;
		return 0;
	}
	case CALL_CHECKPOINT:
		rows_checkpoint(w, (void *)f->out);
		f->generation = ((struct store_checkpoint *)(void *)f->out)->generation;
		return 0;
	case CALL_LOAD:
		return rows_load(w, f->generation, (void *)f->out);
	case CALL_PROJECT:
		return rows_project(w, (void *)f->out);
	case CALL_DUE:
		return rows_due(w, (void *)f->out);
	case CALL_NAMES:
		return rows_names(w, (void *)f->out);
	case CALL_LEASE:
		rows_lease(w, (void *)f->out);
		return 0;
	case CALL_MAINTAIN:
		log_maintain(w, (void *)f->out);
		return 0;
	}
	return 0;
}

static void answer_one(struct store_request *r, int status, bool lost)
{
	r->status = status;
	r->lost = lost;
	if (status)
		error_set(&r->error, status, "injected: %s", error_name(status));
	if (status == E_ROW_REFUSED)
		snprintf(r->error.field, sizeof(r->error.field), "messages");
	r->done(r);
}

/* The first one last, as store.h says. */
static void deliver(struct fake *f, int status, bool lost)
{
	struct store_request *r = f->out;
	struct store_append *also = f->kind == CALL_APPEND ? ((struct store_append *)(void *)r)->also : NULL;

	f->out = NULL;
	f->answered = false;
	if (lost)
		f->connected = false;
	for (struct store_append *next; also; also = next) {
		next = also->also;
		answer_one(&also->request, status, lost);
	}
	answer_one(r, status, lost);
}

static void wakes(void *data)
{
	struct fake *f = data;
	int64_t left = world_asleep(f->world, f->factory->host);

	if (left)
		world_after(f->world, left, wakes, f);
	else
		deliver(f, f->status, f->lost);
}

static void answer(struct fake *f, int status, bool lost)
{
	f->answered = true;
	f->status = status;
	f->lost = lost;
	wakes(f);
}

/* A fence it needs is held by an orphaned backend; a switch to other tables holds the workers. */
static bool must_wait(const struct fake *f)
{
	if (f->kind == CALL_PROJECT)
		return rows_held(f->world);
	if (f->kind == CALL_APPEND)
		for (const struct store_append *c = (const void *)f->out; c; c = c->also)
			if (f->world->shards[c->shard].late)
				return true;
	return false;
}

static void goes_late(struct fake *f)
{
	for (const struct store_append *c = (const void *)f->out; c; c = c->also)
		log_go_late(f->world, c);
}

static void arrive(void *data)
{
	struct fake *f = data;
	struct world *w = f->world;
	int status;

	if (w->now < w->hung_until) { /* the session waits for the answer as long as sessions do */
		if (w->now >= f->begun_at + WORLD_ANSWER_MS * 1000) {
			if (f->kind == CALL_APPEND)
				goes_late(f); /* the server has the statement, and will get to it */
			answer(f, E_UNAVAILABLE, true);
			return;
		}
		world_after(w, 100000, arrive, f);
		return;
	}
	if (f->severed && f->kind != CALL_CONNECT) {
		answer(f, E_UNAVAILABLE, true);
		return;
	}
	if (must_wait(f)) {
		world_after(w, 20000, arrive, f); /* the fence is held: the statement waits */
		return;
	}
	switch (f->fate) {
	case FATE_LOST_BEFORE:
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_LOST_AFTER:
		effect(f);
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_LOST_LATE:
		if (f->kind == CALL_APPEND)
			goes_late(f);
		answer(f, E_UNAVAILABLE, true);
		return;
	case FATE_REFUSED:
		if (f->kind != CALL_CONNECT) {
			answer(f, E_UNAVAILABLE, false);
			return;
		}
		break;
	default:
		break;
	}
	if (f->kind == CALL_CONNECT) {
		f->connected = true;
		f->severed = false;
	}
	assert(f->connected);
	status = effect(f);
	answer(f, status, false);
}

static void begin(struct store *s, struct store_request *r, enum call_kind kind)
{
	struct fake *f = (struct fake *)s;
	struct world *w = f->world;
	int64_t delay = 100 + (int64_t)random_below(&w->random, 3000);

	assert(!f->out);
	assert(kind == CALL_CONNECT || f->connected);
	f->out = r;
	f->kind = kind;
	f->begun_at = w->now;
	f->fate = FATE_WELL;
	if (w->faults) {
		if (world_chance(w, 20)) {
			f->fate = 1 + (int)random_below(&w->random, 4);
			w->faults_made[f->fate]++;
		}
		if (world_chance(w, 10))
			delay += (int64_t)random_below(&w->random, 2000000);
		if (kind == CALL_PROJECT && world_chance(w, 20))
			delay += 8000000; /* a zombie: its lease is long gone when the statement arrives */
	}
	world_after(w, delay, arrive, f);
}

#define CALL(name, kind) \
	static void fake_##name(struct store *s, struct store_##name *r) { begin(s, &r->request, kind); }
CALL(connect, CALL_CONNECT)
CALL(append, CALL_APPEND)
CALL(head, CALL_HEAD)
CALL(tree, CALL_TREE)
CALL(read, CALL_READ)
CALL(heads, CALL_HEADS)
CALL(checkpoint, CALL_CHECKPOINT)
CALL(load, CALL_LOAD)
CALL(project, CALL_PROJECT)
CALL(due, CALL_DUE)
CALL(names, CALL_NAMES)
CALL(lease, CALL_LEASE)
CALL(maintain, CALL_MAINTAIN)

struct closing {
	void (*closed)(void *data);
	void *data;
};

static void run_closed(void *data)
{
	struct closing c = *(struct closing *)data;

	free(data);
	c.closed(c.data);
}

static void fake_close(struct store *s, void (*closed)(void *data), void *data)
{
	struct fake *f = (struct fake *)s;
	struct closing *c = mem_alloc(sizeof(*c));

	*c = (struct closing){ closed, data };
	for (struct fake **link = &f->factory->sessions; *link; link = &(*link)->next)
		if (*link == f) {
			*link = f->next;
			break;
		}
	world_forget(f->world, f);
	world_after(f->world, 0, run_closed, c);
	free(f);
}

static const struct store_ops ops = {
	fake_connect, fake_append, fake_head, fake_tree, fake_read, fake_heads,
	fake_checkpoint, fake_load, fake_project, fake_due, fake_names, fake_lease, fake_maintain, NULL, NULL, fake_close,
};

static struct store *fake_open(struct store_factory *factory, const char *name)
{
	struct fake_factory *ff = (struct fake_factory *)factory;
	struct fake *f = mem_zalloc(sizeof(*f));

	(void)name;
	f->store.ops = &ops;
	f->factory = ff;
	f->world = ff->world;
	f->next = ff->sessions;
	ff->sessions = f;
	return &f->store;
}

struct store_factory *world_factory_new(struct world *w, const struct world_host *host)
{
	struct fake_factory *f = mem_zalloc(sizeof(*f));

	f->factory.open = fake_open;
	f->world = w;
	f->host = host;
	w->factories++;
	return &f->factory;
}

void world_factory_crash(struct store_factory *factory)
{
	struct fake_factory *ff = (struct fake_factory *)factory;

	for (struct fake *f = ff->sessions, *next; f; f = next) {
		next = f->next;
		if (!f->out)
			continue;
		world_forget(f->world, f);
		if (f->answered)
			; /* it has had its effect */
		else if (f->kind == CALL_APPEND && world_chance(f->world, 300))
			goes_late(f);
		else if (world_chance(f->world, 500) && !must_wait(f))
			effect(f);
		deliver(f, E_UNAVAILABLE, true);
	}
}

void world_factory_sever(struct store_factory *factory)
{
	for (struct fake *f = ((struct fake_factory *)factory)->sessions; f; f = f->next)
		f->severed = true;
}

void world_factory_free(struct store_factory *f)
{
	((struct fake_factory *)f)->world->factories--;
	free(f);
}
