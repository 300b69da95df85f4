/* checkpoints - see checkpoints.h. */
#include "store/checkpoints.h"

#include <stdio.h>

#include "store/pg_session.h"
#include "store/round.h"

enum { NUMBER = 24 };

static const char keys_sql[] = "SELECT vkey FROM verbatim.log_key ORDER BY registered_at DESC, vkey LIMIT 64";

int checkpoints_open(const char *conninfo, const char *role, const char *name, struct pg_conn **out, struct error *error)
{
	int status = db_open(conninfo, name, out, error);

	if (status)
		return status;
	status = db_step_down(*out, role, error);
	if (status) {
		db_close(*out);
		*out = NULL;
	}
	return status;
}

/* Texts are the same in binary. */
static void take_keys(const struct pg_result *rows, struct note_key *out, int *count)
{
	for (int i = 0; i < db_rows(rows) && *count < CHECKPOINT_KEYS_MAX; i++)
		*count += note_key_parse(bytes_text(db_text(rows, i, 0)), &out[*count], NULL) == 0;
}

static int take_asker(const struct pg_result *rows, struct checkpoint_asker *out, struct error *error)
{
	if (db_rows(rows) != 1)
		return error_set(error, E_NOT_FOUND, "there is no log in this database; verbatim init makes one");
	snprintf(out->login, sizeof(out->login), "%s", db_text(rows, 0, 0));
	out->appends = pg_bool(rows, 0, 1);
	pg_fixed(rows, 0, 2, out->log_id.b, sizeof(out->log_id.b));
	out->epoch = (int32_t)pg_int(rows, 0, 3);
	out->shards = (int)pg_int(rows, 0, 4);
	return 0;
}

int checkpoints_ask(const char *conninfo, const char *role, const char *name, struct pg_conn **out, struct checkpoint_asker *asker,
		    struct note_key *keys, int *key_count, struct error *error)
{
	struct round round = { 0 };
	int status = db_connect(conninfo, name, &round.conn, error);

	*out = round.conn;
	*key_count = 0;
	if (status)
		return status;
	round_add(&round, db_settings_sql);
	pg_param_text(&round.params, role);
	round_add(&round, db_step_down_sql);
	round_add(&round, "SELECT session_user::text, pg_has_role(session_user, 'verbatim_engine', 'MEMBER'), log_id, epoch, shards FROM verbatim.log_identity");
	round_add(&round, keys_sql);
	status = round_go(&round, error);
	if (!status)
		status = take_asker(round.results[2], asker, error);
	if (!status)
		take_keys(round.results[3], keys, key_count);
	round_release(&round);
	return status;
}

int checkpoints_heads(struct pg_conn *conn, struct checkpoint_heads *out, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn,
			      "SELECT i.log_id, i.epoch, i.shards, s.shard, h.last_position, encode(h.root, 'hex'), verbatim.canonical_time(h.recorded_at)"
			      " FROM verbatim.log_identity i, LATERAL generate_series(0, i.shards) s (shard)"
			      " LEFT JOIN LATERAL (SELECT last_position, root, recorded_at FROM verbatim.log_batch b WHERE b.shard = s.shard::int2"
			      " ORDER BY first_position DESC LIMIT 1) h ON true ORDER BY s.shard", 0, NULL, &rows, error);

	if (status)
		return status;
	memset(out, 0, sizeof(*out));
	if (db_rows(rows) < 1 || db_rows(rows) > CHECKPOINT_SHARDS_MAX || !uuid_parse(db_text(rows, 0, 0), UUID_TEXT - 1, &out->log_id)) {
		db_free(rows);
		return error_set(error, E_NOT_FOUND, "there is no log in this database; verbatim init makes one");
	}
	out->epoch = (int32_t)db_int(rows, 0, 1);
	out->shards = db_rows(rows) - 1;
	for (int i = 0; i <= out->shards; i++) {
		struct checkpoint_head *h = &out->heads[i];

		if (db_is_null(rows, i, 4))
			continue;
		h->position = db_int(rows, i, 4);
		if (!time_parse(db_text(rows, i, 6), strlen(db_text(rows, i, 6)), &h->recorded_at))
			h->recorded_at = TIME_NONE;
		if (!hex_decode(db_text(rows, i, 5), strlen(db_text(rows, i, 5)), h->root, LEAF_BYTES))
			memset(h->root, 0, LEAF_BYTES); /* the root of nothing */
	}
	db_free(rows);
	return 0;
}

int checkpoints_register(struct pg_conn *conn, const struct note_key *key, struct error *error)
{
	char vkey[NOTE_KEY_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];
	const char *const values[] = { note_key_format(key, vkey), note_key_fingerprint(key, fingerprint) };
	struct pg_result *rows;
	int status = db_query(conn, "INSERT INTO verbatim.log_key (vkey, fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2,
			      values, &rows, error);

	if (!status)
		db_free(rows);
	return status;
}

int checkpoints_keys(struct pg_conn *conn, struct note_key *out, int *count, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn, keys_sql, 0, NULL, &rows, error);

	*count = 0;
	if (status)
		return status;
	take_keys(rows, out, count);
	db_free(rows);
	return 0;
}

int checkpoints_put(struct pg_conn *conn, const struct checkpoint *c, const struct note_key *key, struct bytes note,
		    struct error *error)
{
	char shard[NUMBER], epoch[NUMBER], size[NUMBER], root[2 * LEAF_BYTES + 1], vkey[NOTE_KEY_TEXT];
	struct buffer text = { 0 };
	const char *values[] = { shard, epoch, size, root, note_key_format(key, vkey), NULL };
	struct pg_result *rows;
	int status;

	snprintf(shard, NUMBER, "%d", c->shard);
	snprintf(epoch, NUMBER, "%d", c->epoch);
	snprintf(size, NUMBER, "%lld", (long long)c->size);
	hex_encode(c->root, LEAF_BYTES, root);
	buffer_add_bytes(&text, note);
	values[5] = buffer_text(&text);
	status = db_query(conn,
			  "INSERT INTO verbatim.log_checkpoint (shard, epoch, size, root, vkey, note)"
			  " VALUES ($1::int2, $2::int4, $3::int8, decode($4, 'hex'), $5, $6) ON CONFLICT DO NOTHING", 6, values, &rows, error);
	if (!status)
		db_free(rows);
	buffer_release(&text);
	return status;
}

int checkpoints_newest(struct pg_conn *conn, int16_t shard, int32_t epoch, int64_t position, const struct note_key *key,
		       struct buffer *note, int64_t *signed_at, struct error *error)
{
	struct pg_params params = { 0 };
	struct pg_result *rows;
	char vkey[NOTE_KEY_TEXT];
	int status;

	pg_param_int2(&params, shard);
	pg_param_int4(&params, epoch);
	pg_param_int8(&params, position);
	if (key)
		pg_param_text(&params, note_key_format(key, vkey));
	else
		pg_param_null(&params);
	status = db_ask(conn,
			"SELECT note, signed_at FROM verbatim.log_checkpoint WHERE shard = $1::int2 AND epoch = $2::int4"
			" AND size >= $3::int8 AND ($4::text IS NULL OR vkey = $4) ORDER BY size DESC, signed_at DESC LIMIT 1",
			&params, &rows, error);
	pg_params_release(&params);
	if (status)
		return status;
	if (db_rows(rows) == 1) {
		buffer_add_bytes(note, pg_bytes(rows, 0, 0));
		if (signed_at)
			*signed_at = pg_time(rows, 0, 1);
	}
	db_free(rows);
	return 0;
}
