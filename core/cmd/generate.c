/* generate - `verbatim generate`: support traffic from the generator, to standard output or straight to an engine. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/term.h"
#include "base/time.h"
#include "client/sender.h"
#include "cmd/command.h"
#include "cmd/engine_address.h"
#include "cmd/generator.h"
#include "cmd/interrupt.h"
#include "event/envelope.h"

enum { OUT_BYTES = 256 << 10 };

struct generate_options {
	struct engine_options engine;
	int64_t seed, tenants, conversations, minutes, rate, duplicates, late;
	const char *end;
	bool all_types, silent, quiet;
};

static const struct option options[] = {
	{ .name = "seed", .kind = OPTION_INT, .offset = offsetof(struct generate_options, seed), .argument = "N", .fallback = "1",
	  .help = "the same seed, options and --end give the same bytes" },
	{ .name = "tenants", .kind = OPTION_INT, .offset = offsetof(struct generate_options, tenants), .argument = "N", .fallback = "8", .min = 1,
	  .max = GENERATOR_TENANTS_MAX, .help = "companies whose customers write" },
	{ .name = "conversations", .kind = OPTION_INT, .offset = offsetof(struct generate_options, conversations), .argument = "N",
	  .fallback = "1500", .help = "about 24 events each; 0 goes on until it is stopped and needs --rate" },
	{ .name = "minutes", .kind = OPTION_INT, .offset = offsetof(struct generate_options, minutes), .argument = "N", .fallback = "90",
	  .min = 1, .max = 5256000,
	  .help = "the span of occurred_at; stretched when more than 20,000 conversations would be open at once" },
	{ .name = "end", .kind = OPTION_TEXT, .offset = offsetof(struct generate_options, end), .argument = "TIME",
	  .help = "the span's end, RFC 3339; without it now, to the minute" },
	{ .name = "rate", .kind = OPTION_INT, .offset = offsetof(struct generate_options, rate), .argument = "N", .fallback = "0", .max = 1000000,
	  .help = "events a second, each occurring as it is written; 0: as fast as it goes, over --minutes" },
	{ .name = "duplicates", .kind = OPTION_INT, .offset = offsetof(struct generate_options, duplicates), .argument = "PERCENT",
	  .fallback = "1", .max = 50, .help = "events that come a second time, word for word" },
	{ .name = "late", .kind = OPTION_INT, .offset = offsetof(struct generate_options, late), .argument = "PERCENT", .fallback = "3",
	  .max = 50, .help = "messages, receipts and the like that come behind later events" },
	{ .name = "all-types", .kind = OPTION_FLAG, .offset = offsetof(struct generate_options, all_types),
	  .help = "also sla.warning and its like, which an engine writes itself" },
	{ .name = "silent", .kind = OPTION_FLAG, .offset = offsetof(struct generate_options, silent),
	  .help = "as imported history: folded like any other, but no timer or rule follows from it" },
	{ .name = "quiet", .kind = OPTION_FLAG, .offset = offsetof(struct generate_options, quiet), .help = "no progress" },
	ENGINE_OPTIONS(struct generate_options, engine),
	{ .name = NULL },
};

static int write_all(struct buffer *out, struct error *error)
{
	size_t at = 0;

	while (at < out->len) {
		ssize_t n = write(STDOUT_FILENO, out->data + at, out->len - at);

		if (n < 0 && errno == EINTR && !interrupted)
			continue;
		if (n < 0 && (errno == EPIPE || errno == EINTR)) /* whoever reads has had enough */
			return error_set(error, E_INTERRUPTED, "standard output was closed");
		if (n < 0)
			return error_set(error, E_IO, "cannot write to standard output: %s", strerror(errno));
		at += (size_t)n;
	}
	buffer_reset(out);
	return 0;
}

/* Waits until event `n` is due; what stands in the buffers goes out meanwhile. */
static int pace(const struct generate_options *o, int64_t n, int64_t start, struct sender *sender, struct buffer *out, struct error *error)
{
	int64_t due = start + n * TIME_SECOND / o->rate, wait_ms = (due - time_monotonic()) / 1000;
	int code = 0;

	if (wait_ms <= 0)
		return 0;
	if (!sender && out->len)
		code = write_all(out, error);
	if (sender)
		code = sender_pump(sender, (int)(wait_ms < 100 ? wait_ms : 100), true, error);
	while (!code && !interrupted && (wait_ms = (due - time_monotonic()) / 1000) > 0)
		poll(NULL, 0, (int)(wait_ms < 1000 ? wait_ms : 1000));
	return code;
}

static int run_generator(const struct generate_options *o, struct generator *g, struct sender *sender, struct progress *progress,
			 struct error *error)
{
	struct buffer out = { 0 };
	int64_t start = time_monotonic(), n = 0;
	struct bytes line;
	int code = 0;

	while (!code && !interrupted && generator_next(g, &line)) {
		struct uuid event_id, tenant_id;

		if (o->rate)
			code = pace(o, n, start, sender, &out, error);
		n++;
		if (code)
			break;
		if (sender) {
			buffer_reset(&out);
			code = envelope_from_json(bytes_of(line.data, line.len - 1), &out, &event_id, &tenant_id, error);
			if (!code)
				code = sender_add(sender, n, &tenant_id, &event_id, buffer_bytes(&out), error);
		} else {
			buffer_add_bytes(&out, line);
			if (out.len >= OUT_BYTES)
				code = write_all(&out, error);
		}
		if ((n & 255) == 0)
			progress_update(progress, n, NULL);
	}
	if (!code && !sender)
		code = write_all(&out, error);
	if (!code && sender)
		code = sender_finish(sender, error);
	progress_update(progress, n, NULL);
	buffer_release(&out);
	return code == E_INTERRUPTED ? 0 : code;
}

static void on_notice(void *data, const char *text)
{
	if (text[0])
		fprintf(stderr, "%s\n", text);
}

static void on_refused(void *data, int64_t line, const struct uuid *id, const struct error *why)
{
	fprintf(stderr, "event %lld: %s: %s: %s\n", (long long)line, error_name(why->code), why->field, why->message);
}

static int run(const struct arguments *args, struct error *error)
{
	const struct generate_options *o = args->options;
	bool live = o->rate > 0, send = o->engine.to != NULL;
	int64_t end = time_wall() / (60 * TIME_SECOND) * (60 * TIME_SECOND);
	struct engine_address engine = { 0 };
	struct sender *sender = NULL;
	struct generator *g;
	struct progress progress;
	int code = 0;

	if (args->count)
		return error_set(error, E_USAGE, "unexpected '%s'; events go to standard output, or with --to to an engine", args->words[0]);
	if (!o->conversations && !live)
		return error_set(error, E_USAGE, "--conversations 0 goes on for ever and needs --rate");
	if (o->end && !time_parse(o->end, strlen(o->end), &end))
		return error_set(error, E_USAGE, "--end \"%s\" is not a time like 2026-11-22T10:00:00Z", o->end);
	if (!send && isatty(STDOUT_FILENO) && !live)
		fprintf(stderr, "generate: events go to standard output; try: verbatim generate | verbatim append -\n");
	catalog_init();
	interrupt_catch();
	if (send) {
		code = engine_find(&o->engine, &engine, error);
		if (code)
			return code;
		sender = sender_new(&(struct sender_options){ .addresses = engine.addresses, .key = engine.key, .tls = &engine.tls,
							      .name = "verbatim generate", .batch = 500, .outstanding = 16, .give_up_ms = 30000,
							      .stop = &interrupted, .refused = on_refused, .notice = on_notice });
		code = sender_open(sender, error);
	}
	g = generator_new(&(struct generator_options){ .seed = (uint64_t)o->seed, .tenants = (int)o->tenants,
						       .conversations = o->conversations, .span = o->minutes * 60 * TIME_SECOND, .end = end,
						       .duplicates = (int)o->duplicates, .late = (int)o->late, .all_types = o->all_types, .silent = o->silent,
						       .live = live });
	progress_start(&progress, o->quiet || (!send && isatty(STDOUT_FILENO)) ? NULL : stderr, "generate", "events", 0);
	if (!code)
		code = run_generator(o, g, sender, &progress, error);
	progress_stop(&progress);
	if (sender) {
		const struct sender_counts *c = sender_get_counts(sender);
		char one[HUMAN_TEXT], two[HUMAN_TEXT];

		printf("%s stored, %s duplicate, %lld refused\n", human_count(c->stored, one), human_count(c->duplicates, two),
		       (long long)c->refused);
		if (!code && c->refused)
			code = error_set(error, E_INCOMPLETE, "%lld events were refused", (long long)c->refused);
	}
	generator_free(g);
	sender_free(sender);
	engine_release(&engine);
	return code;
}

const struct command generate_command = {
	.name = "generate",
	.usage = "generate [OPTION]...",
	.brief = "write lively support traffic, for trying things out",
	.help = "Several tenants with teams, agents, channels and customers; conversations in nine languages that are classified, assigned, "
		"transferred, escalated, fixed, resolved, reopened and rated; messages that are sent, delivered, read or fail; some events "
		"late, some twice. Everything is valid for the catalog.\n"
		"\n"
		"  verbatim generate | verbatim append -\n"
		"  verbatim generate --seed 42 --end 2026-11-01T12:00:00Z >events.ndjson\n"
		"  verbatim generate --conversations 0 --rate 200 | verbatim append -",
	.options = options, .options_bytes = sizeof(struct generate_options), .run = run,
};
