/*
 * schema - the SQL files of schema/, embedded in the binary at build time.
 */
#ifndef VERBATIM_STORE_SCHEMA_H
#define VERBATIM_STORE_SCHEMA_H

struct schema_file {
	const char *name; /* below schema/: "log/20261122_100000_create_event_log.up.sql" */
	const char *text;
};

/* In name order, ended by a NULL name. */
extern const struct schema_file schema_files[];

#endif
