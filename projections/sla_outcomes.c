/*
 * sla_outcomes - which promises were kept and which were broken, each under the values it is counted by.
 *
 * A row has the id of its clock (sla_clocks) and is there from the moment that the promise was kept or broken:
 *
 *     met        fulfilled in time; counted when it was fulfilled
 *     breached   its due time passed; counted at that due time, whatever came after
 *
 * A cancelled clock is neither, unless it was breached before; a breach that was waived is none, and one that late
 * evidence retracts becomes a promise kept.  So an outcome may change or go: the row says what was counted last, and the
 * difference goes to the roll-ups.  The values are the conversation's at the time; the agent of a met response is who
 * answered, otherwise it is who has the conversation.
 *
 * The clock knows what was counted of it, so that this row is looked at only when that changes.
 *
 * The own clock of a resolution is counted by the resolution's priority alone (as severity), as sla_issue_met, ...
 */
#include "projections/conversation_facts.h"
#include "projections/conversations.h"
#include "projections/customer_updates.h"
#include "projections/registry.h"
#include "projections/resolutions.h"
#include "projections/sla_clocks.h"
#include "projections/tenants.h"

struct outcome {
	struct row row;
	struct uuid conversation_id, resolution_id;
	int16_t clock, outcome; /* enum sla_kind; enum sla_outcome or -1 */
	int64_t cycle, at;
	struct bytes time_zone;
	struct rollup_values values;
};

static int16_t outcome_of(const struct clock *row)
{
	struct sla_clock clock = clock_of_row(row);

	if (clock.breached_at != TIME_NONE)
		return SLA_OUTCOME_BREACHED;
	return clock.state == SLA_FULFILLED && sla_clock_is_met(&clock) ? SLA_OUTCOME_MET : -1;
}

static void contribute(const struct outcome *o, struct contribution *out)
{
	static const enum rollup_metric own[][2] = {
		[SLA_FIRST_RESPONSE] = { ROLLUP_sla_first_response_met, ROLLUP_sla_first_response_breached },
		[SLA_NEXT_RESPONSE] = { ROLLUP_sla_next_response_met, ROLLUP_sla_next_response_breached },
		[SLA_UPDATE] = { ROLLUP_sla_update_met, ROLLUP_sla_update_breached },
		[SLA_RESOLUTION] = { ROLLUP_sla_resolution_met, ROLLUP_sla_resolution_breached },
	};
	static const enum rollup_metric issue[] = { ROLLUP_sla_issue_met, ROLLUP_sla_issue_breached };

	contribution_begin(out, o->at, o->time_zone, &o->values);
	if (o->outcome >= 0)
		contribution_count(out, uuid_is_nil(&o->resolution_id) ? own[o->clock][o->outcome] : issue[o->outcome], 1);
}

/* By whom and what it is counted from now on. */
static void set_values(struct fold *f, const struct clock *row, struct outcome *o)
{
	const struct rollup_values *values = NULL;
	const struct resolution *r;

	if (uuid_is_nil(&row->resolution_id)) {
		values = facts_values(f, &row->conversation_id, &o->time_zone);
	} else {
		r = fold_find(f, &resolutions, &row->resolution_id);
		o->values.severity = r ? r->priority : -1;
		o->time_zone = tenant_time_zone(f);
	}
	if (!values)
		return;
	o->values = *values;
	if (o->outcome == SLA_OUTCOME_MET)
		facts_answered_by(f, &row->conversation_id, o->at, &o->values);
}

static void follow(struct fold *f, struct clock *row)
{
	int16_t outcome = outcome_of(row);
	int64_t at = outcome < 0 ? TIME_NONE : outcome == SLA_OUTCOME_MET ? row->fulfilled_at : row->breached_at;
	struct contribution before, after;
	struct outcome *o;

	if (row->counted == outcome && row->counted_at == at)
		return;
	o = row->has_outcome == 1 ? fold_self(f, &row->row.id) : fold_add_as(f, &row->row.id);
	if (!o)
		return; /* to be loaded: it is folded once more */
	fold_change(f, o);
	fold_change(f, row);
	row->has_outcome = true;
	row->counted = outcome;
	row->counted_at = at;
	contribute(o, &before);
	o->conversation_id = row->conversation_id;
	o->resolution_id = row->resolution_id;
	o->clock = row->clock;
	o->cycle = row->cycle;
	o->outcome = outcome;
	o->at = at;
	if (outcome >= 0)
		set_values(f, row, o);
	contribute(o, &after);
	rollups_move(f, &before, &after);
}

static int on_event(struct fold *f, const struct event *e)
{
	for (int i = 0; i < f->facts.clock_count; i++)
		follow(f, (struct clock *)(void *)f->facts.clocks[i]);
	return 0;
}

/* A tighter promise may have been broken when it comes into force. */
static void foresee_named(struct wish *w, const struct event *e)
{
	struct bytes ids, key, value;
	const struct fields *fields;
	struct uuid id;
	size_t at = 0;

	fields = wish_fields(w);
	if (!fields)
		return;
	ids = field_raw(fields, "conversation_ids");
	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value))
		if (uuid_parse(value.data + 1, value.len - 2, &id))
			wish_row(w, &conversation_facts, &id);
}

/* Events that name no conversation: the facts of the one that they are about. */
static void foresee(struct wish *w, const struct event *e)
{
	const struct customer_update *u;
	const struct conversation *c = NULL;
	const struct clock *row;

	if (e->type->entity == ENTITY_SLA_CLOCK) {
		row = wish_row(w, &sla_clocks, &e->entity_id);
		if (row)
			wish_row(w, &conversation_facts, &row->conversation_id);
	} else if (e->type->kind == EV_CUSTOMER_UPDATE_SENT) {
		u = wish_row(w, &customer_updates, &e->entity_id);
		c = u ? wish_row(w, &conversations, &u->conversation_id) : NULL;
		for (int hops = 0; c && hops <= MERGE_HOPS_MAX; hops++) {
			wish_row(w, &conversation_facts, &c->row.id);
			c = wish_row(w, &conversations, &c->merged_into_id);
		}
	} else if (e->type->kind == EV_SLA_POLICY_REAPPLY) {
		foresee_named(w, e);
	}
}

#define VALUE(column, kind_, member, ...) \
	{ .name = column, .kind = COLUMN_##kind_, .offset = offsetof(struct outcome, values.member), __VA_ARGS__ }

static const struct column columns[] = {
	COLUMN(outcome, conversation_id, UUID, .about = "of a resolution's clock: what the resolution is about"),
	COLUMN(outcome, resolution_id, UUID, .about = "null: the clock is the conversation's own"),
	COLUMN(outcome, clock, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_clock,
	       .about = "the row's id is that of the clock in core.sla_clocks"),
	COLUMN(outcome, cycle, INT4, .sql = "integer", .required = true, .about = "of the clock"),
	COLUMN(outcome, outcome, ENUM, .sql = "varchar(10)", .values = sla_outcome_names, .about = "null: neither any more"),
	COLUMN(outcome, at, TIME, .about = "when it counts: fulfilled, or the due time that passed"),
	COLUMN(outcome, time_zone, TEXT, .sql = "varchar(50)", .required = true, .open = true, .fallback = "UTC",
	       .about = "whose day it counts to"),
	VALUE("channel", TEXT, channel, .sql = "varchar(30)", .open = true, .about = "over which the conversation began"),
	VALUE("team_id", UUID, team_id, .about = "which team it is counted for"),
	VALUE("agent_id", UUID, agent_id, .about = "whom it is counted for"),
	VALUE("tier", ENUM, tier, .sql = "varchar(20)", .values = values_sla_tier, .about = "the conversation's, as it is now"),
	VALUE("severity", ENUM, severity, .sql = "varchar(10)", .values = values_severity,
	      .about = "the conversation's as it is now; of a resolution's clock: its priority"),
	VALUE("intent", TEXT, intent, .sql = "varchar(50)", .open = true, .about = "the conversation's, as it is now"),
};

#define ON_IT(event) ON(event, CALL, .then = on_event),
#define ON_RESOLUTION(event) ON(event, CALL, .then = on_event, .refs = ENTITY_TENANT),

static const struct fold_entry folds[] = {
	ON(SLA_BREACHED, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(SLA_BREACH_RETRACTED, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(SLA_POLICY_REAPPLY, CALL, .then = on_event, .refs = ENTITY_TENANT),
	ON(CUSTOMER_UPDATE_SENT, CALL, .then = on_event),
	EVENTS_OF_CLOCKS(ON_IT, ON_IT, ON_IT, ON_RESOLUTION)
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, at) WHERE outcome = 'breached'", NULL };

const struct projection sla_outcomes = {
	.schema = "analytics", .name = "sla_outcomes", .version = 1,
	.about = "Which SLA clocks were met and which were breached, when, and what they are counted by.",
	.beside = ENTITY_SLA_CLOCK, .beside_if = "has_outcome", COLUMNS(outcome, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
	.foresee = foresee,
	NEEDS(&conversation_facts, &sla_clocks, &resolutions, &customer_updates, &tenants, &rollup_15m, &rollup_day),
};
