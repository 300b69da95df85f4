/*
 * generator_world - what the generator's two halves share: generator.c keeps time and order, generator_story.c
 * knows what people do.  Nobody else includes this.
 */
#ifndef VERBATIM_CMD_GENERATOR_WORLD_H
#define VERBATIM_CMD_GENERATOR_WORLD_H

#include "cmd/generator.h"
#include "cmd/generator_line.h"
#include "cmd/generator_text.h"

enum { TEAMS = 3, AGENTS_MAX = 24, ARTICLES = 4, CHANNELS = 5 };

/* One byte a customer. */
enum customer_bits {
	CUSTOMER_TIER = 3,    /* place in values_sla_tier */
	CUSTOMER_BLOCKED = 4,
	CUSTOMER_MERGED = 8,
};

struct tenant {
	struct uuid id;
	const struct tenant_profile *profile;
	char name[64], slug[64];
	int number;
	int agents;
	uint32_t customers;
	struct buffer states; /* customer_bits by customer */
};

/*
 * A conversation's way.  Each beat writes its events and says what comes next and when.
 *
 *   CREATED -> TRIAGE -> (HANDOFF) -> ASSIGN -> REPLY <-> DELIVERY -> ANSWER ... -> RESOLVE -> FEEDBACK -> (REOPEN -> ASSIGN ...) -> GONE
 *                                         \-> ESCALATE -> ISSUE (nine steps) -> REPLY
 *   MERGE: the second of two conversations about the same thing ends in the first.
 */
enum beat { BEAT_CREATED, BEAT_TRIAGE, BEAT_HANDOFF, BEAT_ASSIGN, BEAT_TURN, BEAT_DELIVERY, BEAT_READ, BEAT_ESCALATE, BEAT_ISSUE,
	    BEAT_RESOLVE, BEAT_FEEDBACK, BEAT_REOPEN, BEAT_MERGE, BEAT_GONE };

struct talk {
	int64_t next;          /* when the next beat is due, in the simulation's time */
	struct uuid id, customer_id, resolution_id, swarm_id, correlation_id, message_id, sibling_id;
	struct uuid said;      /* the event of the customer's last message */
	struct tenant *tenant;
	const struct script *script;
	int64_t last_message_at;
	uint32_t customer;
	uint32_t order;        /* slots: order number, and the seed of the others */
	uint16_t amount;
	uint8_t beat, turn, step, attempt, cycle, agent, team, channel, severity, product, city, day, notes;
	bool answered, delivered, issue, escalated, sibling;
};

/* What happens beside the talks (generator_errands.c), and when. */
enum occasion {
	ERRAND_HOUSE,    /* at any time, about the tenant */
	ERRAND_DURING,   /* a conversation is under way and has a message and an agent */
	ERRAND_RESOLVED, /* it has been resolved */
	ERRAND_ISSUE,    /* engineers work on its issue */
	ERRAND_FIXED,    /* they are done */
	ERRAND_IMPORTED, /* only with all_types */
	OCCASIONS,
};

struct generator {
	struct generator_options options;
	struct generator_counts counts;
	struct random random;
	struct line_writer lines;
	struct tenant *tenants;
	int script_weight;

	struct talk *talks;    /* GENERATOR_ACTIVE */
	int *heap;             /* indexes into talks, by next */
	int heap_count;
	int *spare;
	int spare_count;
	int64_t start, arrival_gap, next_arrival;
	int64_t now;           /* of the beat under way */

	size_t out_at;         /* lines.out is given out up to here */
	int waiting;           /* lines written in this beat, before what it holds */
	struct held *held;     /* a heap by the line number at which each is let go */
	int held_count, held_cap;
	struct buffer given;   /* a held line that is being given out */
	int setup;             /* tenants set up so far */
	int errand_at[OCCASIONS]; /* whose turn it is: its first step */
};

/* A chance of n in 100. */
static inline bool chance(struct generator *g, unsigned n)
{
	return random_below(&g->random, 100) < n;
}

/* generator.c: the moment as it is written into events: the simulation's, or the wall clock's. */
int64_t world_stamp(const struct generator *g, int64_t offset_us);

/* generator.c: ends the line; `loose` ones may come late, and true tells that this one will. */
bool world_end(struct generator *g, bool loose);

/* generator.c: a place for a new talk that begins at `at`, or NULL when all are taken. */
struct talk *world_open(struct generator *g, int64_t at);

/* generator_setup.c, generator_story.c, generator_issue.c, generator_errands.c */
void story_setup(struct generator *g, struct tenant *t);
void story_begin(struct generator *g, struct talk *talk);
void story_beat(struct generator *g, struct talk *talk); /* sets talk->next and talk->beat; BEAT_GONE ends it */
void story_escalate(struct generator *g, struct talk *talk);
void story_issue(struct generator *g, struct talk *talk);
void story_errand(struct generator *g, struct talk *talk, enum occasion occasion); /* the next of its kind */

#endif
