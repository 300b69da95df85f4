/* version - `verbatim version`: which build this is. */
#include <stdio.h>

#include "cmd/command.h"

#ifndef VERBATIM_VERSION
#define VERBATIM_VERSION "unknown"
#endif

struct version_options {
	bool json;
};

static const struct option options[] = {
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct version_options, json), .help = "as one JSON object" },
	{ .name = NULL },
};

static int run(const struct arguments *args, struct error *error)
{
	const struct version_options *o = args->options;

#ifdef __clang__
	const char *compiler = "clang " __clang_version__;
#else
	const char *compiler = "gcc " __VERSION__;
#endif
	if (args->count)
		return error_set(error, E_USAGE, "version takes no words");
	if (o->json)
		printf("{\"name\": \"verbatim\", \"version\": \"%s\", \"protocol\": 1, \"compiler\": \"%s\"}\n", VERBATIM_VERSION,
		       compiler);
	else
		printf("verbatim %s (protocol 1, %s)\n", VERBATIM_VERSION, compiler);
	return 0;
}

const struct command version_command = {
	.name = "version",
	.usage = "version [--json]",
	.brief = "print the version",
	.help = "The version of this binary, the version of the wire protocol it speaks, and its compiler.\n"
		"\n"
		"  verbatim version --json",
	.options = options, .options_bytes = sizeof(struct version_options), .run = run,
};
