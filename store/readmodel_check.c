/*
 * readmodel_check - see readmodel_check.h.
 *
 * The types are not compared as texts ("varchar(50)" is "character varying(50)" to the server): one SELECT of
 * typed NULLs makes the server say what it understands by each, as type and modifier.
 */
#include "store/readmodel_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/pg_rows.h"

static int differs(struct error *error, const char *table, const char *column, const char *how)
{
	char field[sizeof(error->field)];

	snprintf(field, sizeof(field), "%s.%s", table, column);
	return error_field(error, E_SCHEMA_DIFFERS, field,
			   "column \"%s\" of table generations.%s %s; a read model that changes needs a new version", column,
			   table, how);
}

/* The row of `have` with this name, or -1. */
static int find(const PGresult *have, const char *name)
{
	for (int row = 0; row < PQntuples(have); row++)
		if (strcmp(PQgetvalue(have, row, 0), name) == 0)
			return row;
	return -1;
}

enum { NAME, TYPE, MODIFIER, REQUIRED, SPELLED };

static int compare(const PGresult *have, const PGresult *want, const struct projection *p, const char *table,
		   struct error *error)
{
	char how[200];

	for (int i = 0; i < PQnfields(want); i++) {
		const char *name = PQfname(want, i);
		bool required = i < 3 || p->columns[i - 3].required;
		int row = find(have, name);

		if (row < 0)
			return differs(error, table, name, "is missing");
		if (strtoul(PQgetvalue(have, row, TYPE), NULL, 10) != PQftype(want, i) ||
		    atoi(PQgetvalue(have, row, MODIFIER)) != PQfmod(want, i)) {
			snprintf(how, sizeof(how), "is of type %s, not %s", PQgetvalue(have, row, SPELLED),
				 i == 2 ? "int8" : i < 2 ? "uuid" : pg_column_type(&p->columns[i - 3]));
			return differs(error, table, name, how);
		}
		if ((*PQgetvalue(have, row, REQUIRED) == 't') != required)
			return differs(error, table, name, required ? "may be null and must not" : "is NOT NULL and must not be");
	}
	for (int row = 0; row < PQntuples(have); row++) {
		const char *name = PQgetvalue(have, row, NAME);
		int i = 0;

		while (i < PQnfields(want) && strcmp(PQfname(want, i), name) != 0)
			i++;
		if (i == PQnfields(want))
			return differs(error, table, name, "is one column too many");
	}
	return 0;
}

int readmodel_check(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer b = { 0 };
	PGresult *have = NULL, *want = NULL;
	int result;

	result = readmodel_runf(c, error, &have,
				"SELECT attname, atttypid::oid, atttypmod, attnotnull, format_type(atttypid, atttypmod) FROM pg_attribute"
				" WHERE attrelid = to_regclass('generations.\"%s\"') AND attnum > 0 AND NOT attisdropped",
				table);
	if (result)
		return result;
	if (PQntuples(have) == 0) {
		PQclear(have);
		return error_field(error, E_SCHEMA_DIFFERS, table, "table generations.%s is registered but not there", table);
	}
	buffer_printf(&b, "SELECT NULL::uuid AS tenant_id, NULL::uuid AS id, NULL::int8 AS last_position");
	for (int i = 0; i < p->column_count; i++)
		buffer_printf(&b, ", NULL::%s AS \"%s\"", pg_column_type(&p->columns[i]), p->columns[i].name);
	result = readmodel_run(c, error, buffer_text(&b), &want);
	buffer_release(&b);
	if (result == 0)
		result = compare(have, want, p, table, error);
	PQclear(have);
	PQclear(want);
	return result;
}
