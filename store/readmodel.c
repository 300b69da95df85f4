/* readmodel - see readmodel.h. */
#include "store/readmodel.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "store/pg_rows.h"
#include "store/readmodel_analyst.h"
#include "store/readmodel_check.h"
#include "store/schema.h"

enum { SWITCH_FIRST_MS = 50, SWITCH_MOST_MS = 6400 }; /* pauses between tries, doubled each time */

/* What the server's refusals mean here. */
static int code_of(PGconn *c, const char *state)
{
	if (PQstatus(c) == CONNECTION_BAD)
		return E_UNAVAILABLE;
	if (state && (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0))
		return E_BUSY;
	if (state && strcmp(state, "VB005") == 0)
		return E_SCHEMA_DIFFERS;
	if (state && strcmp(state, "42704") == 0)
		return E_NOT_FOUND;
	return E_MIGRATION;
}

int readmodel_result(PGconn *c, struct error *error, PGresult *r, PGresult **out)
{
	ExecStatusType status = PQresultStatus(r);
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	int result = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		result = error_set(error, code_of(c, state), "%s (SQLSTATE %s)", words ? words : "the connection was lost",
				   state ? state : "none");
	if (out && result == 0)
		*out = r;
	else
		PQclear(r);
	return result;
}

int readmodel_run(PGconn *c, struct error *error, const char *sql, PGresult **out)
{
	return readmodel_result(c, error, PQexec(c, sql), out);
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

enum { INDEX_PREFIX = 54 }; /* bytes of the table's name that stand in an index's */

/* Named after what it is: a definition that changes gets an index of its own. */
static void index_name(const char *table, const char *definition, char out[PG_NAME_MAX + 12])
{
	snprintf(out, PG_NAME_MAX + 12, "%.*s_%08x", INDEX_PREFIX, table, (unsigned)XXH32(definition, strlen(definition), 0));
}

static int make_indexes(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	for (int i = 0; p->indexes && p->indexes[i]; i++) {
		char name[PG_NAME_MAX + 12];
		int result;

		index_name(table, p->indexes[i], name);
		result = readmodel_runf(c, error, NULL, "CREATE INDEX IF NOT EXISTS \"%s\" ON generations.\"%s\" %s", name, table,
					p->indexes[i]);
		if (result)
			return error_prefix(error, "index %s of read model \"%s\"", p->indexes[i], p->name);
	}
	return 0;
}

/* Those that an earlier binary made and this one has no more. */
static int drop_indexes(PGconn *c, const struct projection *p, const char *table, struct error *error)
{
	struct buffer b = { 0 };
	char name[PG_NAME_MAX + 12];
	int result;

	buffer_printf(&b, "SELECT verbatim.drop_other_indexes('generations.\"%s\"', '%.*s', ARRAY[", table, INDEX_PREFIX, table);
	for (int i = 0; p->indexes && p->indexes[i]; i++) {
		index_name(table, p->indexes[i], name);
		buffer_printf(&b, "%s'%s'", i ? ", " : "", name);
	}
	buffer_add_text(&b, "]::text[])");
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
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
	if (result == 0)
		result = readmodel_runf(c, error, NULL,
					"COMMENT ON COLUMN generations.\"%s\".tenant_id IS 'whose it is';"
					" COMMENT ON COLUMN generations.\"%s\".id IS 'means nothing outside its tenant';"
					" COMMENT ON COLUMN generations.\"%s\".last_position IS"
					" 'where the event stands that changed the row last, in the log of its tenant''s shard'", table, table, table);
	for (int i = 0; i < p->column_count && result == 0; i++) {
		snprintf(what, sizeof(what), "COLUMN generations.\"%s\".\"%s\"", table, p->columns[i].name);
		result = comment_column(c, error, what, p, &p->columns[i]);
	}
	if (result == 0)
		result = readmodel_runf(c, error, NULL, "SELECT verbatim.guard_table('generations.\"%s\"')", table);
	return result;
}

/* The columns that people see, as an array literal: id, tenant_id, those of the projection, last_position. */
static void add_columns(struct buffer *b, const struct projection *p)
{
	buffer_add_text(b, "ARRAY['id', 'tenant_id'");
	for (int i = 0; i < p->column_count; i++)
		if (!p->columns[i].hidden)
			buffer_printf(b, ", '%s'", p->columns[i].name);
	buffer_add_text(b, ", 'last_position']");
}

/* Enters the table into verbatim.generation, or puts right which of its columns people see. */
static int enter(PGconn *c, const struct group *g, const struct projection *p, int generation, const char *table,
		 struct error *error)
{
	struct buffer b = { 0 };
	int result;

	buffer_printf(&b, "INSERT INTO verbatim.generation (group_name, projection, version, generation, table_name, columns)"
			  " VALUES ('%s', '%s.%s', %d, %d, '%s', ",
		      g->name, p->schema, p->name, p->version, generation, table);
	add_columns(&b, p);
	buffer_add_text(&b, ") ON CONFLICT (projection, generation) DO UPDATE SET columns = excluded.columns"
			    " WHERE generation.columns IS DISTINCT FROM excluded.columns");
	result = readmodel_run(c, error, buffer_text(&b), NULL);
	buffer_release(&b);
	return result;
}

/* What stands in the database of a group, as this binary sees it. */
struct standing {
	int mine;       /* the generation with exactly these versions, 0: none */
	int newest;     /* of all */
	int answering;  /* the one that the views show, 0: none */
	bool used;      /* anything was ever projected */
	char newer[100]; /* "core.conversations 2" when what answers is newer than this binary's, else "" */
};

static void add_names(struct buffer *b, const struct group *g)
{
	buffer_add_text(b, "ARRAY[");
	for (int i = 0; i < g->count; i++)
		buffer_printf(b, "%s'%s.%s'", i ? ", " : "", g->projections[i]->schema, g->projections[i]->name);
	buffer_add_text(b, "], ARRAY[");
	for (int i = 0; i < g->count; i++)
		buffer_printf(b, "%s%d", i ? ", " : "", g->projections[i]->version);
	buffer_add_byte(b, ']');
}

static int look(PGconn *c, const struct group *g, struct standing *s, struct error *error)
{
	struct buffer b = { 0 };
	PGresult *r = NULL;
	int result;

	memset(s, 0, sizeof(*s));
	buffer_printf(&b, "SELECT verbatim.generation_of('%s', ", g->name);
	add_names(&b, g);
	buffer_printf(&b, "), (SELECT max(generation) FROM verbatim.generation WHERE group_name = '%s' OR projection IN"
			  " (SELECT name FROM unnest(", g->name);
	add_names(&b, g);
	buffer_printf(&b, ") w (name, version))), verbatim.answering_generation('%s'),"
			  " EXISTS (SELECT FROM verbatim.projection_batch WHERE group_name = '%s'),"
			  " (SELECT w.name || ' ' || g.version FROM unnest(", g->name, g->name);
	add_names(&b, g);
	buffer_add_text(&b, ") w (name, version) JOIN verbatim.generation g ON g.projection = w.name AND g.active"
			    " WHERE g.version > w.version ORDER BY 1 LIMIT 1)");
	result = readmodel_run(c, error, buffer_text(&b), &r);
	buffer_release(&b);
	if (result)
		return result;
	s->mine = atoi(PQgetvalue(r, 0, 0));
	s->newest = atoi(PQgetvalue(r, 0, 1));
	s->answering = atoi(PQgetvalue(r, 0, 2));
	s->used = *PQgetvalue(r, 0, 3) == 't';
	snprintf(s->newer, sizeof(s->newer), "%s", PQgetvalue(r, 0, 4));
	PQclear(r);
	return 0;
}

/* What the read model's table in this generation is called. */
static int find_table(PGconn *c, const struct projection *p, int generation, char table[PG_NAME_MAX + 1], struct error *error)
{
	PGresult *r = NULL;
	int result = readmodel_runf(c, error, &r, "SELECT table_name FROM verbatim.generation WHERE projection = '%s.%s' AND generation = %d",
				    p->schema, p->name, generation);

	if (result == 0 && PQntuples(r) == 1)
		snprintf(table, PG_NAME_MAX + 1, "%s", PQgetvalue(r, 0, 0));
	else if (result == 0)
		result = error_set(error, E_MIGRATION, "read model \"%s\" has no table in generation %d", p->name, generation);
	PQclear(r);
	return result;
}

/* Makes this generation's tables, or compares them with the column tables. */
static int prepare_tables(PGconn *c, const struct group *g, int generation, bool fresh, struct error *error)
{
	int result = 0;

	for (int i = 0; i < g->count && result == 0; i++) {
		const struct projection *p = g->projections[i];
		char table[PG_NAME_MAX + 1];

		if (fresh)
			pg_table_name(p, generation, table);
		else
			result = find_table(c, p, generation, table, error);
		if (result == 0)
			result = fresh ? make_table(c, p, table, error) : readmodel_check(c, p, table, error);
		if (result == 0)
			result = readmodel_open_table(c, p, table, error);
		if (result == 0)
			result = make_indexes(c, p, table, error);
		if (result == 0)
			result = enter(c, g, p, generation, table, error);
	}
	return result;
}

/* A version whose columns the view cannot show is refused before a single event is folded for it. */
static int check_views(PGconn *c, const struct group *g, int generation, struct error *error)
{
	int result = 0;

	for (int i = 0; i < g->count && result == 0; i++) {
		const struct projection *p = g->projections[i];

		result = readmodel_runf(c, error, NULL, "SELECT verbatim.view_select('%s.%s', %d)", p->schema, p->name, generation);
		if (result)
			error_prefix(error, "version %d", p->version);
	}
	return result;
}

static int show(PGconn *c, const struct group *g, int generation, struct error *error)
{
	int result = readmodel_runf(c, error, NULL, "SELECT verbatim.show_generation('%s', %d)", g->name, generation);

	for (int i = 0; i < g->count && result == 0; i++) {
		char table[PG_NAME_MAX + 1];

		result = find_table(c, g->projections[i], generation, table, error);
		if (result == 0)
			result = readmodel_show_analysts(c, g->projections[i], table, error);
	}
	return result;
}

/* *shown: the views show this binary's generation. */
static int prepare_group(PGconn *c, const struct group *g, bool *shown, bool *older, struct error *error)
{
	struct standing s;
	int result = look(c, g, &s, error), generation = s.mine ? s.mine : s.newest + 1;

	if (result)
		return result;
	if (!s.mine && *s.newer)
		return error_set(error, E_MIGRATION, "the read models are of a newer verbatim (%s) and the ones of this version are gone; "
				 "upgrade this one", s.newer);
	result = prepare_tables(c, g, generation, !s.mine, error);
	*older = *older || *s.newer;
	/* An older generation with rows answers until the switch; one without need not. */
	*shown = generation == s.answering || (!s.mine && !s.used) || !s.answering;
	if (result == 0)
		result = *shown ? show(c, g, generation, error) : check_views(c, g, generation, error);
	/* Last, since it keeps readers out until the transaction ends. */
	for (int i = 0; i < g->count && result == 0 && s.mine; i++) {
		char table[PG_NAME_MAX + 1];

		result = find_table(c, g->projections[i], generation, table, error);
		if (result == 0)
			result = drop_indexes(c, g->projections[i], table, error);
	}
	if (result == 0)
		result = readmodel_runf(c, error, NULL, "SELECT verbatim.sweep_generations('%s')", g->name);
	return result;
}

/* The files below schema/read: entered, and run at once unless they must wait for a switch. */
static int prepare_files(PGconn *c, const struct schema_file *files, bool now, struct error *error)
{
	int result = 0;

	for (const struct schema_file *f = files; f && f->name && result == 0; f++) {
		const char *const values[] = { f->name, f->text };
		PGresult *r;

		if (strncmp(f->name, "read/", 5) != 0)
			continue;
		r = PQexecParams(c, "INSERT INTO verbatim.read_schema (name, body, applied) VALUES ($1, $2, false) ON CONFLICT (name)"
				    " DO UPDATE SET body = excluded.body, applied = false WHERE read_schema.body <> excluded.body",
				 2, NULL, values, NULL, NULL, 0);
		result = readmodel_result(c, error, r, NULL);
	}
	if (result == 0 && now)
		result = readmodel_run(c, error, "SELECT verbatim.apply_read_schema()", NULL);
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
	bool all_shown = true, older = false;
	int result = begin(owner, error);

	for (int i = 0; i < count && result == 0; i++) {
		bool shown = false;

		result = prepare_group(owner, list[i], &shown, &older, error);
		all_shown = all_shown && shown;
	}
	if (result == 0 && files && !older)
		result = prepare_files(owner, files, all_shown, error);
	return end(owner, result, error);
}

/* Calls a function that answers one word or truth, as a transaction of its own; E_BUSY when it did not get its locks. */
static int call(PGconn *owner, struct error *error, char *answer, size_t size, const char *function, const struct group *group,
		int generation)
{
	PGresult *r = NULL;
	int result = readmodel_run(owner, error, "BEGIN; SET LOCAL ROLE verbatim_owner", NULL);

	if (result == 0)
		result = readmodel_runf(owner, error, &r, "SELECT verbatim.%s('%s', %d)", function, group->name, generation);
	if (result == 0)
		snprintf(answer, size, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return end(owner, result, error);
}

int readmodel_switch(PGconn *owner, const struct group *group, int generation, struct error *error)
{
	char answer[16] = "";
	int result = E_BUSY;

	for (int ms = SWITCH_FIRST_MS; result == E_BUSY && ms <= SWITCH_MOST_MS; ms *= 2) {
		if (ms > SWITCH_FIRST_MS)
			usleep(ms * 1000);
		result = call(owner, error, answer, sizeof(answer), "switch_generation", group, generation);
		if (result == 0 && strcmp(answer, "busy") == 0)
			result = error_set(error, E_BUSY, "another engine prepares or switches the read models; try again");
	}
	return result;
}

int readmodel_drop(PGconn *owner, const struct group *group, int generation, struct error *error)
{
	char answer[16] = "";
	int result = call(owner, error, answer, sizeof(answer), "drop_generation", group, generation);

	if (result == 0 && *answer != 't')
		result = error_set(error, E_BUSY, "an engine folds generation %d of group \"%s\"; stop it first", generation, group->name);
	return result;
}
