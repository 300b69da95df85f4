/* unique - see unique.h. */
#include "fold/unique.h"

#include "event/merkle.h"
#include "fold/memory.h"

static struct bytes value_of(const struct plan_rows *rows, const void *row, int n)
{
	struct bytes value;

	memcpy(&value, (const char *)row + rows->projection->columns[rows->unique[n]].offset, sizeof(value));
	return value;
}

static bool id_of(const struct plan_rows *rows, const struct uuid *tenant_id, int n, struct bytes value, struct uuid *out)
{
	char place[256];
	uint8_t hash[32];
	size_t len;

	if (!value.data)
		return false;
	memcpy(place, tenant_id, sizeof(*tenant_id));
	len = (size_t)snprintf(place + sizeof(*tenant_id), sizeof(place) - sizeof(*tenant_id), "%s.%s=", rows->projection->name,
			       rows->projection->columns[rows->unique[n]].name);
	sha256_two(place, sizeof(*tenant_id) + len, value.data, value.len, hash);
	uuid_v8(out, hash);
	return true;
}

bool unique_id_held(const struct plan_rows *rows, const struct row *row, int n, struct uuid *out)
{
	return id_of(rows, &row->tenant_id, n, value_of(rows, row, n), out);
}

bool unique_id_named(const struct plan_rows *rows, const struct plan_fold *fold, const struct fields *fields,
		     const struct event *e, int n, struct arena *arena, struct uuid *out)
{
	const struct column *column = &rows->projection->columns[rows->unique[n]];
	struct bytes raw = { NULL, 0 };

	if (fold->how == FOLD_CHANGES) {
		raw = json_member(field_raw(fields, "changes"), column->name);
		raw = raw.data ? json_member(raw, "to") : raw;
	}
	for (int i = 0; i < fold->copy_count && !raw.data; i++)
		if (fold->copies[i].column == rows->unique[n])
			raw = fields->values[fold->copies[i].field];
	return raw.data && id_of(rows, &e->tenant_id, n, json_string(raw, arena), out);
}

void unique_before(struct fold *f, const void *row, struct bytes held[UNIQUE_MAX])
{
	const struct plan_rows *rows = &f->state->plan->rows[f->step->index];

	for (int n = 0; n < rows->unique_count; n++)
		held[n] = value_of(rows, row, n);
}

/* The value's row; NULL when nobody ever had it. */
static struct unique_value *find(struct fold *f, const struct uuid *id)
{
	return fold_find(f, f->state->group->projections[f->state->plan->unique_values], id);
}

static void give_up(struct fold *f, const struct row *row, const struct uuid *id)
{
	struct unique_value *v = find(f, id);

	if (!v || !uuid_equal(&v->holder_id, &row->id))
		return;
	fold_change(f, v);
	memset(&v->holder_id, 0, sizeof(v->holder_id));
}

static void take(struct fold *f, const struct row *row, const char *column, const struct uuid *id)
{
	struct unique_value *v = find(f, id);

	if (v && !uuid_is_nil(&v->holder_id) && !uuid_equal(&v->holder_id, &row->id)) {
		fold_anomaly(f, "not_unique", "another %s has this %s already; this one is kept as it came",
			     entity_name(f->projection->entity), column);
		return;
	}
	if (v)
		fold_change(f, v);
	else
		v = (struct unique_value *)(void *)memory_new(f->state, f->state->plan->unique_values, f->event, id);
	v->read_model = bytes_text(f->projection->name);
	v->column_name = bytes_text(column);
	v->holder_id = row->id;
}

void unique_after(struct fold *f, void *p, const struct bytes held[UNIQUE_MAX])
{
	const struct plan_rows *rows = &f->state->plan->rows[f->step->index];
	struct row *row = p;
	struct uuid id;

	if (f->state->plan->unique_values < 0)
		return;
	for (int n = 0; n < rows->unique_count; n++) {
		struct bytes now = value_of(rows, row, n);

		if (held[n].data ? now.data && bytes_equal(held[n], now) : !now.data)
			continue;
		if (id_of(rows, &row->tenant_id, n, held[n], &id))
			give_up(f, row, &id);
		if (id_of(rows, &row->tenant_id, n, now, &id))
			take(f, row, rows->projection->columns[rows->unique[n]].name, &id);
	}
}
