/*
 * sla_foresee - the rows that an event of a conversation needs for its clocks, before it is folded (see sla_talk.c).
 *
 * Most messages need none, which the conversation's row tells.  Too much is asked for rather than too little: a row
 * that nobody foresaw costs the whole batch a second try.
 */
#include "projections/customer_updates.h"
#include "projections/messages.h"
#include "projections/registry.h"
#include "projections/sla_answers.h"
#include "projections/sla_talk.h"
#include "projections/sla_terms.h"

struct conversation *wish_conversation(struct wish *w, const struct uuid *id)
{
	struct conversation *c = wish_row(w, &conversations, id);

	for (int hops = 0; c && !uuid_is_nil(&c->merged_into_id) && hops <= MERGE_HOPS_MAX; hops++) {
		struct conversation *into = wish_row(w, &conversations, &c->merged_into_id);

		if (!into)
			break;
		c = into;
	}
	return c;
}

static const struct clock *wish_clock(struct wish *w, struct conversation *c, enum sla_kind kind, int64_t cycle)
{
	const struct clock *row = cycle > 0 ? wish_row(w, &sla_clocks, talk_clock_id(c, kind, cycle)) : NULL;

	if (row)
		wish_promise(w, &row->version_id, &c->row.tenant_id);
	return row;
}

static void wish_open(struct wish *w, struct conversation *c, enum sla_kind kind)
{
	if (clock_is_open(conversation_clock(c, kind)))
		wish_clock(w, c, kind, c->clock_cycles[kind]);
}

static void wish_all_open(struct wish *w, struct conversation *c)
{
	for (int kind = 0; kind < SLA_KINDS; kind++)
		wish_open(w, c, (enum sla_kind)kind);
}

/* The cycle of now, and the one before it. */
static void wish_two(struct wish *w, struct conversation *c, enum sla_kind kind, int64_t cycle)
{
	const struct clock *row = wish_clock(w, c, kind, cycle);

	if (row)
		wish_clock(w, c, kind, row->after_cycle);
}

static void wish_now(struct wish *w, struct conversation *c)
{
	wish_promises(w, &c->row.tenant_id, &c->assigned_team_id, c->sla_tier);
}

static void foresee_received(struct wish *w, const struct event *e, struct conversation *c)
{
	if (c->state == CONVERSATION_RESOLVED)
		wish_clock(w, c, SLA_RESOLUTION, c->clock_cycles[SLA_RESOLUTION]);
	for (int kind = 0; kind < SLA_KINDS; kind++)
		if (conversation_clock(c, (enum sla_kind)kind) == SLA_PAUSED)
			wish_open(w, c, (enum sla_kind)kind);
	if (c->state == CONVERSATION_RESOLVED || (talk_is_answered(c) && !clock_is_open(conversation_clock(c, SLA_NEXT_RESPONSE))))
		wish_now(w, c);
}

static void foresee_answer(struct wish *w, struct conversation *c, int64_t at)
{
	wish_all_open(w, c);
	wish_clock(w, c, SLA_UPDATE, c->clock_cycles[SLA_UPDATE]);
	wish_now(w, c);
	if (!talk_is_late(c, at))
		return;
	wish_clock(w, c, SLA_FIRST_RESPONSE, c->clock_cycles[SLA_FIRST_RESPONSE]);
	wish_two(w, c, SLA_NEXT_RESPONSE, c->clock_cycles[SLA_NEXT_RESPONSE]);
	wish_two(w, c, SLA_UPDATE, c->clock_cycles[SLA_UPDATE]);
}

/* The message may become an answer within this batch, before it fails; so it may be one of now, or not even be there. */
static void foresee_void(struct wish *w, struct conversation *c, const struct message *m)
{
	wish_answers(w, c);
	wish_all_open(w, c);
	wish_clock(w, c, SLA_FIRST_RESPONSE, c->clock_cycles[SLA_FIRST_RESPONSE]);
	wish_two(w, c, SLA_NEXT_RESPONSE, c->clock_cycles[SLA_NEXT_RESPONSE]);
	wish_two(w, c, SLA_UPDATE, c->clock_cycles[SLA_UPDATE]);
	if (!m)
		return;
	wish_clock(w, c, SLA_NEXT_RESPONSE, m->next_response_cycle);
	wish_two(w, c, SLA_UPDATE, m->update_cycle);
}

static void foresee_message(struct wish *w, const struct event *e)
{
	const struct message *m = wish_row(w, &messages, &e->entity_id);
	enum event_kind kind = e->type->kind;
	bool said = kind == EV_MESSAGE_RECEIVED || kind == EV_MESSAGE_SENT || kind == EV_MESSAGE_FAILED;
	struct conversation *c = NULL;

	if (said || (m && answer_may_change(m, e)))
		c = wish_conversation(w, m ? &m->conversation_id : &e->conversation_id);
	if (!c)
		return;
	if (kind == EV_MESSAGE_RECEIVED)
		foresee_received(w, e, c);
	else if (kind == EV_MESSAGE_FAILED)
		foresee_void(w, c, m);
	else
		foresee_answer(w, c, kind == EV_MESSAGE_SENT ? e->occurred_at : TIME_MIN);
}

/* The team that the event gives the conversation to. */
static void wish_team(struct wish *w, const struct event *e, const char *field, int16_t tier)
{
	const struct fields *fields;
	struct uuid team;

	fields = wish_fields(w);
	if (!fields)
		return;
	team = field_uuid(fields, field);
	if (!uuid_is_nil(&team))
		wish_promises(w, &e->tenant_id, &team, tier);
}

static void foresee_reapply(struct wish *w, const struct event *e)
{
	struct bytes ids, key, value;
	const struct fields *fields;
	struct uuid id;
	size_t at = 0;

	fields = wish_fields(w);
	if (!fields)
		return;
	ids = field_raw(fields, "conversation_ids");
	while (ids.data && !json_is_null(ids) && json_next(ids, &at, &key, &value)) {
		struct conversation *c = uuid_parse(value.data + 1, value.len - 2, &id) ? wish_row(w, &conversations, &id) : NULL;

		if (c) {
			wish_all_open(w, c);
			wish_clock(w, c, SLA_RESOLUTION, c->clock_cycles[SLA_RESOLUTION]);
			wish_now(w, c);
		}
	}
}

void sla_foresee_talk(struct wish *w, const struct event *e)
{
	static const struct uuid no_team;
	const struct customer_update *u;
	struct conversation *c;

	switch (e->type->kind) {
	case EV_SLA_POLICY_REAPPLY:
		foresee_reapply(w, e);
		return;
	case EV_CONVERSATION_CREATED:
		wish_promises(w, &e->tenant_id, &no_team, -1);
		wish_team(w, e, "assigned_team_id", -1);
		return;
	case EV_CUSTOMER_UPDATE_SENT:
		u = wish_row(w, &customer_updates, &e->entity_id);
		c = u ? wish_conversation(w, &u->conversation_id) : NULL;
		break;
	default:
		if (e->type->entity == ENTITY_MESSAGE) {
			foresee_message(w, e);
			return;
		}
		c = e->type->entity == ENTITY_CONVERSATION ? wish_row(w, &conversations, &e->entity_id) : wish_conversation(w, &e->conversation_id);
	}
	if (!c)
		return;
	wish_all_open(w, c);
	wish_clock(w, c, SLA_RESOLUTION, c->clock_cycles[SLA_RESOLUTION]);
	if (e->type->entity == ENTITY_ANNOTATION)
		return;
	wish_now(w, c);
	if (e->type->kind == EV_CONVERSATION_ASSIGNED || e->type->kind == EV_CONVERSATION_TEAM_ASSIGNED)
		wish_team(w, e, "team_id", c->sla_tier);
	if (e->type->kind == EV_CONVERSATION_TRANSFERRED || e->type->kind == EV_CONVERSATION_ESCALATED)
		wish_team(w, e, "to_team_id", c->sla_tier);
	if (e->type->kind == EV_CONVERSATION_TIER_CHANGED)
		wish_promises(w, &e->tenant_id, &c->assigned_team_id, -1);
}
