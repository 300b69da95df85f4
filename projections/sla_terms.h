/*
 * sla_terms - which promise holds for a clock: the policy versions as the rules read them, and the choice among them.
 */
#ifndef VERBATIM_PROJECTIONS_SLA_TERMS_H
#define VERBATIM_PROJECTIONS_SLA_TERMS_H

#include "projections/sla_clocks.h"

/* A policy version as the rules read it, made once and kept (memo_find). */
struct promise {
	struct uuid version_id, policy_id;
	int64_t policy_version;
	struct sla_policy policy;
};

enum { PROMISES_MAX = 3 }; /* the team's, the tier's, the default one */

/* Those that hold now for a team and tier, NULL where there is none: newest versions of active policies. */
struct promises {
	const struct promise *of[PROMISES_MAX];
};

struct promises promises_now(struct fold *f, const struct uuid *team_id, int16_t tier);

/* What they say for a clock; false when nothing is promised.  `*by` is the one that says it. */
bool promises_find(const struct promises *now, enum sla_kind kind, int severity, struct bytes channel,
		   struct sla_terms *terms, const struct promise **by);

/* The terms a clock goes by: of the policy version that its row names, and as they were when it was targeted. */
bool terms_of_clock(struct fold *f, const struct clock *row, struct sla_terms *terms);

/* The version a clock goes by asked anew, for another severity. */
bool terms_anew(struct fold *f, const struct clock *row, int severity, struct bytes channel, struct sla_terms *terms,
		const struct promise **by);

/* Whether all of a version can be read, when it is written: an anomaly `bad_policy` when not; 0. */
struct policy_version;
int promise_check(struct fold *f, const struct policy_version *v);

/* The rows that these need, for `foresee`; a tier of -1: not known yet. */
void wish_promises(struct wish *w, const struct uuid *tenant_id, const struct uuid *team_id, int16_t tier);
void wish_promise(struct wish *w, const struct uuid *version_id, const struct uuid *tenant_id);

#endif
