/*
 * inputs - which read models must be folded together, so that some of them come out as in their whole group.
 *
 * A read model names those whose folds it looks at, is told facts by, or is written by (projection.h, `needs`); one that
 * has no folds of its own and names nobody is fed by all.  What these need is needed as well.  Who only leaves a mark of
 * its own in a read model's rows (`marked_by`) is needed for those rows, not for others that look at them.
 */
#ifndef VERBATIM_FOLD_INPUTS_H
#define VERBATIM_FOLD_INPUTS_H

#include "fold/projection.h"

/* A group of those read models, in the whole group's order and under its name; lives as long as the process.  Thread-safe. */
const struct group *group_inputs(const struct group *group, const struct projection *const *wanted, int count);

#endif
