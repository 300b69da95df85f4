/* fake_keys - see fake_keys.h. */
#include "fake_keys.h"

#include <assert.h>
#include <stdlib.h>

enum { POLL_MS = 250, LOOK_MOST_MS = 60 };

struct keyring {
	struct keyring_options options;
	const struct fake_keys *keys;
	const struct world_host *host;
	struct api_key *known[KEYS]; /* NULL: not yet, or over */
	bool ended[KEYS];
	struct api_key anybody;
	struct tenant_quota tenant;
	uint64_t asked, answered;
	bool looking;
};

static struct {
	struct fake_keys *keys;
	const struct world_host *host;
} serving;

void fake_keys_init(struct fake_keys *k, struct world *w, const struct uuid *tenant)
{
	static const struct quota_limits limits = { { 15, 20000, 3, 12000 } }, tenants = { { 12, 16000, 2, 9000 } };

	memset(k, 0, sizeof(*k));
	k->world = w;
	for (int i = 0; i < KEYS; i++) {
		struct api_key_row *row = &k->rows[i];

		random_fill(&w->random, &row->id, sizeof(row->id));
		snprintf(row->name, sizeof(row->name), "key %d", i);
		row->scopes = SCOPE_APPEND | SCOPE_READ;
		row->has_secret = true;
		row->expires_at = TIME_NONE;
		api_key_make(&row->id, k->texts[i], row->hash);
	}
	k->rows[KEY_LIMITED].limits = limits;
	k->rows[KEY_BOUND].tenant_id = *tenant;
	k->limit = (struct tenant_limit_row){ *tenant, tenants };
}

void fake_keys_serve(struct fake_keys *k, const struct world_host *host)
{
	serving.keys = k;
	serving.host = host;
}

static struct world *world_of(const struct keyring *r)
{
	return r->keys->world;
}

static void learn(struct keyring *r)
{
	bool ended = false;

	for (int i = 0; i < KEY_NEVER; i++) {
		const struct api_key_row *row = &r->keys->rows[i];
		struct api_key *k = r->known[i];

		if (!k && !row->revoked) {
			k = r->known[i] = mem_zalloc(sizeof(*k));
			k->row = *row;
			k->holders = 1;
			k->tenant = keyring_tenant(r, &row->tenant_id);
		} else if (k && row->revoked) {
			r->known[i] = NULL;
			k->over = ended = true;
			keyring_release(k);
		}
	}
	if (ended)
		r->options.changed(r->options.data);
}

static void look(void *data)
{
	struct keyring *r = data;
	struct world *w = world_of(r);
	int64_t left = world_asleep(w, r->host);
	uint64_t upto = r->asked;

	if (!left && w->now < w->hung_until)
		left = w->hung_until - w->now;
	if (left) {
		world_after(w, left, look, r);
		return;
	}
	r->looking = false;
	if (w->faults && world_chance(w, 50)) {
		r->options.looked(r->options.data, upto, E_UNAVAILABLE);
	} else {
		learn(r);
		r->options.looked(r->options.data, upto, 0);
	}
	r->looking = true;
	world_after(w, POLL_MS * 1000, look, r);
}

struct keyring *keyring_start(uv_loop_t *loop, const struct keyring_options *options)
{
	struct keyring *r = mem_zalloc(sizeof(*r));

	(void)loop;
	r->options = *options;
	r->keys = serving.keys;
	r->host = serving.host;
	r->tenant.limits = r->keys->limit.limits;
	r->anybody.row.expires_at = TIME_NONE;
	r->anybody.row.scopes = SCOPE_APPEND | SCOPE_READ;
	r->anybody.holders = 1;
	r->looking = true;
	world_after(world_of(r), 1000 + (int64_t)random_below(&world_of(r)->random, LOOK_MOST_MS * 1000), look, r);
	return r;
}

void keyring_stop(struct keyring *r)
{
	world_forget(world_of(r), r);
}

void keyring_free(struct keyring *r)
{
	for (int i = 0; i < KEYS; i++)
		if (r->known[i]) {
			r->known[i]->over = true;
			keyring_release(r->known[i]);
		}
	free(r);
}

struct api_key *keyring_find(struct keyring *r, const struct key_proof *proof, int64_t now)
{
	(void)now;
	for (int i = 0; i < KEYS; i++)
		if (r->known[i] && uuid_equal(&r->known[i]->row.id, &proof->id))
			return api_hash_equal(r->known[i]->row.hash, proof->hash) ? r->known[i] : NULL;
	return NULL;
}

void keyring_expire(struct keyring *r, int64_t now)
{
	(void)r;
	(void)now;
}

uint64_t keyring_ask(struct keyring *r, const struct key_proof *proof)
{
	struct world *w = world_of(r);

	(void)proof;
	if (w->now >= w->hung_until) {
		world_forget(w, r);
		world_after(w, 1000 + (int64_t)random_below(&w->random, LOOK_MOST_MS * 1000), look, r);
	}
	return ++r->asked;
}

/* What a key was that holds no more goes into the journal alone, which nobody looks at here. */
enum key_end keyring_ended(const struct keyring *r, const struct key_proof *proof, int64_t now, struct uuid *id)
{
	(void)r;
	(void)proof;
	(void)now;
	(void)id;
	return KEY_NEVER_HELD;
}

void keyring_hold(struct api_key *k)
{
	k->holders++;
}

void keyring_release(struct api_key *k)
{
	assert(k->holders > 0);
	if (--k->holders > 0)
		return;
	assert(k->over);
	free(k);
}

struct api_key *keyring_local(struct keyring *r)
{
	return &r->anybody;
}

struct api_key *keyring_anybody(struct keyring *r)
{
	return &r->anybody;
}

struct tenant_quota *keyring_tenant(const struct keyring *r, const struct uuid *tenant_id)
{
	return uuid_equal(tenant_id, &r->keys->limit.tenant_id) ? (struct tenant_quota *)(uintptr_t)&r->tenant : NULL;
}

void keyring_journaled(struct keyring *r, struct outbox_row *rows, int count, struct buffer *ids)
{
	(void)r;
	(void)rows;
	(void)count;
	(void)ids;
}

bool keyring_is_loaded(const struct keyring *r)
{
	(void)r;
	return true;
}

void keyring_trouble(struct keyring *r, struct error *out)
{
	(void)r;
	error_clear(out);
}

int keyring_count(const struct keyring *r)
{
	int n = 0;

	for (int i = 0; i < KEYS; i++)
		n += r->known[i] != NULL;
	return n;
}

struct key_uses fake_keys_uses(const struct keyring *r)
{
	struct key_uses uses = { r->tenant.use.connections, r->tenant.use.inflight, 0 };

	for (int i = 0; i < KEYS; i++)
		if (r->known[i]) {
			uses.connections += r->known[i]->use.connections;
			uses.inflight += r->known[i]->use.inflight;
			uses.holders += r->known[i]->holders - 1;
		}
	return uses;
}
