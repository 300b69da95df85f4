/* number - the text of numbers in canonical JSON, and decimals read from it exactly. */
#ifndef VERBATIM_EVENT_NUMBER_H
#define VERBATIM_EVENT_NUMBER_H

#include "base/bytes.h"

#define NUMBER_INT_MAX 9007199254740991LL /* 2^53 - 1: beyond it doubles skip integers (RFC 7493 section 2.2) */

enum { NUMBER_TEXT = 32 }; /* room for any number's text */

/* Decimal digits of an integer at `out`, which has room for NUMBER_TEXT; returns the end. */
char *number_put_int(int64_t v, char *out);

/* As ECMAScript's Number::toString; returns the end. */
char *number_put_double(double v, char *out);

enum number_fit { NUMBER_FITS, NUMBER_FINER, NUMBER_TOO_BIG, NUMBER_NONE };

/* A JSON number's text times 10^scale, exactly; NUMBER_FINER when digits would be lost, NUMBER_NONE when it is no number. */
enum number_fit number_decimal(struct bytes text, int scale, int64_t *out);

#endif
