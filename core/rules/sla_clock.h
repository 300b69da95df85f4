/*
 * sla_clock - one clock of one cycle: what an event does to it, as arithmetic on a row.
 *
 *     start ──▶ running ──fulfil──▶ fulfilled ──reopen──▶ (the next cycle's row)
 *                │   ▲                  │
 *              pause resume ◀──revoke───┘        cancel, from running or paused ──▶ cancelled
 *                ▼   │
 *               paused ──fulfil──▶
 *
 * Being breached is no state: a breached clock runs, pauses and is fulfilled (too late) like any other.  It was
 * breached when the time passed was more than the target, which is after due_at; breached_at is due_at itself,
 * whenever it was noticed.
 *
 * Who notices.  Time alone makes no event, so a breach that nobody answers is journaled by whoever watches the
 * clocks (sla_clock_alarm says when) and comes back as sla_clock_breach.  An event that shows the due time has
 * passed (an answer that came too late) makes the clock breached at once; the journal is still owed its event, and
 * the alarm keeps asking for it.  A clock that imported history alone set going (`silent`) has no alarm; its first
 * live resumption or retarget gives it one, but not for a breach that showed in silence.
 *
 * Each function returns what happened as bits of SLA_DID; history rows are written from them.  `at` is when the
 * event occurred; an event that arrives late may name a time before the last one, and then counts as if it had
 * come at that last one's time, save for fulfilment, which is late evidence and is judged by its own time.
 *
 * A clock holds no pointers: it is columns of a row.  The calendar comes from the policy version that the row
 * names.  Times are microseconds; consumed and elapsed are business time by that calendar, to the microsecond.
 */
#ifndef VERBATIM_RULES_SLA_CLOCK_H
#define VERBATIM_RULES_SLA_CLOCK_H

#include "rules/lifecycle.h"
#include "rules/sla.h"

enum sla_state { SLA_RUNNING, SLA_PAUSED, SLA_FULFILLED, SLA_CANCELLED, SLA_STATES };

enum sla_input {
	SLA_INPUT_PAUSE, SLA_INPUT_RESUME, SLA_INPUT_RETARGET, SLA_INPUT_FULFIL, SLA_INPUT_REVOKE, SLA_INPUT_CANCEL,
	SLA_INPUT_WARN, SLA_INPUT_BREACH, SLA_INPUT_WAIVE, SLA_INPUTS,
};

extern const struct machine sla_clock_machine;
extern const char *const sla_states[]; /* NULL-terminated, as the others */

/* What happened, in the order history shows it when there is more than one. */
#define SLA_HAPPENINGS(X)                                                                                  \
	X(BREACHED, "breached") X(BREACH_RETRACTED, "breach_retracted") X(APPLIED, "applied") X(PAUSED, "paused") \
	X(RESUMED, "resumed") X(RETARGETED, "retargeted") X(WARNED, "warning") X(FULFILLED, "fulfilled")    \
	X(REVOKED, "fulfilment_revoked") X(CANCELLED, "cancelled")

#define X(symbol, name) SLA_NTH_##symbol,
enum sla_nth { SLA_HAPPENINGS(X) SLA_NTH_COUNT };
#undef X
#define X(symbol, name) SLA_DID_##symbol = 1 << SLA_NTH_##symbol,
enum sla_did { SLA_DID_NOTHING = 0, SLA_HAPPENINGS(X) };
#undef X

extern const char *const sla_happenings[]; /* names, by SLA_NTH_..., NULL-terminated */

struct sla_clock {
	int16_t state;          /* enum sla_state */
	int32_t cycle;          /* from 1 */
	int32_t target_version; /* from 1; each retarget makes another */
	int32_t run;            /* from 1; each resume makes another */
	int64_t target_seconds;
	int64_t started_at;
	int64_t running_since;  /* TIME_NONE while paused */
	int64_t consumed;       /* before running_since; business time, microseconds */
	int64_t paused_at;      /* where the last pause began; kept while running again */
	int64_t due_at;         /* TIME_NONE: paused in time, or never due */
	int64_t breached_at;
	int64_t fulfilled_at;
	int64_t elapsed;        /* of a clock that has ended; over all cycles that resumed the one before */
	uint32_t warned;        /* a bit for each threshold of the policy, of this target version */
	bool silent;            /* only imported history set its due time: no alarm */
	bool breach_logged;     /* sla.breached stands in the log for this cycle, or is owed to nobody */
	bool waived;            /* no breach of this cycle counts */
};

/* A first or further cycle with a full budget. */
int sla_clock_start(struct sla_clock *c, int32_t cycle, const struct sla_terms *terms, int64_t at, bool silent);

/*
 * The cycle after `last`, which was fulfilled and stays as it is: with what was left of the budget (the time
 * between was a pause), or anew if the mode is restart, the last one was breached, or nothing is left.
 */
int sla_clock_reopen(struct sla_clock *c, const struct sla_clock *last, const struct sla_terms *terms,
		     enum sla_reopening mode, int64_t at, bool silent);

int sla_clock_pause(struct sla_clock *c, const struct calendar *k, int64_t at);
int sla_clock_resume(struct sla_clock *c, const struct calendar *k, int64_t at, bool silent);

/*
 * Another target from `at` on: what was consumed (by calendar `k`) counts.  Too much of it already: due and
 * breached at `at`, never before, for until then another promise was in force.  An earlier breach stays.
 */
int sla_clock_retarget(struct sla_clock *c, const struct calendar *k, const struct sla_terms *terms, int64_t at,
		       bool silent);

/*
 * Evidence that it was met, at or before due_at, or too late.  It may come after the breach was noticed and retract
 * it, or after other, later evidence and take its place.  What is told to have been before the start counts as at it.
 */
int sla_clock_fulfil(struct sla_clock *c, const struct calendar *k, int64_t at);

/*
 * The evidence proved void: the clock goes on as though it had never stopped.  The caller then gives it what else it
 * has: other evidence, a pause that began meanwhile, a target that changed meanwhile.
 */
int sla_clock_revoke(struct sla_clock *c, int64_t at);

int sla_clock_cancel(struct sla_clock *c, const struct calendar *k, int64_t at);

/* The journaled events: sla.warning of the policy's n-th threshold, sla.breached, sla.breach_retracted by waiver. */
int sla_clock_warn(struct sla_clock *c, int threshold);
int sla_clock_breach(struct sla_clock *c, int64_t breached_at);
int sla_clock_waive(struct sla_clock *c);

/* Whether the promise was kept; only of a fulfilled clock. */
bool sla_clock_is_met(const struct sla_clock *c);

/* Business time passed until `at`. */
int64_t sla_clock_elapsed(const struct sla_clock *c, const struct calendar *k, int64_t at);

/*
 * What is next for time to decide, and when; at TIME_NONE for nothing.  A warning is due at `at`.  A breach is to be
 * journaled once the watermark is after `at`: evidence of that very instant is still in time.
 */
struct sla_alarm {
	int64_t at;
	int threshold; /* of the policy's; -1: the breach */
};

struct sla_alarm sla_clock_alarm(const struct sla_clock *c, const struct sla_policy *p, const struct calendar *k);

#endif
