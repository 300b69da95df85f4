/* row_schema - see row_schema.h. */
#include "store/row_schema.h"

#include <string.h>

#include "base/bytes.h"
#include "store/pg_rows.h"

bool row_schema_fits(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= PG_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' && strncmp(name, "pg_", 3) != 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* One statement made of our own tables' names and a schema's name that fits. */
static int run(struct pg_conn *c, struct buffer *sql, struct error *error)
{
	int status = db_exec(c, buffer_text(sql), error);

	buffer_reset(sql);
	return status;
}

static int make_table(struct pg_conn *c, const char *schema, const struct projection *p, struct buffer *sql, struct error *error)
{
	buffer_printf(sql, "CREATE TABLE \"%s\".\"%s\" (id uuid NOT NULL, tenant_id uuid NOT NULL", schema, p->name);
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(sql, ", \"%s\" %s", p->columns[i].name, pg_column_type(&p->columns[i]));
	buffer_add_text(sql, ", last_position int8 NOT NULL)");
	return run(c, sql, error);
}

static int make_all(struct pg_conn *c, const char *schema, struct error *error)
{
	struct buffer sql = { 0 };
	int status;

	buffer_printf(&sql, "BEGIN; CREATE SCHEMA \"%s\"", schema);
	status = run(c, &sql, error);
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count && !status; i++)
			status = make_table(c, schema, groups[g]->projections[i], &sql, error);
	if (!status)
		status = db_exec(c, "COMMIT", error);
	else
		(void)!db_exec(c, "ROLLBACK", NULL);
	buffer_release(&sql);
	return status;
}

int row_schema_make(struct pg_conn *c, const char *schema, struct error *error)
{
	char there[8];
	int status = db_value(c, "SELECT 1 FROM pg_namespace WHERE nspname = $1", 1, &schema, there, sizeof(there), error);

	if (!status && *there)
		status = error_set(error, E_EXISTS, "schema '%s' is there already; choose another name, or DROP SCHEMA it", schema);
	return status ? status : make_all(c, schema, error);
}

int row_schema_index(struct pg_conn *c, const char *schema, const struct projection *p, struct error *error)
{
	struct buffer sql = { 0 };
	int status;

	buffer_printf(&sql, "ALTER TABLE \"%s\".\"%s\" ADD PRIMARY KEY (id, tenant_id)", schema, p->name);
	status = run(c, &sql, error);
	for (int i = 0; !status && p->indexes && p->indexes[i]; i++) {
		buffer_printf(&sql, "CREATE INDEX ON \"%s\".\"%s\" %s", schema, p->name, p->indexes[i]);
		status = run(c, &sql, error);
	}
	for (int i = 0; !status && i < p->column_count; i++)
		if (p->columns[i].hidden) {
			buffer_printf(&sql, "ALTER TABLE \"%s\".\"%s\" DROP COLUMN \"%s\"", schema, p->name, p->columns[i].name);
			status = run(c, &sql, error);
		}
	buffer_printf(&sql, "ANALYZE \"%s\".\"%s\"", schema, p->name);
	if (!status)
		status = run(c, &sql, error);
	buffer_release(&sql);
	return status;
}

int row_schema_drop(struct pg_conn *c, const char *schema, struct error *error)
{
	struct buffer sql = { 0 };
	int status;

	buffer_printf(&sql, "DROP SCHEMA IF EXISTS \"%s\" CASCADE", schema);
	status = run(c, &sql, error);
	buffer_release(&sql);
	return status;
}
