/*
 * rebuild_into - see rebuild.h: complete read models as of a moment, in a schema of their own.
 *
 * The same folds, threads and files as a rebuild; but nothing of the live read models is looked at or held, a shard's
 * rows go out in one transaction to wherever the schema is, and each session there is the caller's own login.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/rebuild_private.h"
#include "fold/inputs.h"
#include "store/row_schema.h"

struct into {
	struct rebuild rebuild; /* first: a job's `of` leads here */
	const struct rebuild_target *target;
};

struct putting {
	struct row_copy *copy;
	const struct rebuild_target *target;
	struct rebuild *of;
};

static int put_row(void *data, struct row *row, uint32_t *looked, struct error *error)
{
	struct putting *p = data;

	(void)looked;
	if (atomic_load(&p->of->stopping))
		return error_set(error, E_INTERRUPTED, "interrupted");
	if (!uuid_is_nil(&p->target->tenant_id) && !uuid_equal(&row->tenant_id, &p->target->tenant_id))
		return 0;
	return row_copy_put(p->copy, row, error);
}

static int put_tables(struct shard_fold *s, struct putting *p, struct error *error)
{
	const struct group *group = s->of->inputs;
	int status = 0;

	for (int i = 0; i < group->count && !status; i++) {
		status = row_copy_begin(p->copy, group->projections[i], group->projections[i]->name, error);
		if (!status)
			status = shard_each(s, i, put_row, p, error);
		if (!status)
			status = row_copy_end(p->copy, error);
	}
	return status;
}

/* One shard: folded to its position, then written. */
static int into_shard(struct job *j, int number, struct error *error)
{
	const struct rebuild_target *target = ((struct into *)(void *)j->of)->target;
	struct shard_fold *s = &j->of->shards[number];
	struct putting p = { .target = target, .of = j->of };
	struct pg_conn *conn;
	int status = shard_fold(j, number, error);

	if (!status)
		status = db_open(target->conninfo, "verbatim replay", &conn, error);
	if (status)
		return status;
	p.copy = row_copy_new(conn);
	row_copy_set_schema(p.copy, target->schema);
	status = db_exec(conn, "BEGIN", error);
	if (!status)
		status = put_tables(s, &p, error);
	if (!status)
		status = db_exec(conn, "COMMIT", error); /* else it goes with its session */
	row_copy_free(p.copy);
	db_close(conn);
	return status ? error_prefix(error, "shard %d", s->shard) : 0;
}

int rebuild_into(const struct rebuild_options *o, const struct rebuild_target *target, struct rebuild_result *result, struct error *error)
{
	struct into *into = mem_zalloc(sizeof(*into));
	struct rebuild *r = &into->rebuild;
	int64_t total = 0;
	int status;

	rebuild_init(r, o, result);
	into->target = target;
	r->inputs = result->inputs = group_inputs(o->group, o->group->projections, o->group->count);
	r->shard_count = result->shards = target->shards;
	for (int i = 0; i < SHARDS_MAX; i++)
		r->plan->folded[i] = -1;
	for (int i = 0; i < r->inputs->count; i++) { /* all of them, history too */
		r->plan->tables[i].projection = r->inputs->projections[i];
		r->wanted_at[i] = i;
	}
	r->plan->count = r->inputs->count;
	status = rebuild_open(r, error);
	if (!status) {
		r->shards = mem_zalloc((size_t)r->shard_count * sizeof(*r->shards));
		for (int i = 0; i < r->shard_count; i++) {
			shard_open(&r->shards[i], r, (int16_t)i, o->memory / r->shard_count);
			r->shards[i].target = target->positions[i];
			total += target->positions[i];
		}
		status = rebuild_tasks(r, "fold", total, r->shard_count, into_shard, error);
	}
	rebuild_close(r, status); /* frees `into` */
	return status;
}
