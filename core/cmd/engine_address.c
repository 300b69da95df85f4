/* engine_address - see engine_address.h. */
#include "cmd/engine_address.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "client/dial.h"
#include "cmd/engine_key.h"

/* An engine that was started a moment ago needs some seconds, the first time for its cluster: it is waited for. */
static int find_on_target(const struct engine_options *options, struct engine_address *out, struct error *error)
{
	int64_t end = time_monotonic() + options->wait_ms * 1000;
	bool told = false;

	for (;;) {
		int code = target_engine(&options->target, &out->target, error);
		struct timespec nap = { .tv_nsec = 200000000 };

		if (code != E_NOT_READY || time_monotonic() >= end)
			return code;
		if (!told && isatty(STDERR_FILENO))
			fprintf(stderr, "%s; waiting for it\n", error->message);
		told = true;
		if (nanosleep(&nap, NULL))
			return code;
	}
}

void engine_trust(struct client_tls_options *tls, const struct target *target)
{
	tls->always = false;
	tls->pinned = target->pinned;
	memcpy(tls->pin, target->pin, sizeof(tls->pin));
}

int engine_find(const struct engine_options *options, struct engine_address *out, struct error *error)
{
	const char *at = options->to;
	int code;

	memset(out, 0, sizeof(*out));
	out->tls = options->tls;
	if (!at) {
		code = find_on_target(options, out, error);
		if (code)
			return code;
		engine_trust(&out->tls, &out->target);
		out->addresses = out->target.address;
		code = engine_key_find(options->key_file, out->target.key_file, out->key, error);
		if (code)
			engine_release(out);
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
	return engine_key_find(options->key_file, NULL, out->key, error);
}

void engine_release(struct engine_address *e)
{
	target_release(&e->target);
	explicit_bzero(e, sizeof(*e));
}
