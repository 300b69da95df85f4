/* The read models of what a tenant has set down: SLA policies, automation rules, the knowledge base; and unique values, merges. */
#include "fold_story.h"
#include "fold/unique.h"
#include "rules/lifecycle.h"

#define BY_U1 ",\"actor_id\":\"" ID_U1 "\",\"actor_type\":\"user\""
#define TIME_AT(second) "2024-10-04T00:" second ".000000Z"

static void policies(void)
{
	struct uuid p = test_id(0x51, 1), first, second;

#define P(column, want) HAS("slas", p, column, want)
	begin("each writing of a policy is a version");
	first = at(2, "sla_policy.created", p, BY_U1,
		   "{\"first_response_time_minutes\":15,\"holidays\":[{\"date\":\"2026-12-25\"}],\"name\":\"N\",\"next_response_time_minutes\":30,"
		   "\"resolution_time_minutes\":60,\"tier\":\"premium\",\"timezone\":\"Europe/Berlin\"}");
	P("policy_version", "1");
	P("update_interval_minutes", "720");
	P("business_hours_only", "true");
	P("warn_at", "[0.75]");
	P("on_reopen", "resume");
	P("first_response_by", "human");
	P("is_active", "true");
	at(3, "sla_policy.deactivated", p, "", "{}");
	second = at(4, "sla_policy.updated", p, "", "{\"business_hours_only\":false,\"first_response_time_minutes\":5,\"name\":\"M\",\"resolution_time_minutes\":50,\"tier\":\"premium\"}");
	P("policy_version", "2");
	P("first_response_time_minutes", "5");
	P("next_response_time_minutes", "null");
	P("timezone", "UTC");
	P("holidays", "[]");
	P("is_active", "false");
	P("created_at", TIME_AT("00:02"));
	P("updated_at", TIME_AT("00:04"));
	HAS("sla_policy_versions", first, "sla_id", "00000051-0000-8000-8000-000000000001");
	HAS("sla_policy_versions", first, "policy_version", "1");
	HAS("sla_policy_versions", first, "next_response_time_minutes", "30");
	HAS("sla_policy_versions", first, "timezone", "Europe/Berlin");
	HAS("sla_policy_versions", first, "written_by_id", ID_U1);
	HAS("sla_policy_versions", second, "policy_version", "2");
	HAS("sla_policy_versions", second, "name", "M");
	HAS("sla_policy_versions", second, "business_hours_only", "false");
	at(5, "sla_policy.created", p, "", "{\"first_response_time_minutes\":1,\"name\":\"again\",\"resolution_time_minutes\":1,\"tier\":\"free\"}");
	at(6, "sla_policy.updated", test_id(0x51, 2), "", "{\"first_response_time_minutes\":1,\"name\":\"x\",\"resolution_time_minutes\":1,\"tier\":\"free\"}");
	is_int(memory_db_count(&db, "sla_policy_versions"), 2, "what was not taken is no version");
	end(2);
}

static void rules(void)
{
	struct uuid r = test_id(0x52, 1);

#define R(column, want) HAS("automation_rules", r, column, want)
#define ACTIONS "[{\"type\":\"assign_team\"}]"
	begin("rules are data, with a version");
	at(2, "automation_rule.created", r, BY_U1,
	   "{\"actions\":" ACTIONS ",\"conditions\":[{\"field\":\"severity\",\"operator\":\"equals\",\"value\":\"P0\"}],\"cooldown_seconds\":60,"
	   "\"enabled\":false,\"name\":\"N\",\"trigger_event\":\"message.received\"}");
	R("version", "1");
	R("priority", "100");
	R("enabled", "false");
	R("created_by_id", ID_U1);
	at(3, "automation_rule.enabled", r, "", "{}");
	R("enabled", "true");
	R("updated_by_id", "null");
	at(4, "automation.fired", r, "", "{\"actions\":[{\"ok\":true,\"type\":\"x\"}],\"depth\":0,\"rule_id\":\"00000052-0000-8000-8000-000000000001\",\"rule_version\":1,\"trigger_event_id\":\"00000052-0000-8000-8000-000000000009\"}");
	at(5, "automation.skipped", r, "", "{\"reason\":\"cooldown\",\"rule_id\":\"00000052-0000-8000-8000-000000000001\"}");
	R("actions", ACTIONS);
	R("fired_count", "1");
	R("skipped_count", "1");
	R("last_fired_at", TIME_AT("00:04"));
	at(6, "automation_rule.updated", r, BY_U1, "{\"actions\":[],\"conditions\":[],\"name\":\"M\",\"trigger_event\":\"sla.breached\"}");
	R("version", "2");
	R("cooldown_seconds", "0");
	R("trigger_event", "sla.breached");
	R("enabled", "true");
	R("fired_count", "1");
	at(7, "automation_rule.deleted", r, "", "{}");
	R("enabled", "false");
	R("deleted_at", TIME_AT("00:07"));
	end(0);
}

static void articles(void)
{
	struct uuid a = test_id(0x53, 1), b = test_id(0x53, 2), k = test_id(0x54, 1);

#define CREATED(slug) "{\"content\":\"c\",\"slug\":\"" slug "\",\"title\":\"T\"}"
#define A(column, want) HAS("knowledge_base_articles", a, column, want)
	begin("an article on its way to its readers, and what they do with it");
	at(2, "kb.created", a, BY_U1, CREATED("s"));
	A("status", "draft");
	A("visibility", "internal");
	A("author_id", ID_U1);
	at(3, "kb.embedded", a, "", "{\"content_hash\":\"h1\",\"dim\":768,\"model\":\"m\",\"vector_ref\":\"v\"}");
	A("embedding_stale", "false");
	at(3, "kb.submitted", a, "", "{}");
	at(3, "kb.submitted", a, "", "{}");
	A("status", "review");
	at(4, "kb.rejected", a, "", "{\"reason\":\"thin\"}");
	A("rejection_reason", "thin");
	at(5, "kb.submitted", a, "", "{}");
	at(5, "kb.published", a, "", "{}");
	at(6, "kb.approved", a, "", "{\"by\":\"" ID_U2 "\"}");
	A("approved_by_id", ID_U2);
	A("is_active", "false");
	at(7, "kb.published", a, "", "{}");
	A("status", "published");
	A("is_active", "true");
	A("published_at", TIME_AT("00:07"));
	at(8, "kb.edited", a, BY_U1, "{\"changes\":{\"tags\":{\"from\":[],\"to\":[\"x\"]},\"title\":{\"from\":\"T\",\"to\":\"U\"}},\"content_hash\":\"h2\"}");
	A("title", "U");
	A("tags", "[\"x\"]");
	A("content_hash", "h2");
	A("embedding_stale", "true");
	A("status", "published");
	at(9, "kb.edited", a, BY_U1, "{\"changes\":{\"summary\":{\"to\":\"s\"},\"title\":{\"from\":\"T\",\"to\":\"V\"}},\"content_hash\":\"h3\"}");
	A("title", "U");
	A("summary", "null");
	A("content_hash", "h2");
	at(10, "kb.edited", a, BY_U1, "{\"changes\":{\"title\":{\"from\":\"T\",\"to\":\"U\"}},\"content_hash\":\"h2\"}");
	at(11, "kb.viewed", a, "", "{}");
	at(11, "kb.rated", a, "", "{\"helpful\":true}");
	at(11, "kb.rated", a, "", "{\"helpful\":false}");
	at(11, "kb.suggested", a, "", "{\"message_id\":\"" ID_M1 "\",\"source\":\"ai\"}");
	at(11, "kb.suggested", a, "", "{\"message_id\":\"" ID_M1 "\",\"source\":\"user\"}");
	at(11, "kb.suggestion_succeeded", a, IN_C1, "{}");
	A("view_count", "1");
	A("helpful_count", "1");
	A("not_helpful_count", "1");
	A("ai_suggestion_count", "1");
	A("ai_success_count", "1");
	at(12, "kb.unpublished", a, "", "{}");
	A("is_active", "false");
	at(13, "kb.published", a, "", "{}");
	A("status", "published");
	at(14, "kb.archived", a, "", "{}");
	at(15, "kb.edited", a, "", "{\"changes\":{\"title\":{\"to\":\"W\"}},\"content_hash\":\"h4\"}");
	A("title", "U");
	at(16, "kb.restored", a, "", "{}");
	A("status", "draft");
	/* The tenant may insist on review. */
	at(17, "tenant.created", tenant, "", "{\"name\":\"Org\",\"settings\":{\"kb_require_review\":true}}");
	at(18, "kb.published", a, "", "{}");
	A("status", "draft");
	at(19, "kb_category.created", k, "", "{\"name\":\"N\",\"parent_id\":\"00000054-0000-8000-8000-000000000002\",\"slug\":\"n\",\"sort_order\":4}");
	at(20, "kb_category.updated", k, "", "{\"name\":\"M\",\"slug\":\"m\"}");
	HAS("knowledge_base_categories", k, "sort_order", "0");
	HAS("knowledge_base_categories", k, "parent_id", "null");
	at(21, "kb_category.moved", k, "", "{\"parent_id\":\"00000054-0000-8000-8000-000000000003\",\"sort_order\":2}");
	HAS("knowledge_base_categories", k, "name", "M");
	HAS("knowledge_base_categories", k, "sort_order", "2");
	at(22, "kb_category.moved", k, "", "{}");
	HAS("knowledge_base_categories", k, "parent_id", "null");
	at(23, "kb_category.deleted", k, "", "{}");
	HAS("knowledge_base_categories", k, "deleted_at", TIME_AT("00:23"));
	at(24, "kb.viewed", b, "", "{}");
	end(5);
}

static void unique(void)
{
	struct uuid a = test_id(0x53, 1), b = test_id(0x53, 2), c = test_id(0x53, 3), u3 = test_id(0xa0, 3);
	const struct event *many[20];
	struct arena scratch;
	struct row_keys keys = { 0 };

	begin("a slug and an address belong to whoever had them first; the others are kept all the same");
	at(2, "kb.created", a, "", CREATED("one"));
	at(3, "kb.created", b, "", CREATED("one"));
	HAS("knowledge_base_articles", b, "slug", "one");
	at(4, "kb.edited", a, "", "{\"changes\":{\"slug\":{\"to\":\"two\"}},\"content_hash\":\"h\"}");
	at(5, "kb.created", c, "", CREATED("one"));
	at(6, "kb.edited", b, "", "{\"changes\":{\"slug\":{\"to\":\"two\"}},\"content_hash\":\"h\"}");
	at(7, "kb.edited", a, "", "{\"changes\":{\"title\":{\"to\":\"x\"}},\"content_hash\":\"h\"}");
	at(8, "user.created", u3, "", "{\"email\":\"u1@x.example\",\"role\":\"agent\"}");
	HAS("users", u3, "email", "u1@x.example");
	at(9, "user.updated", u3, "", "{\"changes\":{\"email\":{\"to\":\"u3@x.example\"}}}");
	at(10, "user.updated", u1, "", "{\"changes\":{\"email\":{\"to\":\"u9@x.example\"}}}");
	at(11, "user.updated", u2, "", "{\"changes\":{\"email\":{\"to\":\"u1@x.example\"}}}");
	is_int(memory_db_count(&db, "unique_values"), 2 + 2 + 2, "two slugs, four addresses");
	/* A batch of many such rows is foreseen: nothing is folded twice. */
	for (int i = 0; i < 20; i++) {
		char payload[100];

		snprintf(payload, sizeof(payload), "{\"content\":\"c\",\"slug\":\"s%d\",\"title\":\"T\"}", i / 2);
		many[i] = event_make(&arena, ++position, "kb.created", tenant, test_id(0x53, 100 + (unsigned)i), "", 12, payload);
	}
	is_int(memory_db_fold(&db, &state, many, 20), 0, "twenty articles at once fold in one go");
	arena_init(&scratch, 4096);
	state_drop(&state);
	state_wants(&state, many, 1, &scratch, &keys);
	is_int(keys.count, 2, "an article needs its own row and that of its slug");
	arena_release(&scratch);
	end(3 + 10);
}

static void unmerge(struct uuid id, struct uuid merge)
{
	char payload[100], text[UUID_TEXT];

	snprintf(payload, sizeof(payload), "{\"merge_event_id\":\"%s\"}", uuid_format(&merge, text));
	at(50, "customer.unmerged", id, "", payload);
}

#define EMAILS(id, want) HAS("customers", id, "identity_graph", "{\"device_fingerprints\":[],\"emails\":[" want "],\"phone_numbers\":[],\"social_ids\":{}}")
#define OWNER(want) HAS("conversations", c1, "customer_id", want)
#define ID_K3 "000000c1-0000-8000-8000-000000000003"
#define GIVES(from, ids) "{\"from_id\":\"" from "\",\"moved\":{\"conversation_ids\":[\"" ID_C1 "\"],\"identities\":[" ids "]}}"
#define MAIL(name) "{\"kind\":\"email\",\"value\":\"" name "@x.example\"}"

/* one is merged into two, two into three; then taken apart in the order given. */
static void nested_merges(bool inner_first)
{
	struct uuid k3 = test_id(0xc1, 3), inner, outer;

	begin(inner_first ? "nested merges, the inner one taken back first" : "nested merges, the outer one taken back first");
	at(2, "customer.created", k3, "", "{\"identities\":[" MAIL("three") "]}");
	at(3, "customer.identity_added", k2, "", MAIL("two"));
	inner = at(4, "customer.merged", k2, "", GIVES(ID_K1, MAIL("one")));
	at(4, "customer.merged_into", k1, "", "{\"into_id\":\"" ID_K2 "\"}");
	OWNER(ID_K2);
	outer = at(5, "customer.merged", k3, "", GIVES(ID_K2, MAIL("two") "," MAIL("one")));
	at(5, "customer.merged_into", k2, "", "{\"into_id\":\"" ID_K3 "\"}");
	OWNER(ID_K3);
	EMAILS(k3, "\"three@x.example\",\"two@x.example\",\"one@x.example\"");
	if (inner_first) {
		unmerge(k1, inner);
		OWNER(ID_K1);
		EMAILS(k2, "\"two@x.example\"");
		EMAILS(k3, "\"three@x.example\",\"two@x.example\"");
		unmerge(k2, outer);
		OWNER(ID_K1);
	} else {
		unmerge(k2, outer);
		OWNER(ID_K2);
		EMAILS(k2, "\"two@x.example\",\"one@x.example\"");
		unmerge(k1, inner);
		OWNER(ID_K1);
	}
	EMAILS(k1, "\"one@x.example\"");
	EMAILS(k2, "\"two@x.example\"");
	EMAILS(k3, "\"three@x.example\"");
	HAS("customers", k1, "status", "active");
	end(0);
}

static void own_identities_stay(void)
{
	struct uuid merge;

	begin("a merge takes nothing that the survivor has of its own");
	at(2, "customer.identity_added", k2, "", "{\"channel\":\"instagram\",\"kind\":\"social\",\"value\":\"two\"}");
	at(2, "customer.identity_added", k2, "", MAIL("one"));
	merge = at(3, "customer.merged", k2, "", "{\"from_id\":\"" ID_K1 "\",\"moved\":{\"identities\":[" MAIL("one") ",{\"channel\":\"instagram\",\"kind\":\"social\",\"value\":\"one\"},"
	   "{\"channel\":\"twitter\",\"kind\":\"social\",\"value\":\"one\"}]}}");
	at(3, "customer.merged_into", k1, "", "{\"into_id\":\"" ID_K2 "\"}");
	HAS("customers", k2, "identity_graph", "{\"device_fingerprints\":[],\"emails\":[\"one@x.example\"],\"phone_numbers\":[],\"social_ids\":{\"instagram\":\"two\",\"twitter\":\"one\"}}");
	unmerge(k1, merge);
	HAS("customers", k2, "identity_graph", "{\"device_fingerprints\":[],\"emails\":[\"one@x.example\"],\"phone_numbers\":[],\"social_ids\":{\"instagram\":\"two\"}}");
	end(0);
}

static void stale(void)
{
	begin("changes hold when the row is what they change it from");
	at(2, "customer.updated", k1, "", "{\"changes\":{\"company\":{\"from\":null,\"to\":\"C\"},\"name\":{\"from\":\"One\",\"to\":\"Uno\"}}}");
	at(3, "customer.updated", k1, "", "{\"changes\":{\"company\":{\"from\":\"C\",\"to\":\"D\"},\"name\":{\"from\":\"One\",\"to\":\"Eins\"}}}");
	HAS("customers", k1, "profile", "{\"avatar_url\":null,\"company\":\"C\",\"metadata\":{},\"name\":\"Uno\"}");
	at(4, "customer.updated", k1, "", "{\"changes\":{\"profile\":{\"from\":{\"name\":\"Uno\"},\"to\":{\"name\":\"Ein\"}}}}");
	at(5, "customer.updated", k1, "", "{\"changes\":{\"profile\":{\"from\":{\"name\":\"Uno\"},\"to\":{\"name\":\"Zwei\"}}}}");
	HAS("customers", k1, "profile", "{\"avatar_url\":null,\"company\":\"C\",\"metadata\":{},\"name\":\"Ein\"}");
	at(6, "conversation.metadata_changed", c1, "", "{\"changes\":{\"a\":{\"to\":{\"x\":1,\"y\":1e21}}}}");
	at(7, "conversation.metadata_changed", c1, "", "{\"changes\":{\"a\":{\"from\":{\"y\":1e21,\"x\":1},\"to\":2}}}");
	HAS("conversations", c1, "metadata", "{\"a\":2}");
	at(8, "conversation.metadata_changed", c1, "", "{\"changes\":{\"a\":{\"from\":3,\"to\":4},\"b\":{\"to\":1}}}");
	HAS("conversations", c1, "metadata", "{\"a\":2}");
	at(9, "user.updated", u1, "", "{\"changes\":{\"first_name\":{\"from\":null,\"to\":\"A\"}}}");
	at(10, "user.updated", u1, "", "{\"changes\":{\"first_name\":{\"from\":\"B\",\"to\":\"C\"}}}");
	HAS("users", u1, "first_name", "A");
	end(4);
}

static void same_json(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "1", "1.0", true }, { "-0", "0", true }, { "1e+21", "1000000000000000000000", true }, { "1e-7", "0.0000001", true },
		{ "0.05", "5e-2", true }, { "150", "1.5e2", true }, { "10", "1", false }, { "0.1", "0.01", false }, { "-1", "1", false },
		{ "\"a\"", "\"a\"", true }, { "\"a\"", "\"b\"", false }, { "[1,2]", "[1,2.0]", true }, { "[1,2]", "[2,1]", false },
		{ "[1]", "[1,2]", false }, { "{\"a\":1,\"bb\":[{}]}", "{\"bb\":[{}],\"a\":1.0}", true }, { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1}", "{\"b\":1}", false }, { "{}", "[]", false }, { "null", "null", true }, { "true", "false", false }, { "{}", "{}", true },
		{ "9007199254740991", "9007199254740990", false }, { "1.7976931348623157e+308", "1.7976931348623157e+307", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(fold_json_same(bytes_text(cases[i].a), bytes_text(cases[i].b)) == cases[i].same &&
		   fold_json_same(bytes_text(cases[i].b), bytes_text(cases[i].a)) == cases[i].same,
		   "%s %s %s", cases[i].a, cases[i].same ? "is" : "is not", cases[i].b);
}

int main(void)
{
	story_setup();
	policies();
	rules();
	articles();
	unique();
	nested_merges(true);
	nested_merges(false);
	own_identities_stay();
	stale();
	same_json();
	arena_release(&arena);
	return tap_done();
}
