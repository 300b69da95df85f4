/* api_keys - see api_keys.h. */
#include "store/api_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"

enum { NUMBER = 24 };

#define MICROS(column) "(extract(epoch FROM " column ") * 1000000)::int8"
#define LIMITS "coalesce(events_per_second, 0), coalesce(bytes_per_second, 0), coalesce(connections, 0), coalesce(inflight_bytes, 0)"
#define LIMITS_TEXT                                                                                                      \
	"concat_ws(',', 'events=' || events_per_second || '/s', 'bytes=' || bytes_per_second || '/s', 'connections=' ||"  \
	" connections, 'inflight=' || inflight_bytes)"
#define LIMITS_JSON                                                                                                      \
	"json_build_object('events_per_second', events_per_second, 'bytes_per_second', bytes_per_second, 'connections',"  \
	" connections, 'inflight_bytes', inflight_bytes)"
#define KEY                                                                                                              \
	"key_id, name, array_to_string(scopes, ','), tenant_id, encode(secret_hash, 'hex'), encode(certificate, 'hex'),"  \
	" " MICROS("expires_at") ", revoked_at IS NOT NULL, " LIMITS
#define KEY_NO_HASH                                                                                                      \
	"key_id, name, array_to_string(scopes, ','), tenant_id, NULL, encode(certificate, 'hex'),"                        \
	" " MICROS("expires_at") ", revoked_at IS NOT NULL, " LIMITS

static int no_access(int status, struct error *error)
{
	if (status == E_NO_ACCESS)
		error_prefix(error, "this takes a superuser, or a member of verbatim_admin");
	return status;
}

static int no_sight(int status, struct error *error)
{
	if (status == E_NO_ACCESS)
		error_prefix(error, "this takes a superuser, or a member of verbatim_admin or verbatim_auditor");
	return status;
}

static struct uuid uuid_at(const struct pg_result *rows, int row, int column)
{
	struct uuid id;

	if (db_is_null(rows, row, column) || !uuid_parse(db_text(rows, row, column), UUID_TEXT - 1, &id))
		memset(&id, 0, sizeof(id));
	return id;
}

static bool hash_at(const struct pg_result *rows, int row, int column, uint8_t out[API_KEY_HASH_BYTES])
{
	return !db_is_null(rows, row, column) &&
	       hex_decode(db_text(rows, row, column), 2 * API_KEY_HASH_BYTES, out, API_KEY_HASH_BYTES);
}

static void limits_at(const struct pg_result *rows, int row, int column, struct quota_limits *out)
{
	for (int k = 0; k < QUOTA_KINDS; k++)
		out->most[k] = db_int(rows, row, column + k);
}

static int read_keys(const struct pg_result *rows, struct api_key_row **keys, int *count, struct error *error)
{
	*count = 0;
	if (db_rows(rows) > API_KEYS_MOST)
		return error_set(error, E_TOO_LARGE, "more than %d API keys", API_KEYS_MOST);
	*keys = mem_zalloc(sizeof(**keys) * (size_t)(db_rows(rows) + 1));
	for (int i = 0; i < db_rows(rows); i++) {
		struct api_key_row *k = &(*keys)[(*count)++];

		k->id = uuid_at(rows, i, 0);
		snprintf(k->name, sizeof(k->name), "%s", db_text(rows, i, 1));
		if (api_scopes_parse(db_text(rows, i, 2), &k->scopes, error))
			k->scopes = 0; /* of a newer version: it may do nothing here */
		k->tenant_id = uuid_at(rows, i, 3);
		k->has_secret = hash_at(rows, i, 4, k->hash);
		k->has_certificate = hash_at(rows, i, 5, k->certificate);
		k->expires_at = db_is_null(rows, i, 6) ? TIME_NONE : db_int(rows, i, 6);
		k->revoked = db_bool(rows, i, 7);
		limits_at(rows, i, 8, &k->limits);
	}
	return 0;
}

int api_keys_look(struct pg_conn *conn, int64_t *changed, bool *outbox, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn, "SELECT changed, EXISTS (SELECT FROM verbatim.audit_outbox) FROM verbatim.api_key_stamp", 0, NULL, &rows,
			      error);

	if (status)
		return status;
	*changed = db_rows(rows) ? db_int(rows, 0, 0) : 0;
	*outbox = db_rows(rows) && db_bool(rows, 0, 1);
	db_free(rows);
	return 0;
}

/* Of a table, the rows whose change has a number above `since` and up to `upto`. */
static int query_changes(struct pg_conn *conn, const char *sql, int64_t since, int64_t upto, struct pg_result **rows, struct error *error)
{
	char from[NUMBER], to[NUMBER];
	const char *const values[] = { from, to };

	snprintf(from, NUMBER, "%lld", (long long)since);
	snprintf(to, NUMBER, "%lld", (long long)upto);
	return db_query(conn, sql, 2, values, rows, error);
}

int api_keys_load(struct pg_conn *conn, int64_t since, int64_t upto, struct api_key_row **keys, int *count, struct error *error)
{
	struct pg_result *rows;
	int status = query_changes(conn, "SELECT " KEY " FROM verbatim.api_key WHERE changed > $1::int8 AND changed <= $2::int8 AND"
				   " ($1::int8 > 0 OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > verbatim.log_now())))"
				   " ORDER BY changed", since, upto, &rows, error);

	if (status)
		return status;
	status = read_keys(rows, keys, count, error);
	db_free(rows);
	return status;
}

int api_keys_load_named(struct pg_conn *conn, const char *ids, const char *certificates, struct api_key_row **keys, int *count,
			struct error *error)
{
	const char *const values[] = { ids, certificates };
	struct pg_result *rows;
	int status = db_query(conn, "SELECT " KEY " FROM verbatim.api_key WHERE key_id IN (SELECT unnest($1::uuid[]) UNION ALL SELECT key_id"
			      " FROM verbatim.api_key WHERE certificate IN (SELECT decode(c, 'hex') FROM unnest($2::text[]) c))"
			      " ORDER BY created_at DESC LIMIT 256", 2, values, &rows, error);

	if (status)
		return status;
	status = read_keys(rows, keys, count, error);
	db_free(rows);
	return status;
}

int api_keys_load_limits(struct pg_conn *conn, int64_t since, int64_t upto, struct tenant_limit_row **limits, int *count,
			 struct error *error)
{
	struct pg_result *rows;
	int status = query_changes(conn, "SELECT tenant_id, " LIMITS " FROM verbatim.tenant_limit WHERE changed > $1::int8"
				   " AND changed <= $2::int8 ORDER BY changed", since, upto, &rows, error);

	if (status)
		return status;
	if (db_rows(rows) > API_KEYS_MOST)
		status = error_set(error, E_TOO_LARGE, "more than %d tenants have limits", API_KEYS_MOST);
	*count = status ? 0 : db_rows(rows);
	*limits = mem_zalloc(sizeof(**limits) * (size_t)(*count + 1));
	for (int i = 0; i < *count; i++) {
		(*limits)[i].tenant_id = uuid_at(rows, i, 0);
		limits_at(rows, i, 1, &(*limits)[i].limits);
	}
	db_free(rows);
	return status;
}

/* ---- the outbox, and uses ---- */

int api_keys_outbox(struct pg_conn *conn, struct outbox_row **out, int *count, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn, "SELECT id, " MICROS("at") ", actor, action, resource_type, resource_id, tenant_id, scope"
			      " FROM verbatim.audit_outbox ORDER BY at, id LIMIT 100", 0, NULL, &rows, error);

	if (status)
		return status;
	*count = db_rows(rows) < OUTBOX_MOST ? db_rows(rows) : OUTBOX_MOST;
	*out = mem_zalloc(sizeof(**out) * (size_t)(*count + 1));
	for (int i = 0; i < *count; i++) {
		struct outbox_row *r = &(*out)[i];

		r->id = uuid_at(rows, i, 0);
		r->at = db_int(rows, i, 1);
		snprintf(r->actor, sizeof(r->actor), "%s", db_text(rows, i, 2));
		snprintf(r->action, sizeof(r->action), "%s", db_text(rows, i, 3));
		snprintf(r->resource_type, sizeof(r->resource_type), "%s", db_text(rows, i, 4));
		snprintf(r->resource_id, sizeof(r->resource_id), "%s", db_text(rows, i, 5));
		r->tenant_id = uuid_at(rows, i, 6);
		buffer_add_text(&r->scope, db_text(rows, i, 7));
	}
	db_free(rows);
	return 0;
}

static int call_with(struct pg_conn *conn, const char *sql, const char *ids, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn, sql, 1, &ids, &rows, error);

	if (!status)
		db_free(rows);
	return status;
}

int api_keys_clear_outbox(struct pg_conn *conn, const char *ids, struct error *error)
{
	return call_with(conn, "SELECT verbatim.clear_audit_outbox($1::uuid[])", ids, error);
}

int api_keys_use(struct pg_conn *conn, const char *ids, struct error *error)
{
	return call_with(conn, "SELECT verbatim.use_api_keys($1::uuid[])", ids, error);
}

/* ---- changes ---- */

/* "{1000,NULL,...}" */
static void limits_array(const struct quota_limits *l, struct buffer *out)
{
	for (int k = 0; k < QUOTA_KINDS; k++) {
		buffer_add_byte(out, k ? ',' : '{');
		if (l->most[k])
			buffer_printf(out, "%lld", (long long)l->most[k]);
		else
			buffer_add_text(out, "NULL");
	}
	buffer_add_byte(out, '}');
	buffer_text(out);
}

int api_keys_make(struct pg_conn *conn, const struct api_key_row *key, const char *action, struct error *error)
{
	char id[UUID_TEXT], tenant[UUID_TEXT], hash[2 * API_KEY_HASH_BYTES + 1], certificate[2 * API_KEY_HASH_BYTES + 1], expires[TIME_TEXT];
	struct buffer scopes = { 0 }, limits = { 0 };
	const char *values[9] = { uuid_format(&key->id, id), key->name };
	struct pg_result *rows;
	int status;

	buffer_add_byte(&scopes, '{');
	api_scopes_print(key->scopes, &scopes);
	buffer_add_byte(&scopes, '}');
	limits_array(&key->limits, &limits);
	hex_encode(key->hash, sizeof(key->hash), hash);
	hex_encode(key->certificate, sizeof(key->certificate), certificate);
	values[2] = buffer_text(&scopes);
	values[3] = uuid_is_nil(&key->tenant_id) ? NULL : uuid_format(&key->tenant_id, tenant);
	values[4] = key->has_secret ? hash : NULL;
	values[5] = key->has_certificate ? certificate : NULL;
	values[6] = key->expires_at == TIME_NONE ? NULL : time_format(key->expires_at, expires);
	values[7] = limits.data;
	values[8] = action;
	status = db_query(conn, "SELECT verbatim.make_api_key($1::uuid, $2, $3::text[], $4::uuid, decode($5, 'hex'), decode($6, 'hex'),"
			  " $7::timestamptz, $8::int8[], $9)", 9, values, &rows, error);
	if (!status)
		db_free(rows);
	else if (key->has_certificate && strstr(error->message, "api_key_certificate"))
		status = error_set(error, E_EXISTS, "this certificate is another key's already; verbatim key list shows which");
	buffer_release(&scopes);
	buffer_release(&limits);
	return no_access(status, error);
}

int api_keys_holds(struct pg_conn *conn, const struct uuid *id, const uint8_t hash[API_KEY_HASH_BYTES], bool *holds, struct error *error)
{
	char text[UUID_TEXT], digits[2 * API_KEY_HASH_BYTES + 1];
	const char *const values[] = { uuid_format(id, text), digits };
	struct pg_result *rows;
	int status;

	hex_encode(hash, API_KEY_HASH_BYTES, digits);
	status = db_query(conn, "SELECT FROM verbatim.api_key WHERE key_id = $1::uuid AND secret_hash = decode($2, 'hex') AND revoked_at IS NULL"
			  " AND (expires_at IS NULL OR expires_at > verbatim.log_now())", 2, values, &rows, error);
	if (status)
		return status;
	*holds = db_rows(rows) == 1;
	db_free(rows);
	return 0;
}

int api_keys_find(struct pg_conn *conn, const char *word, struct api_key_row **keys, int *count, struct error *error)
{
	struct pg_result *rows;
	struct uuid id;
	const char *which = uuid_parse(word, strlen(word), &id) ? "key_id = $1::uuid" : "name = $1";
	struct buffer sql = { 0 };
	int status;

	buffer_printf(&sql, "SELECT " KEY_NO_HASH " FROM verbatim.api_key WHERE %s AND revoked_at IS NULL"
		      " AND (expires_at IS NULL OR expires_at > verbatim.log_now()) ORDER BY created_at DESC, key_id LIMIT 100", which);
	status = db_query(conn, buffer_text(&sql), 1, &word, &rows, error);
	buffer_release(&sql);

	if (status)
		return no_access(status, error);
	status = read_keys(rows, keys, count, error);
	db_free(rows);
	if (!status && *count == 0) {
		free(*keys);
		status = error_set(error, E_NOT_FOUND, "there is no API key '%.60s' that still holds; verbatim key list names them", word);
	}
	return status;
}

int api_keys_end(struct pg_conn *conn, const struct api_key_row *keys, int count, int64_t grace_ms, struct error *error)
{
	char id[UUID_TEXT], grace[NUMBER + 16];
	struct buffer ids = { 0 };
	const char *values[] = { NULL, grace };
	struct pg_result *rows;
	int status;

	for (int i = 0; i < count; i++)
		buffer_printf(&ids, "%c%s", i ? ',' : '{', uuid_format(&keys[i].id, id));
	buffer_add_byte(&ids, '}');
	snprintf(grace, sizeof(grace), "%lld milliseconds", (long long)grace_ms);
	values[0] = buffer_text(&ids);
	status = db_query(conn, "SELECT verbatim.end_api_keys($1::uuid[], $2::interval)", 2, values, &rows, error);
	if (!status)
		db_free(rows);
	buffer_release(&ids);
	return no_access(status, error);
}

int api_keys_limit_tenant(struct pg_conn *conn, const struct uuid *tenant_id, const struct quota_limits *limits, struct error *error)
{
	char id[UUID_TEXT];
	struct buffer text = { 0 };
	const char *values[] = { uuid_format(tenant_id, id), NULL };
	struct pg_result *rows;
	int status;

	limits_array(limits, &text);
	values[1] = text.data;
	status = db_query(conn, "SELECT verbatim.set_tenant_limit($1::uuid, $2::int8[])", 2, values, &rows, error);
	if (!status)
		db_free(rows);
	buffer_release(&text);
	return no_access(status, error);
}

int api_keys_list(struct pg_conn *conn, bool all, struct pg_result **rows, struct error *error)
{
	const char *const values[] = { all ? "true" : "false" };
	int status = db_query(conn,
		"SELECT key_id, name, array_to_string(scopes, ','), coalesce(tenant_id::text, 'all'), state,"
		" to_char(created_at, 'YYYY-MM-DD HH24:MI'), coalesce(to_char(expires_at, 'YYYY-MM-DD HH24:MI'), 'never'),"
		" coalesce(to_char(used_at, 'YYYY-MM-DD HH24:MI'), 'never'), " LIMITS_TEXT ","
		" json_build_object('key_id', key_id, 'name', name, 'scopes', scopes, 'tenant_id', tenant_id, 'state', state, 'certificate',"
		" encode(certificate, 'hex'), 'created_at', verbatim.canonical_time(created_at), 'created_by', created_by, 'expires_at',"
		" verbatim.canonical_time(expires_at), 'revoked_at', verbatim.canonical_time(revoked_at), 'used_at', verbatim.canonical_time(used_at),"
		" 'limits', " LIMITS_JSON ")"
		" FROM (SELECT key_id, name, scopes, tenant_id, certificate, created_at, created_by, expires_at, revoked_at, used_at,"
		" events_per_second, bytes_per_second, connections, inflight_bytes, CASE WHEN revoked_at IS NOT NULL THEN 'revoked'"
		" WHEN expires_at <= verbatim.log_now() THEN 'expired' ELSE 'holds' END AS state"
		" FROM verbatim.api_key LEFT JOIN verbatim.api_key_use USING (key_id)) k"
		" WHERE $1::bool OR state = 'holds' ORDER BY name, created_at, key_id", 1, values, rows, error);

	return no_sight(status, error);
}

int api_keys_list_limits(struct pg_conn *conn, const struct uuid *tenant_id, struct pg_result **rows, struct error *error)
{
	static const char what[] = "SELECT tenant_id, " LIMITS_TEXT ", json_build_object('tenant_id', tenant_id, 'limits', " LIMITS_JSON ") FROM ";
	char id[UUID_TEXT];
	const char *value = tenant_id ? uuid_format(tenant_id, id) : NULL;
	struct buffer sql = { 0 };
	int status;

	buffer_printf(&sql, "%s%s", what, tenant_id ? "(SELECT $1::uuid AS tenant_id) t LEFT JOIN verbatim.tenant_limit USING (tenant_id)"
		      : "verbatim.tenant_limit WHERE num_nonnulls(events_per_second, bytes_per_second, connections, inflight_bytes) > 0"
			" ORDER BY tenant_id");
	status = db_query(conn, buffer_text(&sql), tenant_id ? 1 : 0, &value, rows, error);
	buffer_release(&sql);
	return no_sight(status, error);
}
