/* generator_talk - see generator_talk.h. */
#include "cmd/generator_talk.h"

#include <stdio.h>

#include "base/time.h"

/* ---- ids, names and slots: all follow from the seed and small numbers, nothing is kept ---- */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t world_trait(const struct generator *g, enum id_kind kind, int tenant, uint32_t number)
{
	return mix(mix(g->options.seed ^ (uint64_t)kind << 56 ^ (uint64_t)tenant << 32) ^ number);
}

struct uuid world_id(const struct generator *g, enum id_kind kind, int tenant, uint32_t number)
{
	uint64_t a = world_trait(g, kind, tenant, number), b = mix(a);
	uint8_t bytes[16];
	struct uuid id;

	memcpy(bytes, &a, 8);
	memcpy(bytes + 8, &b, 8);
	uuid_v4(&id, bytes);
	return id;
}

struct uuid talk_fresh_id(struct generator *g)
{
	uint8_t tail[16];
	struct uuid id;

	random_fill(&g->random, tail, sizeof(tail));
	uuid_v7(&id, g->now / 1000, tail);
	return id;
}

const char *person_first_name(uint64_t t)
{
	return first_names[t % (uint64_t)first_name_count];
}

const char *person_last_name(uint64_t t)
{
	return last_names[(t >> 16) % (uint64_t)last_name_count];
}

uint64_t talk_customer_trait(const struct generator *g, const struct talk *k)
{
	return world_trait(g, ID_CUSTOMER, k->tenant->number, k->customer);
}

struct uuid talk_agent_id(const struct generator *g, const struct talk *k, int agent)
{
	return world_id(g, ID_AGENT, k->tenant->number, (uint32_t)agent);
}

struct uuid talk_team_id(const struct generator *g, const struct talk *k, int team)
{
	return world_id(g, ID_TEAM, k->tenant->number, (uint32_t)team);
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
		case 'n' << 8 | 'a': line_put_text(w, person_first_name(talk_customer_trait(g, k))); break;
		case 'a' << 8 | 'g': line_put_text(w, person_first_name(world_trait(g, ID_AGENT, k->tenant->number, k->agent))); break;
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
void talk_text(struct generator *g, const struct talk *k, const char *key, const char *text)
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

const char *const world_channels[CHANNELS] = { "web_chat", "email", "whatsapp", "sms", "instagram" };
const char *const world_severities[] = { "P0", "P1", "P2", "P3" };
const char *const world_tiers[] = { "free", "standard", "premium", "enterprise" };

/* The next beat, after half to one and a half times `seconds`; mail is slower. */
void talk_then(struct generator *g, struct talk *k, enum beat beat, int seconds)
{
	int64_t us = seconds * TIME_SECOND;

	if (k->channel == 1 && (beat == BEAT_TURN || beat == BEAT_ASSIGN))
		us *= 3;
	k->beat = (uint8_t)beat;
	k->next = g->now + us / 2 + (int64_t)random_below(&g->random, (uint64_t)us + 1);
}

struct scene talk_scene(const struct talk *k)
{
	return (struct scene){ k->tenant->id, k->id, k->customer_id, k->resolution_id };
}

/* Begins an event on the conversation itself. */
void talk_begin(struct generator *g, const struct talk *k, const char *type, const char *actor, const struct uuid *actor_id,
		  int64_t at)
{
	struct scene scene = talk_scene(k);

	line_begin_full(&g->lines, type, 1, &scene, &k->id, actor, actor_id, at, NULL, &k->correlation_id, NULL);
}

void talk_begin_on(struct generator *g, const struct talk *k, const char *type, const struct uuid *entity, const char *actor,
		     const struct uuid *actor_id, int64_t at)
{
	struct scene scene = talk_scene(k);

	line_begin(&g->lines, type, &scene, entity, actor, actor_id, at);
}

static void message_facts(struct generator *g, struct talk *k, const char *direction, const char *sender, const struct uuid *sender_id,
			  const char *text)
{
	struct line_writer *w = &g->lines;

	line_text(w, "channel", world_channels[k->channel]);
	line_text(w, "direction", direction);
	line_text(w, "sender_type", sender);
	if (sender_id)
		line_uuid(w, "sender_id", sender_id);
	talk_text(g, k, "content", text);
	line_text(w, "language", k->script->language);
}

bool talk_customer_writes(struct generator *g, struct talk *k, const char *text, bool loose)
{
	static const char *const ips[] = { "198.51.100.23", "203.0.113.7", "192.0.2.140", "2001:db8::5:1", "203.0.113.201" };
	struct scene scene = talk_scene(k);
	int64_t at = world_stamp(g, 2000);
	bool web = k->channel == 0 && chance(g, 60), late;

	k->message_id = talk_fresh_id(g);
	line_begin_full(&g->lines, "message.received", 1, &scene, &k->message_id, "customer", &k->customer_id, at, NULL,
			&k->correlation_id, web ? ips[k->order % 5] : NULL);
	k->said = g->lines.event_id;
	message_facts(g, k, "inbound", "customer", NULL, text);
	late = world_end(g, loose && strcmp(k->script->language, "en") == 0); /* the others are translated, which must find them */
	k->last_message_at = at;
	if (k->script->flags & SCRIPT_FILE && !k->notes && !late && chance(g, 50)) {
		struct uuid file = talk_fresh_id(g);

		talk_begin_on(g, k, "attachment.added", &file, "customer", &k->customer_id, world_stamp(g, 3000));
		line_uuid(&g->lines, "message_id", &k->message_id);
		line_text(&g->lines, "filename", "photo.jpg");
		line_text(&g->lines, "original_filename", "IMG_2041.jpg");
		line_text(&g->lines, "content_type", "image/jpeg");
		line_int(&g->lines, "size_bytes", 180000 + k->order % 900000);
		line_text(&g->lines, "storage_provider", "s3");
		line_text(&g->lines, "storage_key", "uploads/photo.jpg");
		line_bool(&g->lines, "is_image", true);
		world_end(g, false);
		talk_begin_on(g, k, "attachment.scanned", &file, "system", NULL, world_stamp(g, 900000));
		line_text(&g->lines, "virus_scan_result", "clean");
		world_end(g, true);
	}
	return late;
}

void talk_annotate(struct generator *g, struct talk *k)
{
	static const char *const scores[] = { "0.62", "0.05", "-0.48", "-0.91" };
	const struct script *s = k->script;
	struct scene scene = talk_scene(k);
	struct uuid id = talk_fresh_id(g);
	bool corrected;
	int mood = s->sentiment[0] == 'p' ? 0 : s->sentiment[1] == 'e' && s->sentiment[2] == 'u' ? 1 : s->sentiment[0] == 'n' ? 2 : 3;

	line_begin_full(&g->lines, "ai.annotated", 1, &scene, &id, "ai", NULL, world_stamp(g, 1000), &k->said, NULL, NULL);
	line_uuid(&g->lines, "message_id", &k->message_id);
	line_text(&g->lines, "intent", s->intent);
	line_hundredths(&g->lines, "intent_confidence", 55 + (int)random_below(&g->random, 45));
	line_text(&g->lines, "severity", world_severities[k->severity]);
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
	corrected = chance(g, 3);
	world_end(g, !corrected); /* what is corrected was there to be seen */
	if (corrected) {
		struct uuid agent = talk_agent_id(g, k, k->agent);
		char changes[120];

		talk_begin_on(g, k, "ai.annotation_corrected", &id, "user", &agent, world_stamp(g, 1500000));
		snprintf(changes, sizeof(changes), "{\"intent\":{\"from\":\"%s\",\"to\":\"how_to_guidance\"}}", s->intent);
		line_raw(&g->lines, "changes", changes);
		line_text(&g->lines, "correction_notes", "a question, no more");
		world_end(g, true);
	}
}

/* Agent or assistant writes: queued and sent, or on chat mostly one message.sent that says it all. */
void talk_we_write(struct generator *g, struct talk *k, bool ai, const char *text)
{
	struct uuid agent = talk_agent_id(g, k, k->agent);
	const struct uuid *who = ai ? NULL : &agent;
	const char *actor = ai ? "ai" : "user", *sender = ai ? "ai" : "agent";
	int64_t at = world_stamp(g, 0);

	k->message_id = talk_fresh_id(g);
	k->attempt = 1;
	k->last_message_at = at;
	k->delivered = false;
	if (k->channel == 0 && chance(g, 70)) {
		talk_begin_on(g, k, "message.sent", &k->message_id, actor, who, at);
		message_facts(g, k, "outbound", sender, who, text);
		world_end(g, false);
		return;
	}
	talk_begin_on(g, k, "message.queued", &k->message_id, actor, who, at);
	message_facts(g, k, "outbound", sender, who, text);
	world_end(g, false);
	talk_begin_on(g, k, "message.sent", &k->message_id, "system", NULL, world_stamp(g, 180000));
	line_int(&g->lines, "attempt", 1);
	world_end(g, true);
}

void talk_assign(struct generator *g, struct talk *k, const char *by)
{
	struct uuid agent = talk_agent_id(g, k, k->agent), team = talk_team_id(g, k, k->team);

	talk_begin(g, k, "conversation.assigned", "automation", NULL, world_stamp(g, 0));
	line_uuid(&g->lines, "agent_id", &agent);
	line_uuid(&g->lines, "team_id", &team);
	line_text(&g->lines, "assigned_by", by);
	world_end(g, false);
}

void talk_note(struct generator *g, struct talk *k)
{
	struct uuid id = talk_fresh_id(g), agent = talk_agent_id(g, k, k->agent);

	talk_begin_on(g, k, "note.added", &id, "user", &agent, world_stamp(g, 1500));
	line_uuid(&g->lines, "conversation_id", &k->id);
	talk_text(g, k, "content", notes[random_below(&g->random, (uint64_t)note_count)]);
	line_text(&g->lines, "visibility", "team");
	world_end(g, true);
	k->notes++;
}

uint8_t *talk_state(struct talk *k)
{
	return (uint8_t *)&k->tenant->states.data[k->customer];
}
