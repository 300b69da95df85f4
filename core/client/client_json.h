/* client_json - an answer's MessagePack value as JSON text; bin as lower-case hex, ext as null. */
#ifndef VERBATIM_CLIENT_CLIENT_JSON_H
#define VERBATIM_CLIENT_CLIENT_JSON_H

#include <msgpack.h>

#include "base/bytes.h"

/* Appends on one line. The value's depth is bounded by whoever decoded it. */
void client_json(const msgpack_object *value, struct buffer *out);

/* A text between quotes, escaped. */
void client_json_text(struct bytes text, struct buffer *out);

/* A member of an object that is begun with the first of them: {"name":"value" or ,"name":"value". */
void client_json_member(struct buffer *out, const char *name, const char *value);

#endif
