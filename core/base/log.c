/* log - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = (int)level;
}

enum log_level log_get_level(void)
{
	return (enum log_level)threshold;
}

/* JSON string without its quotes; what does not fit is cut. */
static void escape(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 7 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = 0;
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const char *const colours[] = { "\033[2m", "", "\033[33m", "\033[31m" };
	char text[1024], line[2400], when[TIME_TEXT];
	va_list args;
	int n;

	if ((int)level < threshold || level >= LOG_SILENT)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	time_format(time_wall(), when);
	if (isatty(STDERR_FILENO)) {
		n = snprintf(line, sizeof(line), "\033[2m%.12s\033[0m %s%-5s %s: %s\033[0m\n", when + 11,
			     colours[level], names[level], part, text);
	} else {
		char escaped[2048];

		escape(text, escaped, sizeof(escaped));
		n = snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"part\":\"%s\",\"text\":\"%s\"}\n",
			     when, names[level], part, escaped);
	}
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		return; /* nobody listens; there is no second place to say so */
}
