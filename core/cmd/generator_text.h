/*
 * generator_text - what the generator's people are called and what they say; nothing but tables.
 *
 * A turn is "C:" (customer), "A:" (agent) or "B:" (the assistant) and a text; `|` parts alternatives, of which one
 * is taken.  Slots: {name} the customer's first name, {agent} the agent's, {company} the tenant, {order} {invoice}
 * {amount} {product} {city} {code} {day} {minutes}.  Texts hold no quote, backslash or control character, so that they stand in
 * JSON as they are.
 */
#ifndef VERBATIM_CMD_GENERATOR_TEXT_H
#define VERBATIM_CMD_GENERATOR_TEXT_H

#include <stdint.h>

enum script_flags {
	SCRIPT_ISSUE = 1,    /* may need a resolution by another team */
	SCRIPT_URGENT = 2,   /* may be escalated */
	SCRIPT_SIMPLE = 4,   /* the assistant may settle it alone */
	SCRIPT_FILE = 8,     /* the customer may attach a picture */
	SCRIPT_RUDE = 16,    /* may end with the customer blocked */
};

struct script {
	const char *language;
	const char *topic;     /* a tag, a resolution code, the conversation's intent */
	const char *intent;    /* of ai.annotated */
	const char *severity;
	const char *sentiment;
	const char *emotion;
	const char *skill;
	const char *issue_type, *owning_team;
	unsigned flags;
	int weight;
	const char *subject;
	const char *turns[8];  /* ended by NULL */
};

struct script_fix { /* how an issue ends */
	const char *cause, *category, *system, *fix;
};

struct tenant_profile {
	const char *name, *slug, *timezone, *locale, *tier;
	const char *products[6];
};

extern const struct script scripts[];
extern const int script_count;
extern const struct script_fix script_fixes[];
extern const int script_fix_count;
extern const struct tenant_profile tenant_profiles[];
extern const int tenant_profile_count;
extern const char *const first_names[], *const last_names[], *const cities[], *const notes[], *const comments_good[],
	*const comments_bad[], *const thanks[], *const days[];
extern const int first_name_count, last_name_count, city_count, note_count, comment_good_count, comment_bad_count,
	thank_count, day_count;

#endif
