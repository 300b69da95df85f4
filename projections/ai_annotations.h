/*
 * ai_annotations - the row of an annotation, as far as the conversations' fold looks at it.
 */
#ifndef VERBATIM_PROJECTIONS_AI_ANNOTATIONS_H
#define VERBATIM_PROJECTIONS_AI_ANNOTATIONS_H

#include "fold/state.h"

struct annotation {
	struct row row;
	struct uuid message_id;
	struct bytes intent;
	int64_t intent_confidence;
	int16_t severity;
	int64_t severity_confidence;
	int16_t sentiment;
	int64_t sentiment_score;
	struct bytes entities, suspected_root_cause, suggested_action, suggested_response;
	struct bytes suggested_kb_articles, suggested_skills;
	struct uuid suggested_team_id;
	int8_t escalation_recommended;
	struct bytes model_version;
	int64_t processing_time_ms;
	int8_t human_corrected;
	struct uuid corrected_by_id;
	int64_t corrected_at;
	struct bytes correction_notes;
	int64_t created_at;
	struct uuid ai_interaction_id;
	int16_t suggestion_outcome;
	int64_t suggestion_outcome_at;
};

#endif
