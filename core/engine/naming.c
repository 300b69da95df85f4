/* naming - see naming.h. */
#include "engine/naming.h"

#include <stdlib.h>

#include "rules/reapply.h"

void naming_init(struct naming *n, int most)
{
	*n = (struct naming){ .most = most, .names = mem_alloc((size_t)most * sizeof(*n->names)) };
}

void naming_release(struct naming *n)
{
	free(n->names);
	n->names = NULL;
}

void naming_begin(struct naming *n, const struct due_ask *ask)
{
	bool same_ask = uuid_equal(&n->ask.tenant_id, &ask->tenant_id) && uuid_equal(&n->ask.id, &ask->id);
	struct uuid nil = { { 0 } };

	if (same_ask && n->ask.parts == ask->parts)
		return; /* broken off, or not taken: it goes on */
	if (!same_ask)
		n->from_conversation = n->from_clock = nil;
	n->ask = *ask;
	n->conversation = n->from_conversation;
	n->clock = n->from_clock;
	n->count = 0;
	n->complete = false;
}

void naming_ask(const struct naming *n, struct store_names *out, int rows)
{
	out->ask = n->ask;
	out->after_conversation = n->conversation;
	out->after_clock = n->clock;
	out->rows = rows;
	out->limit = n->most - n->count;
}

static bool same(const struct due_name *a, const struct due_name *b)
{
	return uuid_equal(&a->resolution_id, &b->resolution_id) && uuid_equal(&a->conversation_id, &b->conversation_id);
}

/* A conversation's clocks come one after the other, so what is there already is not far back. */
static bool has(const struct naming *n, const struct due_name *name)
{
	for (int i = n->count - 1; i >= 0 && uuid_equal(&n->names[i].conversation_id, &name->conversation_id); i--)
		if (same(&n->names[i], name))
			return true;
	return false;
}

void naming_add(struct naming *n, const struct store_names *found)
{
	for (int i = 0; i < found->count; i++)
		if (!has(n, &found->names[i]))
			n->names[n->count++] = found->names[i];
	n->conversation = found->after_conversation;
	n->clock = found->after_clock;
	n->complete = found->complete;
}

bool naming_is_full(const struct naming *n)
{
	return n->complete || n->count == n->most;
}

static void add_list(const struct naming *n, bool own, struct buffer *b)
{
	char text[UUID_TEXT];
	bool any = false;

	for (int i = 0; i < n->count; i++) {
		const struct due_name *name = &n->names[i];

		if (uuid_is_nil(&name->resolution_id) != own)
			continue;
		if (!any)
			buffer_printf(b, "%s\"%s\":[", b->len > 1 ? "," : "", own ? "conversation_ids" : "resolution_ids");
		buffer_printf(b, "%s\"%s\"", any ? "," : "", uuid_format(own ? &name->conversation_id : &name->resolution_id, text));
		any = true;
	}
	if (any)
		buffer_add_byte(b, ']');
}

/* Canonical as it stands: two lists in order of their names, either of which may be missing. */
static struct bytes payload(const struct naming *n, struct arena *arena)
{
	struct buffer b = { 0 };
	struct bytes text;

	buffer_add_byte(&b, '{');
	add_list(n, true, &b);
	add_list(n, false, &b);
	buffer_add_byte(&b, '}');
	text = arena_copy(arena, buffer_bytes(&b));
	buffer_release(&b);
	return text;
}

void naming_event(const struct naming *n, struct arena *arena, struct event *out)
{
	const struct event_type *type = catalog_get(EV_SLA_POLICY_REAPPLY);

	memset(out, 0, sizeof(*out));
	out->event_id = reapply_id(&n->ask.tenant_id, &n->ask.id, n->ask.parts + 1);
	out->tenant_id = n->ask.tenant_id;
	out->entity_id = n->ask.policy_id;
	out->causation_id = n->ask.id;
	out->type = type;
	out->type_name = bytes_text(type->name);
	out->entity_type = bytes_text(entity_name(type->entity));
	out->version = type->shape.version;
	out->actor_type = ACTOR_SYSTEM;
	out->occurred_at = n->ask.asked_at;
	out->payload = payload(n, arena);
}

void naming_done(struct naming *n)
{
	n->from_conversation = n->conversation;
	n->from_clock = n->clock;
}
