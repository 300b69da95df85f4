/*
 * api_keys - `verbatim key create|list|rotate|revoke|limit`: who may talk to an engine.  The rows of these subcommands stand
 * in key.c's table, beside those of the keys that sign checkpoints.
 *
 * A secret is printed once, on standard output and nowhere else, and kept by nobody: the database has its hash.
 */
#ifndef VERBATIM_CMD_API_KEYS_H
#define VERBATIM_CMD_API_KEYS_H

#include "cmd/command.h"
#include "cmd/target.h"

struct api_keys_options {
	struct target_options target;
	const char *tenant, *scope, *name, *expires, *certificate, *limit;
	int64_t grace;
	bool all_tenants, all, json;
};

extern const struct option api_keys_create_table[], api_keys_list_table[], api_keys_rotate_table[], api_keys_revoke_table[],
	api_keys_limit_table[];

int api_keys_run_create(const struct arguments *args, struct error *error);
int api_keys_run_list(const struct arguments *args, struct error *error);
int api_keys_run_rotate(const struct arguments *args, struct error *error);
int api_keys_run_revoke(const struct arguments *args, struct error *error);
int api_keys_run_limit(const struct arguments *args, struct error *error);

#endif
