/*
 * keyring - the API keys that hold, in the engine's memory, and the thread that learns of their changes.
 *
 *     thread:  look (each LOOK_MS, or sooner when somebody asks) --changed?--> load what changed --+
 *                 ^                                                                            | mailbox, under a lock
 *     loop:       +-- ask: a key that is not here        apply: new, changed, ended <-- async --+
 *
 * A known key costs no look at the database.  One that is not here costs at most a look at one row, which all who ask
 * meanwhile share: however many guess, the database is asked LOOKS_MOST times a second.  While it is away, known keys go on
 * working, and who asks for another is told `unavailable`.  Of the first PROOFS_MOST who ask for a look, it is also learned
 * whether theirs is a key that once held: that is to be journaled under the key's id.
 *
 * All but the thread's own is the loop's.  A key that ends is taken out at once; whoever still holds it (sessions, requests
 * under way) finds `over` set, and the last one to let go frees it.
 *
 * The thread also carries what is to be journaled of changes from the database to the loop, and back that it was; and
 * writes down, now and then, which keys were used.
 */
#ifndef VERBATIM_ENGINE_KEYRING_H
#define VERBATIM_ENGINE_KEYRING_H

#include <uv.h>

#include "event/api_key.h"
#include "event/quota.h"
#include "store/api_keys.h"

struct keyring;

struct tenant_quota {
	struct quota_limits limits;
	struct quota_use use;
};

struct api_key {
	struct api_key_row row;
	struct api_key *next;         /* of all that hold */
	struct tenant_quota *tenant;  /* of the key's tenant; NULL: it has no limits */
	struct quota_use use;
	int holders;                  /* sessions and requests */
	bool over;                    /* it ended */
	bool used;                    /* since the thread was last told */
};

/* What a client brings to prove itself. */
struct key_proof {
	enum { PROOF_SECRET, PROOF_CERTIFICATE } kind;
	struct uuid id;               /* of a secret */
	uint8_t hash[API_KEY_HASH_BYTES];
};

struct keyring_options {
	const char *conninfo, *role;
	bool insecure;               /* the session's name tells, for verbatim doctor */
	/* On the loop's thread: keys have ended (`over`); looks up to `look` were answered, with status 0 or why not. */
	void (*changed)(void *data);
	void (*looked)(void *data, uint64_t look, int status);
	/* Rows to journal; the callee owns them until keyring_journaled.  At most one such call is out. */
	void (*journal)(void *data, struct outbox_row *rows, int count);
	void *data;
};

struct keyring *keyring_start(uv_loop_t *loop, const struct keyring_options *options);

/* The thread ends; keys stay as they are.  Then keyring_free, when the loop has closed its handles and nobody holds a key. */
void keyring_stop(struct keyring *r);
void keyring_free(struct keyring *r);

/* The key that is proved, or NULL; NULL also when it has expired at `now` (wall clock). */
struct api_key *keyring_find(struct keyring *r, const struct key_proof *proof, int64_t now);

/* Takes out what has expired at `now` (wall clock); to be called each second. */
void keyring_expire(struct keyring *r, int64_t now);

/* The number of a look that begins later than now, which is for this proof; `looked` tells when it was. */
uint64_t keyring_ask(struct keyring *r, const struct key_proof *proof);

/* While `looked` is called: what became of the key that is proved, if it once held; then its id, too. */
enum key_end { KEY_NEVER_HELD, KEY_REVOKED, KEY_EXPIRED };
enum key_end keyring_ended(const struct keyring *r, const struct key_proof *proof, int64_t now, struct uuid *id);

/* Keeps the key's memory; each hold is ended by one release. */
void keyring_hold(struct api_key *k);
void keyring_release(struct api_key *k);

/* Two keys that are in no database: of the engine's own user (a Unix socket), and of everybody (--insecure). */
struct api_key *keyring_local(struct keyring *r);
struct api_key *keyring_anybody(struct keyring *r);

/* The limits of a tenant, or NULL. */
struct tenant_quota *keyring_tenant(const struct keyring *r, const struct uuid *tenant_id);

/* These rows are events; "{uuid,...}", or "" when none is.  Frees the rows. */
void keyring_journaled(struct keyring *r, struct outbox_row *rows, int count, struct buffer *ids);

/* Whether the keys were read once: until then nobody's is known. */
bool keyring_is_loaded(const struct keyring *r);

/* Why the keys cannot be read now; code 0 when they can. */
void keyring_trouble(struct keyring *r, struct error *out);
int keyring_count(const struct keyring *r);

#endif
