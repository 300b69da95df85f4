/*
 * readmodel_analyst - see readmodel_analyst.h.
 *
 * The grants on the table are what keeps analysts out; the view is how they ask.  A column that comes to be withheld
 * while the view shows it stays in it as NULL: dropping the view would take along what people have built upon it.
 *
 * Run at every start, so both look first and change nothing that stands.
 */
#include "store/readmodel_analyst.h"

#include <string.h>

#include "base/bytes.h"
#include "store/pg_rows.h"
#include "store/readmodel_check.h"

/* What each row has before and behind its own columns. */
static const char *const every_row[] = { "id", "tenant_id", "last_position" };

/* The columns that analysts read, as an array literal; names are plain words. */
static void add_names(struct buffer *b, const struct projection *p)
{
	buffer_add_text(b, "'{");
	if (!p->withheld)
		buffer_add_text(b, "tenant_id,id,last_position");
	for (int i = 0; i < p->column_count; i++)
		if (!column_is_withheld(p, &p->columns[i]))
			buffer_printf(b, ",\"%s\"", p->columns[i].name);
	buffer_add_text(b, "}'::name[]");
}

int readmodel_open_table(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer b = { 0 };
	int result;

	buffer_printf(&b, "SELECT verbatim.open_columns('generations.\"%s\"', ", table);
	add_names(&b, p);
	buffer_add_byte(&b, ')');
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

/* Of the columns people may see. */
static int count_withheld(const struct projection *p)
{
	int count = 0;

	for (int i = 0; i < p->column_count; i++)
		count += !p->columns[i].hidden && column_is_withheld(p, &p->columns[i]);
	return count;
}

/* Whether the view rests on exactly these columns of the table. */
static int view_stands(PGconn *c, const struct projection *p, const char *table, bool *stands, struct error *error)
{
	struct buffer b = { 0 };
	PGresult *r = NULL;
	int result;

	buffer_printf(&b,
		      "SELECT FROM pg_rewrite w WHERE w.ev_class = to_regclass('analyst.\"%s\"') AND ARRAY(SELECT a.attname"
		      " FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
		      " WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass"
		      " AND d.refobjid = 'generations.\"%s\"'::regclass AND d.refobjsubid > 0 ORDER BY 1) = ARRAY(SELECT n FROM unnest(",
		      p->name, table);
	add_names(&b, p);
	buffer_add_text(&b, ") n ORDER BY 1)");
	result = readmodel_run(c, error, buffer_text(&b), &r);
	buffer_release(&b);
	if (result)
		return result;
	*stands = PQntuples(r) == 1;
	PQclear(r);
	return 0;
}

static bool shows(const struct projection *p, const char *name)
{
	const struct column *column = projection_column(p, name);

	for (int i = 0; i < 3; i++)
		if (strcmp(name, every_row[i]) == 0)
			return true;
	return column && !column_is_withheld(p, column);
}

static bool has(const PGresult *columns, const char *name)
{
	for (int row = 0; row < PQntuples(columns); row++)
		if (strcmp(PQgetvalue(columns, row, 0), name) == 0)
			return true;
	return false;
}

static void add_column(struct buffer *b, const char *name, const char *null_type)
{
	if (null_type)
		buffer_printf(b, "NULL::%s AS \"%s\", ", null_type, name);
	else
		buffer_printf(b, "\"%s\", ", name);
}

/* What the view has, in its order, then what is new: all that CREATE OR REPLACE can do. */
static int make_view(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer b = { 0 };
	PGresult *old = NULL;
	int result;

	result = readmodel_runf(c, error, &old,
				"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
				" WHERE attrelid = to_regclass('analyst.\"%s\"') AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
				p->name);
	if (result)
		return result;
	buffer_printf(&b, "CREATE OR REPLACE VIEW analyst.\"%s\" WITH (security_invoker = true) AS SELECT ", p->name);
	for (int row = 0; row < PQntuples(old); row++) {
		const char *name = PQgetvalue(old, row, 0);

		add_column(&b, name, shows(p, name) ? NULL : PQgetvalue(old, row, 1));
	}
	for (int i = 0; i < 2; i++)
		if (!has(old, every_row[i]))
			add_column(&b, every_row[i], NULL);
	for (int i = 0; i < p->column_count; i++)
		if (!column_is_withheld(p, &p->columns[i]) && !has(old, p->columns[i].name))
			add_column(&b, p->columns[i].name, NULL);
	if (!has(old, every_row[2]))
		add_column(&b, every_row[2], NULL);
	PQclear(old);
	b.len -= 2;
	buffer_printf(&b, " FROM generations.\"%s\"; REVOKE ALL ON analyst.\"%s\" FROM PUBLIC;"
			  " GRANT SELECT ON analyst.\"%s\" TO verbatim_analyst, verbatim_reader, verbatim_engine, verbatim_admin,"
			  " verbatim_auditor", table, p->name, p->name);
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

static int say_what_is_withheld(PGconn *c, const struct projection *p, struct error *error)
{
	struct buffer b = { 0 };
	const char *sep = "; withheld: ";
	int result;

	buffer_printf(&b, "COMMENT ON VIEW analyst.\"%s\" IS '%s.%s for analysts", p->name, p->schema, p->name);
	for (int i = 0; i < p->column_count; i++) {
		if (p->columns[i].hidden || !column_is_withheld(p, &p->columns[i]))
			continue;
		buffer_printf(&b, "%s%s", sep, p->columns[i].name);
		sep = ", ";
	}
	buffer_add_byte(&b, '\'');
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

/* Rights to the full view only where nothing is withheld: otherwise it is closed, and should say so itself. */
static int open_full_view(PGconn *c, const struct projection *p, struct error *error)
{
	struct buffer b = { 0 };
	int result;

	buffer_printf(&b, "SELECT verbatim.open_columns('\"%s\".\"%s\"', ", p->schema, p->name);
	if (p->withheld || count_withheld(p))
		buffer_add_text(&b, "'{}'");
	else
		add_names(&b, p);
	buffer_add_byte(&b, ')');
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

int readmodel_show_analysts(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	bool stands = p->withheld;
	int result = 0;

	if (!stands)
		result = view_stands(c, p, table, &stands, error);
	if (result == 0 && !stands)
		result = make_view(c, p, table, error);
	if (result == 0 && !stands)
		result = say_what_is_withheld(c, p, error);
	if (result == 0)
		result = open_full_view(c, p, error);
	if (result)
		error_prefix(error, "view analyst.%s", p->name);
	return result;
}
