/*
 * fields - the payload as the folds read it: one pass over the canonical text, values by name.
 *
 * This is the one read path: live, rebuild and replay all come through fields_decode, which lifts an old
 * version to the newest with the catalog's upcasters before anything is read.
 *
 * Values stay slices of the payload until they are asked for.  A name that the type's newest shape does not
 * have is a bug and asserted; a field that is absent gives NULL data, nil, TIME_NONE or the given default.
 */
#ifndef VERBATIM_EVENT_FIELDS_H
#define VERBATIM_EVENT_FIELDS_H

#include "base/arena.h"
#include "event/event.h"

struct field_index;

struct fields {
	const struct event_type *type;
	const struct field_index *index;          /* of the type's newest shape */
	struct arena *arena;                      /* for unescaped strings and lifted payloads */
	struct bytes values[CATALOG_FIELDS_MAX];  /* by the shape's field order; raw JSON text */
};

/* E_INVALID when the payload is not canonical JSON of the shape (a row nobody here wrote). type must be known. */
int fields_decode(const struct event *e, struct arena *arena, struct fields *out, struct error *error) must_check;

/* The values alone, for whoever reads the same event again: copied into `arena`; they point where the fields' do. */
struct bytes *fields_keep(const struct fields *f, struct arena *arena);

/* The fields of an event whose values were kept. */
void fields_take(const struct event *e, const struct bytes *values, struct arena *arena, struct fields *out);

bool field_has(const struct fields *f, const char *name);   /* there and not null */
struct bytes field_raw(const struct fields *f, const char *name); /* JSON text */
struct bytes field_text(const struct fields *f, const char *name); /* of STRING, ENUM: unescaped */
int field_enum(const struct fields *f, const char *name);   /* index in the field's values, -1 when absent */
struct uuid field_uuid(const struct fields *f, const char *name);
int64_t field_int(const struct fields *f, const char *name, int64_t fallback);
int64_t field_decimal(const struct fields *f, const char *name, int64_t fallback); /* times 10^scale */
bool field_bool(const struct fields *f, const char *name, bool fallback);
int64_t field_time(const struct fields *f, const char *name);

/*
 * Walks over canonical JSON text, trusting its form (it was checked at the door or by fields_decode).
 * json_next gives the next member of an object or element of an array: start with *at = 0; false at the end.
 * `key` is unescaped raw text between the quotes (members of payloads have plain names) or empty for arrays.
 */
bool json_next(struct bytes container, size_t *at, struct bytes *key, struct bytes *value);
struct bytes json_member(struct bytes object, const char *name); /* raw value or absent */
struct bytes json_string(struct bytes raw, struct arena *arena); /* unescaped; absent unless a string */
bool json_is_null(struct bytes raw);

/* Strict check that `text` is one JSON value (RFC 8259, without lone surrogates and NUL) of at most `depth` levels (up to 64); for rows read from a database. */
bool json_check(struct bytes text, int depth);

#endif
