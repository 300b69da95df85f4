/*
 * fold - see state.h; here: one event through the folds of its kind, and what a fold function may do.
 */
#include <assert.h>
#include <stdarg.h>

#include "event/merkle.h"
#include "fold/anomaly.h"
#include "fold/memory.h"
#include "fold/plan.h"

enum { ANOMALY_TEXT_MAX = 500, REFUSED_ORDINAL = 255 };

static const struct plan_rows *rows_of(const struct fold *f, const struct row *row)
{
	const struct plan *plan = f->state->plan;

	return &plan->rows[row->of == f->projection && f->step ? f->step->index : plan_index(plan, row->of)];
}

static int64_t *time_at(struct row *row, size_t offset)
{
	return (int64_t *)(void *)((char *)row + offset);
}

static void list_add(struct state *s, struct row *row)
{
	if (row->changed)
		return;
	row->changed = true;
	row->next_changed = NULL;
	*s->changed_end = row;
	s->changed_end = &row->next_changed;
	s->changed_count++;
}

void fold_change(struct fold *f, void *p)
{
	struct row *row = p;
	const struct plan_rows *rows = rows_of(f, row);

	row->last_position = f->event->position;
	if (rows->updated_at) {
		int64_t *updated_at = time_at(row, rows->updated_at);

		*updated_at = time_later(*updated_at, f->event->occurred_at);
	}
	list_add(f->state, row);
}

void *fold_find(struct fold *f, const struct projection *p, const struct uuid *id)
{
	int index = p == f->projection ? f->step->index : plan_index(f->state->plan, p);
	struct row *row;

	if (uuid_is_nil(id))
		return NULL;
	row = memory_find(f->state, index, &f->event->tenant_id, id);
	if (!row) {
		memory_miss(f->state, index, &f->event->tenant_id, id);
		return NULL;
	}
	return row->exists ? row : NULL;
}

void *fold_self(struct fold *f, const struct uuid *id)
{
	return fold_find(f, f->projection, id);
}

static struct row *new_row(struct state *s, int index, const struct event *e, const struct uuid *id)
{
	const struct plan_rows *rows = &s->plan->rows[index];
	struct row *row = memory_blank(s, index, &e->tenant_id, id);

	row->last_position = e->position;
	if (rows->created_at)
		*time_at(row, rows->created_at) = e->occurred_at;
	if (rows->updated_at)
		*time_at(row, rows->updated_at) = e->occurred_at;
	list_add(s, row);
	return row;
}

void *fold_create(struct fold *f, const struct uuid *id)
{
	const struct row *known = memory_find(f->state, f->step->index, &f->event->tenant_id, id);

	assert(!known || !known->exists);
	if (!known)
		memory_miss(f->state, f->step->index, &f->event->tenant_id, id);
	return new_row(f->state, f->step->index, f->event, id);
}

void *fold_add(struct fold *f)
{
	return new_row(f->state, f->step->index, f->event, &f->event->event_id);
}

/* ---- anomalies ---- */

static void write_anomaly(struct state *s, const struct event *e, int ordinal, const char *read_model, const char *code,
			  struct bytes text)
{
	struct arena *arena = &s->halves[s->young].arena;
	uint8_t which = (uint8_t)ordinal, hash[32];
	struct anomaly *a;
	struct uuid id;

	s->anomalies++;
	if (s->plan->anomalies < 0)
		return;
	sha256_two(&e->event_id, sizeof(e->event_id), &which, 1, hash);
	uuid_v8(&id, hash);
	a = (struct anomaly *)(void *)new_row(s, s->plan->anomalies, e, &id);
	a->position = e->position;
	a->read_model = arena_copy(arena, bytes_text(read_model));
	a->code = arena_copy(arena, bytes_text(code));
	a->text = arena_copy(arena, text);
	a->event_id = e->event_id;
	a->event_type = arena_copy(arena, e->type_name);
	a->entity_type = arena_copy(arena, e->entity_type);
	a->entity_id = e->entity_id;
	a->conversation_id = e->conversation_id;
	a->customer_id = e->customer_id;
	a->occurred_at = e->occurred_at;
	a->recorded_at = e->recorded_at;
}

/* Never longer than is good, and never cut within a character. */
static struct bytes bounded(const char *text)
{
	size_t len = strlen(text);

	if (len > ANOMALY_TEXT_MAX) {
		len = ANOMALY_TEXT_MAX;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	return bytes_of(text, len);
}

int fold_anomaly(struct fold *f, const char *code, const char *format, ...)
{
	char text[ANOMALY_TEXT_MAX * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_anomaly(f->state, f->event, f->anomalies++, f->projection ? f->projection->name : "", code, bounded(text));
	return 0;
}

void state_refuse(struct state *s, const struct event *e, const char *read_model, const char *code, const char *text)
{
	write_anomaly(s, e, REFUSED_ORDINAL, read_model, code, bounded(text));
}

/* ---- one event ---- */

/* payload.changes: all of them, or none when one does not fit. */
static void apply_changes(struct fold *f, struct row *row)
{
	const struct plan_rows *rows = rows_of(f, row);
	const struct projection *p = f->projection;
	struct bytes changes = field_raw(&f->fields, "changes");
	struct bytes key, value;

	for (int pass = 0; pass < 2; pass++) {
		struct row *trial = pass ? row : arena_alloc(f->arena, p->row_bytes);
		size_t at = 0;

		if (!pass)
			memcpy(trial, row, p->row_bytes);
		while (json_next(changes, &at, &key, &value)) {
			struct bytes to = json_member(value, "to");

			for (int i = 0; i < p->column_count; i++) {
				if (!bytes_is(key, p->columns[i].name))
					continue;
				if (!column_set(f, rows, i, to.data ? to : BYTES("null"), trial)) {
					fold_anomaly(f, "bad_value", "the new \"%s\" does not fit its column", p->columns[i].name);
					return;
				}
			}
		}
	}
}

static int run(struct fold *f, const struct plan_fold *step)
{
	const struct event *e = f->event;

	f->projection = step->projection;
	f->step = step;
	f->row = NULL;
	switch (step->how) {
	case FOLD_CALL:
		break;
	case FOLD_CREATE:
		if (fold_self(f, &e->entity_id))
			return fold_anomaly(f, "exists", "there is a %s with this id already", entity_name(e->type->entity));
		f->row = fold_create(f, &e->entity_id);
		fold_copy(f, f->row);
		break;
	case FOLD_ADD:
		f->row = fold_add(f);
		fold_copy(f, f->row);
		break;
	case FOLD_COPY:
	case FOLD_CHANGES:
		f->row = fold_self(f, &e->entity_id);
		if (!f->row) {
			char code[64];

			snprintf(code, sizeof(code), "unknown_%s", entity_name(e->type->entity));
			return fold_anomaly(f, code, "no such %s", entity_name(e->type->entity));
		}
		fold_change(f, f->row);
		if (step->how == FOLD_COPY)
			fold_copy(f, f->row);
		else
			apply_changes(f, f->row);
		break;
	}
	return step->then ? step->then(f, e) : 0;
}

int state_fold(struct state *s, const struct event *e, struct error *error)
{
	struct fold f = { .state = s, .event = e, .arena = &s->halves[s->young].arena };
	const struct plan_kind *kind;
	struct error why;
	int missed = s->missed_count, err;

	s->folded++;
	if (!e->type)
		return fold_anomaly(&f, "unknown_type", "\"%.*s\" is not in this engine's catalog", (int)e->type_name.len,
				    e->type_name.data);
	kind = &s->plan->kinds[e->type->kind];
	if (kind->fold_count == 0)
		return 0;
	error_clear(&why);
	err = fields_decode(e, f.arena, &f.fields, &why);
	if (err == E_INVALID)
		return fold_anomaly(&f, "bad_payload", "%s", why.message);
	if (err < 0)
		return error_set(error, err, "%s", why.message);
	f.facts.from_state = f.facts.to_state = f.facts.assigned_by = -1;
	for (int i = 0; i < kind->fold_count; i++) {
		err = run(&f, &kind->folds[i]);
		if (err < 0)
			return error_prefix(error, "read model \"%s\"", kind->folds[i].projection->name);
	}
	if (s->missed_count > missed)
		return error_set(error, E_CANCELLED, "the fold of \"%s\" needs a row that was not loaded", e->type->name);
	return 0;
}
