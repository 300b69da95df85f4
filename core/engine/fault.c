/* fault - see fault.h. */
#include "engine/fault.h"

#ifdef VERBATIM_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINTS_MOST = 64 };

/* One counter for each rule in the variable, in its order. */
static _Atomic int passed[POINTS_MOST];

void fault_point(const char *name)
{
	const char *rule = getenv("VERBATIM_FAULT");
	size_t n = strlen(name);

	for (int i = 0; rule && *rule && i < POINTS_MOST; i++) {
		const char *next = strchr(rule, ',');

		if (strncmp(rule, name, n) == 0 && rule[n] == '=') {
			const char *action = rule + n + 1, *at = strchr(action, '@');
			int want = at && (!next || at < next) ? atoi(at + 1) : 1;

			if (atomic_fetch_add(&passed[i], 1) + 1 == want)
				kill(getpid(), strncmp(action, "stop", 4) == 0 ? SIGSTOP : SIGKILL);
		}
		rule = next ? next + 1 : NULL;
	}
}
#else
typedef int fault_nothing; /* ISO C wants a declaration in every file */
#endif
