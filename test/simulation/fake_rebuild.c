/* fake_rebuild - see fake_rebuild.h. */
#include "fake_rebuild.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/rebuild.h"
#include "fiber.h"

enum { HOLD_MS = 2000, LOCK_LOOK_MS = 20, BLOCK_MOST = 25, BUSY_IN_THOUSAND = 200, PACE_US = 1500, PACES = 6 };

struct pg_conn {
	struct rebuilder *of;
	struct backend *server; /* NULL: it is lost */
	enum rebuilder_fault fate;
	struct pg_conn *next;
};

static struct rebuilder *running;

void rebuilder_enter(struct rebuilder *r)
{
	running = r;
}

void rebuilder_sleep(struct rebuilder *r, int64_t us)
{
	fiber_sleep(us);
	running = r;
}

void rebuilder_begin(struct rebuilder *r, enum rebuilder_fault fault, int at)
{
	assert(!r->sessions);
	r->dead = r->struck = false;
	r->host.asleep_until = 0;
	r->calls = 0;
	r->pace_us = PACE_US << random_below(&r->world->random, PACES);
	r->fault = fault;
	r->fault_at = fault ? at : 0;
}

/* ---- what befalls it ---- */

static int lost(struct error *error)
{
	return error_set(error, E_UNAVAILABLE, "injected: the session is lost");
}

static void lose(struct pg_conn *c)
{
	if (c->server)
		backend_close(c->server);
	c->server = NULL;
}

void rebuilder_kill(struct rebuilder *r)
{
	r->dead = true;
	r->host.asleep_until = 0;
	for (struct pg_conn *c = r->sessions; c; c = c->next)
		lose(c);
}

static void draw_fate(struct pg_conn *c)
{
	struct rebuilder *r = c->of;

	c->fate = WELL;
	if (!r->world->faults || r->struck || r->fault_at == 0 || ++r->calls < r->fault_at)
		return;
	r->struck = true;
	c->fate = r->fault;
	if (c->fate == STOPPED)
		r->host.asleep_until = r->world->now + (int64_t)random_below(&r->world->random, 3 * MODELS_ALIVE_MS * 1000LL);
}

/* A call comes to the server; 0: it may have its effect. */
static int comes(struct pg_conn *c, struct error *error)
{
	struct rebuilder *r = c->of;
	struct world *w = r->world;
	int64_t delay = 100 + (int64_t)random_below(&w->random, (uint64_t)r->pace_us);

	if (r->dead || !c->server)
		return lost(error);
	draw_fate(c);
	if (w->faults && world_chance(w, 5))
		delay += (int64_t)random_below(&w->random, TIME_SECOND);
	rebuilder_sleep(r, delay);
	if (!r->dead && c->fate == KILLED_BEFORE)
		rebuilder_kill(r);
	if (c->fate == LOST_BEFORE)
		lose(c);
	if (r->dead || !c->server)
		return lost(error);
	if (c->fate != REFUSED)
		return c->server->failed ? error_set(error, E_DATABASE, "the transaction has failed before") : 0;
	c->server->failed = c->server->begun;
	return error_set(error, E_UNAVAILABLE, "injected: no space left on device");
}

/* Its answer goes back. */
static int answers(struct pg_conn *c, int status, struct error *error)
{
	if (status)
		error_set(error, status, "the database says %s", error_name(status));
	if (status)
		c->server->failed = c->server->begun;
	if (c->fate == KILLED_AFTER)
		rebuilder_kill(c->of);
	if (c->fate == LOST_AFTER || c->fate == LOST_LATE)
		lose(c);
	return c->of->dead || !c->server ? lost(error) : status;
}

/* ---- sessions ---- */

static struct pg_conn *connect_new(void)
{
	struct pg_conn *c = mem_zalloc(sizeof(*c));

	c->of = running;
	c->server = backend_open(running->models);
	c->next = running->sessions;
	running->sessions = c;
	return c;
}

static void fake_close(struct pg_conn *c)
{
	lose(c);
	for (struct pg_conn **link = &c->of->sessions; *link; link = &(*link)->next)
		if (*link == c) {
			*link = c->next;
			break;
		}
	free(c);
}

static int fake_open(const char *conninfo, const char *name, struct pg_conn **out, struct error *error)
{
	struct pg_conn *c;
	int status;

	*out = NULL;
	if (running->dead)
		return lost(error);
	c = connect_new();
	status = comes(c, error);
	status = status ? status : answers(c, 0, error);
	if (status)
		fake_close(c);
	else
		*out = c;
	return status;
}

static int fake_tune(struct pg_conn *c, int64_t index_bytes, struct error *error)
{
	int status = comes(c, error);

	return status ? status : answers(c, 0, error);
}

static int begin(struct pg_conn *c, bool snapshot, struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	backend_begin(c->server, snapshot);
	return answers(c, 0, error);
}

static int fake_begin(struct pg_conn *c, struct error *error)
{
	return begin(c, false, error);
}

static int fake_begin_snapshot(struct pg_conn *c, struct error *error)
{
	return begin(c, true, error);
}

static void commits_late(void *data)
{
	backend_end(data, true);
	backend_close(data);
}

/* One call in hundreds, and the one that matters most: some have it befall them there. */
static void aim_at_switch(struct rebuilder *r)
{
	if (r->fault_at % 8 == 1 && !r->struck)
		r->fault_at = r->calls + 1;
}

static int fake_commit(struct pg_conn *c, struct error *error)
{
	int status;

	if (c->server && c->server->next_generation)
		aim_at_switch(c->of);
	status = comes(c, error);
	if (c->fate == LOST_LATE && c->server) {
		world_after(c->of->world, (int64_t)random_below(&c->of->world->random, 3000000), commits_late, c->server);
		c->server = NULL;
		return lost(error);
	}
	if (c->server && (status == 0 || c->fate == WELL)) {
		backend_end(c->server, status == 0); /* of a transaction that has failed, COMMIT is a way to say ROLLBACK */
		status = 0;
	}
	return status ? status : answers(c, 0, error);
}

static int fake_rollback(struct pg_conn *c, struct error *error)
{
	int status = comes(c, error);

	if (!c->server)
		return status;
	backend_end(c->server, false); /* nothing is refused less */
	return answers(c, 0, error);
}

/* ---- shadow.h ---- */

/* Waits until no other transaction has the rebuild. */
static int wait_for(struct pg_conn *c, int32_t rebuild, struct error *error)
{
	while (c->server && rebuild && backend_owned_elsewhere(c->server, rebuild))
		rebuilder_sleep(c->of, LOCK_LOOK_MS * 1000);
	return c->of->dead || !c->server ? lost(error) : 0;
}

static int fake_shadow_begin(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
			     enum shadow_how how, struct shadow_plan *p, struct error *error)
{
	int status = comes(c, error);

	if (!status)
		status = wait_for(c, c->of->models->rebuild_count, error);
	return status ? status : answers(c, models_begin(c->server, wanted, count, how, p), error);
}

static int fake_look(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
		     struct shadow_plan *p, char *unfinished, size_t size, struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	models_look(c->server, wanted, count, p);
	return answers(c, 0, error);
}

static int fake_positions(struct pg_conn *c, const struct group *group, int32_t generation, struct shadow_position *out, int *count,
			  struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	models_positions(c->server, generation, out);
	*count = WORLD_SHARDS + 1;
	return answers(c, 0, error);
}

#define STEP(name, arguments, call)                                                                                   \
	static int fake_##name arguments                                                                              \
	{                                                                                                             \
		int status = comes(c, error);                                                                         \
                                                                                                                      \
		return status ? status : answers(c, call, error);                                                     \
	}
STEP(beat, (struct pg_conn *c, const struct shadow_plan *p, struct error *error), models_beat(c->server, p))
STEP(progress, (struct pg_conn *c, const struct shadow_plan *p, const char *name, int64_t done, int64_t total, struct error *error),
     models_beat(c->server, p))
STEP(folded, (struct pg_conn *c, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to, const uint8_t leaf[LEAF_BYTES],
	      struct error *error), models_folded(c->server, p, shard, from, to, leaf))
STEP(index, (struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, int first, int last, struct error *error),
     models_index(c->server, p, projection, first, last))
STEP(finish, (struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, struct error *error),
     models_finish(c->server, p, projection))
STEP(bring, (struct pg_conn *c, const struct shadow_plan *p, const struct shadow_table *t, int shards, struct error *error),
     models_bring(c->server, p, t, shards))
STEP(level, (struct pg_conn *c, const struct shadow_plan *p, struct error *error), models_level(c->server, p))
STEP(mark, (struct pg_conn *c, const struct shadow_plan *p, int32_t *next, struct error *error), models_mark(c->server, p, next))

/* A moment that does not come. */
static bool is_refused(const struct rebuilder *r)
{
	return r->world->faults && world_chance(r->world, BUSY_IN_THOUSAND);
}

static int fake_hold(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	int status = comes(c, error);
	int64_t until = c->of->world->now + HOLD_MS * 1000;

	while (!status && c->server && models_holds(c->of->models) && c->of->world->now < until)
		rebuilder_sleep(c->of, LOCK_LOOK_MS * 1000);
	if (status || c->of->dead || !c->server)
		return status ? status : lost(error);
	return answers(c, models_holds(c->of->models) || is_refused(c->of) ? E_BUSY : models_hold(c->server, p), error);
}

static int fake_switch(struct pg_conn *c, const struct shadow_plan *p, int32_t next, int patience_ms, const char *event,
		       int64_t *locked_us, struct error *error)
{
	int status = comes(c, error);

	*locked_us = 0;
	if (status)
		return status;
	return answers(c, is_refused(c->of) ? E_BUSY : models_switch(c->server, p, next, event), error);
}

static int fake_give_up(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	int status = comes(c, error);

	if (!status)
		status = wait_for(c, p->rebuild, error);
	return status ? status : answers(c, models_give_up(c->server, p), error);
}

static int fake_leave(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	models_leave(c->server, p);
	return answers(c, 0, error);
}

static int fake_untold(struct pg_conn *c, struct shadow_untold *out, struct error *error)
{
	const struct models *m = c->of->models;
	int status = comes(c, error);

	memset(out, 0, sizeof(*out));
	for (int32_t i = 1; i <= m->rebuild_count && !status && !out->rebuild; i++)
		if (m->rebuilds[i].state == MODELS_SWITCHED && !m->rebuilds[i].told)
			*out = (struct shadow_untold){ i, m->rebuilds[i].owner, m->rebuilds[i].ended_at, NULL };
	if (out->rebuild)
		out->event = mem_strdup(m->rebuilds[out->rebuild].event);
	status = status ? status : answers(c, 0, error);
	if (status) {
		free(out->event);
		memset(out, 0, sizeof(*out));
	}
	return status;
}

static int fake_told(struct pg_conn *c, int32_t rebuild, struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	c->of->models->rebuilds[rebuild].told = true;
	return answers(c, 0, error);
}

static int fake_drop_old(struct pg_conn *c, const struct group *group, int32_t but, int *count, struct error *error)
{
	int status = comes(c, error);

	if (status)
		return status;
	*count = models_drop_old(c->of->models, but);
	return answers(c, 0, error);
}

/* ---- log_copy.h ---- */

struct log_copy {
	struct pg_conn *conn;
	int16_t shard;
	int64_t next, upto;
	bool folding;
	struct event events[BLOCK_MOST];
};

static int fake_log_open(const char *conninfo, const char *role, const char *name, struct log_copy **out, struct log_copy_source *source,
			 struct error *error)
{
	struct pg_conn *c;
	int status = fake_open(conninfo, name, &c, error);

	if (status)
		return status;
	*out = mem_zalloc(sizeof(**out));
	(*out)->conn = c;
	return 0;
}

static void fake_log_close(struct log_copy *l)
{
	fake_close(l->conn);
	free(l);
}

static int log_begin(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, bool folding, struct error *error)
{
	int status = comes(l->conn, error);

	if (status)
		return status;
	l->shard = shard;
	l->next = after + 1;
	l->upto = upto;
	l->folding = folding;
	return answers(l->conn, 0, error);
}

static int fake_log_begin(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error)
{
	return log_begin(l, shard, after, upto, false, error);
}

static int fake_log_begin_folding(struct log_copy *l, int16_t shard, int64_t after, int64_t upto, struct error *error)
{
	return log_begin(l, shard, after, upto, true, error);
}

/* What folds do not look at, whoever reads for them does not get. */
static void take_away(struct event *e)
{
	memset(&e->correlation_id, 0, sizeof(e->correlation_id));
	memset(e->leaf_hash, 0, sizeof(e->leaf_hash));
	e->actor_ip = e->actor_user_agent = (struct bytes){ NULL, 0 };
}

static int fake_log_next(struct log_copy *l, struct event **events, int *count, struct error *error)
{
	const struct world_shard *s = &l->conn->of->world->shards[l->shard];
	int status = comes(l->conn, error), most;

	*events = l->events;
	*count = 0;
	if (status)
		return status;
	most = 1 + (int)random_below(&l->conn->of->world->random, BLOCK_MOST);
	for (; *count < most && l->next <= l->upto; l->next++) {
		if (l->next > s->count)
			return answers(l->conn, E_LOG_GAP, error);
		l->events[*count] = s->events[l->next - 1].event;
		if (l->folding)
			take_away(&l->events[*count]);
		++*count;
	}
	return answers(l->conn, 0, error);
}

/* ---- row_copy.h ---- */

struct row_copy {
	struct pg_conn *conn;
	const char *table; /* rows go into */
};

static struct row_copy *fake_rows_open(struct pg_conn *conn)
{
	struct row_copy *c = mem_zalloc(sizeof(*c));

	c->conn = conn;
	return c;
}

static void fake_rows_close(struct row_copy *c)
{
	free(c);
}

static int fake_rows_begin(struct row_copy *c, const struct projection *p, const char *table, struct error *error)
{
	int status = comes(c->conn, error);

	c->table = table;
	return status ? status : answers(c->conn, 0, error);
}

/* Rows are sent many at a time. */
static int fake_rows_put(struct row_copy *c, const struct row *row, struct error *error)
{
	int status = 0;

	if (world_chance(c->conn->of->world, 20))
		status = comes(c->conn, error);
	else
		c->conn->fate = WELL;
	if (!status && (c->conn->of->dead || !c->conn->server))
		status = lost(error);
	return status ? status : answers(c->conn, models_row(c->conn->server, c->table, row, false), error);
}

static int fake_rows_end(struct row_copy *c, struct error *error)
{
	int status = comes(c->conn, error);

	return status ? status : answers(c->conn, 0, error);
}

static int fake_rows_merge(struct row_copy *c, const struct projection *p, const char *table, struct row *changed, struct error *error)
{
	int status = comes(c->conn, error), result = 0;

	for (const struct row *r = changed; r && !status && !result; r = r->next_changed)
		if (r->of == p)
			result = models_row(c->conn->server, table, r, true);
	return status ? status : answers(c->conn, result, error);
}

static int fake_rows_read(struct row_copy *c, const struct projection *p, const char *table, row_copy_fn each, void *data,
			  struct error *error)
{
	int status = comes(c->conn, error), n = models_table_number(table);
	const struct row *row, **rows;
	const struct map *seen;
	size_t at = 0, count = 0;

	if (status)
		return status;
	assert(c->conn->server->snapshot && n < c->conn->server->snapshot_tables);
	if (!c->conn->of->models->tables[n].there)
		return answers(c->conn, E_DATABASE, error);
	seen = &c->conn->server->snapshot[n];
	rows = mem_alloc((seen->count + 1) * sizeof(*rows));
	while ((row = map_next(seen, &at, NULL)))
		rows[count++] = row;
	for (size_t i = 0; i < count && !status; i++)
		status = each(data, rows[i], error);
	free(rows);
	return status ? status : answers(c->conn, 0, error);
}

/* ---- the machine ---- */

static int64_t machine_now(void)
{
	return running->world->now;
}

static void machine_pause(int64_t ms)
{
	if (!running->dead)
		rebuilder_sleep(running, ms * 1000);
}

static void machine_random(void *out, size_t len)
{
	random_fill(&running->world->random, out, len);
}

struct hand {
	struct rebuilder *of;
	const struct rebuild_crew *crew;
	int number;
	int *left;
};

static void hand_works(void *data)
{
	struct hand *h = data;

	running = h->of;
	h->crew->work(h->crew->data, h->number);
	--*h->left;
}

static void machine_together(const struct rebuild_crew *crew)
{
	struct hand hands[REBUILD_JOBS_MAX];
	struct rebuilder *r = running;
	int left = crew->count;

	for (int i = 0; i < crew->count; i++) {
		hands[i] = (struct hand){ r, crew, i, &left };
		fiber_start(r->world, &r->host, hand_works, &hands[i]);
	}
	for (;;) {
		rebuilder_sleep(r, REBUILD_ATTEND_MS * 1000);
		if (!left)
			return;
		crew->attend(crew->data);
	}
}

const struct rebuild_ops rebuild_ops_fake = {
	.session = { fake_open, fake_tune, fake_close, fake_begin, fake_begin_snapshot, fake_commit, fake_rollback },
	.shadow = {
		.begin = fake_shadow_begin, .look = fake_look, .positions = fake_positions, .beat = fake_beat, .progress = fake_progress,
		.folded = fake_folded, .index = fake_index, .finish = fake_finish, .bring = fake_bring, .level = fake_level,
		.hold = fake_hold, .mark = fake_mark, .switch_to = fake_switch, .give_up = fake_give_up, .leave = fake_leave,
		.untold = fake_untold, .told = fake_told, .drop_old = fake_drop_old,
	},
	.log = { fake_log_open, fake_log_close, fake_log_begin, fake_log_begin_folding, fake_log_next },
	.rows = { fake_rows_open, fake_rows_close, fake_rows_begin, fake_rows_put, fake_rows_end, fake_rows_merge, fake_rows_read },
	.machine = { machine_now, machine_pause, machine_random, machine_together },
};
