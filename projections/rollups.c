/*
 * rollups - see rollups.h; here: the two tables, and which rows a contribution goes to.
 *
 * A row's id is made of what it is about, so that a fold knows it without looking:
 *
 *     | 6 bytes: begin of the bucket, ms | version 8 UUID of XXH3(tenant, set, values, zone), 74 bits |
 *
 * The time stands first, so that rows which are written together stand together in the key's index.  The tenant is in
 * it because rows are found by their id, and only then compared with the tenant: one id of all tenants would be read
 * from one end to the other each time.
 */
#include "projections/rollups.h"

#include <assert.h>

#include "projections/registry.h"
#include "rules/histogram.h"

#define QUARTER (900 * TIME_SECOND)
#define CENTURY (36525 * TIME_DAY)

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
	VALUE_COLUMN("channel", TEXT, channel, .sql = "varchar(30)", .open = true, .about = "the conversation began over; of a message: its own") \
	VALUE_COLUMN("team_id", UUID, team_id) \
	VALUE_COLUMN("agent_id", UUID, agent_id) \
	VALUE_COLUMN("tier", ENUM, tier, .sql = "varchar(20)", .values = values_sla_tier) \
	VALUE_COLUMN("severity", ENUM, severity, .sql = "varchar(10)", .values = values_severity) \
	VALUE_COLUMN("intent", TEXT, intent, .sql = "varchar(50)", .open = true) \
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
	.schema = "analytics", .name = "rollup_15m", .version = 1,
	.about = "What happened in each quarter of an hour, by dimension set. Add rows up as you like: an hour is rollup_hour.",
	COLUMNS(rollup, quarter_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70,
};

const struct projection rollup_day = {
	.schema = "analytics", .name = "rollup_day", .version = 1,
	.about = "What happened on each day of the tenant's reporting time zone, by dimension set.",
	COLUMNS(rollup, day_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70,
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

static bool same_values(const struct rollup_values *a, const struct rollup_values *b)
{
	return a->tier == b->tier && a->severity == b->severity && uuid_equal(&a->team_id, &b->team_id) &&
	       uuid_equal(&a->agent_id, &b->agent_id) && bytes_equal(a->channel, b->channel) && bytes_equal(a->intent, b->intent);
}

bool contribution_join(struct contribution *c, const struct contribution *more)
{
	if (more->count == 0)
		return true;
	if (c->count == 0) {
		*c = *more;
		return true;
	}
	if (c->at != more->at || c->count + more->count > ROLLUP_ENTRIES_MAX || !bytes_equal(c->time_zone, more->time_zone) ||
	    !same_values(&c->values, &more->values))
		return false;
	memcpy(c->entries + c->count, more->entries, (size_t)more->count * sizeof(more->entries[0]));
	c->count += more->count;
	return true;
}

/* The values that a set goes by; false when one of them is not known. */
static bool values_of(enum rollup_set set, const struct rollup_values *all, struct rollup_values *out)
{
	memset(out, 0, sizeof(*out));
	out->tier = out->severity = -1;
	switch (set) {
	case ROLLUP_ALL:
		return true;
	case ROLLUP_CHANNEL_TEAM:
	case ROLLUP_CHANNEL:
		out->channel = all->channel;
		if (set == ROLLUP_CHANNEL || !out->channel.data)
			return out->channel.data;
		out->team_id = all->team_id;
		return !uuid_is_nil(&out->team_id);
	case ROLLUP_TEAM:
		out->team_id = all->team_id;
		return !uuid_is_nil(&out->team_id);
	case ROLLUP_TEAM_AGENT:
	case ROLLUP_AGENT:
		out->agent_id = all->agent_id;
		if (set == ROLLUP_AGENT || uuid_is_nil(&out->agent_id))
			return !uuid_is_nil(&out->agent_id);
		out->team_id = all->team_id;
		return !uuid_is_nil(&out->team_id);
	case ROLLUP_TIER:
		out->tier = all->tier;
		return out->tier >= 0;
	case ROLLUP_SEVERITY:
		out->severity = all->severity;
		return out->severity >= 0;
	case ROLLUP_INTENT:
		out->intent = all->intent;
		return out->intent.data;
	case ROLLUP_SETS:
		break;
	}
	return false;
}

static size_t put(char *to, size_t len, const void *data, size_t bytes)
{
	memcpy(to + len, data, bytes);
	return len + bytes;
}

/* Of each value how long it is comes first, so that no two lists of values read the same. */
static size_t put_text(char *to, size_t len, struct bytes text)
{
	assert(text.len < 256); /* columns of at most 50 characters */
	to[len++] = (char)text.len;
	return text.len ? put(to, len, text.data, text.len) : len;
}

static void make_id(struct uuid *id, const struct uuid *tenant_id, int64_t bucket_at, struct bytes time_zone,
		    enum rollup_set set, const struct rollup_values *v)
{
	char key[3 * 256 + 64];
	size_t len = put(key, 0, tenant_id, sizeof(*tenant_id));
	uint64_t ms = (uint64_t)(bucket_at / 1000);

	key[len++] = (char)set;
	key[len++] = (char)v->tier;
	key[len++] = (char)v->severity;
	if (!uuid_is_nil(&v->team_id))
		len = put(key, len, &v->team_id, sizeof(v->team_id));
	if (!uuid_is_nil(&v->agent_id))
		len = put(key, len, &v->agent_id, sizeof(v->agent_id));
	len = put_text(key, len, v->channel);
	len = put_text(key, len, v->intent);
	len = put_text(key, len, time_zone);
	uuid_digest(id, key, len);
	for (int i = 0; i < 6; i++)
		id->b[i] = (uint8_t)(ms >> (40 - 8 * i));
}

static void add(struct fold *f, const struct projection *p, int64_t bucket_at, struct bytes time_zone, enum rollup_set set,
		const struct rollup_values *values, const struct contribution *c, int sign)
{
	struct rollup *r;
	struct uuid id;
	bool begun;

	make_id(&id, &f->event->tenant_id, bucket_at, time_zone, set, values);
	r = fold_sum(f, p, &id, &begun);
	if (begun) {
		r->bucket_at = bucket_at;
		r->time_zone = time_zone;
		r->dimensions = (int16_t)set;
		r->values = *values;
	}
	for (int i = 0; i < c->count; i++) {
		int64_t amount = c->entries[i].amount;

		if (c->entries[i].timed) {
			struct rollup_spread *s = &r->times[c->entries[i].metric];

			s->count += sign;
			sum_add(&s->micros, sign * amount);
			counters_add(f, &s->histogram, histogram_class(amount), sign);
		} else {
			r->counts[c->entries[i].metric] += sign * amount;
		}
	}
}

/* Where in time a contribution goes. */
struct place {
	int64_t quarter, day;
};

static struct place place_of(struct fold *f, const struct contribution *c)
{
	const struct zone *zone = bytes_is(c->time_zone, "UTC") ? &zone_utc : f->state->zones.find(f->state->zones.data, c->time_zone);
	int64_t left = c->at % QUARTER;

	return (struct place){ c->at - left - (left < 0 ? QUARTER : 0), zone_day(zone ? zone : &zone_utc, c->at) };
}

static void book(struct fold *f, const struct contribution *c, const struct place *at, enum rollup_set set,
		 const struct rollup_values *values, int sign)
{
	add(f, &rollup_15m, at->quarter, (struct bytes){ NULL, 0 }, set, values, c, sign);
	add(f, &rollup_day, at->day, c->time_zone, set, values, c, sign);
}

void rollups_move(struct fold *f, const struct contribution *before, const struct contribution *after)
{
	struct place from = { 0 }, to = { 0 };
	bool same;

	before = before && before->count ? before : NULL;
	after = after && after->count ? after : NULL;
	same = before && after && same_entries(before, after);
	if ((!before && !after) || (same && same_values(&before->values, &after->values)))
		return;
	if (before)
		from = place_of(f, before);
	if (after)
		to = same ? from : place_of(f, after);
	for (int set = 0; set < ROLLUP_SETS; set++) {
		struct rollup_values old, new;
		bool out = before && values_of((enum rollup_set)set, &before->values, &old);
		bool in = after && values_of((enum rollup_set)set, &after->values, &new);

		if (same && out && in && same_values(&old, &new))
			continue;
		if (out)
			book(f, before, &from, (enum rollup_set)set, &old, -1);
		if (in)
			book(f, after, &to, (enum rollup_set)set, &new, 1);
	}
}
