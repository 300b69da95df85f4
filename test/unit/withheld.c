/* What analysts do not read: no content, no personal data, and nothing of which nobody said that it is neither. */
#include "event/catalog.h"
#include "fold/projection.h"
#include "tap.h"

static const struct projection *find(const char *name)
{
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++)
			if (strcmp(groups[g]->projections[i]->name, name) == 0)
				return groups[g]->projections[i];
	return NULL;
}

static const struct {
	const char *read_model, *columns;
	bool withheld;
} cases[] = {
	{ "messages", "content content_html content_json channel_metadata interactive translations voice_recording_url ai_annotations "
		      "error_message channel_message_id deleted_by", true },
	{ "messages", "conversation_id channel direction sender_type sender_id status created_at attempt language moderation_verdict "
		      "moderation_labels error_code", false },
	{ "conversations", "subject summary metadata feedback_comment session_id", true },
	{ "conversations", "customer_id state severity intent sla_tier tags message_count csat created_at current_channel resolved_by", false },
	{ "customers", "identity_graph profile consent risk_flags", true },
	{ "customers", "sla_tier tags segments status lifetime_value risk_score first_seen_at", false },
	{ "users", "email first_name last_name full_name display_name avatar_url slack_user_id auth_provider_id clerk_user_id sf_id secret_ref "
		   "password_hash", true },
	{ "users", "role team_id skills status current_conversation_count", false },
	{ "internal_notes", "content", true },
	{ "resolution_updates", "content", true },
	{ "customer_updates", "content error_message", true },
	{ "ai_annotations", "entities suspected_root_cause suggested_action suggested_response correction_notes", true },
	{ "ai_annotations", "intent intent_confidence severity sentiment model_version human_corrected", false },
	{ "attachments", "filename original_filename storage_url storage_key thumbnail_url", true },
	{ "attachments", "content_type size_bytes virus_scan_result dimensions", false },
	{ "resolutions", "root_cause fix_description eta_update_reason metadata", true },
	{ "resolutions", "status priority owning_team created_at resolved_at affected_systems", false },
	{ "assignments", "reason", true },
	{ "assignments", "agent_id assigned_at unassignment_reason", false },
	{ "channels", "config credentials_encrypted secret_ref webhook_url", true },
	{ "slas", "name tier first_response_time_minutes business_hours warn_at", false },
	{ "swarms", "participants slack_channel_url", true },
	{ "anomalies", "text", true },
	{ "anomalies", "code read_model event_type position", false },
	{ "unique_values", "read_model column_name holder_id", true },
};

static void by_name(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct projection *p = find(cases[i].read_model);
		char text[512], *save = NULL;

		snprintf(text, sizeof(text), "%s", cases[i].columns);
		for (char *name = strtok_r(text, " ", &save); p && name; name = strtok_r(NULL, " ", &save)) {
			const struct column *c = projection_column(p, name);

			ok(c && column_is_withheld(p, c) == cases[i].withheld, "%s.%s is %s", p->name, name,
			   cases[i].withheld ? "withheld" : "open");
		}
		ok(p, "%s is a read model", cases[i].read_model);
	}
}

static bool is_free(enum column_kind kind)
{
	return kind == COLUMN_TEXT || kind == COLUMN_TEXTS || kind == COLUMN_JSON || kind == COLUMN_INET;
}

/* Whether any event at all has a field of this name that is marked pii: wider than the rule under test. */
static bool pii_somewhere(const char *name)
{
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++)
		for (const struct field *f = catalog_get((enum event_kind)kind)->shape.fields; f && f->name; f++)
			if (f->pii && strcmp(f->name, name) == 0)
				return true;
	return false;
}

/* Marks are rare, never contradict each other, and open nothing that bears the name of personal data anywhere. */
static void for_all(void)
{
	for (int g = 0; g < group_count; g++) {
		for (int i = 0; i < groups[g]->count; i++) {
			const struct projection *p = groups[g]->projections[i];
			int contradictions = 0, named = 0, hidden = 0, idle = 0;

			for (int j = 0; j < p->column_count; j++) {
				const struct column *c = &p->columns[j];
				bool withheld = column_is_withheld(p, c);

				contradictions += c->open && (c->withheld || c->hidden);
				named += !withheld && is_free(c->kind) && pii_somewhere(c->name);
				hidden += c->hidden && !withheld;
				idle += c->open && !is_free(c->kind);
			}
			is_int(contradictions, 0, p->name);
			is_int(named, 0, "no open text bears the name of a field that is personal in some event");
			is_int(hidden, 0, "what people do not see, analysts do not");
			is_int(idle, 0, "what is open anyway is not marked so");
			ok(find(p->name) == p, "no other read model is called %s: analysts have one schema for all", p->name);
		}
	}
}

/* The rule itself, on a read model made for it. */
static const struct column columns[] = {
	{ .name = "unheard_of", .kind = COLUMN_TEXT }, { .name = "unheard_of_json", .kind = COLUMN_JSON },
	{ .name = "unheard_of_list", .kind = COLUMN_TEXTS }, { .name = "unheard_of_address", .kind = COLUMN_INET },
	{ .name = "unheard_of_number", .kind = COLUMN_INT8 }, { .name = "unheard_of_open", .kind = COLUMN_TEXT, .open = true },
	{ .name = "number_withheld", .kind = COLUMN_INT8, .withheld = true }, { .name = "content", .kind = COLUMN_TEXT },
	{ .name = "reason", .kind = COLUMN_TEXT }, { .name = "code", .kind = COLUMN_TEXT },
	{ .name = "open_hidden", .kind = COLUMN_INT8, .hidden = true },
	{ .name = "display_name", .kind = COLUMN_TEXT },
};
static const bool want[] = { true, true, true, true, false, false, true, true, true, false, true, true };

static void the_rule(void)
{
	static const struct fold_entry folds[] = {
		{ .kind = EV_MESSAGE_SENT, .how = FOLD_COPY }, { .kind = EV_MESSAGE_FAILED, .how = FOLD_COPY },
		{ .kind = EV_CONVERSATION_ESCALATED, .how = FOLD_COPY }, { .kind = EV_USER_UPDATED, .how = FOLD_CHANGES },
		{ .kind = EV_UNKNOWN },
	};
	struct projection p = { .name = "trial", .columns = columns, .column_count = sizeof(columns) / sizeof(*columns), .folds = folds };

	for (int i = 0; i < p.column_count; i++)
		ok(column_is_withheld(&p, &columns[i]) == want[i], "%s: %s", columns[i].name, want[i] ? "withheld" : "open");
	p.withheld = true;
	for (int i = 0; i < p.column_count; i++)
		ok(column_is_withheld(&p, &columns[i]), "a read model withheld as a whole: %s", columns[i].name);
}

int main(void)
{
	catalog_init();
	by_name();
	for_all();
	the_rule();
	return tap_done();
}
