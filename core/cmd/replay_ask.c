/* replay_ask - what was asked for: the subject, the moments, the form; see replay.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cmd/replay.h"

int moment_parse(const char *option, const char *text, struct moment *out, struct error *error)
{
	static const char *const endings[] = { "", "Z", ":00Z", "T23:59:59.999999Z" };
	char full[64];

	memset(out, 0, sizeof(*out));
	if (!text || !*text)
		return 0;
	out->given = true;
	if (strspn(text, "0123456789") == strlen(text) && strlen(text) < 19) {
		out->position = strtoll(text, NULL, 10);
		if (out->position > 0)
			return 0;
	}
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		int n = snprintf(full, sizeof(full), "%s%s", text, endings[i]);

		if (n < (int)sizeof(full) && time_parse(full, (size_t)n, &out->time))
			return 0;
	}
	return error_set(error, E_USAGE, "--%s '%s': neither a position nor a time like 2026-03-03T10:00:00Z or "
			 "2026-03-03", option, text);
}

bool type_fits(const struct texts *patterns, struct bytes type)
{
	for (int i = 0; i < patterns->count; i++) {
		size_t len = strlen(patterns->items[i]);
		bool open = len && patterns->items[i][len - 1] == '*';

		if (open ? type.len >= len - 1 && memcmp(type.data, patterns->items[i], len - 1) == 0
		    : bytes_is(type, patterns->items[i]))
			return true;
	}
	return patterns->count == 0;
}

static int parse_id(const char *option, const char *text, struct uuid *out, struct error *error)
{
	if (!uuid_parse(text, strlen(text), out) || uuid_is_nil(out))
		return error_set(error, E_USAGE, "--%s '%s': not a uuid", option, text);
	return 0;
}

static int parse_subject(struct replay *r, struct error *error)
{
	const struct replay_options *o = r->options;
	const char *const texts[] = {
		[SUBJECT_CONVERSATION] = o->conversation, [SUBJECT_CUSTOMER] = o->customer, [SUBJECT_RESOLUTION] = o->resolution,
		[SUBJECT_AGENT] = o->agent, [SUBJECT_CORRELATION] = o->correlation, [SUBJECT_ENTITY] = o->entity,
	};

	for (int k = SUBJECT_CONVERSATION; k <= SUBJECT_ENTITY; k++) {
		if (!texts[k])
			continue;
		if (r->has_subject)
			return error_set(error, E_USAGE, "one thing at a time: --%s or --%s",
					 subject_name(r->subject.kind), subject_name((enum subject_kind)k));
		r->has_subject = true;
		r->subject.kind = (enum subject_kind)k;
		r->id = texts[k];
	}
	return r->has_subject ? parse_id(subject_name(r->subject.kind), r->id, &r->subject.id, error) : 0;
}

/* --diff A..B, --diff A,B or --diff A B */
static int parse_diff(struct replay *r, const struct arguments *args, struct error *error)
{
	const char *text = r->options->diff, *dots = strstr(text, ".."), *split = dots ? dots : strchr(text, ',');
	const char *second = split ? split + (dots ? 2 : 1) : args->count == 1 ? args->words[0] : "";
	int status;

	snprintf(r->diff_from, sizeof(r->diff_from), "%.*s", split ? (int)(split - text) : (int)strlen(text), text);
	snprintf(r->diff_to, sizeof(r->diff_to), "%s", second);
	if (!*r->diff_from || !*r->diff_to)
		return error_set(error, E_USAGE, "--diff '%s': one moment, and it takes two with .. between them, times or positions: "
				 "--diff 2026-03-03..2026-03-04, or --diff 1040..1052", text);
	status = moment_parse("diff", r->diff_from, &r->since, error);
	return status ? status : moment_parse("diff", r->diff_to, &r->at, error);
}

int replay_parse(struct replay *r, const struct arguments *args, struct error *error)
{
	const struct replay_options *o = r->options;
	int status = parse_subject(r, error);

	if (!status && o->tenant)
		status = parse_id("tenant", o->tenant, &r->subject.tenant_id, error);
	if (!status && o->diff)
		status = parse_diff(r, args, error);
	else if (!status && args->count)
		status = error_set(error, E_USAGE, "'%s' is one word too many; say --conversation, --customer, ...",
				   args->words[0]);
	if (!status && o->at)
		status = moment_parse("at", o->at, &r->at, error);
	if (!status && o->as_happened)
		status = moment_parse("as-happened", o->as_happened, &r->as_happened, error);
	if (!status && r->as_happened.position)
		status = error_set(error, E_USAGE, "--as-happened takes a time: positions tell when something was "
				   "recorded, see --at");
	if (!status && o->into && (r->has_subject || r->at.position || o->as_happened || o->diff || o->from || o->until || o->types.count))
		status = error_set(error, E_USAGE, "--into takes --at TIME, and --tenant or nobody: positions are of one shard, and it is about "
				   "all of them");
	if (!status && o->into)
		return 0;
	if (!status && !r->has_subject && (o->at || o->as_happened || o->diff || o->show || o->step))
		status = error_set(error, E_USAGE, "say of what: --conversation, --customer, --resolution, --agent, "
				   "--correlation or --entity");
	if (!status && r->has_subject && (o->from || o->until || o->types.count))
		status = error_set(error, E_USAGE, "--from, --until and --type are for the log itself; a subject is "
				   "shown --at a moment, or by --diff");
	return status;
}

enum out_format replay_format(const struct replay *r)
{
	for (int i = 0; r->options->format && out_formats[i]; i++)
		if (strcmp(out_formats[i], r->options->format) == 0)
			return !r->has_subject && i == OUT_TABLE ? OUT_NDJSON : (enum out_format)i;
	return r->has_subject ? OUT_TABLE : OUT_NDJSON;
}

