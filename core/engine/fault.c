/* fault - see fault.h. */
#include "engine/fault.h"

#ifdef VERBATIM_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fold/projection.h"

enum { POINTS_MOST = 64 };

/* One counter for each rule in the variable, in its order. */
static _Atomic int passed[POINTS_MOST];

void fault_point(const char *name)
{
	const char *rule = getenv("VERBATIM_FAULT");
	size_t n = rule ? strlen(name) : 0;

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

static const char *chosen;

void fault_choose(const char *name)
{
	chosen = name;
}

bool fault_on(const char *name)
{
	return chosen && strcmp(chosen, name) == 0;
}

/* Read models are constants; in a build for tests their pages can be written all the same. */
static struct projection *writable(const struct projection *p)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)p / page * page, end = (uintptr_t)(p + 1);

	if (mprotect((void *)from, end - from, PROT_READ | PROT_WRITE))
		abort();
	return (struct projection *)p;
}

static struct projection *find(struct bytes name)
{
	for (int g = 0; g < group_count; g++)
		for (int i = 0; i < groups[g]->count; i++)
			if (bytes_is(name, groups[g]->projections[i]->name))
				return writable(groups[g]->projections[i]);
	abort(); /* a test that names nothing tests nothing */
}

static void change_column(struct projection *p, char how, struct bytes name)
{
	struct column *columns = mem_alloc(sizeof(*columns) * (size_t)(p->column_count + 1));
	int count = 0;

	for (int i = 0; i < p->column_count; i++) {
		bool named = bytes_is(name, p->columns[i].name);

		if (named && how == '-')
			continue;
		columns[count] = p->columns[i];
		if (named && how == '~')
			columns[count].sql = "varchar(9999)";
		count++;
	}
	if (how == '+') {
		char *text = mem_zalloc(name.len + 1);

		memcpy(text, name.data, name.len);
		columns[count++] = (struct column){ .name = text, .kind = COLUMN_INT8, .offset = p->row_bytes, .fallback = "7" };
		p->row_bytes += sizeof(int64_t);
	}
	p->columns = columns;
	p->column_count = count;
}

void fault_versions(void)
{
	const char *at = getenv("VERBATIM_NEXT");

	while (at && *at) {
		size_t n = strcspn(at, "@");
		struct projection *p = find((struct bytes){ at, n });
		char *end;

		p->version = (int)strtol(at + n + 1, &end, 10);
		while (*end && *end != ',') {
			n = strcspn(end + 1, "+-~,");
			change_column(p, *end, (struct bytes){ end + 1, n });
			end += 1 + n;
		}
		at = *end ? end + 1 : end;
	}
}
#else
typedef int fault_nothing; /* ISO C wants a declaration in every file */
#endif
