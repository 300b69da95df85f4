/*
 * appender_private - what the files of the appender share: learning (appender_learn.c), sending (appender_send.c), and
 * what both need of the state machine (appender.c).
 *
 * A state has a function that puts its question to the store and one that takes the answer; each takes the appender
 * alone, and leaves it in its next state.  None is called while a question is out.
 */
#ifndef VERBATIM_ENGINE_APPENDER_PRIVATE_H
#define VERBATIM_ENGINE_APPENDER_PRIVATE_H

#include "engine/appender.h"

enum {
	APPENDER_CLOCK_RETRY_MS = 1000,
	APPENDER_RIVAL_LOOKS = 3, /* that find nothing of another engine: it has gone */
};

/* CONNECTING, LEARNING, CATCHING_UP. */
void appender_connect(struct appender *a);
void appender_connected(struct appender *a);
void appender_ask_head(struct appender *a);
void appender_take_head(struct appender *a);
void appender_catch_up(struct appender *a);
void appender_take_leaves(struct appender *a);

/* IDLE to SENDING, and the outcome. */
void appender_send(struct appender *a);
void appender_take_outcome(struct appender *a);

/* The answer is an error, and has been seen to: a lost session is made anew, anything else tried again later. */
bool appender_failed(struct appender *a);

/* Marks that the call in `a->call` goes out now. */
void appender_ask(struct appender *a);

/* The session is gone; what was under way goes back to the queue, unsettled. */
void appender_lost(struct appender *a);

/* The log is not the one that was seen before: all that waits and comes is answered with this code. */
void appender_stop(struct appender *a, int code, const char *text);

/* Nothing is asked for so long, and no place at the gate is held; back_off takes longer with each failure in a row. */
void appender_wait(struct appender *a, int64_t ms);
void appender_back_off(struct appender *a);

/* The batch's requests go back to the front of the queue, in their order. */
void appender_unform(struct appender *a);

/* Counts a request whose outcome is known. */
void appender_count(struct appender *a, const struct request *r);

/* Each request of the list is answered. */
void appender_answer(struct request_list *list);

/* All that waits is answered with a refusal; the second says as well whether it is stored. */
void appender_refuse(struct appender *a, int code, const char *text);
void appender_refuse_waiting(struct appender *a, const char *text);

#endif
