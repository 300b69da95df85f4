/*
 * fold - see state.h; here: one event through the folds of its kind, and what a fold function may do.
 */
#include <assert.h>
#include <stdarg.h>

#include "event/merkle.h"
#include "fold/anomaly.h"
#include "fold/memory.h"
#include "fold/plan.h"
#include "fold/unique.h"

enum { ANOMALY_TEXT_MAX = 500, REFUSED_ORDINAL = 255 };

static const struct plan_rows *rows_of(const struct fold *f, const struct row *row)
{
	return &f->state->plan->rows[row->place];
}

static int64_t *time_at(struct row *row, size_t offset)
{
	return (int64_t *)(void *)((char *)row + offset);
}

void memory_changed(struct state *s, struct row *row)
{
	struct changed_rows *few = s->changed_rows;

	if (row->changed)
		return;
	row->changed = true;
	row->next_changed = NULL;
	*s->changed_end = row;
	s->changed_end = &row->next_changed;
	s->changed_count++;
	if (!few || few->count == CHANGED_ROWS) {
		few = arena_alloc(&s->passing, sizeof(*few));
		few->next = s->changed_rows;
		few->count = 0;
		s->changed_rows = few;
	}
	few->rows[few->count++] = row;
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
	memory_changed(f->state, row);
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

struct row *memory_new(struct state *s, int index, const struct event *e, const struct uuid *id)
{
	const struct plan_rows *rows = &s->plan->rows[index];
	struct row *row = memory_blank(s, index, &e->tenant_id, id);

	row->last_position = e->position;
	if (rows->created_at)
		*time_at(row, rows->created_at) = e->occurred_at;
	if (rows->updated_at)
		*time_at(row, rows->updated_at) = e->occurred_at;
	memory_changed(s, row);
	return row;
}

void *fold_create(struct fold *f, const struct uuid *id)
{
	const struct row *known = memory_find(f->state, f->step->index, &f->event->tenant_id, id);

	assert(!known || !known->exists);
	if (!known)
		memory_miss(f->state, f->step->index, &f->event->tenant_id, id);
	return memory_new(f->state, f->step->index, f->event, id);
}

void *fold_add(struct fold *f)
{
	return memory_new(f->state, f->step->index, f->event, &f->event->event_id);
}

void *fold_add_as(struct fold *f, const struct uuid *id)
{
	return memory_new(f->state, f->step->index, f->event, id);
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
	a = (struct anomaly *)(void *)memory_new(s, s->plan->anomalies, e, &id);
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

/* Calls `each` with the column's number, from and to of every change to a column. */
static bool each_change(struct fold *f, struct row *row,
			bool (*each)(struct fold *f, int column, struct bytes from, struct bytes to, struct row *row))
{
	const struct projection *p = f->projection;
	struct bytes changes = field_raw(&f->fields, "changes");
	struct bytes key, value;
	size_t at = 0;

	while (json_next(changes, &at, &key, &value)) {
		struct bytes to = json_member(value, "to");

		for (int i = 0; i < p->column_count; i++)
			if (bytes_is(key, p->columns[i].name) &&
			    !each(f, i, json_member(value, "from"), to.data ? to : BYTES("null"), row))
				return false;
	}
	return true;
}

static bool change_fits(struct fold *f, int column, struct bytes from, struct bytes to, struct row *row)
{
	const struct plan_rows *rows = rows_of(f, row);
	const char *name = f->projection->columns[column].name;

	if (from.data && !column_holds(f, rows, column, from, row) && !column_holds(f, rows, column, to, row)) {
		fold_anomaly(f, "stale_write", "\"%s\" is not what the event changes it from", name);
		return false;
	}
	if (!column_set(f, rows, column, to, arena_alloc(f->arena, f->projection->row_bytes))) {
		fold_anomaly(f, "bad_value", "the new \"%s\" does not fit its column", name);
		return false;
	}
	return true;
}

static bool change_set(struct fold *f, int column, struct bytes from, struct bytes to, struct row *row)
{
	return column_set(f, rows_of(f, row), column, to, row);
}

/* The columns that the event's fields would fill, back to what a new row begins with. */
static void reset(struct fold *f, struct row *row)
{
	const struct plan_rows *rows = rows_of(f, row);
	static const size_t sizes[] = {
		[COLUMN_UUID] = sizeof(struct uuid), [COLUMN_ENUM] = sizeof(int16_t),    [COLUMN_BOOL] = sizeof(int8_t),
		[COLUMN_TEXT] = sizeof(struct bytes), [COLUMN_JSON] = sizeof(struct bytes), [COLUMN_INET] = sizeof(struct bytes),
		[COLUMN_TEXTS] = sizeof(struct bytes), [COLUMN_UUIDS] = sizeof(struct bytes),
		[COLUMN_INT2] = sizeof(int64_t), [COLUMN_INT4] = sizeof(int64_t), [COLUMN_INT8] = sizeof(int64_t),
		[COLUMN_TIME] = sizeof(int64_t), [COLUMN_DECIMAL] = sizeof(int64_t),
	};

	for (int i = 0; i < f->step->copy_count; i++) {
		const struct column *c = &rows->projection->columns[f->step->copies[i].column];

		memcpy((char *)row + c->offset, (const char *)rows->blank + c->offset, sizes[c->kind]);
	}
}

enum verdict fold_step(struct fold *f, const struct machine *machine, int16_t *state, int input)
{
	struct cell cell = machine_step(machine, *state, input);

	if (cell.verdict == VERDICT_ANOMALY)
		fold_anomaly(f, "transition", "%s does not fit: the %s is %s", f->event->type->name,
			     entity_name(f->projection->entity), machine->states[*state]);
	if (cell.verdict == VERDICT_MOVE)
		*state = cell.to;
	return cell.verdict;
}

/* Whether the row's machine, if it has a say, lets the event in; its state has moved then. */
static bool let_in(struct fold *f, const struct plan_fold *step)
{
	enum verdict verdict;

	if (!step->machine)
		return true;
	verdict = fold_step(f, step->machine, (int16_t *)(void *)((char *)f->row + step->state_at), step->input);
	assert(verdict != VERDICT_RULE);
	return verdict == VERDICT_MOVE || verdict == VERDICT_STAY;
}

/* The entity's row for COPY, CHANGES, REWRITE; NULL when there is nothing to do. */
static struct row *open_row(struct fold *f, const struct plan_fold *step)
{
	const char *entity = entity_name(f->event->type->entity);
	char code[64];

	f->row = fold_self(f, &f->event->entity_id);
	if (!f->row) {
		snprintf(code, sizeof(code), "unknown_%s", entity);
		fold_anomaly(f, code, "no such %s", entity);
		return NULL;
	}
	if (!let_in(f, step) || (step->how == FOLD_CHANGES && !each_change(f, f->row, change_fits)))
		return NULL;
	fold_change(f, f->row);
	return f->row;
}

static int run(struct fold *f, const struct plan_fold *step)
{
	const struct event *e = f->event;
	struct bytes held[UNIQUE_MAX];

	f->projection = step->projection;
	f->step = step;
	f->row = NULL;
	switch (step->how) {
	case FOLD_CALL:
		return step->then(f, e);
	case FOLD_CREATE:
		if (fold_self(f, &e->entity_id))
			return fold_anomaly(f, "exists", "the %s exists already", entity_name(e->type->entity));
		f->row = fold_create(f, &e->entity_id);
		break;
	case FOLD_ADD:
		f->row = fold_add(f);
		break;
	case FOLD_COPY:
	case FOLD_CHANGES:
	case FOLD_REWRITE:
		if (!open_row(f, step))
			return 0;
		break;
	}
	if (step->unique)
		unique_before(f, f->row, held);
	if (step->how == FOLD_REWRITE)
		reset(f, f->row);
	if (step->how == FOLD_CHANGES)
		each_change(f, f->row, change_set);
	fold_copy(f, f->row);
	if (step->unique)
		unique_after(f, f->row, held);
	return step->then ? step->then(f, e) : 0;
}

/* The same under a clock. */
static int run_metered(struct fold *f, const struct plan_fold *step, struct fold_meter *meter)
{
	int64_t began = meter->clock();
	int err = run(f, step);

	meter->projections[step->index].spent += meter->clock() - began;
	meter->projections[step->index].folds++;
	return err;
}

static int decode(struct fold *f, const struct event *e, const struct event_note *note, struct fold_meter *meter, struct error *error)
{
	int64_t began = meter ? meter->clock() : 0;
	int err = 0;

	if (note && note->values)
		fields_take(e, note->values, f->arena, &f->fields);
	else
		err = fields_decode(e, f->arena, &f->fields, error);
	if (meter) {
		meter->decoding += meter->clock() - began;
		meter->decoded++;
	}
	return err;
}

/* `fields` is left to its decoding: it is large. */
static void begin(struct fold *f, struct state *s, const struct event *e)
{
	f->state = s;
	f->projection = NULL;
	f->event = e;
	memset(&f->facts, 0, sizeof(f->facts));
	f->facts.from_state = f->facts.to_state = f->facts.assigned_by = -1;
	f->step = NULL;
	f->row = NULL;
	f->anomalies = 0;
	f->arena = &s->halves[s->young].arena;
}

int state_fold(struct state *s, const struct event *e, struct error *error)
{
	struct fold f;
	const struct event_note *note = memory_note(s, e);
	const struct plan_kind *kind;
	struct error why;
	int missed = s->missed_count, err;

	s->folded++;
	begin(&f, s, e);
	if (!e->type)
		return fold_anomaly(&f, "unknown_type", "\"%.*s\" is not in this engine's catalog", (int)e->type_name.len,
				    e->type_name.data);
	kind = &s->plan->kinds[e->type->kind];
	if (kind->fold_count == 0)
		return 0;
	err = decode(&f, e, note, s->meter, &why);
	if (err == E_INVALID)
		return fold_anomaly(&f, "bad_payload", "%s", why.message);
	if (err < 0)
		return error_set(error, err, "%s", why.message);
	for (int i = 0; i < kind->fold_count; i++) {
		err = s->meter ? run_metered(&f, &kind->folds[i], s->meter) : run(&f, &kind->folds[i]);
		if (err < 0)
			return error_prefix(error, "read model \"%s\"", kind->folds[i].projection->name);
	}
	if (s->missed_count > missed)
		return error_set(error, E_CANCELLED, "the fold of \"%s\" needs a row that was not loaded", e->type->name);
	return 0;
}
