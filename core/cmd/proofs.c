/* proofs - see proofs.h. */
#include "cmd/proofs.h"

#include <stdio.h>

#include "base/log.h"
#include "engine/files.h"
#include "event/catalog.h"
#include "store/migrate.h"

static int find_keys(struct proofs *p, const struct texts *words, struct error *error)
{
	if (words->count)
		return keys_trusted(words, p->keys, &p->key_count, error);
	if (p->key_count == 0)
		return error_set(error, E_NOT_READY, "no key has signed a checkpoint of this log yet; serve signs with --signing-key-file, or "
				 "with the key that it makes below --data");
	return 0;
}

int proofs_open(const struct target_options *target, const struct texts *words, const char *name, bool folds, struct proofs *out,
		struct error *error)
{
	struct error schema;
	int status;

	memset(out, 0, sizeof(*out));
	catalog_init();
	status = target_database(target, false, &out->target, error);
	if (status)
		return status;
	out->warm = (struct warm){ .signatures = true, .folds = folds };
	warm_begin(&out->warm);
	status = checkpoints_ask(out->target.conninfo, "verbatim_auditor", name, &out->conn, &out->asker, out->keys, &out->key_count, error);
	if (!status)
		status = find_keys(out, words, error);
	if (status == E_DATABASE && db_exec(out->conn, db_settings_sql, &schema) == 0 && migrate_check(out->conn, &schema)) {
		*error = schema; /* four questions more, asked when there is a reason; the round had undone its settings */
		status = schema.code;
	}
	if (status)
		proofs_close(out);
	return status;
}

void proofs_record(struct proofs *p, const struct engine_options *engine, const struct access *access)
{
	struct access a = *access;

	a.actor = p->asker.login;
	p->record = record_start(&p->target, engine, &a);
}

int proofs_recorded(struct proofs *p, struct error *error)
{
	struct record *record = p->record;

	p->record = NULL;
	return record_finish(record, error);
}

void proofs_close(struct proofs *p)
{
	struct error late;

	if (proofs_recorded(p, &late))
		log_warn("proofs", "%s", late.message); /* what is told is why nothing came of it */
	db_close(p->conn);
	p->conn = NULL;
	warm_end(&p->warm);
	target_release(&p->target);
}

int proofs_checkpoint(struct proofs *p, const char *path, int16_t shard, int64_t position, struct buffer *note,
		      struct checkpoint *out, int *which, struct error *error)
{
	int status = path ? file_read(path, NOTE_BYTES_MAX, note, error)
			  : checkpoints_newest(p->conn, shard, p->asker.epoch, position, NULL, note, NULL, error);

	if (status)
		return status;
	if (!path && note->len == 0)
		return error_set(error, E_NOT_READY, "no checkpoint of shard %d reaches position %lld yet; an engine that has a key signs one within "
				 "its --checkpoint-every", shard, (long long)position);
	status = checkpoint_open(buffer_bytes(note), p->keys, p->key_count, out, which, error);
	if (status)
		return error_prefix(error, "%s", path ? path : "the newest checkpoint");
	if (!uuid_equal(&out->log_id, &p->asker.log_id))
		return error_set(error, E_UNPROVEN, "the checkpoint is of another log than the database");
	if (out->shard != shard)
		return error_set(error, E_USAGE, "the checkpoint is of shard %d; what is to be proved stands in shard %d", out->shard, shard);
	return 0;
}

int proofs_uuid(const char *what, const char *text, struct uuid *out, struct error *error)
{
	if (!uuid_parse(text, strlen(text), out))
		return error_set(error, E_USAGE, "%s %s: not a uuid", what, text);
	return 0;
}
