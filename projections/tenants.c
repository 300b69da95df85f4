/* tenants - the organisations, their plan and settings; one row a tenant. */
#include "projections/tenants.h"

#include "projections/registry.h"

struct tenant {
	struct row row;
	struct bytes name, slug, domain;
	struct uuid owner_id;
	struct bytes subscription_tier, subscription_status;
	int64_t trial_ends_at;
	struct bytes settings, feature_flags, branding, localization, limits, security_policy;
	struct bytes usage, reporting_time_zone;
	int8_t is_active;
	int64_t created_at, updated_at;
};

struct bytes tenant_setting(struct fold *f, const char *name)
{
	const struct tenant *t = fold_find(f, &tenants, &f->event->tenant_id);

	return t ? fold_object_get(t->settings, bytes_text(name)) : (struct bytes){ NULL, 0 };
}

struct bytes tenant_time_zone(struct fold *f)
{
	const struct tenant *t = fold_find(f, &tenants, &f->event->tenant_id);

	return t ? t->reporting_time_zone : BYTES("UTC");
}

/* settings.reporting_time_zone, else localization.timezone, as far as they name one that is known; else UTC. */
static int derive_time_zone(struct fold *f, const struct event *e)
{
	struct tenant *t = f->row;
	struct bytes names[] = { json_string(fold_object_get(t->settings, BYTES("reporting_time_zone")), f->arena),
				 json_string(fold_object_get(t->localization, BYTES("timezone")), f->arena) };

	t->reporting_time_zone = BYTES("UTC");
	for (int i = 1; i >= 0; i--)
		if (names[i].data && f->state->zones.find(f->state->zones.data, names[i]))
			t->reporting_time_zone = names[i];
	return 0;
}

static int on_plan_changed(struct fold *f, const struct event *e)
{
	struct tenant *t = f->row;

	t->subscription_tier = fold_keep(f, field_text(&f->fields, "tier"));
	if (field_has(&f->fields, "status"))
		t->subscription_status = fold_keep(f, field_text(&f->fields, "status"));
	return 0;
}

static int on_activated(struct fold *f, const struct event *e)
{
	struct tenant *t = f->row;

	t->is_active = e->type->kind == EV_TENANT_ACTIVATED;
	return 0;
}

/* usage = {"2026-11": {"messages": 5}}: sums by month and counter. */
static int on_usage_recorded(struct fold *f, const struct event *e)
{
	struct tenant *t = f->row;
	struct bytes period = field_raw(&f->fields, "period"), counter = field_text(&f->fields, "counter");
	struct bytes month, old;
	int64_t sum;

	period = bytes_of(period.data + 1, period.len - 2);
	month = fold_object_get(t->usage, period);
	old = fold_object_get(month, counter);
	sum = old.data ? strtoll(fold_format(f, "%.*s%c", (int)old.len, old.data, 0).data, NULL, 10) : 0;
	if (__builtin_add_overflow(sum, field_int(&f->fields, "delta", 0), &sum))
		return fold_anomaly(f, "bad_value", "the sum of \"%.*s\" overflows", (int)counter.len, counter.data);
	month = fold_object_set(f, month, counter, fold_format(f, "%lld", (long long)sum));
	t->usage = fold_object_set(f, t->usage, period, month);
	return 0;
}

static const struct column columns[] = {
	COLUMN(tenant, name, TEXT, .sql = "varchar(255)", .required = true),
	COLUMN(tenant, slug, TEXT, .sql = "varchar(255)"),
	COLUMN(tenant, domain, TEXT, .sql = "varchar(255)"),
	COLUMN(tenant, owner_id, UUID),
	COLUMN(tenant, subscription_tier, TEXT, .sql = "varchar(50)", .required = true, .fallback = "standard"),
	COLUMN(tenant, subscription_status, TEXT, .sql = "varchar(50)", .open = true),
	COLUMN(tenant, trial_ends_at, TIME),
	COLUMN(tenant, settings, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, feature_flags, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, branding, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, localization, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, limits, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, security_policy, JSON, .required = true, .fallback = "{}"),
	COLUMN(tenant, usage, JSON, .required = true, .fallback = "{}", .about = "what was used, by month and counter"),
	COLUMN(tenant, reporting_time_zone, TEXT, .required = true, .open = true, .fallback = "UTC",
	       .about = "whose days reports count by: settings.reporting_time_zone, else localization.timezone, else UTC"),
	COLUMN(tenant, is_active, BOOL, .required = true, .fallback = "true"),
	COLUMN(tenant, created_at, TIME, .required = true),
	COLUMN(tenant, updated_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(TENANT_CREATED, CREATE, .then = derive_time_zone),
	ON(TENANT_UPDATED, CHANGES, .then = derive_time_zone),
	ON(TENANT_PLAN_CHANGED, COPY, .then = on_plan_changed),
	ON(TENANT_ACTIVATED, COPY, .then = on_activated),
	ON(TENANT_DEACTIVATED, COPY, .then = on_activated),
	ON(TENANT_USAGE_RECORDED, COPY, .then = on_usage_recorded),
	{ .kind = EV_UNKNOWN },
};

const struct projection tenants = {
	.schema = "core", .name = "tenants", .version = 2,
	.about = "Organisations that use the system: the boundary of everything else.",
	.entity = ENTITY_TENANT, COLUMNS(tenant, columns), FOLDS(folds), .fillfactor = 90,
};
