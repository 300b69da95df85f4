/* migrate - `verbatim migrate up|down|status`: the log's schema. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/term.h"
#include "cmd/command.h"
#include "cmd/target.h"
#include "store/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

struct up_options {
	struct target_options target;
};

struct down_options {
	struct target_options target;
	int64_t steps;
	const char *to;
	const char *destroy_log;
};

struct status_options {
	struct target_options target;
	bool json;
};

static void print_up(void *data, const char *version, const char *name)
{
	++*(int *)data;
	printf("up    %s  %s\n", version, name);
}

static void print_down(void *data, const char *version, const char *name)
{
	++*(int *)data;
	printf("down  %s  %s\n", version, name);
}

static int open_target(const struct arguments *args, const struct target_options *options, bool create, struct target *t,
		       struct pg_conn **conn, struct error *error)
{
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "migrate takes no words but one of up, down, status; did you mean --data %s?",
				 args->words[0]);
	status = target_database(options, create, t, error);
	if (status)
		return status;
	status = db_open(t->conninfo, "verbatim migrate", conn, error);
	if (!status) {
		status = cluster_check_server(*conn, error);
		if (status)
			db_close(*conn);
	}
	if (status)
		target_release(t);
	return status;
}

static int run_up(const struct arguments *args, struct error *error)
{
	const struct up_options *o = args->options;
	struct pg_conn *conn;
	struct target t;
	int count = 0, status = open_target(args, &o->target, true, &t, &conn, error);

	if (status)
		return status;
	status = migrate_up(conn, print_up, &count, error);
	if (!status && count == 0)
		printf("nothing to do: every migration is applied\n");
	db_close(conn);
	target_release(&t);
	return status;
}

static int run_down(const struct arguments *args, struct error *error)
{
	const struct down_options *o = args->options;
	struct pg_conn *conn;
	struct target t;
	int count = 0, status = open_target(args, &o->target, false, &t, &conn, error);

	if (status)
		return status;
	target_look_for_engine(&o->target, &t);
	if (t.engine_pid)
		status = error_set(error, E_BUSY, "an engine (pid %ld) works on this log%s%s; stop it first", t.engine_pid,
				   t.others ? ", and others: " : "", t.others ? t.others : "");
	else
		status = migrate_down(conn, (int)o->steps, o->to, o->destroy_log, print_down, &count, error);
	if (!status && count == 0)
		printf("nothing to do\n");
	db_close(conn);
	target_release(&t);
	return status;
}

static void print_status(const struct migrations *m)
{
	bool colour = term_has_colour(stdout);
	struct buffer out = { 0 };
	struct table t;

	table_init(&t, 4, (const char *const[]){ "version", "name", "state", "applied at" });
	for (int i = 0; i < m->count; i++) {
		const struct migration *item = &m->items[i];

		table_cell(&t, "%s", item->version);
		table_cell(&t, "%s", item->name);
		table_cell_style(&t, item->state == MIGRATION_APPLIED ? STYLE_GREEN
				     : item->state == MIGRATION_PENDING ? STYLE_YELLOW : STYLE_RED,
				 "%s", migration_state_name(item->state));
		table_cell(&t, "%s", item->applied_at);
	}
	table_print(&t, &out, term_width(stdout), colour);
	table_release(&t);
	if (*m->log_id)
		buffer_printf(&out, "\nlog %s, epoch %s, %s shards\n", m->log_id, m->epoch, m->shards);
	else
		buffer_add_text(&out, "\nno log yet; verbatim init makes one\n");
	fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
}

static void print_text_or_null(const char *name, const char *text, const char *quote)
{
	if (*text)
		printf("\"%s\": %s%s%s", name, quote, text, quote);
	else
		printf("\"%s\": null", name);
}

/* Names and versions are of [a-z0-9_], so nothing needs escaping; a stranger's row is cut to that. */
static void print_name(const char *text)
{
	for (; *text; text++)
		putchar((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') ? *text : '_');
}

static void print_status_json(const struct migrations *m)
{
	printf("{");
	print_text_or_null("log_id", m->log_id, "\"");
	printf(", ");
	print_text_or_null("epoch", m->epoch, "");
	printf(", ");
	print_text_or_null("shards", m->shards, "");
	printf(", \"pending\": %d, \"migrations\": [", m->pending);
	for (int i = 0; i < m->count; i++) {
		printf("%s\n  {\"version\": \"", i ? "," : "");
		print_name(m->items[i].version);
		printf("\", \"name\": \"");
		print_name(m->items[i].name);
		printf("\", \"state\": \"%s\", ", migration_state_name(m->items[i].state));
		print_text_or_null("applied_at", m->items[i].applied_at, "\"");
		printf("}");
	}
	printf("\n]}\n");
}

static int run_status(const struct arguments *args, struct error *error)
{
	const struct status_options *o = args->options;
	struct migrations m = { 0 };
	struct pg_conn *conn;
	struct target t;
	int status = open_target(args, &o->target, false, &t, &conn, error);

	if (status)
		return status;
	status = migrate_status(conn, &m, error);
	if (!status) {
		if (o->json)
			print_status_json(&m);
		else
			print_status(&m);
		status = migrate_check(conn, error);
	}
	migrations_release(&m);
	db_close(conn);
	target_release(&t);
	return status;
}

static const struct option up_table[] = {
	TARGET_OPTIONS(struct up_options, target),
	{ .name = NULL },
};

static const struct option down_table[] = {
	{ .name = "steps", .kind = OPTION_INT, .offset = offsetof(struct down_options, steps), .argument = "N",
	  .fallback = "1", .min = 1, .max = 10000, .help = "how many migrations to take back" },
	{ .name = "to", .kind = OPTION_TEXT, .offset = offsetof(struct down_options, to), .argument = "VERSION",
	  .excludes = "steps", .help = "take back all that are newer than this one; 0 takes back all" },
	{ .name = "destroy-log", .kind = OPTION_TEXT, .offset = offsetof(struct down_options, destroy_log),
	  .argument = "LOG_ID", .help = "lose this very log with all its events" },
	TARGET_OPTIONS(struct down_options, target),
	{ .name = NULL },
};

static const struct option status_table[] = {
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct status_options, json), .help = "as one JSON object" },
	TARGET_OPTIONS(struct status_options, target),
	{ .name = NULL },
};

static const struct command subcommands[] = {
	{ .name = "up", .usage = "up [OPTION]...", .brief = "apply every migration that is pending",
	  .help = "Applies what is pending, each migration in a transaction of its own, and prints one line each. `verbatim serve` "
		  "does it by itself when its database user may. Run it by hand where it may not: as a superuser, or as a member "
		  "of role verbatim_owner.\n"
		  "\n"
		  "  verbatim migrate up --db 'host=db dbname=support user=admin'",
	  .options = up_table, .options_bytes = sizeof(struct up_options), .run = run_up },
	{ .name = "down", .usage = "down [OPTION]...", .brief = "take migrations back, the newest first",
	  .help = "Takes the newest migration back, or several. Read models are derived and go with their schemas. The log itself is "
		  "not given up while it holds events, unless --destroy-log names it.\n"
		  "\n"
		  "  verbatim migrate down --steps 2\n"
		  "  verbatim migrate down --to 20261122_100000",
	  .options = down_table, .options_bytes = sizeof(struct down_options), .run = run_down },
	{ .name = "status", .usage = "status [OPTION]...", .brief = "show which migrations are applied",
	  .help = "Lists this binary's migrations and the database's. The exit status is 0 only when they agree.\n"
		  "\n"
		  "  verbatim migrate status --json",
	  .options = status_table, .options_bytes = sizeof(struct status_options), .run = run_status },
	{ .name = NULL },
};

const struct command migrate_command = {
	.name = "migrate",
	.usage = "migrate up|down|status [OPTION]...",
	.brief = "bring the log's schema up to date, or take it back",
	.help = "Migrations are SQL files with a checksum, embedded in this binary and run in order under a lock; any number of "
		"engines may start at once. Only the log has migrations; read models are rebuilt.",
	.sub = subcommands,
};
