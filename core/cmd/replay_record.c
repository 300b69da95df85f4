/* replay_record - see replay_record.h. */
#include "cmd/replay_record.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "client/client.h"
#include "cmd/engine_key.h"
#include "engine/journal.h"
#include "event/canonical.h"

enum { WAIT_MS = 10000, NEAR_MS = 2000 };

struct record {
	pthread_t thread;
	char *conninfo, *address, *name;
	bool near;  /* the address is that of the engine next door: the database is there, too */
	char key[API_KEY_TEXT];
	struct client_tls_options tls;
	struct buffer payload;
	struct journal_entry entry;
	bool started;
	int status;
	struct error error;
};

static void add_member(struct buffer *out, const char *name, const char *text)
{
	if (!*text)
		return;
	buffer_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
	canonical_string(bytes_text(text), out);
}

static void new_id(struct uuid *id)
{
	uint8_t random[10];

	random_system(random, sizeof(random));
	uuid_v7(id, time_wall() / 1000, random);
}

/* By an engine's socket: the one type of the system tenant's events that its door lets in. */
static int send_to_engine(struct record *r, int wait_ms)
{
	struct client *client = client_new(&(struct client_options){ .addresses = r->address, .key = r->key, .tls = r->tls,
								     .name = r->name, .connect_ms = r->near ? wait_ms : 0 });
	char event_id[UUID_TEXT], entity_id[UUID_TEXT], tenant[UUID_TEXT], when[TIME_TEXT];
	struct buffer text = { 0 }, packed = { 0 };
	msgpack_object result;
	int status = client_open(client, &r->error);

	buffer_printf(&text, "[[{\"event_id\":\"%s\",\"event_type\":\"%s\",\"tenant_id\":\"%s\",\"entity_id\":\"%s\",\"actor_type\":\"user\","
		      "\"occurred_at\":\"%s\",\"payload\":%s}],{}]", uuid_format(&r->entry.event_id, event_id), r->entry.type,
		      uuid_format(&system_tenant, tenant), uuid_format(&r->entry.entity_id, entity_id),
		      time_format(r->entry.occurred_at, when),
		      buffer_text(&r->payload));
	if (!status)
		status = json_to_msgpack(buffer_bytes(&text), &packed, &r->error);
	if (!status)
		status = client_call(client, "append", buffer_bytes(&packed), wait_ms, &result, &r->error);
	client_free(client);
	buffer_release(&packed);
	buffer_release(&text);
	return status;
}

static void *run(void *data)
{
	struct record *r = data;
	struct journal_options o = { .conninfo = r->conninfo, .role = "verbatim_engine",
				     .name = r->name, .wait_ms = WAIT_MS };

	if (r->address && !r->near)
		r->status = send_to_engine(r, WAIT_MS);
	else if (!r->address || send_to_engine(r, NEAR_MS))
		r->status = journal_append(&o, &r->entry, NULL, &r->error);
	return NULL;
}

int record_may(const struct engine_options *engine, bool appends, const char *login, struct error *error)
{
	if (appends || engine->to)
		return 0;
	return error_set(error, E_NO_ACCESS, "every use is journaled, and login '%s' may not append: name an engine that takes the event "
			 "(--to HOST:PORT), or have the login made a member of verbatim_engine", login);
}

/* Which engine is asked, and with which key; one next door whose key we may not read is not. */
static int choose_engine(struct record *r, const struct target *target, const struct engine_options *engine)
{
	int status;

	r->near = !engine->to;
	r->tls = engine->tls;
	if (r->near)
		engine_trust(&r->tls, target);
	r->address = engine->to ? mem_strdup(engine->to) : target->address ? mem_strdup(target->address) : NULL;
	if (!r->address)
		return 0;
	status = engine_key_find(engine->key_file, r->near ? target->key_file : NULL, r->key, &r->error);
	if (!status || !r->near || engine->key_file)
		return status;
	free(r->address);
	r->address = NULL;
	error_clear(&r->error);
	return 0;
}

struct record *record_start(const struct target *target, const struct engine_options *engine, const struct access *a)
{
	struct record *r = mem_zalloc(sizeof(*r));
	struct buffer name = { 0 };
	char tenant[UUID_TEXT];

	error_clear(&r->error);
	buffer_printf(&name, "verbatim %s journal", a->action);
	buffer_text(&name);
	r->name = name.data;
	r->conninfo = mem_strdup(target->conninfo);
	r->status = choose_engine(r, target, engine);
	buffer_add_byte(&r->payload, '{');
	add_member(&r->payload, "action", a->action);
	add_member(&r->payload, "resource_type", a->resource_type);
	add_member(&r->payload, "resource_id", a->resource_id);
	add_member(&r->payload, "actor", a->actor);
	add_member(&r->payload, "purpose", a->purpose);
	if (!uuid_is_nil(&a->tenant_id))
		add_member(&r->payload, "tenant_id", uuid_format(&a->tenant_id, tenant));
	buffer_printf(&r->payload, ",\"scope\":%.*s}", (int)a->scope.len, a->scope.data);
	r->entry = (struct journal_entry){ .type = "audit.activity_recorded", .actor_type = "user",
					   .occurred_at = time_wall(),
					   .payload = buffer_bytes(&r->payload) };
	new_id(&r->entry.event_id);
	new_id(&r->entry.entity_id);
	if (r->status)
		return r;
	r->started = pthread_create(&r->thread, NULL, run, r) == 0;
	if (!r->started)
		r->status = error_set(&r->error, E_NO_MEMORY, "no thread can be started");
	return r;
}

int record_finish(struct record *r, struct error *error)
{
	int status;

	if (!r)
		return 0;
	if (r->started)
		pthread_join(r->thread, NULL);
	status = r->status;
	if (status) {
		*error = r->error;
		error_prefix(error, "this use could not be journaled, so nothing is shown");
	}
	buffer_release(&r->payload);
	free(r->conninfo);
	free(r->name);
	free(r->address);
	explicit_bzero(r->key, sizeof(r->key));
	free(r);
	return status;
}
