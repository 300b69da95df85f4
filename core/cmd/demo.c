/*
 * demo - `verbatim demo`: an engine, some traffic, and what came of it.  `make run` is this.
 *
 *   find the engine, or start one (a child: `verbatim serve`) --> generate and send --> wait for the read models
 *   --> show --> stay until ^C (on a terminal) --> stop the child
 *
 * The child dies with its parent (PR_SET_PDEATHSIG); a ^C reaches only the parent, which ends the child in
 * order.  An engine that was running already is left running.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/term.h"
#include "base/time.h"
#include "client/dial.h"
#include "client/sender.h"
#include "cmd/command.h"
#include "cmd/demo_show.h"
#include "cmd/engine_address.h"
#include "cmd/engine_key.h"
#include "cmd/generator.h"
#include "cmd/interrupt.h"
#include "event/envelope.h"

enum { START_MS = 120000, STOP_MS = 60000, WAIT_MS = 180000, TENANTS = 6 };

struct demo_options {
	struct target_options target;
	const char *listen, *key_file;
	int64_t conversations, seed;
	bool once;
};

static const struct option options[] = {
	{ .name = "once", .kind = OPTION_FLAG, .offset = offsetof(struct demo_options, once), .help = "end when everything was shown" },
	{ .name = "conversations", .kind = OPTION_INT, .offset = offsetof(struct demo_options, conversations), .argument = "N",
	  .fallback = "1500", .min = 1, .max = 1000000, .help = "how much traffic; about 22 events each" },
	{ .name = "seed", .kind = OPTION_INT, .offset = offsetof(struct demo_options, seed), .argument = "N", .fallback = "0",
	  .help = "of the traffic; 0: another one each minute, so that a second run brings new events" },
	{ .name = "listen", .kind = OPTION_TEXT, .offset = offsetof(struct demo_options, listen), .argument = "ADDRESS",
	  .fallback = "127.0.0.1:7411", .help = "where the engine listens that is started; a free port when somebody else is there" },
	API_KEY_OPTION(struct demo_options, key_file),
	TARGET_OPTIONS(struct demo_options, target),
	{ .name = NULL },
};

struct demo {
	const struct demo_options *o;
	pid_t child;           /* 0: the engine was there */
	struct target target;
	char key[API_KEY_TEXT];
	struct sender *sender;
	struct progress progress;
	struct uuid tenants[TENANTS];
	int tenant_count;
	int64_t lines, late, doubled;
	bool spinning;
};

static void say(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

/* ---- the engine ---- */

static int start_engine(struct demo *d, struct error *error)
{
	const struct target_options *t = &d->o->target;
	const char *listen = d->o->listen;
	struct error ignored;
	int fd;

	if (dial(bytes_text(listen), 300, &fd, &ignored) == 0) { /* somebody else's */
		close(fd);
		listen = "127.0.0.1:0";
	}
	d->child = fork();
	if (d->child < 0)
		return error_set(error, E_IO, "cannot start an engine: %s", strerror(errno));
	if (d->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setpgid(0, 0);
		if (!freopen("/dev/null", "w", stdout))
			_exit(74);
		execl("/proc/self/exe", "verbatim", "serve", t->db ? "--db" : "--data", t->db ? t->db : t->data, "--listen", listen, "--log", "warn",
		      (char *)NULL);
		_exit(71);
	}
	return 0;
}

static bool child_ended(struct demo *d, int *status)
{
	if (!d->child || waitpid(d->child, status, WNOHANG) != d->child)
		return false;
	d->child = 0;
	return true;
}

static int wait_until_ready(struct demo *d, struct error *error)
{
	int64_t deadline = time_monotonic() + START_MS * 1000LL;
	int status;

	while (!interrupted) {
		if (target_engine(&d->o->target, &d->target, error) == 0)
			return 0;
		if (child_ended(d, &status))
			return error_set(error, E_NOT_READY, "the engine ended before it was ready; its last words stand above");
		if (time_monotonic() > deadline)
			return error_set(error, E_TIMEOUT, "the engine was not ready in %d s: %s", START_MS / 1000, error->message);
		poll(NULL, 0, 100);
	}
	return error_set(error, E_INTERRUPTED, "stopped by a signal");
}

static void stop_engine(struct demo *d)
{
	int64_t deadline = time_monotonic() + STOP_MS * 1000LL;
	int status;

	if (!d->child)
		return;
	say("stopping the engine and its database");
	kill(d->child, SIGTERM);
	while (!child_ended(d, &status)) {
		if (time_monotonic() > deadline) {
			say("it does not end; killing it (nothing acknowledged is lost by that)");
			kill(d->child, SIGKILL);
			waitpid(d->child, &status, 0);
			d->child = 0;
			return;
		}
		poll(NULL, 0, 50);
	}
}

/* ---- the traffic ---- */

static void on_refused(void *data, int64_t line, const struct uuid *id, const struct error *why)
{
	struct demo *d = data;

	progress_clear(&d->progress);
	fprintf(stderr, "event %lld: %s: %s: %s\n", (long long)line, error_name(why->code), why->field, why->message);
}

static void on_notice(void *data, const char *text)
{
	struct demo *d = data;

	progress_clear(&d->progress);
	if (text[0])
		say(text);
}

static void remember_tenant(struct demo *d, const struct uuid *id)
{
	for (int i = 0; i < d->tenant_count; i++)
		if (uuid_equal(&d->tenants[i], id))
			return;
	if (d->tenant_count < TENANTS)
		d->tenants[d->tenant_count++] = *id;
}

static int send_traffic(struct demo *d, struct error *error)
{
	struct generator_options g_options = {
		.tenants = TENANTS, .conversations = d->o->conversations, .span = 90 * 60 * TIME_SECOND, .end = time_wall(), .duplicates = 1, .late = 3,
		.seed = d->o->seed ? (uint64_t)d->o->seed : (uint64_t)(time_wall() / (60 * TIME_SECOND)),
	};
	struct generator *g = generator_new(&g_options);
	struct buffer packed = { 0 };
	int64_t total = 0;
	struct bytes line;
	int code = 0;

	while (generator_next(g, &line)) /* the same again below: so the total is known */
		total++;
	generator_free(g);
	g = generator_new(&g_options);
	progress_start(&d->progress, stderr, "sending", "events", total);
	while (!code && generator_next(g, &line)) {
		struct uuid event_id, tenant_id;

		buffer_reset(&packed);
		code = envelope_from_json(bytes_of(line.data, line.len - 1), &packed, &event_id, &tenant_id, error);
		if (!code)
			code = sender_add(d->sender, ++d->lines, &tenant_id, &event_id, buffer_bytes(&packed), error);
		remember_tenant(d, &tenant_id);
		if ((d->lines & 63) == 0)
			progress_update(&d->progress, sender_get_counts(d->sender)->stored + sender_get_counts(d->sender)->duplicates, NULL);
	}
	if (!code)
		code = sender_finish(d->sender, error);
	progress_update(&d->progress, sender_get_counts(d->sender)->stored + sender_get_counts(d->sender)->duplicates, NULL);
	progress_stop(&d->progress);
	d->late = generator_get_counts(g)->late;
	d->doubled = generator_get_counts(g)->duplicates;
	generator_free(g);
	buffer_release(&packed);
	return code;
}

static void print_result(const struct demo *d, int64_t sent_us, int64_t shown_us)
{
	const struct sender_counts *c = sender_get_counts(d->sender);
	bool colour = term_has_colour(stdout);
	char a[HUMAN_TEXT], b[HUMAN_TEXT];

	printf("\n%s%s events stored%s in %s (%s a second), in the order of each tenant, in %d shards\n", term_style(STYLE_GREEN, colour),
	       human_count(c->stored, a), term_style(STYLE_PLAIN, colour), human_duration(sent_us, b),
	       human_rate((double)c->stored * 1e6 / (double)(sent_us ? sent_us : 1), (char[HUMAN_TEXT]){ 0 }), c->shards);
	printf("%s came twice and were recognised (%s were sent twice)\n", human_count(c->duplicates, a), human_count(d->doubled, b));
	printf("%s came late, behind events that happened after them\n", human_count(d->late, a));
	printf("the read models had caught up %s after the last acknowledgement\n", human_duration(shown_us, a));
}

/* Whether our engine is kept until ^C. */
static bool stays(const struct demo *d)
{
	return !d->o->once && isatty(STDOUT_FILENO);
}

static int run_demo(struct demo *d, struct error *error)
{
	struct buffer tenants = { 0 };
	struct target database = { 0 };
	int64_t start, sent, shown;
	char text[UUID_TEXT];
	int code = target_engine(&d->o->target, &d->target, error);

	if (code == E_NOT_READY) {
		say("starting the engine and its PostgreSQL");
		code = start_engine(d, error);
		if (!code)
			code = wait_until_ready(d, error);
	}
	if (!code)
		code = engine_key_find(d->o->key_file, d->target.key_file, d->key, error);
	if (code)
		return code;
	fprintf(stderr, "the engine listens on %s\n", d->target.address);
	d->sender = sender_new(&(struct sender_options){ .addresses = d->target.address, .key = d->key, .name = "verbatim demo", .batch = 500,
							 .outstanding = 16, .give_up_ms = 30000, .stop = &interrupted, .refused = on_refused,
							 .notice = on_notice, .data = d });
	code = sender_open(d->sender, error);
	start = time_monotonic();
	if (!code)
		code = send_traffic(d, error);
	sent = time_monotonic();
	if (!code)
		code = sender_wait(d->sender, WAIT_MS, error);
	shown = time_monotonic();
	if (code)
		return code;
	print_result(d, sent - start, shown - sent);

	buffer_add_byte(&tenants, '{');
	for (int i = 0; i < d->tenant_count; i++)
		buffer_printf(&tenants, "%s%s", i ? "," : "", uuid_format(&d->tenants[i], text));
	buffer_add_byte(&tenants, '}');
	code = target_database(&d->o->target, false, &database, error);
	if (!code) {
		code = demo_show(database.conninfo, buffer_text(&tenants), error);
		if (!code)
			demo_show_next(&(struct demo_place){ .address = d->target.address, .key_file = d->target.key_file, .conninfo = database.conninfo,
							     .data = d->o->target.db ? NULL : d->o->target.data,
							     .stays = !d->child || stays(d) });
		target_release(&database);
	}
	buffer_release(&tenants);
	if (!code && sender_get_counts(d->sender)->refused)
		code = error_set(error, E_INCOMPLETE, "%lld events were refused", (long long)sender_get_counts(d->sender)->refused);
	return code;
}

static int stay(struct demo *d, struct error *error)
{
	int status;

	printf("\nThe engine stays up; ^C stops it.\n");
	fflush(stdout);
	while (!interrupted) {
		if (child_ended(d, &status))
			return error_set(error, E_NOT_READY, "the engine ended by itself");
		poll(NULL, 0, 200);
	}
	return 0;
}

static int run(const struct arguments *args, struct error *error)
{
	struct demo d = { .o = args->options };
	int code;

	if (args->count)
		return error_set(error, E_USAGE, "demo takes no words; did you mean --data %s?", args->words[0]);
	catalog_init();
	interrupt_catch();
	code = run_demo(&d, error);
	fflush(stdout);
	if (!code && stays(&d) && d.child)
		code = stay(&d, error);
	sender_free(d.sender);
	explicit_bzero(d.key, sizeof(d.key));
	stop_engine(&d);
	target_release(&d.target);
	return code;
}

const struct command demo_command = {
	.name = "demo",
	.usage = "demo [--data DIR | --db CONNINFO] [--once]",
	.brief = "start an engine, send it lively traffic, show what came of it",
	.help = "Starts an engine when none runs on --data or --db, sends it some minutes' worth of generated support traffic (with late and "
		"doubled events), waits until the read models have caught up, and shows the agent queue, one conversation's timeline, and how to "
		"connect. On a terminal the engine stays up until ^C.\n"
		"\n"
		"  verbatim demo\n"
		"  verbatim demo --data /srv/verbatim --once",
	.options = options, .options_bytes = sizeof(struct demo_options), .run = run,
};
