/*
 * log_find - see log_find.h.
 *
 * Statements go out in rounds (round.h); their texts are constants, what is asked for are parameters in binary.
 */
#include "store/log_find.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/db.h"
#include "store/log_copy.h"
#include "store/log_row.h"
#include "store/log_tiles.h"
#include "store/pg_session.h"
#include "store/round.h"

struct log_find {
	struct round round;
	bool borrowed; /* the session */
};

/* ---- the session ---- */

static const char settings_sql[] =
	"SELECT set_config(name, value, false) FROM (VALUES ('timezone', 'UTC'), ('client_min_messages', 'warning'),"
	" ('search_path', 'pg_catalog'), ('default_transaction_read_only', 'on'), ('jit', 'off'), ('enable_seqscan', 'off'),"
	" ('max_parallel_workers_per_gather', '0'), ('app.tenant_id', $1::text)) v (name, value)";

static const char log_sql[] =
	"SELECT i.log_id, i.shards, verbatim.log_now(), session_user::text,"
	" pg_has_role(session_user, 'verbatim_engine', 'MEMBER'),"
	" pg_has_role(session_user, 'verbatim_auditor', 'MEMBER') OR pg_has_role(session_user, 'verbatim_admin', 'MEMBER')"
	" FROM verbatim.log_identity i";

static int settle(struct log_find *l, const struct uuid *tenant, struct log_find_log *log, struct error *error)
{
	char text[UUID_TEXT] = "";
	const PGresult *r;
	int status;

	pg_param_text(&l->round.params, uuid_is_nil(tenant) ? "" : uuid_format(tenant, text));
	round_add(&l->round, settings_sql);
	round_add(&l->round, log_sql);
	status = round_go(&l->round, error);
	r = l->round.results[1];
	if (!status && PQntuples(r) != 1)
		status = error_set(error, E_UNSUITABLE, "the database holds no log; 'verbatim init' makes one");
	if (!status) {
		pg_fixed(r, 0, 0, log->log_id.b, sizeof(log->log_id.b));
		log->shards = (int16_t)pg_int(r, 0, 1);
		log->now = pg_time(r, 0, 2);
		snprintf(log->login, sizeof(log->login), "%.*s", (int)pg_bytes(r, 0, 3).len, pg_bytes(r, 0, 3).data);
		log->appends = pg_bool(r, 0, 4);
		log->bound = !log->appends && !pg_bool(r, 0, 5);
	}
	round_forget(&l->round);
	return status;
}

int log_find_open(const char *conninfo, const char *name, const struct uuid *tenant, struct log_find **out,
		  struct log_find_log *log, struct error *error)
{
	struct log_find *l = mem_zalloc(sizeof(*l));
	int status = db_connect(conninfo, name, &l->round.conn, error);

	*out = NULL;
	memset(log, 0, sizeof(*log));
	if (!status)
		status = settle(l, tenant, log, error);
	if (status)
		log_find_close(l);
	else
		*out = l;
	return status;
}

void log_find_close(struct log_find *l)
{
	if (!l)
		return;
	round_release(&l->round);
	if (!l->borrowed)
		db_close(l->round.conn);
	free(l);
}

/* ---- events ---- */

#define EVENTS                                                                                                \
	"SELECT " LOG_ROW_COLUMNS " FROM verbatim.event_log"                                                  \
	" WHERE tenant_id = $1::uuid AND position <= $2::int8 AND recorded_at <= $3::timestamptz AND "
#define MOST " LIMIT $4::int8"

static const char *const find_sql[] = {
	[FIND_CONVERSATION] = EVENTS "conversation_id = ANY ($5::uuid[])" MOST,
	[FIND_RESOLUTION] = EVENTS "resolution_id = ANY ($5::uuid[])" MOST,
	[FIND_ENTITY] = EVENTS "entity_id = ANY ($5::uuid[]) AND conversation_id IS NULL" MOST,
	[FIND_CONTEXT] = EVENTS "entity_id = ANY ($5::uuid[]) AND conversation_id IS NOT NULL"
		" AND entity_type IN ('customer', 'user', 'team', 'tenant')" MOST,
	[FIND_NAMES] = EVENTS "entity_id = ANY ($5::uuid[]) AND entity_type = 'user' AND event_type IN "
		"('user.created', 'user.updated')" MOST,
	[FIND_OTHER] = EVENTS "coalesce(payload ->> 'from_id', payload ->> 'into_id', payload ->> 'to') = ANY "
		"($5::uuid[]::text[])"
		" AND event_type IN ('conversation.merged', 'conversation.merged_into', 'conversation.split',"
		" 'conversation.customer_changed', 'customer.merged', 'customer.merged_into')" MOST,
	[FIND_BEGUN] = EVENTS "customer_id = ANY ($5::uuid[]) AND event_type = 'conversation.created'" MOST,
	[FIND_POLICIES] = EVENTS "entity_type = 'sla_policy'" MOST,
	[FIND_ACTOR] = EVENTS "actor_id = ANY ($5::uuid[])" MOST,
	[FIND_CORRELATION] = EVENTS "correlation_id = ANY ($5::uuid[])" MOST,
	[FIND_ANYWHERE] = EVENTS "entity_id = ANY ($5::uuid[])" MOST,
	[FIND_TENANT] = EVENTS "true" MOST,
};

static void put_ids(struct pg_params *p, const struct uuid *ids, int count)
{
	size_t began = pg_array_begin(p, OID_UUID, count);

	for (int i = 0; i < count; i++)
		pg_item(p, ids[i].b, sizeof(ids[i].b));
	pg_array_end(p, began, 0);
}

int log_find_events(struct log_find *l, const struct uuid *tenant, const struct find_limits *limits,
		    const struct find_ask *asks,
		    int count, struct arena *arena, struct event **events, int *found, struct error *error)
{
	int64_t rows = 0;
	int status;

	*found = 0;
	for (int i = 0; i < count; i++) {
		pg_param_uuid(&l->round.params, tenant);
		pg_param_int8(&l->round.params, limits->position);
		pg_param_time(&l->round.params, limits->recorded_at);
		pg_param_int8(&l->round.params, limits->events + 1);
		if (asks[i].by != FIND_POLICIES && asks[i].by != FIND_TENANT)
			put_ids(&l->round.params, asks[i].ids, asks[i].count);
		round_add(&l->round, find_sql[asks[i].by]);
	}
	status = round_go(&l->round, error);
	for (int i = 0; i < count && !status; i++)
		rows += PQntuples(l->round.results[i]);
	if (!status && rows > limits->events)
		status = error_set(error, E_TOO_LARGE, "more than %lld events belong to it; --limit allows more",
				   (long long)limits->events);
	if (!status) {
		*events = arena_alloc(arena, sizeof(**events) * (size_t)(rows + 1));
		for (int i = 0; i < count; i++)
			for (int row = 0; row < PQntuples(l->round.results[i]); row++)
				log_row_take(l->round.results[i], row, arena, &(*events)[(*found)++]);
	}
	round_forget(&l->round);
	return status;
}

/* From tenant to tenant along an index that begins with them, and into each for the id. */
#define TENANTS(which, is)                                                                                    \
	"WITH RECURSIVE tenants (tenant_id) AS ("                                                             \
	" (SELECT tenant_id FROM verbatim.event_log WHERE " which " ORDER BY tenant_id LIMIT 1)"              \
	" UNION ALL SELECT n.tenant_id FROM tenants t, LATERAL (SELECT e.tenant_id FROM verbatim.event_log e" \
	" WHERE e.tenant_id > t.tenant_id AND e." which " ORDER BY e.tenant_id LIMIT 1) n)"                   \
	" SELECT tenant_id FROM tenants t WHERE EXISTS (SELECT FROM verbatim.event_log e"                     \
	" WHERE e.tenant_id = t.tenant_id AND " is " AND e." which ") LIMIT $2::int4"

int log_find_tenants(struct log_find *l, enum find_by by, const struct uuid *id, struct uuid *tenants, int most, int *count,
		     struct error *error)
{
	int status;

	pg_param_uuid(&l->round.params, id);
	pg_param_int4(&l->round.params, most);
	round_add(&l->round, by == FIND_CONVERSATION ? TENANTS("conversation_id IS NOT NULL", "e.conversation_id = $1::uuid")
	       : by == FIND_RESOLUTION ? TENANTS("resolution_id IS NOT NULL", "e.resolution_id = $1::uuid")
				       : TENANTS("conversation_id IS NULL", "e.entity_id = $1::uuid"));
	status = round_go(&l->round, error);
	*count = status ? 0 : PQntuples(l->round.results[0]);
	for (int i = 0; i < *count; i++)
		pg_fixed(l->round.results[0], i, 0, tenants[i].b, sizeof(tenants[i].b));
	round_forget(&l->round);
	return status;
}

/* ---- places and proofs ---- */

static void ask_place(struct log_find *l, int16_t shard, int64_t position)
{
	pg_param_int2(&l->round.params, shard);
	pg_param_int8(&l->round.params, position > 0 ? position : INT64_MAX);
	round_add(&l->round, "SELECT b.last_position, b.recorded_at, b.epoch, b.root, h.last_position, h.recorded_at FROM verbatim.log_batch b,"
	       " (SELECT last_position, recorded_at FROM verbatim.log_batch WHERE shard = $1::int2 ORDER BY first_position DESC LIMIT 1) h"
	       " WHERE b.shard = $1::int2 AND b.first_position <= $2::int8 ORDER BY b.first_position DESC LIMIT 1");
}

static void take_place(const PGresult *r, int64_t position, struct log_place *place)
{
	if (!PQntuples(r))
		return;
	place->batch_end = pg_int(r, 0, 0);
	place->recorded_at = pg_time(r, 0, 1);
	place->epoch = (int32_t)pg_int(r, 0, 2);
	pg_fixed(r, 0, 3, place->root, LEAF_BYTES);
	place->head = pg_int(r, 0, 4);
	place->head_at = pg_time(r, 0, 5);
	place->position = position > 0 ? position : place->head;
}

int log_find_on(struct pg_conn *conn, int16_t shard, int64_t position, struct log_find **out, struct log_place *place,
		struct error *error)
{
	struct log_find *l = mem_zalloc(sizeof(*l));
	int status;

	memset(place, 0, sizeof(*place));
	l->round.conn = conn;
	l->borrowed = true;
	pg_param_text(&l->round.params, "");
	round_add(&l->round, settings_sql);
	ask_place(l, shard, position);
	status = round_go(&l->round, error);
	if (!status)
		take_place(l->round.results[1], position, place);
	round_forget(&l->round);
	*out = l;
	return status;
}

int log_find_place(struct log_find *l, int16_t shard, int64_t at, int64_t position, struct log_place *place,
		   struct error *error)
{
	const PGresult *r;
	int status;

	memset(place, 0, sizeof(*place));
	if (position <= 0 && at != TIME_MAX) {
		pg_param_int2(&l->round.params, shard);
		pg_param_int8(&l->round.params, at);
		round_add(&l->round, log_copy_position_sql);
		status = round_go(&l->round, error);
		r = l->round.results[0];
		position = !status && PQntuples(r) && !PQgetisnull(r, 0, 0) ? pg_int(r, 0, 0) : 0;
		round_forget(&l->round);
		if (status || position == 0)
			return status;
	}
	ask_place(l, shard, position);
	status = round_go(&l->round, error);
	if (!status)
		take_place(l->round.results[0], position, place);
	round_forget(&l->round);
	return status;
}

static void put_numbers(struct pg_params *p, const int64_t *numbers, int count)
{
	size_t began = pg_array_begin(p, OID_INT8, count);
	char number[8];

	for (int i = 0; i < count; i++) {
		put_be64(number, (uint64_t)numbers[i]);
		pg_item(p, number, sizeof(number));
	}
	pg_array_end(p, began, 0);
}

/* The tiles' numbers, each once; positions rise, so a tile's stand together. */
static int tiles_of(const int64_t *positions, int count, int64_t *indexes)
{
	int found = 0;

	for (int i = 0; i < count; i++) {
		int64_t index = (positions[i] - 1) / MERKLE_TILE;

		if (!found || indexes[found - 1] != index)
			indexes[found++] = index;
	}
	return found;
}

static void ask_leaves(struct log_find *l, int16_t shard, const int64_t *positions, int count)
{
	int64_t *indexes = mem_alloc(sizeof(*indexes) * (size_t)(count + 1));

	pg_param_int2(&l->round.params, shard);
	put_numbers(&l->round.params, positions, count);
	put_numbers(&l->round.params, indexes, tiles_of(positions, count, indexes));
	round_add(&l->round, "SELECT w.n, octet_length(t.hashes), substr(t.hashes, ((w.position - 1) % 256)::int4 * 32 + 1, 32)"
		  " FROM unnest($2::int8[]) WITH ORDINALITY w (position, n), verbatim.log_tile t WHERE t.shard = $1::int2 AND t.level = 0"
		  " AND t.index = ANY ($3::int8[]) AND t.index = (w.position - 1) / 256");
	free(indexes);
}

static void take_leaves(const PGresult *r, int count, uint8_t (*leaves)[LEAF_BYTES], bool *there)
{
	memset(there, 0, sizeof(*there) * (size_t)count);
	for (int row = 0; row < PQntuples(r); row++) {
		int64_t n = pg_int(r, row, 0) - 1;

		if (n < 0 || n >= count || pg_int(r, row, 1) != MERKLE_TILE * LEAF_BYTES)
			continue; /* as if the tile were not there */
		there[n] = true;
		pg_fixed(r, row, 2, leaves[n], LEAF_BYTES);
	}
}

/* The tiles that are open at `size` and may have filled since: their hashes stand ready then. */
static void ask_filled(struct log_find *l, int16_t shard, int64_t size)
{
	int64_t levels[MERKLE_LEVELS], indexes[MERKLE_LEVELS];
	int count = 0;

	for (int level = 0; level < MERKLE_LEVELS; level++)
		if (merkle_open_count(size, level)) {
			levels[count] = level;
			indexes[count++] = level < MERKLE_LEVELS - 1 ? size >> 8 * (level + 1) : 0;
		}
	pg_param_int2(&l->round.params, shard);
	put_numbers(&l->round.params, levels, count);
	put_numbers(&l->round.params, indexes, count);
	round_add(&l->round, log_tiles_full_sql);
}

static void take_filled(const PGresult *r, const uint8_t *open[MERKLE_LEVELS], struct arena *arena)
{
	for (int row = 0; row < PQntuples(r); row++)
		if (PQgetlength(r, row, 2) == MERKLE_TILE * LEAF_BYTES && pg_int(r, row, 0) >= 0 && pg_int(r, row, 0) < MERKLE_LEVELS)
			open[pg_int(r, row, 0)] = (const uint8_t *)arena_copy(arena, pg_bytes(r, row, 2)).data;
}

/* The hashes of a level's open tile: leaves, or the hashes of full tiles of the level below. */
static const uint8_t *open_hashes(const PGresult *r, int level, int count, struct arena *arena)
{
	uint8_t (*hashes)[LEAF_BYTES] = arena_alloc(arena, (size_t)count * LEAF_BYTES);

	if (PQntuples(r) != count)
		return NULL;
	for (int i = 0; i < count && level == 0; i++)
		pg_fixed(r, i, 1, hashes[i], LEAF_BYTES);
	if (level > 0 && log_tiles_hash(r, count, hashes) < count)
		return NULL;
	return hashes[0];
}

/* What is still open, from what it is made of.  E_LOG_GAP. */
static int find_open(struct log_find *l, int16_t shard, int64_t size, const uint8_t *open[MERKLE_LEVELS], struct arena *arena,
		     struct error *error)
{
	int asked[MERKLE_LEVELS], query = 0, status;

	for (int level = 0; level < MERKLE_LEVELS; level++) {
		int count = merkle_open_count(size, level);
		int64_t end = size >> (8 * level);

		if (count == 0 || open[level])
			continue;
		pg_param_int2(&l->round.params, shard);
		pg_param_int8(&l->round.params, end - count);
		pg_param_int8(&l->round.params, end);
		if (level > 0)
			pg_param_int2(&l->round.params, (int16_t)(level - 1));
		else
			pg_param_time(&l->round.params, TIME_MAX);
		round_add(&l->round, level ? log_tiles_below_sql : log_tiles_leaves_sql);
		asked[query++] = level;
	}
	if (!query)
		return 0;
	status = round_go(&l->round, error);
	for (int i = 0; i < query && !status; i++) {
		open[asked[i]] = open_hashes(l->round.results[i], asked[i], merkle_open_count(size, asked[i]), arena);
		if (!open[asked[i]])
			status = error_set(error, E_LOG_GAP, "shard %d: hashes of tree level %d are missing below position %lld", shard, asked[i],
					   (long long)size);
	}
	round_forget(&l->round);
	return status;
}

static int make_root(struct log_find *l, int16_t shard, int64_t size, const uint8_t *open[MERKLE_LEVELS], struct arena *arena,
		     uint8_t root[LEAF_BYTES], struct error *error)
{
	struct merkle tree;
	int status = find_open(l, shard, size, open, arena, error);

	if (status)
		return status;
	merkle_init(&tree);
	merkle_load(&tree, size, open);
	merkle_root(&tree, root);
	merkle_release(&tree);
	return 0;
}

int log_find_root(struct log_find *l, int16_t shard, int64_t size, uint8_t root[LEAF_BYTES], struct error *error)
{
	const uint8_t *open[MERKLE_LEVELS] = { NULL };
	struct arena arena;
	int status;

	arena_init(&arena, MERKLE_TILE * LEAF_BYTES);
	ask_filled(l, shard, size);
	status = round_go(&l->round, error);
	if (!status)
		take_filled(l->round.results[0], open, &arena);
	round_forget(&l->round);
	if (!status)
		status = make_root(l, shard, size, open, &arena, root, error);
	arena_release(&arena);
	return status;
}

int log_find_standing(struct log_find *l, int16_t shard, int64_t position, const int64_t *positions, int count,
		      struct log_standing *out, struct error *error)
{
	const uint8_t *open[MERKLE_LEVELS] = { NULL };
	struct arena arena;
	int status;

	arena_init(&arena, MERKLE_TILE * LEAF_BYTES);
	memset(&out->place, 0, sizeof(out->place));
	ask_place(l, shard, position);
	ask_leaves(l, shard, positions, count);
	ask_filled(l, shard, position);
	status = round_go(&l->round, error);
	if (!status) {
		take_place(l->round.results[0], position, &out->place);
		take_leaves(l->round.results[1], count, out->leaves, out->there);
		take_filled(l->round.results[2], open, &arena);
	}
	round_forget(&l->round);
	if (!status && out->place.batch_end == position)
		memcpy(out->root, out->place.root, LEAF_BYTES);
	else if (!status && position <= out->place.head)
		status = make_root(l, shard, position, open, &arena, out->root, error);
	arena_release(&arena);
	return status;
}
