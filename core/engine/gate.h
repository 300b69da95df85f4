/*
 * gate - lets only so many of a thread's appenders or workers write to the database at a time.
 *
 *   enter --room--> inside --leave--> outside
 *     |                ^
 *     +--full--> queued+ (first come, first in; `let_in` is told and must only schedule)
 *
 * More commits at once than the machine has disks and cores to serve make each smaller and none sooner: those that
 * wait gather more events meanwhile, and what a transaction costs is shared by more of them.  For small ones, which
 * are nearly all such cost, there are fewer places, and never all of them, so that a large one does not hold them
 * up.  Who is inside with a small one may take others from the queue along (gate_join): they share one transaction and
 * its cost.  An idle engine never meets a full gate.  A NULL gate is always open.
 */
#ifndef VERBATIM_ENGINE_GATE_H
#define VERBATIM_ENGINE_GATE_H

#include <stdbool.h>

struct gate_pass {
	struct gate_pass *next;
	bool inside, queued, small;
	bool joins; /* the owner's to set: it may share a transaction */
	void (*let_in)(void *data); /* never inside a call of gate_enter; may come inside another's gate_leave */
	void *data;
};

struct gate {
	int most, most_small;
	int inside, small;
	struct gate_pass *first;
};

/* True when `p` is inside; else it is queued, and let_in will come. */
bool gate_enter(struct gate *g, struct gate_pass *p, bool small);

/* Takes the first small one that joins out of the queue, without letting it in; NULL when there is none. */
struct gate_pass *gate_join(struct gate *g);

/* From inside or from the queue; nothing when it is in neither. */
void gate_leave(struct gate *g, struct gate_pass *p);

#endif
