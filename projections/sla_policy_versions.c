/* sla_policy_versions - every version that a policy ever had, under the id of the event that wrote it; never changed. */
#include "projections/registry.h"
#include "projections/sla_terms.h"
#include "projections/slas.h"

static int on_written(struct fold *f, const struct event *e)
{
	const struct sla *s = fold_find(f, &slas, &e->entity_id);
	struct policy_version *v;

	if (!s || !uuid_equal(&s->version_id, &e->event_id))
		return 0; /* the policies' fold did not take it, and says so */
	v = fold_add(f);
	fold_copy(f, v);
	v->sla_id = e->entity_id;
	v->policy_version = s->policy_version;
	v->written_by_id = fold_author(e);
	return promise_check(f, v);
}

static const struct column columns[] = {
	COLUMN(policy_version, sla_id, UUID, .required = true),
	COLUMN(policy_version, policy_version, INT4, .sql = "integer", .required = true),
	POLICY_COLUMNS(policy_version),
	POLICY_MORE_COLUMNS(policy_version),
	COLUMN(policy_version, created_at, TIME, .required = true),
	COLUMN(policy_version, written_by_id, UUID, .about = "null: it was no user"),
};

static const struct fold_entry folds[] = {
	ON(SLA_POLICY_CREATED, CALL, .then = on_written),
	ON(SLA_POLICY_UPDATED, CALL, .then = on_written),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, sla_id, policy_version)", NULL };

const struct projection sla_policy_versions = {
	.schema = "core", .name = "sla_policy_versions", .version = 1,
	.about = "Every version of every SLA policy; a clock goes by the version it began with.",
	COLUMNS(policy_version, columns), FOLDS(folds), .indexes = indexes,
	NEEDS(&slas),
};
