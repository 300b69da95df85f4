/*
 * rebuild_compare - see rebuild.h; here: a live table against the states, at one position.
 *
 * A table at a time, in a snapshot of its own, so that none is held for longer than a table takes to read.  The states
 * come to the positions that the snapshot shows, and each row of the table is looked up in them; a row of theirs that was
 * not met is missing in the table.  The table's digest and theirs must then say the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/fault.h"
#include "engine/rebuild_private.h"

struct comparison {
	struct rebuild *of;
	int place;                 /* of the read model in the plan */
	struct digest live, rebuilt;
	struct buffer scratch;
	int64_t differences;
};

static void tell(struct comparison *c, const struct row *live, const struct row *rebuilt)
{
	const struct rebuild_options *o = c->of->options;
	const struct row *row = live ? live : rebuilt;
	struct rebuild_difference d = { .projection = row->of, .live = live, .rebuilt = rebuilt,
					.shard = (int16_t)event_shard(&row->tenant_id, c->of->shard_count - 1) };

	c->differences++;
	if (o->differs)
		o->differs(o->data, &d);
}

static bool is_same(struct comparison *c, const struct row *live, const struct row *rebuilt)
{
	struct digest a = { 0 }, b = { 0 };

	digest_add_row(&a, live, &c->scratch);
	digest_join(&c->live, &a);
	if (rebuilt)
		digest_add_row(&b, rebuilt, &c->scratch);
	return digest_equal(&a, &b);
}

static int look(void *data, const struct row *live, struct error *error)
{
	struct comparison *c = data;
	struct rebuild *r = c->of;
	struct shard_fold *s = &r->shards[event_shard(&live->tenant_id, r->shard_count - 1)];
	uint32_t *looked = NULL;
	struct row *row = shard_find(s, r->wanted_at[c->place], &live->tenant_id, &live->id, &looked);

	if (s->spill.error.code) {
		*error = s->spill.error;
		return error->code;
	}
	if (row)
		*looked = r->round;
	if (!is_same(c, live, row))
		tell(c, live, row);
	if ((atomic_fetch_add(&r->done, 1) + 1) % 10000 == 0)
		return rebuild_attend(r, error);
	return 0;
}

static int look_missed(void *data, struct row *row, uint32_t *looked, struct error *error)
{
	struct comparison *c = data;

	digest_add_row(&c->rebuilt, row, &c->scratch);
	if (*looked != c->of->round)
		tell(c, NULL, row);
	return 0;
}

/* To where the snapshot is; E_BUSY when that is before where the states are. */
static int come_to_snapshot(struct rebuild *r, struct error *error)
{
	int64_t behind;
	int status = rebuild_aim(r, r->main, false, &behind, error);
	struct shadow_position *at;
	int count;

	if (status == 0 && behind)
		status = rebuild_tasks(r, "catch up", behind, r->shard_count, shard_merge, error);
	if (status)
		return status;
	at = mem_alloc(SHARDS_MAX * sizeof(*at));
	status = r->ops->shadow.positions(r->main, r->options->group, r->plan->generation, at, &count, error);
	for (int i = 0; i < count && status == 0; i++)
		if (at[i].live != r->shards[i].position)
			status = error_set(error, E_BUSY, "shard %d: the live read models stand at %lld, the rebuilt ones at %lld; compare when they have"
					   " caught up", i, (long long)at[i].live, (long long)r->shards[i].position);
	free(at);
	return status;
}

/*
 * Who only compares holds nobody off: another's switch may have closed the generation, whose tables that stayed are
 * folded on in the next one.  The snapshot tells which answers; its tables are at hand, and where they are.
 */
static int find_answering(struct rebuild *r, struct error *error)
{
	const struct rebuild_options *o = r->options;
	struct shadow_plan *now;
	int status;

	if (!o->compare_only || fault_on("rebuild.compares_closed"))
		return 0;
	now = mem_alloc(sizeof(*now));
	status = r->ops->shadow.look(r->main, o->group, o->wanted, o->wanted_count, now, NULL, 0, error);
	if (status == 0 && now->count != r->plan->count)
		status = error_set(error, E_BUSY, "the read models have changed over to others; compare again");
	else if (status == 0 && now->generation != r->plan->generation)
		*r->plan = *now;
	free(now);
	return status;
}

static int compare_table(struct rebuild *r, int place, struct row_copy *copy, struct error *error)
{
	const struct shadow_table *t = &r->plan->tables[place];
	struct comparison c = { .of = r, .place = place };
	struct error ignored;
	int ended, status = r->ops->session.begin_snapshot(r->main, error);

	r->round++;
	if (status == 0)
		status = find_answering(r, error);
	if (status == 0)
		status = come_to_snapshot(r, error);
	r->step = "compare";
	atomic_store(&r->done, 0);
	r->total = t->rows;
	if (status == 0)
		status = r->ops->rows.read(copy, t->projection, t->live, look, &c, error);
	for (int i = 0; i < r->shard_count && status == 0; i++)
		status = shard_each(&r->shards[i], r->wanted_at[place], look_missed, &c, error);
	/* The rows one by one and their sums must agree about whether there is a difference. */
	assert(status || (c.differences == 0) == digest_equal(&c.live, &c.rebuilt));
	ended = status ? r->ops->session.rollback(r->main, &ignored) : r->ops->session.commit(r->main, error);
	status = status ? status : ended;
	buffer_release(&c.scratch);
	r->result->differences_of[place] = c.differences;
	r->result->differences += c.differences;
	return status;
}

int rebuild_compare(struct rebuild *r, struct error *error)
{
	struct row_copy *copy = r->ops->rows.open(r->main);
	int status = 0;

	r->result->differences = 0;
	for (int i = 0; i < r->plan->count && status == 0; i++)
		status = compare_table(r, i, copy, error);
	r->ops->rows.close(copy);
	return status;
}
