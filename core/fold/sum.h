/*
 * sum - rows that folds only ever add to: roll-ups, whose contents no fold has to know.
 *
 * A row of a roll-up belongs to a quarter of an hour and a few attributes, so which ones a batch will touch shows only
 * while it is folded.  Were they loaded like other rows, nearly every batch would be folded twice (state_fold,
 * E_CANCELLED).  Instead it is added to a row whether it is in memory or not, and what the database has is joined
 * before anything is written:
 *
 *     folds               gather what is to be added (state.h, `gathered`)
 *     state_sums          the read model settles: sum_row gives a row, or a blank one, `partial`       +3
 *                         the partial rows are named; the caller loads them
 *     state_put           what was loaded is added to the row                                          39 + 3
 *     state_sums          none is partial any more: the rows are finished and may be written
 *
 * Addition does not mind the order, so this gives the rows that loading first would have given.  Sums go round at the
 * end of int64: whatever was added can be taken away again.
 *
 * A JSON column of a sum is an object of counters, {"904":2,"1022":1}, in rising order, which is also how jsonb keeps
 * it; null when empty.  Histograms have hundreds of them, of which a batch moves a few, so the text is neither read nor
 * written anew for each: with the first step a book is opened beside it, which says where in the text each counter
 * stands, and every step changes its few characters there.  The text always holds.
 *
 *     text    { " 9 0 4 " : 2 , " 1 0 2 2 " : 1 }
 *     places  0               8                 17
 */
#ifndef VERBATIM_FOLD_SUM_H
#define VERBATIM_FOLD_SUM_H

#include "fold/plan.h"
#include "fold/state.h"

/* One block of memory: keys, counts, places, text. */
struct counter_book {
	int32_t count, room;
	uint32_t text_room;
	int32_t keys[]; /* rise, none is negative; behind the room for them as much for counts, of which none is 0, and then
			 * for the places in the text of the brace or comma before each */
};

/* The member behind a JSON column that adds.  All of it stands in the rows' memory. */
struct counters {
	struct bytes text;
	struct counter_book *book; /* NULL: nobody has added yet */
};

/*
 * A row that is about to be added to, for an event at this position.  A new one has its columns' fallbacks: *begun says
 * that the caller has to set the columns that do not add up, always to the same for this id.
 */
void *sum_row(struct state *s, const struct projection *p, const struct uuid *tenant_id, const struct uuid *id,
	      int64_t position, bool *begun);

/*
 * A fold that adds to the same few rows again and again may find them by less than their ids: it remembers a row under a
 * hash of what the row is about, and sees for itself whether what it is given back is the row it means.  What is
 * remembered are rows of the young half, as long as it is the young one.
 */
enum { SUM_PLACES = 4096 };

/* The row will be written. */
void sum_changed(struct state *s, struct row *row);

struct sum_place {
	uint64_t hash;
	void *row;
};

static inline struct sum_place *sum_place(const struct state *s, uint64_t hash)
{
	return &s->sum_places[hash % SUM_PLACES];
}

/* The row; NULL when none is remembered. */
static inline void *sum_recall(const struct state *s, uint64_t hash)
{
	const struct sum_place *place = sum_place(s, hash);

	return place->hash == hash ? place->row : NULL;
}

/* It will be recalled soon: place and row are brought into the cache. */
static inline void sum_fetch(const struct state *s, uint64_t hash)
{
	const struct sum_place *place = sum_place(s, hash);

	__builtin_prefetch(place->row);
	__builtin_prefetch((const char *)place->row + 64);
	__builtin_prefetch((const char *)place->row + 128);
}

static inline void sum_remember(struct state *s, uint64_t hash, void *row)
{
	*sum_place(s, hash) = (struct sum_place){ hash, row };
}

/* A row that was remembered is about to be added to. */
static inline void sum_touch(struct state *s, void *p, int64_t position)
{
	struct row *row = p;

	row->last_position = position;
	if (!row->changed)
		sum_changed(s, row);
}

static inline void sum_add(int64_t *sum, int64_t by)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)by);
}

/* The same for the book that will be added to: its beginning, */
static inline void counters_fetch(const struct counters *c)
{
	__builtin_prefetch(c->book);
}

/* and when that has come, its keys. */
static inline void counters_fetch_keys(const struct counters *c)
{
	for (int32_t at = 8; c->book && at < c->book->count; at += 16)
		__builtin_prefetch(c->book->keys + at);
}

void counters_add(struct state *s, struct counters *c, int32_t key, int32_t by);

/* ---- for state.c ---- */

struct partial_row {
	struct partial_row *next;
	struct row *row;
};

void sum_forget(struct state *s);

/* A partial row gets what was loaded (NULL: there is none). */
void sum_join(struct state *s, struct row *row, const struct row *loaded);

/* A sum's row as it was loaded, of which only the texts hold. */
void sum_take(const struct plan_rows *rows, struct row *row);

/* A sum's row was copied, texts and all: it gets books of its own. */
void sum_move(const struct plan_rows *rows, struct row *row, struct arena *arena);

#endif
