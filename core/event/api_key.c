/* api_key - see api_key.h. */
#include "event/api_key.h"

#include <stdio.h>

#include "base/random.h"
#include "event/merkle.h"

enum { ID_DIGITS = 32, SECRET_DIGITS = 64, SUM_BYTES = 4, BODY = 4 + ID_DIGITS + 1 + SECRET_DIGITS };

static const char prefix[] = "vk1_";

const char *const api_scope_names[] = { "append", "read", "audit", "admin", NULL };

int api_scopes_parse(const char *text, unsigned *scopes, struct error *error)
{
	*scopes = 0;
	while (*text) {
		size_t len = strcspn(text, ",");
		int i = 0;

		while (api_scope_names[i] && !bytes_is(bytes_of(text, len), api_scope_names[i]))
			i++;
		if (!api_scope_names[i])
			return error_set(error, E_USAGE, "'%.*s' is no scope; there are append, read, audit and admin", (int)(len < 40 ? len : 40),
					 text);
		*scopes |= 1U << i;
		text += len;
		text += *text == ',';
	}
	return *scopes ? 0 : error_set(error, E_USAGE, "no scope is named; there are append, read, audit and admin");
}

void api_scopes_print(unsigned scopes, struct buffer *out)
{
	const char *comma = "";

	for (int i = 0; api_scope_names[i]; i++)
		if (scopes & 1U << i) {
			buffer_printf(out, "%s%s", comma, api_scope_names[i]);
			comma = ",";
		}
}

void api_key_hash(const uint8_t secret[API_KEY_SECRET_BYTES], uint8_t hash[API_KEY_HASH_BYTES])
{
	sha256(secret, API_KEY_SECRET_BYTES, hash);
}

bool api_hash_equal(const uint8_t a[API_KEY_HASH_BYTES], const uint8_t b[API_KEY_HASH_BYTES])
{
	unsigned differs = 0;

	for (int i = 0; i < API_KEY_HASH_BYTES; i++)
		differs |= (unsigned)(a[i] ^ b[i]);
	return differs == 0;
}

static void checksum(const char *body, uint8_t sum[SUM_BYTES])
{
	uint8_t hash[32];

	sha256(body, BODY, hash);
	memcpy(sum, hash, SUM_BYTES);
}

void api_key_make(const struct uuid *id, char text[API_KEY_TEXT], uint8_t hash[API_KEY_HASH_BYTES])
{
	uint8_t secret[API_KEY_SECRET_BYTES], sum[SUM_BYTES];

	random_system(secret, sizeof(secret));
	api_key_hash(secret, hash);
	memcpy(text, prefix, 4);
	hex_encode(id->b, 16, text + 4);
	text[4 + ID_DIGITS] = '_';
	hex_encode(secret, sizeof(secret), text + 4 + ID_DIGITS + 1);
	checksum(text, sum);
	hex_encode(sum, SUM_BYTES, text + BODY);
	explicit_bzero(secret, sizeof(secret));
}

int api_key_parse(struct bytes text, struct uuid *id, uint8_t hash[API_KEY_HASH_BYTES], struct error *error)
{
	uint8_t secret[API_KEY_SECRET_BYTES], sum[SUM_BYTES], want[SUM_BYTES];
	bool good;

	if (text.len < 4 || memcmp(text.data, prefix, 4) != 0)
		return error_field(error, E_UNAUTHORIZED, "token", "no API key: those begin with %s; verbatim key create makes one", prefix);
	if (text.len != API_KEY_TEXT - 1)
		return error_field(error, E_UNAUTHORIZED, "token", "an API key has %d characters, not %zu: it was cut, or something was "
				   "added", API_KEY_TEXT - 1, text.len);
	good = hex_decode(text.data + 4, ID_DIGITS, id->b, 16) && text.data[4 + ID_DIGITS] == '_' &&
	       hex_decode(text.data + 4 + ID_DIGITS + 1, SECRET_DIGITS, secret, sizeof(secret)) &&
	       hex_decode(text.data + BODY, 2 * SUM_BYTES, sum, SUM_BYTES);
	if (good) {
		checksum(text.data, want);
		good = memcmp(sum, want, SUM_BYTES) == 0;
	}
	if (good)
		api_key_hash(secret, hash);
	explicit_bzero(secret, sizeof(secret));
	return good ? 0 : error_field(error, E_UNAUTHORIZED, "token", "the API key was mistyped or damaged: its checksum does not fit");
}
