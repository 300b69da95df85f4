/* log_verify_private - what the files of log_verify share: one shard's walk. */
#ifndef VERBATIM_STORE_LOG_VERIFY_PRIVATE_H
#define VERBATIM_STORE_LOG_VERIFY_PRIVATE_H

#include "event/merkle.h"
#include "store/db.h"
#include "store/log_verify.h"
#include "store/pg_codec.h"

enum { NUMBER_TEXT = 24 };

/* A query's rows, slice by slice. */
struct slices {
	struct pg_result *rows;
	int row, count;
	bool last; /* there is no further slice */
};

struct tile_slice {
	struct slices slices;
	int64_t next; /* index */
};

struct log_verify_walk {
	struct log_verify *v;
	struct pg_conn *conn;
	struct pg_params params;
	struct log_copy *copy;
	struct buffer scratch;
	struct arena arena;          /* of a block's tiles */
	struct merkle tree;
	bool broken;                 /* a leaf is not known: no root can be compared any more */
	bool root_told;              /* a root was wrong: all later ones are */
	int64_t position;            /* of the last event */
	int64_t recorded_at;         /* its time */

	struct slices batches;
	struct batch {
		int64_t first, last, recorded_at;
		int32_t epoch;
		uint8_t root[LEAF_BYTES];
	} batch;                     /* that holds the last event; last 0: none yet */
	int32_t epoch;               /* highest of the batches so far */
	int64_t good;                /* up to here roots were right */

	struct tile_slice tiles[MERKLE_LEVELS];

	struct slices checkpoints;   /* by size */
	int64_t checkpoint_size;     /* of the row that comes next; INT64_MAX: none */
	int64_t after_size;          /* where the next slice begins: behind this size, epoch and key */
	char after_epoch[NUMBER_TEXT], after_key[NOTE_KEY_TEXT];
	char largest[NUMBER_TEXT];   /* size of those that were there when the walk began */
};

/* Counts it and tells it, unless enough of its kind were told. */
void log_verify_tell(struct log_verify_walk *w, enum fault fault, int64_t position, const struct event *e, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The event's batch: called for each event, before and after its leaf is in the tree. */
int log_verify_batch_begin(struct log_verify_walk *w, const struct event *e, struct error *error) must_check;
void log_verify_batch_end(struct log_verify_walk *w);
/* Behind the last event. */
int log_verify_batches_finish(struct log_verify_walk *w, struct error *error) must_check;

/* The tiles that the last event filled, and at the end those that should not be there. */
int log_verify_tiles(struct log_verify_walk *w, const struct merkle_tile *tiles, struct error *error) must_check;
int log_verify_tiles_finish(struct log_verify_walk *w, struct error *error) must_check;

/* Reads the first checkpoint; then, whenever the tree has grown to checkpoint_size; then those behind the log's end. */
int log_verify_checkpoints_begin(struct log_verify_walk *w, struct error *error) must_check;
int log_verify_checkpoints_at(struct log_verify_walk *w, struct error *error) must_check;
int log_verify_checkpoints_finish(struct log_verify_walk *w, struct error *error) must_check;

static inline void slices_release(struct slices *s)
{
	if (s->rows)
		db_free(s->rows);
	*s = (struct slices){ 0 };
}

/* Whether a row is at hand; otherwise the next slice is to be asked for, unless it was the last. */
static inline bool slices_have(const struct slices *s)
{
	return s->row < s->count;
}

static inline void slices_take(struct slices *s, struct pg_result *rows, int most)
{
	slices_release(s);
	s->rows = rows;
	s->count = db_rows(rows);
	s->last = s->count < most;
}

#endif
