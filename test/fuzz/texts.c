/*
 * texts - small things people and programs write: times, uuids, decimals, and on a command line sizes, spans, moments and
 * patterns of event types.  What is read and written again is read as the same; what is taken lies within its bounds.
 */
#include "fuzz.h"

#include <string.h>

#include "base/option.h"
#include "base/time.h"
#include "base/uuid.h"
#include "cmd/replay.h"
#include "event/number.h"

/* How many of the first 16 bytes are hex digits. */
static int strspn16(const char *text)
{
	int n = 0;

	while (n < 16 && text[n] && strchr("0123456789abcdefABCDEF", text[n]))
		n++;
	return n;
}

/* What stands behind an option. */
static void command_line(const char *text, size_t len)
{
	static const struct option options[] = {
		{ .name = "size", .kind = OPTION_BYTES, .min = 1, .max = 1 << 30 }, { .name = "span", .kind = OPTION_TIME },
		{ .name = "number", .kind = OPTION_INT, .min = -5, .max = 5 },
	};
	struct texts patterns = { .items = &text, .count = 1 };
	struct error error;
	struct moment m;
	int64_t n;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		const struct option *o = &options[i];

		error_clear(&error);
		n = -7;
		if (option_set(o, "--it", E_USAGE, text, &n, &error))
			must(n == -7 && error.code == E_USAGE && error.message[0]);
		else
			must(o->max ? n >= o->min && n <= o->max : n >= 0);
	}
	error_clear(&error);
	if (moment_parse("at", text, &m, &error))
		must(error.code == E_USAGE && error.message[0]);
	else
		must(m.given == (len > 0) && (!m.given || m.position > 0 || (m.time >= TIME_MIN && m.time <= TIME_MAX)));
	must(type_fits(&patterns, bytes_of(text, len)));
	must(type_fits(&patterns, bytes_text("message.sent")) == (strcmp(text, "message.sent") == 0 ||
		(len > 0 && len <= 13 && text[len - 1] == '*' && strncmp(text, "message.sent", len - 1) == 0)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char time_text[TIME_TEXT], uuid_text[UUID_TEXT], number[NUMBER_TEXT];
	struct uuid u, u2;
	int64_t t, t2;
	struct arena arena;
	uint8_t raw[8];
	double d;

	arena_init(&arena, 256);
	if (!memchr(data, 0, size))
		command_line(arena_text(&arena, bytes_of(text, size)), size);
	arena_release(&arena);
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
