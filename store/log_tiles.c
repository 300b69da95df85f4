/* log_tiles - see log_tiles.h. */
#include "store/log_tiles.h"

#include <stdio.h>

#include "event/merkle.h"

enum { NUMBER = 24, HEX_TILE = 2 * MERKLE_TILE * LEAF_BYTES };

struct range { /* entries of a tile's level */
	int level;
	int64_t first;
	int count;
};

static int missing(const struct log_tiles *t, const struct range *r, struct error *error)
{
	return error_set(error, E_UNPROVEN, "shard %d does not hold hashes %lld to %lld of tree level %d; `verbatim verify` tells what is wrong",
			 t->shard, (long long)r->first, (long long)r->first + r->count - 1, r->level);
}

/* From the full tile that holds them: 1, or 0 when it is not full yet. */
static int from_tile(const struct log_tiles *t, const struct range *r, uint8_t *hashes, struct error *error)
{
	char shard[NUMBER], level[NUMBER], index[NUMBER], from[NUMBER], bytes[NUMBER];
	const char *const values[] = { shard, level, index, from, bytes };
	struct pg_result *rows;
	int found, status;

	snprintf(shard, NUMBER, "%d", t->shard);
	snprintf(level, NUMBER, "%d", r->level);
	snprintf(index, NUMBER, "%lld", (long long)(r->first / MERKLE_TILE));
	snprintf(from, NUMBER, "%lld", (long long)(r->first % MERKLE_TILE * LEAF_BYTES + 1));
	snprintf(bytes, NUMBER, "%d", r->count * LEAF_BYTES);
	status = db_query(t->conn,
			  "SELECT encode(substr(hashes, $4::int4, $5::int4), 'hex') FROM verbatim.log_tile"
			  " WHERE shard = $1::int2 AND level = $2::int2 AND index = $3::int8", 5, values, &rows, error);
	if (status)
		return status;
	found = db_rows(rows) == 1;
	if (found && !hex_decode(db_text(rows, 0, 0), strlen(db_text(rows, 0, 0)), hashes, (size_t)r->count * LEAF_BYTES))
		status = missing(t, r, error);
	db_free(rows);
	return status ? status : found;
}

/* Entries of the open tile, one a row. */
static int from_rows(const struct log_tiles *t, const struct range *r, uint8_t *hashes, struct error *error)
{
	static const char leaves[] =
		"SELECT encode(leaf_hash, 'hex') FROM verbatim.event_log WHERE shard = $1::int2 AND position > $2::int8"
		" AND position <= $3::int8 AND $4::int2 IS NOT NULL AND recorded_at >= coalesce((SELECT min(m.month)::timestamp AT TIME ZONE 'UTC'"
		" FROM verbatim.log_month m WHERE m.shard = $1::int2 AND (m.last_position IS NULL OR m.last_position > $2::int8)), '-infinity')"
		" ORDER BY position";
	static const char tiles[] =
		"SELECT encode(hashes, 'hex') FROM verbatim.log_tile WHERE shard = $1::int2 AND index >= $2::int8 AND index < $3::int8"
		" AND level = $4::int2 ORDER BY index";
	char shard[NUMBER], first[NUMBER], end[NUMBER], level[NUMBER];
	const char *const values[] = { shard, first, end, level };
	uint8_t tile[MERKLE_TILE * LEAF_BYTES];
	struct pg_result *rows;
	int status;

	snprintf(shard, NUMBER, "%d", t->shard);
	snprintf(first, NUMBER, "%lld", (long long)r->first);
	snprintf(end, NUMBER, "%lld", (long long)r->first + r->count);
	snprintf(level, NUMBER, "%d", r->level - 1);
	status = db_query(t->conn, r->level == 0 ? leaves : tiles, 4, values, &rows, error);
	if (status)
		return status;
	if (db_rows(rows) != r->count)
		status = missing(t, r, error);
	for (int i = 0; !status && i < r->count; i++) {
		const char *text = db_text(rows, i, 0);
		uint8_t *out = hashes + (size_t)i * LEAF_BYTES;

		if (!hex_decode(text, strlen(text), r->level == 0 ? out : tile, r->level == 0 ? LEAF_BYTES : sizeof(tile)))
			status = missing(t, r, error);
		else if (r->level > 0)
			merkle_tile_hash(tile, MERKLE_TILE, out);
	}
	db_free(rows);
	return status;
}

int log_tiles_node(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error)
{
	const struct log_tiles *t = data;
	struct range r = { level / 8, index << level % 8, 1 << level % 8 };
	uint8_t hashes[MERKLE_TILE * LEAF_BYTES];
	int found = from_tile(t, &r, hashes, error), status = found < 0 ? found : 0;

	if (found == 0)
		status = from_rows(t, &r, hashes, error);
	if (!status)
		merkle_tile_hash(hashes, r.count, out);
	return status;
}
