/* control - see control.h. */
#include "engine/control.h"

#include <stdio.h>

#include "base/log.h"
#include "base/time.h"
#include "event/fields.h"
#include "engine/engine.h"
#include "engine/journal.h"

enum {
	MAINTAIN_MS = 60000,
	LOOK_MS = 2000,
	JOURNAL_RETRY_MS = 5000,
	CONTROL_RETRY_MS = 300,
	CONTROL_TRIES = 100,      /* at start: about half a minute, then the command ends with the reason */
};

/* ---- what is journaled of the log itself ---- */

/* What was not taken comes again, like any producer's. */
static void on_journaled(struct request *r)
{
	struct engine *e = r->engine;

	if (r->status && error_get(r->status)->class == CLASS_RETRY) {
		e->journaled_epoch = 0;
		e->journal_due = e->env.env.monotonic(&e->env.env) + JOURNAL_RETRY_MS * 1000;
	} else if (r->status) {
		log_warn("server", "an event about the log was not journaled: %s", r->error.message);
	}
	request_free(&e->pool, r);
}

/*
 * What the engine journals of the log itself, in shard 0: log.created, and log.adopted for the epoch we are in.  The
 * event's id follows from what it says, so that whichever engine comes first stores it and all others find it there.
 */
static void journal(struct engine *e, const char *type, int32_t epoch, int64_t occurred_at, struct bytes payload)
{
	struct journal_entry entry = { .type = type, .entity_id = e->log.log_id, .occurred_at = occurred_at, .payload = payload };
	struct request *r = request_new(&e->pool);
	struct buffer seed = { 0 };
	char log_id[UUID_TEXT];
	struct error error;
	uint8_t hash[32];

	buffer_printf(&seed, "%s %s %d", type, uuid_format(&e->log.log_id, log_id), epoch);
	sha256(seed.data, seed.len, hash);
	uuid_v7(&entry.event_id, occurred_at / 1000, hash); /* tells its age, so that it is found however old it is */
	r->engine = e;
	r->answer = on_journaled;
	r->own = true;
	error_clear(&error);
	if (journal_request(r, &entry, e->env.env.wall(&e->env.env), &e->request_limits, &error)) {
		log_warn("server", "%s was not journaled: %s", type, error.message);
		request_free(&e->pool, r);
	} else {
		appender_submit(&e->appenders[0], r);
	}
	buffer_release(&seed);
}

void control_journal(struct engine *e)
{
	char payload[128], log_id[UUID_TEXT];
	struct bytes entry, key;
	size_t at = 0;

	snprintf(payload, sizeof(payload), "{\"log_id\":\"%s\",\"shards\":%d}", uuid_format(&e->log.log_id, log_id), e->shards);
	journal(e, "log.created", 1, e->known.created_at, bytes_text(payload));
	while (e->known.adoptions.data && json_next(e->known.adoptions, &at, &key, &entry)) {
		struct bytes when = json_string(json_member(entry, "at"), &e->known_arena), epoch = json_member(entry, "epoch");
		int64_t occurred_at;

		if (time_parse(when.data, when.len, &occurred_at))
			journal(e, "log.adopted", (int32_t)strtol(arena_text(&e->known_arena, epoch), NULL, 10), occurred_at,
				json_member(entry, "payload"));
	}
	e->journaled_epoch = e->known.epoch;
	e->known.adoptions = (struct bytes){ NULL, 0 };
	arena_release(&e->known_arena);
}

/* ---- asking ---- */

static void on_control(struct store_request *request);

static void control_go(struct engine *e)
{
	int64_t now = e->env.env.monotonic(&e->env.env);

	e->control_busy = true;
	e->control_asked_at = now;
	if (!e->control_owed_at)
		e->control_owed_at = now;
	e->control_asks = !e->control_connected ? CONTROL_CONNECT : now >= e->maintain_due ? CONTROL_MAINTAIN : CONTROL_LOOK;
	memset(&e->control_call, 0, sizeof(e->control_call));
	e->control_call.request.done = on_control;
	e->control_call.request.data = e;
	switch (e->control_asks) {
	case CONTROL_CONNECT:
		arena_release(&e->known_arena);
		e->control_call.connect.arena = &e->known_arena;
		e->control->ops->connect(e->control, &e->control_call.connect);
		return;
	case CONTROL_MAINTAIN:
		e->control_call.maintain.now = e->env.env.wall(&e->env.env);
		e->control->ops->maintain(e->control, &e->control_call.maintain);
		return;
	case CONTROL_LOOK:
		e->control->ops->heads(e->control, &e->control_call.heads);
		return;
	}
}

int64_t engine_silence_ms(const struct engine *e)
{
	if (!e->control_busy || e->control_asks == CONTROL_MAINTAIN)
		return 0;
	return (time_monotonic() - e->control_asked_at) / 1000;
}

static void on_control_timer(uv_timer_t *handle)
{
	struct engine *e = handle->data;

	if (!e->control_busy && !e->stopping)
		control_go(e);
}

static void control_failed(struct engine *e, const struct store_request *request)
{
	if (request->lost || !e->control_connected || request->status != E_BUSY)
		e->control_error = request->error;
	if (request->lost || !e->control_connected) {
		if (e->control_failures++ == 0)
			log_warn("server", "%s; connecting again", request->error.message);
		e->control_connected = false;
		if (!e->ready && (request->status == E_UNSUITABLE || e->control_failures > CONTROL_TRIES)) {
			engine_fail(e, &request->error);
			return;
		}
		if (e->options->revive)
			e->options->revive(e->options->data);
	} else if (request->status != E_BUSY) {
		log_warn("server", "%s: %s", e->control_asks == CONTROL_MAINTAIN ? "making the months' partitions" : "looking at the log",
			 request->error.message);
	}
	uv_timer_start(&e->control_timer, on_control_timer, CONTROL_RETRY_MS, 0);
}

static void on_control(struct store_request *request)
{
	struct engine *e = request->data;

	e->control_busy = false;
	if (!request->lost)
		e->control_owed_at = 0;
	if (e->stopping)
		return;
	if (request->status) {
		control_failed(e, request);
		return;
	}
	e->control_failures = 0;
	e->control_error.code = 0;
	switch (e->control_asks) {
	case CONTROL_CONNECT:
		e->control_connected = true;
		e->known = e->control_call.connect;
		if (e->ready && e->known.epoch > e->journaled_epoch)
			control_journal(e);
		control_go(e);
		return;
	case CONTROL_MAINTAIN:
		e->maintain_due = e->env.env.monotonic(&e->env.env) + MAINTAIN_MS * 1000;
		if (!e->appenders)
			engine_log_known(e);
		break;
	case CONTROL_LOOK:
		if (e->control_call.heads.epoch > e->log.epoch)
			e->log.epoch = e->control_call.heads.epoch; /* the next sweep learns by whom and why */
		break;
	}
	uv_timer_start(&e->control_timer, on_control_timer, LOOK_MS, 0);
}

void control_start(struct engine *e)
{
	e->control = e->factory->open(e->factory, "verbatim control");
	uv_timer_init(&e->loop, &e->control_timer);
	e->control_timer.data = e;
	control_go(e);
}

void control_look(struct engine *e, int64_t now)
{
	bool lost = false;

	for (int i = 0; i <= e->shards; i++)
		lost = lost || e->appenders[i].state == APPENDER_CONNECTING;
	if (lost && e->control_connected && !e->control_busy)
		control_go(e);
	if (e->log.epoch > e->journaled_epoch && now >= e->journal_due && e->control_connected &&
	    !e->control_busy) { /* adopted: learn by whom and why */
		e->control_connected = false;
		control_go(e);
	}
}

bool control_is_silent(const struct engine *e, int64_t now)
{
	return e->control_owed_at && !(e->control_busy && e->control_asks == CONTROL_MAINTAIN) &&
	       now - e->control_owed_at >= e->options->database_ms * 1000;
}

static void on_control_closed(void *data)
{
	struct engine *e = data;

	e->control = NULL;
}

void control_close(struct engine *e)
{
	uv_close((uv_handle_t *)&e->control_timer, NULL);
	e->control->ops->close(e->control, on_control_closed, e);
}
