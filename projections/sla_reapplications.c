/*
 * sla_reapplications - who asked for all clocks of a policy to go by its newest version, and how far that has come.
 *
 * A row is a sla_policy.reapply of `all`, under its event_id.  The engine's timers journal the events that name whom it
 * concerns (rules/reapply.h); each that is the next one counts here, and the one that names nobody ends it.  What an
 * event with names does is the clocks' own fold, whoever sent it.
 *
 * Nothing follows from what is silent, so a silent one is an anomaly `unbounded`: it concerns nobody.
 */
#include "projections/registry.h"
#include "projections/slas.h"
#include "rules/reapply.h"

struct reapplication {
	struct row row;
	struct uuid policy_id;
	int64_t policy_version, asked_at;
	struct uuid asked_by_id;
	int64_t parts, named, finished_at;

	int64_t shard, next_at;
};

static int64_t count_of(struct fold *f, const char *field)
{
	struct bytes ids = field_raw(&f->fields, field), key, value;
	int64_t count = 0;
	size_t at = 0;

	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value))
		count++;
	return count;
}

static void take_part(struct fold *f, const struct event *e)
{
	struct reapplication *r = uuid_is_nil(&e->causation_id) ? NULL : fold_self(f, &e->causation_id);
	struct uuid id;
	int64_t named;

	if (!r || r->finished_at != TIME_NONE || !uuid_equal(&r->policy_id, &e->entity_id))
		return;
	id = reapply_id(&e->tenant_id, &r->row.id, r->parts + 1);
	if (!uuid_equal(&id, &e->event_id))
		return; /* somebody's own, who gave that one as its cause */
	fold_change(f, r);
	named = count_of(f, "conversation_ids") + count_of(f, "resolution_ids");
	r->parts++;
	r->named += named;
	if (named == 0) {
		r->finished_at = e->recorded_at;
		r->next_at = TIME_NONE;
	}
}

static int on_reapply(struct fold *f, const struct event *e)
{
	const struct sla *s;
	struct reapplication *r;

	take_part(f, e);
	if (!field_bool(&f->fields, "all", false))
		return 0;
	s = fold_find(f, &slas, &e->entity_id);
	if (!s)
		return fold_anomaly(f, "unknown_sla_policy", "no such policy");
	if (e->silent)
		return fold_anomaly(f, "unbounded", "nothing follows from what is silent: name whom it concerns (core.sla_reapply)");
	r = fold_add(f);
	r->policy_id = e->entity_id;
	r->policy_version = s->policy_version;
	r->asked_at = e->occurred_at;
	r->asked_by_id = fold_author(e);
	r->parts = r->named = 0;
	r->shard = e->shard;
	r->next_at = e->recorded_at;
	return 0;
}

static void foresee(struct wish *w, const struct event *e)
{
	wish_row(w, &slas, &e->entity_id);
	if (!uuid_is_nil(&e->causation_id))
		wish_row(w, &sla_reapplications, &e->causation_id);
}

static const struct column columns[] = {
	COLUMN(reapplication, policy_id, UUID, .required = true, .about = "a row of slas"),
	COLUMN(reapplication, policy_version, INT4, .sql = "integer", .required = true, .about = "the newest when it was asked"),
	COLUMN(reapplication, asked_at, TIME, .required = true, .about = "since then the clocks go by it"),
	COLUMN(reapplication, asked_by_id, UUID, .about = "null: it was no user"),
	COLUMN(reapplication, parts, INT4, .sql = "integer", .required = true, .about = "events that the engine has journaled for it"),
	COLUMN(reapplication, named, INT4, .sql = "integer", .required = true, .about = "conversations and resolutions that these name"),
	COLUMN(reapplication, finished_at, TIME, .about = "when nobody was left to name; null: under way"),
	COLUMN(reapplication, shard, INT2, .hidden = true, .required = true),
	COLUMN(reapplication, next_at, TIME, .hidden = true, .about = "since when there is something to journal; null: nothing"),
};

static const struct fold_entry folds[] = {
	ON(SLA_POLICY_REAPPLY, CALL, .then = on_reapply),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(shard, next_at) WHERE next_at IS NOT NULL", "(tenant_id, policy_id)", NULL };

const struct projection sla_reapplications = {
	.schema = "core", .name = "sla_reapplications", .version = 1,
	.about = "Who asked for all clocks of an SLA policy to go by its newest version, and how far that has come.",
	COLUMNS(reapplication, columns), FOLDS(folds), .indexes = indexes, .foresee = foresee,
};
