/*
 * sla_clocks - every promise of time: when it is due, whether it was kept; one row a clock and cycle.
 *
 * Here: the columns, the way between a row and the rules' struct, and what the log says of a single clock (a warning,
 * a breach, a waiver; all of them are decided by time or by people and come with the row's id).  What the events of a
 * conversation mean to its clocks is sla_talk.c, those of a resolution sla_work.c.
 *
 * An id follows from what the clock is about: a version 8 UUID of SHA-256(tenant, "conversation" or "resolution", its
 * id, clock, cycle).  So the clock of a cycle is found without looking, and a conversation's row only has to know
 * which cycle each of its clocks is in.
 *
 * next_at is the index that the timers live by: the instant at which time decides something about this clock, null
 * when it decides nothing (paused, ended, told already, or set going by imported history alone).
 */
#include "projections/sla_clocks.h"

#include "event/merkle.h"
#include "projections/registry.h"
#include "projections/sla_talk.h"
#include "projections/sla_terms.h"
#include "projections/sla_work.h"

const char *const sla_outcome_names[] = { "met", "breached", NULL };

struct uuid clock_id(const struct uuid *tenant_id, const struct uuid *conversation_id, const struct uuid *resolution_id,
		     enum sla_kind kind, int64_t cycle)
{
	bool own = uuid_is_nil(resolution_id);
	uint8_t hash[32], tail[sizeof(struct uuid) + 8];
	char head[sizeof(struct uuid) + 16];
	struct uuid id;
	size_t len = strlen(own ? "conversation" : "resolution");

	memcpy(head, tenant_id, sizeof(*tenant_id));
	memcpy(head + sizeof(*tenant_id), own ? "conversation" : "resolution", len);
	memcpy(tail, own ? conversation_id : resolution_id, sizeof(struct uuid));
	put_be32(tail + sizeof(struct uuid), (uint32_t)kind);
	put_be32(tail + sizeof(struct uuid) + 4, (uint32_t)cycle);
	sha256_two(head, sizeof(*tenant_id) + len, tail, sizeof(tail), hash);
	uuid_v8(&id, hash);
	return id;
}

struct sla_clock clock_of_row(const struct clock *row)
{
	return (struct sla_clock){
		.state = row->state,
		.cycle = (int32_t)row->cycle,
		.target_version = (int32_t)row->target_version,
		.run = (int32_t)row->run,
		.target_seconds = row->target_seconds,
		.started_at = row->started_at,
		.running_since = row->running_since,
		.consumed = row->consumed,
		.paused_at = row->gap_at,
		.due_at = row->due_at,
		.breached_at = row->breached_at,
		.fulfilled_at = row->fulfilled_at,
		.elapsed = row->elapsed,
		.warned = (uint32_t)row->warned,
		.silent = row->silent == 1,
		.breach_logged = row->breach_logged == 1,
		.waived = row->waived == 1,
	};
}

static bool is_over(int state)
{
	return state == SLA_FULFILLED || state == SLA_CANCELLED;
}

static void clock_to_row(const struct sla_clock *c, struct clock *row)
{
	row->state = c->state;
	row->cycle = c->cycle;
	row->target_version = c->target_version;
	row->run = c->run;
	row->target_seconds = c->target_seconds;
	row->started_at = c->started_at;
	row->running_since = c->running_since;
	row->consumed = c->consumed;
	row->consumed_seconds = c->consumed / TIME_SECOND;
	row->gap_at = c->paused_at;
	row->paused_at = c->state == SLA_PAUSED ? c->paused_at : TIME_NONE;
	row->due_at = c->due_at;
	row->breached_at = c->breached_at;
	row->fulfilled_at = c->fulfilled_at;
	row->elapsed = c->elapsed;
	row->elapsed_seconds = is_over(c->state) ? c->elapsed / TIME_SECOND : INT_NONE;
	row->warned = c->warned;
	row->silent = c->silent;
	row->breach_logged = c->breach_logged;
	row->waived = c->waived;
}

/* ---- what an event did ---- */

/* Room for one more in a list that lives as long as the event's rows. */
static void *grown(struct fold *f, void *list, int count, int *capacity, size_t size)
{
	void *more;

	if (count < *capacity)
		return list;
	*capacity = *capacity ? *capacity * 2 : 8;
	more = arena_alloc(f->arena, (size_t)*capacity * size);
	if (count)
		memcpy(more, list, (size_t)count * size);
	return more;
}

static void note_change(struct fold *f, struct clock *row)
{
	struct facts *facts = &f->facts;

	if (row->noted == f->event->position)
		return;
	row->noted = f->event->position;
	facts->clocks = grown(f, facts->clocks, facts->clock_count, &facts->clock_capacity, sizeof(*facts->clocks));
	facts->clocks[facts->clock_count++] = &row->row;
}

static void note_happenings(struct fold *f, const struct clock *row, int did, int64_t at)
{
	struct facts *facts = &f->facts;

	for (int nth = 0; nth < SLA_NTH_COUNT; nth++) {
		if (!(did & 1 << nth))
			continue;
		facts->happenings = grown(f, facts->happenings, facts->happening_count, &facts->happening_capacity,
					  sizeof(*facts->happenings));
		facts->happenings[facts->happening_count++] = (struct clock_happening){
			.clock = row, .what = (enum sla_nth)nth, .at = nth == SLA_NTH_BREACHED ? row->breached_at : at,
			.due_at = row->due_at, .target_seconds = row->target_seconds, .consumed_seconds = row->consumed_seconds,
			.policy_id = row->policy_id, .policy_version = row->policy_version, .state = row->state,
		};
	}
}

/* ---- what the conversation and the resolution show of it ---- */

static void mirror_talk(struct fold *f, const struct clock *row, int breaches)
{
	struct conversation *c = fold_find(f, &conversations, &row->conversation_id);
	struct conversation before;

	if (!c)
		return;
	before = *c;
	c->breached_clocks += breaches;
	c->sla_breached = c->breached_clocks > 0;
	if (row->cycle == c->clock_cycles[row->clock]) {
		int64_t due_at = row->state == SLA_CANCELLED ? TIME_NONE : row->due_at;

		conversation_set_clock(c, (enum sla_kind)row->clock, row->state);
		if (row->clock == SLA_FIRST_RESPONSE) {
			c->first_response_due_at = due_at;
			c->first_response_at = row->state == SLA_CANCELLED ? c->first_human_response_at : row->fulfilled_at;
		} else if (row->clock == SLA_RESOLUTION) {
			c->resolution_due_at = due_at;
		}
	}
	if (memcmp(&before, c, sizeof(before)) != 0)
		fold_change(f, c);
}

static void mirror_work(struct fold *f, const struct clock *row, int breaches)
{
	struct resolution *r = breaches ? fold_find(f, &resolutions, &row->resolution_id) : NULL;

	if (!r)
		return;
	fold_change(f, r);
	r->breached_clocks += breaches;
	r->sla_breached = r->breached_clocks > 0;
}

void clock_keep(struct fold *f, struct clock *row, const struct sla_clock *clock, int did, int64_t at)
{
	int breaches;

	fold_change(f, row);
	clock_to_row(clock, row);
	if (did & SLA_DID_BREACHED) {
		row->breach_id = f->event->event_id;
		memset(&row->told_id, 0, sizeof(row->told_id));
	}
	note_change(f, row);
	note_happenings(f, row, did, at);
	breaches = !!(did & SLA_DID_BREACHED) - !!(did & SLA_DID_BREACH_RETRACTED);
	if (uuid_is_nil(&row->resolution_id))
		mirror_talk(f, row, breaches);
	else
		mirror_work(f, row, breaches);
}

/* ---- the rules, on rows ---- */

void clock_target(struct clock *row, const struct sla_terms *terms, const struct promise *by)
{
	row->version_id = by->version_id;
	row->policy_id = by->policy_id;
	row->policy_version = by->policy_version;
	row->always_open = terms->calendar == &calendar_always;
}

int clock_fulfil(struct fold *f, struct clock *row, int64_t at, const struct uuid *answer_id)
{
	struct sla_clock clock = clock_of_row(row);
	struct sla_terms terms;
	int did = terms_of_clock(f, row, &terms) ? sla_clock_fulfil(&clock, terms.calendar, at) : SLA_DID_NOTHING;

	if (did & SLA_DID_FULFILLED)
		row->answer_id = *answer_id;
	if (did)
		clock_keep(f, row, &clock, did, at);
	return did;
}

int clock_revoke(struct fold *f, struct clock *row, int64_t at)
{
	struct sla_clock clock = clock_of_row(row);
	int did = sla_clock_revoke(&clock, at);

	memset(&row->answer_id, 0, sizeof(row->answer_id));
	if (did)
		clock_keep(f, row, &clock, did, at);
	return did;
}

int clock_cancel(struct fold *f, struct clock *row, int64_t at)
{
	struct sla_clock clock = clock_of_row(row);
	struct sla_terms terms;
	int did = terms_of_clock(f, row, &terms) ? sla_clock_cancel(&clock, terms.calendar, at) : SLA_DID_NOTHING;

	if (did)
		clock_keep(f, row, &clock, did, at);
	return did;
}

int clock_stand(struct fold *f, struct clock *row, bool still, int64_t at)
{
	struct sla_clock clock = clock_of_row(row);
	struct sla_terms terms;
	int did;

	if (row->state != (still ? SLA_RUNNING : SLA_PAUSED) || !terms_of_clock(f, row, &terms))
		return SLA_DID_NOTHING;
	did = still ? sla_clock_pause(&clock, terms.calendar, at) : sla_clock_resume(&clock, terms.calendar, at, f->event->silent);
	clock_keep(f, row, &clock, did, at);
	return did;
}

int clock_retarget(struct fold *f, struct clock *row, const struct sla_terms *terms, const struct promise *by, int64_t at)
{
	struct sla_clock clock = clock_of_row(row);
	struct sla_terms before;
	int did;

	if (!terms_of_clock(f, row, &before))
		return SLA_DID_NOTHING;
	if (uuid_equal(&row->version_id, &by->version_id) && before.seconds == terms->seconds && before.calendar == terms->calendar)
		return SLA_DID_NOTHING;
	did = sla_clock_retarget(&clock, before.calendar, terms, at, f->event->silent);
	clock_target(row, terms, by);
	clock_keep(f, row, &clock, did, at);
	return did;
}

/* ---- what time is to decide next ---- */

static void set_alarm(struct fold *f, struct clock *row)
{
	struct sla_clock clock = clock_of_row(row);
	struct sla_alarm next = { TIME_NONE, -1 };
	struct sla_terms terms;

	if (!clock.silent && terms_of_clock(f, row, &terms))
		next = sla_clock_alarm(&clock, terms.policy, terms.calendar);
	row->next_at = next.at;
	row->next_nth = next.at == TIME_NONE ? INT_NONE : next.threshold;
	row->next_threshold = next.at == TIME_NONE || next.threshold < 0 ? INT_NONE : terms.policy->warnings[next.threshold];
}

void clocks_end(struct fold *f)
{
	for (int i = 0; i < f->facts.clock_count; i++)
		set_alarm(f, (struct clock *)(void *)f->facts.clocks[i]);
}

/* ---- what the log says of one clock ---- */

/* The clock an event is about; NULL and an anomaly when there is none, or the event tells of another. */
static struct clock *named(struct fold *f, const struct event *e)
{
	struct clock *row = fold_self(f, &e->entity_id);

	if (!row)
		fold_anomaly(f, "unknown_sla_clock", "no such clock");
	else if (field_enum(&f->fields, "clock") != row->clock || field_int(&f->fields, "cycle", 0) != row->cycle)
		fold_anomaly(f, "stale_write", "the clock is of another kind or cycle");
	else
		return row;
	return NULL;
}

static int threshold_of(const struct sla_policy *p, int64_t threshold)
{
	for (int i = 0; i < p->warning_count; i++)
		if (p->warnings[i] == threshold)
			return i;
	return -1;
}

static int on_warning(struct fold *f, const struct event *e)
{
	struct clock *row = named(f, e);
	struct sla_clock clock;
	struct sla_terms terms;
	int nth, did;

	if (!row || !terms_of_clock(f, row, &terms))
		return 0;
	nth = threshold_of(terms.policy, field_decimal(&f->fields, "threshold", 0));
	if (nth < 0 || field_time(&f->fields, "due_at") != row->due_at)
		return fold_anomaly(f, "stale_write", "the clock's policy has no such threshold, or it is due at another time now");
	clock = clock_of_row(row);
	did = sla_clock_warn(&clock, nth);
	if (did)
		row->warned_at = time_later(row->warned_at, e->occurred_at);
	clock_keep(f, row, &clock, did, e->occurred_at);
	clocks_end(f);
	return 0;
}

/* A breach that an event has shown already is only known to be told now. */
static int on_breached(struct fold *f, const struct event *e)
{
	struct clock *row = named(f, e);
	struct sla_clock clock;
	int did;

	if (!row)
		return 0;
	if (e->occurred_at < field_time(&f->fields, "breached_at"))
		return fold_anomaly(f, "stale_write", "the breach was told before its instant");
	clock = clock_of_row(row);
	clock.breach_logged = false;
	did = sla_clock_breach(&clock, field_time(&f->fields, "breached_at"));
	if (!clock.breach_logged)
		return fold_anomaly(f, "stale_write", "the clock has not passed this due time");
	if (!(did & SLA_DID_BREACHED) && uuid_is_nil(&row->told_id))
		row->told_id = e->event_id;
	clock_keep(f, row, &clock, did, e->occurred_at);
	clocks_end(f);
	return 0;
}

static bool is_breach_of(const struct clock *row, const struct uuid *event_id)
{
	return !uuid_is_nil(event_id) && (uuid_equal(event_id, &row->breach_id) || uuid_equal(event_id, &row->told_id));
}

/* Late evidence retracts a breach by itself; what remains is the will of people, about a breach that there was. */
static int on_retracted(struct fold *f, const struct event *e)
{
	struct clock *row = fold_self(f, &e->entity_id);
	struct sla_clock clock;
	struct uuid breach;
	int did;

	if (!row)
		return fold_anomaly(f, "unknown_sla_clock", "no such clock");
	if (!bytes_is(field_text(&f->fields, "cause"), "waiver"))
		return 0;
	breach = field_uuid(&f->fields, "breach_event_id");
	if (!is_breach_of(row, &breach))
		return fold_anomaly(f, "stale_write", "what is waived is no breach of this clock, or an earlier one");
	clock = clock_of_row(row);
	did = sla_clock_waive(&clock);
	clock_keep(f, row, &clock, did, e->occurred_at);
	clocks_end(f);
	return 0;
}

/* ---- the rows that an event needs ---- */

static void foresee_clock(struct wish *w, const struct event *e)
{
	const struct clock *row = wish_row(w, &sla_clocks, &e->entity_id);

	if (!row)
		return;
	wish_promise(w, &row->version_id, &e->tenant_id);
	wish_row(w, uuid_is_nil(&row->resolution_id) ? &conversations : &resolutions,
		 uuid_is_nil(&row->resolution_id) ? &row->conversation_id : &row->resolution_id);
}

static void foresee(struct wish *w, const struct event *e)
{
	if (e->type->entity == ENTITY_SLA_CLOCK)
		foresee_clock(w, e);
	if (e->type->entity == ENTITY_RESOLUTION || e->type->entity == ENTITY_SLA_POLICY)
		sla_foresee_work(w, e);
	if (e->type->entity != ENTITY_SLA_CLOCK && (e->type->entity != ENTITY_RESOLUTION || e->type->kind == EV_RESOLUTION_CREATED))
		sla_foresee_talk(w, e);
}

static const struct column columns[] = {
	COLUMN(clock, conversation_id, UUID, .about = "of a resolution's clock: what the resolution is about"),
	COLUMN(clock, resolution_id, UUID, .about = "null: the clock is the conversation's own"),
	COLUMN(clock, clock, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_clock),
	COLUMN(clock, cycle, INT4, .sql = "integer", .required = true, .about = "from 1; reopening and each further answer begin another"),
	COLUMN(clock, target_seconds, INT8, .required = true, .about = "what was promised, in business time"),
	COLUMN(clock, consumed_seconds, INT8, .required = true, .about = "business time used up before the clock last began to run"),
	COLUMN(clock, started_at, TIME, .required = true),
	COLUMN(clock, due_at, TIME, .about = "null: it stands still in time, or is due beyond all calendars"),
	COLUMN(clock, state, ENUM, .sql = "varchar(20)", .required = true, .values = sla_states, .fallback = "running"),
	COLUMN(clock, paused_at, TIME, .about = "standing still since then"),
	COLUMN(clock, warned_at, TIME, .about = "the latest warning"),
	COLUMN(clock, breached_at, TIME, .about = "the due time that passed; null: kept so far, or the breach does not count"),
	COLUMN(clock, fulfilled_at, TIME),
	COLUMN(clock, elapsed_seconds, INT8, .about = "business time it took, once it has ended"),
	COLUMN(clock, policy_id, UUID, .required = true),
	COLUMN(clock, policy_version, INT4, .sql = "integer", .required = true),

	COLUMN(clock, shard, INT2, .hidden = true, .required = true),
	COLUMN(clock, next_at, TIME, .hidden = true),
	COLUMN(clock, next_threshold, DECIMAL, .sql = "numeric(14,4)", .scale = 4, .hidden = true),
	COLUMN(clock, next_nth, INT2, .hidden = true),
	COLUMN(clock, started_by, UUID, .hidden = true, .required = true),
	COLUMN(clock, run, INT4, .hidden = true, .required = true),
	COLUMN(clock, target_version, INT4, .hidden = true, .required = true),
	COLUMN(clock, consumed, INT8, .hidden = true, .required = true),
	COLUMN(clock, elapsed, INT8, .hidden = true, .required = true),
	COLUMN(clock, running_since, TIME, .hidden = true),
	COLUMN(clock, gap_at, TIME, .hidden = true),
	COLUMN(clock, warned, INT4, .hidden = true, .required = true),
	COLUMN(clock, silent, BOOL, .hidden = true, .required = true),
	COLUMN(clock, breach_logged, BOOL, .hidden = true, .required = true),
	COLUMN(clock, waived, BOOL, .hidden = true, .required = true),
	COLUMN(clock, version_id, UUID, .hidden = true, .required = true),
	COLUMN(clock, always_open, BOOL, .hidden = true, .required = true),
	COLUMN(clock, message_id, UUID, .hidden = true),
	COLUMN(clock, answer_id, UUID, .hidden = true),
	COLUMN(clock, channel, TEXT, .hidden = true),
	COLUMN(clock, has_outcome, BOOL, .hidden = true),
	COLUMN(clock, counted, ENUM, .sql = "varchar(10)", .hidden = true, .values = sla_outcome_names),
	COLUMN(clock, counted_at, TIME, .hidden = true),
	COLUMN(clock, after_cycle, INT4, .hidden = true),
	COLUMN(clock, breach_id, UUID, .hidden = true),
	COLUMN(clock, told_id, UUID, .hidden = true),
};

#define ON_CONVERSATION(event) ON(event, CALL, .then = sla_on_conversation),
#define ON_CONTEXT(event) ON(event, CALL, .then = sla_on_context),
#define ON_MESSAGE(event) ON(event, CALL, .then = sla_on_message),
#define ON_RESOLUTION(event) ON(event, CALL, .then = sla_on_resolution),

static const struct fold_entry folds[] = {
	ON(SLA_WARNING, CALL, .then = on_warning),
	ON(SLA_BREACHED, CALL, .then = on_breached),
	ON(SLA_BREACH_RETRACTED, CALL, .then = on_retracted),
	ON(SLA_POLICY_REAPPLY, CALL, .then = sla_on_reapply),
	ON(SLA_POLICY_REAPPLY, CALL, .then = sla_on_resolution_reapply),
	ON(CUSTOMER_UPDATE_SENT, CALL, .then = sla_on_told),
	ON(RESOLUTION_CREATED, CALL, .then = sla_on_context),
	EVENTS_OF_CLOCKS(ON_CONVERSATION, ON_CONTEXT, ON_MESSAGE, ON_RESOLUTION)
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, conversation_id)",
	"(tenant_id, resolution_id) WHERE resolution_id IS NOT NULL",
	"(tenant_id, due_at) WHERE state = 'running'",
	"(shard, next_at) WHERE next_at IS NOT NULL",
	NULL,
};

const struct projection sla_clocks = {
	.schema = "core", .name = "sla_clocks", .version = 2,
	.about = "Every promise of time to a customer, one row a clock and cycle: when it is due, and whether it was kept.",
	.entity = ENTITY_SLA_CLOCK, COLUMNS(clock, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 80,
	.foresee = foresee,
	NEEDS(&conversations, &messages, &resolutions, &customer_updates, &slas, &sla_policy_versions, &sla_policy_choices, &teams),
	MARKED_BY(&sla_outcomes),
};
