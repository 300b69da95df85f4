/*
 * control - the session by which the engine learns of its log, and keeps it in order.
 *
 *     CONNECT --which log, who adopted it--> MAINTAIN --months are made--> LOOK --> LOOK ... each LOOK_MS
 *        ^                                      ^                            |
 *        |                                      +-------- each minute -------+
 *        +------------------ lost, or adopted meanwhile ---------------------+
 *
 * One question at a time.  A look at the heads tells that the database answers, and whether somebody has adopted the log;
 * then the session connects anew and learns by whom and why, which is journaled as an event of shard 0.
 *
 * Its state stands in struct engine (control_...), where status and metrics read it.
 */
#ifndef VERBATIM_ENGINE_CONTROL_H
#define VERBATIM_ENGINE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

/* Asks for the first time; once the log is known and its months are there, engine_log_known is called. */
void control_start(struct engine *e);

/* Each second: when an appender has lost the database, or the log was adopted, it is asked at once. */
void control_look(struct engine *e, int64_t now);

/* Whether no question was answered for as long as --database-timeout says. */
bool control_is_silent(const struct engine *e, int64_t now);

/* Journals what is known of the log: that it was made, and its adoptions. */
void control_journal(struct engine *e);

/* Then the loop may end. */
void control_close(struct engine *e);

#endif
