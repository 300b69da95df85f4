/*
 * roles - who may read what: logins, the roles they are given, the tenants they may name.
 *
 *     reader    read models and log of its tenants        admin    reads everything, binds others
 *     analyst   the same read models, without content     engine   writes
 *               and personal data, and no log
 *     auditor   the log and the read models of all tenants
 *
 * The rights themselves are the database's (schema/log/..._create_role_bindings): grants, and policies over
 * verbatim.role_tenants.  Here stands what `verbatim role` does with them.  Everything happens with the rights of the
 * session, in one transaction, and may be repeated.
 *
 * Blocking, on db.h's sessions.
 */
#ifndef VERBATIM_STORE_ROLES_H
#define VERBATIM_STORE_ROLES_H

#include <stdbool.h>

#include "base/error.h"
#include "store/db.h"

/* "reader", "analyst", "auditor", "engine", "admin"; ended by NULL. */
extern const char *const role_names[];

struct role_binding {
	const char *role;           /* the login's name, taken as it is: no folding to lower case */
	const char *as;             /* one of role_names, or NULL */
	const char *const *tenants; /* texts of uuids */
	int tenant_count;
	bool create;                /* bind: make the login when it is not there */
	const char *password;       /* bind with create, or NULL; it leaves this process as a verifier only */
};

/* What was changed: "create", "grant" or "revoke"; of grant and revoke a role's name or a tenant's id. */
typedef void (*role_changed_fn)(void *data, const char *change, const char *as, const char *tenant);

/*
 * Gives what `b` names.  E_NOT_FOUND: no such login and not `create`; E_NO_ACCESS: the session may not; E_USAGE: what is
 * asked for binds nobody (tenants for an auditor, or for a superuser), or would bind less than it says (a reader who
 * is made an analyst).
 */
int roles_bind(struct pg_conn *conn, const struct role_binding *b, role_changed_fn changed, void *data,
	       struct error *error) must_check;

/*
 * Takes what `b` names: its role, its tenants; with neither everything.  With the last role that reads by tenant go all
 * tenants.  `*left` tells what the login still has through another role ("reader"), or "".  E_NOT_FOUND when there is
 * neither such a login nor a row of it.
 */
int roles_unbind(struct pg_conn *conn, const struct role_binding *b, role_changed_fn changed, void *data, char *left,
		 size_t size, struct error *error) must_check;

/* A row a login: name, what it is ("login", "group", "superuser", "gone"), roles, roles through others, tenants (each with commas), all as JSON. */
enum { ROLES_NAME, ROLES_KIND, ROLES_AS, ROLES_INHERITED, ROLES_TENANTS, ROLES_JSON };
int roles_list(struct pg_conn *conn, const char *only, struct pg_result **rows, struct error *error) must_check;

#endif
