/*
 * metrics - the engine's figures as Prometheus reads them, and whether it is alive and ready.
 *
 * One table gives name, type, words and where the figure comes from; /metrics, `verbatim help metrics` and the tests
 * read it.  Units are the base ones: seconds, bytes.  Everything is read on the loop's thread; what the workers'
 * threads own comes through their views.
 *
 * Source: Prometheus, "Exposition formats", text format 0.0.4; "Metric and label naming".
 */
#ifndef VERBATIM_ENGINE_METRICS_H
#define VERBATIM_ENGINE_METRICS_H

#include "base/bytes.h"

struct engine;

/* http_answer_fn; `engine` is a struct engine.  /metrics, /healthz, /readyz; 404 with a list of these for all else. */
int metrics_answer(void *engine, const char *path, struct buffer *body, const char **type);

/* Each second, on the loop's thread: notes which workers have nothing left to fold. */
void metrics_sweep(struct engine *e);

/* The table, for people: name, type, words. */
struct metric_name {
	const char *name, *type, *help;
};
int metrics_list(const struct metric_name **list);

#endif
