/*
 * registry - the groups of read models that go forward together, and the order of their folds.
 *
 * Within a group an earlier fold derives what later ones need from the same event:
 *
 *     customers         who is blocked or merged           -> messages, conversations
 *     messages          which row a message became         -> conversations (counts, turns)
 *     ai_annotations    which one a person put right       -> conversations
 *     internal_notes    where there is one more or less    -> conversations
 *     conversations     states, assignments, agents' load  -> transitions, assignments, users
 *     slas              the version an event wrote         -> sla_policy_versions, sla_policy_choices, sla_reapplications
 *     resolutions       status, and what was refused       -> resolution_updates, swarms
 *     customer_updates  what the customer was told         -> resolution_updates
 *     tenants           settings                           -> knowledge_base_articles
 *     sla_clocks        what changed in which clock        -> sla_clock_history, conversation_facts, sla_outcomes
 *     conversation_facts    what it is counted by          -> sla_outcomes; both add to rollup_15m, rollup_day
 *
 * The clocks come after all that starts, stops and pauses them; they fill the SLA columns of conversations and
 * resolutions.
 *
 * Adding a read model is its file and one line here.
 */
#include "projections/registry.h"

/* Those that most events touch stand first: a read model is found by its place. */
static const struct projection *const core_projections[] = {
	&customers, &messages, &ai_annotations, &internal_notes, &conversations, &conversation_transitions, &assignments,
	&rollup_15m, &rollup_day,
	&users, &tenants, &teams, &channels, &slas, &sla_policy_versions, &automation_rules, &attachments, &resolutions,
	&customer_updates, &sla_policy_choices, &sla_reapplications, &sla_clocks, &sla_clock_history, &conversation_facts, &sla_outcomes,
	&resolution_updates, &swarms, &knowledge_base_categories, &knowledge_base_articles, &unique_values, &anomalies,
};

static const struct group core_group = {
	.name = "core",
	.projections = core_projections,
	.count = (int)(sizeof(core_projections) / sizeof(core_projections[0])),
};

const struct group *const groups[] = { &core_group };
const int group_count = 1;
