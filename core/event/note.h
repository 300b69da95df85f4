/*
 * note - signed notes (c2sp.org/signed-note) with Ed25519 keys, as golang.org/x/mod/sumdb/note writes and reads them.
 *
 *     text, of lines
 *     (an empty line)
 *     — NAME base64(key id (4) || signature (64))        one line a signature
 *
 *     key id         the first four bytes of SHA-256(NAME || \n || 0x01 || public key)
 *     verifier key   NAME+xxxxxxxx+base64(0x01 || public key)                 the id in hex; may be shown to anybody
 *     signer key     PRIVATE+KEY+NAME+xxxxxxxx+base64(0x01 || seed)           may be shown to nobody
 *     fingerprint    SHA-256 of the verifier key's text, in hex:  printf %s "$KEY" | sha256sum
 *
 * A key id tells keys apart and proves nothing; who trusts a key knows all of it, or its fingerprint.  Signatures by
 * keys that are not known are passed over, one by a known key that does not hold spoils the note.
 */
#ifndef VERBATIM_EVENT_NOTE_H
#define VERBATIM_EVENT_NOTE_H

#include "base/bytes.h"
#include "base/error.h"

enum {
	NOTE_KEY_BYTES = 32,
	NOTE_NAME_MAX = 128,
	NOTE_KEY_TEXT = NOTE_NAME_MAX + 80, /* room for a key's text and its NUL */
	NOTE_BYTES_MAX = 64 << 10,
	NOTE_SIGNATURES_MAX = 64,
	NOTE_FINGERPRINT_TEXT = 65,
};

struct note_key {
	char name[NOTE_NAME_MAX + 1];
	uint32_t id;
	uint8_t key[NOTE_KEY_BYTES]; /* public */
};

struct note_signer {
	struct note_key key;
	uint8_t seed[NOTE_KEY_BYTES];
};

/* 1 to NOTE_NAME_MAX characters of printable ASCII, without space, plus, quote and backslash. */
bool note_name_is_good(const char *name);

/* E_CONFIG when the text is no verifier key, or its id is not that of the key in it. */
int note_key_parse(struct bytes text, struct note_key *out, struct error *error) must_check;
char *note_key_format(const struct note_key *key, char out[NOTE_KEY_TEXT]);
char *note_key_fingerprint(const struct note_key *key, char out[NOTE_FINGERPRINT_TEXT]);
bool note_key_equal(const struct note_key *a, const struct note_key *b);

/* The pair that follows from 32 random bytes. */
void note_signer_make(const char *name, const uint8_t seed[NOTE_KEY_BYTES], struct note_signer *out);

/* E_CONFIG when the text is no signer key; the message never holds any of it. */
int note_signer_parse(struct bytes text, struct note_signer *out, struct error *error) must_check;
char *note_signer_format(const struct note_signer *signer, char out[NOTE_KEY_TEXT]);

/* Appends the text, which ends in a line break, and its signature. */
void note_sign(const struct note_signer *signer, struct bytes text, struct buffer *out);

/*
 * The text of a note that at least one of the keys has signed; borrowed from it.  `which` (may be NULL) tells the key.
 * E_UNPROVEN: malformed, signed by none of them, or a signature of one that does not hold.
 */
int note_open(struct bytes note, const struct note_key *keys, int count, struct bytes *text, int *which,
	      struct error *error) must_check;

/* Looks at a signature that cannot hold: libcrypto fetches and sets up at the first one what all others then find. */
void note_warm(void);

#endif
