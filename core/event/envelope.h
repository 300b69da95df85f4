/*
 * envelope - from a MessagePack map to a checked event.
 *
 * The map has the envelope's names (README, "Event envelope"); unknown names are refused.  uuids come as
 * 16-byte bin or text, times as the timestamp extension (-1) or RFC 3339 text, payload as a map.  The
 * payload is checked against the catalog and written as RFC 8785 text.  Context completes itself:
 * conversation.* events get conversation_id = entity_id (customer.*, resolution.* likewise), and a payload
 * field marked `context` fills the envelope's column of that name; where both are given they must agree.
 * entity_type may be left out (the catalog knows it) and must be the catalog's when given.
 */
#ifndef VERBATIM_EVENT_ENVELOPE_H
#define VERBATIM_EVENT_ENVELOPE_H

#include <msgpack.h>

#include "base/arena.h"
#include "event/event.h"

struct envelope_limits {
	size_t event_bytes; /* of the event's canonical text, about */
	int depth;
	const struct uuid *tenant_id; /* taken by an event that names none, when the key is bound to one tenant; NULL: it must be named */
};

/*
 * Fills `out`, whose texts are copied into `arena` (nothing of `map` is kept).  `now` is the engine's clock:
 * occurred_at and a version 7 event_id may be at most 24 hours ahead of it.  shard, position, recorded_at and
 * leaf_hash are left zero.  Errors: E_INVALID with the field's dotted path ("payload.content") and the reason,
 * E_TOO_LARGE.
 */
int envelope_decode(const msgpack_object *map, int64_t now, const struct envelope_limits *limits,
		    struct arena *arena, struct event *out, struct error *error) must_check;

/*
 * One line of NDJSON to the MessagePack map that `envelope_decode` takes (uuids to bin, times stay text),
 * appended to `out`.  Strict RFC 8259; doubled keys refused; numbers keep their value (integers stay integers
 * up to 64 bits).  Gives event_id and tenant_id back so that a sender can group and account; nil when they
 * are missing.  E_INVALID with field and reason.
 */
int envelope_from_json(struct bytes line, struct buffer *out, struct uuid *event_id, struct uuid *tenant_id,
		       struct error *error) must_check;

/* Any JSON text to MessagePack, without the envelope's special treatment; depth-bounded. */
int json_to_msgpack(struct bytes text, struct buffer *out, struct error *error) must_check;

/* The event as one JSON object in the canonical order, with shard, position, recorded_at and (hex) leaf_hash when it has a position; for NDJSON output. */
void envelope_to_json(const struct event *e, struct buffer *out);

/* The event as a MessagePack map for read() answers: uuids bin, times timestamp ext, payload a map, leaf_hash bin. */
void envelope_to_msgpack(const struct event *e, msgpack_packer *packer);

#endif
