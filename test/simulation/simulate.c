/*
 * simulate - whole histories of the engine on a fake store, one for each seed (runs.h).
 *
 * Two engines (appenders and workers of every shard, the real code) share a log; clients send requests to either,
 * repeat what was not answered, and write down every answer.  The store loses connections before and after a
 * commit, commits late behind everybody's back, refuses rows, is slow; engines crash between any two steps and
 * start again, or stand still for longer than their leases and go on; their clocks differ, and jump.  The log and the
 * rows are held to what they must be after every step (watch.h).  Then the faults end, everything settles, and the
 * clients' history is held against the log.
 *
 * Every fifth history crosses the end of a month.  After every third a hand cuts the end off one shard's log while no
 * engine is up: whoever starts must refuse to go on in that shard until it is put back.  After every other third an
 * older copy of everything comes back: an engine that has seen more refuses what lost its end, also when another, which
 * knows nothing of it, has taken it further than it was; then the log is adopted, and the clients send again.
 */
#include <stdlib.h>

#include "runs.h"
#include "simulate.h"
#include "tap.h"

/* ---- faults of the whole ---- */

static void crash_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_down(&s->engines[random_below(&w->random, ENGINES)]);
	s->crashes++;
	world_after(w, 500000 + (int64_t)random_below(&w->random, 8000000), crash_some, s);
}

/* Who waits for an engine that sleeps has enough. */
static void leave_sleepers(void *data)
{
	struct simulation *s = data;

	for (int i = 0; i < CLIENTS; i++)
		if (world_asleep(&s->world, &s->engines[s->clients[i].engine].host))
			client_leave(&s->clients[i]);
}

static void sleep_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_sleep(&s->engines[random_below(&w->random, ENGINES)], (int64_t)random_below(&w->random, 12 * TIME_SECOND));
	s->sleeps++;
	world_after(w, 500000 + (int64_t)random_below(&w->random, 4000000), leave_sleepers, s);
	world_after(w, 2000000 + (int64_t)random_below(&w->random, 15000000), sleep_some, s);
}

/* An engine's clock is set: mostly within what appending allows, now and then far off. */
static void jump_some(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;
	int64_t most = (world_chance(w, 100) ? 60 : 3) * TIME_SECOND;

	if (!w->faults)
		return;
	s->engines[random_below(&w->random, ENGINES)].env.skew = (int64_t)random_below(&w->random, (uint64_t)(2 * most)) - most;
	s->jumps++;
	world_after(w, 500000 + (int64_t)random_below(&w->random, 5000000), jump_some, s);
}

/* Nobody waits longer for a store that hangs than the sessions and the sweep allow. */
static void check_waiting(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;
	int64_t most = (WORLD_ANSWER_MS + 5000) * 1000LL;

	if (w->now >= w->hung_until)
		return;
	for (int n = 0; n < CLIENTS; n++) {
		const struct client *c = &s->clients[n];
		const struct sent *x = c->current >= 0 ? &c->sent[c->current] : NULL;

		if (x && x->out && w->now - s->engines[c->engine].host.asleep_until > most && w->now - w->hung_since > most &&
		    w->now - x->sent_at > most)
			watch_failed(&s->watch, "kept waiting", "client %d has waited for %lld ms", n, (long long)(w->now - x->sent_at) / 1000);
	}
	world_after(w, TIME_SECOND, check_waiting, s);
}

static void hang_once(void *data)
{
	struct simulation *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	w->hung_since = w->now;
	w->hung_until = w->now + (int64_t)random_below(&w->random, 30 * TIME_SECOND);
	world_after(w, TIME_SECOND, check_waiting, s);
}

static void faults_end(void *data)
{
	struct simulation *s = data;

	s->world.faults = false;
	for (int i = 0; i < ENGINES; i++)
		s->engines[i].env.skew = 0;
}

static void more_requests(struct simulation *s)
{
	for (int i = 0; i < CLIENTS; i++) {
		s->clients[i].left += 3;
		world_after(&s->world, 1000, client_next, &s->clients[i]);
	}
}

static void run_for(struct simulation *s, int64_t us)
{
	int64_t until = s->world.now + us;

	while (s->world.now < until && !s->watch.failure && world_step(&s->world))
		;
}

static void run_until_settled(struct simulation *s)
{
	struct world *w = &s->world;

	while (w->steps < STEPS_MOST && !s->watch.failure && (w->faults || !check_settled(s)))
		if (!world_step(w))
			break;
	if (w->steps >= STEPS_MOST)
		watch_failed(&s->watch, "stuck", "not settled after %d steps", STEPS_MOST);
}

/* The end of a shard's log is cut off under engines that are down; they start, clients send, the end is put back. */
static void cut_and_mend(struct simulation *s)
{
	struct world *w = &s->world;
	struct world_shard *shard;
	int64_t until, before;
	int n = event_shard(&s->tenants[0], WORLD_SHARDS);

	s->cut[n] = true;
	shard = &w->shards[n];
	if (!shard->count)
		return;
	for (int i = 0; i < ENGINES; i++)
		engine_sim_down(&s->engines[i]);
	world_cut(shard);
	before = shard->count;
	more_requests(s);
	until = w->now + 20 * TIME_SECOND;
	while (w->now < until && !s->watch.failure && shard->count == before)
		if (!world_step(w))
			break;
	if (!world_mend(shard))
		watch_failed(&s->watch, "gap", "something was written to shard %d over the place of what was cut off", n);
	run_until_settled(s); /* a stopped appender looks again by itself */
}

/* What was acknowledged and is gone is sent again. */
static void forget_lost(struct simulation *s)
{
	for (int i = 0; i < CLIENTS; i++)
		for (int k = 0; k < s->clients[i].count; k++) {
			struct sent *x = &s->clients[i].sent[k];
			int64_t count = s->world.shards[event_shard(&s->tenants[x->tenant], WORLD_SHARDS)].count;

			if (!x->acked || x->last <= count)
				continue;
			x->acked = false;
			x->again = true;
			memset(x->positions, 0, sizeof(x->positions));
		}
	for (int t = 0; t < TENANTS; t++)
		for (int c = 0; c < CONVERSATIONS; c++) {
			int64_t count = s->world.shards[event_shard(&s->tenants[t], WORLD_SHARDS)].count;

			if (s->known_position[t][c] > count)
				s->known_position[t][c] = count;
		}
}

/* An older copy of the database comes back; one engine may sleep through it, while the other begins afresh. */
static void bring_back(struct simulation *s, bool asleep)
{
	struct world *w = &s->world;
	const struct engine_sim *other[WORLD_SHARDS + 1];
	struct world_copy copy;

	world_keep(w, &copy);
	more_requests(s);
	run_until_settled(s);
	if (asleep) {
		engine_sim_sleep(&s->engines[0], 10 * TIME_SECOND);
		engine_sim_down(&s->engines[1]);
	}
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		s->cut[n] = w->shards[n].count > copy.shards[n].count;
		for (int i = 0; i < ENGINES; i++)
			s->knows[i][n] = s->engines[i].up && s->engines[i].appenders[n].vouched > copy.shards[n].count
						 ? s->engines[i].lives : 0;
	}
	for (int n = 0; n <= WORLD_SHARDS; n++) /* back then another engine folded the shard */
		other[n] = &s->engines[uuid_equal(&w->shards[n].lease_owner, &s->engines[0].owner)];
	world_bring_back(w, &copy);
	for (int n = 0; n <= WORLD_SHARDS; n++) {
		w->shards[n].lease_owner = other[n]->owner;
		w->shards[n].lease_end = w->now + 3 * TIME_SECOND;
	}
	for (int i = 0; i < ENGINES; i++)
		if (s->engines[i].up)
			world_factory_sever(s->engines[i].factory);
	watch_again(&s->watch);
	forget_lost(s);
	more_requests(s);
	if (asleep)
		world_after(w, 2 * TIME_SECOND, leave_sleepers, s);
	run_for(s, 20 * TIME_SECOND);
	world_adopt(w);
	memset(s->knows, 0, sizeof(s->knows));
	more_requests(s);
	run_until_settled(s);
}

static void begin(struct simulation *s, const struct run *r)
{
	struct world *w = &s->world;

	world_init(w, r->seed);
	w->mutation = r->mutation ? r->mutation->store : 0;
	w->leases_for_all = r->mutation && r->mutation->leases_for_all;
	w->faults = true;
	if (r->seed % 5 == 0) /* the month ends while events go in */
		w->now = w->leaves_end - (int64_t)random_below(&w->random, 20 * TIME_SECOND);
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
		c->left = 10 + (int)random_below(&w->random, 20);
		c->engine = i % ENGINES;
		world_after(w, 1000, client_next, c);
	}
	world_after(w, 2000000, crash_some, s);
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 10000000), sleep_some, s);
	world_after(w, 3000000, jump_some, s);
	if (r->seed % 4 == 0)
		world_after(w, 1000000 + (int64_t)random_below(&w->random, 5000000), hang_once, s);
	world_after(w, 10 * TIME_SECOND + (int64_t)random_below(&w->random, 20 * TIME_SECOND), faults_end, s);
}

static void end(struct simulation *s)
{
	struct world *w = &s->world;

	s->ending = true;
	w->faults = false;
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
	world_release(w);
}

enum { TALLY_DIVERGED, TALLY_CRASHES, TALLY_SLEEPS, TALLY_EVENTS };

static bool history(const struct run *r)
{
	struct simulation *s = mem_zalloc(sizeof(*s));
	struct world *w = &s->world;
	bool pass;

	begin(s, r);
	run_until_settled(s);
	if (!s->watch.failure && r->seed % 3 == 0)
		cut_and_mend(s);
	if (!s->watch.failure && r->seed % 3 == 1)
		bring_back(s, r->seed % 2);
	if (!s->watch.failure)
		watch_end(&s->watch);
	if (!s->watch.failure)
		check_clients(s);
	pass = !s->watch.failure;
	if (!pass && (!r->mutation || r->verbose))
		note("seed %llu: %s: %s", (unsigned long long)r->seed, s->watch.failure, s->watch.detail);
	if (r->verbose)
		note("seed %llu: %d events, %d crashes, %d sleeps, %d clock jumps, %llu steps", (unsigned long long)r->seed,
		     s->events_made, s->crashes, s->sleeps, s->jumps, (unsigned long long)w->steps);
	r->tally->n[TALLY_DIVERGED] += s->diverged;
	r->tally->n[TALLY_CRASHES] += s->crashes;
	r->tally->n[TALLY_SLEEPS] += s->sleeps;
	r->tally->n[TALLY_EVENTS] += s->events_made;
	end(s);
	free(s);
	return pass;
}

static void tallied(const struct run_sums *sum, int seeds)
{
	note("%lld events, %lld crashes, %lld sleeps", (long long)sum->n[TALLY_EVENTS], (long long)sum->n[TALLY_CRASHES],
	     (long long)sum->n[TALLY_SLEEPS]);
	runs_ok(sum->n[TALLY_DIVERGED] > 0 || seeds < 30, "requests to a shard whose end is missing are refused until it is back or given up");
}

int main(int argc, char **argv)
{
	static const struct mutation mutations[] = {
		{ "no-fence", MUTATION_NO_FENCE, NULL, false, 40, "append does not compare the head" },
		{ "forget-duplicates", MUTATION_FORGET_DUPLICATES, NULL, false, 40, "append does not look for event ids" },
		{ "forget-months", MUTATION_FORGET_MONTHS, NULL, false, 200, "append looks for event ids in the open month only" },
		{ "sequence", MUTATION_SEQUENCE, NULL, false, 40, "a refused batch uses up its positions" },
		{ "torn-batch", MUTATION_TORN_BATCH, NULL, false, 40, "append leaves out an event of a batch" },
		{ "ack-first", MUTATION_ACK_FIRST, NULL, false, 40, "append answers and has stored nothing" },
		{ "ignore-expect", MUTATION_IGNORE_EXPECT, NULL, false, 60, "append does not judge expectations" },
		{ "early-checkpoint", MUTATION_EARLY_CHECKPOINT, NULL, false, 40, "the checkpoint moves although the rows are lost" },
		{ "rows-alone", MUTATION_ROWS_ALONE, NULL, false, 40, "rows are written and the checkpoint stays" },
		{ "no-project-fence", MUTATION_NO_PROJECT_FENCE, NULL, false, 200, "projection does not compare the old position" },
		{ "two-owners", MUTATION_NO_PROJECT_FENCE, NULL, true, 40, "two own a shard, and projection does not compare the old position" },
		{ "leases-for-all", 0, NULL, true, 0, "whoever asks for a lease has it" },
		{ "skip-read", MUTATION_SKIP_READ, NULL, false, 40, "reading the log leaves out an event" },
		{ "keep-feed", 0, "worker.keeps_feed", false, 300, "a worker folds what was committed to a server that is gone" },
		{ "step-over", MUTATION_SKIP_READ, "worker.steps_over", false, 40, "reading leaves out an event, and the worker does not mind" },
		{ "keep-rows", 0, "worker.keeps_rows", false, 60, "rows are kept in memory although their write was refused" },
		{ "lost-is-done", 0, "append.lost_is_done", false, 40, "a connection lost in the commit is taken for the commit" },
		{ "takes-twins", 0, "batch.takes_twins", false, 200, "one event stands in a batch twice, of two requests" },
		{ "expects-apart", 0, "batch.expects_apart", false, 200, "expectations are not judged against the same batch" },
		{ "time-back", 0, "batch.time_goes_back", false, 40, "recorded_at follows a clock that is set back" },
		{ "blind-head", MUTATION_BLIND_HEAD, NULL, false, 40, "head does not compare the read models' checkpoints" },
		{ "goes-on", 0, "vouch.ignored", false, 40, "an engine goes on although what it has seen is gone" },
	};
	static const struct program program = {
		"simulate", 300, history, "acknowledged is in the log, once, in order; rows are its fold, at every step", tallied,
		mutations, sizeof(mutations) / sizeof(*mutations),
	};

	return runs_main(argc, argv, &program);
}
