/*
 * pg_names - whom an sla_policy.reapply of `all` concerns: the open clocks of a policy's older versions, a part at a time.
 *
 * Which clocks are open is in no index, for each index costs every clock's write and this is asked seldom.  So the
 * tenant's clocks are gone through once, along the index on (tenant_id, conversation_id), in statements of so many rows.
 */
#include <assert.h>

#include "store/pg_rows.h"

#define NIL "'00000000-0000-0000-0000-000000000000'::uuid"

enum { CONVERSATION_ID, RESOLUTION_ID, ID, WANTED, SEEN };

/* $1 tenant, $2 conversation, $3 clock, $4 policy, $5 version, $6 rows, $7 limit.  The last row is where the part ends. */
static char *names_sql(const char *table)
{
	struct buffer b = { 0 };
	char *text;

	buffer_printf(&b,
		      "WITH part AS MATERIALIZED (SELECT conversation_id, resolution_id, id, policy_id = $4::uuid AND"
		      " policy_version < $5::int8 AND state IN ('running', 'paused') AS wanted FROM generations.\"%s\""
		      " WHERE tenant_id = $1::uuid AND (conversation_id, id) > (coalesce($2::uuid, " NIL "), coalesce($3::uuid, " NIL "))"
		      " ORDER BY conversation_id, id LIMIT $6::int4)"
		      " (SELECT *, 0::int8 FROM part WHERE wanted ORDER BY conversation_id, id LIMIT $7::int4)"
		      " UNION ALL (SELECT conversation_id, resolution_id, id, false, (SELECT count(*) FROM part) FROM part"
		      " ORDER BY conversation_id DESC, id DESC LIMIT 1)",
		      table);
	text = mem_strdup(buffer_text(&b));
	buffer_release(&b);
	return text;
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	struct store_names *q = (struct store_names *)s->request;
	int rows = PQntuples(r), last = -1;

	for (int row = 0; row < rows; row++) {
		if (*PQgetvalue(r, row, WANTED) && q->count < q->limit) {
			struct due_name *n = &q->names[q->count++];

			memset(n, 0, sizeof(*n));
			pg_fixed(r, row, CONVERSATION_ID, n->conversation_id.b, 16);
			pg_fixed(r, row, RESOLUTION_ID, n->resolution_id.b, 16);
			last = row;
		} else if (q->count < q->limit) {
			last = row;
			q->complete = pg_int(r, row, SEEN) < q->rows;
		}
	}
	if (last >= 0) {
		pg_fixed(r, last, CONVERSATION_ID, q->after_conversation.b, 16);
		pg_fixed(r, last, ID, q->after_clock.b, 16);
	}
	q->complete = q->complete || rows == 0;
}

void pg_names(struct store *store, struct store_names *r)
{
	struct pg_session *s = pg_of(store);
	struct pg_table *table = pg_tables_find(s->tables, r->clocks);

	assert(r->limit > 0 && r->rows > 0);
	r->count = 0;
	r->complete = false;
	if (!pg_begin(s, &r->request, on_result, pg_finish))
		return;
	if (!table || table->generation != r->generation) {
		pg_fail(s, E_INTERNAL, "clocks were asked for before their checkpoint");
		return;
	}
	if (!table->names.sql)
		table->names.sql = names_sql(table->name);
	s->of_generation = true;
	r->names = arena_alloc(r->arena, (size_t)r->limit * sizeof(*r->names));
	pg_param_uuid(&s->params, &r->ask.tenant_id);
	pg_param_uuid(&s->params, &r->after_conversation);
	pg_param_uuid(&s->params, &r->after_clock);
	pg_param_uuid(&s->params, &r->ask.policy_id);
	pg_param_int8(&s->params, r->ask.policy_version);
	pg_param_int4(&s->params, r->rows);
	pg_param_int4(&s->params, r->limit);
	pg_query(s, &table->names);
	pg_round(s, 0);
}
