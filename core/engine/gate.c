/* gate - see gate.h. */
#include "engine/gate.h"

#include <stddef.h>

static bool has_room(const struct gate *g, const struct gate_pass *p)
{
	return g->inside < g->most && (!p->small || g->small < g->most_small);
}

static void take_place(struct gate *g, struct gate_pass *p)
{
	p->inside = true;
	g->inside++;
	g->small += p->small;
}

bool gate_enter(struct gate *g, struct gate_pass *p, bool small)
{
	struct gate_pass **link;

	if (!g || p->inside)
		return true;
	if (p->queued)
		return false;
	p->small = small;
	if (has_room(g, p)) {
		take_place(g, p);
		return true;
	}
	for (link = &g->first; *link; link = &(*link)->next)
		;
	*link = p;
	p->next = NULL;
	p->queued = true;
	return false;
}

struct gate_pass *gate_join(struct gate *g)
{
	if (!g)
		return NULL;
	for (struct gate_pass **link = &g->first; *link; link = &(*link)->next) {
		struct gate_pass *p = *link;

		if (!p->small || !p->joins)
			continue;
		*link = p->next;
		p->queued = false;
		return p;
	}
	return NULL;
}

void gate_leave(struct gate *g, struct gate_pass *p)
{
	if (!g)
		return;
	if (p->queued) {
		struct gate_pass **link = &g->first;

		while (*link != p)
			link = &(*link)->next;
		*link = p->next;
		p->queued = false;
	}
	if (!p->inside)
		return;
	p->inside = false;
	g->inside--;
	g->small -= p->small;
	for (struct gate_pass **link = &g->first; *link;) {
		struct gate_pass *next = *link;

		if (!has_room(g, next)) {
			link = &next->next;
			continue;
		}
		*link = next->next;
		next->queued = false;
		take_place(g, next);
		next->let_in(next->data);
	}
}
