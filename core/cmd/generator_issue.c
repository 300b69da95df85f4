/*
 * generator_issue - a matter that needs engineers: escalation, a resolution through all its states, news for the customer.
 */
#include <stdio.h>

#include "base/time.h"
#include "cmd/generator_talk.h"

void story_escalate(struct generator *g, struct talk *k)
{
	struct line_writer *w = &g->lines;
	struct uuid agent = talk_agent_id(g, k, k->agent), team = talk_team_id(g, k, 2);

	k->resolution_id = talk_fresh_id(g);
	k->step = 0;
	talk_begin_on(g, k, "resolution.created", &k->resolution_id, "user", &agent, world_stamp(g, 0));
	line_uuid(w, "conversation_id", &k->id);
	line_text(w, "issue_type", k->script->issue_type);
	line_text(w, "issue_subtype", k->script->topic);
	line_text(w, "owning_team", k->script->owning_team);
	line_text(w, "priority", world_severities[k->severity]);
	line_time(w, "expected_resolution_at", world_stamp(g, 0) + 4 * TIME_HOUR);
	line_int(w, "eta_window_hours", 2);
	world_end(g, false);
	talk_begin(g, k, "conversation.escalated", "user", &agent, world_stamp(g, 1000));
	line_int(w, "level", 1);
	line_uuid(w, "to_team_id", &team);
	line_text(w, "reason", "needs a change in production");
	line_uuid(w, "resolution_id", &k->resolution_id);
	world_end(g, false);
	k->escalated = true;
	talk_note(g, k);
	if (k->severity <= 1) {
		char name[40];

		k->swarm_id = talk_fresh_id(g);
		snprintf(name, sizeof(name), "inc-%u", k->order);
		talk_begin_on(g, k, "swarm.created", &k->swarm_id, "user", &agent, world_stamp(g, 2000));
		line_uuid(w, "resolution_id", &k->resolution_id);
		line_text(w, "slack_channel_id", name);
		line_text(w, "slack_channel_name", name);
		line_uuid(w, "lead_id", &agent);
		world_end(g, false);
	}
	talk_then(g, k, BEAT_ISSUE, 90);
}

static void status(struct generator *g, struct talk *k, const struct uuid *engineer, const char *from, const char *to)
{
	talk_begin_on(g, k, "resolution.status_changed", &k->resolution_id, "user", engineer, world_stamp(g, 1000));
	line_text(&g->lines, "previous_status", from);
	line_text(&g->lines, "new_status", to);
	world_end(g, false);
}

/* News about the issue goes to the customer of our own accord. */
static void update_customer(struct generator *g, struct talk *k, const char *type, const char *text)
{
	struct line_writer *w = &g->lines;
	struct uuid id = talk_fresh_id(g);
	int64_t at;

	talk_begin_on(g, k, "customer_update.scheduled", &id, "automation", NULL, world_stamp(g, 2000));
	line_uuid(w, "resolution_id", &k->resolution_id);
	line_uuid(w, "conversation_id", &k->id);
	line_text(w, "update_type", type);
	talk_text(g, k, "content", text);
	line_text(w, "channel", world_channels[k->channel]);
	world_end(g, false);
	talk_we_write(g, k, false, text);
	at = world_stamp(g, 300000);
	talk_begin_on(g, k, "customer_update.sent", &id, "system", NULL, at);
	line_uuid(w, "message_id", &k->message_id);
	line_time(w, "sent_at", at);
	world_end(g, false);
	talk_begin_on(g, k, "customer_update.delivered", &id, "system", NULL, world_stamp(g, 900000));
	world_end(g, true);
}

void story_issue(struct generator *g, struct talk *k)
{
	const struct script_fix *fix = &script_fixes[k->order % (uint32_t)script_fix_count];
	struct line_writer *w = &g->lines;
	struct uuid engineer = talk_agent_id(g, k, 1 + (int)(k->order % 2) * TEAMS);

	switch (k->step++) {
	case 0:
		talk_begin_on(g, k, "resolution.acknowledged", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		world_end(g, false);
		talk_begin_on(g, k, "resolution.assigned", &k->resolution_id, "user", &engineer, world_stamp(g, 1000));
		line_uuid(w, "owner_id", &engineer);
		world_end(g, false);
		update_customer(g, k, "acknowledgement", "Our engineers have taken this on, {name}. You hear from us within {minutes} minutes.");
		break;
	case 1:
		talk_begin_on(g, k, "resolution.root_cause_identified", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
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
			talk_begin_on(g, k, "resolution.eta_changed", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
			line_time(w, "expected_resolution_at", world_stamp(g, 0) + 6 * TIME_HOUR);
			line_int(w, "eta_window_hours", 3);
			line_text(w, "eta_update_reason", "the first fix did not hold in staging");
			world_end(g, false);
			update_customer(g, k, "eta_update", "It takes a little longer than we hoped, {name}: please give us until {day}.");
			break;
		}
		talk_begin_on(g, k, "resolution.note_added", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		line_text(w, "content", "patch is in review");
		line_text(w, "author_source", "slack");
		world_end(g, true);
		break;
	case 3:
		status(g, k, &engineer, "fix_in_progress", "awaiting_deploy");
		break;
	case 4:
		talk_begin_on(g, k, "resolution.fix_deployed", &k->resolution_id, "user", &engineer, world_stamp(g, 0));
		line_text(w, "fix_description", fix->fix);
		line_time(w, "fix_deployed_at", world_stamp(g, 0));
		world_end(g, false);
		status(g, k, &engineer, "deployed", "monitoring");
		break;
	default:
		status(g, k, &engineer, "monitoring", "resolved");
		if (!uuid_is_nil(&k->swarm_id)) {
			talk_begin_on(g, k, "swarm.resolved", &k->swarm_id, "user", &engineer, world_stamp(g, 1500));
			world_end(g, false);
		}
		if (chance(g, 20))
			story_errand(g, k, ERRAND_FIXED);
		talk_begin(g, k, "conversation.deescalated", "user", &engineer, world_stamp(g, 2000));
		line_text(w, "reason", "the fix is live");
		world_end(g, false);
		update_customer(g, k, "resolution_summary", "The fix is live, {name}. Would you check whether {product} behaves again?");
		talk_then(g, k, BEAT_DELIVERY, 4);
		return;
	}
	if (chance(g, 15))
		story_errand(g, k, ERRAND_ISSUE);
	talk_then(g, k, BEAT_ISSUE, 150);
}
