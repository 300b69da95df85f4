/* manifest - see manifest.h. */
#include "offline/manifest.h"

#include "event/checkpoint.h"
#include "event/fields.h"

static const char format_name[] = "verbatim-evidence-1";

void manifest_write(const struct manifest *m, struct buffer *out)
{
	char uuid[UUID_TEXT], hex[2 * LEAF_BYTES + 1];

	buffer_printf(out, "{\"checkpoint_size\":%lld,\"conversation_id\":\"%s\"", (long long)m->size, uuid_format(&m->conversation_id, uuid));
	buffer_printf(out, ",\"epoch\":%d,\"events\":%lld,\"fingerprint\":\"%s\",\"format\":\"%s\"", m->epoch, (long long)m->events,
		      m->fingerprint, format_name);
	buffer_printf(out, ",\"log_id\":\"%s\",\"newer\":%lld,\"shard\":%d", uuid_format(&m->log_id, uuid), (long long)m->newer, m->shard);
	buffer_printf(out, ",\"state\":%s,\"tenant_id\":\"%s\",\"withheld\":[", m->state ? "true" : "false", uuid_format(&m->tenant_id, uuid));
	for (int i = 0; i < m->withheld_count; i++) {
		const struct manifest_withheld *w = &m->withheld[i];

		hex_encode(w->leaf, LEAF_BYTES, hex);
		buffer_printf(out, "%s{\"event_type\":\"%s\",\"leaf_hash\":\"%s\",\"position\":%lld}", i ? "," : "", w->type, hex,
			      (long long)w->position);
	}
	buffer_add_text(out, "]}\n");
}

/* ---- reading: what is missing or wrong comes out different when it is written again ---- */

static int64_t number_of(struct bytes object, const char *name)
{
	int64_t n;

	return checkpoint_number(json_member(object, name), &n) ? n : -1;
}

/* What stands between the quotes; nothing in a manifest needs escapes. */
static struct bytes text_of(struct bytes object, const char *name)
{
	struct bytes raw = json_member(object, name);

	return raw.len >= 2 && raw.data[0] == '"' ? bytes_of(raw.data + 1, raw.len - 2) : bytes_of("", 0);
}

static void text_into(struct bytes object, const char *name, char *out, size_t size)
{
	struct bytes text = text_of(object, name);
	size_t n = text.len < size ? text.len : size - 1;

	memcpy(out, text.data, n);
	out[n] = 0;
}

static void uuid_into(struct bytes object, const char *name, struct uuid *out)
{
	struct bytes text = text_of(object, name);

	if (!uuid_parse(text.data, text.len, out))
		memset(out, 0, sizeof(*out));
}

static void read_withheld(struct bytes list, struct arena *arena, struct manifest *out)
{
	struct bytes key, entry;
	size_t at = 0;

	while (out->withheld_count < MANIFEST_WITHHELD_MAX && json_next(list, &at, &key, &entry))
		out->withheld_count++;
	out->withheld = arena_zalloc(arena, sizeof(*out->withheld) * (size_t)(out->withheld_count + 1));
	at = 0;
	for (int i = 0; i < out->withheld_count && json_next(list, &at, &key, &entry); i++) {
		struct manifest_withheld *w = &out->withheld[i];
		struct bytes hash;

		if (entry.data[0] != '{')
			continue;
		hash = text_of(entry, "leaf_hash");
		w->position = number_of(entry, "position");
		text_into(entry, "event_type", w->type, sizeof(w->type));
		if (!hex_decode(hash.data, hash.len, w->leaf, LEAF_BYTES))
			w->position = -1;
	}
}

int manifest_read(struct bytes text, struct arena *arena, struct manifest *out, struct error *error)
{
	struct buffer again = { 0 };
	struct bytes list;
	bool good;

	memset(out, 0, sizeof(*out));
	if (text.len < 2 || text.len > MANIFEST_BYTES_MAX || text.data[0] != '{' || text.data[text.len - 1] != '\n' ||
	    !json_check(bytes_of(text.data, text.len - 1), 4))
		return error_set(error, E_UNPROVEN, "the manifest is none");
	out->size = number_of(text, "checkpoint_size");
	uuid_into(text, "conversation_id", &out->conversation_id);
	out->epoch = (int32_t)number_of(text, "epoch");
	out->events = number_of(text, "events");
	text_into(text, "fingerprint", out->fingerprint, sizeof(out->fingerprint));
	uuid_into(text, "log_id", &out->log_id);
	out->newer = number_of(text, "newer");
	out->shard = (int16_t)number_of(text, "shard");
	out->state = bytes_is(json_member(text, "state"), "true");
	uuid_into(text, "tenant_id", &out->tenant_id);
	list = json_member(text, "withheld");
	if (list.len > 0 && list.data[0] == '[')
		read_withheld(list, arena, out);
	manifest_write(out, &again);
	good = bytes_equal(buffer_bytes(&again), text) && out->events >= 0 && out->events <= MANIFEST_EVENTS_MAX;
	for (int i = 1; i < out->withheld_count; i++)
		good = good && out->withheld[i].position > out->withheld[i - 1].position;
	buffer_release(&again);
	return good ? 0 : error_set(error, E_UNPROVEN, "the manifest is not one of format '%s'", format_name);
}
