/* log_tiles - see log_tiles.h. */
#include "store/log_tiles.h"

#include <pthread.h>

#include "base/time.h"
#include "event/merkle.h"
#include "store/pg_session.h"

enum { TILE_BYTES = MERKLE_TILE * LEAF_BYTES, SHARED_FROM = 16 };

struct tile_key {
	int64_t level, index;
};

/*
 * A tile as far as it is there, all of it or its first hashes, and the roots of the perfect subtrees above them: those over
 * 2^k hashes stand from START(k) on.
 */
#define START(k) (2 * MERKLE_TILE - (2 * MERKLE_TILE >> (k)))

struct tile {
	int count;
	bool by_now; /* leaves that were recorded later are left out */
	uint8_t nodes[2 * MERKLE_TILE - 1][LEAF_BYTES];
};

void log_tiles_init(struct log_tiles *t, struct pg_conn *conn, int16_t shard)
{
	*t = (struct log_tiles){ .round = { .conn = conn }, .shard = shard };
	arena_init(&t->arena, 4 * sizeof(struct tile));
	map_init(&t->known, sizeof(struct tile_key));
}

void log_tiles_release(struct log_tiles *t)
{
	round_release(&t->round);
	arena_release(&t->arena);
	map_release(&t->known);
}

static struct tile *keep(struct log_tiles *t, int64_t level, int64_t index)
{
	struct tile_key key = { level, index };
	struct tile *tile = arena_alloc(&t->arena, sizeof(*tile));

	tile->count = 0;
	tile->by_now = false;
	*map_put(&t->known, &key) = tile;
	return tile;
}

static const struct tile *find(const struct log_tiles *t, struct tile_key key)
{
	return map_find(&t->known, &key);
}

static void make_nodes(struct tile *tile)
{
	for (int k = 1; tile->count >> k; k++)
		for (int i = 0; i < tile->count >> k; i++)
			merkle_node(tile->nodes[START(k - 1) + 2 * i], tile->nodes[START(k - 1) + 2 * i + 1], tile->nodes[START(k) + i]);
}

/* ---- full tiles ---- */

const char log_tiles_full_sql[] =
	"SELECT t.level, t.index, t.hashes FROM unnest($2::int8[], $3::int8[]) w (level, index)"
	" JOIN verbatim.log_tile t ON t.shard = $1::int2 AND t.level = w.level::int2 AND t.index = w.index";

static void put_numbers(struct log_tiles *t, const struct tile_key *keys, int count, bool levels)
{
	size_t began = pg_array_begin(&t->round.params, OID_INT8, count);
	char number[8];

	for (int i = 0; i < count; i++) {
		put_be64(number, (uint64_t)(levels ? keys[i].level : keys[i].index));
		pg_item(&t->round.params, number, sizeof(number));
	}
	pg_array_end(&t->round.params, began, 0);
}

static void ask_full(struct log_tiles *t, const struct tile_key *keys, int count)
{
	pg_param_int2(&t->round.params, t->shard);
	put_numbers(t, keys, count, true);
	put_numbers(t, keys, count, false);
	round_add(&t->round, log_tiles_full_sql);
}

static void take_full(struct log_tiles *t, const struct pg_result *rows)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		struct tile *tile;

		if (PQgetlength(rows, row, 2) != TILE_BYTES)
			continue; /* as if it were not there */
		tile = keep(t, pg_int(rows, row, 0), pg_int(rows, row, 1));
		tile->count = MERKLE_TILE;
		pg_fixed(rows, row, 2, tile->nodes, TILE_BYTES);
		make_nodes(tile);
	}
}

/* ---- the open tile of a level ---- */

const char log_tiles_leaves_sql[] =
	"SELECT position, leaf_hash FROM verbatim.event_log WHERE shard = $1::int2 AND position > $2::int8 AND position <= $3::int8"
	" AND recorded_at >= coalesce((SELECT min(m.month)::timestamp AT TIME ZONE 'UTC' FROM verbatim.log_month m"
	" WHERE m.shard = $1::int2 AND (m.last_position IS NULL OR m.last_position > $2::int8)), '-infinity')"
	" AND recorded_at <= $4::timestamptz ORDER BY position";

const char log_tiles_below_sql[] =
	"SELECT index, hashes FROM verbatim.log_tile WHERE shard = $1::int2 AND level = $4::int2 AND index >= $2::int8"
	" AND index < $3::int8 ORDER BY index";

int64_t log_tiles_by_now(void)
{
	return time_wall() + TIME_DAY; /* engines stop when clocks differ by seconds */
}

struct share {
	const struct pg_result *rows;
	int from, to;
	uint8_t (*out)[LEAF_BYTES];
};

static void *hash_share(void *data)
{
	const struct share *s = data;

	for (int row = s->from; row < s->to; row++)
		merkle_tile_hash((const uint8_t *)PQgetvalue(s->rows, row, 1), MERKLE_TILE, s->out[row]);
	return NULL;
}

int log_tiles_hash(const struct pg_result *rows, int count, uint8_t (*out)[LEAF_BYTES])
{
	struct share all, other;
	pthread_t thread;
	int good = 0;

	while (good < count && PQgetlength(rows, good, 1) == TILE_BYTES)
		good++;
	all = other = (struct share){ rows, 0, good, out };
	other.from = good / 2;
	if (good >= SHARED_FROM && pthread_create(&thread, NULL, hash_share, &other) == 0) {
		all.to = other.from;
		hash_share(&all);
		pthread_join(thread, NULL);
	} else {
		hash_share(&all);
	}
	return good;
}

static void ask_open(struct log_tiles *t, struct tile_key key, int64_t recorded_by)
{
	struct pg_params *p = &t->round.params;
	int64_t first = key.index * MERKLE_TILE;

	pg_param_int2(p, t->shard);
	pg_param_int8(p, first);
	pg_param_int8(p, first + MERKLE_TILE);
	if (key.level > 0)
		pg_param_int2(p, (int16_t)(key.level - 1));
	else
		pg_param_time(p, recorded_by);
	round_add(&t->round, key.level > 0 ? log_tiles_below_sql : log_tiles_leaves_sql);
}

/* Its hashes are those of its entries, one a row, up to the first that is missing. */
static struct tile *take_open(struct log_tiles *t, struct tile_key key, const struct pg_result *rows)
{
	struct tile *tile = keep(t, key.level, key.index);
	int64_t first = key.index * MERKLE_TILE;
	int there = 0;

	while (there < MERKLE_TILE && there < PQntuples(rows) && pg_int(rows, there, 0) == first + there + (key.level == 0))
		there++;
	if (key.level > 0)
		tile->count = log_tiles_hash(rows, there, tile->nodes);
	else
		while (tile->count < there && PQgetlength(rows, tile->count, 1) == LEAF_BYTES) {
			pg_fixed(rows, tile->count, 1, tile->nodes[tile->count], LEAF_BYTES);
			tile->count++;
		}
	make_nodes(tile);
	return tile;
}

/*
 * Of `full` tiles and `open` ones behind them, in one round trip.  An open one may be full by now: the tile counts then, and not
 * what it is made of.
 */
static int bring(struct log_tiles *t, const struct tile_key *keys, int full, int open, struct error *error)
{
	int status;

	ask_full(t, keys, full + open);
	for (int i = 0; i < open; i++)
		ask_open(t, keys[full + i], log_tiles_by_now());
	status = round_go(&t->round, error);
	if (!status)
		take_full(t, t->round.results[0]);
	for (int i = 0; i < open && !status; i++)
		if (!find(t, keys[full + i]))
			take_open(t, keys[full + i], t->round.results[1 + i])->by_now = true;
	round_forget(&t->round);
	return status;
}

static int read_open(struct log_tiles *t, struct tile_key key, struct error *error)
{
	int status;

	ask_open(t, key, TIME_MAX);
	status = round_go(&t->round, error);
	if (!status)
		take_open(t, key, t->round.results[0]);
	round_forget(&t->round);
	return status;
}

/* ---- nodes ---- */

static int tiles_above(const struct log_tiles *t, const int64_t *positions, int count, int64_t size, struct tile_key *keys)
{
	struct map wanted;
	int found = 0;

	map_init(&wanted, sizeof(struct tile_key));
	for (int i = 0; i < count; i++)
		for (int level = 0; level < MERKLE_LEVELS - 1; level++) {
			struct tile_key key = { level, (positions[i] - 1) >> 8 * (level + 1) };
			void **slot;

			if ((key.index + 1) << 8 * (level + 1) > size)
				break; /* open, and so are those above it */
			slot = map_put(&wanted, &key);
			if (!*slot && !find(t, key))
				keys[found++] = key;
			*slot = &wanted;
		}
	map_release(&wanted);
	return found;
}

/* One a level that has any. */
static int tiles_open(const struct log_tiles *t, int64_t size, struct tile_key *keys)
{
	int found = 0;

	for (int level = 0; level < MERKLE_LEVELS; level++) {
		struct tile_key key = { level, level < MERKLE_LEVELS - 1 ? size >> 8 * (level + 1) : 0 };

		if (merkle_open_count(size, level) && !find(t, key))
			keys[found++] = key;
	}
	return found;
}

int log_tiles_bring(struct log_tiles *t, const int64_t *positions, int count, int64_t size, struct error *error)
{
	struct tile_key *keys = mem_alloc(sizeof(*keys) * (size_t)((count + 1) * MERKLE_LEVELS));
	int full = tiles_above(t, positions, count, size, keys), open = tiles_open(t, size, keys + full), status = 0;

	if (full + open)
		status = bring(t, keys, full, open, error);
	free(keys);
	return status;
}

int log_tiles_node(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error)
{
	struct log_tiles *t = data;
	int tile_level = level / 8, count = 1 << level % 8;
	int64_t first = index << level % 8; /* of the tile's level */
	struct tile_key key = { tile_level, first / MERKLE_TILE };
	const struct tile *tile = find(t, key);
	int status = tile ? 0 : bring(t, &key, 1, 0, error);

	tile = find(t, key);
	if (!status && (!tile || (tile->by_now && first % MERKLE_TILE + count > tile->count)))
		status = read_open(t, key, error);
	if (status)
		return status;
	tile = find(t, key);
	if (first % MERKLE_TILE + count > tile->count)
		return error_set(error, E_UNPROVEN, "shard %d does not hold hashes %lld to %lld of tree level %d; `verbatim verify` tells what is wrong",
				 t->shard, (long long)first, (long long)first + count - 1, tile_level);
	memcpy(out, tile->nodes[START(level % 8) + (first % MERKLE_TILE >> level % 8)], LEAF_BYTES);
	return 0;
}
