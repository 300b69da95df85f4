/*
 * ustar - the one way in which a bundle's files stand in a tar (POSIX.1-1988 ustar), so that the same files are always
 * the same bytes, and that no byte of an archive can differ without being seen.
 *
 *     header (512)   name, mode 0644, owner 0, size, time 0, type '0', "ustar" version 00, all else zero
 *     content, filled up with zeros to 512
 *     ... and after the last file 1,024 zeros
 *
 * The reader knows no other tar: it makes the header anew from the name and the size it found and compares.  Links,
 * folders, devices, long names, sparse files, absolute paths and ".." are therefore not so much refused as unknown.
 */
#ifndef VERBATIM_BASE_USTAR_H
#define VERBATIM_BASE_USTAR_H

#include "base/bytes.h"

enum { USTAR_BLOCK = 512, USTAR_NAME_MAX = 99, USTAR_FILE_MAX = 1 << 30 };

/* Names are relative, of letters, digits and ". _ -", with single slashes between. */
void ustar_add(struct buffer *out, const char *name, struct bytes content);
void ustar_end(struct buffer *out);

/*
 * The file at *at, which moves behind it: 1, or 0 at the end, which must also be that of `archive`; -1 when it is not
 * an archive of this form.  `content` is borrowed from it.
 */
int ustar_next(struct bytes archive, size_t *at, char name[USTAR_NAME_MAX + 1], struct bytes *content);

#endif
