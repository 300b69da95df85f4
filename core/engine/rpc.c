/* rpc - see rpc.h. */
#include "engine/rpc.h"

/* A method's name; some clients (pynvim) send their own as bin. */
static bool method_name(const msgpack_object *o, struct bytes *out)
{
	if (o->type == MSGPACK_OBJECT_BIN) {
		*out = bytes_of(o->via.bin.size ? o->via.bin.ptr : "", o->via.bin.size);
		return true;
	}
	return rpc_text(o, out);
}

int rpc_decode(const msgpack_object *m, struct rpc_call *call, struct error *error)
{
	const msgpack_object *a = m->type == MSGPACK_OBJECT_ARRAY ? m->via.array.ptr : NULL;
	uint32_t n = a ? m->via.array.size : 0;

	memset(call, 0, sizeof(*call));
	if (n == 4 && a[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && a[0].via.u64 == 0 &&
	    a[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER && a[1].via.u64 <= UINT32_MAX) {
		call->msgid = (uint32_t)a[1].via.u64;
	} else if (n == 3 && a[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && a[0].via.u64 == 2) {
		call->notification = true;
	} else {
		return error_set(error, E_PROTOCOL,
				 "a message is not a MessagePack-RPC request [0, msgid, method, params] or notification [2, method, params]");
	}
	if (!method_name(&a[n - 2], &call->method) || a[n - 1].type != MSGPACK_OBJECT_ARRAY)
		return error_set(error, E_PROTOCOL, "the method is not a str or the params are not an array");
	call->params = a[n - 1].via.array.ptr;
	call->param_count = a[n - 1].via.array.size;
	return 0;
}

const msgpack_object *rpc_param(const struct rpc_call *call, uint32_t i)
{
	if (i >= call->param_count || call->params[i].type == MSGPACK_OBJECT_NIL)
		return NULL;
	return &call->params[i];
}

int rpc_int(const struct rpc_call *call, uint32_t i, const char *name, int64_t low, int64_t high, int64_t fallback,
	    int64_t *out, struct error *error)
{
	const msgpack_object *o = rpc_param(call, i);

	*out = fallback;
	if (!o)
		return 0;
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > (uint64_t)high || (int64_t)o->via.u64 < low)
		return error_field(error, E_PARAMS, name, "not an integer from %lld to %lld", (long long)low,
				   (long long)high);
	*out = (int64_t)o->via.u64;
	return 0;
}

bool rpc_text(const msgpack_object *o, struct bytes *out)
{
	if (!o || o->type != MSGPACK_OBJECT_STR)
		return false;
	*out = bytes_of(o->via.str.size ? o->via.str.ptr : "", o->via.str.size);
	return true;
}

bool rpc_uuid(const msgpack_object *o, struct uuid *out)
{
	struct bytes text;

	if (o && o->type == MSGPACK_OBJECT_BIN && o->via.bin.size == 16) {
		memcpy(out->b, o->via.bin.ptr, 16);
		return true;
	}
	return rpc_text(o, &text) && uuid_parse(text.data, text.len, out);
}

static int append(void *data, const char *bytes, size_t len)
{
	buffer_add(data, bytes, len);
	return 0;
}

void rpc_packer(msgpack_packer *packer, struct buffer *out)
{
	msgpack_packer_init(packer, out, append);
}

void rpc_result(msgpack_packer *p, uint32_t msgid)
{
	msgpack_pack_array(p, 4);
	msgpack_pack_int(p, 1);
	msgpack_pack_uint32(p, msgid);
	msgpack_pack_nil(p);
}

void rpc_error(struct buffer *out, uint32_t msgid, const struct error *e)
{
	msgpack_packer p;

	rpc_packer(&p, out);
	msgpack_pack_array(&p, 4);
	msgpack_pack_int(&p, 1);
	msgpack_pack_uint32(&p, msgid);
	msgpack_pack_map(&p, e->retry_after_ms ? 7 : 6);
	pack_key_text(&p, "code", error_name(e->code));
	pack_key_text(&p, "class", error_class_name(e->code));
	pack_key_text(&p, "message", e->message);
	pack_text(&p, "index");
	if (e->index >= 0)
		msgpack_pack_int(&p, e->index);
	else
		msgpack_pack_nil(&p);
	pack_text(&p, "field");
	if (e->field[0])
		pack_text(&p, e->field);
	else
		msgpack_pack_nil(&p);
	pack_text(&p, "position");
	if (e->position)
		msgpack_pack_int64(&p, e->position);
	else
		msgpack_pack_nil(&p);
	if (e->retry_after_ms)
		pack_key_int(&p, "retry_after_ms", e->retry_after_ms);
	msgpack_pack_nil(&p);
}

void pack_bytes(msgpack_packer *p, struct bytes text)
{
	msgpack_pack_str(p, text.len);
	msgpack_pack_str_body(p, text.data, text.len);
}

void pack_text(msgpack_packer *p, const char *text)
{
	pack_bytes(p, bytes_text(text));
}

void pack_bin(msgpack_packer *p, const void *data, size_t len)
{
	msgpack_pack_bin(p, len);
	msgpack_pack_bin_body(p, data, len);
}

void pack_uuid(msgpack_packer *p, const struct uuid *u)
{
	pack_bin(p, u->b, sizeof(u->b));
}

void pack_key_int(msgpack_packer *p, const char *key, int64_t value)
{
	pack_text(p, key);
	msgpack_pack_int64(p, value);
}

void pack_key_text(msgpack_packer *p, const char *key, const char *value)
{
	pack_text(p, key);
	pack_text(p, value);
}

void pack_bool(msgpack_packer *p, bool value)
{
	if (value)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
}
