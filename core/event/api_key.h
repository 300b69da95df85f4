/*
 * api_key - who may talk to an engine: a key's text, and what its scopes allow.
 *
 *     vk1_0199c0de000070008000000000000001_<64 hex digits>deadbeef
 *         the key's id (a uuid)            256 random bits  checksum
 *
 * The id says which key is meant and is no secret; the database keeps the SHA-256 of the 256 bits (they are random, so
 * that no slow hash is needed to protect them).  The checksum is the first four bytes of the SHA-256 of all that stands
 * before it: a key that was cut or mistyped is told so, without a look at any database.
 *
 * A text of a key is wiped by whoever held it; no error of this module repeats any of it.
 */
#ifndef VERBATIM_EVENT_API_KEY_H
#define VERBATIM_EVENT_API_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/uuid.h"

enum {
	API_KEY_SECRET_BYTES = 32,
	API_KEY_HASH_BYTES = 32,
	API_KEY_TEXT = 4 + 32 + 1 + 64 + 8 + 1, /* with the NUL */
};

enum api_scope {
	SCOPE_APPEND = 1, /* sends events */
	SCOPE_READ = 2,   /* reads them */
	SCOPE_AUDIT = 4,  /* reads them, which is journaled */
	SCOPE_ADMIN = 8,  /* everything, of all tenants and of the system tenant */
};

/* Their names, in the order of their bits; ended by NULL. */
extern const char *const api_scope_names[];

/* A set of scopes from names with commas ("append,read") and back; E_USAGE for a name that is none. */
int api_scopes_parse(const char *text, unsigned *scopes, struct error *error) must_check;
void api_scopes_print(unsigned scopes, struct buffer *out);

/* What a secret leaves behind in the database. */
void api_key_hash(const uint8_t secret[API_KEY_SECRET_BYTES], uint8_t hash[API_KEY_HASH_BYTES]);

/* A new secret from the system's randomness, as a key's text, and its hash. */
void api_key_make(const struct uuid *id, char text[API_KEY_TEXT], uint8_t hash[API_KEY_HASH_BYTES]);

/* The id and the secret's hash; E_UNAUTHORIZED says in what way it is no key. */
int api_key_parse(struct bytes text, struct uuid *id, uint8_t hash[API_KEY_HASH_BYTES], struct error *error) must_check;

/* Takes as long for hashes that differ in the first byte as for equal ones. */
bool api_hash_equal(const uint8_t a[API_KEY_HASH_BYTES], const uint8_t b[API_KEY_HASH_BYTES]);

#endif
