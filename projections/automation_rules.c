/*
 * automation_rules - what is to happen by itself, as data: the event that sets a rule off, what must hold, what is done.
 *
 * Writing a rule anew replaces it as a whole, `enabled` too, and is a new version; enabling and disabling are not.
 */
#include "fold/state.h"
#include "projections/registry.h"

struct rule {
	struct row row;
	struct bytes name, description, trigger_event, conditions, actions;
	int64_t priority;
	int8_t stop_processing;
	int64_t cooldown_seconds;
	struct bytes cooldown_key;
	int8_t enabled;
	struct uuid created_by_id, updated_by_id;
	int64_t created_at, updated_at;
	int64_t version, fired_count, skipped_count, last_fired_at, deleted_at;
};

static int on_written(struct fold *f, const struct event *e)
{
	struct rule *r = f->row;

	if (r->version++ == 0)
		r->created_by_id = fold_author(e);
	r->updated_by_id = fold_author(e);
	return 0;
}

static int on_switched(struct fold *f, const struct event *e)
{
	struct rule *r = f->row;

	r->enabled = e->type->kind == EV_AUTOMATION_RULE_ENABLED;
	r->updated_by_id = fold_author(e);
	if (e->type->kind == EV_AUTOMATION_RULE_DELETED)
		r->deleted_at = time_earlier(r->deleted_at, e->occurred_at);
	return 0;
}

/* No COPY: `actions` of automation.fired are what was done, not what is to be done. */
static int on_run(struct fold *f, const struct event *e)
{
	struct rule *r = fold_self(f, &e->entity_id);

	if (!r)
		return fold_anomaly(f, "unknown_automation_rule", "no such automation_rule");
	fold_change(f, r);
	if (e->type->kind == EV_AUTOMATION_SKIPPED) {
		r->skipped_count++;
		return 0;
	}
	r->fired_count++;
	r->last_fired_at = time_later(r->last_fired_at, e->occurred_at);
	return 0;
}

static const struct column columns[] = {
	COLUMN(rule, name, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(rule, description, TEXT),
	COLUMN(rule, trigger_event, TEXT, .sql = "varchar(50)", .required = true),
	COLUMN(rule, conditions, JSON, .required = true, .fallback = "[]", .about = "all must hold: field, operator, value"),
	COLUMN(rule, actions, JSON, .required = true, .fallback = "[]", .about = "done in order"),
	COLUMN(rule, priority, INT4, .sql = "integer", .fallback = "100", .about = "the least goes first"),
	COLUMN(rule, stop_processing, BOOL, .fallback = "false", .about = "no further rule after this one"),
	COLUMN(rule, cooldown_seconds, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(rule, cooldown_key, TEXT, .sql = "varchar(50)", .about = "the field by which the cooldown counts"),
	COLUMN(rule, enabled, BOOL, .fallback = "true"),
	COLUMN(rule, created_by_id, UUID),
	COLUMN(rule, updated_by_id, UUID, .about = "who wrote it or switched it last"),
	COLUMN(rule, created_at, TIME, .required = true),
	COLUMN(rule, updated_at, TIME, .required = true),
	COLUMN(rule, version, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(rule, fired_count, INT8, .required = true, .fallback = "0"),
	COLUMN(rule, skipped_count, INT8, .required = true, .fallback = "0"),
	COLUMN(rule, last_fired_at, TIME),
	COLUMN(rule, deleted_at, TIME),
};

static const struct fold_entry folds[] = {
	ON(AUTOMATION_RULE_CREATED, CREATE, .then = on_written),
	ON(AUTOMATION_RULE_UPDATED, REWRITE, .then = on_written),
	ON(AUTOMATION_RULE_ENABLED, COPY, .then = on_switched),
	ON(AUTOMATION_RULE_DISABLED, COPY, .then = on_switched),
	ON(AUTOMATION_RULE_DELETED, COPY, .then = on_switched),
	ON(AUTOMATION_FIRED, CALL, .then = on_run),
	ON(AUTOMATION_SKIPPED, CALL, .then = on_run),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, trigger_event)", "(tenant_id, enabled)", "(tenant_id, priority)", NULL,
};

const struct projection automation_rules = {
	.schema = "core", .name = "automation_rules", .version = 1,
	.about = "What is to happen by itself: the event that sets a rule off, what must hold, and what is done.",
	.entity = ENTITY_AUTOMATION_RULE, COLUMNS(rule, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
};
