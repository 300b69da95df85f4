/*
 * feed - just-committed batches on their way from the appenders' thread to a worker's.
 *
 *   appender --copy--> [ batch | batch | batch ] --take--> worker
 *
 * One feed a shard and group.  A batch is copied once into a block of its own, so neither side waits for the
 * other's memory.  The feed is a short cut, never the truth: it holds at most `bytes`; when a worker is slower,
 * the oldest batches fall out and the worker reads the log from where it stands.  A batch is used only when it
 * begins right after the worker's position, and in the session in which it came: after a new connect all is read.
 */
#ifndef VERBATIM_ENGINE_FEED_H
#define VERBATIM_ENGINE_FEED_H

#include <pthread.h>

#include "event/event.h"

struct feed_batch {
	struct feed_batch *next;
	int64_t first;
	int count;
	size_t bytes;
	struct event events[];
};

struct feed {
	pthread_mutex_t lock;
	struct feed_batch *oldest, **end;
	size_t held;
	size_t bytes;
	int64_t head;          /* last position known to be committed; 0: none yet */
	bool wanted;           /* the last take found nothing: the next put wakes */
	void (*wake)(void *data); /* something was put in that is waited for; called on the putting thread, must only signal */
	void *data;
};

void feed_init(struct feed *f, size_t bytes);
void feed_release(struct feed *f);

/* Copies the events (gapless, in order). */
void feed_put(struct feed *f, struct event *const *events, int count);

/* The batch that begins at `first`, now the caller's (feed_batch_free); older ones are thrown away; NULL when there is none. */
struct feed_batch *feed_take(struct feed *f, int64_t first);
void feed_batch_free(struct feed_batch *b);

int64_t feed_head(struct feed *f);

/* Throws away what is in it: it was committed, but perhaps to a database that is not there any more. */
void feed_clear(struct feed *f);

#endif
