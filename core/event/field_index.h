/*
 * field_index - a list of fields made ready for reading: names in UTF-16 order, and a small hash of them.
 *
 * Made the first time a list is asked for and kept for the life of the process, so the catalog's tables can
 * stay in the order their authors like.  Thread-safe without locks: the index is published whole.
 */
#ifndef VERBATIM_EVENT_FIELD_INDEX_H
#define VERBATIM_EVENT_FIELD_INDEX_H

#include "event/catalog.h"

enum { FIELD_SLOTS = 128 };

struct field_index {
	const struct field *fields;
	int count;
	uint8_t order[CATALOG_FIELDS_MAX];         /* field numbers, by name */
	struct bytes names[CATALOG_FIELDS_MAX];    /* by field number */
	struct bytes members[CATALOG_FIELDS_MAX];  /* `"name":`, by field number */
	uint8_t slots[FIELD_SLOTS];                /* field number + 1 */
};

/* `fields` is static, ended by a NULL name, its names plain (nothing to escape), at most CATALOG_FIELDS_MAX. */
const struct field_index *field_index_get(const struct field *fields);

/* The number of the field with this name, or -1. */
int field_index_find(const struct field_index *index, struct bytes name);

#endif
