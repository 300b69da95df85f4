/*
 * rollup_rows - the rows of the roll-ups (rollups.h), and how what the folds of a batch count comes into them.
 *
 *     folds          rollups_move --rollup_gather--> what is counted, by tenant
 *     state_sums     rollup_settle ----------------> rows of quarters and days (fold/sum.h)
 */
#ifndef VERBATIM_PROJECTIONS_ROLLUP_ROWS_H
#define VERBATIM_PROJECTIONS_ROLLUP_ROWS_H

#include "projections/rollups.h"

struct rollup_spread {
	int64_t count, micros;
	struct counters histogram;
};

struct rollup {
	struct row row;
	int64_t bucket_at;
	struct bytes time_zone; /* of days */
	int16_t dimensions;
	struct rollup_values values;
	int64_t counts[ROLLUP_COUNT_METRICS];
	struct rollup_spread times[ROLLUP_TIME_METRICS];
};

/* ---- what a set goes by ---- */

enum dimension { BY_CHANNEL, BY_TEAM, BY_AGENT, BY_TIER, BY_SEVERITY, BY_INTENT, DIMENSIONS };

#define BIT(dimension) (1u << BY_##dimension)
#define ALL_DIMENSIONS ((1u << DIMENSIONS) - 1)

extern const unsigned rollup_sets[ROLLUP_SETS];

/* Those of the dimensions in which the two differ. */
static inline unsigned rollup_differ(unsigned dimensions, const struct rollup_values *a, const struct rollup_values *b)
{
	unsigned found = 0;

	if (dimensions & BIT(CHANNEL) && !bytes_equal(a->channel, b->channel))
		found |= BIT(CHANNEL);
	if (dimensions & BIT(TEAM) && !uuid_equal(&a->team_id, &b->team_id))
		found |= BIT(TEAM);
	if (dimensions & BIT(AGENT) && !uuid_equal(&a->agent_id, &b->agent_id))
		found |= BIT(AGENT);
	if (dimensions & BIT(TIER) && a->tier != b->tier)
		found |= BIT(TIER);
	if (dimensions & BIT(SEVERITY) && a->severity != b->severity)
		found |= BIT(SEVERITY);
	if (dimensions & BIT(INTENT) && !bytes_equal(a->intent, b->intent))
		found |= BIT(INTENT);
	return found;
}

/* Adds the contribution (`sign` 1), or takes it away (-1), where its sets' bits are in `into`. */
void rollup_gather(struct fold *f, const struct contribution *c, unsigned into, int sign);

/* What was gathered goes into the rows. */
void rollup_settle(struct state *s);

#endif
