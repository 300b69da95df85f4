/*
 * pg_append - one batch as one call of verbatim.append (schema/log), which describes its outcomes.
 *
 * The whole batch is one Bind message: the server has every byte before it takes the first lock, and an engine
 * that stops half-way holds nothing.  Batches that go together are one statement: one call of verbatim.append_together
 * when all of them are plain, as they nearly always are, else a UNION ALL of calls, which the server runs in order.
 */
#include <assert.h>

#include "event/catalog.h"
#include "store/pg_session.h"

static const struct {
	const char *name;
	enum append_outcome outcome;
} outcomes[] = {
	{ "ok", APPEND_OK },         { "head", APPEND_HEAD },     { "duplicate", APPEND_DUPLICATES },
	{ "expect", APPEND_EXPECT }, { "epoch", APPEND_EPOCH },   { "expect_far", APPEND_EXPECT_FAR },
	{ "clock", APPEND_CLOCK },   { "month", APPEND_MONTH },   { "apart", APPEND_APART },
};

enum { BATCH, OUTCOME, ITEM, POSITION, RECORDED_AT, HASH };

/* One batch's rows: [from, from + rows). */
static bool take_outcome(struct store_append *a, const PGresult *r, int from, int rows)
{
	struct bytes name = rows > 0 ? pg_bytes(r, from, OUTCOME) : (struct bytes){ NULL, 0 };
	size_t i = 0;

	while (i < sizeof(outcomes) / sizeof(outcomes[0]) && !(name.data && bytes_is(name, outcomes[i].name)))
		i++;
	if (i == sizeof(outcomes) / sizeof(outcomes[0]))
		return false;
	a->outcome = outcomes[i].outcome;
	if (a->outcome != APPEND_DUPLICATES && a->outcome != APPEND_EXPECT && a->outcome != APPEND_EXPECT_FAR) {
		a->head_position = PQgetisnull(r, from, POSITION) ? 0 : pg_int(r, from, POSITION);
		a->head_recorded_at = pg_time(r, from, RECORDED_AT);
		pg_fixed(r, from, HASH, a->head_root, LEAF_BYTES);
		return true;
	}
	a->hits = arena_alloc(a->arena, (size_t)rows * sizeof(*a->hits));
	a->hit_count = rows;
	for (int row = 0; row < rows; row++) {
		struct append_hit *hit = &a->hits[row];

		/* The rows of a batch are counted from 1 in SQL, and from 0 here. */
		hit->item = (int)pg_int(r, from + row, ITEM) - (a->outcome == APPEND_DUPLICATES);
		hit->position = PQgetisnull(r, from + row, POSITION) ? 0 : pg_int(r, from + row, POSITION);
		hit->recorded_at = pg_time(r, from + row, RECORDED_AT);
		pg_fixed(r, from + row, HASH, hit->leaf, LEAF_BYTES);
	}
	return true;
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	int from = 0, number = 0;

	for (struct store_append *a = (struct store_append *)s->request; a; a = a->also, number++) {
		int rows = 0;

		while (from + rows < PQntuples(r) && pg_int(r, from + rows, BATCH) == number)
			rows++;
		if (!take_outcome(a, r, from, rows)) {
			pg_wrong(s, E_DATABASE, "verbatim.append gave an outcome that this engine does not know");
			return;
		}
		from += rows;
	}
}

static void put_actor_types(struct pg_params *p, struct event *const *events, int count)
{
	size_t began = pg_array_begin(p, OID_TEXT, count);

	for (int i = 0; i < count; i++) {
		const char *name = values_actor_type[events[i]->actor_type];

		pg_item(p, name, strlen(name));
	}
	pg_array_end(p, began, 0);
}

static void put_old(struct pg_params *p, const struct store_append *a)
{
	size_t began;

	if (a->old_count == 0 || a->look_from == TIME_NONE) {
		for (int i = 0; i < 3; i++)
			pg_param_null(p);
		return;
	}
	began = pg_array_begin(p, OID_INT4, a->old_count);
	for (int i = 0; i < a->old_count; i++) {
		char b[4];

		put_be32(b, (uint32_t)a->old[i] + 1);
		pg_item(p, b, sizeof(b));
	}
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_UUID, a->old_count);
	for (int i = 0; i < a->old_count; i++)
		pg_item(p, a->events[a->old[i]]->event_id.b, 16);
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_UUID, a->old_count);
	for (int i = 0; i < a->old_count; i++)
		pg_item(p, a->events[a->old[i]]->tenant_id.b, 16);
	pg_array_end(p, began, 0);
}

/* The tiles of all batches of the chain, with their shards when several are `together`. */
static void put_tiles(struct pg_params *p, const struct store_append *first, bool together)
{
	const struct store_append *end = together ? NULL : first->also, *a;
	const struct merkle_tile *t;
	int count = 0;
	size_t began;
	char b[8];

	for (a = first; a != end; a = a->also)
		for (t = a->tiles; t; t = t->next)
			count++;
	if (count == 0) {
		for (int i = 0; i < 3 + together; i++)
			pg_param_null(p);
		return;
	}
	if (together) {
		began = pg_array_begin(p, OID_INT2, count);
		for (a = first; a != end; a = a->also)
			for (t = a->tiles; t; t = t->next) {
				put_be16(b, (uint16_t)a->shard);
				pg_item(p, b, 2);
			}
		pg_array_end(p, began, 0);
	}
	began = pg_array_begin(p, OID_INT2, count);
	for (a = first; a != end; a = a->also)
		for (t = a->tiles; t; t = t->next) {
			put_be16(b, (uint16_t)t->level);
			pg_item(p, b, 2);
		}
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_INT8, count);
	for (a = first; a != end; a = a->also)
		for (t = a->tiles; t; t = t->next) {
			put_be64(b, (uint64_t)t->index);
			pg_item(p, b, 8);
		}
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_BYTEA, count);
	for (a = first; a != end; a = a->also)
		for (t = a->tiles; t; t = t->next)
			pg_item(p, t->hashes, MERKLE_TILE * LEAF_BYTES);
	pg_array_end(p, began, 0);
}

static void put_expects(struct pg_params *p, const struct store_append *a)
{
	static const char *const scopes[] = { "entity", "conversation", "resolution", "tenant" };
	int n = a->expect_count;
	size_t began;

	if (n == 0) {
		for (int i = 0; i < 6; i++)
			pg_param_null(p);
		return;
	}
	began = pg_array_begin(p, OID_INT4, n);
	for (int i = 0; i < n; i++) {
		char b[4];

		put_be32(b, (uint32_t)a->expects[i].item);
		pg_item(p, b, sizeof(b));
	}
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_UUID, n);
	for (int i = 0; i < n; i++)
		pg_item(p, a->expects[i].tenant_id.b, 16);
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_TEXT, n);
	for (int i = 0; i < n; i++)
		pg_item(p, scopes[a->expects[i].scope], strlen(scopes[a->expects[i].scope]));
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_UUID, n);
	for (int i = 0; i < n; i++)
		pg_item(p, a->expects[i].id.b, 16);
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_TEXT, n);
	for (int i = 0; i < n; i++)
		pg_item(p, a->expects[i].types.data, a->expects[i].types.len);
	pg_array_end(p, began, 0);
	began = pg_array_begin(p, OID_INT8, n);
	for (int i = 0; i < n; i++) {
		char b[8];

		put_be64(b, (uint64_t)a->expects[i].after);
		pg_item(p, b, sizeof(b));
	}
	pg_array_end(p, began, 0);
}

/* The columns of the events, in the order of both functions' parameters.  False when an actor_ip is no address. */
static bool put_events(struct pg_params *p, struct event *const *list, int n)
{
	const void *events = list;
	bool right;

#define EVENT_UUID(member) pg_array_uuid(p, events, n, offsetof(struct event, member))
#define EVENT_TEXT(member, element) pg_array_bytes(p, events, n, offsetof(struct event, member), element)
	EVENT_UUID(event_id);
	EVENT_UUID(tenant_id);
	EVENT_TEXT(type_name, OID_TEXT);
	pg_array_int32(p, events, n, offsetof(struct event, version));
	EVENT_TEXT(entity_type, OID_TEXT);
	EVENT_UUID(entity_id);
	EVENT_UUID(conversation_id);
	EVENT_UUID(customer_id);
	EVENT_UUID(resolution_id);
	put_actor_types(p, list, n);
	EVENT_UUID(actor_id);
	right = pg_array_inet(p, events, n, offsetof(struct event, actor_ip));
	EVENT_TEXT(actor_user_agent, OID_TEXT);
	EVENT_UUID(correlation_id);
	EVENT_UUID(causation_id);
	pg_array_time(p, events, n, offsetof(struct event, occurred_at));
	pg_array_bool(p, events, n, offsetof(struct event, silent));
	EVENT_TEXT(payload, OID_JSON);
	pg_array_fixed(p, events, n, offsetof(struct event, leaf_hash), LEAF_BYTES);
#undef EVENT_UUID
#undef EVENT_TEXT
	return right;
}

/* verbatim.append's parameters. */
static bool put_batch(struct pg_params *p, const struct store_append *a)
{
	bool right;

	pg_param_int2(p, a->shard);
	pg_param_int4(p, a->epoch);
	pg_param_int8(p, a->head);
	pg_param_time(p, a->now);
	pg_param_time(p, a->recorded_at);
	pg_param_bytes(p, a->root, LEAF_BYTES);
	pg_param_bool(p, a->look);
	pg_param_time(p, a->look_from);
	put_old(p, a);
	right = put_events(p, a->events, a->count);
	put_tiles(p, a, false);
	put_expects(p, a);
	return right;
}

/* verbatim.append_together's. */
static bool put_together(struct pg_params *p, const struct store_append *first, int batches)
{
	struct event **events;
	const void *list;
	const struct store_append **chain, *a;
	int n = 0;
	size_t began;
	bool right;
	char b[2];

	for (a = first; a; a = a->also)
		n += a->count;
	chain = arena_alloc(first->arena, (size_t)batches * sizeof(const struct store_append *));
	events = arena_alloc(first->arena, (size_t)n * sizeof(*events));
	batches = n = 0;
	for (a = first; a; a = a->also) {
		chain[batches++] = a;
		memcpy(events + n, a->events, (size_t)a->count * sizeof(*events));
		n += a->count;
	}
	list = chain;
	pg_param_int4(p, first->epoch);
	pg_param_time(p, first->now);
	began = pg_array_begin(p, OID_INT2, batches);
	for (a = first; a; a = a->also) {
		put_be16(b, (uint16_t)a->shard);
		pg_item(p, b, sizeof(b));
	}
	pg_array_end(p, began, 0);
	pg_array_int(p, list, batches, offsetof(struct store_append, head), OID_INT8);
	pg_array_int32(p, list, batches, offsetof(struct store_append, count));
	pg_array_time(p, list, batches, offsetof(struct store_append, recorded_at));
	pg_array_fixed(p, list, batches, offsetof(struct store_append, root), LEAF_BYTES);
	right = put_events(p, events, n);
	put_tiles(p, first, true);
	return right;
}

/* There is nothing to look up or to judge before its events go in; the epoch is that of all. */
static bool is_plain(const struct store_append *a, const struct store_append *first)
{
	return !a->look && !a->old_count && !a->expect_count && a->epoch == first->epoch;
}

void pg_append(struct store *store, struct store_append *first)
{
	static const enum pg_statement_id statements[APPEND_TOGETHER_MOST] = { PG_APPEND, PG_APPEND_2, PG_APPEND_3, PG_APPEND_4 };
	struct pg_session *s = pg_of(store);
	bool plain = true, right = true;
	int count = 0;

	s->also = first->also;
	if (!pg_begin(s, &first->request, on_result, pg_finish))
		return;
	for (struct store_append *r = first; r; r = r->also, count++) {
		assert(count < APPEND_TOGETHER_MOST && r->count > 0 && r->events[0]->position == r->head + 1);
		assert(!r->also || r->also->shard > r->shard);
		r->hits = NULL;
		r->hit_count = 0;
		plain &= is_plain(r, first);
	}
	plain &= count > 1;
	if (plain)
		right = put_together(&s->params, first, count);
	for (struct store_append *r = plain ? NULL : first; r; r = r->also)
		right &= put_batch(&s->params, r);
	if (!right) {
		pg_fail(s, E_INVALID, "an actor_ip is no address");
		return;
	}
	pg_run(s, plain ? PG_APPEND_TOGETHER : statements[count - 1]);
	pg_round(s, 0);
}
