/* checks - see simulate.h: the end of a history. */
#include "simulate.h"

static const struct event *at_position(struct simulation *s, int tenant, int64_t position)
{
	struct world_shard *shard = &s->world.shards[event_shard(&s->tenants[tenant], WORLD_SHARDS)];

	return position >= 1 && position <= shard->count ? &shard->events[position - 1].event : NULL;
}

static void check_expect(struct simulation *s, const struct sent *x)
{
	for (int64_t p = x->after + 1; p < x->first; p++) {
		const struct event *e = at_position(s, x->tenant, p);

		if (e && uuid_equal(&e->tenant_id, &s->tenants[x->tenant]) &&
		    uuid_equal(&e->conversation_id, &s->conversations[x->conversation]))
			watch_failed(&s->watch, "expect", "a request was stored at %lld although %lld stood in its way", (long long)x->first,
			       (long long)p);
	}
}

void check_clients(struct simulation *s)
{
	for (int n = 0; n < CLIENTS; n++) {
		struct client *c = &s->clients[n];

		for (int k = 0; k < c->count; k++) {
			struct sent *x = &c->sent[k];

			if (!x->acked && !x->refused)
				watch_failed(&s->watch, "unanswered", "client %d, request %d after %d attempts", n, k, x->attempts);
			for (int i = 0; i < x->count && x->acked; i++) {
				const struct event *e = at_position(s, x->tenant, x->positions[i]);

				if (!e || !uuid_equal(&e->event_id, &x->ids[i]) ||
				    !uuid_equal(&e->tenant_id, &s->tenants[x->tenant]))
					watch_failed(&s->watch, "lost", "client %d was told that request %d stands at %lld, and it does not", n,
					       k, (long long)x->positions[i]);
			}
			if (x->acked && x->expect)
				check_expect(s, x);
			for (int i = 0; i + 1 < x->count && x->acked; i++)
				if (x->positions[i + 1] != x->positions[i] + 1)
					watch_failed(&s->watch, "torn", "client %d, request %d does not stand together", n, k);
			/* A client sends the next after the answer to the last: the log keeps that order. */
			for (int j = k + 1; j < c->count && x->acked; j++)
				if (c->sent[j].acked && c->sent[j].tenant == x->tenant && c->sent[j].first < x->first && !x->again)
					watch_failed(&s->watch, "order", "client %d: request %d stands behind request %d", n, k, j);
		}
	}
}

bool check_settled(const struct simulation *s)
{
	for (int n = 0; n < CLIENTS; n++) {
		const struct client *c = &s->clients[n];

		if (c->left || c->waiting)
			return false;
		for (int k = 0; k < c->count; k++)
			if (!c->sent[k].acked && !c->sent[k].refused)
				return false;
	}
	for (int n = 0; n <= WORLD_SHARDS; n++)
		if (s->world.shards[n].checkpoint != s->world.shards[n].count || s->world.shards[n].late)
			return false;
	return true;
}
