/* rebuild_private - what the files of rebuild share. */
#ifndef VERBATIM_ENGINE_REBUILD_PRIVATE_H
#define VERBATIM_ENGINE_REBUILD_PRIVATE_H

#include <stdatomic.h>

#include "engine/rebuild.h"
#include "engine/rebuild_ops.h"
#include "engine/row_spill.h"

struct rebuild;

/* One shard's rows. */
struct shard_fold {
	struct rebuild *of;
	int16_t shard;
	struct state rows;
	struct row_spill spill;
	struct arena arena;        /* for keys that are not wanted: state_sums asks for one */
	int64_t position;          /* folded so far */
	int64_t written;           /* the shadows are there; -1: nothing is written */
	int64_t target;
	uint8_t leaf[LEAF_BYTES];  /* of the event at `position` */
	struct digest digests[GROUP_PROJECTIONS_MAX]; /* by place in wanted */
	int64_t digests_at;
};

/* A thread's sessions; they stay open between the steps. */
struct job {
	struct rebuild *of;
	int number;
	struct log_copy *log;
	struct pg_conn *conn;
	struct row_copy *copy;
	struct error error;
	int64_t reading_us, folding_us, writing_us;
	int64_t blocks, metered_us, metered_parsing_us; /* see fold_timed */
};

/* Indexes of a table that one job makes; whoever ends the last part of a table finishes it. */
struct index_part {
	int table;                 /* of the plan */
	int first, last;
	int64_t cost;              /* rows, once for each index */
};

struct rebuild {
	const struct rebuild_options *options;
	const struct rebuild_ops *ops;
	struct rebuild_result *result;
	const struct group *inputs;
	int wanted_at[GROUP_PROJECTIONS_MAX]; /* place of each wanted read model among the inputs */
	struct zones *zones;
	struct shadow_plan *plan;
	bool whole;                /* the whole group: it may be ahead of the live one */
	struct index_part *parts;  /* the costliest first */
	int part_count;
	_Atomic int parts_left[GROUP_PROJECTIONS_MAX]; /* by table of the plan */
	struct shard_fold *shards;
	int shard_count;
	struct job jobs[REBUILD_JOBS_MAX];
	int job_count;
	struct pg_conn *main, *beat; /* `beat`: the lease, and what must be committed while `main` holds the workers */
	int64_t beaten;
	uint32_t round;            /* counts comparisons */

	/* The step under way. */
	int (*task)(struct job *j, int number, struct error *error);
	int task_count;
	_Atomic int next_task;
	_Atomic bool stopping;
	_Atomic int64_t done;
	int64_t total;
	const char *step;
	struct error attending;    /* what went wrong meanwhile on the main thread */
};

/* Runs `task` for each number below `count` on the jobs' threads; 0 or the first error.  Meanwhile: heart, progress, stop. */
int rebuild_tasks(struct rebuild *r, const char *step, int64_t total, int count,
		  int (*task)(struct job *j, int number, struct error *error), struct error *error) must_check;

/* Called now and then by who works on the main thread itself: heart, progress, stop. */
int rebuild_attend(struct rebuild *r, struct error *error) must_check;

/* rebuild_shard.c: tasks, by shard. */
void shard_open(struct shard_fold *s, struct rebuild *r, int16_t shard, int64_t memory);
void shard_close(struct shard_fold *s);
int shard_fold(struct job *j, int number, struct error *error) must_check;   /* to its target, nothing written */
int shard_write(struct job *j, int number, struct error *error) must_check;  /* all rows, into empty shadows */
int shard_merge(struct job *j, int number, struct error *error) must_check;  /* to its target, what changes is written */

/* Every row of a read model, by its place among the inputs; from memory and from the files. */
int shard_each(struct shard_fold *s, int index, int (*each)(void *data, struct row *row, uint32_t *looked, struct error *error), void *data,
	       struct error *error) must_check;

/* The row, borrowed until the next call; *looked is where its round is kept. */
struct row *shard_find(struct shard_fold *s, int index, const struct uuid *tenant_id, const struct uuid *id, uint32_t **looked);

/* rebuild_compare.c: every wanted read model; differences are counted in the result. */
int rebuild_compare(struct rebuild *r, struct error *error) must_check;

/* rebuild.c: */
void rebuild_init(struct rebuild *r, const struct rebuild_options *o, struct rebuild_result *result);
int rebuild_open(struct rebuild *r, struct error *error) must_check;
void rebuild_close(struct rebuild *r, int status); /* and frees it; the status says what becomes of the shadows */

/* The workers are held, `level` brings the shadows to their very positions, then come the views.  E_BUSY: another `try`,
 * counted from 0: the more there were, the longer readers may be held, up to what the options say. */
int rebuild_switch_once(struct rebuild *r, int (*level)(struct rebuild *r, struct error *error), int try, struct error *error) must_check;

/* Asks where the live generation is, and sets the shards' targets; `first`: the head may do.  *behind: events to fold. */
int rebuild_aim(struct rebuild *r, struct pg_conn *c, bool first, int64_t *behind, struct error *error) must_check;

#endif
