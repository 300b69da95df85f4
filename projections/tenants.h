/*
 * tenants - what other folds of the group may ask about the event's own tenant.
 */
#ifndef VERBATIM_PROJECTIONS_TENANTS_H
#define VERBATIM_PROJECTIONS_TENANTS_H

#include "fold/state.h"

/* The JSON value of a member of `settings`, or absent.  The fold's entry says .refs = ENTITY_TENANT. */
struct bytes tenant_setting(struct fold *f, const char *name);

/* The zone whose days its reports count by; needs the same. */
struct bytes tenant_time_zone(struct fold *f);

#endif
