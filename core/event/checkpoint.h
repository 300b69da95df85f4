/*
 * checkpoint - what a shard's tree was at some size, as a signed note (c2sp.org/tlog-checkpoint).
 *
 *     verbatim/0199c0de-...-000000000001/epoch-1/shard-2     the origin
 *     20852163                                               events, that is the last position
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=           the root over all of them
 *
 *     — log.example.com Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp...
 *
 * The origin is the identity of one history that only grows.  A shard has such a history for as long as nobody adopts
 * the log after it lost its end; an adoption begins another one that need not agree with the first, so the epoch is in
 * the origin: two checkpoints of one origin always prove to be of one history, or somebody has changed it.
 *
 * One key signs for all shards of a log, so that people have one key to compare; its name is its own.
 */
#ifndef VERBATIM_EVENT_CHECKPOINT_H
#define VERBATIM_EVENT_CHECKPOINT_H

#include "base/uuid.h"
#include "event/event.h"
#include "event/note.h"

enum { CHECKPOINT_ORIGIN_TEXT = 96 };

struct checkpoint {
	struct uuid log_id;
	int32_t epoch;
	int16_t shard;
	int64_t size;
	uint8_t root[LEAF_BYTES];
};

char *checkpoint_origin(const struct checkpoint *c, char out[CHECKPOINT_ORIGIN_TEXT]);
bool checkpoint_same_origin(const struct checkpoint *a, const struct checkpoint *b);

/* Appends the three lines, without a signature. */
void checkpoint_text(const struct checkpoint *c, struct buffer *out);

/* The three lines, and nothing behind them: E_UNPROVEN when it is a checkpoint of another kind of log, or none. */
int checkpoint_parse(struct bytes text, struct checkpoint *out, struct error *error) must_check;

/* note_open and checkpoint_parse. */
int checkpoint_open(struct bytes note, const struct note_key *keys, int count, struct checkpoint *out, int *which,
		    struct error *error) must_check;

/* A decimal number from 0 to 2^53-1 without sign and leading zeros; false when it is none. */
bool checkpoint_number(struct bytes text, int64_t *out);

/* The next line of `text` from *at, without its end; false when there is no whole one left. */
bool checkpoint_line(struct bytes text, size_t *at, struct bytes *line);

#endif
