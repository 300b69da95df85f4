/* files - files read within a bound, and written whole or not at all. */
#ifndef VERBATIM_ENGINE_FILES_H
#define VERBATIM_ENGINE_FILES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

/*
 * Writes `content` beside `path` and moves it there once it is on the disk, so that nobody ever sees half of it.  `replace`:
 * over what is there; E_EXISTS otherwise.  E_IO, E_NO_ACCESS, E_NO_INPUT (no such folder).
 */
int file_write(const char *path, struct bytes content, unsigned mode, bool replace, struct error *error) must_check;

/* Before the work is done whose outcome file_write would then refuse: E_EXISTS.  `path` may be NULL. */
int file_free(const char *path, bool replace, struct error *error) must_check;

/* A whole file of at most `most` bytes, appended; "-" is standard input.  E_NO_INPUT, E_NO_ACCESS, E_TOO_LARGE. */
int file_read(const char *path, size_t most, struct buffer *out, struct error *error) must_check;

#endif
