/* generator_setup - what a tenant has before its first customer writes: teams, channels, agents, articles. */
#include <stdio.h>

#include "cmd/generator_talk.h"

void story_setup(struct generator *g, struct tenant *t)
{
	static const char *const team_names[TEAMS] = { "Front line", "Technical", "Escalations" };
	static const char *const skills[TEAMS] = { "[\"orders\",\"billing\"]", "[\"technical\",\"accounts\"]", "[\"incidents\",\"security\",\"billing\"]" };
	static const char *const channel_names[CHANNELS] = { "Website chat", "Help mailbox", "WhatsApp", "Text messages", "Instagram" };
	static const char *const articles[ARTICLES] = { "How to track an order", "Signing in and two-factor codes", "Refunds, step by step", "Reading your invoice" };
	static const char *const slugs[ARTICLES] = { "track-an-order", "signing-in", "refunds", "reading-your-invoice" };
	struct line_writer *w = &g->lines;
	struct scene scene = { .tenant_id = world_id(g, ID_TENANT, t->number, 0) };
	struct uuid id, team;
	int n = t->number;
	char text[160];

	t->profile = &tenant_profiles[n % tenant_profile_count];
	t->id = scene.tenant_id;
	t->agents = 6 + (int)(world_trait(g, ID_TENANT, n, 1) % (AGENTS_MAX - 6));
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

	id = world_id(g, ID_POLICY, n, 0);
	line_begin(w, "sla_policy.created", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
	line_text(w, "name", "Standard");
	line_text(w, "tier", "standard");
	line_int(w, "first_response_time_minutes", 15);
	line_int(w, "resolution_time_minutes", 240);
	line_bool(w, "business_hours_only", false);
	line_bool(w, "is_default", true);
	world_end(g, false);

	for (int i = 0; i < TEAMS; i++) {
		team = world_id(g, ID_TEAM, n, (uint32_t)i);
		line_begin(w, "team.created", &scene, &team, "system", NULL, world_stamp(g, n * 1000));
		line_text(w, "name", team_names[i]);
		line_raw(w, "default_skills", skills[i]);
		line_text(w, "routing_mode", i == 1 ? "skill_based" : "least_busy");
		if (i < 2) {
			id = world_id(g, ID_TEAM, n, 2);
			line_uuid(w, "escalation_team_id", &id);
		}
		world_end(g, false);
	}
	for (int i = 0; i < CHANNELS; i++) {
		id = world_id(g, ID_CHANNEL, n, (uint32_t)i);
		team = world_id(g, ID_TEAM, n, 0);
		line_begin(w, "channel.connected", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
		line_text(w, "type", world_channels[i]);
		line_text(w, "name", channel_names[i]);
		line_uuid(w, "default_team_id", &team);
		world_end(g, false);
	}
	for (int i = 0; i < t->agents; i++) {
		uint64_t a = world_trait(g, ID_AGENT, n, (uint32_t)i);

		id = world_id(g, ID_AGENT, n, (uint32_t)i);
		team = world_id(g, ID_TEAM, n, (uint32_t)(i % TEAMS));
		line_begin(w, "user.created", &scene, &id, "system", NULL, world_stamp(g, n * 1000));
		snprintf(text, sizeof(text), "agent%d@%s.example", i + 1, t->slug);
		line_text(w, "email", text);
		line_text(w, "first_name", person_first_name(a));
		line_text(w, "last_name", person_last_name(a));
		snprintf(text, sizeof(text), "%s %s", person_first_name(a), person_last_name(a));
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
		struct uuid author = world_id(g, ID_AGENT, n, 1);

		id = world_id(g, ID_ARTICLE, n, (uint32_t)i);
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
