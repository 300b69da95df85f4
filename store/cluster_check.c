/* cluster_check - whether a server can be trusted with a log; one row a condition. */
#include <stdlib.h>
#include <string.h>

#include "store/cluster.h"
#include "store/db.h"

static const struct condition {
	const char *sql;     /* one text value */
	const char *want;    /* NULL: at least `least` */
	long least;
	const char *fault;   /* with the value that was found */
	const char *remedy;
} conditions[] = {
	{ "SELECT current_setting('server_version_num')", NULL, CLUSTER_OLDEST * 10000L,
	  "the server is PostgreSQL %s", "version 15 or newer is needed" },
	{ "SELECT current_setting('server_encoding')", "UTF8", 0,
	  "the database's encoding is %s", "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0 makes one that holds every text" },
	{ "SELECT pg_is_in_recovery()::text", "false", 0,
	  "the server is a standby", "name the primary; target_session_attrs=read-write finds it among several hosts" },
	{ "SELECT current_setting('fsync')", "on", 0,
	  "fsync is %s", "ALTER SYSTEM SET fsync = on and reload; without it an acknowledged event can be lost" },
	{ "SELECT current_setting('full_page_writes')", "on", 0,
	  "full_page_writes is %s", "ALTER SYSTEM SET full_page_writes = on and reload; without it a crash can tear pages" },
};

int cluster_check_server(struct pg_conn *conn, struct error *error)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		const struct condition *c = &conditions[i];
		char found[64], fault[128];
		const char *hole = strstr(c->fault, "%s");
		long number;
		int status = db_value(conn, c->sql, 0, NULL, found, sizeof(found), error);

		if (status)
			return status;
		number = strtol(found, NULL, 10);
		if (c->want ? strcmp(found, c->want) == 0 : number >= c->least)
			continue;
		if (!c->want)
			snprintf(found, sizeof(found), "%ld", number / 10000);
		if (hole)
			snprintf(fault, sizeof(fault), "%.*s%s%s", (int)(hole - c->fault), c->fault, found, hole + 2);
		else
			snprintf(fault, sizeof(fault), "%s", c->fault);
		return error_set(error, E_UNSUITABLE, "%s; %s", fault, c->remedy);
	}
	return 0;
}
