/*
 * stream - what a client sends: the walk over its bytes finds the same messages however they are split, and what the walk
 * lets pass MessagePack can decode, a call can be taken from, and an append or a read's filter be judged, within bounds.
 */
#include "fuzz.h"

#include <msgpack.h>

#include "engine/reader.h"
#include "engine/request.h"
#include "engine/rpc.h"
#include "event/walk.h"

enum { FRAME = 65536, DEPTH = 20, ELEMENTS = 4096, NOW_MS = 1763800000, SHARDS = 4 };

static const struct walk_limits limits = { FRAME, DEPTH, ELEMENTS };

static void judge_read(const struct rpc_call *call, struct buffer *out)
{
	static const struct uuid tenant = { { 1 } };
	struct read_call *c = malloc(sizeof(*c));
	struct error error;

	for (int bound = 0; bound < 2; bound++) {
		int status;

		memset(c, 0, sizeof(*c));
		c->from = 2;
		error_clear(&error);
		status = request_read_filter(rpc_param(call, 1), SHARDS, bound ? &tenant : NULL, c, &error);
		must(status == 0 || (status == E_PARAMS && error.code == status && error.message[0]));
		must(c->type_count >= 0 && c->type_count <= READ_TYPES_MOST && c->leaf_bytes <= LEAF_BYTES);
		must(status || (c->shard >= 0 && c->shard <= SHARDS));
		must(status || uuid_is_nil(&c->tenant_id) || c->shard == event_shard(&c->tenant_id, SHARDS));
		must(status || uuid_is_nil(&c->conversation_id) || !uuid_is_nil(&c->tenant_id));
		if (status)
			rpc_error(out, call->msgid, &error);
	}
	free(c);
}

static void judge(const uint8_t *data, size_t len)
{
	static msgpack_zone zone;
	static struct request_pool pool;
	const struct request_limits request_limits = { .envelope = { FRAME, 16 }, .events = 100, .shards = SHARDS };
	struct rpc_call call;
	struct error error;
	msgpack_object message;
	struct buffer out = { 0 };
	size_t at = 0;

	if (!zone.chunk_size)
		msgpack_zone_init(&zone, 65536);
	error_clear(&error);
	must(msgpack_unpack((const char *)data, len, &at, &zone, &message) == MSGPACK_UNPACK_SUCCESS && at == len);
	if (rpc_decode(&message, &call, &error)) {
		must(error.code == E_PROTOCOL && error.message[0]);
		rpc_error(&out, 0, &error);
	} else if (bytes_is(call.method, "read")) {
		judge_read(&call, &out);
	} else if (rpc_param(&call, 0)) {
		struct request *r = request_new(&pool);
		int status = request_decode(r, rpc_param(&call, 0), rpc_param(&call, 1), NOW_MS * TIME_SECOND, &request_limits, &error);

		must(status == 0 || (status == error.code && error.message[0] && error_get(status)->class == CLASS_CALLER));
		must(status || r->count <= 100);
		if (status)
			rpc_error(&out, call.msgid, &error);
		request_free(&pool, r);
	}
	buffer_release(&out);
	msgpack_zone_clear(&zone);
}

/* How many bytes whole messages take, and whether it ended in an error; `step` bytes come at a time. */
static size_t walk(const uint8_t *data, size_t size, size_t step, bool look, int *outcome)
{
	size_t done = 0, seen = 0;
	struct error error;
	struct walk w;

	walk_init(&w);
	*outcome = 0;
	while (done < size) {
		seen = seen + step < size ? seen + step : size;
		*outcome = walk_more(&w, (const char *)data + done, seen - done, &limits, &error);
		if (*outcome < 0 || (*outcome == 0 && seen == size))
			break;
		if (*outcome == 0)
			continue;
		must(w.at > 0 && w.at <= seen - done);
		if (look)
			judge(data + done, w.at);
		done += w.at;
		walk_init(&w);
		seen = seen > done ? seen : done;
	}
	return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = 1 + fuzz_take(&data, &size, 64), whole, split;
	int outcome, again;

	catalog_init();
	whole = walk(data, size, size, true, &outcome);
	split = walk(data, size, step, false, &again);
	must(whole == split && (outcome < 0) == (again < 0));
	return 0;
}
