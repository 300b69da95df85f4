/*
 * sla_work - the folds of a resolution's own clock; see sla_work.c.
 */
#ifndef VERBATIM_PROJECTIONS_SLA_WORK_H
#define VERBATIM_PROJECTIONS_SLA_WORK_H

#include "projections/resolutions.h"
#include "projections/sla_clocks.h"

int sla_on_resolution(struct fold *f, const struct event *e);
int sla_on_resolution_reapply(struct fold *f, const struct event *e);

/* The rows that they need. */
void sla_foresee_work(struct wish *w, const struct event *e);

#endif
