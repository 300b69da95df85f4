/*
 * row_schema - read models' tables in a schema of somebody's own, in the log's database or another: plain tables for plain
 * SQL, with the read models' columns, keys and indexes, without views, generations and row security.
 *
 * Blocking, on db.h's sessions.  Rows go in by row_copy (row_copy_set_schema).
 */
#ifndef VERBATIM_STORE_ROW_SCHEMA_H
#define VERBATIM_STORE_ROW_SCHEMA_H

#include "base/error.h"
#include "fold/projection.h"
#include "store/db.h"

/* Whether it can be a schema's name as it stands: a lower-case letter, then letters, digits and _, at most 63; not pg_... */
bool row_schema_fits(const char *name);

/* Makes the schema and the tables of all groups.  E_EXISTS when there is such a schema. */
int row_schema_make(struct pg_conn *c, const char *schema, struct error *error) must_check;

/* Key, indexes and statistics of one table, once its rows are in. */
int row_schema_index(struct pg_conn *c, const char *schema, const struct projection *p, struct error *error) must_check;

int row_schema_drop(struct pg_conn *c, const char *schema, struct error *error) must_check;

#endif
