/*
 * timers - watches the clocks of one shard, and journals what time alone decides: sla.warning and sla.breached; and whom
 * an sla_policy.reapply of `all` concerns.
 *
 *   CONNECTING --> STANDBY --the fold is here--> LEARNING --> LOOKING --nothing is due--> SLEEPING --> LOOKING
 *       ^             ^                                       ^   |        (an instant has come, or an earlier one is known)
 *       |             |                                       |   +--due--> JOURNALING --answered--> FOLDING --+
 *       |             +-- the fold is another engine's        +------------------- folded past them -----------+
 *       +---- lost, from anywhere that asks the database     LOOKING --somebody is to be named--> NAMING --> JOURNALING
 *
 * The due instants come from an index over the clocks' read model (store's `due`), the first few hundred at a time;
 * what they decide goes through the shard's appender like anybody's events.  Then the fold must have passed it before
 * the next look, for only then do the rows say what is left.
 *
 * Who.  The owner is whoever folds the shard: the worker's lease is the owner's.  So there is one, and it sits
 * where new clocks become known: the worker tells the earliest instant it has written (worker_view.alarm), and a
 * busy shard costs no look at the index until something is due.  A look now and then finds the rest.
 *
 * Once.  The lease only saves double work.  An event's id follows from what was decided (decision.h), so a decision
 * that stands in the log is found there, whoever made it.  Its append expects that after the checkpoint, as of which
 * the rows were read, there stands no event of that conversation (or resolution), and no sla_policy.reapply of the
 * tenant: an answer that won the race makes it stale, and the rows are looked at again when the fold has passed that
 * answer.  All decisions about one conversation make one request, since they expect the same and would be in each
 * other's way; each request is judged by itself.
 *
 * When.  Due is what lies before the engine's clock and before the database's, and the log records it after its
 * instant or not at all (request.recorded_after): evidence of that very instant is still in time.  A clock set back
 * makes clocks wait, one set forward makes them due: the ids and the rows see to it that nothing is decided twice.  A
 * fold that is far behind, or has not yet come to where the log was when the watch began, decides nothing: most of
 * what it shows as due has been answered since.
 *
 * Crash argument.  Nothing is kept here but hints.  Killed before the append: the rows are due still.  Killed after
 * it: the fold takes them back, or the ids are found.  Replay and rebuild have no timers.
 *
 * Naming.  Who asked for all clocks of a policy shows in a row of the group (sla_reapplications), found by the same
 * look; when nothing is due, the next part of whom it concerns is gathered and journaled (naming.h), with an id that
 * follows from the ask and the part's number, the ask as its cause and its occurred_at.  The fold counts the parts, so
 * what the paragraphs above and below say of clocks holds for it too.
 *
 * What cannot be decided (the log refuses it, or holds it and the row asks all the same) is left aside for full_ms, so
 * that it is in nobody's way, and then tried again.
 */
#ifndef VERBATIM_ENGINE_TIMERS_H
#define VERBATIM_ENGINE_TIMERS_H

#include "base/map.h"
#include "base/random.h"
#include "engine/appender.h"
#include "engine/naming.h"
#include "engine/worker.h"

enum timers_state {
	TIMERS_CONNECTING,
	TIMERS_STANDBY,
	TIMERS_LEARNING,
	TIMERS_LOOKING,
	TIMERS_NAMING,
	TIMERS_SLEEPING,
	TIMERS_JOURNALING,
	TIMERS_FOLDING,
	TIMERS_CLOSED,
};

struct timers_limits {
	int clocks;         /* decided at a time */
	int names;          /* in one event */
	int rows;           /* of clocks gone through at a time for those */
	int64_t look_ms;    /* between the beginnings of two looks, at least */
	int64_t poll_ms;    /* and at most */
	int64_t full_ms;    /* between two looks at all that is past, and at what was left aside */
	int64_t lag_events; /* a fold further behind the head decides nothing */
};

/* The read models of a group that show clocks and who asked for all of them: "sla_clocks", with its columns. */
struct timers_model {
	const struct group *group;
	const struct projection *clocks; /* NULL: the group has none */
	const struct projection *asks;   /* "sla_reapplications"; NULL: the group has none */
	struct worker_alarms alarms;
};

struct timers {
	int16_t shard;
	enum timers_state state;
	struct env *env;
	struct store *store;
	const struct timers_model *model;
	struct worker_view *fold;      /* of the worker of the model's group in this shard */
	struct appender *appender;
	struct request_pool *pool;
	struct timers_limits limits;
	struct env_timer timer;
	struct random random;
	bool request_out, timer_out, closing;
	bool waiting;          /* the timer's end may come early: the fold has moved */
	int failures;          /* in a row, for the back-off */
	int fenced;            /* looks in a row that found the tables gone; once is nothing: others have taken their place, and are learnt */
	int32_t generation;
	int64_t start;         /* the fold must come here first; -1: not known yet */
	int64_t skew;          /* what the engine's clock is ahead of the database's, or 0 */
	int64_t next;          /* the first instant known of; INT64_MAX: none */
	int64_t from;          /* whatever was due before it has been decided */
	int64_t look_due, poll_due, full_due; /* monotonic */
	int64_t position;      /* of the checkpoint at the last look */
	int64_t await;         /* the position the fold must pass before the next look */
	int under_way;         /* requests at the appender */
	struct map aside;      /* (tenant, clock, instant) of what could not be decided */
	struct error refusal;  /* why the appender took none, in this round */
	struct error trouble;  /* the last thing that went wrong, for status */

	union {
		struct store_request request;
		struct store_connect connect;
		struct store_checkpoint checkpoint;
		struct store_due due;
		struct store_names names;
	} call;
	struct naming naming;
	struct arena call_arena;
	struct due_clock **order; /* of the look's clocks, by subject */

	void (*closed)(void *data, struct timers *t);
	void *data;
	int64_t warnings, breaches, named; /* journaled since start; events that name whom an ask concerns */
	/*
	 * From its instant to its acknowledgement: the latest decision, and the latest at all.  Not of `past` ones, which
	 * were over when they became known: nobody watched then, or their conversation was told of late.
	 */
	int64_t late, late_most, past;
	int64_t clear;         /* a look since this engine watches found nothing due before it; INT64_MAX: none yet */
};

/* Finds them among the group's read models. */
struct timers_model timers_model_of(const struct group *group);

/* Takes `store` (not connected), borrows the rest. */
void timers_open(struct timers *t, int16_t shard, const struct timers_model *model, struct env *env, struct store *store,
		 struct worker_view *fold, struct appender *appender, struct request_pool *pool,
		 const struct timers_limits *limits, uint64_t seed);
void timers_start(struct timers *t);

/* The worker has gone on, or its lease has moved. */
void timers_moved(struct timers *t);

/* No more is submitted; `closed` comes when the session is gone.  What is at the appender is answered by its closing. */
void timers_close(struct timers *t);

const char *timers_state_name(enum timers_state state);

#endif
