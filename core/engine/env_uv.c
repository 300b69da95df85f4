/*
 * env_uv - see env_uv.h.
 *
 * Builds for tests (VERBATIM_FAULTS) add VERBATIM_CLOCK_SHIFT seconds to the wall clock, so that a month's
 * boundary or a wrong clock can be had at any time of the year.
 */
#include "engine/env_uv.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/time.h"

static int64_t wall(struct env *e)
{
	return time_wall() + ((struct env_uv *)e)->shift;
}

static int64_t monotonic(struct env *e)
{
	(void)e;
	return time_monotonic();
}

static void on_timer(uv_timer_t *handle)
{
	struct env_timer *t = handle->data;

	t->fire(t);
}

static void timer_open(struct env *e, struct env_timer *t)
{
	uv_timer_t *handle = mem_zalloc(sizeof(*handle));

	uv_timer_init(((struct env_uv *)e)->loop, handle);
	handle->data = t;
	t->impl = handle;
}

static void timer_start(struct env *e, struct env_timer *t, int64_t ms)
{
	(void)e;
	uv_timer_start(t->impl, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void timer_stop(struct env *e, struct env_timer *t)
{
	(void)e;
	uv_timer_stop(t->impl);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void timer_close(struct env *e, struct env_timer *t)
{
	(void)e;
	if (!t->impl)
		return;
	uv_close(t->impl, on_closed);
	t->impl = NULL;
}

void env_uv_init(struct env_uv *e, uv_loop_t *loop)
{
	*e = (struct env_uv){
		.env = { wall, monotonic, timer_open, timer_start, timer_stop, timer_close },
		.loop = loop,
	};
#ifdef VERBATIM_FAULTS
	const char *shift = getenv("VERBATIM_CLOCK_SHIFT");

	if (shift)
		e->shift = strtoll(shift, NULL, 10) * TIME_SECOND;
#endif
}
