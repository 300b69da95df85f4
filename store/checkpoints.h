/*
 * checkpoints - signed checkpoints and the keys that signed them, in the database.
 *
 * Blocking, on sessions of db.h.  Whoever owns the database can write what he likes here: notes are believed for their
 * signatures, keys for what is known of them from elsewhere.
 */
#ifndef VERBATIM_STORE_CHECKPOINTS_H
#define VERBATIM_STORE_CHECKPOINTS_H

#include "event/checkpoint.h"
#include "store/db.h"

enum { CHECKPOINT_KEYS_MAX = 64, CHECKPOINT_SHARDS_MAX = 256 };

/* The log, and where each shard stands in one snapshot; position 0: it is empty. */
struct checkpoint_heads {
	struct uuid log_id;
	int32_t epoch;
	int shards; /* of tenants; the arrays have shards + 1 */
	struct checkpoint_head {
		int64_t position, recorded_at;
		uint8_t root[LEAF_BYTES];
	} heads[CHECKPOINT_SHARDS_MAX];
};

/* Who asks, and of which log. */
struct checkpoint_asker {
	char login[64];
	bool appends; /* the login may append, and so journal by itself */
	struct uuid log_id;
	int32_t epoch;
	int shards;   /* of tenants */
};

/*
 * Opens a session for proofs: as checkpoints_open, and who asks, and the keys as of checkpoints_keys, all in one round trip.
 * E_NOT_FOUND when the database holds no log; then, and after E_DATABASE, the session stays open so that more can be asked.
 */
int checkpoints_ask(const char *conninfo, const char *role, const char *name, struct pg_conn **out, struct checkpoint_asker *asker,
		    struct note_key *keys, int *key_count, struct error *error) must_check;

/* The session steps down to `role` when its login is a member of it. */
int checkpoints_open(const char *conninfo, const char *role, const char *name, struct pg_conn **out, struct error *error) must_check;

/* E_NOT_FOUND when the database holds no log. */
int checkpoints_heads(struct pg_conn *conn, struct checkpoint_heads *out, struct error *error) must_check;

/* The key is told to whoever looks; may be repeated. */
int checkpoints_register(struct pg_conn *conn, const struct note_key *key, struct error *error) must_check;

/* All that are registered, at most CHECKPOINT_KEYS_MAX, the newest first; what is none is left out. */
int checkpoints_keys(struct pg_conn *conn, struct note_key *out, int *count, struct error *error) must_check;

/* One that is there already is left as it is. */
int checkpoints_put(struct pg_conn *conn, const struct checkpoint *c, const struct note_key *key, struct bytes note,
		    struct error *error) must_check;

/*
 * The newest note of a shard and epoch that reaches `position`, by `key` (NULL: whoever), appended to `note`, and when it
 * was signed (may be NULL).  `note` stays as it was when there is none.
 */
int checkpoints_newest(struct pg_conn *conn, int16_t shard, int32_t epoch, int64_t position, const struct note_key *key,
		       struct buffer *note, int64_t *signed_at, struct error *error) must_check;

#endif
