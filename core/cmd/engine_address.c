/* engine_address - see engine_address.h. */
#include "cmd/engine_address.h"

#include <string.h>

#include "client/dial.h"

int engine_find(const struct engine_options *options, struct engine_address *out, struct error *error)
{
	const char *at = options->to;
	int code;

	memset(out, 0, sizeof(*out));
	if (!at) {
		code = target_engine(&options->target, &out->target, error);
		out->addresses = code ? NULL : out->target.address;
		return code;
	}
	for (;;) {
		size_t len = strcspn(at, ",");

		code = dial_check(bytes_of(at, len), error);
		if (code)
			return error_prefix(error, "--to");
		if (!at[len])
			break;
		at += len + 1;
	}
	out->addresses = options->to;
	return 0;
}

void engine_release(struct engine_address *e)
{
	target_release(&e->target);
	memset(e, 0, sizeof(*e));
}
