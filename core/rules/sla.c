/* sla - see sla.h. */
#include "rules/sla.h"

#include "event/catalog.h"
#include "event/fields.h"
#include "event/number.h"
#include "rules/lifecycle.h"

/* Notes the first fault and goes on. */
#define FAULT(error, ...)                                                \
	do {                                                             \
		if (!(error)->code)                                      \
			error_field((error), E_INVALID, __VA_ARGS__);    \
	} while (0)

#define BIT(n) (1u << (n))

enum { WEEKS_MOST = 50 * 52 };
enum { SENDER_AGENT = 1, SENDER_AI = 3, STATUS_DEPLOYED = 4, STATUS_MONITORING = 5, STATUS_OPEN_COUNT = 6 };

/* ---- reading ---- */

static const struct {
	const char *name;
	enum sla_kind kind;
} members[] = {
	{ "first_response", SLA_FIRST_RESPONSE },
	{ "next_response", SLA_NEXT_RESPONSE },
	{ "update", SLA_UPDATE },
	{ "update_interval", SLA_UPDATE },
	{ "resolution", SLA_RESOLUTION },
	{ "first_response_time_minutes", SLA_FIRST_RESPONSE },
	{ "next_response_time_minutes", SLA_NEXT_RESPONSE },
	{ "update_interval_minutes", SLA_UPDATE },
	{ "resolution_time_minutes", SLA_RESOLUTION },
};

static struct bytes json_of(const struct fields *f, const char *name)
{
	struct bytes raw = field_raw(f, name);

	return raw.data && json_is_null(raw) ? (struct bytes){ 0 } : raw;
}

struct sla_policy_fields sla_policy_fields(const struct fields *f)
{
	int by = field_enum(f, "first_response_by");

	return (struct sla_policy_fields){
		.minutes = {
			[SLA_FIRST_RESPONSE] = field_int(f, "first_response_time_minutes", 0),
			[SLA_NEXT_RESPONSE] = field_int(f, "next_response_time_minutes", 0),
			[SLA_UPDATE] = field_int(f, "update_interval_minutes", 720),
			[SLA_RESOLUTION] = field_int(f, "resolution_time_minutes", 0),
		},
		.channel_overrides = json_of(f, "channel_overrides"),
		.priority_overrides = json_of(f, "priority_overrides"),
		.business_hours = json_of(f, "business_hours"),
		.holidays = json_of(f, "holidays"),
		.pause_states = json_of(f, "pause_states"),
		.warn_at = json_of(f, "warn_at"),
		.timezone = field_text(f, "timezone"),
		.business_hours_only = field_bool(f, "business_hours_only", true),
		.on_reopen = field_enum(f, "on_reopen") == SLA_REOPEN_RESTART ? SLA_REOPEN_RESTART : SLA_REOPEN_RESUME,
		.first_response_by = by < 0 ? SLA_BY_HUMAN : (enum sla_responder)by,
	};
}

/* Minutes with up to four decimals, as seconds, rounded up. */
static bool read_minutes(struct bytes raw, int64_t *seconds)
{
	int64_t v;

	if (number_decimal(raw, 4, &v) != NUMBER_FITS || v <= 0 || v > INT32_MAX * 10000LL)
		return false;
	*seconds = (v * 60 + 9999) / 10000;
	return true;
}

static bool is_object(struct bytes raw)
{
	return raw.len && raw.data[0] == '{';
}

static void read_override(struct bytes raw, const char *field, struct sla_override *out, struct error *error)
{
	struct bytes key, value;
	size_t at = 0;

	if (!is_object(raw)) {
		FAULT(error, field, "override is not an object");
		return;
	}
	while (json_next(raw, &at, &key, &value)) {
		size_t m = 0, count = sizeof(members) / sizeof(members[0]);

		if (json_is_null(value))
			continue;
		if (bytes_is(key, "business_hours_only") && (bytes_is(value, "true") || bytes_is(value, "false"))) {
			out->business_hours_only = bytes_is(value, "true");
			continue;
		}
		while (m < count && !bytes_is(key, members[m].name))
			m++;
		if (m == count || !read_minutes(value, &out->seconds[members[m].kind]))
			FAULT(error, field, "'%.*s' is not one of an override's members, or its value is not minutes",
			      (int)(key.len < 40 ? key.len : 40), key.data);
	}
}

static void read_priorities(struct bytes raw, struct sla_policy *out, struct error *error)
{
	struct bytes key, value;
	size_t at = 0;

	for (int i = 0; i < SLA_SEVERITIES; i++)
		out->severities[i].business_hours_only = -1;
	if (raw.data && !is_object(raw))
		FAULT(error, "priority_overrides", "not an object of severities");
	while (is_object(raw) && json_next(raw, &at, &key, &value)) {
		int s = 0;

		while (s < SLA_SEVERITIES && !bytes_is(key, values_severity[s]))
			s++;
		if (s == SLA_SEVERITIES)
			FAULT(error, "priority_overrides", "'%.*s' is not a severity", (int)(key.len < 40 ? key.len : 40), key.data);
		else
			read_override(value, "priority_overrides", &out->severities[s], error);
	}
}

static struct sla_override *read_channels(struct bytes raw, struct arena *arena, struct sla_policy *out, struct error *error)
{
	struct sla_override *list;
	struct bytes key, value;
	size_t at = 0;
	int members_there = 0;

	if (raw.data && !is_object(raw))
		FAULT(error, "channel_overrides", "not an object of channels");
	if (!is_object(raw))
		return NULL;
	while (members_there < SLA_CHANNELS_MAX && json_next(raw, &at, &key, &value))
		members_there++;
	if (!members_there)
		return NULL;
	out->channels = list = arena_zalloc(arena, (size_t)members_there * sizeof(*list));
	at = 0;
	while (out->channel_count < members_there && json_next(raw, &at, &key, &value)) {
		struct sla_override *o = &list[out->channel_count++];

		o->channel = arena_copy(arena, key);
		o->business_hours_only = -1;
		read_override(value, "channel_overrides", o, error);
	}
	if (json_next(raw, &at, &key, &value))
		FAULT(error, "channel_overrides", "more than %d channels; the rest is left out", SLA_CHANNELS_MAX);
	return list;
}

static int place_of(struct bytes word, const char *const *values)
{
	for (int i = 0; values[i]; i++)
		if (bytes_is(word, values[i]))
			return i;
	return -1;
}

static void read_pauses(struct bytes raw, struct arena *arena, struct sla_policy *out, struct error *error)
{
	uint32_t states = BIT(CONVERSATION_AWAITING_CUSTOMER), statuses = BIT(STATUS_DEPLOYED) | BIT(STATUS_MONITORING);

	if (raw.len && raw.data[0] == '[') {
		uint32_t named_states = 0, named_statuses = 0;
		struct bytes key, value;
		size_t at = 0;
		bool empty = true;

		while (json_next(raw, &at, &key, &value)) {
			struct bytes word = json_string(value, arena);
			int state = place_of(word, values_conversation_state);
			int status = place_of(word, values_resolution_status);

			empty = false;
			if (state < 0 && status < 0)
				FAULT(error, "pause_states", "'%.*s' is no state of a conversation and no status of a resolution",
				      (int)(word.len < 40 ? word.len : 40), word.data ? word.data : "");
			if (state >= 0)
				named_states |= BIT(state);
			if (status >= 0 && status < STATUS_OPEN_COUNT)
				named_statuses |= BIT(status);
		}
		if (empty || named_states)
			states = named_states;
		if (empty || named_statuses)
			statuses = named_statuses;
	}
	out->pauses[SLA_RESOLUTION] = states;
	out->pauses[SLA_UPDATE] = states | BIT(CONVERSATION_RESOLVED);
	out->resolution_pauses = statuses;
}

static void read_warnings(struct bytes raw, struct sla_policy *out, struct error *error)
{
	struct bytes key, value;
	size_t at = 0;

	if (!raw.len || raw.data[0] != '[') {
		if (raw.len)
			FAULT(error, "warn_at", "not a list of thresholds");
		out->warnings[out->warning_count++] = 7500;
		return;
	}
	while (json_next(raw, &at, &key, &value)) {
		int64_t threshold;

		if (number_decimal(value, 4, &threshold) != NUMBER_FITS || threshold <= 0 ||
		    threshold > INT32_MAX * (int64_t)SLA_THRESHOLD_ONE)
			FAULT(error, "warn_at", "threshold is not a positive number with up to four decimals");
		else if (out->warning_count == SLA_WARNINGS_MAX)
			FAULT(error, "warn_at", "more than %d thresholds; the rest is left out", SLA_WARNINGS_MAX);
		else
			out->warnings[out->warning_count++] = threshold;
	}
}

/* Minutes that the hours of some fifty years do not hold are promised to nobody. */
static void drop_far(struct sla_policy *p, int64_t *seconds, const char *field, struct error *error)
{
	for (int kind = 0; kind < SLA_KINDS; kind++)
		if (seconds[kind] > p->calendar.week / TIME_SECOND * WEEKS_MOST) {
			FAULT(error, field, "the hours of a week are so few that '%s' would not be due in %d years", values_sla_clock[kind],
			      WEEKS_MOST / 52);
			seconds[kind] = 0;
		}
}

static void drop_all_far(struct sla_policy *p, struct sla_override *channels, struct error *error)
{
	bool counts = p->business_hours_only;

	for (int i = 0; i < SLA_SEVERITIES; i++)
		counts = counts || p->severities[i].business_hours_only > 0;
	for (int i = 0; i < p->channel_count; i++)
		counts = counts || channels[i].business_hours_only > 0;
	if (!counts)
		return;
	drop_far(p, p->seconds, "business_hours", error);
	for (int i = 0; i < SLA_SEVERITIES; i++)
		drop_far(p, p->severities[i].seconds, "priority_overrides", error);
	for (int i = 0; i < p->channel_count; i++)
		drop_far(p, channels[i].seconds, "channel_overrides", error);
}

int sla_policy_read(const struct sla_policy_fields *in, struct zone_source zones, struct arena *arena,
		    struct sla_policy *out, struct error *error)
{
	const struct zone *zone = &zone_utc;
	struct sla_override *channels;
	struct error mine, later;

	error = error ? error : &mine;
	error_clear(error);
	*out = (struct sla_policy){
		.business_hours_only = in->business_hours_only,
		.on_reopen = in->on_reopen,
		.first_response_by = in->first_response_by,
	};
	for (int kind = 0; kind < SLA_KINDS; kind++)
		out->seconds[kind] = in->minutes[kind] * 60;
	if (in->timezone.len && !bytes_is(in->timezone, "UTC")) {
		zone = zones.find(zones.data, in->timezone);
		if (!zone)
			FAULT(error, "timezone", "'%.*s' is not a time zone of the tz database",
			      (int)(in->timezone.len < 50 ? in->timezone.len : 50), in->timezone.data);
		zone = zone ? zone : &zone_utc;
	}
	if (calendar_read(in->business_hours, in->holidays, zone, arena, &out->calendar, &later) < 0 && !error->code)
		*error = later;
	read_priorities(in->priority_overrides, out, error);
	channels = read_channels(in->channel_overrides, arena, out, error);
	read_pauses(in->pause_states, arena, out, error);
	read_warnings(in->warn_at, out, error);
	drop_all_far(out, channels, error);
	return error->code;
}

/* ---- asking ---- */

static const struct sla_override *channel_override(const struct sla_policy *p, struct bytes channel)
{
	for (int i = 0; channel.data && i < p->channel_count; i++)
		if (bytes_equal(p->channels[i].channel, channel))
			return &p->channels[i];
	return NULL;
}

static bool terms_in(const struct sla_policy *p, enum sla_kind kind, int severity, struct bytes channel,
		     struct sla_terms *out)
{
	const struct sla_override *by_severity = severity >= 0 && severity < SLA_SEVERITIES ? &p->severities[severity] : NULL;
	const struct sla_override *by_channel = channel_override(p, channel);
	bool business = p->business_hours_only;

	out->policy = p;
	out->seconds = p->seconds[kind];
	if (by_channel && by_channel->seconds[kind])
		out->seconds = by_channel->seconds[kind];
	if (by_severity && by_severity->seconds[kind])
		out->seconds = by_severity->seconds[kind];
	if (by_channel && by_channel->business_hours_only >= 0)
		business = by_channel->business_hours_only;
	if (by_severity && by_severity->business_hours_only >= 0)
		business = by_severity->business_hours_only;
	out->calendar = business ? &p->calendar : &calendar_always;
	return out->seconds > 0;
}

bool sla_find_terms(const struct sla_policy *const *candidates, int count, enum sla_kind kind, int severity,
		    struct bytes channel, struct sla_terms *out)
{
	for (int i = 0; i < count; i++)
		if (candidates[i] && terms_in(candidates[i], kind, severity, channel, out)) {
			out->candidate = i;
			return true;
		}
	return false;
}

bool sla_pauses(const struct sla_policy *p, enum sla_kind kind, int state)
{
	return state >= 0 && (p->pauses[kind] & BIT(state));
}

bool sla_pauses_resolution(const struct sla_policy *p, int status)
{
	return status >= 0 && (p->resolution_pauses & BIT(status));
}

bool sla_answers(enum sla_responder by, const struct sla_answer *a)
{
	if (!a->is_public || a->is_automatic)
		return false;
	return (a->sender_type == SENDER_AGENT && by != SLA_BY_AI) || (a->sender_type == SENDER_AI && by != SLA_BY_HUMAN);
}

bool sla_waits_for_handoff(const struct sla_policy *p, bool ai_handled)
{
	return ai_handled && p->first_response_by == SLA_BY_HUMAN;
}
