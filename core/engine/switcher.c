/* switcher - see switcher.h. */
#include "engine/switcher.h"

#include "base/log.h"
#include "base/time.h"
#include "engine/fault.h"

enum {
	PENDING_MS = 1000,      /* between looks while a generation is to be shown, or a rebuild tells how far it is */
	CALM_MS = 10000,        /* and while none is */
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MOST_MS = 5000,
	COMPLAIN_AFTER = 6,     /* failures in a row before the diary hears of them */
};

static void tick(struct switcher *s);

static bool is_pending(const struct generation *g)
{
	return g->folded && !g->answers && !g->shown;
}

const char *generation_state(const struct generation *g)
{
	return g->answers ? "answering" : g->shown ? "kept" : g->folded ? "catching_up" : "unfinished";
}

static int group_index(const struct generation *g)
{
	int i = 0;

	while (groups[i] != g->group)
		i++;
	return i;
}

int64_t switcher_rate(const struct switcher *s, const struct generation *g)
{
	return g->folded ? s->pace[group_index(g)].rate : 0;
}

int64_t rebuild_seen_rate(const struct rebuild_seen *r)
{
	return r->spent_us > 0 ? (int64_t)((double)r->done * 1e6 / (double)r->spent_us) : 0;
}

int64_t rebuild_seen_left(const struct rebuild_seen *r)
{
	if (!r->alive || r->done <= 0 || r->total < r->done)
		return -1;
	return (int64_t)((double)r->spent_us * (double)(r->total - r->done) / (double)r->done);
}

static void on_timer(struct env_timer *t)
{
	tick(t->data);
}

static void pause_ms(struct switcher *s, int64_t ms)
{
	s->env->timer_start(s->env, &s->timer, ms);
}

static void back_off(struct switcher *s)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (int i = 0; i < s->failures && ms < BACKOFF_MOST_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MOST_MS)
		ms = BACKOFF_MOST_MS;
	s->failures++;
	pause_ms(s, ms / 2 + (int64_t)random_below(&s->random, (uint64_t)ms));
}

static void fail(struct switcher *s)
{
	if (s->failures == COMPLAIN_AFTER)
		log_warn("switcher", "%s; trying on", s->call.request.error.message);
	s->state = s->call.request.lost ? SWITCHER_CONNECTING : SWITCHER_LOOKING;
	back_off(s);
}

static void on_done(struct store_request *request)
{
	struct switcher *s = request->data;

	if (s->state != SWITCHER_CLOSED)
		tick(s);
}

static void ask(struct switcher *s)
{
	s->call.request.done = on_done;
	s->call.request.data = s;
}

static void send(struct switcher *s)
{
	memset(&s->call, 0, sizeof(s->call));
	ask(s);
	switch (s->state) {
	case SWITCHER_CONNECTING:
		s->store->ops->connect(s->store, &s->call.connect);
		break;
	case SWITCHER_LOOKING:
		s->store->ops->generations(s->store, &s->call.generations);
		break;
	case SWITCHER_SWITCHING:
		s->call.switch_to.group = s->next->group;
		s->call.switch_to.generation = s->next->generation;
		fault_point("switch.before");
		s->store->ops->switch_to(s->store, &s->call.switch_to);
		fault_point("switch.sent");
		break;
	case SWITCHER_CLOSED:
		break;
	}
}

static void connect_take(struct switcher *s)
{
	s->state = SWITCHER_LOOKING;
	send(s);
}

static const struct generation *answering(const struct switcher *s, const struct group *group)
{
	for (int i = 0; i < s->seen.count; i++)
		if (s->seen.list[i].group == group && s->seen.list[i].answers)
			return &s->seen.list[i];
	return NULL;
}

static void measure(struct switcher *s, const struct generation *g)
{
	int i = group_index(g);
	int64_t now = s->env->monotonic(s->env), us = now - s->pace[i].at;

	if (s->pace[i].at && us > 0 && g->position >= s->pace[i].position) {
		int64_t rate = (int64_t)((double)(g->position - s->pace[i].position) * 1e6 / (double)us);

		s->pace[i].rate = s->pace[i].rate ? (3 * s->pace[i].rate + rate) / 4 : rate;
	}
	s->pace[i].position = g->position;
	s->pace[i].at = now;
}

/* Of several groups' each has its turn. */
static const struct generation *choose(const struct switcher *s)
{
	const struct generation *first = NULL;

	for (int i = 0; i < s->seen.count; i++) {
		const struct generation *g = &s->seen.list[i];

		if (!is_pending(g))
			continue;
		if (group_index(g) > s->asked)
			return g;
		if (!first)
			first = g;
	}
	return first;
}

static bool is_rebuilding(const struct switcher *s)
{
	for (int i = 0; i < s->seen.rebuild_count; i++)
		if (s->seen.rebuilds[i].alive)
			return true;
	return false;
}

static void look_take(struct switcher *s)
{
	s->seen = s->call.generations;
	for (int i = 0; i < s->seen.count; i++) {
		const struct generation *g = &s->seen.list[i], *a = answering(s, g->group);

		if (g->folded)
			measure(s, g);
		if (is_pending(g) && !s->next)
			log_info("switcher", "group %s: generation %d is folded from the beginning; people see %d until it has come as far",
				 g->group->name, g->generation, a ? a->generation : 0);
	}
	s->next = choose(s);
	if (!s->next) {
		s->failures = 0;
		pause_ms(s, is_rebuilding(s) ? PENDING_MS : CALM_MS);
		return;
	}
	s->asked = group_index(s->next);
	s->state = SWITCHER_SWITCHING;
	send(s);
}

static void switch_take(struct switcher *s)
{
	s->state = SWITCHER_LOOKING;
	s->failures = 0;
	if (s->call.switch_to.outcome == SWITCH_DONE) {
		fault_point("switch.done");
		log_info("switcher", "group %s: people see generation %d", s->next->group->name, s->next->generation);
		send(s);
		return;
	}
	pause_ms(s, PENDING_MS);
}

/* After an answer, or when a pause is over. */
static void tick(struct switcher *s)
{
	static void (*const take[])(struct switcher *) = {
		[SWITCHER_CONNECTING] = connect_take, [SWITCHER_LOOKING] = look_take, [SWITCHER_SWITCHING] = switch_take,
	};
	bool answered = s->call.request.done;

	s->call.request.done = NULL;
	if (!answered)
		send(s);
	else if (s->call.request.status)
		fail(s);
	else
		take[s->state](s);
}

void switcher_open(struct switcher *s, struct env *env, struct store *store, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->env = env;
	s->store = store;
	random_seed(&s->random, seed);
	s->timer.fire = on_timer;
	s->timer.data = s;
	env->timer_open(env, &s->timer);
}

void switcher_start(struct switcher *s)
{
	send(s);
}

/* What is under way is ended by the store: the switch is one transaction, done or not. */
void switcher_close(struct switcher *s)
{
	s->state = SWITCHER_CLOSED;
	s->env->timer_stop(s->env, &s->timer);
	s->env->timer_close(s->env, &s->timer);
	s->store->ops->close(s->store, NULL, NULL);
}
