/*
 * path - where in a payload a check stands, kept as links on the stack and written out only when it fails.
 */
#ifndef VERBATIM_EVENT_PATH_H
#define VERBATIM_EVENT_PATH_H

#include "base/bytes.h"
#include "base/error.h"

struct path {
	const struct path *parent;
	struct bytes name; /* of a member; absent for an element of a list */
	size_t index;      /* of the element, from 0 */
};

enum { QUOTE_BYTES = 64 };

/* error_field with the path written out: "payload.items.2.name". */
int path_error(const struct path *path, struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Something a stranger sent, fit for a message: cut to some 50 bytes, printable ASCII only; returns `out`. */
char *quote(struct bytes text, char out[QUOTE_BYTES]);

#endif
