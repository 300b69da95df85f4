/*
 * registry - the groups of read models that go forward together, and the order of their folds.
 *
 * Within a group an earlier fold derives what later ones need from the same event:
 *
 *     customers      who is blocked or merged           -> messages, conversations
 *     messages       which row a message became         -> conversations (counts, turns)
 *     conversations  states, assignments, agents' load  -> transitions, assignments, users
 *
 * Adding a read model is its file and one line here.
 */
#include "projections/registry.h"

static const struct projection *const core_projections[] = {
	&tenants, &teams, &channels, &customers, &messages, &conversations, &conversation_transitions, &assignments,
	&users, &anomalies,
};

static const struct group core_group = {
	.name = "core",
	.projections = core_projections,
	.count = (int)(sizeof(core_projections) / sizeof(core_projections[0])),
};

const struct group *const groups[] = { &core_group };
const int group_count = 1;
