/*
 * replay_show - a track as people read it, and the same as objects: the timeline, the rows, the differences.
 *
 * The timeline is a line an event, with what it said and under it what it did:
 *
 *     position  occurred            recorded  who     what
 *         1042  2026-03-03 10:02:11 +12 ms    Ada     conversation.created  It does not work
 *                                                     state: open (created)
 *                                                     sla: first_response 1 applied, due 2026-03-03 10:32:11
 *         1043  2026-03-03 10:02:15 +2 h      Ada     message.received      Where is my parcel?
 *
 * Everything printed follows from the log, the positions and this binary: two runs give the same bytes.
 */
#ifndef VERBATIM_CMD_REPLAY_SHOW_H
#define VERBATIM_CMD_REPLAY_SHOW_H

#include "cmd/replay_out.h"
#include "cmd/replay_track.h"

enum { LATE_FROM_MS = 60000 }; /* recorded so long after it occurred, an event is told to be late */

struct show {
	struct track *track;
	struct out *out;
	int width;
	bool colour;
	/* Step by step: called before each but the first; false ends it.  NULL: all at once. */
	bool (*pause)(void *data);
	void *data;
	const struct event *const *wrong; /* events whose content does not give their leaf, rising positions */
	int wrong_count;
};

void show_timeline(struct show *s);

/* All rows of the subject as they stand; a read model without any is not named. */
void show_rows(struct show *s);

/* What is different from the mark, field by field, and which events did it. */
void show_difference(struct show *s);

/* The columns of csv for each. */
extern const char *const show_timeline_columns[], *const show_rows_columns[], *const show_difference_columns[];

/* What an event says, in one text: of a message its words; else the fields of the payload that are short. */
void show_words(const struct event *e, struct buffer *out);

#endif
