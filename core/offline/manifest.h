/*
 * manifest - what a bundle says it is: the first file of an evidence bundle, one JSON object with its keys in order.
 *
 *     {"checkpoint_size":20852163,"conversation_id":"...","epoch":1,"events":12,"fingerprint":"...","format":"verbatim-evidence-1",
 *      "log_id":"...","newer":0,"shard":2,"state":true,"tenant_id":"...",
 *      "withheld":[{"event_type":"note.created","leaf_hash":"...","position":41}]}
 *
 *     events     all of the conversation up to the checkpoint, with the withheld ones
 *     newer      how many more stood in the log that the checkpoint does not reach
 *     withheld   events whose text is not given: place, type and leaf hash.  The type is the operator's word; place and
 *                hash are proved
 *
 * There is one way to write one; what was read is written again and compared.
 */
#ifndef VERBATIM_OFFLINE_MANIFEST_H
#define VERBATIM_OFFLINE_MANIFEST_H

#include "base/arena.h"
#include "event/note.h"
#include "event/event.h"

enum { MANIFEST_BYTES_MAX = 4 << 20, MANIFEST_WITHHELD_MAX = 10000, MANIFEST_EVENTS_MAX = 100000 };

struct manifest_withheld {
	int64_t position;
	char type[64];
	uint8_t leaf[LEAF_BYTES];
};

struct manifest {
	struct uuid log_id, tenant_id, conversation_id;
	int32_t epoch;
	int16_t shard;
	int64_t size;         /* of the checkpoint */
	int64_t events, newer;
	bool state;           /* state.ndjson is in the bundle */
	char fingerprint[NOTE_FINGERPRINT_TEXT];
	struct manifest_withheld *withheld; /* by position */
	int withheld_count;
};

void manifest_write(const struct manifest *m, struct buffer *out);

/* E_UNPROVEN when it is none.  The list of withheld events stands in `arena`. */
int manifest_read(struct bytes text, struct arena *arena, struct manifest *out, struct error *error) must_check;

#endif
