/* rebuild_shard - see rebuild.h; here: one shard's events, rows and shadows. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/time.h"
#include "engine/fault.h"
#include "engine/rebuild_private.h"
#include "engine/zones.h"

enum {
	ARENA_BLOCK = 16 << 10,
	HALF_MIN = 64 << 10,
	MERGE_EVENTS = 20000, /* of one transaction */
	METERED = 16,         /* one block of so many is folded under a clock, which tells how much of folding is parsing */
};

void shard_open(struct shard_fold *s, struct rebuild *r, int16_t shard, int64_t memory)
{
	s->of = r;
	s->shard = shard;
	s->written = r->plan->folded[shard];
	arena_init(&s->arena, ARENA_BLOCK);
	row_spill_init(&s->spill, r->inputs, r->options->folder);
	s->spill.kept = 0;
	for (int i = 0; i < r->plan->count; i++) {
		s->spill.kept |= UINT64_C(1) << r->wanted_at[i];
		if (r->plan->tables[i].projection->history && !r->options->compare && !r->options->compare_only)
			s->spill.streamed |= UINT64_C(1) << r->wanted_at[i];
	}
	state_init(&s->rows, r->inputs, (size_t)(memory / 2 < HALF_MIN ? HALF_MIN : memory / 2));
	s->rows.zones = zones_source(r->zones);
	s->rows.source = &s->spill.source;
}

void shard_close(struct shard_fold *s)
{
	if (!s->of)
		return;
	state_release(&s->rows);
	row_spill_release(&s->spill);
	arena_release(&s->arena);
}

/* ---- events ---- */

static int fold_block(struct shard_fold *s, struct event *events, int count, struct error *error)
{
	struct row_keys none = { 0 };

	for (int i = 0; i < count; i++) {
		int status;

		if (events[i].position != s->position + 1 + i)
			return error_set(error, E_LOG_GAP, "shard %d: position %lld is missing", s->shard, (long long)(s->position + 1 + i));
		status = state_fold(&s->rows, &events[i], error);
		if (status)
			return error_prefix(error, "shard %d, position %lld", s->shard, (long long)events[i].position);
	}
	arena_reset(&s->arena);
	state_sums(&s->rows, &s->arena, &none);
	assert(none.count == 0);
	s->position += count;
	memcpy(s->leaf, events[count - 1].leaf_hash, LEAF_BYTES);
	if (s->spill.error.code)
		*error = s->spill.error;
	return s->spill.error.code;
}

/* `folding`: without the leaves, which say of what log the shadows are. */
static int begin_reading(struct job *j, struct shard_fold *s, int64_t upto, bool folding, struct error *error)
{
	if (s->position >= upto)
		return 0;
	return (folding ? j->of->ops->log.begin_folding : j->of->ops->log.begin)(j->log, s->shard, s->position, upto, error);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A block under the meter stands for those that are not. */
static int fold_timed(struct job *j, struct shard_fold *s, struct event *events, int count, struct error *error)
{
	struct fold_meter meter = { .clock = now_ns };
	int64_t began = time_monotonic();
	int status;

	s->rows.meter = j->blocks++ % METERED ? NULL : &meter;
	status = fold_block(s, events, count, error);
	if (s->rows.meter) {
		j->metered_us += time_monotonic() - began;
		j->metered_parsing_us += meter.decoding / 1000;
	}
	s->rows.meter = NULL;
	j->folding_us += time_monotonic() - began;
	return status;
}

/* The next block, folded; *more says whether there was one. */
static int next_block(struct job *j, struct shard_fold *s, int64_t upto, bool *more, struct error *error)
{
	int64_t began = time_monotonic();
	struct event *events;
	int count = 0, status;

	*more = false;
	if (s->position >= upto)
		return 0;
	if (atomic_load(&j->of->stopping))
		return error_set(error, E_INTERRUPTED, "interrupted");
	status = j->of->ops->log.next(j->log, &events, &count, error);
	if (status)
		return status;
	j->reading_us += time_monotonic() - began;
	if (count == 0)
		return error_set(error, E_LOG_GAP, "shard %d: the log ends at %lld, %lld was there", s->shard, (long long)s->position,
				 (long long)upto);
	status = fold_timed(j, s, events, count, error);
	if (status)
		return status;
	atomic_fetch_add(&j->of->done, count);
	*more = true;
	return 0;
}

static int fold_to(struct job *j, struct shard_fold *s, int64_t upto, bool folding, struct error *error)
{
	int status = begin_reading(j, s, upto, folding, error);
	bool more = status == 0;

	while (more) {
		status = next_block(j, s, upto, &more, error);
		if (status)
			return status;
		state_done(&s->rows);
	}
	return status;
}

int shard_fold(struct job *j, int number, struct error *error)
{
	struct shard_fold *s = &j->of->shards[number];
	/* What is written already only has to be known. */
	int64_t upto = s->written >= 0 ? s->written : s->target;
	int status;

	if (s->written > 0 && fault_on("rebuild.resume_skips"))
		s->position = s->written;
	/* Of all the leaves the last one is needed. */
	status = fold_to(j, s, upto - 1, true, error);

	if (status == 0)
		status = fold_to(j, s, upto, false, error);
	if (status == 0)
		fault_point("rebuild.folded");
	return status;
}

/* ---- rows ---- */

struct row *shard_find(struct shard_fold *s, int index, const struct uuid *tenant_id, const struct uuid *id, uint32_t **looked)
{
	struct row *row = state_look(&s->rows, index, tenant_id, id);
	struct spill_place *place;

	if (row) {
		*looked = &row->looked;
		return row;
	}
	place = row_spill_place(&s->spill, index, tenant_id, id);
	if (!place)
		return NULL;
	*looked = &place->looked;
	return row_spill_read(&s->spill, index, place);
}

struct visit {
	struct shard_fold *shard;
	int index;
	int (*each)(void *data, struct row *row, uint32_t *looked, struct error *error);
	void *data;
	struct error *error;
	int status;
};

static void visit_memory(void *data, struct row *row)
{
	struct visit *v = data;

	if (v->status == 0)
		v->status = v->each(v->data, row, &row->looked, v->error);
}

static void visit_spilled(void *data, struct row *row, struct spill_place *place)
{
	struct visit *v = data;

	if (v->status == 0 && (row->of->history || !state_look(&v->shard->rows, v->index, &row->tenant_id, &row->id)))
		v->status = v->each(v->data, row, &place->looked, v->error);
}

int shard_each(struct shard_fold *s, int index, int (*each)(void *data, struct row *row, uint32_t *looked, struct error *error), void *data,
	       struct error *error)
{
	struct visit v = { .shard = s, .index = index, .each = each, .data = data, .error = error };
	int status;

	state_each(&s->rows, index, visit_memory, &v);
	if (v.status)
		return v.status;
	status = row_spill_each(&s->spill, index, visit_spilled, &v, error);
	return v.status ? v.status : status;
}

/* ---- into the shadows ---- */

struct writing {
	struct row_copy *copy;   /* NULL: only the digest */
	const struct shadow_table *table;
	bool begun;              /* many a shard has no row of a table */
	struct digest *digest;
	struct buffer scratch;
	struct rebuild *of;
};

static int write_row(void *data, struct row *row, uint32_t *looked, struct error *error)
{
	struct writing *w = data;

	digest_add_row(w->digest, row, &w->scratch);
	if (atomic_load(&w->of->stopping))
		return error_set(error, E_INTERRUPTED, "interrupted");
	if (w->copy && !w->begun) {
		int status = w->of->ops->rows.begin(w->copy, w->table->projection, w->table->shadow, error);

		if (status)
			return status;
		w->begun = true;
	}
	return w->copy ? w->of->ops->rows.put(w->copy, row, error) : 0;
}

static int write_tables(struct job *j, struct shard_fold *s, bool only_digests, struct error *error)
{
	struct rebuild *r = j->of;
	struct writing w = { .copy = only_digests ? NULL : j->copy, .of = r };
	int status = 0;

	for (int i = 0; i < r->plan->count && status == 0; i++) {
		memset(&s->digests[i], 0, sizeof(s->digests[i]));
		w.digest = &s->digests[i];
		w.table = &r->plan->tables[i];
		w.begun = false;
		status = shard_each(s, r->wanted_at[i], write_row, &w, error);
		if (status == 0 && w.begun)
			status = r->ops->rows.end(w.copy, error);
	}
	buffer_release(&w.scratch);
	s->digests_at = s->position;
	return status;
}

/* Ends the transaction; what it held is lost with an error.  One that is amid a COPY goes with its session. */
static int end(struct job *j, int status, struct error *error)
{
	const struct rebuild_ops *ops = j->of->ops;
	struct error ignored;

	if (status == 0)
		return ops->session.commit(j->conn, error);
	if (ops->session.rollback(j->conn, &ignored)) {
		ops->rows.close(j->copy);
		ops->session.close(j->conn);
		j->copy = NULL;
		j->conn = NULL;
	}
	return status;
}

int shard_write(struct job *j, int number, struct error *error)
{
	const struct rebuild_ops *ops = j->of->ops;
	struct shard_fold *s = &j->of->shards[number];
	int64_t began = time_monotonic();
	int status;

	if (s->written >= 0 || j->of->options->compare_only)
		return write_tables(j, s, true, error);
	status = ops->shadow.beat(j->conn, j->of->plan, error); /* after a long fold: is it still ours? */
	if (status)
		return status;
	status = ops->session.begin(j->conn, error);
	if (status == 0)
		status = write_tables(j, s, false, error);
	fault_point("rebuild.written");
	if (status == 0)
		status = ops->shadow.folded(j->conn, j->of->plan, s->shard, -1, s->position, s->leaf, error);
	status = end(j, status, error);
	if (status)
		return error_prefix(error, "shard %d", s->shard);
	s->written = s->position;
	j->writing_us += time_monotonic() - began;
	fault_point("rebuild.copied");
	return 0;
}

static bool has_changed(const struct state *s, const struct projection *p)
{
	for (const struct row *row = s->changed; row; row = row->next_changed)
		if (row->of == p)
			return true;
	return false;
}

/* What the blocks since have changed. */
static int merge(struct job *j, struct shard_fold *s, struct error *error)
{
	struct rebuild *r = j->of;
	int64_t began = time_monotonic();
	int status = r->ops->session.begin(j->conn, error);

	for (int i = 0; i < r->plan->count && status == 0; i++)
		if (has_changed(&s->rows, r->plan->tables[i].projection) && !fault_on("rebuild.merges_nothing"))
			status = r->ops->rows.merge(j->copy, r->plan->tables[i].projection, r->plan->tables[i].shadow, s->rows.changed, error);
	if (status == 0)
		status = r->ops->shadow.folded(j->conn, r->plan, s->shard, s->written, s->position, s->leaf, error);
	fault_point("rebuild.merged");
	status = end(j, status, error);
	j->writing_us += time_monotonic() - began;
	if (status == 0)
		s->written = s->position;
	return status;
}

int shard_merge(struct job *j, int number, struct error *error)
{
	struct shard_fold *s = &j->of->shards[number];
	int status;
	bool more = true;

	if (j->of->options->compare_only)
		return fold_to(j, s, s->target, false, error);
	status = begin_reading(j, s, s->target, false, error);
	while (status == 0 && more) {
		status = next_block(j, s, s->target, &more, error);
		if (status == 0 && s->position > s->written && (!more || s->position - s->written >= MERGE_EVENTS))
			status = merge(j, s, error);
		if (status == 0 && s->position == s->written)
			state_done(&s->rows);
	}
	return status ? error_prefix(error, "shard %d", s->shard) : 0;
}
