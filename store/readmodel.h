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
 * A group's read models share one generation number, as they share one checkpoint; a table may serve several of them,
 * one after the other (schema/log, create_rebuild).  When one of them comes in a new version (or is new, or gone), the
 * group gets a fresh generation, every table anew: its checkpoint is 0, workers fold
 * it from position 1, and the views show the old generation until the engines switch (core/engine/switcher.h).  A
 * group that has not projected anything yet is switched at once.  A generation that was begun and never shown is
 * gone on with by the next start of its versions, or swept away when a newer one stands beside it; one that was
 * shown is kept until somebody drops it.
 *
 * A binary older than what answers folds its own generation on, if that is still there, and changes nothing else;
 * if it is not, it is refused.
 *
 * What a view shows, and how a switch goes, is SQL (schema/log, create_switch and create_hide_view): engines that may
 * not change the schema call it.  Indexes belong to no version: those that the read model lists are made, those that it
 * lists no more are dropped.
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
 * Makes what is missing, then runs those of `files` (NULL: none) whose name begins with "read/" and whose text is
 * not the one that was run last, in their order; when a generation is still to be shown, the switch runs them.
 * E_SCHEMA_DIFFERS (field = "table.column") when a table at the same version is another, or when a new version
 * gives a column a type that its view cannot show; E_MIGRATION (older than what answers), E_UNAVAILABLE otherwise.
 */
int readmodel_prepare_groups(PGconn *owner, const struct group *const *list, int count,
			     const struct schema_file *files, struct error *error) must_check;

/*
 * Makes the views show this generation of the group, whatever it holds, and waits some seconds for readers that stand
 * in the way.  E_NOT_FOUND when it is not there, E_BUSY when the readers or another engine did not give way.
 */
int readmodel_switch(PGconn *owner, const struct group *group, int generation, struct error *error) must_check;

/* Drops the tables of a generation that nobody sees; E_BUSY while an engine folds it, E_NOT_FOUND, E_MIGRATION when it answers. */
int readmodel_drop(PGconn *owner, const struct group *group, int generation, struct error *error) must_check;

/* All groups of this binary, and schema/read. */
static inline int readmodel_prepare(PGconn *owner, struct error *error)
{
	return readmodel_prepare_groups(owner, groups, group_count, schema_files, error);
}

#endif
