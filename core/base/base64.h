/*
 * base64 - RFC 4648 section 4, with padding; strict on the way back: what base64_add would not have written is refused.
 */
#ifndef VERBATIM_BASE_BASE64_H
#define VERBATIM_BASE_BASE64_H

#include "base/bytes.h"

/* Appends the text of `len` bytes. */
void base64_add(struct buffer *out, const void *data, size_t len);

/* Exactly `len` bytes from their one text; false when it is not that. */
bool base64_decode(struct bytes text, void *out, size_t len);

#endif
