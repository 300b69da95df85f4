/*
 * sla_policy_choices - which policy versions new clocks go by: one row a tenant, under the tenant's id.
 *
 * Folds find rows by id alone, so "the policy of this tier" is a row.  Of several active policies of a tier (or several
 * default ones) the one holds that was written or switched on last; when it is switched off, the one before holds
 * again.  `policies` has all active ones in that order.
 */
#include "projections/registry.h"
#include "projections/slas.h"

enum { POLICIES_MAX = 500 };

struct uuid policy_choice_of(const struct policy_choice *choice, int16_t tier)
{
	const struct uuid *of[] = {
		&choice->free_version_id, &choice->standard_version_id, &choice->premium_version_id, &choice->enterprise_version_id,
	};
	struct uuid none = { { 0 } };

	return tier < 0 ? none : *of[tier];
}

/* An entry of `policies`. */
static struct bytes entry_of(struct fold *f, const struct sla *s)
{
	char id[UUID_TEXT], version[UUID_TEXT];

	return fold_format(f, "{\"default\":%s,\"policy_id\":\"%s\",\"tier\":\"%s\",\"version_id\":\"%s\"}",
			   s->is_default == 1 ? "true" : "false", uuid_format(&s->row.id, id), values_sla_tier[s->tier],
			   uuid_format(&s->version_id, version));
}

static bool is_of(struct bytes entry, const struct uuid *policy_id)
{
	struct bytes raw = json_member(entry, "policy_id");
	struct uuid id;

	return raw.len == 38 && uuid_parse(raw.data + 1, 36, &id) && uuid_equal(&id, policy_id);
}

/* The later entry wins. */
static void choose(struct policy_choice *choice)
{
	struct uuid *of[] = {
		&choice->free_version_id, &choice->standard_version_id, &choice->premium_version_id, &choice->enterprise_version_id,
	};
	struct bytes key, entry;
	size_t at = 0;

	for (int tier = 0; values_sla_tier[tier]; tier++)
		memset(of[tier], 0, sizeof(*of[tier]));
	memset(&choice->default_version_id, 0, sizeof(choice->default_version_id));
	while (json_next(choice->policies, &at, &key, &entry)) {
		struct bytes version = json_member(entry, "version_id"), name = json_member(entry, "tier");
		struct uuid id;

		if (version.len != 38 || name.len < 2 || !uuid_parse(version.data + 1, 36, &id))
			continue;
		for (int tier = 0; values_sla_tier[tier]; tier++)
			if (bytes_is(bytes_of(name.data + 1, name.len - 2), values_sla_tier[tier]))
				*of[tier] = id;
		if (bytes_is(json_member(entry, "default"), "true"))
			choice->default_version_id = id;
	}
}

/* What a policy changes takes its entry out, and puts it last when the policy holds. */
static int on_policy(struct fold *f, const struct event *e)
{
	const struct sla *s = fold_find(f, &slas, &e->entity_id);
	struct policy_choice *choice = s ? fold_self(f, &e->tenant_id) : NULL;
	struct bytes left = BYTES("[]"), key, entry;
	int count = 0;
	size_t at = 0;

	if (!s || s->row.last_position != e->position)
		return 0; /* the policies' fold did not take it, and says so */
	if (choice)
		fold_change(f, choice);
	else
		choice = fold_create(f, &e->tenant_id);
	while (json_next(choice->policies, &at, &key, &entry))
		count++;
	at = 0;
	while (json_next(choice->policies, &at, &key, &entry))
		if (!is_of(entry, &e->entity_id) && count-- <= POLICIES_MAX)
			left = fold_list_add(f, left, entry);
	choice->policies = s->is_active == 1 ? fold_list_add(f, left, entry_of(f, s)) : left;
	choose(choice);
	return 0;
}

static void foresee(struct wish *w, const struct event *e)
{
	wish_row(w, &sla_policy_choices, &e->tenant_id);
}

static const struct column columns[] = {
	COLUMN(policy_choice, free_version_id, UUID, .about = "a row of sla_policy_versions; null: no policy of this tier is active"),
	COLUMN(policy_choice, standard_version_id, UUID),
	COLUMN(policy_choice, premium_version_id, UUID),
	COLUMN(policy_choice, enterprise_version_id, UUID),
	COLUMN(policy_choice, default_version_id, UUID, .about = "holds where the tier's policy promises nothing"),
	COLUMN(policy_choice, policies, JSON, .hidden = true, .required = true, .fallback = "[]"),
};

static const struct fold_entry folds[] = {
	ON(SLA_POLICY_CREATED, CALL, .then = on_policy),
	ON(SLA_POLICY_UPDATED, CALL, .then = on_policy),
	ON(SLA_POLICY_ACTIVATED, CALL, .then = on_policy),
	ON(SLA_POLICY_DEACTIVATED, CALL, .then = on_policy),
	{ .kind = EV_UNKNOWN },
};

const struct projection sla_policy_choices = {
	.schema = "core", .name = "sla_policy_choices", .version = 1,
	.about = "Which policy versions new SLA clocks go by, by tier; one row a tenant.",
	COLUMNS(policy_choice, columns), FOLDS(folds), .foresee = foresee,
	NEEDS(&slas),
};
