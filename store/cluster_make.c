/*
 * cluster_make - a new cluster: initdb into a folder beside, its settings' inclusion, then one rename.  And the
 * server's log.  See cluster.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "store/cluster.h"
#include "store/cluster_private.h"

enum {
	LOG_BYTES = 16 << 20, /* pg.log is put aside at a start past this size */
	SWEEP_TRIES = 250,    /* five seconds */
};

/*
 * Until a checkpoint has left enough of them over, whoever commits at the end of a segment of the write-ahead log makes
 * the next, fills it and syncs it, and all commits wait: a quarter of PostgreSQL's 16 MB is over in a quarter of the time.
 */
static const char wal_segment[] = "--wal-segsize=4"; /* MB */

/* initdb dies with who started it, but the server that it runs then writes a little more before it notices. */
static void remove_for_good(const char *path)
{
	for (int left = SWEEP_TRIES; path_exists(path) && left > 0; left--) {
		folder_remove(path);
		if (path_exists(path))
			usleep(20000);
	}
}

void cluster_sweep(const struct cluster *c)
{
	char *pattern = path_join(c->home, "pg.tmp-*");
	glob_t found;

	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			log_info("cluster", "sweeping '%s', left by a first start that was cut off", found.gl_pathv[i]);
			remove_for_good(found.gl_pathv[i]);
		}
		globfree(&found);
	}
	free(pattern);
}

/* UTF-8 with the bytes' own order: the same on every machine, and the fastest. */
static const char *locale_argument(void)
{
	locale_t l = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);

	if (l == (locale_t)0)
		return "--locale=C";
	freelocale(l);
	return "--locale=C.UTF-8";
}

static int run_initdb(struct cluster *c, const char *folder, int out, const char *log, struct error *error)
{
	char *initdb = path_join(c->bin, "initdb");
	const char *const argv[] = {
		initdb, "--pgdata", folder, "--username=postgres", "--encoding=UTF8", locale_argument(), "--lc-collate=C",
		"--data-checksums", "--auth=trust", "--no-instructions", wal_segment, NULL,
	};
	struct run run = { .argv = argv, .account = &c->account, .out = out, .own_session = true, .die_with_us = true };
	off_t before = file_size(log);
	char tail[256];
	pid_t pid;
	int status = run_start(&run, &pid, error);

	if (!status && run_wait(pid) != 0) {
		log_tail(log, before, tail, sizeof(tail));
		status = error_set(error, E_UNAVAILABLE, "cannot make the database's cluster: %s", *tail ? tail : "initdb failed");
	}
	free(initdb);
	return status;
}

static int include_settings(const char *folder, const struct cluster *c, struct error *error)
{
	char *path = path_join(folder, "postgresql.conf");
	int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC), status = 0;
	static const char line[] = "\ninclude_if_exists = 'verbatim.conf'\n";

	if (fd < 0 || write(fd, line, sizeof(line) - 1) != (ssize_t)sizeof(line) - 1 || fsync(fd) != 0)
		status = error_set(error, E_IO, "cannot write '%s': %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	return status;
}

int server_log_open(const struct cluster *c, const char *log, struct error *error)
{
	struct buffer aside = { 0 };
	int fd;

	if (file_size(log) > LOG_BYTES) {
		buffer_printf(&aside, "%s.1", log);
		rename(log, buffer_text(&aside));
		buffer_release(&aside);
	}
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return error_set(error, errno == EACCES ? E_NO_ACCESS : E_IO, "cannot open '%s': %s", log, strerror(errno));
	return fd;
}

int cluster_make(struct cluster *c, const char *log, struct error *error)
{
	char *temp = path_join(c->home, "pg.tmp-XXXXXX");
	int out = server_log_open(c, log, error), status = 0;

	if (out < 0) {
		free(temp);
		return out;
	}
	log_info("cluster", "making a PostgreSQL %d cluster in '%s', once", c->major, c->pgdata);
	if (!mkdtemp(temp) || (c->account.other && chown(temp, c->account.uid, c->account.gid) != 0))
		status = error_set(error, errno == EACCES ? E_NO_ACCESS : E_IO, "cannot make folder '%s': %s", temp,
				   strerror(errno));
	if (!status)
		status = run_initdb(c, temp, out, log, error);
	if (!status)
		status = include_settings(temp, c, error);
	if (!status) {
		folder_sync(temp);
		if (rename(temp, c->pgdata) != 0)
			status = error_set(error, E_IO, "cannot rename '%s' to '%s': %s", temp, c->pgdata, strerror(errno));
		folder_sync(c->home);
	}
	if (status)
		folder_remove(temp);
	close(out);
	free(temp);
	return status;
}
