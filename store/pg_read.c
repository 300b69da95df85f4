/*
 * pg_read - events in order of position, from the leaf that holds them.
 *
 * One month a round: the head, then where the month ends, then its events.  In this order, because each statement
 * has a snapshot of its own: what the head says was there is there for the statements after it.  A read that
 * comes to the end of a month goes on in the next one; a read for one tenant looks through SCAN_SPAN positions a
 * round, so that no statement is long.
 */
#include <assert.h>

#include "event/catalog.h"
#include "store/pg_session.h"

enum { SCAN_SPAN = 200000 };

enum { HEAD_QUERY, MONTH_QUERY, EVENTS_QUERY };

enum {
	POSITION, RECORDED_AT, LEAF_HASH, OCCURRED_AT, EVENT_VERSION, SILENT, EVENT_ID, TENANT_ID, ENTITY_ID,
	CONVERSATION_ID, CUSTOMER_ID, RESOLUTION_ID, ACTOR_ID, CORRELATION_ID, CAUSATION_ID, EVENT_TYPE, ENTITY_TYPE,
	ACTOR_TYPE, ACTOR_IP, ACTOR_USER_AGENT, PAYLOAD,
};

static void take_event(const PGresult *r, int row, struct arena *arena, struct event *e)
{
	struct bytes type = pg_bytes(r, row, EVENT_TYPE);
	struct bytes entity = pg_bytes(r, row, ENTITY_TYPE);
	const char *constant;

	pg_fixed(r, row, EVENT_ID, e->event_id.b, 16);
	pg_fixed(r, row, TENANT_ID, e->tenant_id.b, 16);
	pg_fixed(r, row, ENTITY_ID, e->entity_id.b, 16);
	pg_fixed(r, row, CONVERSATION_ID, e->conversation_id.b, 16);
	pg_fixed(r, row, CUSTOMER_ID, e->customer_id.b, 16);
	pg_fixed(r, row, RESOLUTION_ID, e->resolution_id.b, 16);
	pg_fixed(r, row, ACTOR_ID, e->actor_id.b, 16);
	pg_fixed(r, row, CORRELATION_ID, e->correlation_id.b, 16);
	pg_fixed(r, row, CAUSATION_ID, e->causation_id.b, 16);
	e->type = catalog_find(type);
	e->type_name = e->type ? bytes_text(e->type->name) : arena_copy(arena, type);
	constant = e->type ? entity_name(e->type->entity) : NULL;
	e->entity_type = constant && bytes_is(entity, constant) ? bytes_text(constant) : arena_copy(arena, entity);
	e->version = (int32_t)pg_int(r, row, EVENT_VERSION);
	e->actor_type = actor_type_find(pg_bytes(r, row, ACTOR_TYPE));
	e->silent = pg_bool(r, row, SILENT);
	if (!PQgetisnull(r, row, ACTOR_IP))
		e->actor_ip = pg_get_inet(PQgetvalue(r, row, ACTOR_IP), PQgetlength(r, row, ACTOR_IP), arena);
	e->actor_user_agent = arena_copy(arena, pg_bytes(r, row, ACTOR_USER_AGENT));
	e->occurred_at = pg_time(r, row, OCCURRED_AT);
	e->payload = arena_copy(arena, pg_bytes(r, row, PAYLOAD));
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	struct store_read *q = (struct store_read *)s->request;
	int rows = PQntuples(r);

	if (query == HEAD_QUERY) {
		q->head = rows ? pg_int(r, 0, 0) : 0;
		return;
	}
	if (query == MONTH_QUERY) {
		/* The end of the month that this round looks into; the open month has none. */
		s->mark = rows == 0 || PQgetisnull(r, 0, 0) ? INT64_MAX : pg_int(r, 0, 0);
		return;
	}
	if (rows > q->limit - q->count)
		rows = q->limit - q->count;
	for (int row = 0; row < rows; row++) {
		struct event *e = &q->events[q->count++];

		memset(e, 0, sizeof(*e));
		e->shard = q->shard;
		e->position = pg_int(r, row, POSITION);
		e->recorded_at = pg_time(r, row, RECORDED_AT);
		pg_fixed(r, row, LEAF_HASH, e->leaf_hash, LEAF_BYTES);
		if (!q->leaves_only)
			take_event(r, row, q->arena, e);
	}
}

static void ask(struct pg_session *s, struct store_read *q, int64_t after)
{
	struct pg_params *p = &s->params;
	int64_t upto = q->upto ? q->upto : INT64_MAX;
	bool tenant = !uuid_is_nil(&q->tenant_id);
	bool conversation = !uuid_is_nil(&q->conversation_id);
	size_t bytes = q->bytes ? q->bytes : SIZE_MAX / 2;

	if (tenant && !conversation && upto - after > SCAN_SPAN)
		upto = after + SCAN_SPAN;
	for (int i = 0; i < q->count; i++)
		bytes -= q->events[i].payload.len < bytes ? q->events[i].payload.len : bytes;
	s->after = after;
	s->upto = upto;
	pg_param_int2(p, q->shard);
	pg_run(s, PG_READ_HEAD);
	pg_param_int2(p, q->shard);
	pg_param_int8(p, after);
	pg_run(s, PG_READ_MONTH);
	pg_param_int2(p, q->shard);
	pg_param_int8(p, after);
	pg_param_int8(p, upto);
	pg_param_int4(p, q->limit - q->count);
	if (q->leaves_only) {
		pg_run(s, PG_READ_LEAVES);
	} else {
		pg_param_int8(p, (int64_t)bytes);
		if (tenant)
			pg_param_uuid(p, &q->tenant_id);
		if (conversation)
			pg_param_uuid(p, &q->conversation_id);
		pg_run(s, conversation ? PG_READ_CONVERSATION : tenant ? PG_READ_TENANT : PG_READ);
	}
	pg_round(s, 0);
}

static void on_end(struct pg_session *s)
{
	struct store_read *q = (struct store_read *)s->request;
	int64_t last = q->count ? q->events[q->count - 1].position : 0;
	int64_t wanted, seen;
	size_t bytes = 0;

	if (q->request.status) {
		pg_finish(s);
		return;
	}
	for (int i = 0; i < q->count; i++)
		bytes += q->events[i].payload.len;
	if (q->head < last)
		q->head = last; /* it came after the head was read */
	wanted = q->upto && q->upto < q->head ? q->upto : q->head;
	if (q->count == q->limit || (q->bytes && bytes > q->bytes)) {
		q->complete = last >= wanted;
		pg_finish(s);
		return;
	}
	/* All of this round's span was seen. */
	seen = s->upto < s->mark ? s->upto : s->mark;
	if (seen >= wanted) {
		q->complete = true;
		pg_finish(s);
		return;
	}
	ask(s, q, seen);
}

void pg_read(struct store *store, struct store_read *r)
{
	struct pg_session *s = pg_of(store);

	assert(r->limit > 0 && (uuid_is_nil(&r->conversation_id) || !uuid_is_nil(&r->tenant_id)));
	assert(!r->leaves_only || uuid_is_nil(&r->tenant_id));
	r->count = 0;
	r->head = 0;
	r->complete = false;
	if (!pg_begin(s, &r->request, on_result, on_end))
		return;
	r->events = arena_alloc(r->arena, (size_t)r->limit * sizeof(*r->events));
	ask(s, r, r->after);
}
