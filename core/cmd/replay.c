/*
 * replay - `verbatim replay`: how something came about, what was known at a moment, the log itself; for people who must
 * answer for it.
 *
 *   which log, who asks --> journaled (in a thread) --+
 *                     \--> events --> folds --> checks +--> shown
 *
 * Nothing here can write but the journal's event: the session is read-only, and the folds have no way out.
 */
#include "cmd/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/warm.h"
#include "event/canonical.h"

enum { TENANTS_SHOWN = 5 };

/* ---- who asks, and of which tenant ---- */

static int find_tenant(struct replay *r, struct error *error)
{
	enum find_by by = r->subject.kind == SUBJECT_CONVERSATION ? FIND_CONVERSATION : r->subject.kind == SUBJECT_RESOLUTION ? FIND_RESOLUTION
															  : FIND_ENTITY;
	struct uuid tenants[TENANTS_SHOWN];
	char text[UUID_TEXT], other[UUID_TEXT];
	int count, status;

	if (r->about.bound)
		return error_set(error, E_USAGE, "say --tenant: login '%s' reads the tenants it is bound to, one at a "
				 "time", r->about.login);
	if (r->subject.kind == SUBJECT_CORRELATION)
		return error_set(error, E_USAGE, "say --tenant: a correlation id is found within a tenant");
	status = log_find_tenants(r->log, by, &r->subject.id, tenants, TENANTS_SHOWN, &count, error);
	if (status)
		return status;
	if (count == 0)
		return error_set(error, E_NOT_FOUND, "no event of any tenant is about %s '%s'%s",
				 subject_name(r->subject.kind), r->id,
				 by == FIND_ENTITY ? "; if it is a part of a conversation, say --tenant" : "");
	if (count > 1)
		return error_set(error, E_USAGE, "more than one tenant has '%s': say --tenant %s or %s%s", r->id,
				 uuid_format(&tenants[0], text),
				 uuid_format(&tenants[1], other), count > 2 ? ", ..." : "");
	r->subject.tenant_id = tenants[0];
	return 0;
}

static void start_record(struct replay *r)
{
	const struct replay_options *o = r->options;
	const struct {
		const char *name, *text;
	} scope[] = {
		{ "at", o->at }, { "as_happened", o->as_happened }, { "diff_from", r->diff_from }, { "diff_to", r->diff_to },
		{ "into", o->into ? "a schema" : NULL }, { "from", o->from }, { "until", o->until }, { "show", o->show }, { "format", out_formats[replay_format(r)] },
	};
	struct buffer text = { 0 };

	buffer_add_byte(&text, '{');
	for (size_t i = 0; i < sizeof(scope) / sizeof(*scope); i++) {
		if (!scope[i].text || !*scope[i].text)
			continue;
		buffer_printf(&text, "%s\"%s\":", text.len > 1 ? "," : "", scope[i].name);
		canonical_string(bytes_text(scope[i].text), &text);
	}
	for (int i = 0; i < o->types.count; i++) {
		buffer_add_text(&text, i ? "," : ",\"types\":[");
		canonical_string(bytes_text(o->types.items[i]), &text);
	}
	buffer_add_text(&text, o->types.count ? "]}" : "}");
	r->record = record_start(&r->target, &o->engine,
				 &(struct access){ .action = "replay",
						   .resource_type = r->has_subject ? subject_name(r->subject.kind) : "log",
						   .resource_id = r->id ? r->id : "", .actor = r->about.login, .purpose = o->reason ? o->reason : "",
						   .tenant_id = r->subject.tenant_id, .scope = buffer_bytes(&text) });
	buffer_release(&text);
}

static int join_record(struct replay *r, struct error *error)
{
	struct record *record = r->record;

	r->record = NULL;
	return record_finish(record, error);
}

/* ---- the order of things ---- */

static int open_log(struct replay *r, struct error *error)
{
	int status = target_database(&r->options->engine.target, false, &r->target, error);

	if (!status)
		status = log_find_open(r->target.conninfo, "verbatim replay", &r->subject.tenant_id, &r->log,
				       &r->about, error);
	return status ? status : record_may(&r->options->engine, r->about.appends, r->about.login, error);
}

static int replay_subject(struct replay *r, struct error *error)
{
	struct error late;
	int status = uuid_is_nil(&r->subject.tenant_id) ? find_tenant(r, error) : 0, journaled;

	start_record(r);
	r->shard = (int16_t)event_shard(&r->subject.tenant_id, r->about.shards);
	if (!status)
		status = replay_gather(r, error);
	if (!status)
		status = replay_fold(r, error);
	if (!status)
		status = replay_check(r, error);
	journaled = join_record(r, &late);
	if (journaled && !status) {
		*error = late;
		return journaled;
	}
	if (status)
		return status;
	status = out_open(&r->out, replay_format(r), r->options->output, r->options->force, r->options->pager && !r->options->step,
			  error);
	if (!status) {
		replay_show(r);
		status = out_close(&r->out, error);
	}
	return status ? status : verify_outcome(&r->verify, error);
}

static int refuse_bound(struct replay *r, struct error *error)
{
	struct error late;
	int status = error_set(error, E_NO_ACCESS, "login '%s' reads by tenant, and the log is read in whole "
			       "shards; ask for a --conversation, or "
			       "SELECT from verbatim.events", r->about.login);
	int closed = join_record(r, &late);

	return closed ? closed : status;
}

static int replay_whole(struct replay *r, struct error *error)
{
	int status;

	start_record(r);
	if (r->about.bound)
		return refuse_bound(r, error);
	status = join_record(r, error);
	return status ? status : replay_into(r, error);
}

static int replay_log(struct replay *r, struct error *error)
{
	struct error late;
	int status, closed;

	start_record(r);
	if (r->about.bound)
		return refuse_bound(r, error);
	status = join_record(r, error);
	if (!status)
		status = out_open(&r->out, replay_format(r), r->options->output, r->options->force, false, error);
	if (status)
		return status;
	status = replay_stream(r->options, r->target.conninfo, &r->subject.tenant_id, &r->out, error);
	closed = out_close(&r->out, &late);
	if (closed && !status)
		*error = late;
	return status ? status : closed;
}

static int run(const struct arguments *args, struct error *error)
{
	struct replay *r = mem_zalloc(sizeof(*r));
	struct warm warm = { .folds = true };
	int status;

	r->options = args->options;
	status = replay_parse(r, args, error);
	if (!status)
		status = out_free(r->options->output, r->options->force, error); /* before anything is read or journaled */
	if (!status) {
		catalog_init();
		interrupt_catch();
		r->zones = zones_new();
		if (r->has_subject)
			warm_begin(&warm);
		status = open_log(r, error);
		if (!status)
			status = zones_ready(r->zones, error);
		if (!status)
			status = r->has_subject ? replay_subject(r, error) : r->options->into ? replay_whole(r, error) : replay_log(r, error);
		if (r->track.subject.kind || r->track.history.states)
			track_release(&r->track);
		scope_release(&r->scope);
		verify_release(&r->verify);
		log_find_close(r->log);
		warm_end(&warm);
		zones_free(r->zones);
		target_release(&r->target);
	}
	free(r);
	return status;
}

static const char *const shows[] = { "timeline", "rows", "both", NULL };

#define SUBJECT(member, about)                                                                               \
	{ .name = #member, .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, member), .argument = "ID", .filled = true, \
	  .group = "Of what", .help = about }

static const struct option options[] = {
	SUBJECT(conversation, "a conversation: what was said, done, promised and decided in it"),
	SUBJECT(customer, "a customer, with all conversations"),
	SUBJECT(resolution, "a resolution, with the conversations that wait for it"),
	SUBJECT(agent, "what a user did, and what was done to the user; reads all of the tenant's events"),
	SUBJECT(correlation, "everything that one request led to; needs --tenant"),
	SUBJECT(entity, "anything else that events are about: a message, a team, a policy, an article"),
	{ .name = "tenant", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, tenant), .argument = "ID",
	  .filled = true, .group = "Of what",
	  .help = "whose; needed when more than one tenant has the id. Alone: the tenant's part of the log" },
	{ .name = "at", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, at),
	  .argument = "TIME|POSITION", .excludes = "diff", .group = "As of when",
	  .help = "as it was known then: what had been recorded. A date alone is its end, in UTC" },
	{ .name = "as-happened", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, as_happened),
	  .argument = "TIME", .excludes = "diff",
	  .group = "As of when", .help = "what had happened by then, as is known now (or --at): late news counts" },
	{ .name = "diff", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, diff), .argument = "A..B",
	  .group = "As of when",
	  .help = "what changed from moment A to moment B, field by field, with the events that did it; each is a TIME or a POSITION as of --at: "
		  "2026-03-03..2026-03-04, 1040..1052" },
	{ .name = "from", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, from),
	  .argument = "TIME|POSITION", .group = "The log itself",
	  .help = "begin here" },
	{ .name = "until", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, until),
	  .argument = "TIME|POSITION", .group = "The log itself",
	  .help = "end here" },
	{ .name = "into", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, into), .argument = "SCHEMA|CONNINFO",
	  .filled = true, .group = "Everything",
	  .help = "fill a new schema of the log's database, or of another, with all read models as they stood --at that moment" },
	{ .name = "memory", .kind = OPTION_BYTES, .offset = offsetof(struct replay_options, memory), .argument = "SIZE",
	  .fallback = "512M", .min = 1 << 20, .max = 1LL << 40, .group = "Everything",
	  .help = "for rows, with --into; what does not fit goes into files below TMPDIR" },
	{ .name = "type", .kind = OPTION_TEXTS, .offset = offsetof(struct replay_options, types), .argument = "TYPE",
	  .group = "The log itself",
	  .help = "only events of this type; message.* for a family" },
	{ .name = "show", .kind = OPTION_ENUM, .offset = offsetof(struct replay_options, show), .argument = "WHAT",
	  .values = shows, .group = "Output",
	  .help = "what came about, or what every read model has of it; rows when a moment is named, else timeline" },
	{ .name = "step", .kind = OPTION_FLAG, .offset = offsetof(struct replay_options, step), .group = "Output",
	  .help = "one event at a time, with everything that it changed" },
	{ .name = "format", .kind = OPTION_ENUM, .offset = offsetof(struct replay_options, format),
	  .argument = "FORMAT", .values = out_formats, .group = "Output",
	  .help = "table unless said otherwise, ndjson for the log itself" },
	{ .name = "output", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, output),
	  .argument = "FILE", .fallback = "-", .filled = true,
	  .group = "Output", .help = "write here" },
	{ .name = "force", .kind = OPTION_FLAG, .offset = offsetof(struct replay_options, force), .group = "Output",
	  .help = "write over a file that is there" },
	{ .name = "pager", .kind = OPTION_FLAG, .offset = offsetof(struct replay_options, pager), .fallback = "yes",
	  .group = "Output",
	  .help = "show a table through $PAGER on a terminal; --pager=no does not" },
	{ .name = "reason", .kind = OPTION_TEXT, .offset = offsetof(struct replay_options, reason),
	  .argument = "TEXT", .group = "Output",
	  .help = "what for; stands in audit.access" },
	{ .name = "verify", .kind = OPTION_FLAG, .offset = offsetof(struct replay_options, verify), .group = "Output",
	  .help = "compute the root again from tiles and leaves, too" },
	{ .name = "limit", .kind = OPTION_INT, .offset = offsetof(struct replay_options, limit),
	  .argument = "EVENTS", .fallback = "1000000", .min = 1,
	  .max = 100000000, .group = "Output", .help = "most events to hold in memory for one subject" },
	ENGINE_OPTIONS(struct replay_options, engine),
	{ .name = NULL },
};

const struct command replay_command = {
	.name = "replay",
	.usage = "replay [OPTION]...",
	.brief = "show how something came about, or how it stood at a moment",
	.help = "Folds the events that concern a conversation (or a customer, a resolution, an agent) again, with the very folds of "
		"the read models, up to the moment you name, in memory. Nothing is sent, nothing is decided anew, and the same "
		"log, position and version give the same bytes.\n\n"
		"Two times: --at goes by when the log learned of something, --as-happened by when it took place. An event that came "
		"late is in the one and not yet in the other.\n\n"
		"Whatever is read is verified while it is read; the last lines say what was verified and what was not, and an event "
		"that is not what was appended is named (exit status 70). Every use is journaled with your login and --reason before "
		"anything is shown; see view audit.access.\n\n"
		"  verbatim replay --conversation ID                       the timeline\n"
		"  verbatim replay --conversation ID --at 2026-03-03       what we knew at the end of 3 March\n"
		"  verbatim replay --conversation ID --diff 1040..1052     what changed in between, and what did it\n"
		"  verbatim replay --conversation ID --step                event by event\n"
		"  verbatim replay --into march --at 2026-03-31            all read models of that moment, as tables in schema march\n"
		"  verbatim replay --tenant ID --from 2026-03-01 --type 'message.*' --output march.ndjson",
	.options = options, .options_bytes = sizeof(struct replay_options), .run = run,
};
