/* appender_learn - how an appender comes to know the log's head and tree, and finds out that they are not what they were. */
#include "engine/appender_private.h"

#include "engine/fault.h"

enum {
	CATCH_UP_MOST = 16384, /* leaves read one by one rather than from tiles */
};

void appender_connect(struct appender *a)
{
	memset(&a->call.connect, 0, sizeof(a->call.connect));
	appender_ask(a);
	a->store->ops->connect(a->store, &a->call.connect);
}

void appender_connected(struct appender *a)
{
	const struct store_connect *c = &a->call.connect;

	if (c->request.status) {
		appender_lost(a);
		return;
	}
	if (uuid_is_nil(&a->log->log_id))
		a->log->log_id = c->log_id;
	if (!uuid_equal(&c->log_id, &a->log->log_id)) {
		appender_stop(a, E_LOG_DIVERGED, "the database holds another log now (its log_id differs)");
		return;
	}
	if (c->epoch < a->log->epoch) {
		appender_stop(a, E_LOG_DIVERGED, "the log's epoch has gone back: an older copy was restored; see verbatim init --adopt");
		return;
	}
	if (c->epoch > a->log->epoch)
		a->log->epoch = c->epoch;
	a->compared = false;
	a->state = APPENDER_LEARNING;
}

void appender_ask_head(struct appender *a)
{
	arena_reset(&a->call_arena);
	memset(&a->call.head, 0, sizeof(a->call.head));
	a->call.head.shard = a->shard;
	a->call.head.known = a->vouched;
	a->call.head.compare = !a->compared;
	a->call.head.after = a->tree.size;
	a->call.head.wait = a->rival;
	a->call.head.arena = &a->call_arena;
	appender_ask(a);
	a->store->ops->head(a->store, &a->call.head);
}

/* An error that is not a lost session: the server has answered, nothing was changed, we try again later. */
bool appender_failed(struct appender *a)
{
	int status = a->call.request.status;

	if (!status)
		return false;
	if (a->call.request.lost) {
		appender_lost(a);
		return true;
	}
	a->trouble = a->call.request.error;
	a->state = APPENDER_LEARNING;
	a->rival = 0; /* whatever it waited for */
	appender_back_off(a);
	return true;
}

static void forget_tree(struct appender *a)
{
	merkle_release(&a->tree);
	merkle_init(&a->tree);
}

void appender_take_head(struct appender *a)
{
	const struct store_head *h = &a->call.head;
	char text[200];

	if (appender_failed(a))
		return;
	if (h->epoch > a->log->epoch)
		a->log->epoch = h->epoch;
	if (a->vouched && h->epoch > a->vouched_epoch) { /* adopted: what we vouched for was given up, by name */
		a->vouched = 0;
		forget_tree(a);
	} else if (a->vouched && !fault_on("vouch.ignored") && (h->position < a->vouched || !h->known_found ||
				  memcmp(h->known_root, a->vouched_root, LEAF_BYTES) != 0)) {
		appender_stop(a, E_LOG_DIVERGED,
		     "an acknowledged commit is missing from the log; restore it, or adopt the log with verbatim init --adopt");
		return;
	}
	if (h->diverged) {
		snprintf(text, sizeof(text), "the read models have seen position %lld of a log that is not this one: its end is missing; "
			 "restore it, or adopt the log with verbatim init --adopt", (long long)h->diverged);
		appender_stop(a, E_LOG_DIVERGED, text);
		return;
	}
	a->compared = true;
	if (h->position && h->recorded_at > a->env->wall(a->env) + 5 * TIME_SECOND) {
		a->refuse_code = E_CLOCK;
		error_set(&a->trouble, E_CLOCK, "the log's head lies in the future of this engine's clock");
		appender_refuse(a, E_CLOCK, a->trouble.message);
		a->state = APPENDER_WAITING;
		appender_wait(a, APPENDER_CLOCK_RETRY_MS);
		return;
	}
	a->target = h->position;
	a->target_recorded_at = h->position ? h->recorded_at : TIME_NONE;
	memcpy(a->target_root, h->root, LEAF_BYTES);
	a->first_month = h->first_month;
	if (a->tree.size == h->after)
		for (int i = 0; i < h->leaf_count; i++)
			merkle_add(&a->tree, h->leaves + i * LEAF_BYTES, NULL, NULL);
	a->state = APPENDER_CATCHING_UP;
}

static void caught_up(struct appender *a)
{
	uint8_t root[LEAF_BYTES];

	merkle_root(&a->tree, root);
	if (a->target && memcmp(root, a->target_root, LEAF_BYTES) != 0) {
		forget_tree(a);
		appender_stop(a, E_LOG_DIVERGED, "the stored leaves do not give the root of the last batch: the log was changed");
		return;
	}
	a->head_leaf_known = false;
	if (a->rival)
		a->rival = a->target > a->head ? APPENDER_RIVAL_LOOKS : a->rival - 1;
	a->looked = true;
	a->head = a->target;
	a->head_recorded_at = a->target_recorded_at;
	memcpy(a->head_root, a->target_root, LEAF_BYTES);
	a->vouched = a->head;
	memcpy(a->vouched_root, a->head_root, LEAF_BYTES);
	a->vouched_epoch = a->log->epoch;
	a->failures = 0;
	a->refuse_code = 0;
	a->trouble.code = 0;
	a->state = APPENDER_IDLE;
}

void appender_catch_up(struct appender *a)
{
	if (a->tree.size > a->target) /* after an adoption */
		forget_tree(a);
	if (a->tree.size == a->target) {
		caught_up(a);
		return;
	}
	arena_reset(&a->call_arena);
	if (a->tree.size && a->target - a->tree.size <= CATCH_UP_MOST) {
		memset(&a->call.read, 0, sizeof(a->call.read));
		a->call.read.shard = a->shard;
		a->call.read.after = a->tree.size;
		a->call.read.upto = a->target;
		a->call.read.leaves_only = true;
		a->call.read.limit = CATCH_UP_MOST;
		a->call.read.bytes = SIZE_MAX;
		a->call.read.arena = &a->call_arena;
		appender_ask(a);
		a->store->ops->read(a->store, &a->call.read);
		return;
	}
	memset(&a->call.tree, 0, sizeof(a->call.tree));
	a->call.tree.shard = a->shard;
	a->call.tree.size = a->target;
	a->call.tree.arena = &a->call_arena;
	forget_tree(a);
	appender_ask(a);
	a->store->ops->tree(a->store, &a->call.tree);
}

void appender_take_leaves(struct appender *a)
{
	if (a->call.request.status) {
		forget_tree(a);
		appender_failed(a);
		return;
	}
	if (a->tree.size)
		for (int i = 0; i < a->call.read.count; i++)
			merkle_add(&a->tree, a->call.read.events[i].leaf_hash, NULL, NULL);
	else
		merkle_load(&a->tree, a->target, a->call.tree.open);
	/* The state stays: the next turn reads on, or finds the tree whole. */
}
