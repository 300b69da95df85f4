/*
 * readmodel - the read models' tables in the database: made, compared, registered, shown.
 *
 * Blocking, on a connection whose login is a member of verbatim_owner (the one that migrates); run after the
 * log's migrations, at `migrate up` and at the start of an engine.  Everything happens in one transaction
 * under one lock: two engines that start together do it one after the other, and a killed one leaves nothing.
 *
 *     generations.core_conversations_v1_g1     the rows; what the engine writes
 *     core.conversations                       a view over the active generation; what people read
 *     verbatim.generation                      which is which
 *
 * A group's read models share one generation number, as they share one checkpoint.  When one of them comes in a
 * new version (or is new), the group gets a fresh generation, every table anew: its checkpoint is 0, workers fold
 * it from position 1, and the views show the old generation until readmodel_switch.  A group that has not
 * projected anything yet is switched at once.
 *
 * Identifiers and types come from the projections' static tables alone; nothing here is made from input.
 */
#ifndef VERBATIM_STORE_READMODEL_H
#define VERBATIM_STORE_READMODEL_H

#include <libpq-fe.h>

#include "base/error.h"
#include "fold/projection.h"
#include "store/schema.h"

/*
 * Makes what is missing, then runs those of `files` (NULL: none) whose name begins with "read/", in their order;
 * they are run each time and must bear it.  E_SCHEMA_DIFFERS (field = "table.column") when a table at the same
 * version is another; E_MIGRATION, E_UNAVAILABLE otherwise.
 */
int readmodel_prepare_groups(PGconn *owner, const struct group *const *list, int count,
			     const struct schema_file *files, struct error *error) must_check;

/* Makes the views show this generation of the group; E_NOT_FOUND when it is not there. */
int readmodel_switch(PGconn *owner, const struct group *group, int generation, struct error *error) must_check;

/* All groups of this binary, and schema/read. */
static inline int readmodel_prepare(PGconn *owner, struct error *error)
{
	return readmodel_prepare_groups(owner, groups, group_count, schema_files, error);
}

#endif
