/* replay_scope - see replay_scope.h. */
#include "cmd/replay_scope.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "cmd/replay_history.h"
#include "event/fields.h"
#include "projections/registry.h"

enum { ROUNDS_MOST = 200, ARENA_BLOCK = 256 << 10 };

static const struct kind {
	const char *name;
	enum entity entity;
	const char *columns[3]; /* that name it in rows of other read models */
} kinds[] = {
	[SUBJECT_CONVERSATION] = { "conversation", ENTITY_CONVERSATION, { "conversation_id" } },
	[SUBJECT_CUSTOMER] = { "customer", ENTITY_CUSTOMER, { "customer_id" } },
	[SUBJECT_RESOLUTION] = { "resolution", ENTITY_RESOLUTION, { "resolution_id" } },
	[SUBJECT_AGENT] = { "agent", ENTITY_USER, { "user_id", "agent_id", "assigned_agent_id" } },
	[SUBJECT_CORRELATION] = { "correlation", ENTITY_NONE, { NULL } },
	[SUBJECT_ENTITY] = { "entity", ENTITY_NONE, { NULL } },
};

const char *subject_name(enum subject_kind kind)
{
	return kinds[kind].name;
}

/* ---- what has been asked for, and what is to be asked next ---- */

enum { ASKS = FIND_TENANT + 1 };

struct asked_key {
	uint64_t by;
	struct uuid id;
};

struct list {
	struct uuid *ids;
	int count, capacity;
};

struct gathering {
	struct scope *scope;
	struct subject *subject;
	const struct find_limits *limits;
	struct map asked;   /* (by, id) */
	struct map known;   /* position -> event */
	struct list next[ASKS];
	struct list messages; /* asked for in vain, perhaps made later */
	bool waiting;
};

static void list_add(struct list *l, const struct uuid *id)
{
	if (l->count == l->capacity) {
		l->capacity = l->capacity ? 2 * l->capacity : 16;
		l->ids = mem_realloc(l->ids, sizeof(*l->ids) * (size_t)l->capacity);
	}
	l->ids[l->count++] = *id;
}

static void want(struct gathering *g, enum find_by by, const struct uuid *id)
{
	struct asked_key key = { by, *id };
	void **slot;

	if (uuid_is_nil(id))
		return;
	slot = map_put(&g->asked, &key);
	if (*slot)
		return;
	*slot = g;
	list_add(&g->next[by], id);
	g->waiting = true;
}

/* An entity's events, wherever its kind has them. */
static void want_entity(struct gathering *g, enum entity entity, const struct uuid *id)
{
	switch (entity) {
	case ENTITY_CONVERSATION:
		want(g, FIND_CONVERSATION, id);
		want(g, FIND_OTHER, id);
		return;
	case ENTITY_RESOLUTION:
		want(g, FIND_RESOLUTION, id);
		want(g, FIND_ENTITY, id);
		return;
	case ENTITY_SLA_POLICY:
		want(g, FIND_POLICIES, &g->subject->tenant_id);
		return;
	case ENTITY_CUSTOMER:
		want(g, FIND_OTHER, id);
		if (g->subject->kind == SUBJECT_CUSTOMER)
			want(g, FIND_BEGUN, id);
		want(g, FIND_ENTITY, id);
		want(g, FIND_CONTEXT, id);
		return;
	case ENTITY_USER: /* for the name alone: no fold but the users' own looks at their rows */
		want(g, FIND_NAMES, id);
		return;
	case ENTITY_TENANT:
	case ENTITY_TEAM:
		want(g, FIND_ENTITY, id);
		want(g, FIND_CONTEXT, id);
		return;
	case ENTITY_MESSAGE: /* always amid a conversation, and there is no index but the conversation's */
	case ENTITY_SLA_CLOCK:
	case ENTITY_NONE:
		return;
	default:
		want(g, FIND_ENTITY, id);
		return;
	}
}

/* A fold has asked in vain for this row. */
static void on_missed(void *data, const struct row_key *key)
{
	struct gathering *g = data;
	const struct projection *p = key->projection;
	enum entity entity = p->entity != ENTITY_NONE ? p->entity : p->beside;

	if (entity == ENTITY_MESSAGE)
		list_add(&g->messages, &key->id);
	else if (entity == ENTITY_USER)
		return; /* whose load it is changes the user's row and no other */
	else if (strncmp(p->name, "sla_policy_", strlen("sla_policy_")) == 0)
		want_entity(g, ENTITY_SLA_POLICY, &key->id);
	else
		want_entity(g, entity, &key->id);
}

/*
 * Entities of which the payload speaks, where an event about one can change another: parents, duplicates, merges.  Of
 * the subject's own events also people, for their names.
 */
static void want_refs(struct gathering *g, const struct event *e, bool own)
{
	const struct field *f = e->type ? e->type->shape.fields : NULL;

	for (; f && f->name; f++) {
		bool followed = f->ref == ENTITY_RESOLUTION || f->ref == ENTITY_CONVERSATION || f->ref == ENTITY_CUSTOMER ||
				(own && f->ref == ENTITY_USER);
		struct bytes raw = followed && f->type == FIELD_UUID ? json_member(e->payload, f->name) : bytes_text(NULL);
		struct uuid id;

		if (raw.len == 38 && uuid_parse(raw.data + 1, 36, &id))
			want_entity(g, f->ref, &id);
	}
}

/* What an event that was found leads to. */
static void follow(struct gathering *g, const struct event *e)
{
	enum entity entity = e->type ? e->type->entity : ENTITY_NONE;
	bool own = subject_has_event(g->subject, e);

	switch (entity) {
	case ENTITY_CUSTOMER:
	case ENTITY_USER:
	case ENTITY_TEAM:
	case ENTITY_TENANT:
	case ENTITY_SLA_POLICY:
		break; /* asked for by name where they matter */
	case ENTITY_CONVERSATION:
		if (g->subject->kind == SUBJECT_CUSTOMER || g->subject->kind == SUBJECT_CORRELATION ||
		    e->type->kind == EV_CONVERSATION_MERGED ||
		    e->type->kind == EV_CONVERSATION_MERGED_INTO || e->type->kind == EV_CONVERSATION_SPLIT)
			want_entity(g, entity, &e->entity_id);
		break;
	default:
		want_entity(g, entity, &e->entity_id);
	}
	want_refs(g, e, own);
	if (own && e->actor_type == ACTOR_USER) /* for the name */
		want_entity(g, ENTITY_USER, &e->actor_id);
	if (own && g->subject->kind == SUBJECT_CORRELATION && !uuid_is_nil(&e->conversation_id))
		want_entity(g, ENTITY_CONVERSATION, &e->conversation_id);
}

/* ---- rounds ---- */

static int by_position(const void *a, const void *b)
{
	const struct event *const *x = a, *const *y = b;

	return ((*x)->position > (*y)->position) - ((*x)->position < (*y)->position);
}

/* Asks for all that is waiting, in one round trip. */
static int ask(struct gathering *g, struct log_find *log, struct error *error)
{
	struct scope *s = g->scope;
	struct find_limits limits = *g->limits;
	struct find_ask asks[ASKS];
	struct event *found;
	int count = 0, found_count, status, before = s->count;

	for (int by = 0; by < ASKS; by++)
		if (g->next[by].count)
			asks[count++] = (struct find_ask){ (enum find_by)by, g->next[by].ids, g->next[by].count };
	g->waiting = false;
	s->rounds++;
	limits.events -= s->count;
	status = log_find_events(log, &g->subject->tenant_id, &limits, asks, count, &s->arena, &found, &found_count, error);
	for (int by = 0; by < ASKS; by++)
		g->next[by].count = 0;
	if (status || found_count == 0)
		return status;
	s->events = mem_realloc(s->events, sizeof(*s->events) * (size_t)(s->count + found_count));
	for (int i = 0; i < found_count; i++) {
		void **slot = map_put(&g->known, &found[i].position);

		if (*slot)
			continue;
		*slot = &found[i];
		s->events[s->count++] = &found[i];
	}
	for (int i = before; i < s->count; i++)
		follow(g, s->events[i]);
	qsort(s->events, (size_t)s->count, sizeof(*s->events), by_position);
	return 0;
}

static int fold_all(struct gathering *g, struct zone_source zones, struct error *error)
{
	struct history h;
	int status = 0;

	history_init(&h, zones);
	h.missed = on_missed;
	h.data = g;
	g->messages.count = 0;
	for (int i = 0; i < g->scope->count && !status; i++)
		status = history_fold(&h, g->scope->events[i], error);
	g->scope->unfound = 0;
	for (int i = 0; i < g->messages.count; i++)
		g->scope->unfound += !history_find(&h, &messages, &g->subject->tenant_id, &g->messages.ids[i]);
	history_release(&h);
	return status;
}

/* The first question.  What is always needed comes along, to save a round. */
static void begin(struct gathering *g)
{
	struct subject *s = g->subject;

	switch (s->kind) {
	case SUBJECT_CONVERSATION:
	case SUBJECT_CUSTOMER:
	case SUBJECT_RESOLUTION:
		want_entity(g, kinds[s->kind].entity, &s->id);
		want_entity(g, ENTITY_TENANT, &s->tenant_id);
		want_entity(g, ENTITY_SLA_POLICY, &s->tenant_id);
		return;
	case SUBJECT_AGENT:
		want(g, FIND_TENANT, &s->tenant_id);
		return;
	case SUBJECT_CORRELATION:
		want(g, FIND_CORRELATION, &s->id);
		return;
	case SUBJECT_ENTITY:
		want(g, FIND_ENTITY, &s->id);
		want(g, FIND_ANYWHERE, &s->id);
		return;
	}
}

/* What an entity of no stated kind is shows from its first event. */
static void name_entity(struct gathering *g)
{
	struct subject *s = g->subject;
	enum entity entity = ENTITY_NONE;

	for (int i = 0; i < g->scope->count && entity == ENTITY_NONE; i++)
		if (g->scope->events[i]->type && uuid_equal(&g->scope->events[i]->entity_id, &s->id))
			entity = g->scope->events[i]->type->entity;
	for (int k = 0; k < SUBJECT_CORRELATION; k++)
		if (kinds[k].entity == entity) {
			s->kind = (enum subject_kind)k;
			begin(g);
			return;
		}
	for (int i = 0; i < g->scope->count; i++) /* a part of a conversation has its context there; all else is read whole */
		if (uuid_is_nil(&g->scope->events[i]->conversation_id))
			want(g, FIND_TENANT, &s->tenant_id);
		else
			want_entity(g, ENTITY_CONVERSATION, &g->scope->events[i]->conversation_id);
}

int scope_gather(struct scope *s, struct log_find *log, struct subject *subject, const struct find_limits *limits,
		 struct zone_source zones, struct error *error)
{
	struct gathering g = { .scope = s, .subject = subject, .limits = limits };
	int status;

	memset(s, 0, sizeof(*s));
	arena_init(&s->arena, ARENA_BLOCK);
	map_init(&g.asked, sizeof(struct asked_key));
	map_init(&g.known, sizeof(int64_t));
	begin(&g);
	status = ask(&g, log, error);
	if (!status && subject->kind == SUBJECT_ENTITY)
		name_entity(&g);
	while (!status && s->count && s->rounds < ROUNDS_MOST) {
		if (!g.waiting)
			status = fold_all(&g, zones, error); /* asks for what it misses */
		if (!g.waiting || status)
			break;
		status = ask(&g, log, error);
	}
	if (!status && s->rounds == ROUNDS_MOST)
		status = error_set(error, E_TOO_LARGE, "what it is bound up with has no end; a part of the tenant's "
				   "events is not enough");
	for (int by = 0; by < ASKS; by++)
		free(g.next[by].ids);
	free(g.messages.ids);
	map_release(&g.asked);
	map_release(&g.known);
	return status;
}

void scope_release(struct scope *s)
{
	free(s->events);
	arena_release(&s->arena);
	memset(s, 0, sizeof(*s));
}

/* ---- what is the subject's ---- */

bool subject_has_event(const struct subject *subject, const struct event *e)
{
	char text[UUID_TEXT];

	if (uuid_equal(&e->entity_id, &subject->id))
		return true;
	switch (subject->kind) {
	case SUBJECT_CONVERSATION:
		return uuid_equal(&e->conversation_id, &subject->id);
	case SUBJECT_CUSTOMER:
		if (uuid_equal(&e->customer_id, &subject->id))
			return true;
		break;
	case SUBJECT_RESOLUTION:
		if (uuid_equal(&e->resolution_id, &subject->id))
			return true;
		break;
	case SUBJECT_CORRELATION:
		return uuid_equal(&e->correlation_id, &subject->id);
	case SUBJECT_AGENT:
	case SUBJECT_ENTITY:
		if (uuid_equal(&e->actor_id, &subject->id))
			return true;
		break;
	}
	return memmem(e->payload.data, e->payload.len, uuid_format(&subject->id, text), UUID_TEXT - 1) != NULL;
}

bool subject_has_row(const struct subject *subject, const struct row *row)
{
	const struct kind *kind = &kinds[subject->kind];
	const struct projection *p = row->of;

	if (uuid_equal(&row->id, &subject->id) && (subject->kind == SUBJECT_ENTITY || p->entity == kind->entity ||
						   p->beside == kind->entity))
		return true;
	for (int n = 0; n < 3 && kind->columns[n]; n++)
		for (int i = 0; i < p->column_count; i++) {
			const struct column *c = &p->columns[i];

			if (c->kind == COLUMN_UUID && strcmp(c->name, kind->columns[n]) == 0 &&
			    memcmp((const char *)row + c->offset, subject->id.b, sizeof(subject->id.b)) == 0)
				return true;
		}
	return false;
}
