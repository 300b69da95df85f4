/* The read models of issues: resolutions, their updates, swarms, news for customers, notes, annotations, attachments. */
#include "fold_story.h"
#include "rules/lifecycle.h"

#define ID_R1 "000000ee-0000-8000-8000-000000000001"
#define ID_R2 "000000ee-0000-8000-8000-000000000002"
#define ID_R3 "000000ee-0000-8000-8000-000000000003"
#define IN_R1 ",\"resolution_id\":\"" ID_R1 "\""
#define BY_U1 ",\"actor_id\":\"" ID_U1 "\",\"actor_type\":\"user\""
#define TIME_AT(second) "2024-10-04T00:" second ".000000Z"

static struct uuid r1, r2, r3;

static void open_issue(int64_t second, struct uuid id)
{
	at(second, "resolution.created", id, IN_C1 BY_U1, "{\"conversation_id\":\"" ID_C1 "\",\"issue_type\":\"technical\",\"owning_team\":\"infra\"}");
}

static struct uuid go(int64_t second, struct uuid id, const char *from, const char *to)
{
	char payload[200];

	snprintf(payload, sizeof(payload), "{\"new_status\":\"%s\",\"previous_status\":\"%s\"}", to, from);
	return at(second, "resolution.status_changed", id, BY_U1, payload);
}

#define R1(column, want) HAS("resolutions", r1, column, want)
#define UPDATE(id, column, want) HAS("resolution_updates", id, column, want)

static void from_report_to_fix(void)
{
	struct uuid e;

	begin("an issue from its report to the fix");
	open_issue(2, r1);
	R1("status", "investigating");
	R1("priority", "P2");
	R1("conversation_id", ID_C1);
	R1("sla_started_at", TIME_AT("00:02"));
	HAS("conversations", c1, "resolution_id", ID_R1);
	HAS("conversations", c1, "state", "open");
	at(3, "resolution.acknowledged", r1, "", "{}");
	at(4, "resolution.acknowledged", r1, "", "{}");
	R1("acknowledged_at", TIME_AT("00:03"));
	e = at(4, "resolution.assigned", r1, BY_U1, "{\"owner_id\":\"" ID_U2 "\",\"owning_team\":\"engineering\"}");
	R1("owner_id", ID_U2);
	R1("owning_team", "engineering");
	UPDATE(e, "update_type", "assignment_change");
	UPDATE(e, "content", "Assigned to user " ID_U2 " of engineering");
	UPDATE(e, "author_id", ID_U1);
	UPDATE(e, "author_source", "app");
	UPDATE(e, "visibility", "internal");
	UPDATE(e, "created_at", TIME_AT("00:04"));
	e = at(5, "resolution.priority_changed", r1, ",\"actor_type\":\"automation\"", "{\"from\":\"P2\",\"to\":\"P0\"}");
	R1("priority", "P0");
	UPDATE(e, "content", "Priority changed from P2 to P0");
	UPDATE(e, "author_id", "null");
	UPDATE(e, "author_source", "automation");
	e = at(6, "resolution.eta_changed", r1, "", "{\"eta_update_reason\":\"\",\"eta_window_hours\":3,\"expected_resolution_at\":\"" TIME_AT("09:00") "\"}");
	R1("expected_resolution_at", TIME_AT("09:00"));
	R1("eta_updated_at", TIME_AT("00:06"));
	UPDATE(e, "update_type", "eta_change");
	UPDATE(e, "content", "Expected at " TIME_AT("09:00"));
	e = at(7, "resolution.root_cause_identified", r1, "", "{\"affected_systems\":[\"db\"],\"root_cause\":\"a lock\",\"root_cause_category\":\"code\"}");
	R1("root_cause", "a lock");
	R1("affected_systems", "[\"db\"]");
	UPDATE(e, "update_type", "root_cause_identified");
	UPDATE(e, "content", "a lock");
	e = at(8, "resolution.note_added", r1, BY_U1, "{\"author_source\":\"slack\",\"content\":\"in review\",\"visibility\":\"customer\"}");
	UPDATE(e, "update_type", "note");
	UPDATE(e, "author_source", "slack");
	UPDATE(e, "visibility", "customer");
	e = go(9, r1, "investigating", "fix_in_progress");
	UPDATE(e, "update_type", "status_change");
	UPDATE(e, "content", "Status changed from investigating to fix_in_progress");
	UPDATE(e, "previous_status", "investigating");
	UPDATE(e, "new_status", "fix_in_progress");
	at(10, "resolution.sla_paused", r1, "", "{\"reason\":\"x\"}");
	at(12, "resolution.sla_paused", r1, "", "{\"reason\":\"x\"}");
	R1("sla_paused_at", TIME_AT("00:10"));
	at(15, "resolution.sla_resumed", r1, "", "{\"reason\":\"x\"}");
	at(16, "resolution.sla_resumed", r1, "", "{\"reason\":\"x\"}");
	R1("sla_total_paused_seconds", "5");
	R1("sla_paused_at", "null");
	e = at(17, "resolution.fix_deployed", r1, "", "{\"fix_commit_url\":\"u\",\"fix_deployed_at\":\"" TIME_AT("00:16") "\"}");
	R1("status", "deployed");
	R1("fix_deployed_at", TIME_AT("00:16"));
	R1("fix_commit_url", "u");
	UPDATE(e, "update_type", "fix_deployed");
	UPDATE(e, "content", "Status changed from fix_in_progress to deployed");
	e = at(18, "resolution.fix_deployed", r1, "", "{\"fix_deployed_at\":\"" TIME_AT("00:18") "\"}");
	R1("fix_deployed_at", TIME_AT("00:18"));
	UPDATE(e, "content", "Another fix was deployed");
	UPDATE(e, "new_status", "null");
	at(19, "resolution.sla_paused", r1, "", "{\"reason\":\"x\"}");
	go(30, r1, "deployed", "resolved");
	R1("resolved_at", TIME_AT("00:30"));
	R1("sla_paused_at", "null");
	R1("sla_total_paused_seconds", "16");
	e = go(31, r1, "deployed", "resolved");
	UPDATE(e, "content", "(none)");
	e = at(32, "resolution.reopened", r1, "", "{\"reason\":\"it is back\"}");
	R1("status", "investigating");
	R1("resolved_at", "null");
	R1("reopen_count", "1");
	UPDATE(e, "update_type", "status_change");
	UPDATE(e, "content", "it is back");
	UPDATE(e, "new_status", "investigating");
	end(0);
}

static void refused_but_kept(void)
{
	struct uuid e;

	begin("a change of status that does not fit stays as a note");
	open_issue(2, r1);
	e = go(3, r1, "investigating", "deployed");
	R1("status", "investigating");
	UPDATE(e, "update_type", "note");
	UPDATE(e, "content", "Refused: the status should have become deployed");
	UPDATE(e, "new_status", "null");
	e = at(4, "resolution.status_changed", r1, BY_U1, "{\"content\":\"we shipped\",\"new_status\":\"monitoring\",\"previous_status\":\"deployed\"}");
	R1("status", "investigating");
	UPDATE(e, "update_type", "note");
	UPDATE(e, "content", "we shipped");
	e = at(5, "resolution.fix_deployed", r1, "", "{\"fix_description\":\"too early\",\"fix_deployed_at\":\"" TIME_AT("00:05") "\"}");
	R1("fix_description", "null");
	UPDATE(e, "update_type", "note");
	UPDATE(e, "content", "too early");
	at(6, "resolution.reopened", r1, "", "{\"reason\":\"\"}");
	R1("reopen_count", "0");
	go(7, r1, "investigating", "wont_fix");
	e = go(8, r1, "wont_fix", "resolved");
	R1("status", "wont_fix");
	R1("resolved_at", TIME_AT("00:07"));
	UPDATE(e, "update_type", "note");
	at(9, "resolution.sla_paused", r1, "", "{\"reason\":\"x\"}");
	e = at(10, "resolution.note_added", r2, "", "{\"content\":\"about nothing we know\"}");
	UPDATE(e, "resolution_id", ID_R2);
	at(11, "resolution.created", r3, "", "{\"conversation_id\":\"" ID_C2 "\",\"issue_type\":\"ops\",\"owning_team\":\"infra\"}");
	HAS("resolutions", r3, "conversation_id", ID_C2);
	end(7);
}

static struct uuid duplicate(int64_t second, struct uuid id, const char *of)
{
	char payload[200];

	snprintf(payload, sizeof(payload), "{%s%s%s\"new_status\":\"duplicate\",\"previous_status\":\"investigating\"}",
		 of ? "\"duplicate_of\":\"" : "", of ? of : "", of ? "\"," : "");
	return at(second, "resolution.status_changed", id, "", payload);
}

static void duplicates(void)
{
	char id[UUID_TEXT];
	int taken = 0;

	begin("duplicates: of another one that there is, never in a circle");
	open_issue(2, r1);
	open_issue(2, r2);
	open_issue(2, r3);
	duplicate(3, r1, NULL);
	duplicate(4, r1, ID_R1);
	duplicate(5, r1, "000000ee-0000-8000-8000-000000000099");
	R1("status", "investigating");
	duplicate(6, r1, ID_R2);
	R1("status", "duplicate");
	R1("duplicate_of", ID_R2);
	R1("resolved_at", TIME_AT("00:06"));
	duplicate(7, r2, ID_R3);
	duplicate(8, r3, ID_R1);
	HAS("resolutions", r3, "status", "investigating");
	at(9, "resolution.reopened", r1, "", "{\"reason\":\"not the same\"}");
	R1("duplicate_of", "null");
	duplicate(10, r3, ID_R1);
	HAS("resolutions", r3, "duplicate_of", ID_R1);
	for (unsigned i = 10; i < 30; i++)
		open_issue(11, test_id(0xee, i));
	for (unsigned i = 10; i < 29; i++) {
		struct uuid to = test_id(0xee, i + 1), from = test_id(0xee, i);

		duplicate(12, from, uuid_format(&to, id));
		taken += strcmp(memory_db_text(&db, "resolutions", &tenant, &from, "status"), "duplicate") == 0;
	}
	ok(taken >= MERGE_HOPS_MAX && taken < 19, "chains stay short: %d of 19 in a row were taken", taken);
	end(4 + 19 - taken);
}

static void recurring(void)
{
	begin("what comes back is counted on what was thought solved");
	open_issue(2, r1);
	open_issue(3, r2);
	at(4, "resolution.recurred", r1, "", "{\"child_resolution_id\":\"" ID_R2 "\"}");
	at(5, "resolution.recurred", r1, "", "{\"child_resolution_id\":\"" ID_R2 "\"}");
	at(6, "resolution.recurred", r1, "", "{\"child_resolution_id\":\"" ID_R3 "\"}");
	R1("recurrence_count", "2");
	R1("recurrence_ids", "[\"" ID_R2 "\",\"" ID_R3 "\"]");
	HAS("resolutions", r2, "is_recurrence", "true");
	HAS("resolutions", r2, "parent_resolution_id", ID_R1);
	at(7, "resolution.recurred", r1, "", "{\"child_resolution_id\":\"" ID_R1 "\"}");
	at(8, "resolution.created", r3, "", "{\"conversation_id\":\"" ID_C1 "\",\"escalate\":true,\"is_recurrence\":true,\"issue_type\":\"ops\",\"owning_team\":\"infra\",\"parent_resolution_id\":\"" ID_R1 "\"}");
	HAS("resolutions", r3, "parent_resolution_id", ID_R1);
	R1("recurrence_count", "2");
	HAS("conversations", c1, "state", "escalated");
	HAS("conversations", c1, "resolution_id", ID_R3);
	at(9, "conversation.resolution_linked", c1, "", "{\"resolution_id\":\"" ID_R1 "\"}");
	HAS("conversations", c1, "resolution_id", ID_R1);
	end(1);
}

static void swarming(void)
{
	struct uuid s1 = test_id(0x50, 1), s2 = test_id(0x50, 2);

#define SWARM "{\"resolution_id\":\"" ID_R1 "\",\"slack_channel_id\":\"C1\",\"slack_channel_name\":\"inc-1\"}"
#define SW(column, want) HAS("swarms", s1, column, want)
	begin("a swarm lives with its resolution");
	open_issue(2, r1);
	at(3, "swarm.created", s1, "", SWARM);
	SW("status", "active");
	SW("resolution_id", ID_R1);
	SW("sync_enabled", "true");
	R1("swarm_id", "00000050-0000-8000-8000-000000000001");
	at(4, "swarm.created", s2, "", SWARM);
	HAS("swarms", s2, "slack_channel_id", "C1");
	R1("swarm_id", "00000050-0000-8000-8000-000000000001");
	at(5, "swarm.participant_added", s1, "", "{\"role\":\"lead\",\"slack_id\":\"U1\",\"user_id\":\"" ID_U1 "\"}");
	at(5, "swarm.participant_added", s1, "", "{\"user_id\":\"" ID_U2 "\"}");
	at(6, "swarm.participant_added", s1, "", "{\"role\":\"scribe\",\"user_id\":\"" ID_U1 "\"}");
	SW("participants", "[{\"user_id\":\"" ID_U2 "\"},{\"user_id\":\"" ID_U1 "\",\"role\":\"scribe\"}]");
	at(7, "swarm.participant_removed", s1, "", "{\"user_id\":\"" ID_U2 "\"}");
	SW("participants", "[{\"user_id\":\"" ID_U1 "\",\"role\":\"scribe\"}]");
	at(8, "swarm.lead_changed", s1, "", "{\"lead_id\":\"" ID_U2 "\"}");
	SW("lead_id", ID_U2);
	at(9, "swarm.synced", s1, "", "{\"last_synced_at\":\"" TIME_AT("00:09") "\"}");
	at(9, "swarm.synced", s1, "", "{\"last_synced_at\":\"" TIME_AT("00:08") "\"}");
	SW("last_synced_at", TIME_AT("00:09"));
	at(10, "swarm.sync_toggled", s1, "", "{\"enabled\":false}");
	SW("sync_enabled", "false");
	go(11, r1, "investigating", "resolved");
	SW("status", "resolved");
	at(12, "swarm.resolved", s1, "", "{}");
	at(13, "resolution.reopened", r1, "", "{\"reason\":\"x\"}");
	SW("status", "active");
	at(14, "swarm.resolved", s1, "", "{}");
	at(15, "swarm.reactivated", s1, "", "{}");
	SW("status", "active");
	at(16, "swarm.archived", s1, "", "{}");
	SW("archived_at", TIME_AT("00:16"));
	go(17, r1, "investigating", "wont_fix");
	SW("status", "archived");
	at(18, "swarm.reactivated", s1, "", "{}");
	SW("status", "archived");
	at(19, "swarm.participant_added", s1, "", "{\"user_id\":\"" ID_U2 "\"}");
	SW("participants", "[{\"user_id\":\"" ID_U1 "\",\"role\":\"scribe\"},{\"user_id\":\"" ID_U2 "\"}]");
	end(2);
}

static void telling_the_customer(void)
{
	struct uuid n1 = test_id(0xcd, 1), n2 = test_id(0xcd, 2), n3 = test_id(0xcd, 3), e;

#define NEWS "{\"channel\":\"email\",\"content\":\"soon\",\"conversation_id\":\"" ID_C1 "\",\"resolution_id\":\"" ID_R1 "\",\"update_type\":\"eta_update\"}"
#define WENT "{\"message_id\":\"" ID_M1 "\",\"sent_at\":\"" TIME_AT("00:05") "\"}"
#define N(id, column, want) HAS("customer_updates", id, column, want)
	begin("news for the customer, in whatever order the reports come");
	open_issue(2, r1);
	at(3, "customer_update.scheduled", n1, "", NEWS);
	N(n1, "status", "pending");
	N(n1, "resolution_id", ID_R1);
	N(n1, "conversation_id", ID_C1);
	e = at(4, "customer_update.failed", n1, "", "{\"error_message\":\"bounced\"}");
	N(n1, "error_message", "bounced");
	at(5, "customer_update.delivered", n1, "", "{}");
	N(n1, "status", "delivered");
	N(n1, "error_message", "null");
	N(n1, "delivered_at", TIME_AT("00:05"));
	e = at(6, "customer_update.sent", n1, "", WENT);
	N(n1, "status", "delivered");
	N(n1, "message_id", ID_M1);
	N(n1, "sent_at", TIME_AT("00:05"));
	UPDATE(e, "resolution_id", ID_R1);
	UPDATE(e, "update_type", "customer_update");
	UPDATE(e, "content", "soon");
	UPDATE(e, "visibility", "customer");
	e = at(7, "customer_update.sent", n1, "", WENT);
	UPDATE(e, "content", "(none)");
	at(8, "customer_update.cancelled", n1, "", "{}");
	at(9, "customer_update.scheduled", n2, "", NEWS);
	at(10, "customer_update.cancelled", n2, "", "{}");
	e = at(11, "customer_update.sent", n2, "", WENT);
	N(n2, "status", "cancelled");
	UPDATE(e, "content", "(none)");
	at(12, "customer_update.scheduled", n3, "", NEWS);
	at(13, "customer_update.sent", n3, "", WENT);
	at(14, "customer_update.failed", n3, "", "{\"error_message\":\"no\"}");
	N(n3, "status", "failed");
	at(15, "customer_update.delivered", test_id(0xcd, 4), "", "{}");
	end(3);
}

static void notes(void)
{
	struct uuid n1 = test_id(0xbb, 1), n2 = test_id(0xbb, 2), n3 = test_id(0xbb, 3), late = test_id(0xc0, 0x77);

#define NOTES(id, want) HAS("conversations", id, "internal_note_count", want)
	begin("notes are counted where they are");
	at(2, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\"}");
	at(3, "note.added", n1, IN_C1 BY_U1, "{\"content\":\"a\",\"mentions\":[\"" ID_U2 "\"]}");
	HAS("internal_notes", n1, "conversation_id", ID_C1);
	HAS("internal_notes", n1, "author_id", ID_U1);
	HAS("internal_notes", n1, "visibility", "team");
	HAS("internal_notes", n1, "mentions", "[\"" ID_U2 "\"]");
	NOTES(c1, "1");
	at(4, "conversation.merged_into", c1, "", "{\"into_id\":\"" ID_C2 "\"}");
	at(5, "note.added", n2, IN_C1, "{\"content\":\"b\"}");
	HAS("internal_notes", n2, "conversation_id", ID_C2);
	NOTES(c1, "1");
	NOTES(c2, "1");
	at(6, "note.deleted", n1, "", "{}");
	at(7, "note.deleted", n1, "", "{}");
	HAS("internal_notes", n1, "deleted_at", TIME_AT("00:06"));
	NOTES(c1, "0");
	NOTES(c2, "1");
	at(8, "note.edited", n2, "", "{\"content\":\"c\"}");
	HAS("internal_notes", n2, "content", "c");
	at(9, "note.added", n3, IN_R1, "{\"content\":\"on the issue alone\"}");
	HAS("internal_notes", n3, "resolution_id", ID_R1);
	at(10, "note.added", test_id(0xbb, 4), ",\"conversation_id\":\"000000c0-0000-8000-8000-000000000077\"", "{\"content\":\"early\"}");
	at(11, "conversation.created", late, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\"}");
	at(12, "note.deleted", test_id(0xbb, 4), "", "{}");
	NOTES(late, "0");
	at(13, "note.edited", test_id(0xbb, 5), "", "{\"content\":\"c\"}");
	end(2);
}

static void annotations(void)
{
	struct uuid a = test_id(0xaf, 1);

#define JUDGED "{\"intent\":\"unknown\",\"intent_confidence\":0.75,\"message_id\":\"" ID_M1 "\",\"model_version\":\"m\",\"sentiment\":\"angry\"," \
	       "\"severity\":\"P1\",\"severity_confidence\":0.5}"
#define A(column, want) HAS("ai_annotations", a, column, want)
	begin("people put models right");
	at(2, "message.received", m1, IN_C1, RECEIVED);
	at(3, "ai.annotated", a, IN_C1, JUDGED);
	A("intent", "unknown");
	A("intent_confidence", "75");
	A("human_corrected", "false");
	at(4, "ai.annotation_corrected", a, IN_C1, "{\"changes\":{\"severity\":{\"from\":\"P1\",\"to\":\"P2\"}}}");
	A("severity", "P2");
	A("human_corrected", "false");
	HAS("conversations", c1, "severity", "P2");
	HAS("conversations", c1, "classified_by", "ai");
	at(5, "ai.annotation_corrected", a, IN_C1 BY_U1, "{\"changes\":{\"intent\":{\"from\":\"unknown\",\"to\":\"how_to_guidance\"},\"severity\":{\"to\":\"P3\"}},\"correction_notes\":\"clear\"}");
	A("intent", "how_to_guidance");
	A("severity", "P3");
	A("human_corrected", "true");
	A("corrected_by_id", ID_U1);
	A("corrected_at", TIME_AT("00:05"));
	A("correction_notes", "clear");
	HAS("conversations", c1, "intent", "how_to_guidance");
	HAS("conversations", c1, "severity", "P3");
	HAS("conversations", c1, "classified_by", "user");
	at(6, "ai.annotation_corrected", a, IN_C1, "{\"changes\":{\"severity\":{\"to\":\"P0\"}}}");
	HAS("conversations", c1, "severity", "P3");
	at(7, "ai.annotation_corrected", a, IN_C1 BY_U1, "{\"changes\":{\"intent\":{\"from\":\"unknown\",\"to\":\"noise_low_intent\"}},\"correction_notes\":\"stale\"}");
	A("intent", "how_to_guidance");
	A("correction_notes", "clear");
	at(8, "ai.suggestion_used", a, "", "{\"message_id\":\"" ID_M1 "\"}");
	A("suggestion_outcome", "used");
	at(9, "ai.suggestion_rejected", test_id(0xaf, 9), "", "{\"message_id\":\"" ID_M1 "\"}");
	end(2);
}

static void files(void)
{
	struct uuid f = test_id(0xf1, 1);

#define FILE "{\"content_type\":\"image/png\",\"dimensions\":{\"height\":2,\"width\":1},\"filename\":\"a.png\",\"is_image\":true,\"message_id\":\"" ID_M1 \
	     "\",\"original_filename\":\"b.png\",\"size_bytes\":9007199254740991,\"storage_key\":\"k\"}"
#define F(column, want) HAS("attachments", f, column, want)
#define SCANNED(result) at(3, "attachment.scanned", f, "", "{\"virus_scan_result\":\"" result "\"}")
	begin("files and what was found in them");
	at(2, "attachment.added", f, "", FILE);
	F("storage_provider", "local");
	F("virus_scanned", "false");
	F("virus_scan_result", "null");
	SCANNED("error");
	F("virus_scanned", "false");
	F("virus_scan_result", "error");
	SCANNED("clean");
	F("virus_scanned", "true");
	SCANNED("clean");
	SCANNED("error");
	F("virus_scan_result", "clean");
	SCANNED("infected");
	F("virus_scan_result", "infected");
	SCANNED("clean");
	F("virus_scan_result", "infected");
	at(4, "attachment.thumbnailed", f, "", "{\"thumbnail_url\":\"u\"}");
	at(5, "attachment.expired", f, "", "{}");
	F("thumbnail_url", "u");
	F("expired_at", TIME_AT("00:05"));
	at(6, "attachment.scanned", test_id(0xf1, 2), "", "{\"virus_scan_result\":\"clean\"}");
	end(2);
}

int main(void)
{
	story_setup();
	r1 = test_id(0xee, 1);
	r2 = test_id(0xee, 2);
	r3 = test_id(0xee, 3);
	from_report_to_fix();
	refused_but_kept();
	duplicates();
	recurring();
	swarming();
	telling_the_customer();
	notes();
	annotations();
	files();
	arena_release(&arena);
	return tap_done();
}
