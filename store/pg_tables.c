/* pg_tables - the statements that read and write read models, made from their column tables.  See pg_rows.h. */
#include <assert.h>
#include <stdlib.h>

#include "store/pg_rows.h"

void pg_table_name(const struct projection *p, int generation, char out[PG_NAME_MAX + 1])
{
	int n = snprintf(out, PG_NAME_MAX + 1, "%s_%s_v%d_g%d", p->schema, p->name, p->version, generation);

	assert(n > 0 && n <= PG_NAME_MAX);
}

const char *pg_kind_type(enum column_kind kind)
{
	static const char *const types[] = {
		[COLUMN_UUID] = "uuid",      [COLUMN_TEXT] = "text",      [COLUMN_ENUM] = "text",
		[COLUMN_INT2] = "int2",      [COLUMN_INT4] = "int4",      [COLUMN_INT8] = "int8",
		[COLUMN_BOOL] = "bool",      [COLUMN_TIME] = "timestamptz", [COLUMN_JSON] = "jsonb",
		[COLUMN_TEXTS] = "text[]",   [COLUMN_UUIDS] = "uuid[]",   [COLUMN_DECIMAL] = "numeric",
		[COLUMN_INET] = "inet",
	};

	return types[kind];
}

const char *pg_column_type(const struct column *c)
{
	return c->sql ? c->sql : pg_kind_type(c->kind);
}

struct pg_tables *pg_tables_new(void)
{
	return mem_zalloc(sizeof(struct pg_tables));
}

static void free_shapes(struct pg_tables *t)
{
	while (t->shapes) {
		struct pg_shape *next = t->shapes->next;

		free((char *)t->shapes->statement.sql);
		free(t->shapes->varying);
		free(t->shapes);
		t->shapes = next;
	}
	t->shape_count = 0;
	if (t->varying)
		memset(t->varying, 0, 2 * GROUP_PROJECTIONS_MAX * sizeof(*t->varying));
}

void pg_tables_free(struct pg_tables *t)
{
	for (int i = 0; i < t->count; i++) {
		free((char *)t->tables[i].load.sql);
		free((char *)t->tables[i].due.sql);
		free((char *)t->tables[i].names.sql);
	}
	free_shapes(t);
	free(t->tables);
	free(t->rows);
	free(t->numbers);
	free(t->varying);
	free(t);
}

void pg_tables_reconnect(struct pg_tables *t)
{
	for (int i = 0; i < t->count; i++)
		t->tables[i].load.ready = t->tables[i].due.ready = t->tables[i].names.ready = false;
	free_shapes(t);
}

struct pg_table *pg_tables_find(struct pg_tables *t, const struct projection *p)
{
	for (int i = 0; i < t->count; i++)
		if (t->tables[i].projection == p)
			return &t->tables[i];
	return NULL;
}

static char *owned(struct buffer *b)
{
	char *text = mem_strdup(buffer_text(b));

	buffer_release(b);
	return text;
}

/*
 * A row by its key.  The tenant is compared in words that no index can serve, so that only the key's own index,
 * (id, tenant_id), answers: with plain equality the planner, which knows nothing of a young table, may take any
 * index that begins with tenant_id and walk through all of a tenant's rows for each key.
 */
#define KEY_MATCHES(t, k) t ".id = " k ".id AND " t ".tenant_id IS NOT DISTINCT FROM " k ".tenant_id"

/*
 * The end of a look-up of one row of sums, which makes it begin with the newest version.  While a stranger's old snapshot
 * keeps what is dead from being removed, a row that nearly every batch adds to has an entry in the key's index for each
 * of its versions that found no room on its predecessor's page.  They stand in the order of their pages, and versions
 * are added at the table's end; so from the back the first one is alive, and from the front thousands are dead.  Rows
 * of other read models have few versions, and are found with less by their key alone.
 */
#define NEWEST(t) " ORDER BY " t ".id DESC, " t ".tenant_id DESC LIMIT 1"

static bool is_of_sums(const struct projection *p)
{
	for (int i = 0; i < p->column_count; i++)
		if (p->columns[i].adds)
			return true;
	return false;
}

/* Ordinal, last_position, the columns in the table's order, in the kinds' own types. */
static char *load_sql(const struct projection *p, const char *table)
{
	struct buffer b = { 0 };

	buffer_add_text(&b, "SELECT k.n::int4, t.last_position");
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(&b, ", t.\"%s\"::%s", p->columns[i].name, pg_kind_type(p->columns[i].kind));
	buffer_add_text(&b, " FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY k (tenant_id, id, n)");
	if (is_of_sums(p))
		buffer_printf(&b, " CROSS JOIN LATERAL (SELECT * FROM generations.\"%s\" t WHERE " KEY_MATCHES("t", "k") NEWEST("t") ") t",
			      table);
	else
		buffer_printf(&b, " JOIN generations.\"%s\" t ON " KEY_MATCHES("t", "k"), table);
	return owned(&b);
}

/* The next of several names; false when there is none, or it is too long. */
static bool next_name(struct bytes *names, char out[PG_NAME_MAX + 1])
{
	const char *comma = names->len ? memchr(names->data, ',', names->len) : NULL;
	size_t len = comma ? (size_t)(comma - names->data) : names->len;

	if (len == 0 || len > PG_NAME_MAX)
		return false;
	memcpy(out, names->data, len);
	out[len] = 0;
	names->data += len + (comma != NULL);
	names->len -= len + (comma != NULL);
	return true;
}

bool pg_tables_set(struct pg_tables *t, const struct group *group, int generation, struct bytes names)
{
	for (int i = 0; i < group->count; i++) {
		const struct projection *p = group->projections[i];
		struct pg_table *table = pg_tables_find(t, p);
		char name[PG_NAME_MAX + 1];

		if (!next_name(&names, name))
			return false;
		if (table && table->generation == generation)
			continue;
		if (!table) {
			t->tables = mem_realloc(t->tables, (size_t)(t->count + 1) * sizeof(*t->tables));
			table = &t->tables[t->count++];
			memset(table, 0, sizeof(*table));
			table->projection = p;
		}
		/* A name of its own each time: the connection may know the old generation's statement. */
		table->generation = generation;
		memcpy(table->name, name, sizeof(name));
		free((char *)table->load.sql);
		table->load.sql = load_sql(p, table->name);
		table->load.ready = false;
		snprintf(table->load.name, sizeof(table->load.name), "l%d", t->loads);
		free((char *)table->due.sql);
		free((char *)table->names.sql);
		table->due.sql = table->names.sql = NULL;
		table->due.ready = table->names.ready = false;
		snprintf(table->due.name, sizeof(table->due.name), "d%d", t->loads);
		snprintf(table->names.name, sizeof(table->names.name), "n%d", t->loads++);
	}
	return names.len == 0;
}

/* One column of the rows: SELECT-list item over parameter `n`, an array when the column varies, else one value for all. */
static void add_source(struct buffer *b, const struct pg_shape *shape, int kind, int column, int n)
{
	const struct column *c = &shape->group->projections[kind / 2]->columns[column];
	const char *type = pg_kind_type(c->kind);
	bool list = c->kind == COLUMN_TEXTS || c->kind == COLUMN_UUIDS;

	if (pg_column_varies(shape, kind, column))
		buffer_printf(b, list ? ", unnest($%d::text[])::%s" : ", unnest($%d::%s[])", n, type);
	else
		buffer_printf(b, list ? ", (SELECT $%d::text::%s)" : ", $%d::%s", n, type);
}

static int add_insert(struct buffer *b, const struct pg_shape *shape, int kind, const char *table, int n)
{
	const struct projection *p = shape->group->projections[kind / 2];

	buffer_printf(b, "INSERT INTO generations.\"%s\" (tenant_id, id, last_position", table);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(b, ", \"%s\"", p->columns[i].name);
	buffer_printf(b, ") SELECT unnest($%d::uuid[]), unnest($%d::uuid[]), unnest($%d::int8[])", n, n + 1, n + 2);
	n += 3;
	for (int i = 0; i < p->column_count; i++)
		add_source(b, shape, kind, i, n++);
	buffer_add_text(b, shape->fenced ? " FROM fence" : "");
	return n;
}

static int add_update(struct buffer *b, const struct pg_shape *shape, int kind, const char *table, int n)
{
	const struct projection *p = shape->group->projections[kind / 2];

	buffer_printf(b, "UPDATE generations.\"%s\" t SET last_position = u.last_position", table);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(b, ", \"%s\" = u.\"%s\"", p->columns[i].name, p->columns[i].name);
	buffer_printf(b, " FROM (SELECT unnest($%d::uuid[]) AS tenant_id, unnest($%d::uuid[]) AS id,"
			 " unnest($%d::int8[]) AS last_position", n, n + 1, n + 2);
	n += 3;
	for (int i = 0; i < p->column_count; i++) {
		add_source(b, shape, kind, i, n++);
		buffer_printf(b, " AS \"%s\"", p->columns[i].name);
	}
	buffer_add_text(b, shape->fenced ? " FROM fence" : "");
	if (is_of_sums(p))
		buffer_printf(b, ") u CROSS JOIN LATERAL (SELECT v.ctid AS place FROM generations.\"%s\" v WHERE "
				 KEY_MATCHES("v", "u") NEWEST("v") ") v WHERE t.ctid = v.place", table);
	else
		buffer_add_text(b, ") u WHERE " KEY_MATCHES("t", "u"));
	buffer_add_text(b, shape->fenced ? " RETURNING true" : "");
	return n;
}

/* Every row that was to be updated must have been there; `n` is the number of its first parameter. */
static void add_check(struct buffer *b, const struct pg_shape *shape, int kind, int n)
{
	const struct projection *p = shape->group->projections[kind / 2];

	buffer_printf(b, ", CASE WHEN (SELECT count(*) FROM w%d) <> coalesce(cardinality($%d::uuid[]), 0) THEN"
			 " verbatim.refuse_missing('%s.%s', cardinality($%d::uuid[]), (SELECT count(*) FROM w%d)) END",
		      kind, n, p->schema, p->name, n, kind);
}

/*
 * All writes of a batch as one statement.  They read from `fence`, so that none begins before the checkpoint
 * has moved: a worker that is too late meets VB001 and not a row that its successor has written already.  What an
 * update does not find was taken away by hand, and the whole is refused.
 */
static char *write_sql(struct pg_tables *t, const struct pg_shape *shape)
{
	const struct group *g = shape->group;
	struct buffer b = { 0 }, checks = { 0 };
	int n = 1;

	if (shape->fenced) {
		buffer_add_text(&b, "WITH fence AS MATERIALIZED (SELECT verbatim.project_step($1::text, $2::int4, $3::int2,"
				    " $4::int4, $5::int8, $6::int8, $7::bytea) AS answers,"
				    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
				    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'off' END, true) AS lazily)");
		n = 8;
	}
	for (int i = 0; i < 2 * g->count; i++) {
		const struct pg_table *table = pg_tables_find(t, g->projections[i / 2]);

		if (!(shape->mask[i / 64] >> (i % 64) & 1))
			continue;
		assert(table && table->generation == shape->generation);
		if (shape->fenced)
			buffer_printf(&b, ", w%d AS (", i);
		if (i % 2)
			add_check(&checks, shape, i, n);
		n = i % 2 ? add_update(&b, shape, i, table->name, n) : add_insert(&b, shape, i, table->name, n);
		if (shape->fenced)
			buffer_add_byte(&b, ')');
	}
	if (shape->fenced)
		buffer_printf(&b, " SELECT answers%s FROM fence", buffer_text(&checks));
	buffer_release(&checks);
	return owned(&b);
}

static bool is_shape(const struct pg_shape *s, const struct pg_shape *wanted, const struct pg_varying *varying)
{
	if (s->group != wanted->group || s->generation != wanted->generation || s->fenced != wanted->fenced ||
	    memcmp(s->mask, wanted->mask, sizeof(s->mask)) != 0 || !s->varying != !varying)
		return false;
	for (int i = 0; varying && i < 2 * s->group->count; i++)
		if ((s->mask[i / 64] >> (i % 64) & 1) &&
		    memcmp(s->varying[i], varying[i].columns, sizeof(s->varying[i])) != 0)
			return false;
	return true;
}

static struct pg_shape *shape_find(struct pg_tables *t, const struct pg_shape *wanted, const struct pg_varying *varying)
{
	for (struct pg_shape *s = t->shapes; s; s = s->next)
		if (is_shape(s, wanted, varying))
			return s;
	return NULL;
}

static bool covers(const uint64_t *all, const uint64_t *some, int words)
{
	for (int i = 0; i < words; i++)
		if (some[i] & ~all[i])
			return false;
	return true;
}

/* The narrowest known shape that the wanted write fits into, or NULL. */
static struct pg_shape *shape_around(struct pg_tables *t, const struct pg_shape *wanted, const struct pg_varying *varying)
{
	struct pg_shape *best = NULL;
	int best_kinds = 0;

	for (struct pg_shape *s = t->shapes; s; s = s->next) {
		bool fits = s->group == wanted->group && s->generation == wanted->generation && s->fenced == wanted->fenced &&
			    covers(s->mask, wanted->mask, PG_MASK_WORDS) && (!s->varying || varying);
		int kinds = 0;

		for (int i = 0; fits && i < 2 * s->group->count; i++) {
			kinds += s->mask[i / 64] >> (i % 64) & 1;
			if (s->varying && (wanted->mask[i / 64] >> (i % 64) & 1))
				fits = covers(s->varying[i], varying[i].columns, PG_COLUMN_WORDS);
		}
		if (fits && (!best || kinds < best_kinds)) {
			best = s;
			best_kinds = kinds;
		}
	}
	return best;
}

struct pg_shape *pg_shape_get(struct pg_tables *t, const struct group *group, int generation, bool fenced, bool few,
			      const uint64_t mask[PG_MASK_WORDS])
{
	struct pg_shape wanted = { .group = group, .generation = generation, .fenced = fenced };
	const struct pg_varying *varying = few ? NULL : t->varying;
	struct pg_shape *s;

	memcpy(wanted.mask, mask, sizeof(wanted.mask));
	s = shape_find(t, &wanted, varying);
	if (!s && fenced && t->shape_count >= PG_SHAPES_MAX) {
		/* Rather a statement with rows for more tables, some of them none, than a new one for each batch. */
		s = shape_around(t, &wanted, varying);
		for (int i = 0; !s && i < 2 * group->count; i++)
			wanted.mask[i / 64] |= UINT64_C(1) << (i % 64);
		if (!s)
			varying = NULL;
	}
	if (s)
		return s;
	s = mem_zalloc(sizeof(*s));
	*s = wanted;
	if (varying) {
		s->varying = mem_zalloc(2 * (size_t)group->count * sizeof(*s->varying));
		for (int i = 0; i < 2 * group->count; i++)
			memcpy(s->varying[i], varying[i].columns, sizeof(s->varying[i]));
	}
	snprintf(s->statement.name, sizeof(s->statement.name), "w%d", t->shape_count++);
	s->statement.sql = write_sql(t, s);
	s->next = t->shapes;
	t->shapes = s;
	return s;
}
