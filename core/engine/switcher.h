/*
 * switcher - watches the generations of this binary's read models, and has people see a newer one when it is whole.
 *
 *   CONNECTING --> LOOKING --nothing to do, or not yet--> (a pause) --> LOOKING
 *       ^             |  ^
 *       |             v  +-- done, ready, behind: a pause; busy: a pause that doubles --+
 *       +--- lost   SWITCHING ----------------------------------------------------------+
 *
 * A version that is new to the database is folded from position 1 beside the generation that people see, which goes
 * on if engines of the old version do and else stands still; either way nobody sees a row go back.  When it has come
 * as far in every shard, it is noted as whole; a moment later one transaction replaces all views of the group
 * (store.h, switch_to).  That waits a tenth of a second for readers at most, and then gives way and tries again.
 * Every engine of that version watches; one does it, the others find it done.  Killed anywhere, the next look of any
 * engine goes on from what the database says: nothing is kept here but what was seen, for status.
 */
#ifndef VERBATIM_ENGINE_SWITCHER_H
#define VERBATIM_ENGINE_SWITCHER_H

#include "base/random.h"
#include "engine/env.h"
#include "store/store.h"

enum switcher_state { SWITCHER_CONNECTING, SWITCHER_LOOKING, SWITCHER_SWITCHING, SWITCHER_CLOSED };

struct switcher {
	struct env *env;
	struct store *store;
	enum switcher_state state;
	struct env_timer timer;
	struct random random;
	int failures;              /* in a row, of whatever kind */
	struct store_generations seen;
	const struct generation *next; /* of `seen`: to be shown; NULL: none is */
	int asked;                 /* the group that was asked about last */

	struct {
		int64_t position;      /* of the generation this binary folds, at the last look */
		int64_t at;            /* monotonic, 0: none yet */
		int64_t rate;          /* events a second, over some looks */
	} pace[GROUPS_MAX];

	union {
		struct store_request request;
		struct store_connect connect;
		struct store_generations generations;
		struct store_switch switch_to;
	} call;
};

/* Takes the store, which is not connected yet. */
void switcher_open(struct switcher *s, struct env *env, struct store *store, uint64_t seed);
void switcher_start(struct switcher *s);

/* Ends on the loop, soon; the struct must live until the loop has ended. */
void switcher_close(struct switcher *s);

/* "answering", "catching_up" (this binary's, to be shown), "unfinished" (another's, never shown), "kept". */
const char *generation_state(const struct generation *g);

/* Events a second that the generation gains; 0 for those that this binary does not fold. */
int64_t switcher_rate(const struct switcher *s, const struct generation *g);

/* What a rebuild's step gains a second, and the microseconds that are left of it; -1: nobody can say yet. */
int64_t rebuild_seen_rate(const struct rebuild_seen *r);
int64_t rebuild_seen_left(const struct rebuild_seen *r);

#endif
