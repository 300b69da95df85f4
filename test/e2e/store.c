/* store - the log's side of the store on PostgreSQL, against a real server: what store.h promises. */
#include "store_fixture.h"

#include "store/log_copy.h"

static void test_connect(void)
{
	struct store_heads heads;
	struct store *early = factory->open(factory, "verbatim test early");
	struct store_factory *nowhere = pg_factory_new(&loop, "host=/nowhere/at/all", NULL, 60000);
	struct store *lost = nowhere->open(nowhere, "verbatim test nowhere");
	struct store_connect c;

	is_int(ASK(early, heads, &heads), E_UNAVAILABLE, "a session that was never connected is unavailable");
	close_and_wait(early);
	is_int(ASK(lost, connect, &c), E_UNAVAILABLE, "a server that is not there is unavailable");
	close_and_wait(lost);
	pg_factory_free(nowhere);

	store = factory->open(factory, "verbatim test");
	is_int(ASK(store, connect, &identity), 0, "connect");
	ok(!uuid_is_nil(&identity.log_id) && identity.epoch >= 1 && identity.shards >= 1, "the log's identity");
	ok(llabs(identity.database_now - time_wall()) < 5 * TIME_SECOND, "the database's clock");
	ok(identity.created_at > 0 && identity.created_at <= identity.database_now, "when the log was made");
	is_int(sql_int("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'verbatim test'"), 1, "the session's name");
	is_int(ASK(store, connect, &identity), 0, "connect once more");
}

static void test_append(struct writer *w)
{
	struct store_append a;
	struct store_head head = { .shard = w->shard, .arena = &arena };
	int64_t first = w->tree.size;
	int old[] = { 1 };
	struct expectation expects[2];

	writer_batch(w, 30, time_wall());
	writer_request(w, &a);
	a.epoch++;
	is_int(ASK(store, append, &a), 0, "append with another epoch is answered");
	is_int(a.outcome, APPEND_EPOCH, "the epoch is another");
	is_int(a.head_position, identity.epoch, "and named");

	writer_request(w, &a);
	a.now -= 60 * TIME_SECOND;
	is_int(ASK(store, append, &a), 0, "append with a slow clock is answered");
	is_int(a.outcome, APPEND_CLOCK, "the clocks differ");

	writer_request(w, &a);
	is_int(ASK(store, append, &a), 0, "append");
	is_int(a.outcome, APPEND_OK, "stored");
	is_int(a.head_position, first + 30, "the head is the batch's end");

	is_int(ASK(store, append, &a), 0, "the same again is answered");
	is_int(a.outcome, APPEND_HEAD, "the head is another");
	ok(memcmp(a.head_root, a.root, LEAF_BYTES) == 0, "with the root of what was stored");

	head.known = first + 30;
	is_int(ASK(store, head, &head), 0, "head");
	is_int(head.position, first + 30, "the head's position");
	is_int(head.recorded_at, w->recorded_at, "the head's time");
	ok(head.known_found && memcmp(head.known_root, a.root, LEAF_BYTES) == 0, "the root of the batch it vouches for");
	is_int(head.first_month, time_month_start(w->recorded_at), "the first month");
	head.known = first + 29;
	is_int(ASK(store, head, &head), 0, "head with a position that ends no batch");
	ok(!head.known_found, "is not found");

	/* A batch that repeats two events, and one that comes too late for its expectations. */
	{
		struct event **events = w->events;
		struct event *stored = events[3], *old_stored = events[7];

		writer_batch(w, 5, time_wall());
		w->events[2]->event_id = stored->event_id;
		w->events[4]->event_id = old_stored->event_id;
		writer_request(w, &a);
		is_int(ASK(store, append, &a), 0, "a batch with duplicates is answered");
		is_int(a.outcome, APPEND_DUPLICATES, "duplicates");
		is_int(a.hit_count, 2, "two");
		is_int(a.hits[0].item, 2, "the first by its index");
		is_int(a.hits[0].position, stored->position, "with the stored one's position");
		ok(memcmp(a.hits[0].leaf, stored->leaf_hash, LEAF_BYTES) == 0, "and leaf");
		is_int(a.hits[0].recorded_at, stored->recorded_at, "and time");
		a.look = true;
		a.look_from = time_month_start(w->recorded_at - 40 * TIME_DAY);
		a.old = old;
		a.old_count = 1;
		is_int(ASK(store, append, &a), 0, "looked for beforehand");
		is_int(a.hit_count, 2, "the same two");

		new_id(&w->events[2]->event_id);
		new_id(&w->events[4]->event_id);
		writer_request(w, &a);
		expects[0] = (struct expectation){ .item = 7, .scope = EXPECT_CONVERSATION, .tenant_id = w->tenant,
						   .id = stored->conversation_id, .types = BYTES("message.received,message.sent"),
						   .after = first };
		expects[1] = (struct expectation){ .item = 8, .scope = EXPECT_CONVERSATION, .tenant_id = w->tenant,
						   .id = stored->conversation_id, .types = { NULL, 0 }, .after = first + 30 };
		a.expects = expects;
		a.expect_count = 2;
		is_int(ASK(store, append, &a), 0, "a batch with expectations is answered");
		is_int(a.outcome, APPEND_EXPECT, "one does not hold");
		is_int(a.hit_count, 1, "one");
		is_int(a.hits[0].item, 7, "it");
		is_int(a.hits[0].position, stored->position, "for this event");
	}
	writer_release(w);
	writer_open(w, w->shard);
	writer_batch(w, 600, time_wall());
	writer_request(w, &a);
	w->events[5]->actor_ip = BYTES("10.0.0.300");
	is_int(ASK(store, append, &a), E_INVALID, "an address that is none is refused before it is sent");
	w->events[5]->actor_ip = (struct bytes){ NULL, 0 };
	is_int(ASK(store, append, &a), 0, "600 more, with tiles");
	is_int(a.outcome, APPEND_OK, "stored");
}

enum { SHARDS = 3 };

static void chain(struct writer *w, struct store_append *a)
{
	for (int i = 0; i < SHARDS; i++) {
		writer_request(&w[i], &a[i]);
		a[i].also = i + 1 < SHARDS ? &a[i + 1] : NULL;
		a[i].request.done = on_done;
	}
}

/* Each of them has this outcome. */
static void all_are(struct store_append *a, enum append_outcome outcome, const char *name)
{
	static bool done[SHARDS];
	int right = 0;

	for (int i = 0; i < SHARDS; i++)
		a[i].request.data = &done[i];
	ok(ASK(store, append, &a[0]) == 0, "%s: answered", name);
	for (int i = 0; i < SHARDS; i++)
		right += a[i].outcome == outcome;
	ok(right == SHARDS, "%s: all of them", name);
}

/* Those go alone that were told to come apart, and have this outcome then. */
static void each_is(struct store_append *a, enum append_outcome outcome, const char *name)
{
	int right = 0;

	for (int i = 0; i < SHARDS; i++) {
		a[i].also = NULL;
		right += ASK(store, append, &a[i]) == 0 && a[i].outcome == outcome;
	}
	ok(right == SHARDS, "%s, one by one", name);
}

/* Plain batches of three shards as one call. */
static void test_plain(void)
{
	static const int counts[SHARDS] = { 1, 300, 20 };
	struct writer w[SHARDS];
	struct store_append a[SHARDS];
	struct event *stored;
	bool done;

	for (int i = 0; i < SHARDS; i++) {
		writer_open(&w[i], (int16_t)(2 + i));
		writer_batch(&w[i], counts[i], time_wall());
	}
	chain(w, a);
	all_are(a, APPEND_APART, "the first batches of three shards");
	each_is(a, APPEND_OK, "they open their month");

	stored = w[2].events[7];
	for (int i = 0; i < SHARDS; i++)
		writer_batch(&w[i], counts[i], time_wall());
	chain(w, a);
	a[0].epoch = a[1].epoch = a[2].epoch = identity.epoch + 1;
	all_are(a, APPEND_EPOCH, "in another epoch");
	chain(w, a);
	a[0].now -= 60 * TIME_SECOND;
	all_are(a, APPEND_CLOCK, "with a slow clock");
	chain(w, a);
	all_are(a, APPEND_OK, "three batches");
	for (int i = 0; i < SHARDS; i++) {
		struct store_read r = { .shard = w[i].shard, .after = a[i].head, .limit = 1000, .arena = &arena };
		int same = 0;

		ok(a[i].head_position == a[i].head + counts[i] && a[i].head_recorded_at == w[i].recorded_at &&
		   memcmp(a[i].head_root, a[i].root, LEAF_BYTES) == 0, "the head of shard %d", w[i].shard);
		ok(ASK(store, read, &r) == 0, "what shard %d holds", w[i].shard);
		for (int k = 0; k < r.count && k < counts[i]; k++)
			same += r.events[k].position == w[i].events[k]->position && r.events[k].recorded_at == w[i].recorded_at &&
				memcmp(r.events[k].leaf_hash, w[i].events[k]->leaf_hash, LEAF_BYTES) == 0 &&
				bytes_equal(r.events[k].payload, w[i].events[k]->payload);
		is_int(same, counts[i], "is what was sent, in its order");
	}
	ok(sql_int("SELECT count(*) FROM verbatim.log_tile WHERE shard = 3 AND level = 0") == 600 / MERKLE_TILE, "its tiles");
	all_are(a, APPEND_HEAD, "the same again");
	ok(memcmp(a[1].head_root, a[1].root, LEAF_BYTES) == 0, "with the root of what was stored");

	for (int i = 0; i < SHARDS; i++)
		writer_batch(&w[i], counts[i], time_wall());
	chain(w, a);
	a[1].also = NULL;
	a[1].request.done = NULL;
	is_int(ASK(store, append, &a[1]), 0, "one of the next three has come before");
	chain(w, a);
	a[0].request.data = a[1].request.data = a[2].request.data = &done;
	is_int(ASK(store, append, &a[0]), 0, "and comes again with the others");
	is_int(a[1].outcome, APPEND_HEAD, "it learns the head");
	ok(a[0].outcome == APPEND_OK && a[2].outcome == APPEND_OK, "they are stored");

	for (int i = 0; i < SHARDS; i++)
		writer_batch(&w[i], counts[i], time_wall());
	w[2].events[3]->event_id = stored->event_id;
	w[2].events[3]->tenant_id = stored->tenant_id;
	chain(w, a);
	all_are(a, APPEND_APART, "one of them with an event that is stored");
	a[0].also = a[1].also = NULL;
	ok(ASK(store, append, &a[0]) == 0 && a[0].outcome == APPEND_OK && ASK(store, append, &a[1]) == 0 && a[1].outcome == APPEND_OK,
	   "alone, the others are stored");
	is_int(ASK(store, append, &a[2]), 0, "and the one is answered");
	ok(a[2].outcome == APPEND_DUPLICATES && a[2].hit_count == 1 && a[2].hits[0].item == 3 && a[2].hits[0].position == stored->position,
	   "with the duplicate");
	for (int i = 0; i < SHARDS; i++)
		writer_release(&w[i]);
}

/* Batches of three shards in one statement: each has an outcome of its own. */
static void test_together(void)
{
	struct writer w[SHARDS];
	struct store_append a[SHARDS];
	bool done[SHARDS] = { false };
	int64_t before[SHARDS];

	for (int i = 0; i < SHARDS; i++) {
		writer_open(&w[i], (int16_t)(2 + i));
		before[i] = w[i].tree.size;
		writer_batch(&w[i], 3 + i, time_wall());
		writer_request(&w[i], &a[i]);
		a[i].request.done = on_done;
		a[i].request.data = &done[i];
		a[i].also = i + 1 < SHARDS ? &a[i + 1] : NULL;
	}
	a[1].epoch++;
	is_int(ASK(store, append, &a[0]), 0, "three batches together are answered");
	ok(done[1] && done[2] && a[1].request.status == 0 && a[2].request.status == 0, "all of them");
	ok(a[0].outcome == APPEND_OK && a[2].outcome == APPEND_OK, "two are stored");
	is_int(a[1].outcome, APPEND_EPOCH, "and one is not, for its own reason");
	is_int(sql_int("SELECT coalesce(max(last_position), 0) FROM verbatim.log_batch WHERE shard = 3"), before[1], "nothing of the other");

	a[1].epoch--;
	is_int(ASK(store, append, &a[0]), 0, "the same again");
	ok(a[0].outcome == APPEND_HEAD && a[2].outcome == APPEND_HEAD, "two heads are others now");
	ok(a[1].outcome == APPEND_OK && a[1].head_position == before[1] + 4, "the third is stored");

	sql_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'verbatim test'");
	done[1] = done[2] = false;
	is_int(ASK(store, append, &a[0]), E_UNAVAILABLE, "with a killed session");
	ok(done[1] && done[2] && a[1].request.lost && a[2].request.lost && a[2].request.status == E_UNAVAILABLE,
	   "every one of them is lost");
	is_int(ASK(store, connect, &identity), 0, "connect again");
	for (int i = 0; i < SHARDS; i++)
		writer_release(&w[i]);
}

static void test_tree(struct writer *w)
{
	struct store_tree t = { .shard = w->shard, .size = w->tree.size, .arena = &arena };
	struct merkle loaded;
	uint8_t want[LEAF_BYTES], got[LEAF_BYTES];

	is_int(ASK(store, tree, &t), 0, "tree");
	merkle_init(&loaded);
	merkle_load(&loaded, t.size, t.open);
	merkle_root(&loaded, got);
	merkle_root(&w->tree, want);
	ok(memcmp(got, want, LEAF_BYTES) == 0, "the loaded tree has the root");
	merkle_release(&loaded);
	t.size += 1000;
	is_int(ASK(store, tree, &t), E_LOG_GAP, "a size beyond the log is a gap");
	is_int(sql_int("SELECT count(*) FROM verbatim.event_log e WHERE verbatim.leaf_hash(e) <> e.leaf_hash"), 0,
	       "every leaf is what SQL says it is");
}

static void is_event(const struct event *a, const struct event *b, const char *name)
{
	ok(uuid_equal(&a->event_id, &b->event_id) && uuid_equal(&a->tenant_id, &b->tenant_id) &&
		   uuid_equal(&a->entity_id, &b->entity_id) && uuid_equal(&a->conversation_id, &b->conversation_id) &&
		   uuid_equal(&a->customer_id, &b->customer_id) && uuid_equal(&a->resolution_id, &b->resolution_id) &&
		   uuid_equal(&a->actor_id, &b->actor_id) && uuid_equal(&a->correlation_id, &b->correlation_id) &&
		   uuid_equal(&a->causation_id, &b->causation_id),
	   "%s: ids", name);
	ok(a->type == b->type && bytes_equal(a->type_name, b->type_name) && bytes_equal(a->entity_type, b->entity_type) &&
		   a->version == b->version && a->actor_type == b->actor_type && a->silent == b->silent,
	   "%s: names and numbers", name);
	ok(bytes_equal(a->actor_ip, b->actor_ip) && !a->actor_ip.data == !b->actor_ip.data &&
		   bytes_equal(a->actor_user_agent, b->actor_user_agent) && bytes_equal(a->payload, b->payload),
	   "%s: texts", name);
	ok(a->occurred_at == b->occurred_at && a->recorded_at == b->recorded_at && a->position == b->position &&
		   a->shard == b->shard && memcmp(a->leaf_hash, b->leaf_hash, LEAF_BYTES) == 0,
	   "%s: times and place", name);
}

static void test_read(struct writer *w)
{
	int64_t first = w->events[0]->position;
	struct store_read r = { .shard = w->shard, .after = first - 1, .limit = 1000, .arena = &arena };
	struct uuid other;

	is_int(ASK(store, read, &r), 0, "read");
	is_int(r.count, 600, "all of the batch");
	ok(r.complete && r.head == w->tree.size, "complete, up to the head");
	is_event(&r.events[0], w->events[0], "an event with everything, IPv6");
	is_event(&r.events[10], w->events[10], "an event with everything, a network");
	is_event(&r.events[1], w->events[1], "an event without optional fields");
	r.limit = 7;
	is_int(ASK(store, read, &r), 0, "read 7");
	ok(r.count == 7 && !r.complete && r.events[6].position == first + 6, "seven, not complete");
	r.limit = 1000;
	r.bytes = 3 * w->events[0]->payload.len;
	is_int(ASK(store, read, &r), 0, "read some bytes");
	ok(r.count >= 3 && r.count <= 5 && !r.complete, "bounded by bytes (%d events)", r.count);
	r.bytes = 0;
	r.upto = first + 99;
	is_int(ASK(store, read, &r), 0, "read a range");
	ok(r.count == 100 && r.complete, "the range, complete");
	r.upto = 0;
	r.tenant_id = w->tenant;
	is_int(ASK(store, read, &r), 0, "read a tenant");
	ok(r.count == 600 && r.complete, "its events");
	r.conversation_id = w->events[42]->conversation_id;
	is_int(ASK(store, read, &r), 0, "read a conversation");
	ok(r.count == 1 && r.complete && r.events[0].position == first + 42, "its event");
	new_id(&other);
	r.tenant_id = other;
	is_int(ASK(store, read, &r), 0, "read the conversation as another tenant");
	ok(r.count == 0 && r.complete, "nothing");
	memset(&r.tenant_id, 0, 16);
	memset(&r.conversation_id, 0, 16);
	r.leaves_only = true;
	is_int(ASK(store, read, &r), 0, "read leaves");
	ok(r.count == 600 && memcmp(r.events[599].leaf_hash, w->events[599]->leaf_hash, LEAF_BYTES) == 0, "leaves");
	r.leaves_only = false;
	r.after = w->tree.size;
	is_int(ASK(store, read, &r), 0, "read at the head");
	ok(r.count == 0 && r.complete && r.head == w->tree.size, "nothing, complete");
	r.shard = 0;
	r.after = 0;
	is_int(ASK(store, read, &r), 0, "read an empty shard");
	ok(r.complete, "complete");
}

static void test_months(void)
{
	struct writer w, other;
	struct store_append a, along;
	bool done;
	struct store_maintain m = { .now = time_month_next(time_wall()) + 10 * TIME_SECOND };
	struct store_read r = { .shard = 2, .limit = 1000, .arena = &arena };
	int64_t first;
	char text[256];

	writer_open(&w, 2);
	first = w.tree.size;
	writer_batch(&w, 20, time_wall());
	writer_request(&w, &a);
	is_int(ASK(store, append, &a), 0, "append before the month ends");
	snprintf(text, sizeof(text), "CREATE OR REPLACE FUNCTION verbatim.log_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
				     " AS 'SELECT clock_timestamp() + interval ''%lld us'''", (long long)(m.now - time_wall()));
	sql_run(text);
	writer_batch(&w, 30, m.now);
	writer_open(&other, 3);
	writer_batch(&other, 5, m.now);
	writer_request(&w, &a);
	writer_request(&other, &along);
	a.now = along.now = m.now;
	a.also = &along;
	along.request.done = on_done;
	along.request.data = &done;
	is_int(ASK(store, append, &a), 0, "append together after the month has ended");
	ok(a.outcome == APPEND_APART && along.outcome == APPEND_APART, "each opens the month by itself");
	a.also = NULL;
	is_int(ASK(store, append, &a), 0, "append after the month has ended");
	is_int(a.outcome, APPEND_OK, "stored in the next leaf");
	r.after = first;
	is_int(ASK(store, read, &r), 0, "read over the month's end");
	ok(r.count == 50 && r.complete, "all of both leaves, complete (%d)", r.count);
	r.limit = 25;
	is_int(ASK(store, read, &r), 0, "read 25 over the month's end");
	ok(r.count == 25 && !r.complete && r.events[24].position == first + 25, "25, not complete");
	is_int(ASK(store, maintain, &m), 0, "maintain in the next month");
	m.now += 2 * TIME_HOUR;
	is_int(ASK(store, maintain, &m), E_DATABASE, "a month is not closed before the database says that it is over");
	sql_run("CREATE OR REPLACE FUNCTION verbatim.log_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE"
		" AS 'SELECT clock_timestamp()'");
	writer_release(&w);
	writer_release(&other);
}

static const struct event *leave_out(struct event *e)
{
	memset(&e->correlation_id, 0, sizeof(e->correlation_id));
	e->actor_ip = e->actor_user_agent = (struct bytes){ 0 };
	return e;
}

/* All that folds look at of one shard, as the whole rows say it; how many. */
static int64_t same_for_folds(struct log_copy *whole, struct log_copy *folding, int16_t shard, int64_t upto)
{
	struct event *a, *b;
	struct error error;
	struct buffer texts[2] = { { 0 }, { 0 } };
	int64_t same = 0;
	int count, counted;

	is_int(log_copy_begin(whole, shard, 0, upto, &error), 0, "copy: begin");
	is_int(log_copy_begin_folding(folding, shard, 0, upto, &error), 0, "copy: begin for folds");
	do {
		is_int(log_copy_next(whole, &a, &count, &error), 0, "copy: a block");
		is_int(log_copy_next(folding, &b, &counted, &error), 0, "copy: a block for folds");
		for (int i = 0; i < count && count == counted; i++) {
			bool known = b[i].type;

			buffer_reset(&texts[0]);
			buffer_reset(&texts[1]);
			canonical_event(known ? leave_out(&a[i]) : &a[i], &identity.log_id, &texts[0]);
			canonical_event(known ? leave_out(&b[i]) : &b[i], &identity.log_id, &texts[1]);
			same += strcmp(buffer_text(&texts[0]), buffer_text(&texts[1])) == 0 && a[i].type == b[i].type;
		}
	} while (count);
	buffer_release(&texts[0]);
	buffer_release(&texts[1]);
	return same;
}

/* All of one shard by COPY, as `read` gives it, event by event; how many. */
static int64_t same_as_read(struct log_copy *l, int16_t shard, int64_t upto)
{
	struct store_read r = { .shard = shard, .limit = LOG_COPY_BLOCK, .arena = &arena };
	struct error error;
	struct event *events;
	struct buffer scratch = { 0 };
	int64_t same = 0;
	int count;

	is_int(log_copy_begin(l, shard, 0, upto, &error), 0, "copy: begin");
	do {
		is_int(log_copy_next(l, &events, &count, &error), 0, "copy: a block");
		r.after = same;
		is_int(ASK(store, read, &r), 0, "read what it should be");
		for (int i = 0; i < count && i < r.count; i++) {
			uint8_t a[LEAF_BYTES], b[LEAF_BYTES];

			canonical_leaf(&events[i], &identity.log_id, &scratch, a);
			canonical_leaf(&r.events[i], &identity.log_id, &scratch, b);
			same += events[i].position == same + 1 && memcmp(a, b, LEAF_BYTES) == 0 && events[i].type == r.events[i].type &&
				memcmp(a, events[i].leaf_hash, LEAF_BYTES) == 0;
		}
	} while (count);
	buffer_release(&scratch);
	return same;
}

static void test_copy(struct writer *w)
{
	struct log_copy_source source;
	struct error error;
	struct log_copy *l, *folding;
	struct event *events;
	uint8_t root[LEAF_BYTES], expected[LEAF_BYTES];
	int64_t position, recorded_at;
	struct writer months;
	int count;

	is_int(log_copy_open(getenv("VERBATIM_TEST_DB"), "verbatim_engine", "verbatim test copy", &l, &source, &error), 0, "copy: open");
	ok(uuid_equal(&source.log_id, &identity.log_id) && source.shards == identity.shards &&
	   source.created_at == identity.created_at, "copy: which log it is");
	is_int(log_copy_head(l, w->shard, &position, root, &recorded_at, &error), 0, "copy: head");
	merkle_root(&w->tree, expected);
	ok(position == w->tree.size && memcmp(root, expected, LEAF_BYTES) == 0 && recorded_at == w->recorded_at, "copy: the head, its root and time");
	is_int(same_as_read(l, w->shard, position), position, "copy: every event as read gives it, with its leaf");

	is_int(log_copy_open(getenv("VERBATIM_TEST_DB"), "verbatim_engine", "verbatim test copy", &folding, NULL, &error), 0, "copy: open another");
	is_int(same_for_folds(l, folding, w->shard, position), position, "copy: for folds, all that they look at");
	sql_run("SET session_replication_role = replica;"
		" UPDATE verbatim.event_log SET event_type = 'message.telepathed', actor_user_agent = 'none' WHERE shard = 1 AND position = 7;"
		" RESET session_replication_role");
	is_int(w->shard, 1, "copy: of this shard");
	is_int(same_for_folds(l, folding, w->shard, position), position, "copy: and whole, where one is of a type that this binary does not know");
	log_copy_close(folding);

	writer_open(&months, 2);
	is_int(same_as_read(l, 2, months.tree.size), months.tree.size, "copy: over a month's end");
	is_int(log_copy_head(l, 2, &position, NULL, &recorded_at, &error), 0, "copy: the other shard's head");
	is_int(log_copy_position_at(l, 2, recorded_at, &position, &error), 0, "copy: a position by time");
	is_int(position, months.tree.size, "copy: all is recorded by the head's time");
	is_int(log_copy_position_at(l, 2, recorded_at - 1, &position, &error), 0, "copy: a position by time");
	is_int(position, months.tree.size - 30, "copy: a microsecond before, all but its batch");
	is_int(log_copy_position_at(l, 2, 0, &position, &error), 0, "copy: a position by time");
	is_int(position, 0, "copy: nothing long ago");
	is_int(log_copy_begin(l, 2, 40, months.tree.size + 5, &error), 0, "copy: beyond the head");
	is_int(log_copy_next(l, &events, &count, &error), E_LOG_GAP, "copy: a position that is not there is a gap");
	is_int(log_copy_begin(l, 2, months.tree.size, months.tree.size, &error), 0, "copy: begin where nothing is left");
	is_int(log_copy_next(l, &events, &count, &error), 0, "copy: nothing");
	is_int(count, 0, "copy: and no event");
	writer_release(&months);
	log_copy_close(l);
}

static void test_lease(void)
{
	struct store_lease a = { .name = "test", .shard = 3, .ttl_ms = 60000 }, b = a;

	new_id(&a.owner);
	new_id(&b.owner);
	ok(ASK(store, lease, &a) == 0 && a.held, "a free lease is taken");
	ok(ASK(store, lease, &b) == 0 && !b.held && uuid_equal(&b.holder, &a.owner), "another owner is told who holds it");
	a.ttl_ms = 0;
	is_int(ASK(store, lease, &a), 0, "given back");
	ok(ASK(store, lease, &b) == 0 && b.held, "then the other one has it");
	b.ttl_ms = 0;
	is_int(ASK(store, lease, &b), 0, "given back");
}

static void test_loss(struct writer *w)
{
	struct store_heads heads;
	struct store *other = factory->open(factory, "verbatim test closing");
	struct store_connect c;
	bool done = false;

	is_int(ASK(store, heads, &heads), 0, "heads");
	is_int(heads.position[w->shard], w->tree.size, "the head among the heads");
	sql_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'verbatim test'");
	is_int(ASK(store, heads, &heads), E_UNAVAILABLE, "a killed session is unavailable");
	ok(heads.request.lost, "and lost");
	is_int(ASK(store, heads, &heads), E_UNAVAILABLE, "and stays so");
	is_int(ASK(store, connect, &identity), 0, "until it is connected again");
	is_int(ASK(store, heads, &heads), 0, "heads");
	ok(!heads.request.lost, "not lost");

	is_int(ASK(other, connect, &c), 0, "another session");
	heads.request.done = on_done;
	heads.request.data = &done;
	other->ops->heads(other, &heads);
	close_and_wait(other);
	ok(done && heads.request.status == E_CANCELLED, "closing answers what is under way");
}

int main(void)
{
	struct writer w;
	struct store_maintain m = { .now = time_wall() };

	if (!fixture_open())
		return getenv("VERBATIM_TEST_DB") ? 1 : 0;
	test_connect();
	is_int(ASK(store, maintain, &m), 0, "maintain makes the leaves");
	is_int(ASK(store, maintain, &m), 0, "and finds them the next time");
	writer_open(&w, 1);
	test_append(&w);
	test_plain();
	test_together();
	test_tree(&w);
	test_read(&w);
	test_lease();
	test_loss(&w);
	test_months();
	test_copy(&w);
	writer_release(&w);
	close_and_wait(store);
	fixture_close();
	return tap_done();
}
