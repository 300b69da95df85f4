/* teams - groups of users that conversations are given to.  Who belongs to one stands in users. */
#include "projections/teams.h"

#include "projections/registry.h"

static int on_activated(struct fold *f, const struct event *e)
{
	struct team *t = f->row;

	t->is_active = e->type->kind == EV_TEAM_ACTIVATED;
	return 0;
}

static const struct column columns[] = {
	COLUMN(team, name, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(team, description, TEXT),
	COLUMN(team, default_skills, TEXTS, .fallback = "[]"),
	COLUMN(team, routing_mode, ENUM, .sql = "varchar(20)", .values = values_routing_mode, .fallback = "round_robin"),
	COLUMN(team, sla_override_id, UUID),
	COLUMN(team, escalation_team_id, UUID),
	COLUMN(team, is_active, BOOL, .fallback = "true"),
	COLUMN(team, created_at, TIME, .required = true),
	COLUMN(team, updated_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(TEAM_CREATED, CREATE),
	ON(TEAM_UPDATED, CHANGES),
	ON(TEAM_ACTIVATED, COPY, .then = on_activated),
	ON(TEAM_DEACTIVATED, COPY, .then = on_activated),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, name)", "(tenant_id, is_active)", NULL };

const struct projection teams = {
	.schema = "core", .name = "teams", .version = 1,
	.about = "Groups of users that conversations are given to, and how each shares them out.",
	.entity = ENTITY_TEAM, COLUMNS(team, columns), FOLDS(folds), .indexes = indexes,
};
