/*
 * env_uv - the engine's time and timers on a libuv loop.
 */
#ifndef VERBATIM_ENGINE_ENV_UV_H
#define VERBATIM_ENGINE_ENV_UV_H

#include <uv.h>

#include "engine/env.h"

struct env_uv {
	struct env env;
	uv_loop_t *loop;
	int64_t shift; /* added to the wall clock; only builds for tests let the environment set it */
};

void env_uv_init(struct env_uv *e, uv_loop_t *loop);

#endif
