/* generator_story - what people do: see enum beat in generator_world.h. */
#include <stdio.h>

#include "base/time.h"
#include "cmd/generator_world.h"

/* ---- ids, names and slots: all follow from the seed and small numbers, nothing is kept ---- */

enum id_kind { ID_TENANT, ID_TEAM, ID_CHANNEL, ID_AGENT, ID_CUSTOMER, ID_ARTICLE, ID_CATEGORY, ID_POLICY };

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t trait(const struct generator *g, enum id_kind kind, int tenant, uint32_t number)
{
	return mix(mix(g->options.seed ^ (uint64_t)kind << 56 ^ (uint64_t)tenant << 32) ^ number);
}

static struct uuid named(const struct generator *g, enum id_kind kind, int tenant, uint32_t number)
{
	uint64_t a = trait(g, kind, tenant, number), b = mix(a);
	uint8_t bytes[16];
	struct uuid id;

	memcpy(bytes, &a, 8);
	memcpy(bytes + 8, &b, 8);
	uuid_v4(&id, bytes);
	return id;
}

static struct uuid fresh(struct generator *g)
{
	uint8_t tail[16];
	struct uuid id;

	random_fill(&g->random, tail, sizeof(tail));
	uuid_v7(&id, g->now / 1000, tail);
	return id;
}

static const char *first_name(uint64_t t)
{
	return first_names[t % (uint64_t)first_name_count];
}

static const char *last_name(uint64_t t)
{
	return last_names[(t >> 16) % (uint64_t)last_name_count];
}

static uint64_t customer_trait(const struct generator *g, const struct talk *k)
{
	return trait(g, ID_CUSTOMER, k->tenant->number, k->customer);
}

static struct uuid agent_id(const struct generator *g, const struct talk *k, int agent)
{
	return named(g, ID_AGENT, k->tenant->number, (uint32_t)agent);
}

static struct uuid team_id(const struct generator *g, const struct talk *k, int team)
{
	return named(g, ID_TEAM, k->tenant->number, (uint32_t)team);
}

/* A template's slots filled in, into the line under way. */
static void put_filled(struct generator *g, const struct talk *k, const char *text, size_t len)
{
	struct line_writer *w = &g->lines;
	const char *end = text + len;

	while (text < end) {
		const char *open = memchr(text, '{', (size_t)(end - text)), *close;

		if (!open) {
			buffer_add(&w->out, text, (size_t)(end - text));
			return;
		}
		buffer_add(&w->out, text, (size_t)(open - text));
		close = memchr(open, '}', (size_t)(end - open));
		switch (open[1] << 8 | open[2]) {
		case 'n' << 8 | 'a': line_put_text(w, first_name(customer_trait(g, k))); break;
		case 'a' << 8 | 'g': line_put_text(w, first_name(trait(g, ID_AGENT, k->tenant->number, k->agent))); break;
		case 'c' << 8 | 'o':
			if (open[3] == 'm') {
				line_put_text(w, k->tenant->name);
			} else {
				line_put_text(w, "E-");
				line_put_int(w, 1000 + k->order % 9000);
			}
			break;
		case 'o' << 8 | 'r': line_put_text(w, "A-"); line_put_int(w, k->order); break;
		case 'i' << 8 | 'n': line_put_text(w, "INV-2026-"); line_put_int(w, k->order % 100000); break;
		case 'a' << 8 | 'm':
			line_put_int(w, k->amount / 100);
			buffer_add_byte(&w->out, '.');
			buffer_add_byte(&w->out, (char)('0' + k->amount / 10 % 10));
			buffer_add_byte(&w->out, (char)('0' + k->amount % 10));
			line_put_text(w, " EUR");
			break;
		case 'p' << 8 | 'r': line_put_text(w, k->tenant->profile->products[k->product]); break;
		case 'c' << 8 | 'i': line_put_text(w, cities[k->city]); break;
		case 'd' << 8 | 'a': line_put_text(w, days[k->day]); break;
		case 'm' << 8 | 'i': line_put_int(w, 5 + k->order % 6 * 5); break;
		default: break;
		}
		text = close + 1;
	}
}

/* One of the alternatives between `|`. */
static void put_text(struct generator *g, const struct talk *k, const char *key, const char *text)
{
	size_t len = strlen(text);
	int count = 1, pick;

	for (const char *p = text; (p = strchr(p, '|')); p++)
		count++;
	for (pick = count > 1 ? (int)random_below(&g->random, (uint64_t)count) : 0; pick > 0; pick--)
		text = strchr(text, '|') + 1;
	len = strcspn(text, "|");
	line_key(&g->lines, key);
	buffer_add_byte(&g->lines.out, '"');
	put_filled(g, k, text, len);
	buffer_add_byte(&g->lines.out, '"');
}

/* ---- small helpers for beats ---- */

static const char *const channels[CHANNELS] = { "web_chat", "email", "whatsapp", "sms", "instagram" };
static const char *const severities[] = { "P0", "P1", "P2", "P3" };
static const char *const tiers[] = { "free", "standard", "premium", "enterprise" };

/* The next beat, after half to one and a half times `seconds`; mail is slower. */
static void then(struct generator *g, struct talk *k, enum beat beat, int seconds)
{
	int64_t us = seconds * TIME_SECOND;

	if (k->channel == 1 && (beat == BEAT_TURN || beat == BEAT_ASSIGN))
		us *= 3;
	k->beat = (uint8_t)beat;
	k->next = g->now + us / 2 + (int64_t)random_below(&g->random, (uint64_t)us + 1);
}

static struct scene scene_of(const struct talk *k)
{
	return (struct scene){ k->tenant->id, k->id, k->customer_id, k->resolution_id };
}

/* Begins an event on the conversation itself. */
static void begin(struct generator *g, const struct talk *k, const char *type, const char *actor, const struct uuid *actor_id,
		  int64_t at)
{
	struct scene scene = scene_of(k);

	line_begin_full(&g->lines, type, 1, &scene, &k->id, actor, actor_id, at, NULL, &k->correlation_id, NULL);
}

static void begin_on(struct generator *g, const struct talk *k, const char *type, const struct uuid *entity, const char *actor,
		     const struct uuid *actor_id, int64_t at)
{
	struct scene scene = scene_of(k);

	line_begin(&g->lines, type, &scene, entity, actor, actor_id, at);
}

static void message_facts(struct generator *g, struct talk *k, const char *direction, const char *sender, const struct uuid *sender_id,
			  const char *text)
{
	struct line_writer *w = &g->lines;

	line_text(w, "channel", channels[k->channel]);
	line_text(w, "direction", direction);
	line_text(w, "sender_type", sender);
	if (sender_id)
		line_uuid(w, "sender_id", sender_id);
	put_text(g, k, "content", text);
	line_text(w, "language", k->script->language);
}

static void customer_writes(struct generator *g, struct talk *k, const char *text, bool loose)
{
	static const char *const ips[] = { "198.51.100.23", "203.0.113.7", "192.0.2.140", "2001:db8::5:1", "203.0.113.201" };
	struct scene scene = scene_of(k);
	int64_t at = world_stamp(g, 2000);
	bool web = k->channel == 0 && chance(g, 60);

	k->message_id = fresh(g);
	line_begin_full(&g->lines, "message.received", 1, &scene, &k->message_id, "customer", &k->customer_id, at, NULL,
			&k->correlation_id, web ? ips[k->order % 5] : NULL);
	k->said = g->lines.event_id;
	message_facts(g, k, "inbound", "customer", NULL, text);
	world_end(g, loose);
	k->last_message_at = at;
	if (k->script->flags & SCRIPT_FILE && !k->notes && chance(g, 50)) {
		struct uuid file = fresh(g);

		begin_on(g, k, "attachment.added", &file, "customer", &k->customer_id, world_stamp(g, 3000));
		line_uuid(&g->lines, "message_id", &k->message_id);
		line_text(&g->lines, "filename", "photo.jpg");
		line_text(&g->lines, "original_filename", "IMG_2041.jpg");
		line_text(&g->lines, "content_type", "image/jpeg");
		line_int(&g->lines, "size_bytes", 180000 + k->order % 900000);
		line_text(&g->lines, "storage_provider", "s3");
		line_text(&g->lines, "storage_key", "uploads/photo.jpg");
		line_bool(&g->lines, "is_image", true);
		world_end(g, false);
		begin_on(g, k, "attachment.scanned", &file, "system", NULL, world_stamp(g, 900000));
		line_text(&g->lines, "virus_scan_result", "clean");
		world_end(g, true);
	}
}

static void annotate(struct generator *g, struct talk *k)
{
	static const char *const scores[] = { "0.62", "0.05", "-0.48", "-0.91" };
	const struct script *s = k->script;
	struct scene scene = scene_of(k);
	struct uuid id = fresh(g);
	int mood = s->sentiment[0] == 'p' ? 0 : s->sentiment[1] == 'e' && s->sentiment[2] == 'u' ? 1 : s->sentiment[0] == 'n' ? 2 : 3;

	line_begin_full(&g->lines, "ai.annotated", 1, &scene, &id, "ai", NULL, world_stamp(g, 1000), &k->said, NULL, NULL);
	line_uuid(&g->lines, "message_id", &k->message_id);
	line_text(&g->lines, "intent", s->intent);
	line_hundredths(&g->lines, "intent_confidence", 55 + (int)random_below(&g->random, 45));
	line_text(&g->lines, "severity", severities[k->severity]);
	line_hundredths(&g->lines, "severity_confidence", 50 + (int)random_below(&g->random, 50));
	line_text(&g->lines, "sentiment", s->sentiment);
	line_raw(&g->lines, "sentiment_score", scores[mood]);
	if (chance(g, 30)) {
		line_key(&g->lines, "suggested_skills");
		line_put_text(&g->lines, "[\"");
		line_put_text(&g->lines, s->skill);
		line_put_text(&g->lines, "\"]");
	}
	line_bool(&g->lines, "escalation_recommended", k->severity == 0);
	line_text(&g->lines, "model_version", "triage-3.2");
	line_int(&g->lines, "processing_time_ms", 40 + (int64_t)random_below(&g->random, 400));
	world_end(g, true);
	if (chance(g, 3)) {
		struct uuid agent = agent_id(g, k, k->agent);

		begin_on(g, k, "ai.annotation_corrected", &id, "user", &agent, world_stamp(g, 1500000));
		line_raw(&g->lines, "changes", "{\"intent\":{\"from\":\"noise_low_intent\",\"to\":\"how_to_guidance\"}}");
		line_text(&g->lines, "correction_notes", "not noise at all");
		world_end(g, true);
	}
}

/* Agent or assistant writes: queued and sent, or on chat mostly one message.sent that says it all. */
static void we_write(struct generator *g, struct talk *k, bool ai, const char *text)
{
	struct uuid agent = agent_id(g, k, k->agent);
	const struct uuid *who = ai ? NULL : &agent;
	const char *actor = ai ? "ai" : "user", *sender = ai ? "ai" : "agent";
	int64_t at = world_stamp(g, 0);

	k->message_id = fresh(g);
	k->attempt = 1;
	k->last_message_at = at;
	k->delivered = false;
	if (k->channel == 0 && chance(g, 70)) {
		begin_on(g, k, "message.sent", &k->message_id, actor, who, at);
		message_facts(g, k, "outbound", sender, who, text);
		world_end(g, false);
		return;
	}
	begin_on(g, k, "message.queued", &k->message_id, actor, who, at);
	message_facts(g, k, "outbound", sender, who, text);
	world_end(g, false);
	begin_on(g, k, "message.sent", &k->message_id, "system", NULL, world_stamp(g, 180000));
	line_int(&g->lines, "attempt", 1);
	world_end(g, true);
}

static void assign(struct generator *g, struct talk *k, const char *by)
{
	struct uuid agent = agent_id(g, k, k->agent), team = team_id(g, k, k->team);

	begin(g, k, "conversation.assigned", "automation", NULL, world_stamp(g, 0));
	line_uuid(&g->lines, "agent_id", &agent);
	line_uuid(&g->lines, "team_id", &team);
	line_text(&g->lines, "assigned_by", by);
	world_end(g, false);
}

static void note(struct generator *g, struct talk *k)
{
	struct uuid id = fresh(g), agent = agent_id(g, k, k->agent);

	begin_on(g, k, "note.added", &id, "user", &agent, world_stamp(g, 1500));
	line_uuid(&g->lines, "conversation_id", &k->id);
	put_text(g, k, "content", notes[random_below(&g->random, (uint64_t)note_count)]);
	line_text(&g->lines, "visibility", "team");
	world_end(g, true);
	k->notes++;
}

/* ---- setting a tenant up ---- */

void story_setup(struct generator *g, struct tenant *t)
{
	static const char *const team_names[TEAMS] = { "Front line", "Technical", "Escalations" };
	static const char *const skills[TEAMS] = { "[\"orders\",\"billing\"]", "[\"technical\",\"accounts\"]", "[\"incidents\",\"security\",\"billing\"]" };
	static const char *const channel_names[CHANNELS] = { "Website chat", "Help mailbox", "WhatsApp", "Text messages", "Instagram" };
	static const char *const articles[ARTICLES] = { "How to track an order", "Signing in and two-factor codes", "Refunds, step by step", "Reading your invoice" };
	static const char *const slugs[ARTICLES] = { "track-an-order", "signing-in", "refunds", "reading-your-invoice" };
	struct line_writer *w = &g->lines;
	struct scene scene = { .tenant_id = named(g, ID_TENANT, t->number, 0) };
	struct uuid id, team;
	int n = t->number;
	char text[160];

	t->profile = &tenant_profiles[n % tenant_profile_count];
	t->id = scene.tenant_id;
	t->agents = 6 + (int)(trait(g, ID_TENANT, n, 1) % (AGENTS_MAX - 6));
	if (n < tenant_profile_count) {
		snprintf(t->name, sizeof(t->name), "%s", t->profile->name);
		snprintf(t->slug, sizeof(t->slug), "%s", t->profile->slug);
	} else {
		snprintf(t->name, sizeof(t->name), "%s %d", t->profile->name, n / tenant_profile_count + 1);
		snprintf(t->slug, sizeof(t->slug), "%s-%d", t->profile->slug, n / tenant_profile_count + 1);
	}

	line_begin(w, "tenant.created", &scene, &t->id, "system", NULL, world_stamp(g, n * 1000));
	line_text(w, "name", t->name);
	line_text(w, "slug", t->slug);
	line_text(w, "subscription_tier", t->profile->tier);
	snprintf(text, sizeof(text), "{\"timezone\":\"%s\",\"locale\":\"%s\"}", t->profile->timezone, t->profile->locale);
	line_raw(w, "localization", text);
	world_end(g, false);

	id = named(g, ID_POLICY, n, 0);
	line_begin(w, "sla_policy.created", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
	line_text(w, "name", "Standard");
	line_text(w, "tier", "standard");
	line_int(w, "first_response_time_minutes", 15);
	line_int(w, "resolution_time_minutes", 240);
	line_bool(w, "business_hours_only", false);
	line_bool(w, "is_default", true);
	world_end(g, false);

	for (int i = 0; i < TEAMS; i++) {
		team = named(g, ID_TEAM, n, (uint32_t)i);
		line_begin(w, "team.created", &scene, &team, "system", NULL, world_stamp(g, n * 1000));
		line_text(w, "name", team_names[i]);
		line_raw(w, "default_skills", skills[i]);
		line_text(w, "routing_mode", i == 1 ? "skill_based" : "least_busy");
		if (i < 2) {
			id = named(g, ID_TEAM, n, 2);
			line_uuid(w, "escalation_team_id", &id);
		}
		world_end(g, false);
	}
	for (int i = 0; i < CHANNELS; i++) {
		id = named(g, ID_CHANNEL, n, (uint32_t)i);
		team = named(g, ID_TEAM, n, 0);
		line_begin(w, "channel.connected", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
		line_text(w, "type", channels[i]);
		line_text(w, "name", channel_names[i]);
		line_uuid(w, "default_team_id", &team);
		world_end(g, false);
	}
	for (int i = 0; i < t->agents; i++) {
		uint64_t a = trait(g, ID_AGENT, n, (uint32_t)i);

		id = named(g, ID_AGENT, n, (uint32_t)i);
		team = named(g, ID_TEAM, n, (uint32_t)(i % TEAMS));
		line_begin(w, "user.created", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
		snprintf(text, sizeof(text), "agent%d@%s.example", i + 1, t->slug);
		line_text(w, "email", text);
		line_text(w, "first_name", first_name(a));
		line_text(w, "last_name", last_name(a));
		snprintf(text, sizeof(text), "%s %s", first_name(a), last_name(a));
		line_text(w, "display_name", text);
		line_text(w, "role", i == 0 ? "admin" : i == 1 ? "supervisor" : i % TEAMS == 1 ? "engineer" : "agent");
		line_text(w, "timezone", t->profile->timezone);
		line_text(w, "locale", t->profile->locale);
		line_uuid(w, "team_id", &team);
		line_raw(w, "skills", skills[i % TEAMS]);
		line_int(w, "max_concurrent_conversations", 4 + (int64_t)(a >> 40) % 5);
		world_end(g, false);
		line_begin(w, "team.member_added", &scene, &team, "system", NULL, world_stamp(g, n * 1000));
		line_uuid(w, "user_id", &id);
		world_end(g, false);
		line_begin(w, "user.status_changed", &scene, &id, "user", &id, world_stamp(g, n * 1000));
		line_text(w, "to", "available");
		world_end(g, false);
	}
	for (int i = 0; i < ARTICLES; i++) {
		static const char *const steps[] = { "kb.submitted", "kb.approved", "kb.published" };
		struct uuid author = named(g, ID_AGENT, n, 1);

		id = named(g, ID_ARTICLE, n, (uint32_t)i);
		line_begin(w, "kb.created", &scene, &id, "user", &author, world_stamp(g, n * 1000));
		line_text(w, "title", articles[i]);
		line_text(w, "slug", slugs[i]);
		line_text(w, "content", "What to look for first, what we can see on our side, and when to write to us.");
		line_text(w, "visibility", "both");
		world_end(g, false);
		for (int j = 0; j < 3; j++) {
			line_begin(w, steps[j], &scene, &id, "user", &author, world_stamp(g, n * 1000));
			if (j == 1)
				line_uuid(w, "by", &author);
			world_end(g, false);
		}
	}
}

/* ---- beats ---- */

static void pick_script(struct generator *g, struct talk *k)
{
	int at = (int)random_below(&g->random, (uint64_t)g->script_weight), i = 0;

	while ((at -= scripts[i].weight) >= 0)
		i++;
	k->script = &scripts[i];
}

static uint8_t *state_of(struct talk *k)
{
	return (uint8_t *)&k->tenant->states.data[k->customer];
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
	if (k->customer < t->customers && *state_of(k) & (CUSTOMER_MERGED | CUSTOMER_BLOCKED))
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
}

static void new_customer(struct generator *g, struct talk *k)
{
	static const char *const kinds[CHANNELS] = { "channel_user", "email", "phone", "phone", "social" };
	struct line_writer *w = &g->lines;
	uint64_t t = customer_trait(g, k);
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
		snprintf(text, sizeof(text), "[{\"kind\":\"phone\",\"value\":\"+1555%07u\",\"channel\":\"%s\"}]", k->customer % 10000000, channels[k->channel]);
	else
		snprintf(text, sizeof(text), "[{\"kind\":\"%s\",\"value\":\"visitor-%u\",\"channel\":\"%s\"}]", kinds[k->channel], k->customer + 1, channels[k->channel]);
	line_raw(w, "identities", text);
	snprintf(text, sizeof(text), "{\"name\":\"%s %s\"}", first_name(t), last_name(t));
	line_raw(w, "profile", text);
	line_text(w, "sla_tier", tiers[tier]);
	world_end(g, false);
}

static void on_created(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid team = team_id(g, k, k->team);

	k->customer_id = named(g, ID_CUSTOMER, k->tenant->number, k->customer);
	if (k->customer >= k->tenant->customers)
		new_customer(g, k);
	k->id = fresh(g);
	k->correlation_id = fresh(g);
	begin(g, k, "conversation.created", "customer", &k->customer_id, world_stamp(g, 1000));
	line_uuid(w, "customer_id", &k->customer_id);
	line_text(w, "initial_channel", channels[k->channel]);
	put_text(g, k, "subject", k->script->subject);
	line_text(w, "sla_tier", tiers[*state_of(k) & CUSTOMER_TIER]);
	if (chance(g, 50))
		line_uuid(w, "assigned_team_id", &team);
	world_end(g, false);
	if (k->sibling) {
		customer_writes(g, k, "Did you get my other message? It is about {order}.|Writing here as well, nobody answers about {order}.", false);
		then(g, k, BEAT_MERGE, 120);
		return;
	}
	customer_writes(g, k, k->script->turns[k->turn++] + 2, false);
	if (chance(g, 5)) {
		begin_on(g, k, "customer.seen", &k->customer_id, "customer", &k->customer_id, world_stamp(g, 2500));
		line_time(w, "at", world_stamp(g, 2500));
		line_text(w, "channel", channels[k->channel]);
		world_end(g, true);
	}
	then(g, k, BEAT_TRIAGE, 2);
}

static void on_triage(struct generator *g, struct talk *k)
{
	const struct script *s = k->script;
	struct line_writer *w = &g->lines;

	annotate(g, k);
	begin(g, k, "conversation.classified", "ai", NULL, world_stamp(g, 3000));
	line_text(w, "intent", s->topic);
	line_text(w, "severity", severities[k->severity]);
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
		begin(g, k, "conversation.tagged", "automation", NULL, world_stamp(g, 3500));
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
		then(g, k, BEAT_TURN, 4);
	else if (chance(g, 12))
		then(g, k, BEAT_HANDOFF, 6);
	else
		then(g, k, BEAT_ASSIGN, k->severity == 0 ? 20 : 90);
}

static void on_handoff(struct generator *g, struct talk *k)
{
	static const char *const reasons[] = { "low_confidence", "customer_request", "policy" };

	if (!k->answered) {
		we_write(g, k, true, "Thanks for writing to {company}, {name}. A colleague will be with you in about {minutes} minutes.|"
				     "Hello {name}! I am passing this on to a person who knows about {product}.");
		k->answered = true;
	}
	begin(g, k, "conversation.handed_off", "ai", NULL, world_stamp(g, 400000));
	line_text(&g->lines, "from", "ai");
	line_text(&g->lines, "reason", reasons[random_below(&g->random, 3)]);
	world_end(g, false);
	then(g, k, BEAT_ASSIGN, 60);
}

static void on_assign(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid from = agent_id(g, k, k->agent), to, team;

	k->answered = true;
	assign(g, k, k->cycle > 1 ? "reopen" : chance(g, 80) ? "routing_engine" : "manual");
	if (chance(g, 7)) { /* passed on to a colleague of the same team */
		k->agent = (uint8_t)((k->agent + TEAMS) % (k->tenant->agents / TEAMS * TEAMS));
		to = agent_id(g, k, k->agent);
		team = team_id(g, k, k->team);
		begin(g, k, "conversation.transferred", "user", &from, world_stamp(g, 1200000));
		line_uuid(w, "from_agent_id", &from);
		line_uuid(w, "to_agent_id", &to);
		line_uuid(w, "to_team_id", &team);
		line_text(w, "reason", "knows the case");
		world_end(g, false);
	}
	if (k->script->flags & SCRIPT_URGENT && k->cycle == 1 && chance(g, 15) && k->severity > 0) {
		begin(g, k, "conversation.severity_changed", "user", &from, world_stamp(g, 50000));
		line_text(w, "from", severities[k->severity]);
		line_text(w, "to", severities[k->severity - 1]);
		line_text(w, "reason", "several customers report it");
		world_end(g, false);
		k->severity--;
	}
	if (k->cycle > 1) {
		we_write(g, k, false, "Sorry about that, {name}. I have looked again and put it right; please check {order} once more.|"
				      "Hi {name}, {agent} again. You are right, one step was missing. It is done now.");
		then(g, k, BEAT_DELIVERY, 3);
		return;
	}
	then(g, k, BEAT_TURN, k->severity == 0 ? 40 : 100);
}

static void on_turn(struct generator *g, struct talk *k)
{
	const char *text = k->script->turns[k->turn];

	if (!text) {
		then(g, k, BEAT_RESOLVE, 60);
		return;
	}
	if (text[0] == 'C') {
		k->turn++;
		customer_writes(g, k, text + 2, true);
		if (chance(g, 80))
			annotate(g, k);
		if (k->script->language[0] != 'e' || k->script->language[1] != 'n') {
			begin_on(g, k, "message.translated", &k->message_id, "ai", NULL, world_stamp(g, 600000));
			line_text(&g->lines, "language", "en");
			put_text(g, k, "content", "Thank you, that helps. (translated)|Please go on. (translated)");
			world_end(g, true);
		}
		if (k->script->flags & SCRIPT_ISSUE && !k->issue && k->turn >= 3 && chance(g, 45)) {
			k->issue = true;
			then(g, k, BEAT_ESCALATE, 40);
			return;
		}
		text = k->script->turns[k->turn];
		if (text && text[0] == 'A' && !k->agent && !k->answered)
			then(g, k, BEAT_HANDOFF, 5);
		else
			then(g, k, text ? BEAT_TURN : BEAT_RESOLVE, 70);
		if (chance(g, 3)) { /* goes on by another channel */
			uint8_t to = (uint8_t)((k->channel + 1) % CHANNELS);

			begin(g, k, "conversation.channel_switched", "customer", &k->customer_id, world_stamp(g, 4000));
			line_text(&g->lines, "from", channels[k->channel]);
			line_text(&g->lines, "to", channels[to]);
			world_end(g, false);
			k->channel = to;
		}
		return;
	}
	if (text[0] == 'A' && !k->answered) { /* the assistant could not settle it */
		k->answered = true;
		then(g, k, BEAT_HANDOFF, 3);
		return;
	}
	k->turn++;
	if (text[0] == 'A' && chance(g, 14))
		note(g, k);
	we_write(g, k, text[0] == 'B', text + 2);
	then(g, k, BEAT_DELIVERY, 3);
}

static void on_delivery(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;

	if (k->attempt < 3 && chance(g, 3)) {
		struct scene scene = scene_of(k);

		line_begin_full(w, "message.failed", 2, &scene, &k->message_id, "system", NULL, world_stamp(g, 0), NULL, NULL, NULL);
		line_text(w, "error_message", "the provider did not answer within 10 s");
		line_text(w, "code", "provider_timeout");
		line_int(w, "attempt", k->attempt);
		line_bool(w, "retryable", true);
		world_end(g, false);
		k->attempt++;
		begin_on(g, k, "message.retried", &k->message_id, "system", NULL, world_stamp(g, 500000));
		line_int(w, "attempt", k->attempt);
		world_end(g, false);
		begin_on(g, k, "message.sent", &k->message_id, "system", NULL, world_stamp(g, 900000));
		line_int(w, "attempt", k->attempt);
		world_end(g, true);
		then(g, k, BEAT_DELIVERY, 8);
		return;
	}
	begin_on(g, k, "message.delivered", &k->message_id, "system", NULL, world_stamp(g, 0));
	line_time(w, "at", world_stamp(g, 0));
	line_int(w, "attempt", k->attempt);
	world_end(g, true);
	then(g, k, BEAT_READ, 15);
}

static void on_read(struct generator *g, struct talk *k)
{
	const char *text = k->script->turns[k->turn];

	if (k->channel != 3 && chance(g, 85)) {
		begin_on(g, k, "message.read", &k->message_id, "customer", &k->customer_id, world_stamp(g, 0));
		line_time(&g->lines, "at", world_stamp(g, 0));
		world_end(g, true);
	}
	if (k->cycle > 1 || !text)
		then(g, k, BEAT_RESOLVE, 120);
	else
		then(g, k, BEAT_TURN, 80);
}

static void on_escalate(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid agent = agent_id(g, k, k->agent), team = team_id(g, k, 2);

	k->resolution_id = fresh(g);
	k->step = 0;
	begin_on(g, k, "resolution.created", &k->resolution_id, "user", &agent, world_stamp(g, 0));
	line_uuid(w, "conversation_id", &k->id);
	line_text(w, "issue_type", k->script->issue_type);
	line_text(w, "issue_subtype", k->script->topic);
	line_text(w, "owning_team", k->script->owning_team);
	line_text(w, "priority", severities[k->severity]);
	line_time(w, "expected_resolution_at", world_stamp(g, 0) + 4 * TIME_HOUR);
	line_int(w, "eta_window_hours", 2);
	world_end(g, false);
	begin(g, k, "conversation.escalated", "user", &agent, world_stamp(g, 1000));
	line_int(w, "level", 1);
	line_uuid(w, "to_team_id", &team);
	line_text(w, "reason", "needs a change in production");
	line_uuid(w, "resolution_id", &k->resolution_id);
	world_end(g, false);
	k->escalated = true;
	note(g, k);
	if (k->severity <= 1) {
		char name[40];

		k->swarm_id = fresh(g);
		snprintf(name, sizeof(name), "inc-%u", k->order);
		begin_on(g, k, "swarm.created", &k->swarm_id, "user", &agent, world_stamp(g, 2000));
		line_uuid(w, "resolution_id", &k->resolution_id);
		line_text(w, "slack_channel_id", name);
		line_text(w, "slack_channel_name", name);
		line_uuid(w, "lead_id", &agent);
		world_end(g, false);
	}
	then(g, k, BEAT_ISSUE, 90);
}

static void status(struct generator *g, struct talk *k, const struct uuid *engineer, const char *from, const char *to)
{
	begin_on(g, k, "resolution.status_changed", &k->resolution_id, "user", engineer, world_stamp(g, 1000));
	line_text(&g->lines, "previous_status", from);
	line_text(&g->lines, "new_status", to);
	world_end(g, false);
}

/* News about the issue goes to the customer of our own accord. */
static void update_customer(struct generator *g, struct talk *k, const char *type, const char *text)
{
	struct line_writer *w = &g->lines;
	struct uuid id = fresh(g);
	int64_t at;

	begin_on(g, k, "customer_update.scheduled", &id, "automation", NULL, world_stamp(g, 2000));
	line_uuid(w, "resolution_id", &k->resolution_id);
	line_uuid(w, "conversation_id", &k->id);
	line_text(w, "update_type", type);
	put_text(g, k, "content", text);
	line_text(w, "channel", channels[k->channel]);
	world_end(g, false);
	we_write(g, k, false, text);
	at = world_stamp(g, 300000);
	begin_on(g, k, "customer_update.sent", &id, "system", NULL, at);
	line_uuid(w, "message_id", &k->message_id);
	line_time(w, "sent_at", at);
	world_end(g, false);
	begin_on(g, k, "customer_update.delivered", &id, "system", NULL, world_stamp(g, 900000));
	world_end(g, true);
}

static void on_issue(struct generator *g, struct talk *k)
{
	const struct script_fix *fix = &script_fixes[k->order % (uint32_t)script_fix_count];
	struct line_writer *w = &g->lines;
	struct uuid engineer = agent_id(g, k, 1 + (int)(k->order % 2) * TEAMS);

	switch (k->step++) {
	case 0:
		begin_on(g, k, "resolution.acknowledged", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		world_end(g, false);
		begin_on(g, k, "resolution.assigned", &k->resolution_id, "user", &engineer, world_stamp(g, 1000));
		line_uuid(w, "owner_id", &engineer);
		world_end(g, false);
		update_customer(g, k, "acknowledgement", "Our engineers have taken this on, {name}. You hear from us within {minutes} minutes.");
		break;
	case 1:
		begin_on(g, k, "resolution.root_cause_identified", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		line_text(w, "root_cause", fix->cause);
		line_text(w, "root_cause_category", fix->category);
		line_key(w, "affected_systems");
		line_put_text(w, "[\"");
		line_put_text(w, fix->system);
		line_put_text(w, "\"]");
		world_end(g, false);
		status(g, k, &engineer, "investigating", "fix_in_progress");
		break;
	case 2:
		if (chance(g, 30)) {
			begin_on(g, k, "resolution.eta_changed", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
			line_time(w, "expected_resolution_at", world_stamp(g, 0) + 6 * TIME_HOUR);
			line_int(w, "eta_window_hours", 3);
			line_text(w, "eta_update_reason", "the first fix did not hold in staging");
			world_end(g, false);
			update_customer(g, k, "eta_update", "It takes a little longer than we hoped, {name}: please give us until {day}.");
			break;
		}
		begin_on(g, k, "resolution.note_added", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		line_text(w, "content", "patch is in review");
		line_text(w, "author_source", "slack");
		world_end(g, true);
		break;
	case 3:
		status(g, k, &engineer, "fix_in_progress", "awaiting_deploy");
		break;
	case 4:
		begin_on(g, k, "resolution.fix_deployed", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		line_text(w, "fix_description", fix->fix);
		line_time(w, "fix_deployed_at", world_stamp(g, 0));
		world_end(g, false);
		status(g, k, &engineer, "deployed", "monitoring");
		break;
	default:
		status(g, k, &engineer, "monitoring", "resolved");
		if (!uuid_is_nil(&k->swarm_id)) {
			begin_on(g, k, "swarm.resolved", &k->swarm_id, "user", &engineer, world_stamp(g, 1500));
			world_end(g, false);
		}
		begin(g, k, "conversation.deescalated", "user", &engineer, world_stamp(g, 2000));
		line_text(w, "reason", "the fix is live");
		world_end(g, false);
		update_customer(g, k, "resolution_summary", "The fix is live, {name}. Would you check whether {product} behaves again?");
		then(g, k, BEAT_DELIVERY, 4);
		return;
	}
	then(g, k, BEAT_ISSUE, 150);
}

static void on_resolve(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid agent = agent_id(g, k, k->agent);
	const char *last = k->turn > 1 ? k->script->turns[k->turn - 2] : "";
	const char *by = chance(g, 6) ? "auto_inactivity" : last[0] == 'B' && !k->answered ? "ai" : "agent";

	begin(g, k, "conversation.resolved", by[1] == 'u' ? "automation" : by[1] == 'i' ? "ai" : "user", by[1] == 'g' ? &agent : NULL,
	      world_stamp(g, 0));
	line_text(w, "by", by);
	line_text(w, "resolution_code", k->script->topic);
	if (by[1] == 'u')
		line_time(w, "observed_last_message_at", world_stamp(g, 0));
	world_end(g, false);
	if (chance(g, 40)) {
		begin(g, k, "conversation.summarized", "ai", NULL, world_stamp(g, 800000));
		put_text(g, k, "summary", "{name} wrote about {order}; {agent} found the cause and settled it.|Question about {product}, answered by {agent}.");
		line_text(w, "source", "ai");
		world_end(g, false);
	}
	if (k->script->flags & SCRIPT_RUDE && chance(g, 50) && !(*state_of(k) & CUSTOMER_BLOCKED)) {
		struct scene scene = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };

		line_begin(w, "customer.blocked", &scene, &k->customer_id, "user", &agent, world_stamp(g, TIME_SECOND));
		line_text(w, "reason", "abusive language");
		world_end(g, false);
		*state_of(k) |= CUSTOMER_BLOCKED;
		then(g, k, BEAT_REOPEN, 300); /* writes on, and is not heard */
		return;
	}
	if (chance(g, 2) && (*state_of(k) & CUSTOMER_TIER) < 3) {
		struct scene scene = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };
		int tier = *state_of(k) & CUSTOMER_TIER;

		line_begin(w, "customer.tier_changed", &scene, &k->customer_id, "system", NULL, world_stamp(g, TIME_SECOND));
		line_text(w, "from", tiers[tier]);
		line_text(w, "to", tiers[tier + 1]);
		line_text(w, "reason", "contract upgraded");
		world_end(g, false);
		*state_of(k) = (uint8_t)((*state_of(k) & ~CUSTOMER_TIER) | (tier + 1));
	}
	if (chance(g, 45)) {
		struct uuid id = fresh(g);

		begin_on(g, k, "feedback.requested", &id, "automation", NULL, world_stamp(g, 2 * TIME_SECOND));
		line_uuid(w, "conversation_id", &k->id);
		line_text(w, "kind", "csat");
		line_int(w, "cycle", k->cycle);
		line_text(w, "channel", channels[k->channel]);
		world_end(g, false);
		k->message_id = id;
		then(g, k, BEAT_FEEDBACK, 300);
		return;
	}
	if (k->cycle == 1 && chance(g, 10))
		then(g, k, BEAT_REOPEN, 600);
	else
		k->beat = BEAT_GONE;
}

static void on_feedback(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	bool good = chance(g, k->severity > 1 ? 80 : 55);

	if (chance(g, 65)) {
		begin_on(g, k, "feedback.submitted", &k->message_id, "customer", &k->customer_id, world_stamp(g, 0));
		line_text(w, "kind", "csat");
		line_int(w, "score", good ? 4 + (int64_t)random_below(&g->random, 2) : 1 + (int64_t)random_below(&g->random, 3));
		if (chance(g, 45))
			put_text(g, k, "comment", good ? comments_good[random_below(&g->random, (uint64_t)comment_good_count)] :
							 comments_bad[random_below(&g->random, (uint64_t)comment_bad_count)]);
		line_int(w, "cycle", k->cycle);
		world_end(g, true);
	}
	if (k->cycle == 1 && chance(g, good ? 6 : 30))
		then(g, k, BEAT_REOPEN, 240);
	else
		k->beat = BEAT_GONE;
}

static void on_reopen(struct generator *g, struct talk *k)
{
	bool blocked = *state_of(k) & CUSTOMER_BLOCKED;

	k->message_id = fresh(g);
	customer_writes(g, k, blocked ? "You cannot just ignore me!" : thanks[random_below(&g->random, (uint64_t)thank_count)], false);
	if (blocked) {
		k->beat = BEAT_GONE;
		return;
	}
	annotate(g, k);
	k->cycle++;
	then(g, k, BEAT_ASSIGN, 60);
}

/* Ends in the conversation it doubles; and sometimes the customer turns out to be somebody known, too. */
static void on_merge(struct generator *g, struct talk *k)
{
	struct uuid agent = agent_id(g, k, k->agent);
	struct scene scene = { k->tenant->id, k->sibling_id, k->customer_id, { { 0 } } };

	begin(g, k, "conversation.merged_into", "user", &agent, world_stamp(g, 0));
	line_uuid(&g->lines, "into_id", &k->sibling_id);
	world_end(g, false);
	line_begin(&g->lines, "conversation.merged", &scene, &k->sibling_id, "user", &agent, world_stamp(g, 500));
	line_uuid(&g->lines, "from_id", &k->id);
	world_end(g, false);
	if (k->customer > 0 && chance(g, 30)) {
		uint32_t known = (uint32_t)random_below(&g->random, k->customer);
		uint8_t *state = (uint8_t *)&k->tenant->states.data[known];
		struct uuid survivor = named(g, ID_CUSTOMER, k->tenant->number, known);
		struct scene one = { .tenant_id = k->tenant->id, .customer_id = survivor };
		struct scene other = { .tenant_id = k->tenant->id, .customer_id = k->customer_id };
		char text[UUID_TEXT], ids[64];

		if (*state & (CUSTOMER_BLOCKED | CUSTOMER_MERGED) || *state_of(k) & CUSTOMER_MERGED) {
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
		*state_of(k) |= CUSTOMER_MERGED;
	}
	k->beat = BEAT_GONE;
}

void story_beat(struct generator *g, struct talk *k)
{
	static void (*const beats[])(struct generator *, struct talk *) = {
		[BEAT_CREATED] = on_created, [BEAT_TRIAGE] = on_triage,   [BEAT_HANDOFF] = on_handoff,   [BEAT_ASSIGN] = on_assign,
		[BEAT_TURN] = on_turn,	     [BEAT_DELIVERY] = on_delivery, [BEAT_READ] = on_read,       [BEAT_ESCALATE] = on_escalate,
		[BEAT_ISSUE] = on_issue,     [BEAT_RESOLVE] = on_resolve, [BEAT_FEEDBACK] = on_feedback, [BEAT_REOPEN] = on_reopen,
		[BEAT_MERGE] = on_merge,
	};

	beats[k->beat](g, k);
}
