/* shadow - see shadow.h. */
#include "store/shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

enum { NUMBER = 24, LEAF_TEXT = 2 * LEAF_BYTES + 3 };

int shadow_open(const char *conninfo, const char *name, struct pg_conn **out, struct error *error)
{
	int result = db_open(conninfo, name, out, error);

	if (result)
		return result;
	result = db_step_down(*out, "verbatim_engine", error);
	if (result == 0)
		result = db_exec(*out, "SET jit = off", error);
	if (result) {
		db_close(*out);
		*out = NULL;
	}
	return result;
}

/* ---- arguments ---- */

static void add_name(struct buffer *b, const struct projection *p)
{
	buffer_printf(b, "%s%s.%s", b->len > 1 ? "," : "", p->schema, p->name);
}

static void add_names(struct buffer *b, const struct projection *const *list, int count)
{
	buffer_add_byte(b, '{');
	for (int i = 0; i < count; i++)
		add_name(b, list[i]);
	buffer_add_byte(b, '}');
}

static void add_versions(struct buffer *b, const struct group *group)
{
	for (int i = 0; i < group->count; i++)
		buffer_printf(b, "%c%d", i ? ',' : '{', group->projections[i]->version);
	buffer_add_byte(b, '}');
}

static const char *number(int64_t n, char out[NUMBER])
{
	snprintf(out, NUMBER, "%lld", (long long)n);
	return out;
}

/* A step that answers nothing; rebuild and owner are its first two arguments. */
static int step(struct pg_conn *c, const struct shadow_plan *p, const char *sql, int more, const char *const *values, char *answer,
		size_t size, struct error *error)
{
	char rebuild[NUMBER], owner[UUID_TEXT];
	const char *all[8] = { number(p->rebuild, rebuild), uuid_format(&p->owner, owner) };

	for (int i = 0; i < more; i++)
		all[2 + i] = values[i];
	return db_value(c, sql, 2 + more, all, answer, size, error);
}

static int simple_step(struct pg_conn *c, const struct shadow_plan *p, const char *sql, struct error *error)
{
	char none[NUMBER];

	return step(c, p, sql, 0, NULL, none, sizeof(none), error);
}

/* ---- what there is ---- */

static const struct projection *find(const struct group *group, const char *name)
{
	for (int i = 0; i < group->count; i++) {
		size_t n = strlen(group->projections[i]->schema);

		if (strncmp(name, group->projections[i]->schema, n) == 0 && name[n] == '.' && strcmp(name + n + 1, group->projections[i]->name) == 0)
			return group->projections[i];
	}
	return NULL;
}

/* The tables, in the group's order.  Without a rebuild those of `names` (an array's text). */
static int learn_tables(struct pg_conn *c, const struct group *group, const char *names, struct shadow_plan *p, struct error *error)
{
	char rebuild[NUMBER], generation[NUMBER];
	const char *values[] = { group->name, number(p->generation, generation), number(p->rebuild, rebuild), names };
	struct pg_result *rows;
	int result = db_query(c, "SELECT g.projection, g.table_name, coalesce(t.table_name, ''), greatest(c.reltuples, 0)::int8, g.active,"
			      " (SELECT count(*) FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid)"
			      " FROM verbatim.generation g LEFT JOIN verbatim.rebuild_table t ON t.rebuild = $3::int4 AND t.projection = g.projection"
			      " LEFT JOIN pg_class c ON c.relname = g.table_name AND c.relnamespace = 'generations'::regnamespace"
			      " WHERE g.group_name = $1 AND g.generation = $2::int4"
			      " AND (t.rebuild IS NOT NULL OR ($3::int4 = 0 AND g.projection = ANY ($4::text[])))", 4, values, &rows, error);

	if (result)
		return result;
	p->count = 0;
	for (int i = 0; i < group->count; i++)
		for (int row = 0; row < db_rows(rows); row++) {
			struct shadow_table *t = &p->tables[p->count];

			if (find(group, db_text(rows, row, 0)) != group->projections[i])
				continue;
			t->projection = group->projections[i];
			snprintf(t->live, sizeof(t->live), "%s", db_text(rows, row, 1));
			snprintf(t->shadow, sizeof(t->shadow), "%s", db_text(rows, row, 2));
			t->rows = db_int(rows, row, 3);
			p->seen = db_bool(rows, row, 4);
			t->indexes = (int)db_int(rows, row, 5);
			p->count++;
		}
	db_free(rows);
	return 0;
}

static int learn_folded(struct pg_conn *c, struct shadow_plan *p, struct error *error)
{
	char rebuild[NUMBER];
	const char *values[] = { number(p->rebuild, rebuild) };
	struct pg_result *rows;
	int result = db_query(c, "SELECT shard, position FROM verbatim.rebuild_shard WHERE rebuild = $1::int4", 1, values, &rows, error);

	for (int i = 0; i < SHARDS_MAX; i++)
		p->folded[i] = -1;
	if (result)
		return result;
	for (int i = 0; i < db_rows(rows); i++)
		if (db_int(rows, i, 0) >= 0 && db_int(rows, i, 0) < SHARDS_MAX)
			p->folded[db_int(rows, i, 0)] = db_int(rows, i, 1);
	db_free(rows);
	return 0;
}

int shadow_begin(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
		 enum shadow_how how, struct shadow_plan *p, struct error *error)
{
	static const char *const words[] = { "auto", "resume", "scratch", "back" };
	struct buffer names = { 0 }, versions = { 0 }, list = { 0 };
	char owner[UUID_TEXT], pid[NUMBER], host[SHADOW_HOST] = "";
	struct pg_result *rows;
	int result;

	gethostname(host, sizeof(host) - 1);
	add_names(&names, group->projections, group->count);
	add_versions(&versions, group);
	add_names(&list, wanted, count);
	result = db_query(c, "SELECT * FROM verbatim.rebuild_begin($1, $2, $3, $4, $5, $6, $7, $8)", 8,
			  (const char *[]){ group->name, buffer_text(&names), buffer_text(&versions), buffer_text(&list), words[how],
					    uuid_format(&p->owner, owner), host, number(getpid(), pid) }, &rows, error);
	if (result == 0) {
		const char *outcome = db_text(rows, 0, 0);

		p->rebuild = (int32_t)db_int(rows, 0, 1);
		p->generation = (int32_t)db_int(rows, 0, 2);
		p->resumed = strcmp(outcome, "resumed") == 0;
		if (strcmp(outcome, "busy") == 0)
			result = error_set(error, E_BUSY, "pid %s on %s rebuilds read models since %s; wait for it, or stop it",
					   db_text(rows, 0, 4), db_text(rows, 0, 3), db_text(rows, 0, 5));
		else if (strcmp(outcome, "nothing") == 0)
			result = error_set(error, E_NOT_FOUND, how == SHADOW_BACK ? "no tables of before are kept to go back to" :
					   "there is no unfinished rebuild of these read models to resume");
		db_free(rows);
	}
	if (result == 0)
		result = learn_tables(c, group, buffer_text(&list), p, error);
	if (result == 0)
		result = learn_folded(c, p, error);
	buffer_release(&names);
	buffer_release(&versions);
	buffer_release(&list);
	return result;
}

int shadow_look(struct pg_conn *c, const struct group *group, const struct projection *const *wanted, int count,
		struct shadow_plan *p, char *unfinished, size_t size, struct error *error)
{
	struct buffer names = { 0 }, versions = { 0 }, list = { 0 };
	char generation[NUMBER];
	int result;

	add_names(&names, group->projections, group->count);
	add_versions(&versions, group);
	add_names(&list, wanted, count);
	memset(p, 0, sizeof(*p));
	result = db_value(c, "SELECT verbatim.generation_of($1, $2, $3)", 3,
			  (const char *[]){ group->name, buffer_text(&names), buffer_text(&versions) }, generation, sizeof(generation), error);
	p->generation = result ? 0 : atoi(generation);
	if (result == 0 && p->generation == 0)
		result = error_set(error, E_NOT_FOUND, "the read models of group \"%s\" are not there in this binary's versions; run 'verbatim"
				   " migrate up'", group->name);
	if (result == 0)
		result = learn_tables(c, group, buffer_text(&list), p, error);
	if (result == 0)
		result = learn_folded(c, p, error);
	if (result == 0 && unfinished)
		result = db_value(c, "SELECT format('rebuild %s of %s, begun %s by pid %s on %s', id, array_to_string(read_models, ', '), begun_at,"
				  " pid, host) FROM verbatim.rebuild WHERE group_name = $1 AND state = 'building'",
				  1, (const char *[]){ group->name }, unfinished, size, error);
	buffer_release(&names);
	buffer_release(&versions);
	buffer_release(&list);
	return result;
}

int shadow_positions(struct pg_conn *c, const struct group *group, int32_t generation, struct shadow_position *out, int *count,
		     struct error *error)
{
	char text[NUMBER];
	const char *values[] = { group->name, number(generation, text) };
	struct pg_result *rows;
	int result = db_query(c, "SELECT shard, live_position, sound, diverged, head FROM verbatim.rebuild_positions($1, $2::int4)", 2, values,
			      &rows, error);

	if (result)
		return result;
	*count = db_rows(rows) < SHARDS_MAX ? db_rows(rows) : SHARDS_MAX;
	for (int i = 0; i < *count; i++)
		out[i] = (struct shadow_position){ .shard = (int16_t)db_int(rows, i, 0), .live = db_int(rows, i, 1),
						   .sound = db_bool(rows, i, 2), .diverged = db_bool(rows, i, 3), .head = db_int(rows, i, 4) };
	db_free(rows);
	return 0;
}

/* ---- the steps ---- */

static int still_ours(int result, const char *answer, struct error *error)
{
	return result == 0 && *answer != 't' ? error_set(error, E_FENCED, "another one has taken this rebuild over") : result;
}

int shadow_beat(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	char answer[NUMBER] = "";
	int result = step(c, p, "SELECT verbatim.rebuild_beat($1, $2)", 0, NULL, answer, sizeof(answer), error);

	return still_ours(result, answer, error);
}

int shadow_progress(struct pg_conn *c, const struct shadow_plan *p, const char *name, int64_t done, int64_t total, struct error *error)
{
	char numbers[2][NUMBER], answer[NUMBER] = "";
	int result = step(c, p, "SELECT verbatim.rebuild_beat($1, $2, $3, $4, $5)", 3,
			  (const char *[]){ name, number(done, numbers[0]), number(total, numbers[1]) }, answer, sizeof(answer), error);

	return still_ours(result, answer, error);
}

int shadow_folded(struct pg_conn *c, const struct shadow_plan *p, int16_t shard, int64_t from, int64_t to, const uint8_t leaf[LEAF_BYTES],
		  struct error *error)
{
	char numbers[3][NUMBER], hex[LEAF_TEXT] = "\\x", none[NUMBER];

	hex_encode(leaf, to ? LEAF_BYTES : 0, hex + 2);
	return step(c, p, "SELECT verbatim.rebuild_folded($1, $2, $3, $4, $5, $6)", 4,
		    (const char *[]){ number(shard, numbers[0]), number(from, numbers[1]), number(to, numbers[2]), hex }, none, sizeof(none), error);
}

int shadow_index(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, int first, int last,
		 struct error *error)
{
	struct buffer name = { 0 };
	char from[NUMBER], to[NUMBER], none[NUMBER];
	int result;

	add_name(&name, projection);
	result = step(c, p, "SELECT verbatim.rebuild_index($1, $2, $3, $4, $5)", 3,
		      (const char *[]){ buffer_text(&name), number(first, from), number(last, to) }, none, sizeof(none), error);
	buffer_release(&name);
	return result;
}

int shadow_finish(struct pg_conn *c, const struct shadow_plan *p, const struct projection *projection, struct error *error)
{
	struct buffer name = { 0 };
	char none[NUMBER];
	int result;

	add_name(&name, projection);
	result = step(c, p, "SELECT verbatim.rebuild_finish($1, $2, $3)", 1, (const char *[]){ buffer_text(&name) }, none, sizeof(none), error);
	buffer_release(&name);
	return result;
}

/* The tenants of a live table, each with where the old table stands in its shard, as two arrays' texts. */
static int list_tenants(struct pg_conn *c, const struct shadow_plan *p, const struct shadow_table *t, int shards, struct buffer *ids,
			struct buffer *positions, struct error *error)
{
	struct pg_result *rows;
	char sql[160];
	int result, count = 0;

	snprintf(sql, sizeof(sql), "SELECT DISTINCT tenant_id FROM generations.\"%s\"", t->live);
	result = db_query(c, sql, 0, NULL, &rows, error);
	if (result)
		return result;
	for (int i = 0; i < db_rows(rows); i++) {
		struct uuid tenant;
		int shard;

		if (!uuid_parse(db_text(rows, i, 0), strlen(db_text(rows, i, 0)), &tenant))
			continue;
		shard = event_shard(&tenant, shards - 1);
		buffer_printf(ids, "%c%s", count ? ',' : '{', db_text(rows, i, 0));
		buffer_printf(positions, "%c%lld", count++ ? ',' : '{', (long long)(p->folded[shard] < 0 ? 0 : p->folded[shard]));
	}
	buffer_add_text(ids, count ? "}" : "{}");
	buffer_add_text(positions, count ? "}" : "{}");
	db_free(rows);
	return 0;
}

int shadow_bring(struct pg_conn *c, const struct shadow_plan *p, const struct shadow_table *table, int shards, struct error *error)
{
	struct buffer name = { 0 }, ids = { 0 }, positions = { 0 };
	char none[NUMBER];
	int result;

	add_name(&name, table->projection);
	result = list_tenants(c, p, table, shards, &ids, &positions, error);
	if (result == 0)
		result = step(c, p, "SELECT verbatim.rebuild_bring($1, $2, $3, $4, $5)", 3,
			      (const char *[]){ buffer_text(&name), buffer_text(&ids), buffer_text(&positions) }, none, sizeof(none), error);
	buffer_release(&name);
	buffer_release(&ids);
	buffer_release(&positions);
	return result;
}

int shadow_level(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	return simple_step(c, p, "SELECT verbatim.rebuild_level($1, $2)", error);
}

int shadow_hold(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	return simple_step(c, p, "SELECT verbatim.rebuild_hold($1, $2)", error);
}

int shadow_mark(struct pg_conn *c, const struct shadow_plan *p, int32_t *next, struct error *error)
{
	char answer[NUMBER];
	int result = step(c, p, "SELECT verbatim.rebuild_mark($1, $2)", 0, NULL, answer, sizeof(answer), error);

	*next = result ? 0 : atoi(answer);
	return result;
}

int shadow_switch(struct pg_conn *c, const struct shadow_plan *p, int32_t next, int patience_ms, const char *event, int64_t *locked_us,
		  struct error *error)
{
	char text[NUMBER], ms[NUMBER], answer[NUMBER];
	int result = step(c, p, "SELECT verbatim.rebuild_switch($1, $2, $3, $4::int4 * interval '1 ms', $5)", 3,
			  (const char *[]){ number(next, text), number(patience_ms, ms), event }, answer, sizeof(answer), error);

	*locked_us = result ? 0 : strtoll(answer, NULL, 10);
	return result;
}

int shadow_give_up(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	return simple_step(c, p, "SELECT verbatim.rebuild_give_up($1, $2)", error);
}

int shadow_leave(struct pg_conn *c, const struct shadow_plan *p, struct error *error)
{
	return simple_step(c, p, "SELECT verbatim.rebuild_leave($1, $2)", error);
}

int shadow_untold(struct pg_conn *c, struct shadow_untold *out, struct error *error)
{
	struct pg_result *rows;
	int result = db_query(c, "SELECT id, owner, (extract(epoch FROM ended_at) * 1000000)::int8, event FROM verbatim.rebuild"
			      " WHERE state = 'switched' AND event IS NOT NULL AND told_at IS NULL ORDER BY id LIMIT 1", 0, NULL, &rows, error);

	memset(out, 0, sizeof(*out));
	if (result)
		return result;
	if (db_rows(rows) && uuid_parse(db_text(rows, 0, 1), strlen(db_text(rows, 0, 1)), &out->owner)) {
		out->rebuild = (int32_t)db_int(rows, 0, 0);
		out->ended_at = db_int(rows, 0, 2);
		out->event = mem_strdup(db_text(rows, 0, 3));
	}
	db_free(rows);
	return 0;
}

int shadow_told(struct pg_conn *c, int32_t rebuild, struct error *error)
{
	char text[NUMBER], none[NUMBER];

	return db_value(c, "SELECT verbatim.rebuild_told($1)", 1, (const char *[]){ number(rebuild, text) }, none, sizeof(none), error);
}

int shadow_drop_old(struct pg_conn *c, const struct group *group, int32_t but, int *count, struct error *error)
{
	char text[NUMBER], answer[NUMBER];
	int result = db_value(c, "SELECT verbatim.drop_old($1, nullif($2::int4, 0))", 2, (const char *[]){ group->name, number(but, text) }, answer,
			      sizeof(answer), error);

	*count = result ? 0 : atoi(answer);
	return result;
}
