/* The read models: what each event does to them.  Each case is a short history and the columns it must leave. */
#include "fold_story.h"
#include "projections/messages.h"
#include "rules/lifecycle.h"

static unsigned next_message = 100;

static void receive(int64_t second)
{
	at(second, "message.received", test_id(0xd0, next_message++), IN_C1, RECEIVED);
}

static void answer(int64_t second, const char *payload)
{
	at(second, "message.sent", test_id(0xd0, next_message++), IN_C1, payload);
}

static void turns(void)
{
	struct uuid assigned;

	begin("whose turn it is, and what is counted");
	STATE("open");
	C1("status", "initialized");
	C1("sla_tier", "premium");
	C1("channels_used", "[\"email\"]");
	C1("previous_state", "null");
	receive(2);
	STATE("open");
	C1("status", "open");
	assigned = at(3, "conversation.assigned", c1, "", ASSIGN(ID_U1));
	STATE("awaiting_agent");
	HAS("users", u1, "current_conversation_count", "1");
	answer(4, SENT("ai"));
	STATE("awaiting_customer");
	C1("first_response_at", "null");
	C1("first_ai_response_at", "2024-10-04T00:00:04.000000Z");
	receive(5);
	STATE("awaiting_agent");
	answer(7, SENT("agent"));
	answer(6, SENT("agent"));
	STATE("awaiting_customer");
	C1("previous_state", "awaiting_agent");
	C1("first_response_at", "2024-10-04T00:00:06.000000Z");
	C1("last_agent_message_at", "2024-10-04T00:00:07.000000Z");
	C1("last_customer_message_at", "2024-10-04T00:00:05.000000Z");
	C1("last_message_at", "2024-10-04T00:00:07.000000Z");
	C1("message_count", "5");
	C1("current_channel", "whatsapp");
	C1("channels_used", "[\"email\",\"whatsapp\"]");
	C1("created_at", "2024-10-04T00:00:01.000000Z");
	C1("updated_at", "2024-10-04T00:00:07.000000Z");
	answer(8, "{\"channel\":\"internal\",\"content\":\"psst\",\"direction\":\"internal\",\"sender_type\":\"agent\"}");
	C1("message_count", "6");
	C1("last_agent_message_at", "2024-10-04T00:00:07.000000Z");
	C1("current_channel", "whatsapp");
	at(8, "note.added", test_id(0xbb, 1), IN_C1, "{\"content\":\"x\"}");
	C1("internal_note_count", "1");
	at(9, "conversation.resolved", c1, "", "{\"by\":\"agent\",\"resolution_code\":\"answered\"}");
	STATE("resolved");
	C1("resolved_at", "2024-10-04T00:00:09.000000Z");
	C1("resolved_by", "agent");
	HAS("users", u1, "current_conversation_count", "0");
	HAS("assignments", assigned, "unassigned_at", "2024-10-04T00:00:09.000000Z");
	HAS("assignments", assigned, "unassignment_reason", "resolved");
	HAS("assignments", assigned, "agent_id", ID_U1);
	at(9, "conversation.resolved", c1, "", "{\"by\":\"ai\"}");
	C1("resolved_by", "agent");
	end(0);
}

static void reopening(void)
{
	struct uuid message, event;

	begin("rule R: what reopens and what does not");
	at(2, "conversation.assigned", c1, "", ASSIGN(ID_U1));
	answer(20, SENT("agent"));
	at(30, "conversation.resolved", c1, "", "{\"by\":\"agent\"}");
	receive(10);
	STATE("resolved");
	at(40, "message.received", test_id(0xd0, 90), IN_C1,
	   "{\"auto_reply\":true,\"channel\":\"email\",\"content\":\"away\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}");
	STATE("resolved");
	at(41, "customer.blocked", k1, "", "{}");
	receive(42);
	STATE("resolved");
	at(43, "customer.unblocked", k1, "", "{}");
	message = test_id(0xd0, 91);
	event = at(44, "message.received", message, IN_C1, RECEIVED);
	STATE("reopened");
	C1("reopen_count", "1");
	C1("reopened_at", "2024-10-04T00:00:44.000000Z");
	HAS("conversation_transitions", event, "cause", "reopen");
	HAS("conversation_transitions", event, "derived", "true");
	HAS("conversation_transitions", event, "from_state", "resolved");
	HAS("assignments", event, "assigned_by", "reopen");
	HAS("assignments", event, "agent_id", ID_U1);
	HAS("users", u1, "current_conversation_count", "1");
	at(45, "conversation.reopened", c1, "", "{\"trigger\":\"customer_message\"}");
	answer(46, SENT("agent"));
	STATE("awaiting_customer");
	at(47, "conversation.reopened", c1, "", "{\"trigger\":\"agent\"}");
	STATE("awaiting_customer");
	end(1);
}

static void guards(void)
{
	begin("what is stale is refused");
	receive(10);
	at(11, "conversation.resolved", c1, "", "{\"by\":\"auto_inactivity\",\"observed_last_message_at\":\"2024-10-04T00:00:09.000000Z\"}");
	STATE("open");
	at(12, "conversation.resolved", c1, "", "{\"by\":\"auto_inactivity\",\"observed_last_message_at\":\"2024-10-04T00:00:10.000000Z\"}");
	STATE("resolved");
	at(13, "conversation.state_changed", c1, "", "{\"cause\":\"explicit\",\"new_state\":\"open\",\"previous_state\":\"escalated\"}");
	STATE("resolved");
	at(14, "conversation.state_changed", c1, "", "{\"cause\":\"derived\",\"new_state\":\"open\",\"previous_state\":\"resolved\"}");
	STATE("resolved");
	at(15, "conversation.assigned", c1, "", ASSIGN(ID_U1));
	C1("assigned_agent_id", "null");
	at(16, "conversation.assigned", c1, "", "{\"agent_id\":\"" ID_U1 "\",\"assigned_by\":\"reopen\"}");
	C1("assigned_agent_id", ID_U1);
	STATE("resolved");
	HAS("users", u1, "current_conversation_count", "0");
	at(17, "conversation.state_changed", c1, "", "{\"cause\":\"explicit\",\"new_state\":\"open\",\"previous_state\":\"resolved\"}");
	STATE("open");
	HAS("users", u1, "current_conversation_count", "1");
	at(18, "conversation.unassigned", c1, "", "{\"agent_id\":\"" ID_U2 "\",\"unassignment_reason\":\"x\"}");
	C1("assigned_agent_id", ID_U1);
	at(19, "conversation.created", c1, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\"}");
	C1("initial_channel", "email");
	end(6);
}

static void hands(void)
{
	struct uuid first, second, third;

	begin("through many hands");
	first = at(2, "conversation.assigned", c1, ",\"actor_id\":\"" ID_U2 "\",\"actor_type\":\"user\"", ASSIGN(ID_U1));
	HAS("assignments", first, "assigned_by", "manual");
	HAS("assignments", first, "assigned_by_user_id", ID_U2);
	second = at(3, "conversation.transferred", c1, "", "{\"from_agent_id\":\"" ID_U1 "\",\"reason\":\"took over\",\"to_agent_id\":\"" ID_U2 "\"}");
	HAS("assignments", first, "unassignment_reason", "transferred");
	HAS("assignments", second, "assigned_by", "transfer");
	HAS("assignments", second, "reason", "took over");
	HAS("users", u1, "current_conversation_count", "0");
	HAS("users", u2, "current_conversation_count", "1");
	C1("transfer_count", "1");
	C1("status", "transferred");
	STATE("awaiting_agent");
	answer(4, SENT("agent"));
	C1("status", "awaiting_customer");
	at(5, "conversation.handed_off", c1, "", "{\"from\":\"ai\",\"reason\":\"policy\"}");
	STATE("awaiting_agent");
	C1("handoff_count", "1");
	at(6, "conversation.escalated", c1, "", "{\"level\":2,\"reason\":\"x\"}");
	STATE("escalated");
	at(7, "conversation.escalated", c1, "", "{\"reason\":\"y\"}");
	C1("escalation_level", "3");
	C1("escalation_count", "2");
	receive(8);
	STATE("escalated");
	at(9, "conversation.deescalated", c1, "", "{}");
	STATE("awaiting_agent");
	third = at(10, "conversation.assigned", c1, "", ASSIGN(ID_U2));
	HAS("assignments", second, "unassignment_reason", "reassigned");
	HAS("users", u2, "current_conversation_count", "1");
	at(11, "conversation.unassigned", c1, "", "{\"agent_id\":\"" ID_U2 "\",\"unassignment_reason\":\"end of shift\"}");
	HAS("assignments", third, "unassignment_reason", "end of shift");
	HAS("users", u2, "current_conversation_count", "0");
	STATE("open");
	at(12, "conversation.assigned", c1, "", "{\"agent_id\":\"000000a0-0000-8000-8000-000000000077\",\"assigned_by\":\"routing_engine\"}");
	C1("assigned_agent_id", "000000a0-0000-8000-8000-000000000077");
	at(13, "resolution.created", test_id(0xee, 1), IN_C1, "{\"conversation_id\":\"" ID_C1 "\",\"escalate\":true,\"issue_type\":\"technical\",\"owning_team\":\"infra\"}");
	STATE("escalated");
	C1("resolution_id", "000000ee-0000-8000-8000-000000000001");
	at(14, "conversation.deleted", c1, "", "{\"reason\":\"test\"}");
	C1("deleted_at", "2024-10-04T00:00:14.000000Z");
	end(0);
}

static void merging(void)
{
	struct uuid event;

	begin("a merged conversation goes on in the other");
	at(2, "conversation.created", c2, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\"}");
	event = at(3, "conversation.merged_into", c1, "", "{\"into_id\":\"" ID_C2 "\"}");
	STATE("resolved");
	C1("resolved_by", "merge");
	HAS("conversation_transitions", event, "cause", "merge");
	at(4, "conversation.merged_into", c2, "", "{\"into_id\":\"" ID_C1 "\"}");
	HAS("conversations", c2, "merged_into_id", "null");
	at(5, "message.received", m1, IN_C1, RECEIVED);
	HAS("messages", m1, "conversation_id", ID_C2);
	C1("message_count", "0");
	HAS("conversations", c2, "message_count", "1");
	STATE("resolved");
	at(6, "conversation.reopened", c1, "", "{\"trigger\":\"agent\"}");
	STATE("resolved");
	at(7, "conversation.split", c2, "", "{\"into_id\":\"" ID_C1 "\",\"message_ids\":[\"" ID_M1 "\"]}");
	HAS("messages", m1, "conversation_id", ID_C1);
	C1("message_count", "1");
	HAS("conversations", c2, "message_count", "0");
	end(2);
}

static void merge_chains_are_short(void)
{
	char payload[100], id[UUID_TEXT];
	int merged = 0;

	begin("chains of merges stay short, circles do not arise");
	for (unsigned i = 10; i < 30; i++)
		at(2, "conversation.created", test_id(0xc0, i), "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"sms\"}");
	for (unsigned i = 10; i < 29; i++) {
		struct uuid into = test_id(0xc0, i + 1), from = test_id(0xc0, i);

		snprintf(payload, sizeof(payload), "{\"into_id\":\"%s\"}", uuid_format(&into, id));
		at(3, "conversation.merged_into", from, "", payload);
		merged += strcmp(memory_db_text(&db, "conversations", &tenant, &from, "merged_into_id"), "null") != 0;
	}
	ok(merged >= MERGE_HOPS_MAX && merged < 19, "%d of 19 merges in a row were taken", merged);
	at(4, "message.received", m1, ",\"conversation_id\":\"000000c0-0000-8000-8000-00000000000a\"", RECEIVED);
	HAS("messages", m1, "conversation_id", "000000c0-0000-8000-8000-000000000010");
	at(5, "conversation.merged_into", c1, "", "{\"into_id\":\"" ID_C1 "\"}");
	end(19 - merged + 1);
}

static void delivery(void)
{
	begin("delivery, in whatever order the reports come");
	at(2, "message.queued", m1, IN_C1, "{\"channel\":\"sms\",\"content\":\"x\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
	HAS("messages", m1, "status", "pending");
	C1("message_count", "1");
	STATE("open");
	C1("first_response_at", "null");
	at(4, "message.delivered", m1, IN_C1, "{\"at\":\"2024-10-04T00:00:03.500000Z\"}");
	at(5, "message.sent", m1, IN_C1, "{\"channel_message_id\":\"wamid\"}");
	HAS("messages", m1, "status", "delivered");
	HAS("messages", m1, "channel_message_id", "wamid");
	HAS("messages", m1, "delivered_at", "2024-10-04T00:00:03.500000Z");
	STATE("awaiting_customer");
	C1("message_count", "1");
	at(6, "message.sent", m1, IN_C1, "{}");
	at(6, "message.read", m1, IN_C1, "{\"at\":\"2024-10-04T00:00:06.000000Z\"}");
	at(7, "message.failed", m1, IN_C1, "{\"error_message\":\"late\"}");
	HAS("messages", m1, "status", "read");
	HAS("messages", m1, "error_message", "null");
	at(8, "message.queued", m2, IN_C1, "{\"channel\":\"sms\",\"content\":\"y\",\"direction\":\"outbound\",\"sender_type\":\"agent\"}");
	at(9, "message.failed", m2, IN_C1 ",\"event_version\":2", "{\"code\":\"e1\",\"error_message\":\"no route\",\"retryable\":true}");
	HAS("messages", m2, "status", "failed");
	HAS("messages", m2, "error_message", "no route");
	at(10, "message.retried", m2, IN_C1, "{\"attempt\":2}");
	HAS("messages", m2, "status", "pending");
	HAS("messages", m2, "error_message", "null");
	at(11, "message.failed", m2, IN_C1, "{\"attempt\":1,\"error_message\":\"again\"}");
	HAS("messages", m2, "status", "pending");
	at(12, "message.sent", m2, IN_C1, "{\"attempt\":2}");
	HAS("messages", m2, "status", "sent");
	at(13, "message.edited", m2, IN_C1, "{\"content\":\"z\"}");
	HAS("messages", m2, "content", "z");
	at(14, "message.translated", m2, IN_C1, "{\"content\":\"zet\",\"language\":\"nl\"}");
	HAS("messages", m2, "translations", "{\"nl\":\"zet\"}");
	at(15, "message.deleted", m2, IN_C1, "{\"by\":\"agent\",\"scope\":\"hard\"}");
	HAS("messages", m2, "content", "");
	at(16, "message.delivered", test_id(0xd0, 77), IN_C1, "{\"at\":\"2024-10-04T00:00:03.500000Z\"}");
	at(17, "message.sent", test_id(0xd0, 78), IN_C1, "{}");
	end(2);
}

static void nothing_said_is_lost(void)
{
	begin("what was said stays, whatever it belongs to");
	at(2, "message.received", m1, IN_C2, RECEIVED);
	HAS("messages", m1, "content", "hi");
	HAS("messages", m1, "is_from_user", "true");
	at(3, "message.received", m1, IN_C1, RECEIVED);
	C1("message_count", "0");
	at(4, "conversation.created", c2, "", "{\"customer_id\":\"000000c1-0000-8000-8000-000000000099\",\"initial_channel\":\"sms\"}");
	HAS("conversations", c2, "customer_id", "000000c1-0000-8000-8000-000000000099");
	at(5, "message.sent", m2, IN_C1, "{\"content\":\"on the conversation's channel\"}");
	HAS("messages", m2, "channel", "email");
	HAS("messages", m2, "direction", "outbound");
	HAS("messages", m2, "sender_type", "system");
	end(3);
}

static void judging(void)
{
	static const char payload[] =
		"{\"intent\":\"unknown\",\"intent_confidence\":0.75,\"message_id\":\"" ID_M1 "\",\"model_version\":\"m\","
		"\"sentiment\":\"angry\",\"severity\":\"P1\",\"severity_confidence\":0.5}";

	begin("a model classifies, a person has the last word");
	at(2, "message.received", m1, IN_C1, RECEIVED);
	at(3, "ai.annotated", test_id(0xaf, 1), IN_C1, payload);
	HAS("messages", m1, "ai_processed", "true");
	HAS("messages", m1, "ai_annotations",
	    "{\"intent\":\"unknown\",\"intent_confidence\":0.75,\"severity\":\"P1\",\"severity_confidence\":0.5,"
	    "\"sentiment\":\"angry\",\"model_version\":\"m\"}");
	C1("severity", "P1");
	C1("intent", "unknown");
	C1("confidence", "75");
	C1("classified_by", "ai");
	at(4, "conversation.classified", c1, "", "{\"intent\":\"billing\",\"severity\":\"P3\",\"source\":\"user\"}");
	at(5, "ai.annotated", test_id(0xaf, 2), IN_C1, payload);
	at(5, "conversation.classified", c1, "", "{\"severity\":\"P0\",\"source\":\"ai\"}");
	C1("severity", "P3");
	C1("intent", "billing");
	C1("sentiment", "angry");
	at(6, "conversation.tagged", c1, "", "{\"tags\":[\"vip\",\"a\"]}");
	at(7, "conversation.untagged", c1, "", "{\"tags\":[\"a\"]}");
	C1("tags", "[\"vip\"]");
	at(8, "conversation.metadata_changed", c1, "", "{\"changes\":{\"order\":{\"to\":7},\"plan\":{\"to\":\"x\"}}}");
	at(9, "conversation.metadata_changed", c1, "", "{\"changes\":{\"plan\":{\"from\":\"x\",\"to\":null}}}");
	C1("metadata", "{\"order\":7}");
	at(10, "feedback.submitted", test_id(0xfb, 1), IN_C1, "{\"cycle\":1,\"kind\":\"csat\",\"score\":4}");
	at(11, "feedback.submitted", test_id(0xfb, 1), IN_C1, "{\"cycle\":1,\"kind\":\"csat\",\"score\":9}");
	C1("csat", "4");
	at(12, "conversation.subject_changed", c1, "", "{\"to\":\"S\"}");
	at(13, "conversation.summarized", c1, "", "{\"source\":\"ai\",\"summary\":\"T\"}");
	C1("subject", "S");
	C1("summary", "T");
	at(14, "conversation.severity_changed", c1, "", "{\"to\":\"P0\"}");
	at(15, "conversation.customer_changed", c1, "", "{\"from\":\"" ID_K1 "\",\"to\":\"" ID_K2 "\"}");
	C1("severity", "P0");
	C1("customer_id", ID_K2);
	end(1);
}

static void people(void)
{
	struct uuid team = test_id(0x7e, 1), channel = test_id(0xcc, 1), org = tenant;

	begin("customers, users, teams, channels, tenants");
	at(2, "customer.identity_added", k1, "", "{\"kind\":\"phone\",\"value\":\"+1\"}");
	at(2, "customer.identity_added", k1, "", "{\"channel\":\"instagram\",\"kind\":\"social\",\"value\":\"ada\"}");
	at(2, "customer.identity_removed", k1, "", "{\"kind\":\"email\",\"value\":\"one@x.example\"}");
	HAS("customers", k1, "identity_graph",
	    "{\"device_fingerprints\":[],\"emails\":[],\"phone_numbers\":[\"+1\"],\"social_ids\":{\"instagram\":\"ada\"}}");
	HAS("customers", k1, "profile", "{\"avatar_url\":null,\"company\":null,\"metadata\":{},\"name\":\"One\"}");
	at(3, "customer.tagged", k1, "", "{\"tags\":[\"t\"]}");
	at(3, "customer.risk_flagged", k1, "", "{\"flag\":\"fraud\"}");
	at(3, "customer.tier_changed", k1, "", "{\"to\":\"enterprise\"}");
	at(3, "customer.segmented", k1, "", "{\"segments\":[\"s\"]}");
	at(3, "customer.scored", k1, "", "{\"lifetime_value\":12.5,\"risk_score\":0.25}");
	at(3, "customer.consent_changed", k1, "", "{\"granted\":true,\"purpose\":\"mail\"}");
	HAS("customers", k1, "risk_flags", "[\"fraud\"]");
	HAS("customers", k1, "sla_tier", "enterprise");
	HAS("customers", k1, "lifetime_value", "1250");
	HAS("customers", k1, "consent", "{\"mail\":true}");
	at(1000, "customer.seen", k1, "", "{\"at\":\"2024-10-04T00:16:40.000000Z\",\"device\":\"d\"}");
	receive(1010);
	HAS("customers", k1, "last_seen_at", "2024-10-04T00:16:40.000000Z");
	receive(2000);
	HAS("customers", k1, "last_seen_at", "2024-10-04T00:33:20.000000Z");
	at(2001, "customer.merged_into", k1, "", "{\"into_id\":\"" ID_K2 "\"}");
	at(2001, "customer.merged_into", k2, "", "{\"into_id\":\"" ID_K1 "\"}");
	at(2002, "customer.tagged", k1, "", "{\"tags\":[\"later\"]}");
	HAS("customers", k1, "tags", "[\"t\"]");
	HAS("customers", k2, "tags", "[\"later\"]");
	at(2003, "customer.blocked", k2, "", "{}");
	at(2003, "customer.reactivated", k2, "", "{}");
	HAS("customers", k2, "status", "blocked");
	at(2004, "team.created", team, "", "{\"name\":\"T\"}");
	at(2004, "team.member_added", team, "", "{\"user_id\":\"" ID_U1 "\"}");
	HAS("users", u1, "team_id", "0000007e-0000-8000-8000-000000000001");
	at(2004, "team.member_removed", team, "", "{\"user_id\":\"" ID_U1 "\"}");
	HAS("users", u1, "team_ids", "[]");
	at(2005, "user.status_changed", u1, "", "{\"to\":\"available\"}");
	at(2005, "user.capacity_changed", u1, "", "{\"max\":9}");
	at(2005, "user.logged_in", u1, "", "{}");
	at(2005, "user.skills_changed", u1, "", "{\"skills\":[\"x\"]}");
	HAS("users", u1, "status", "available");
	HAS("users", u1, "max_concurrent_conversations", "9");
	HAS("users", u1, "skills", "[\"x\"]");
	at(2006, "channel.connected", channel, "", "{\"name\":\"Mail\",\"type\":\"email\"}");
	at(2006, "channel.errored", channel, "", "{\"error\":\"refused\"}");
	HAS("channels", channel, "status", "error");
	HAS("channels", channel, "last_error", "refused");
	at(2007, "channel.recovered", channel, "", "{}");
	at(2007, "channel.deactivated", channel, "", "{}");
	at(2007, "channel.errored", channel, "", "{\"error\":\"refused\"}");
	HAS("channels", channel, "status", "inactive");
	at(2008, "tenant.created", org, "", "{\"name\":\"Org\"}");
	at(2008, "tenant.usage_recorded", org, "", "{\"counter\":\"messages\",\"delta\":5,\"period\":\"2026-11\"}");
	at(2008, "tenant.usage_recorded", org, "", "{\"counter\":\"messages\",\"delta\":-2,\"period\":\"2026-11\"}");
	at(2008, "tenant.updated", org, "", "{\"changes\":{\"settings\":{\"to\":{\"a\":1}}}}");
	HAS("tenants", org, "usage", "{\"2026-11\":{\"messages\":3}}");
	HAS("tenants", org, "settings", "{\"a\":1}");
	HAS("tenants", org, "subscription_tier", "standard");
	end(3);
}

/* ---- the tables against the catalog and each other ---- */

static bool wide_enough(const struct column *c, const struct field *f)
{
	if (c->kind != COLUMN_TEXT || !c->sql || strncmp(c->sql, "varchar(", 8) != 0)
		return true;
	if (f->type == FIELD_ENUM) {
		for (int i = 0; f->values[i]; i++)
			if ((long)strlen(f->values[i]) > strtol(c->sql + 8, NULL, 10))
				return false;
		return true;
	}
	return f->max > 0 && f->max <= strtol(c->sql + 8, NULL, 10);
}

static bool same_kind(const struct column *c, const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
		return c->kind == COLUMN_TEXT || c->kind == COLUMN_INET;
	case FIELD_ENUM:
		if (c->kind == COLUMN_TEXT)
			return true;
		for (int i = 0; c->kind == COLUMN_ENUM && f->values[i]; i++)
			for (int j = 0;; j++) {
				if (!c->values[j])
					return false;
				if (strcmp(c->values[j], f->values[i]) == 0)
					break;
			}
		return c->kind == COLUMN_ENUM;
	case FIELD_UUID:
		return c->kind == COLUMN_UUID;
	case FIELD_INT:
		return c->kind == COLUMN_INT8 || (c->kind == COLUMN_INT4 && f->bounded && f->min >= INT32_MIN && f->max <= INT32_MAX) ||
		       (c->kind == COLUMN_INT2 && f->bounded && f->min >= INT16_MIN && f->max <= INT16_MAX);
	case FIELD_DECIMAL:
		return c->kind == COLUMN_DECIMAL && c->scale == f->scale;
	case FIELD_BOOL:
		return c->kind == COLUMN_BOOL;
	case FIELD_TIME:
		return c->kind == COLUMN_TIME;
	case FIELD_STRINGS:
		return c->kind == COLUMN_TEXTS;
	case FIELD_UUIDS:
		return c->kind == COLUMN_UUIDS;
	case FIELD_JSON:
	case FIELD_OBJECT:
	case FIELD_OBJECTS:
	case FIELD_CHANGES:
		return c->kind == COLUMN_JSON;
	}
	return false;
}

static void tables_fit(void)
{
	int copies = 0;

	note("column tables fit the catalog");
	for (int i = 0; i < fold_group("core")->count; i++) {
		const struct projection *p = fold_group("core")->projections[i];

		for (const struct fold_entry *entry = p->folds; entry->kind != EV_UNKNOWN; entry++)
			for (const struct field *f = catalog_get(entry->kind)->shape.fields; entry->how != FOLD_CALL && f->name; f++) {
				const struct column *c = projection_column(p, f->name);

				if (!c)
					continue;
				copies++;
				if (!same_kind(c, f) || !wide_enough(c, f))
					ok(false, "%s.%s takes %s of %s", p->name, c->name, f->name, catalog_get(entry->kind)->name);
			}
		for (int a = 0; a < p->column_count; a++)
			for (int b = 0; b < a; b++)
				if (strcmp(p->columns[a].name, p->columns[b].name) == 0 || p->columns[a].offset == p->columns[b].offset)
					ok(false, "%s: columns %s and %s stand apart", p->name, p->columns[a].name, p->columns[b].name);
	}
	ok(copies > 60, "%d fields are copied into columns of their kind and width", copies);
	is_text(values_sender_type[SENDER_AI], "ai", "sender types stand in the catalog's order");
	is_text(values_sender_type[SENDER_AGENT], "agent", "sender types stand in the catalog's order");
	is_text(values_direction[DIRECTION_INTERNAL], "internal", "directions too");
	is_text(values_assigned_by[3], "transfer", "assigned_by too");
	is_text(values_assigned_by[4], "reopen", "assigned_by too");
}

int main(void)
{
	story_setup();
	turns();
	reopening();
	guards();
	hands();
	merging();
	merge_chains_are_short();
	delivery();
	nothing_said_is_lost();
	judging();
	people();
	tables_fit();
	arena_release(&arena);
	return tap_done();
}
