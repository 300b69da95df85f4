/*
 * worker_private - what the files of the worker share: owning a shard (worker_own.c), the way of a batch
 * (worker_batch.c), and what both need of the state machine (worker.c).
 *
 * A state has a function that puts its question to the store and one that takes the answer; each takes the worker
 * alone, and leaves it in its next state.  None is called while a question is out.
 */
#ifndef VERBATIM_ENGINE_WORKER_PRIVATE_H
#define VERBATIM_ENGINE_WORKER_PRIVATE_H

#include "engine/worker.h"

enum { WORKER_WATCHED_MS = 50 }; /* how soon somebody who waits for a position learns what another engine has shown */

/* CONNECTING, LEASING, STANDBY, CHECKPOINT. */
void worker_connect(struct worker *w);
void worker_connected(struct worker *w);
void worker_lease(struct worker *w);
void worker_leased(struct worker *w);
void worker_ask_checkpoint(struct worker *w);
void worker_take_checkpoint(struct worker *w);
void worker_stand_by(struct worker *w);

/* Asks for the lease for so long; 0 gives it back. */
void worker_ask_lease(struct worker *w, int64_t ttl_ms);

/* Takes what the feed has, up to the bound of one transaction.  False: nothing that fits. */
bool worker_take_feed(struct worker *w);

/* READING: what the feed has not. */
void worker_read(struct worker *w);
void worker_take_events(struct worker *w);

/* LOADING: begin with the events that were taken; load is false when no row is missing; narrow when that has no end. */
void worker_begin(struct worker *w);
bool worker_load(struct worker *w);
void worker_take_rows(struct worker *w);
void worker_narrow(struct worker *w);
void worker_fold(struct worker *w);

/* FOLDED to WRITING, and the outcome. */
void worker_write(struct worker *w);
void worker_written(struct worker *w);

/* Marks that the call in `w->call` goes out now. */
void worker_ask(struct worker *w);

/* The answer is a lost session, or a passing refusal: forgets what is not written, and begins again. */
void worker_fail(struct worker *w);

/* Stands still for a while, with nothing kept in memory; stop says so in the engine's log. */
void worker_halt(struct worker *w, const struct error *e);
void worker_stop(struct worker *w, const struct error *e);

/* Forgets rows that are folded and not written. */
void worker_forget(struct worker *w);

/* Gives back the events that were taken. */
void worker_drop(struct worker *w);

/* What others see of it. */
void worker_set_state(struct worker *w, enum worker_state state);
void worker_set_trouble(struct worker *w, const struct error *e);
void worker_set_position(struct worker *w, int64_t position);
void worker_tell(struct worker *w);
void worker_part(const struct worker *w, char out[48]);

/* Nothing is asked for so long; back_off takes longer with each failure in a row. */
void worker_wait(struct worker *w, int64_t ms);
void worker_back_off(struct worker *w);

/* True when `due` is still to come: then the timer runs, and nothing in the feed wakes the worker early. */
bool worker_pause(struct worker *w, int64_t due);

#endif
