/*
 * fold_story - tests of read models as short histories: events at seconds of one day, each folded and committed at
 * once, and the columns they must leave.
 *
 *     begin("what this is about");
 *     at(2, "conversation.tagged", c1, "", "{\"tags\":[\"a\"]}");
 *     HAS("conversations", c1, "tags", "[\"a\"]");
 *     end(0);                       // how many anomalies there must be
 *
 * A history begins with two customers, two users and the first customer's conversation.
 */
#ifndef VERBATIM_TEST_FOLD_STORY_H
#define VERBATIM_TEST_FOLD_STORY_H

#include "engine/zones.h"
#include "fold_support.h"
#include "tap.h"

static struct arena arena;
static struct memory_db db;
static struct state state;
static struct zones *zones;
static int64_t position;
static struct uuid tenant, k1, k2, c1, c2, u1, u2;
__attribute__((unused)) static struct uuid m1, m2;

#define ID_C1 "000000c0-0000-8000-8000-000000000001"
#define ID_C2 "000000c0-0000-8000-8000-000000000002"
#define ID_K1 "000000c1-0000-8000-8000-000000000001"
#define ID_K2 "000000c1-0000-8000-8000-000000000002"
#define ID_U1 "000000a0-0000-8000-8000-000000000001"
#define ID_U2 "000000a0-0000-8000-8000-000000000002"
#define ID_M1 "000000d0-0000-8000-8000-000000000001"
#define ID_M2 "000000d0-0000-8000-8000-000000000002"
#define IN_C1 ",\"conversation_id\":\"" ID_C1 "\""
#define IN_C2 ",\"conversation_id\":\"" ID_C2 "\""

/* One event at a second, folded and committed at once; returns its id. */
__attribute__((unused)) static struct uuid at(int64_t second, const char *type, struct uuid entity, const char *more, const char *payload)
{
	const struct event *e;

	position++;
	e = event_make(&arena, position, type, tenant, entity, more, second, payload);
	ok(memory_db_fold(&db, &state, &e, 1) >= 0, "%s", type);
	return e->event_id;
}

__attribute__((unused)) static void begin(const char *name)
{
	note("%s", name);
	memory_db_init(&db, fold_group("core"));
	state_init(&state, db.group, 1);
	state.zones = zones_source(zones);
	at(0, "customer.created", k1, "", "{\"identities\":[{\"kind\":\"email\",\"value\":\"one@x.example\"}],\"profile\":{\"name\":\"One\"},\"sla_tier\":\"premium\"}");
	at(0, "customer.created", k2, "", "{\"identities\":[]}");
	at(0, "user.created", u1, "", "{\"email\":\"u1@x.example\",\"role\":\"agent\"}");
	at(0, "user.created", u2, "", "{\"email\":\"u2@x.example\",\"role\":\"agent\"}");
	at(1, "conversation.created", c1, "", "{\"customer_id\":\"" ID_K1 "\",\"initial_channel\":\"email\"}");
}

__attribute__((unused)) static void end(int anomalies_wanted)
{
	is_int(memory_db_count(&db, "anomalies"), anomalies_wanted, "anomalies");
	is_int(db.faults, 0, "no INSERT twice, no UPDATE of nothing");
	is_text(db.refusal, "", "nothing that PostgreSQL would refuse");
	if (memory_db_count(&db, "anomalies") != anomalies_wanted) {
		struct buffer out = { 0 };

		memory_db_print(&db, NULL, true, &out);
		note("%s", strstr(buffer_text(&out), "anomalies"));
		buffer_release(&out);
	}
	state_release(&state);
	memory_db_release(&db);
}

#define HAS(read_model, id, column, want) is_text(memory_db_text(&db, read_model, &tenant, &(id), column), want, #read_model " " column)
#define C1(column, want) HAS("conversations", c1, column, want)
#define STATE(want) C1("state", want)
#define RECEIVED "{\"channel\":\"email\",\"content\":\"hi\",\"direction\":\"inbound\",\"sender_type\":\"customer\"}"
#define SENT(who) "{\"channel\":\"whatsapp\",\"content\":\"yes\",\"direction\":\"outbound\",\"sender_type\":\"" who "\"}"
#define ASSIGN(agent) "{\"agent_id\":\"" agent "\",\"assigned_by\":\"manual\"}"

__attribute__((unused)) static void story_setup(void)
{
	arena_init(&arena, 1 << 16);
	catalog_init();
	zones = zones_new();
	tenant = test_id(0xaaaa, 1);
	k1 = test_id(0xc1, 1);
	k2 = test_id(0xc1, 2);
	c1 = test_id(0xc0, 1);
	c2 = test_id(0xc0, 2);
	u1 = test_id(0xa0, 1);
	u2 = test_id(0xa0, 2);
	m1 = test_id(0xd0, 1);
	m2 = test_id(0xd0, 2);
}

#endif
