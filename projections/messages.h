/*
 * messages - the row of a message, as far as the conversations' fold looks at it.
 */
#ifndef VERBATIM_PROJECTIONS_MESSAGES_H
#define VERBATIM_PROJECTIONS_MESSAGES_H

#include "fold/state.h"

struct message {
	struct row row;
	struct uuid conversation_id;
	int16_t channel, direction, sender_type;
	struct uuid sender_id;
	int16_t content_type;
	struct bytes content, content_html;
	struct bytes voice_recording_url;
	int64_t voice_duration_seconds;
	struct bytes channel_message_id, channel_metadata;
	struct uuid parent_message_id, thread_id;
	int8_t ai_processed;
	struct bytes ai_annotations;
	int16_t status;
	struct bytes error_message;
	int64_t created_at, sent_at, delivered_at, read_at, failed_at;

	int64_t attempt;
	struct bytes error_code;
	int64_t message_number;
	struct bytes content_json, interactive, language, translations;
	int8_t auto_reply, is_from_user, post_resolve;
	struct uuid automation_rule_id;
	int16_t moderation_verdict;
	struct bytes moderation_labels;
	int64_t moderation_score;
	int64_t external_created_at, edited_at, deleted_at;
	struct bytes deleted_by;
	int64_t updated_at;

	int64_t answer_at; /* counts as an answer to the customer since then; TIME_NONE: it does not (any more) */
	int64_t next_response_cycle; /* which cycle of the next_response clock it fulfilled; INT_NONE: none */
	int64_t update_cycle;        /* which cycle of the update clock it began */
};

/* In the order of values_sender_type and values_direction; a test holds them together. */
enum sender_type { SENDER_CUSTOMER, SENDER_AGENT, SENDER_SYSTEM, SENDER_AI };
enum direction { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTION_INTERNAL };

/* Seen by the customer. */
static inline bool message_is_public(const struct message *m)
{
	return m->direction != DIRECTION_INTERNAL;
}

#endif
