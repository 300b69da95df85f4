/*
 * fuzz - what the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput.  `make fuzz` builds each with libFuzzer, ASan and UBSan and lets it
 * grow its corpus (test/fuzz/corpus/NAME, small files in the tree, is where it begins); `make test` runs every target over
 * its corpus once, without libFuzzer (replay.c), so that what was found stays found.
 *
 * must() is the promise: what must hold for whatever bytes there are.  It ends the process, which libFuzzer reports with
 * the input that did it.
 */
#ifndef VERBATIM_TEST_FUZZ_H
#define VERBATIM_TEST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* The input is taken from the front: a number below `below`, and the rest. */
static inline unsigned fuzz_take(const uint8_t **data, size_t *size, unsigned below)
{
	unsigned value = *size ? **data : 0;

	if (*size) {
		++*data;
		--*size;
	}
	return value % below;
}

#endif
