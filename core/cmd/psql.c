/*
 * psql - `verbatim psql`: PostgreSQL's own client on the engine's database.
 *
 * It runs as a child, since the cluster may have been started for it and must be stopped behind it.  The connection
 * goes by the environment: a password does not belong on a command line.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cmd/command.h"
#include "cmd/target.h"
#include "store/db.h"

struct psql_options {
	struct target_options target;
};

static const struct option options[] = {
	TARGET_OPTIONS(struct psql_options, target),
	{ .name = NULL },
};

static volatile sig_atomic_t child;

static void pass_on(int signal)
{
	if (child > 0)
		kill((pid_t)child, signal);
}

/* ^C is for psql, which cancels the query; to be ended is for both. */
static void watch_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, pass = { .sa_handler = pass_on };

	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
	sigaction(SIGTERM, &pass, NULL);
	sigaction(SIGHUP, &pass, NULL);
}

static void leave_signals(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

/* psql's own exit status: 1, 2 and 3 are its to explain, and it has done so on stderr. */
static int run_psql(const struct arguments *args, int *exit_status, struct error *error)
{
	const char **argv = mem_zalloc(sizeof(char *) * (size_t)(args->count + 2));
	int wait_status = 0;
	pid_t pid;

	argv[0] = "psql";
	for (int i = 0; i < args->count; i++)
		argv[i + 1] = args->words[i];
	watch_signals();
	pid = fork();
	if (pid == 0) {
		leave_signals();
		execvp("psql", (char *const *)(uintptr_t)argv);
		fprintf(stderr, "verbatim psql: cannot run psql: %s; apt-get install postgresql-client\n", strerror(errno));
		_exit(error_get(E_UNSUITABLE)->exit_status);
	}
	free(argv);
	if (pid < 0)
		return error_set(error, E_IO, "cannot start psql: %s", strerror(errno));
	child = pid;
	while (waitpid(pid, &wait_status, 0) < 0)
		if (errno != EINTR)
			return error_set(error, E_IO, "lost sight of psql: %s", strerror(errno));
	child = 0;
	*exit_status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
	return 0;
}

static int run(const struct arguments *args, struct error *error)
{
	const struct psql_options *o = args->options;
	struct target t;
	int exit_status = 0, status = target_database(&o->target, false, &t, error);

	if (status)
		return status;
	fflush(NULL);
	status = db_export(t.conninfo, error);
	if (!status)
		status = run_psql(args, &exit_status, error);
	target_release(&t);
	if (!status && exit_status)
		exit(exit_status);
	return status;
}

const struct command psql_command = {
	.name = "psql",
	.usage = "psql [OPTION]... [-- ARGS]",
	.brief = "open psql on the engine's database",
	.help = "Connects psql to the database of --data or --db. When no engine runs on --data, its PostgreSQL is started for the time. "
		"What stands behind `--` goes to psql; its exit status is the command's.\n"
		"\n"
		"  verbatim psql\n"
		"  verbatim psql -- -c 'SELECT count(*) FROM verbatim.event_log'\n"
		"  verbatim psql -- -Atf report.sql",
	.options = options, .options_bytes = sizeof(struct psql_options), .run = run,
};
