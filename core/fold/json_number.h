/*
 * json_number - a JSON number's value in one form, whatever its writing: 1.50, 15e-1 and 1.5 are the same.
 *
 * Payloads hold what ECMAScript prints, jsonb gives back what numeric prints; read models compare them by value.
 */
#ifndef VERBATIM_FOLD_JSON_NUMBER_H
#define VERBATIM_FOLD_JSON_NUMBER_H

#include "base/bytes.h"

/* Digits without zeros at either end, and the power of ten of the first one: 0.0125 is 125, -2.  Zero has no digits. */
struct json_number {
	char digits[40]; /* a double needs 17 */
	int count, power;
	bool minus;
};

bool json_number_is(struct bytes raw); /* by its first character */
void json_number_read(struct bytes raw, struct json_number *out);
bool json_number_same(struct bytes a, struct bytes b);

#endif
