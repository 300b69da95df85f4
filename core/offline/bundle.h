/*
 * bundle - an evidence bundle: a conversation's events with the proofs that they stand in the log, as one tar (base/ustar.h).
 *
 *     manifest.json                            what it says it is (offline/manifest.h)
 *     checkpoint                               signed: what all proofs lead to
 *     key                                      the verifier key that signed it; believed by nobody who has not got it elsewhere
 *     events/0000000000000041.json             the canonical text, the very bytes that were hashed; not of withheld events
 *     proofs/0000000000000041.tlog-proof       that it stands in the log at that position
 *     ...                                      by position, each event's proof behind it
 *     state.ndjson                             what these events were folded into: for reading; it follows from them
 *     SHA256SUMS                               of all files above, as sha256sum -c takes it
 *     SHA256SUMS.note                          signed, when the log's key was at hand: that this is the whole bundle
 *
 * What is proved: each event stood in the log, with exactly this content, at this position, when the checkpoint was
 * signed.  What is not: that the conversation had no other events.  That is the operator's word, which the signed note
 * makes his own; `verbatim verify` on the log with the same checkpoint tells the rest.
 */
#ifndef VERBATIM_OFFLINE_BUNDLE_H
#define VERBATIM_OFFLINE_BUNDLE_H

#include "event/checkpoint.h"
#include "offline/manifest.h"

enum { BUNDLE_BYTES_MAX = 1 << 30 };

struct bundle_report {
	struct manifest manifest;
	struct checkpoint checkpoint;
	struct note_key key;  /* that signed the checkpoint */
	bool trusted;         /* it is one of those that were given */
	bool sealed;          /* SHA256SUMS is signed by it, too */
};

/*
 * Checks all of it.  `keys` are trusted; without any, the key inside is used and `trusted` stays false.  E_UNPROVEN with the
 * first fault.  The report's lists stand in `arena`.
 */
int bundle_check(struct bytes archive, const struct note_key *keys, int count, struct arena *arena,
		 struct bundle_report *report, struct error *error) must_check;

/*
 * A proof of an event: that `text` has this leaf, stands at the position that it names in the log, epoch and shard of the
 * checkpoint in the proof, which is signed by one of the keys.
 */
int event_check(struct bytes text, struct bytes proof, const struct note_key *keys, int count, struct checkpoint *checkpoint,
		int *which, int64_t *position, struct error *error) must_check;

/* Whether `newer`, a proof of consistency, leads on from `older`, a signed checkpoint; both of one origin. */
int consistency_check(struct bytes older, struct bytes newer, const struct note_key *keys, int count, struct checkpoint *from,
		      struct checkpoint *to, int *which, struct error *error) must_check;

/* What SHA256SUMS.note signs, appended. */
void bundle_seal_text(struct bytes sums, struct buffer *out);

/* A line of SHA256SUMS, appended. */
void bundle_sum(struct buffer *sums, const char *name, struct bytes content);

/* "events/0000000000000041.json" and the like. */
char *bundle_event_name(int64_t position, char out[64]);
char *bundle_proof_name(int64_t position, char out[64]);

/* RFC 6962's hash of a leaf. */
void leaf_of(struct bytes text, uint8_t out[LEAF_BYTES]);

#endif
