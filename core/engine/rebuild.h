/*
 * rebuild - folds the log into fresh tables beside a group's live ones, and has them take their place.
 *
 *   begin --> FOLD, WRITE (a shard) --> INDEX (a table) --> CATCH UP ... --> COMPARE --> SWITCH --> done
 *               |    ^                                          |               |           |
 *               |    +--- jobs: threads, two sessions each -----+               |           +-- a lock did not come: catch up,
 *               |                                                               |               a pause, again
 *               +--- killed anywhere: the next one goes on, or sweeps           +-- differences: stop, unless forced
 *
 * The design.
 *
 * Each shard has a state (fold/state.h) of those read models that are wanted and those they need (fold/inputs.h).  It
 * reads its log by COPY and folds it; rows for which there is no memory go into files (row_spill.h).  Nothing is written
 * until the shard has come to where it is wanted; then all its rows go into the shadows by COPY, in one transaction with
 * the word that they are there (rebuild_shard).  Only the wanted read models are written.  Indexes come after the last
 * shard, each table's at a time.
 *
 * The states live on, so what the log has got meanwhile is folded the same way, and the rows that it changed are merged
 * into the shadows: catching up costs what a worker's batches cost, in large ones.
 *
 * How one read model gets a fresh table although its group goes forward together: the switch makes a new generation out of
 * the shadows and of the tables that stay, at the very positions of the old one, which it closes.  A worker that writes to
 * the closed one is fenced off by its checkpoint, drops its rows, and finds the new generation.  Until then the shadows
 * stand for nothing but themselves.  While the old one's workers are held (some milliseconds: the shadows come exactly to
 * their positions) readers go on; readers are held only while the views are replaced.
 *
 * Where to.  A shard is folded to the live checkpoint; when the whole group is rebuilt, at first to the head of the log,
 * for then the new generation may be ahead of the old one, which may stand still, or stand on a log that is not this one
 * any more (it was adopted).
 *
 * Resuming.  What is written is gone on with: a shard whose rows are there is only folded again, to that position, and
 * written no more; a table that has its indexes keeps them.
 *
 * Comparing takes a snapshot a table, comes to the positions it shows, and goes through the table: each row has its
 * like in the states, and each row of those was met.
 *
 * As of a moment (rebuild_into) the same folds fill tables in a schema of somebody's own.
 *
 * Crash argument: the database's (create_rebuild).  Files have no name.  Memory: each shard has its share, by its events;
 * a batch, 55 to 110 bytes for each spilled row, and 24 for each row of the table that is being written come on top.  It
 * cannot send anything: there is no appender in it.
 */
#ifndef VERBATIM_ENGINE_REBUILD_H
#define VERBATIM_ENGINE_REBUILD_H

#include "fold/digest.h"
#include "store/shadow.h"

enum { REBUILD_JOBS_MAX = 64, REBUILD_READERS_MS = 80 }; /* a commit comes on top */

struct rebuild_result;
struct rebuild_ops;

/* A row that is not the same in the live table and in the log's fold. */
struct rebuild_difference {
	const struct projection *projection;
	int16_t shard;
	const struct row *live, *rebuilt; /* one of them may be NULL: the other is too many */
};

struct rebuild_progress {
	const char *step;      /* "fold", "write", "index", "catch up", "compare", "switch" */
	int64_t done, total;   /* events, rows (compare) or tables (index) */
};

struct rebuild_options {
	const struct rebuild_ops *ops; /* NULL: rebuild_ops_real */
	const char *conninfo;
	const struct group *group;
	const struct projection *wanted[GROUP_PROJECTIONS_MAX]; /* in the group's order */
	int wanted_count;
	enum shadow_how how;   /* not SHADOW_BACK: rebuild_back */
	bool compare;
	bool compare_only;     /* nothing is written at all */
	bool keep;             /* no switch: what is there waits for whoever resumes it */
	bool force;            /* switch in spite of differences */
	int jobs;
	int64_t memory;
	int64_t readers_ms;    /* how long a switch may hold readers; the first tries take no more than REBUILD_READERS_MS */
	const char *folder;    /* for spilled rows */

	/* All may be NULL but `event`, which compare_only does not need.  Called on the thread of rebuild_run; `stop` answers whether to give up soon. */
	void (*progress)(void *data, const struct rebuild_progress *p);
	void (*differs)(void *data, const struct rebuild_difference *d);
	bool (*stop)(void *data);

	/* The payload of the event that will tell of it, just before the switch: `became` and `switched_at` say what is about to be. */
	void (*event)(void *data, const struct rebuild_result *r, struct buffer *out);
	void *data;
};

struct rebuild_shard_result {
	int64_t position;      /* of the digests */
	int64_t switched_at;   /* where the new generation began */
};

struct rebuild_result {
	struct shadow_plan plan;
	const struct group *inputs;       /* what was folded */
	int shards;                       /* with shard 0 */
	struct rebuild_shard_result at[SHARDS_MAX];
	struct digest digests[GROUP_PROJECTIONS_MAX]; /* by place in wanted, at those positions */
	int64_t events, spilled;
	int64_t differences;              /* rows; -1: not compared */
	int64_t differences_of[GROUP_PROJECTIONS_MAX];
	int32_t became;                   /* the new generation; 0: no switch */
	bool forced;
	int64_t fold_us, index_us, catch_up_us, compare_us; /* wall clock of the steps; writing is part of the fold's */
	int64_t held_us, switch_us;       /* how long workers were held, and readers at most */
	int64_t reading_us, parsing_us, folding_us, writing_us; /* of the jobs' time, all together: waiting for the log, parsing (a sample's share), folding, writing rows */
	char zones_version[32];
};

/*
 * E_BUSY: another one is at it, or whoever reads gave no moment to switch in: then what is written waits.  E_DIFFERS: there are differences, and no force: the live tables stay, the shadows
 * are gone.  E_LOG_DIVERGED, E_LOG_GAP: the log is not whole.  E_INTERRUPTED: `stop` said so; what is written waits to be
 * resumed.  Other failures sweep the shadows away, when the database still answers.
 */
int rebuild_run(const struct rebuild_options *o, struct rebuild_result *r, struct error *error) must_check;

/* Where the read models of a moment go: the tables of row_schema.h, which are there and empty. */
struct rebuild_target {
	const char *conninfo;  /* of the schema's database */
	const char *schema;
	struct uuid tenant_id; /* nil: of all */
	int shards;            /* with shard 0 */
	int64_t positions[SHARDS_MAX];
};

/* Folds each shard to its position and puts the rows there; of the options, `wanted` and what comes after `group` up to `jobs` is not looked at. */
int rebuild_into(const struct rebuild_options *o, const struct rebuild_target *target, struct rebuild_result *r, struct error *error) must_check;

/* Shows the tables again that the last rebuild replaced, with whatever has changed since: a row that no event touched is as it was. */
int rebuild_back(const struct rebuild_options *o, struct rebuild_result *r, struct error *error) must_check;

/* Puts the event into the log and waits until it is there; one that is there already is as good. */
struct journal_entry;
typedef int (*rebuild_journal_fn)(void *data, const struct journal_entry *entry, struct error *error);

/* Tells the log, by `journal`, of every switch that it says nothing of yet: of this run's, and of those that ended before they could. */
int rebuild_tell(const struct rebuild_ops *ops, const char *conninfo, rebuild_journal_fn journal, void *data, struct error *error) must_check;

#endif
