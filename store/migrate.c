/* migrate - see migrate.h. */
#include "store/migrate.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/db.h"
#include "store/readmodel.h"
#include "store/schema.h"

/* "verbatim" as a number; one lock for all who migrate this database. */
#define LOCK_SQL "SELECT pg_advisory_xact_lock(x'7665726261746d'::bigint)"

/* ---- this binary's migrations ---- */

struct source {
	char version[32];
	char name[96];
	const char *up, *down;
	char checksum[2 * SHA256_DIGEST_LENGTH + 1];
};

enum { SOURCES_MAX = 256 };

/* "log/20261122_100000_create_event_log.up.sql" */
static bool parse_name(const char *file, const char *ending, struct source *s)
{
	enum { VERSION = 15 };
	size_t len = strlen(file), tail = strlen(ending);
	const char *base = file + 4;

	if (strncmp(file, "log/", 4) != 0 || len < 4 + VERSION + 2 + tail || strcmp(file + len - tail, ending) != 0 ||
	    base[VERSION] != '_')
		return false;
	snprintf(s->version, sizeof(s->version), "%.*s", VERSION, base);
	snprintf(s->name, sizeof(s->name), "%.*s", (int)(len - tail - 4 - VERSION - 1), base + VERSION + 1);
	return true;
}

static const char *text_of(const struct source *s, const char *ending)
{
	struct source other;

	for (const struct schema_file *f = schema_files; f->name; f++)
		if (parse_name(f->name, ending, &other) && strcmp(other.version, s->version) == 0 &&
		    strcmp(other.name, s->name) == 0)
			return f->text;
	return NULL;
}

/* In version order, since the files are in name order. */
static int load_sources(struct source *sources, struct error *error)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int count = 0;

	for (const struct schema_file *f = schema_files; f->name; f++) {
		struct source *s = &sources[count];

		if (count == SOURCES_MAX || !parse_name(f->name, ".up.sql", s))
			continue;
		s->up = f->text;
		s->down = text_of(s, ".down.sql");
		if (!s->down)
			return error_set(error, E_INTERNAL, "migration %s_%s has no down script", s->version, s->name);
		SHA256((const unsigned char *)s->up, strlen(s->up), digest);
		hex_encode(digest, sizeof(digest), s->checksum);
		count++;
	}
	return count;
}

/* ---- what the database says ---- */

const char *migration_state_name(enum migration_state state)
{
	static const char *const names[] = { "pending", "applied", "changed", "unknown" };

	return names[state];
}

void migrations_release(struct migrations *m)
{
	free(m->items);
	*m = (struct migrations){ 0 };
}

/* By a scan of the catalog: to_regclass may answer out of a cache that has not heard yet of what another session committed. */
static int has_table(struct pg_conn *conn, const char *name, bool *has, struct error *error)
{
	char found[8];
	int status = db_value(conn,
			      "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
			      " WHERE n.nspname = 'verbatim' AND c.relname = $1", 1, &name, found, sizeof(found), error);

	*has = !status && *found;
	return status;
}

static int read_identity(struct pg_conn *conn, struct migrations *m, struct error *error)
{
	struct pg_result *rows;
	bool has;
	int status = has_table(conn, "log_identity", &has, error);

	if (status || !has)
		return status;
	status = db_query(conn, "SELECT log_id, epoch, shards FROM verbatim.log_identity", 0, NULL, &rows, error);
	if (status)
		return status;
	if (db_rows(rows) == 1) {
		snprintf(m->log_id, sizeof(m->log_id), "%s", db_text(rows, 0, 0));
		snprintf(m->epoch, sizeof(m->epoch), "%s", db_text(rows, 0, 1));
		snprintf(m->shards, sizeof(m->shards), "%s", db_text(rows, 0, 2));
	}
	db_free(rows);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct migration *)a)->version, ((const struct migration *)b)->version);
}

static struct migration *find(struct migrations *m, const char *version)
{
	for (int i = 0; i < m->count; i++)
		if (strcmp(m->items[i].version, version) == 0)
			return &m->items[i];
	return NULL;
}

/* One row of schema_migrations against the sources' rows that stand in `m` already. */
static void merge_row(struct migrations *m, const struct source *sources, const struct pg_result *rows, int row)
{
	struct migration *item = find(m, db_text(rows, row, 0));

	if (!item) {
		item = &m->items[m->count++];
		*item = (struct migration){ .state = MIGRATION_UNKNOWN };
		snprintf(item->version, sizeof(item->version), "%s", db_text(rows, row, 0));
		snprintf(item->name, sizeof(item->name), "%s", db_text(rows, row, 1));
	} else {
		const struct source *s = &sources[item - m->items];

		item->state = strcmp(s->checksum, db_text(rows, row, 2)) == 0 ? MIGRATION_APPLIED : MIGRATION_CHANGED;
		m->pending--;
	}
	snprintf(item->applied_at, sizeof(item->applied_at), "%s", db_text(rows, row, 3));
	m->applied++;
}

int migrate_status(struct pg_conn *conn, struct migrations *out, struct error *error)
{
	struct source *sources = mem_zalloc(sizeof(*sources) * SOURCES_MAX);
	struct pg_result *rows = NULL;
	bool has = false;
	int status = 0, count = load_sources(sources, error);

	*out = (struct migrations){ 0 };
	if (count < 0)
		status = count;
	if (!status)
		status = has_table(conn, "schema_migrations", &has, error);
	if (!status && has)
		status = db_query(conn,
				  "SELECT version, name, encode(checksum, 'hex'),"
				  " to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
				  " FROM verbatim.schema_migrations ORDER BY version", 0, NULL, &rows, error);
	if (status) {
		free(sources);
		return status;
	}
	out->items = mem_zalloc(sizeof(*out->items) * (size_t)(count + (rows ? db_rows(rows) : 0) + 1));
	for (int i = 0; i < count; i++) {
		struct migration *item = &out->items[out->count++];

		memcpy(item->version, sources[i].version, sizeof(item->version));
		memcpy(item->name, sources[i].name, sizeof(item->name));
		out->pending++;
	}
	for (int i = 0; rows && i < db_rows(rows); i++)
		merge_row(out, sources, rows, i);
	qsort(out->items, (size_t)out->count, sizeof(*out->items), compare);
	if (rows)
		db_free(rows);
	free(sources);
	status = read_identity(conn, out, error);
	if (status)
		migrations_release(out);
	return status;
}

static int refuse_strange(const struct migrations *m, struct error *error)
{
	for (int i = 0; i < m->count; i++) {
		const struct migration *item = &m->items[i];

		if (item->state == MIGRATION_CHANGED)
			return error_set(error, E_MIGRATION,
					 "migration %s_%s was applied with another text than this verbatim's; use the version that "
					 "applied it", item->version, item->name);
		if (item->state == MIGRATION_UNKNOWN)
			return error_set(error, E_MIGRATION,
					 "the database was migrated by a newer verbatim (%s_%s is unknown here); upgrade this one",
					 item->version, item->name);
	}
	return 0;
}

int migrate_check(struct pg_conn *conn, struct error *error)
{
	struct migrations m;
	int status = migrate_status(conn, &m, error);

	if (status)
		return status;
	status = refuse_strange(&m, error);
	if (!status && m.pending)
		status = error_set(error, E_MIGRATION, "%d of %d migrations are not applied; run: verbatim migrate up", m.pending,
				   m.count);
	migrations_release(&m);
	return status;
}

int migrate_may(struct pg_conn *conn, bool *may, struct error *error)
{
	char answer[8];
	int status = db_value(conn,
			      "SELECT 1 FROM pg_roles u WHERE u.rolname = current_user AND (u.rolsuper"
			      " OR EXISTS (SELECT FROM pg_roles o WHERE o.rolname = 'verbatim_owner'"
			      "            AND pg_has_role(u.oid, o.oid, 'MEMBER'))"
			      " OR (u.rolcreaterole AND NOT EXISTS (SELECT FROM pg_roles o WHERE o.rolname = 'verbatim_owner')))", 0, NULL, answer, sizeof(answer), error);

	*may = !status && *answer;
	return status;
}

/* ---- one transaction ---- */

/* Begins, waits for whoever else migrates, and sees what is there. */
static int begin(struct pg_conn *conn, struct migrations *m, struct error *error)
{
	int status = db_exec(conn, "BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0; " LOCK_SQL, error);

	if (!status)
		status = migrate_status(conn, m, error);
	if (!status) {
		status = refuse_strange(m, error);
		if (status)
			migrations_release(m);
	}
	return status;
}

static int finish(struct pg_conn *conn, int status, struct error *error)
{
	struct error ignored;

	if (!status)
		return db_exec(conn, "COMMIT", error);
	if (db_exec(conn, "ROLLBACK", &ignored))
		return status; /* the connection is gone, and with it the transaction */
	return status;
}

/* The bookkeeping table; where the schema is there already, it is verbatim_owner's. */
static int prepare_bookkeeping(struct pg_conn *conn, struct error *error)
{
	bool has;
	int status = has_table(conn, "schema_migrations", &has, error);

	if (status || has)
		return status;
	return db_exec(conn,
		       "CREATE SCHEMA IF NOT EXISTS verbatim;"
		       "CREATE TABLE IF NOT EXISTS verbatim.schema_migrations ("
		       " version text PRIMARY KEY, name text NOT NULL,"
		       " checksum bytea NOT NULL CHECK (octet_length(checksum) = 32),"
		       " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())", error);
}

static int give_bookkeeping(struct pg_conn *conn, struct error *error)
{
	return db_exec(conn,
		       "DO $$ BEGIN"
		       " IF EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
		       "            WHERE c.oid = 'verbatim.schema_migrations'::regclass AND r.rolname <> 'verbatim_owner') THEN"
		       "  ALTER TABLE verbatim.schema_migrations OWNER TO verbatim_owner;"
		       "  GRANT SELECT ON verbatim.schema_migrations"
		       "   TO verbatim_engine, verbatim_reader, verbatim_auditor, verbatim_admin;"
		       " END IF; END $$", error);
}

static const struct source *find_source(const struct source *sources, int count, const char *version)
{
	for (int i = 0; i < count; i++)
		if (strcmp(sources[i].version, version) == 0)
			return &sources[i];
	return NULL;
}

static int apply(struct pg_conn *conn, const struct source *s, struct error *error)
{
	const char *const values[] = { s->version, s->name, s->checksum };
	struct pg_result *rows;
	int status = db_exec(conn, s->up, error);

	if (!status)
		status = give_bookkeeping(conn, error);
	if (!status)
		status = db_query(conn,
				  "INSERT INTO verbatim.schema_migrations (version, name, checksum)"
				  " VALUES ($1, $2, decode($3, 'hex'))", 3, values, &rows, error);
	if (status)
		return error_prefix(error, "migration %s_%s", s->version, s->name);
	db_free(rows);
	return 0;
}

/* The next pending one, if any; `*more` tells whether there was. */
static int up_one(struct pg_conn *conn, const struct source *sources, int count, const struct source **applied,
		  struct error *error)
{
	struct migrations m = { 0 };
	int status = begin(conn, &m, error);

	*applied = NULL;
	for (int i = 0; !status && i < m.count && !*applied; i++)
		if (m.items[i].state == MIGRATION_PENDING)
			*applied = find_source(sources, count, m.items[i].version);
	if (!status && *applied)
		status = prepare_bookkeeping(conn, error);
	if (!status && *applied)
		status = apply(conn, *applied, error);
	migrations_release(&m);
	return finish(conn, status, error);
}

static int refuse_unless_may(struct pg_conn *conn, struct error *error)
{
	bool may;
	int status = migrate_may(conn, &may, error);

	if (!status && !may)
		status = error_set(error, E_NO_ACCESS,
				   "this database user may not migrate; connect as a superuser, or as a login to which a superuser "
				   "has said: GRANT verbatim_owner, verbatim_engine TO it");
	return status;
}

/* Who may not make them finds them made, by whoever migrated. */
static int prepare_read_models(struct pg_conn *conn, struct error *error)
{
	bool may;
	int status = migrate_may(conn, &may, error);

	if (status || !may)
		return status;
	return readmodel_prepare(conn, error);
}

int migrate_up(struct pg_conn *conn, migrate_done_fn done, void *data, struct error *error)
{
	struct source *sources = mem_zalloc(sizeof(*sources) * SOURCES_MAX);
	const struct source *applied = NULL;
	int count = load_sources(sources, error), status = count < 0 ? count : 0;
	struct migrations m = { 0 };

	if (!status)
		status = migrate_status(conn, &m, error);
	if (!status)
		status = refuse_strange(&m, error);
	if (!status && m.pending)
		status = refuse_unless_may(conn, error);
	if (!status && m.pending) {
		do {
			status = up_one(conn, sources, count, &applied, error);
			if (!status && applied && done)
				done(data, applied->version, applied->name);
		} while (!status && applied);
	}
	if (!status)
		status = prepare_read_models(conn, error);
	migrations_release(&m);
	free(sources);
	return status;
}

/* ---- down ---- */

static int take_back(struct pg_conn *conn, const struct source *s, const char *destroy_log, struct error *error)
{
	const char *values[] = { destroy_log ? destroy_log : "" };
	struct pg_result *rows;
	int status = db_query(conn, "SELECT set_config('verbatim.destroy_log', $1, true)", 1, values, &rows, error);

	if (status)
		return status;
	db_free(rows);
	status = db_exec(conn, s->down, error);
	if (!status) {
		values[0] = s->version;
		status = db_query(conn, "DELETE FROM verbatim.schema_migrations WHERE version = $1", 1, values, &rows, error);
		if (!status)
			db_free(rows);
	}
	if (status)
		return error_prefix(error, "taking back %s_%s", s->version, s->name);
	return 0;
}

/* The newest applied one, unless it is not newer than `to`. */
static int down_one(struct pg_conn *conn, const struct source *sources, int count, const char *to,
		    const char *destroy_log, const struct source **taken, struct error *error)
{
	struct migrations m = { 0 };
	int status = begin(conn, &m, error);

	*taken = NULL;
	for (int i = m.count - 1; !status && i >= 0 && !*taken; i--)
		if (m.items[i].state == MIGRATION_APPLIED)
			*taken = find_source(sources, count, m.items[i].version);
	if (*taken && to && strcmp((*taken)->version, to) <= 0)
		*taken = NULL;
	if (!status && *taken)
		status = take_back(conn, *taken, destroy_log, error);
	migrations_release(&m);
	return finish(conn, status, error);
}

/* Any engine, wherever it runs, keeps a session of this name for as long as it lives. */
static int refuse_under_engine(struct pg_conn *conn, struct error *error)
{
	char address[128];
	int status = db_value(conn,
			      "SELECT coalesce(host(client_addr), 'this machine') FROM pg_stat_activity"
			      " WHERE datname = current_database() AND application_name = 'verbatim control' LIMIT 1",
			      0, NULL, address, sizeof(address), error);

	if (!status && *address)
		status = error_set(error, E_BUSY, "an engine on %s works with this database; stop it first", address);
	return status;
}

int migrate_down(struct pg_conn *conn, int steps, const char *to, const char *destroy_log, migrate_done_fn done,
		 void *data, struct error *error)
{
	struct source *sources = mem_zalloc(sizeof(*sources) * SOURCES_MAX);
	const struct source *taken = NULL;
	int count = load_sources(sources, error), status = count < 0 ? count : 0;

	if (!status && to && strcmp(to, "0") != 0 && !find_source(sources, count, to))
		status = error_set(error, E_USAGE, "there is no migration '%s'; verbatim migrate status lists them", to);
	if (!status)
		status = refuse_unless_may(conn, error);
	if (!status)
		status = refuse_under_engine(conn, error);
	for (int i = 0; !status && (to || i < steps); i++) {
		status = down_one(conn, sources, count, to, destroy_log, &taken, error);
		if (!taken)
			break;
		if (!status && done)
			done(data, taken->version, taken->name);
	}
	free(sources);
	return status;
}

/* ---- the log behind the schema ---- */

/* As verbatim_owner, whom every statement of DDL belongs to. */
static int as_owner(struct pg_conn *conn, const char *sql, int count, const char *const *values, char *out, size_t size,
		    struct error *error)
{
	int status = db_exec(conn, "BEGIN; SET LOCAL ROLE verbatim_owner", error);

	if (!status)
		status = db_value(conn, sql, count, values, out, size, error);
	return finish(conn, status, error);
}

static int make_leaves(struct pg_conn *conn, struct error *error)
{
	char made[16];
	int status = E_BUSY;

	for (int attempt = 0; status == E_BUSY && attempt < 5; attempt++)
		status = as_owner(conn,
				  "SELECT count(*) FILTER (WHERE verbatim.make_leaf((date_trunc('month', verbatim.log_now(), 'UTC')"
				  " AT TIME ZONE 'UTC' + make_interval(months => i))::date)) FROM generate_series(0, 2) i",
				  0, NULL, made, sizeof(made), error);
	if (status)
		error_prefix(error, "making the log's next months");
	return status;
}

int log_prepare(struct pg_conn *conn, int shards, struct error *error)
{
	char text[16], log_id[40];
	const char *const values[] = { text };
	struct migrations m;
	int status = migrate_status(conn, &m, error);

	if (status)
		return status;
	snprintf(text, sizeof(text), "%d", shards ? shards : *m.shards ? atoi(m.shards) : 4);
	migrations_release(&m);
	status = as_owner(conn, "SELECT verbatim.init_log($1::int2)", 1, values, log_id, sizeof(log_id), error);
	if (!status)
		status = make_leaves(conn, error);
	return status;
}

int log_adopt(struct pg_conn *conn, const char *who, const char *why, const char *lost_json, int *epoch,
	      struct error *error)
{
	const char *const values[] = { who, why, lost_json ? lost_json : "[]" };
	char text[16];
	/* What the read models have seen and the log does not hold is lost as well, whether it was named or not. */
	int status = as_owner(conn,
			      "SELECT verbatim.adopt($1, $2, $3::jsonb || coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_object("
			      "'shard', s, 'first', least(d.head + 1, d.checkpoint), 'last', d.checkpoint))"
			      " FROM verbatim.log_identity i, generate_series(0, i.shards) s,"
			      " LATERAL verbatim.diverged_checkpoints(s::int2) d"
			      " WHERE NOT EXISTS (SELECT FROM jsonb_array_elements($3::jsonb) x (range)"
			      " WHERE (x.range ->> 'shard')::int4 = s AND d.checkpoint BETWEEN (x.range ->> 'first')::int8"
			      " AND (x.range ->> 'last')::int8)), '[]'))",
			      3, values, text, sizeof(text), error);

	if (!status)
		*epoch = atoi(text);
	return status;
}
