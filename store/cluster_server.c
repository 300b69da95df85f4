/*
 * cluster_server - the server of a cluster: whether its postmaster lives, starting it, waiting until it answers,
 * stopping it.  See cluster.h.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <limits.h>
#include <signal.h>
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
	ANSWER_MS = 60000,     /* no sign of life for so long after a start: given up */
	RECOVER_MS = 1800000,  /* says that it is starting up: it replays WAL */
	STOP_WORD_MS = 30000,  /* a fast shutdown writes all dirty buffers; after so long a word about it */
	STOP_MS = 180000,
	ORPHANS_MS = 30000,    /* backends of a killed postmaster have so long to notice */
};

/*
 * What the server is run with; ALTER SYSTEM (postgresql.auto.conf) may override it.  Nothing of an event may reach
 * pg.log: no statement, no parameter, and no DETAIL (terse), in which a violated constraint prints the row.
 */
static const char settings[] =
	"# Written by verbatim at each start; change settings with ALTER SYSTEM instead.\n"
	"max_connections = 200\n"
	"shared_buffers = 128MB\n"
	"fsync = on\n"
	"full_page_writes = on\n"
	"synchronous_commit = on\n"
	"wal_level = replica\n"
	"wal_buffers = 16MB\n"
	"min_wal_size = 512MB\n"
	"max_wal_size = 2GB\n"
	"checkpoint_timeout = 15min\n"
	"checkpoint_completion_target = 0.9\n"
	"jit = off\n"
	"# Tables that are only inserted into: vacuumed (frozen, all-visible) early and in small bites.\n"
	"autovacuum = on\n"
	"autovacuum_naptime = 30s\n"
	"autovacuum_vacuum_insert_threshold = 50000\n"
	"autovacuum_vacuum_insert_scale_factor = 0.1\n"
	"autovacuum_analyze_scale_factor = 0.1\n"
	"log_destination = stderr\n"
	"logging_collector = off\n"
	"log_line_prefix = '%m [%p] %q%a '\n"
	"log_timezone = UTC\n"
	"log_min_messages = warning\n"
	"log_error_verbosity = terse\n"
	"log_min_error_statement = panic\n"
	"log_statement = none\n"
	"log_min_duration_statement = -1\n"
	"log_parameter_max_length = 0\n"
	"log_parameter_max_length_on_error = 0\n"
	"log_checkpoints = off\n"
	"debug_print_parse = off\n"
	"update_process_title = off\n"
	"timezone = UTC\n"
	"datestyle = 'iso, ymd'\n"
	"lc_messages = C\n";

/* Each keyword that a PG* variable could bend is given, if only empty. */
char *server_conninfo(const struct cluster *c, const char *database)
{
	struct buffer b = { 0 };

	buffer_printf(&b,
		      "host=%s hostaddr='' port=%d dbname=%s user=postgres password='' options='' requirepeer='' "
		      "sslmode=disable channel_binding=disable target_session_attrs=any client_encoding=UTF8",
		      c->socket_dir, CLUSTER_PORT, database);
	buffer_text(&b);
	return b.data;
}

/* ---- the running postmaster ---- */

struct postmaster {
	pid_t pid;            /* 0: none runs */
	char socket_dir[1024];
	bool stopping;
	bool ready;
	bool stale;           /* the file is there and its pid lives, but is not this cluster's */
};

/* Whether `pid` works in the cluster's folder, as a postmaster does.  Without /proc, a living pid is believed. */
static bool works_in(pid_t pid, const char *pgdata)
{
	char link[64];
	struct stat a, b;

	snprintf(link, sizeof(link), "/proc/%ld/cwd", (long)pid);
	if (access("/proc/self/cwd", F_OK) != 0)
		return true;
	if (stat(link, &a) != 0)
		return errno == EACCES;
	return stat(pgdata, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* postmaster.pid: pid, folder, start time, port, socket folder, address, shared memory, state; a line each. */
static struct postmaster postmaster_find(const struct cluster *c)
{
	struct postmaster found = { 0 };
	char *path = path_join(c->pgdata, "postmaster.pid"), line[1024];
	FILE *f = fopen(path, "re");

	free(path);
	for (int i = 1; f && fgets(line, sizeof(line), f); i++) {
		line[strcspn(line, "\n")] = 0;
		if (i == 1)
			found.pid = (pid_t)atol(line);
		else if (i == 5)
			snprintf(found.socket_dir, sizeof(found.socket_dir), "%s", line);
		else if (i == 8) {
			found.stopping = strncmp(line, "stopping", 8) == 0;
			found.ready = strncmp(line, "ready", 5) == 0;
		}
	}
	if (f)
		fclose(f);
	if (found.pid <= 1 || (kill(found.pid, 0) != 0 && errno == ESRCH))
		found.pid = 0;
	if (found.pid && !works_in(found.pid, c->pgdata)) {
		found.stale = true;
		found.pid = 0;
	}
	return found;
}

/*
 * A dead server's pid may belong to a stranger by now, and PostgreSQL would refuse to start because of it.  Its own
 * parent's pid is the one it takes for stale; the other lines must stay, since the shared-memory key among them
 * tells it whether old backends still live.
 */
static void disown_pid_file(const struct cluster *c)
{
	char *path = path_join(c->pgdata, "postmaster.pid");
	struct buffer text = { 0 };
	FILE *f = fopen(path, "re");
	char line[1024];

	buffer_printf(&text, "%ld\n", (long)getpid());
	for (int i = 1; f && fgets(line, sizeof(line), f); i++)
		if (i > 1)
			buffer_add_text(&text, line);
	if (f) {
		fclose(f);
		if (file_replace(path, buffer_text(&text), 0600, &c->account, NULL))
			unlink(path);
	}
	buffer_release(&text);
	free(path);
}

bool server_is_gone(struct cluster *c)
{
	int status;

	if (c->postmaster == 0)
		return true;
	if (c->child) {
		pid_t got = waitpid(c->postmaster, &status, WNOHANG);

		if (got == 0)
			return false;
		if (got == c->postmaster || errno == ECHILD) {
			c->postmaster = 0;
			c->child = false;
			return true;
		}
		return false;
	}
	if (kill(c->postmaster, 0) == 0 && works_in(c->postmaster, c->pgdata))
		return false;
	c->postmaster = 0;
	return true;
}

bool cluster_alive(struct cluster *c)
{
	return !server_is_gone(c);
}

void cluster_abandon(const struct cluster *c)
{
	if (c->postmaster > 1)
		kill(c->postmaster, SIGINT);
}

/* Fast shutdown, and the wait for its end.  Nothing is lost by a harder one, but that is a person's decision. */
int server_shut_down(struct cluster *c, struct error *error)
{
	int64_t begun = time_monotonic();
	bool told = false;

	if (server_is_gone(c))
		return 0;
	if (kill(c->postmaster, SIGINT) != 0 && errno == EPERM)
		return error_set(error, E_NO_ACCESS, "may not stop the database server (pid %ld)", (long)c->postmaster);
	while (!server_is_gone(c)) {
		int64_t ms = (time_monotonic() - begun) / 1000;

		if (ms > STOP_MS)
			return error_set(error, E_TIMEOUT,
					 "the database server (pid %ld) does not stop; it is left alone, kill -QUIT ends it without "
					 "losing anything", (long)c->postmaster);
		if (ms > STOP_WORD_MS && !told) {
			log_warn("cluster", "the database server (pid %ld) is still writing; waiting", (long)c->postmaster);
			told = true;
		}
		usleep(10000);
	}
	return 0;
}

static void wait_gone(struct cluster *c, pid_t pid)
{
	int64_t until = time_monotonic() + STOP_MS * 1000LL;

	while (time_monotonic() < until && kill(pid, 0) == 0 && works_in(pid, c->pgdata))
		usleep(20000);
}

bool server_join(struct cluster *c)
{
	struct postmaster found = postmaster_find(c);

	if (!found.pid || !found.ready || !found.socket_dir[0] || !socket_dir_is_ours(c, found.socket_dir))
		return false;
	c->postmaster = found.pid;
	c->child = false;
	free(c->socket_dir);
	c->socket_dir = mem_strdup(found.socket_dir);
	return true;
}

/* ---- starting the server ---- */

enum start { STARTED, DIED, FAILED };

/* Until it answers.  DIED: the process is gone, the log says why. */
static enum start wait_ready(struct cluster *c, const char *log, off_t log_from, struct error *error)
{
	char *conninfo = server_conninfo(c, "postgres"), tail[256];
	int64_t begun = time_monotonic(), word = begun;
	enum start result = FAILED;

	for (;;) {
		PGPing ping = PQping(conninfo);
		int64_t now = time_monotonic(), ms = (now - begun) / 1000;

		if (ping == PQPING_OK) {
			result = STARTED;
			break;
		}
		if (server_is_gone(c)) {
			result = DIED;
			break;
		}
		if (ms > (ping == PQPING_REJECT ? RECOVER_MS : ANSWER_MS)) {
			log_tail(log, log_from, tail, sizeof(tail));
			error_set(error, E_TIMEOUT, "the database server (pid %ld) does not answer after %lld s%s%s",
				  (long)c->postmaster, (long long)(ms / 1000), *tail ? "; it said: " : "", tail);
			break;
		}
		if (ping == PQPING_REJECT && now - word > 10 * TIME_SECOND) {
			log_info("cluster", "the database server is recovering; waiting");
			word = now;
		}
		usleep(ms < 1000 ? 10000 : 50000);
	}
	free(conninfo);
	return result;
}

static int spawn_postmaster(struct cluster *c, int out, struct error *error)
{
	char *postgres = path_join(c->bin, "postgres"), port[16], lock[64];
	const char *const argv[] = {
		postgres, "-D", c->pgdata, "-k", c->socket_dir, "-p", port, "-c", "listen_addresses=",
		"-c", "unix_socket_permissions=0700", NULL,
	};
	struct run run = { .argv = argv, .account = &c->account, .out = out, .own_session = true };
	char *path;
	int status;

	snprintf(port, sizeof(port), "%d", CLUSTER_PORT);
	/* No server of this cluster runs: what a killed one left here is in the way at best. */
	snprintf(lock, sizeof(lock), ".s.PGSQL.%d.lock", CLUSTER_PORT);
	path = path_join(c->socket_dir, lock);
	unlink(path);
	path[strlen(path) - strlen(".lock")] = 0;
	unlink(path);
	free(path);
	status = run_start(&run, &c->postmaster, error);
	c->child = !status;
	if (status)
		c->postmaster = 0;
	free(postgres);
	return status;
}

/* One attempt.  E_BUSY: backends of a killed server still hold its shared memory; they end by themselves. */
static int start_once(struct cluster *c, const char *log, struct error *error)
{
	char tail[300];
	int out = server_log_open(c, log, error), status;
	off_t from = file_size(log);

	if (out < 0)
		return out;
	status = spawn_postmaster(c, out, error);
	close(out);
	if (status)
		return status;
	switch (wait_ready(c, log, from, error)) {
	case STARTED:
		return 0;
	case FAILED:
		return error->code;
	case DIED:
		break;
	}
	log_tail(log, from, tail, sizeof(tail));
	if (strstr(tail, "pre-existing shared memory block") || strstr(tail, "Is another postmaster"))
		return error_set(error, E_BUSY, "an older database server has not ended: %s", tail);
	return error_set(error, E_UNAVAILABLE, "the database server does not start: %s", *tail ? tail : "it says nothing");
}

/* A living postmaster of this cluster is taken over if it can be reached; 0 and c->postmaster, or nothing. */
static int take_over(struct cluster *c, const char *log, struct error *error)
{
	struct postmaster found;

	server_is_gone(c); /* a child of ours that has ended must not look alive */
	found = postmaster_find(c);
	if (found.pid && found.stopping) {
		wait_gone(c, found.pid);
		found = postmaster_find(c);
	}
	if (found.stale)
		disown_pid_file(c);
	if (!found.pid)
		return 0;
	for (int i = 0; !found.socket_dir[0] && i < 100; i++) {
		usleep(50000); /* it is just writing the file */
		found = postmaster_find(c);
	}
	if (found.pid != c->postmaster) {
		c->postmaster = found.pid;
		c->child = false;
	}
	if (found.socket_dir[0] && socket_dir_is_ours(c, found.socket_dir) &&
	    (!c->socket_dir || !c->conninfo || strcmp(c->socket_dir, found.socket_dir) == 0)) {
		enum start answer;

		free(c->socket_dir);
		c->socket_dir = mem_strdup(found.socket_dir);
		answer = wait_ready(c, log, file_size(log), error);
		if (answer == FAILED)
			return error->code;
		return 0;
	}
	log_warn("cluster", "the socket of the running database server is gone; it is started anew");
	return server_shut_down(c, error);
}

int server_ensure(struct cluster *c, bool fixed, struct error *error)
{
	char *log = path_join(c->data, "pg.log"), *conf = path_join(c->pgdata, "verbatim.conf");
	int64_t until = time_monotonic() + ORPHANS_MS * 1000LL;
	int status;

	for (;;) {
		status = take_over(c, log, error);
		if (status || c->postmaster)
			break;
		status = socket_dir_prepare(c, fixed, error);
		if (!status)
			status = file_replace(conf, settings, 0600, &c->account, error);
		if (status)
			break;
		status = start_once(c, log, error);
		if (status != E_BUSY || time_monotonic() > until)
			break;
		usleep(200000);
	}
	free(conf);
	free(log);
	return status;
}
