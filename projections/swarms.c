/*
 * swarms - the people who gather in a Slack channel around one resolution.
 *
 * A swarm is resolved when its resolution is over and active again when that is reopened, until it is archived.
 * Who takes part and how far the channel was read is still noted then.
 */
#include "fold/state.h"
#include "projections/registry.h"
#include "projections/resolutions.h"

struct swarm {
	struct row row;
	struct uuid resolution_id;
	struct bytes slack_channel_id, slack_channel_name, slack_channel_url;
	struct bytes participants;
	struct uuid lead_id;
	int16_t status;
	int64_t last_synced_at;
	int8_t sync_enabled;
	int64_t created_at, archived_at;
};

/* One entry a person: {user_id, slack_id, role}; somebody who comes again is entered anew. */
static int on_participant(struct fold *f, const struct event *e)
{
	struct swarm *s = f->row;
	struct bytes user = field_raw(&f->fields, "user_id"), list = BYTES("[]"), key, value;
	size_t at = 0;

	while (json_next(s->participants, &at, &key, &value))
		if (!bytes_equal(json_member(value, "user_id"), user))
			list = fold_list_add(f, list, value);
	s->participants = e->type->kind == EV_SWARM_PARTICIPANT_ADDED ? fold_list_add(f, list, fold_payload(f, NULL)) : list;
	return 0;
}

static int on_synced(struct fold *f, const struct event *e)
{
	struct swarm *s = fold_self(f, &e->entity_id);

	if (!s)
		return fold_anomaly(f, "unknown_swarm", "no such swarm");
	fold_change(f, s);
	s->last_synced_at = time_later(s->last_synced_at, field_time(&f->fields, "last_synced_at"));
	return 0;
}

static int on_sync_toggled(struct fold *f, const struct event *e)
{
	struct swarm *s = f->row;

	s->sync_enabled = field_bool(&f->fields, "enabled", true);
	return 0;
}

static int on_archived(struct fold *f, const struct event *e)
{
	struct swarm *s = f->row;

	s->archived_at = e->occurred_at;
	return 0;
}

/* The resolution's fold has moved its status. */
static int on_resolution(struct fold *f, const struct event *e)
{
	const struct resolution *r = (const struct resolution *)(const void *)f->facts.resolution;
	bool over, was_over;
	struct swarm *s;

	if (!r || !f->facts.resolution_moved)
		return 0;
	over = resolution_is_over(f->facts.resolution_to);
	was_over = resolution_is_over(f->facts.resolution_from);
	s = over != was_over ? fold_self(f, &r->swarm_id) : NULL;
	if (s && fold_step(f, &swarm_machine, &s->status, over ? SWARM_INPUT_RESOLUTION_OVER : SWARM_INPUT_RESOLUTION_REOPENED) ==
			 VERDICT_MOVE)
		fold_change(f, s);
	return 0;
}

static const struct column columns[] = {
	COLUMN(swarm, resolution_id, UUID, .required = true),
	COLUMN(swarm, slack_channel_id, TEXT, .sql = "varchar(50)", .required = true),
	COLUMN(swarm, slack_channel_name, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(swarm, slack_channel_url, TEXT),
	COLUMN(swarm, participants, JSON, .required = true, .fallback = "[]", .about = "user_id, slack_id and role of each"),
	COLUMN(swarm, lead_id, UUID),
	COLUMN(swarm, status, ENUM, .sql = "varchar(20)", .required = true, .values = swarm_statuses, .machine = &swarm_machine,
	       .fallback = "active"),
	COLUMN(swarm, last_synced_at, TIME),
	COLUMN(swarm, sync_enabled, BOOL, .fallback = "true"),
	COLUMN(swarm, created_at, TIME, .required = true),
	COLUMN(swarm, archived_at, TIME),
};

static const struct fold_entry folds[] = {
	ON(SWARM_CREATED, CREATE),
	ON(SWARM_PARTICIPANT_ADDED, COPY, .then = on_participant),
	ON(SWARM_PARTICIPANT_REMOVED, COPY, .then = on_participant),
	ON(SWARM_LEAD_CHANGED, COPY),
	ON(SWARM_SYNCED, CALL, .then = on_synced),
	ON(SWARM_SYNC_TOGGLED, COPY, .then = on_sync_toggled),
	ON(SWARM_RESOLVED, COPY),
	ON(SWARM_REACTIVATED, COPY),
	ON(SWARM_ARCHIVED, COPY, .then = on_archived),
	ON(RESOLUTION_STATUS_CHANGED, CALL, .then = on_resolution),
	ON(RESOLUTION_REOPENED, CALL, .then = on_resolution),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, resolution_id)", "(tenant_id, slack_channel_id)", "(tenant_id, status)", NULL,
};

const struct projection swarms = {
	.schema = "core", .name = "swarms", .version = 1,
	.about = "The people who gather in a Slack channel around a resolution.",
	.entity = ENTITY_SWARM, COLUMNS(swarm, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
	NEEDS(&resolutions),
};
