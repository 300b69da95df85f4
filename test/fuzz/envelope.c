/*
 * envelope - one event in MessagePack: what is taken can be written as MessagePack and as JSON, and comes back as the same
 * canonical text; what is refused is the caller's fault and has words.
 */
#include "fuzz.h"

#include <msgpack.h>

#include "engine/rpc.h"
#include "event/canonical.h"
#include "event/envelope.h"
#include "event/walk.h"

static const struct envelope_limits limits = { 65536, 16 };
static const struct walk_limits walk_limits = { 65536, 20, 4096 };
static const int64_t now = 1763800000 * TIME_SECOND;

static int decode(const struct buffer *from, struct arena *arena, struct event *e, struct error *error)
{
	static msgpack_zone zone;
	msgpack_object map;
	size_t at = 0;
	int status;
	struct walk w;

	if (!zone.chunk_size)
		msgpack_zone_init(&zone, 65536);
	error_clear(error);
	walk_init(&w);
	if (walk_more(&w, from->data, from->len, &walk_limits, error) != 1 || w.at != from->len)
		return E_PROTOCOL; /* such a message never comes this far */
	if (msgpack_unpack(from->data, from->len, &at, &zone, &map) != MSGPACK_UNPACK_SUCCESS)
		status = E_PROTOCOL;
	else
		status = envelope_decode(&map, now, &limits, arena, e, error);
	msgpack_zone_clear(&zone);
	return status;
}

static void same(const struct buffer *form, const struct buffer *want, struct arena *arena)
{
	struct buffer text = { 0 };
	struct error error;
	struct event e;

	must(decode(form, arena, &e, &error) == 0);
	canonical_event(&e, NULL, &text);
	must(bytes_equal(buffer_bytes(&text), buffer_bytes(want)));
	buffer_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer in = { 0 }, canonical = { 0 }, other = { 0 }, packed = { 0 };
	struct uuid event_id, tenant_id;
	struct arena arena;
	struct error error;
	msgpack_packer packer;
	struct event e;
	int status;

	catalog_init();
	arena_init(&arena, 4096);
	buffer_add(&in, data, size);
	status = size ? decode(&in, &arena, &e, &error) : E_PROTOCOL;
	if (status == 0) {
		canonical_event(&e, NULL, &canonical);
		rpc_packer(&packer, &other);
		envelope_to_msgpack(&e, &packer);
		same(&other, &canonical, &arena);
		buffer_reset(&other);
		envelope_to_json(&e, &other);
		must(envelope_from_json(buffer_bytes(&other), &packed, &event_id, &tenant_id, &error) == 0);
		must(uuid_equal(&event_id, &e.event_id) && uuid_equal(&tenant_id, &e.tenant_id));
		same(&packed, &canonical, &arena);
	} else if (status != E_PROTOCOL) {
		must(status == error.code && error.message[0] && error_get(status)->class == CLASS_CALLER);
	}
	buffer_release(&in);
	buffer_release(&canonical);
	buffer_release(&other);
	buffer_release(&packed);
	arena_release(&arena);
	return 0;
}
