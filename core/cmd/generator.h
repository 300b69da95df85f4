/*
 * generator - lively, realistic support traffic, the same for the same seed.
 *
 * A small simulation: conversations arrive over a span of time, each is an actor with a next moment, a heap has
 * them in order, and each moment writes one or a few events as NDJSON.  Tenants have teams, agents with skills,
 * channels and a knowledge base; customers come back, write in nine languages, send the same matter twice, are merged, blocked,
 * upgraded; conversations are classified, assigned, transferred, escalated, resolved, reopened; messages are
 * queued, sent, delivered, read, fail and are tried again; issues go through their whole life; rules, policies, articles and
 * categories are written and put away, channels break and recover, people are flagged, merged by mistake, forgotten.  Some events come late (behind
 * later ones, with their old occurred_at), some twice, word for word.
 *
 * Everything written is valid for the catalog.  Memory is bounded: at most GENERATOR_ACTIVE conversations are
 * under way, and one byte is kept for each customer.
 */
#ifndef VERBATIM_CMD_GENERATOR_H
#define VERBATIM_CMD_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { GENERATOR_ACTIVE = 20000, GENERATOR_TENANTS_MAX = 1000 };

struct generator_options {
	uint64_t seed;
	int tenants;           /* 1 .. GENERATOR_TENANTS_MAX */
	int64_t conversations; /* 0: no end; then `live` must be set */
	int64_t span;          /* microseconds of traffic; stretched when more than GENERATOR_ACTIVE would be open at once */
	int64_t end;           /* the last moment, microseconds since 1970 */
	int duplicates;        /* percent of events that come twice */
	int late;              /* percent of those events that may come late, which do */
	bool all_types;        /* also sla.*, which an engine writes itself; only log.* never comes */
	bool silent;           /* imported history: nothing follows from it */
	bool live;             /* occurred_at is the wall clock's now, not the simulation's */
};

struct generator_counts {
	int64_t lines;         /* all, duplicates included */
	int64_t duplicates;
	int64_t late;
	int64_t conversations;
	int64_t customers;
};

struct generator;

struct generator *generator_new(const struct generator_options *options);
void generator_free(struct generator *g);

/*
 * The next event: one JSON object with its newline, borrowed until the next call.  False at the end.  The
 * conversations that are still open at the end of the span stay open: they are the queue.
 */
bool generator_next(struct generator *g, struct bytes *line);

const struct generator_counts *generator_get_counts(const struct generator *g);

#endif
