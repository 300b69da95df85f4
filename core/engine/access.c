/* access - see access.h. */
#include "engine/access.h"

#include <stdio.h>

#include "base/log.h"
#include "engine/fault.h"
#include "engine/journal.h"
#include "engine/scopes.h"
#include "engine/session.h"
#include "event/canonical.h"

enum {
	HELLOS_MOST = 3,      /* refused ones of a connection; then it is closed */
	ASK_MOST_MS = 3000,   /* for a key that is not known here */
	INFLIGHT_RETRY_MS = 50,
	OUTBOX_RETRY_MS = 5000,
	HOLD_MOST_MS = 1000,
};

/* ---- what is journaled ---- */

static void add_text(struct buffer *out, const char *name, const char *text)
{
	buffer_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
	canonical_string(bytes_text(text), out);
}

static void submit(struct engine *e, struct request *r, const struct journal_entry *entry)
{
	struct error error;

	error_clear(&error);
	r->engine = e;
	r->own = true;
	if (journal_request(r, entry, e->env.env.wall(&e->env.env), &e->request_limits, &error)) {
		log_warn("access", "%s was not journaled: %s", entry->type, error.message);
		r->status = error.code;
		r->answer(r);
	} else {
		appender_submit(&e->appenders[0], r);
	}
}

static void on_told(struct request *r)
{
	struct engine *e = r->engine;

	tally_told(r->ticket.owner, r->status == 0 || error_get(r->status)->class == CLASS_CALLER);
	request_free(&e->pool, r);
}

static void tell(struct engine *e, struct tally_entry *t)
{
	struct journal_entry entry = { .type = "audit.activity_recorded", .occurred_at = t->sent_last };
	struct request *r = request_new(&e->pool);
	char first[TIME_TEXT], last[TIME_TEXT], tenant[UUID_TEXT];
	struct buffer payload = { 0 };
	uint8_t random[16];

	random_system(random, sizeof(random));
	uuid_v7(&entry.event_id, t->sent_last / 1000, random);
	uuid_v4(&entry.entity_id, random);
	buffer_add_byte(&payload, '{');
	add_text(&payload, "action", t->kind.action);
	add_text(&payload, "resource_type", t->kind.resource_type);
	add_text(&payload, "resource_id", t->kind.resource_id);
	if (t->kind.actor[0])
		add_text(&payload, "actor", t->kind.actor);
	if (!uuid_is_nil(&t->kind.tenant_id))
		add_text(&payload, "tenant_id", uuid_format(&t->kind.tenant_id, tenant));
	buffer_printf(&payload, ",\"scope\":{\"reason\":\"%s\",\"count\":%lld,\"first_at\":\"%s\",\"last_at\":\"%s\"}}", t->kind.reason,
		      (long long)t->sent, time_format(t->sent_first, first), time_format(t->sent_last, last));
	entry.payload = buffer_bytes(&payload);
	r->answer = on_told;
	r->ticket.owner = t;
	submit(e, r, &entry);
	buffer_release(&payload);
}

static void tally(struct engine *e, const struct tally_kind *kind)
{
	tally_add(&e->access.tally, kind, e->env.env.wall(&e->env.env), e->env.env.monotonic(&e->env.env));
}

/* Where a session comes from, without the port: that changes with each connection. */
static void peer_of(struct session *s, char *out, size_t size)
{
	char text[WIRE_PEER];
	char *colon = strrchr(wire_peer(s->wire, text), ':');

	if (colon)
		*colon = 0;
	snprintf(out, size, "%s", text);
}

/* With the id of the key that was brought, if it once held. */
static void tally_login(struct session *s, const char *reason, const struct uuid *key_id)
{
	struct tally_kind kind = { .action = "login.refused", .resource_type = key_id ? "api_key" : "address", .reason = reason };
	char id[UUID_TEXT];

	peer_of(s, kind.actor, sizeof(kind.actor));
	snprintf(kind.resource_id, sizeof(kind.resource_id), "%.63s", key_id ? uuid_format(key_id, id) : kind.actor);
	s->engine->access.refused_logins++;
	tally(s->engine, &kind);
}

/* Something that a key did: `reason` is the method. */
static void tally_key(struct session *s, const char *action, const char *reason, const struct uuid *tenant_id)
{
	const struct api_key_row *row = &s->key->row;
	struct tally_kind kind = { .action = action, .resource_type = "api_key", .reason = reason };
	char id[UUID_TEXT];

	uuid_format(&row->id, id);
	snprintf(kind.resource_id, sizeof(kind.resource_id), "%s", id);
	snprintf(kind.actor, sizeof(kind.actor), "API key '%s'", row->name);
	if (tenant_id)
		kind.tenant_id = *tenant_id;
	tally(s->engine, &kind);
}

/* ---- the outbox ---- */

static void outbox_ends(struct engine *e)
{
	struct access *a = &e->access;

	if (a->outbox_done.len)
		buffer_add_byte(&a->outbox_done, '}');
	keyring_journaled(a->ring, a->outbox, a->outbox_count, &a->outbox_done);
	a->outbox = NULL;
	a->outbox_due = 0;
}

static void on_outbox(struct request *r)
{
	struct engine *e = r->engine;
	struct access *a = &e->access;
	const struct outbox_row *row = r->ticket.owner;
	char id[UUID_TEXT];

	/* What is refused for good is not tried for ever; the diary has it. */
	if (r->status == 0 || error_get(r->status)->class == CLASS_CALLER) {
		if (r->status)
			log_warn("access", "%s was not journaled: %s", row->action, error_get(r->status)->text);
		buffer_printf(&a->outbox_done, "%c%s", a->outbox_done.len ? ',' : '{', uuid_format(&row->id, id));
	} else {
		a->outbox_due = e->env.env.monotonic(&e->env.env) + OUTBOX_RETRY_MS * 1000;
	}
	request_free(&e->pool, r);
	if (--a->outbox_left == 0 && !a->outbox_due)
		outbox_ends(e); /* else the sweep does, later: the database tells the rest again */
}

static void on_journal(void *data, struct outbox_row *rows, int count)
{
	struct engine *e = data;
	struct access *a = &e->access;

	a->outbox = rows;
	a->outbox_count = count;
	a->outbox_left = count + 1;
	for (int i = 0; i < count && e->appenders && !e->stopping; i++) {
		struct outbox_row *row = &rows[i];
		struct journal_entry entry = { .type = "audit.activity_recorded", .entity_id = row->id, .actor_type = "user",
					       .occurred_at = row->at };
		struct request *r = request_new(&e->pool);
		struct buffer payload = { 0 };
		char tenant[UUID_TEXT];

		uuid_v7(&entry.event_id, row->at / 1000, row->id.b + 6);
		buffer_add_byte(&payload, '{');
		add_text(&payload, "action", row->action);
		add_text(&payload, "resource_type", row->resource_type);
		add_text(&payload, "resource_id", row->resource_id);
		add_text(&payload, "actor", row->actor);
		if (!uuid_is_nil(&row->tenant_id))
			add_text(&payload, "tenant_id", uuid_format(&row->tenant_id, tenant));
		buffer_add_text(&payload, ",\"scope\":");
		buffer_add_bytes(&payload, buffer_bytes(&row->scope));
		buffer_add_byte(&payload, '}');
		entry.payload = buffer_bytes(&payload);
		r->answer = on_outbox;
		r->ticket.owner = row;
		submit(e, r, &entry);
		buffer_release(&payload);
	}
	if (!e->appenders || e->stopping)
		a->outbox_left -= count;
	if (--a->outbox_left == 0 && !a->outbox_due)
		outbox_ends(e);
}

/* ---- hello ---- */

static int unauthorized(struct session *s, const char *reason, const struct uuid *key_id, struct error *error)
{
	tally_login(s, reason, key_id);
	if (++s->hellos >= HELLOS_MOST)
		s->give_up = true;
	return error->code;
}

/* What is brought: a key that needs no look, or a proof. */
static int read_token(struct session *s, struct bytes token, struct api_key **key, struct key_proof *proof, struct error *error)
{
	struct keyring *ring = s->engine->access.ring;
	const uint8_t *certificate = wire_certificate(s->wire);

	*key = NULL;
	if (token.len) {
		proof->kind = PROOF_SECRET;
		return api_key_parse(token, &proof->id, proof->hash, error) ? unauthorized(s, "no key", NULL, error) : 0;
	}
	if (wire_is_local(s->wire)) {
		*key = keyring_local(ring);
	} else if (certificate) {
		proof->kind = PROOF_CERTIFICATE;
		memcpy(proof->hash, certificate, sizeof(proof->hash));
	} else if (s->engine->options->insecure) {
		*key = keyring_anybody(ring);
	} else {
		error_field(error, E_UNAUTHORIZED, "token", "this engine wants an API key: verbatim key create makes one; "
			    "commands that name no engine (--to) find its own by themselves");
		return unauthorized(s, "empty", NULL, error);
	}
	return 0;
}

static int count_connection(const struct quota_limits *limits, const struct quota_use *use, const char *whose, struct error *error)
{
	if (!limits->most[QUOTA_CONNECTIONS] || use->connections < limits->most[QUOTA_CONNECTIONS])
		return 0;
	error_set(error, E_OVERLOADED, "the %s has %lld connections already, as many as it may", whose, (long long)use->connections);
	error->retry_after_ms = 1000;
	return error->code;
}

static int greet(struct session *s, struct api_key *key, uint32_t msgid, bool silent, struct error *error)
{
	if (s->key && s->key != key)
		return error_field(error, E_UNAUTHORIZED, "token", "this is another key than before; a connection keeps its key");
	if (!s->key) {
		int status = count_connection(&key->row.limits, &key->use, "key", error);

		if (!status && key->tenant)
			status = count_connection(&key->tenant->limits, &key->tenant->use, "tenant", error);
		if (status) {
			s->engine->access.throttled++;
			return status;
		}
		key->use.connections++;
		if (key->tenant)
			key->tenant->use.connections++;
		keyring_hold(key);
		s->key = key;
		s->key_tenant = key->tenant;
	}
	key->used = true;
	s->greeted = true;
	if (!silent)
		method_answer_hello(s, msgid);
	return 0;
}

int access_hello(struct session *s, struct bytes token, uint32_t msgid, bool silent, struct error *error)
{
	struct engine *e = s->engine;
	struct api_key *key;
	struct key_proof proof;
	int status;

	if (s->greeted && !token.len) {
		if (!silent)
			method_answer_hello(s, msgid);
		return 0;
	}
	status = read_token(s, token, &key, &proof, error);
	if (status)
		return status;
	if (!key)
		key = keyring_find(e->access.ring, &proof, e->env.env.wall(&e->env.env));
	if (key)
		return greet(s, key, msgid, silent, error);
	s->proof = proof;
	s->hello_msgid = msgid;
	s->hello_silent = silent;
	s->asking = keyring_ask(e->access.ring, &proof);
	s->asked_at = e->env.env.monotonic(&e->env.env);
	e->access.asking++;
	return 0;
}

/* To who brought it no more is said than that it does not hold; the journal is told which key it was. */
static int refuse_key(struct session *s, struct error *error)
{
	struct engine *e = s->engine;
	const char *reason = s->proof.kind == PROOF_CERTIFICATE ? "unknown certificate" : "unknown key";
	struct uuid id;
	enum key_end end = keyring_ended(e->access.ring, &s->proof, e->env.env.wall(&e->env.env), &id);

	if (end != KEY_NEVER_HELD)
		reason = end == KEY_REVOKED ? "revoked key" : "expired key";
	error_field(error, E_UNAUTHORIZED, "token", "this API key does not hold: it was revoked, has expired, or never was; verbatim key list "
		    "shows those that do");
	return unauthorized(s, reason, end != KEY_NEVER_HELD ? &id : NULL, error);
}

/* The look is over, or has taken too long (`status`). */
static void answer_asking(struct session *s, int status)
{
	struct engine *e = s->engine;
	struct api_key *key = keyring_find(e->access.ring, &s->proof, e->env.env.wall(&e->env.env));
	struct error error;

	if (!key && fault_on("hello.any_key"))
		key = keyring_anybody(e->access.ring);
	error_clear(&error);
	s->asking = 0;
	e->access.asking--;
	if (key) {
		status = greet(s, key, s->hello_msgid, s->hello_silent, &error);
	} else if (status) {
		status = error_set(&error, E_UNAVAILABLE, "this key is not known here yet, and the database that could tell does not answer");
		error.retry_after_ms = 1000;
	} else {
		status = refuse_key(s, &error);
	}
	memset(&s->proof, 0, sizeof(s->proof));
	if (status) {
		e->refused++;
		if (s->give_up)
			session_fail(s, s->hello_msgid, &error);
		else if (!s->hello_silent)
			session_error(s, s->hello_msgid, &error);
	}
	session_resume(s);
}

static void on_looked(void *data, uint64_t look, int status)
{
	struct engine *e = data;

	for (struct session *s = e->sessions, *next; s && e->access.asking; s = next) {
		next = s->next;
		if (s->asking && s->asking <= look)
			answer_asking(s, status);
	}
}

static void on_changed(void *data)
{
	struct engine *e = data;

	for (struct session *s = e->sessions, *next; s; s = next) {
		struct error error;

		next = s->next;
		if (!s->key || !s->key->over || s->ended)
			continue;
		error_set(&error, E_UNAUTHORIZED, "the key was revoked or has expired: the connection ends");
		session_end(s, &error);
	}
	engine_look_ready(e);
}

void access_leave(struct session *s)
{
	if (s->asking)
		s->engine->access.asking--;
	s->asking = 0;
	if (s->held_until)
		s->engine->access.held--;
	s->held_until = 0;
	if (!s->key)
		return;
	s->key->use.connections -= !fault_on("access.keeps_connections");
	if (s->key_tenant)
		s->key_tenant->use.connections--;
	keyring_release(s->key);
	s->key = NULL;
}

/* ---- what a key allows ---- */

const struct uuid *access_tenant(const struct session *s)
{
	return uuid_is_nil(&s->key->row.tenant_id) ? NULL : &s->key->row.tenant_id;
}

bool access_sees_all(const struct session *s)
{
	return s->key->row.scopes & SCOPE_ADMIN || (s->key->row.scopes & SCOPE_AUDIT && !access_tenant(s));
}

int access_method(struct session *s, const char *method, struct error *error)
{
	struct buffer scopes = { 0 };

	if (scope_allows(method, s->key->row.scopes))
		return 0;
	api_scopes_print(s->key->row.scopes, &scopes);
	error_set(error, E_FORBIDDEN, "the key '%s' has scope %s, which does not allow %s; verbatim help scopes tells which does",
		  s->key->row.name, buffer_text(&scopes), method);
	buffer_release(&scopes);
	tally_key(s, "scope.refused", method, NULL);
	return error->code;
}

static int refuse_tenant(struct session *s, const char *method, const struct uuid *asked, const char *field, struct error *error)
{
	error_field(error, E_FORBIDDEN, field, "this tenant is not what the key '%s' is bound to; make a key of that tenant: verbatim key create --tenant",
		    s->key->row.name);
	tally_key(s, "tenant.refused", method, asked);
	return error->code;
}

static int over(struct engine *e, const char *whose, const struct quota_limits *limits, enum quota_kind kind, int64_t wait_us,
		struct error *error)
{
	int64_t ms = wait_us == INT64_MAX ? INFLIGHT_RETRY_MS : (wait_us + 999) / 1000;

	e->access.throttled++;
	error_set(error, E_OVERLOADED, "over the %s's limit of %lld %s; send it again in %lld ms", whose, (long long)limits->most[kind],
		  quota_name(kind), (long long)ms);
	error->retry_after_ms = ms < INT32_MAX ? (int)ms : INT32_MAX;
	return error->code;
}

static void wake_at(struct engine *e, int64_t at, int64_t now)
{
	struct access *a = &e->access;

	if (a->hold_due && a->hold_due <= at)
		return;
	a->hold_due = at;
	e->env.env.timer_start(&e->env.env, &a->hold, (at - now) / 1000 + 1);
}

static void on_hold(struct env_timer *timer)
{
	struct engine *e = timer->data;
	int64_t now = e->env.env.monotonic(&e->env.env), next = INT64_MAX;

	e->access.hold_due = 0;
	for (struct session *s = e->sessions, *following; s && e->access.held; s = following) {
		following = s->next;
		if (s->held_until > now) {
			next = s->held_until < next ? s->held_until : next;
		} else if (s->held_until) {
			s->held_until = 0;
			e->access.held--;
			if (!fault_on("access.holds_on"))
				session_resume(s);
		}
	}
	if (next != INT64_MAX)
		wake_at(e, next, now);
}

/* Not read again before its bucket has room; one timer does for all, so that it may be some milliseconds late. */
static void hold(struct session *s, int64_t wait_us)
{
	struct engine *e = s->engine;
	int64_t now = e->env.env.monotonic(&e->env.env);
	int64_t us = wait_us < HOLD_MOST_MS * 1000 ? wait_us : HOLD_MOST_MS * 1000;

	if (s->held_until)
		return;
	e->access.held++;
	s->held_until = now + us;
	wake_at(e, s->held_until, now);
}

static int charge(struct session *s, struct request *r, int64_t bytes, struct error *error)
{
	struct engine *e = s->engine;
	struct api_key *key = s->key;
	struct tenant_quota *tenant = keyring_tenant(e->access.ring, &r->tenant_id);
	int64_t now = e->env.env.monotonic(&e->env.env), wait;
	enum quota_kind kind;

	wait = quota_wait_us(&key->row.limits, &key->use, r->count, bytes, now, &kind);
	if (wait) {
		if (wait != INT64_MAX)
			hold(s, wait);
		return over(e, "key", &key->row.limits, kind, wait, error);
	}
	wait = tenant ? quota_wait_us(&tenant->limits, &tenant->use, r->count, bytes, now, &kind) : 0;
	if (wait) {
		if (wait != INT64_MAX && access_tenant(s))
			hold(s, wait);
		return over(e, "tenant", &tenant->limits, kind, wait, error);
	}
	quota_take(&key->row.limits, &key->use, r->count, bytes, now);
	if (tenant)
		quota_take(&tenant->limits, &tenant->use, r->count, bytes, now);
	keyring_hold(key);
	r->key = key;
	r->tenant_quota = tenant;
	r->wire_bytes = bytes;
	return 0;
}

int access_append(struct session *s, struct request *r, size_t bytes, struct error *error)
{
	unsigned scopes = s->key->row.scopes;
	const struct uuid *tenant = access_tenant(s);
	bool system = uuid_equal(&r->tenant_id, &system_tenant);

	if (tenant && !uuid_equal(tenant, &r->tenant_id))
		return refuse_tenant(s, "append", &r->tenant_id, "tenant_id", error);
	if (system ? !access_sees_all(s) : !(scopes & (SCOPE_APPEND | SCOPE_ADMIN)))
		return refuse_tenant(s, "append", &r->tenant_id, "tenant_id", error);
	return charge(s, r, (int64_t)bytes, error);
}

void access_answered(struct request *r)
{
	if (!r->key)
		return;
	if (!fault_on("access.keeps_inflight"))
		quota_give(&r->key->use, r->wire_bytes);
	if (r->tenant_quota)
		quota_give(&r->tenant_quota->use, r->wire_bytes);
	keyring_release(r->key);
	r->key = NULL;
}

int access_read(struct session *s, struct read_call *c, struct error *error)
{
	const struct uuid *tenant = access_tenant(s);

	if (tenant && !uuid_is_nil(&c->tenant_id) && !uuid_equal(tenant, &c->tenant_id))
		return refuse_tenant(s, "read", &c->tenant_id, "filter.tenant_id", error);
	if (tenant && c->shard != event_shard(tenant, s->engine->shards))
		return refuse_tenant(s, "read", NULL, "filter.shard", error);
	if (tenant)
		c->tenant_id = *tenant;
	if (c->shard == 0 && !access_sees_all(s))
		return refuse_tenant(s, "read", &system_tenant, "filter.shard", error);
	if (s->key->row.scopes & SCOPE_AUDIT)
		tally_key(s, "log.read", "audit scope", uuid_is_nil(&c->tenant_id) ? NULL : &c->tenant_id);
	return 0;
}

int access_wait(struct session *s, int16_t shard, struct error *error)
{
	const struct uuid *tenant = access_tenant(s);

	if (tenant ? shard == event_shard(tenant, s->engine->shards) : shard || access_sees_all(s))
		return 0;
	return refuse_tenant(s, "wait", NULL, "token", error);
}

/* ---- start, each second, stop ---- */

void access_start(struct engine *e)
{
	struct keyring_options o = { .conninfo = e->options->conninfo, .role = e->options->role,
				     .insecure = e->options->insecure, .changed = on_changed, .looked = on_looked,
				     .journal = on_journal, .data = e };

	e->env.env.timer_open(&e->env.env, &e->access.hold);
	e->access.hold.fire = on_hold;
	e->access.hold.data = e;
	e->access.ring = keyring_start(&e->loop, &o);
}

void access_sweep(struct engine *e)
{
	int64_t now = e->env.env.monotonic(&e->env.env);
	struct tally_entry *t;

	keyring_expire(e->access.ring, e->env.env.wall(&e->env.env));
	for (struct session *s = e->sessions, *next; s && e->access.asking; s = next) {
		next = s->next;
		if (s->asking && now - s->asked_at > ASK_MOST_MS * 1000)
			answer_asking(s, E_TIMEOUT);
	}
	if (e->access.outbox && !e->access.outbox_left && now >= e->access.outbox_due)
		outbox_ends(e);
	while (e->ready && !e->stopping && (t = tally_next(&e->access.tally, now)))
		tell(e, t);
}

void access_stop(struct engine *e)
{
	keyring_stop(e->access.ring);
	e->env.env.timer_close(&e->env.env, &e->access.hold);
}

void access_release(struct engine *e)
{
	for (int i = 0; e->access.outbox && i < e->access.outbox_count; i++)
		buffer_release(&e->access.outbox[i].scope);
	free(e->access.outbox);
	buffer_release(&e->access.outbox_done);
	keyring_free(e->access.ring);
}
