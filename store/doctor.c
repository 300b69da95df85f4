/* doctor - see doctor.h. */
#include "store/doctor.h"

#include <stdio.h>

#include "store/db.h"

/*
 * A query gives a row for each thing that is not well: its words, and where the check's own verdict does not fit all of
 * them, another one (F, W or N).  The tables that must never change are the log's, its leaves, and what proves them.
 */
#define LOG_TABLES                                                                                              \
	"(SELECT c.oid, c.relname, c.relkind, c.relacl, c.relowner, c.relrowsecurity, c.relispartition FROM pg_class c" \
	" WHERE c.oid IN ('verbatim.event_log'::regclass, 'verbatim.log_batch'::regclass, 'verbatim.log_tile'::regclass," \
	" 'verbatim.log_epoch'::regclass) OR c.oid IN (SELECT inhrelid FROM pg_inherits"                         \
	" WHERE inhparent = 'verbatim.event_log'::regclass)) t"

static const struct check {
	const char *name, *about;
	enum doctor_verdict verdict;
	const char *sql;
	const char *remedy;
} checks[] = {
	{ "server", "the server's version and durability", DOCTOR_FAULT,
	  "SELECT words FROM (VALUES"
	  " (current_setting('server_version_num')::int >= 150000, 'PostgreSQL ' || current_setting('server_version') || ' is older than 15'),"
	  " (current_setting('server_encoding') = 'UTF8', 'the encoding is ' || current_setting('server_encoding')),"
	  " (current_setting('fsync') = 'on', 'fsync is off: an acknowledged event can be lost'),"
	  " (current_setting('full_page_writes') = 'on', 'full_page_writes is off: a crash can tear pages'),"
	  " (NOT pg_is_in_recovery(), 'it is a standby, and takes no appends')) v (well, words) WHERE NOT well",
	  "ALTER SYSTEM SET ... = on and reload; name the primary with target_session_attrs=read-write" },

	{ "synchronous_commit", "commits wait for the disk", DOCTOR_WARNING,
	  "SELECT 'synchronous_commit is ' || current_setting('synchronous_commit') || ' by default' WHERE current_setting('synchronous_commit') = 'off'"
	  " UNION ALL SELECT 'role ' || coalesce(r.rolname, 'all') || ' is given ' || s.setting FROM pg_db_role_setting d"
	  " LEFT JOIN pg_roles r ON r.oid = d.setrole, unnest(d.setconfig) s (setting) WHERE s.setting = 'synchronous_commit=off'",
	  "the engine sets its own sessions to on; take the setting away so that nobody else's promise is weaker than it looks" },

	{ "standbys", "a standby that is promoted has all that was acknowledged", DOCTOR_NOTE,
	  "SELECT 'standby ' || application_name || ' is asynchronous' FROM pg_stat_replication"
	  " WHERE sync_state = 'async' AND current_setting('synchronous_standby_names') = ''",
	  "with synchronous_standby_names, an acknowledged event is on two machines; without, a promotion may lose the newest, and "
	  "verbatim init --adopt says so in the log" },

	{ "backups", "the log can be brought back from elsewhere", DOCTOR_NOTE,
	  "SELECT 'archive_mode is off and no standby is connected' WHERE current_setting('archive_mode') = 'off'"
	  " AND NOT EXISTS (SELECT FROM pg_stat_replication)"
	  " UNION ALL SELECT 'archiving fails since ' || last_failed_time FROM pg_stat_archiver"
	  " WHERE last_failed_time > coalesce(last_archived_time, '-infinity')",
	  "archive the WAL (archive_command, pgBackRest, WAL-G) or run a standby: the read models can be folded again, the log cannot" },

	{ "checksums", "data pages carry checksums", DOCTOR_NOTE,
	  "SELECT 'data checksums are off' WHERE current_setting('data_checksums') = 'off'",
	  "pg_checksums --enable on the stopped cluster; then the disk's mistakes are found before an auditor finds them" },

	{ "collation", "the C library sorts as it did when the database was made", DOCTOR_WARNING,
	  "SELECT 'collation version was ' || datcollversion || ', is ' || pg_database_collation_actual_version(oid) FROM pg_database"
	  " WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)",
	  "REINDEX DATABASE, then ALTER DATABASE ... REFRESH COLLATION VERSION" },

	{ "connections", "there is room for the engine's sessions", DOCTOR_WARNING,
	  "SELECT 'in use ' || used || ' of ' || most || ', an engine of this log takes up to ' || needed FROM ("
	  " SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,"
	  " current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,"
	  " (SELECT 3 * (shards + 1) + 7 FROM verbatim.log_identity) AS needed,"
	  " EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'verbatim appender%') AS runs) v"
	  " WHERE used + CASE WHEN runs THEN 3 ELSE needed END > most",
	  "raise max_connections, or put a pooler between the server and those who read" },

	{ "append_only_triggers", "no statement changes what is in the log", DOCTOR_FAULT,
	  "SELECT relname || ' has no append_only trigger that is always on' FROM " LOG_TABLES
	  " WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = 'append_only' AND g.tgenabled = 'A')",
	  "ALTER TABLE ... ENABLE ALWAYS TRIGGER append_only, or if it is gone SELECT verbatim.make_append_only('verbatim....'), as the owner; "
	  "then find out who did it, and run verbatim verify" },

	{ "append_only_grants", "nobody but the owner may change the log", DOCTOR_FAULT,
	  "SELECT relname || ': ' || coalesce(r.rolname, 'everybody') || ' has ' || string_agg(a.privilege_type, ', ') FROM " LOG_TABLES
	  ", aclexplode(t.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee"
	  " WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') AND a.grantee <> t.relowner"
	  " GROUP BY relname, r.rolname",
	  "REVOKE it; the engine appends through functions and needs none of these" },

	{ "owner", "nobody logs in as the owner", DOCTOR_WARNING,
	  "SELECT rolname || ' owns the log and may log in' FROM pg_roles WHERE rolcanlogin AND rolname = 'verbatim_owner'"
	  " UNION ALL SELECT relname || ' belongs to ' || t.relowner::regrole FROM " LOG_TABLES " WHERE t.relowner::regrole::text <> 'verbatim_owner'",
	  "ALTER ROLE verbatim_owner NOLOGIN; ALTER TABLE ... OWNER TO verbatim_owner" },

	{ "row_security", "readers see their own tenants alone", DOCTOR_FAULT,
	  "SELECT n.nspname || '.' || c.relname || ' has row security off' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	  " WHERE NOT c.relrowsecurity AND ((n.nspname = 'generations' AND c.relkind = 'r') OR c.oid = 'verbatim.event_log'::regclass"
	  " OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'verbatim.event_log'::regclass))"
	  " UNION ALL SELECT r.rolname || ' passes row security by and is a reader' FROM pg_roles r"
	  " WHERE r.rolcanlogin AND (r.rolbypassrls OR r.rolsuper) AND EXISTS (SELECT FROM verbatim.role_tenants b WHERE b.role_name = r.rolname)"
	  " UNION ALL SELECT v.oid::regclass || ' is a view that reads with its owner''s rights' FROM pg_class v"
	  " JOIN pg_namespace n ON n.oid = v.relnamespace WHERE v.relkind = 'v' AND v.relowner::regrole::text = 'verbatim_owner'"
	  " AND n.nspname IN ('core', 'ai', 'analytics', 'audit', 'integration', 'cache', 'analyst')"
	  " AND NOT coalesce('security_invoker=true' = ANY (v.reloptions), false)",
	  "ALTER TABLE ... ENABLE ROW LEVEL SECURITY; give readers logins of their own: verbatim role grant" },

	{ "api_keys", "API keys do not run out unnoticed", DOCTOR_WARNING,
	  "SELECT 'key ' || quote_literal(name) || ' (' || key_id || ') expires at ' || date_trunc('second', expires_at), 'W' FROM verbatim.api_key k"
	  " WHERE revoked_at IS NULL AND expires_at > now() AND expires_at < now() + interval '14 days' AND NOT EXISTS (SELECT FROM verbatim.api_key n"
	  " WHERE n.name = k.name AND n.tenant_id IS NOT DISTINCT FROM k.tenant_id AND n.revoked_at IS NULL"
	  " AND (n.expires_at IS NULL OR n.expires_at >= now() + interval '14 days'))"
	  " UNION ALL SELECT 'key ' || quote_literal(name) || ' (' || key_id || ') was never used since ' || date_trunc('second', created_at), 'N'"
	  " FROM verbatim.api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND name <> 'local'"
	  " AND created_at < now() - interval '14 days' AND NOT EXISTS (SELECT FROM verbatim.api_key_use u WHERE u.key_id = api_key.key_id)",
	  "verbatim key rotate makes the next one, and both hold meanwhile; verbatim key revoke ends one that nobody needs" },

	{ "insecure", "every engine asks for keys", DOCTOR_FAULT,
	  "SELECT 'an engine at ' || coalesce(host(client_addr), 'this machine') || ' was started with --insecure: whoever reaches it may do anything'"
	  " FROM pg_stat_activity WHERE application_name = 'verbatim keys (insecure)' AND datname = current_database()",
	  "start it without; clients bring keys (verbatim key create)" },

	{ "leaves", "the months' partitions stand ahead of time", DOCTOR_FAULT,
	  "SELECT words, verdict FROM (SELECT to_regclass('verbatim.event_log_y' || to_char(m, 'YYYY\"m\"MM')) AS leaf,"
	  " 'the leaf of ' || to_char(m, 'YYYY-MM') || ' is missing' AS words, CASE i WHEN 0 THEN 'F' ELSE 'W' END AS verdict"
	  " FROM generate_series(0, 1) i, date_trunc('month', now() + i * interval '1 month', 'UTC') m) v WHERE leaf IS NULL",
	  "an engine that runs makes them within a minute: verbatim serve; until then the month's first append waits for it" },

	{ "epoch", "what the read models have seen is in the log", DOCTOR_FAULT,
	  "SELECT 'group ' || group_name || ' stands at ' || position || ' of shard ' || c.shard || ', the log ends at ' || coalesce(h.head, 0)"
	  " FROM verbatim.checkpoints c LEFT JOIN (SELECT shard, max(last_position) AS head FROM verbatim.log_batch GROUP BY shard) h USING (shard)"
	  " WHERE c.position > coalesce(h.head, 0)",
	  "the log went back in time: put the missing part back, or accept the loss by name: verbatim init --adopt" },

	{ "folding", "somebody folds every shard that has something new", DOCTOR_WARNING,
	  "SELECT 'group ' || g.group_name || ', shard ' || h.shard || ': ' || h.head - coalesce(c.position, 0) || ' events behind, and nobody at it'"
	  " FROM (SELECT shard, max(last_position) AS head FROM verbatim.log_batch GROUP BY shard) h"
	  " CROSS JOIN (SELECT DISTINCT group_name, generation FROM verbatim.generation WHERE active) g"
	  " LEFT JOIN verbatim.checkpoints c ON c.group_name = g.group_name AND c.generation = g.generation AND c.shard = h.shard"
	  " WHERE h.head > coalesce(c.position, 0) AND NOT EXISTS (SELECT FROM verbatim.lease l WHERE l.shard = h.shard"
	  " AND l.name LIKE g.group_name || '%' AND l.expires_at > now())",
	  "start an engine: verbatim serve; if one runs, verbatim status tells why it does not fold" },

	{ "snapshots", "nobody keeps old rows alive", DOCTOR_WARNING,
	  "SELECT 'pid ' || pid || ' (' || coalesce(nullif(application_name, ''), usename, backend_type) || ') has held a snapshot since ' ||"
	  " date_trunc('second', xact_start) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND xact_start < now() - interval '10 minutes'"
	  " AND backend_type = 'client backend'"
	  " UNION ALL SELECT 'pid ' || pid || ' (' || coalesce(nullif(application_name, ''), usename) || ') sits idle in a transaction since ' ||"
	  " date_trunc('second', state_change) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < now() - "
	  "coalesce(nullif(current_setting('verbatim.idle_patience', true), ''), '1 minute')::interval"
	  " UNION ALL SELECT 'prepared transaction ' || quote_literal(gid) || ' stands since ' || date_trunc('second', prepared) FROM pg_prepared_xacts"
	  " WHERE prepared < now() - interval '10 minutes'"
	  " UNION ALL SELECT 'replication slot ' || slot_name || ' holds back transactions' FROM pg_replication_slots"
	  " WHERE NOT active AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL)",
	  "end it (pg_terminate_backend, ROLLBACK PREPARED, pg_drop_replication_slot); rows that change often grow long chains behind it" },

	{ "wal", "no slot keeps the WAL from being removed", DOCTOR_WARNING,
	  "SELECT 'slot ' || slot_name || ' is not read and keeps ' || pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))"
	  " FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL"
	  " AND pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 1073741824 AND NOT pg_is_in_recovery()",
	  "start its reader or drop it: the disk fills, and then appends stop; max_slot_wal_keep_size is a bound" },

	{ "vacuum", "the server can clean up", DOCTOR_WARNING,
	  "SELECT 'autovacuum is off' WHERE current_setting('autovacuum') = 'off'"
	  " UNION ALL SELECT c.oid::regclass || ' has autovacuum off' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	  " WHERE n.nspname IN ('verbatim', 'generations') AND 'autovacuum_enabled=false' = ANY (c.reloptions)"
	  " AND NOT EXISTS (SELECT FROM verbatim.rebuild_table t JOIN verbatim.rebuild r ON r.id = t.rebuild"
	  " WHERE r.state = 'building' AND t.table_name = c.relname)"
	  " UNION ALL SELECT 'transaction ids are used up to ' || age(datfrozenxid) * 100 / 2000000000 || ' %' FROM pg_database"
	  " WHERE datname = current_database() AND age(datfrozenxid) > 1000000000",
	  "turn it on: hot rows are updated all day, and old transaction ids must be frozen" },

	{ "anomalies", "events fit", DOCTOR_NOTE,
	  "SELECT count(*) || ' anomalies ' || quote_literal(code) || ' in the last day, newest at ' || date_trunc('second', max(recorded_at))"
	  " FROM core.anomalies WHERE recorded_at > now() - interval '1 day' GROUP BY code ORDER BY count(*) DESC",
	  "SELECT * FROM core.anomalies ORDER BY recorded_at DESC: event, read model and reason; the producers are to be told" },
};

const char *doctor_verdict_name(enum doctor_verdict v)
{
	static const char *const texts[] = { "well", "note", "warning", "fault", "unknown" };

	return texts[v];
}

static enum doctor_verdict verdict_of(const struct check *c, const struct pg_result *rows, int row)
{
	if (db_columns(rows) < 2)
		return c->verdict;
	switch (*db_text(rows, row, 1)) {
	case 'F': return DOCTOR_FAULT;
	case 'W': return DOCTOR_WARNING;
	default: return DOCTOR_NOTE;
	}
}

static void tell_rows(const struct check *c, const struct pg_result *rows, doctor_tell_fn tell, void *data)
{
	struct doctor_finding f = { .check = c->name, .about = c->about, .verdict = DOCTOR_WELL, .found = "", .remedy = "" };
	int count = db_rows(rows);
	char more[64];

	if (count == 0)
		tell(data, &f);
	f.remedy = c->remedy;
	for (int i = 0; i < count && i < DOCTOR_FINDINGS_MOST; i++) {
		f.verdict = verdict_of(c, rows, i);
		f.found = db_text(rows, i, 0);
		if (i == DOCTOR_FINDINGS_MOST - 1 && count > DOCTOR_FINDINGS_MOST) {
			snprintf(more, sizeof(more), "and %d more of the kind", count - i);
			f.found = more;
		}
		tell(data, &f);
	}
}

int doctor_examine(struct pg_conn *conn, doctor_tell_fn tell, void *data, struct error *error)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		const struct check *c = &checks[i];
		struct pg_result *rows;
		int status = db_query(conn, c->sql, 0, NULL, &rows, error);

		if (status == E_UNAVAILABLE)
			return status;
		if (status) {
			tell(data, &(struct doctor_finding){ c->name, c->about, DOCTOR_UNKNOWN, error->message,
							     "look again as a login that may see it: one of verbatim_admin's or an auditor's" });
			continue;
		}
		tell_rows(c, rows, tell, data);
		db_free(rows);
	}
	return 0;
}
