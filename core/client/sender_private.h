/*
 * sender_private - what sender.c and sender_lanes.c share: the lanes, their requests, the sender itself.
 *
 *   lane of a tenant --> OPEN (takes events) --seal--> WAITING (lane on the ready list) --> SENT --> given back
 */
#ifndef VERBATIM_CLIENT_SENDER_PRIVATE_H
#define VERBATIM_CLIENT_SENDER_PRIVATE_H

#include <msgpack.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/random.h"
#include "client/client.h"
#include "client/sender.h"

enum { OUTSTANDING_MAX = 256, SHARDS_MAX = 1025 };

enum request_state { REQUEST_OPEN, REQUEST_WAITING, REQUEST_SENT };

struct request {
	struct request *next;  /* in its lane */
	struct lane *lane;
	enum request_state state;
	uint32_t msgid;
	bool doubtful;         /* was sent once, and the answer never came */
	bool repeated;
	struct buffer body;    /* the events, one after the other */
	struct item {
		size_t end;    /* in body */
		int64_t line;
		struct uuid id;
	} *items;
	int count, cap;
};

struct lane {
	struct uuid tenant_id;
	struct request *first, *last; /* OPEN only at the end */
	int sent;              /* under way */
	int successes;         /* since the last trouble */
	bool careful;
	bool ready;            /* on the ready list */
	int attempts;
	int64_t hold_until;
	struct lane *next_ready, *next_open;
	bool open;             /* on the open list */
};

struct touched {
	int64_t epoch, last;
	uint8_t leaf[32];
	size_t leaf_len;
};

struct sender {
	struct sender_options options;
	struct sender_counts counts;
	struct client *client;
	struct client_log log;
	bool known_log;
	struct random random;
	struct map lanes;
	struct lane *ready, *ready_last; /* lanes that may have something to send */
	struct lane *open, *open_last;   /* lanes with an open request, oldest first */
	struct request *sent[OUTSTANDING_MAX];
	int sent_count;
	struct request *spare;
	size_t held;           /* bytes in requests */
	size_t request_bytes;
	int request_events;
	int64_t trouble_since; /* 0: none */
	int64_t heard_at;
	struct touched touched[SHARDS_MAX];
	struct buffer params;
	struct arena arena;
	msgpack_unpacked unpacked;
};

/* sender_lanes.c */
void lanes_free(struct sender *s);
void lanes_free_request(struct request *r);
struct lane *lanes_get(struct sender *s, const struct uuid *tenant_id); /* made when it is not there */
struct request *lanes_take(struct sender *s, struct lane *lane);        /* an empty request, on no list */
void lanes_give(struct sender *s, struct request *r);                   /* out of its lane, back to the spare ones */
void lanes_make_ready(struct sender *s, struct lane *lane);
void lanes_seal(struct sender *s, struct lane *lane);                   /* the request that takes events takes no more */
bool lanes_seal_oldest(struct sender *s);                               /* the one that has been open longest; false: none is */
struct request *lanes_first_waiting(const struct lane *lane);           /* or NULL */
void lanes_add(struct sender *s, struct lane *lane, int64_t line, const struct uuid *id, struct bytes event);
void lanes_drop_event(struct sender *s, struct request *r, int index);
void lanes_split(struct sender *s, struct request *r);                  /* the second half into a request of its own, right behind */

#endif
