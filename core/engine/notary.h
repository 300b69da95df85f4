/*
 * notary - the thread of an engine that signs checkpoints: of each shard that grew, every so often, into the database and
 * into a folder that others can take them from.
 *
 *     look (each second) --> a shard is due? --> does the log extend what was signed last? --> sign --> store --> file
 *                                                     |
 *                                                     no: nothing is signed any more for this shard, and status says so
 *
 * It signs what log_batch says the root is, but never a history that is not its last checkpoint's continuation: that is
 * proved from the tiles first, so that whoever rewrites the log gets no signature on it from here.  Engines with the same
 * key share the work: each looks at the newest checkpoint in the database, whoever wrote it.
 *
 * It has a session of its own and blocks on it; the loop never waits for it.  In the folder stands one file a shard, its
 * newest: LOG_ID.epoch-E.shard-S.checkpoint.
 */
#ifndef VERBATIM_ENGINE_NOTARY_H
#define VERBATIM_ENGINE_NOTARY_H

#include <msgpack.h>

#include "event/note.h"

struct notary;

struct notary_options {
	const char *conninfo;
	const char *role;
	const char *folder;       /* NULL: database only */
	int64_t every_ms;         /* a shard that has grown is signed when so much time has passed since */
	int64_t every_events;     /* or so many events were added */
};

/* Starts the thread.  The key is copied; its owner may overwrite his. */
struct notary *notary_start(const struct notary_options *options, const struct note_signer *signer);

/* Signs what is due at most once more, ends the thread and frees it; the key is overwritten.  NULL is fine. */
void notary_stop(struct notary *n);

/* What is signed of a shard. */
struct notary_view {
	int64_t size;      /* of the newest checkpoint; 0: there is none yet */
	int64_t signed_at; /* by the database's clock; TIME_NONE: not known */
	bool well;         /* the log is what was signed */
};

/* False: nobody signs this shard (yet).  Thread-safe; NULL is fine. */
bool notary_look(struct notary *n, int shard, struct notary_view *out);

/* For status: the key "checkpoints" and a map with key, fingerprint, error, and a list of shards.  Thread-safe; NULL is fine. */
void notary_pack(struct notary *n, msgpack_packer *packer);

#endif
