/*
 * api_keys - `verbatim key create|list|rotate|revoke|limit`: who may talk to an engine.  The rows of these subcommands stand
 * in key.c's table, beside those of the keys that sign checkpoints.
 *
 * api_keys.c holds what changes keys, api_keys_show.c what is shown of them and of tenants' limits, and changes the latter.
 *
 * A secret is printed once, on standard output and nowhere else, and kept by nobody: the database has its hash.
 */
#ifndef VERBATIM_CMD_API_KEYS_H
#define VERBATIM_CMD_API_KEYS_H

#include "base/uuid.h"
#include "cmd/command.h"
#include "cmd/target.h"

struct api_keys_options {
	struct target_options target;
	const char *tenant, *scope, *name, *expires, *certificate, *limit;
	int64_t grace;
	bool all_tenants, all, json, force;
};

extern const struct option api_keys_create_table[], api_keys_list_table[], api_keys_rotate_table[], api_keys_revoke_table[],
	api_keys_limit_table[];

int api_keys_run_create(const struct arguments *args, struct error *error);
int api_keys_run_list(const struct arguments *args, struct error *error);
int api_keys_run_rotate(const struct arguments *args, struct error *error);
int api_keys_run_revoke(const struct arguments *args, struct error *error);
int api_keys_run_limit(const struct arguments *args, struct error *error);

/* What api_keys.c and api_keys_show.c share: a session with the database that the options name, and what their words mean. */
struct api_keys_place {
	struct target target;
	struct pg_conn *conn;
};

int api_keys_open(const struct api_keys_options *o, struct api_keys_place *p, struct error *error) must_check;
void api_keys_close(struct api_keys_place *p);
int api_keys_parse_tenant(const char *text, struct uuid *out, struct error *error) must_check;

#define API_KEYS_AT(member) .offset = offsetof(struct api_keys_options, member)
#define API_KEYS_JSON_OPTION { .name = "json", .kind = OPTION_FLAG, API_KEYS_AT(json), .help = "one JSON object a line" }
#define API_KEYS_TENANT_OPTION(words)                                                                                     \
	{ .name = "tenant", .kind = OPTION_TEXT, API_KEYS_AT(tenant), .argument = "UUID", .filled = true, .help = words }

#endif
