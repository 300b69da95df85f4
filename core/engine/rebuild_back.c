/*
 * rebuild_back - see rebuild.h; here: the way back to the tables that the last rebuild replaced.
 *
 * They were kept as they were left.  A row that has changed since is taken over from the table that answers, whose
 * last_position tells; a first time while everything goes on, then what came meanwhile, while the workers are held.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/fault.h"
#include "engine/rebuild_private.h"

enum { TRIES_MOST = 20, PAUSE_MS = 200 };

/* Takes over what has changed since the old tables were there, and notes to where that is at least: when it stays, for a
 * switch that does not come takes back what was brought in its transaction. */
static int bring(struct rebuild *r, bool stays, struct error *error)
{
	struct shadow_position *at = mem_alloc(SHARDS_MAX * sizeof(*at));
	int status = r->ops->shadow.positions(r->main, r->options->group, r->plan->generation, at, &r->shard_count, error);

	for (int i = 0; i < r->plan->count && status == 0; i++) {
		status = r->ops->shadow.bring(r->main, r->plan, &r->plan->tables[i], r->shard_count, error);
		if (status == 0)
			status = rebuild_attend(r, error);
	}
	for (int i = 0; i < r->shard_count && status == 0; i++)
		r->result->at[i].position = r->result->at[i].switched_at = at[i].live;
	for (int i = 0; i < r->shard_count && status == 0 && (stays || fault_on("rebuild.back_forgets")); i++)
		r->plan->folded[i] = at[i].live;
	r->result->shards = r->shard_count;
	free(at);
	return status;
}

static int level(struct rebuild *r, struct error *error)
{
	int status = bring(r, false, error);

	return status ? status : r->ops->shadow.level(r->main, r->plan, error);
}

int rebuild_back(const struct rebuild_options *o, struct rebuild_result *result, struct error *error)
{
	struct rebuild *r = mem_alloc(sizeof(*r));
	int status;

	rebuild_init(r, o, result);
	r->step = "back";
	status = rebuild_open(r, error);
	if (status == 0)
		status = r->ops->shadow.begin(r->beat, o->group, NULL, 0, SHADOW_BACK, r->plan, error);
	if (status)
		result->plan.rebuild = 0;
	else
		status = bring(r, true, error);
	for (int try = 0; status == 0 && !result->became; try++) {
		status = rebuild_switch_once(r, level, try, error);
		if (status == E_BUSY && try < TRIES_MOST) {
			r->ops->machine.pause(PAUSE_MS);
			status = 0;
		}
	}
	rebuild_close(r, status);
	return status;
}
