/* runs - see runs.h. */
#include "runs.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/fault.h"
#include "event/catalog.h"
#include "tap.h"

enum { JOBS_MOST = 64, KEPT_MOST = 1000, MUTATED_FROM = 1000000 };

struct sums {
	int64_t passed;
	struct run_sums tally;
};

void runs_ok(bool pass, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ok(pass, "%s", text);
}

/* An assertion that fails says of which history. */
static char dying[80];

static void on_abort(int number)
{
	(void)number;
	if (write(STDOUT_FILENO, dying, strlen(dying)) < 0)
		_exit(2);
}

static bool run_one(const struct program *p, uint64_t seed, const struct mutation *m, bool verbose, struct sums *sums)
{
	struct run r = { seed, m, verbose, &sums->tally };
	bool pass;

	snprintf(dying, sizeof(dying), "# seed %llu ended in an assertion\n", (unsigned long long)seed);
	fault_choose(m ? m->engine : NULL);
	pass = p->history(&r);
	fault_choose(NULL);
	sums->passed += pass;
	return pass;
}

/* The seeds of one process: from, from + step, ... */
static void run_some(const struct program *p, const char *self, uint64_t from, uint64_t end, uint64_t step, bool verbose,
		     struct sums *sums)
{
	for (uint64_t seed = from; seed < end; seed += step)
		if (!run_one(p, seed, NULL, verbose, sums))
			note("repeat it: %s --from %llu --seeds 1 --verbose", self, (unsigned long long)seed);
}

/* Each process gets every jobs-th seed and tells its sums through a pipe; one that dies has none that passed. */
static void run_all(const struct program *p, const char *self, uint64_t from, int seeds, int jobs, bool verbose, struct sums *sums)
{
	int pipes[JOBS_MOST][2];

	fflush(stdout);
	for (int j = 0; j < jobs; j++) {
		if (pipe(pipes[j]))
			abort();
		if (fork() == 0) {
			struct sums own = { 0 };

			run_some(p, self, from + (uint64_t)j, from + (uint64_t)seeds, (uint64_t)jobs, verbose, &own);
			fflush(stdout);
			_exit(write(pipes[j][1], &own, sizeof(own)) != sizeof(own));
		}
		close(pipes[j][1]);
	}
	for (int j = 0; j < jobs; j++) {
		struct sums own = { 0 };

		if (read(pipes[j][0], &own, sizeof(own)) != sizeof(own))
			note("the process of seeds %llu, %llu, ... died", (unsigned long long)from + (unsigned)j,
			     (unsigned long long)from + (unsigned)(j + jobs));
		close(pipes[j][0]);
		sums->passed += own.passed;
		for (int i = 0; i < TALLIES; i++)
			sums->tally.n[i] += own.tally.n[i];
	}
	while (wait(NULL) > 0)
		;
}

/* Lines "PROGRAM SEED what it was"; others are remarks. */
static int kept_seeds(const struct program *p, uint64_t *seeds)
{
	const char *folder = getenv("VERBATIM_SEEDS");
	FILE *f = fopen(folder ? folder : "test/simulation/seeds", "r");
	char line[300], name[64];
	unsigned long long seed;
	int n = 0;

	if (!f)
		return -1;
	while (n < KEPT_MOST && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %llu", name, &seed) == 2 && strcmp(name, p->name) == 0)
			seeds[n++] = seed;
	fclose(f);
	return n;
}

static void run_kept(const struct program *p, const char *self)
{
	static uint64_t seeds[KEPT_MOST];
	int n = kept_seeds(p, seeds);
	struct sums sums = { 0 };

	for (int i = 0; i < n; i++)
		run_some(p, self, seeds[i], seeds[i] + 1, 1, false, &sums);
	ok(n >= 0 && sums.passed == n, "%d histories that failed once hold", n);
}

static void run_mutation(const struct program *p, const struct mutation *m, uint64_t from)
{
	struct sums sums = { 0 };
	int most = m->within ? m->within : 30, n = 0;
	bool caught = false;

	while (n < most && !caught)
		caught = !run_one(p, from + MUTATED_FROM + (uint64_t)n++, m, false, &sums);
	if (m->within)
		ok(caught, "%s: caught by history %d of %d", m->about, n, most);
	else
		ok(!caught, "%s: nothing hangs on it, in %d histories", m->about, most);
}

int runs_main(int argc, char **argv, const struct program *p)
{
	static const struct option longs[] = { { "seeds", 1, 0, 's' }, { "from", 1, 0, 'f' }, { "mutation", 1, 0, 'm' },
					       { "jobs", 1, 0, 'j' }, { "verbose", 0, 0, 'v' }, { 0, 0, 0, 0 } };
	int seeds = p->seeds, c, jobs = (int)sysconf(_SC_NPROCESSORS_ONLN);
	const struct mutation *only = NULL;
	struct sums sums = { 0 };
	uint64_t from = 1;
	bool verbose = false, whole = true;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			seeds = atoi(optarg);
		else if (c == 'f')
			from = strtoull(optarg, NULL, 10), whole = false;
		else if (c == 'j')
			jobs = atoi(optarg);
		else if (c == 'm')
			for (int m = 0; m < p->mutation_count; m++)
				only = strcmp(p->mutations[m].name, optarg) == 0 ? &p->mutations[m] : only;
		else
			verbose = true;
	}
	if (jobs < 1 || jobs > JOBS_MOST || verbose)
		jobs = 1;
	signal(SIGABRT, on_abort);
	log_set_level(LOG_SILENT);
	catalog_init();
	if (only) {
		for (int i = 0; i < seeds; i++)
			run_one(p, from + (uint64_t)i, only, verbose, &sums);
		note("%lld of %d histories were caught", (long long)(seeds - sums.passed), seeds);
		return 0;
	}
	if (whole)
		run_kept(p, argv[0]);
	run_all(p, argv[0], from, seeds, jobs, verbose, &sums);
	ok(sums.passed == seeds, "%d histories from seed %llu: %s", seeds, (unsigned long long)from, p->promise);
	if (whole && p->tallied)
		p->tallied(&sums.tally, seeds);
	for (int m = 0; whole && m < p->mutation_count; m++)
		run_mutation(p, &p->mutations[m], from);
	return tap_done();
}
