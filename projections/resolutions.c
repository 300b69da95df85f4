/*
 * resolutions - the longer work on an issue behind a conversation, from investigation to a deployed fix.
 *
 * The status moves by the table in rules/lifecycle.c.  A change of status whose previous_status is not the status is
 * stale; one to `duplicate` must name another resolution that there is, and must not close a circle.  What is refused
 * leaves the row as it was, with an anomaly, and resolution_updates keeps it as a note.
 *
 * resolved_at is set when the work is over (resolved, wont_fix, duplicate) and cleared when it is reopened.  The clock
 * can be stopped by hand; the end of the work ends the stop too.  recurrence_count is the number of different
 * resolutions that resolution.recurred named.
 *
 * A resolution has one swarm, the first that was made for it.
 */
#include "projections/resolutions.h"

#include "projections/registry.h"

static const struct chain duplicates = {
	offsetof(struct resolution, duplicate_of), offsetof(struct resolution, duplicate_height), "duplicate",
};

/* The event's own resolution; NULL and an anomaly when there is none. */
static struct resolution *resolution_of(struct fold *f, const struct event *e)
{
	struct resolution *r = fold_self(f, &e->entity_id);

	if (!r)
		fold_anomaly(f, "unknown_resolution", "no such resolution");
	return r;
}

static int on_created(struct fold *f, const struct event *e)
{
	struct resolution *r = f->row;

	r->sla_started_at = e->occurred_at;
	return 0;
}

static int on_acknowledged(struct fold *f, const struct event *e)
{
	struct resolution *r = f->row;

	r->acknowledged_at = time_earlier(r->acknowledged_at, e->occurred_at);
	return 0;
}

/* ---- the clock, as far as it is stopped by hand ---- */

static void resume(struct resolution *r, int64_t at)
{
	int64_t seconds = r->sla_paused_at == TIME_NONE || at < r->sla_paused_at ? 0 : (at - r->sla_paused_at) / TIME_SECOND;

	r->sla_total_paused_seconds += seconds;
	if (r->sla_total_paused_seconds > INT32_MAX)
		r->sla_total_paused_seconds = INT32_MAX;
	r->sla_paused_at = TIME_NONE;
}

static int on_paused(struct fold *f, const struct event *e)
{
	struct resolution *r = f->row;

	if (resolution_is_over(r->status))
		return fold_anomaly(f, "transition", "the clock of a resolution that is %s does not run", values_resolution_status[r->status]);
	if (r->sla_paused_at == TIME_NONE)
		r->sla_paused_at = e->occurred_at;
	return 0;
}

static int on_resumed(struct fold *f, const struct event *e)
{
	resume(f->row, e->occurred_at);
	return 0;
}

/* ---- the status ---- */

static int refuse(struct fold *f, struct resolution *r)
{
	f->facts.resolution = &r->row;
	f->facts.resolution_refused = true;
	return 0;
}

/* Asks the machine; true when the event applies. */
static bool step(struct fold *f, const struct event *e, struct resolution *r, int input)
{
	int16_t from = r->status;
	enum verdict verdict = fold_step(f, &resolution_machine, &r->status, input);

	f->facts.resolution = &r->row;
	f->facts.resolution_refused = verdict == VERDICT_ANOMALY;
	if (verdict != VERDICT_MOVE)
		return verdict == VERDICT_STAY;
	fold_change(f, r);
	f->facts.resolution_moved = true;
	f->facts.resolution_from = from;
	f->facts.resolution_to = r->status;
	if (resolution_is_over(r->status)) {
		r->resolved_at = e->occurred_at;
		resume(r, e->occurred_at);
	} else if (resolution_is_over(from)) {
		r->resolved_at = TIME_NONE;
		r->reopen_count++;
		memset(&r->duplicate_of, 0, sizeof(r->duplicate_of));
	}
	return true;
}

static bool may_be_duplicate(struct fold *f, struct resolution *r, const struct uuid *of)
{
	struct resolution *other = fold_self(f, of);

	if (uuid_is_nil(of))
		fold_anomaly(f, "incomplete_duplicate", "it is not said what it is a duplicate of");
	else if (!other)
		fold_anomaly(f, "unknown_resolution", "what it is a duplicate of is not known");
	else
		return fold_chain_fits(f, &duplicates, r, other);
	return false;
}

static int on_status_changed(struct fold *f, const struct event *e)
{
	struct resolution *r = resolution_of(f, e);
	int16_t previous = (int16_t)field_enum(&f->fields, "previous_status"), to = (int16_t)field_enum(&f->fields, "new_status");
	struct uuid of = field_uuid(&f->fields, "duplicate_of");

	if (!r)
		return 0;
	if (to != r->status && previous != r->status) {
		fold_anomaly(f, "stale_write", "the resolution is %s, not %s", values_resolution_status[r->status],
			     values_resolution_status[previous]);
		return refuse(f, r);
	}
	if (to == RESOLUTION_DUPLICATE && to != r->status && !may_be_duplicate(f, r, &of))
		return refuse(f, r);
	if (step(f, e, r, to) && to == RESOLUTION_DUPLICATE)
		fold_chain_join(f, &duplicates, r, fold_self(f, &of));
	return 0;
}

static int on_fix_deployed(struct fold *f, const struct event *e)
{
	struct resolution *r = resolution_of(f, e);

	if (!r || !step(f, e, r, RESOLUTION_INPUT_FIX_DEPLOYED))
		return 0;
	fold_change(f, r);
	fold_copy(f, r);
	return 0;
}

static int on_reopened(struct fold *f, const struct event *e)
{
	struct resolution *r = resolution_of(f, e);

	if (r)
		step(f, e, r, RESOLUTION_INPUT_REOPENED);
	return 0;
}

/* ---- what belongs to it ---- */

static int on_eta_changed(struct fold *f, const struct event *e)
{
	struct resolution *r = f->row;

	r->eta_updated_at = e->occurred_at;
	return 0;
}

static int on_priority_changed(struct fold *f, const struct event *e)
{
	struct resolution *r = f->row;

	r->priority = (int16_t)field_enum(&f->fields, "to");
	return 0;
}

/* On the one that was thought solved; the one that came back points at it. */
static int on_recurred(struct fold *f, const struct event *e)
{
	struct resolution *r = resolution_of(f, e), *child;
	struct uuid child_id = field_uuid(&f->fields, "child_resolution_id");
	char text[UUID_TEXT];

	if (!r)
		return 0;
	child = fold_self(f, &child_id);
	if (child == r)
		return fold_anomaly(f, "recurrence_cycle", "a resolution does not recur as itself");
	uuid_format(&child_id, text);
	if (fold_texts_has(r->recurrence_ids, bytes_text(text)))
		return 0;
	fold_change(f, r);
	r->recurrence_ids = fold_texts_add(f, r->recurrence_ids, bytes_text(text));
	r->recurrence_count++;
	if (!child)
		return 0;
	fold_change(f, child);
	child->is_recurrence = true;
	if (uuid_is_nil(&child->parent_resolution_id))
		child->parent_resolution_id = r->row.id;
	return 0;
}

static int on_swarm(struct fold *f, const struct event *e)
{
	struct resolution *r = fold_self(f, &e->resolution_id);

	if (!r)
		return fold_anomaly(f, "unknown_resolution", "no such resolution; the swarm is kept");
	if (uuid_equal(&r->swarm_id, &e->entity_id))
		return 0;
	if (!uuid_is_nil(&r->swarm_id))
		return fold_anomaly(f, "not_unique", "the resolution has a swarm already; this one is kept as it came");
	fold_change(f, r);
	r->swarm_id = e->entity_id;
	return 0;
}

static const struct column columns[] = {
	COLUMN(resolution, conversation_id, UUID, .required = true),
	COLUMN(resolution, issue_type, ENUM, .sql = "varchar(30)", .required = true, .values = values_issue_type),
	COLUMN(resolution, issue_subtype, TEXT, .sql = "varchar(50)"),
	COLUMN(resolution, owning_team, ENUM, .sql = "varchar(30)", .required = true, .values = values_owning_team),
	COLUMN(resolution, owner_id, UUID),
	COLUMN(resolution, status, ENUM, .sql = "varchar(30)", .required = true, .values = values_resolution_status,
	       .fallback = "investigating"),
	COLUMN(resolution, expected_resolution_at, TIME),
	COLUMN(resolution, eta_window_hours, INT4, .sql = "integer"),
	COLUMN(resolution, eta_updated_at, TIME),
	COLUMN(resolution, eta_update_reason, TEXT),
	COLUMN(resolution, sla_started_at, TIME, .required = true),
	COLUMN(resolution, sla_paused_at, TIME, .about = "stopped by hand since then"),
	COLUMN(resolution, sla_total_paused_seconds, INT4, .sql = "integer", .fallback = "0",
	       .about = "of the stops by hand that are over"),
	COLUMN(resolution, sla_breached, BOOL, .fallback = "false"),
	COLUMN(resolution, priority, ENUM, .sql = "varchar(10)", .required = true, .values = values_severity, .fallback = "P2"),
	COLUMN(resolution, root_cause, TEXT),
	COLUMN(resolution, root_cause_category, TEXT, .sql = "varchar(50)"),
	COLUMN(resolution, affected_systems, TEXTS),
	COLUMN(resolution, fix_description, TEXT),
	COLUMN(resolution, fix_commit_url, TEXT),
	COLUMN(resolution, fix_deployed_at, TIME),
	COLUMN(resolution, is_recurrence, BOOL, .fallback = "false"),
	COLUMN(resolution, parent_resolution_id, UUID),
	COLUMN(resolution, recurrence_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(resolution, tags, TEXTS, .fallback = "[]"),
	COLUMN(resolution, metadata, JSON, .fallback = "{}"),
	COLUMN(resolution, acknowledged_at, TIME),
	COLUMN(resolution, resolved_at, TIME, .about = "when the work was over; null again once it was reopened"),
	COLUMN(resolution, created_at, TIME, .required = true),
	COLUMN(resolution, updated_at, TIME, .required = true),

	COLUMN(resolution, duplicate_of, UUID, .ref = ENTITY_RESOLUTION),
	COLUMN(resolution, swarm_id, UUID, .ref = ENTITY_SWARM),
	COLUMN(resolution, recurrence_ids, UUIDS, .required = true, .fallback = "[]", .about = "the resolutions it came back as"),
	COLUMN(resolution, reopen_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(resolution, duplicate_height, INT2, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(resolution, clock_cycle, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(resolution, breached_clocks, INT4, .hidden = true, .required = true, .fallback = "0"),
};

static const struct fold_entry folds[] = {
	ON(RESOLUTION_CREATED, CREATE, .then = on_created),
	ON(RESOLUTION_ACKNOWLEDGED, COPY, .then = on_acknowledged),
	ON(RESOLUTION_STATUS_CHANGED, CALL, .then = on_status_changed, .refs = ENTITY_RESOLUTION),
	ON(RESOLUTION_ETA_CHANGED, COPY, .then = on_eta_changed),
	ON(RESOLUTION_ASSIGNED, COPY),
	ON(RESOLUTION_PRIORITY_CHANGED, COPY, .then = on_priority_changed),
	ON(RESOLUTION_ROOT_CAUSE_IDENTIFIED, COPY),
	ON(RESOLUTION_FIX_DEPLOYED, CALL, .then = on_fix_deployed),
	ON(RESOLUTION_NOTE_ADDED, COPY),
	ON(RESOLUTION_SLA_PAUSED, COPY, .then = on_paused),
	ON(RESOLUTION_SLA_RESUMED, COPY, .then = on_resumed),
	ON(RESOLUTION_RECURRED, CALL, .then = on_recurred, .refs = ENTITY_RESOLUTION),
	ON(RESOLUTION_REOPENED, CALL, .then = on_reopened),
	ON(SWARM_CREATED, CALL, .then = on_swarm),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, conversation_id)", "(tenant_id, status)", "(tenant_id, owning_team)", "(tenant_id, priority)",
	"(tenant_id, created_at DESC)",
	"(tenant_id, priority, created_at) WHERE status NOT IN ('resolved', 'wont_fix', 'duplicate')", /* v_resolution_dashboard */
	NULL,
};

const struct projection resolutions = {
	.schema = "core", .name = "resolutions", .version = 2,
	.about = "The longer work on an issue behind a conversation.",
	.entity = ENTITY_RESOLUTION, COLUMNS(resolution, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 80,
	NEEDS(&sla_clocks),
};
