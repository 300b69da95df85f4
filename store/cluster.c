/*
 * cluster - see cluster.h.
 *
 *   cluster_start: lock, place, binaries, sweep, (initdb), settings, server running, database there, unlock
 *
 * A command beside a running engine has no time for most of that: where cluster.users stands and the server runs, somebody has
 * come to the end of it before.
 *
 * Everything that starts or stops the server happens under DATA/cluster.lock, so each step may look first and act
 * then.  The server is not in our session and not tied to our life: it must outlive a killed engine, whose
 * transactions it may still be committing.
 */
#include "store/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "store/cluster_private.h"
#include "store/db.h"

enum { LOCK_MS = 180000 }; /* another process may be recovering the server after a crash */

const char *cluster_conninfo(const struct cluster *c)
{
	return c->conninfo;
}

const char *cluster_socket_dir(const struct cluster *c)
{
	return c->socket_dir;
}

static int ensure_database(struct cluster *c, struct error *error)
{
	char *conninfo = server_conninfo(c, "postgres");
	struct pg_conn *conn;
	char there[8];
	int status = db_open(conninfo, "verbatim cluster", &conn, error);

	free(conninfo);
	if (status)
		return status;
	status = db_value(conn, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'verbatim'", 0, NULL, there,
			  sizeof(there), error);
	if (!status && !*there)
		status = db_exec(conn, "CREATE DATABASE verbatim", error);
	if (status == E_EXISTS)
		status = 0;
	db_close(conn);
	return status;
}

/* ---- start, stop, revive ---- */

static void cluster_free(struct cluster *c)
{
	if (c->users_fd >= 0)
		close(c->users_fd);
	free(c->data);
	free(c->home);
	free(c->pgdata);
	free(c->bin);
	free(c->socket_dir);
	free(c->conninfo);
	free(c);
}

static int lock_cluster(const struct cluster *c, struct error *error)
{
	char *path = path_join(c->data, "cluster.lock");
	int fd = lock_take(path, LOCK_MS, error);

	free(path);
	return fd;
}

static int join_users(struct cluster *c, struct error *error)
{
	char *path = path_join(c->data, "cluster.users");
	int status = 0;

	c->users_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (c->users_fd < 0 || flock(c->users_fd, LOCK_SH | LOCK_NB) != 0)
		status = error_set(error, E_IO, "cannot lock '%s': %s", path, strerror(errno));
	free(path);
	return status;
}

/* Major version of the cluster that is there; 0 when there is none. */
static int cluster_major(const struct cluster *c)
{
	char *path = path_join(c->pgdata, "PG_VERSION"), *line = file_read_line(path);
	int major = line ? atoi(line) : 0;

	free(line);
	free(path);
	return major;
}

/* Whether a start has succeeded here before, whose server runs. */
static bool is_running(struct cluster *c)
{
	char *users = path_join(c->data, "cluster.users");
	bool running = path_exists(users) && server_join(c);

	free(users);
	return running;
}

static int start_locked(struct cluster *c, bool create, struct error *error)
{
	char *log = path_join(c->data, "pg.log");
	int status = place_choose(c, error), major;

	if (!status && !create && is_running(c)) {
		free(log);
		c->conninfo = server_conninfo(c, "verbatim");
		return join_users(c, error);
	}
	if (!status)
		status = place_open(c, create, error);
	if (!status) {
		major = cluster_major(c);
		if (!major && path_exists(c->pgdata))
			status = error_set(error, E_UNSUITABLE, "'%s' is no cluster of PostgreSQL: PG_VERSION is missing", c->pgdata);
		else if (!major && !create)
			status = error_set(error, E_NOT_FOUND, "there is no database below '%s'; verbatim init --data %s makes one",
					   c->data, c->data);
		else
			status = binaries_find(c, major, error);
		if (!status)
			cluster_sweep(c);
		if (!status && !major)
			status = cluster_make(c, log, error);
	}
	if (!status)
		status = server_ensure(c, false, error);
	if (!status) {
		free(c->conninfo);
		c->conninfo = server_conninfo(c, "verbatim");
		status = ensure_database(c, error);
	}
	if (!status)
		status = join_users(c, error);
	free(log);
	return status;
}

int cluster_make_folder(const char *data, struct error *error)
{
	return folder_make(data, error);
}

int cluster_start(const char *data, bool create, struct cluster **out, struct error *error)
{
	struct cluster *c;
	char real[PATH_MAX];
	int lock, status = 0;

	*out = NULL;
	if (create)
		status = folder_make(data, error);
	if (!status && !realpath(data, real))
		status = error_set(error, errno == ENOENT ? E_NOT_FOUND : E_IO, "cannot open folder '%s': %s", data,
				   strerror(errno));
	if (status)
		return status;
	c = mem_zalloc(sizeof(*c));
	c->users_fd = -1;
	c->data = mem_strdup(real);
	lock = lock_cluster(c, error);
	status = lock < 0 ? lock : start_locked(c, create, error);
	if (lock >= 0)
		close(lock);
	if (status) {
		cluster_free(c);
		return status;
	}
	*out = c;
	return 0;
}

int cluster_stop(struct cluster *c, struct error *error)
{
	int lock, status = 0;

	if (!c)
		return 0;
	lock = lock_cluster(c, error);
	if (lock < 0) {
		status = lock;
	} else if (flock(c->users_fd, LOCK_EX | LOCK_NB) == 0) {
		status = server_shut_down(c, error);
		if (!status)
			rmdir(c->socket_dir); /* made again under its name by the next start */
	} else {
		log_info("cluster", "the database server stays: another process uses it");
	}
	if (lock >= 0)
		close(lock);
	cluster_free(c);
	return status;
}

int cluster_revive(struct cluster *c, struct error *error)
{
	int lock = lock_cluster(c, error), status;

	if (lock < 0)
		return lock;
	/* One that lives and does not answer hangs or recovers: asking it would only make us hang as well. */
	if (!server_is_gone(c) && socket_dir_is_ours(c, c->socket_dir)) {
		close(lock);
		return 0;
	}
	if (server_is_gone(c))
		log_warn("cluster", "the database server has died; starting it again");
	status = server_ensure(c, true, error);
	close(lock);
	return status;
}
