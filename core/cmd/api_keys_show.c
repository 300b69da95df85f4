/* api_keys_show - `verbatim key list` and `key limit`: which keys there are, and what the keys of a tenant may do together. */
#include <stdio.h>

#include "base/term.h"
#include "cmd/api_keys.h"
#include "store/api_keys.h"

enum { KEY_COLUMNS = 9 };

/* Columns in the order in which a narrow terminal loses them, the last ones first. */
static const struct {
	const char *heading;
	int cell;
} columns[KEY_COLUMNS] = {
	{ "=id", API_KEYS_ID },
	{ "name", API_KEYS_NAME },
	{ "=state", API_KEYS_STATE },
	{ "scopes", API_KEYS_SCOPES },
	{ "=tenant", API_KEYS_TENANT },
	{ "=expires", API_KEYS_EXPIRES },
	{ "=last used", API_KEYS_USED },
	{ "=created", API_KEYS_CREATED },
	{ "limits", API_KEYS_LIMITS },
};

static void print_keys(const struct pg_result *rows)
{
	const char *headings[KEY_COLUMNS];
	struct buffer out = { 0 };
	struct table t;
	int shown;

	for (int c = 0; c < KEY_COLUMNS; c++)
		headings[c] = columns[c].heading;
	table_init(&t, KEY_COLUMNS, headings);
	for (int i = 0; i < db_rows(rows); i++)
		for (int c = 0; c < KEY_COLUMNS; c++)
			table_cell(&t, "%s", db_text(rows, i, columns[c].cell));
	shown = table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
	if (shown < KEY_COLUMNS)
		buffer_add_text(&out, "not shown, for the terminal is narrow:");
	for (int c = shown; c < KEY_COLUMNS; c++)
		buffer_printf(&out, "%s %s", c > shown ? "," : "", t.headings[c]);
	if (shown < KEY_COLUMNS)
		buffer_add_text(&out, "; --json tells all\n");
	table_release(&t);
	fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
}

static void print_json(const struct pg_result *rows, int cell)
{
	for (int i = 0; i < db_rows(rows); i++)
		printf("%s\n", db_text(rows, i, cell));
}

int api_keys_run_list(const struct arguments *args, struct error *error)
{
	const struct api_keys_options *o = args->options;
	struct api_keys_place p;
	struct pg_result *rows;
	int status;

	if (args->count)
		return error_set(error, E_USAGE, "key list takes no words");
	status = api_keys_open(o, &p, error);
	if (status)
		return status;
	status = api_keys_list(p.conn, o->all, &rows, error);
	if (!status) {
		if (o->json || !term_is_terminal(stdout))
			print_json(rows, API_KEYS_JSON);
		else if (db_rows(rows))
			print_keys(rows);
		else
			printf("none; verbatim key create makes one\n");
		db_free(rows);
	}
	api_keys_close(&p);
	return status;
}

/* ---- limits ---- */

static void print_limits(const struct pg_result *rows)
{
	struct buffer out = { 0 };
	struct table t;

	table_init(&t, 2, (const char *const[]){ "=tenant", "limits of all its keys together" });
	for (int i = 0; i < db_rows(rows); i++) {
		const char *limits = db_text(rows, i, TENANT_LIMITS_TEXT);

		table_cell(&t, "%s", db_text(rows, i, TENANT_LIMITS_TENANT));
		table_cell(&t, "%s", *limits ? limits : "none");
	}
	table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
	table_release(&t);
	fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
}

static int show_limits(struct pg_conn *conn, const struct uuid *tenant, bool json, struct error *error)
{
	struct pg_result *rows;
	int status = api_keys_list_limits(conn, tenant, &rows, error);

	if (status)
		return status;
	if (json || !term_is_terminal(stdout))
		print_json(rows, TENANT_LIMITS_JSON);
	else if (db_rows(rows))
		print_limits(rows);
	else
		printf("no tenant has limits; verbatim key limit --tenant UUID LIMITS sets some\n");
	db_free(rows);
	return 0;
}

/* Without limits: what holds; with some: what holds from now on. */
int api_keys_run_limit(const struct arguments *args, struct error *error)
{
	const struct api_keys_options *o = args->options;
	struct quota_limits limits = { 0 };
	struct api_keys_place p;
	struct uuid tenant;
	int status = 0;

	if (args->count > 1 || (args->count && !o->tenant))
		return error_set(error, E_USAGE, "say --tenant UUID and its limits: events=1000/s,bytes=1M/s,connections=50,inflight=4M, or none");
	if (o->tenant)
		status = api_keys_parse_tenant(o->tenant, &tenant, error);
	if (!status && args->count)
		status = quota_parse(args->words[0], &limits, error);
	if (!status)
		status = api_keys_open(o, &p, error);
	if (status)
		return status;
	if (args->count)
		status = api_keys_limit_tenant(p.conn, &tenant, &limits, error);
	if (!status)
		status = show_limits(p.conn, o->tenant ? &tenant : NULL, o->json, error);
	api_keys_close(&p);
	return status;
}

/* ---- the tables ---- */

const struct option api_keys_list_table[] = {
	{ .name = "all", .kind = OPTION_FLAG, API_KEYS_AT(all), .help = "also those that are revoked or expired" },
	API_KEYS_JSON_OPTION,
	TARGET_OPTIONS(struct api_keys_options, target),
	{ .name = NULL },
};

const struct option api_keys_limit_table[] = {
	API_KEYS_TENANT_OPTION("whose keys together"),
	API_KEYS_JSON_OPTION,
	TARGET_OPTIONS(struct api_keys_options, target),
	{ .name = NULL },
};
