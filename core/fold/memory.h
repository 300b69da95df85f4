/*
 * memory - the rows of a state by projection number; between state.c and fold.c only.
 */
#ifndef VERBATIM_FOLD_MEMORY_H
#define VERBATIM_FOLD_MEMORY_H

#include "fold/state.h"

/* memory_find, but for the row that was found last. */
struct row *memory_look_up(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* The row, moved into the young half; NULL when it is not in memory.  May be one that does not exist. */
static inline struct row *memory_find(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row *row = s->recent[index];

	return row && uuid_equal(&row->id, id) && uuid_equal(&row->tenant_id, tenant_id) ? row : memory_look_up(s, index, tenant_id, id);
}

/* A row with the columns' fallbacks in the young half, in the place of what was known under that key; fresh unless that one existed. */
struct row *memory_blank(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* The same with last_position and times of the event, on the list of what is written. */
struct row *memory_new(struct state *s, int index, const struct event *e, const struct uuid *id);

/* JSON as jsonb prints it, without its blanks; NULL data stays. */
struct bytes memory_without_blanks(struct arena *arena, struct bytes json);

/* What state_wants has noted of the event that is folded next, NULL when it was not asked; the rows of the one after it are fetched. */
const struct event_note *memory_note(struct state *s, const struct event *e);

/* Puts a row on the list of what is written, if it is not there. */
void memory_changed(struct state *s, struct row *row);

/* Remembers a key that was asked for and not loaded. */
void memory_miss(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

#endif
