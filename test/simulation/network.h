/*
 * network - connections in memory between clients and the engines' sessions: the wire (engine/wire.h) of the simulation.
 *
 *     client --link_send--> up ....... latency ......> wire_start'ed? --> session_read
 *     client <--took------- down ..... latency ....... window <-- wire_write
 *
 * Bytes arrive in pieces: cut at any byte, or several messages at once, as the link's temper has it.  What a session does
 * not read stays in `up`; what a client does not take fills `down` up to the window, and then the session's write waits.
 *
 * A link is cut (by chance, by a machine that dies) at some byte of either direction: what was before it still arrives,
 * all else is gone, though whoever wrote it may have been told that it went.  Each end hears of it by itself, later; a
 * silent cut tells the engine nothing at all.
 *
 * A link is freed when both ends have let go of it.
 */
#ifndef VERBATIM_TEST_NETWORK_H
#define VERBATIM_TEST_NETWORK_H

#include "engine/wire.h"
#include "engine_sim.h"

/* A client's end. */
struct peer {
	struct link *link;   /* NULL: it has none */
	bool broken;         /* the last one was cut, or its engine died, or had no room for it: what was sent may be lost */
	void (*took)(struct peer *p, const char *data, size_t n);
	void (*ended)(struct peer *p); /* `link` is NULL by then */
};

struct network {
	struct world *world;
	struct link *links;  /* that the engine's end or the client's still holds */
	int cuts, silent_cuts;
	int64_t pieces, pauses; /* deliveries to sessions; how often a session stopped reading */
};

void network_init(struct network *n, struct world *w);

/* Connects the peer; the engine's end accepts a little later, if it lives by then.  `accept` is what its listener does. */
void link_open(struct network *n, struct peer *p, struct engine_sim *engine, void (*accept)(struct engine_sim *e, struct wire *w));

void link_send(struct peer *p, const void *data, size_t n);

/* The client takes nothing for so long. */
void link_hold(struct peer *p, int64_t us);

/* The client goes; `ended` is not called.  What it sent before arrives, or not when it is rude. */
void link_leave(struct peer *p, bool rude);

/* Something between them breaks. */
void link_cut(struct peer *p, bool silent);

/* The engine's machine has died. */
void network_lose(struct network *n, const struct engine_sim *engine);

/* Likewise of one that stands: an answer need not come. */
bool link_is_broken(const struct peer *p);

#endif
