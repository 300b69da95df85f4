/* scopes - which method a key's scopes allow, as one table: for the methods, `verbatim help scopes` and PROTOCOL.md. */
#ifndef VERBATIM_ENGINE_SCOPES_H
#define VERBATIM_ENGINE_SCOPES_H

#include <stdbool.h>

#include "base/bytes.h"

struct scope_rule {
	const char *method;
	unsigned scopes;   /* any of these will do; SCOPE_ADMIN always does */
	const char *words; /* what holds besides, or "" */
};

/* Ended by a NULL method; hello and ping need no scope. */
extern const struct scope_rule scope_rules[];

bool scope_allows(const char *method, unsigned scopes);

/* The table, as Markdown. */
void scopes_print(struct buffer *out);

#endif
