/*
 * messages - what was said, and what became of it on its way.
 *
 * A row begins with message.received, message.queued, or a message.sent that carries content and was not
 * queued before; otherwise message.sent is a report of delivery.  Reports join into (attempt, status) by the
 * lattice of rules/lifecycle.h; one without an attempt is about the latest, except message.sent, whose
 * attempt is 1 when it says none.  Inbound messages are delivered from the start.
 *
 * A message is kept whether or not its conversation is known: nothing that was said may vanish from view; the
 * conversations' fold notes the anomaly.  A message for a conversation that was merged belongs to the one it
 * was merged into.
 *
 * ai_annotations is the latest annotation, as the model gave it.
 */
#include "projections/messages.h"

#include "projections/conversations.h"
#include "projections/registry.h"
#include "rules/lifecycle.h"

static const char *const verdicts[] = { "ok", "flagged", "blocked", NULL };

/* ---- the row begins ---- */

/* A message.sent may leave out what its sender takes for granted. */
static void complete(struct fold *f, struct message *m, const struct conversation *c)
{
	enum actor_type actor = f->event->actor_type;

	if (m->direction < 0)
		m->direction = DIRECTION_OUTBOUND;
	if (m->sender_type < 0)
		m->sender_type = actor == ACTOR_USER ? SENDER_AGENT : actor == ACTOR_CUSTOMER ? SENDER_CUSTOMER :
				 actor == ACTOR_AI ? SENDER_AI : SENDER_SYSTEM;
	for (int16_t i = 0; m->channel < 0 && c && c->current_channel.data && values_channel[i]; i++)
		if (bytes_is(c->current_channel, values_channel[i]))
			m->channel = i;
}

static int begin(struct fold *f, const struct event *e, enum message_status status)
{
	const struct conversation *c = conversation_find(f, &e->conversation_id);
	struct message *m = fold_create(f, &e->entity_id);

	fold_copy(f, m);
	complete(f, m, c);
	m->conversation_id = c ? c->row.id : e->conversation_id;
	m->status = (int16_t)status;
	m->is_from_user = m->direction == DIRECTION_INBOUND;
	m->post_resolve = c && c->state == CONVERSATION_RESOLVED && m->sender_type == SENDER_AGENT && message_is_public(m);
	if (status == MESSAGE_SENT)
		m->sent_at = e->occurred_at;
	if (status == MESSAGE_DELIVERED)
		m->delivered_at = e->occurred_at;
	f->facts.message = &m->row;
	f->facts.message_added = true;
	f->facts.message_sent = status == MESSAGE_SENT;
	return 0;
}

static int on_received(struct fold *f, const struct event *e)
{
	if (fold_self(f, &e->entity_id))
		return fold_anomaly(f, "exists", "there is a message with this id already");
	return begin(f, e, MESSAGE_DELIVERED);
}

static int on_queued(struct fold *f, const struct event *e)
{
	if (fold_self(f, &e->entity_id))
		return fold_anomaly(f, "exists", "there is a message with this id already");
	return begin(f, e, MESSAGE_PENDING);
}

/* ---- delivery ---- */

static int64_t attempt_of(struct fold *f, const struct message *m)
{
	return field_int(&f->fields, "attempt", m->attempt);
}

static void report(struct message *m, int64_t attempt, enum message_status status)
{
	struct bytes none = { NULL, 0 };

	if (lifecycle_deliver(&m->attempt, &m->status, attempt, status) && status != MESSAGE_FAILED)
		m->error_message = m->error_code = none;
}

static int on_sent(struct fold *f, const struct event *e)
{
	struct message *m = fold_self(f, &e->entity_id);
	bool first;

	if (!m && field_has(&f->fields, "content")) {
		const struct conversation *c = conversation_find(f, &e->conversation_id);

		if (!field_has(&f->fields, "channel") && (!c || !c->current_channel.data))
			return fold_anomaly(f, "incomplete_message", "neither the message nor its conversation names a channel");
		return begin(f, e, MESSAGE_SENT);
	}
	if (!m)
		return fold_anomaly(f, "unknown_message", "no such message, and no content to begin one with");
	fold_change(f, m);
	first = m->sent_at == TIME_NONE;
	report(m, field_int(&f->fields, "attempt", 1), MESSAGE_SENT);
	m->sent_at = time_earlier(m->sent_at, e->occurred_at);
	if (field_has(&f->fields, "channel_message_id"))
		m->channel_message_id = fold_keep(f, field_text(&f->fields, "channel_message_id"));
	f->facts.message = &m->row;
	f->facts.message_sent = first;
	return 0;
}

/* The message of a report, about to be changed; an anomaly when there is none. */
static struct message *reported(struct fold *f, const struct event *e)
{
	struct message *m = fold_self(f, &e->entity_id);

	if (m)
		fold_change(f, m);
	else
		fold_anomaly(f, "unknown_message", "no such message");
	return m;
}

static int on_delivered(struct fold *f, const struct event *e)
{
	struct message *m = reported(f, e);

	if (!m)
		return 0;
	report(m, attempt_of(f, m), MESSAGE_DELIVERED);
	m->delivered_at = time_earlier(m->delivered_at, field_time(&f->fields, "at"));
	return 0;
}

static int on_read(struct fold *f, const struct event *e)
{
	struct message *m = reported(f, e);

	if (!m)
		return 0;
	report(m, m->attempt, MESSAGE_READ);
	m->read_at = time_earlier(m->read_at, field_time(&f->fields, "at"));
	return 0;
}

static int on_failed(struct fold *f, const struct event *e)
{
	struct message *m = reported(f, e);

	if (!m)
		return 0;
	if (!lifecycle_deliver(&m->attempt, &m->status, attempt_of(f, m), MESSAGE_FAILED))
		return 0;
	m->failed_at = e->occurred_at;
	m->error_message = fold_keep(f, field_text(&f->fields, "error_message"));
	m->error_code = fold_keep(f, field_text(&f->fields, "code"));
	return 0;
}

static int on_retried(struct fold *f, const struct event *e)
{
	struct message *m = reported(f, e);

	if (m)
		report(m, field_int(&f->fields, "attempt", 1), MESSAGE_PENDING);
	return 0;
}

/* ---- afterwards ---- */

static int on_edited(struct fold *f, const struct event *e)
{
	struct message *m = f->row;

	m->edited_at = time_later(m->edited_at, e->occurred_at);
	return 0;
}

static int on_deleted(struct fold *f, const struct event *e)
{
	struct message *m = f->row;
	struct bytes none = { NULL, 0 };

	m->deleted_at = time_earlier(m->deleted_at, e->occurred_at);
	m->deleted_by = fold_keep(f, field_text(&f->fields, "by"));
	if (!bytes_is(field_text(&f->fields, "scope"), "hard"))
		return 0;
	m->content = BYTES("");
	m->content_html = m->content_json = m->interactive = m->translations = none;
	return 0;
}

static int on_translated(struct fold *f, const struct event *e)
{
	struct message *m = reported(f, e);
	struct bytes language = field_raw(&f->fields, "language");

	if (!m)
		return 0;
	m->translations = fold_object_set(f, m->translations, bytes_of(language.data + 1, language.len - 2),
					  fold_keep(f, field_raw(&f->fields, "content")));
	return 0;
}

static int on_moderated(struct fold *f, const struct event *e)
{
	struct message *m = f->row;

	m->moderation_verdict = (int16_t)field_enum(&f->fields, "verdict");
	m->moderation_labels = fold_keep(f, field_raw(&f->fields, "labels"));
	m->moderation_score = field_decimal(&f->fields, "score", INT_NONE);
	return 0;
}

static int on_annotated(struct fold *f, const struct event *e)
{
	struct uuid id = field_uuid(&f->fields, "message_id");
	struct message *m = fold_self(f, &id);

	if (!m)
		return fold_anomaly(f, "unknown_message", "no such message");
	fold_change(f, m);
	m->ai_processed = true;
	m->ai_annotations = fold_payload(f, "message_id");
	f->facts.message = &m->row;
	return 0;
}

/* Messages that were in this conversation go over to the other. */
static int on_split(struct fold *f, const struct event *e)
{
	struct uuid into = field_uuid(&f->fields, "into_id"), id;
	struct bytes ids = field_raw(&f->fields, "message_ids"), key, value;
	size_t at = 0;

	if (!fold_find(f, &conversations, &e->entity_id) || !fold_find(f, &conversations, &into))
		return 0; /* the conversations' fold says so */
	while (json_next(ids, &at, &key, &value)) {
		struct message *m = uuid_parse(value.data + 1, value.len - 2, &id) ? fold_self(f, &id) : NULL;

		if (!m || !uuid_equal(&m->conversation_id, &e->entity_id) || uuid_equal(&into, &e->entity_id))
			continue;
		fold_change(f, m);
		m->conversation_id = into;
		f->facts.messages_moved++;
	}
	return 0;
}

static const struct column columns[] = {
	COLUMN(message, conversation_id, UUID, .required = true),
	COLUMN(message, channel, ENUM, .sql = "varchar(30)", .required = true, .values = values_channel),
	COLUMN(message, direction, ENUM, .sql = "varchar(10)", .required = true, .values = values_direction),
	COLUMN(message, sender_type, ENUM, .sql = "varchar(20)", .required = true, .values = values_sender_type),
	COLUMN(message, sender_id, UUID),
	COLUMN(message, content_type, ENUM, .sql = "varchar(30)", .values = values_content_type, .fallback = "text"),
	COLUMN(message, content, TEXT, .required = true, .about = "empty once the message was withdrawn for good"),
	COLUMN(message, content_html, TEXT),
	COLUMN(message, voice_recording_url, TEXT),
	COLUMN(message, voice_duration_seconds, INT4, .sql = "integer"),
	COLUMN(message, channel_message_id, TEXT, .sql = "varchar(255)", .withheld = true),
	COLUMN(message, channel_metadata, JSON, .fallback = "{}"),
	COLUMN(message, parent_message_id, UUID),
	COLUMN(message, thread_id, UUID),
	COLUMN(message, ai_processed, BOOL, .fallback = "false"),
	COLUMN(message, ai_annotations, JSON, .fallback = "{}", .about = "the latest annotation"),
	COLUMN(message, status, ENUM, .sql = "varchar(20)", .values = message_statuses, .fallback = "sent"),
	COLUMN(message, error_message, TEXT, .about = "of the failure that the status tells of"),
	COLUMN(message, created_at, TIME, .required = true),
	COLUMN(message, delivered_at, TIME),
	COLUMN(message, read_at, TIME),
	COLUMN(message, sent_at, TIME),
	COLUMN(message, failed_at, TIME),
	COLUMN(message, attempt, INT2, .required = true, .fallback = "1", .about = "which attempt to send it the status tells of"),
	COLUMN(message, error_code, TEXT, .sql = "varchar(50)", .open = true),
	COLUMN(message, message_number, INT4, .sql = "integer"),
	COLUMN(message, content_json, JSON),
	COLUMN(message, interactive, JSON, .about = "quick replies, cards"),
	COLUMN(message, language, TEXT, .sql = "varchar(35)"),
	COLUMN(message, translations, JSON, .about = "language to text"),
	COLUMN(message, auto_reply, BOOL, .fallback = "false"),
	COLUMN(message, is_from_user, BOOL, .required = true, .about = "inbound"),
	COLUMN(message, post_resolve, BOOL, .required = true, .about = "an agent wrote after the conversation was resolved"),
	COLUMN(message, automation_rule_id, UUID),
	COLUMN(message, moderation_verdict, ENUM, .sql = "varchar(20)", .values = verdicts),
	COLUMN(message, moderation_labels, TEXTS, .open = true),
	COLUMN(message, moderation_score, DECIMAL, .sql = "numeric(5,4)", .scale = 4),
	COLUMN(message, external_created_at, TIME, .about = "when the channel says it was written"),
	COLUMN(message, edited_at, TIME),
	COLUMN(message, deleted_at, TIME),
	COLUMN(message, deleted_by, TEXT, .sql = "varchar(100)"),
	COLUMN(message, updated_at, TIME, .required = true),
	COLUMN(message, answer_at, TIME, .hidden = true),
	COLUMN(message, next_response_cycle, INT4, .hidden = true),
	COLUMN(message, update_cycle, INT4, .hidden = true),
};

static const struct fold_entry folds[] = {
	ON(MESSAGE_RECEIVED, CALL, .then = on_received),
	ON(MESSAGE_QUEUED, CALL, .then = on_queued),
	ON(MESSAGE_SENT, CALL, .then = on_sent),
	ON(MESSAGE_DELIVERED, CALL, .then = on_delivered),
	ON(MESSAGE_READ, CALL, .then = on_read),
	ON(MESSAGE_FAILED, CALL, .then = on_failed),
	ON(MESSAGE_RETRIED, CALL, .then = on_retried),
	ON(MESSAGE_EDITED, COPY, .then = on_edited),
	ON(MESSAGE_DELETED, COPY, .then = on_deleted),
	ON(MESSAGE_TRANSLATED, CALL, .then = on_translated),
	ON(MESSAGE_MODERATED, COPY, .then = on_moderated),
	ON(AI_ANNOTATED, CALL, .then = on_annotated, .refs = ENTITY_MESSAGE),
	ON(CONVERSATION_SPLIT, CALL, .then = on_split, .refs = ENTITY_MESSAGE),
	{ .kind = EV_UNKNOWN },
};

/* Each index more costs every insert; this one serves the timeline. */
static const char *const indexes[] = { "(tenant_id, conversation_id, created_at)", NULL };

const struct projection messages = {
	.schema = "core", .name = "messages", .version = 2,
	.about = "What was said, and what became of it on its way.",
	.entity = ENTITY_MESSAGE, COLUMNS(message, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
	NEEDS(&conversations),
};
