/* path - see path.h. */
#include "event/path.h"

#include <stdio.h>

char *quote(struct bytes text, char out[QUOTE_BYTES])
{
	size_t n = 0;

	for (; n < text.len && n < QUOTE_BYTES - 4; n++) {
		char c = text.data[n];

		out[n] = c >= 0x20 && c < 0x7f && c != '\'' ? c : '?';
	}
	memcpy(out + n, n < text.len ? "..." : "", n < text.len ? 4 : 1);
	return out;
}

static size_t write_path(const struct path *path, char *out, size_t room)
{
	size_t n = path->parent ? write_path(path->parent, out, room) : 0;
	const char *dot = n ? "." : "";
	char text[QUOTE_BYTES];
	int more;

	if (path->name.data)
		more = snprintf(out + n, room - n, "%s%s", dot, quote(path->name, text));
	else
		more = snprintf(out + n, room - n, "%s%zu", dot, path->index);
	n += more > 0 ? (size_t)more : 0;
	return n < room ? n : room - 1;
}

int path_error(const struct path *path, struct error *error, int code, const char *format, ...)
{
	char field[sizeof(error->field)] = "", message[sizeof(error->message)];
	va_list args;

	if (path)
		write_path(path, field, sizeof(field));
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return error_field(error, code, field, "%s", message);
}
