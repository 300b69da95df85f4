/*
 * rebuilds - whole histories of read models that are rebuilt, one for each seed: the coordinator, its shards and the switch
 * (engine/rebuild*.c, the real code), while engines fold and clients write.
 *
 * Two engines and their clients live as in simulate.c.  Beside them two processes rebuild, again and again: all read models
 * or some, afresh or going on, with a comparison or without, or they go back to the tables of before; then they tell the
 * log.  A rebuild blocks, so it runs on fibers (fiber.h), a thread each; between any two of its calls the world goes on.  It
 * is killed there, loses a session, is refused, stands still while another takes it over (fake_rebuild.h); the two meet;
 * workers stand still over a switch and write when they wake; the log is adopted meanwhile.
 *
 * What must hold, at every step: the log and each write of a worker (watch.h).  At a switch: each row of each table that
 * answers from now on is the fold's, none is missing, none has gone back.  Of a rebuild: it fails for a reason that was given
 * to it, and what it says has become of it is what did.  At the end: a rebuild that meets nothing succeeds; shadows and old
 * tables are swept; the log tells of every switch once, and of nothing else.
 */
#include <stdlib.h>

#include "engine/journal.h"
#include "engine/rebuild.h"
#include "fake_rebuild.h"
#include "fiber.h"
#include "runs.h"
#include "simulate.h"
#include "tap.h"

enum { REBUILDERS = 2, EVENT_BYTES = 1 << 16, SETS = 3, CALLS_MOST = 9 /* 2^n */ };

enum { TALLY_SWITCHES, TALLY_BACK, TALLY_RESUMED, TALLY_STRUCK, TALLY_FENCED, TALLY_EVENTS, TALLY_RUNS };

/* Word to the log, under way. */
struct telling {
	struct request *request;
	struct request_pool pool;
	bool answered, left;
};

struct rebuilding;
struct process {
	struct rebuilding *of;
	struct rebuilder rebuilder;
	int calls_left;               /* until it is interrupted; 0: never */
	bool last;                    /* it may meet nothing, and must succeed */
	bool busy;
	const struct rebuild_options *options;
};

struct rebuilding {
	struct simulation s;          /* first */
	struct models models;
	struct process processes[REBUILDERS];
	struct run_sums *tally;
	bool resting;                 /* no more begins */
	int crashes;
};

static void failed(struct rebuilding *x, const char *what, const struct rebuild_result *r, int status, const struct error *e)
{
	watch_failed(&x->s.watch, what, "rebuild %d: %s: %s", r ? r->plan.rebuild : 0, error_name(status), status ? e->message : "");
}

/* ---- a rebuild ---- */

static bool on_stop(void *data)
{
	struct process *p = data;

	return p->calls_left && --p->calls_left == 0;
}

static void put_event(void *data, const struct rebuild_result *r, struct buffer *out)
{
	buffer_printf(out, "{\"rebuild\":%d,\"group\":\"core\",\"from_generation\":%d,\"to_generation\":%d,\"read_models\":[", r->plan.rebuild,
		      r->plan.generation, r->became);
	for (int i = 0; i < r->plan.count; i++)
		buffer_printf(out, "%s{\"name\":\"%s\",\"version\":%d}", i ? "," : "", r->plan.tables[i].projection->name,
			      r->plan.tables[i].projection->version);
	buffer_add_text(out, "],\"shards\":[");
	for (int i = 0; i < r->shards; i++)
		buffer_printf(out, "%s{\"shard\":%d,\"position\":%lld,\"switched_at\":%lld}", i ? "," : "", i, (long long)r->at[i].position,
			      (long long)r->at[i].switched_at);
	buffer_add_text(out, "],\"compared\":false,\"forced\":false,\"program_version\":\"0\",\"who\":\"somebody\"}");
}

/* All read models, or a few; mostly those that somebody has left. */
static int choose_set(const struct process *p)
{
	const struct models *m = &p->of->models;
	const struct models_rebuild *left = m->rebuild_count ? &m->rebuilds[m->rebuild_count] : NULL;
	struct world *w = &p->of->s.world;

	if (p->last)
		return 0;
	if (left && left->state == MODELS_BUILDING && !left->back && world_chance(w, 700))
		return left->whole ? 0 : left->wanted[0];
	return (int)random_below(&w->random, SETS);
}

static void choose(struct process *p, struct rebuild_options *o)
{
	struct world *w = &p->of->s.world;
	const struct group *group = groups[0];
	int set = choose_set(p);

	*o = (struct rebuild_options){ .ops = &rebuild_ops_fake, .conninfo = "", .group = group, .jobs = 1 + (int)random_below(&w->random, 3),
				       .memory = 1 << 20, .readers_ms = 80, .folder = "/tmp", .stop = on_stop, .event = put_event, .data = p };
	for (int i = 0; i < group->count; i++)
		if (set == 0 || i % 5 == set)
			o->wanted[o->wanted_count++] = group->projections[i];
	p->calls_left = 0;
	if (p->last)
		return;
	o->how = world_chance(w, 700) ? SHADOW_AUTO : world_chance(w, 500) ? SHADOW_SCRATCH : SHADOW_RESUME;
	o->compare = world_chance(w, 300);
	o->compare_only = o->compare && world_chance(w, 400);
	o->keep = world_chance(w, 100);
	p->calls_left = world_chance(w, 50) ? 1 + (int)random_below(&w->random, 20) : 0;
}

/* Why it may have failed. */
static bool is_reason(const struct process *p, const struct rebuild_result *r, int status)
{
	switch (status) {
	case E_UNAVAILABLE:
	case E_FENCED:
		return p->rebuilder.struck;
	case E_BUSY:
		return !p->last;
	case E_NOT_FOUND:
		return p->options->how == SHADOW_RESUME || p->options->how == SHADOW_BACK;
	case E_INTERRUPTED:
		return p->calls_left == 0;
	case E_DATABASE: /* the table that it was to look at is gone */
		return p->options->compare_only && !p->of->models.generations[r->plan.generation].there;
	default:
		return false;
	}
}

static void judge(struct process *p, const struct rebuild_result *r, int status, const struct error *e)
{
	struct rebuilding *x = p->of;
	const struct rebuild_options *o = p->options;
	const struct models_rebuild *m = r->plan.rebuild ? &x->models.rebuilds[r->plan.rebuild] : NULL;
	bool to_switch = !o->keep && !o->compare_only;

	x->tally->n[TALLY_RUNS]++;
	x->tally->n[TALLY_STRUCK] += p->rebuilder.struck;
	x->tally->n[TALLY_RESUMED] += r->plan.resumed;
	x->tally->n[TALLY_FENCED] += status == E_FENCED;
	if (p->rebuilder.dead)
		return;
	if (status && !is_reason(p, r, status))
		failed(x, "no reason", r, status, e);
	if (r->differences > 0)
		failed(x, "differences", r, status, e);
	if (!status && to_switch && (!r->became || !m || m->state != MODELS_SWITCHED || m->became != r->became))
		failed(x, "not switched", r, status, e);
	if (status && r->became)
		failed(x, "switched", r, status, e);
}

/* ---- the log's word of it ---- */

static void on_answer(struct request *r)
{
	struct telling *t = r->ticket.owner;

	t->answered = true;
	if (!t->left)
		return;
	request_free(&t->pool, r); /* nobody waits any more */
	request_pool_release(&t->pool);
	free(t);
}

static struct engine_sim *engine_up(struct rebuilding *x)
{
	for (int i = 0; i < ENGINES; i++)
		if (x->s.engines[i].up && world_chance(&x->s.world, 700))
			return &x->s.engines[i];
	return NULL;
}

static int64_t patience(const struct process *p)
{
	return (p->last ? 60 : 3) * TIME_SECOND;
}

/* One try, by way of an engine. */
static int try_to_tell(struct process *p, const struct journal_entry *entry, struct error *error)
{
	struct rebuilding *x = p->of;
	struct world *w = &x->s.world;
	struct request_limits limits = { .envelope = { EVENT_BYTES, 16 }, .events = 1, .shards = 1 };
	struct engine_sim *engine = engine_up(x);
	struct telling *t;
	int status;

	if (!engine)
		return error_set(error, E_UNAVAILABLE, "no engine is up");
	t = mem_zalloc(sizeof(*t));
	t->request = request_new(&t->pool);
	t->request->answer = on_answer;
	t->request->ticket.owner = t;
	status = journal_request(t->request, entry, w->now, &limits, error);
	if (!status) {
		engine_sim_submit(engine, t->request);
		for (int64_t until = w->now + patience(p); !t->answered && !p->rebuilder.dead && w->now < until;)
			rebuilder_sleep(&p->rebuilder, 5000);
		if (!t->answered) {
			t->left = true;
			return error_set(error, E_TIMEOUT, "the log does not answer");
		}
		status = t->request->status;
		*error = t->request->error;
	}
	request_free(&t->pool, t->request);
	request_pool_release(&t->pool);
	free(t);
	return status;
}

static int journal(void *data, const struct journal_entry *entry, struct error *error)
{
	struct process *p = data;
	struct world *w = &p->of->s.world;
	int64_t until = w->now + patience(p);
	int status;

	do {
		if (p->rebuilder.dead)
			return error_set(error, E_UNAVAILABLE, "killed");
		status = try_to_tell(p, entry, error);
		if (!status || w->now >= until)
			return status;
		rebuilder_sleep(&p->rebuilder, 100000);
	} while (error_get(status)->class == CLASS_RETRY);
	return status;
}

/* ---- a process ---- */

static void live(struct process *p)
{
	struct rebuilding *x = p->of;
	struct world *w = &x->s.world;
	struct rebuild_result *r = mem_zalloc(sizeof(*r));
	struct rebuild_options o;
	struct error error;
	bool back = !p->last && world_chance(w, 250);
	int status, faulty = world_chance(w, 600) ? 1 + (int)random_below(&w->random, REBUILDER_FAULTS - 1) : WELL;

	rebuilder_begin(&p->rebuilder, p->last ? WELL : (enum rebuilder_fault)faulty,
			1 + (int)random_below(&w->random, UINT64_C(1) << random_below(&w->random, CALLS_MOST + 1)));
	choose(p, &o);
	p->options = &o;
	if (back) {
		o.how = SHADOW_BACK;
		o.keep = o.compare = o.compare_only = false;
	}
	error_clear(&error);
	status = (back ? rebuild_back : rebuild_run)(&o, r, &error);
	judge(p, r, status, &error);
	if (p->last && (status || !r->became))
		failed(x, "it met nothing", r, status, &error);
	if (p->last || world_chance(w, 800)) {
		status = rebuild_tell(&rebuild_ops_fake, "", journal, p, &error);
		if (status && p->last)
			failed(x, "not told", r, status, &error);
	}
	free(r);
}

static void process_runs(void *data)
{
	struct process *p = data;
	struct rebuilding *x = p->of;
	struct world *w = &x->s.world;

	rebuilder_enter(&p->rebuilder);
	do {
		if (!p->last)
			rebuilder_sleep(&p->rebuilder, (int64_t)random_below(&w->random, TIME_SECOND));
		if ((!x->resting || p->last) && !x->s.watch.failure)
			live(p);
	} while (!p->last && !x->resting && !x->s.watch.failure);
	p->busy = false;
}

static void process_start(struct process *p)
{
	p->busy = true;
	fiber_start(&p->of->s.world, &p->rebuilder.host, process_runs, p);
}

/* ---- checks ---- */

static void on_switched(void *data, const struct models_rebuild *r)
{
	struct rebuilding *x = data;

	x->tally->n[TALLY_SWITCHES]++;
	x->tally->n[TALLY_BACK] += r->back;
	for (int i = 0; i < r->count; i++)
		if (x->models.tables[r->shadows[i]].doubled)
			watch_failed(&x->s.watch, "row doubled", "%s", x->models.tables[r->shadows[i]].of->name);
	watch_switched(&x->s.watch);
}

static int64_t number_in(const char *payload, const char *name)
{
	const char *at = strstr(payload, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void check_event(struct rebuilding *x, int32_t rebuild)
{
	const struct models_rebuild *r = &x->models.rebuilds[rebuild];
	const struct world_shard *s = &x->s.world.shards[0];
	char place[64];
	int found = 0;

	for (int64_t i = 0; i < s->count; i++) {
		const struct event *e = &s->events[i].event;
		char *payload;

		if (strcmp(e->type->name, "log.rebuilt") != 0)
			continue;
		payload = mem_zalloc(e->payload.len + 1);
		memcpy(payload, e->payload.data, e->payload.len);
		if (number_in(payload, "\"rebuild\":") == rebuild) {
			found++;
			if (number_in(payload, "\"from_generation\":") != r->generation || number_in(payload, "\"to_generation\":") != r->became)
				watch_failed(&x->s.watch, "told wrong", "rebuild %d: %s", rebuild, payload);
			for (int n = 0; n <= WORLD_SHARDS; n++) {
				snprintf(place, sizeof(place), "\"shard\":%d,\"switched_at\":", n);
				if (number_in(payload, place) != (r->folded[n] > 0 ? r->folded[n] : 0))
					watch_failed(&x->s.watch, "told wrong", "rebuild %d began shard %d at %lld: %s", rebuild, n,
						     (long long)r->folded[n], payload);
			}
		}
		free(payload);
	}
	if (found != (r->state == MODELS_SWITCHED))
		watch_failed(&x->s.watch, "told", "the log tells of rebuild %d %d times", rebuild, found);
}

/* Nobody rebuilds, and what was before has been dropped. */
static void check_end(struct rebuilding *x)
{
	int tables = 0;

	models_drop_old(&x->models, 0);
	for (int i = 0; i < x->models.table_count; i++)
		tables += x->models.tables[i].there;
	if (tables != x->models.group->count)
		watch_failed(&x->s.watch, "left", "%d tables are there, of %d read models", tables, x->models.group->count);
	for (int32_t r = 1; r <= x->models.rebuild_count; r++) {
		if (x->models.rebuilds[r].state == MODELS_BUILDING)
			watch_failed(&x->s.watch, "left", "rebuild %d waits", r);
		check_event(x, r);
	}
	if (x->models.backends)
		watch_failed(&x->s.watch, "left", "somebody's session");
}

/* ---- faults of the whole ---- */

static void crash_some(void *data)
{
	struct rebuilding *x = data;
	struct world *w = &x->s.world;

	if (!w->faults)
		return;
	engine_sim_down(&x->s.engines[random_below(&w->random, ENGINES)]);
	x->crashes++;
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 12000000), crash_some, x);
}

static void leave_sleepers(void *data)
{
	struct rebuilding *x = data;

	for (int i = 0; i < CLIENTS; i++)
		if (world_asleep(&x->s.world, &x->s.engines[x->s.clients[i].engine].host))
			client_leave(&x->s.clients[i]);
}

/* Long enough for a switch to pass it by. */
static void sleep_some(void *data)
{
	struct rebuilding *x = data;
	struct world *w = &x->s.world;

	if (!w->faults)
		return;
	engine_sim_sleep(&x->s.engines[random_below(&w->random, ENGINES)], (int64_t)random_below(&w->random, 12 * TIME_SECOND));
	world_after(w, 500000 + (int64_t)random_below(&w->random, 3000000), leave_sleepers, x);
	world_after(w, 2000000 + (int64_t)random_below(&w->random, 15000000), sleep_some, x);
}

/* Nothing is gone; the epoch is another all the same, and engines learn it from a refusal. */
static void adopt_once(void *data)
{
	struct rebuilding *x = data;

	if (x->s.world.faults)
		x->s.world.epoch++;
}

static void faults_end(void *data)
{
	struct rebuilding *x = data;

	x->s.world.faults = false;
	x->resting = true;
}

/* ---- a history ---- */

static void begin(struct rebuilding *x, const struct run *r)
{
	struct simulation *s = &x->s;
	struct world *w = &s->world;

	world_init(w, r->seed);
	w->mutation = r->mutation ? r->mutation->store : 0;
	w->faults = true;
	x->tally = r->tally;
	models_init(&x->models, w, groups[0]);
	x->models.switched = on_switched;
	x->models.data = x;
	watch_open(&s->watch, w, groups[0]);
	for (int i = 0; i < TENANTS; i++)
		random_fill(&w->random, &s->tenants[i], 16);
	for (int i = 0; i < CONVERSATIONS; i++)
		random_fill(&w->random, &s->conversations[i], 16);
	random_fill(&w->random, &s->customer, 16);
	for (int i = 0; i < ENGINES; i++)
		engine_sim_init(&s->engines[i], w, groups[0], &s->ending);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &s->clients[i];

		c->sim = s;
		c->number = i;
		c->current = -1;
		c->left = 5 + (int)random_below(&w->random, 25);
		c->engine = i % ENGINES;
		world_after(w, 1000, client_next, c);
	}
	for (int i = 0; i < REBUILDERS; i++) {
		x->processes[i].of = x;
		x->processes[i].rebuilder.world = w;
		x->processes[i].rebuilder.models = &x->models;
		process_start(&x->processes[i]);
	}
	world_after(w, 2000000 + (int64_t)random_below(&w->random, 5000000), crash_some, x);
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 5000000), sleep_some, x);
	if (r->seed % 4 == 0)
		world_after(w, 1000000 + (int64_t)random_below(&w->random, 9000000), adopt_once, x);
	world_after(w, 8 * TIME_SECOND + (int64_t)random_below(&w->random, 12 * TIME_SECOND), faults_end, x);
}

static bool is_settled(const struct rebuilding *x)
{
	for (int i = 0; i < REBUILDERS; i++)
		if (x->processes[i].busy)
			return false;
	return check_settled(&x->s);
}

static void run_until_settled(struct rebuilding *x)
{
	struct world *w = &x->s.world;

	while (w->steps < STEPS_MOST && !x->s.watch.failure && (w->faults || !is_settled(x)))
		if (!world_step(w))
			break;
	if (w->steps >= STEPS_MOST)
		watch_failed(&x->s.watch, "stuck", "not settled after %d steps", STEPS_MOST);
}

static void run_last(struct rebuilding *x)
{
	x->processes[0].last = true;
	x->processes[0].calls_left = 0;
	process_start(&x->processes[0]);
	run_until_settled(x);
	if (!x->s.watch.failure)
		check_end(x);
}

static void end(struct rebuilding *x)
{
	struct simulation *s = &x->s;
	struct world *w = &s->world;

	s->ending = x->resting = true;
	w->faults = false;
	for (int i = 0; i < REBUILDERS; i++)
		rebuilder_kill(&x->processes[i].rebuilder);
	for (int i = 0; i < ENGINES; i++)
		engine_sim_down(&s->engines[i]);
	while (world_step(w) && w->steps < 2 * STEPS_MOST)
		;
	for (int i = 0; i < CLIENTS; i++) {
		for (int k = 0; k < s->clients[i].count; k++)
			free(s->clients[i].sent[k].lines);
		free(s->clients[i].sent);
		request_pool_release(&s->clients[i].pool);
	}
	watch_close(&s->watch);
	models_release(&x->models);
	world_release(w);
}

static bool history(const struct run *r)
{
	struct rebuilding *x = mem_zalloc(sizeof(*x));
	struct simulation *s = &x->s;
	bool pass;

	begin(x, r);
	run_until_settled(x);
	if (!s->watch.failure)
		run_last(x);
	if (!s->watch.failure)
		watch_end(&s->watch);
	if (!s->watch.failure)
		check_clients(s);
	pass = !s->watch.failure;
	if (!pass && (!r->mutation || r->verbose))
		note("seed %llu: %s: %s", (unsigned long long)r->seed, s->watch.failure, s->watch.detail);
	if (r->verbose)
		note("seed %llu: %d events, %d crashes, %d rebuilds, generation %d, %llu steps", (unsigned long long)r->seed, s->events_made,
		     x->crashes, x->models.rebuild_count, x->models.current, (unsigned long long)s->world.steps);
	r->tally->n[TALLY_EVENTS] += s->events_made;
	end(x);
	free(x);
	return pass;
}

static void tallied(const struct run_sums *sum, int seeds)
{
	note("%lld events, %lld rebuilds, %lld of them befallen by something, %lld fenced off, %lld gone on with; %lld switches, %lld of them back",
	     (long long)sum->n[TALLY_EVENTS], (long long)sum->n[TALLY_RUNS], (long long)sum->n[TALLY_STRUCK], (long long)sum->n[TALLY_FENCED],
	     (long long)sum->n[TALLY_RESUMED], (long long)sum->n[TALLY_SWITCHES], (long long)sum->n[TALLY_BACK]);
	runs_ok((sum->n[TALLY_FENCED] && sum->n[TALLY_RESUMED] && sum->n[TALLY_BACK]) || seeds < 30,
		"rebuilds are gone on with, taken over, and taken back");
}

int main(int argc, char **argv)
{
	static const struct mutation mutations[] = {
		{ "no-catch-up", MUTATION_BLIND_SWITCH, "rebuild.no_catch_up", false, 40, "it switches without the last events, and the switch does not compare positions" },
		{ "merges-nothing", 0, "rebuild.merges_nothing", false, 40, "catching up moves the position and writes no row" },
		{ "resume-skips", 0, "rebuild.resume_skips", false, 200, "who goes on does not fold what is written" },
		{ "lost-is-done", 0, "rebuild.lost_is_done", false, 100, "a session lost in the switch's commit is taken for the commit" },
		{ "back-forgets", 0, "rebuild.back_forgets", false, 200, "what a switch back that did not come had brought counts as brought" },
		{ "compares-closed", 0, "rebuild.compares_closed", false, 400, "a comparison goes on with a generation that was closed meanwhile" },
		{ "old-workers", MUTATION_OLD_WORKERS, NULL, false, 100, "workers of a closed generation are not fenced off" },
		{ "no-hold", MUTATION_NO_HOLD, NULL, false, 100, "workers are not held over the switch" },
		{ "torn-copy", MUTATION_TORN_COPY, NULL, false, 200, "rows of a copy that was cut off stay" },
		{ "any-owner", MUTATION_ANY_OWNER, NULL, false, 200, "who was succeeded may go on" },
		{ "never-busy", MUTATION_NEVER_BUSY, NULL, false, 40, "a rebuild is taken from somebody who is well" },
		{ "leave-shadows", MUTATION_LEAVE_SHADOWS, NULL, false, 40, "shadows of what was given up are not swept" },
		{ "tells-anew", 0, "rebuild.tells_anew", false, 200, "the event that tells of a rebuild has a new id each time" },
		{ "tells-nobody", 0, "rebuild.tells_nobody", false, 200, "it counts as told although the log did not take it" },
	};
	static const struct program program = {
		"rebuilds", 200, history, "what answers is the log's fold, before a switch and after it; the log tells of each, once", tallied,
		mutations, sizeof(mutations) / sizeof(*mutations),
	};

	return runs_main(argc, argv, &program);
}
