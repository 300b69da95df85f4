/* client_json - see client_json.h. */
#include "client/client_json.h"

#include <inttypes.h>
#include <math.h>

void client_json_text(struct bytes text, struct buffer *out)
{
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20)
			buffer_printf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buffer_printf(out, "\\%c", c);
		else
			buffer_add_byte(out, (char)c);
	}
	buffer_add_byte(out, '"');
}

void client_json(const msgpack_object *o, struct buffer *out)
{
	switch (o->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		buffer_add_text(out, o->via.boolean ? "true" : "false");
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		buffer_printf(out, "%" PRIu64, o->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		buffer_printf(out, "%" PRId64, o->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		if (isfinite(o->via.f64))
			buffer_printf(out, "%.17g", o->via.f64);
		else
			buffer_add_text(out, "null");
		break;
	case MSGPACK_OBJECT_STR:
		client_json_text(bytes_of(o->via.str.ptr, o->via.str.size), out);
		break;
	case MSGPACK_OBJECT_BIN:
		buffer_add_byte(out, '"');
		for (uint32_t i = 0; i < o->via.bin.size; i++)
			buffer_printf(out, "%02x", (unsigned char)o->via.bin.ptr[i]);
		buffer_add_byte(out, '"');
		break;
	case MSGPACK_OBJECT_ARRAY:
		buffer_add_byte(out, '[');
		for (uint32_t i = 0; i < o->via.array.size; i++) {
			if (i)
				buffer_add_byte(out, ',');
			client_json(&o->via.array.ptr[i], out);
		}
		buffer_add_byte(out, ']');
		break;
	case MSGPACK_OBJECT_MAP:
		buffer_add_byte(out, '{');
		for (uint32_t i = 0; i < o->via.map.size; i++) {
			const msgpack_object *key = &o->via.map.ptr[i].key;

			if (i)
				buffer_add_byte(out, ',');
			if (key->type == MSGPACK_OBJECT_STR) {
				client_json(key, out);
			} else { /* JSON's keys are texts */
				buffer_add_byte(out, '"');
				if (key->type == MSGPACK_OBJECT_POSITIVE_INTEGER || key->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
					client_json(key, out);
				buffer_add_byte(out, '"');
			}
			buffer_add_byte(out, ':');
			client_json(&o->via.map.ptr[i].val, out);
		}
		buffer_add_byte(out, '}');
		break;
	default:
		buffer_add_text(out, "null");
	}
}

void client_json_member(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, "%s\"%s\":", out->len ? "," : "{", name);
	client_json_text(bytes_text(value), out);
}
