/* gate - see gate.h. */
#include "engine/gate.h"

#include <stddef.h>

bool gate_enter(struct gate *g, struct gate_pass *p)
{
	struct gate_pass **link;

	if (!g || p->inside)
		return true;
	if (p->queued)
		return false;
	if (g->inside < g->most) {
		g->inside++;
		p->inside = true;
		return true;
	}
	for (link = &g->first; *link; link = &(*link)->next)
		;
	*link = p;
	p->next = NULL;
	p->queued = true;
	return false;
}

void gate_leave(struct gate *g, struct gate_pass *p)
{
	struct gate_pass *next;

	if (!g)
		return;
	if (p->queued) {
		for (struct gate_pass **link = &g->first; *link; link = &(*link)->next)
			if (*link == p) {
				*link = p->next;
				break;
			}
		p->queued = false;
	}
	if (!p->inside)
		return;
	p->inside = false;
	g->inside--;
	next = g->first;
	if (!next)
		return;
	g->first = next->next;
	next->queued = false;
	next->inside = true;
	g->inside++;
	next->let_in(next->data);
}
