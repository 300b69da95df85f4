/* worker_own - how a worker comes to own its shard: session, lease, checkpoint; and what it does while another has it. */
#include "engine/worker_private.h"

#include "engine/fault.h"

enum {
	STANDBY_MS = 1000,
	GIVEN_MS = 3000, /* who has given a lease away leaves it to those who stand by */
	KEPT_MS = 60000, /* and when it comes back, keeps it for a while */
	LOOK_MS = 1000, /* while another generation answers, how often it is looked at */
};

void worker_connect(struct worker *w)
{
	memset(&w->call.connect, 0, sizeof(w->call.connect));
	worker_ask(w);
	w->store->ops->connect(w->store, &w->call.connect);
}

void worker_connected(struct worker *w)
{
	if (w->call.request.status) {
		w->call.request.lost = true;
		worker_fail(w);
		return;
	}
	w->epoch = w->call.connect.epoch;
	w->shards = w->call.connect.shards + 1;
	atomic_store(&w->view.reached, true);
	if (!fault_on("worker.keeps_feed"))
		feed_clear(w->feed); /* another server may answer now, whose log lacks what was committed: what counts is read */
	worker_set_state(w, WORKER_LEASING);
}

void worker_ask_lease(struct worker *w, int64_t ttl_ms)
{
	memset(&w->call.lease, 0, sizeof(w->call.lease));
	w->call.lease.name = w->group->name;
	w->call.lease.group = w->group;
	w->call.lease.shard = w->shard;
	w->call.lease.owner = w->owner;
	w->call.lease.ttl_ms = ttl_ms;
	worker_ask(w);
	w->store->ops->lease(w->store, &w->call.lease);
}

void worker_lease(struct worker *w)
{
	w->holds = true;
	worker_ask_lease(w, w->limits.lease_ms);
}

static void leave_to_others(struct worker *w)
{
	worker_forget(w);
	worker_drop(w);
	w->renewing = w->giving = false;
	w->holds = false;
	worker_set_state(w, WORKER_STANDBY);
}

/* Whether another engine should have this shard: of those that this one holds, the highest stay. */
static bool is_above_share(const struct worker *w)
{
	const struct store_lease *l = &w->call.lease;
	int share = l->engines > 1 ? (w->shards + l->engines - 1) / l->engines : w->shards;

	return l->higher >= share && w->env->monotonic(w->env) >= w->kept_until;
}

void worker_leased(struct worker *w)
{
	if (w->call.request.status) {
		w->renewing = w->giving = false;
		worker_fail(w);
		return;
	}
	if (w->giving) {
		w->kept_until = w->env->monotonic(w->env) + KEPT_MS * 1000;
		leave_to_others(w);
		worker_wait(w, GIVEN_MS);
		return;
	}
	if (!w->call.lease.held) {
		leave_to_others(w);
		return;
	}
	if (w->renewing && is_above_share(w)) {
		w->giving = true;
		worker_ask_lease(w, 0);
		return;
	}
	w->lease_due = w->env->monotonic(w->env) + w->limits.lease_ms * 1000 / 3;
	if (!w->renewing)
		atomic_fetch_add(&w->view.taken, 1);
	worker_set_state(w, w->renewing ? WORKER_IDLE : WORKER_CHECKPOINT);
	w->renewing = false;
	if (w->pass.queued)
		worker_pause(w, w->lease_due);
}

void worker_ask_checkpoint(struct worker *w)
{
	memset(&w->call.checkpoint, 0, sizeof(w->call.checkpoint));
	w->call.checkpoint.group = w->group;
	w->call.checkpoint.shard = w->shard;
	worker_ask(w);
	w->store->ops->checkpoint(w->store, &w->call.checkpoint);
}

static bool checkpoint_learned(struct worker *w)
{
	const struct store_checkpoint *c = &w->call.checkpoint;
	struct error e;

	if (c->request.status) {
		worker_fail(w);
		return false;
	}
	if (c->diverged) {
		error_set(&e, E_LOG_DIVERGED,
			  "the read models stand at position %lld of a log that is not this one; adopt the log with "
			  "verbatim init --adopt, then rebuild", (long long)c->position);
		worker_stop(w, &e);
		return false;
	}
	w->generation = c->generation;
	atomic_store(&w->view.generation, c->generation);
	atomic_store(&w->view.answers, c->answers);
	if (w->spoiled == c->generation) {
		worker_halt(w, &w->spoiled_how);
		return false;
	}
	w->spoiled = 0;
	worker_set_position(w, c->position);
	atomic_store(&w->view.shown, c->shown);
	w->look_due = w->env->monotonic(w->env) + LOOK_MS * 1000;
	worker_tell(w);
	return true;
}

void worker_take_checkpoint(struct worker *w)
{
	bool same = w->looking && w->call.checkpoint.generation == w->generation && w->call.checkpoint.position == w->position;
	struct error none;

	w->looking = false;
	if (!checkpoint_learned(w))
		return;
	if (!same) /* begun anew; or people were switched to another generation of these versions */
		worker_forget(w);
	error_clear(&none);
	worker_set_trouble(w, &none);
	w->failures = 0;
	worker_set_state(w, WORKER_IDLE);
	worker_tell(w); /* it is the owner now */
}

/* Another engine holds the lease: follow its checkpoint, and ask for the lease now and then. */
void worker_stand_by(struct worker *w)
{
	if (!checkpoint_learned(w))
		return;
	w->failures = 0;
	worker_set_state(w, WORKER_LEASING);
	worker_wait(w, atomic_load(&w->view.watched) ? WORKER_WATCHED_MS : STANDBY_MS);
}
