/*
 * replay - the parts of `verbatim replay` that its files share: what was asked for, and the moments it names.
 *
 *     replay.c          options, who asks, the order of things
 *     replay_ask.c      what was asked for
 *     replay_subject.c  a subject, from the log to the screen
 *     replay_stream.c   the log itself, event by event
 *     replay_into.c     complete read models of a moment, in a schema
 *     replay_scope.c    which events a subject's rows came from      (store/log_find.h finds them)
 *     replay_history.c  the folds, over those events, in memory
 *     replay_track.c    which event changed which row
 *     replay_show.c     the timeline; replay_rows.c: rows and differences; replay_out.c: the formats
 *     replay_verify.c   what was checked
 *     replay_record.c   that somebody looked
 */
#ifndef VERBATIM_CMD_REPLAY_H
#define VERBATIM_CMD_REPLAY_H

#include "base/option.h"
#include "cmd/engine_address.h"
#include "cmd/replay_out.h"
#include "cmd/replay_record.h"
#include "cmd/replay_track.h"
#include "cmd/replay_verify.h"
#include "engine/zones.h"

struct replay_options {
	struct engine_options engine;
	const char *conversation, *customer, *resolution, *agent, *correlation, *entity;
	const char *tenant, *at, *as_happened, *diff;
	const char *from, *until, *into;
	struct texts types;
	const char *show, *format, *output, *reason;
	bool step, verify, pager, force;
	int64_t limit, memory;
};

/* A moment of the log: a position, or an instant. */
struct moment {
	bool given;
	int64_t position; /* above 0: this one */
	int64_t time;     /* else this instant */
};

/* What there is to be known before anything is read. */
struct replay {
	const struct replay_options *options;
	struct subject subject;
	bool has_subject;
	const char *id;          /* as it was typed */
	struct moment at, as_happened, since; /* `since`: the first of --diff, the second is `at` */
	char diff_from[64], diff_to[64];
	struct target target;
	struct log_find *log;
	struct log_find_log about;
	int16_t shard;
	struct record *record;
	struct zones *zones;
	struct out out;
	struct log_place place, since_place;
	bool has_root;
	uint8_t root[LEAF_BYTES];
	struct scope scope;
	struct track track;
	struct verify verify;
};

/* Reads the options and words.  E_USAGE. */
int replay_parse(struct replay *r, const struct arguments *args, struct error *error) must_check;
enum out_format replay_format(const struct replay *r);

/* One after the other: the events and the place in the log; the folds; the checks; what is shown. */
int replay_gather(struct replay *r, struct error *error) must_check;
int replay_fold(struct replay *r, struct error *error) must_check;
int replay_check(struct replay *r, struct error *error) must_check;
void replay_show(struct replay *r);

/* "4711", "2026-03-03T10:00:00Z", "2026-03-03 10:00", "2026-03-03" (its end), all in UTC unless they say otherwise; NULL or "": not given.  E_USAGE. */
int moment_parse(const char *option, const char *text, struct moment *out, struct error *error) must_check;

/* Whether an event type fits one of the patterns ("message.received", "message.*"); always when there are none. */
bool type_fits(const struct texts *patterns, struct bytes type);

/* {"verbatim":...,"time_zones":...,"read_models":{...}}: what besides the log decides about the output. */
void replay_versions(const char *zones, struct buffer *out);

/* The log from moment to moment, to `out`. */
int replay_stream(const struct replay_options *o, const char *conninfo, const struct uuid *tenant, struct out *out,
		  struct error *error) must_check;

/* Complete read models as of --at, into the schema of --into.  E_EXISTS, E_NOT_FOUND, and as of rebuild_into. */
int replay_into(struct replay *r, struct error *error) must_check;

#endif
