/*
 * api_keys - API keys, tenants' limits, and what is to be journaled of their changes, in the database.
 *
 * Blocking, on sessions of db.h: commands change, the engine's keyring (core/engine/keyring.c) reads.  Every change counts
 * one number up (schema/log/..._create_api_keys), so that who has seen number n asks for what came after it.
 */
#ifndef VERBATIM_STORE_API_KEYS_H
#define VERBATIM_STORE_API_KEYS_H

#include "event/api_key.h"
#include "event/quota.h"
#include "store/db.h"

enum { API_KEY_NAME = 64, API_KEYS_MOST = 100000, OUTBOX_MOST = 100 };

struct api_key_row {
	struct uuid id;
	char name[API_KEY_NAME];
	unsigned scopes;
	struct uuid tenant_id;         /* nil: of all */
	bool has_secret, has_certificate;
	uint8_t hash[API_KEY_HASH_BYTES], certificate[API_KEY_HASH_BYTES];
	struct quota_limits limits;
	int64_t expires_at;            /* TIME_NONE: never */
	bool revoked;
};

struct tenant_limit_row {
	struct uuid tenant_id;
	struct quota_limits limits;
};

struct outbox_row {
	struct uuid id;
	int64_t at;
	char actor[64], action[101], resource_type[101], resource_id[256];
	struct uuid tenant_id;         /* nil: none */
	struct buffer scope;           /* a JSON object; owned */
};

/* The newest change's number, and whether something waits in the outbox. */
int api_keys_look(struct pg_conn *conn, int64_t *changed, bool *outbox, struct error *error) must_check;

/*
 * What was changed after number `since` and not after `upto`, keys that are over included; since 0: only those that are
 * not.  Allocated arrays; the caller frees them.  E_TOO_LARGE: more than API_KEYS_MOST.
 */
int api_keys_load(struct pg_conn *conn, int64_t since, int64_t upto, struct api_key_row **keys, int *count, struct error *error) must_check;
int api_keys_load_limits(struct pg_conn *conn, int64_t since, int64_t upto, struct tenant_limit_row **limits, int *count,
			 struct error *error) must_check;

/*
 * Keys by their ids ("{uuid,uuid}") or certificates ("{hex,hex}"), those that are over included, the newest first; at most
 * API_KEYS_NAMED.  Allocated, as above.
 */
enum { API_KEYS_NAMED = 256 };
int api_keys_load_named(struct pg_conn *conn, const char *ids, const char *certificates, struct api_key_row **keys, int *count,
			struct error *error) must_check;

/* At most OUTBOX_MOST, the oldest first; whoever frees a row releases its scope. */
int api_keys_outbox(struct pg_conn *conn, struct outbox_row **rows, int *count, struct error *error) must_check;

/* Of arrays of ids as SQL takes them: "{uuid,uuid}". */
int api_keys_clear_outbox(struct pg_conn *conn, const char *ids, struct error *error) must_check;
int api_keys_use(struct pg_conn *conn, const char *ids, struct error *error) must_check;

/* A new key; `action` is "api_key.created" or "api_key.rotated".  E_NO_ACCESS: the login is no admin; E_EXISTS: the certificate is another's. */
int api_keys_make(struct pg_conn *conn, const struct api_key_row *key, const char *action, struct error *error) must_check;

/* Whether this key is good: known with this hash, neither revoked nor expired. */
int api_keys_holds(struct pg_conn *conn, const struct uuid *id, const uint8_t hash[API_KEY_HASH_BYTES], bool *holds,
		   struct error *error) must_check;

/* The keys that are not over with this id, else with this name, the newest first; allocated.  E_NOT_FOUND. */
int api_keys_find(struct pg_conn *conn, const char *word, struct api_key_row **keys, int *count, struct error *error) must_check;

/* Ends them now (grace_ms 0) or then. */
int api_keys_end(struct pg_conn *conn, const struct api_key_row *keys, int count, int64_t grace_ms, struct error *error) must_check;

int api_keys_limit_tenant(struct pg_conn *conn, const struct uuid *tenant_id, const struct quota_limits *limits, struct error *error) must_check;

/* A row a key: */
enum {
	API_KEYS_ID, API_KEYS_NAME, API_KEYS_SCOPES, API_KEYS_TENANT, API_KEYS_STATE, API_KEYS_CREATED, API_KEYS_EXPIRES, API_KEYS_USED,
	API_KEYS_LIMITS, API_KEYS_JSON
};
int api_keys_list(struct pg_conn *conn, bool all, struct pg_result **rows, struct error *error) must_check;

/* A row a tenant that has limits; with a tenant, the one row of it, limits or not. */
enum { TENANT_LIMITS_TENANT, TENANT_LIMITS_TEXT, TENANT_LIMITS_JSON };
int api_keys_list_limits(struct pg_conn *conn, const struct uuid *tenant_id, struct pg_result **rows, struct error *error) must_check;

#endif
