/*
 * log_verify_signed - a shard's signed checkpoints, those of the database and those kept elsewhere, beside its tree
 * (log_verify.h).
 *
 * Checkpoints of an earlier epoch hold for what the adoption left of the log: one that reaches further than the first
 * batch of a later epoch is superseded, which is told by number; a kept one is held against the log all the same.
 */
#include <stdio.h>

#include "store/log_verify_private.h"

enum { CHECKPOINT_ROWS = 2000 };
enum { SHARD, SIZE, EPOCH, ROOT, KEY, NOTE };

static int read_slice(struct log_verify_walk *w, struct error *error)
{
	char shard[NUMBER_TEXT], size[NUMBER_TEXT], rows_max[NUMBER_TEXT];
	const char *const values[] = { shard, size, w->after_epoch, w->after_key, rows_max, w->largest };
	struct slices *s = &w->checkpoints;
	struct pg_result *rows;
	int status = 0;

	snprintf(shard, NUMBER_TEXT, "%d", w->v->shard);
	snprintf(size, NUMBER_TEXT, "%lld", (long long)w->after_size);
	snprintf(rows_max, NUMBER_TEXT, "%d", CHECKPOINT_ROWS);
	if (!*w->largest) /* what is signed from now on may reach further than the walk */
		status = db_value(w->conn, "SELECT coalesce(max(size), 0) FROM verbatim.log_checkpoint WHERE shard = $1::int2", 1, values,
				  w->largest, sizeof(w->largest), error);
	if (status)
		return status;
	status = db_query(w->conn,
			  "SELECT shard, size, epoch, encode(root, 'hex'), vkey, note FROM verbatim.log_checkpoint WHERE shard = $1::int2"
			  " AND (size, epoch, vkey) > ($2::int8, $3::int4, $4) AND size <= $6::int8 ORDER BY size, epoch, vkey LIMIT $5::int4", 6, values, &rows, error);
	if (!status)
		slices_take(s, rows, CHECKPOINT_ROWS);
	return status;
}

/* Looks at which size the next one is; kept ones count as well. */
static int look_ahead(struct log_verify_walk *w, struct error *error)
{
	struct slices *s = &w->checkpoints;
	int64_t behind = w->position;
	int status = 0;

	if (!slices_have(s) && !s->last)
		status = read_slice(w, error);
	w->checkpoint_size = !status && slices_have(s) ? db_int(s->rows, s->row, SIZE) : INT64_MAX;
	for (int i = 0; i < w->v->kept_count; i++) {
		const struct checkpoint *c = &w->v->kept[i].checkpoint;

		if (c->shard == w->v->shard && c->size > behind && c->size < w->checkpoint_size)
			w->checkpoint_size = c->size;
	}
	return status;
}

int log_verify_checkpoints_begin(struct log_verify_walk *w, struct error *error)
{
	snprintf(w->after_epoch, sizeof(w->after_epoch), "0");
	return look_ahead(w, error);
}

/* ---- one checkpoint of the database ---- */

static void tell_differs(struct log_verify_walk *w, enum fault fault, const char *name, const struct checkpoint *c)
{
	log_verify_tell(w, fault, 0, NULL, "%s of size %lld is not what the log is now: something from position %lld to %lld was changed, and what "
		    "stands beside it to fit", name, (long long)c->size, (long long)w->v->signed_size + 1, (long long)c->size);
}

/* Whether the row is signed as it says; fills `c`. */
static bool is_signed(struct log_verify_walk *w, struct checkpoint *c)
{
	const struct slices *s = &w->checkpoints;
	const char *note = db_text(s->rows, s->row, NOTE), *vkey = db_text(s->rows, s->row, KEY);
	char root[2 * LEAF_BYTES + 1];
	struct note_key key;
	struct error why;
	bool known = false;

	if (note_key_parse(bytes_text(vkey), &key, &why)) {
		log_verify_tell(w, FAULT_SIGNATURE, 0, NULL, "the checkpoint of size %s names a key that is none", db_text(s->rows, s->row, SIZE));
		return false;
	}
	for (int i = 0; i < w->v->key_count; i++)
		known = known || note_key_equal(&key, &w->v->keys[i]);
	if (!known) {
		w->v->unknown_checkpoints++;
		if (!w->v->trusted)
			log_verify_tell(w, FAULT_SIGNATURE, 0, NULL, "the checkpoint of size %s is by a key that is not registered", db_text(s->rows, s->row, SIZE));
		return false;
	}
	if (checkpoint_open(bytes_text(note), &key, 1, c, NULL, &why)) {
		log_verify_tell(w, FAULT_SIGNATURE, 0, NULL, "the checkpoint of size %s: %s", db_text(s->rows, s->row, SIZE), why.message);
		return false;
	}
	hex_encode(c->root, LEAF_BYTES, root);
	if (c->size != db_int(s->rows, s->row, SIZE) || c->epoch != db_int(s->rows, s->row, EPOCH) || c->shard != w->v->shard ||
	    !uuid_equal(&c->log_id, &w->v->source.log_id) || strcmp(root, db_text(s->rows, s->row, ROOT)) != 0) {
		log_verify_tell(w, FAULT_SIGNATURE, 0, NULL, "the note of the checkpoint of size %s is that of another one", db_text(s->rows, s->row, SIZE));
		return false;
	}
	return true;
}

static void check_row(struct log_verify_walk *w, const uint8_t root[LEAF_BYTES])
{
	struct checkpoint c;

	if (!is_signed(w, &c))
		return;
	w->v->checkpoints++;
	if (c.epoch > w->v->source.epoch)
		log_verify_tell(w, FAULT_CHECKPOINT, 0, NULL, "the checkpoint of size %lld is of epoch %d, which the log does not know yet",
			    (long long)c.size, c.epoch);
	else if (root && memcmp(root, c.root, LEAF_BYTES) == 0)
		w->v->signed_size = c.size;
	else if (w->epoch > c.epoch || (!root && c.epoch < w->v->source.epoch))
		w->v->superseded++;
	else if (root)
		tell_differs(w, FAULT_CHECKPOINT, "the checkpoint", &c);
	else
		log_verify_tell(w, FAULT_CUT, w->v->head + 1, NULL, "the log ends at %lld, and was signed up to %lld: its end is gone",
			    (long long)w->v->head, (long long)c.size);
}

/* All that are of the size at which the walk stands; `root` NULL: behind its end. */
static int check_rows(struct log_verify_walk *w, int64_t size, const uint8_t root[LEAF_BYTES], struct error *error)
{
	struct slices *s = &w->checkpoints;
	int status = 0;

	while (!status && (slices_have(s) || !s->last)) {
		if (!slices_have(s)) {
			status = read_slice(w, error);
			continue;
		}
		if (db_int(s->rows, s->row, SIZE) > size)
			break;
		check_row(w, root);
		w->after_size = db_int(s->rows, s->row, SIZE);
		snprintf(w->after_epoch, sizeof(w->after_epoch), "%s", db_text(s->rows, s->row, EPOCH));
		snprintf(w->after_key, sizeof(w->after_key), "%s", db_text(s->rows, s->row, KEY));
		s->row++;
	}
	return status;
}

static void check_kept(struct log_verify_walk *w, const uint8_t root[LEAF_BYTES])
{
	for (int i = 0; i < w->v->kept_count; i++) {
		const struct kept_checkpoint *k = &w->v->kept[i];
		const struct checkpoint *c = &k->checkpoint;

		if (c->shard != w->v->shard || (root ? c->size != w->position : c->size <= w->position))
			continue;
		w->v->kept_checked++;
		if (root && memcmp(root, c->root, LEAF_BYTES) == 0) {
			if (c->size > w->v->signed_size)
				w->v->signed_size = c->size;
		} else if (root) {
			tell_differs(w, FAULT_KEPT, k->name, c);
		} else {
			log_verify_tell(w, FAULT_KEPT, w->v->head + 1, NULL, "%s reaches %lld, and the log ends at %lld%s", k->name, (long long)c->size,
				    (long long)w->v->head, c->epoch < w->v->source.epoch ? "; it was adopted since" : ": its end is gone");
		}
	}
}

int log_verify_checkpoints_at(struct log_verify_walk *w, struct error *error)
{
	uint8_t root[LEAF_BYTES];
	int status;

	merkle_root(&w->tree, root);
	status = check_rows(w, w->position, root, error);
	if (!status)
		check_kept(w, root);
	return status ? status : look_ahead(w, error);
}

int log_verify_checkpoints_finish(struct log_verify_walk *w, struct error *error)
{
	int status;

	if (w->broken)
		return 0; /* what is missing was told; no root can be compared */
	check_kept(w, NULL);
	status = check_rows(w, INT64_MAX, NULL, error);
	if (!status && w->v->trusted && w->v->head > 0 && !w->v->checkpoints && !w->v->kept_checked)
		log_verify_tell(w, FAULT_UNSIGNED, 0, NULL, "no key that is trusted has signed a checkpoint of it: somebody could have made it anew");
	return status;
}
