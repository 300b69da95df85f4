/* note - see note.h. */
#include "event/note.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/base64.h"
#include "event/canonical.h"
#include "event/merkle.h"

enum { ED25519 = 1, SIGNATURE_BYTES = 64, ID_BYTES = 4 };

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a space */
static const char private_mark[] = "PRIVATE+KEY+";

/* ---- keys ---- */

static bool name_is_good(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] > '~' || strchr("+\"\\", name.data[i]))
			return false;
	return name.len > 0 && name.len <= NOTE_NAME_MAX;
}

bool note_name_is_good(const char *name)
{
	return name_is_good(bytes_text(name));
}

static uint32_t key_id(const struct note_key *key)
{
	static const uint8_t mark[] = { '\n', ED25519 };
	uint8_t text[NOTE_NAME_MAX + 2 + NOTE_KEY_BYTES], hash[LEAF_BYTES];
	size_t n = strlen(key->name);

	memcpy(text, key->name, n);
	memcpy(text + n, mark, 2);
	memcpy(text + n + 2, key->key, NOTE_KEY_BYTES);
	sha256(text, n + 2 + NOTE_KEY_BYTES, hash);
	return get_be32(hash);
}

/* NAME+xxxxxxxx+base64(0x01 || 32 bytes): both kinds of keys' texts end so. */
static bool parse(struct bytes text, char name[NOTE_NAME_MAX + 1], uint32_t *id, uint8_t key[NOTE_KEY_BYTES])
{
	enum { HEX = 8, BASE = 44 };
	uint8_t coded[1 + NOTE_KEY_BYTES], number[ID_BYTES];
	size_t rest = 1 + HEX + 1 + BASE, n = text.len - rest;
	bool good;

	if (text.len <= rest || !name_is_good(bytes_of(text.data, n)) || text.data[n] != '+' || text.data[n + 1 + HEX] != '+')
		return false;
	for (size_t i = n + 1; i <= n + HEX; i++)
		if (text.data[i] >= 'A' && text.data[i] <= 'F')
			return false; /* there is one way to write it */
	good = hex_decode(text.data + n + 1, HEX, number, ID_BYTES) &&
	       base64_decode(bytes_of(text.data + n + HEX + 2, BASE), coded, sizeof(coded)) && coded[0] == ED25519;
	if (good) {
		memcpy(name, text.data, n);
		name[n] = 0;
		*id = get_be32(number);
		memcpy(key, coded + 1, NOTE_KEY_BYTES);
	}
	explicit_bzero(coded, sizeof(coded));
	return good;
}

static char *format(const char *mark, const struct note_key *key, const uint8_t secret[NOTE_KEY_BYTES], char *out)
{
	uint8_t coded[1 + NOTE_KEY_BYTES] = { ED25519 };
	struct buffer text = { 0 };
	size_t n = (size_t)snprintf(out, NOTE_KEY_TEXT, "%s%s+%08x+", mark, key->name, key->id);

	memcpy(coded + 1, secret, NOTE_KEY_BYTES);
	base64_add(&text, coded, sizeof(coded));
	assert(n + text.len < NOTE_KEY_TEXT);
	memcpy(out + n, text.data, text.len);
	out[n + text.len] = 0;
	explicit_bzero(coded, sizeof(coded));
	explicit_bzero(text.data, text.len);
	buffer_release(&text);
	return out;
}

int note_key_parse(struct bytes text, struct note_key *out, struct error *error)
{
	if (!parse(text, out->name, &out->id, out->key))
		return error_set(error, E_CONFIG, "not a verifier key; it reads NAME+xxxxxxxx+BASE64, as `verbatim key` prints it");
	if (out->id != key_id(out))
		return error_set(error, E_CONFIG, "a verifier key whose id is not that of its key: it was not copied whole");
	return 0;
}

char *note_key_format(const struct note_key *key, char out[NOTE_KEY_TEXT])
{
	return format("", key, key->key, out);
}

char *note_key_fingerprint(const struct note_key *key, char out[NOTE_FINGERPRINT_TEXT])
{
	char text[NOTE_KEY_TEXT];
	uint8_t hash[LEAF_BYTES];

	note_key_format(key, text);
	sha256(text, strlen(text), hash);
	hex_encode(hash, sizeof(hash), out);
	return out;
}

bool note_key_equal(const struct note_key *a, const struct note_key *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && memcmp(a->key, b->key, NOTE_KEY_BYTES) == 0;
}

void note_signer_make(const char *name, const uint8_t seed[NOTE_KEY_BYTES], struct note_signer *out)
{
	EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NOTE_KEY_BYTES);
	size_t len = NOTE_KEY_BYTES;
	int good;

	assert(note_name_is_good(name) && pair);
	snprintf(out->key.name, sizeof(out->key.name), "%s", name);
	memcpy(out->seed, seed, NOTE_KEY_BYTES);
	good = EVP_PKEY_get_raw_public_key(pair, out->key.key, &len);
	assert(good && len == NOTE_KEY_BYTES);
	EVP_PKEY_free(pair);
	out->key.id = key_id(&out->key);
}

int note_signer_parse(struct bytes text, struct note_signer *out, struct error *error)
{
	size_t n = sizeof(private_mark) - 1;
	uint8_t seed[NOTE_KEY_BYTES];
	char name[NOTE_NAME_MAX + 1];
	uint32_t id;
	int status = 0;

	if (text.len <= n || memcmp(text.data, private_mark, n) != 0 ||
	    !parse(bytes_of(text.data + n, text.len - n), name, &id, seed))
		return error_set(error, E_CONFIG, "not a signing key; `verbatim key generate` makes one");
	note_signer_make(name, seed, out);
	if (out->key.id != id)
		status = error_set(error, E_CONFIG, "a signing key whose id is not that of its key: it was not copied whole");
	explicit_bzero(seed, sizeof(seed));
	return status;
}

char *note_signer_format(const struct note_signer *signer, char out[NOTE_KEY_TEXT])
{
	return format(private_mark, &signer->key, signer->seed, out);
}

/* ---- notes ---- */

void note_sign(const struct note_signer *signer, struct bytes text, struct buffer *out)
{
	uint8_t signature[ID_BYTES + SIGNATURE_BYTES];
	size_t len = SIGNATURE_BYTES;
	EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, signer->seed, NOTE_KEY_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int good;

	assert(text.len > 0 && text.data[text.len - 1] == '\n' && pair && context);
	good = EVP_DigestSignInit(context, NULL, NULL, NULL, pair) &&
	       EVP_DigestSign(context, signature + ID_BYTES, &len, (const uint8_t *)text.data, text.len);
	assert(good && len == SIGNATURE_BYTES);
	put_be32(signature, signer->key.id);
	buffer_add_bytes(out, text);
	buffer_printf(out, "\n%s%s ", dash, signer->key.name);
	base64_add(out, signature, sizeof(signature));
	buffer_add_byte(out, '\n');
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pair);
}

static bool holds(const struct note_key *key, struct bytes text, const uint8_t signature[SIGNATURE_BYTES])
{
	EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->key, NOTE_KEY_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = public && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
		    EVP_DigestVerify(context, signature, SIGNATURE_BYTES, (const uint8_t *)text.data, text.len) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	return good;
}

/* Where the signatures begin, behind the last empty line; 0 when there is none. */
void note_warm(void)
{
	static const uint8_t signature[SIGNATURE_BYTES];
	struct note_key key = { .key = { 1 } };
	bool good = holds(&key, BYTES(""), signature);

	assert(!good);
}

static size_t find_signatures(struct bytes note)
{
	for (size_t i = note.len; i >= 2; i--)
		if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n')
			return i;
	return 0;
}

static bool is_text(struct bytes note)
{
	for (size_t i = 0; i < note.len; i++)
		if ((uint8_t)note.data[i] < ' ' && note.data[i] != '\n')
			return false;
	return note.len > 0 && note.data[note.len - 1] == '\n' && utf8_check(note, NULL);
}

/* One line: 1 when a known key has signed, 0 when it is none of theirs, -1 when it is malformed, -2 when it does not hold. */
static int check_line(struct bytes line, struct bytes text, const struct note_key *keys, int count, int *which)
{
	uint8_t signature[ID_BYTES + SIGNATURE_BYTES];
	size_t mark = sizeof(dash) - 1;
	const char *space;
	struct bytes name;

	if (line.len <= mark || memcmp(line.data, dash, mark) != 0)
		return -1;
	name.data = line.data + mark;
	space = memchr(name.data, ' ', line.len - mark);
	if (!space || space == name.data)
		return -1;
	name.len = (size_t)(space - name.data);
	if (!base64_decode(bytes_of(space + 1, line.len - mark - name.len - 1), signature, sizeof(signature)))
		return 0; /* of another kind */
	for (int i = 0; i < count; i++)
		if (bytes_is(name, keys[i].name) && get_be32(signature) == keys[i].id) {
			*which = i;
			return holds(&keys[i], text, signature + ID_BYTES) ? 1 : -2;
		}
	return 0;
}

int note_open(struct bytes note, const struct note_key *keys, int count, struct bytes *text, int *which,
	      struct error *error)
{
	size_t at = note.len <= NOTE_BYTES_MAX ? find_signatures(note) : 0;
	int lines = 0, good = 0, key = 0, first = 0;

	if (at < 2 || at == note.len || !is_text(note))
		return error_set(error, E_UNPROVEN, "not a signed note");
	*text = bytes_of(note.data, at - 1);
	while (at < note.len) {
		const char *end = memchr(note.data + at, '\n', note.len - at);
		struct bytes line = { note.data + at, (size_t)(end - note.data) - at };
		int r = ++lines > NOTE_SIGNATURES_MAX ? -1 : check_line(line, *text, keys, count, &key);

		if (r == -1)
			return error_set(error, E_UNPROVEN, "not a signed note: line %d of its signatures is none", lines);
		if (r == -2)
			return error_set(error, E_UNPROVEN, "the signature by key '%s' does not hold", keys[key].name);
		if (r == 1 && good++ == 0)
			first = key;
		at += line.len + 1;
	}
	if (!good)
		return error_set(error, E_UNPROVEN, "the note is not signed by %s", count == 1 ? "the key that is trusted" : "a key that is known");
	if (which)
		*which = first;
	return 0;
}
