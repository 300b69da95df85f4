/* log_verify_tree - a shard's batches, roots and tiles beside its events (log_verify.h). */
#include <stdio.h>

#include "store/log_verify_private.h"
#include "store/pg_session.h"

enum { BATCH_ROWS = 5000, TILE_ROWS = 32 };

/* ---- batches ---- */

static int next_batch(struct log_verify_walk *w, bool *found, struct error *error)
{
	struct slices *s = &w->batches;
	struct batch *b = &w->batch;
	struct pg_result *rows;

	*found = false;
	if (!slices_have(s)) {
		int status;

		if (s->last)
			return 0;
		pg_param_int2(&w->params, w->v->shard);
		pg_param_int8(&w->params, b->last ? b->first : -1);
		pg_param_int8(&w->params, w->v->head);
		pg_param_int4(&w->params, BATCH_ROWS);
		status = db_ask(w->conn, "SELECT first_position, last_position, recorded_at, epoch, root FROM verbatim.log_batch WHERE shard = $1::int2"
				" AND first_position > $2::int8 AND first_position <= $3::int8 ORDER BY first_position LIMIT $4::int4", &w->params, &rows, error);
		if (status)
			return status;
		slices_take(s, rows, BATCH_ROWS);
		if (!slices_have(s))
			return 0;
	}
	*b = (struct batch){ pg_int(s->rows, s->row, 0), pg_int(s->rows, s->row, 1), pg_time(s->rows, s->row, 2), (int32_t)pg_int(s->rows, s->row, 3),
			     { 0 } };
	pg_fixed(s->rows, s->row, 4, b->root, LEAF_BYTES); /* zeroes where there is no root at all: it will differ */
	s->row++;
	w->v->batches++;
	*found = true;
	return 0;
}

int log_verify_batch_begin(struct log_verify_walk *w, const struct event *e, struct error *error)
{
	struct batch *b = &w->batch;

	while (e->position > b->last) {
		int64_t expected = b->last + 1;
		int32_t epoch = w->epoch;
		bool found;
		int status = next_batch(w, &found, error);

		if (status)
			return status;
		if (!found) {
			if (b->last != INT64_MAX)
				log_verify_tell(w, FAULT_BATCH, e->position, e, "no batch in log_batch took it, nor what comes behind it");
			*b = (struct batch){ .last = INT64_MAX };
			return 0;
		}
		if (b->first != expected || b->last < b->first)
			log_verify_tell(w, FAULT_BATCH, b->first, NULL, "the batch of positions %lld to %lld does not follow the one that ended at %lld",
				    (long long)b->first, (long long)b->last, (long long)expected - 1);
		if (b->epoch < epoch || b->epoch > w->v->source.epoch)
			log_verify_tell(w, FAULT_BATCH, b->first, NULL, "the batch of positions %lld to %lld is of epoch %d behind one of epoch %d",
				    (long long)b->first, (long long)b->last, b->epoch, epoch);
		w->epoch = b->epoch > epoch ? b->epoch : epoch;
	}
	if (b->last != INT64_MAX && e->recorded_at != b->recorded_at)
		log_verify_tell(w, FAULT_BATCH, e->position, e, "its recorded_at is not that of its batch (positions %lld to %lld)", (long long)b->first,
			    (long long)b->last);
	return 0;
}

void log_verify_batch_end(struct log_verify_walk *w)
{
	const struct batch *b = &w->batch;
	uint8_t root[LEAF_BYTES];

	if (w->position != b->last || w->broken)
		return;
	merkle_root(&w->tree, root);
	if (memcmp(root, b->root, LEAF_BYTES) == 0) {
		w->good = b->last;
		return;
	}
	if (w->root_told) {
		w->v->counts[FAULT_ROOT]++;
		return;
	}
	w->root_told = true;
	if (w->good + 1 == b->last)
		log_verify_tell(w, FAULT_ROOT, b->last, NULL, "its leaf hash is not the one that was appended, or the batch's root is not: they do not "
			    "fit; nor can any later root");
	else
		log_verify_tell(w, FAULT_ROOT, w->good + 1, NULL, "one of the events of positions %lld to %lld is not the one that was appended, or the "
			    "batch's root is not: they do not fit; nor can any later root", (long long)w->good + 1, (long long)b->last);
}

int log_verify_batches_finish(struct log_verify_walk *w, struct error *error)
{
	bool found = true;
	int status = 0;

	if (w->broken)
		return 0;
	if (w->position > 0 && w->batch.last != INT64_MAX && w->batch.last > w->position)
		log_verify_tell(w, FAULT_BATCH, w->position, NULL, "the last batch ends at %lld, the events at %lld", (long long)w->batch.last,
			    (long long)w->position);
	while (!status && w->batch.last != INT64_MAX) {
		status = next_batch(w, &found, error);
		if (status || !found)
			break;
		log_verify_tell(w, FAULT_BATCH, w->batch.first, NULL, "the batch of positions %lld to %lld has no events", (long long)w->batch.first,
			    (long long)w->batch.last);
	}
	return status;
}

/* ---- tiles ---- */

static int read_tiles(struct log_verify_walk *w, int level, int64_t from, struct error *error)
{
	struct pg_result *rows;
	int status;

	pg_param_int2(&w->params, w->v->shard);
	pg_param_int2(&w->params, (int16_t)level);
	pg_param_int8(&w->params, from);
	pg_param_int4(&w->params, TILE_ROWS);
	status = db_ask(w->conn, "SELECT index, hashes FROM verbatim.log_tile WHERE shard = $1::int2 AND level = $2::int2 AND index >= $3::int8"
			" ORDER BY index LIMIT $4::int4", &w->params, &rows, error);
	if (!status)
		slices_take(&w->tiles[level].slices, rows, TILE_ROWS);
	return status;
}

static int verify_tile(struct log_verify_walk *w, const struct merkle_tile *t, struct error *error)
{
	struct slices *s = &w->tiles[t->level].slices;
	uint8_t hashes[MERKLE_TILE * LEAF_BYTES];
	int status = 0;

	if (!slices_have(s))
		status = read_tiles(w, t->level, t->index, error);
	if (status)
		return status;
	w->v->tiles++;
	if (!slices_have(s) || pg_int(s->rows, s->row, 0) != t->index) {
		log_verify_tell(w, FAULT_TILE, 0, NULL, "tile %lld of level %d is missing", (long long)t->index, t->level);
		return 0;
	}
	pg_fixed(s->rows, s->row++, 1, hashes, sizeof(hashes));
	for (int i = 0; i < MERKLE_TILE; i++)
		if (memcmp(hashes + i * LEAF_BYTES, t->hashes + i * LEAF_BYTES, LEAF_BYTES) != 0) {
			int64_t first = ((t->index * MERKLE_TILE + i) << (8 * t->level)) + 1;

			if (t->level == 0)
				log_verify_tell(w, FAULT_TILE, first, NULL, "its leaf hash is not the one in tile %lld: one of them was changed", (long long)t->index);
			else
				log_verify_tell(w, FAULT_TILE, first, NULL, "tile %lld of level %d has another hash for the 256 or more events from here on",
					    (long long)t->index, t->level);
			break;
		}
	return 0;
}

int log_verify_tiles(struct log_verify_walk *w, const struct merkle_tile *tiles, struct error *error)
{
	int status = 0;

	for (const struct merkle_tile *t = tiles; t && !status; t = t->next)
		status = verify_tile(w, t, error);
	return status;
}

int log_verify_tiles_finish(struct log_verify_walk *w, struct error *error)
{
	char shard[NUMBER_TEXT];
	const char *const values[] = { shard };
	struct pg_result *rows;
	int status;

	snprintf(shard, NUMBER_TEXT, "%d", w->v->shard);
	status = db_query(w->conn,
			  "SELECT t.level, t.index FROM verbatim.log_tile t, (SELECT coalesce((SELECT last_position FROM verbatim.log_batch"
			  " WHERE shard = $1::int2 ORDER BY first_position DESC LIMIT 1), 0) AS p) h WHERE t.shard = $1::int2"
			  " AND (t.level > 6 OR t.index >= h.p >> (8 * (t.level + 1))) ORDER BY 1, 2 LIMIT 20", 1, values, &rows, error);
	for (int i = 0; !status && i < db_rows(rows); i++)
		log_verify_tell(w, FAULT_TILE, 0, NULL, "tile %lld of level %lld stands there, and the log is not so long", (long long)db_int(rows, i, 1),
			    (long long)db_int(rows, i, 0));
	if (!status)
		db_free(rows);
	return status;
}
