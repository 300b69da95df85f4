/* target - see target.h. */
#include "cmd/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cmd/engine_file.h"
#include "cmd/engine_key.h"
#include "store/cluster.h"
#include "store/db.h"
#include "store/migrate.h"

static void name_target(const struct target_options *options, struct target *t)
{
	struct buffer name = { 0 };

	if (options->db) {
		char *text = db_describe(options->db);

		buffer_printf(&name, "%s", text);
		free(text);
	} else {
		buffer_printf(&name, "'%s'", options->data);
	}
	buffer_text(&name);
	t->name = name.data;
}

static void use_file(struct target *t, const char *path, const struct engine_file *file)
{
	char address[300];

	if (!engine_file_address(file, address, sizeof(address)))
		return;
	t->address = mem_strdup(address);
	t->key_file = engine_key_path(path);
	t->pinned = hex_decode(file->certificate, strlen(file->certificate), t->pin, sizeof(t->pin));
	t->engine_pid = file->pid;
}

static void name_others(struct target *t, const struct engine_file *files, int count)
{
	struct buffer names = { 0 };
	char address[300];

	for (int i = 0; i < count; i++)
		if (engine_file_address(&files[i], address, sizeof(address)))
			buffer_printf(&names, "%spid %ld at %s", names.len ? ", " : "", files[i].pid, address);
	t->others = names.len ? (buffer_text(&names), names.data) : NULL;
}

/* With --db the files are named by the log, so the database must be asked which log it holds. */
static int find_engine_of_database(const struct target_options *options, struct target *t, struct error *error)
{
	struct migrations m;
	struct pg_conn *conn;
	struct engine_file *files;
	char *path;
	int count, status = db_open(options->db, "verbatim", &conn, error);

	if (status)
		return status;
	status = migrate_status(conn, &m, error);
	db_close(conn);
	if (status)
		return status;
	path = *m.log_id ? engine_file_path_of_log(m.log_id) : NULL;
	if (path) {
		files = engine_file_list(m.log_id, &count);
		if (count)
			use_file(t, path, &files[0]); /* the key is one for all: its name has no pid */
		if (count > 1)
			name_others(t, files + 1, count - 1);
		free(files);
	}
	free(path);
	migrations_release(&m);
	return 0;
}

static void find_engine_of_folder(const struct target_options *options, struct target *t)
{
	struct engine_file file;
	char *path;

	if (!engine_is_locked(options->data))
		return;
	path = engine_file_path(options->data);
	if (engine_file_read(path, &file))
		use_file(t, path, &file);
	free(path);
}

int target_engine(const struct target_options *options, struct target *t, struct error *error)
{
	int status = 0;

	*t = (struct target){ 0 };
	name_target(options, t);
	if (options->db)
		status = find_engine_of_database(options, t, error);
	else
		find_engine_of_folder(options, t);
	if (!status && !t->address) {
		if (options->db)
			status = error_set(error, E_NOT_READY,
					   "no engine of this user runs here on %s; start one with: verbatim serve --db ..., or name it "
					   "with --to HOST:PORT", t->name);
		else if (engine_is_locked(options->data))
			status = error_set(error, E_NOT_READY, "the engine on %s is still starting", t->name);
		else
			status = error_set(error, E_NOT_READY, "no engine runs on %s; start one with: verbatim serve --data %s",
					   t->name, options->data);
	}
	if (status)
		target_release(t);
	return status;
}

void target_look_for_engine(const struct target_options *options, struct target *t)
{
	struct error ignored;

	if (options->db && !t->engine_pid && find_engine_of_database(options, t, &ignored))
		log_debug("target", "%s", ignored.message);
}

int target_database(const struct target_options *options, bool create, struct target *t, struct error *error)
{
	int status;

	*t = (struct target){ 0 };
	name_target(options, t);
	if (options->db) {
		t->conninfo = mem_strdup(options->db);
		return 0;
	}
	find_engine_of_folder(options, t);
	status = cluster_start(options->data, create, &t->cluster, error);
	if (status == E_NOT_FOUND && !create)
		status = error_set(error, E_NOT_FOUND, "there is no database below '%s'; make one with: verbatim init --data %s",
				   options->data, options->data);
	if (status) {
		target_release(t);
		return status;
	}
	t->conninfo = mem_strdup(cluster_conninfo(t->cluster));
	return 0;
}

void target_release(struct target *t)
{
	struct error error;

	if (cluster_stop(t->cluster, &error))
		log_warn("cluster", "%s", error.message);
	free(t->name);
	free(t->conninfo);
	free(t->address);
	free(t->key_file);
	free(t->others);
	*t = (struct target){ 0 };
}
