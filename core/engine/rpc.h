/*
 * rpc - MessagePack-RPC messages as PROTOCOL.md draws them: taking one apart, and writing answers.
 */
#ifndef VERBATIM_ENGINE_RPC_H
#define VERBATIM_ENGINE_RPC_H

#include <msgpack.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/uuid.h"

struct rpc_call {
	bool notification;
	uint32_t msgid;
	struct bytes method;
	const msgpack_object *params;
	uint32_t param_count;
};

/* E_PROTOCOL when it is not a request or notification. */
int rpc_decode(const msgpack_object *message, struct rpc_call *call, struct error *error) must_check;

/* The i-th parameter, or NULL when it was left out or nil. */
const msgpack_object *rpc_param(const struct rpc_call *call, uint32_t i);

/* Parameter readers; E_PARAMS names the parameter. */
int rpc_int(const struct rpc_call *call, uint32_t i, const char *name, int64_t low, int64_t high, int64_t fallback,
	    int64_t *out, struct error *error) must_check;
bool rpc_text(const msgpack_object *o, struct bytes *out);
bool rpc_uuid(const msgpack_object *o, struct uuid *out);

/* A packer that appends to a buffer. */
void rpc_packer(msgpack_packer *packer, struct buffer *out);

/* The beginning of a response whose result is packed next; and a whole error response. */
void rpc_result(msgpack_packer *packer, uint32_t msgid);
void rpc_error(struct buffer *out, uint32_t msgid, const struct error *error);

void pack_text(msgpack_packer *packer, const char *text);
void pack_bytes(msgpack_packer *packer, struct bytes text);
void pack_bin(msgpack_packer *packer, const void *data, size_t len);
void pack_uuid(msgpack_packer *packer, const struct uuid *u);
void pack_key_int(msgpack_packer *packer, const char *key, int64_t value);
void pack_key_text(msgpack_packer *packer, const char *key, const char *value);
void pack_bool(msgpack_packer *packer, bool value);

#endif
