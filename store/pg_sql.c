/*
 * pg_sql - the texts of all statements that never change.  Each is prepared once a connection, on first use.
 *
 * A month's leaf is named to the planner by bounds on recorded_at that it works out when the statement starts:
 * months follow one another as positions do, so the leaf that holds position p is the first month of log_month
 * that ends at p or later, and all other leaves are pruned away.
 */
#include "store/pg_session.h"

#define MONTH_START(month) "(" month ")::timestamp AT TIME ZONE 'UTC'"
#define MONTH_STOP(month) "((" month ") + interval '1 month')::timestamp AT TIME ZONE 'UTC'"

/* The leaf of the first position after $2 in shard $1. */
#define LEAF_AFTER                                                                                            \
	"(SELECT month FROM verbatim.log_month WHERE shard = $1::int2"                                        \
	" AND (last_position IS NULL OR last_position > $2::int8) ORDER BY month LIMIT 1)"
#define IN_LEAF(leaf)                                                                                         \
	" AND recorded_at >= (SELECT " MONTH_START("month") " FROM " leaf " m)"                               \
	" AND recorded_at < (SELECT " MONTH_STOP("month") " FROM " leaf " m)"

#define EVENT_COLUMNS                                                                                         \
	"position, recorded_at, leaf_hash, occurred_at, event_version, silent, event_id, tenant_id, entity_id," \
	" conversation_id, customer_id, resolution_id, actor_id, correlation_id, causation_id, event_type,"   \
	" entity_type, actor_type, actor_ip, actor_user_agent, payload"

/* Rows after $2, up to $3, in order, at most $4 of them, ended by the one that passes $5 bytes of payload. */
#define READ_EVENTS(where)                                                                                    \
	"SELECT " EVENT_COLUMNS " FROM (SELECT " EVENT_COLUMNS ","                                            \
	" sum(octet_length(payload::text)) OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before" \
	" FROM verbatim.event_log WHERE " where " AND position > $2::int8 AND position <= $3::int8"           \
	IN_LEAF(LEAF_AFTER) " ORDER BY position LIMIT $4::int4) e"                                            \
	" WHERE before IS NULL OR before <= $5::int8"

#define HEAD_OF(shard, columns)                                                                               \
	"SELECT " columns " FROM verbatim.log_batch WHERE shard = " shard " ORDER BY first_position DESC LIMIT 1"

/* The parameters of one batch among several, and its call: rows are marked with the batch's number. */
#define BATCH_1 \
	"$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, " \
	"$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39"
#define BATCH_2 \
	"$40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57, $58, " \
	"$59, $60, $61, $62, $63, $64, $65, $66, $67, $68, $69, $70, $71, $72, $73, $74, $75, $76, $77, " \
	"$78"
#define BATCH_3 \
	"$79, $80, $81, $82, $83, $84, $85, $86, $87, $88, $89, $90, $91, $92, $93, $94, $95, $96, $97, " \
	"$98, $99, $100, $101, $102, $103, $104, $105, $106, $107, $108, $109, $110, $111, $112, $113, " \
	"$114, $115, $116, $117"
#define BATCH_4 \
	"$118, $119, $120, $121, $122, $123, $124, $125, $126, $127, $128, $129, $130, $131, $132, " \
	"$133, $134, $135, $136, $137, $138, $139, $140, $141, $142, $143, $144, $145, $146, $147, " \
	"$148, $149, $150, $151, $152, $153, $154, $155, $156"
#define APPEND(number, parameters) "SELECT " number ", a.* FROM verbatim.append(" parameters ") a"
#define APPEND_TWO APPEND("0", BATCH_1) " UNION ALL " APPEND("1", BATCH_2)
#define APPEND_THREE APPEND_TWO " UNION ALL " APPEND("2", BATCH_3)

#define LEASE_OF(versions) "coalesce(' g' || verbatim.generation_of(" versions "), '')"

const char *const pg_statement_sql[PG_STATEMENT_COUNT] = {
	/*
	 * The same behaviour whatever the server's configuration says: times in UTC, commits durable, plans that
	 * stay right when a table that was empty at planning time is full, an end to every statement and wait.
	 * A stronger synchronous_commit is left as it is.
	 */
	[PG_SETTINGS] =
		"SELECT set_config(name, value, false) FROM (VALUES ('timezone', 'UTC'),"
		" ('client_min_messages', 'warning'), ('search_path', 'pg_catalog'), ('synchronous_commit',"
		" CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END),"
		" ('statement_timeout', '30s'), ('lock_timeout', '8s'), ('idle_in_transaction_session_timeout', '10s'),"
		" ('default_transaction_isolation', 'read committed'), ('plan_cache_mode', 'force_generic_plan'),"
		" ('jit', 'off'), ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'),"
		" ('enable_mergejoin', 'off'), ('enable_material', 'off'), ('enable_memoize', 'off'), ('max_parallel_workers_per_gather', '0')"
		") v (name, value)",
	[PG_ROLE] =
		"SELECT set_config('role', rolname, false) FROM pg_roles"
		" WHERE rolname = $1::text AND pg_has_role(session_user, oid, 'MEMBER')",
	[PG_IDENTITY] =
		"SELECT i.log_id, i.epoch, i.shards, verbatim.log_now(), i.created_at,"
		" (SELECT json_agg(json_build_object('epoch', e.epoch, 'at', verbatim.canonical_time(e.adopted_at), 'payload',"
		" json_build_object('epoch', e.epoch, 'who', e.who, 'why', e.why, 'lost', (SELECT coalesce(json_agg("
		"json_build_object('shard', l -> 'shard', 'first_position', l -> 'first', 'last_position', l -> 'last')), '[]')"
		" FROM jsonb_array_elements(e.lost) l))) ORDER BY e.epoch)::text FROM verbatim.log_epoch e WHERE e.epoch > 1)"
		" FROM verbatim.log_identity i",

	[PG_APPEND] = APPEND("0", BATCH_1),
	[PG_APPEND_2] = APPEND_TWO,
	[PG_APPEND_3] = APPEND_THREE,
	[PG_APPEND_4] = APPEND_THREE " UNION ALL " APPEND("3", BATCH_4),

	[PG_APPEND_TOGETHER] =
		"SELECT item, outcome, item, position, recorded_at, hash FROM verbatim.append_together("
		"$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
		"$21, $22, $23, $24, $25, $26, $27, $28, $29, $30)",

	/* An append takes milliseconds; what holds the lock longer is none. */
	[PG_AWAIT_APPEND] =
		"SELECT pg_advisory_xact_lock_shared(hashtext('verbatim.append'), $1::int2)"
		" FROM set_config('lock_timeout', '1s', true)",
	[PG_HEAD] =
		"SELECT i.epoch, h.last_position, h.recorded_at, h.root, k.root, "
		MONTH_START("SELECT min(month) FROM verbatim.log_month WHERE shard = $1::int2")
		" FROM verbatim.log_identity i"
		" LEFT JOIN LATERAL (" HEAD_OF("$1::int2", "last_position, recorded_at, root") ") h ON true"
		" LEFT JOIN LATERAL (SELECT last_position, root FROM verbatim.log_batch WHERE shard = $1::int2"
		" AND first_position <= $2::int8 ORDER BY first_position DESC LIMIT 1) k ON k.last_position = $2::int8",
	[PG_COMPARE] = "SELECT max(checkpoint) FROM verbatim.diverged_checkpoints($1::int2)",
	[PG_LEAVES] =
		"SELECT position, leaf_hash FROM verbatim.event_log WHERE shard = $1::int2 AND position > $2::int8"
		" AND position <= $3::int8 AND recorded_at >= (SELECT " MONTH_START("month") " FROM " LEAF_AFTER " m)"
		" ORDER BY position",
	[PG_TILES] =
		"SELECT index, hashes FROM verbatim.log_tile WHERE shard = $1::int2 AND level = $2::int2"
		" AND index >= $3::int8 AND index < $4::int8 ORDER BY index",

	[PG_READ_HEAD] = HEAD_OF("$1::int2", "last_position"),
	[PG_READ_MONTH] =
		"SELECT last_position FROM verbatim.log_month WHERE shard = $1::int2"
		" AND (last_position IS NULL OR last_position > $2::int8) ORDER BY month LIMIT 1",
	[PG_READ] = READ_EVENTS("shard = $1::int2"),
	[PG_READ_TENANT] = READ_EVENTS("shard = $1::int2 AND tenant_id IS NOT DISTINCT FROM $6::uuid"),
	[PG_READ_CONVERSATION] =
		READ_EVENTS("shard = $1::int2 AND tenant_id = $6::uuid AND conversation_id = $7::uuid"),
	[PG_READ_LEAVES] =
		"SELECT position, recorded_at, leaf_hash FROM verbatim.event_log WHERE shard = $1::int2"
		" AND position > $2::int8 AND position <= $3::int8" IN_LEAF(LEAF_AFTER) " ORDER BY position LIMIT $4::int4",
	[PG_HEADS] =
		"SELECT s.shard, h.last_position, i.epoch, verbatim.log_now() FROM verbatim.log_identity i,"
		" LATERAL generate_series(0, i.shards) s (shard)"
		" LEFT JOIN LATERAL (" HEAD_OF("s.shard::int2", "last_position") ") h ON true",

	[PG_GENERATION] =
		"SELECT g.n, (SELECT string_agg(t.table_name, ',' ORDER BY w.n) FROM unnest($2::text[]) WITH ORDINALITY w (name, n)"
		" JOIN verbatim.generation t ON t.projection = w.name AND t.generation = g.n)"
		" FROM (SELECT verbatim.generation_of($1::text, $2::text[], $3::int4[]) AS n) g",
	[PG_CHECKPOINT] =
		"SELECT c.last_position, c.leaf_hash, l.leaf_hash FROM (SELECT last_position, leaf_hash"
		" FROM verbatim.projection_batch WHERE group_name = $2::text AND generation = $3::int4 AND shard = $1::int2"
		" ORDER BY first_position DESC LIMIT 1) c"
		" LEFT JOIN LATERAL (SELECT month FROM verbatim.log_month WHERE shard = $1::int2"
		" AND (last_position IS NULL OR last_position >= c.last_position) ORDER BY month LIMIT 1) m ON true"
		" LEFT JOIN LATERAL (SELECT leaf_hash FROM verbatim.event_log e WHERE e.shard = $1::int2"
		" AND e.position = c.last_position AND e.recorded_at >= " MONTH_START("m.month")
		" AND e.recorded_at < " MONTH_STOP("m.month") " LIMIT 1) l ON true", /* LIMIT: no join, whose plan on an empty leaf would scan a full one */

	/* A lease of read models bears the generation's number: engines of two versions work side by side. */
	[PG_LEASE_TAKE] =
		"SELECT t.held, t.owner, (SELECT count(*)::int4 FROM pg_stat_activity a WHERE a.datname = current_database()"
		" AND a.application_name = current_setting('application_name')),"
		" (SELECT count(*)::int4 FROM verbatim.lease l WHERE l.name = n.name AND l.shard > $2::int2 AND l.owner = $3::uuid"
		" AND l.expires_at > verbatim.log_now())"
		" FROM (SELECT $1::text || " LEASE_OF("$5, $6, $7") " AS name) n"
		" CROSS JOIN LATERAL verbatim.lease_take(n.name, $2::int2, $3::uuid, $4::int8 * interval '1 ms') t",
	[PG_LEASE_GIVE] = "SELECT verbatim.lease_give($1::text || " LEASE_OF("$4, $5, $6") ", $2::int2, $3::uuid)",

	[PG_SHOWN] =
		"SELECT a.generation, (SELECT b.last_position FROM verbatim.projection_batch b WHERE b.group_name = $2::text"
		" AND b.generation = a.generation AND b.shard = $1::int2 ORDER BY b.first_position DESC LIMIT 1)"
		" FROM (SELECT verbatim.answering_generation($2::text) AS generation) a",
	[PG_GENERATIONS] =
		"SELECT g.generation, g.active, g.generation = verbatim.generation_of($1::text, $2::text[], $3::int4[]), g.shown,"
		" (SELECT sum(c.position)::int8 FROM verbatim.checkpoints c WHERE c.group_name = $1::text AND c.generation = g.generation),"
		" g.created_at FROM (SELECT generation, bool_or(active) AS active, bool_or(shown_at IS NOT NULL) AS shown,"
		" min(created_at) AS created_at FROM verbatim.generation WHERE group_name = $1::text GROUP BY generation"
		" ORDER BY generation DESC LIMIT $4::int4) g ORDER BY g.generation",
	[PG_REBUILDS] =
		"SELECT id, group_name, cardinality(read_models), beat_at > clock_timestamp() - interval '30 s', coalesce(step, ''),"
		" coalesce(done, 0), coalesce(total, 0), CASE WHEN isfinite(beat_at) AND step_at IS NOT NULL THEN (extract(epoch FROM beat_at - step_at) * 1000000)::int8 ELSE 0 END, begun_at"
		" FROM verbatim.rebuild WHERE state = 'building' ORDER BY id LIMIT $1::int4",
	[PG_SWITCH] = "SELECT verbatim.switch_generation($1::text, $2::int4, true)",
	[PG_SWEEP] = "SELECT verbatim.sweep_generations($1::text)",

	[PG_MAKE_LEAVES] =
		"SELECT verbatim.make_leaf((date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC')"
		" + n * interval '1 month')::date) FROM generate_series(0, 2) n",
	/* The oldest month that is over and lacks the last of the indexes that close_month makes. */
	[PG_OPEN_MONTH] =
		"SELECT DISTINCT month FROM verbatim.log_month WHERE month < date_trunc('month',"
		" ($1::timestamptz - interval '1 hour') AT TIME ZONE 'UTC')"
		" AND to_regclass(format('verbatim.%I', to_char(month, '\"event_log_y\"YYYY\"m\"MM\"_audit_recorded\"'))) IS NULL"
		" AND to_regclass(format('verbatim.%I', to_char(month, '\"event_log_y\"YYYY\"m\"MM'))) IS NOT NULL"
		" ORDER BY month LIMIT 1",
	[PG_PATIENCE] = "SELECT set_config('statement_timeout', '14min', true)",
	[PG_CLOSE_MONTH] = "SELECT verbatim.close_month($1::date)",

	[PG_BEGIN] = "BEGIN",
	[PG_ROLLBACK] = "ROLLBACK",
};
