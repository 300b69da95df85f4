/*
 * state - see state.h; here: the two half-spaces, what a batch needs, what was loaded, the turn.
 *
 * The keys of the maps hold (tenant_id, id); a row stands once in the young half, or, not touched since the
 * last turn, in the old one.  A stale copy may stand in the old half beside the young one; nobody looks there
 * first.  Of a row that the database does not have only the head is kept.
 */
#include "fold/state.h"

#include <assert.h>

#include "fold/memory.h"
#include "fold/plan.h"
#include "fold/sum.h"
#include "fold/unique.h"

enum { BLOCK_MIN = 16 << 10, BLOCK_MAX = 1 << 20 };

struct map_key {
	struct uuid tenant_id, id;
};

struct wanted_key {
	uint64_t index;
	struct uuid tenant_id, id;
};

void state_init(struct state *s, const struct group *group, size_t half_bytes)
{
	size_t block = half_bytes / 8;

	memset(s, 0, sizeof(*s));
	s->group = group;
	s->plan = plan_get(group);
	s->half_bytes = half_bytes;
	s->zones = zones_utc_only;
	block = block < BLOCK_MIN ? BLOCK_MIN : block > BLOCK_MAX ? BLOCK_MAX : block;
	for (int h = 0; h < 2; h++)
		arena_init(&s->halves[h].arena, block);
	arena_init(&s->passing, block);
	arena_init(&s->memo_arena, BLOCK_MIN);
	map_init(&s->memos, sizeof(struct map_key));
	map_init(&s->wanted, sizeof(struct wanted_key));
	s->memo_places = mem_zalloc(sizeof(*s->memo_places) * MEMO_PLACES);
	s->changed_end = &s->changed;
	for (int i = 0; i < group->count && !s->sum_places; i++)
		if (s->plan->rows[i].sum_count)
			s->sum_places = mem_zalloc(sizeof(*s->sum_places) * SUM_PLACES);
}

static void half_clear(struct state *s, struct half *half)
{
	row_map_clear(&half->rows);
	arena_reset(&half->arena);
}

void state_release(struct state *s)
{
	for (int h = 0; h < 2; h++) {
		row_map_release(&s->halves[h].rows);
		arena_release(&s->halves[h].arena);
	}
	arena_release(&s->passing);
	map_release(&s->memos);
	arena_release(&s->memo_arena);
	map_release(&s->wanted);
	free(s->missed);
	free(s->sum_places);
	free(s->memo_places);
	free(s->wanting.open);
	free(s->wanting.fates);
	free(s->wanting.notes);
	memset(s, 0, sizeof(*s));
}

/* ---- rows in memory ---- */

static struct map_key key_of(const struct uuid *tenant_id, const struct uuid *id)
{
	return (struct map_key){ *tenant_id, *id };
}

/* A copy whose texts stand in the young half as well. */
static struct row *row_copy(struct state *s, const struct plan_rows *rows, const struct row *from)
{
	struct arena *arena = &s->halves[s->young].arena;
	size_t bytes = from->exists ? rows->projection->row_bytes : sizeof(*from);
	struct row *row = memcpy(arena_alloc(arena, bytes), from, bytes);

	for (int i = 0; from->exists && i < rows->text_count; i++) {
		struct bytes *text = (struct bytes *)(void *)((char *)row + rows->texts[i]);

		*text = arena_copy(arena, *text);
	}
	if (from->exists && rows->sum_count)
		sum_move(rows, row, arena);
	return row;
}

/* The row as the source has it, or a note that there is none. */
static struct row *bring(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	const struct plan_rows *rows = &s->plan->rows[index];
	const struct row *found = s->source->find(s->source->data, index, tenant_id, id);
	struct arena *arena = &s->halves[s->young].arena;
	size_t bytes = found ? rows->projection->row_bytes : sizeof(*found);
	struct row *row = memcpy(arena_alloc(arena, bytes), found ? found : rows->null, bytes);

	for (int i = 0; found && i < rows->text_count; i++) {
		struct bytes *text = (struct bytes *)(void *)((char *)row + rows->texts[i]);

		*text = arena_copy(arena, *text);
	}
	if (found && rows->sum_count)
		sum_take(rows, row);
	row->of = rows->projection;
	row->place = (uint8_t)index;
	row->next_changed = NULL;
	row->tenant_id = *tenant_id;
	row->id = *id;
	row->exists = found != NULL;
	row->fresh = row->changed = row->partial = false;
	*row_map_put(&s->halves[s->young].rows, row_hash(index, tenant_id, id), index, tenant_id, id) = row;
	return row;
}

struct row *memory_look_up(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	uint64_t hash = row_hash(index, tenant_id, id);
	struct row *row;

	assert(!s->plan->rows[index].projection->history);
	row = row_map_find(&s->halves[s->young].rows, hash, index, tenant_id, id);
	if (!row) {
		row = row_map_find(&s->halves[!s->young].rows, hash, index, tenant_id, id);
		if (!row)
			return s->source ? s->recent[index] = bring(s, index, tenant_id, id) : NULL;
		row = row_copy(s, &s->plan->rows[index], row);
		*row_map_put(&s->halves[s->young].rows, hash, index, tenant_id, id) = row;
	}
	return s->recent[index] = row;
}

/* Where a row of history is made: the same again for a second one of the event's id. */
static struct row *history_row(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row *row = s->recent[index];

	if (row && uuid_equal(&row->id, id) && uuid_equal(&row->tenant_id, tenant_id))
		return row;
	row = arena_alloc(&s->passing, s->plan->rows[index].projection->row_bytes);
	row->exists = false;
	return row;
}

static struct row *kept_row(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row **slot = row_map_put(&s->halves[s->young].rows, row_hash(index, tenant_id, id), index, tenant_id, id);

	if (*slot && (*slot)->exists)
		return *slot;
	*slot = arena_alloc(&s->halves[s->young].arena, s->plan->rows[index].projection->row_bytes);
	(*slot)->exists = false;
	return *slot;
}

struct row *memory_blank(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	const struct plan_rows *rows = &s->plan->rows[index];
	struct row *row = rows->projection->history ? history_row(s, index, tenant_id, id) : kept_row(s, index, tenant_id, id);
	struct row before = { .fresh = true };

	if (row->exists)
		before = *row; /* it may stand on the list of changes, and in the database */
	s->recent[index] = row;
	memcpy(row, rows->blank, rows->projection->row_bytes);
	row->tenant_id = *tenant_id;
	row->id = *id;
	row->exists = true;
	row->fresh = before.fresh;
	row->changed = before.changed;
	row->next_changed = before.next_changed;
	return row;
}

void memory_miss(struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct row_key key = { s->group->projections[index], *tenant_id, *id };

	for (int i = 0; i < s->missed_count; i++)
		if (s->missed[i].projection == key.projection && uuid_equal(&s->missed[i].id, id) &&
		    uuid_equal(&s->missed[i].tenant_id, tenant_id))
			return;
	if (s->missed_count == s->missed_cap) {
		s->missed_cap = s->missed_cap ? s->missed_cap * 2 : 16;
		s->missed = mem_realloc(s->missed, sizeof(*s->missed) * (size_t)s->missed_cap);
	}
	s->missed[s->missed_count++] = key;
}

/* ---- what was made of rows that never change ---- */

void *memo_look_up(const struct state *s, const struct uuid *tenant_id, const struct uuid *id)
{
	struct map_key key = key_of(tenant_id, id);
	void *thing = map_find(&s->memos, &key);

	if (thing)
		s->memo_places[id->b[15] % MEMO_PLACES] = (struct memo_place){ *tenant_id, *id, thing };
	return thing;
}

void memo_keep(struct state *s, const struct uuid *tenant_id, const struct uuid *id, void *thing)
{
	struct map_key key = key_of(tenant_id, id);

	*map_put(&s->memos, &key) = thing;
}

static void memos_clear(struct state *s)
{
	map_clear(&s->memos);
	memset(s->memo_places, 0, sizeof(*s->memo_places) * MEMO_PLACES);
	arena_reset(&s->memo_arena);
}

/* ---- what a batch needs ---- */

struct wish {
	struct state *state;
	struct arena *arena;
	struct row_keys *keys;
	struct open_event *open; /* the event at hand, which notes what it misses; or NULL */
	const struct event *event; /* whose projections are asked */
	struct event_note *note;   /* of it */
	enum { FIELDS_UNREAD, FIELDS_READ, FIELDS_BAD } read;
	struct fields fields;      /* of it, when they are read */
	uint64_t folded; /* bit by projection: which the event at hand is folded into */
};

/* A key's place among the keys, as a value of the map of what is wanted. */
static void *numbered(int number)
{
	return (void *)((uintptr_t)number + 1);
}

static int number_of(const void *value)
{
	return (int)((uintptr_t)value - 1);
}

static void keys_add(struct wish *w, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct wanted_key key = { (uint64_t)index, *tenant_id, *id };
	void **slot = map_put(&w->state->wanted, &key);
	struct row_keys *keys = w->keys;

	if (!*slot) {
		if (keys->count == keys->capacity) {
			int capacity = keys->capacity ? keys->capacity * 2 : 256;
			struct row_key *grown = arena_alloc(w->arena, sizeof(*grown) * (size_t)capacity);

			if (keys->count)
				memcpy(grown, keys->keys, sizeof(*grown) * (size_t)keys->count);
			keys->keys = grown;
			keys->capacity = capacity;
		}
		keys->keys[keys->count++] = (struct row_key){ w->state->group->projections[index], *tenant_id, *id };
		*slot = numbered(keys->count - 1);
	}
	if (w->open && w->open->count++ < MISSING_MOST)
		w->open->missing[w->open->count - 1] = number_of(*slot);
}

/* For the event's fold.  Only what exists: in place of a row that does not there may be another by then. */
static void note_row(struct wish *w, struct row *row)
{
	struct event_note *note = w->note;

	if (!note || !row->exists || note->row_count == NOTED_MOST)
		return;
	for (int i = 0; i < note->row_count; i++)
		if (note->rows[i] == row)
			return;
	note->rows[note->row_count++] = row;
}

/* The rows beside one, which may not be in memory yet; those that it has to say something about wait for it. */
static void want_beside(struct wish *w, uint64_t beside, const struct row *row, const struct uuid *tenant_id, const struct uuid *id)
{
	for (; beside; beside &= beside - 1) {
		int other = __builtin_ctzll(beside);
		size_t says = w->state->plan->rows[other].beside_if;
		struct row *found;

		if (says && (!row || !row->exists || *((const int8_t *)row + says) != 1))
			continue;
		found = memory_find(w->state, other, tenant_id, id);
		if (found)
			note_row(w, found);
		else
			keys_add(w, other, tenant_id, id);
	}
}

/* The row when it is in memory and exists. */
static struct row *want(struct wish *w, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	struct state *s = w->state;
	const struct plan_rows *rows = &s->plan->rows[index];
	struct row *row;

	if (uuid_is_nil(id))
		return NULL;
	row = memory_find(s, index, tenant_id, id);
	if (rows->beside & w->folded)
		want_beside(w, rows->beside & w->folded, row, tenant_id, id);
	if (!row) {
		keys_add(w, index, tenant_id, id);
		return NULL;
	}
	if (!row->exists)
		return NULL;
	note_row(w, row);
	if (row->looked == s->round)
		return row;
	row->looked = s->round;
	for (int i = 0; i < rows->ref_count; i++)
		want(w, rows->refs[i].index, tenant_id, (struct uuid *)(void *)((char *)row + rows->refs[i].offset));
	return row;
}

static void want_text(struct wish *w, enum entity entity, const struct event *e, struct bytes raw)
{
	struct uuid id;

	if (raw.len == 38 && uuid_parse(raw.data + 1, 36, &id))
		want(w, w->state->plan->by_entity[entity], &e->tenant_id, &id);
}

/* The refs in one value of the payload, all levels. */
static void want_refs(struct wish *w, const struct plan_kind *kind, const struct event *e, const struct field *field,
		      struct bytes raw)
{
	bool followed = field->ref != ENTITY_NONE && (kind->entities >> field->ref & 1);
	struct bytes key, value;
	size_t at = 0;

	if (!raw.data)
		return;
	if (field->type == FIELD_UUID && followed) {
		want_text(w, field->ref, e, raw);
	} else if (field->type == FIELD_UUIDS && followed) {
		while (json_next(raw, &at, &key, &value))
			want_text(w, field->ref, e, value);
	} else if (field->type == FIELD_OBJECT) {
		for (const struct field *inner = field->fields; inner->name; inner++)
			want_refs(w, kind, e, inner, json_member(raw, inner->name));
	} else if (field->type == FIELD_OBJECTS) {
		while (json_next(raw, &at, &key, &value))
			for (const struct field *inner = field->fields; inner->name; inner++)
				want_refs(w, kind, e, inner, json_member(value, inner->name));
	}
}

/* The rows that say whom the values belong to that the event would give its row, or take from it. */
static void want_unique(struct wish *w, const struct plan_kind *kind, const struct event *e, const struct fields *fields)
{
	const struct plan *plan = w->state->plan;

	for (int i = 0; i < kind->fold_count && plan->unique_values >= 0; i++) {
		const struct plan_fold *fold = &kind->folds[i];
		const struct plan_rows *rows = &plan->rows[fold->index];
		struct row *row;
		struct uuid id;

		if (!fold->unique)
			continue;
		row = memory_find(w->state, fold->index, &e->tenant_id, &e->entity_id);
		for (int n = 0; n < rows->unique_count; n++) {
			if (unique_id_named(rows, fold, fields, e, n, w->arena, &id))
				want(w, plan->unique_values, &e->tenant_id, &id);
			if (row && row->exists && unique_id_held(rows, row, n, &id))
				want(w, plan->unique_values, &e->tenant_id, &id);
		}
	}
}

void *wish_row(struct wish *w, const struct projection *p, const struct uuid *id)
{
	return want(w, plan_index(w->state->plan, p), &w->event->tenant_id, id);
}

const struct state *wish_state(const struct wish *w)
{
	return w->state;
}

/* What a round before has read is not read again. */
static void read_fields(struct wish *w)
{
	struct state *s = w->state;

	if (w->note->values) {
		fields_take(w->event, w->note->values, w->arena, &w->fields);
		w->read = FIELDS_READ;
		return;
	}
	w->read = fields_decode(w->event, &s->passing, &w->fields, NULL) < 0 ? FIELDS_BAD : FIELDS_READ;
	if (w->read == FIELDS_BAD)
		return; /* state_fold will say so */
	w->fields.arena = w->arena;
	w->note->values = fields_keep(&w->fields, &s->passing);
}

const struct fields *wish_fields(struct wish *w)
{
	if (w->read == FIELDS_UNREAD)
		read_fields(w);
	return w->read == FIELDS_READ ? &w->fields : NULL;
}

static const struct uuid *wanted_id(const struct event *e, enum want_from from)
{
	switch (from) {
	case WANT_ENTITY:
		return &e->entity_id;
	case WANT_CONVERSATION:
		return &e->conversation_id;
	case WANT_CUSTOMER:
		return &e->customer_id;
	case WANT_RESOLUTION:
		return &e->resolution_id;
	case WANT_TENANT:
		break;
	}
	return &e->tenant_id;
}

/* An event's rows are fetched while others are looked at. */
static void fetch(const struct state *s, const struct event *e, void (*how)(const struct row_map *m, uint64_t hash))
{
	const struct row_map *young = &s->halves[s->young].rows;
	const struct plan_kind *kind = e->type ? &s->plan->kinds[e->type->kind] : NULL;

	for (int i = 0; kind && i < kind->want_count; i++) {
		const struct uuid *id = wanted_id(e, kind->wants[i].from);
		int index = kind->wants[i].index;

		how(young, row_hash(index, &e->tenant_id, id));
		for (uint64_t beside = s->plan->rows[index].beside & kind->folded; beside; beside &= beside - 1)
			how(young, row_hash(__builtin_ctzll(beside), &e->tenant_id, id));
	}
}

static void want_event(struct wish *w, const struct event *e)
{
	const struct plan_kind *kind;
	const struct fields *fields;

	if (!e->type)
		return;
	kind = &w->state->plan->kinds[e->type->kind];
	w->folded = kind->folded;
	w->event = e;
	w->read = FIELDS_UNREAD;
	for (int i = 0; i < kind->want_count; i++)
		want(w, kind->wants[i].index, &e->tenant_id, wanted_id(e, kind->wants[i].from));
	for (int i = 0; i < kind->foresee_count; i++)
		kind->foresee[i](w, e);
	if (kind->ref_field_count == 0 && !kind->unique)
		return;
	fields = wish_fields(w);
	if (!fields)
		return;
	for (int i = 0; i < kind->ref_field_count; i++)
		want_refs(w, kind, e, &e->type->shape.fields[kind->ref_fields[i]], fields->values[kind->ref_fields[i]]);
	if (kind->unique)
		want_unique(w, kind, e, fields);
}

enum { FATE_OPEN, FATE_ABSENT, FATE_COME };
enum { FETCH_AHEAD = 4 };

/* Nothing that the event named has come, and nothing will. */
static bool is_settled(const struct wanting *g, const struct open_event *o)
{
	for (int i = 0; i < o->count; i++)
		if (i == MISSING_MOST || g->fates[o->missing[i]] != FATE_ABSENT)
			return false;
	return true;
}

/* Another batch. */
static void look_anew(struct wanting *g, const struct event *const *events, int count)
{
	if (g->open_cap < count) {
		g->open_cap = count;
		g->open = mem_realloc(g->open, sizeof(*g->open) * (size_t)count);
	}
	if (g->note_cap < count) {
		g->note_cap = count;
		g->notes = mem_realloc(g->notes, sizeof(*g->notes) * (size_t)count);
	}
	for (int i = 0; i < count; i++) {
		g->notes[i].event = events[i];
		g->notes[i].values = NULL;
		g->notes[i].row_count = 0;
	}
	g->events = events;
	g->count = count;
	g->folded = 0;
}

/* Looks at the batch, or in a further round at those of its events that may want more. */
static void want_events(struct wish *w, const struct event *const *events, int count)
{
	struct wanting *g = &w->state->wanting;
	bool again = g->events == events && g->count == count;
	int before = again ? g->open_count : count;

	if (again)
		g->folded = 0;
	else
		look_anew(g, events, count);
	g->open_count = 0;
	for (int i = 0; i < before; i++) {
		struct open_event o = { .at = again ? g->open[i].at : i };

		if (again && is_settled(g, &g->open[i]))
			continue;
		if (!again && i + 2 * FETCH_AHEAD < count)
			fetch(w->state, events[i + 2 * FETCH_AHEAD], row_map_fetch);
		if (!again && i + FETCH_AHEAD < count)
			fetch(w->state, events[i + FETCH_AHEAD], row_map_fetch_row);
		w->open = &o;
		w->note = &g->notes[o.at];
		w->note->row_count = 0;
		want_event(w, events[o.at]);
		if (o.count)
			g->open[g->open_count++] = o;
	}
	w->open = NULL;
	w->note = NULL;
}

/* Whole, since folds look all over it. */
static void fetch_row(const struct row *row)
{
	for (size_t at = 0; at < row->of->row_bytes; at += ROW_LINE)
		__builtin_prefetch((const char *)row + at);
}

const struct event_note *memory_note(struct state *s, const struct event *e)
{
	struct wanting *g = &s->wanting;
	const struct event_note *note, *next;

	if (!g->events || g->folded >= g->count || g->notes[g->folded].event != e)
		return NULL;
	note = &g->notes[g->folded++];
	next = g->folded < g->count ? note + 1 : NULL;
	for (int i = 0; next && i < next->row_count; i++)
		fetch_row(next->rows[i]);
	for (int i = 0; i < note->row_count; i++)
		s->recent[note->rows[i]->place] = note->rows[i];
	return note;
}

static void fates_begin(struct wanting *g, int keys)
{
	if (g->fates_cap < keys) {
		g->fates_cap = keys;
		g->fates = mem_realloc(g->fates, (size_t)keys);
	}
	if (keys)
		memset(g->fates, FATE_OPEN, (size_t)keys);
	g->key_count = keys;
}

/* The set of keys that are asked for already. */
static void start_wish(struct state *s, const struct row_keys *keys)
{
	s->round++;
	map_clear(&s->wanted);
	for (int i = 0; i < keys->count; i++) {
		const struct row_key *k = &keys->keys[i];
		struct wanted_key key = { (uint64_t)plan_index(s->plan, k->projection), k->tenant_id, k->id };

		*map_put(&s->wanted, &key) = numbered(i);
	}
}

void state_wants(struct state *s, const struct event *const *events, int count, struct arena *arena,
		 struct row_keys *keys)
{
	struct wish w = { .state = s, .arena = arena, .keys = keys };

	start_wish(s, keys);
	want_events(&w, events, count);
	w.folded = 0;
	for (int i = 0; i < s->missed_count; i++)
		want(&w, plan_index(s->plan, s->missed[i].projection), &s->missed[i].tenant_id, &s->missed[i].id);
	fates_begin(&s->wanting, keys->count);
}

void state_sums(struct state *s, struct arena *arena, struct row_keys *keys)
{
	struct wish w = { .state = s, .arena = arena, .keys = keys };

	s->wanting.events = NULL; /* nothing of the batch is open any more */
	for (int i = 0; s->gathered && i < s->group->count; i++)
		if (s->group->projections[i]->settle)
			s->group->projections[i]->settle(s);
	if (s->partial_count == 0)
		return;
	start_wish(s, keys);
	for (const struct partial_row *p = s->partials; p; p = p->next)
		if (p->row->partial)
			keys_add(&w, p->row->place, &p->row->tenant_id, &p->row->id);
}

/* jsonb prints a blank after colons and commas; the folds' JSON has none. */
struct bytes memory_without_blanks(struct arena *arena, struct bytes json)
{
	char *out;
	size_t len = 0;
	bool quoted = false;

	if (!json.data || !memchr(json.data, ' ', json.len))
		return arena_copy(arena, json);
	out = arena_alloc(arena, json.len);
	for (size_t i = 0; i < json.len; i++) {
		char c = json.data[i];

		if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
			continue;
		out[len++] = c;
		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\' && i + 1 < json.len)
			out[len++] = json.data[++i];
	}
	return bytes_of(out, len);
}

static void put_fate(struct state *s, int index, const struct row_key *key, bool come)
{
	struct wanted_key wanted = { (uint64_t)index, key->tenant_id, key->id };
	const void *number = s->wanting.events ? map_find(&s->wanted, &wanted) : NULL;

	if (number && number_of(number) < s->wanting.key_count)
		s->wanting.fates[number_of(number)] = come ? FATE_COME : FATE_ABSENT;
}

void state_put(struct state *s, const struct row_key *key, const struct row *loaded)
{
	int index = plan_index(s->plan, key->projection);
	const struct plan_rows *rows = &s->plan->rows[index];
	struct arena *arena = &s->halves[s->young].arena;
	size_t bytes = loaded ? rows->projection->row_bytes : sizeof(struct row);
	struct row *row;

	put_fate(s, index, key, loaded != NULL);
	row = memory_find(s, index, &key->tenant_id, &key->id);
	if (row && row->partial)
		sum_join(s, row, loaded);
	if (row)
		return;
	row = memcpy(arena_alloc(arena, bytes), loaded ? loaded : rows->null, bytes);
	for (int i = 0; loaded && i < rows->text_count; i++) {
		struct bytes *text = (struct bytes *)(void *)((char *)row + rows->texts[i]);

		*text = rows->is_json[i] ? memory_without_blanks(arena, *text) : arena_copy(arena, *text);
	}
	if (loaded && rows->sum_count)
		sum_take(rows, row);
	row->of = rows->projection;
	row->place = (uint8_t)index;
	row->next_changed = NULL;
	row->tenant_id = key->tenant_id;
	row->id = key->id;
	row->looked = 0;
	row->exists = loaded != NULL;
	row->fresh = row->changed = row->partial = false;
	*row_map_put(&s->halves[s->young].rows, row_hash(index, &key->tenant_id, &key->id), index, &key->tenant_id, &key->id) = row;
}

/* ---- after a batch ---- */

static size_t half_used(const struct half *half)
{
	return half->arena.used + half->rows.capacity * sizeof(*half->rows.slots);
}

/* A batch is over: rows may go, or stand elsewhere. */
static void forget_places(struct state *s)
{
	memset(s->recent, 0, sizeof(s->recent));
	s->wanting.events = NULL;
}

struct row *state_look(const struct state *s, int index, const struct uuid *tenant_id, const struct uuid *id)
{
	uint64_t hash = row_hash(index, tenant_id, id);
	struct row *row = row_map_find(&s->halves[s->young].rows, hash, index, tenant_id, id);

	if (!row)
		row = row_map_find(&s->halves[!s->young].rows, hash, index, tenant_id, id);
	return row && row->exists ? row : NULL;
}

/* A row of the old half that has no younger copy. */
static bool stays_old(const struct state *s, const struct row_slot *slot)
{
	const struct row *row = slot->row;

	return row && row->exists && !row_map_find(&s->halves[s->young].rows, slot->hash, row->place, &row->tenant_id, &row->id);
}

/* A row with the beginnings of its key, so that sorting seldom looks at it. */
struct in_order {
	uint64_t tenant, id;
	struct row *row;
};

static int by_key(const void *a, const void *b)
{
	const struct in_order *x = a, *y = b;
	int order = (x->tenant > y->tenant) - (x->tenant < y->tenant);

	if (order == 0)
		order = (x->id > y->id) - (x->id < y->id);
	if (order == 0)
		order = memcmp(&x->row->tenant_id, &y->row->tenant_id, sizeof(x->row->tenant_id));
	return order ? order : memcmp(&x->row->id, &y->row->id, sizeof(x->row->id));
}

struct list {
	struct in_order *rows;
	size_t count, capacity;
};

static void list_half(const struct state *s, int half, int index, struct list *list)
{
	const struct row_map *map = &s->halves[half].rows;

	for (size_t i = 0; i < map->capacity; i++) {
		struct row *row = map->slots[i].row;

		if (!row || row_slot_place(&map->slots[i]) != index || !(half == s->young ? row->exists : stays_old(s, &map->slots[i])))
			continue;
		if (list->count == list->capacity) {
			list->capacity = list->capacity ? 2 * list->capacity : 1024;
			list->rows = mem_realloc(list->rows, list->capacity * sizeof(*list->rows));
		}
		list->rows[list->count++] = (struct in_order){ get_be64((const char *)row->tenant_id.b), get_be64((const char *)row->id.b), row };
	}
}

void state_each(struct state *s, int index, void (*each)(void *data, struct row *row), void *data)
{
	struct list list = { 0 };

	list_half(s, s->young, index, &list);
	list_half(s, !s->young, index, &list);
	if (list.count)
		qsort(list.rows, list.count, sizeof(*list.rows), by_key);
	for (size_t i = 0; i < list.count; i++)
		each(data, list.rows[i].row);
	free(list.rows);
}

/* The old half's rows that nobody has touched go. */
static void turn(struct state *s)
{
	const struct row_map *old = &s->halves[!s->young].rows;

	for (size_t i = 0; s->source && i < old->capacity; i++)
		if (stays_old(s, &old->slots[i]))
			s->source->leave(s->source->data, old->slots[i].row->place, old->slots[i].row);
	s->young = !s->young;
	sum_forget(s);
	half_clear(s, &s->halves[s->young]);
}

void state_done(struct state *s)
{
	assert(s->partial_count == 0 && !s->gathered);
	for (struct row *row = s->source ? s->changed : NULL; row; row = row->next_changed)
		if (row->of->history)
			s->source->leave(s->source->data, row->place, row);
	for (const struct changed_rows *few = s->changed_rows; few; few = few->next)
		for (int i = 0; i < few->count; i++)
			few->rows[i]->changed = few->rows[i]->fresh = false;
	s->changed = NULL;
	s->changed_end = &s->changed;
	s->changed_rows = NULL;
	s->changed_count = 0;
	s->missed_count = 0;
	arena_reset(&s->passing);
	s->gathered = NULL;
	s->partials = NULL;
	forget_places(s);
	if (s->memo_arena.used > MEMO_BYTES)
		memos_clear(s);
	if (half_used(&s->halves[s->young]) > s->half_bytes)
		turn(s);
}

void state_drop(struct state *s)
{
	half_clear(s, &s->halves[0]);
	half_clear(s, &s->halves[1]);
	arena_reset(&s->passing);
	s->gathered = NULL;
	s->partials = NULL;
	forget_places(s);
	sum_forget(s);
	memos_clear(s);
	s->changed = NULL;
	s->changed_end = &s->changed;
	s->changed_rows = NULL;
	s->changed_count = s->partial_count = 0;
}
