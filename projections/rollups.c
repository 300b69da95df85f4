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

static void settle(struct state *s);

const struct projection rollup_15m = {
	.schema = "analytics", .name = "rollup_15m", .version = 1,
	.about = "What happened in each quarter of an hour, by dimension set. Add rows up as you like: an hour is rollup_hour.",
	COLUMNS(rollup, quarter_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70, .settle = settle,
	NEEDS(&conversation_facts, &sla_outcomes),
};

const struct projection rollup_day = {
	.schema = "analytics", .name = "rollup_day", .version = 1,
	.about = "What happened on each day of the tenant's reporting time zone, by dimension set.",
	COLUMNS(rollup, day_columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70,
	NEEDS(&conversation_facts, &sla_outcomes),
};

/* ---- what a set goes by ---- */

enum dimension { BY_CHANNEL, BY_TEAM, BY_AGENT, BY_TIER, BY_SEVERITY, BY_INTENT, DIMENSIONS };

#define BIT(dimension) (1u << BY_##dimension)
#define ALL_DIMENSIONS ((1u << DIMENSIONS) - 1)

static const unsigned sets[ROLLUP_SETS] = {
	[ROLLUP_ALL] = 0, [ROLLUP_CHANNEL] = BIT(CHANNEL), [ROLLUP_TEAM] = BIT(TEAM), [ROLLUP_AGENT] = BIT(AGENT),
	[ROLLUP_TIER] = BIT(TIER), [ROLLUP_SEVERITY] = BIT(SEVERITY), [ROLLUP_INTENT] = BIT(INTENT),
	[ROLLUP_CHANNEL_TEAM] = BIT(CHANNEL) | BIT(TEAM), [ROLLUP_TEAM_AGENT] = BIT(TEAM) | BIT(AGENT),
};

/* The dimensions whose values are known. */
static unsigned known(const struct rollup_values *v)
{
	return (v->channel.data ? BIT(CHANNEL) : 0) | (uuid_is_nil(&v->team_id) ? 0 : BIT(TEAM)) |
	       (uuid_is_nil(&v->agent_id) ? 0 : BIT(AGENT)) | (v->tier >= 0 ? BIT(TIER) : 0) |
	       (v->severity >= 0 ? BIT(SEVERITY) : 0) | (v->intent.data ? BIT(INTENT) : 0);
}

/* Those of the dimensions in which the two differ. */
static inline unsigned different(unsigned dimensions, const struct rollup_values *a, const struct rollup_values *b)
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

/* The values of some dimensions alone. */
static struct rollup_values only(unsigned dimensions, const struct rollup_values *all)
{
	struct rollup_values v = { .tier = -1, .severity = -1 };

	if (dimensions & BIT(CHANNEL))
		v.channel = all->channel;
	if (dimensions & BIT(TEAM))
		v.team_id = all->team_id;
	if (dimensions & BIT(AGENT))
		v.agent_id = all->agent_id;
	if (dimensions & BIT(TIER))
		v.tier = all->tier;
	if (dimensions & BIT(SEVERITY))
		v.severity = all->severity;
	if (dimensions & BIT(INTENT))
		v.intent = all->intent;
	return v;
}

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
	    different(ALL_DIMENSIONS, &c->values, &more->values))
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

/* ---- a row's id ---- */

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
	uuid_set_time(id, bucket_at);
}

/* ---- what a batch adds ---- */

/*
 * Contributions are gathered while a batch is folded and put into the rows at its end (state_sums), a tenant's together
 * and of these a set's together: so a row's lines are in the cache for as long as they are needed, and not fetched anew
 * for each event.  Nothing is lost by that, since no fold looks at a roll-up.
 */
enum { TENANT_LISTS = 64, ABREAST = 16 };

struct gathered {
	struct gathered *next;
	struct uuid tenant_id;
	int64_t position;
	uint16_t sets; /* bit by set: whose rows it goes to */
	int8_t sign;
	int8_t count;
	bool timed; /* one of the entries at least */
	int64_t quarter, day;
	struct bytes time_zone;
	struct rollup_values values;
	uint64_t quarter_hash, day_hash, hashes[DIMENSIONS]; /* a row's is put together from them */
	struct gathered_entry {
		int64_t amount;
		int16_t metric;
		int16_t class; /* of a duration, -1: a count */
	} entries[];
};

struct gathering {
	struct {
		struct gathered *first, **end;
	} lists[TENANT_LISTS]; /* by the tenant's hash */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_uuid(const struct uuid *id)
{
	uint64_t halves[2];

	memcpy(halves, id, sizeof(halves));
	return mix(halves[0], halves[1]);
}

static uint64_t hash_text(struct bytes text)
{
	uint64_t hash = text.len, word = 0;

	for (; text.len >= sizeof(word); text.data += sizeof(word), text.len -= sizeof(word)) {
		memcpy(&word, text.data, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	for (size_t i = 0; i < text.len; i++)
		word |= (uint64_t)(uint8_t)text.data[i] << 8 * i;
	return mix(hash, word);
}

static void append(struct fold *f, struct gathered *g, uint64_t tenant)
{
	struct gathering *all = f->state->gathered;

	if (!all) {
		f->state->gathered = all = arena_alloc(&f->state->passing, sizeof(*all));
		for (int i = 0; i < TENANT_LISTS; i++) {
			all->lists[i].first = NULL;
			all->lists[i].end = &all->lists[i].first;
		}
	}
	g->next = NULL;
	*all->lists[tenant % TENANT_LISTS].end = g;
	all->lists[tenant % TENANT_LISTS].end = &g->next;
}

static void gather(struct fold *f, const struct contribution *c, unsigned into, int sign)
{
	const struct zone *zone = bytes_is(c->time_zone, "UTC") ? &zone_utc : f->state->zones.find(f->state->zones.data, c->time_zone);
	struct gathered *g = arena_alloc(&f->state->passing, sizeof(*g) + (size_t)c->count * sizeof(g->entries[0]));
	uint64_t tenant = hash_uuid(&f->event->tenant_id);
	const struct rollup_values *v = &c->values;
	int64_t left = c->at % QUARTER;

	g->tenant_id = f->event->tenant_id;
	g->position = f->event->position;
	g->sets = (uint16_t)into;
	g->sign = (int8_t)sign;
	g->count = (int8_t)c->count;
	g->quarter = c->at - left - (left < 0 ? QUARTER : 0);
	g->day = zone_day(zone ? zone : &zone_utc, c->at);
	g->time_zone = c->time_zone;
	g->values = *v;
	g->quarter_hash = mix(tenant, (uint64_t)g->quarter);
	g->day_hash = mix(tenant + hash_text(c->time_zone), (uint64_t)g->day + 1); /* no quarter begins there */
	g->hashes[BY_CHANNEL] = hash_text(v->channel);
	g->hashes[BY_TEAM] = hash_uuid(&v->team_id);
	g->hashes[BY_AGENT] = hash_uuid(&v->agent_id);
	g->hashes[BY_TIER] = (uint64_t)v->tier;
	g->hashes[BY_SEVERITY] = (uint64_t)v->severity;
	g->hashes[BY_INTENT] = hash_text(v->intent);
	g->timed = false;
	for (int i = 0; i < c->count; i++) {
		g->entries[i] = (struct gathered_entry){
			c->entries[i].amount, c->entries[i].metric,
			(int16_t)(c->entries[i].timed ? histogram_class(c->entries[i].amount) : -1),
		};
		g->timed |= c->entries[i].timed;
	}
	append(f, g, tenant);
}

/* Bit by set: those that go by one dimension alone stand in the dimensions' order. */
_Static_assert((int)ROLLUP_CHANNEL + (int)BY_INTENT == (int)ROLLUP_INTENT && ROLLUP_INTENT + 1 == ROLLUP_CHANNEL_TEAM, "as sets_of has it");

/* Bit by set: which hold the contribution, because all that they go by is known. */
static unsigned sets_of(const struct contribution *c)
{
	unsigned in = known(&c->values);

	return 1u << ROLLUP_ALL | in << ROLLUP_CHANNEL | (~in & sets[ROLLUP_CHANNEL_TEAM] ? 0 : 1u << ROLLUP_CHANNEL_TEAM) |
	       (~in & sets[ROLLUP_TEAM_AGENT] ? 0 : 1u << ROLLUP_TEAM_AGENT);
}

/* Bit by set: which go by one of these dimensions. */
static unsigned sets_by(unsigned dimensions)
{
	return dimensions << ROLLUP_CHANNEL | (dimensions & sets[ROLLUP_CHANNEL_TEAM] ? 1u << ROLLUP_CHANNEL_TEAM : 0) |
	       (dimensions & sets[ROLLUP_TEAM_AGENT] ? 1u << ROLLUP_TEAM_AGENT : 0);
}

void rollups_move(struct fold *f, const struct contribution *before, const struct contribution *after)
{
	unsigned out, in, stays = 0;

	before = before && before->count ? before : NULL;
	after = after && after->count ? after : NULL;
	out = before ? sets_of(before) : 0;
	in = after ? sets_of(after) : 0;
	if (before && after && same_entries(before, after))
		stays = out & in & ~sets_by(different(ALL_DIMENSIONS, &before->values, &after->values));
	if (out & ~stays)
		gather(f, before, out & ~stays, -1);
	if (in & ~stays)
		gather(f, after, in & ~stays, 1);
}

/* ---- into the rows ---- */

static inline bool is_row(const struct rollup *r, const struct gathered *g, const struct projection *p, int64_t bucket_at,
		   struct bytes time_zone, enum rollup_set set)
{
	return r->bucket_at == bucket_at && r->dimensions == (int16_t)set && r->row.of == p &&
	       uuid_equal(&r->row.tenant_id, &g->tenant_id) && bytes_equal(r->time_zone, time_zone) &&
	       (!sets[set] || !different(sets[set], &r->values, &g->values));
}

/* By the row's id, which says all that it is about. */
static struct rollup *find_by_id(struct state *s, const struct gathered *g, const struct projection *p, uint64_t hash,
				 int64_t bucket_at, struct bytes time_zone, enum rollup_set set)
{
	struct rollup_values values;
	struct rollup *r;
	struct uuid id;
	bool begun;

	values = only(sets[set], &g->values);
	make_id(&id, &g->tenant_id, bucket_at, time_zone, set, &values);
	r = sum_row(s, p, &g->tenant_id, &id, g->position, &begun);
	if (begun) {
		r->bucket_at = bucket_at;
		r->time_zone = time_zone;
		r->dimensions = (int16_t)set;
		r->values = values;
	}
	sum_remember(s, hash, r);
	return r;
}

/* By the hash of that (fold/sum.h); only one that is new to this half of memory by its id. */
static inline struct rollup *find_row(struct state *s, const struct gathered *g, const struct projection *p, uint64_t hash,
				      int64_t bucket_at, struct bytes time_zone, enum rollup_set set)
{
	struct rollup *r = sum_recall(s, hash);

	if (!r || !is_row(r, g, p, bucket_at, time_zone, set))
		return find_by_id(s, g, p, hash, bucket_at, time_zone, set);
	sum_touch(s, r, g->position);
	return r;
}

static void add(struct state *s, struct rollup *r, const struct gathered *g)
{
	for (int i = 0; i < g->count; i++) {
		const struct gathered_entry *e = &g->entries[i];

		if (e->class >= 0) {
			struct rollup_spread *spread = &r->times[e->metric];

			spread->count += g->sign;
			sum_add(&spread->micros, g->sign * e->amount);
			counters_add(s, &spread->histogram, e->class, g->sign);
		} else {
			r->counts[e->metric] += g->sign * e->amount;
		}
	}
}

/* Fetched while others are worked on. */
static void fetch_metrics(const struct rollup *r, const struct gathered *g)
{
	for (int i = 0; i < g->count; i++) {
		const struct gathered_entry *e = &g->entries[i];

		if (e->class >= 0)
			__builtin_prefetch(&r->times[e->metric]);
		else
			__builtin_prefetch(&r->counts[e->metric]);
	}
}

static inline void fetch_books(const struct rollup *r, const struct gathered *g, void (*how)(const struct counters *c))
{
	for (int i = 0; i < g->count && g->timed; i++)
		if (g->entries[i].class >= 0)
			how(&r->times[g->entries[i].metric].histogram);
}

static uint64_t hash_of(const struct gathered *g, enum rollup_set set)
{
	uint64_t hash = (uint64_t)set;

	for (unsigned left = sets[set]; left; left &= left - 1)
		hash = mix(hash, g->hashes[__builtin_ctz(left)]);
	return hash;
}

/* A few contributions to one set, step by step through all of them, so that the waits for memory fall together. */
static void book(struct state *s, struct gathered *const *few, int count, enum rollup_set set)
{
	struct rollup *quarters[ABREAST], *days[ABREAST];
	uint64_t hashes[ABREAST];

	for (int i = 0; i < count; i++) {
		hashes[i] = hash_of(few[i], set);
		sum_fetch(s, few[i]->quarter_hash ^ hashes[i]);
		sum_fetch(s, few[i]->day_hash ^ hashes[i]);
	}
	for (int i = 0; i < count; i++) {
		const struct gathered *g = few[i];

		quarters[i] = find_row(s, g, &rollup_15m, g->quarter_hash ^ hashes[i], g->quarter, (struct bytes){ NULL, 0 }, set);
		days[i] = find_row(s, g, &rollup_day, g->day_hash ^ hashes[i], g->day, g->time_zone, set);
		fetch_metrics(quarters[i], g);
		fetch_metrics(days[i], g);
	}
	for (int i = 0; i < count; i++) {
		fetch_books(quarters[i], few[i], counters_fetch);
		fetch_books(days[i], few[i], counters_fetch);
	}
	for (int i = 0; i < count; i++) {
		fetch_books(quarters[i], few[i], counters_fetch_keys);
		fetch_books(days[i], few[i], counters_fetch_keys);
	}
	for (int i = 0; i < count; i++) {
		add(s, quarters[i], few[i]);
		add(s, days[i], few[i]);
	}
}

static void settle_set(struct state *s, struct gathered *list, enum rollup_set set)
{
	struct gathered *few[ABREAST];
	int count = 0;

	for (struct gathered *g = list; g; g = g->next) {
		if (g->sets >> set & 1)
			few[count++] = g;
		if (count == ABREAST || !g->next) {
			book(s, few, count, set);
			count = 0;
		}
	}
}

static void settle(struct state *s)
{
	const struct gathering *all = s->gathered;

	s->gathered = NULL;
	for (int i = 0; all && i < TENANT_LISTS; i++)
		for (int set = 0; set < ROLLUP_SETS && all->lists[i].first; set++)
			settle_set(s, all->lists[i].first, (enum rollup_set)set);
}
