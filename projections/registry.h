/*
 * registry - the read models of this binary, by name; their order stands in registry.c.
 */
#ifndef VERBATIM_PROJECTIONS_REGISTRY_H
#define VERBATIM_PROJECTIONS_REGISTRY_H

#include "fold/projection.h"

extern const struct projection tenants, users, teams, channels, customers, messages, conversations,
	conversation_transitions, assignments, anomalies, attachments, ai_annotations, internal_notes, resolutions,
	customer_updates, resolution_updates, swarms, slas, sla_policy_versions, sla_policy_choices, sla_clocks,
	sla_clock_history, automation_rules, knowledge_base_categories, knowledge_base_articles, unique_values,
	sla_reapplications, conversation_facts, sla_outcomes, rollup_15m, rollup_day;

#endif
