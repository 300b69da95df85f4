/* knowledge_base_categories - the tree that articles stand in.  Moving names the whole new place: no parent is the top. */
#include "fold/state.h"
#include "projections/registry.h"

struct category {
	struct row row;
	struct bytes name, slug;
	struct uuid parent_id;
	int64_t sort_order, created_at, deleted_at;
};

static int on_moved(struct fold *f, const struct event *e)
{
	struct category *c = f->row;

	c->parent_id = field_uuid(&f->fields, "parent_id");
	return 0;
}

static int on_deleted(struct fold *f, const struct event *e)
{
	struct category *c = f->row;

	c->deleted_at = time_earlier(c->deleted_at, e->occurred_at);
	return 0;
}

static const struct column columns[] = {
	COLUMN(category, name, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(category, slug, TEXT, .sql = "varchar(100)", .required = true, .unique = true),
	COLUMN(category, parent_id, UUID),
	COLUMN(category, sort_order, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(category, created_at, TIME, .required = true),
	COLUMN(category, deleted_at, TIME, .about = "its articles stay"),
};

static const struct fold_entry folds[] = {
	ON(KB_CATEGORY_CREATED, CREATE),
	ON(KB_CATEGORY_UPDATED, REWRITE),
	ON(KB_CATEGORY_MOVED, COPY, .then = on_moved),
	ON(KB_CATEGORY_DELETED, COPY, .then = on_deleted),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, parent_id, sort_order)", "(tenant_id, slug)", NULL };

const struct projection knowledge_base_categories = {
	.schema = "core", .name = "knowledge_base_categories", .version = 1,
	.about = "The tree that the articles of the knowledge base stand in.",
	.entity = ENTITY_KB_CATEGORY, COLUMNS(category, columns), FOLDS(folds), .indexes = indexes,
};
