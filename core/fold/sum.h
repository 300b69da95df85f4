/*
 * sum - rows that folds only ever add to: roll-ups, whose contents no fold has to know.
 *
 * A row of a roll-up belongs to a quarter of an hour and a few attributes, so which ones a batch will touch shows only
 * while it is folded.  Were they loaded like other rows, nearly every batch would be folded twice (state_fold,
 * E_CANCELLED).  Instead a fold adds to a row whether it is in memory or not, and what the database has is joined
 * before anything is written:
 *
 *     fold_sum            not in memory: a blank row, `partial`           +3
 *     state_sums          names the partial rows; the caller loads them
 *     state_put           what was loaded is added to the row             39 + 3
 *     state_sums          none is partial any more: the rows are finished and may be written
 *
 * Addition does not mind the order, so this gives the rows that loading first would have given.  Sums go round at the
 * end of int64: whatever was added can be taken away again.
 *
 * A JSON column of a sum is an object of counters, {"904":2,"1022":1}, in rising order, which is also how jsonb keeps
 * it; null when empty.  While a batch is folded its steps are only noted, and the text is written once.
 */
#ifndef VERBATIM_FOLD_SUM_H
#define VERBATIM_FOLD_SUM_H

#include "fold/state.h"

struct counter_step {
	int32_t key; /* not negative */
	int32_t by;
};

/* The member behind a JSON column that adds. */
struct counters {
	struct bytes text;
	struct counter_step *steps; /* of this batch, in the rows' memory */
	int32_t step_count, step_room;
};

/*
 * The row of another read model of the group, which is one of sums, about to be added to.  A new one has its columns'
 * fallbacks: *begun says that the caller has to set the columns that do not add up, always to the same for this id.
 */
void *fold_sum(struct fold *f, const struct projection *p, const struct uuid *id, bool *begun);

static inline void sum_add(int64_t *sum, int64_t by)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)by);
}

void counters_add(struct fold *f, struct counters *c, int32_t key, int32_t by);

/* ---- for state.c ---- */

/* A partial row gets what was loaded (NULL: there is none). */
void sum_join(struct state *s, struct row *row, const struct row *loaded);

/* The counters' texts; nothing for rows that are not sums. */
void sum_finish(struct state *s, struct row *row);

#endif
