/* keyring - see keyring.h. */
#include "engine/keyring.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/time.h"

enum {
	LOOK_MS = 250,
	LOOK_LEAST_MS = 50,       /* between two looks, however many ask */
	USE_MS = 60000,
	PATIENCE_S = 3,
	GRAVES_MOST = 1024,       /* places of ended keys in a map, before it is made anew */
	PROOFS_MOST = 64,         /* of a look: who else asks is answered as well, without what became of his key */
};

/* One look's outcome, from the thread to the loop. */
struct news {
	struct news *next;
	bool whole;               /* of a new session: what is not among `keys` is over */
	struct api_key_row *keys;
	struct tenant_limit_row *limits;
	int key_count, limit_count;
	struct api_key_row *named; /* what there is of the proofs that were brought */
	int named_count;
};

struct keyring {
	struct keyring_options options;
	uv_async_t async;

	/* The loop's. */
	struct map by_id, by_certificate, tenants;
	struct api_key *keys;
	int count, graves;
	bool loaded;
	struct api_key local, anybody;
	int64_t uses_due;
	uint64_t told;            /* looks that `looked` was called for */
	struct news *heard;       /* while `looked` is called: what it is about */

	pthread_t thread;
	pthread_mutex_t lock;     /* over what follows, down to `failure` */
	pthread_cond_t wake;
	bool stop, stopped;
	struct news *news, **news_end;
	uint64_t asked, answered; /* numbers of looks */
	struct key_proof proofs[PROOFS_MOST]; /* for the next look */
	int proof_count;
	int status;
	struct outbox_row *outbox; /* for the loop */
	int outbox_count;
	bool outbox_out;          /* the loop has some */
	struct buffer done_ids, used_ids;
	struct pg_conn *conn;     /* changed under the lock */
	struct error failure;

	/* The thread's. */
	int64_t known;            /* the number of the newest change that was loaded */
	bool learned;             /* in this session */
	int failures;
};

/* In the maps, for a key that ended: they know no removal. */
static struct api_key grave;

/* ---- the thread ---- */

static void set_conn(struct keyring *r, struct pg_conn *conn)
{
	struct pg_conn *old = r->conn;

	pthread_mutex_lock(&r->lock);
	r->conn = conn;
	pthread_mutex_unlock(&r->lock);
	r->learned = false;
	db_close(old);
}

static int connect_session(struct keyring *r, struct error *error)
{
	struct pg_conn *conn;
	int status = db_open(r->options.conninfo, r->options.insecure ? "verbatim keys (insecure)" : "verbatim keys", &conn, error);

	if (status)
		return status;
	status = db_step_down(conn, r->options.role, error);
	if (status)
		db_close(conn);
	else
		set_conn(r, conn);
	return status;
}

static void free_rows(struct api_key_row *keys, int count)
{
	if (keys)
		explicit_bzero(keys, sizeof(*keys) * (size_t)count);
	free(keys);
}

static void free_news(struct news *n)
{
	free_rows(n->keys, n->key_count);
	free_rows(n->named, n->named_count);
	free(n->limits);
	free(n);
}

static void free_all_news(struct news *n)
{
	while (n) {
		struct news *next = n->next;

		free_news(n);
		n = next;
	}
}

static void tell_news(struct keyring *r, struct news *n)
{
	pthread_mutex_lock(&r->lock);
	*r->news_end = n;
	r->news_end = &n->next;
	pthread_mutex_unlock(&r->lock);
}

static int load(struct keyring *r, int64_t changed, struct error *error)
{
	struct news *n = mem_zalloc(sizeof(*n));
	int64_t since = r->learned ? r->known : 0;
	int status = api_keys_load(r->conn, since, changed, &n->keys, &n->key_count, error);

	n->whole = !r->learned;
	if (!status)
		status = api_keys_load_limits(r->conn, since, changed, &n->limits, &n->limit_count, error);
	if (status) {
		free_news(n);
		return status;
	}
	r->known = changed;
	r->learned = true;
	tell_news(r, n);
	return 0;
}

/* Whoever brings a key that is not known here may bring one that once held. */
static int load_named(struct keyring *r, const struct key_proof *proofs, int count, struct error *error)
{
	struct news *n = mem_zalloc(sizeof(*n));
	struct buffer lists[2] = { { 0 } }; /* by the proof's kind */
	char text[2 * API_KEY_HASH_BYTES + 1];
	int status;

	for (int i = 0; i < count; i++) {
		struct buffer *list = &lists[proofs[i].kind];

		if (proofs[i].kind == PROOF_SECRET)
			uuid_format(&proofs[i].id, text);
		else
			hex_encode(proofs[i].hash, API_KEY_HASH_BYTES, text);
		buffer_printf(list, "%c%s", list->len ? ',' : '{', text);
	}
	for (int k = PROOF_SECRET; k <= PROOF_CERTIFICATE; k++)
		buffer_add_text(&lists[k], lists[k].len ? "}" : "{}");
	status = api_keys_load_named(r->conn, buffer_text(&lists[PROOF_SECRET]), buffer_text(&lists[PROOF_CERTIFICATE]), &n->named,
				     &n->named_count, error);
	buffer_release(&lists[PROOF_SECRET]);
	buffer_release(&lists[PROOF_CERTIFICATE]);
	if (status)
		free_news(n);
	else
		tell_news(r, n);
	return status;
}

/* What the loop wants written.  When that fails it is lost: the outbox tells its rows again, and a key in use is used again. */
static int write_ids(struct keyring *r, struct buffer *box, int (*put)(struct pg_conn *, const char *, struct error *),
		     struct error *error)
{
	struct buffer ids;
	int status = 0;

	pthread_mutex_lock(&r->lock);
	ids = *box;
	*box = (struct buffer){ 0 };
	pthread_mutex_unlock(&r->lock);
	if (ids.len)
		status = put(r->conn, buffer_text(&ids), error);
	buffer_release(&ids);
	return status;
}

static int fetch_outbox(struct keyring *r, struct error *error)
{
	struct outbox_row *rows;
	bool out;
	int count, status;

	pthread_mutex_lock(&r->lock);
	out = r->outbox_out;
	pthread_mutex_unlock(&r->lock);
	if (out)
		return 0;
	status = api_keys_outbox(r->conn, &rows, &count, error);
	if (status)
		return status;
	if (count == 0) {
		free(rows);
		return 0;
	}
	pthread_mutex_lock(&r->lock);
	r->outbox = rows;
	r->outbox_count = count;
	r->outbox_out = true;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static int look(struct keyring *r, const struct key_proof *proofs, int count, struct error *error)
{
	int64_t changed;
	bool outbox;
	int status = r->conn ? 0 : connect_session(r, error);

	if (!status)
		status = write_ids(r, &r->done_ids, api_keys_clear_outbox, error);
	if (!status)
		status = write_ids(r, &r->used_ids, api_keys_use, error);
	if (!status)
		status = api_keys_look(r->conn, &changed, &outbox, error);
	if (!status && (!r->learned || changed != r->known)) {
		if (changed < r->known)
			r->learned = false; /* another database than before: all anew */
		status = load(r, changed, error);
	}
	if (!status && count)
		status = load_named(r, proofs, count, error);
	if (!status && outbox)
		status = fetch_outbox(r, error);
	return status;
}

static void pause_until_asked(struct keyring *r, int64_t at)
{
	struct timespec until;
	int64_t end = at + LOOK_MS * 1000, soon = at + LOOK_LEAST_MS * 1000;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		int64_t now = time_monotonic(), to = r->asked > r->answered ? soon : end;

		if (now >= to)
			break;
		until.tv_sec = to / TIME_SECOND;
		until.tv_nsec = to % TIME_SECOND * 1000;
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
	}
	pthread_mutex_unlock(&r->lock);
}

static void *run(void *data)
{
	struct keyring *r = data;
	bool stop = false;

	while (!stop) {
		int64_t at = time_monotonic();
		struct key_proof proofs[PROOFS_MOST];
		struct error why;
		uint64_t asked;
		int status, count;

		pthread_mutex_lock(&r->lock);
		asked = r->asked;
		count = r->proof_count;
		memcpy(proofs, r->proofs, sizeof(*proofs) * (size_t)count);
		r->proof_count = 0;
		pthread_mutex_unlock(&r->lock);
		error_clear(&why);
		status = look(r, proofs, count, &why);
		explicit_bzero(proofs, sizeof(*proofs) * (size_t)count);
		if (status) {
			if (r->failures++ == 0)
				log_warn("keys", "keys that are not known yet must wait: %s", why.message);
			set_conn(r, NULL);
		} else {
			r->failures = 0;
			why.code = 0;
		}
		pthread_mutex_lock(&r->lock);
		r->answered = asked;
		r->status = status;
		r->failure = why;
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
		uv_async_send(&r->async);
		if (!stop)
			pause_until_asked(r, at);
		pthread_mutex_lock(&r->lock);
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
	}
	set_conn(r, NULL);
	return NULL;
}

/* ---- the loop: applying ---- */

static void bury(struct keyring *r, struct api_key *k)
{
	struct api_key **link = &r->keys;

	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	*map_put(&r->by_id, &k->row.id) = &grave;
	if (k->row.has_certificate && map_find(&r->by_certificate, k->row.certificate) == k)
		*map_put(&r->by_certificate, k->row.certificate) = &grave;
	r->count--;
	r->graves++;
	k->over = true;
	keyring_release(k);
}

static void place(struct keyring *r, struct api_key *k)
{
	*map_put(&r->by_id, &k->row.id) = k;
	if (k->row.has_certificate)
		*map_put(&r->by_certificate, k->row.certificate) = k;
}

static void clear_graves(struct keyring *r)
{
	map_clear(&r->by_id);
	map_clear(&r->by_certificate);
	for (struct api_key *k = r->keys; k; k = k->next)
		place(r, k);
	r->graves = 0;
}

static struct api_key *by_id(const struct keyring *r, const struct uuid *id)
{
	struct api_key *k = map_find(&r->by_id, id);

	return k == &grave ? NULL : k;
}

static bool is_past(const struct api_key_row *row, int64_t now)
{
	return row->expires_at != TIME_NONE && row->expires_at <= now;
}

static void apply_key(struct keyring *r, const struct api_key_row *row, int64_t now)
{
	struct api_key *k = by_id(r, &row->id);
	bool holds = !row->revoked && !is_past(row, now);

	if (k && !holds) {
		bury(r, k);
	} else if (k) {
		k->row = *row;
	} else if (holds) {
		k = mem_zalloc(sizeof(*k));
		k->row = *row;
		k->holders = 1; /* the ring itself */
		k->next = r->keys;
		r->keys = k;
		r->count++;
		place(r, k);
	}
}

static void apply_limits(struct keyring *r, const struct tenant_limit_row *row)
{
	void **at = map_put(&r->tenants, &row->tenant_id);

	if (!*at)
		*at = mem_zalloc(sizeof(struct tenant_quota));
	((struct tenant_quota *)*at)->limits = row->limits;
}

void keyring_expire(struct keyring *r, int64_t now)
{
	bool any = false;

	for (struct api_key *k = r->keys, *next; k; k = next) {
		next = k->next;
		if (!is_past(&k->row, now))
			continue;
		bury(r, k);
		any = true;
	}
	if (any)
		r->options.changed(r->options.data);
}

/* Keys of which a new session's whole list says nothing are over. */
static void end_missing(struct keyring *r, const struct news *n)
{
	struct map there;

	map_init(&there, sizeof(struct uuid));
	for (int i = 0; i < n->key_count; i++)
		*map_put(&there, &n->keys[i].id) = r;
	for (struct api_key *k = r->keys, *next; k; k = next) {
		next = k->next;
		if (!map_find(&there, &k->row.id))
			bury(r, k);
	}
	map_release(&there);
}

static void apply(struct keyring *r, const struct news *n)
{
	int64_t now = time_wall();

	r->loaded = true;
	if (n->whole)
		end_missing(r, n);
	for (int i = 0; i < n->key_count; i++)
		apply_key(r, &n->keys[i], now);
	for (int i = 0; i < n->limit_count; i++)
		apply_limits(r, &n->limits[i]);
	if (r->graves > GRAVES_MOST)
		clear_graves(r);
	for (struct api_key *k = r->keys; k; k = k->next)
		k->tenant = keyring_tenant(r, &k->row.tenant_id);
}

/* Now and then the thread is told who was used. */
static void note_uses(struct keyring *r)
{
	int64_t now = time_monotonic();
	struct buffer ids = { 0 };
	char id[UUID_TEXT];

	if (now < r->uses_due)
		return;
	for (struct api_key *k = r->keys; k; k = k->next) {
		if (k->used)
			buffer_printf(&ids, "%c%s", ids.len ? ',' : '{', uuid_format(&k->row.id, id));
		k->used = false;
	}
	if (!ids.len)
		return;
	r->uses_due = now + USE_MS * 1000;
	buffer_add_byte(&ids, '}');
	pthread_mutex_lock(&r->lock);
	buffer_release(&r->used_ids);
	r->used_ids = ids;
	pthread_mutex_unlock(&r->lock);
}

static void on_async(uv_async_t *handle)
{
	struct keyring *r = handle->data;
	struct news *news;
	bool changed = false;
	struct outbox_row *outbox;
	uint64_t answered;
	int status, outbox_count;

	pthread_mutex_lock(&r->lock);
	news = r->news;
	r->news = NULL;
	r->news_end = &r->news;
	answered = r->answered;
	status = r->status;
	outbox = r->outbox;
	outbox_count = r->outbox_count;
	r->outbox = NULL;
	pthread_mutex_unlock(&r->lock);
	if (r->stopped) {
		for (int i = 0; outbox && i < outbox_count; i++)
			buffer_release(&outbox[i].scope);
		free(outbox);
		outbox = NULL;
	}
	r->heard = news;
	for (struct news *n = news; n; n = n->next) {
		if (n->named)
			continue; /* that is all there is in it */
		apply(r, n);
		changed = true;
	}
	if (changed)
		r->options.changed(r->options.data);
	if (answered != r->told) {
		r->told = answered;
		r->options.looked(r->options.data, answered, status);
	}
	r->heard = NULL;
	free_all_news(news);
	if (outbox)
		r->options.journal(r->options.data, outbox, outbox_count);
	note_uses(r);
}

/* ---- the loop: asking ---- */

static bool proves(const struct key_proof *proof, const struct api_key_row *row)
{
	if (proof->kind == PROOF_CERTIFICATE)
		return row->has_certificate && api_hash_equal(row->certificate, proof->hash);
	return uuid_equal(&row->id, &proof->id) && row->has_secret && api_hash_equal(row->hash, proof->hash);
}

struct api_key *keyring_find(struct keyring *r, const struct key_proof *proof, int64_t now)
{
	struct api_key *k = proof->kind == PROOF_SECRET ? map_find(&r->by_id, &proof->id) : map_find(&r->by_certificate, proof->hash);

	return k && k != &grave && proves(proof, &k->row) && !is_past(&k->row, now) ? k : NULL;
}

enum key_end keyring_ended(const struct keyring *r, const struct key_proof *proof, int64_t now, struct uuid *id)
{
	for (const struct news *n = r->heard; n; n = n->next)
		for (int i = 0; i < n->named_count; i++) {
			const struct api_key_row *row = &n->named[i];

			if (!proves(proof, row) || !(row->revoked || is_past(row, now)))
				continue;
			*id = row->id;
			return row->revoked ? KEY_REVOKED : KEY_EXPIRED;
		}
	return KEY_NEVER_HELD;
}

uint64_t keyring_ask(struct keyring *r, const struct key_proof *proof)
{
	uint64_t number;

	pthread_mutex_lock(&r->lock);
	if (r->proof_count < PROOFS_MOST)
		r->proofs[r->proof_count++] = *proof;
	number = ++r->asked;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	return number;
}

void keyring_hold(struct api_key *k)
{
	k->holders++;
}

void keyring_release(struct api_key *k)
{
	if (--k->holders > 0)
		return;
	assert(k->over);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

struct api_key *keyring_local(struct keyring *r)
{
	return &r->local;
}

struct api_key *keyring_anybody(struct keyring *r)
{
	return &r->anybody;
}

struct tenant_quota *keyring_tenant(const struct keyring *r, const struct uuid *tenant_id)
{
	return r->tenants.count ? map_find(&r->tenants, tenant_id) : NULL;
}

void keyring_journaled(struct keyring *r, struct outbox_row *rows, int count, struct buffer *ids)
{
	for (int i = 0; i < count; i++)
		buffer_release(&rows[i].scope);
	free(rows);
	pthread_mutex_lock(&r->lock);
	buffer_release(&r->done_ids);
	r->done_ids = *ids;
	*ids = (struct buffer){ 0 };
	r->outbox_out = false;
	pthread_mutex_unlock(&r->lock);
}

void keyring_trouble(struct keyring *r, struct error *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->failure;
	pthread_mutex_unlock(&r->lock);
}

bool keyring_is_loaded(const struct keyring *r)
{
	return r->loaded;
}

int keyring_count(const struct keyring *r)
{
	return r->count;
}

/* ---- start, stop ---- */

struct keyring *keyring_start(uv_loop_t *loop, const struct keyring_options *options)
{
	struct keyring *r = mem_zalloc(sizeof(*r));
	const struct api_key_row own = { .scopes = SCOPE_APPEND | SCOPE_READ | SCOPE_ADMIN, .expires_at = TIME_NONE };
	pthread_condattr_t clock;
	int status;

	r->options = *options;
	r->news_end = &r->news;
	map_init(&r->by_id, sizeof(struct uuid));
	map_init(&r->by_certificate, API_KEY_HASH_BYTES);
	map_init(&r->tenants, sizeof(struct uuid));
	r->local.row = r->anybody.row = own;
	r->local.holders = r->anybody.holders = 1;
	snprintf(r->local.row.name, API_KEY_NAME, "local user");
	snprintf(r->anybody.row.name, API_KEY_NAME, "anybody");
	uv_async_init(loop, &r->async, on_async);
	r->async.data = r;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &clock);
	pthread_condattr_destroy(&clock);
	status = pthread_create(&r->thread, NULL, run, r);
	assert(status == 0);
	return r;
}

void keyring_stop(struct keyring *r)
{
	struct timespec until;

	if (!r || r->stopped)
		return;
	r->stopped = true;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	if (pthread_timedjoin_np(r->thread, NULL, &until) != 0) {
		pthread_mutex_lock(&r->lock);
		if (r->conn)
			db_break(r->conn); /* a database that keeps silent */
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->thread, NULL);
	}
	uv_close((uv_handle_t *)&r->async, NULL);
}

void keyring_free(struct keyring *r)
{
	struct tenant_quota *q;
	size_t at = 0;

	if (!r)
		return;
	free_all_news(r->news);
	for (int i = 0; r->outbox && i < r->outbox_count; i++)
		buffer_release(&r->outbox[i].scope);
	free(r->outbox);
	while (r->keys)
		bury(r, r->keys);
	while ((q = map_next(&r->tenants, &at, NULL)))
		free(q);
	map_release(&r->by_id);
	map_release(&r->by_certificate);
	map_release(&r->tenants);
	buffer_release(&r->done_ids);
	buffer_release(&r->used_ids);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
