/* readmodel_check - a read model's table as it is, against its column table.  Part of readmodel. */
#ifndef VERBATIM_STORE_READMODEL_CHECK_H
#define VERBATIM_STORE_READMODEL_CHECK_H

#include <libpq-fe.h>

#include "base/error.h"
#include "fold/projection.h"

/* Runs one or more statements; the last one's result goes to *out (may be NULL), to be cleared by the caller. */
int readmodel_run(PGconn *c, struct error *error, const char *sql, PGresult **out) must_check;
int readmodel_result(PGconn *c, struct error *error, PGresult *r, PGresult **out) must_check; /* takes r, or gives it on */
int readmodel_runf(PGconn *c, struct error *error, PGresult **out, const char *format, ...)
	__attribute__((format(printf, 4, 5), warn_unused_result));

/* E_SCHEMA_DIFFERS with field = "table.column". */
int readmodel_check(PGconn *c, const struct projection *p, const char *table, struct error *error) must_check;

#endif
