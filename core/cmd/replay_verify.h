/*
 * replay_verify - what was checked of that which was read, and what was not.
 *
 * Each event's canonical text is made again and hashed: it must give the leaf that stands beside it.  Leaves of full
 * tiles must stand in the tile at their place, which somebody who changed a row and its leaf would have to change as
 * well.  On request the root is computed from tiles and leaves and compared with the one that the batch was given.
 */
#ifndef VERBATIM_CMD_REPLAY_VERIFY_H
#define VERBATIM_CMD_REPLAY_VERIFY_H

#include "store/log_find.h"

enum { VERIFY_WRONG_MOST = 1000, VERIFY_LEAVES_MOST = 16384 };

struct verify {
	int64_t events;        /* whose leaves were computed */
	int64_t in_tiles;      /* of them: stand in a full tile */
	int64_t not_in_tiles;  /* there is no full tile yet, or it is not among the first VERIFY_LEAVES_MOST */
	bool tiles_seen;       /* the login may read tiles */
	int64_t root_at;       /* the batch's root was computed again at this position; 0: not */
	bool root_wrong;
	bool gapless;          /* a run of positions was read, and none is missing */
	const struct event *wrong[VERIFY_WRONG_MOST]; /* whose content does not give the leaf, or whose leaf is not the tile's */
	int wrong_count;
	struct log_standing standing; /* as verify_ask found it, of the first events */
	int standing_count;
	struct buffer scratch;
};

void verify_release(struct verify *v);

/* One event; false when its content is not what its leaf says.  It stands where it is as long as the answer is wanted. */
bool verify_event(struct verify *v, const struct event *e, const struct uuid *log_id);

/* How the events stand in the tree, and the place of `position`; may be asked again. */
int verify_ask(struct verify *v, struct log_find *log, int16_t shard, int64_t position, struct event *const *events, int count,
	       struct error *error) must_check;

/* The leaves of all these events against the tiles. */
void verify_tiles(struct verify *v, struct event *const *events, int count);

/* The root at the end of the place's batch, from tiles and leaves. */
int verify_root(struct verify *v, struct log_find *log, int16_t shard, const struct log_place *place,
		struct error *error) must_check;

/* Sentences for people, and the members of an object. */
void verify_say(const struct verify *v, struct buffer *out);
void verify_json(const struct verify *v, struct buffer *out);

/* E_LOG_DIVERGED with the first event at fault, or 0. */
int verify_outcome(const struct verify *v, struct error *error) must_check;

#endif
