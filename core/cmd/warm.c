/* warm - see warm.h. */
#include "cmd/warm.h"

#include "event/note.h"
#include "fold/plan.h"

static void *run(void *data)
{
	const struct warm *w = data;

	if (w->signatures)
		note_warm();
	for (int g = 0; g < group_count && w->folds; g++)
		plan_get(groups[g]);
	return NULL;
}

void warm_begin(struct warm *w)
{
	w->started = pthread_create(&w->thread, NULL, run, w) == 0; /* else it is made when it is needed */
}

void warm_end(struct warm *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = false;
}
