/*
 * sessions - what the files of this simulation share: its callers, and what they were told.
 *
 *   sessions.c    a history from beginning to end, its faults, the mutations
 *   callers.c     clients on the wire: connecting, frames, answers by their msgids
 *   producers.c   those who want something: they append, read, wait and ping, and repeat what was not acknowledged
 *   strangers.c   those who want nothing good, and those who do not listen
 */
#ifndef VERBATIM_TEST_SESSIONS_H
#define VERBATIM_TEST_SESSIONS_H

#include "server_sim.h"
#include "watch.h"

enum { ENGINES = 2, PRODUCERS = 4, CALLERS = PRODUCERS + 3, TENANTS = 3, EVENTS_MOST = 5, CALLS_MOST = 6, NEVER_MOST = 200 };

/* A request of events, sent until it is acknowledged. */
struct parcel {
	struct buffer events;            /* packed */
	struct uuid ids[EVENTS_MOST];
	int64_t positions[EVENTS_MOST];  /* as acknowledged */
	int count, tenant;
	bool acked, out;
	int attempts;
};

/* One that waits for its answer. */
struct call {
	uint32_t msgid;
	enum call_kind { CALL_HELLO, CALL_APPEND, CALL_READ, CALL_WAIT, CALL_PING, CALL_KINDS } kind;
	int64_t sent_at;
	int parcel;
	int tenant;                      /* a read's; -1: all of the shard */
	int shard;
	int64_t position;                /* of a read: from; of a wait: the token's */
	size_t bytes;                    /* a ping's */
};

struct caller {
	struct peer peer;
	struct sessions *sim;
	int number;
	void (*go)(struct caller *c);    /* its next move; a caller goes again and again */
	void (*answered)(struct caller *c, const struct call *call, const msgpack_object *error, const msgpack_object *result);
	int server, key;
	int life;                        /* of the server's engine when it connected */
	uint32_t next_msgid;
	struct call calls[CALLS_MOST];
	int call_count;
	bool greeted, refused;           /* refused: by hello, on this connection */
	bool warned;                     /* an answer with msgid 0: the end must follow */
	struct buffer in;
	struct walk walk;
	int64_t not_before;
	/* Producers */
	struct parcel *parcels;
	int parcel_count, parcel_capacity, left;
	int64_t seen[WORLD_SHARDS + 1];  /* the last position it knows */
	/* Strangers */
	const char *wants;               /* the error that its connection must end with; NULL: any, or none */
	bool told;                       /* it was */
	bool forgets;                    /* what it asked; its answers come in order, once each */
	uint32_t last_msgid;
	int64_t end_due;                 /* when it must have been closed; 0: need not be */
};

struct sessions {
	struct world world;
	struct network network;
	struct fake_keys keys;
	struct engine_sim engines[ENGINES];
	struct server_sim servers[ENGINES];
	struct caller callers[CALLERS];
	struct uuid tenants[TENANTS], conversation, customer;
	struct watch watch;              /* what did not hold: it ends the history */
	bool ending;
	int64_t quiet_since;             /* faults are over, and who asks from now on is served; 0: they are not */
	struct uuid never[NEVER_MOST];   /* events that nobody may store */
	int never_count;
	msgpack_zone zone;
	struct buffer frame;
	int64_t answers[CALL_KINDS], resent, events;
	int crashes, sleeps;
};

/* callers.c */
void caller_init(struct caller *c, struct sessions *s, int number);
void caller_release(struct caller *c);
void caller_goes(struct caller *c, int64_t us);              /* its next move is due then, and not before */
bool caller_connect(struct caller *c);                       /* to one of the engines, if one is up */
void caller_leave(struct caller *c, bool rude);
void caller_hello(struct caller *c, int key);
struct call *caller_call(struct caller *c, enum call_kind kind); /* NULL: too many wait */

/* A frame is packed between these: [0, msgid, method, [params... */
msgpack_packer *frame_begin(struct caller *c, msgpack_packer *p, const char *method, size_t params, uint32_t msgid);
msgpack_packer *frame_notify(struct caller *c, msgpack_packer *p, const char *method, size_t params);
void frame_send(struct caller *c);
void caller_ping(struct caller *c, size_t bytes);
void caller_check_echo(struct caller *c, const struct call *call, const msgpack_object *result);
const struct call *caller_overdue(const struct caller *c); /* the first that has had no answer for too long, or NULL */
void caller_events(struct caller *c, int tenant, int count, struct uuid *ids, struct buffer *packed);

/* What an answer's maps hold. */
const msgpack_object *answer_find(const msgpack_object *map, const char *key);
int64_t answer_int(const msgpack_object *map, const char *key); /* -1: it is not there */
bool answer_is(const msgpack_object *map, const char *key, const char *text);

/* What stands in the log, or NULL. */
const struct event *sessions_event(struct sessions *s, int shard, int64_t position);
int sessions_shard(const struct sessions *s, int tenant);

void producer_init(struct caller *c, int requests);
bool producer_is_done(const struct caller *c);
void producer_check(struct caller *c); /* everything it was told, at the end */

void stranger_init(struct caller *c);
void stranger_check(struct sessions *s);
void deaf_init(struct caller *c);

#endif
