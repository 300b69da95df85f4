/*
 * role - `verbatim role grant|revoke|list`: who may read what.
 *
 * A change is told on standard output (a line a change for people; one JSON object a line where the output is no
 * terminal, or with --json), in the diary, and in verbatim.role_history.  A password comes from a file or standard
 * input, never from the command line or a variable, and goes to the server as a verifier.
 */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/term.h"
#include "client/client_json.h"
#include "cmd/command.h"
#include "cmd/input.h"
#include "cmd/target.h"
#include "store/migrate.h"
#include "store/roles.h"

struct role_options {
	struct target_options target;
	const char *as;
	struct texts tenants;
	bool create;
	const char *password_file;
	bool json;
};

enum { PASSWORD_BYTES_MAX = 1000 };

static int open_target(const struct target_options *options, struct target *t, struct pg_conn **conn, struct error *error)
{
	int status = target_database(options, false, t, error);

	if (status)
		return status;
	status = db_open(t->conninfo, "verbatim role", conn, error);
	if (!status) {
		status = migrate_check(*conn, error);
		if (status)
			db_close(*conn);
	}
	if (status)
		target_release(t);
	return status;
}

/* ---- what is told ---- */

struct teller {
	const char *role;
	bool json;
	bool created;
	int count;
};

static void tell(void *data, const char *change, const char *as, const char *tenant)
{
	struct teller *t = data;
	struct buffer out = { 0 };

	t->count++;
	t->created = t->created || strcmp(change, "create") == 0;
	log_info("role", "'%s': %s%s%s%s", t->role, change, as || tenant ? " " : "", tenant ? "tenant " : "",
		 as ? as : tenant ? tenant : "");
	if (t->json) {
		client_json_member(&out, "change", change);
		client_json_member(&out, "role", t->role);
		if (as)
			client_json_member(&out, "as", as);
		if (tenant)
			client_json_member(&out, "tenant_id", tenant);
		printf("%s}\n", buffer_text(&out));
	} else {
		printf("%-6s  %s%s%s%s\n", change, t->role, as ? "  as " : tenant ? "  tenant " : "", as ? as : tenant ? tenant : "",
		       strcmp(change, "create") == 0 ? "  a login" : "");
	}
	buffer_release(&out);
}

static void tell_nothing(const struct teller *t)
{
	if (!t->count && !t->json)
		printf("nothing to do\n");
}

/* ---- the password ---- */

/* A terminal's echo, off while somebody types into standard input. */
static bool set_echo(bool on)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t) != 0)
		return false;
	t.c_lflag = on ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &t) == 0;
}

/* The file's first line. */
static int read_password(const char *path, char *out, size_t size, struct error *error)
{
	bool typed = strcmp(path, "-") == 0 && set_echo(false);
	struct bytes line = { 0 };
	struct input *in;
	int status;

	if (typed)
		fprintf(stderr, "Password: ");
	status = input_open(path, PASSWORD_BYTES_MAX, &in, error);
	if (status)
		return status;
	status = input_line(in, &line, error);
	if (typed) {
		set_echo(true);
		fprintf(stderr, "\n");
	}
	if (status == 1 && line.len > 0 && line.len < size && !memchr(line.data, 0, line.len)) {
		memcpy(out, line.data, line.len);
		out[line.len] = 0;
		status = 0;
	} else if (status >= 0) {
		status = error_set(error, E_USAGE, "--password-file %s: its first line is the password, and is empty", path);
	}
	input_close(in);
	return status;
}

/* ---- grant, revoke, list ---- */

static int one_login(const struct arguments *args, const char **name, struct error *error)
{
	if (args->count != 1)
		return error_set(error, E_USAGE, args->count ? "one login at a time" : "say whom: the name of a login");
	*name = args->words[0];
	return 0;
}

static struct role_binding binding(const struct role_options *o, const char *name)
{
	return (struct role_binding){ .role = name, .as = o->as, .tenants = o->tenants.items, .tenant_count = o->tenants.count,
				      .create = o->create };
}

static int run_grant(const struct arguments *args, struct error *error)
{
	const struct role_options *o = args->options;
	struct teller teller = { .json = o->json || !term_is_terminal(stdout) };
	char password[PASSWORD_BYTES_MAX + 1];
	struct role_binding b;
	struct pg_conn *conn;
	struct target t;
	int status = one_login(args, &teller.role, error);

	if (status)
		return status;
	b = binding(o, teller.role);
	if (o->password_file && !o->create)
		return error_set(error, E_USAGE, "--password-file belongs to --create; psql's \\password changes the one of a login that is there");
	if (o->password_file) {
		status = read_password(o->password_file, password, sizeof(password), error);
		b.password = password;
	}
	if (!status)
		status = open_target(&o->target, &t, &conn, error);
	if (!status) {
		status = roles_bind(conn, &b, tell, &teller, error);
		if (!status)
			tell_nothing(&teller);
		if (!status && b.password && !teller.created)
			log_warn("role", "'%s' was there already; its password stays as it was", teller.role);
		db_close(conn);
		target_release(&t);
	}
	explicit_bzero(password, sizeof(password));
	return status;
}

static int run_revoke(const struct arguments *args, struct error *error)
{
	const struct role_options *o = args->options;
	struct teller teller = { .json = o->json || !term_is_terminal(stdout) };
	struct role_binding b;
	struct pg_conn *conn;
	struct target t;
	char left[16];
	int status = one_login(args, &teller.role, error);

	if (status)
		return status;
	b = binding(o, teller.role);
	status = open_target(&o->target, &t, &conn, error);
	if (status)
		return status;
	status = roles_unbind(conn, &b, tell, &teller, left, sizeof(left), error);
	if (!status)
		tell_nothing(&teller);
	if (!status && *left)
		log_warn("role", "'%s' is still a member of verbatim_%s through another role", teller.role, left);
	db_close(conn);
	target_release(&t);
	return status;
}

static void print_table(const struct pg_result *rows)
{
	static const char *const columns[] = { "role", "kind", "as", "through others", "tenants" };
	struct buffer out = { 0 };
	struct table t;

	table_init(&t, 5, columns);
	for (int i = 0; i < db_rows(rows); i++) {
		const char *kind = db_text(rows, i, ROLES_KIND);

		table_cell(&t, "%s", db_text(rows, i, ROLES_NAME));
		table_cell_style(&t, strcmp(kind, "gone") == 0 ? STYLE_RED : strcmp(kind, "superuser") == 0 ? STYLE_YELLOW : STYLE_PLAIN,
				 "%s", kind);
		table_cell(&t, "%s", db_text(rows, i, ROLES_AS));
		table_cell(&t, "%s", db_text(rows, i, ROLES_INHERITED));
		table_cell(&t, "%s", db_text(rows, i, ROLES_TENANTS));
	}
	table_print(&t, &out, term_width(stdout), term_has_colour(stdout));
	table_release(&t);
	fwrite(out.data, 1, out.len, stdout);
	buffer_release(&out);
}

static int run_list(const struct arguments *args, struct error *error)
{
	const struct role_options *o = args->options;
	struct pg_result *rows;
	struct pg_conn *conn;
	struct target t;
	int status;

	if (args->count > 1)
		return error_set(error, E_USAGE, "one login at a time, or none for all");
	status = open_target(&o->target, &t, &conn, error);
	if (status)
		return status;
	status = roles_list(conn, args->count ? args->words[0] : NULL, &rows, error);
	if (!status) {
		if (o->json || !term_is_terminal(stdout))
			for (int i = 0; i < db_rows(rows); i++)
				printf("%s\n", db_text(rows, i, ROLES_JSON));
		else if (db_rows(rows))
			print_table(rows);
		else
			printf("nobody; verbatim role grant gives a login something to read\n");
		db_free(rows);
	}
	db_close(conn);
	target_release(&t);
	return status;
}

/* ---- the tables ---- */

#define AS_OPTION                                                                                                       \
	{ .name = "as", .kind = OPTION_ENUM, .offset = offsetof(struct role_options, as), .argument = "ROLE",           \
	  .values = role_names, .help = "what it may read, or loses" }
#define TENANT_OPTION                                                                                                   \
	{ .name = "tenant", .kind = OPTION_TEXTS, .offset = offsetof(struct role_options, tenants), .argument = "UUID", \
	  .help = "a tenant that a reader or analyst may name" }
#define JSON_OPTION                                                                                                     \
	{ .name = "json", .kind = OPTION_FLAG, .offset = offsetof(struct role_options, json),                           \
	  .help = "one JSON object a line, as when the output is no terminal" }

static const struct option grant_table[] = {
	AS_OPTION,
	TENANT_OPTION,
	{ .name = "create", .kind = OPTION_FLAG, .offset = offsetof(struct role_options, create),
	  .help = "make the login when it is not there" },
	{ .name = "password-file", .kind = OPTION_TEXT, .offset = offsetof(struct role_options, password_file), .argument = "FILE",
	  .help = "with --create: its first line is the new login's password; - reads it from standard input, unseen on a terminal. "
		  "Without it the login has no password: certificates and the like let it in, or nothing does" },
	JSON_OPTION,
	TARGET_OPTIONS(struct role_options, target),
	{ .name = NULL },
};

static const struct option revoke_table[] = {
	AS_OPTION,
	TENANT_OPTION,
	JSON_OPTION,
	TARGET_OPTIONS(struct role_options, target),
	{ .name = NULL },
};

static const struct option list_table[] = {
	JSON_OPTION,
	TARGET_OPTIONS(struct role_options, target),
	{ .name = NULL },
};

static const struct command subcommands[] = {
	{ .name = "grant", .usage = "grant LOGIN [OPTION]...", .brief = "let a login read, and say which tenants",
	  .help = "Gives a login of the database one of the roles, tenants that it may name, or both. It may be repeated; what is there "
		  "stays, and only what was changed is printed.\n"
		  "\n"
		  "  reader   read models and log of its tenants\n"
		  "  analyst  read models of its tenants in schema analyst: no content, no personal data\n"
		  "  auditor  log and read models of all tenants\n"
		  "  engine   what serve needs\n"
		  "  admin    reads everything; grants, adopts\n"
		  "\n"
		  "The login's session says whose data it wants; without that, or naming a tenant that it was not given, it sees no rows.\n"
		  "\n"
		  "  verbatim role grant ada --as reader --tenant 0199c0de-0000-7000-8000-000000000001\n"
		  "  psql -U ada -c \"SET app.tenant_id = '0199c0de-0000-7000-8000-000000000001'\" -c 'TABLE core.v_agent_queue'\n"
		  "  verbatim role grant grafana --as analyst --tenant 0199c0de-0000-7000-8000-000000000001 --create --password-file -\n"
		  "\n"
		  "A program that cannot say SET gets a tenant for good by ALTER ROLE grafana SET app.tenant_id = '...'. Names are taken "
		  "as they are, in upper or lower case. The database user needs to be a superuser, or a member of verbatim_admin with "
		  "CREATEROLE.",
	  .options = grant_table, .options_bytes = sizeof(struct role_options), .run = run_grant },
	{ .name = "revoke", .usage = "revoke LOGIN [OPTION]...", .brief = "take it back",
	  .help = "Takes the named tenants, or the named role (and with a reader's or analyst's role its tenants), or, with neither, "
		  "everything that grant gives. The login itself stays. Sessions that are open lose their rows with their next statement. It may be "
		  "repeated, and also works for a login that was dropped and left its tenants behind.\n"
		  "\n"
		  "  verbatim role revoke ada --tenant 0199c0de-0000-7000-8000-000000000001\n"
		  "  verbatim role revoke ada",
	  .options = revoke_table, .options_bytes = sizeof(struct role_options), .run = run_revoke },
	{ .name = "list", .usage = "list [OPTION]... [LOGIN]", .brief = "show who may read what",
	  .help = "Lists who is in one of the roles, by itself or through others, and the tenants each may name. `gone` is a login that was "
		  "dropped: a new one of its name would have its tenants, so revoke them. What was changed, when and by whom, stands in "
		  "verbatim.role_history.\n"
		  "\n"
		  "  verbatim role list\n"
		  "  verbatim role list --json | jq 'select(.as | index(\"reader\"))'",
	  .options = list_table, .options_bytes = sizeof(struct role_options), .run = run_list },
	{ .name = NULL },
};

const struct command role_command = {
	.name = "role",
	.usage = "role grant|revoke|list [OPTION]...",
	.brief = "say who may read what",
	.help = "Binds logins of the database to tenants and to what they may read of them. Reading is bound, not asked for: row security "
		"holds for every read model, the log and the views.",
	.sub = subcommands,
};
