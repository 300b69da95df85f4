/*
 * proofs - what prove and evidence share: the log's session, the keys that are trusted, the checkpoint that is proved to,
 * and that somebody looked (replay_record.h).
 */
#ifndef VERBATIM_CMD_PROOFS_H
#define VERBATIM_CMD_PROOFS_H

#include "cmd/keys.h"
#include "cmd/replay_record.h"
#include "cmd/target.h"
#include "cmd/warm.h"
#include "event/checkpoint.h"
#include "store/checkpoints.h"

struct proofs {
	struct target target;
	struct pg_conn *conn;
	struct note_key keys[CHECKPOINT_KEYS_MAX]; /* that are trusted, or that the database names */
	int key_count;
	struct checkpoint_asker asker;
	struct record *record; /* under way, or NULL */
	struct warm warm;
};

/*
 * Opens the database of `target`; `words` name the trusted keys.  `folds`: events are to be folded.  Nothing is left open on
 * failure.
 */
int proofs_open(const struct target_options *target, const struct texts *words, const char *name, bool folds, struct proofs *out,
		struct error *error) must_check;
void proofs_close(struct proofs *p);

/*
 * Journals the use, which record_may must have allowed: begun beside the work, and `proofs_recorded` waits for the outcome,
 * without which nothing may be shown.  `access` says all but the actor.
 */
void proofs_record(struct proofs *p, const struct engine_options *engine, const struct access *access);
int proofs_recorded(struct proofs *p, struct error *error) must_check;

/*
 * The checkpoint of `path`, or, when that is NULL, the newest of the shard in the database that reaches `position`; its note
 * is appended and was signed by keys[*which].  E_NOT_READY when there is none yet.
 */
int proofs_checkpoint(struct proofs *p, const char *path, int16_t shard, int64_t position, struct buffer *note,
		      struct checkpoint *out, int *which, struct error *error) must_check;

/* A word that must be a uuid; `what` stands in the message: "--event". */
int proofs_uuid(const char *what, const char *text, struct uuid *out, struct error *error) must_check;

#endif
