/*
 * generator_line - one event as NDJSON, written straight into a buffer: no tree, no printf, three microseconds a line at most.
 *
 *     line_begin(w, "message.read", &scene, &message_id, "customer", &customer_id, at);
 *     line_time(w, "at", at);
 *     line_end(w);
 *
 * Texts must be fit to stand in JSON as they are (the generator's own tables are).
 */
#ifndef VERBATIM_CMD_GENERATOR_LINE_H
#define VERBATIM_CMD_GENERATOR_LINE_H

#include "base/bytes.h"
#include "base/random.h"
#include "base/uuid.h"

/* Whom an event is about; nil ids are left out. */
struct scene {
	struct uuid tenant_id, conversation_id, customer_id, resolution_id;
};

struct line_writer {
	struct buffer out;     /* the lines, each with its newline */
	struct random *random;
	size_t start;          /* of the line being written */
	struct uuid event_id;  /* of the line begun last */
	bool comma;            /* a payload field was written */
	bool silent;           /* events say that they are imported history */
	int64_t second;        /* whose text stands in `stamp` */
	char stamp[28];
};

void line_begin(struct line_writer *w, const char *type, const struct scene *scene, const struct uuid *entity,
		const char *actor, const struct uuid *actor_id, int64_t at);

/* As line_begin, of a version that is not 1, caused by an event, or with a client's address; each may be left out (1, NULL, NULL). */
void line_begin_full(struct line_writer *w, const char *type, int version, const struct scene *scene, const struct uuid *entity,
		     const char *actor, const struct uuid *actor_id, int64_t at, const struct uuid *cause,
		     const struct uuid *correlation, const char *ip);

void line_end(struct line_writer *w);

/* Payload fields. line_key writes `"key":` for what is written by hand. */
void line_key(struct line_writer *w, const char *key);
void line_text(struct line_writer *w, const char *key, const char *text);
void line_uuid(struct line_writer *w, const char *key, const struct uuid *id);
void line_int(struct line_writer *w, const char *key, int64_t value);
void line_bool(struct line_writer *w, const char *key, bool value);
void line_time(struct line_writer *w, const char *key, int64_t at);
void line_raw(struct line_writer *w, const char *key, const char *json);

/* hundredths: 87 gives 0.87; 0 .. 100 */
void line_hundredths(struct line_writer *w, const char *key, int value);

/* Into the buffer, without key or quotes. */
void line_put_int(struct line_writer *w, int64_t value);
void line_put_text(struct line_writer *w, const char *text);

#endif
