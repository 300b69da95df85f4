/*
 * sla_work - what the events of a resolution mean to its own clock.
 *
 * It runs from resolution.created until the work is over (resolved, wont_fix, duplicate), stands still in the statuses
 * that the policy names and while it is stopped by hand, and goes into its next cycle when the resolution is reopened.
 * The policy is that of the conversation's team and tier, the severity the resolution's priority; another priority asks
 * the same version anew.
 */
#include "projections/sla_work.h"

#include "projections/registry.h"
#include "projections/sla_talk.h"
#include "projections/sla_terms.h"

struct work {
	struct fold *f;
	struct resolution *r;
	int64_t at;
};

static struct uuid id_of(const struct resolution *r)
{
	return clock_id(&r->row.tenant_id, &r->conversation_id, &r->row.id, SLA_RESOLUTION, r->clock_cycle);
}

static struct clock *clock_now(struct work *w)
{
	struct uuid id = id_of(w->r);

	return w->r->clock_cycle > 0 ? fold_self(w->f, &id) : NULL;
}

static bool offered(struct work *w, struct sla_terms *terms, const struct promise **by)
{
	const struct conversation *c = conversation_find(w->f, &w->r->conversation_id);
	struct uuid nobody = { { 0 } };
	struct promises now = promises_now(w->f, c ? &c->assigned_team_id : &nobody, c ? c->sla_tier : -1);

	return promises_find(&now, SLA_RESOLUTION, w->r->priority, (struct bytes){ NULL, 0 }, terms, by);
}

/* Stands still or runs, as the status and people say. */
static void settle(struct work *w, struct clock *row)
{
	struct sla_terms terms;

	if (row && clock_is_open(row->state) && terms_of_clock(w->f, row, &terms))
		clock_stand(w->f, row, w->r->sla_paused_at != TIME_NONE || sla_pauses_resolution(terms.policy, w->r->status), w->at);
}

static void begin(struct work *w, const struct clock *last)
{
	const struct event *e = w->f->event;
	struct sla_clock clock, before;
	const struct promise *by;
	struct sla_terms terms;
	struct clock *row;
	struct uuid id;
	int did;

	if (!offered(w, &terms, &by))
		return;
	fold_change(w->f, w->r);
	w->r->clock_cycle++;
	id = id_of(w->r);
	row = fold_add_as(w->f, &id);
	row->conversation_id = w->r->conversation_id;
	row->resolution_id = w->r->row.id;
	row->clock = SLA_RESOLUTION;
	row->shard = e->shard;
	row->started_by = e->event_id;
	row->after_cycle = w->r->clock_cycle - 1;
	clock_target(row, &terms, by);
	if (last) {
		before = clock_of_row(last);
		did = sla_clock_reopen(&clock, &before, &terms, by->policy.on_reopen, w->at, e->silent);
	} else {
		did = sla_clock_start(&clock, (int32_t)w->r->clock_cycle, &terms, w->at, e->silent);
	}
	clock_keep(w->f, row, &clock, did, w->at);
	settle(w, row);
}

static void retarget(struct work *w, struct clock *row, const struct sla_terms *terms, const struct promise *by)
{
	if (clock_retarget(w->f, row, terms, by, w->at))
		settle(w, row);
}

static void look(struct work *w)
{
	struct clock *row = clock_now(w);
	bool over = resolution_is_over(w->r->status);
	struct uuid nobody = { { 0 } };
	const struct promise *by;
	struct sla_terms terms;

	if (!row)
		return;
	if (over && clock_is_open(row->state))
		clock_fulfil(w->f, row, w->at, &nobody);
	else if (!over && row->state == SLA_FULFILLED)
		begin(w, row);
	else if (!over && terms_anew(w->f, row, w->r->priority, (struct bytes){ NULL, 0 }, &terms, &by))
		retarget(w, row, &terms, by);
	settle(w, clock_now(w));
}

int sla_on_resolution(struct fold *f, const struct event *e)
{
	struct work w = { f, fold_find(f, &resolutions, &e->entity_id), e->occurred_at };

	if (!w.r)
		return 0;
	if (e->type->kind == EV_RESOLUTION_CREATED && w.r->clock_cycle == 0)
		begin(&w, NULL);
	else
		look(&w);
	clocks_end(f);
	return 0;
}

static void reapply(struct work *w, const struct uuid *policy_id)
{
	struct clock *row = clock_now(w);
	const struct promise *by;
	struct sla_terms terms;
	bool holds = offered(w, &terms, &by);

	if (resolution_is_over(w->r->status))
		return;
	if (!row && holds && uuid_equal(&by->policy_id, policy_id))
		begin(w, NULL);
	else if (row && holds && (uuid_equal(&by->policy_id, policy_id) || uuid_equal(&row->policy_id, policy_id)))
		retarget(w, row, &terms, by);
	else if (row && !holds && uuid_equal(&row->policy_id, policy_id))
		clock_cancel(w->f, row, w->at);
}

int sla_on_resolution_reapply(struct fold *f, const struct event *e)
{
	struct bytes ids = field_raw(&f->fields, "resolution_ids"), key, value;
	struct uuid id;
	size_t at = 0;

	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value)) {
		struct work w = { f, uuid_parse(value.data + 1, value.len - 2, &id) ? fold_find(f, &resolutions, &id) : NULL, e->occurred_at };

		if (w.r)
			reapply(&w, &e->entity_id);
		else
			fold_anomaly(f, "unknown_resolution", "no such resolution");
	}
	clocks_end(f);
	return 0;
}

/* ---- what they need ---- */

static void wish_served(struct wish *w, const struct conversation *c, const struct uuid *tenant_id)
{
	struct uuid nobody = { { 0 } };

	wish_promises(w, tenant_id, c ? &c->assigned_team_id : &nobody, c ? c->sla_tier : -1);
}

static void foresee(struct wish *w, const struct resolution *r)
{
	const struct conversation *c = wish_conversation(w, &r->conversation_id);
	const struct clock *row;
	struct uuid id = id_of(r);

	row = r->clock_cycle > 0 ? wish_row(w, &sla_clocks, &id) : NULL;
	if (row)
		wish_promise(w, &row->version_id, &r->row.tenant_id);
	wish_served(w, c, &r->row.tenant_id);
}

void sla_foresee_work(struct wish *w, const struct event *e)
{
	struct bytes ids, key, value;
	const struct resolution *r;
	const struct fields *fields;
	struct uuid id;
	size_t at = 0;

	if (e->type->kind != EV_SLA_POLICY_REAPPLY) {
		r = wish_row(w, &resolutions, &e->entity_id);
		if (r)
			foresee(w, r);
		else if (e->type->kind == EV_RESOLUTION_CREATED)
			wish_served(w, wish_conversation(w, &e->conversation_id), &e->tenant_id);
		return;
	}
	fields = wish_fields(w);
	if (!fields)
		return;
	ids = field_raw(fields, "resolution_ids");
	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value)) {
		r = uuid_parse(value.data + 1, value.len - 2, &id) ? wish_row(w, &resolutions, &id) : NULL;
		if (r)
			foresee(w, r);
	}
}
