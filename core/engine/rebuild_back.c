/*
 * rebuild_back - see rebuild.h; here: the way back to the tables that the last rebuild replaced.
 *
 * They were kept as they were left.  A row that has changed since is taken over from the table that answers, whose
 * last_position tells; a first time while everything goes on, then what came meanwhile, while the workers are held.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "engine/rebuild_private.h"

enum { TRIES_MOST = 20, PAUSE_MS = 200 };

/* The tenants of a live table, each with where the old table stands in its shard, as two arrays' texts. */
static int list_tenants(struct rebuild *r, const struct shadow_table *t, struct buffer *ids, struct buffer *positions, struct error *error)
{
	struct pg_result *rows;
	char sql[160];
	int status, count = 0;

	snprintf(sql, sizeof(sql), "SELECT DISTINCT tenant_id FROM generations.\"%s\"", t->live);
	status = db_query(r->main, sql, 0, NULL, &rows, error);
	if (status)
		return status;
	for (int i = 0; i < db_rows(rows); i++) {
		struct uuid tenant;
		int shard;

		if (!uuid_parse(db_text(rows, i, 0), strlen(db_text(rows, i, 0)), &tenant))
			continue;
		shard = event_shard(&tenant, r->shard_count - 1);
		buffer_printf(ids, "%c%s", count ? ',' : '{', db_text(rows, i, 0));
		buffer_printf(positions, "%c%lld", count++ ? ',' : '{', (long long)(r->plan->folded[shard] < 0 ? 0 : r->plan->folded[shard]));
	}
	buffer_add_text(ids, count ? "}" : "{}");
	buffer_add_text(positions, count ? "}" : "{}");
	db_free(rows);
	return 0;
}

/* Takes over what has changed since the old tables were there, and notes to where that is at least. */
static int bring(struct rebuild *r, struct error *error)
{
	struct shadow_position *at = mem_alloc(SHARDS_MAX * sizeof(*at));
	int status = shadow_positions(r->main, r->options->group, r->plan->generation, at, &r->shard_count, error);

	for (int i = 0; i < r->plan->count && status == 0; i++) {
		struct buffer ids = { 0 }, positions = { 0 };

		status = list_tenants(r, &r->plan->tables[i], &ids, &positions, error);
		if (status == 0)
			status = shadow_bring(r->main, r->plan, r->plan->tables[i].projection, buffer_text(&ids), buffer_text(&positions), error);
		if (status == 0)
			status = rebuild_attend(r, error);
		buffer_release(&ids);
		buffer_release(&positions);
	}
	for (int i = 0; i < r->shard_count && status == 0; i++)
		r->plan->folded[i] = r->result->at[i].position = r->result->at[i].switched_at = at[i].live;
	r->result->shards = r->shard_count;
	free(at);
	return status;
}

static int level(struct rebuild *r, struct error *error)
{
	int status = bring(r, error);

	return status ? status : shadow_level(r->main, r->plan, error);
}

int rebuild_back(const struct rebuild_options *o, struct rebuild_result *result, struct error *error)
{
	struct rebuild *r = mem_alloc(sizeof(*r));
	int status;

	rebuild_init(r, o, result);
	r->step = "back";
	status = rebuild_open(r, error);
	if (status == 0)
		status = shadow_begin(r->beat, o->group, NULL, 0, SHADOW_BACK, r->plan, error);
	if (status)
		result->plan.rebuild = 0;
	else
		status = bring(r, error);
	for (int try = 0; status == 0 && !result->became; try++) {
		struct timespec pause = { 0, PAUSE_MS * 1000000L };

		status = rebuild_switch_once(r, level, try, error);
		if (status == E_BUSY && try < TRIES_MOST) {
			nanosleep(&pause, NULL);
			status = 0;
		}
	}
	rebuild_close(r, status);
	return status;
}
