/*
 * replay_track - a subject's rows over time: which event changed which of them, and how they stood at a moment.
 *
 *   events --fold--> changes of the subject's rows --> steps: an event with what it did
 *                                                  \-> entries: a row as it stands now, and as it stood at the mark
 *
 * Snapshots are shallow: texts stay where the folds put them, in memory that lives as long as the track; counters, which
 * folds change where they stand, are copied.
 */
#ifndef VERBATIM_CMD_REPLAY_TRACK_H
#define VERBATIM_CMD_REPLAY_TRACK_H

#include "cmd/replay_history.h"
#include "cmd/replay_scope.h"

struct entry {             /* a row of the subject's */
	const struct row *now;
	const struct row *marked; /* as it stood at track_mark; NULL: not there yet */
	bool shown;            /* the subject's; of a correlation: one of its events has changed it */
};

struct change {            /* what one event did to one row */
	int entry;
	const struct row *before; /* NULL: it made the row */
	const struct row *after;
};

struct step {
	const struct event *event;
	struct bytes actor;    /* a name, as it was known then; absent */
	bool own;              /* the event names the subject; else it changed its rows from outside */
	int first, count;      /* of changes */
};

struct track {
	struct subject subject;
	struct history history;
	struct arena arena;
	struct map places;     /* (read model, id) -> entry */
	struct entry *entries;
	int entry_count, entry_capacity;
	struct change *changes;
	int change_count, change_capacity;
	struct step *steps;
	int step_count, step_capacity;
	int marked_steps;      /* steps before the mark */
	bool touched;          /* the event at hand is own, or has changed a row */
	bool own;
};

void track_init(struct track *t, const struct subject *subject, struct zone_source zones);
void track_release(struct track *t);

/* The next event; borrowed as long as the track lives. */
int track_fold(struct track *t, const struct event *e, struct error *error) must_check;

/* Remembers how all rows stand. */
void track_mark(struct track *t);

/* The entries that are shown, in order of read model, then of making; valid until the next event. */
const struct entry *const *track_sorted(struct track *t, int *count);

/* A person's or customer's name as it is known now; absent when it is not. */
struct bytes track_name(struct track *t, enum actor_type type, const struct uuid *id);

#endif
