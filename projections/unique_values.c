/*
 * unique_values - which row a value belongs to that no two rows of a tenant should share.
 *
 * The rows are written by the framework (core/fold/unique.c) for the columns marked unique: users.email,
 * knowledge_base_articles.slug, knowledge_base_categories.slug.  A tenant's slug and domain are not among them: a
 * fold sees one tenant.
 */
#include "fold/unique.h"
#include "projections/registry.h"

static const struct column columns[] = {
	COLUMN(unique_value, read_model, TEXT, .required = true),
	COLUMN(unique_value, column_name, TEXT, .required = true),
	COLUMN(unique_value, holder_id, UUID, .about = "the row that has the value; null: it took another one"),
};

static const struct fold_entry folds[] = {
	{ .kind = EV_UNKNOWN },
};

const struct projection unique_values = {
	.schema = "core", .name = "unique_values", .version = 1,
	.about = "Who holds an e-mail address or a slug. The id is a hash of the tenant, the column and the value.",
	COLUMNS(unique_value, columns), FOLDS(folds), .withheld = true, /* a hash tells whoever guesses right */
};
