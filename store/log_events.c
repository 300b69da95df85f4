/* log_events - see log_events.h. */
#include "store/log_events.h"

#include <stdio.h>
#include <stdlib.h>

#include "event/merkle.h"

#define COLUMNS                                                                                                          \
	"e.event_id, e.tenant_id, e.shard, e.position, e.event_type, encode(e.leaf_hash, 'hex'), verbatim.canonical(e)"  \
	" FROM verbatim.event_log e "

static int take_row(const struct pg_result *rows, int row, struct arena *arena, struct logged_event *out, struct error *error)
{
	static const uint8_t zero;
	const char *event_id = db_text(rows, row, 0), *tenant_id = db_text(rows, row, 1), *leaf = db_text(rows, row, 5);
	uint8_t hash[LEAF_BYTES];

	memset(out, 0, sizeof(*out));
	out->shard = (int16_t)db_int(rows, row, 2);
	out->position = db_int(rows, row, 3);
	out->type = arena_copy(arena, bytes_text(db_text(rows, row, 4)));
	out->text = arena_copy(arena, bytes_text(db_text(rows, row, 6)));
	sha256_two(&zero, 1, out->text.data, out->text.len, hash);
	if (!uuid_parse(event_id, strlen(event_id), &out->event_id) || !uuid_parse(tenant_id, strlen(tenant_id), &out->tenant_id) ||
	    !hex_decode(leaf, strlen(leaf), out->leaf, LEAF_BYTES) || memcmp(hash, out->leaf, LEAF_BYTES) != 0)
		return error_set(error, E_UNPROVEN, "event %s at position %lld of shard %d is not what was hashed: it was changed", event_id,
				 (long long)out->position, out->shard);
	return 0;
}

int log_event_find(struct pg_conn *conn, const struct uuid *event_id, const struct uuid *tenant_id, struct arena *arena,
		   struct logged_event *out, struct error *error)
{
	char event[UUID_TEXT], tenant[UUID_TEXT];
	const char *const values[] = { uuid_format(event_id, event), tenant_id ? uuid_format(tenant_id, tenant) : NULL };
	struct pg_result *rows;
	int status = db_query(conn,
			      "SELECT " COLUMNS "WHERE e.event_id = $1::uuid AND ($2::uuid IS NULL OR e.tenant_id = $2::uuid)"
			      " ORDER BY e.tenant_id LIMIT 2", 2, values, &rows, error);

	if (status)
		return status;
	if (db_rows(rows) == 0)
		status = error_set(error, E_NOT_FOUND, "there is no event %s in the log%s", event, tenant_id ? " of this tenant" : "");
	else if (db_rows(rows) > 1)
		status = error_set(error, E_USAGE, "several tenants have an event %s; say whose: --tenant %s, for one", event, db_text(rows, 0, 1));
	else
		status = take_row(rows, 0, arena, out, error);
	db_free(rows);
	return status;
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
		      int64_t *count, struct error *error)
{
	char conversation[UUID_TEXT], tenant[UUID_TEXT], number[24];
	const char *const values[] = { uuid_format(tenant_id, tenant), uuid_format(conversation_id, conversation), number };
	int status;

	snprintf(number, sizeof(number), "%lld", (long long)position);
	status = db_value(conn, "SELECT count(*) FROM verbatim.event_log WHERE tenant_id = $1::uuid AND conversation_id = $2::uuid"
			  " AND position > $3::int8", 3, values, number, sizeof(number), error);
	*count = status ? 0 : strtoll(number, NULL, 10);
	return status;
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
