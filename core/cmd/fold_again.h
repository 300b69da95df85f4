/*
 * fold_again - what `verbatim rebuild` and `verbatim check` share: which read models, how far it is, which rows differ.
 *
 * A difference is a JSON object on a line of its own:
 *
 *     {"read_model":"core.conversations","shard":2,"tenant_id":"...","id":"...","difference":"values",
 *      "last_position":{"live":310,"rebuilt":310},"columns":{"message_count":{"live":4,"rebuilt":5}}}
 *
 * difference is "values", "missing" (the log says that there is such a row) or "surplus" (it does not).
 */
#ifndef VERBATIM_CMD_FOLD_AGAIN_H
#define VERBATIM_CMD_FOLD_AGAIN_H

#include "base/term.h"
#include "cmd/target.h"
#include "engine/rebuild.h"

struct fold_options {
	struct target_options target;
	int64_t jobs, memory, shown;
	const char *spill;
	bool json, quiet;
};

/* The rows for a command's table. */
#define FOLD_OPTIONS(type, member)                                                                                               \
	{ .name = "jobs", .kind = OPTION_INT, .offset = offsetof(type, member.jobs), .argument = "N", .fallback = "0", .min = 0, \
	  .max = REBUILD_JOBS_MAX, .group = "Effort",                                                                            \
	  .help = "shards at a time, each with a thread and two sessions; 0: as many as there are processors" },                 \
	{ .name = "memory", .kind = OPTION_BYTES, .offset = offsetof(type, member.memory), .argument = "SIZE",                  \
	  .fallback = "512M", .min = 1 << 20, .max = 1LL << 40, .group = "Effort",                                               \
	  .help = "for rows; what does not fit goes into files" },                                                               \
	{ .name = "spill", .kind = OPTION_TEXT, .offset = offsetof(type, member.spill), .argument = "DIR", .filled = true,      \
	  .group = "Effort", .help = "folder for such files; without it TMPDIR, or /tmp" },                                      \
	{ .name = "differences", .kind = OPTION_INT, .offset = offsetof(type, member.shown), .argument = "N",                   \
	  .fallback = "1000", .min = 0, .max = 1000000000, .help = "how many differing rows are printed; all are counted" },     \
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(type, member.json),                                           \
	  .help = "the summary as a JSON object, as when the output is no terminal" },                                           \
	{ .name = "quiet", .kind = OPTION_FLAG, .offset = offsetof(type, member.quiet), .help = "no progress" }

struct fold_again {
	const struct fold_options *options;
	struct target target;
	struct rebuild_options run;
	struct progress progress;
	const char *step;
	int64_t shown;
};

/* Finds the database and the read models that `words` name ("conversations", "core.conversations"); none: all. */
int fold_again_open(struct fold_again *a, const struct fold_options *options, const char *const *words, int count, struct error *error) must_check;
void fold_again_close(struct fold_again *a);

/* rebuild_run or rebuild_back, with progress on standard error and differences on standard output. */
int fold_again_run(struct fold_again *a, int (*run)(const struct rebuild_options *o, struct rebuild_result *r, struct error *error),
		   struct rebuild_result *r, struct error *error);

/* True when the summary is for a machine. */
bool fold_again_is_json(const struct fold_again *a);

/* "read_models":[...],"shards":[...]: what was folded, to where, with digests. */
void fold_again_facts(const struct fold_again *a, const struct rebuild_result *r, struct buffer *out);

#endif
