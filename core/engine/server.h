/*
 * server - the engine in one process: sessions, appenders, readers on one loop, workers on loops of their own.
 */
#ifndef VERBATIM_ENGINE_SERVER_H
#define VERBATIM_ENGINE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/bytes.h"

struct server_options {
	const char *conninfo;       /* of the database, for appenders, workers and readers */
	const char *role;           /* the role they step down to, or NULL */
	const char *const *listen;  /* "HOST:PORT", "tls:HOST:PORT" or "unix:PATH" */
	int listen_count;
	struct tls_context *tls;    /* for the tls: ones; NULL when there are none */
	const char *http;           /* HOST:PORT for /metrics, /healthz, /readyz; NULL: none */
	bool insecure;              /* an empty token lets anybody in, to do anything */
	int64_t frame_bytes;        /* 4 MiB */
	int64_t event_bytes;        /* 256 KiB */
	int64_t request_events;     /* 10,000 */
	int64_t depth;              /* 16 */
	int64_t connections;        /* 10,000 */
	int64_t idle_ms;            /* 10 min; 0: never */
	int64_t hello_ms;           /* 10 s */
	int64_t database_ms;        /* 10 s: a database that keeps silent for so long is given up, and connected to again */
	int64_t memory_bytes;       /* --memory: the bound of everything that clients can make grow */
	int64_t batch_events;       /* most events a commit takes */
	int64_t workers;            /* threads */
	struct notary *notary;      /* who signs checkpoints, for status; NULL: nobody */
	int64_t check_every_ms;     /* how often the read models are compared with the log; 0: never */

	/* Runs on the loop's thread once sockets are open and the log is known, with the bound addresses ("tcp 127.0.0.1:7411\nunix /...\nhttp 127.0.0.1:9464\n"). */
	void (*ready)(void *data, const char *addresses);
	/* Runs when the database cannot be reached: a cluster of our own may need a start.  May block for seconds; returns 0 when it is worth trying again at once. */
	int (*revive)(void *data);
	/* Run on the loop's thread: each second while it turns; after server_reload; when the engine begins to stop.  May be NULL. */
	void (*alive)(void *data);
	void (*reload)(void *data);
	void (*stopping)(void *data);
	void *data;
};

/* Runs until `server_stop` or a fatal error; returns 0 after an orderly stop. */
int server_run(const struct server_options *options, struct error *error) must_check;

/* Async-signal-safe: begins an orderly stop (finish what is committed, answer, close). */
void server_stop(void);

/* Likewise: has options->reload run. */
void server_reload(void);

#endif
