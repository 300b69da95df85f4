/*
 * rebuild - `verbatim rebuild`: read models folded anew from the log, beside the live ones, which they then replace.
 *
 * What is done stands in core/engine/rebuild.h.  The event that tells of it, log.rebuilt, comes after the switch, which
 * keeps its words; its id follows from the rebuild, so a second try, or the next run after a crash, makes no second event.
 */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/time.h"
#include "client/client_json.h"
#include "cmd/command.h"
#include "cmd/fold_again.h"
#include "engine/journal.h"
#include "engine/rebuild_ops.h"
#include "fold/inputs.h"

struct rebuild_command_options {
	struct fold_options fold;
	int64_t readers_ms;
	bool all, scratch, resume, check, no_switch, dry_run, force, back, drop_old;
};

enum { JOURNAL_MS = 20000 };

#define AT(member) .offset = offsetof(struct rebuild_command_options, member)

static const struct option options[] = {
	{ .name = "all", .kind = OPTION_FLAG, AT(all), .help = "all read models" },
	{ .name = "check", .kind = OPTION_FLAG, AT(check),
	  .help = "compare row by row with what is live, print what differs, and do not switch then" },
	{ .name = "force", .kind = OPTION_FLAG, AT(force), .help = "with --check: switch all the same; the event says so" },
	{ .name = "no-switch", .kind = OPTION_FLAG, AT(no_switch), .help = "stop before the switch; another rebuild of the same goes on from there" },
	{ .name = "dry-run", .kind = OPTION_FLAG, AT(dry_run), .help = "only say what would be done" },
	{ .name = "resume", .kind = OPTION_FLAG, AT(resume), .excludes = "from-scratch",
	  .help = "only go on with an unfinished one; without this it is gone on with when there is one" },
	{ .name = "from-scratch", .kind = OPTION_FLAG, AT(scratch), .excludes = "resume", .help = "sweep away what an unfinished one left, and begin" },
	{ .name = "readers-wait", .kind = OPTION_TIME, AT(readers_ms), .argument = "TIME", .fallback = "80ms", .min = 1, .max = 60000,
	  .help = "how long readers may wait for the switch; where no moment comes in that time, the rebuild waits for the same command" },
	{ .name = "switch-back", .kind = OPTION_FLAG, AT(back), .group = "Afterwards",
	  .help = "show the tables of before again; what events have changed since is taken over" },
	{ .name = "drop-old", .kind = OPTION_FLAG, AT(drop_old), .group = "Afterwards", .help = "drop the tables of before" },
	FOLD_OPTIONS(struct rebuild_command_options, fold),
	TARGET_OPTIONS(struct rebuild_command_options, fold.target),
	{ .name = NULL },
};

/* ---- the event ---- */

static const char *user_name(void)
{
	const struct passwd *p = getpwuid(geteuid());

	return p ? p->pw_name : "?";
}

static void put_event(void *data, const struct rebuild_result *r, struct buffer *out)
{
	const struct fold_again *a = data;
	char host[256] = "", who[512];

	gethostname(host, sizeof(host) - 1);
	snprintf(who, sizeof(who), "%.100s@%.100s pid %ld", user_name(), host, (long)getpid());
	buffer_printf(out, "{\"rebuild\":%d,\"group\":\"%s\",\"from_generation\":%d,\"to_generation\":%d,", r->plan.rebuild, a->run.group->name,
		      r->plan.generation, r->became);
	fold_again_facts(a, r, out);
	buffer_printf(out, ",\"back\":%s,\"compared\":%s,\"forced\":%s,\"time_zones\":\"%s\",\"program_version\":\"%s\",\"who\":",
		      r->inputs ? "false" : "true", r->differences >= 0 ? "true" : "false", r->forced ? "true" : "false", r->zones_version,
		      VERBATIM_VERSION);
	client_json_text(bytes_text(who), out);
	buffer_add_byte(out, '}');
}

static int journal(void *data, const struct journal_entry *entry, struct error *error)
{
	const struct fold_again *a = data;
	struct journal_options how = { .conninfo = a->target.conninfo, .role = "verbatim_engine", .name = "verbatim rebuild journal",
				       .wait_ms = JOURNAL_MS };

	return journal_append(&how, entry, NULL, error);
}

/* What happened has happened: a failure is a warning. */
static void tell(struct fold_again *a)
{
	struct error error;

	if (rebuild_tell(&rebuild_ops_real, a->target.conninfo, journal, a, &error))
		fprintf(stderr, "verbatim rebuild: it is done, but its event log.rebuilt is not written; the next rebuild does it: %s\n", error.message);
}

/* ---- what is printed ---- */

static void print_done(const struct fold_again *a, const struct rebuild_result *r, bool back)
{
	struct buffer out = { 0 };
	char text[4][HUMAN_TEXT];
	int64_t us = r->fold_us + r->index_us + r->catch_up_us + r->compare_us;

	if (fold_again_is_json(a)) {
		fold_again_facts(a, r, &out);
		printf("{\"rebuild\":%d,\"from_generation\":%d,\"to_generation\":%d,%s,\"back\":%s,\"resumed\":%s,\"events\":%lld,\"spilled\":%lld,"
		       "\"differences\":%lld,\"forced\":%s,\"fold_us\":%lld,\"index_us\":%lld,\"catch_up_us\":%lld,\"compare_us\":%lld,\"held_us\":%lld,"
		       "\"switch_us\":%lld,\"reading_us\":%lld,\"parsing_us\":%lld,\"folding_us\":%lld,\"writing_us\":%lld}\n", r->plan.rebuild, r->plan.generation, r->became, buffer_text(&out), back ? "true" : "false",
		       r->plan.resumed ? "true" : "false", (long long)r->events, (long long)r->spilled, (long long)r->differences,
		       r->forced ? "true" : "false", (long long)r->fold_us, (long long)r->index_us, (long long)r->catch_up_us, (long long)r->compare_us,
		       (long long)r->held_us, (long long)r->switch_us, (long long)r->reading_us, (long long)r->parsing_us, (long long)r->folding_us,
		       (long long)r->writing_us);
	} else if (back) {
		printf("the tables of before answer again, as generation %d\n", r->became);
	} else if (r->became) {
		printf("%d read models rebuilt from %s events in %s%s (%s events/s); readers waited %s at most\n", r->plan.count,
		       human_count(r->events, text[0]), human_duration(us, text[1]), r->plan.resumed ? ", resumed" : "",
		       human_rate((double)r->events / ((double)(r->fold_us ? r->fold_us : 1) / 1e6), text[2]), human_duration(r->switch_us, text[3]));
		printf("what answered before is kept: --switch-back shows it again, --drop-old drops it\n");
	} else {
		printf("%d read models rebuilt, and not switched to; the same command without --no-switch does it\n", r->plan.count);
	}
	buffer_release(&out);
}

static void print_names(const struct group *inputs)
{
	for (int i = 0; i < inputs->count; i++)
		printf("%s%s", i ? ", " : "", inputs->projections[i]->name);
	printf("\n");
}

static int print_plan(struct fold_again *a, struct error *error)
{
	struct shadow_position *at = mem_alloc(SHARDS_MAX * sizeof(*at));
	struct shadow_plan *p = mem_zalloc(sizeof(*p));
	struct buffer out = { 0 };
	char unfinished[2048] = "", text[HUMAN_TEXT];
	struct pg_conn *c;
	struct table t;
	int count = 0, status = shadow_open(a->target.conninfo, "verbatim rebuild", &c, error);

	if (status == 0) {
		status = shadow_look(c, a->run.group, a->run.wanted, a->run.wanted_count, p, unfinished, sizeof(unfinished), error);
		if (status == 0)
			status = shadow_positions(c, a->run.group, p->generation, at, &count, error);
		db_close(c);
	}
	if (status == 0) {
		table_init(&t, 3, (const char *const[]){ "read model", "table", ">rows, about" });
		for (int i = 0; i < p->count; i++) {
			table_cell(&t, "%s.%s", p->tables[i].projection->schema, p->tables[i].projection->name);
			table_cell(&t, "generations.%s", p->tables[i].live);
			table_cell(&t, "%s", human_count(p->tables[i].rows, text));
		}
		table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
		table_release(&t);
		table_init(&t, 4, (const char *const[]){ ">shard", ">events in the log", ">the read models stand at", "state" });
		for (int i = 0; i < count; i++) {
			table_cell(&t, "%d", at[i].shard);
			table_cell(&t, "%s", human_count(at[i].head, text));
			table_cell(&t, "%s", human_count(at[i].live, text));
			table_cell(&t, "%s", at[i].diverged ? "diverged: refused" : at[i].sound ? "" : "on a lost log: only --all");
		}
		buffer_add_byte(&out, '\n');
		table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
		table_release(&t);
		printf("%s\n%d jobs; folded: ", buffer_text(&out), a->run.jobs);
		print_names(group_inputs(a->run.group, a->run.wanted, a->run.wanted_count));
		if (*unfinished)
			printf("unfinished: %s\n", unfinished);
	}
	buffer_release(&out);
	free(at);
	free(p);
	return status;
}

/* ---- the command ---- */

static int drop_old(struct fold_again *a, struct error *error)
{
	struct pg_conn *c;
	int count = 0, status = shadow_open(a->target.conninfo, "verbatim rebuild", &c, error);

	if (status)
		return status;
	status = shadow_drop_old(c, a->run.group, 0, &count, error);
	db_close(c);
	if (status == 0 && fold_again_is_json(a))
		printf("{\"dropped\":%d}\n", count);
	else if (status == 0)
		printf(count ? "%d generations dropped\n" : "there is nothing to drop\n", count);
	return status;
}

static int check_options(const struct rebuild_command_options *o, const struct arguments *args, struct error *error)
{
	if (o->back || o->drop_old)
		return args->count || o->all || (o->back && o->drop_old) ?
		       error_set(error, E_USAGE, "%s stands alone: it is about all that the last rebuild did", o->back ? "--switch-back" : "--drop-old") : 0;
	if (!args->count && !o->all)
		return error_set(error, E_USAGE, "say which read models, or --all; --dry-run --all lists them");
	if (args->count && o->all)
		return error_set(error, E_USAGE, "'%s' is one of all", args->words[0]);
	if (o->force && !o->check)
		return error_set(error, E_USAGE, "--force belongs to --check: without it nothing is compared");
	return 0;
}

static int run_rebuild(struct fold_again *a, const struct rebuild_command_options *o, struct error *error)
{
	struct rebuild_result *r = mem_zalloc(sizeof(*r));
	int status;

	a->run.how = o->scratch ? SHADOW_SCRATCH : o->resume ? SHADOW_RESUME : SHADOW_AUTO;
	a->run.compare = o->check;
	a->run.force = o->force;
	a->run.keep = o->no_switch;
	a->run.readers_ms = o->readers_ms;
	a->run.event = put_event;
	status = fold_again_run(a, o->back ? rebuild_back : rebuild_run, r, error);
	if (status == 0)
		tell(a);
	if (status == 0)
		print_done(a, r, o->back);
	if (status == 0 && r->differences > 0)
		status = error_set(error, E_DIFFERS, "done, as forced, although %lld rows differed", (long long)r->differences);
	free(r);
	return status;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct rebuild_command_options *o = args->options;
	struct fold_again a;
	int status = check_options(o, args, error);

	if (status == 0)
		status = fold_again_open(&a, &o->fold, args->words, args->count, error);
	if (status)
		return status;
	if (o->dry_run)
		status = print_plan(&a, error);
	else if (o->drop_old)
		status = drop_old(&a, error);
	else
		status = run_rebuild(&a, o, error);
	fold_again_close(&a);
	return status;
}

const struct command rebuild_command = {
	.name = "rebuild",
	.usage = "rebuild [OPTION]... READ MODEL...|--all",
	.brief = "fold read models anew from the log",
	.help = "Folds the log into fresh tables beside the live ones, which go on and are read meanwhile, and has them take their place in a "
		"moment: views, grants, prepared statements and what people have built upon them stay. Read models that others need are "
		"folded along, in memory; only those that were named are written.\n"
		"\n"
		"  verbatim rebuild conversations\n"
		"  verbatim rebuild --all --jobs 8 --memory 4G\n"
		"  verbatim rebuild --all --check\n"
		"\n"
		"It may be interrupted, or killed: the same command goes on with what is written. A second one for the same database is told who "
		"is at it. What answered before is kept until --drop-old. Each rebuild is an event, log.rebuilt.\n"
		"\n"
		"The exit status is 0 when it is done and 1 when rows differ from what was live (with --check); help errors lists the others. The "
		"database user needs to be in verbatim_engine, or a superuser.",
	.options = options, .options_bytes = sizeof(struct rebuild_command_options), .run = run,
};
