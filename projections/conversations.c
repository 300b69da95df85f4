/*
 * conversations - one matter between a customer and a tenant, over whatever channels it takes.
 *
 * Here: the columns, and the events that only set something.  The state machine is conversation_flow.c,
 * messages and annotations are conversation_talk.c.
 *
 * status is the substate while there is one, else the state: initialized (no message yet), transferred (not
 * yet taken up), processing (an AI is at work; nothing feeds it yet).  The SLA columns and first responses are
 * filled by the clocks' folds (sla_talk.c), which run later on the same event.
 *
 * Feedback: one score for each kind, of the latest cycle; within a cycle the last one wins.
 */
#include "projections/conversations.h"

#include "projections/customers.h"
#include "projections/registry.h"

const char *const resolved_bys[] = { "agent", "ai", "customer", "auto_inactivity", "merge", NULL };

static const char *const statuses[] = {
	"open", "awaiting_customer", "awaiting_agent", "escalated", "resolved", "reopened",
	"initialized", "processing", "transferred", NULL,
};
static const char *const substates[] = { "initialized", "processing", "transferred", NULL };
static const char *const classified_bys[] = { "ai", "user", NULL };

void conversation_use_channel(struct fold *f, struct conversation *c, struct bytes channel)
{
	if (!channel.data || (c->current_channel.data && bytes_equal(c->current_channel, channel)))
		return;
	c->current_channel = fold_keep(f, channel);
	c->channels_used = fold_texts_add(f, c->channels_used, channel);
}

static int on_created(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;
	const struct customer *customer = customer_find(f, &e->customer_id);

	c->customer_id = customer ? *customer_id(customer) : e->customer_id;
	if (!customer)
		fold_anomaly(f, "unknown_customer", "no such customer; the conversation is kept");
	else if (!field_has(&f->fields, "sla_tier"))
		c->sla_tier = customer_tier(customer);
	conversation_use_channel(f, c, c->initial_channel);
	conversation_set_substate(c, SUBSTATE_INITIALIZED);
	c->state_changed_at = e->occurred_at;
	f->facts.transition = true;
	f->facts.transition_cause = "created";
	f->facts.from_state = -1;
	f->facts.to_state = c->state;
	f->facts.conversation = c->row.id;
	return 0;
}

/* A model may not overrule what a person has said. */
static int on_classified(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	bool by_user = bytes_is(field_text(&f->fields, "source"), "user") ||
		       (!field_has(&f->fields, "source") && e->actor_type == ACTOR_USER);

	if (!c || (!by_user && c->classified_by == CLASSIFIED_BY_USER))
		return 0;
	fold_copy(f, c);
	c->classified_by = by_user ? CLASSIFIED_BY_USER : CLASSIFIED_BY_AI;
	return 0;
}

static int on_severity_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;

	c->severity = (int16_t)field_enum(&f->fields, "to");
	if (e->actor_type == ACTOR_USER)
		c->classified_by = CLASSIFIED_BY_USER;
	return 0;
}

static int on_tier_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;

	c->sla_tier = (int16_t)field_enum(&f->fields, "to");
	return 0;
}

static int on_channel_switched(struct fold *f, const struct event *e)
{
	conversation_use_channel(f, f->row, field_text(&f->fields, "to"));
	return 0;
}

static int on_team_assigned(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;

	c->assigned_team_id = field_uuid(&f->fields, "team_id");
	return 0;
}

static int on_customer_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct uuid from = field_uuid(&f->fields, "from"), to = field_uuid(&f->fields, "to");
	const struct customer *customer = customer_find(f, &to);

	if (!c)
		return 0;
	if (!customer)
		return fold_anomaly(f, "unknown_customer", "no such customer");
	if (!uuid_is_nil(&from) && !uuid_equal(&from, &c->customer_id))
		return fold_anomaly(f, "stale_write", "the conversation is with another customer");
	c->customer_id = *customer_id(customer);
	c->merged_customers = BYTES("[]");
	return 0;
}

static int on_subject_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;

	c->subject = fold_keep(f, field_text(&f->fields, "to"));
	return 0;
}

static int on_summarized(struct fold *f, const struct event *e)
{
	struct conversation *c = f->row;

	c->summary_source = fold_keep(f, field_text(&f->fields, "source"));
	return 0;
}

static int on_tagged(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);

	if (!c)
		return 0;
	if (e->type->kind == EV_CONVERSATION_TAGGED)
		c->tags = fold_texts_add_all(f, c->tags, field_raw(&f->fields, "tags"));
	else
		c->tags = fold_texts_remove_all(f, c->tags, field_raw(&f->fields, "tags"));
	return 0;
}

/* An entry whose new value is null goes. */
static int on_metadata_changed(struct fold *f, const struct event *e)
{
	struct conversation *c = conversation_of(f, e);
	struct bytes changes = field_raw(&f->fields, "changes"), key, value;
	size_t at = 0;

	while (c && json_next(changes, &at, &key, &value)) {
		if (!fold_change_holds(value, fold_object_get(c->metadata, key)))
			return fold_anomaly(f, "stale_write", "\"%.*s\" is not what the event changes it from", (int)key.len, key.data);
	}
	at = 0;
	while (c && json_next(changes, &at, &key, &value)) {
		struct bytes to = json_member(value, "to");

		if (to.data && json_is_null(to))
			to.data = NULL;
		c->metadata = fold_object_set(f, c->metadata, key, to.data ? to : (struct bytes){ NULL, 0 });
	}
	return 0;
}

static int on_feedback(struct fold *f, const struct event *e)
{
	static const struct {
		const char *kind;
		size_t score, cycle;
		int64_t least, most;
	} kinds[] = {
		{ "csat", offsetof(struct conversation, csat), offsetof(struct conversation, csat_cycle), 1, 5 },
		{ "nps", offsetof(struct conversation, nps), offsetof(struct conversation, nps_cycle), 0, 10 },
		{ "ces", offsetof(struct conversation, ces), offsetof(struct conversation, ces_cycle), 1, 7 },
	};
	struct conversation *c = conversation_find(f, &e->conversation_id);
	struct bytes kind = field_text(&f->fields, "kind");
	int64_t score = field_int(&f->fields, "score", INT_NONE), cycle = field_int(&f->fields, "cycle", 1);

	if (!c)
		return fold_anomaly(f, "unknown_conversation", "no such conversation");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int64_t *slot = (int64_t *)(void *)((char *)c + kinds[i].score);
		int64_t *last = (int64_t *)(void *)((char *)c + kinds[i].cycle);

		if (!bytes_is(kind, kinds[i].kind))
			continue;
		if (score < kinds[i].least || score > kinds[i].most)
			return fold_anomaly(f, "bad_value", "a %s score is %lld to %lld", kinds[i].kind,
					    (long long)kinds[i].least, (long long)kinds[i].most);
		if (cycle < *last)
			return 0;
		fold_change(f, c);
		*slot = score;
		*last = cycle;
		if (field_has(&f->fields, "comment"))
			c->feedback_comment = fold_keep(f, field_text(&f->fields, "comment"));
	}
	return 0;
}

/*
 * Whose conversation it is after merges of customers, and whose it was before: merged_customers names the former
 * owners, the first one first.  customer.merged moves the conversations that the payload lists.
 */
static int on_customer_merged(struct fold *f, const struct event *e)
{
	struct uuid from = field_uuid(&f->fields, "from_id"), id;
	const struct customer *to = customer_find(f, &e->entity_id);
	struct bytes moved = field_raw(&f->fields, "moved"), ids, key, value;
	char text[UUID_TEXT];
	size_t at = 0;

	if (!to || uuid_equal(&from, customer_id(to)) || !moved.data || json_is_null(moved))
		return 0;
	ids = json_member(moved, "conversation_ids");
	while (ids.data && ids.data[0] == '[' && json_next(ids, &at, &key, &value)) {
		struct conversation *c = uuid_parse(value.data + 1, value.len - 2, &id) ? fold_self(f, &id) : NULL;

		if (!c || !uuid_equal(&c->customer_id, &from))
			continue;
		fold_change(f, c);
		c->merged_customers = fold_texts_add(f, c->merged_customers, bytes_text(uuid_format(&from, text)));
		c->customer_id = *customer_id(to);
	}
	return 0;
}

/* customer.unmerged: they go back, unless they have gone elsewhere since; what later merges did to them ends with it. */
static int on_customer_unmerged(struct fold *f, const struct event *e)
{
	const struct customer *to = (const struct customer *)(const void *)f->facts.unmerged;
	struct bytes ids, key, value, owner;
	char text[UUID_TEXT];
	struct uuid id;
	size_t at = 0;

	if (!to)
		return 0;
	ids = customer_moved(to);
	uuid_format(customer_id(to), text);
	while (ids.data && json_next(ids, &at, &key, &value)) {
		struct conversation *c = uuid_parse(value.data + 1, value.len - 2, &id) ? fold_self(f, &id) : NULL;
		struct bytes before = BYTES("[]");
		size_t inner = 0;

		if (!c || !fold_texts_has(c->merged_customers, bytes_text(text)))
			continue;
		while (json_next(c->merged_customers, &inner, &key, &owner) && !bytes_is(bytes_of(owner.data + 1, owner.len - 2), text))
			before = fold_list_add(f, before, owner);
		fold_change(f, c);
		c->customer_id = *customer_id(to);
		c->merged_customers = before;
	}
	return 0;
}

#define CYCLE_COLUMN(column, sla_kind) \
	{ .name = column, .kind = COLUMN_INT4, .offset = offsetof(struct conversation, clock_cycles[sla_kind]), .required = true, \
	  .hidden = true, .fallback = "0" }

static const struct column columns[] = {
	COLUMN(conversation, customer_id, UUID, .required = true, .ref = ENTITY_CUSTOMER),
	COLUMN(conversation, state, ENUM, .sql = "varchar(30)", .required = true, .values = values_conversation_state,
	       .fallback = "open"),
	COLUMN(conversation, previous_state, ENUM, .sql = "varchar(30)", .values = values_conversation_state),
	COLUMN(conversation, channels_used, TEXTS, .required = true, .fallback = "[]", .open = true),
	COLUMN(conversation, current_channel, TEXT, .sql = "varchar(30)", .open = true),
	COLUMN(conversation, initial_channel, TEXT, .sql = "varchar(30)", .required = true),
	COLUMN(conversation, assigned_agent_id, UUID, .ref = ENTITY_USER),
	COLUMN(conversation, assigned_team_id, UUID),
	COLUMN(conversation, intent, TEXT, .sql = "varchar(50)"),
	COLUMN(conversation, severity, ENUM, .sql = "varchar(10)", .values = values_severity),
	COLUMN(conversation, sentiment, ENUM, .sql = "varchar(20)", .values = values_sentiment),
	COLUMN(conversation, required_skills, TEXTS, .fallback = "[]"),
	COLUMN(conversation, sla_tier, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_tier,
	       .fallback = "standard"),
	COLUMN(conversation, first_response_at, TIME, .about = "the first answer of whom the promise asks for, an agent where nothing is promised"),
	COLUMN(conversation, first_response_due_at, TIME),
	COLUMN(conversation, resolution_due_at, TIME),
	COLUMN(conversation, sla_breached, BOOL, .fallback = "false"),
	COLUMN(conversation, resolution_id, UUID),
	COLUMN(conversation, subject, TEXT, .sql = "varchar(500)"),
	COLUMN(conversation, summary, TEXT),
	COLUMN(conversation, tags, TEXTS, .fallback = "[]"),
	COLUMN(conversation, metadata, JSON, .fallback = "{}"),
	COLUMN(conversation, message_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(conversation, internal_note_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(conversation, last_message_at, TIME),
	COLUMN(conversation, last_customer_message_at, TIME),
	COLUMN(conversation, last_agent_message_at, TIME),
	COLUMN(conversation, resolved_at, TIME, .about = "the latest; kept when the conversation is reopened"),
	COLUMN(conversation, reopened_at, TIME),
	COLUMN(conversation, created_at, TIME, .required = true),
	COLUMN(conversation, updated_at, TIME, .required = true),

	COLUMN(conversation, status, ENUM, .sql = "varchar(30)", .required = true, .values = statuses, .fallback = "open",
	       .about = "the substate while there is one, else the state"),
	COLUMN(conversation, substate, ENUM, .sql = "varchar(30)", .values = substates),
	COLUMN(conversation, state_changed_at, TIME),
	COLUMN(conversation, first_assigned_at, TIME),
	COLUMN(conversation, first_human_response_at, TIME),
	COLUMN(conversation, first_ai_response_at, TIME),
	COLUMN(conversation, first_resolved_at, TIME),
	COLUMN(conversation, emotion, TEXT, .sql = "varchar(50)"),
	COLUMN(conversation, classified_by, ENUM, .sql = "varchar(10)", .values = classified_bys),
	COLUMN(conversation, confidence, DECIMAL, .sql = "numeric(3,2)", .scale = 2, .about = "of the classification"),
	COLUMN(conversation, ai_handled, BOOL, .fallback = "false"),
	COLUMN(conversation, session_id, TEXT, .sql = "varchar(255)", .withheld = true),
	COLUMN(conversation, summary_source, TEXT, .sql = "varchar(10)", .open = true),
	COLUMN(conversation, transfer_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, escalation_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, escalation_level, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, handoff_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, reopen_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, resolve_count, INT4, .sql = "integer", .required = true, .fallback = "0"),
	COLUMN(conversation, resolution_code, TEXT, .sql = "varchar(50)"),
	COLUMN(conversation, resolved_by, ENUM, .sql = "varchar(20)", .values = resolved_bys),
	COLUMN(conversation, csat, INT2),
	COLUMN(conversation, nps, INT2),
	COLUMN(conversation, ces, INT2),
	COLUMN(conversation, feedback_comment, TEXT),
	COLUMN(conversation, merged_into_id, UUID, .ref = ENTITY_CONVERSATION),
	COLUMN(conversation, split_from_id, UUID),
	COLUMN(conversation, deleted_at, TIME),

	COLUMN(conversation, current_assignment_id, UUID, .hidden = true, .ref = ENTITY_ASSIGNMENT),
	COLUMN(conversation, merged_customers, UUIDS, .hidden = true, .required = true, .fallback = "[]"),
	COLUMN(conversation, merge_height, INT2, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, csat_cycle, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, nps_cycle, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, ces_cycle, INT4, .hidden = true, .required = true, .fallback = "0"),
	CYCLE_COLUMN("first_response_cycle", SLA_FIRST_RESPONSE),
	CYCLE_COLUMN("next_response_cycle", SLA_NEXT_RESPONSE),
	CYCLE_COLUMN("update_cycle", SLA_UPDATE),
	CYCLE_COLUMN("resolution_cycle", SLA_RESOLUTION),
	COLUMN(conversation, next_response_begun, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, update_begun, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, clock_states, INT2, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, breached_clocks, INT4, .hidden = true, .required = true, .fallback = "0"),
	COLUMN(conversation, clocked_severity, ENUM, .sql = "varchar(10)", .hidden = true, .values = values_severity),
	COLUMN(conversation, clocked_tier, ENUM, .sql = "varchar(20)", .hidden = true, .values = values_sla_tier),
	COLUMN(conversation, clocked_team_id, UUID, .hidden = true),
	COLUMN(conversation, last_ai_answer_at, TIME, .hidden = true),
	COLUMN(conversation, answers, UUIDS, .hidden = true, .required = true, .fallback = "[]"),
};

static const struct fold_entry folds[] = {
	ON(CONVERSATION_CREATED, CREATE, .then = on_created),
	ON(CONVERSATION_CLASSIFIED, CALL, .then = on_classified),
	ON(CONVERSATION_SEVERITY_CHANGED, COPY, .then = on_severity_changed),
	ON(CONVERSATION_TIER_CHANGED, COPY, .then = on_tier_changed),
	ON(CONVERSATION_STATE_CHANGED, CALL, .then = conversation_on_state_changed),
	ON(CONVERSATION_CHANNEL_SWITCHED, COPY, .then = on_channel_switched),
	ON(CONVERSATION_ASSIGNED, CALL, .then = conversation_on_assigned),
	ON(CONVERSATION_UNASSIGNED, CALL, .then = conversation_on_unassigned),
	ON(CONVERSATION_TEAM_ASSIGNED, COPY, .then = on_team_assigned),
	ON(CONVERSATION_TRANSFERRED, CALL, .then = conversation_on_transferred),
	ON(CONVERSATION_HANDED_OFF, CALL, .then = conversation_on_handed_off),
	ON(CONVERSATION_ESCALATED, CALL, .then = conversation_on_escalated),
	ON(CONVERSATION_DEESCALATED, CALL, .then = conversation_on_deescalated),
	ON(CONVERSATION_RESOLVED, CALL, .then = conversation_on_resolved),
	ON(CONVERSATION_REOPENED, CALL, .then = conversation_on_reopened),
	ON(CONVERSATION_MERGED_INTO, CALL, .then = conversation_on_merged_into, .refs = ENTITY_CONVERSATION),
	ON(CONVERSATION_SPLIT, CALL, .then = conversation_on_split, .refs = ENTITY_CONVERSATION),
	ON(CONVERSATION_CUSTOMER_CHANGED, CALL, .then = on_customer_changed, .refs = ENTITY_CUSTOMER),
	ON(CONVERSATION_SUBJECT_CHANGED, COPY, .then = on_subject_changed),
	ON(CONVERSATION_SUMMARIZED, COPY, .then = on_summarized),
	ON(CONVERSATION_TAGGED, CALL, .then = on_tagged),
	ON(CONVERSATION_UNTAGGED, CALL, .then = on_tagged),
	ON(CONVERSATION_METADATA_CHANGED, CALL, .then = on_metadata_changed),
	ON(CONVERSATION_RESOLUTION_LINKED, COPY),
	ON(CONVERSATION_DELETED, CALL, .then = conversation_on_deleted),
	ON(RESOLUTION_CREATED, CALL, .then = conversation_on_resolution_created),
	ON(MESSAGE_RECEIVED, CALL, .then = conversation_on_received),
	ON(MESSAGE_QUEUED, CALL, .then = conversation_on_queued),
	ON(MESSAGE_SENT, CALL, .then = conversation_on_sent),
	ON(NOTE_ADDED, CALL, .then = conversation_on_note),
	ON(NOTE_DELETED, CALL, .then = conversation_on_note),
	ON(AI_ANNOTATED, CALL, .then = conversation_on_annotated),
	ON(AI_ANNOTATION_CORRECTED, CALL, .then = conversation_on_corrected),
	ON(FEEDBACK_SUBMITTED, CALL, .then = on_feedback),
	ON(CUSTOMER_MERGED, CALL, .then = on_customer_merged, .refs = ENTITY_CONVERSATION),
	ON(CUSTOMER_UNMERGED, CALL, .then = on_customer_unmerged),
	{ .kind = EV_UNKNOWN },
};

/* Who waits for an agent, in the order of v_agent_queue (schema/read/00_views.sql), word for word: SLA due times are found by it too. */
#define QUEUE                                                                                                        \
	"(tenant_id, (CASE severity WHEN 'P0' THEN 1 WHEN 'P1' THEN 2 WHEN 'P2' THEN 3 ELSE 4 END),"                 \
	" (least(first_response_due_at, resolution_due_at)))"                                                        \
	" WHERE state IN ('open', 'awaiting_agent', 'escalated', 'reopened') AND deleted_at IS NULL"

/* last_message_at moves with every message: an index on it would end HOT updates, so the queue reads it by state. */
static const char *const indexes[] = {
	"(tenant_id, customer_id)",
	"(tenant_id, state, severity)",
	"(tenant_id, assigned_agent_id) WHERE state <> 'resolved'",
	"(tenant_id, assigned_team_id) WHERE state <> 'resolved'",
	QUEUE,
	"(tenant_id, created_at DESC)",
	"USING gin (tags)",
	NULL,
};

const struct projection conversations = {
	.schema = "core", .name = "conversations", .version = 3,
	.about = "One matter between a customer and a tenant: its state, who has it, and what is promised.",
	.entity = ENTITY_CONVERSATION, COLUMNS(conversation, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 50,
	NEEDS(&customers, &messages, &ai_annotations, &internal_notes, &sla_clocks),
};
