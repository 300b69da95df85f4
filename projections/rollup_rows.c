/*
 * rollup_rows - see rollup_rows.h.
 *
 * A row's id is made of what it is about, so that a fold knows it without looking:
 *
 *     | 6 bytes: begin of the bucket, ms | version 8 UUID of XXH3(tenant, set, values, zone), 74 bits |
 *
 * The time stands first, so that rows which are written together stand together in the key's index.  The tenant is in
 * it because rows are found by their id, and only then compared with the tenant: one id of all tenants would be read
 * from one end to the other each time.
 */
#include "projections/rollup_rows.h"

#include <assert.h>

#include "projections/registry.h"
#include "rules/histogram.h"

#define QUARTER (900 * TIME_SECOND)

const unsigned rollup_sets[ROLLUP_SETS] = {
	[ROLLUP_ALL] = 0, [ROLLUP_CHANNEL] = BIT(CHANNEL), [ROLLUP_TEAM] = BIT(TEAM), [ROLLUP_AGENT] = BIT(AGENT),
	[ROLLUP_TIER] = BIT(TIER), [ROLLUP_SEVERITY] = BIT(SEVERITY), [ROLLUP_INTENT] = BIT(INTENT),
	[ROLLUP_CHANNEL_TEAM] = BIT(CHANNEL) | BIT(TEAM), [ROLLUP_TEAM_AGENT] = BIT(TEAM) | BIT(AGENT),
};

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

void rollup_gather(struct fold *f, const struct contribution *c, unsigned into, int sign)
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

/* ---- into the rows ---- */

static inline bool is_row(const struct rollup *r, const struct gathered *g, const struct projection *p, int64_t bucket_at,
		   struct bytes time_zone, enum rollup_set set)
{
	return r->bucket_at == bucket_at && r->dimensions == (int16_t)set && r->row.of == p &&
	       uuid_equal(&r->row.tenant_id, &g->tenant_id) && bytes_equal(r->time_zone, time_zone) &&
	       (!rollup_sets[set] || !rollup_differ(rollup_sets[set], &r->values, &g->values));
}

/* By the row's id, which says all that it is about. */
static struct rollup *find_by_id(struct state *s, const struct gathered *g, const struct projection *p, uint64_t hash,
				 int64_t bucket_at, struct bytes time_zone, enum rollup_set set)
{
	struct rollup_values values;
	struct rollup *r;
	struct uuid id;
	bool begun;

	values = only(rollup_sets[set], &g->values);
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

	for (unsigned left = rollup_sets[set]; left; left &= left - 1)
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

void rollup_settle(struct state *s)
{
	const struct gathering *all = s->gathered;

	s->gathered = NULL;
	for (int i = 0; all && i < TENANT_LISTS; i++)
		for (int set = 0; set < ROLLUP_SETS && all->lists[i].first; set++)
			settle_set(s, all->lists[i].first, (enum rollup_set)set);
}
