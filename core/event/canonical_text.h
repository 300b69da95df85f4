/*
 * canonical_text - the pieces of canonical.h that the payload check shares with it.
 */
#ifndef VERBATIM_EVENT_CANONICAL_TEXT_H
#define VERBATIM_EVENT_CANONICAL_TEXT_H

#include <msgpack.h>

#include "event/path.h"

/* As canonical_value, below a path that is written out only on failure. */
int canonical_any(const msgpack_object *value, const struct path *path, int depth, struct buffer *out,
		  struct error *error) must_check;

/* Puts the pairs of a map, whose keys must be strings without doubles, into canonical order; `order` has room for all. */
int canonical_order(const msgpack_object_map *map, const struct path *path, uint32_t *order,
		    struct error *error) must_check;

/* How people call a MessagePack value's kind, with its article: "an integer". */
const char *value_kind(const msgpack_object *value);

/* An integer or float whose canonical text is a JSON number; E_INVALID for NaN, infinities and integers beyond +-(2^53-1). */
int canonical_any_number(const msgpack_object *value, const struct path *path, struct buffer *out,
			 struct error *error) must_check;

static inline struct bytes value_text(const msgpack_object *value)
{
	return bytes_of(value->via.str.size ? value->via.str.ptr : "", value->via.str.size);
}

#endif
