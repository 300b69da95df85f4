/*
 * sla_clock_history - what happened to the clocks, in order: applied, paused, resumed, retargeted, warning, breached,
 * fulfilled, fulfilment_revoked, breach_retracted, cancelled; one row each, with the event that caused it.
 *
 * An event may do several things to several clocks; `ordinal` counts them within it, and the row's id is a version 8
 * UUID of XXH3(event_id, ordinal), with the time of recording first: rows come one an event and more, and so they go
 * to one end of the key's index.
 */
#include "projections/registry.h"
#include "projections/sla_clocks.h"

struct history {
	struct row row;
	struct uuid clock_id, conversation_id, resolution_id;
	int16_t clock;
	int64_t cycle;
	int16_t happening;
	int64_t at;
	int16_t state;
	int64_t due_at, target_seconds, consumed_seconds;
	struct uuid policy_id;
	int64_t policy_version;
	struct uuid event_id;
	struct bytes event_type;
	int64_t ordinal, position, recorded_at;
};

static struct uuid id_of(const struct event *e, uint32_t ordinal)
{
	uint8_t key[sizeof(e->event_id) + 4];
	struct uuid id;

	memcpy(key, &e->event_id, sizeof(e->event_id));
	put_be32(key + sizeof(e->event_id), ordinal);
	uuid_digest(&id, key, sizeof(key));
	uuid_set_time(&id, e->recorded_at);
	return id;
}

static void add(struct fold *f, const struct event *e, const struct clock_happening *h, int ordinal)
{
	struct uuid id = id_of(e, (uint32_t)ordinal);
	struct history *row = fold_add_as(f, &id);

	row->clock_id = h->clock->row.id;
	row->conversation_id = h->clock->conversation_id;
	row->resolution_id = h->clock->resolution_id;
	row->clock = h->clock->clock;
	row->cycle = h->clock->cycle;
	row->happening = (int16_t)h->what;
	row->at = h->at;
	row->state = h->state;
	row->due_at = h->due_at;
	row->target_seconds = h->target_seconds;
	row->consumed_seconds = h->consumed_seconds;
	row->policy_id = h->policy_id;
	row->policy_version = h->policy_version;
	row->event_id = e->event_id;
	row->event_type = bytes_text(e->type->name);
	row->ordinal = ordinal;
	row->position = e->position;
	row->recorded_at = e->recorded_at;
}

static int on_event(struct fold *f, const struct event *e)
{
	for (int i = 0; i < f->facts.happening_count; i++)
		add(f, e, &f->facts.happenings[i], i);
	return 0;
}

static const struct column columns[] = {
	COLUMN(history, clock_id, UUID, .required = true),
	COLUMN(history, conversation_id, UUID),
	COLUMN(history, resolution_id, UUID, .about = "null: the clock is the conversation's own"),
	COLUMN(history, clock, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_clock),
	COLUMN(history, cycle, INT4, .sql = "integer", .required = true),
	COLUMN(history, happening, ENUM, .sql = "varchar(20)", .required = true, .values = sla_happenings),
	COLUMN(history, at, TIME, .required = true, .about = "business time: of a breach its own instant, else the event's occurred_at"),
	COLUMN(history, state, ENUM, .sql = "varchar(20)", .required = true, .values = sla_states, .about = "afterwards, as the next ones"),
	COLUMN(history, due_at, TIME),
	COLUMN(history, target_seconds, INT8, .required = true),
	COLUMN(history, consumed_seconds, INT8, .required = true),
	COLUMN(history, policy_id, UUID, .required = true),
	COLUMN(history, policy_version, INT4, .sql = "integer", .required = true),
	COLUMN(history, event_id, UUID, .required = true, .about = "the cause"),
	COLUMN(history, event_type, TEXT, .required = true),
	COLUMN(history, ordinal, INT4, .sql = "integer", .required = true, .about = "counts what one event did"),
	COLUMN(history, position, INT8, .required = true, .about = "the event's position in its shard"),
	COLUMN(history, recorded_at, TIME, .required = true),
};

#define ON_IT(event) ON(event, CALL, .then = on_event),

static const struct fold_entry folds[] = {
	ON(SLA_WARNING, CALL, .then = on_event),
	ON(SLA_BREACHED, CALL, .then = on_event),
	ON(SLA_BREACH_RETRACTED, CALL, .then = on_event),
	ON(SLA_POLICY_REAPPLY, CALL, .then = on_event),
	ON(CUSTOMER_UPDATE_SENT, CALL, .then = on_event),
	EVENTS_OF_CLOCKS(ON_IT, ON_IT, ON_IT, ON_IT)
	{ .kind = EV_UNKNOWN },
};

/* Each index more costs every insert; the first tells a conversation's story, the second, of few rows, a resolution's. */
static const char *const indexes[] = {
	"(tenant_id, conversation_id, position)", "(tenant_id, resolution_id, position) WHERE resolution_id IS NOT NULL", NULL,
};

const struct projection sla_clock_history = {
	.schema = "core", .name = "sla_clock_history", .version = 2,
	.about = "What happened to the SLA clocks, in order, and which events caused it.",
	COLUMNS(history, columns), FOLDS(folds), .indexes = indexes, .history = true,
	NEEDS(&sla_clocks),
};
