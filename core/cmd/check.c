/* check - `verbatim check`: are the read models what the log says? */
#include <stdio.h>

#include "base/bytes.h"
#include "cmd/command.h"
#include "cmd/fold_again.h"

struct check_options {
	struct fold_options fold;
};

static const struct option options[] = {
	FOLD_OPTIONS(struct check_options, fold),
	TARGET_OPTIONS(struct check_options, fold.target),
	{ .name = NULL },
};

static void print_summary(const struct fold_again *a, const struct rebuild_result *r)
{
	struct buffer out = { 0 };
	char count[HUMAN_TEXT], took[HUMAN_TEXT];

	if (fold_again_is_json(a)) {
		fold_again_facts(a, r, &out);
		printf("{\"checked\":true,%s,\"events\":%lld,\"differences\":%lld,\"time_zones\":\"%s\"}\n", buffer_text(&out), (long long)r->events,
		       (long long)r->differences, r->zones_version);
	} else if (r->differences == 0) {
		printf("%d read models hold what the log says (%s events folded in %s)\n", r->plan.count, human_count(r->events, count),
		       human_duration(r->fold_us + r->compare_us, took));
	}
	buffer_release(&out);
}

static int run(const struct arguments *args, struct error *error)
{
	const struct check_options *o = args->options;
	struct rebuild_result *r;
	struct fold_again a;
	int status = fold_again_open(&a, &o->fold, args->words, args->count, error);

	if (status)
		return status;
	r = mem_zalloc(sizeof(*r));
	a.run.compare_only = a.run.compare = true;
	status = fold_again_run(&a, rebuild_run, r, error);
	if (status == 0) {
		print_summary(&a, r);
		if (r->differences)
			status = error_set(error, E_DIFFERS, "%lld rows are not what the log says; verbatim verify tells whether the log itself is as it was written, then verbatim rebuild puts them right",
					   (long long)r->differences);
	}
	free(r);
	fold_again_close(&a);
	return status;
}

const struct command check_command = {
	.name = "check",
	.usage = "check [OPTION]... [READ MODEL]...",
	.brief = "compare read models with a fresh fold of the log",
	.help = "Folds the log in memory and compares every row and column of the read models (all, or those named) with what comes out. "
		"Nothing is written and nobody is kept waiting: engines go on, and each table is compared as it stood at one moment. Rows "
		"that differ are printed as JSON, a line each: somebody has changed them, or an engine folds otherwise than this program.\n"
		"\n"
		"  verbatim check\n"
		"  verbatim check conversations messages | jq .columns\n"
		"\n"
		"The exit status is 0 when all is as the log says, and 1 when rows differ.",
	.options = options, .options_bytes = sizeof(struct check_options), .run = run,
};
