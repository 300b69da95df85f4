/* replay_track - see replay_track.h. */
#include "cmd/replay_track.h"

#include <stdlib.h>
#include <string.h>

#include "event/fields.h"
#include "projections/registry.h"

struct place_key {
	const struct projection *model;
	struct uuid id;
};

#define GROW(array, count, capacity)                                                                          \
	do {                                                                                                  \
		if ((count) == (capacity)) {                                                                  \
			(capacity) = (capacity) ? 2 * (capacity) : 64;                                        \
			(array) = mem_realloc((array), sizeof(*(array)) * (size_t)(capacity));                \
		}                                                                                             \
	} while (0)

/* A correlation has no rows of its own: all are followed, and those that its events change are shown. */
static bool is_followed(const struct track *t, const struct row *row)
{
	struct place_key key = { row->of, row->id };

	/* What was the subject's once is followed when it leaves. */
	return t->subject.kind == SUBJECT_CORRELATION || subject_has_row(&t->subject, row) || map_find(&t->places, &key);
}

static int entry_of(struct track *t, const struct row *row)
{
	struct place_key key = { row->of, row->id };
	void **slot = map_put(&t->places, &key);

	if (!*slot) {
		GROW(t->entries, t->entry_count, t->entry_capacity);
		t->entries[t->entry_count++] = (struct entry){ 0 };
		*slot = (void *)(uintptr_t)t->entry_count;
	}
	return (int)(uintptr_t)*slot - 1;
}

/* Counters are changed in their text (fold/sum.h); every other text stays as it is once a row points to it. */
static struct row *snapshot_of(struct track *t, const struct row *row)
{
	struct row *snapshot = arena_alloc(&t->arena, row->of->row_bytes);

	memcpy(snapshot, row, row->of->row_bytes);
	for (int i = 0; i < row->of->column_count; i++) {
		const struct column *c = &row->of->columns[i];
		struct bytes text;

		if (c->kind != COLUMN_JSON || !c->adds)
			continue;
		memcpy(&text, (const char *)row + c->offset, sizeof(text));
		text = arena_copy(&t->arena, text);
		memcpy((char *)snapshot + c->offset, &text, sizeof(text));
	}
	return snapshot;
}

static void on_changed(void *data, const struct event *e, const struct row *row)
{
	struct track *t = data;
	const struct row *before, *after;
	int entry;

	if (!is_followed(t, row))
		return;
	after = snapshot_of(t, row);
	entry = entry_of(t, row);
	before = t->entries[entry].now;
	t->entries[entry].now = after;
	if (t->subject.kind == SUBJECT_CORRELATION && !t->own)
		return;
	GROW(t->changes, t->change_count, t->change_capacity);
	t->changes[t->change_count++] = (struct change){ entry, before, after };
	t->entries[entry].shown = t->touched = true;
}

void track_init(struct track *t, const struct subject *subject, struct zone_source zones)
{
	memset(t, 0, sizeof(*t));
	t->subject = *subject;
	history_init(&t->history, zones);
	t->history.changed = on_changed;
	t->history.data = t;
	arena_init(&t->arena, 64 << 10);
	map_init(&t->places, sizeof(struct place_key));
}

void track_release(struct track *t)
{
	history_release(&t->history);
	arena_release(&t->arena);
	map_release(&t->places);
	free(t->entries);
	free(t->changes);
	free(t->steps);
	memset(t, 0, sizeof(*t));
}

struct bytes track_name(struct track *t, enum actor_type type, const struct uuid *id)
{
	const struct projection *model = type == ACTOR_CUSTOMER ? &customers : &users;
	const struct column *column = projection_column(model, type == ACTOR_CUSTOMER ? "profile" : "display_name");
	const struct row *row = history_find(&t->history, model, &t->subject.tenant_id, id);
	struct bytes text = { NULL, 0 };

	if (uuid_is_nil(id) || !row || !column)
		return text;
	memcpy(&text, (const char *)row + column->offset, sizeof(text));
	if (type == ACTOR_CUSTOMER && text.data)
		text = json_string(json_member(text, "name"), &t->arena);
	return text;
}

int track_fold(struct track *t, const struct event *e, struct error *error)
{
	bool nameless_customer = e->actor_type == ACTOR_CUSTOMER && uuid_is_nil(&e->actor_id);
	int first = t->change_count, status;

	t->own = t->touched = subject_has_event(&t->subject, e);
	status = history_fold(&t->history, e, error);
	if (status || !t->touched)
		return status;
	GROW(t->steps, t->step_count, t->step_capacity);
	t->steps[t->step_count++] = (struct step){
		.event = e, .own = t->own, .first = first, .count = t->change_count - first,
		.actor = track_name(t, e->actor_type, nameless_customer ? &e->customer_id : &e->actor_id),
	};
	return 0;
}

void track_mark(struct track *t)
{
	for (int i = 0; i < t->entry_count; i++)
		t->entries[i].marked = t->entries[i].now;
	t->marked_steps = t->step_count;
}

static int model_number(const struct projection *p)
{
	int number = 0;

	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++, number++)
			if (groups[g]->projections[i] == p)
				return number;
	return number;
}

/* Entries stand in order of making already; as pointers they keep it. */
static int by_model(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	int m = model_number((*x)->now->of), n = model_number((*y)->now->of);

	if (m != n)
		return m < n ? -1 : 1;
	return (*x > *y) - (*x < *y);
}

const struct entry *const *track_sorted(struct track *t, int *count)
{
	const struct entry **list = arena_alloc(&t->arena, sizeof(*list) * (size_t)(t->entry_count + 1));

	*count = 0;
	for (int i = 0; i < t->entry_count; i++)
		if (t->entries[i].shown)
			list[(*count)++] = &t->entries[i];
	qsort(list, (size_t)*count, sizeof(*list), by_model);
	return list;
}
