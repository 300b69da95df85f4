/*
 * row_json - a row's columns as JSON: what a person or a program is shown of a read model that is only in memory.
 *
 * uuids, times, texts and enum words are strings, integers and decimals numbers (a decimal with as many digits as its
 * scale has), lists and JSON themselves, what is absent null.  The bytes depend on the row alone.
 */
#ifndef VERBATIM_FOLD_ROW_JSON_H
#define VERBATIM_FOLD_ROW_JSON_H

#include "fold/projection.h"

/* Appends the column's value. */
void row_json_column(const struct row *row, const struct column *c, struct buffer *out);

/* Appends {"tenant_id":...,"id":...,"last_position":..., then the columns that are not hidden}. */
void row_json(const struct row *row, struct buffer *out);

/* Whether the column holds the same in both; `a` may be NULL, which holds null. */
bool row_same(const struct row *a, const struct row *b, const struct column *c);

bool row_is_null(const struct row *row, const struct column *c);

#endif
