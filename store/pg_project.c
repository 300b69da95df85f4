/*
 * pg_project - the changed rows and the checkpoint as one statement.
 *
 * One statement is one Bind message, which the server has whole before it begins.  In a pipeline of BEGIN,
 * INSERTs, UPDATEs and COMMIT it would hold the first rows' locks while it waits for the bytes of the next
 * message, and an engine that is stopped in that moment (SIGSTOP, a frozen virtual machine) would hold a
 * shard for everybody, past statement_timeout and idle_in_transaction_session_timeout alike.
 *
 * The commit does not wait for the disk (synchronous_commit = off): the log is the truth, and rows and checkpoint
 * are one transaction, so a crash of the server takes back a suffix of both together, never of one.  The log's own
 * commit stands before it in the WAL and was flushed by its append: what comes back is never ahead of the log.  The
 * worker that meets the lost connection reads the checkpoint again and folds on from there.
 *
 * When the server refuses a value and does not say in which table, the writes are tried once more one by one
 * in a transaction that is rolled back, only to learn the read model's name.
 */
#include <assert.h>
#include <stdlib.h>

#include "store/pg_rows.h"

enum { FEW_ROWS = 64 }; /* so few say little about which columns vary */

/* The rows by kind of write: 2i inserts into projection i, 2i + 1 updates it.  False for a row of no projection of the group. */
static bool sort_rows(struct pg_tables *t, const struct store_project *q)
{
	int counts[2 * GROUP_PROJECTIONS_MAX] = { 0 };
	int total = 0, projection = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (struct row *row = q->changed; row; row = row->next_changed) {
			if (q->group->projections[projection] != row->of)
				for (projection = 0; projection < q->group->count; projection++)
					if (q->group->projections[projection] == row->of)
						break;
			if (projection == q->group->count)
				return false;
			if (pass == 0)
				counts[2 * projection + !row->fresh]++;
			else
				t->rows[counts[2 * projection + !row->fresh]++] = row;
		}
		if (pass == 1)
			break;
		for (int i = 0; i < 2 * q->group->count; i++) {
			int n = counts[i];

			counts[i] = t->first[i] = total;
			total += n;
		}
		t->first[2 * q->group->count] = total;
		if (t->rows_capacity < total) {
			t->rows_capacity = 2 * total;
			t->rows = mem_realloc(t->rows, (size_t)t->rows_capacity * sizeof(*t->rows));
		}
	}
	return true;
}

static void put_enum(struct pg_params *p, struct row *const *rows, int n, const struct column *c)
{
	size_t began = pg_array_begin(p, OID_TEXT, n);
	int absent = 0;

	for (int i = 0; i < n; i++) {
		int16_t v;

		memcpy(&v, (const char *)rows[i] + c->offset, sizeof(v));
		if (v < 0) {
			pg_item_null(p);
			absent++;
		} else {
			pg_item(p, c->values[v], strlen(c->values[v]));
		}
	}
	pg_array_end(p, began, absent);
}

/* False when a value does not fit its kind. */
static bool put_column(struct pg_params *p, struct row *const *rows, int n, const struct column *c)
{
	switch (c->kind) {
	case COLUMN_UUID:
		pg_array_uuid(p, rows, n, c->offset);
		return true;
	case COLUMN_TEXT:
		pg_array_bytes(p, rows, n, c->offset, OID_TEXT);
		return true;
	case COLUMN_JSON:
		pg_array_bytes(p, rows, n, c->offset, OID_JSONB);
		return true;
	case COLUMN_ENUM:
		put_enum(p, rows, n, c);
		return true;
	case COLUMN_BOOL:
		pg_array_bool(p, rows, n, c->offset);
		return true;
	case COLUMN_TIME:
		pg_array_time(p, rows, n, c->offset);
		return true;
	case COLUMN_DECIMAL:
		pg_array_decimal(p, rows, n, c->offset, c->scale);
		return true;
	case COLUMN_INT2:
		return pg_array_int(p, rows, n, c->offset, OID_INT2);
	case COLUMN_INT4:
		return pg_array_int(p, rows, n, c->offset, OID_INT4);
	case COLUMN_INT8:
		return pg_array_int(p, rows, n, c->offset, OID_INT8);
	case COLUMN_INET:
		return pg_array_inet(p, rows, n, c->offset);
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
		return pg_array_literals(p, rows, n, c->offset);
	}
	return false;
}

/* Notes which read model and column a value was refused for. */
static void refused(struct pg_session *s, const struct projection *p, const char *words)
{
	if (s->request->status == 0)
		s->request->status = error_field(&s->request->error, E_ROW_REFUSED, p->name, "%s", words);
}

static void put_rows(struct pg_session *s, const struct pg_shape *shape, int kind)
{
	struct pg_tables *t = s->tables;
	const struct projection *p = shape->group->projections[kind / 2];
	struct row *const *rows = t->rows + t->first[kind];
	int n = t->first[kind + 1] - t->first[kind];
	char words[128];

	if (n == 0) {
		for (int i = 0; i < p->column_count + 3; i++)
			pg_param_null(&s->params);
		return;
	}
	pg_array_uuid(&s->params, rows, n, offsetof(struct row, tenant_id));
	pg_array_uuid(&s->params, rows, n, offsetof(struct row, id));
	pg_array_int(&s->params, rows, n, offsetof(struct row, last_position), OID_INT8);
	for (int i = 0; i < p->column_count; i++) {
		bool varies = pg_column_varies(shape, kind, i), fits = put_column(&s->params, rows, varies ? n : 1, &p->columns[i]);

		if (!varies)
			pg_array_first(&s->params);
		if (fits)
			continue;
		snprintf(words, sizeof(words), "a value of column \"%s\" does not fit its type", p->columns[i].name);
		refused(s, p, words);
	}
}

static size_t value_bytes(enum column_kind kind)
{
	switch (kind) {
	case COLUMN_UUID:
		return sizeof(struct uuid);
	case COLUMN_ENUM:
		return sizeof(int16_t);
	case COLUMN_BOOL:
		return sizeof(int8_t);
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_TIME:
	case COLUMN_DECIMAL:
		return sizeof(int64_t);
	default:
		return 0; /* a text */
	}
}

static bool same_text(const char *a, const char *b)
{
	struct bytes x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x.len == y.len && !x.data == !y.data && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
}

static bool values_differ(struct row *const *rows, int n, const struct column *c)
{
	const char *first = (const char *)rows[0] + c->offset;
	size_t bytes = value_bytes(c->kind);

	for (int i = 1; i < n; i++) {
		const char *value = (const char *)rows[i] + c->offset;

		if (bytes ? memcmp(value, first, bytes) != 0 : !same_text(value, first))
			return true;
	}
	return false;
}

/* Looks which columns vary in this batch that did not before. */
static void learn_varying(struct pg_tables *t, const struct group *g)
{
	if (!t->varying)
		t->varying = mem_zalloc(2 * GROUP_PROJECTIONS_MAX * sizeof(*t->varying));
	for (int kind = 0; kind < 2 * g->count; kind++) {
		const struct projection *p = g->projections[kind / 2];
		struct row *const *rows = t->rows + t->first[kind];
		int n = t->first[kind + 1] - t->first[kind];
		struct pg_varying *v = &t->varying[kind];
		bool changed = false;

		for (int i = 0; i < p->column_count && i < 64 * PG_COLUMN_WORDS; i++) {
			uint64_t bit = UINT64_C(1) << (i % 64);

			if ((v->columns[i / 64] & bit) || !values_differ(rows, n, &p->columns[i]))
				continue;
			v->columns[i / 64] |= bit;
			changed = true;
		}
		if (changed && ++v->changes > PG_CHANGES_MAX)
			memset(v->columns, 0xff, sizeof(v->columns));
	}
}

static bool has(const uint64_t *mask, int kind)
{
	return mask[kind / 64] >> (kind % 64) & 1;
}

/* Round 2: the writes one by one; the first that fails is the one. */
static void probe(struct pg_session *s)
{
	struct store_project *q = (struct store_project *)s->request;
	struct pg_tables *t = s->tables;
	int queries = 0;

	pg_run(s, PG_BEGIN);
	t->probes[queries++] = -1;
	for (int kind = 0; kind < 2 * q->group->count; kind++) {
		uint64_t mask[PG_MASK_WORDS] = { 0 };
		struct pg_shape *shape;

		if (t->first[kind] == t->first[kind + 1])
			continue;
		mask[kind / 64] = UINT64_C(1) << (kind % 64);
		shape = pg_shape_get(t, q->group, q->generation, false, true, mask);
		put_rows(s, shape, kind);
		t->probes[queries++] = kind;
		pg_query(s, &shape->statement);
	}
	pg_round(s, 0);
}

static const struct projection *refused_by(const struct pg_session *s, const struct store_project *q)
{
	for (int i = 0; i < q->group->count; i++) {
		const struct pg_table *table = pg_tables_find(s->tables, q->group->projections[i]);

		if (table && strcmp(table->name, s->refused_table) == 0)
			return q->group->projections[i];
	}
	return NULL;
}

static void on_result(struct pg_session *s, int query, const PGresult *r)
{
	if (s->round == 1 && PQntuples(r) == 1)
		((struct store_project *)s->request)->answers = pg_bool(r, 0, 0);
}

static void on_end(struct pg_session *s)
{
	struct store_project *q = (struct store_project *)s->request;
	const struct projection *p = s->data_refused ? refused_by(s, q) : NULL;

	if (s->round == 1 && (!s->data_refused || p)) {
		if (p) {
			s->request->status = s->request->error.code = E_ROW_REFUSED;
			snprintf(s->request->error.field, sizeof(s->request->error.field), "%s", p->name);
		}
		pg_finish(s);
	} else if (s->round == 1) {
		probe(s);
	} else if (s->round == 2) {
		/* `failed` is the first execution that was not answered well. */
		int kind = s->failed > 0 ? s->tables->probes[s->failed] : -1;

		s->request->status = s->request->error.code = E_ROW_REFUSED;
		if (kind >= 0)
			snprintf(s->request->error.field, sizeof(s->request->error.field), "%s",
				 q->group->projections[kind / 2]->name);
		pg_run(s, PG_ROLLBACK);
		pg_round(s, 0);
	} else {
		pg_finish(s);
	}
}

void pg_project(struct store *store, struct store_project *r)
{
	struct pg_session *s = pg_of(store);
	struct pg_tables *t = s->tables;
	struct pg_params *p = &s->params;
	uint64_t mask[PG_MASK_WORDS] = { 0 };
	struct pg_shape *shape;
	bool few;

	r->answers = false;
	if (!pg_begin(s, &r->request, on_result, on_end))
		return;
	if (!sort_rows(t, r)) {
		pg_fail(s, E_INTERNAL, "a changed row belongs to no read model of group \"%s\"", r->group->name);
		return;
	}
	for (int kind = 0; kind < 2 * r->group->count; kind++)
		if (t->first[kind] < t->first[kind + 1])
			mask[kind / 64] |= UINT64_C(1) << (kind % 64);
	few = !t->varying && t->first[2 * r->group->count] < FEW_ROWS;
	if (!few)
		learn_varying(t, r->group);
	shape = pg_shape_get(t, r->group, r->generation, true, few, mask);
	pg_param_text(p, r->group->name);
	pg_param_int4(p, r->generation);
	pg_param_int2(p, r->shard);
	pg_param_int4(p, r->epoch);
	pg_param_int8(p, r->old_position);
	pg_param_int8(p, r->new_position);
	pg_param_bytes(p, r->leaf, LEAF_BYTES);
	for (int kind = 0; kind < 2 * r->group->count; kind++)
		if (has(shape->mask, kind))
			put_rows(s, shape, kind);
	if (r->request.status) {
		pg_fail(s, r->request.status, "a value does not fit");
		return;
	}
	pg_query(s, &shape->statement);
	pg_round(s, 0);
}
