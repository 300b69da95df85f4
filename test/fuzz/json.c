/*
 * json - a line of NDJSON: as an event, and as any JSON value, whose canonical text is a fixed point, and is read by the
 * scanner of stored payloads as it was by the strict reader.
 */
#include "fuzz.h"

#include <msgpack.h>

#include "event/canonical.h"
#include "event/envelope.h"
#include "event/json.h"

/* JSON text to its canonical text; 0 or what was wrong. */
static int canonical(struct bytes text, struct buffer *out)
{
	static msgpack_zone zone;
	struct buffer packed = { 0 };
	struct error error;
	msgpack_object value;
	size_t at = 0;
	int status = json_to_msgpack(text, &packed, &error);

	if (!zone.chunk_size)
		msgpack_zone_init(&zone, 65536);
	if (status == 0) {
		must(msgpack_unpack(packed.data, packed.len, &at, &zone, &value) == MSGPACK_UNPACK_SUCCESS && at == packed.len);
		status = canonical_value(&value, "value", JSON_DEPTH_MAX, out, &error);
		msgpack_zone_clear(&zone);
	}
	must(status == 0 || error.message[0]);
	buffer_release(&packed);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size);
	struct buffer once = { 0 }, twice = { 0 }, packed = { 0 };
	struct uuid event_id, tenant_id;
	struct error error;
	const char *end;

	if (!size)
		return 0;
	catalog_init();
	error_clear(&error);
	if (envelope_from_json(text, &packed, &event_id, &tenant_id, &error))
		must(error.message[0]);
	if (canonical(text, &once) == 0) {
		end = json_scan_value(once.data, once.data + once.len, JSON_DEPTH_MAX);
		must(end == once.data + once.len);
		must(canonical(buffer_bytes(&once), &twice) == 0);
		must(bytes_equal(buffer_bytes(&once), buffer_bytes(&twice)));
	}
	buffer_release(&once);
	buffer_release(&twice);
	buffer_release(&packed);
	return 0;
}
