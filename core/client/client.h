/*
 * client - Verbatim's own client: MessagePack-RPC (core/engine/PROTOCOL.md) on one socket, plain or under TLS.
 *
 *   client_new --> CLOSED --client_open--> OPEN --client_send, client_poll--> ...
 *                    ^                       |
 *                    +------- lost ----------+     (everything unanswered has an unknown outcome)
 *
 * No thread, no loop, no callback: `client_send` puts a request into the output buffer and pushes what the
 * socket takes; `client_poll` waits for the next answer, pushing the rest meanwhile.  Any number of requests may
 * be outstanding; answers come in the server's order, matched by msgid.  A lost connection is reported once;
 * opening again, what to repeat and how long to go on are the caller's, with `client_backoff_ms` as its help.
 *
 * Bounds: the output buffer (`out_bytes`) refuses, it does not grow; an incoming message is walked over before it
 * is decoded and may have `frame_bytes`.
 */
#ifndef VERBATIM_CLIENT_CLIENT_H
#define VERBATIM_CLIENT_CLIENT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "base/uuid.h"
#include "client/tls.h"

enum { CLIENT_PROTOCOL_VERSION = 1 };

struct client_options {
	const char *addresses; /* "HOST:PORT", "tls://HOST:PORT" or "unix:PATH", several with commas; borrowed */
	const char *key;       /* an API key, which hello brings; NULL or "": none; borrowed */
	const char *name;      /* shows in the engine's status; borrowed */
	int connect_ms;        /* for connecting and hello, each address; 0: 5,000 */
	size_t out_bytes;      /* most unsent bytes; 0: 16 MiB */
	size_t frame_bytes;    /* most bytes of one answer; 0: 64 MiB */
	struct client_tls_options tls; /* its texts are borrowed, too */
	bool corked;           /* client_send only fills the buffer; client_flush and client_poll send */
};

/* What hello told. */
struct client_log {
	struct uuid log_id;
	int64_t epoch;
	int64_t shards;
	int64_t frame_bytes;
	int64_t event_bytes;
	int64_t request_events;
	int64_t inflight_bytes;
	char server[64];
};

struct client_answer {
	uint32_t msgid;
	struct error error;    /* code 0: a result; else what the server said; retry_after_ms when it said that */
	msgpack_object result; /* borrowed until the next client_poll, client_call or client_close */
};

struct client;

/* Copies the options' struct, borrows its texts. */
struct client *client_new(const struct client_options *options);
void client_free(struct client *c);

/*
 * Connects and says hello.  Tries every address of the list once, beginning after the one that was used last, and
 * reports the last failure that may pass, else the last one: E_CONFIG, E_UNAVAILABLE, E_TIMEOUT, E_INTERRUPTED, or what hello
 * was refused with.
 */
int client_open(struct client *c, struct error *error) must_check;

/* Drops the connection and all that was not sent or not read. */
void client_close(struct client *c);

bool client_is_open(const struct client *c);
const struct client_log *client_get_log(const struct client *c);

/* The address in use, "" when closed. */
const char *client_address(const struct client *c);

/*
 * Sends [0, msgid, method, params]; `params` is the packed array, copied.  Gives the msgid.  E_OVERLOADED when the
 * bytes do not fit into the output buffer now (poll, then try again), E_UNAVAILABLE when the connection is lost.
 */
int client_send(struct client *c, const char *method, struct bytes params, uint32_t *msgid, struct error *error) must_check;

/*
 * The next answer: 1 and `*answer`; 0 when none came in `timeout_ms` (-1: no limit; 0: a look) or a signal came;
 * E_UNAVAILABLE when the connection is lost, E_PROTOCOL when the peer does not speak MessagePack-RPC: the client
 * is closed then.
 */
int client_poll(struct client *c, int timeout_ms, struct client_answer *answer, struct error *error) must_check;

/*
 * One call and its answer, with nothing else outstanding.  0, or the server's or the connection's error; E_TIMEOUT
 * when no answer came (the connection is closed, since the answer may still come), E_INTERRUPTED on a signal.
 */
int client_call(struct client *c, const char *method, struct bytes params, int timeout_ms, msgpack_object *result,
		struct error *error) must_check;

/* For callers with a poll loop of their own: the socket (-1: closed), what it takes is sent, and what still waits. */
int client_fd(const struct client *c);
int client_flush(struct client *c, struct error *error) must_check;
size_t client_unsent(const struct client *c);

/* How long to wait before attempt 1, 2, ...: 50 ms doubled up to 3 s, of which a random half to whole is taken. */
int client_backoff_ms(int attempt, struct random *random);

/* The value of a text key of a map, or NULL; for reading results. */
const msgpack_object *client_member(const msgpack_object *map, const char *key);

/* A member's integer or bool, text, or `fallback`. */
int64_t client_int(const msgpack_object *map, const char *key, int64_t fallback);
bool client_bool(const msgpack_object *map, const char *key);
struct bytes client_text(const msgpack_object *map, const char *key); /* str or bin; absent: data NULL */

#endif
