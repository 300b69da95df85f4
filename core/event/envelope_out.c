/* envelope_out - an event as others read it: one JSON object, or one MessagePack map; see envelope.h. */
#include "event/envelope.h"

#include "event/canonical.h"
#include "event/number.h"
#include "event/scratch.h"

/* ---- JSON: the canonical text, with leaf_hash where its name sorts ---------------------------- */

static void add_key(struct buffer *out, const char *key)
{
	buffer_add_byte(out, out->data[out->len - 1] == '{' ? '"' : ',');
	if (out->data[out->len - 1] == ',')
		buffer_add_byte(out, '"');
	buffer_add_text(out, key);
	buffer_add(out, "\":", 2);
}

static void add_text(struct buffer *out, const char *key, struct bytes text)
{
	if (!text.data)
		return;
	add_key(out, key);
	canonical_string(text, out);
}

static void add_uuid(struct buffer *out, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT];

	if (!uuid_is_nil(u))
		add_text(out, key, bytes_of(uuid_format(u, text), UUID_TEXT - 1));
}

static void add_time(struct buffer *out, const char *key, int64_t t)
{
	char text[TIME_TEXT];

	if (t != TIME_NONE)
		add_text(out, key, bytes_of(time_format(t, text), TIME_TEXT - 1));
}

static void add_int(struct buffer *out, const char *key, int64_t v)
{
	char text[NUMBER_TEXT];

	add_key(out, key);
	buffer_add(out, text, (size_t)(number_put_int(v, text) - text));
}

void envelope_to_json(const struct event *e, struct buffer *out)
{
	const bool logged = e->position > 0;
	char hex[2 * LEAF_BYTES + 1];

	buffer_add_byte(out, '{');
	add_uuid(out, "actor_id", &e->actor_id);
	add_text(out, "actor_ip", e->actor_ip);
	add_text(out, "actor_type", bytes_text(values_actor_type[e->actor_type]));
	add_text(out, "actor_user_agent", e->actor_user_agent);
	add_uuid(out, "causation_id", &e->causation_id);
	add_uuid(out, "conversation_id", &e->conversation_id);
	add_uuid(out, "correlation_id", &e->correlation_id);
	add_uuid(out, "customer_id", &e->customer_id);
	add_uuid(out, "entity_id", &e->entity_id);
	add_text(out, "entity_type", e->entity_type);
	add_uuid(out, "event_id", &e->event_id);
	add_text(out, "event_type", e->type_name);
	add_int(out, "event_version", e->version);
	if (logged) {
		hex_encode(e->leaf_hash, LEAF_BYTES, hex);
		add_text(out, "leaf_hash", bytes_of(hex, 2 * LEAF_BYTES));
	}
	add_time(out, "occurred_at", e->occurred_at);
	add_key(out, "payload");
	buffer_add_bytes(out, e->payload);
	if (logged) {
		add_int(out, "position", e->position);
		add_time(out, "recorded_at", e->recorded_at);
	}
	add_uuid(out, "resolution_id", &e->resolution_id);
	if (logged)
		add_int(out, "shard", e->shard);
	add_key(out, "silent");
	buffer_add_text(out, e->silent ? "true" : "false");
	add_uuid(out, "tenant_id", &e->tenant_id);
	buffer_add_byte(out, '}');
}

/* ---- MessagePack ----------------------------------------------------------------------------- */

static void pack_key(msgpack_packer *packer, const char *key)
{
	msgpack_pack_str_with_body(packer, key, strlen(key));
}

static void pack_text(msgpack_packer *packer, const char *key, struct bytes text)
{
	if (!text.data)
		return;
	pack_key(packer, key);
	msgpack_pack_str_with_body(packer, text.data, text.len);
}

static void pack_uuid(msgpack_packer *packer, const char *key, const struct uuid *u)
{
	if (uuid_is_nil(u))
		return;
	pack_key(packer, key);
	msgpack_pack_bin_with_body(packer, u->b, sizeof(u->b));
}

static void pack_time(msgpack_packer *packer, const char *key, int64_t t)
{
	msgpack_timestamp stamp;

	if (t == TIME_NONE)
		return;
	stamp.tv_sec = t / TIME_SECOND - (t % TIME_SECOND < 0);
	stamp.tv_nsec = (uint32_t)(t - stamp.tv_sec * TIME_SECOND) * 1000;
	pack_key(packer, key);
	msgpack_pack_timestamp(packer, &stamp);
}

/* A payload that is not JSON (a row nobody here wrote) goes out as the text it is. */
static void pack_payload(msgpack_packer *packer, struct bytes payload)
{
	struct buffer *text = &scratch_get()->message;
	struct error error;

	pack_key(packer, "payload");
	buffer_reset(text);
	if (json_to_msgpack(payload, text, &error) == 0)
		packer->callback(packer->data, text->data, text->len);
	else
		msgpack_pack_str_with_body(packer, payload.data, payload.len);
	scratch_trim(text);
}

static size_t member_count(const struct event *e)
{
	const struct uuid *const optional[] = { &e->actor_id,	 &e->causation_id, &e->conversation_id, &e->correlation_id,
						&e->customer_id, &e->entity_id,	   &e->event_id,	&e->resolution_id,
						&e->tenant_id };
	size_t n = 5; /* actor_type, event_type, event_version, payload, silent */

	for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
		n += !uuid_is_nil(optional[i]);
	n += e->actor_ip.data != NULL;
	n += e->actor_user_agent.data != NULL;
	n += e->entity_type.data != NULL;
	n += e->occurred_at != TIME_NONE;
	if (e->position > 0)
		n += 3 + (e->recorded_at != TIME_NONE);
	return n;
}

void envelope_to_msgpack(const struct event *e, msgpack_packer *packer)
{
	const bool logged = e->position > 0;

	msgpack_pack_map(packer, member_count(e));
	pack_uuid(packer, "actor_id", &e->actor_id);
	pack_text(packer, "actor_ip", e->actor_ip);
	pack_text(packer, "actor_type", bytes_text(values_actor_type[e->actor_type]));
	pack_text(packer, "actor_user_agent", e->actor_user_agent);
	pack_uuid(packer, "causation_id", &e->causation_id);
	pack_uuid(packer, "conversation_id", &e->conversation_id);
	pack_uuid(packer, "correlation_id", &e->correlation_id);
	pack_uuid(packer, "customer_id", &e->customer_id);
	pack_uuid(packer, "entity_id", &e->entity_id);
	pack_text(packer, "entity_type", e->entity_type);
	pack_uuid(packer, "event_id", &e->event_id);
	pack_text(packer, "event_type", e->type_name);
	pack_key(packer, "event_version");
	msgpack_pack_int32(packer, e->version);
	if (logged) {
		pack_key(packer, "leaf_hash");
		msgpack_pack_bin_with_body(packer, e->leaf_hash, LEAF_BYTES);
	}
	pack_time(packer, "occurred_at", e->occurred_at);
	pack_payload(packer, e->payload);
	if (logged) {
		pack_key(packer, "position");
		msgpack_pack_int64(packer, e->position);
		pack_time(packer, "recorded_at", e->recorded_at);
	}
	pack_uuid(packer, "resolution_id", &e->resolution_id);
	if (logged) {
		pack_key(packer, "shard");
		msgpack_pack_int16(packer, e->shard);
	}
	pack_key(packer, "silent");
	if (e->silent)
		msgpack_pack_true(packer);
	else
		msgpack_pack_false(packer);
	pack_uuid(packer, "tenant_id", &e->tenant_id);
}
