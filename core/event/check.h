/*
 * check - values against the catalog: the door every payload goes through, and its canonical text on the way.
 *
 * Fields are written in canonical order whatever order they came in.  uuids become lower case and times six
 * digits and Z; null in an optional field means absent.
 */
#ifndef VERBATIM_EVENT_CHECK_H
#define VERBATIM_EVENT_CHECK_H

#include <msgpack.h>

#include "base/time.h"
#include "base/uuid.h"
#include "event/catalog.h"
#include "event/path.h"

/* What fields marked `context` say about the envelope; nil where they are silent. */
struct check_context {
	struct uuid conversation_id;
	struct uuid customer_id;
	struct uuid resolution_id;
	bool any_of; /* a field marked `any_of` is there */
};

/* Appends the payload's canonical text to `out`.  E_INVALID or E_TOO_LARGE with the field's path below "payload". */
int check_payload(const msgpack_object *payload, const struct field *fields, int depth, struct buffer *out,
		  struct check_context *context, struct error *error) must_check;

/* 16 bytes or text; not nil. */
int check_uuid(const msgpack_object *value, const struct path *path, struct uuid *out, struct error *error) must_check;

/* The timestamp extension or RFC 3339 text; finer than a microsecond is cut off. */
int check_time(const msgpack_object *value, const struct path *path, int64_t *out, struct error *error) must_check;

/* A string of UTF-8 without NUL, of min to max characters (max 0: no bound); borrows from `value`. */
int check_string(const msgpack_object *value, const struct path *path, int64_t min, int64_t max, struct bytes *out,
		 struct error *error) must_check;

/* An integer, or a float without a fraction, from min to max. */
int check_int(const msgpack_object *value, const struct path *path, int64_t min, int64_t max, int64_t *out,
	      struct error *error) must_check;

/* One of a NULL-terminated list; gives its index. */
int check_enum(const msgpack_object *value, const struct path *path, const char *const *values, int *out,
	       struct error *error) must_check;

#endif
