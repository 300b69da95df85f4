/*
 * texts - small things people and programs write: times, uuids, decimals, sizes.  What is read and written again is read
 * as the same.
 */
#include "fuzz.h"

#include <string.h>

#include "base/option.h"
#include "base/time.h"
#include "base/uuid.h"
#include "event/number.h"

/* How many of the first 16 bytes are hex digits. */
static int strspn16(const char *text)
{
	int n = 0;

	while (n < 16 && text[n] && strchr("0123456789abcdefABCDEF", text[n]))
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char time_text[TIME_TEXT], uuid_text[UUID_TEXT], number[NUMBER_TEXT];
	struct uuid u, u2;
	int64_t t, t2;
	uint8_t raw[8];
	double d;

	if (time_parse(text, size, &t)) {
		must(t >= TIME_MIN && t <= TIME_MAX);
		must(time_parse(time_format(t, time_text), 27, &t2) && t == t2);
		must(time_month_start(t) <= t && t < time_month_next(t));
	}
	if (uuid_parse(text, size, &u)) {
		uuid_format(&u, uuid_text);
		must(uuid_parse(uuid_text, strlen(uuid_text), &u2) && uuid_equal(&u, &u2));
	}
	for (int scale = 0; scale <= 9; scale += 3)
		if (number_decimal(bytes_of(text, size), scale, &t) == NUMBER_FITS)
			must(size > 0 && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')));
	if (size >= sizeof(d)) {
		memcpy(&d, data, sizeof(d));
		if (d == d && d - d == 0) {
			char *end = number_put_double(d, number);
			double back;

			must(end - number < NUMBER_TEXT);
			*end = 0;
			back = strtod(number, NULL);
			must(back == d);
		}
		if (size >= 16)
			must(hex_decode(text, 16, raw, sizeof(raw)) == (strspn16(text) == 16));
	}
	return 0;
}
