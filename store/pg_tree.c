/*
 * pg_tree - the small questions: heads, the open tiles of the tree, checkpoints, leases, the months' leaves.
 */
#include <assert.h>

#include "store/pg_rows.h"
#include "store/pg_session.h"

/* ---- head ---- */

enum head_part { HEAD_WAIT, HEAD_HEAD, HEAD_COMPARE, HEAD_LEAVES };

/* Whatever has come since the head was read is left for the next time. */
static void take_leaves(struct store_head *h, const PGresult *r)
{
	int rows = PQntuples(r), row = 0;
	uint8_t *leaves = arena_alloc(h->arena, (size_t)rows * LEAF_BYTES + 1);

	for (; row < rows && h->after + row < h->position && pg_int(r, row, 0) == h->after + row + 1; row++)
		pg_fixed(r, row, 2, leaves + row * LEAF_BYTES, LEAF_BYTES);
	h->leaves = leaves;
	h->leaf_count = row;
}

static void on_head(struct pg_session *s, int query, const PGresult *r)
{
	struct store_head *h = (struct store_head *)s->request;

	/* What was not asked for has no answer. */
	query += !h->wait;
	query += query > HEAD_HEAD && !h->compare;
	if (query == HEAD_WAIT)
		return;
	if (query == HEAD_LEAVES) {
		take_leaves(h, r);
		return;
	}
	if (PQntuples(r) != 1) {
		pg_wrong(s, E_DATABASE, "the log has lost its identity");
		return;
	}
	if (query == HEAD_COMPARE) {
		h->diverged = PQgetisnull(r, 0, 0) ? 0 : pg_int(r, 0, 0);
		return;
	}
	h->epoch = (int32_t)pg_int(r, 0, 0);
	h->position = PQgetisnull(r, 0, 1) ? 0 : pg_int(r, 0, 1);
	h->recorded_at = pg_time(r, 0, 2);
	pg_fixed(r, 0, 3, h->root, LEAF_BYTES);
	h->known_found = h->known > 0 && !PQgetisnull(r, 0, 4);
	pg_fixed(r, 0, 4, h->known_root, LEAF_BYTES);
	h->first_month = pg_time(r, 0, 5);
}

void pg_head(struct store *store, struct store_head *r)
{
	struct pg_session *s = pg_of(store);

	r->diverged = 0;
	r->leaf_count = 0;
	if (!pg_begin(s, &r->request, on_head, pg_finish))
		return;
	if (r->wait) {
		pg_param_int2(&s->params, r->shard);
		pg_run(s, PG_AWAIT_APPEND);
	}
	pg_param_int2(&s->params, r->shard);
	pg_param_int8(&s->params, r->known);
	pg_run(s, PG_HEAD);
	if (r->compare) {
		pg_param_int2(&s->params, r->shard);
		pg_run(s, PG_COMPARE);
	}
	if (r->after) {
		pg_param_int2(&s->params, r->shard);
		pg_param_int8(&s->params, r->after);
		pg_param_int8(&s->params, INT64_MAX);
		pg_param_int4(&s->params, HEAD_LEAVES_MOST);
		pg_run(s, PG_READ_LEAVES);
	}
	pg_round(s, 0);
}

/* ---- tree: query 0 brings the leaves, query L the full tiles of level L - 1 ---- */

static void on_tree(struct pg_session *s, int query, const PGresult *r)
{
	struct store_tree *t = (struct store_tree *)s->request;
	int level = query, count, rows = PQntuples(r);
	uint8_t *hashes;

	/* Levels without open hashes were not asked for. */
	for (level = 0; level < MERKLE_LEVELS; level++)
		if (merkle_open_count(t->size, level) > 0 && query-- == 0)
			break;
	assert(level < MERKLE_LEVELS);
	count = merkle_open_count(t->size, level);
	if (rows != count) {
		pg_wrong(s, E_LOG_GAP, "shard %d has %d of the %d hashes of tree level %d at size %lld", t->shard, rows,
			 count, level, (long long)t->size);
		return;
	}
	hashes = arena_alloc(t->arena, (size_t)count * LEAF_BYTES);
	for (int row = 0; row < rows; row++) {
		if (level == 0)
			pg_fixed(r, row, 1, hashes + row * LEAF_BYTES, LEAF_BYTES);
		else if (PQgetlength(r, row, 1) == MERKLE_TILE * LEAF_BYTES)
			merkle_tile_hash((const uint8_t *)PQgetvalue(r, row, 1), MERKLE_TILE, hashes + row * LEAF_BYTES);
		else
			pg_wrong(s, E_DATABASE, "a tile of shard %d has not 256 hashes", t->shard);
	}
	t->open[level] = hashes;
}

void pg_tree(struct store *store, struct store_tree *r)
{
	struct pg_session *s = pg_of(store);
	bool asked = false;

	memset(r->open, 0, sizeof(r->open));
	if (!pg_begin(s, &r->request, on_tree, pg_finish))
		return;
	for (int level = 0; level < MERKLE_LEVELS; level++) {
		int count = merkle_open_count(r->size, level);
		int64_t end = r->size >> (8 * level);

		if (count == 0)
			continue;
		asked = true;
		pg_param_int2(&s->params, r->shard);
		if (level > 0)
			pg_param_int2(&s->params, (int16_t)(level - 1));
		pg_param_int8(&s->params, end - count);
		pg_param_int8(&s->params, end);
		pg_run(s, level > 0 ? PG_TILES : PG_LEAVES);
	}
	if (!asked) { /* an empty tree: an answer all the same */
		s->result = NULL;
		pg_run(s, PG_IDENTITY);
	}
	pg_round(s, 0);
}

/* ---- heads ---- */

static void on_heads(struct pg_session *s, int query, const PGresult *r)
{
	struct store_heads *h = (struct store_heads *)s->request;

	for (int row = 0; row < PQntuples(r); row++) {
		int64_t shard = pg_int(r, row, 0);

		if (shard >= 0 && shard < SHARDS_MAX)
			h->position[shard] = PQgetisnull(r, row, 1) ? 0 : pg_int(r, row, 1);
		h->epoch = (int32_t)pg_int(r, row, 2);
		h->database_now = pg_time(r, row, 3);
	}
}

void pg_heads(struct store *store, struct store_heads *r)
{
	struct pg_session *s = pg_of(store);

	memset(r->position, 0, sizeof(r->position));
	if (!pg_begin(s, &r->request, on_heads, pg_finish))
		return;
	pg_run(s, PG_HEADS);
	pg_round(s, 0);
}

/* ---- checkpoint: first which generation is this binary's, then where it stands ---- */

static void on_checkpoint(struct pg_session *s, int query, const PGresult *r)
{
	struct store_checkpoint *c = (struct store_checkpoint *)s->request;

	if (s->round == 1) {
		c->generation = PQgetisnull(r, 0, 0) ? 0 : (int32_t)pg_int(r, 0, 0);
		if (c->generation && !pg_tables_set(s->tables, c->group, c->generation, pg_bytes(r, 0, 1)))
			pg_wrong(s, E_DATABASE, "the tables of generation %d of group \"%s\" are not all there", c->generation,
				 c->group->name);
		return;
	}
	if (query == 1) {
		c->answers = pg_int(r, 0, 0) == c->generation;
		c->shown = PQgetisnull(r, 0, 1) ? 0 : pg_int(r, 0, 1);
		return;
	}
	if (PQntuples(r) == 0)
		return;
	c->position = pg_int(r, 0, 0);
	pg_fixed(r, 0, 1, c->leaf, LEAF_BYTES);
	c->diverged = PQgetlength(r, 0, 2) != LEAF_BYTES || memcmp(PQgetvalue(r, 0, 2), c->leaf, LEAF_BYTES) != 0;
}

static void on_checkpoint_end(struct pg_session *s)
{
	struct store_checkpoint *c = (struct store_checkpoint *)s->request;

	if (s->round == 1 && c->request.status == 0 && c->generation == 0)
		pg_wrong(s, E_SCHEMA_DIFFERS, "the read models of group \"%s\" are not there in this binary's versions; run 'verbatim migrate up'",
			 c->group->name);
	if (s->round > 1 || c->request.status) {
		pg_finish(s);
		return;
	}
	pg_param_int2(&s->params, c->shard);
	pg_param_text(&s->params, c->group->name);
	pg_param_int4(&s->params, c->generation);
	pg_run(s, PG_CHECKPOINT);
	pg_param_int2(&s->params, c->shard);
	pg_param_text(&s->params, c->group->name);
	pg_run(s, PG_SHOWN);
	pg_round(s, 0);
}

void pg_checkpoint(struct store *store, struct store_checkpoint *r)
{
	struct pg_session *s = pg_of(store);

	r->generation = 0;
	r->position = r->shown = 0;
	r->diverged = r->answers = false;
	memset(r->leaf, 0, sizeof(r->leaf));
	if (!pg_begin(s, &r->request, on_checkpoint, on_checkpoint_end))
		return;
	pg_param_versions(&s->params, r->group);
	pg_run(s, PG_GENERATION);
	pg_round(s, 0);
}

/* ---- lease ---- */

static void on_lease(struct pg_session *s, int query, const PGresult *r)
{
	struct store_lease *l = (struct store_lease *)s->request;

	if (l->ttl_ms == 0 || PQntuples(r) != 1)
		return;
	l->held = pg_bool(r, 0, 0);
	pg_fixed(r, 0, 1, l->holder.b, 16);
	l->engines = (int)pg_int(r, 0, 2);
	l->higher = (int)pg_int(r, 0, 3);
}

void pg_lease(struct store *store, struct store_lease *r)
{
	struct pg_session *s = pg_of(store);

	r->held = false;
	memset(&r->holder, 0, sizeof(r->holder));
	r->engines = r->higher = 0;
	if (!pg_begin(s, &r->request, on_lease, pg_finish))
		return;
	pg_param_text(&s->params, r->name);
	pg_param_int2(&s->params, r->shard);
	pg_param_uuid(&s->params, &r->owner);
	if (r->ttl_ms > 0)
		pg_param_int8(&s->params, r->ttl_ms);
	pg_param_versions(&s->params, r->group);
	pg_run(s, r->ttl_ms > 0 ? PG_LEASE_TAKE : PG_LEASE_GIVE);
	pg_round(s, 0);
}

/* ---- maintain: the leaves ahead; then, in a round of its own, one month that is over ---- */

static void on_maintain(struct pg_session *s, int query, const PGresult *r)
{
	/* PostgreSQL's date is a day number; 0x7fffffff is no month of a log. */
	if (s->round == 1 && query == 1)
		s->mark = PQntuples(r) ? pg_int(r, 0, 0) : INT64_MAX;
}

static void on_maintain_end(struct pg_session *s)
{
	if (s->request->status || s->round > 1 || s->mark == INT64_MAX) {
		pg_finish(s);
		return;
	}
	pg_run(s, PG_PATIENCE);
	pg_param_int4(&s->params, (int32_t)s->mark);
	pg_run(s, PG_CLOSE_MONTH);
	pg_round(s, PG_LONG_MS);
}

void pg_maintain(struct store *store, struct store_maintain *r)
{
	struct pg_session *s = pg_of(store);

	if (!pg_begin(s, &r->request, on_maintain, on_maintain_end))
		return;
	s->mark = INT64_MAX;
	pg_param_time(&s->params, r->now);
	pg_run(s, PG_MAKE_LEAVES);
	pg_param_time(&s->params, r->now);
	pg_run(s, PG_OPEN_MONTH);
	pg_round(s, 0);
}
