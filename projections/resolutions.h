/*
 * resolutions - the row of a resolution, as far as the swarms' fold looks at it.
 */
#ifndef VERBATIM_PROJECTIONS_RESOLUTIONS_H
#define VERBATIM_PROJECTIONS_RESOLUTIONS_H

#include "fold/state.h"

struct resolution {
	struct row row;
	struct uuid conversation_id;
	int16_t issue_type;
	struct bytes issue_subtype;
	int16_t owning_team;
	struct uuid owner_id;
	int16_t status;
	int64_t expected_resolution_at, eta_window_hours, eta_updated_at;
	struct bytes eta_update_reason;
	int64_t sla_started_at, sla_paused_at, sla_total_paused_seconds;
	int8_t sla_breached;
	int16_t priority;
	struct bytes root_cause, root_cause_category, affected_systems;
	struct bytes fix_description, fix_commit_url;
	int64_t fix_deployed_at;
	int8_t is_recurrence;
	struct uuid parent_resolution_id;
	int64_t recurrence_count;
	struct bytes tags, metadata;
	int64_t acknowledged_at, resolved_at, created_at, updated_at;

	struct uuid duplicate_of, swarm_id;
	struct bytes recurrence_ids;
	int64_t reopen_count, duplicate_height;
	int64_t clock_cycle, breached_clocks; /* of its own clock (projections/sla_work.c) */
};

#endif
