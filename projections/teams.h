/*
 * teams - the row of a team, as far as the clocks' folds look at it.
 */
#ifndef VERBATIM_PROJECTIONS_TEAMS_H
#define VERBATIM_PROJECTIONS_TEAMS_H

#include "fold/state.h"

struct team {
	struct row row;
	struct bytes name, description, default_skills;
	int16_t routing_mode;
	struct uuid sla_override_id, escalation_team_id;
	int8_t is_active;
	int64_t created_at, updated_at;
};

#endif
