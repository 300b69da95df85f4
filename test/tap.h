/*
 * tap - the Test Anything Protocol in one header, for `prove`.
 *
 * A test program is a list of cases that call ok() and friends; `return tap_done();` prints the plan and gives
 * the exit status.  A failing check prints file, line and both values, and the program goes on.
 */
#ifndef VERBATIM_TEST_TAP_H
#define VERBATIM_TEST_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool tap_ok(bool pass, const char *file, int line,
								const char *format, ...)
{
	char name[512];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	for (char *p = name; *p; p++)
		if (*p == '#' || *p == '\n')
			*p = ' ';
	printf("%sok %d - %s\n", pass ? "" : "not ", ++tap_count, name);
	if (!pass) {
		tap_failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return pass;
}

#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((unused)) static bool tap_is_int(int64_t got, int64_t want, const char *file, int line, const char *name)
{
	bool pass = tap_ok(got == want, file, line, "%s", name);

	if (!pass)
		printf("#   got %" PRId64 ", want %" PRId64 "\n", got, want);
	return pass;
}
#define is_int(got, want, name) tap_is_int((got), (want), __FILE__, __LINE__, (name))

__attribute__((unused)) static bool tap_is_text(const char *got, const char *want, const char *file, int line,
					       const char *name)
{
	bool pass = tap_ok(got && want && strcmp(got, want) == 0, file, line, "%s", name);

	if (!pass)
		printf("#   got  '%s'\n#   want '%s'\n", got ? got : "(null)", want ? want : "(null)");
	return pass;
}
#define is_text(got, want, name) tap_is_text((got), (want), __FILE__, __LINE__, (name))

__attribute__((format(printf, 1, 2), unused)) static void note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
