/*
 * proof - Merkle proofs of RFC 6962: made from the hashes of perfect subtrees, and their text.
 *
 * That an event stands in the log (c2sp.org/tlog-proof):        that the log only grew (the request of c2sp.org/tlog-witness):
 *
 *     c2sp.org/tlog-proof@v1                                     old 20852014
 *     index 73894                (position - 1)                  base64 of a hash, one a line
 *     base64 of a hash, one a line                               (an empty line)
 *     (an empty line)                                            the newer checkpoint
 *     the checkpoint
 *
 * Checking is merkle_check_inclusion and merkle_check_consistency; a proof that is made is checked before it is given away.
 */
#ifndef VERBATIM_EVENT_PROOF_H
#define VERBATIM_EVENT_PROOF_H

#include "event/checkpoint.h"

enum { PROOF_HASHES_MAX = 64, PROOF_BYTES_MAX = NOTE_BYTES_MAX + (64 << 10) };

enum proof_kind { PROOF_INCLUSION, PROOF_CONSISTENCY };

struct proof {
	enum proof_kind kind;
	int64_t number;      /* the leaf's index; the old size */
	int count;
	uint8_t hashes[PROOF_HASHES_MAX][LEAF_BYTES];
	struct bytes note;   /* the checkpoint that it leads to, with its signatures; borrowed */
};

/* Gives the root of the perfect subtree over leaves index << level to (index + 1) << level. */
typedef int (*proof_node_fn)(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error);

/* 0 <= index < size; 0 <= old_size <= size.  At most two nodes a level are asked for, so O(log size). */
int proof_make_inclusion(int64_t index, int64_t size, proof_node_fn node, void *data, struct proof *out,
			 struct error *error) must_check;
int proof_make_consistency(int64_t old_size, int64_t size, proof_node_fn node, void *data, struct proof *out,
			   struct error *error) must_check;

/* The root of the first `size` leaves from the same nodes. */
int proof_make_root(int64_t size, proof_node_fn node, void *data, uint8_t out[LEAF_BYTES], struct error *error) must_check;

void proof_write(const struct proof *p, struct buffer *out);

/* E_UNPROVEN when the text is no proof.  Whatever `extra` a tlog-proof brings is passed over. */
int proof_read(struct bytes text, struct proof *out, struct error *error) must_check;

#endif
