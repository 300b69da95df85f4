/* generator_story - what people do: see enum beat in generator_world.h. */
#include <stdio.h>

#include "base/time.h"
#include "cmd/generator_talk.h"

static void pick_script(struct generator *g, struct talk *k)
{
	int at = (int)random_below(&g->random, (uint64_t)g->script_weight), i = 0;

	while ((at -= scripts[i].weight) >= 0)
		i++;
	k->script = &scripts[i];
}

/* Casts the talk: tenant, customer, matter. */
void story_begin(struct generator *g, struct talk *k)
{
	uint64_t r = random_next(&g->random);
	/* Some tenants are several times as busy as others. */
	int a = (int)(r % (uint64_t)g->options.tenants), b = (int)((r >> 20) % (uint64_t)g->options.tenants);
	struct tenant *t = k->tenant = &g->tenants[a < b ? a : b];

	k->beat = BEAT_CREATED;
	k->customer = t->customers && chance(g, 35) ? (uint32_t)random_below(&g->random, t->customers) : t->customers;
	if (k->customer < t->customers && *talk_state(k) & (CUSTOMER_MERGED | CUSTOMER_BLOCKED))
		k->customer = t->customers;
	pick_script(g, k);
	k->severity = (uint8_t)(k->script->severity[1] - '0');
	k->order = 10000 + (uint32_t)(r >> 40) % 900000;
	k->amount = (uint16_t)(499 + (r >> 24) % 40000);
	k->product = (uint8_t)((r >> 8) % 6);
	k->city = (uint8_t)((r >> 12) % (uint64_t)city_count);
	k->day = (uint8_t)((r >> 30) % (uint64_t)day_count);
	k->channel = (uint8_t)("\0\0\0\0\1\1\1\2\2\3\4"[(r >> 16) % 11]);
	k->team = (uint8_t)(k->script->skill[0] == 'o' || k->script->skill[0] == 'b' ? 0 : k->script->skill[0] == 't' || k->script->skill[0] == 'a' ? 1 : 2);
	k->agent = (uint8_t)((r >> 34) % (uint64_t)(t->agents / TEAMS) * TEAMS + k->team);
	k->cycle = 1;
	if (chance(g, 8))
		story_errand(g, k, ERRAND_HOUSE);
}

static void new_customer(struct generator *g, struct talk *k)
{
	static const char *const kinds[CHANNELS] = { "channel_user", "email", "phone", "phone", "social" };
	struct line_writer *w = &g->lines;
	uint64_t t = talk_customer_trait(g, k);
	struct scene scene = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };
	int tier = (int)("\0\0\1\1\1\1\1\1\1\1\1\1\2\2\2\2\2\3\3\1"[t >> 50 & 15]);
	char text[200];

	k->tenant->customers++;
	g->counts.customers++;
	buffer_add_byte(&k->tenant->states, (char)tier);
	line_begin(w, "customer.created", &scene, &k->customer_id, "system", NULL, world_stamp(g, 0));
	if (k->channel == 1)
		snprintf(text, sizeof(text), "[{\"kind\":\"email\",\"value\":\"c%u@mail.example\",\"verified\":true}]", k->customer + 1);
	else if (k->channel == 2 || k->channel == 3)
		snprintf(text, sizeof(text), "[{\"kind\":\"phone\",\"value\":\"+1555%07u\",\"channel\":\"%s\"}]", k->customer % 10000000, world_channels[k->channel]);
	else
		snprintf(text, sizeof(text), "[{\"kind\":\"%s\",\"value\":\"visitor-%u\",\"channel\":\"%s\"}]", kinds[k->channel], k->customer + 1, world_channels[k->channel]);
	line_raw(w, "identities", text);
	snprintf(text, sizeof(text), "{\"name\":\"%s %s\"}", person_first_name(t), person_last_name(t));
	line_raw(w, "profile", text);
	line_text(w, "sla_tier", world_tiers[tier]);
	world_end(g, false);
}

static void on_created(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid team = talk_team_id(g, k, k->team);

	k->customer_id = world_id(g, ID_CUSTOMER, k->tenant->number, k->customer);
	if (k->customer >= k->tenant->customers)
		new_customer(g, k);
	k->id = talk_fresh_id(g);
	k->correlation_id = talk_fresh_id(g);
	talk_begin(g, k, "conversation.created", "customer", &k->customer_id, world_stamp(g, 1000));
	line_uuid(w, "customer_id", &k->customer_id);
	line_text(w, "initial_channel", world_channels[k->channel]);
	talk_text(g, k, "subject", k->script->subject);
	line_text(w, "sla_tier", world_tiers[*talk_state(k) & CUSTOMER_TIER]);
	if (chance(g, 50))
		line_uuid(w, "assigned_team_id", &team);
	world_end(g, false);
	if (k->sibling) {
		talk_customer_writes(g, k, "Did you get my other message? It is about {order}.|Writing here as well, nobody answers about {order}.", false);
		talk_then(g, k, BEAT_MERGE, 120);
		return;
	}
	talk_customer_writes(g, k, k->script->turns[k->turn++] + 2, false);
	if (chance(g, 5)) {
		talk_begin_on(g, k, "customer.seen", &k->customer_id, "customer", &k->customer_id, world_stamp(g, 2500));
		line_time(w, "at", world_stamp(g, 2500));
		line_text(w, "channel", world_channels[k->channel]);
		world_end(g, true);
	}
	talk_then(g, k, BEAT_TRIAGE, 2);
}

static void on_triage(struct generator *g, struct talk *k)
{
	const struct script *s = k->script;
	struct line_writer *w = &g->lines;

	talk_annotate(g, k);
	talk_begin(g, k, "conversation.classified", "ai", NULL, world_stamp(g, 3000));
	line_text(w, "intent", s->topic);
	line_text(w, "severity", world_severities[k->severity]);
	line_text(w, "sentiment", s->sentiment);
	line_text(w, "emotion", s->emotion);
	line_key(w, "required_skills");
	line_put_text(w, "[\"");
	line_put_text(w, s->skill);
	line_put_text(w, "\"]");
	line_text(w, "source", "ai");
	line_hundredths(w, "confidence", 60 + (int)random_below(&g->random, 40));
	world_end(g, false);
	if (chance(g, 35)) {
		talk_begin(g, k, "conversation.tagged", "automation", NULL, world_stamp(g, 3500));
		line_key(w, "tags");
		line_put_text(w, "[\"");
		line_put_text(w, s->topic);
		line_put_text(w, "\"]");
		world_end(g, false);
	}
	if (chance(g, 2)) { /* the same matter again, over another channel */
		struct talk *again = world_open(g, g->now + (20 + (int64_t)random_below(&g->random, 60)) * TIME_SECOND);

		if (again) {
			again->tenant = k->tenant;
			again->customer = k->customer;
			again->script = k->script;
			again->order = k->order;
			again->severity = k->severity;
			again->agent = k->agent;
			again->team = k->team;
			again->channel = (uint8_t)((k->channel + 1) % CHANNELS);
			again->sibling = true;
			again->sibling_id = k->id;
			again->cycle = 1;
		}
	}
	if (s->turns[k->turn] && s->turns[k->turn][0] == 'B')
		talk_then(g, k, BEAT_TURN, 4);
	else if (chance(g, 12))
		talk_then(g, k, BEAT_HANDOFF, 6);
	else
		talk_then(g, k, BEAT_ASSIGN, k->severity == 0 ? 20 : 90);
}

static void on_handoff(struct generator *g, struct talk *k)
{
	static const char *const reasons[] = { "low_confidence", "customer_request", "policy" };

	if (!k->answered) {
		talk_we_write(g, k, true, "Thanks for writing to {company}, {name}. A colleague will be with you in about {minutes} minutes.|"
				     "Hello {name}! I am passing this on to a person who knows about {product}.");
		k->answered = true;
	}
	talk_begin(g, k, "conversation.handed_off", "ai", NULL, world_stamp(g, 400000));
	line_text(&g->lines, "from", "ai");
	line_text(&g->lines, "reason", reasons[random_below(&g->random, 3)]);
	world_end(g, false);
	talk_then(g, k, BEAT_ASSIGN, 60);
}

static void on_assign(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid from = talk_agent_id(g, k, k->agent), to, team;

	k->answered = true;
	talk_assign(g, k, k->cycle > 1 ? "reopen" : chance(g, 80) ? "routing_engine" : "manual");
	if (chance(g, 7)) { /* passed on to a colleague of the same team */
		k->agent = (uint8_t)((k->agent + TEAMS) % (k->tenant->agents / TEAMS * TEAMS));
		to = talk_agent_id(g, k, k->agent);
		team = talk_team_id(g, k, k->team);
		talk_begin(g, k, "conversation.transferred", "user", &from, world_stamp(g, 1200000));
		line_uuid(w, "from_agent_id", &from);
		line_uuid(w, "to_agent_id", &to);
		line_uuid(w, "to_team_id", &team);
		line_text(w, "reason", "knows the case");
		world_end(g, false);
	}
	if (k->script->flags & SCRIPT_URGENT && k->cycle == 1 && chance(g, 15) && k->severity > 0) {
		talk_begin(g, k, "conversation.severity_changed", "user", &from, world_stamp(g, 50000));
		line_text(w, "from", world_severities[k->severity]);
		line_text(w, "to", world_severities[k->severity - 1]);
		line_text(w, "reason", "several customers report it");
		world_end(g, false);
		k->severity--;
	}
	if (k->cycle > 1) {
		talk_we_write(g, k, false, "Sorry about that, {name}. I have looked again and put it right; please check {order} once more.|"
				      "Hi {name}, {agent} again. You are right, one step was missing. It is done now.");
		talk_then(g, k, BEAT_DELIVERY, 3);
		return;
	}
	talk_then(g, k, BEAT_TURN, k->severity == 0 ? 40 : 100);
}

static void on_turn(struct generator *g, struct talk *k)
{
	const char *text = k->script->turns[k->turn];

	if (!text) {
		talk_then(g, k, BEAT_RESOLVE, 60);
		return;
	}
	if (text[0] == 'C') {
		k->turn++;
		if (!talk_customer_writes(g, k, text + 2, true) && chance(g, 80))
			talk_annotate(g, k);
		if (k->script->language[0] != 'e' || k->script->language[1] != 'n') {
			talk_begin_on(g, k, "message.translated", &k->message_id, "ai", NULL, world_stamp(g, 600000));
			line_text(&g->lines, "language", "en");
			talk_text(g, k, "content", "Thank you, that helps. (translated)|Please go on. (translated)");
			world_end(g, true);
		}
		if (k->script->flags & SCRIPT_ISSUE && !k->issue && k->turn >= 3 && chance(g, 45)) {
			k->issue = true;
			talk_then(g, k, BEAT_ESCALATE, 40);
			return;
		}
		text = k->script->turns[k->turn];
		if (text && text[0] == 'A' && !k->agent && !k->answered)
			talk_then(g, k, BEAT_HANDOFF, 5);
		else
			talk_then(g, k, text ? BEAT_TURN : BEAT_RESOLVE, 70);
		if (chance(g, 3)) { /* goes on by another channel */
			uint8_t to = (uint8_t)((k->channel + 1) % CHANNELS);

			talk_begin(g, k, "conversation.channel_switched", "customer", &k->customer_id, world_stamp(g, 4000));
			line_text(&g->lines, "from", world_channels[k->channel]);
			line_text(&g->lines, "to", world_channels[to]);
			world_end(g, false);
			k->channel = to;
		}
		return;
	}
	if (text[0] == 'A' && !k->answered) { /* the assistant could not settle it */
		k->answered = true;
		talk_then(g, k, BEAT_HANDOFF, 3);
		return;
	}
	k->turn++;
	if (text[0] == 'A' && chance(g, 14))
		talk_note(g, k);
	talk_we_write(g, k, text[0] == 'B', text + 2);
	talk_then(g, k, BEAT_DELIVERY, 3);
}

static void on_delivery(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;

	if (k->attempt < 3 && chance(g, 3)) {
		struct scene scene = talk_scene(k);

		line_begin_full(w, "message.failed", 2, &scene, &k->message_id, "system", NULL, world_stamp(g, 0), NULL, NULL, NULL);
		line_text(w, "error_message", "the provider did not answer within 10 s");
		line_text(w, "code", "provider_timeout");
		line_int(w, "attempt", k->attempt);
		line_bool(w, "retryable", true);
		world_end(g, false);
		k->attempt++;
		talk_begin_on(g, k, "message.retried", &k->message_id, "system", NULL, world_stamp(g, 500000));
		line_int(w, "attempt", k->attempt);
		world_end(g, false);
		talk_begin_on(g, k, "message.sent", &k->message_id, "system", NULL, world_stamp(g, 900000));
		line_int(w, "attempt", k->attempt);
		world_end(g, true);
		talk_then(g, k, BEAT_DELIVERY, 8);
		return;
	}
	talk_begin_on(g, k, "message.delivered", &k->message_id, "system", NULL, world_stamp(g, 0));
	line_time(w, "at", world_stamp(g, 0));
	line_int(w, "attempt", k->attempt);
	world_end(g, true);
	talk_then(g, k, BEAT_READ, 15);
}

static void on_read(struct generator *g, struct talk *k)
{
	const char *text = k->script->turns[k->turn];

	if (k->channel != 3 && chance(g, 85)) {
		talk_begin_on(g, k, "message.read", &k->message_id, "customer", &k->customer_id, world_stamp(g, 0));
		line_time(&g->lines, "at", world_stamp(g, 0));
		world_end(g, true);
	}
	if (k->answered && chance(g, 6))
		story_errand(g, k, ERRAND_DURING);
	if (k->cycle > 1 || !text)
		talk_then(g, k, BEAT_RESOLVE, 120);
	else
		talk_then(g, k, BEAT_TURN, 80);
}

static void on_resolve(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid agent = talk_agent_id(g, k, k->agent);
	const char *last = k->turn > 1 ? k->script->turns[k->turn - 2] : "";
	const char *by = chance(g, 6) ? "auto_inactivity" : last[0] == 'B' && !k->answered ? "ai" : "agent";

	talk_begin(g, k, "conversation.resolved", by[1] == 'u' ? "automation" : by[1] == 'i' ? "ai" : "user", by[1] == 'g' ? &agent : NULL,
	      world_stamp(g, 0));
	line_text(w, "by", by);
	line_text(w, "resolution_code", k->script->topic);
	if (by[1] == 'u')
		line_time(w, "observed_last_message_at", world_stamp(g, 0));
	world_end(g, false);
	if (chance(g, 40)) {
		talk_begin(g, k, "conversation.summarized", "ai", NULL, world_stamp(g, 800000));
		talk_text(g, k, "summary", "{name} wrote about {order}; {agent} found the cause and settled it.|Question about {product}, answered by {agent}.");
		line_text(w, "source", "ai");
		world_end(g, false);
	}
	if (chance(g, 4))
		story_errand(g, k, ERRAND_RESOLVED);
	if (g->options.all_types && chance(g, 2))
		story_errand(g, k, ERRAND_IMPORTED);
	if (k->script->flags & SCRIPT_RUDE && chance(g, 50) && !(*talk_state(k) & CUSTOMER_BLOCKED)) {
		struct scene scene = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };

		line_begin(w, "customer.blocked", &scene, &k->customer_id, "user", &agent, world_stamp(g, TIME_SECOND));
		line_text(w, "reason", "abusive language");
		world_end(g, false);
		*talk_state(k) |= CUSTOMER_BLOCKED;
		talk_then(g, k, BEAT_REOPEN, 300); /* writes on, and is not heard */
		return;
	}
	if (chance(g, 2) && (*talk_state(k) & CUSTOMER_TIER) < 3) {
		struct scene scene = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };
		int tier = *talk_state(k) & CUSTOMER_TIER;

		line_begin(w, "customer.tier_changed", &scene, &k->customer_id, "system", NULL, world_stamp(g, TIME_SECOND));
		line_text(w, "from", world_tiers[tier]);
		line_text(w, "to", world_tiers[tier + 1]);
		line_text(w, "reason", "contract upgraded");
		world_end(g, false);
		*talk_state(k) = (uint8_t)((*talk_state(k) & ~CUSTOMER_TIER) | (tier + 1));
	}
	if (chance(g, 45)) {
		struct uuid id = talk_fresh_id(g);

		talk_begin_on(g, k, "feedback.requested", &id, "automation", NULL, world_stamp(g, 2 * TIME_SECOND));
		line_uuid(w, "conversation_id", &k->id);
		line_text(w, "kind", "csat");
		line_int(w, "cycle", k->cycle);
		line_text(w, "channel", world_channels[k->channel]);
		world_end(g, false);
		k->message_id = id;
		talk_then(g, k, BEAT_FEEDBACK, 300);
		return;
	}
	if (k->cycle == 1 && chance(g, 10))
		talk_then(g, k, BEAT_REOPEN, 600);
	else
		k->beat = BEAT_GONE;
}

static void on_feedback(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	bool good = chance(g, k->severity > 1 ? 80 : 55);

	if (chance(g, 65)) {
		talk_begin_on(g, k, "feedback.submitted", &k->message_id, "customer", &k->customer_id, world_stamp(g, 0));
		line_text(w, "kind", "csat");
		line_int(w, "score", good ? 4 + (int64_t)random_below(&g->random, 2) : 1 + (int64_t)random_below(&g->random, 3));
		if (chance(g, 45))
			talk_text(g, k, "comment", good ? comments_good[random_below(&g->random, (uint64_t)comment_good_count)] :
							 comments_bad[random_below(&g->random, (uint64_t)comment_bad_count)]);
		line_int(w, "cycle", k->cycle);
		world_end(g, true);
	}
	if (k->cycle == 1 && chance(g, good ? 6 : 30))
		talk_then(g, k, BEAT_REOPEN, 240);
	else
		k->beat = BEAT_GONE;
}

static void on_reopen(struct generator *g, struct talk *k)
{
	bool blocked = *talk_state(k) & CUSTOMER_BLOCKED;

	k->message_id = talk_fresh_id(g);
	talk_customer_writes(g, k, blocked ? "You cannot just ignore me!" : thanks[random_below(&g->random, (uint64_t)thank_count)], false);
	if (blocked) {
		k->beat = BEAT_GONE;
		return;
	}
	talk_annotate(g, k);
	k->cycle++;
	talk_then(g, k, BEAT_ASSIGN, 60);
}

/* Ends in the conversation it doubles; and sometimes the customer turns out to be somebody known, too. */
static void on_merge(struct generator *g, struct talk *k)
{
	struct uuid agent = talk_agent_id(g, k, k->agent);
	struct scene scene = { k->tenant->id, k->sibling_id, k->customer_id, { { 0 } } };

	talk_begin(g, k, "conversation.merged_into", "user", &agent, world_stamp(g, 0));
	line_uuid(&g->lines, "into_id", &k->sibling_id);
	world_end(g, false);
	line_begin(&g->lines, "conversation.merged", &scene, &k->sibling_id, "user", &agent, world_stamp(g, 500));
	line_uuid(&g->lines, "from_id", &k->id);
	world_end(g, false);
	if (k->customer > 0 && chance(g, 30)) {
		uint32_t known = (uint32_t)random_below(&g->random, k->customer);
		uint8_t *state = (uint8_t *)&k->tenant->states.data[known];
		struct uuid survivor = world_id(g, ID_CUSTOMER, k->tenant->number, known);
		struct scene one = { .tenant_id = k->tenant->id, .customer_id = survivor };
		struct scene other = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };
		char text[UUID_TEXT], ids[64];

		if (*state & (CUSTOMER_BLOCKED | CUSTOMER_MERGED) || *talk_state(k) & CUSTOMER_MERGED) {
			k->beat = BEAT_GONE;
			return;
		}
		line_begin(&g->lines, "customer.merged", &one, &survivor, "user", &agent, world_stamp(g, 1000));
		line_uuid(&g->lines, "from_id", &k->customer_id);
		snprintf(ids, sizeof(ids), "{\"conversation_ids\":[\"%s\"]}", uuid_format(&k->id, text));
		line_raw(&g->lines, "moved", ids);
		world_end(g, false);
		line_begin(&g->lines, "customer.merged_into", &other, &k->customer_id, "user", &agent, world_stamp(g, 1500));
		line_uuid(&g->lines, "into_id", &survivor);
		world_end(g, false);
		*talk_state(k) |= CUSTOMER_MERGED;
	}
	k->beat = BEAT_GONE;
}

void story_beat(struct generator *g, struct talk *k)
{
	static void (*const beats[])(struct generator *, struct talk *) = {
		[BEAT_CREATED] = on_created, [BEAT_TRIAGE] = on_triage,   [BEAT_HANDOFF] = on_handoff,   [BEAT_ASSIGN] = on_assign,
		[BEAT_TURN] = on_turn,	     [BEAT_DELIVERY] = on_delivery, [BEAT_READ] = on_read,       [BEAT_ESCALATE] = story_escalate,
		[BEAT_ISSUE] = story_issue,     [BEAT_RESOLVE] = on_resolve, [BEAT_FEEDBACK] = on_feedback, [BEAT_REOPEN] = on_reopen,
		[BEAT_MERGE] = on_merge,
	};

	beats[k->beat](g, k);
}
