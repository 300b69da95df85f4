/*
 * slas - what is promised: response and resolution times by tier, channel and priority, and the hours that count.
 *
 * Each writing of a policy is a new version of it, as a whole; here stands the newest, and sla_policy_versions keeps
 * them all, since a clock goes by the version it began with.  Switching a policy off or on is no new version.
 */
#include "projections/slas.h"

#include "projections/registry.h"

const char *const policy_on_reopen[] = { "resume", "restart", NULL };
const char *const policy_response_by[] = { "human", "ai", "any", NULL };

#define DAY(name) "\"" name "\":{\"end\":\"17:00\",\"start\":\"09:00\"}"
const char policy_hours[] = "{" DAY("friday") "," DAY("monday") "," DAY("thursday") "," DAY("tuesday") "," DAY("wednesday") "}";

static int on_written(struct fold *f, const struct event *e)
{
	struct sla *s = f->row;

	s->policy_version++;
	s->version_id = e->event_id;
	return 0;
}

static int on_activated(struct fold *f, const struct event *e)
{
	struct sla *s = f->row;

	s->is_active = e->type->kind == EV_SLA_POLICY_ACTIVATED;
	return 0;
}

static const struct column columns[] = {
	POLICY_COLUMNS(sla),
	COLUMN(sla, is_active, BOOL, .fallback = "true"),
	COLUMN(sla, created_at, TIME, .required = true),
	COLUMN(sla, updated_at, TIME, .required = true),
	POLICY_MORE_COLUMNS(sla),
	COLUMN(sla, policy_version, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(sla, version_id, UUID, .required = true, .about = "its row in sla_policy_versions"),
};

static const struct fold_entry folds[] = {
	ON(SLA_POLICY_CREATED, CREATE, .then = on_written),
	ON(SLA_POLICY_UPDATED, REWRITE, .then = on_written),
	ON(SLA_POLICY_ACTIVATED, COPY, .then = on_activated),
	ON(SLA_POLICY_DEACTIVATED, COPY, .then = on_activated),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, tier)", "(tenant_id, is_default) WHERE is_default", NULL };

const struct projection slas = {
	.schema = "core", .name = "slas", .version = 1,
	.about = "What is promised: response and resolution times, and the hours that count; each policy in its newest version.",
	.entity = ENTITY_SLA_POLICY, COLUMNS(sla, columns), FOLDS(folds), .indexes = indexes,
};
