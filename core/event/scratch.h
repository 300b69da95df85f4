/*
 * scratch - each thread's reusable buffers for decoding, so that no event costs an allocation.
 *
 * A function that uses one leaves it empty or as it found it; none is held across calls into other files
 * except where the comment says so.
 */
#ifndef VERBATIM_EVENT_SCRATCH_H
#define VERBATIM_EVENT_SCRATCH_H

#include "base/bytes.h"

struct scratch {
	struct buffer payload; /* envelope_decode: the canonical payload; fields_decode: the lifted one */
	struct buffer lifted;  /* fields_decode: the next version's */
	struct buffer message; /* envelope_to_msgpack: the payload */
	struct buffer keys;    /* json_to_msgpack: a stack of the keys of the open objects */
};

/* The calling thread's own; freed when the thread ends. */
struct scratch *scratch_get(void);

/* Gives memory back when one huge event has left a buffer far larger than the others need. */
void scratch_trim(struct buffer *b);

#endif
