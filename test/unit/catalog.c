/* The catalog's tables, its index, the printed reference and the upcaster. */
#include "event/catalog.h"

#include "base/arena.h"
#include "event/catalog/upcast.h"
#include "event/fields.h"
#include "test/tap.h"

static const struct field *find_field(const char *type_name, const char *name)
{
	const struct event_type *type = catalog_find(bytes_text(type_name));

	for (const struct field *f = type ? type->shape.fields : NULL; f && f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static void test_index(void)
{
	bool found = true;

	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = catalog_get((enum event_kind)kind);
		size_t family = strlen(type->family);

		found = found && type->kind == (enum event_kind)kind && catalog_find(bytes_text(type->name)) == type &&
			strncmp(type->name, type->family, family) == 0 && type->name[family] == '.';
	}
	ok(found, "each of %d types is found by its name and stands under its family", EV_COUNT - 1);
	ok(!catalog_find(BYTES("message.receive")), "a part of a name is no name");
	ok(!catalog_find(BYTES("Message.received")), "names are lower case");
	ok(!catalog_find(BYTES("")), "nothing is no name");
	ok(!catalog_find(BYTES("a.name.of.far.more.than.the.fifty.characters.that.the.log.takes")), "nor is a long one");
	is_int(catalog_find(BYTES("message.failed"))->kind, EV_MESSAGE_FAILED, "a symbol is its name in capitals");

	found = true;
	for (int e = ENTITY_NONE + 1; e < ENTITY_COUNT; e++)
		found = found && (int)entity_find(bytes_text(entity_name((enum entity)e))) == e;
	ok(found, "entities are found by their names");
	is_int(entity_find(BYTES("thing")), ENTITY_NONE, "an unknown entity is none");
}

static void test_versions(void)
{
	const struct event_type *failed = catalog_get(EV_MESSAGE_FAILED);
	bool one = true;

	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++)
		one = one && catalog_shape(catalog_get((enum event_kind)kind), 1);
	ok(one, "version 1 of every type is taken");
	is_int(failed->shape.version, 2, "message.failed is at version 2");
	ok(catalog_shape(failed, 2) == &failed->shape, "which is the newest shape");
	ok(catalog_shape(failed, 1) && catalog_shape(failed, 1)->upcast, "its version 1 can be lifted");
	ok(!catalog_shape(failed, 0) && !catalog_shape(failed, 3), "there is no version 0 or 3");
	is_int(shape_field_count(&failed->shape), 4, "version 2 has four fields");
	is_int(shape_field_count(catalog_shape(failed, 1)), 3, "version 1 has three");
}

/* Lengths, lists and marks that the requirements state. */
static void test_fields(void)
{
	static const struct {
		const char *type, *field;
		enum field_type kind;
		bool required, pii;
		int64_t max;
	} cases[] = {
		{ "message.received", "content", FIELD_STRING, true, true, 150000 },
		{ "message.received", "channel_message_id", FIELD_STRING, false, false, 255 },
		{ "message.received", "channel", FIELD_ENUM, true, false, 0 },
		{ "message.sent", "content", FIELD_STRING, false, true, 150000 },
		{ "conversation.created", "subject", FIELD_STRING, false, true, 500 },
		{ "conversation.created", "initial_channel", FIELD_STRING, true, false, 30 },
		{ "conversation.unassigned", "unassignment_reason", FIELD_STRING, true, false, 50 },
		{ "user.created", "email", FIELD_STRING, true, true, 255 },
		{ "user.created", "locale", FIELD_STRING, false, false, 10 },
		{ "team.created", "name", FIELD_STRING, true, false, 100 },
		{ "ai.annotated", "intent_confidence", FIELD_DECIMAL, true, false, 100 },
		{ "ai.annotated", "sentiment_score", FIELD_DECIMAL, false, false, 1000 },
		{ "ai.annotated", "model_version", FIELD_STRING, true, false, 50 },
		{ "attachment.added", "size_bytes", FIELD_INT, true, false, 9007199254740991 },
		{ "resolution.created", "issue_subtype", FIELD_STRING, false, false, 50 },
		{ "swarm.created", "slack_channel_id", FIELD_STRING, true, false, 50 },
		{ "kb.created", "slug", FIELD_STRING, true, false, 255 },
		{ "kb_category.created", "slug", FIELD_STRING, true, false, 100 },
		{ "automation_rule.created", "cooldown_key", FIELD_STRING, false, false, 50 },
		{ "customer_update.scheduled", "channel", FIELD_STRING, true, false, 30 },
		{ "note.added", "content", FIELD_STRING, true, true, 150000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct field *f = find_field(cases[i].type, cases[i].field);

		ok(f && f->type == cases[i].kind && f->required == cases[i].required && f->pii == cases[i].pii &&
			   f->max == cases[i].max,
		   "%s: %s", cases[i].type, cases[i].field);
	}
	for (size_t i = 0; find_field("automation_rule.created", "trigger_event")->values[i]; i++) {
		const char *name = find_field("automation_rule.created", "trigger_event")->values[i];

		ok(catalog_find(bytes_text(name)), "a rule can be triggered by %s, which exists", name);
	}
	ok(find_field("note.added", "conversation_id")->any_of && find_field("note.added", "resolution_id")->any_of,
	   "a note needs a conversation or a resolution");
	ok(find_field("message.received", "conversation_id")->context, "a message's conversation may stand in the envelope");
	ok(catalog_get(EV_MESSAGE_READ)->needs_conversation && !catalog_get(EV_AI_ANNOTATED)->needs_conversation,
	   "a message needs a conversation, an annotation does not");
}

/* Ids that name something the engine does not keep as an entity. */
static bool is_foreign_id(const char *name)
{
	static const char *const names[] = { "thread_id", "ai_interaction_id", "merge_event_id", "breach_event_id",
					     "trigger_event_id", "log_id", "tenant_id" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void test_references(void)
{
	bool all = true;

	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		const struct event_type *type = catalog_get((enum event_kind)kind);

		for (const struct field *f = type->shape.fields; f->name; f++)
			if ((f->type == FIELD_UUID || f->type == FIELD_UUIDS) && !f->ref && !is_foreign_id(f->name)) {
				note("%s: %s", type->name, f->name);
				all = false;
			}
	}
	ok(all, "each uuid says what it names");
}

static void test_changes(void)
{
	const struct field *user = find_field("user.updated", "changes");
	const struct field *metadata = find_field("conversation.metadata_changed", "changes");

	ok(catalog_column(user, BYTES("email")) == find_field("user.created", "email"),
	   "a changed column may hold what it could hold at creation");
	ok(!catalog_column(user, BYTES("no_such_column")), "a column that does not exist holds nothing");
	ok(!catalog_column(metadata, BYTES("anything")) && !metadata->values, "metadata may hold anything");
	is_int(catalog_column(find_field("customer.updated", "changes"), BYTES("name"))->max, 255,
	       "a part of the profile is a column too");
}

static void test_upcast(void)
{
	static const struct {
		const char *from, *to, *name;
	} cases[] = {
		{ "{\"error_message\":\"timed out\"}", "{\"error_message\":\"timed out\",\"retryable\":true}",
		  "without a code another attempt may help" },
		{ "{\"attempt\":2,\"code\":\"rate_limited\",\"error_message\":\"slow down\"}",
		  "{\"attempt\":2,\"code\":\"rate_limited\",\"error_message\":\"slow down\",\"retryable\":true}",
		  "a passing failure is retryable" },
		{ "{\"code\":\"invalid_recipient\",\"error_message\":\"no such number\"}",
		  "{\"code\":\"invalid_recipient\",\"error_message\":\"no such number\",\"retryable\":false}",
		  "an unknown recipient stays unknown" },
		{ "{\"code\":\"x\",\"error_message\":\"\\\"code\\\":\\\"blocked\\\"\"}",
		  "{\"code\":\"x\",\"error_message\":\"\\\"code\\\":\\\"blocked\\\"\",\"retryable\":true}",
		  "a code inside a text is not the code" },
	};
	struct buffer out = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer_reset(&out);
		is_int(upcast_message_failed_1(bytes_text(cases[i].from), &out), 0, "a version 1 payload is lifted");
		is_text(buffer_text(&out), cases[i].to, cases[i].name);
	}
	is_int(upcast_message_failed_1(BYTES("[]"), &out), E_INVALID, "what is no object is refused");
	buffer_release(&out);
}

static void test_read_lifted(void)
{
	struct event e = { .version = 1 };
	struct fields fields;
	struct error error;
	struct arena arena;

	arena_init(&arena, 4096);
	e.type = catalog_get(EV_MESSAGE_FAILED);
	e.payload = BYTES("{\"code\":\"blocked\",\"error_message\":\"user has blocked the number\"}");
	is_int(fields_decode(&e, &arena, &fields, &error), 0, "a reader takes a version 1 event");
	ok(field_has(&fields, "retryable") && !field_bool(&fields, "retryable", true), "and sees version 2");
	e.version = 2;
	e.payload = BYTES("{\"error_message\":\"x\",\"retryable\":true}");
	is_int(fields_decode(&e, &arena, &fields, &error), 0, "a version 2 event is read as it is");
	ok(field_bool(&fields, "retryable", false), "with its own value");
	arena_release(&arena);
}

static bool contains(struct buffer *b, const char *text)
{
	return strstr(buffer_text(b), text) != NULL;
}

static void test_print(void)
{
	struct buffer out = { 0 };

	catalog_print(&out, CATALOG_TEXT, "", false);
	ok(contains(&out, "  message.failed  version 2, entity message") && contains(&out, "version 1 is still taken"),
	   "text names types and versions");
	ok(contains(&out, "* content ") && contains(&out, "up to 150,000 characters"), "and limits");
	ok(contains(&out, "-1.000 to 1.000"), "and ranges of decimals");
	ok(!contains(&out, "\033"), "without colours unless asked");
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++)
		if (!contains(&out, catalog_get((enum event_kind)kind)->about))
			ok(false, "%s is described", catalog_get((enum event_kind)kind)->name);

	buffer_reset(&out);
	catalog_print(&out, CATALOG_TEXT, "note.", true);
	ok(contains(&out, "\033["), "with colours when asked");
	ok(contains(&out, "note.added") && !contains(&out, "message.read"), "a prefix narrows");

	buffer_reset(&out);
	catalog_print(&out, CATALOG_JSON, "", false);
	ok(json_check(buffer_bytes(&out), 16), "JSON is JSON");
	ok(contains(&out, "{\"type\":\"message.failed\",\"family\":\"message\",") && contains(&out, "\"versions\":[2,1]"),
	   "with versions");
	buffer_reset(&out);
	catalog_print(&out, CATALOG_JSON, "nothing.like.this", false);
	is_text(buffer_text(&out), "[\n]\n", "an empty choice is an empty array");

	buffer_reset(&out);
	catalog_print(&out, CATALOG_MARKDOWN, "customer.created", false);
	ok(contains(&out, "| `identities[].value` | string | required | pii | 1 to 255 characters |"),
	   "Markdown lists the members of objects");
	buffer_release(&out);
}

int main(void)
{
	catalog_init();
	catalog_init();
	test_index();
	test_versions();
	test_fields();
	test_references();
	test_changes();
	test_upcast();
	test_read_lifted();
	test_print();
	return tap_done();
}
