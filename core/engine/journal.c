/*
 * journal - see journal.h.
 *
 *   appender_start, submit --answered--> close the appender --closed--> the loop ends
 *          ^                    |                ^
 *          +-- unavailable -----+                |
 *   the deadline, or trouble that will not pass -+
 *
 * The appender tries again by itself for as long as it lives; the look, each LOOK_MS, ends that.
 */
#include "engine/journal.h"

#include <assert.h>
#include <uv.h>

#include "base/random.h"
#include "engine/appender.h"
#include "engine/env_uv.h"
#include "event/envelope.h"
#include "store/pg.h"

enum { LOOK_MS = 20, EVENT_BYTES_MOST = 256 << 10, DEPTH = 16 };

struct journal {
	uv_loop_t loop;
	uv_timer_t look;
	struct env_uv env;
	struct appender_log log;
	struct appender appender;
	struct request *request;
	int64_t deadline;     /* monotonic */
	bool answered, again, closing;
	struct error trouble; /* why it was given up */
};

int journal_request(struct request *r, const struct journal_entry *entry, int64_t now, const struct request_limits *limits,
		    struct error *error)
{
	char event_id[UUID_TEXT], entity_id[UUID_TEXT], tenant[UUID_TEXT], id[UUID_TEXT], when[TIME_TEXT];
	struct buffer text = { 0 }, packed = { 0 };
	msgpack_object list;
	msgpack_zone zone;
	size_t at = 0;
	int status;

	assert(r->answer); /* the door lets the system tenant's events pass for those alone who have one */
	buffer_printf(&text,
		      "[{\"event_id\":\"%s\",\"event_type\":\"%s\",\"tenant_id\":\"%s\",\"entity_id\":\"%s\",\"actor_type\":\"%s\","
		      "\"occurred_at\":\"%s\"",
		      uuid_format(&entry->event_id, event_id), entry->type, uuid_format(&system_tenant, tenant),
		      uuid_format(&entry->entity_id, entity_id), entry->actor_type ? entry->actor_type : "system",
		      time_format(entry->occurred_at, when));
	if (!uuid_is_nil(&entry->actor_id))
		buffer_printf(&text, ",\"actor_id\":\"%s\"", uuid_format(&entry->actor_id, id));
	if (!uuid_is_nil(&entry->correlation_id))
		buffer_printf(&text, ",\"correlation_id\":\"%s\"", uuid_format(&entry->correlation_id, id));
	buffer_add_text(&text, ",\"payload\":");
	buffer_add_bytes(&text, entry->payload);
	buffer_add_text(&text, "}]");
	msgpack_zone_init(&zone, 1024);
	status = json_to_msgpack(buffer_bytes(&text), &packed, error);
	if (!status && msgpack_unpack(packed.data, packed.len, &at, &zone, &list) != MSGPACK_UNPACK_SUCCESS)
		status = error_set(error, E_INTERNAL, "what was packed does not unpack");
	if (!status)
		status = request_decode(r, &list, NULL, now, limits, error);
	msgpack_zone_destroy(&zone);
	buffer_release(&packed);
	buffer_release(&text);
	return status;
}

static void on_appender_closed(void *data, struct appender *a)
{
	struct journal *j = data;

	uv_close((uv_handle_t *)&j->look, NULL);
}

static void end(struct journal *j)
{
	if (j->closing)
		return;
	j->closing = true;
	appender_close(&j->appender);
}

/* What the database cannot take at the moment comes again with the next look. */
static void on_answer(struct request *r)
{
	struct journal *j = r->ticket.owner;

	j->again = r->status == E_UNAVAILABLE && !j->closing;
	j->answered = !j->again;
	if (j->answered && !j->closing)
		uv_timer_start(&j->look, j->look.timer_cb, 0, LOOK_MS); /* closing is not for inside a callback */
}

static void on_look(uv_timer_t *timer)
{
	struct journal *j = timer->data;
	const struct error *trouble = &j->appender.trouble;

	if (j->answered) {
		end(j);
	} else if (!j->closing && trouble->code && error_get(trouble->code)->class != CLASS_RETRY) {
		j->trouble = *trouble;
		end(j);
	} else if (!j->closing && time_monotonic() >= j->deadline) {
		error_set(&j->trouble, E_TIMEOUT, "%s", trouble->code ? trouble->message : "the database does not answer");
		end(j);
	} else if (j->again) {
		j->again = false;
		j->request->status = 0;
		appender_submit(&j->appender, j->request);
	}
}

/* A request that was given up says so; what else was wrong is the reason. */
static int outcome(const struct journal *j, struct error *error)
{
	const struct request *r = j->request;

	if (!r->status)
		return 0;
	if (j->appender.trouble.code == E_NO_ACCESS) {
		*error = j->appender.trouble;
		return error_prefix(error, "this login may not append to the log");
	}
	if (r->status != E_STOPPING || !j->trouble.code) {
		*error = r->error;
		error->index = -1; /* there is but one */
		return r->status;
	}
	if (!r->unsettled)
		return error_set(error, j->trouble.code, "not journaled: %s", j->trouble.message);
	return error_set(error, j->trouble.code, "whether it was journaled is not known: %s; the same again, with its event_id, "
			 "is stored once", j->trouble.message);
}

int journal_append(const struct journal_options *options, const struct journal_entry *entry, struct journal_ack *ack,
		   struct error *error)
{
	struct journal *j = mem_zalloc(sizeof(*j));
	struct request_limits limits = { .envelope = { EVENT_BYTES_MOST, DEPTH }, .events = 1, .shards = 1 };
	struct batch_limits batch = { .events = 1, .bytes = EVENT_BYTES_MOST };
	struct request_pool pool = { 0 };
	struct store_factory *factory;
	uint64_t seed;
	int status;

	j->request = request_new(&pool);
	j->request->answer = on_answer;
	j->request->ticket.owner = j;
	status = journal_request(j->request, entry, time_wall(), &limits, error);
	if (!status) {
		random_system(&seed, sizeof(seed));
		uv_loop_init(&j->loop);
		env_uv_init(&j->env, &j->loop);
		uv_timer_init(&j->loop, &j->look);
		j->look.data = j;
		j->deadline = time_monotonic() + (int64_t)options->wait_ms * 1000;
		factory = pg_factory_new(&j->loop, options->conninfo, options->role, options->wait_ms);
		appender_open(&j->appender, 0, &j->env.env, factory->open(factory, options->name), &j->log, &batch, seed);
		j->appender.closed = on_appender_closed;
		j->appender.data = j;
		uv_timer_start(&j->look, on_look, LOOK_MS, LOOK_MS);
		appender_submit(&j->appender, j->request);
		appender_start(&j->appender);
		uv_run(&j->loop, UV_RUN_DEFAULT);
		pg_factory_free(factory);
		uv_loop_close(&j->loop);
		status = outcome(j, error);
	}
	if (!status && ack) {
		const struct request *r = j->request;

		*ack = (struct journal_ack){ .log_id = r->log_id, .epoch = r->epoch, .position = r->first,
					     .duplicate = request_duplicates(r) > 0 };
		memcpy(ack->leaf, r->leaf, LEAF_BYTES);
	}
	request_free(&pool, j->request);
	request_pool_release(&pool);
	free(j);
	return status;
}
