/* events - `verbatim events`: the catalog, for people and for programs; and the state machines. */
#include <string.h>

#include "base/bytes.h"
#include "base/term.h"
#include "cmd/command.h"
#include "event/catalog.h"
#include "rules/lifecycle.h"

struct events_options {
	const char *format;
	bool states;
};

static const char *const formats[] = { "text", "json", "markdown", NULL };

static const struct option options[] = {
	{ .name = "format", .kind = OPTION_ENUM, .offset = offsetof(struct events_options, format), .argument = "FORMAT",
	  .fallback = "text", .values = formats, .help = "how it is printed" },
	{ .name = "states", .kind = OPTION_FLAG, .offset = offsetof(struct events_options, states),
	  .help = "print the state machines instead: what each event does in each state" },
	{ .name = NULL },
};

/* All machines whose names begin with `prefix`. */
static void print_machines(struct buffer *out, const char *prefix)
{
	for (const struct machine *const *m = machines; *m; m++) {
		if (strncmp((*m)->name, prefix, strlen(prefix)) != 0)
			continue;
		if (out->len == 0)
			buffer_add_text(out, "A state's name: the event moves there.  = stays.  . a repeat, nothing to do.  "
					     "! does not fit, an anomaly.\n? decided by more than the table.\n");
		buffer_add_byte(out, '\n');
		machine_print(out, *m);
	}
}

static int run(const struct arguments *args, struct error *error)
{
	const struct events_options *o = args->options;
	enum catalog_format format = CATALOG_TEXT;
	struct buffer out = { 0 };
	int status = 0;

	if (args->count > 1)
		return error_set(error, E_USAGE, "one prefix at a time");
	while (strcmp(formats[format], o->format) != 0)
		format++;
	if (o->states && format != CATALOG_TEXT)
		return error_set(error, E_USAGE, "--states prints text only");
	catalog_init();
	if (o->states)
		print_machines(&out, args->count ? args->words[0] : "");
	else
		catalog_print(&out, format, args->count ? args->words[0] : "", term_has_colour(stdout));
	if (out.len == 0)
		status = error_set(error, E_NOT_FOUND, "no %s begins with '%s'", o->states ? "state machine" : "event type",
				   args->words[0]);
	else
		fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
	return status;
}

const struct command events_command = {
	.name = "events",
	.usage = "events [OPTION]... [PREFIX]",
	.brief = "print the catalog of event types and their fields",
	.help = "The single list of what may be appended: every type with its versions, its entity and the fields of its payload "
		"(type, required or not, limits, values, personal data). An event that does not fit is refused with the field and "
		"the reason. PREFIX narrows it to the types that begin so. With --states it prints the tables by which events move "
		"what they are about; what does not fit one leaves the row as it was and a row in core.anomalies.\n"
		"\n"
		"  verbatim events message.\n"
		"  verbatim events --states resolution\n"
		"  verbatim events --format json | jq '.[].name'\n"
		"  verbatim events --format markdown > EVENTS.md",
	.options = options, .options_bytes = sizeof(struct events_options), .run = run,
};
