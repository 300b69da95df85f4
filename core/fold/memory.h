/*
 * memory - the rows of a state by projection number; between state.c and fold.c only.
 */
#ifndef VERBATIM_FOLD_MEMORY_H
#define VERBATIM_FOLD_MEMORY_H

#include "fold/state.h"

/* The row, moved into the young half; NULL when it is not in memory.  May be one that does not exist. */
struct row *memory_find(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* A row with the columns' fallbacks in the young half, in the place of what was known under that key; fresh unless that one existed. */
struct row *memory_blank(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

/* The same with last_position and times of the event, on the list of what is written. */
struct row *memory_new(struct state *s, int index, const struct event *e, const struct uuid *id);

/* JSON as jsonb prints it, without its blanks; NULL data stays. */
struct bytes memory_without_blanks(struct arena *arena, struct bytes json);

/* Puts a row on the list of what is written, if it is not there. */
void memory_changed(struct state *s, struct row *row);

/* Remembers a key that was asked for and not loaded. */
void memory_miss(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id);

#endif
