/* log_events - see log_events.h. */
#include "store/log_events.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "event/canonical.h"
#include "event/merkle.h"
#include "store/db.h"
#include "store/log_row.h"
#include "store/pg_session.h"

int log_event_take(const struct event *from, const struct uuid *log_id, struct arena *arena, struct logged_event *out, struct error *error)
{
	struct buffer text = { 0 };
	char id[UUID_TEXT];
	uint8_t leaf[LEAF_BYTES];

	canonical_leaf(from, log_id, &text, leaf);
	*out = (struct logged_event){ .event_id = from->event_id, .tenant_id = from->tenant_id, .shard = from->shard, .position = from->position,
				      .type = from->type_name, .text = arena_copy(arena, bytes_of(text.data + 1, text.len - 1)) };
	memcpy(out->leaf, from->leaf_hash, LEAF_BYTES);
	buffer_release(&text);
	if (memcmp(leaf, out->leaf, LEAF_BYTES) != 0)
		return error_set(error, E_UNPROVEN, "event %s at position %lld of shard %d is not what was hashed: it was changed",
				 uuid_format(&out->event_id, id), (long long)out->position, out->shard);
	return 0;
}

static int ask_for_event(struct pg_conn *conn, const struct uuid *event_id, const struct uuid *tenant_id, int64_t recorded_by,
			 struct pg_result **rows, struct error *error)
{
	struct pg_params params = { 0 };
	int status;

	pg_param_uuid(&params, event_id);
	if (tenant_id)
		pg_param_uuid(&params, tenant_id);
	else
		pg_param_null(&params);
	pg_param_time(&params, recorded_by);
	status = db_ask(conn,
			"SELECT " LOG_ROW_COLUMNS " FROM verbatim.event_log WHERE event_id = $1::uuid AND ($2::uuid IS NULL OR tenant_id = $2::uuid)"
			" AND recorded_at <= $3::timestamptz ORDER BY tenant_id LIMIT 2", &params, rows, error);
	pg_params_release(&params);
	return status;
}

int log_event_find(struct pg_conn *conn, const struct uuid *log_id, const struct uuid *event_id, const struct uuid *tenant_id,
		   struct arena *arena, struct logged_event *out, struct error *error)
{
	char id[UUID_TEXT], other[UUID_TEXT];
	struct pg_result *rows;
	struct event e;
	int status = ask_for_event(conn, event_id, tenant_id, log_tiles_by_now(), &rows, error);

	if (!status && db_rows(rows) == 0) {
		db_free(rows);
		status = ask_for_event(conn, event_id, tenant_id, TIME_MAX, &rows, error);
	}
	if (status)
		return status;
	if (db_rows(rows) == 0)
		status = error_set(error, E_NOT_FOUND, "there is no event %s in the log%s", uuid_format(event_id, id), tenant_id ? " of this tenant" : "");
	else
		log_row_take(rows, 0, arena, &e);
	if (!status && db_rows(rows) > 1)
		status = error_set(error, E_USAGE, "several tenants have an event %s; say whose: --tenant %s, for one", uuid_format(event_id, id),
				   uuid_format(&e.tenant_id, other));
	db_free(rows);
	return status ? status : log_event_take(&e, log_id, arena, out, error);
}

int log_events_tenant(struct pg_conn *conn, const struct uuid *conversation_id, struct uuid *out, struct error *error)
{
	char conversation[UUID_TEXT];
	const char *const values[] = { uuid_format(conversation_id, conversation) };
	struct pg_result *rows;
	int status = db_query(conn, "SELECT tenant_id FROM core.conversations WHERE id = $1::uuid ORDER BY 1 LIMIT 2", 1, values, &rows, error);

	if (status)
		return status;
	if (db_rows(rows) != 1)
		status = db_rows(rows) ? error_set(error, E_USAGE, "several tenants have a conversation %s; say whose: --tenant %s, for one",
						   conversation, db_text(rows, 0, 0))
				       : error_set(error, E_NOT_FOUND, "the read model knows no conversation %s; if the log does, say whose it is: "
						   "--tenant ID", conversation);
	else if (!uuid_parse(db_text(rows, 0, 0), UUID_TEXT - 1, out))
		status = error_set(error, E_DATABASE, "core.conversations has a tenant_id that is none");
	db_free(rows);
	return status;
}

int log_events_behind(struct pg_conn *conn, const struct uuid *tenant_id, const struct uuid *conversation_id, int64_t position,
		      int64_t recorded_by, int64_t *count, struct error *error)
{
	struct pg_params params = { 0 };
	struct pg_result *rows;
	int status;

	pg_param_uuid(&params, tenant_id);
	pg_param_uuid(&params, conversation_id);
	pg_param_int8(&params, position);
	pg_param_time(&params, recorded_by);
	status = db_ask(conn, "SELECT count(*) FROM verbatim.event_log WHERE tenant_id = $1::uuid AND conversation_id = $2::uuid"
			" AND position > $3::int8 AND recorded_at <= $4::timestamptz", &params, &rows, error);
	pg_params_release(&params);
	if (status)
		return status;
	*count = pg_int(rows, 0, 0);
	db_free(rows);
	return 0;
}

int log_event_prove(struct log_tiles *tiles, const struct checkpoint *c, const struct logged_event *e, struct proof *out,
		    struct error *error)
{
	int status;

	if (e->shard != c->shard || e->position > c->size)
		return error_set(error, E_NOT_FOUND, "the checkpoint reaches position %lld of shard %d; the event stands at %lld of shard %d",
				 (long long)c->size, c->shard, (long long)e->position, e->shard);
	status = proof_make_inclusion(e->position - 1, c->size, log_tiles_node, tiles, out, error);
	if (!status && !merkle_check_inclusion(e->position - 1, c->size, e->leaf, out->hashes[0], out->count, c->root))
		status = error_set(error, E_UNPROVEN, "the log of shard %d does not lead from position %lld to the checkpoint of %lld; "
				   "`verbatim verify` tells what was changed", e->shard, (long long)e->position, (long long)c->size);
	return status;
}

int log_prove_extends(struct pg_conn *conn, const struct checkpoint *from, const struct checkpoint *to, struct proof *out,
		      struct error *error)
{
	struct log_tiles tiles;
	int status;

	if (!checkpoint_same_origin(from, to))
		return error_set(error, E_USAGE, "the checkpoints are of different logs, epochs or shards");
	if (from->size > to->size)
		return error_set(error, E_UNPROVEN, "the newer checkpoint of shard %d ends at %lld, the older one at %lld: the log's end is gone",
				 to->shard, (long long)to->size, (long long)from->size);
	log_tiles_init(&tiles, conn, to->shard);
	status = proof_make_consistency(from->size, to->size, log_tiles_node, &tiles, out, error);
	log_tiles_release(&tiles);
	if (!status && !merkle_check_consistency(from->size, from->root, to->size, to->root, out->hashes[0], out->count))
		status = error_set(error, E_UNPROVEN, "shard %d at %lld does not extend what was signed at %lld; `verbatim verify` tells what "
				   "was changed", to->shard, (long long)to->size, (long long)from->size);
	return status;
}
