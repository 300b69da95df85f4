/*
 * keys - texts of API keys, the files they stand in, and what stands beside them on command lines: scopes and limits.
 *
 * The first byte says what the rest is taken for.  A key's checksum is beyond guessing, so one way puts the right sum behind
 * what came, and whatever is shaped like a key must then be one.  A file is a memory file of mode 0600, read as a command
 * reads it.  What is accepted is what a key is made of, to the letter; what is refused is told why, and none of it is
 * repeated.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/engine_key.h"
#include "cmd/keys.h"
#include "event/api_key.h"
#include "event/merkle.h"
#include "event/quota.h"

enum { BODY = API_KEY_TEXT - 1 - 8, SECRET_AT = 4 + 32 + 1 };

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	return true;
}

/* The same by another way: what a key is, but for its checksum. */
static bool has_shape(struct bytes text)
{
	return text.len == API_KEY_TEXT - 1 && memcmp(text.data, "vk1_", 4) == 0 && is_hex(text.data + 4, 32) &&
	       text.data[SECRET_AT - 1] == '_' && is_hex(text.data + SECRET_AT, 64 + 8);
}

static bool has_sum(struct bytes text)
{
	uint8_t hash[32], sum[4];

	sha256(text.data, BODY, hash);
	return hex_decode(text.data + BODY, 8, sum, sizeof(sum)) && memcmp(sum, hash, sizeof(sum)) == 0;
}

/* With a reason, and with no part of what may be a secret: so many hex digits in a row are in no message by chance. */
static void must_be_told(const struct error *error, int status, struct bytes text)
{
	enum { CHANCE = 12 };
	char part[CHANCE + 1] = "";

	must(error->code == status && error->message[0]);
	for (size_t at = SECRET_AT; at + CHANCE <= text.len && at < SECRET_AT + 64; at += CHANCE) {
		memcpy(part, text.data + at, CHANCE);
		if (is_hex(part, CHANCE)) /* anything else is no secret, and may be a word of ours */
			must(!strstr(error->message, part));
	}
}

static void look_at_key(struct bytes text)
{
	uint8_t hash[API_KEY_HASH_BYTES], want[API_KEY_HASH_BYTES], secret[API_KEY_SECRET_BYTES];
	char digits[33] = "";
	struct error error;
	struct uuid id;
	int status;

	error_clear(&error);
	status = api_key_parse(text, &id, hash, &error);
	must((status == 0) == (has_shape(text) && has_sum(text)));
	if (status) {
		must(status == E_UNAUTHORIZED && strcmp(error.field, "token") == 0);
		must_be_told(&error, status, text);
		return;
	}
	hex_encode(id.b, 16, digits);
	must(strncasecmp(digits, text.data + 4, 32) == 0);
	must(hex_decode(text.data + SECRET_AT, 64, secret, sizeof(secret)));
	api_key_hash(secret, want);
	must(api_hash_equal(hash, want));
	hash[secret[0] % API_KEY_HASH_BYTES] ^= (uint8_t)(1 + secret[1] % 255);
	must(!api_hash_equal(hash, want));
}

static void look_at_summed(const uint8_t *data, size_t size)
{
	char text[API_KEY_TEXT];
	uint8_t hash[32];

	if (size < BODY)
		return;
	memcpy(text, data, BODY);
	sha256(text, BODY, hash);
	hex_encode(hash, 4, text + BODY);
	look_at_key(bytes_of(text, API_KEY_TEXT - 1));
}

/* What a command makes of a file: the key in it, without what an editor put behind it. */
static void look_at_file(const uint8_t *data, size_t size, mode_t mode)
{
	char path[64], key[API_KEY_TEXT] = "";
	struct bytes text = bytes_of((const char *)data, size < KEYS_FILE_MAX ? size : KEYS_FILE_MAX); /* no more of it is read */
	struct note_signer signer;
	struct error error;
	bool found;
	int fd = memfd_create("key", 0), status;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && fchmod(fd, mode) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	error_clear(&error);
	status = engine_key_find(path, NULL, key, &error);
	while (text.len && strchr("\n\r ", text.data[text.len - 1]) && text.data[text.len - 1])
		text.len--;
	if (status) {
		must(status == (mode & 077 ? E_NO_ACCESS : E_CONFIG));
		must_be_told(&error, status, text);
	} else {
		must(!(mode & 077) && strlen(key) == API_KEY_TEXT - 1 && bytes_is(text, key));
		look_at_key(bytes_text(key));
	}
	must(!(has_shape(text) && has_sum(text)) || status == 0 || mode & 077);
	error_clear(&error);
	status = keys_signer(path, NULL, &signer, &found, &error);
	must(status == 0 ? found && !(mode & 077) : error.code == status && error.message[0]);
	close(fd);
}

static void look_at_scopes(const char *text)
{
	struct buffer out = { 0 };
	struct error error;
	unsigned scopes, again;
	int status;

	error_clear(&error);
	status = api_scopes_parse(text, &scopes, &error);
	if (status) {
		must(status == E_USAGE && error.code == status && error.message[0]);
		return;
	}
	must(scopes > 0 && scopes < 16);
	api_scopes_print(scopes, &out);
	must(api_scopes_parse(buffer_text(&out), &again, &error) == 0 && again == scopes);
	buffer_release(&out);
}

static void look_at_limits(const char *text)
{
	struct quota_limits limits, again;
	struct buffer out = { 0 };
	struct error error;
	int status;

	error_clear(&error);
	status = quota_parse(text, &limits, &error);
	if (status) {
		must(status == E_USAGE && error.code == status && error.message[0]);
		return;
	}
	must(quota_is_limited(&limits) == (strcmp(text, "none") != 0));
	for (int k = 0; k < QUOTA_KINDS; k++)
		must(limits.most[k] >= 0 && limits.most[k] <= 1LL << 40);
	quota_print(&limits, &out);
	must(quota_parse(out.len ? buffer_text(&out) : "none", &again, &error) == 0);
	must(memcmp(&again, &limits, sizeof(limits)) == 0);
	buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what = fuzz_take(&data, &size, 6);
	char *text;

	switch (what) {
	case 0:
		look_at_key(bytes_of((const char *)data, size));
		return 0;
	case 1:
		look_at_summed(data, size);
		return 0;
	case 2:
	case 3:
		look_at_file(data, size, what == 2 ? 0600 : 0640);
		return 0;
	}
	text = mem_alloc(size + 1); /* as the command line gives it */
	memcpy(text, data, size);
	text[size] = 0;
	(what == 4 ? look_at_scopes : look_at_limits)(text);
	free(text);
	return 0;
}
