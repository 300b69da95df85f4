/*
 * walk - a bounded look over MessagePack bytes before anything is allocated from what they claim.
 *
 * A five-byte message may claim four billion elements.  The walk counts what is really there, keeps no
 * memory but a small stack, can stop at the end of the bytes at hand and go on when more have come, and
 * refuses on the first limit.  msgpack-c decodes only what has passed.  Source: the MessagePack specification.
 */
#ifndef VERBATIM_EVENT_WALK_H
#define VERBATIM_EVENT_WALK_H

#include <stdint.h>

#include "base/error.h"

struct walk_limits {
	size_t bytes;    /* of one whole message */
	int depth;       /* of nested arrays and maps, at most WALK_DEPTH_MAX */
	size_t elements; /* of all arrays and maps together */
};

enum { WALK_DEPTH_MAX = 32 };

struct walk {
	size_t at;       /* bytes looked at so far */
	int depth;
	size_t elements;
	uint64_t left[WALK_DEPTH_MAX]; /* values still to come on each level */
};

void walk_init(struct walk *w);

/*
 * Looks at data[w->at, len).  Returns 1 when one whole message stands in data[0, w->at), 0 when more bytes
 * are needed (call again with the same start and a greater len), E_PROTOCOL on a byte that no message has,
 * E_TOO_LARGE when a limit is passed or the claims cannot fit into limits->bytes any more.
 */
int walk_more(struct walk *w, const char *data, size_t len, const struct walk_limits *limits,
	      struct error *error) must_check;

#endif
