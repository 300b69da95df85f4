/*
 * pg_due - the clocks whose time has come, from the index on (shard, next_at).
 *
 * One statement, so that rows, checkpoint and head are of one snapshot: whoever decides on a row names the checkpoint
 * as what it knew.  Due is what lies before both clocks, the caller's and the database's, so that engines whose
 * clocks differ by the seconds that are allowed agree on it.
 *
 * `from` spares the dead entries of clocks decided long ago, which pile up at the index's beginning while a
 * stranger's old snapshot keeps them from being removed.
 */
#include <assert.h>

#include "store/pg_rows.h"

enum {
	HORIZON, POSITION, HEAD, NEXT, TENANT_ID, ID, CONVERSATION_ID, RESOLUTION_ID, STARTED_BY, CLOCK, CYCLE, TARGET_VERSION,
	RUN, NTH, THRESHOLD, DUE_AT, NEXT_AT, ASK_TENANT, ASK_ID, ASK_POLICY, ASK_VERSION, ASK_AT, ASK_PARTS,
};

/* $1 group, $2 generation, $3 shard, $4 now, $5 from, $6 limit. */
static char *due_sql(const char *table, const char *asks)
{
	struct buffer b = { 0 };
	char *text;

	buffer_printf(&b,
		      "WITH h AS MATERIALIZED (SELECT least($4::timestamptz, verbatim.log_now()) AS horizon)"
		      " SELECT h.horizon, c.last_position, l.last_position, n.next_at, d.tenant_id, d.id, d.conversation_id,"
		      " d.resolution_id, d.started_by, d.clock, d.cycle, d.target_version, d.run, d.next_nth, d.next_threshold,"
		      " d.due_at, d.next_at%s FROM h"
		      " LEFT JOIN LATERAL (SELECT last_position FROM verbatim.projection_batch WHERE group_name = $1::text"
		      " AND generation = $2::int4 AND shard = $3::int2 ORDER BY first_position DESC LIMIT 1) c ON true"
		      " LEFT JOIN LATERAL (SELECT last_position FROM verbatim.log_batch WHERE shard = $3::int2"
		      " ORDER BY first_position DESC LIMIT 1) l ON true"
		      " LEFT JOIN LATERAL (SELECT next_at FROM generations.\"%s\" WHERE shard = $3::int2 AND next_at >= h.horizon"
		      " ORDER BY next_at LIMIT 1) n ON true"
		      " LEFT JOIN LATERAL (SELECT * FROM generations.\"%s\" WHERE shard = $3::int2 AND next_at < h.horizon"
		      " AND next_at >= $5::timestamptz ORDER BY next_at LIMIT $6::int4) d ON true",
		      asks ? ", a.tenant_id, a.id, a.policy_id, a.policy_version::int8, a.asked_at, a.parts::int8" : "", table, table);
	if (asks)
		buffer_printf(&b,
			      " LEFT JOIN LATERAL (SELECT * FROM generations.\"%s\" WHERE shard = $3::int2 AND next_at IS NOT NULL"
			      " ORDER BY next_at LIMIT 1) a ON true",
			      asks);
	text = mem_strdup(buffer_text(&b));
	buffer_release(&b);
	return text;
}

static void take_clock(const PGresult *r, int row, struct arena *arena, struct due_clock *d)
{
	memset(d, 0, sizeof(*d));
	pg_fixed(r, row, TENANT_ID, d->tenant_id.b, 16);
	pg_fixed(r, row, ID, d->id.b, 16);
	pg_fixed(r, row, CONVERSATION_ID, d->conversation_id.b, 16);
	pg_fixed(r, row, RESOLUTION_ID, d->resolution_id.b, 16);
	pg_fixed(r, row, STARTED_BY, d->started_by.b, 16);
	d->clock = arena_copy(arena, pg_bytes(r, row, CLOCK));
	d->cycle = (int32_t)pg_int(r, row, CYCLE);
	d->target_version = (int32_t)pg_int(r, row, TARGET_VERSION);
	d->run = (int32_t)pg_int(r, row, RUN);
	d->nth = PQgetisnull(r, row, NTH) ? -1 : (int)pg_int(r, row, NTH);
	d->threshold = PQgetisnull(r, row, THRESHOLD)
			       ? INT_NONE
			       : pg_get_decimal(PQgetvalue(r, row, THRESHOLD), PQgetlength(r, row, THRESHOLD), DUE_THRESHOLD_SCALE);
	d->due_at = pg_time(r, row, DUE_AT);
	d->next_at = pg_time(r, row, NEXT_AT);
}

static void take_ask(const PGresult *r, struct due_ask *a)
{
	memset(a, 0, sizeof(*a));
	if (PQnfields(r) <= ASK_ID || PQgetisnull(r, 0, ASK_ID))
		return;
	pg_fixed(r, 0, ASK_TENANT, a->tenant_id.b, 16);
	pg_fixed(r, 0, ASK_ID, a->id.b, 16);
	pg_fixed(r, 0, ASK_POLICY, a->policy_id.b, 16);
	a->policy_version = pg_int(r, 0, ASK_VERSION);
	a->asked_at = pg_time(r, 0, ASK_AT);
	a->parts = pg_int(r, 0, ASK_PARTS);
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	struct store_due *q = (struct store_due *)s->request;
	int rows = PQntuples(r);

	if (rows == 0) {
		pg_wrong(s, E_DATABASE, "no answer to what is due");
		return;
	}
	q->horizon = pg_time(r, 0, HORIZON);
	q->position = PQgetisnull(r, 0, POSITION) ? 0 : pg_int(r, 0, POSITION);
	q->head = PQgetisnull(r, 0, HEAD) ? 0 : pg_int(r, 0, HEAD);
	q->next = pg_time(r, 0, NEXT);
	take_ask(r, &q->ask);
	for (int row = 0; row < rows && q->count < q->limit; row++)
		if (!PQgetisnull(r, row, ID))
			take_clock(r, row, q->arena, &q->due[q->count++]);
}

void pg_due(struct store *store, struct store_due *r)
{
	struct pg_session *s = pg_of(store);
	struct pg_table *table = pg_tables_find(s->tables, r->clocks);
	struct pg_table *asks = r->asks ? pg_tables_find(s->tables, r->asks) : NULL;

	assert(r->limit > 0);
	r->count = 0;
	r->next = TIME_NONE;
	if (!pg_begin(s, &r->request, on_result, pg_finish))
		return;
	if (!table || table->generation != r->generation) {
		pg_fail(s, E_INTERNAL, "clocks were asked for before their checkpoint");
		return;
	}
	if (!table->due.sql)
		table->due.sql = due_sql(table->name, asks ? asks->name : NULL);
	s->of_generation = true;
	r->due = arena_alloc(r->arena, (size_t)r->limit * sizeof(*r->due));
	pg_param_text(&s->params, r->group->name);
	pg_param_int4(&s->params, r->generation);
	pg_param_int2(&s->params, r->shard);
	pg_param_time(&s->params, r->now);
	pg_param_time(&s->params, r->from);
	pg_param_int4(&s->params, r->limit);
	pg_query(s, &table->due);
	pg_round(s, 0);
}
