/* notary - see notary.h. */
#include "engine/notary.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "engine/files.h"
#include "engine/rpc.h"
#include "event/merkle.h"
#include "store/checkpoints.h"
#include "store/log_events.h"
#include "store/log_tiles.h"

enum { LOOK_MS = 1000, FAILED_LOOK_MS = 5000, PATIENCE_S = 3 };

/* What is known of a shard; `last` is what its next checkpoint must extend. */
struct notary_shard {
	struct checkpoint last; /* size 0: none in this epoch yet */
	int64_t signed_at;      /* by the database's clock */
	int64_t filed;          /* size of what stands in the folder */
	struct error trouble;   /* the log is not what was signed: code E_UNPROVEN */
};

struct notary {
	struct notary_options options;
	struct note_signer signer;
	char vkey[NOTE_KEY_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];
	pthread_t thread;
	pthread_mutex_t lock;   /* over what follows, down to `shard_count`; `conn` is changed under it */
	pthread_cond_t wake;
	bool stop;
	struct error trouble;   /* of the last look as a whole */
	struct notary_shard shards[CHECKPOINT_SHARDS_MAX];
	int shard_count;
	struct pg_conn *conn;
	struct checkpoint_heads heads;
	int failures;
};

/* ---- one shard ---- */

static void file_path(const struct notary *n, const struct checkpoint *c, struct buffer *out)
{
	char log_id[UUID_TEXT];

	buffer_printf(out, "%s/%s.epoch-%d.shard-%d.checkpoint", n->options.folder, uuid_format(&c->log_id, log_id), c->epoch, c->shard);
	buffer_text(out);
}

/* What an engine left in the folder before this one started: somebody may have cut it out of the database meanwhile. */
static void learn_filed(const struct notary *n, struct notary_shard *s)
{
	struct buffer path = { 0 }, note = { 0 };
	struct checkpoint filed;

	if (!n->options.folder)
		return;
	file_path(n, &s->last, &path);
	if (file_read(path.data, NOTE_BYTES_MAX, &note, NULL) == 0 &&
	    checkpoint_open(buffer_bytes(&note), &n->signer.key, 1, &filed, NULL, NULL) == 0 && checkpoint_same_origin(&filed, &s->last)) {
		s->last = filed;
		s->filed = filed.size;
		s->signed_at = time_wall();
	}
	buffer_release(&note);
	buffer_release(&path);
}

/* The newest that this key has signed in this epoch, which another engine may have done. */
static int learn_last(struct notary *n, int shard, struct notary_shard *s, struct buffer *note, struct error *error)
{
	struct checkpoint last;
	int64_t signed_at = TIME_NONE;
	int status = checkpoints_newest(n->conn, (int16_t)shard, n->heads.epoch, s->last.size, &n->signer.key, note, &signed_at, error);

	if (status || note->len == 0)
		return status;
	if (checkpoint_open(buffer_bytes(note), &n->signer.key, 1, &last, NULL, error))
		return error_prefix(error, "the newest checkpoint of shard %d in the database", shard);
	if (last.shard != shard || last.epoch != n->heads.epoch || !uuid_equal(&last.log_id, &n->heads.log_id))
		return error_set(error, E_UNPROVEN, "the newest checkpoint of shard %d in the database is that of another log or shard", shard);
	if (last.size > s->last.size) {
		s->last = last;
		s->signed_at = signed_at;
	}
	return 0;
}

/* A first checkpoint has nothing to extend: its root must at least be that of the tiles and leaves. */
static int prove_root(struct notary *n, const struct checkpoint *next, struct error *error)
{
	struct log_tiles tiles;
	uint8_t root[LEAF_BYTES];
	int status;

	log_tiles_init(&tiles, n->conn, next->shard);
	status = proof_make_root(next->size, log_tiles_node, &tiles, root, error);
	log_tiles_release(&tiles);
	if (!status && memcmp(root, next->root, LEAF_BYTES) != 0)
		status = error_set(error, E_UNPROVEN, "the root of shard %d at %lld is not that of its leaves", next->shard,
				   (long long)next->size);
	return status;
}

static int file_note(const struct notary *n, const struct checkpoint *c, struct bytes note, struct error *error)
{
	struct buffer path = { 0 };
	int status;

	if (!n->options.folder)
		return 0;
	file_path(n, c, &path);
	status = file_write(path.data, note, 0644, true, error);
	buffer_release(&path);
	return status;
}

static int sign(struct notary *n, const struct checkpoint *next, struct buffer *note, struct error *error)
{
	struct buffer text = { 0 };

	checkpoint_text(next, &text);
	buffer_reset(note);
	note_sign(&n->signer, buffer_bytes(&text), note);
	buffer_release(&text);
	return checkpoints_put(n->conn, next, &n->signer.key, buffer_bytes(note), error);
}

static bool is_due(const struct notary *n, const struct notary_shard *s, int64_t position, bool ending)
{
	if (position == s->last.size)
		return false;
	return ending || s->last.size == 0 || position - s->last.size >= n->options.every_events || position < s->last.size ||
	       time_wall() - s->signed_at >= n->options.every_ms * 1000;
}

static int look_at_shard(struct notary *n, int shard, struct notary_shard *s, bool ending, struct error *error)
{
	const struct checkpoint_head *head = &n->heads.heads[shard];
	struct checkpoint next = { n->heads.log_id, n->heads.epoch, (int16_t)shard, head->position, { 0 } };
	struct buffer note = { 0 };
	struct proof extends;
	int status;

	if (s->last.epoch != n->heads.epoch || !uuid_equal(&s->last.log_id, &n->heads.log_id)) {
		*s = (struct notary_shard){ .last = { n->heads.log_id, n->heads.epoch, (int16_t)shard, 0, { 0 } } };
		learn_filed(n, s);
	}
	if (!is_due(n, s, head->position, ending) && s->filed == s->last.size)
		return 0;
	status = learn_last(n, shard, s, &note, error);
	if (!status && s->last.size > head->position) /* another engine was quicker, or the end is gone: what does the log say now? */
		status = checkpoints_heads(n->conn, &n->heads, error);
	next.size = head->position;
	if (!status && is_due(n, s, head->position, ending)) {
		memcpy(next.root, head->root, LEAF_BYTES);
		status = s->last.size ? log_prove_extends(n->conn, &s->last, &next, &extends, error) : prove_root(n, &next, error);
		if (!status)
			status = sign(n, &next, &note, error);
		if (!status) {
			s->last = next;
			s->signed_at = time_wall();
		}
	}
	if (!status && s->filed != s->last.size && note.len > 0) {
		status = file_note(n, &s->last, buffer_bytes(&note), error);
		if (!status)
			s->filed = s->last.size;
	}
	buffer_release(&note);
	return status;
}

/* ---- the thread ---- */

static void set_conn(struct notary *n, struct pg_conn *conn)
{
	struct pg_conn *old = n->conn;

	pthread_mutex_lock(&n->lock);
	n->conn = conn;
	pthread_mutex_unlock(&n->lock);
	db_close(old);
}

static int look(struct notary *n, bool ending, struct error *error)
{
	int status = 0, first = 0;

	if (!n->conn) {
		struct pg_conn *conn;

		status = checkpoints_open(n->options.conninfo, n->options.role, "verbatim notary", &conn, error);
		if (!status)
			set_conn(n, conn);
		if (!status)
			status = checkpoints_register(n->conn, &n->signer.key, error);
	}
	if (!status)
		status = checkpoints_heads(n->conn, &n->heads, error);
	for (int i = 0; !status && i <= n->heads.shards; i++) {
		struct notary_shard s = n->shards[i];
		struct error why;
		int r = look_at_shard(n, i, &s, ending, &why);

		s.trouble.code = 0;
		if (r == E_UNPROVEN) {
			if (!n->shards[i].trouble.code)
				log_error("notary", "%s; no checkpoint of it is signed", why.message);
			s.trouble = why;
		} else if (r && !first) { /* the others' turn comes all the same */
			first = r;
			*error = why;
		}
		pthread_mutex_lock(&n->lock);
		n->shards[i] = s;
		n->shard_count = n->heads.shards + 1;
		pthread_mutex_unlock(&n->lock);
		if (r == E_UNAVAILABLE)
			break;
	}
	return status ? status : first;
}

static void *run(void *data)
{
	struct notary *n = data;
	bool ending = false;

	for (;;) {
		struct error why;
		int status = look(n, ending, &why);
		struct timespec until;

		if (status) {
			if (n->failures++ == 0)
				log_warn("notary", "checkpoints wait: %s", why.message);
			set_conn(n, NULL);
		} else {
			n->failures = 0;
			why.code = 0;
		}
		if (ending)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += (status ? FAILED_LOOK_MS : LOOK_MS) / 1000;
		pthread_mutex_lock(&n->lock);
		n->trouble = why;
		while (!n->stop && pthread_cond_timedwait(&n->wake, &n->lock, &until) == 0)
			;
		ending = n->stop;
		pthread_mutex_unlock(&n->lock);
		if (ending && status)
			break; /* it would fail again, and somebody waits */
	}
	set_conn(n, NULL);
	return NULL;
}

struct notary *notary_start(const struct notary_options *options, const struct note_signer *signer)
{
	struct notary *n = mem_zalloc(sizeof(*n));
	pthread_condattr_t clock;
	int r;

	n->options = *options;
	n->signer = *signer;
	note_key_format(&signer->key, n->vkey);
	note_key_fingerprint(&signer->key, n->fingerprint);
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&n->wake, &clock);
	pthread_condattr_destroy(&clock);
	r = pthread_create(&n->thread, NULL, run, n);
	assert(r == 0);
	return n;
}

void notary_stop(struct notary *n)
{
	struct timespec until;

	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	if (pthread_timedjoin_np(n->thread, NULL, &until) != 0) {
		pthread_mutex_lock(&n->lock);
		if (n->conn)
			db_break(n->conn); /* a database that keeps silent */
		pthread_mutex_unlock(&n->lock);
		pthread_join(n->thread, NULL);
	}
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	explicit_bzero(n, sizeof(*n));
	free(n);
}

/* ---- status ---- */

static void pack_shard(const struct notary_shard *s, int shard, msgpack_packer *p)
{
	char when[TIME_TEXT];

	msgpack_pack_map(p, 5);
	pack_key_int(p, "shard", shard);
	pack_key_int(p, "epoch", s->last.epoch);
	pack_key_int(p, "size", s->last.size);
	pack_key_text(p, "signed_at", s->last.size && s->signed_at != TIME_NONE ? time_format(s->signed_at, when) : "");
	pack_key_text(p, "error", s->trouble.code ? s->trouble.message : "");
}

bool notary_look(struct notary *n, int shard, struct notary_view *out)
{
	bool known;

	if (!n)
		return false;
	pthread_mutex_lock(&n->lock);
	known = shard < n->shard_count;
	if (known) {
		const struct notary_shard *s = &n->shards[shard];

		*out = (struct notary_view){ s->last.size, s->last.size ? s->signed_at : TIME_NONE, s->trouble.code == 0 };
	}
	pthread_mutex_unlock(&n->lock);
	return known;
}

void notary_pack(struct notary *n, msgpack_packer *p)
{
	pack_text(p, "checkpoints");
	if (!n) {
		msgpack_pack_map(p, 0);
		return;
	}
	pthread_mutex_lock(&n->lock);
	msgpack_pack_map(p, 4);
	pack_key_text(p, "key", n->vkey);
	pack_key_text(p, "fingerprint", n->fingerprint);
	pack_key_text(p, "error", n->trouble.code ? n->trouble.message : "");
	pack_text(p, "shards");
	msgpack_pack_array(p, (size_t)n->shard_count);
	for (int i = 0; i < n->shard_count; i++)
		pack_shard(&n->shards[i], i, p);
	pthread_mutex_unlock(&n->lock);
}
