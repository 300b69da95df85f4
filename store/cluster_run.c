/* cluster_run - PostgreSQL's programs: finding them, running them as the right user, collecting what they say. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "store/cluster.h"
#include "store/cluster_private.h"

/* PG* variables of ours mean somebody else's server, so the programs get an environment of their own. */
static const char *const environment[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/nonexistent", NULL,
};

static void close_from(int first)
{
	long most = sysconf(_SC_OPEN_MAX);

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
	if (close_range((unsigned)first, ~0u, 0) == 0)
		return;
#endif
	if (most < 0 || most > 65536)
		most = 65536;
	for (int fd = first; fd < (int)most; fd++)
		close(fd);
}

/* In the child, between fork and exec: other threads' locks may be held for ever, so only system calls. */
static void become(const struct run *run, int null)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	const struct account *a = run->account;
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (run->own_session)
		setsid();
	dup2(null, 0);
	dup2(run->out >= 0 ? run->out : null, 1);
	dup2(run->out >= 0 ? run->out : null, 2);
	close_from(3);
	umask(077);
	if (a && a->other && (setgroups(1, &a->gid) != 0 || setgid(a->gid) != 0 || setuid(a->uid) != 0))
		_exit(126);
#ifdef __linux__
	/* After the change of user, which would take it back. */
	if (run->die_with_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (chdir("/") != 0)
		_exit(126);
	execve(run->argv[0], (char *const *)(uintptr_t)run->argv, (char *const *)(uintptr_t)environment);
	_exit(127);
}

int run_start(const struct run *run, pid_t *pid, struct error *error)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t all, before;

	if (null < 0)
		return error_set(error, E_IO, "cannot open '/dev/null': %s", strerror(errno));
	/* A signal between fork and sigaction would run our handler in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	*pid = fork();
	if (*pid == 0)
		become(run, null);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(null);
	if (*pid < 0)
		return error_set(error, E_IO, "cannot start '%s': %s", run->argv[0], strerror(errno));
	return 0;
}

int run_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

bool run_capture(const char *const *argv, char *out, size_t size)
{
	int ends[2];
	struct run run = { .argv = argv };
	size_t used = 0;
	pid_t pid;
	char rest[256];

	out[0] = 0;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	run.out = ends[1];
	if (run_start(&run, &pid, NULL)) {
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	close(ends[1]);
	for (;;) {
		ssize_t n = used + 1 < size ? read(ends[0], out + used, size - 1 - used) : read(ends[0], rest, sizeof(rest));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (used + 1 < size)
			used += (size_t)n;
	}
	out[used] = 0;
	close(ends[0]);
	return run_wait(pid) == 0;
}

/* ---- the server's binaries ---- */

/* The major version of the server in a folder; 0 when there is none. */
static int version_of(const char *bin)
{
	char *postgres = path_join(bin, "postgres"), *initdb = path_join(bin, "initdb");
	const char *const argv[] = { postgres, "--version", NULL };
	const char *number;
	char text[256];
	int major = 0;

	/* "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)" */
	if (access(postgres, X_OK) == 0 && access(initdb, X_OK) == 0 && run_capture(argv, text, sizeof(text)) &&
	    (number = strstr(text, "(PostgreSQL) ")))
		major = atoi(number + strlen("(PostgreSQL) "));
	free(postgres);
	free(initdb);
	return major;
}

static void consider(struct cluster *c, const char *bin, int wanted)
{
	int major = version_of(bin);

	if (wanted ? major != wanted || c->major == wanted : major < CLUSTER_OLDEST || major <= c->major)
		return;
	free(c->bin);
	c->bin = mem_strdup(bin);
	c->major = major;
}

static void consider_glob(struct cluster *c, const char *pattern, int wanted)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		consider(c, found.gl_pathv[i], wanted);
	globfree(&found);
}

static void consider_path(struct cluster *c, int wanted)
{
	const char *path = getenv("PATH");
	char *copy = mem_strdup(path ? path : ""), *rest = copy, *folder;

	while ((folder = strsep(&rest, ":"))) {
		char *config = path_join(folder, "pg_config");
		const char *const argv[] = { config, "--bindir", NULL };
		char bin[1024];

		if (*folder == '/') {
			consider(c, folder, wanted);
			if (access(config, X_OK) == 0 && run_capture(argv, bin, sizeof(bin))) {
				bin[strcspn(bin, "\n")] = 0;
				consider(c, bin, wanted);
			}
		}
		free(config);
	}
	free(copy);
}

int binaries_find(struct cluster *c, int major, struct error *error)
{
	if (!c->bin) {
		c->major = 0;
		consider_glob(c, "/usr/lib/postgresql/*/bin", major);
		consider_glob(c, "/usr/pgsql-*/bin", major);
		consider_glob(c, "/usr/local/pgsql/bin", major);
		if (!c->bin)
			consider_path(c, major);
	}
	if (c->bin)
		return 0;
	if (major)
		return error_set(error, E_UNSUITABLE,
				 "the cluster '%s' is PostgreSQL %d's, whose server is not installed; apt-get install postgresql-%d",
				 c->pgdata, major, major);
	return error_set(error, E_UNSUITABLE,
			 "no PostgreSQL server of version %d or newer is installed; apt-get install postgresql, or name a server "
			 "with --db", CLUSTER_OLDEST);
}
