/* tally - see tally.h. */
#include "engine/tally.h"

#include <stdio.h>
#include <string.h>

static bool same(const struct tally_kind *a, const struct tally_kind *b)
{
	return strcmp(a->action, b->action) == 0 && strcmp(a->resource_id, b->resource_id) == 0 && strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->resource_type, b->resource_type) == 0 && strcmp(a->actor, b->actor) == 0 && uuid_equal(&a->tenant_id, &b->tenant_id);
}

/* The entry of this kind among list[from, to), else a free one, else NULL. */
static struct tally_entry *find(struct tally *t, const struct tally_kind *kind, int from, int to)
{
	struct tally_entry *empty = NULL;

	for (int i = from; i < to; i++) {
		struct tally_entry *e = &t->list[i];

		if (e->used && same(&e->kind, kind))
			return e;
		if (!e->used && !empty)
			empty = e;
	}
	return empty;
}

void tally_add(struct tally *t, const struct tally_kind *kind, int64_t wall, int64_t now)
{
	struct tally_entry *e = find(t, kind, 0, TALLY_MOST);
	struct tally_kind others = { .action = kind->action, .resource_type = kind->resource_type, .reason = "various" };

	if (!e) {
		kind = &others;
		snprintf(others.resource_id, sizeof(others.resource_id), "others");
		e = find(t, kind, TALLY_MOST, TALLY_MOST + TALLY_ACTIONS);
		if (!e)
			return; /* there are not so many actions */
	}
	if (!e->used)
		*e = (struct tally_entry){ .kind = *kind, .used = true, .due = now };
	if (!e->count)
		e->first_at = wall;
	e->last_at = wall;
	e->count++;
}

struct tally_entry *tally_next(struct tally *t, int64_t now)
{
	for (int i = 0; i < TALLY_MOST + TALLY_ACTIONS; i++) {
		struct tally_entry *e = &t->list[i];

		if (!e->used || e->sent || e->due > now)
			continue;
		if (!e->count) {
			e->used = false;
			continue;
		}
		e->sent = e->count;
		e->sent_first = e->first_at;
		e->sent_last = e->last_at;
		e->count = 0;
		e->due = now + TALLY_EVERY_MS * 1000LL;
		return e;
	}
	return NULL;
}

void tally_told(struct tally_entry *e, bool well)
{
	if (!well) {
		if (!e->count)
			e->last_at = e->sent_last;
		e->first_at = e->sent_first;
		e->count += e->sent;
	}
	e->sent = 0;
}
