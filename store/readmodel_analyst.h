/* readmodel_analyst - what analysts see of a read model.  Part of readmodel. */
#ifndef VERBATIM_STORE_READMODEL_ANALYST_H
#define VERBATIM_STORE_READMODEL_ANALYST_H

#include <libpq-fe.h>

#include "base/error.h"
#include "fold/projection.h"

/* Lets analysts read the table's columns that are not withheld, and no others. */
int readmodel_open_table(PGconn *c, const struct projection *p, const char *table, struct error *error) must_check;

/* Makes analyst.NAME show them, unless it does already; the full view is theirs as well where nothing is withheld. */
int readmodel_show_analysts(PGconn *c, const struct projection *p, const char *table, struct error *error) must_check;

#endif
