/* roles - see roles.h. */
#include "store/roles.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/uuid.h"

const char *const role_names[] = { "reader", "analyst", "auditor", "engine", "admin", NULL };

enum { NAME_BYTES_MAX = 63, TENANTS_MAX = 10000 };

/* What the database says of a login before anything is done. */
struct login {
	bool exists;
	bool is_super;   /* row security does not hold for it: a superuser, BYPASSRLS, or the tables' owner */
	bool is_reader;  /* directly or through another role */
	bool is_analyst;
	bool has_rows;   /* in role_tenants */
};

static bool reads_by_tenant(const char *as)
{
	return strcmp(as, "reader") == 0 || strcmp(as, "analyst") == 0;
}

static int check_name(const char *name, struct error *error)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_BYTES_MAX)
		return error_set(error, E_USAGE, "a login's name has 1 to %d bytes", NAME_BYTES_MAX);
	if (strncmp(name, "pg_", 3) == 0 || strncmp(name, "verbatim_", 9) == 0)
		return error_set(error, E_USAGE, "'%s' is a role of the system, not a login", name);
	return 0;
}

static int look(struct pg_conn *conn, const char *name, struct login *out, struct error *error)
{
	struct pg_result *rows;
	int status = db_query(conn,
			      "SELECT r.oid IS NOT NULL,"
			      " coalesce(r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, 'verbatim_owner', 'MEMBER'), false),"
			      " coalesce(pg_has_role(r.oid, 'verbatim_reader', 'MEMBER'), false),"
			      " coalesce(pg_has_role(r.oid, 'verbatim_analyst', 'MEMBER'), false),"
			      " EXISTS (SELECT FROM verbatim.role_tenants t WHERE t.role_name = n)"
			      " FROM (SELECT $1::name) q (n) LEFT JOIN pg_roles r ON r.rolname = n",
			      1, &name, &rows, error);

	if (status)
		return status;
	*out = (struct login){ db_bool(rows, 0, 0), db_bool(rows, 0, 1), db_bool(rows, 0, 2), db_bool(rows, 0, 3),
			       db_bool(rows, 0, 4) };
	db_free(rows);
	return 0;
}

/* '{uuid,uuid}'; the caller releases it. */
static int tenant_array(const struct role_binding *b, struct buffer *out, struct error *error)
{
	struct uuid id;
	char text[UUID_TEXT];

	if (b->tenant_count > TENANTS_MAX)
		return error_set(error, E_USAGE, "more than %d tenants at once", TENANTS_MAX);
	buffer_add_byte(out, '{');
	for (int i = 0; i < b->tenant_count; i++) {
		if (!uuid_parse(b->tenants[i], strlen(b->tenants[i]), &id) || uuid_is_nil(&id))
			return error_set(error, E_USAGE, "--tenant %s: a tenant is named by its uuid", b->tenants[i]);
		buffer_printf(out, "%s%s", i ? "," : "", uuid_format(&id, text));
	}
	buffer_add_byte(out, '}');
	return 0;
}

/* The server's refusal says which statement; people want to know what they lack. */
static int explain(int status, struct error *error)
{
	if (status == E_NO_ACCESS)
		error_prefix(error, "this takes a superuser, or a member of verbatim_admin with CREATEROLE");
	return status;
}

static void report(const struct pg_result *rows, role_changed_fn changed, void *data)
{
	for (int i = 0; changed && i < db_rows(rows); i++) {
		const char *change = db_text(rows, i, 0), *what = db_text(rows, i, 1);
		bool is_role = strncmp(what, "verbatim_", 9) == 0;

		if (strcmp(change, "create") == 0)
			changed(data, change, NULL, NULL);
		else
			changed(data, change, is_role ? what + 9 : NULL, is_role ? NULL : what);
	}
}

/* ---- bind ---- */

static int refuse_what_binds_nobody(const struct role_binding *b, const struct login *l, struct error *error)
{
	if (!b->as && !b->tenant_count)
		return error_set(error, E_USAGE, "say what '%s' is given: --as ROLE, --tenant UUID", b->role);
	if (!l->exists && !b->create)
		return error_set(error, E_NOT_FOUND, "there is no role '%s'; --create makes a login of that name", b->role);
	if (b->tenant_count && b->as && !reads_by_tenant(b->as))
		return error_set(error, E_USAGE, "--as %s goes with no --tenant: it is not bound to tenants", b->as);
	if ((b->tenant_count || reads_by_tenant(b->as)) && l->is_super)
		return error_set(error, E_USAGE, "'%s' is a superuser or as good as one: row security does not bind it; give a login "
				 "of its own to whoever reads", b->role);
	if (!b->as && !l->is_reader && !l->is_analyst)
		return error_set(error, E_USAGE, "'%s' is neither a reader nor an analyst yet: say --as reader or --as analyst",
				 b->role);
	if (b->as && strcmp(b->as, "analyst") == 0 && l->is_reader)
		return error_set(error, E_USAGE, "'%s' is a reader, who reads what is withheld from analysts; first: verbatim role "
				 "revoke %s --as reader", b->role, b->role);
	return 0;
}

/* SCRAM's verifier, or whatever the server wants; the caller frees it with PQfreemem. */
static int make_verifier(struct pg_conn *conn, const struct role_binding *b, char **out, struct error *error)
{
	*out = PQencryptPasswordConn(conn, b->password, b->role, NULL);
	if (!*out)
		return error_set(error, E_DATABASE, "the password cannot be prepared: %s", PQerrorMessage(conn));
	return 0;
}

int roles_bind(struct pg_conn *conn, const struct role_binding *b, role_changed_fn changed, void *data, struct error *error)
{
	struct buffer tenants = { 0 };
	struct pg_result *rows;
	struct login login;
	char *verifier = NULL, granted[NAME_BYTES_MAX + 1];
	int status = check_name(b->role, error);

	if (!status)
		status = tenant_array(b, &tenants, error);
	if (!status)
		status = explain(look(conn, b->role, &login, error), error);
	if (!status)
		status = refuse_what_binds_nobody(b, &login, error);
	if (!status && b->password && !login.exists)
		status = make_verifier(conn, b, &verifier, error);
	if (!status) {
		const char *values[] = { b->role, granted, buffer_text(&tenants), b->create ? "true" : "false", verifier };

		snprintf(granted, sizeof(granted), "verbatim_%s", b->as ? b->as : "");
		values[1] = b->as ? granted : NULL;
		status = db_query(conn, "SELECT change, what FROM verbatim.bind_role($1, $2, $3::uuid[], $4::bool, $5)", 5, values,
				  &rows, error);
		if (!status) {
			report(rows, changed, data);
			db_free(rows);
		}
		explain(status, error);
	}
	PQfreemem(verifier);
	buffer_release(&tenants);
	return status;
}

/* ---- unbind ---- */

/* '{verbatim_reader}', or all of them. */
static void role_array(const struct role_binding *b, struct buffer *out)
{
	buffer_add_byte(out, '{');
	for (int i = 0; role_names[i]; i++)
		if (b->as ? strcmp(role_names[i], b->as) == 0 : !b->tenant_count)
			buffer_printf(out, "%sverbatim_%s", out->len > 1 ? "," : "", role_names[i]);
	buffer_add_byte(out, '}');
}

/* Whether tenants would mean nothing to the login once `as` is taken. */
static bool is_last_reading_role(const char *as, const struct login *l)
{
	return strcmp(as, "reader") == 0 ? !l->is_analyst : strcmp(as, "analyst") == 0 ? !l->is_reader : false;
}

static void say_what_is_left(const struct role_binding *b, const struct login *l, char *left, size_t size)
{
	bool all = !b->as && !b->tenant_count;
	bool reader = l->is_reader && (all || (b->as && strcmp(b->as, "reader") == 0));
	bool analyst = l->is_analyst && (all || (b->as && strcmp(b->as, "analyst") == 0));

	snprintf(left, size, "%s", l->is_super ? "" : reader ? "reader" : analyst ? "analyst" : "");
}

int roles_unbind(struct pg_conn *conn, const struct role_binding *b, role_changed_fn changed, void *data, char *left,
		 size_t size, struct error *error)
{
	struct buffer tenants = { 0 }, roles = { 0 };
	struct pg_result *rows;
	struct login login;
	int status = check_name(b->role, error);

	*left = 0;
	if (!status)
		status = tenant_array(b, &tenants, error);
	if (!status)
		status = explain(look(conn, b->role, &login, error), error);
	if (!status && !login.exists && !login.has_rows)
		status = error_set(error, E_NOT_FOUND, "there is no role '%s'; verbatim role list names them", b->role);
	if (!status) {
		bool all = !b->tenant_count && (!b->as || is_last_reading_role(b->as, &login));
		const char *values[] = { b->role, NULL, all ? NULL : buffer_text(&tenants) };

		role_array(b, &roles);
		values[1] = buffer_text(&roles);
		status = db_query(conn, "SELECT change, what FROM verbatim.unbind_role($1, $2::name[], $3::uuid[])", 3, values, &rows,
				  error);
		if (!status) {
			report(rows, changed, data);
			db_free(rows);
		}
		explain(status, error);
	}
	if (!status)
		status = look(conn, b->role, &login, error);
	if (!status)
		say_what_is_left(b, &login, left, size);
	buffer_release(&roles);
	buffer_release(&tenants);
	return status;
}

/* ---- list ---- */

int roles_list(struct pg_conn *conn, const char *only, struct pg_result **rows, struct error *error)
{
	int status = db_query(conn,
			      "SELECT role_name, kind, array_to_string(roles, ', '), array_to_string(through, ', '),"
			      " array_to_string(tenants, ', '), json_build_object('role', role_name, 'kind', kind, 'as', roles,"
			      " 'inherited', through, 'tenants', tenants)"
			      " FROM (SELECT role_name, CASE WHEN NOT is_there THEN 'gone' WHEN unbound THEN 'superuser'"
			      "              WHEN can_login THEN 'login' ELSE 'group' END AS kind,"
			      "              ARRAY(SELECT substr(g, 10) FROM unnest(granted) g) AS roles,"
			      "              ARRAY(SELECT substr(g, 10) FROM unnest(inherited) g) AS through, tenants"
			      "       FROM verbatim.role_list WHERE $1::text IS NULL OR role_name = $1::name) l ORDER BY role_name",
			      1, &only, rows, error);

	if (status == E_NO_ACCESS)
		error_prefix(error, "this takes a superuser, or a member of verbatim_admin or verbatim_auditor");
	return status;
}
