/* sla_clock - see sla_clock.h. */
#include "rules/sla_clock.h"

#include <assert.h>

#include "base/time.h"

#define TO(state) { VERDICT_MOVE, (state) }
#define STAY { VERDICT_STAY, 0 }
#define NOOP { VERDICT_NOOP, 0 }
#define RULE { VERDICT_RULE, 0 }

const char *const sla_states[] = { "running", "paused", "fulfilled", "cancelled", NULL };

static const char *const inputs[] = {
	"pause", "resume", "retarget", "evidence of fulfilment", "evidence proved void", "cancel", "sla.warning",
	"sla.breached", "waiver", NULL,
};

static const struct cell cells[SLA_INPUTS][SLA_STATES] = {
	/*                       running            paused             fulfilled  cancelled */
	[SLA_INPUT_PAUSE]    = { TO(SLA_PAUSED),    NOOP,              NOOP,      NOOP },
	[SLA_INPUT_RESUME]   = { NOOP,              TO(SLA_RUNNING),   NOOP,      NOOP },
	[SLA_INPUT_RETARGET] = { STAY,              STAY,              NOOP,      NOOP },
	[SLA_INPUT_FULFIL]   = { TO(SLA_FULFILLED), TO(SLA_FULFILLED), RULE,      NOOP }, /* only earlier evidence */
	[SLA_INPUT_REVOKE]   = { NOOP,              NOOP,              RULE,      NOOP }, /* to where it was */
	[SLA_INPUT_CANCEL]   = { TO(SLA_CANCELLED), TO(SLA_CANCELLED), NOOP,      NOOP },
	[SLA_INPUT_WARN]     = { STAY,              NOOP,              NOOP,      NOOP },
	[SLA_INPUT_BREACH]   = { RULE,              RULE,              RULE,      RULE }, /* only of the due time it names */
	[SLA_INPUT_WAIVE]    = { STAY,              STAY,              STAY,      STAY },
};

const struct machine sla_clock_machine = {
	.name = "SLA clock",
	.about = "one cycle of one clock; being breached is not a state",
	.states = sla_states, .state_count = SLA_STATES,
	.inputs = inputs, .input_count = SLA_INPUTS,
	.cells = &cells[0][0],
};

#define X(symbol, name) name,
const char *const sla_happenings[] = { SLA_HAPPENINGS(X) NULL };
#undef X

/* The state after an input; false when the input means nothing in this state. */
static bool step(struct sla_clock *c, enum sla_input input)
{
	struct cell cell = machine_step(&sla_clock_machine, c->state, input);

	if (cell.verdict == VERDICT_MOVE)
		c->state = cell.to;
	return cell.verdict != VERDICT_NOOP;
}

static int64_t target(const struct sla_clock *c)
{
	return c->target_seconds * TIME_SECOND;
}

/* Nobody is owed an event of what happened in silence. */
static void breached(struct sla_clock *c, int64_t at)
{
	c->breached_at = at;
	c->breach_logged = c->breach_logged || c->silent;
}

/* An event at `at` shows whether the due time has passed. */
static int notice(struct sla_clock *c, int64_t at)
{
	if (c->state != SLA_RUNNING || c->due_at == TIME_NONE || at <= c->due_at || c->breached_at != TIME_NONE || c->waived)
		return SLA_DID_NOTHING;
	breached(c, c->due_at);
	return SLA_DID_BREACHED;
}

static void begin(struct sla_clock *c, int32_t cycle, const struct sla_terms *terms, int64_t at, bool silent)
{
	*c = (struct sla_clock){
		.state = SLA_RUNNING, .cycle = cycle, .target_version = 1, .run = 1,
		.target_seconds = terms->seconds,
		.started_at = at, .running_since = at, .paused_at = TIME_NONE,
		.breached_at = TIME_NONE, .fulfilled_at = TIME_NONE, .silent = silent,
	};
}

int sla_clock_start(struct sla_clock *c, int32_t cycle, const struct sla_terms *terms, int64_t at, bool silent)
{
	begin(c, cycle, terms, at, silent);
	c->due_at = calendar_due(terms->calendar, at, target(c));
	return SLA_DID_APPLIED;
}

int sla_clock_reopen(struct sla_clock *c, const struct sla_clock *last, const struct sla_terms *terms,
		     enum sla_reopening mode, int64_t at, bool silent)
{
	at = time_later(at, last->fulfilled_at);
	begin(c, last->cycle + 1, terms, at, silent);
	if (mode == SLA_REOPEN_RESUME && last->breached_at == TIME_NONE && last->elapsed < target(c)) {
		c->consumed = last->elapsed;
		c->paused_at = last->fulfilled_at;
	}
	c->due_at = calendar_due(terms->calendar, at, target(c) - c->consumed);
	return SLA_DID_APPLIED;
}

int sla_clock_pause(struct sla_clock *c, const struct calendar *k, int64_t at)
{
	int did = notice(c, at);

	if (!step(c, SLA_INPUT_PAUSE))
		return did;
	at = time_later(at, c->running_since);
	c->consumed += calendar_elapsed(k, c->running_since, at);
	c->running_since = TIME_NONE;
	c->paused_at = at;
	if (c->consumed <= target(c))
		c->due_at = TIME_NONE;
	return did | SLA_DID_PAUSED;
}

int sla_clock_resume(struct sla_clock *c, const struct calendar *k, int64_t at, bool silent)
{
	if (!step(c, SLA_INPUT_RESUME))
		return SLA_DID_NOTHING;
	at = time_later(at, c->paused_at);
	c->running_since = at;
	c->run++;
	c->silent = c->silent && silent;
	if (c->consumed <= target(c))
		c->due_at = calendar_due(k, at, target(c) - c->consumed);
	return SLA_DID_RESUMED;
}

int sla_clock_retarget(struct sla_clock *c, const struct calendar *k, const struct sla_terms *terms, int64_t at,
		       bool silent)
{
	int did = notice(c, at);

	if (!step(c, SLA_INPUT_RETARGET))
		return did;
	if (c->state == SLA_RUNNING) {
		at = time_later(at, c->running_since);
		c->consumed += calendar_elapsed(k, c->running_since, at);
		c->running_since = at;
		c->paused_at = TIME_NONE;
	}
	c->target_seconds = terms->seconds;
	c->target_version++;
	c->warned = 0;
	c->silent = c->silent && silent;
	if (c->consumed > target(c)) {
		c->due_at = at;
		if (c->breached_at == TIME_NONE && !c->waived) {
			breached(c, at);
			did |= SLA_DID_BREACHED;
		}
	} else {
		c->due_at = c->state == SLA_PAUSED ? TIME_NONE : calendar_due(terms->calendar, at, target(c) - c->consumed);
	}
	return did | SLA_DID_RETARGETED;
}

int sla_clock_fulfil(struct sla_clock *c, const struct calendar *k, int64_t at)
{
	int did;

	at = at < c->started_at ? c->started_at : at;
	did = notice(c, at);
	if (!step(c, SLA_INPUT_FULFIL) || (c->fulfilled_at != TIME_NONE && at >= c->fulfilled_at))
		return did;
	if (c->breached_at != TIME_NONE && at <= c->breached_at) {
		c->breached_at = TIME_NONE;
		did |= SLA_DID_BREACH_RETRACTED;
	}
	c->fulfilled_at = at;
	c->elapsed = sla_clock_elapsed(c, k, at);
	return did | SLA_DID_FULFILLED;
}

int sla_clock_revoke(struct sla_clock *c, int64_t at)
{
	if (!step(c, SLA_INPUT_REVOKE))
		return SLA_DID_NOTHING;
	c->state = c->running_since == TIME_NONE ? SLA_PAUSED : SLA_RUNNING;
	c->fulfilled_at = TIME_NONE;
	c->elapsed = 0;
	return SLA_DID_REVOKED | notice(c, at);
}

int sla_clock_cancel(struct sla_clock *c, const struct calendar *k, int64_t at)
{
	int did = notice(c, at);

	if (!step(c, SLA_INPUT_CANCEL))
		return did;
	c->elapsed = sla_clock_elapsed(c, k, at);
	return did | SLA_DID_CANCELLED;
}

int sla_clock_warn(struct sla_clock *c, int threshold)
{
	assert(threshold >= 0 && threshold < SLA_WARNINGS_MAX);
	if (!step(c, SLA_INPUT_WARN) || (c->warned & (1u << threshold)))
		return SLA_DID_NOTHING;
	c->warned |= 1u << threshold;
	return SLA_DID_WARNED;
}

int sla_clock_breach(struct sla_clock *c, int64_t breached_at)
{
	if (c->breached_at == breached_at) {
		c->breach_logged = true;
		return SLA_DID_NOTHING;
	}
	if (c->state != SLA_RUNNING || c->due_at != breached_at || c->breached_at != TIME_NONE || c->waived)
		return SLA_DID_NOTHING;
	c->breached_at = breached_at;
	c->breach_logged = true;
	return SLA_DID_BREACHED;
}

int sla_clock_waive(struct sla_clock *c)
{
	if (!step(c, SLA_INPUT_WAIVE) || c->waived)
		return SLA_DID_NOTHING;
	c->waived = true;
	if (c->breached_at == TIME_NONE)
		return SLA_DID_NOTHING;
	c->breached_at = TIME_NONE;
	return SLA_DID_BREACH_RETRACTED;
}

bool sla_clock_is_met(const struct sla_clock *c)
{
	return c->state == SLA_FULFILLED && c->breached_at == TIME_NONE;
}

int64_t sla_clock_elapsed(const struct sla_clock *c, const struct calendar *k, int64_t at)
{
	int64_t since = c->running_since != TIME_NONE ? c->running_since : c->paused_at;
	int64_t gap = c->paused_at != TIME_NONE ? c->paused_at : since;

	if (at >= since)
		return c->consumed + (c->running_since != TIME_NONE ? calendar_elapsed(k, since, at) : 0);
	if (at >= gap)
		return c->consumed;
	return time_later(c->consumed - calendar_elapsed(k, at, gap), 0);
}

static int64_t warning_at(const struct sla_clock *c, const struct calendar *k, int64_t threshold)
{
	int64_t one = SLA_THRESHOLD_ONE, seconds;

	if (threshold < one)
		seconds = c->target_seconds / one * threshold + (c->target_seconds % one * threshold + one - 1) / one;
	else
		seconds = c->target_seconds - threshold / one;
	return calendar_due(k, c->running_since, time_later(seconds * TIME_SECOND - c->consumed, 0));
}

struct sla_alarm sla_clock_alarm(const struct sla_clock *c, const struct sla_policy *p, const struct calendar *k)
{
	struct sla_alarm next = { TIME_NONE, -1 };

	if (c->silent)
		return next;
	if (c->breached_at != TIME_NONE) {
		next.at = c->breach_logged ? TIME_NONE : c->breached_at;
		return next;
	}
	if (c->state != SLA_RUNNING || c->due_at == TIME_NONE || c->waived)
		return next;
	next.at = c->due_at;
	for (int i = 0; i < p->warning_count; i++) {
		int64_t at = c->warned & (1u << i) ? TIME_NONE : warning_at(c, k, p->warnings[i]);

		if (at != TIME_NONE && at < next.at)
			next = (struct sla_alarm){ at, i };
	}
	return next;
}
