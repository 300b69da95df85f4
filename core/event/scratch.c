/* scratch - see scratch.h. */
#include "event/scratch.h"

#include <assert.h>
#include <pthread.h>

enum { KEEP_BYTES = 1 << 20 };

static _Thread_local struct scratch *thread_scratch;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void scratch_free(void *p)
{
	struct scratch *s = p;

	buffer_release(&s->payload);
	buffer_release(&s->lifted);
	buffer_release(&s->message);
	buffer_release(&s->keys);
	free(s);
}

static void setup(void)
{
	int r = pthread_key_create(&key, scratch_free);

	assert(r == 0);
}

struct scratch *scratch_get(void)
{
	if (!thread_scratch) {
		pthread_once(&once, setup);
		thread_scratch = mem_zalloc(sizeof(*thread_scratch));
		pthread_setspecific(key, thread_scratch);
	}
	return thread_scratch;
}

void scratch_trim(struct buffer *b)
{
	if (b->cap > KEEP_BYTES)
		buffer_release(b);
}
