/*
 * rollups - see rollups.h; here: the two tables, and which rows a contribution goes to.
 */
#include "projections/rollups.h"

#include <assert.h>

#include "projections/registry.h"
#include "projections/rollup_rows.h"

#define CENTURY (36525 * TIME_DAY)

static const char *const set_names[] = {
	"all", "channel", "team", "agent", "tier", "severity", "intent", "channel_team", "team_agent", NULL,
};

/* ---- the tables ---- */

#define COUNT_COLUMN(metric, definition) \
	{ .name = #metric, .kind = COLUMN_INT4, .offset = offsetof(struct rollup, counts[ROLLUP_##metric]), .sql = "integer", \
	  .required = true, .adds = true, .fallback = "0", .about = definition },
#define TIME_COLUMNS(counted, seconds, hist, definition) \
	{ .name = #counted, .kind = COLUMN_INT4, .offset = offsetof(struct rollup, times[ROLLUP_##counted].count), \
	  .sql = "integer", .required = true, .adds = true, .fallback = "0", .about = definition }, \
	{ .name = #seconds, .kind = COLUMN_DECIMAL, .offset = offsetof(struct rollup, times[ROLLUP_##counted].micros), \
	  .sql = "numeric(24,6)", .scale = 6, .required = true, .adds = true, .fallback = "0", \
	  .about = "sum; divided by " #counted " the mean. " definition }, \
	{ .name = #hist, .kind = COLUMN_JSON, \
	  .offset = offsetof(struct rollup, times[ROLLUP_##counted].histogram.text), .adds = true, .open = true, \
	  .about = "for analytics.percentile(analytics.histogram_sum(" #hist "), 0.9). " definition },
#define VALUE_COLUMN(name_, kind_, member, ...) \
	{ .name = name_, .kind = COLUMN_##kind_, .offset = offsetof(struct rollup, values.member), __VA_ARGS__ },
#define PLACE_COLUMNS \
	COLUMN(rollup, dimensions, ENUM, .sql = "varchar(20)", .required = true, .values = set_names, \
	       .about = "by what the row is counted: all, or the columns that it names; always ask for one of them"), \
	VALUE_COLUMN("channel", TEXT, channel, .sql = "varchar(30)", .open = true, \
		     .about = "the conversation began over; of a message: its own") \
	VALUE_COLUMN("team_id", UUID, team_id, .about = "of who did it; where nobody is said to: who had the conversation") \
	VALUE_COLUMN("agent_id", UUID, agent_id, .about = "who did it; where nobody is said to: who had the conversation") \
	VALUE_COLUMN("tier", ENUM, tier, .sql = "varchar(20)", .values = values_sla_tier, \
		     .about = "the conversation's, as it is now") \
	VALUE_COLUMN("severity", ENUM, severity, .sql = "varchar(10)", .values = values_severity, \
		     .about = "the conversation's, as it is now") \
	VALUE_COLUMN("intent", TEXT, intent, .sql = "varchar(50)", .open = true, .about = "the conversation's, as it is now") \
	ROLLUP_COUNTS(COUNT_COLUMN) \
	ROLLUP_TIMES(TIME_COLUMNS)

static const struct column quarter_columns[] = {
	COLUMN(rollup, bucket_at, TIME, .required = true, .about = "the quarter of an hour (UTC) begins"),
	PLACE_COLUMNS
};

static const struct column day_columns[] = {
	COLUMN(rollup, bucket_at, TIME, .required = true, .about = "the day begins in its time zone"),
	COLUMN(rollup, time_zone, TEXT, .sql = "varchar(50)", .required = true, .open = true,
	       .about = "whose day it is: the tenant's reporting time zone when the conversation began"),
	PLACE_COLUMNS
};

static const struct fold_entry folds[] = {
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, dimensions, bucket_at)", NULL };

const struct projection rollup_15m = {
	.schema = "analytics", .name = "rollup_15m", .version = 2,
	.about = "What happened in each quarter of an hour, by dimension set. Add rows up as you like: an hour is rollup_hour.",
	COLUMNS(rollup, quarter_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70, .settle = rollup_settle,
	NEEDS(&conversation_facts, &sla_outcomes),
};

const struct projection rollup_day = {
	.schema = "analytics", .name = "rollup_day", .version = 2,
	.about = "What happened on each day of the tenant's reporting time zone, by dimension set.",
	COLUMNS(rollup, day_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70,
	NEEDS(&conversation_facts, &sla_outcomes),
};

/* ---- contributions ---- */

void contribution_begin(struct contribution *c, int64_t at, struct bytes time_zone, const struct rollup_values *values)
{
	c->count = 0;
	c->at = at;
	c->time_zone = time_zone;
	c->values = *values;
}

static void add_entry(struct contribution *c, bool timed, int metric, int64_t amount)
{
	assert(c->count < ROLLUP_ENTRIES_MAX);
	c->entries[c->count].timed = timed;
	c->entries[c->count].metric = (int16_t)metric;
	c->entries[c->count++].amount = amount;
}

void contribution_count(struct contribution *c, enum rollup_metric metric, int64_t many)
{
	add_entry(c, false, (int)metric, many);
}

void contribution_time(struct contribution *c, enum rollup_time metric, int64_t micros)
{
	if (micros != INT_NONE)
		add_entry(c, true, (int)metric, micros < 0 ? 0 : micros > CENTURY ? CENTURY : micros);
}

static bool same_entries(const struct contribution *a, const struct contribution *b)
{
	if (a->at != b->at || a->count != b->count || !bytes_equal(a->time_zone, b->time_zone))
		return false;
	for (int i = 0; i < a->count; i++)
		if (a->entries[i].timed != b->entries[i].timed || a->entries[i].metric != b->entries[i].metric ||
		    a->entries[i].amount != b->entries[i].amount)
			return false;
	return true;
}

/* Puts `more` into `c`, if it goes to the same rows and there is room. */
static bool join(struct contribution *c, const struct contribution *more)
{
	if (c->at != more->at || c->count + more->count > ROLLUP_ENTRIES_MAX || !bytes_equal(c->time_zone, more->time_zone) ||
	    rollup_differ(ALL_DIMENSIONS, &c->values, &more->values))
		return false;
	memcpy(c->entries + c->count, more->entries, (size_t)more->count * sizeof(more->entries[0]));
	c->count += more->count;
	return true;
}

void basket_add(struct fold *f, struct rollup_basket *b, const struct contribution *c)
{
	if (c->count == 0)
		return;
	for (int i = 0; i < b->count; i++)
		if (join(&b->held[i], c))
			return;
	if (b->count == ROLLUP_BASKET)
		rollups_move(f, NULL, &b->held[--b->count]);
	b->held[b->count++] = *c;
}

void basket_empty(struct fold *f, struct rollup_basket *b)
{
	while (b->count)
		rollups_move(f, NULL, &b->held[--b->count]);
}

/* ---- which sets ---- */

/* The dimensions whose values are known. */
static unsigned known(const struct rollup_values *v)
{
	return (v->channel.data ? BIT(CHANNEL) : 0) | (uuid_is_nil(&v->team_id) ? 0 : BIT(TEAM)) |
	       (uuid_is_nil(&v->agent_id) ? 0 : BIT(AGENT)) | (v->tier >= 0 ? BIT(TIER) : 0) |
	       (v->severity >= 0 ? BIT(SEVERITY) : 0) | (v->intent.data ? BIT(INTENT) : 0);
}

/* Bit by set: those that go by one dimension alone stand in the dimensions' order. */
_Static_assert((int)ROLLUP_CHANNEL + (int)BY_INTENT == (int)ROLLUP_INTENT && ROLLUP_INTENT + 1 == ROLLUP_CHANNEL_TEAM, "as sets_of has it");

/* Bit by set: which hold the contribution, because all that they go by is known. */
static unsigned sets_of(const struct contribution *c)
{
	unsigned in = known(&c->values);

	return 1u << ROLLUP_ALL | in << ROLLUP_CHANNEL | (~in & rollup_sets[ROLLUP_CHANNEL_TEAM] ? 0 : 1u << ROLLUP_CHANNEL_TEAM) |
	       (~in & rollup_sets[ROLLUP_TEAM_AGENT] ? 0 : 1u << ROLLUP_TEAM_AGENT);
}

/* Bit by set: which go by one of these dimensions. */
static unsigned sets_by(unsigned dimensions)
{
	return dimensions << ROLLUP_CHANNEL | (dimensions & rollup_sets[ROLLUP_CHANNEL_TEAM] ? 1u << ROLLUP_CHANNEL_TEAM : 0) |
	       (dimensions & rollup_sets[ROLLUP_TEAM_AGENT] ? 1u << ROLLUP_TEAM_AGENT : 0);
}

void rollups_move(struct fold *f, const struct contribution *before, const struct contribution *after)
{
	unsigned out, in, stays = 0;

	before = before && before->count ? before : NULL;
	after = after && after->count ? after : NULL;
	out = before ? sets_of(before) : 0;
	in = after ? sets_of(after) : 0;
	if (before && after && same_entries(before, after))
		stays = out & in & ~sets_by(rollup_differ(ALL_DIMENSIONS, &before->values, &after->values));
	if (out & ~stays)
		rollup_gather(f, before, out & ~stays, -1);
	if (in & ~stays)
		rollup_gather(f, after, in & ~stays, 1);
}
