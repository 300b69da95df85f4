/*
 * sla_terms - see sla_terms.h.
 *
 * Reading a policy costs as much as some hundred folds, so what was read is kept beside the rows by the id of the
 * version, which never changes.
 */
#include "projections/sla_terms.h"

#include "projections/registry.h"
#include "projections/slas.h"
#include "projections/teams.h"

static int64_t minutes(int64_t column)
{
	return column == INT_NONE ? 0 : column;
}

static struct sla_policy_fields fields_of(const struct policy_version *v)
{
	return (struct sla_policy_fields){
		.minutes = {
			[SLA_FIRST_RESPONSE] = minutes(v->first_response_time_minutes),
			[SLA_NEXT_RESPONSE] = minutes(v->next_response_time_minutes),
			[SLA_UPDATE] = minutes(v->update_interval_minutes),
			[SLA_RESOLUTION] = minutes(v->resolution_time_minutes),
		},
		.channel_overrides = v->channel_overrides,
		.priority_overrides = v->priority_overrides,
		.business_hours = v->business_hours,
		.holidays = v->holidays,
		.pause_states = v->pause_states,
		.warn_at = v->warn_at,
		.timezone = v->timezone,
		.business_hours_only = v->business_hours_only != 0,
		.on_reopen = v->on_reopen == SLA_REOPEN_RESTART ? SLA_REOPEN_RESTART : SLA_REOPEN_RESUME,
		.first_response_by = v->first_response_by < 0 ? SLA_BY_HUMAN : (enum sla_responder)v->first_response_by,
	};
}

int promise_check(struct fold *f, const struct policy_version *v)
{
	struct sla_policy_fields in = fields_of(v);
	struct sla_policy policy;
	struct error error;

	if (sla_policy_read(&in, f->state->zones, f->arena, &policy, &error) < 0)
		fold_anomaly(f, "bad_policy", "%s: %s; the policy holds without it", error.field, error.message);
	return 0;
}

/* The version as the rules read it, without what cannot be read; NULL when there is no such version. */
static const struct promise *promise_of(struct fold *f, const struct uuid *version_id)
{
	const struct uuid *tenant_id = &f->event->tenant_id;
	struct promise *p = uuid_is_nil(version_id) ? NULL : memo_find(f->state, tenant_id, version_id);
	const struct policy_version *v;
	struct sla_policy_fields in;
	struct error error;

	if (p || uuid_is_nil(version_id))
		return p;
	v = fold_find(f, &sla_policy_versions, version_id);
	if (!v)
		return NULL;
	in = fields_of(v);
	p = arena_zalloc(&f->state->memo_arena, sizeof(*p));
	p->version_id = *version_id;
	p->policy_id = v->sla_id;
	p->policy_version = v->policy_version;
	if (sla_policy_read(&in, f->state->zones, &f->state->memo_arena, &p->policy, &error) < 0)
		error_clear(&error); /* was told when it was written */
	memo_keep(f->state, tenant_id, version_id, p);
	return p;
}

struct promises promises_now(struct fold *f, const struct uuid *team_id, int16_t tier)
{
	const struct team *team = fold_find(f, &teams, team_id);
	const struct sla *own = team ? fold_find(f, &slas, &team->sla_override_id) : NULL;
	const struct policy_choice *choice = fold_find(f, &sla_policy_choices, &f->event->tenant_id);
	struct promises now = { { NULL } };
	struct uuid of_tier;

	if (own && own->is_active == 1)
		now.of[0] = promise_of(f, &own->version_id);
	if (!choice)
		return now;
	of_tier = policy_choice_of(choice, tier);
	now.of[1] = promise_of(f, &of_tier);
	now.of[2] = promise_of(f, &choice->default_version_id);
	return now;
}

bool promises_find(const struct promises *now, enum sla_kind kind, int severity, struct bytes channel,
		   struct sla_terms *terms, const struct promise **by)
{
	const struct sla_policy *policies[PROMISES_MAX];

	for (int i = 0; i < PROMISES_MAX; i++)
		policies[i] = now->of[i] ? &now->of[i]->policy : NULL;
	if (!sla_find_terms(policies, PROMISES_MAX, kind, severity, channel, terms))
		return false;
	*by = now->of[terms->candidate];
	return true;
}

bool terms_of_clock(struct fold *f, const struct clock *row, struct sla_terms *terms)
{
	const struct promise *p = promise_of(f, &row->version_id);

	if (!p)
		return false;
	*terms = (struct sla_terms){
		.policy = &p->policy, .seconds = row->target_seconds,
		.calendar = row->always_open == 1 ? &calendar_always : &p->policy.calendar,
	};
	return true;
}

bool terms_anew(struct fold *f, const struct clock *row, int severity, struct bytes channel, struct sla_terms *terms,
		const struct promise **by)
{
	struct promises pinned = { { promise_of(f, &row->version_id) } };

	return promises_find(&pinned, (enum sla_kind)row->clock, severity, channel, terms, by);
}

void wish_promise(struct wish *w, const struct uuid *version_id, const struct uuid *tenant_id)
{
	if (!uuid_is_nil(version_id) && !memo_find(wish_state(w), tenant_id, version_id))
		wish_row(w, &sla_policy_versions, version_id);
}

void wish_promises(struct wish *w, const struct uuid *tenant_id, const struct uuid *team_id, int16_t tier)
{
	const struct policy_choice *choice = wish_row(w, &sla_policy_choices, tenant_id);
	const struct team *team = wish_row(w, &teams, team_id);
	const struct sla *own = team ? wish_row(w, &slas, &team->sla_override_id) : NULL;
	struct uuid of_tier;

	if (own)
		wish_promise(w, &own->version_id, tenant_id);
	if (!choice)
		return;
	for (int16_t any = 0; values_sla_tier[any]; any++) {
		of_tier = policy_choice_of(choice, any);
		if (tier < 0 || tier == any)
			wish_promise(w, &of_tier, tenant_id);
	}
	wish_promise(w, &choice->default_version_id, tenant_id);
}
