/*
 * reapply - the events that follow from a sla_policy.reapply of `all`.
 *
 * A fold knows of those conversations alone that an event names, so the engine finds out whom "all" are and journals
 * further sla_policy.reapply events that name them, some at a time, and a last one that names nobody.  The n-th of
 * them (from 1) has the event_id that follows from the asking event, a version 8 UUID of the SHA-256 of one line,
 *
 *     <tenant> <event_id of the asking event> reapply <n>
 *
 * with uuids in lower case, and the asking event as its cause: so each is in the log once, whoever journals it, and what
 * has been named is known from the log.
 */
#ifndef VERBATIM_RULES_REAPPLY_H
#define VERBATIM_RULES_REAPPLY_H

#include "base/uuid.h"

struct uuid reapply_id(const struct uuid *tenant_id, const struct uuid *asking, int64_t nth);

#endif
