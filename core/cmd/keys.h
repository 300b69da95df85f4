/*
 * keys - where a command finds keys: the one that signs (a file of mode 0600, or a variable), and the ones it trusts.
 *
 * A signing key is never a word of the command line, never in a message, and does not stay in the environment: what was
 * read from VERBATIM_SIGNING_KEY is overwritten there, so that neither `ps` nor a program started next shows it.
 */
#ifndef VERBATIM_CMD_KEYS_H
#define VERBATIM_CMD_KEYS_H

#include <stdbool.h>

#include "base/option.h"
#include "event/note.h"

enum { KEYS_TRUSTED_MAX = 16, KEYS_FILE_MAX = 4096 };

#define SIGNING_KEY_OPTION(type, member)                                                                                     \
	{ .name = "signing-key-file", .kind = OPTION_TEXT, .offset = offsetof(type, member), .argument = "FILE",             \
	  .filled = true, .group = "Checkpoints",                                                                            \
	  .help = "the key that signs, as `verbatim key generate` made it; nobody but its owner may read the file. "       \
		  "VERBATIM_SIGNING_KEY may hold the key itself instead" }

#define TRUSTED_KEY_OPTION(type, member)                                                                                     \
	{ .name = "key", .kind = OPTION_TEXTS, .offset = offsetof(type, member), .argument = "KEY", .filled = true,          \
	  .group = "Checkpoints",                                                                                            \
	  .help = "a verifier key that is trusted, or a file with one a line. Without it the keys that the " \
		  "database names are taken, which proves no more than that it agrees with itself" }

/*
 * The signing key: of `file`, else of VERBATIM_SIGNING_KEY, else of `fallback` when such a file is there (NULL: none).
 * `*found` is false when there is none at all.  E_NO_ACCESS: others may read the file; E_NO_INPUT, E_CONFIG.
 */
int keys_signer(const char *file, const char *fallback, struct note_signer *out, bool *found, struct error *error) must_check;

/* Writes a new file of mode 0600, whole or not at all; E_EXISTS when there is one. */
int keys_write(const char *file, const struct note_signer *signer, struct error *error) must_check;

/* A file that only its owner may read, at most KEYS_FILE_MAX bytes of it; the caller wipes `out`.  E_NO_ACCESS, E_NO_INPUT, E_IO. */
int keys_read_private(const char *file, char out[KEYS_FILE_MAX], size_t *len, struct error *error) must_check;

/* A new key from the system's randomness. */
void keys_make(const char *name, struct note_signer *out);

/* Verifier keys from words and files. */
int keys_trusted(const struct texts *words, struct note_key out[KEYS_TRUSTED_MAX], int *count, struct error *error) must_check;

#endif
