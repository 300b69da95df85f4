/*
 * init - `verbatim init`: makes a log, or takes one over whose history was cut.
 *
 * Adopting is for a person: after a restore from a backup, or a promotion that lost a tail, the engines that saw
 * more than the log now holds refuse to go on (log_diverged).  --adopt writes down who decided it, why and what was
 * lost, and counts the epoch up, so that every cursor, ack and checkpoint can tell before from after.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cmd/command.h"
#include "cmd/target.h"
#include "store/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

struct init_options {
	struct target_options target;
	int64_t shards;
	bool adopt;
	const char *who, *why;
	struct texts lost;
};

static const struct option options[] = {
	{ .name = "shards", .kind = OPTION_INT, .offset = offsetof(struct init_options, shards), .argument = "N", .min = 1,
	  .max = 64, .help = "ordering domains that tenants are spread over, fixed for ever; each takes three of the server's "
			    "connections; 4 when not given" },
	{ .name = "adopt", .kind = OPTION_FLAG, .offset = offsetof(struct init_options, adopt), .group = "Taking a log over",
	  .help = "go on with a log that lost its end in a restore or a promotion" },
	{ .name = "who", .kind = OPTION_TEXT, .offset = offsetof(struct init_options, who), .argument = "NAME",
	  .group = "Taking a log over", .help = "who decides it" },
	{ .name = "why", .kind = OPTION_TEXT, .offset = offsetof(struct init_options, why), .argument = "TEXT",
	  .group = "Taking a log over", .help = "what happened" },
	{ .name = "lost", .kind = OPTION_TEXTS, .offset = offsetof(struct init_options, lost), .argument = "SHARD:FIRST-LAST",
	  .group = "Taking a log over", .help = "positions that were acknowledged and are gone, as far as known; what the read models have seen is found by itself" },
	TARGET_OPTIONS(struct init_options, target),
	{ .name = NULL },
};

static int lost_json(const struct texts *lost, struct buffer *out, struct error *error)
{
	buffer_add_byte(out, '[');
	for (int i = 0; i < lost->count; i++) {
		long long first, last;
		int shard, end = 0;

		if (sscanf(lost->items[i], "%d:%lld-%lld%n", &shard, &first, &last, &end) != 3 || lost->items[i][end] ||
		    shard < 0 || shard > 255 || first < 1 || last < first)
			return error_set(error, E_USAGE, "--lost %s: say SHARD:FIRST-LAST, as 2:1041-1057", lost->items[i]);
		buffer_printf(out, "%s{\"shard\": %d, \"first\": %lld, \"last\": %lld}", i ? ", " : "", shard, first, last);
	}
	buffer_add_byte(out, ']');
	return 0;
}

/* What the log's history says now, the read models' word included. */
static int print_lost(struct pg_conn *conn, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn,
			      "SELECT (l ->> 'shard')::int8, (l ->> 'first')::int8, (l ->> 'last')::int8 FROM verbatim.log_epoch e,"
			      " LATERAL jsonb_array_elements(e.lost) l WHERE e.epoch = (SELECT max(epoch) FROM verbatim.log_epoch)"
			      " ORDER BY 1, 2", 0, NULL, &rows, error);

	if (status)
		return status;
	for (int i = 0; i < db_rows(rows); i++)
		printf("given up: shard %lld, positions %lld to %lld\n", (long long)db_int(rows, i, 0), (long long)db_int(rows, i, 1),
		       (long long)db_int(rows, i, 2));
	db_free(rows);
	return 0;
}

/* What a person who has just adopted a log wants to know: must anything be done about the engines that run on it? */
static int print_engines(struct pg_conn *conn, struct error *error)
{
	char text[32];
	int status = db_value(conn, "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
			      " AND application_name = 'verbatim control'", 0, NULL, text, sizeof(text), error);

	if (status)
		return status;
	if (strcmp(text, "0") == 0)
		printf("no engine runs on it now; the next that starts writes the adoption into the log\n");
	else
		printf("%s %s on it; within seconds the adoption is known there and written into the log (log.adopted), and what was\n"
		       "refused with log_diverged goes on.  Read models that have seen what is gone stay stopped until they are rebuilt;\n"
		       "`verbatim status` names them\n", text, strcmp(text, "1") == 0 ? "engine runs" : "engines run");
	return 0;
}

static int adopt(struct pg_conn *conn, const struct init_options *o, struct error *error)
{
	struct buffer lost = { 0 };
	struct migrations m;
	int epoch, status = migrate_status(conn, &m, error);

	if (status)
		return status;
	if (!*m.log_id)
		status = error_set(error, E_NOT_FOUND, "there is no log to adopt; verbatim init without --adopt makes one");
	if (!status)
		status = migrate_up(conn, NULL, NULL, error);
	if (!status)
		status = lost_json(&o->lost, &lost, error);
	if (!status)
		status = log_adopt(conn, o->who, o->why, buffer_text(&lost), &epoch, error);
	if (!status) {
		printf("log %s is adopted: epoch %d\n", m.log_id, epoch);
		status = print_lost(conn, error);
	}
	if (!status)
		status = print_engines(conn, error);
	buffer_release(&lost);
	migrations_release(&m);
	return status;
}

static int make(struct pg_conn *conn, const struct init_options *o, const struct target *t, struct error *error)
{
	struct migrations before = { 0 }, after = { 0 };
	int status = migrate_status(conn, &before, error);

	if (!status)
		status = migrate_up(conn, NULL, NULL, error);
	if (!status)
		status = log_prepare(conn, (int)o->shards, error);
	if (!status)
		status = migrate_status(conn, &after, error);
	if (!status)
		printf("log %s %s %s: epoch %s, %s shards\n", after.log_id, *before.log_id ? "stands in" : "is made in", t->name,
		       after.epoch, after.shards);
	migrations_release(&before);
	migrations_release(&after);
	return status;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct init_options *o = args->options;
	struct pg_conn *conn;
	struct target t;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "init takes no words; did you mean --data %s?", args->words[0]);
	if (o->adopt && (!o->who || !o->why))
		return error_set(error, E_USAGE, "--adopt needs --who and --why: they stand in the log's history for ever");
	if (!o->adopt && (o->who || o->why || o->lost.count))
		return error_set(error, E_USAGE, "--who, --why and --lost belong to --adopt");
	status = target_database(&o->target, !o->adopt, &t, error);
	if (status)
		return status;
	status = db_open(t.conninfo, "verbatim init", &conn, error);
	if (!status) {
		status = cluster_check_server(conn, error);
		if (!status)
			status = o->adopt ? adopt(conn, o, error) : make(conn, o, &t, error);
		db_close(conn);
	}
	target_release(&t);
	return status;
}

const struct command init_command = {
	.name = "init",
	.usage = "init [OPTION]...",
	.brief = "make a log, or adopt one whose end was lost",
	.help = "Makes the database (below --data, or in the one of --db), its schema and the log's identity. `verbatim serve` does the "
		"same with the defaults when there is no log yet; init is for choosing. Called again, it changes nothing.\n"
		"\n"
		"An adoption may be made while engines run: they learn of it within seconds, and go on in the new epoch by themselves.\n"
		"\n"
		"  verbatim init --data /srv/verbatim --shards 8\n"
		"  verbatim init --adopt --who 'Ada (on call)' --why 'restored from Tuesday' --lost 2:1041-1057",
	.options = options, .options_bytes = sizeof(struct init_options), .run = run,
};
