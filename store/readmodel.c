/* readmodel - see readmodel.h. */
#include "store/readmodel.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "store/pg_rows.h"
#include "store/readmodel_analyst.h"
#include "store/readmodel_check.h"
#include "store/schema.h"

int readmodel_run(PGconn *c, struct error *error, const char *sql, PGresult **out)
{
	PGresult *r = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(r);
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	int result = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		result = error_set(error, PQstatus(c) == CONNECTION_BAD ? E_UNAVAILABLE : E_MIGRATION, "%s (SQLSTATE %s)",
				   words ? words : "the connection was lost", state ? state : "none");
	if (out && result == 0)
		*out = r;
	else
		PQclear(r);
	return result;
}

int readmodel_runf(PGconn *c, struct error *error, PGresult **out, const char *format, ...)
{
	struct buffer b = { 0 };
	char text[2048];
	va_list args;
	int result;

	va_start(args, format);
	result = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert(result >= 0 && (size_t)result < sizeof(text));
	buffer_add_text(&b, text);
	result = readmodel_run(c, error, buffer_text(&b), out);
	buffer_release(&b);
	return result;
}

/* COMMENT ON `what` IS 'about'; nothing when there is nothing to say. */
static int comment(PGconn *c, struct error *error, const char *what, const char *about)
{
	struct buffer b = { 0 };
	char *literal;
	int result;

	if (!about)
		return 0;
	literal = PQescapeLiteral(c, about, strlen(about));
	if (!literal)
		return error_set(error, E_MIGRATION, "a comment cannot be quoted");
	buffer_printf(&b, "COMMENT ON %s IS %s", what, literal);
	PQfreemem(literal);
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

static int comment_column(PGconn *c, struct error *error, const char *what, const struct projection *p, const struct column *column)
{
	struct buffer b = { 0 };
	int result;

	if (!column_is_withheld(p, column))
		return comment(c, error, what, column->about);
	buffer_printf(&b, "%s%swithheld from analysts", column->about ? column->about : "", column->about ? "; " : "");
	result = comment(c, error, what, buffer_text(&b));
	buffer_release(&b);
	return result;
}

static int make_indexes(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	for (int i = 0; p->indexes && p->indexes[i]; i++) {
		/* Named after what it is: a definition that changes gets an index of its own. */
		unsigned hash = XXH32(p->indexes[i], strlen(p->indexes[i]), 0);
		char name[PG_NAME_MAX + 12];
		int result;

		snprintf(name, sizeof(name), "%.54s_%08x", table, hash);
		result = readmodel_runf(c, error, NULL, "CREATE INDEX IF NOT EXISTS \"%s\" ON generations.\"%s\" %s", name, table,
					p->indexes[i]);
		if (result)
			return error_prefix(error, "index %s of read model \"%s\"", p->indexes[i], p->name);
	}
	return 0;
}

static int make_table(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer b = { 0 };
	char what[3 * PG_NAME_MAX];
	int result;

	buffer_printf(&b, "CREATE TABLE generations.\"%s\" (tenant_id uuid NOT NULL, id uuid NOT NULL, last_position int8 NOT NULL",
		      table);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(&b, ", \"%s\" %s%s", p->columns[i].name, pg_column_type(&p->columns[i]),
			      p->columns[i].required ? " NOT NULL" : "");
	buffer_printf(&b, ", PRIMARY KEY (id, tenant_id) WITH (fillfactor = 90)) WITH (fillfactor = %d)",
		      p->fillfactor ? p->fillfactor : 100);
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	if (result)
		return error_prefix(error, "read model \"%s\"", p->name);
	snprintf(what, sizeof(what), "TABLE generations.\"%s\"", table);
	result = comment(c, error, what, p->about);
	for (int i = 0; i < p->column_count && result == 0; i++) {
		snprintf(what, sizeof(what), "COLUMN generations.\"%s\".\"%s\"", table, p->columns[i].name);
		result = comment_column(c, error, what, p, &p->columns[i]);
	}
	if (result == 0)
		result = readmodel_runf(c, error, NULL, "SELECT verbatim.guard_table('generations.\"%s\"')", table);
	return result;
}

/* id, tenant_id, the columns people may see, last_position. */
static int make_view(PGconn *c, const struct projection *p, int generation, struct error *error)
{
	struct buffer b = { 0 };
	char table[PG_NAME_MAX + 1], what[3 * PG_NAME_MAX];
	int result;

	pg_table_name(p, generation, table);
	buffer_printf(&b, "CREATE OR REPLACE VIEW \"%s\".\"%s\" WITH (security_invoker = true) AS SELECT id, tenant_id",
		      p->schema, p->name);
	for (int i = 0; i < p->column_count; i++)
		if (!p->columns[i].hidden)
			buffer_printf(&b, ", \"%s\"", p->columns[i].name);
	buffer_printf(&b, ", last_position FROM generations.\"%s\"", table);
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	if (result)
		return error_prefix(error, "view %s.%s", p->schema, p->name);
	snprintf(what, sizeof(what), "VIEW \"%s\".\"%s\"", p->schema, p->name);
	result = comment(c, error, what, p->about);
	for (int i = 0; i < p->column_count && result == 0; i++) {
		if (p->columns[i].hidden)
			continue;
		snprintf(what, sizeof(what), "COLUMN \"%s\".\"%s\".\"%s\"", p->schema, p->name, p->columns[i].name);
		result = comment_column(c, error, what, p, &p->columns[i]);
	}
	if (result == 0)
		result = readmodel_runf(c, error, NULL, "REVOKE ALL ON \"%s\".\"%s\" FROM PUBLIC", p->schema, p->name);
	if (result == 0)
		result = readmodel_runf(c, error, NULL,
					"GRANT SELECT ON \"%s\".\"%s\" TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor",
					p->schema, p->name);
	return result;
}

/* A view that shows another generation, or other columns than it should, or is not there. */
static int view_stands(PGconn *c, const struct projection *p, int generation, bool *stands, struct error *error)
{
	char table[PG_NAME_MAX + 1];
	PGresult *r = NULL;
	int result, columns = 3;

	for (int i = 0; i < p->column_count; i++)
		columns += !p->columns[i].hidden;
	pg_table_name(p, generation, table);
	result = readmodel_runf(c, error, &r,
				"SELECT FROM pg_views v WHERE schemaname = '%s' AND viewname = '%s'"
				" AND position('generations.%s;' IN definition || ';') > 0 AND %d = (SELECT count(*) FROM pg_attribute"
				" WHERE attrelid = to_regclass('\"%s\".\"%s\"') AND attnum > 0)",
				p->schema, p->name, table, columns, p->schema, p->name);
	if (result)
		return result;
	*stands = PQntuples(r) == 1;
	PQclear(r);
	return 0;
}

static int show_generation(PGconn *c, const struct group *g, int generation, struct error *error)
{
	for (int i = 0; i < g->count; i++) {
		const struct projection *p = g->projections[i];
		char table[PG_NAME_MAX + 1];
		bool stands = false;
		int result = view_stands(c, p, generation, &stands, error);

		if (result == 0 && !stands)
			result = make_view(c, p, generation, error);
		pg_table_name(p, generation, table);
		if (result == 0)
			result = readmodel_show_analysts(c, p, table, error);
		if (result)
			return result;
	}
	return readmodel_runf(c, error, NULL,
			      "UPDATE verbatim.generation SET active = false WHERE group_name = '%s' AND active AND generation <> %d;"
			      "UPDATE verbatim.generation SET active = true WHERE group_name = '%s' AND NOT active AND generation = %d",
			      g->name, generation, g->name, generation);
}

/* The newest generation that holds exactly these versions (0: none), the newest of all, and whether anything was ever projected. */
static int find_generation(PGconn *c, const struct group *g, int *found, int *newest, bool *used, struct error *error)
{
	struct buffer b = { 0 };
	PGresult *r = NULL;
	int result;

	buffer_printf(&b, "SELECT coalesce((SELECT generation FROM verbatim.generation JOIN (VALUES ");
	for (int i = 0; i < g->count; i++)
		buffer_printf(&b, "%s('%s.%s', %d)", i ? ", " : "", g->projections[i]->schema, g->projections[i]->name,
			      g->projections[i]->version);
	buffer_printf(&b, ") w (name, v) ON w.name = projection AND w.v = version WHERE group_name = '%s'"
			  " GROUP BY generation HAVING count(*) = %d ORDER BY generation DESC LIMIT 1), 0),"
			  " coalesce((SELECT max(generation) FROM verbatim.generation WHERE group_name = '%s'), 0),"
			  " EXISTS (SELECT FROM verbatim.projection_batch WHERE group_name = '%s')",
		      g->name, g->count, g->name, g->name);
	result = readmodel_run(c, error, buffer_text(&b), &r);
	buffer_release(&b);
	if (result)
		return result;
	*found = atoi(PQgetvalue(r, 0, 0));
	*newest = atoi(PQgetvalue(r, 0, 1));
	*used = *PQgetvalue(r, 0, 2) == 't';
	PQclear(r);
	return 0;
}

static int prepare_group(PGconn *c, const struct group *g, struct error *error)
{
	int generation = 0, newest = 0, result;
	bool used = false, fresh;

	result = find_generation(c, g, &generation, &newest, &used, error);
	fresh = generation == 0;
	if (fresh)
		generation = newest + 1;
	for (int i = 0; i < g->count && result == 0; i++) {
		const struct projection *p = g->projections[i];
		char table[PG_NAME_MAX + 1];

		pg_table_name(p, generation, table);
		result = fresh ? make_table(c, p, table, error) : readmodel_check(c, p, table, error);
		if (result == 0)
			result = readmodel_open_table(c, p, table, error);
		if (result == 0)
			result = make_indexes(c, p, table, error);
		if (result == 0 && fresh)
			result = readmodel_runf(c, error, NULL,
						"INSERT INTO verbatim.generation (group_name, projection, version, generation, table_name)"
						" VALUES ('%s', '%s.%s', %d, %d, '%s')",
						g->name, p->schema, p->name, p->version, generation, table);
	}
	/* An older generation with rows answers until it is switched; one without may go at once. */
	if (result == 0 && (fresh ? newest == 0 || !used : true)) {
		PGresult *r = NULL;
		bool active = true;

		if (!fresh) {
			result = readmodel_runf(c, error, &r,
						"SELECT FROM verbatim.generation WHERE group_name = '%s' AND generation = %d AND active",
						g->name, generation);
			active = result == 0 && PQntuples(r) > 0;
			PQclear(r);
		}
		if (result == 0 && active)
			result = show_generation(c, g, generation, error);
	}
	return result;
}

/* One transaction as the owner of the schemas, one at a time. */
static int begin(PGconn *c, struct error *error)
{
	catalog_init(); /* which says what analysts may read */
	return readmodel_run(c, error,
			     "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL client_min_messages = warning;"
			     "SET LOCAL search_path = pg_catalog; SET LOCAL ROLE verbatim_owner;"
			     "SELECT pg_advisory_xact_lock(hashtext('verbatim.readmodel'))", NULL);
}

static int end(PGconn *c, int result, struct error *error)
{
	PGresult *r;

	if (result == 0)
		return readmodel_run(c, error, "COMMIT", NULL);
	r = PQexec(c, "ROLLBACK");
	PQclear(r);
	return result;
}

int readmodel_prepare_groups(PGconn *owner, const struct group *const *list, int count,
			     const struct schema_file *files, struct error *error)
{
	int result = begin(owner, error);

	for (int i = 0; i < count && result == 0; i++)
		result = prepare_group(owner, list[i], error);
	for (const struct schema_file *f = files; f && f->name && result == 0; f++) {
		if (strncmp(f->name, "read/", 5) != 0)
			continue;
		result = readmodel_run(owner, error, f->text, NULL);
		if (result)
			error_prefix(error, "schema/%s", f->name);
	}
	return end(owner, result, error);
}

int readmodel_switch(PGconn *owner, const struct group *group, int generation, struct error *error)
{
	int result = begin(owner, error), found = 0, newest = 0;
	bool used;

	if (result == 0)
		result = find_generation(owner, group, &found, &newest, &used, error);
	if (result == 0 && found != generation)
		result = error_set(error, E_NOT_FOUND, "group \"%s\" has no generation %d in this binary's versions", group->name,
				   generation);
	if (result == 0)
		result = show_generation(owner, group, generation, error);
	return end(owner, result, error);
}
