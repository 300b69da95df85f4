/*
 * sessions - whole histories of clients on the wire, one for each seed: the engine from the first byte of a frame to the
 * row of a read model, on a network, a store and keys that fail.
 *
 * Two engines with all their parts (sessions, methods, keys, reader, waits, appenders, workers) share a log.  Clients
 * speak MessagePack-RPC over connections that are slow, cut frames at any byte, bring several at once, and break at any byte
 * of either direction, with or without a word; so acknowledgements are lost for what was stored.  Who is cut off comes
 * again, to either engine, and sends again what was not acknowledged.  Others say garbage, half a frame, nothing, or what
 * they may not; one asks for more than it ever takes.  Engines and the store fail as in simulate.c.
 *
 * What must hold, at every step: the counts of sessions, bytes and keys' uses are what the sessions add up to, and below
 * their bounds; an answer goes to the call with its msgid, once, and is true when it arrives (an acknowledged event stands
 * where it was told, a read is the log, what a wait told of is shown); the log and the rows are what they must be (watch.h).
 * After the faults: everybody who is well is served; when all have gone, nothing is in use any more.
 */
#include <stdlib.h>

#include "runs.h"
#include "sessions.h"
#include "tap.h"

enum { STEPS_MOST = 400000, GONE_MS = 40000 };

const struct event *sessions_event(struct sessions *s, int shard, int64_t position)
{
	struct world_shard *x = &s->world.shards[shard];

	return position >= 1 && position <= x->count ? &x->events[position - 1].event : NULL;
}

int sessions_shard(const struct sessions *s, int tenant)
{
	return event_shard(&s->tenants[tenant], WORLD_SHARDS);
}

/* ---- faults ---- */

static void cut_some(void *data)
{
	struct sessions *s = data;
	struct world *w = &s->world;
	struct caller *c = &s->callers[random_below(&w->random, CALLERS)];

	if (!w->faults)
		return;
	if (c->peer.link)
		link_cut(&c->peer, world_chance(w, 150));
	world_after(w, 10000 + (int64_t)random_below(&w->random, 700000), cut_some, s);
}

static void crash_some(void *data)
{
	struct sessions *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_down(&s->engines[random_below(&w->random, ENGINES)]);
	s->crashes++;
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 10000000), crash_some, s);
}

static void sleep_some(void *data)
{
	struct sessions *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	engine_sim_sleep(&s->engines[random_below(&w->random, ENGINES)], (int64_t)random_below(&w->random, 6 * TIME_SECOND));
	s->sleeps++;
	world_after(w, 3000000 + (int64_t)random_below(&w->random, 15000000), sleep_some, s);
}

static void hang_once(void *data)
{
	struct sessions *s = data;
	struct world *w = &s->world;

	if (!w->faults)
		return;
	w->hung_since = w->now;
	w->hung_until = w->now + (int64_t)random_below(&w->random, 15 * TIME_SECOND);
}

static void revoke_some(void *data)
{
	struct sessions *s = data;

	s->keys.rows[KEY_ENDING].revoked = true;
}

static void faults_end(void *data)
{
	struct sessions *s = data;

	s->world.faults = false;
}

/* ---- a history ---- */

static bool step(struct sessions *s)
{
	bool more = world_step(&s->world);

	for (int i = 0; i < ENGINES; i++) {
		const char *wrong = server_sim_wrong(&s->servers[i]);

		if (wrong)
			watch_failed(&s->watch, "bounds", "engine %d: %s", i, wrong);
		server_sim_turn(&s->servers[i]);
	}
	return more;
}

static bool is_settled(const struct sessions *s)
{
	for (int i = 0; i < PRODUCERS; i++)
		if (!producer_is_done(&s->callers[i]))
			return false;
	for (int n = 0; n <= WORLD_SHARDS; n++)
		if (s->world.shards[n].checkpoint != s->world.shards[n].count || s->world.shards[n].late)
			return false;
	return true;
}

static bool all_are_awake(const struct sessions *s)
{
	for (int i = 0; i < ENGINES; i++)
		if (!s->engines[i].up || world_asleep(&s->world, &s->engines[i].host))
			return false;
	return true;
}

static void run_until_settled(struct sessions *s)
{
	struct world *w = &s->world;

	while (w->steps < STEPS_MOST && !s->watch.failure && (!s->quiet_since || !is_settled(s))) {
		if (!step(s))
			break;
		if (!s->quiet_since && !w->faults && w->now > w->hung_until && all_are_awake(s))
			s->quiet_since = w->now;
	}
	if (w->steps >= STEPS_MOST)
		watch_failed(&s->watch, "stuck", "not settled after %d steps", STEPS_MOST);
}

/* All leave; whom nobody told anything is closed for being idle; and then nothing is held for anybody. */
static void everybody_leaves(struct sessions *s)
{
	struct world *w = &s->world;
	int64_t until = w->now + GONE_MS * 1000;

	s->ending = true;
	for (int i = 0; i < CALLERS; i++)
		caller_leave(&s->callers[i], world_chance(w, 300));
	while (w->now < until && !s->watch.failure && step(s))
		;
	for (int i = 0; i < ENGINES; i++) {
		const char *held = server_sim_not_idle(&s->servers[i]);

		if (held)
			watch_failed(&s->watch, "leak", "engine %d: everybody has gone, and %s", i, held);
	}
}

static void begin(struct sessions *s, const struct run *r)
{
	static const int64_t memories[] = { 64, 100, 150, 250, 500, 1000, 4000 }; /* KiB */
	struct world *w = &s->world;
	int64_t memory;

	world_init(w, r->seed);
	w->mutation = r->mutation ? r->mutation->store : 0;
	w->faults = true;
	if (r->seed % 7 == 0)
		w->now = w->leaves_end - (int64_t)random_below(&w->random, 20 * TIME_SECOND);
	watch_open(&s->watch, w, groups[0]);
	network_init(&s->network, w);
	msgpack_zone_init(&s->zone, 8192);
	for (int i = 0; i < TENANTS; i++)
		random_fill(&w->random, &s->tenants[i], 16);
	random_fill(&w->random, &s->conversation, 16);
	random_fill(&w->random, &s->customer, 16);
	fake_keys_init(&s->keys, w, &s->tenants[0]);
	memory = memories[random_below(&w->random, sizeof(memories) / sizeof(*memories))] << 10;
	for (int i = 0; i < ENGINES; i++) {
		server_sim_init(&s->servers[i], &s->engines[i], &s->network, &s->keys, memory);
		engine_sim_init(&s->engines[i], w, groups[0], &s->ending);
	}
	for (int i = 0; i < CALLERS; i++) {
		caller_init(&s->callers[i], s, i);
		if (i < PRODUCERS)
			producer_init(&s->callers[i], 15 + (int)random_below(&w->random, 30));
		else if (i < CALLERS - 1)
			stranger_init(&s->callers[i]);
		else
			deaf_init(&s->callers[i]);
	}
	world_after(w, 100000, cut_some, s);
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 5000000), crash_some, s);
	world_after(w, 1000000 + (int64_t)random_below(&w->random, 10000000), sleep_some, s);
	world_after(w, (int64_t)random_below(&w->random, 10 * TIME_SECOND), revoke_some, s);
	if (r->seed % 4 == 0)
		world_after(w, (int64_t)random_below(&w->random, 5000000), hang_once, s);
	world_after(w, 5 * TIME_SECOND + (int64_t)random_below(&w->random, 10 * TIME_SECOND), faults_end, s);
}

static void end(struct sessions *s)
{
	struct world *w = &s->world;
	uint64_t most = w->steps + STEPS_MOST;

	s->ending = true;
	w->faults = false;
	for (int i = 0; i < CALLERS; i++)
		caller_leave(&s->callers[i], true);
	for (int i = 0; i < ENGINES; i++)
		engine_sim_down(&s->engines[i]);
	while (world_step(w) && w->steps < most)
		;
	for (int i = 0; i < CALLERS; i++)
		caller_release(&s->callers[i]);
	buffer_release(&s->frame);
	msgpack_zone_destroy(&s->zone);
	watch_close(&s->watch);
	world_release(w);
}

enum { TALLY_EVENTS, TALLY_CUTS, TALLY_RESENT, TALLY_PIECES, TALLY_CRASHES, TALLY_PAUSES, TALLY_SHORTAGES, TALLY_READS, TALLY_WAITS };

static bool history(const struct run *r)
{
	struct sessions *s = mem_zalloc(sizeof(*s));
	bool pass;

	begin(s, r);
	run_until_settled(s);
	if (!s->watch.failure)
		everybody_leaves(s);
	if (!s->watch.failure)
		watch_end(&s->watch);
	for (int i = 0; i < PRODUCERS && !s->watch.failure; i++)
		producer_check(&s->callers[i]);
	if (!s->watch.failure)
		stranger_check(s);
	pass = !s->watch.failure;
	if (!pass && (!r->mutation || r->verbose))
		note("seed %llu: %s: %s", (unsigned long long)r->seed, s->watch.failure, s->watch.detail);
	if (r->verbose)
		note("seed %llu: %lld events, %lld requests sent again, %d cuts, %d of them silent, %d crashes, %lld pieces, %lld pauses, "
		     "%lld+%lld+%lld+%lld answers, at most %lld, %lld and %lld bytes, %llu steps", (unsigned long long)r->seed,
		     (long long)s->events, (long long)s->resent, s->network.cuts, s->network.silent_cuts, s->crashes,
		     (long long)s->network.pieces, (long long)s->network.pauses, (long long)s->answers[CALL_APPEND],
		     (long long)s->answers[CALL_READ], (long long)s->answers[CALL_WAIT], (long long)s->answers[CALL_PING],
		     (long long)s->servers[0].most_inflight, (long long)s->servers[0].most_partial, (long long)s->servers[0].most_out,
		     (unsigned long long)s->world.steps);
	r->tally->n[TALLY_EVENTS] += s->events;
	r->tally->n[TALLY_CUTS] += s->network.cuts;
	r->tally->n[TALLY_RESENT] += s->resent;
	r->tally->n[TALLY_PIECES] += s->network.pieces;
	r->tally->n[TALLY_CRASHES] += s->crashes;
	r->tally->n[TALLY_READS] += s->answers[CALL_READ];
	r->tally->n[TALLY_WAITS] += s->answers[CALL_WAIT];
	for (int i = 0; i < ENGINES; i++) {
		r->tally->n[TALLY_PAUSES] += s->servers[i].pauses;
		r->tally->n[TALLY_SHORTAGES] += s->servers[i].shortages;
	}
	end(s);
	free(s);
	return pass;
}

static void tallied(const struct run_sums *sum, int seeds)
{
	note("%lld events in %lld pieces, %lld connections cut, %lld requests sent again, %lld crashes", (long long)sum->n[TALLY_EVENTS],
	     (long long)sum->n[TALLY_PIECES], (long long)sum->n[TALLY_CUTS], (long long)sum->n[TALLY_RESENT],
	     (long long)sum->n[TALLY_CRASHES]);
	runs_ok((sum->n[TALLY_READS] > 0 && sum->n[TALLY_WAITS] > 0) || seeds < 30, "%lld reads and %lld waits are answered",
		(long long)sum->n[TALLY_READS], (long long)sum->n[TALLY_WAITS]);
	runs_ok(sum->n[TALLY_RESENT] > 0 || seeds < 30, "what was not acknowledged is sent again");
	runs_ok((sum->n[TALLY_PAUSES] > 0 && sum->n[TALLY_SHORTAGES] > 0) || seeds < 30,
		"bounds are reached: %lld times no socket was read, %lld times room for answers was short", (long long)sum->n[TALLY_PAUSES],
		(long long)sum->n[TALLY_SHORTAGES]);
}

int main(int argc, char **argv)
{
	static const struct mutation mutations[] = {
		{ "forget-duplicates", MUTATION_FORGET_DUPLICATES, NULL, false, 40, "append does not look for event ids" },
		{ "ack-first", MUTATION_ACK_FIRST, NULL, false, 40, "append answers and has stored nothing" },
		{ "skip-read", MUTATION_SKIP_READ, NULL, false, 40, "reading the log leaves out an event" },
		{ "acks-early", 0, "append.acks_early", false, 40, "an append is acknowledged before its commit" },
		{ "answers-another", 0, "append.answers_another", false, 40, "an acknowledgement has the msgid of another call" },
		{ "keeps-budget", 0, "append.keeps_budget", false, 40, "the budget of a request whose connection was cut is not given back" },
		{ "keeps-inflight", 0, "access.keeps_inflight", false, 40, "nor is the key's" },
		{ "keeps-connections", 0, "access.keeps_connections", false, 40, "a connection that has gone counts for its key" },
		{ "holds-on", 0, "access.holds_on", false, 100, "who was over its rate is never read again" },
		{ "drops-a-byte", 0, "session.drops_a_byte", false, 40, "half a message loses its last byte" },
		{ "stays-stopped", 0, "session.stays_stopped", false, 40, "a socket that was not read for a while is never read again" },
		{ "reads-on", 0, "session.reads_on", false, 200, "who does not take its answers is read on" },
		{ "keeps-the-deaf", 0, "session.keeps_the_deaf", false, 40, "who takes nothing is kept when there is no room for answers" },
		{ "keeps-halves", 0, "session.keeps_halves", false, 200, "half messages may hold any amount of memory" },
		{ "never-served", 0, "read.never_served", false, 40, "a read stays in the queue although its caller takes answers" },
		{ "answers-on", 0, "session.answers_on", false, 200, "answers follow the last one" },
		{ "not-required", 0, "hello.not_required", false, 40, "who does not say hello is served" },
		{ "any-key", 0, "hello.any_key", false, 40, "any key will do" },
		{ "never-due", 0, "hello.never_due", false, 100, "hello may take for ever" },
	};
	static const struct program program = {
		"sessions", 200, history, "answers are true and come once, bounds hold, whoever goes leaves nothing behind", tallied,
		mutations, sizeof(mutations) / sizeof(*mutations),
	};

	return runs_main(argc, argv, &program);
}
