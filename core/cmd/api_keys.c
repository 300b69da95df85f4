/* api_keys - see api_keys.h. */
#include "cmd/api_keys.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/time.h"
#include "cmd/engine_key.h"
#include "engine/files.h"
#include "store/api_keys.h"
#include "store/migrate.h"

enum { CERTIFICATE_BYTES_MAX = 64 << 10 };

int api_keys_open(const struct api_keys_options *o, struct api_keys_place *p, struct error *error)
{
	int status = target_database(&o->target, false, &p->target, error);

	if (status)
		return status;
	status = db_open(p->target.conninfo, "verbatim key", &p->conn, error);
	if (!status) {
		status = migrate_check(p->conn, error);
		if (status)
			db_close(p->conn);
	}
	if (status)
		target_release(&p->target);
	return status;
}

void api_keys_close(struct api_keys_place *p)
{
	db_close(p->conn);
	target_release(&p->target);
}

/* ---- what the words mean ---- */

/* "90d", "12h", "2w", a date (its first moment, UTC), or an instant; never the past. */
static int parse_expiry(const char *text, int64_t *out, struct error *error)
{
	static const struct {
		char unit;
		int64_t us;
	} units[] = { { 'm', 60 * TIME_SECOND }, { 'h', TIME_HOUR }, { 'd', TIME_DAY }, { 'w', 7 * TIME_DAY } };
	int64_t now = time_wall(), days;
	char *end;
	long long n;

	*out = TIME_NONE;
	if (!text || strcmp(text, "never") == 0)
		return 0;
	n = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (end > text && end[0] == units[i].unit && !end[1] && n > 0 && n <= 36500)
			*out = now + n * units[i].us;
	if (*out == TIME_NONE && time_date_parse(text, strlen(text), &days))
		*out = days * TIME_DAY;
	if (*out == TIME_NONE && !time_parse(text, strlen(text), out))
		return error_set(error, E_USAGE, "--expires %s: say 90d, 12h, 2w, a date (2027-01-31), an instant, or never", text);
	return *out > now ? 0 : error_set(error, E_USAGE, "--expires %s: that is past", text);
}

int api_keys_parse_tenant(const char *text, struct uuid *out, struct error *error)
{
	if (!uuid_parse(text, strlen(text), out) || uuid_is_nil(out))
		return error_set(error, E_USAGE, "--tenant %s: a tenant is named by its uuid", text);
	return 0;
}

/* "AB:CD:..." or "abcd..." */
static bool parse_fingerprint(const char *text, uint8_t out[API_KEY_HASH_BYTES])
{
	char digits[2 * API_KEY_HASH_BYTES];
	size_t n = 0;

	for (; *text; text++) {
		if (*text == ':')
			continue;
		if (n == sizeof(digits))
			return false;
		digits[n++] = *text;
	}
	return n == sizeof(digits) && hex_decode(digits, n, out, API_KEY_HASH_BYTES);
}

/* A fingerprint, or a file with the certificate as PEM or DER. */
static int parse_certificate(const char *word, uint8_t out[API_KEY_HASH_BYTES], struct error *error)
{
	struct buffer text = { 0 };
	const unsigned char *at;
	unsigned len = API_KEY_HASH_BYTES;
	X509 *certificate = NULL;
	BIO *bio;
	int status;

	if (parse_fingerprint(word, out))
		return 0;
	status = file_read(word, CERTIFICATE_BYTES_MAX, &text, error);
	if (status) {
		buffer_release(&text);
		return error_prefix(error, "--certificate");
	}
	bio = BIO_new_mem_buf(text.data, (int)text.len);
	certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	at = (const unsigned char *)text.data;
	if (!certificate)
		certificate = d2i_X509(NULL, &at, (long)text.len);
	if (!certificate || !X509_digest(certificate, EVP_sha256(), out, &len))
		status = error_set(error, E_USAGE, "--certificate %s: neither a certificate (PEM or DER) nor a SHA-256 fingerprint", word);
	X509_free(certificate);
	buffer_release(&text);
	return status;
}

static int one_word(const struct arguments *args, const char **word, struct error *error)
{
	if (args->count != 1)
		return error_set(error, E_USAGE, args->count ? "one key at a time" : "say which: a key's id or name");
	*word = args->words[0];
	return 0;
}

/* ---- create, rotate ---- */

/* Gives it an id and, unless a certificate stands for it, a secret; stores it; prints what its holder must know. */
static int make(struct pg_conn *conn, struct api_key_row *key, const char *action, bool json, struct error *error)
{
	char text[API_KEY_TEXT] = "", id[UUID_TEXT];
	uint8_t random[10];
	int status;

	random_system(random, sizeof(random));
	uuid_v7(&key->id, time_wall() / 1000, random);
	key->has_secret = !key->has_certificate;
	if (key->has_secret)
		api_key_make(&key->id, text, key->hash);
	uuid_format(&key->id, id);
	status = api_keys_make(conn, key, action, error);
	if (!status && json) /* a name and a key need no escapes */
		printf("{\"key_id\":\"%s\",\"name\":\"%s\"%s%s%s}\n", id, key->name, *text ? ",\"key\":\"" : "", text, *text ? "\"" : "");
	else if (!status)
		printf("%s\n", *text ? text : id);
	if (!status) {
		fflush(stdout);
		fprintf(stderr, *text ? "key %s of '%s': this is the one time that it is shown; keep it in a file that only its owner may read\n"
				      : "key %s of '%s': whoever connects with that certificate has it\n", id, key->name);
	}
	explicit_bzero(text, sizeof(text));
	return status;
}

static int read_new(const struct api_keys_options *o, struct api_key_row *key, struct error *error)
{
	struct uuid id;
	int status;

	if (!o->name || !o->scope)
		return error_set(error, E_USAGE, "say --%s", o->name ? "scope" : "name");
	if (strcmp(o->name, ENGINE_KEY_NAME) == 0 || uuid_parse(o->name, strlen(o->name), &id))
		return error_set(error, E_USAGE, "--name %s: %s", o->name, strcmp(o->name, ENGINE_KEY_NAME) == 0
				 ? "so engines call the keys of their own users" : "a name that looks like a key's id would be taken for one");
	if (strlen(o->name) >= sizeof(key->name) || strspn(o->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") !=
	    strlen(o->name) || strchr("._@-", o->name[0]))
		return error_set(error, E_USAGE, "--name %.80s: 1 to 63 letters, digits and . _ @ -, the first a letter or digit", o->name);
	snprintf(key->name, sizeof(key->name), "%s", o->name);
	status = api_scopes_parse(o->scope, &key->scopes, error);
	if (status)
		return error_prefix(error, "--scope");
	if (o->tenant && o->all_tenants)
		return error_set(error, E_USAGE, "--tenant and --all-tenants: say one of them");
	if (o->tenant && key->scopes & SCOPE_ADMIN)
		return error_set(error, E_USAGE, "scope admin is of all tenants; leave --tenant out, or the scope");
	if (!o->tenant && !o->all_tenants && !(key->scopes & SCOPE_ADMIN))
		return error_set(error, E_USAGE, "say whose events: --tenant UUID, or --all-tenants");
	status = o->tenant ? api_keys_parse_tenant(o->tenant, &key->tenant_id, error) : 0;
	if (!status)
		status = parse_expiry(o->expires, &key->expires_at, error);
	if (!status && o->limit)
		status = quota_parse(o->limit, &key->limits, error);
	if (!status && o->certificate) {
		status = parse_certificate(o->certificate, key->certificate, error);
		key->has_certificate = !status;
	}
	return status;
}

int api_keys_run_create(const struct arguments *args, struct error *error)
{
	const struct api_keys_options *o = args->options;
	struct api_key_row key = { 0 };
	struct api_keys_place p;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "key create takes no words; did you mean --name %s?", args->words[0]);
	status = read_new(o, &key, error);
	if (!status)
		status = api_keys_open(o, &p, error);
	if (status)
		return status;
	status = make(p.conn, &key, "api_key.created", o->json, error);
	api_keys_close(&p);
	return status;
}

/* A word that means several keys: their ids are what to say instead. */
static int ambiguous(const char *word, const struct api_key_row *keys, int count, const char *otherwise, struct error *error)
{
	enum { NAMED_MOST = 4 };
	struct buffer ids = { 0 };
	char id[UUID_TEXT];

	for (int i = 0; i < count && i < NAMED_MOST; i++)
		buffer_printf(&ids, "%s%s", i ? ", " : "", uuid_format(&keys[i].id, id));
	if (count > NAMED_MOST)
		buffer_printf(&ids, " and %d more", count - NAMED_MOST);
	error_set(error, E_USAGE, "'%s' is the name of %d keys: %s; say one by its id%s", word, count, buffer_text(&ids), otherwise);
	buffer_release(&ids);
	return E_USAGE;
}

/* The next one is like the one before, but for its secret and its end. */
static int rotate(struct pg_conn *conn, const struct api_keys_options *o, const char *word, struct error *error)
{
	struct api_key_row *old, key;
	int count, status = api_keys_find(conn, word, &old, &count, error);

	if (status)
		return status;
	key = old[0];
	if (count > 1)
		status = ambiguous(word, old, count, " (verbatim key list)", error);
	else if (strcmp(key.name, ENGINE_KEY_NAME) == 0)
		status = error_set(error, E_USAGE, "'%s' is a key that an engine keeps in a file; key revoke --force, and the engine makes another "
				   "when it is started again", word);
	else if (key.expires_at != TIME_NONE && !o->expires)
		status = error_set(error, E_USAGE, "'%s' expires; say --expires for the next one, too (or never)", key.name);
	if (!status && key.has_certificate && !o->certificate)
		status = error_set(error, E_USAGE, "'%s' is a certificate; say --certificate for the next one", key.name);
	if (!status)
		status = parse_expiry(o->expires, &key.expires_at, error);
	key.has_certificate = false;
	if (!status && o->certificate) {
		status = parse_certificate(o->certificate, key.certificate, error);
		key.has_certificate = !status;
	}
	if (!status)
		status = make(conn, &key, "api_key.rotated", o->json, error);
	if (!status && o->grace)
		status = api_keys_end(conn, old, 1, o->grace, error);
	if (!status)
		fprintf(stderr, "the older one holds %s\n", o->grace ? "for the time of --grace yet" : "until verbatim key revoke");
	free(old);
	return status;
}

int api_keys_run_rotate(const struct arguments *args, struct error *error)
{
	const struct api_keys_options *o = args->options;
	const char *word = NULL;
	struct api_keys_place p;
	int status = one_word(args, &word, error);

	if (!status)
		status = api_keys_open(o, &p, error);
	if (status)
		return status;
	status = rotate(p.conn, o, word, error);
	api_keys_close(&p);
	return status;
}

/* ---- revoke ---- */

int api_keys_run_revoke(const struct arguments *args, struct error *error)
{
	const struct api_keys_options *o = args->options;
	struct api_key_row *keys = NULL;
	char id[UUID_TEXT];
	const char *word = NULL;
	struct api_keys_place p;
	int count = 0, status = one_word(args, &word, error);

	if (!status)
		status = api_keys_open(o, &p, error);
	if (status)
		return status;
	status = api_keys_find(p.conn, word, &keys, &count, error);
	if (!status && count > 1 && !o->all)
		status = ambiguous(word, keys, count, " (verbatim key list), or --all", error);
	else if (!status && strcmp(keys[0].name, ENGINE_KEY_NAME) == 0 && !o->force)
		status = error_set(error, E_USAGE, "'%s' is a key that an engine keeps for its own user: without it commands beside that engine are "
				   "refused until it is started again, when it makes another; say --force if that is meant", word);
	else if (!status)
		status = api_keys_end(p.conn, keys, count, 0, error);
	for (int i = 0; !status && i < count; i++)
		printf(o->json ? "{\"key_id\":\"%s\",\"name\":\"%s\",\"state\":\"revoked\"}\n" : "revoked %s '%s'\n", uuid_format(&keys[i].id, id),
		       keys[i].name);
	if (count)
		free(keys);
	api_keys_close(&p);
	return status;
}

/* ---- the tables ---- */

#define EXPIRES_OPTION                                                                                                    \
	{ .name = "expires", .kind = OPTION_TEXT, API_KEYS_AT(expires), .argument = "WHEN", .filled = true,                        \
	  .help = "when it ends by itself: 90d, 12h, 2w, a date, an instant; never, when it is left out" }
#define CERTIFICATE_OPTION                                                                                                \
	{ .name = "certificate", .kind = OPTION_TEXT, API_KEYS_AT(certificate), .argument = "FILE|FINGERPRINT", .filled = true,    \
	  .help = "a client certificate (PEM, DER, or the SHA-256 of its DER) stands for the key, which then has no secret" }
const struct option api_keys_create_table[] = {
	{ .name = "name", .kind = OPTION_TEXT, API_KEYS_AT(name), .argument = "NAME", .filled = true, .help = "what people call it" },
	{ .name = "scope", .kind = OPTION_TEXT, API_KEYS_AT(scope), .argument = "SCOPE,...", .filled = true,
	  .help = "what it may do: append, read, audit, admin" },
	API_KEYS_TENANT_OPTION("whose events; the connection sees and sends no others"),
	{ .name = "all-tenants", .kind = OPTION_FLAG, API_KEYS_AT(all_tenants), .help = "instead of --tenant: everybody's" },
	EXPIRES_OPTION,
	CERTIFICATE_OPTION,
	{ .name = "limit", .kind = OPTION_TEXT, API_KEYS_AT(limit), .argument = "LIMITS", .filled = true,
	  .help = "how much it may do: events=1000/s,bytes=1M/s,connections=50,inflight=4M" },
	API_KEYS_JSON_OPTION,
	TARGET_OPTIONS(struct api_keys_options, target),
	{ .name = NULL },
};

const struct option api_keys_rotate_table[] = {
	{ .name = "grace", .kind = OPTION_TIME, API_KEYS_AT(grace), .argument = "TIME", .fallback = "0",
	  .help = "the older one ends after so long, as 168h; 0: it holds until it is revoked" },
	EXPIRES_OPTION,
	CERTIFICATE_OPTION,
	API_KEYS_JSON_OPTION,
	TARGET_OPTIONS(struct api_keys_options, target),
	{ .name = NULL },
};

const struct option api_keys_revoke_table[] = {
	{ .name = "all", .kind = OPTION_FLAG, API_KEYS_AT(all), .help = "all keys of the name" },
	{ .name = "force", .kind = OPTION_FLAG, API_KEYS_AT(force), .help = "also a key that an engine keeps for its own user" },
	API_KEYS_JSON_OPTION,
	TARGET_OPTIONS(struct api_keys_options, target),
	{ .name = NULL },
};
