/*
 * pg_load - read-model rows by key: one query a projection, all of a request in one round.
 *
 * Keys go out as two arrays, rows come back with the number of their key.
 */
#include <assert.h>

#include "store/pg_rows.h"

void pg_take_column(const char *data, int len, const struct column *c, char *to, struct arena *arena)
{
	bool null = len < 0;
	struct bytes text = { NULL, 0 };
	int64_t number = INT_NONE;
	int16_t value = -1;
	int8_t truth = -1;

	switch (c->kind) {
	case COLUMN_UUID:
		if (len == 16)
			memcpy(to, data, 16);
		else
			memset(to, 0, 16);
		return;
	case COLUMN_TEXT:
		if (!null)
			text = arena_copy(arena, bytes_of(data, (size_t)len));
		break;
	case COLUMN_JSON:
		if (!null)
			text = pg_get_jsonb(data, len, arena);
		break;
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		if (!null)
			text = pg_get_strings(data, len, c->kind == COLUMN_UUIDS, arena);
		break;
	case COLUMN_INET:
		if (!null)
			text = pg_get_inet(data, len, arena);
		break;
	case COLUMN_ENUM:
		for (int16_t i = 0; !null && c->values[i] && value < 0; i++)
			if (bytes_is((struct bytes){ data, (size_t)len }, c->values[i]))
				value = i;
		memcpy(to, &value, sizeof(value));
		return;
	case COLUMN_BOOL:
		if (!null)
			truth = *data == 1;
		memcpy(to, &truth, sizeof(truth));
		return;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
		if (!null)
			number = pg_get_int(data, len);
		memcpy(to, &number, sizeof(number));
		return;
	case COLUMN_TIME:
		number = null ? TIME_NONE : pg_get_time(data);
		memcpy(to, &number, sizeof(number));
		return;
	case COLUMN_DECIMAL:
		if (!null)
			number = pg_get_decimal(data, len, c->scale);
		memcpy(to, &number, sizeof(number));
		return;
	}
	memcpy(to, &text, sizeof(text));
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	struct store_load *l = (struct store_load *)s->request;
	struct pg_tables *t = s->tables;
	const struct projection *p = t->tables[t->asked[query]].projection;
	int keys = t->asked_first[query + 1] - t->asked_first[query];

	for (int i = 0; i < PQntuples(r); i++) {
		int64_t number = pg_int(r, i, 0);
		const struct row_key *key;
		struct row *row;
		int at;

		if (number < 1 || number > keys) {
			pg_wrong(s, E_DATABASE, "a row of \"%s\" came back without its key", p->name);
			return;
		}
		at = t->numbers[t->asked_first[query] + (int)number - 1];
		key = &l->keys[at];
		row = arena_zalloc(l->arena, p->row_bytes);
		row->of = p;
		row->tenant_id = key->tenant_id;
		row->id = key->id;
		row->last_position = pg_int(r, i, 1);
		row->exists = true;
		for (int c = 0; c < p->column_count; c++)
			pg_take_column(PQgetvalue(r, i, c + 2), PQgetisnull(r, i, c + 2) ? -1 : PQgetlength(r, i, c + 2), &p->columns[c],
				       (char *)row + p->columns[c].offset, l->arena);
		l->rows[at] = row;
	}
}

void pg_load(struct store *store, struct store_load *r)
{
	struct pg_session *s = pg_of(store);
	struct pg_tables *t = s->tables;
	int queries = 0, at = 0;

	r->rows = arena_zalloc(r->arena, (size_t)(r->count ? r->count : 1) * sizeof(*r->rows));
	if (!pg_begin(s, &r->request, on_result, pg_finish))
		return;
	if (t->numbers_capacity < r->count) {
		t->numbers_capacity = 2 * r->count;
		t->numbers = mem_realloc(t->numbers, (size_t)t->numbers_capacity * sizeof(*t->numbers));
	}
	/* The keys' numbers, sorted by table. */
	for (int i = 0; i < t->count; i++) {
		int before = at;

		for (int k = 0; k < r->count; k++)
			if (r->keys[k].projection == t->tables[i].projection)
				t->numbers[at++] = k;
		if (at == before)
			continue;
		assert(queries < GROUP_PROJECTIONS_MAX);
		t->asked[queries] = i;
		t->asked_first[queries++] = before;
		t->asked_first[queries] = at;
	}
	if (at < r->count || queries == 0) {
		pg_fail(s, E_INTERNAL, r->count ? "rows of a read model were asked for before its checkpoint" : "no keys to load");
		return;
	}
	s->of_generation = true;
	for (int q = 0; q < queries; q++) {
		int first = t->asked_first[q], count = t->asked_first[q + 1] - first;
		size_t began = pg_array_begin(&s->params, OID_UUID, count);

		for (int i = 0; i < count; i++)
			pg_item(&s->params, r->keys[t->numbers[first + i]].tenant_id.b, 16);
		pg_array_end(&s->params, began, 0);
		began = pg_array_begin(&s->params, OID_UUID, count);
		for (int i = 0; i < count; i++)
			pg_item(&s->params, r->keys[t->numbers[first + i]].id.b, 16);
		pg_array_end(&s->params, began, 0);
		pg_query(s, &t->tables[t->asked[q]].load);
	}
	pg_round(s, 0);
}
