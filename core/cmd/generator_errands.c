/*
 * generator_errands - what happens beside the talks: short sequences of the rarer events, as tables.
 *
 * An errand is a run of steps, one event each, ended by an empty row.  It leaves the world as it found it (who was
 * switched off is switched on again), so that it fits whenever its occasion comes; what it makes for itself, it brings
 * to an end.  The errands of an occasion take turns, so that in a long enough run each type comes.
 *
 * A step's payload is JSON with slots:
 *
 *     $a agent   $t team   $c conversation   $u customer   $m message   $r resolution   $k article   $p the tenant's policy
 *     $n the last new thing   $e the event before   $T the moment   $o a number
 *
 * Texts are fit to stand in JSON as they are.
 */
#include "base/time.h"
#include "cmd/generator_talk.h"
#include "event/catalog.h"

enum subject {
	NEW, /* an id of its own, which THAT then names */
	THAT, TENANT, AGENT, TEAM, CHANNEL, ARTICLE, CUSTOMER, CONVERSATION, MESSAGE, RESOLUTION, SWARM,
};

struct step {
	const char *type;
	enum subject subject;
	const char *actor;
	const char *payload; /* without the braces around it */
};

#define END { .type = NULL }
#define CUSTOMER_FACTS "\"identities\":[{\"kind\":\"email\",\"value\":\"guest$o@mail.example\"}],\"profile\":{\"name\":\"Guest $o\"}"
#define POLICY_FACTS(name) \
	"\"name\":\"" name "\",\"tier\":\"enterprise\",\"first_response_time_minutes\":10,\"resolution_time_minutes\":120," \
	"\"business_hours_only\":false"
#define RULE_FACTS(tag) \
	"\"name\":\"Tag mail\",\"trigger_event\":\"message.received\",\"conditions\":[{\"field\":\"channel\",\"operator\":\"equals\"," \
	"\"value\":\"email\"}],\"actions\":[{\"type\":\"tag\",\"tags\":[\"" tag "\"]}]"
#define ANNOTATION_FACTS \
	"\"message_id\":\"$m\",\"intent\":\"how_to_guidance\",\"intent_confidence\":0.7,\"severity\":\"P3\",\"severity_confidence\":0.6," \
	"\"sentiment\":\"neutral\",\"suggested_kb_articles\":[\"$k\"],\"model_version\":\"triage-3.2\""
#define UPDATE_FACTS \
	"\"resolution_id\":\"$r\",\"conversation_id\":\"$c\",\"update_type\":\"status_update\",\"content\":\"We are still on it.\",\"channel\":\"email\""

/* About the tenant itself, at no talk's bidding. */
static const struct step house[] = {
	{ "user.login_failed", AGENT, "user", "\"ip\":\"198.51.100.7\",\"mfa\":false" },
	{ "user.logged_in", AGENT, "user", "\"ip\":\"198.51.100.7\",\"mfa\":true" },
	{ "audit.activity_recorded", NEW, "user",
	  "\"action\":\"export\",\"resource_type\":\"conversations\",\"request\":{\"method\":\"GET\",\"path\":\"/export\",\"status\":200},\"duration_ms\":420" },
	END,
	{ "user.skills_changed", AGENT, "user", "\"skills\":[\"incidents\",\"security\",\"billing\"],\"skill_levels\":{\"billing\":3}" },
	{ "user.capacity_changed", AGENT, "user", "\"max\":6" },
	{ "user.updated", AGENT, "user", "\"changes\":{\"locale\":{\"to\":\"en\"}}" },
	{ "user.crm_linked", AGENT, "system", "\"sf_object\":\"User\",\"sf_id\":\"005$o\"" },
	END,
	{ "channel.errored", CHANNEL, "system", "\"error\":\"the provider refuses our key\",\"code\":\"401\"" },
	{ "channel.credentials_rotated", CHANNEL, "user", "\"secret_ref\":\"vault/channel/$o\"" },
	{ "channel.recovered", CHANNEL, "system", "" },
	{ "channel.synced", CHANNEL, "system", "\"cursor\":\"$o\",\"fetched\":12" },
	END,
	{ "kb.viewed", ARTICLE, "customer", "\"by\":\"visitor-$o\"" },
	{ "kb.rated", ARTICLE, "customer", "\"helpful\":true" },
	END,
	{ "kb.edited", ARTICLE, "user", "\"changes\":{\"summary\":{\"to\":\"In short: look it up, revision $o.\"}},\"content_hash\":\"h$o\"" },
	{ "kb.embedded", ARTICLE, "system", "\"model\":\"embed-2\",\"dim\":768,\"vector_ref\":\"vectors/$o\",\"content_hash\":\"h$o\"" },
	END,
	{ "user.role_changed", AGENT, "user", "\"to\":\"csr\"" },
	{ "user.role_changed", AGENT, "user", "\"from\":\"csr\",\"to\":\"agent\"" },
	{ "user.credentials_changed", AGENT, "user", "\"kind\":\"mfa\",\"secret_ref\":\"vault/mfa/$o\"" },
	END,
	{ "automation_rule.created", NEW, "user", RULE_FACTS("mail") },
	{ "automation.fired", THAT, "automation",
	  "\"rule_id\":\"$n\",\"rule_version\":1,\"trigger_event_id\":\"$e\",\"depth\":0,\"actions\":[{\"type\":\"tag\",\"ok\":true}]" },
	{ "automation_rule.disabled", THAT, "user", "" },
	{ "automation_rule.enabled", THAT, "user", "" },
	{ "automation_rule.updated", THAT, "user", RULE_FACTS("post") ",\"cooldown_seconds\":60" },
	{ "automation.skipped", THAT, "automation", "\"rule_id\":\"$n\",\"reason\":\"cooldown\"" },
	{ "automation_rule.deleted", THAT, "user", "" },
	END,
	{ "team.updated", TEAM, "user", "\"changes\":{\"description\":{\"to\":\"Those who answer first, plan $o.\"}}" },
	{ "team.member_removed", TEAM, "user", "\"user_id\":\"$a\"" },
	{ "team.member_added", TEAM, "user", "\"user_id\":\"$a\"" },
	{ "user.team_changed", AGENT, "user", "\"team_id\":\"$t\"" },
	END,
	{ "tenant.usage_recorded", TENANT, "system", "\"counter\":\"messages\",\"delta\":250,\"period\":\"2026-09\"" },
	{ "tenant.limit_exceeded", TENANT, "system", "\"counter\":\"tokens\",\"limit\":1000000,\"value\":1000$o" },
	{ "tenant.plan_changed", TENANT, "user", "\"tier\":\"premium\",\"status\":\"active\"" },
	{ "tenant.updated", TENANT, "user", "\"changes\":{\"branding\":{\"to\":{\"colour\":\"#2266bb\",\"revision\":$o}}}" },
	END,
	{ "kb_category.created", NEW, "user", "\"name\":\"Season $o\",\"slug\":\"season-$o\"" },
	{ "kb_category.updated", THAT, "user", "\"name\":\"Season $o\",\"slug\":\"season-$o\",\"sort_order\":5" },
	{ "kb_category.moved", THAT, "user", "\"sort_order\":9" },
	{ "kb_category.deleted", THAT, "user", "" },
	END,
	{ "sla_policy.created", NEW, "user", POLICY_FACTS("Trial $o") },
	{ "sla_policy.updated", THAT, "user", POLICY_FACTS("Trial $o") ",\"update_interval_minutes\":60" },
	{ "sla_policy.reapply", THAT, "user", "\"all\":true" },
	{ "sla_policy.deactivated", THAT, "user", "" },
	{ "sla_policy.activated", THAT, "user", "" },
	{ "sla_policy.deactivated", THAT, "user", "" },
	END,
	{ "kb.unpublished", ARTICLE, "user", "" },
	{ "kb.submitted", ARTICLE, "user", "" },
	{ "kb.rejected", ARTICLE, "user", "\"reason\":\"the pictures are of the old screens\"" },
	{ "kb.submitted", ARTICLE, "user", "" },
	{ "kb.approved", ARTICLE, "user", "\"by\":\"$a\"" },
	{ "kb.published", ARTICLE, "user", "" },
	END,
	{ "channel.updated", CHANNEL, "user", "\"changes\":{\"default_skills\":{\"to\":[\"orders\"]}}" },
	{ "channel.deactivated", CHANNEL, "user", "" },
	{ "channel.activated", CHANNEL, "user", "" },
	END,
	{ "kb.archived", ARTICLE, "user", "" },
	{ "kb.restored", ARTICLE, "user", "" },
	{ "kb.submitted", ARTICLE, "user", "" },
	{ "kb.approved", ARTICLE, "user", "\"by\":\"$a\"" },
	{ "kb.published", ARTICLE, "user", "" },
	END,
	{ "team.deactivated", TEAM, "user", "" },
	{ "team.activated", TEAM, "user", "" },
	{ "user.deactivated", AGENT, "user", "" },
	{ "user.activated", AGENT, "user", "" },
	{ "tenant.deactivated", TENANT, "system", "\"reason\":\"the invoice was not paid\"" },
	{ "tenant.activated", TENANT, "system", "\"reason\":\"it was\"" },
	END,
	{ "customer.created", NEW, "system", CUSTOMER_FACTS },
	{ "customer.erasure_requested", THAT, "customer", "\"request_id\":\"gdpr-$o\",\"scope\":\"pii\"" },
	{ "customer.erased", THAT, "system", "\"request_id\":\"gdpr-$o\",\"scope\":\"pii\"" },
	END,
};

/* While a conversation is under way, about it or its customer. */
static const struct step during[] = {
	{ "message.moderated", MESSAGE, "ai", "\"verdict\":\"ok\",\"labels\":[],\"score\":0.02" },
	{ "conversation.subject_changed", CONVERSATION, "user", "\"to\":\"Case $o\"" },
	END,
	{ "customer.tagged", CUSTOMER, "user", "\"tags\":[\"vip\",\"newsletter\"]" },
	{ "customer.untagged", CUSTOMER, "user", "\"tags\":[\"newsletter\"]" },
	{ "customer.segmented", CUSTOMER, "system", "\"segments\":[\"returning\"]" },
	{ "customer.scored", CUSTOMER, "ai", "\"lifetime_value\":812.5,\"risk_score\":0.12" },
	END,
	{ "conversation.unassigned", CONVERSATION, "user", "\"agent_id\":\"$a\",\"unassignment_reason\":\"break\"" },
	{ "conversation.assigned", CONVERSATION, "automation", "\"agent_id\":\"$a\",\"team_id\":\"$t\",\"assigned_by\":\"routing_engine\"" },
	END,
	{ "kb.suggested", ARTICLE, "ai", "\"message_id\":\"$m\",\"source\":\"ai\"" },
	{ "ai.annotated", NEW, "ai", ANNOTATION_FACTS },
	{ "ai.suggestion_used", THAT, "user", "\"message_id\":\"$m\",\"kb_article_id\":\"$k\"" },
	{ "kb.suggestion_succeeded", ARTICLE, "system", "\"conversation_id\":\"$c\"" },
	END,
	{ "note.added", NEW, "user", "\"conversation_id\":\"$c\",\"content\":\"ask logistics\",\"visibility\":\"team\",\"mentions\":[\"$a\"]" },
	{ "note.edited", THAT, "user", "\"content\":\"logistics says tomorrow\"" },
	{ "note.deleted", THAT, "user", "" },
	END,
	{ "attachment.added", NEW, "customer",
	  "\"message_id\":\"$m\",\"filename\":\"log.png\",\"original_filename\":\"Screen.png\",\"content_type\":\"image/png\",\"size_bytes\":5$o,"
	  "\"storage_provider\":\"s3\",\"storage_key\":\"uploads/$o\",\"is_image\":true,\"dimensions\":{\"width\":800,\"height\":600}" },
	{ "attachment.scanned", THAT, "system", "\"virus_scan_result\":\"clean\"" },
	{ "attachment.thumbnailed", THAT, "system", "\"thumbnail_url\":\"https://files.example/t/$o\"" },
	{ "attachment.expired", THAT, "system", "" },
	END,
	{ "customer.identity_added", CUSTOMER, "user", "\"kind\":\"phone\",\"value\":\"+4930$o\",\"verified\":false" },
	{ "customer.identity_removed", CUSTOMER, "user", "\"kind\":\"phone\",\"value\":\"+4930$o\"" },
	{ "customer.updated", CUSTOMER, "user", "\"changes\":{\"company\":{\"to\":\"Company $o\"}}" },
	{ "customer.consent_changed", CUSTOMER, "customer", "\"purpose\":\"marketing\",\"granted\":false" },
	END,
	{ "conversation.tagged", CONVERSATION, "user", "\"tags\":[\"watch\",\"q4\"]" },
	{ "conversation.untagged", CONVERSATION, "user", "\"tags\":[\"watch\"]" },
	{ "conversation.metadata_changed", CONVERSATION, "api", "\"changes\":{\"crm_case\":{\"to\":\"$o\"}}" },
	{ "conversation.team_assigned", CONVERSATION, "automation", "\"team_id\":\"$t\"" },
	END,
	{ "message.edited", MESSAGE, "user", "\"content\":\"(edited) Please see the link in our help pages.\"" },
	{ "message.deleted", MESSAGE, "user", "\"by\":\"agent\",\"scope\":\"soft\"" },
	END,
	{ "ai.annotated", NEW, "ai", ANNOTATION_FACTS },
	{ "ai.suggestion_rejected", THAT, "user", "\"message_id\":\"$m\",\"kb_article_id\":\"$k\"" },
	END,
	{ "customer.risk_flagged", CUSTOMER, "system", "\"flag\":\"chargeback\"" },
	{ "customer.deactivated", CUSTOMER, "system", "\"reason\":\"mail bounced\"" },
	{ "customer.reactivated", CUSTOMER, "system", "\"reason\":\"wrote again\"" },
	{ "customer.risk_cleared", CUSTOMER, "user", "\"flag\":\"chargeback\"" },
	END,
	{ "conversation.tier_changed", CONVERSATION, "user", "\"to\":\"premium\"" },
	{ "conversation.created", NEW, "user", "\"customer_id\":\"$u\",\"initial_channel\":\"email\",\"subject\":\"A second matter\"" },
	{ "conversation.split", CONVERSATION, "user", "\"into_id\":\"$n\",\"message_ids\":[\"$m\"]" },
	{ "conversation.resolved", THAT, "user", "\"by\":\"agent\"" },
	END,
	{ "customer.created", NEW, "system", CUSTOMER_FACTS },
	{ "conversation.customer_changed", CONVERSATION, "user", "\"to\":\"$n\"" },
	{ "conversation.customer_changed", CONVERSATION, "user", "\"from\":\"$n\",\"to\":\"$u\"" },
	END,
	{ "customer.created", NEW, "system", CUSTOMER_FACTS },
	{ "customer.merged_into", THAT, "user", "\"into_id\":\"$u\"" },
	{ "customer.merged", CUSTOMER, "user",
	  "\"from_id\":\"$n\",\"moved\":{\"identities\":[{\"kind\":\"email\",\"value\":\"guest$o@mail.example\"}],\"conversation_ids\":[]}" },
	{ "customer.unmerged", THAT, "user", "\"merge_event_id\":\"$e\"" },
	END,
	{ "conversation.created", NEW, "customer", "\"customer_id\":\"$u\",\"initial_channel\":\"email\",\"subject\":\"Cheap pills\"" },
	{ "conversation.deleted", THAT, "user", "\"reason\":\"spam\"" },
	END,
};

/* Once a conversation has been resolved. */
static const struct step resolved[] = {
	{ "conversation.reopened", CONVERSATION, "user", "\"trigger\":\"agent\"" },
	{ "conversation.resolved", CONVERSATION, "user", "\"by\":\"agent\"" },
	END,
	{ "feedback.requested", NEW, "automation", "\"conversation_id\":\"$c\",\"kind\":\"nps\",\"cycle\":1,\"channel\":\"email\"" },
	{ "feedback.expired", THAT, "system", "" },
	END,
	{ "conversation.state_changed", CONVERSATION, "user",
	  "\"previous_state\":\"resolved\",\"new_state\":\"awaiting_agent\",\"cause\":\"explicit\",\"reason\":\"closed by mistake\"" },
	{ "conversation.resolved", CONVERSATION, "user", "\"by\":\"agent\"" },
	END,
	{ "customer.blocked", CUSTOMER, "user", "\"reason\":\"taken for spam\"" },
	{ "customer.unblocked", CUSTOMER, "user", "\"reason\":\"a mistake\"" },
	END,
};

/* While engineers work on an issue. */
static const struct step issue[] = {
	{ "conversation.resolution_linked", CONVERSATION, "user", "\"resolution_id\":\"$r\"" },
	{ "resolution.priority_changed", RESOLUTION, "user", "\"to\":\"P0\"" },
	END,
	{ "swarm.participant_added", SWARM, "user", "\"user_id\":\"$a\",\"slack_id\":\"U$o\",\"role\":\"engineer\"" },
	{ "swarm.synced", SWARM, "system", "\"last_synced_at\":\"$T\",\"imported\":7" },
	{ "swarm.lead_changed", SWARM, "user", "\"lead_id\":\"$a\"" },
	{ "swarm.participant_removed", SWARM, "user", "\"user_id\":\"$a\"" },
	END,
	{ "resolution.sla_paused", RESOLUTION, "user", "\"reason\":\"the provider must answer first\"" },
	{ "resolution.sla_resumed", RESOLUTION, "user", "\"reason\":\"it did\"" },
	END,
	{ "customer_update.scheduled", NEW, "automation", UPDATE_FACTS },
	{ "customer_update.failed", THAT, "system", "\"error_message\":\"the mailbox is full\"" },
	END,
	{ "customer_update.scheduled", NEW, "automation", UPDATE_FACTS },
	{ "customer_update.cancelled", THAT, "user", "" },
	{ "swarm.sync_toggled", SWARM, "user", "\"enabled\":false" },
	{ "swarm.sync_toggled", SWARM, "user", "\"enabled\":true" },
	END,
};

/* Once it is fixed. */
static const struct step fixed[] = {
	{ "swarm.reactivated", SWARM, "user", "" },
	{ "swarm.resolved", SWARM, "user", "" },
	{ "swarm.archived", SWARM, "user", "" },
	END,
	{ "resolution.reopened", RESOLUTION, "user", "\"reason\":\"it happened again at once\"" },
	{ "resolution.status_changed", RESOLUTION, "user", "\"previous_status\":\"investigating\",\"new_status\":\"resolved\"" },
	END,
	{ "resolution.created", NEW, "user",
	  "\"conversation_id\":\"$c\",\"issue_type\":\"technical\",\"owning_team\":\"engineering\",\"is_recurrence\":true,\"parent_resolution_id\":\"$r\"" },
	{ "resolution.recurred", RESOLUTION, "user", "\"child_resolution_id\":\"$n\"" },
	{ "resolution.status_changed", THAT, "user",
	  "\"previous_status\":\"investigating\",\"new_status\":\"duplicate\",\"duplicate_of\":\"$r\"" },
	END,
};

/* What an engine writes by itself, as a log imported from elsewhere would have it. */
static const struct step imported[] = {
	{ "sla.warning", NEW, "system", "\"clock\":\"resolution\",\"cycle\":1,\"threshold\":0.8,\"due_at\":\"$T\"" },
	{ "sla.breached", THAT, "system", "\"clock\":\"resolution\",\"cycle\":1,\"breached_at\":\"$T\",\"due_at\":\"$T\"" },
	{ "sla.breach_retracted", THAT, "system", "\"breach_event_id\":\"$e\",\"cause\":\"waiver\"" },
	END,
};

static const struct {
	const struct step *steps;
	int count;
} errands[OCCASIONS] = {
#define ERRANDS(table) { table, (int)(sizeof(table) / sizeof((table)[0])) }
	[ERRAND_HOUSE] = ERRANDS(house), [ERRAND_DURING] = ERRANDS(during), [ERRAND_RESOLVED] = ERRANDS(resolved),
	[ERRAND_ISSUE] = ERRANDS(issue), [ERRAND_FIXED] = ERRANDS(fixed),   [ERRAND_IMPORTED] = ERRANDS(imported),
};

/* An errand under way. */
struct errand {
	struct generator *g;
	const struct talk *talk;
	struct uuid agent, team, channel, article, that, before; /* before: the event of the last step */
	int64_t at;
	uint32_t number;
};

static void put_uuid(struct line_writer *w, const struct uuid *id)
{
	char text[UUID_TEXT];

	line_put_text(w, uuid_format(id, text));
}

static void put_slot(const struct errand *x, char slot)
{
	struct line_writer *w = &x->g->lines;
	char text[TIME_TEXT];

	switch (slot) {
	case 'a': put_uuid(w, &x->agent); break;
	case 't': put_uuid(w, &x->team); break;
	case 'c': put_uuid(w, &x->talk->id); break;
	case 'u': put_uuid(w, &x->talk->customer_id); break;
	case 'm': put_uuid(w, &x->talk->message_id); break;
	case 'r': put_uuid(w, &x->talk->resolution_id); break;
	case 'k': put_uuid(w, &x->article); break;
	case 'n': put_uuid(w, &x->that); break;
	case 'e': put_uuid(w, &x->before); break;
	case 'T': line_put_text(w, time_format(x->at, text)); break;
	case 'o': line_put_int(w, x->number); break;
	default: break;
	}
}

static void put_payload(const struct errand *x, const char *payload)
{
	struct line_writer *w = &x->g->lines;

	for (const char *slot; (slot = strchr(payload, '$')); payload = slot + 2) {
		buffer_add(&w->out, payload, (size_t)(slot - payload));
		put_slot(x, slot[1]);
	}
	line_put_text(w, payload);
}

static struct uuid subject_of(struct errand *x, enum subject subject)
{
	const struct talk *k = x->talk;

	switch (subject) {
	case NEW: return x->that = talk_fresh_id(x->g);
	case THAT: return x->that;
	case TENANT: return k->tenant->id;
	case AGENT: return x->agent;
	case TEAM: return x->team;
	case CHANNEL: return x->channel;
	case ARTICLE: return x->article;
	case CUSTOMER: return k->customer_id;
	case CONVERSATION: return k->id;
	case MESSAGE: return k->message_id;
	case RESOLUTION: return k->resolution_id;
	case SWARM: break;
	}
	return k->swarm_id;
}

/* The talk, as far as the thing has to do with it: a customer or another conversation stands for itself. */
static struct scene scene_of(const struct errand *x, enum entity entity, const struct uuid *id)
{
	struct scene scene = talk_scene(x->talk), alone = { .tenant_id = scene.tenant_id };

	if (entity == ENTITY_CUSTOMER) {
		alone.customer_id = *id;
		return alone;
	}
	if (entity == ENTITY_CONVERSATION && !uuid_equal(id, &scene.conversation_id))
		scene = (struct scene){ .tenant_id = scene.tenant_id, .conversation_id = *id, .customer_id = scene.customer_id };
	if (entity == ENTITY_RESOLUTION)
		scene.resolution_id = *id;
	return uuid_is_nil(&x->talk->id) ? alone : scene;
}

static void write_step(struct errand *x, const struct step *step)
{
	const struct event_type *type = catalog_find(bytes_text(step->type));
	struct uuid id = subject_of(x, step->subject);
	struct scene scene = scene_of(x, type->entity, &id);
	const struct uuid *actor = step->actor[0] == 'u' ? &x->agent : step->actor[0] == 'c' && !uuid_is_nil(&scene.customer_id) ? &scene.customer_id : NULL;
	struct uuid event_id;

	line_begin(&x->g->lines, step->type, &scene, &id, step->actor, actor, x->at);
	put_payload(x, step->payload);
	event_id = x->g->lines.event_id;
	world_end(x->g, false);
	x->before = event_id;
	x->at += x->g->options.live ? 0 : 1500000;
}

/* Whether all that the errand is about is there. */
static bool fits(const struct talk *k, const struct step *step)
{
	for (; step->type; step++)
		if (step->subject == SWARM && uuid_is_nil(&k->swarm_id))
			return false;
	return true;
}

void story_errand(struct generator *g, struct talk *k, enum occasion occasion)
{
	const struct step *step = errands[occasion].steps, *end = step + errands[occasion].count;
	int n = k->tenant->number, agent = occasion == ERRAND_HOUSE ? 2 : k->agent, team = occasion == ERRAND_HOUSE ? 2 : k->team;
	struct errand x = {
		.g = g, .talk = k, .agent = talk_agent_id(g, k, agent), .team = talk_team_id(g, k, team),
		.channel = world_id(g, ID_CHANNEL, n, CHANNELS - 1), .article = world_id(g, ID_ARTICLE, n, 0),
		.at = world_stamp(g, 5000), .number = 100000 + (uint32_t)random_below(&g->random, 900000),
	};

	step += g->errand_at[occasion];
	if (fits(k, step))
		for (const struct step *s = step; s->type; s++)
			write_step(&x, s);
	while (step->type)
		step++;
	g->errand_at[occasion] = step + 1 < end ? (int)(step + 1 - errands[occasion].steps) : 0;
}
