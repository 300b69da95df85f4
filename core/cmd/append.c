/*
 * append - `verbatim append`: NDJSON from files or a pipe into the log.
 *
 *   input_line --> envelope_from_json --> sender_add --> (lanes, requests, answers)
 *
 * What can go wrong, and what happens: a line that is no event is reported with its number and left out; a lost
 * connection is opened again and what was not acknowledged is sent again; a signal ends it after the
 * answers under way, and the summary says that running it again is safe.
 */
#include <stddef.h>
#include <stdio.h>

#include "base/term.h"
#include "base/time.h"
#include "client/sender.h"
#include "cmd/command.h"
#include "cmd/engine_address.h"
#include "cmd/input.h"
#include "cmd/interrupt.h"
#include "event/envelope.h"

enum {
	REFUSALS_SHOWN = 50,
	WAIT_MOST_MS = 10000, /* for an engine that was started just now */
};

struct append_options {
	struct engine_options engine;
	int64_t batch, outstanding, line, give_up, timeout;
	bool wait, json, quiet;
};

static const struct option options[] = {
	ENGINE_OPTIONS(struct append_options, engine),
	{ .name = "batch", .kind = OPTION_INT, .offset = offsetof(struct append_options, batch), .argument = "N", .fallback = "500", .min = 1,
	  .max = 10000, .help = "most events a request; a request is stored whole or not at all" },
	{ .name = "outstanding", .kind = OPTION_INT, .offset = offsetof(struct append_options, outstanding), .argument = "N", .fallback = "16",
	  .min = 1, .max = 256, .help = "most requests under way" },
	{ .name = "wait", .kind = OPTION_FLAG, .offset = offsetof(struct append_options, wait),
	  .help = "end only when the read models show everything that was sent" },
	{ .name = "wait-timeout", .kind = OPTION_TIME, .offset = offsetof(struct append_options, timeout), .argument = "TIME", .fallback = "10m",
	  .help = "how long --wait waits" },
	{ .name = "give-up", .kind = OPTION_TIME, .offset = offsetof(struct append_options, give_up), .argument = "TIME", .fallback = "30s",
	  .help = "how long to go on trying when the engine does not answer or takes nothing" },
	{ .name = "line-limit", .kind = OPTION_BYTES, .offset = offsetof(struct append_options, line), .argument = "BYTES", .fallback = "1M",
	  .min = 1024, .max = 64 << 20, .help = "longer lines are refused" },
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct append_options, json),
	  .help = "print refusals and the summary as NDJSON" },
	{ .name = "quiet", .kind = OPTION_FLAG, .offset = offsetof(struct append_options, quiet), .help = "no progress" },
	{ .name = NULL },
};

struct append {
	const struct append_options *o;
	struct sender *sender;
	struct progress progress;
	struct buffer packed;
	const char *file;
	int64_t shown;
	char note[HUMAN_TEXT + 64];
};

/* JSON text between quotes; control characters become spaces. */
static void print_json_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fputc('\\', out);
		fputc(c < 0x20 ? ' ' : c, out);
	}
}

static void on_refused(void *data, int64_t line, const struct uuid *id, const struct error *why)
{
	struct append *a = data;
	char text[UUID_TEXT] = "";

	if (!uuid_is_nil(id))
		uuid_format(id, text);
	if (a->o->json) {
		printf("{\"refused\":{\"file\":\"");
		print_json_text(stdout, a->file);
		printf("\",\"line\":%lld,\"event_id\":", (long long)line);
		printf("%s%s%s", text[0] ? "\"" : "null", text, text[0] ? "\"" : "");
		printf(",\"code\":\"%s\",\"field\":\"", error_name(why->code));
		print_json_text(stdout, why->field);
		printf("\",\"message\":\"");
		print_json_text(stdout, why->message);
		printf("\"}}\n");
		return;
	}
	if (a->shown++ >= REFUSALS_SHOWN) {
		if (a->shown == REFUSALS_SHOWN + 1)
			fprintf(stderr, "... more refusals follow and are only counted; --json prints all\n");
		return;
	}
	progress_clear(&a->progress);
	fprintf(stderr, "%s:%lld: %s%s%s: %s\n", a->file, (long long)line, error_name(why->code), why->field[0] ? ": " : "", why->field,
		why->message);
}

static void on_notice(void *data, const char *text)
{
	struct append *a = data;

	if (a->o->quiet || !text[0])
		return;
	progress_clear(&a->progress);
	fprintf(stderr, "%s\n", text);
}

/* One file, to its end; `before`: the bytes of those before it, and then of this one, too. */
static int append_file(struct append *a, const char *path, int64_t *before, struct error *error)
{
	struct input *in;
	int code = input_open(path, (size_t)a->o->line, &in, error);

	if (code)
		return code;
	a->file = strcmp(path, "-") == 0 ? "stdin" : path;
	for (;;) {
		struct uuid event_id = { { 0 } }, tenant_id = { { 0 } };
		struct bytes line;
		struct error why;

		while (input_is_idle(in) && !sender_is_idle(a->sender)) { /* whoever writes pauses: send what is there */
			code = sender_pump(a->sender, 20, true, error);
			if (code)
				goto out;
		}
		code = input_line(in, &line, error);
		if (code == E_INTERRUPTED && !interrupted)
			continue;
		if (code == E_TOO_LARGE) {
			sender_refuse(a->sender, input_number(in), &event_id, error);
			continue;
		}
		if (code <= 0)
			goto out;
		code = 0;
		if (line.len == 0)
			continue;
		buffer_reset(&a->packed);
		error_clear(&why);
		if (envelope_from_json(line, &a->packed, &event_id, &tenant_id, &why))
			sender_refuse(a->sender, input_number(in), &event_id, &why);
		else
			code = sender_add(a->sender, input_number(in), &tenant_id, &event_id, buffer_bytes(&a->packed), error);
		if (code)
			goto out;
		if ((input_number(in) & 63) == 0) {
			const struct sender_counts *c = sender_get_counts(a->sender);
			char n[HUMAN_TEXT];

			snprintf(a->note, sizeof(a->note), "%s events acknowledged", human_count(c->stored + c->duplicates, n));
			progress_update(&a->progress, *before + input_taken(in), a->note);
		}
	}
out:
	/* Lines are numbered within their file, so a file's refusals are all told before the next begins. */
	if (!code)
		code = sender_finish(a->sender, error);
	*before += input_taken(in);
	progress_update(&a->progress, *before, a->note);
	input_close(in);
	return code;
}

static void print_summary(const struct append *a, int64_t us, int code)
{
	const struct sender_counts *c = sender_get_counts(a->sender);
	int64_t unanswered = c->added - c->stored - c->duplicates - (c->refused < c->added ? c->refused : c->added);
	double seconds = us > 0 ? (double)us / 1e6 : 1e-6;
	char one[HUMAN_TEXT], two[HUMAN_TEXT], three[HUMAN_TEXT];

	if (a->o->json) {
		printf("{\"stored\":%lld,\"duplicates\":%lld,\"refused\":%lld,\"requests\":%lld,\"repeated\":%lld,\"reconnects\":%lld,"
		       "\"seconds\":%.3f,\"complete\":%s}\n",
		       (long long)c->stored, (long long)c->duplicates, (long long)c->refused, (long long)c->requests, (long long)c->repeated,
		       (long long)c->reconnects, seconds, code || c->refused ? "false" : "true");
		return;
	}
	printf("%s stored, %s duplicate, %s refused", human_count(c->stored, one), human_count(c->duplicates, two),
	       human_count(c->refused, three));
	printf(" in %s (%s events/s)\n", human_duration(us, one), human_rate((double)(c->stored + c->duplicates) / seconds, two));
	if (c->doubtful)
		printf("%s of the duplicates were sent before the connection was lost: this run may have stored them itself\n",
		       human_count(c->doubtful, one));
	if (code && unanswered > 0)
		printf("not everything was answered; run it again: what is stored will be recognised\n");
}

static int append_run(const struct arguments *args, struct error *error)
{
	const struct append_options *o = args->options;
	struct append a = { .o = o, .file = "" };
	struct engine_options where = o->engine;
	struct engine_address engine;
	int64_t total = 0, before = 0, start = time_monotonic();
	bool known = true;
	int code;

	if (!args->count)
		return error_set(error, E_USAGE, "no file is named; \"-\" is standard input");
	for (int i = 0; i < args->count; i++) { /* before anything is sent */
		int64_t size = 0;

		code = strcmp(args->words[i], "-") == 0 ? 0 : input_look(args->words[i], &size, error);
		if (code)
			return code;
		known = known && size > 0;
		total += size;
	}
	where.wait_ms = o->give_up < WAIT_MOST_MS ? o->give_up : WAIT_MOST_MS;
	code = engine_find(&where, &engine, error);
	if (code)
		return code;
	catalog_init();
	interrupt_catch();
	a.sender = sender_new(&(struct sender_options){ .addresses = engine.addresses, .key = engine.key, .tls = &engine.tls, .name = "verbatim append",
							.batch = (int)o->batch, .outstanding = (int)o->outstanding,
							.give_up_ms = o->give_up, .stop = &interrupted, .refused = on_refused,
							.notice = on_notice, .data = &a });
	progress_start(&a.progress, o->quiet ? NULL : stderr, "append", "bytes", known ? total : 0);
	code = sender_open(a.sender, error);
	for (int i = 0; i < args->count && !code; i++) {
		code = append_file(&a, args->words[i], &before, error);
	}
	progress_stop(&a.progress);
	if (!code && o->wait) {
		if (!o->quiet && !o->json)
			fprintf(stderr, "waiting for the read models\n");
		code = sender_wait(a.sender, o->timeout, error);
	}
	print_summary(&a, time_monotonic() - start, code);
	if (!code && sender_get_counts(a.sender)->refused)
		code = error_set(error, E_INCOMPLETE, "%lld events were refused and are not in the log",
				 (long long)sender_get_counts(a.sender)->refused);
	sender_free(a.sender);
	buffer_release(&a.packed);
	engine_release(&engine);
	return code;
}

const struct command append_command = {
	.name = "append",
	.usage = "append [OPTION]... FILE...|-",
	.brief = "send events (NDJSON, plain or gzip) to an engine",
	.help = "Each line is one event as a JSON object; `verbatim events` lists the types and their fields. Events are grouped by tenant and "
		"every tenant's order is kept. An event is acknowledged when it is committed. It is safe to interrupt and to run again: an "
		"event_id that stands in the log is recognised and counted as a duplicate.\n\n"
		"Refused events are reported with line, field and reason, and the others are stored. The exit status is 0 only when all "
		"is in the log.\n\n"
		"  verbatim append events.ndjson.gz\n"
		"  verbatim generate --conversations 100 | verbatim append -\n"
		"  verbatim append --wait --json events.ndjson",
	.options = options, .options_bytes = sizeof(struct append_options), .run = append_run,
};
