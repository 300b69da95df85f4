/*
 * json - reading JSON text in place: the scanners behind json_check and the JSON to MessagePack direction.
 *
 * All of them are bounded by `end` and strict: RFC 8259, and of RFC 7493 (I-JSON) that strings are Unicode
 * without lone surrogates; NUL is refused too, as PostgreSQL's text cannot hold it.
 */
#ifndef VERBATIM_EVENT_JSON_H
#define VERBATIM_EVENT_JSON_H

#include "base/bytes.h"

enum { JSON_DEPTH_MAX = 64 };

/* The first byte that is not white space, or `end`. */
const char *json_skip_space(const char *p, const char *end);

/* `p` stands behind an opening quote; returns where the closing one is, or NULL.  `escaped` tells whether a backslash came. */
const char *json_scan_string(const char *p, const char *end, bool *escaped);

/* Returns the end of the number at `p`, or NULL; `integer` when it has neither fraction nor exponent. */
const char *json_scan_number(const char *p, const char *end, bool *integer);

/* Returns the end of the value at `p`, of at most `depth` (up to JSON_DEPTH_MAX) levels, or NULL. */
const char *json_scan_value(const char *p, const char *end, int depth);

/* A member's name: `p` stands at its opening quote; gives the raw name and returns where the value begins, or NULL. */
const char *json_scan_key(const char *p, const char *end, struct bytes *key);

/* Writes what a scanned string means; `out` has room for `len`.  Returns the length. */
size_t json_unescape(const char *text, size_t len, char *out);

#endif
