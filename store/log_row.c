/* log_row - see log_row.h. */
#include "store/log_row.h"

#include "event/catalog/values.h"
#include "store/pg_session.h"

void log_row_take(const struct pg_result *r, int row, struct arena *arena, struct event *e)
{
	struct bytes name = pg_bytes(r, row, 15), entity = pg_bytes(r, row, 16);

	memset(e, 0, sizeof(*e));
	e->shard = (int16_t)pg_int(r, row, 0);
	e->position = pg_int(r, row, 1);
	e->recorded_at = pg_time(r, row, 2);
	e->occurred_at = pg_time(r, row, 3);
	e->version = (int32_t)pg_int(r, row, 4);
	e->silent = pg_bool(r, row, 5);
	pg_fixed(r, row, 6, e->event_id.b, 16);
	pg_fixed(r, row, 7, e->tenant_id.b, 16);
	pg_fixed(r, row, 8, e->entity_id.b, 16);
	pg_fixed(r, row, 9, e->conversation_id.b, 16);
	pg_fixed(r, row, 10, e->customer_id.b, 16);
	pg_fixed(r, row, 11, e->resolution_id.b, 16);
	pg_fixed(r, row, 12, e->actor_id.b, 16);
	pg_fixed(r, row, 13, e->correlation_id.b, 16);
	pg_fixed(r, row, 14, e->causation_id.b, 16);
	e->type = catalog_find(name);
	e->type_name = e->type ? bytes_text(e->type->name) : arena_copy(arena, name);
	e->entity_type = arena_copy(arena, entity);
	e->actor_type = actor_type_find(pg_bytes(r, row, 17));
	if (bytes_is(pg_bytes(r, row, 17), values_actor_type[e->actor_type])) /* else zeroes, which no event hashes to */
		pg_fixed(r, row, 18, e->leaf_hash, LEAF_BYTES);
	if (!PQgetisnull(r, row, 19))
		e->actor_ip = pg_get_inet(PQgetvalue(r, row, 19), PQgetlength(r, row, 19), arena);
	e->actor_user_agent = arena_copy(arena, pg_bytes(r, row, 20));
	e->payload = arena_copy(arena, pg_bytes(r, row, 21));
}
