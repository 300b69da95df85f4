/*
 * verbatim - a client for Verbatim, the event-sourced conversation engine.
 *
 *     cc program.c $(pkg-config --cflags --libs verbatim-client)
 *
 *     struct verbatim *v = verbatim_new(&(struct verbatim_options){ .addresses = "tls://one:7411,tls://two:7411", .key = key });
 *     struct verbatim_error e;
 *
 *     if (verbatim_open(v, &e) || verbatim_append(v, json, strlen(json), &e) || verbatim_flush(v, &e))
 *             fprintf(stderr, "%s: %s\n", e.code, e.message);
 *     verbatim_free(v);
 *
 * Events are given one at a time as JSON objects (`verbatim events` lists the types); they are grouped into requests, many of
 * which are under way at once, and every tenant's order is kept.  When the connection is lost, or an engine asks for patience,
 * the next address is tried, with pauses that grow and are never quite the same, and whatever has no answer is sent again: the log
 * knows events by their event_id, so nothing is stored twice and nothing is left out.  verbatim_flush returns 0 when everything is
 * committed.
 *
 * One object serves one thread at a time; any number of objects, any number of threads.  Nothing here starts a thread, handles a
 * signal or raises SIGPIPE.  All functions that can fail return 0, or -1 and the reason.
 */
#ifndef VERBATIM_H
#define VERBATIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct verbatim_error {
	char code[32];     /* "unavailable", "unauthorized", "invalid", "conflict", ... as the protocol's page lists them; "" when all is well */
	char kind[16];     /* "caller": mend it; "retry": it may pass; "fatal": a person must look */
	char field[96];    /* of the event at fault, or "" */
	char message[384]; /* for people */
};

/* All texts are copied; what is zero has the value that stands behind it. */
struct verbatim_options {
	const char *addresses;   /* HOST:PORT, tls://HOST:PORT or unix:PATH, several with commas; must be there */
	const char *key;         /* an API key; NULL: none */
	const char *name;        /* shows in the engine's status; "verbatim-client" */
	int64_t give_up_ms;      /* how long to go on without any success; 30,000 */
	int batch;               /* most events a request; 500 */
	int outstanding;         /* most requests under way, up to 256; 16 */
	size_t memory;           /* bytes of events held before verbatim_append waits; 16 MiB */

	int tls;                 /* not 0: speak TLS 1.3 also where the address does not say so */
	const char *tls_ca;      /* PEM file of the CAs to believe; the system's */
	const char *tls_cert;    /* PEM files of our own certificate and its key, for engines that ask for them */
	const char *tls_key;
	const char *tls_passphrase; /* of that key */

	/*
	 * An event that will not be stored, and why: the number that verbatim_append gave it, its event_id ("" when it has none).
	 * Runs inside of the calls below.  NULL: verbatim_flush fails with "incomplete" and the first reason instead.
	 */
	void (*refused)(void *data, int64_t number, const char *event_id, const struct verbatim_error *why);
	/* What a person may want to know: "waiting for the engine: ..."; "" when that is over.  May be NULL. */
	void (*notice)(void *data, const char *text);
	void *data;
};

struct verbatim_counts {
	int64_t added;      /* events given to verbatim_append */
	int64_t stored;
	int64_t duplicates; /* they stood in the log already, word for word */
	int64_t refused;
	int64_t repeated;   /* requests that were sent again */
	int64_t reconnects;
};

struct verbatim;

/* Never NULL; connects to nothing yet. */
struct verbatim *verbatim_new(const struct verbatim_options *options);

/* What was not flushed may or may not be stored. */
void verbatim_free(struct verbatim *v);

/* Connects to the first address that answers, trying for give_up_ms. */
int verbatim_open(struct verbatim *v, struct verbatim_error *error);

/*
 * Takes one event, copied; waits only while `memory` is full.  0 says that it was taken, not that it is stored.  An event that
 * cannot be one is told to `refused`, like those that the engine refuses.  -1 is of the connection: nothing more goes, until
 * verbatim_open mends it; what was taken is kept.  Events are numbered from 1.
 */
int verbatim_append(struct verbatim *v, const char *json, size_t len, struct verbatim_error *error);

/* Until everything that was taken is committed, or refused. */
int verbatim_flush(struct verbatim *v, struct verbatim_error *error);

/* Flushes, and waits until all read models show it. */
int verbatim_wait(struct verbatim *v, int64_t timeout_ms, struct verbatim_error *error);

void verbatim_get_counts(const struct verbatim *v, struct verbatim_counts *counts);

/*
 * Any call of the protocol (core/engine/PROTOCOL.md), over a connection of its own: `params` is the MessagePack array of its
 * parameters, `*result` the MessagePack value of the answer, good until the next call.  Once, never repeated: after "unavailable"
 * or "timeout" nobody knows whether it was done.
 */
int verbatim_call(struct verbatim *v, const char *method, const void *params, size_t params_len, int timeout_ms, const void **result,
		  size_t *result_len, struct verbatim_error *error);

#ifdef __cplusplus
}
#endif

#endif
