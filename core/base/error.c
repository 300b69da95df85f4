/* error - see error.h. */
#include "base/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct error_entry table[] = {
#define X(symbol, name, class, exit, text) { name, CLASS_##class, exit, text },
	ERROR_TABLE(X)
#undef X
};

const struct error_entry *error_get(int code)
{
	assert(code < 0 && code >= -(int)ERROR_COUNT);
	return &table[-code - 1];
}

const char *error_name(int code)
{
	return code == 0 ? "ok" : error_get(code)->name;
}

const char *error_class_name(int code)
{
	static const char *const names[] = { "caller", "retry", "fatal" };

	return names[error_get(code)->class];
}

int error_find(const char *name, size_t len)
{
	for (int i = 0; i < (int)ERROR_COUNT; i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return -(i + 1);
	return 0;
}

void error_clear(struct error *e)
{
	memset(e, 0, sizeof(*e));
	e->index = -1;
}

__attribute__((format(printf, 4, 0))) static int set(struct error *e, int code, const char *field, const char *format,
						      va_list args)
{
	assert(code < 0);
	if (!e)
		return code;
	error_clear(e);
	e->code = code;
	snprintf(e->field, sizeof(e->field), "%s", field);
	vsnprintf(e->message, sizeof(e->message), format, args);
	return code;
}

int error_set(struct error *e, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(e, code, "", format, args);
	va_end(args);
	return code;
}

int error_field(struct error *e, int code, const char *field, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(e, code, field, format, args);
	va_end(args);
	return code;
}

int error_prefix(struct error *e, const char *format, ...)
{
	char text[sizeof(e->message)];
	size_t n, rest = strlen(e->message);
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text) - 2, format, args);
	va_end(args);
	n = strlen(text);
	memcpy(text + n, ": ", 2);
	n += 2;
	if (rest > sizeof(text) - n - 1)
		rest = sizeof(text) - n - 1; /* the end is cut, not the beginning */
	memcpy(text + n, e->message, rest);
	text[n + rest] = 0;
	memcpy(e->message, text, sizeof(text));
	return e->code;
}
