/*
 * row_spill - rows for which there is no memory, in files of their own, for a state that folds more than fits.
 *
 *   file of a read model    [ row's struct | its texts ] [ row's struct | its texts ] ...     only ever longer
 *   places, in memory       key's hash (16 bytes) -> where its newest image stands, and of which position it is
 *   file that is streamed   [ length, 8 bytes | row's struct | its texts, to a multiple of 8 bytes ] ...     no places
 *
 * It is a row_source: what leaves memory is written behind what is there, unless its image is of that very position,
 * and what a fold looks for is read back.  Rows of history come as well, once each.  The places are all that memory holds
 * of it, 55 to 110 bytes a row; a key that was never spilled costs one look at them.  Rows of history that nobody will look
 * for by their keys are only streamed: written once, read from end to end.  The files have no name (they are
 * unlinked when they are made), so a killed process leaves nothing.  Images are the process's own bytes and nobody else's
 * format.
 *
 * Errors: `error` keeps the first; from then on nothing is found, so whoever folds asks after each batch.
 */
#ifndef VERBATIM_ENGINE_ROW_SPILL_H
#define VERBATIM_ENGINE_ROW_SPILL_H

#include "fold/plan.h"
#include "fold/state.h"

struct spill_place {
	uint64_t key[2];    /* all zero: free */
	int64_t offset;
	int64_t position;   /* the row's last_position */
	uint32_t bytes;
	uint32_t looked;    /* for who compares: the round in which it was met */
};

struct spill_file {
	int fd;             /* -1: nothing was spilled */
	int64_t written;    /* bytes in the file; behind them those of `tail` */
	struct buffer tail;
	struct spill_place *places; /* a hash table, at most 3/4 full */
	size_t capacity, count;
};

struct row_spill {
	const struct plan *plan;
	uint64_t kept;       /* bit by place: of which read models rows of history are wanted; all, unless somebody says otherwise */
	uint64_t streamed;   /* bit by place: of which read models of history no row is looked for; none, unless somebody says otherwise */
	const char *folder;
	struct row_source source;
	struct spill_file files[GROUP_PROJECTIONS_MAX];
	struct buffer image; /* the row that was found last */
	int64_t spilled;     /* rows written so far */
	struct error error;
};

/* `folder` is borrowed. */
void row_spill_init(struct row_spill *s, const struct group *group, const char *folder);
void row_spill_release(struct row_spill *s);

/* The place of a spilled row, or NULL. */
struct spill_place *row_spill_place(struct row_spill *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* The row behind it, borrowed until the next call; NULL after an error. */
struct row *row_spill_read(struct row_spill *s, int index, const struct spill_place *place);

/* Every spilled row's newest image in the order of the file; each, and its place, borrowed for the call.  0 or the error. */
int row_spill_each(struct row_spill *s, int index, void (*each)(void *data, struct row *row, struct spill_place *place), void *data,
		   struct error *error) must_check;

#endif
