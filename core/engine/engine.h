/*
 * engine - what the server's parts share: one struct, owned by the loop's thread.
 *
 *   sessions --requests--> appenders --commits--> feeds --> workers (threads of their own)
 *      ^  |                 ^  |                               |
 *      |  +--reads--> reader|  +--wake--> reader's tails       +--moved--> waits
 *      |                    +----decisions---- timers <--moved--+            |
 *      +------------------------------------- answers ---------------------+
 *
 * Memory.  Four things grow with what clients do, and each has a bound, all parts of --memory: bytes of requests
 * in flight, bytes of half frames, bytes of answers not yet taken by their readers, and what the workers hold (feeds
 * and row caches).  Over the bound of the first or third the server stops reading sockets and goes on when a quarter
 * is free again; over the second it closes whoever holds more than a fair share; the fourth drops its oldest.
 */
#ifndef VERBATIM_ENGINE_ENGINE_H
#define VERBATIM_ENGINE_ENGINE_H

#include <msgpack.h>
#include <uv.h>

#include "engine/access.h"
#include "engine/appender.h"
#include "engine/env_uv.h"
#include "engine/feed.h"
#include "engine/http.h"
#include "engine/listen.h"
#include "engine/reader.h"
#include "engine/server.h"
#include "engine/switcher.h"
#include "engine/threads.h"
#include "engine/timers.h"
#include "engine/tls.h"
#include "engine/waits.h"
#include "engine/zones.h"
#include "engine/checker.h"

enum { LISTEN_MOST = 16 };

struct session;

struct engine {
	const struct server_options *options;
	uv_loop_t loop;
	struct env_uv env;
	struct store_factory *factory;
	struct uuid owner;          /* this engine, in leases */
	struct appender_log log;
	int shards;                 /* of tenants; arrays below have shards + 1 */
	struct appender *appenders;
	int appenders_open;
	struct gate gate;           /* of the appenders */
	struct load load;           /* likewise */
	struct appender_lone lone;  /* likewise */
	struct feed *feeds;         /* by group * (shards + 1) + shard */
	struct threads threads;
	struct timers_model clocks; /* of which group the timers watch */
	struct timers *timers;      /* by shard, from 1; NULL when this binary has no read model of clocks */
	struct zones *zones;        /* for the folds */
	struct switcher switcher;
	struct reader reader;
	struct waits waits;
	struct request_pool pool;
	struct request_limits request_limits;
	struct access access;       /* who may do what */

	union listener {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listeners[LISTEN_MOST];
	bool listens_tls[LISTEN_MOST]; /* by listener */
	int listener_count;
	struct buffer addresses;
	struct session *sessions;   /* doubly linked */
	int session_count;
	struct session *dirty;      /* have answers to write at the end of this turn */
	struct session *resume_next; /* where the next round of resuming begins; NULL: the list's first */
	bool paused;                /* no socket is read: a bound is reached */
	size_t inflight_bytes, inflight_limit;
	size_t partial_bytes, partial_limit;
	size_t out_bytes, out_limit;
	msgpack_zone zone;          /* of the message being handled */
	size_t message_bytes;       /* its length */
	char scratch[65536];        /* what a read brings */
	char plain[65536 + TLS_RECORD_MOST]; /* what of it TLS had wrapped */
	int64_t tls_failures;       /* connections that TLS ended */
	int64_t tls_told_at;        /* monotonic: when the last of them was logged */

	uv_async_t moved;           /* a worker went on */
	uv_async_t stop;
	uv_async_t reload;
	uv_prepare_t flush;
	uv_timer_t sweep;           /* each second: time-outs */
	struct store *control;      /* connects first, makes months, looks whether the database answers and was adopted */
	union {
		struct store_request request;
		struct store_connect connect;
		struct store_maintain maintain;
		struct store_heads heads;
	} control_call;
	enum control_question { CONTROL_CONNECT, CONTROL_MAINTAIN, CONTROL_LOOK } control_asks; /* while control_busy */
	struct store_connect known; /* what the first connection learned; its texts in known_arena, until they are journaled */
	struct arena known_arena;
	int32_t journaled_epoch;    /* adoptions up to it are events of shard 0 */
	int64_t journal_due;        /* monotonic: not before */
	uv_timer_t control_timer;   /* the next look, or the next try to connect */
	int64_t control_asked_at;   /* monotonic: of the question under way */
	int64_t control_owed_at;    /* monotonic: since when no question was answered; 0: the last one was */
	int64_t maintain_due;       /* monotonic: when the months are looked at */
	struct error control_error; /* of the last question; code 0: it was answered well */
	int control_failures;       /* in a row */
	bool control_busy, control_connected;
	int64_t log_known_at;       /* monotonic; 0: it is not */
	bool ready, stopping;
	int64_t started_at;         /* monotonic */
	struct checker checker;
	char http_address[LISTEN_TEXT];
	struct http *http;          /* for who watches; NULL: not asked for */
	int64_t refused_by[ERROR_COUNT + 1]; /* calls answered with an error, by -code */
	int64_t refused;            /* calls and messages that did not even reach an appender or the reader */
	struct error fatal;
};

/* The appenders' hook: a batch is in the log. */
void engine_committed(void *data, struct appender *a);

/*
 * How long the database has kept the control session waiting; 0 while that says nothing (closing a month may take
 * minutes).  It is asked every two seconds, so a silent database is known within a few.
 */
int64_t engine_silence_ms(const struct engine *e);
enum { SILENT_MS = 3000 }; /* then status says that it does not answer */

/* Rechecks the bounds: stops or resumes reading. */
void engine_balance(struct engine *e);

/* The log is known: starts the parts.  And: ends the engine, for this reason. */
void engine_log_known(struct engine *e);
void engine_fail(struct engine *e, const struct error *why);

/* Takes clients in once the log and the keys are known; to be called when either has become so. */
void engine_look_ready(struct engine *e);

/* Whether all is well; if not, the first reason in words (which may be empty while it starts). */
bool engine_is_well(struct engine *e, char *why, size_t size);
bool engine_appender_is_well(const struct appender *a);

/* Resident memory, from /proc; 0 where there is none. */
int64_t engine_resident_bytes(void);

/* The status map (PROTOCOL.md), packed; and the few lines of it for who may not see the rest. */
void status_pack(struct engine *e, msgpack_packer *packer);
void status_pack_own(struct engine *e, const struct uuid *tenant_id, msgpack_packer *packer);

#endif
