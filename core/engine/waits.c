/* waits - see waits.h. */
#include "engine/waits.h"

static struct worker *worker_of(struct waits *w, int group, int16_t shard)
{
	return &w->workers[group * w->shards + shard];
}

/* True when the call has its outcome. */
static bool decide(struct waits *w, struct wait_call *c, int64_t now)
{
	bool there = true;

	c->reached = INT64_MAX;
	for (int g = 0; g < group_count; g++) {
		struct worker *worker = worker_of(w, g, c->shard);
		int64_t at;

		if (!c->groups[g])
			continue;
		at = atomic_load(&worker->view.shown);
		if (at < c->reached)
			c->reached = at;
		if (at >= c->position)
			continue;
		there = false;
		if (atomic_load(&worker->view.state) == WORKER_STOPPED) {
			pthread_mutex_lock(&worker->view.lock);
			c->status = error_set(&c->error, E_WORKER_STOPPED, "the worker of group '%s', shard %d, has stopped: %s",
					      worker->group->name, c->shard, worker->view.trouble.message);
			pthread_mutex_unlock(&worker->view.lock);
			return true;
		}
	}
	if (there)
		return true;
	if (now >= c->deadline) {
		c->status = error_set(&c->error, E_TIMEOUT, "the read models stand at position %lld of shard %d, not yet at %lld",
				      (long long)c->reached, c->shard, (long long)c->position);
		return true;
	}
	return false;
}

static void watch(struct waits *w, const struct wait_call *c)
{
	for (int g = 0; g < group_count; g++)
		if (c->groups[g])
			atomic_store(&worker_of(w, g, c->shard)->view.watched, true);
}

void waits_submit(struct waits *w, struct wait_call *c, int64_t now)
{
	if (decide(w, c, now)) {
		w->answer(w->data, c);
		free(c);
		return;
	}
	watch(w, c);
	c->next = w->first;
	w->first = c;
}

void waits_look(struct waits *w, int64_t now)
{
	struct wait_call **link = &w->first;

	while (*link) {
		struct wait_call *c = *link;

		if (c->ticket.owner && !decide(w, c, now)) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		w->answer(w->data, c);
		free(c);
	}
	if (!w->first)
		for (int i = 0; i < w->shards * group_count; i++)
			atomic_store(&w->workers[i].view.watched, false);
}

void waits_close(struct waits *w)
{
	while (w->first) {
		struct wait_call *c = w->first;

		w->first = c->next;
		c->status = error_set(&c->error, E_STOPPING, "the engine is shutting down");
		w->answer(w->data, c);
		free(c);
	}
}
