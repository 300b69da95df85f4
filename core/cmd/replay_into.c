/*
 * replay_into - `verbatim replay --into SCHEMA|CONNINFO`: complete read models as of a moment, in a schema of their own.
 *
 *   a moment --> a position in each shard --> the folds of a rebuild (core/engine/rebuild.h) --> tables, keys, indexes
 *                                                                                          \-> table `replayed`: what they are
 *
 * SCHEMA is made in the log's database; with a connection string it is made there, and called after the moment.  What
 * fails on the way leaves nothing: the schema goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/term.h"
#include "base/time.h"
#include "cmd/interrupt.h"
#include "cmd/replay.h"
#include "engine/rebuild.h"
#include "store/db.h"
#include "store/row_schema.h"

enum { SCHEMA_TEXT = 64, NUMBER_TEXT_MAX = 24 };

struct into {
	struct replay *replay;
	int64_t at;
	char schema[SCHEMA_TEXT];
	struct rebuild_target target;
	struct pg_conn *conn; /* of the schema's database */
	struct progress progress;
	const char *step;
};

/* ---- where to, and as of when ---- */

static bool is_conninfo(const char *text)
{
	return strchr(text, '=') || strstr(text, "://");
}

static int choose_target(struct into *in, struct error *error)
{
	const char *word = in->replay->options->into;
	int64_t days = in->at / TIME_DAY, year, second = in->at % TIME_DAY / TIME_SECOND;
	unsigned month, day;

	in->target.schema = in->schema;
	if (is_conninfo(word)) {
		time_civil_from_days(days, &year, &month, &day);
		snprintf(in->schema, sizeof(in->schema), "as_of_%04lld%02u%02u_%02lld%02lld%02lld", (long long)year, month, day,
			 (long long)second / 3600, (long long)second / 60 % 60, (long long)second % 60);
		in->target.conninfo = word;
		return 0;
	}
	if (!row_schema_fits(word))
		return error_set(error, E_USAGE, "--into '%s': a schema's name begins with a letter and has small letters, digits and _; or "
				 "give a connection string", word);
	snprintf(in->schema, sizeof(in->schema), "%s", word);
	in->target.conninfo = in->replay->target.conninfo;
	return 0;
}

static int find_positions(struct into *in, struct error *error)
{
	struct replay *r = in->replay;
	int64_t total = 0;
	int status = 0;

	in->target.shards = r->about.shards + 1;
	for (int i = 0; i < in->target.shards && !status; i++) {
		struct log_place place;

		status = log_find_place(r->log, (int16_t)i, in->at, 0, &place, error);
		in->target.positions[i] = status ? 0 : place.position;
		total += in->target.positions[i];
	}
	if (!status && !total)
		status = error_set(error, E_NOT_FOUND, "nothing had been recorded by then");
	return status;
}

/* ---- what the tables are ---- */

static int tell_shard(struct into *in, int shard, const char *versions, struct error *error)
{
	struct replay *r = in->replay;
	char log_id[UUID_TEXT], tenant[UUID_TEXT], at[TIME_TEXT], numbers[2][NUMBER_TEXT_MAX], hex[2 * LEAF_BYTES + 3] = "\\x", none[8], sql[256];
	uint8_t root[LEAF_BYTES];
	bool bound = !uuid_is_nil(&in->target.tenant_id);
	int status = log_find_root(r->log, (int16_t)shard, in->target.positions[shard], root, error);

	if (status)
		return status;
	hex_encode(root, LEAF_BYTES, hex + 2);
	snprintf(numbers[0], NUMBER_TEXT_MAX, "%d", shard);
	snprintf(numbers[1], NUMBER_TEXT_MAX, "%lld", (long long)in->target.positions[shard]);
	snprintf(sql, sizeof(sql), "INSERT INTO \"%s\".replayed VALUES ($1, $2, $3, $4, $5, $6, $7)", in->schema);
	return db_value(in->conn, sql, 7, (const char *[]){ uuid_format(&r->about.log_id, log_id), time_format(in->at, at), numbers[0], numbers[1], hex,
							    bound ? uuid_format(&in->target.tenant_id, tenant) : NULL, versions }, none, sizeof(none), error);
}

static int tell(struct into *in, struct error *error)
{
	struct buffer versions = { 0 };
	char sql[512];
	int status;

	snprintf(sql, sizeof(sql), "CREATE TABLE \"%s\".replayed (log_id uuid NOT NULL, at timestamptz NOT NULL, shard int2 NOT NULL PRIMARY KEY,"
		 " position int8 NOT NULL, root bytea NOT NULL, tenant_id uuid, versions jsonb NOT NULL)", in->schema);
	status = db_exec(in->conn, sql, error);
	replay_versions(zones_version(in->replay->zones), &versions);
	for (int i = 0; i < in->target.shards && !status; i++)
		if (in->target.positions[i])
			status = tell_shard(in, i, buffer_text(&versions), error);
	buffer_release(&versions);
	return status;
}

/* ---- the folds ---- */

static void on_progress(void *data, const struct rebuild_progress *p)
{
	struct into *in = data;

	if (!in->step || strcmp(in->step, p->step) != 0) {
		in->step = p->step;
		progress_start(&in->progress, stderr, p->step, "events", p->total);
	}
	progress_update(&in->progress, p->done, NULL);
}

static bool on_stop(void *data)
{
	(void)data;
	return interrupted != 0;
}

static int fold_groups(struct into *in, int64_t *events, struct error *error)
{
	const char *folder = getenv("TMPDIR");
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct rebuild_result *result = mem_alloc(sizeof(*result));
	int status = 0;

	for (int g = 0; g < group_count && !status; g++) {
		struct rebuild_options o = { .conninfo = in->replay->target.conninfo, .group = groups[g], .compare_only = true,
					     .jobs = cores > 0 ? (int)cores : 1, .memory = in->replay->options->memory,
					     .folder = folder && *folder ? folder : "/tmp", .progress = on_progress, .stop = on_stop, .data = in };

		status = rebuild_into(&o, &in->target, result, error);
		*events += status ? 0 : result->events;
		for (int i = 0; i < groups[g]->count && !status; i++)
			status = row_schema_index(in->conn, in->schema, groups[g]->projections[i], error);
	}
	progress_stop(&in->progress);
	free(result);
	return status;
}

static int fill(struct into *in, struct error *error)
{
	char at[TIME_TEXT], text[HUMAN_TEXT];
	struct error ignored;
	int64_t events = 0;
	int status = fold_groups(in, &events, error);

	if (!status)
		status = tell(in, error);
	if (status) {
		if (row_schema_drop(in->conn, in->schema, &ignored))
			error_prefix(error, "schema '%s' is left half filled", in->schema);
		return status;
	}
	printf("schema %s holds the read models as of %s, from %s events; %s.replayed tells of which log\n", in->schema,
	       time_format(in->at, at), human_count(events, text), in->schema);
	return 0;
}

int replay_into(struct replay *r, struct error *error)
{
	struct into *in = mem_zalloc(sizeof(*in));
	int status;

	in->replay = r;
	in->at = r->at.given ? r->at.time : time_wall();
	in->target.tenant_id = r->subject.tenant_id;
	status = choose_target(in, error);
	if (!status)
		status = find_positions(in, error);
	if (!status)
		status = db_open(in->target.conninfo, "verbatim replay", &in->conn, error);
	if (!status)
		status = row_schema_make(in->conn, in->schema, error);
	if (!status)
		status = fill(in, error);
	db_close(in->conn);
	free(in);
	return status;
}
