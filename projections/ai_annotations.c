/*
 * ai_annotations - what models said about messages, and where people put them right.
 *
 * A correction changes the columns themselves; what the model had said first stands in messages.ai_annotations and
 * in the log.  human_corrected tells a person's correction from one that a program made.
 */
#include "projections/ai_annotations.h"

#include "projections/messages.h"
#include "projections/registry.h"

static const char *const outcomes[] = { "used", "rejected", NULL };

static int on_corrected(struct fold *f, const struct event *e)
{
	struct annotation *a = f->row;

	f->facts.annotation = &a->row;
	f->facts.message = fold_find(f, &messages, &a->message_id);
	if (e->actor_type != ACTOR_USER)
		return 0;
	a->human_corrected = true;
	a->corrected_by_id = e->actor_id;
	a->corrected_at = e->occurred_at;
	return 0;
}

static int on_suggestion(struct fold *f, const struct event *e)
{
	struct annotation *a = fold_self(f, &e->entity_id);

	if (!a)
		return fold_anomaly(f, "unknown_annotation", "no such annotation");
	fold_change(f, a);
	a->suggestion_outcome = e->type->kind == EV_AI_SUGGESTION_REJECTED;
	a->suggestion_outcome_at = e->occurred_at;
	return 0;
}

static const struct column columns[] = {
	COLUMN(annotation, message_id, UUID, .required = true, .ref = ENTITY_MESSAGE),
	COLUMN(annotation, intent, TEXT, .sql = "varchar(50)", .required = true),
	COLUMN(annotation, intent_confidence, DECIMAL, .sql = "numeric(3,2)", .scale = 2, .required = true),
	COLUMN(annotation, severity, ENUM, .sql = "varchar(10)", .required = true, .values = values_severity),
	COLUMN(annotation, severity_confidence, DECIMAL, .sql = "numeric(3,2)", .scale = 2, .required = true),
	COLUMN(annotation, sentiment, ENUM, .sql = "varchar(20)", .required = true, .values = values_sentiment),
	COLUMN(annotation, sentiment_score, DECIMAL, .sql = "numeric(4,3)", .scale = 3, .about = "-1 to 1"),
	COLUMN(annotation, entities, JSON, .fallback = "{}", .about = "transaction_ids, error_codes, product_names"),
	COLUMN(annotation, suspected_root_cause, TEXT),
	COLUMN(annotation, suggested_action, TEXT),
	COLUMN(annotation, suggested_response, TEXT),
	COLUMN(annotation, suggested_kb_articles, UUIDS),
	COLUMN(annotation, suggested_skills, TEXTS),
	COLUMN(annotation, suggested_team_id, UUID),
	COLUMN(annotation, escalation_recommended, BOOL, .fallback = "false"),
	COLUMN(annotation, model_version, TEXT, .sql = "varchar(50)", .required = true),
	COLUMN(annotation, processing_time_ms, INT4, .sql = "integer"),
	COLUMN(annotation, human_corrected, BOOL, .fallback = "false"),
	COLUMN(annotation, corrected_by_id, UUID),
	COLUMN(annotation, corrected_at, TIME),
	COLUMN(annotation, correction_notes, TEXT),
	COLUMN(annotation, created_at, TIME, .required = true),
	COLUMN(annotation, ai_interaction_id, UUID),
	COLUMN(annotation, suggestion_outcome, ENUM, .sql = "varchar(10)", .values = outcomes,
	       .about = "what an agent made of the suggestion"),
	COLUMN(annotation, suggestion_outcome_at, TIME),
};

static const struct fold_entry folds[] = {
	ON(AI_ANNOTATED, CREATE),
	ON(AI_ANNOTATION_CORRECTED, CHANGES, .then = on_corrected),
	ON(AI_SUGGESTION_USED, CALL, .then = on_suggestion),
	ON(AI_SUGGESTION_REJECTED, CALL, .then = on_suggestion),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, message_id)", "(tenant_id, intent)", "(tenant_id, severity)", "(tenant_id, human_corrected)", NULL,
};

const struct projection ai_annotations = {
	.schema = "core", .name = "ai_annotations", .version = 1,
	.about = "What models said about messages, as corrected by people.",
	.entity = ENTITY_ANNOTATION, COLUMNS(annotation, columns), FOLDS(folds), .indexes = indexes,
	NEEDS(&messages),
};
