/*
 * canonical - the bytes that are hashed: RFC 8785 (JCS) text of an event, and its RFC 6962 leaf.
 *
 * Key order (UTF-16 code units): actor_id actor_ip actor_type actor_user_agent causation_id conversation_id
 * correlation_id customer_id entity_id entity_type event_id event_type event_version log_id occurred_at
 * payload position recorded_at resolution_id shard silent tenant_id.  Absent fields are left out.
 */
#ifndef VERBATIM_EVENT_CANONICAL_H
#define VERBATIM_EVENT_CANONICAL_H

#include <msgpack.h>

#include "event/event.h"

/* The canonical text of one event, appended to `out`; `log_id` may be NULL (left out with shard, position and recorded_at: the content alone). */
void canonical_event(const struct event *e, const struct uuid *log_id, struct buffer *out);

/* SHA-256(0x00 || canonical text).  `scratch` is reset and used. */
void canonical_leaf(const struct event *e, const struct uuid *log_id, struct buffer *scratch,
		    uint8_t out[LEAF_BYTES]);

/* A MessagePack value as JCS text, appended.  Maps need string keys without doubles; no bin, no ext; UTF-8 without NUL; integers within +-(2^53-1); no NaN or infinity.  E_INVALID otherwise, field = dotted path below `path`. */
int canonical_value(const msgpack_object *value, const char *path, int depth, struct buffer *out,
		    struct error *error) must_check;

/* A number as ECMAScript's Number::toString does (ECMA-262 6.1.6.1.20); finite only. */
void canonical_number(double v, struct buffer *out);

/* A string with its quotes, escaped as JCS says.  The text is valid UTF-8. */
void canonical_string(struct bytes text, struct buffer *out);

/* Valid UTF-8 (no surrogates, no overlong forms) without NUL; counts the Unicode scalar values. */
bool utf8_check(struct bytes text, size_t *characters);

/* Compares two UTF-8 strings by UTF-16 code units (RFC 8785 section 3.2.3). */
int utf16_compare(struct bytes a, struct bytes b);

#endif
