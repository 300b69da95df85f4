/* inputs - see inputs.h. */
#include "fold/inputs.h"

#include <assert.h>
#include <pthread.h>

#include "base/bytes.h"

struct made {
	struct group group; /* first */
	const struct group *of;
	uint64_t members;
	struct made *next;
	const struct projection *projections[GROUP_PROJECTIONS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made *all;

static uint64_t bit_of(const struct group *group, const struct projection *p)
{
	for (int i = 0; i < group->count; i++)
		if (group->projections[i] == p)
			return UINT64_C(1) << i;
	assert(!"a read model of another group");
	return 0;
}

static uint64_t everybody(const struct group *group)
{
	return group->count == 64 ? UINT64_MAX : (UINT64_C(1) << group->count) - 1;
}

static uint64_t bits_of(const struct group *group, const struct projection *const *list)
{
	uint64_t members = 0;

	for (int i = 0; list && list[i]; i++)
		members |= bit_of(group, list[i]);
	return members;
}

static uint64_t needs_of(const struct group *group, const struct projection *p)
{
	return !p->needs && p->folds[0].kind == EV_UNKNOWN ? everybody(group) : bits_of(group, p->needs);
}

static struct made *make(const struct group *group, uint64_t members)
{
	struct made *m = mem_zalloc(sizeof(*m));

	m->of = group;
	m->members = members;
	m->group.name = group->name;
	m->group.projections = m->projections;
	for (int i = 0; i < group->count; i++)
		if (members >> i & 1)
			m->projections[m->group.count++] = group->projections[i];
	m->next = all;
	return all = m;
}

const struct group *group_inputs(const struct group *group, const struct projection *const *wanted, int count)
{
	uint64_t members = 0, before = 1;
	struct made *m;

	for (int i = 0; i < count; i++)
		members |= bit_of(group, wanted[i]) | bits_of(group, wanted[i]->marked_by);
	while (members != before) {
		before = members;
		for (int i = 0; i < group->count; i++)
			if (before >> i & 1)
				members |= needs_of(group, group->projections[i]);
	}
	if (members == everybody(group))
		return group;
	pthread_mutex_lock(&lock);
	for (m = all; m && (m->of != group || m->members != members); m = m->next)
		;
	if (!m)
		m = make(group, members);
	pthread_mutex_unlock(&lock);
	return &m->group;
}
