/*
 * digest - what a read model holds, in 128 bits, so that two tables can be compared without bringing them together:
 * live against rebuilt, one shard at a time, or a slice here and a slice there.
 *
 * A row's digest is XXH3-128 (seed 0) of its columns, one record each, in this order: tenant_id, id, last_position,
 * then those of the column table, hidden ones too.  Integers are big-endian.
 *
 *     place     2 bytes   0, 1, 2, ...
 *     kind      1 byte    u uuid, t text, e enum, i integer, b bool, T time, j json, s texts, U uuids, d decimal, n inet
 *     null      1 byte    1: null, and nothing follows but a length of 0
 *     length    4 bytes
 *     value     uuid      its 16 bytes                     time      8 bytes, microseconds since 1970
 *               text      UTF-8                            integer   8 bytes, two's complement
 *               inet      as PostgreSQL prints it          decimal   the same, times 10^scale
 *               enum      the word, not its place          bool      1 byte, 0 or 1
 *               json, texts, uuids   the 16 bytes of the value's own digest
 *
 * A JSON value's digest does not depend on blanks, the order of members or the writing of numbers, which jsonb changes.
 * H is XXH3-128 in its canonical (big-endian) form, ‖ joins bytes:
 *
 *     string, true, false, null   H(the text as it stands, strings with their quotes and escaped as RFC 8785 says)
 *     number                      H([-] digits e power), digits without zeros at either end, power that of the first:
 *                                 -0.0125 is -125e-2, zero is e0
 *     array                       a = H("["), then a = H(a ‖ element's digest) for each
 *     object                      H("{" ‖ s), s the sum mod 2^128 of H(H(name as it stands between the quotes) ‖ value's digest)
 *
 * A table's digest is the sum of its rows' digests mod 2^128, and their number: whatever the order, and however they
 * are shared out, the sums of the parts are the sum of the whole.  It tells faults, not forgers: XXH3 is no seal.
 */
#ifndef VERBATIM_FOLD_DIGEST_H
#define VERBATIM_FOLD_DIGEST_H

#include "base/bytes.h"
#include "fold/projection.h"

/* All zero: of no rows. */
struct digest {
	uint64_t high, low;
	int64_t rows;
};

enum { DIGEST_TEXT = 33 };

/* Adds a row, whose `of` says its columns.  `scratch` is reset and used. */
void digest_add_row(struct digest *d, const struct row *row, struct buffer *scratch);

/* Adds the rows of another part of the same read model. */
void digest_join(struct digest *d, const struct digest *part);

bool digest_equal(const struct digest *a, const struct digest *b);

/* The sum as 32 hexadecimal digits, terminated; returns `out`. */
char *digest_format(const struct digest *d, char out[DIGEST_TEXT]);

#endif
