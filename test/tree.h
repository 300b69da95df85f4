/* tree - MTH of RFC 6962 over a range of leaves, by its definition: what every proof is held against. */
#ifndef VERBATIM_TEST_TREE_H
#define VERBATIM_TEST_TREE_H

#include <string.h>

#include "event/merkle.h"

/* Of the leaves from `low` up to, without, `high`; at least one. */
static inline void tree_hash(const uint8_t (*leaves)[LEAF_BYTES], int64_t low, int64_t high, uint8_t out[LEAF_BYTES])
{
	uint8_t left[LEAF_BYTES], right[LEAF_BYTES];
	int64_t k = 1;

	if (high - low == 1) {
		memcpy(out, leaves[low], LEAF_BYTES);
		return;
	}
	while (k * 2 < high - low)
		k *= 2;
	tree_hash(leaves, low, low + k, left);
	tree_hash(leaves, low + k, high, right);
	merkle_node(left, right, out);
}

#endif
