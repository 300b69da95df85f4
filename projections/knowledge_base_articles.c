/*
 * knowledge_base_articles - what the tenant knows, on its way from draft to publication, and how it is used.
 *
 * The vector of an article is of the text whose content_hash it was made of; when the text has another hash,
 * embedding_stale says so.  ai_suggestion_count counts what models offered, not what agents did.
 */
#include "fold/state.h"
#include "projections/registry.h"
#include "projections/tenants.h"

struct article {
	struct row row;
	struct bytes title, slug, content, content_html, summary;
	struct uuid category_id;
	struct bytes tags, intent_keywords;
	int8_t exclude_from_ai;
	int16_t visibility;
	int64_t view_count, helpful_count, not_helpful_count, ai_suggestion_count, ai_success_count;
	int16_t status;
	struct uuid author_id, last_updated_by_id;
	int64_t published_at, created_at, updated_at;

	int16_t kind;
	struct bytes question, answer, keywords, access_roles, content_hash;
	int8_t is_active;
	struct uuid approved_by_id;
	struct bytes rejection_reason;
	struct bytes embedding_model, embedding_ref, embedding_hash;
	int64_t embedding_dim;
	int8_t embedding_stale;
};

static int on_created(struct fold *f, const struct event *e)
{
	struct article *a = f->row;

	a->author_id = a->last_updated_by_id = fold_author(e);
	return 0;
}

static void compare_hashes(struct article *a)
{
	a->embedding_stale = a->embedding_hash.data && !bytes_equal(a->embedding_hash, a->content_hash);
}

static int on_edited(struct fold *f, const struct event *e)
{
	struct article *a = f->row;

	a->last_updated_by_id = fold_author(e);
	compare_hashes(a);
	return 0;
}

static int on_embedded(struct fold *f, const struct event *e)
{
	struct article *a = fold_self(f, &e->entity_id);

	if (!a)
		return fold_anomaly(f, "unknown_kb_article", "no such kb_article");
	fold_change(f, a);
	a->embedding_model = fold_keep(f, field_text(&f->fields, "model"));
	a->embedding_ref = fold_keep(f, field_text(&f->fields, "vector_ref"));
	a->embedding_hash = fold_keep(f, field_text(&f->fields, "content_hash"));
	a->embedding_dim = field_int(&f->fields, "dim", INT_NONE);
	if (!a->content_hash.data)
		a->content_hash = a->embedding_hash; /* nothing was edited yet: it is the hash of what was created */
	compare_hashes(a);
	return 0;
}

/* ---- the way to publication ---- */

static int on_moved(struct fold *f, const struct event *e)
{
	struct article *a = f->row;

	a->is_active = a->status == KB_ARTICLE_PUBLISHED;
	if (e->type->kind == EV_KB_APPROVED)
		a->approved_by_id = field_uuid(&f->fields, "by");
	if (e->type->kind == EV_KB_REJECTED)
		a->rejection_reason = fold_keep(f, field_text(&f->fields, "reason"));
	return 0;
}

static int on_published(struct fold *f, const struct event *e)
{
	struct article *a = fold_self(f, &e->entity_id);
	enum verdict verdict;

	if (!a)
		return fold_anomaly(f, "unknown_kb_article", "no such kb_article");
	verdict = fold_step(f, &kb_article_machine, &a->status, KB_ARTICLE_INPUT_PUBLISHED);
	if (verdict == VERDICT_RULE && bytes_is(tenant_setting(f, "kb_require_review"), "true"))
		return fold_anomaly(f, "transition", "the tenant publishes nothing that was not approved");
	if (verdict != VERDICT_RULE && verdict != VERDICT_MOVE)
		return 0;
	fold_change(f, a);
	a->status = KB_ARTICLE_PUBLISHED;
	a->is_active = true;
	a->published_at = e->occurred_at;
	return 0;
}

/* ---- its use ---- */

static int on_used(struct fold *f, const struct event *e)
{
	struct article *a = f->row;

	switch (e->type->kind) {
	case EV_KB_VIEWED:
		a->view_count++;
		break;
	case EV_KB_RATED:
		if (field_bool(&f->fields, "helpful", false))
			a->helpful_count++;
		else
			a->not_helpful_count++;
		break;
	case EV_KB_SUGGESTED:
		a->ai_suggestion_count += !bytes_is(field_text(&f->fields, "source"), "user");
		break;
	default:
		a->ai_success_count++;
	}
	return 0;
}

static const char *const visibilities[] = { "internal", "customer", "both", NULL };
static const char *const kinds[] = { "article", "faq", NULL };

static const struct column columns[] = {
	COLUMN(article, title, TEXT, .sql = "varchar(255)", .required = true),
	COLUMN(article, slug, TEXT, .sql = "varchar(255)", .required = true, .unique = true),
	COLUMN(article, content, TEXT, .required = true),
	COLUMN(article, content_html, TEXT),
	COLUMN(article, summary, TEXT),
	COLUMN(article, category_id, UUID),
	COLUMN(article, tags, TEXTS, .fallback = "[]"),
	COLUMN(article, intent_keywords, TEXTS, .fallback = "[]"),
	COLUMN(article, exclude_from_ai, BOOL, .fallback = "false"),
	COLUMN(article, visibility, ENUM, .sql = "varchar(20)", .values = visibilities, .fallback = "internal"),
	COLUMN(article, view_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(article, helpful_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(article, not_helpful_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(article, ai_suggestion_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(article, ai_success_count, INT4, .sql = "integer", .fallback = "0"),
	COLUMN(article, status, ENUM, .sql = "varchar(20)", .required = true, .values = kb_article_statuses,
	       .machine = &kb_article_machine, .fallback = "draft"),
	COLUMN(article, author_id, UUID),
	COLUMN(article, last_updated_by_id, UUID),
	COLUMN(article, published_at, TIME, .about = "the latest publication"),
	COLUMN(article, created_at, TIME, .required = true),
	COLUMN(article, updated_at, TIME, .required = true),

	COLUMN(article, kind, ENUM, .sql = "varchar(20)", .required = true, .values = kinds, .fallback = "article"),
	COLUMN(article, question, TEXT),
	COLUMN(article, answer, TEXT),
	COLUMN(article, keywords, TEXTS, .fallback = "[]"),
	COLUMN(article, access_roles, TEXTS, .fallback = "[]"),
	COLUMN(article, content_hash, TEXT, .sql = "varchar(128)", .about = "of the newest text; null: not known yet"),
	COLUMN(article, is_active, BOOL, .required = true, .fallback = "false", .about = "published"),
	COLUMN(article, approved_by_id, UUID),
	COLUMN(article, rejection_reason, TEXT, .about = "the latest"),
	COLUMN(article, embedding_model, TEXT, .sql = "varchar(100)"),
	COLUMN(article, embedding_ref, TEXT, .sql = "varchar(255)", .about = "where the vector is kept"),
	COLUMN(article, embedding_hash, TEXT, .sql = "varchar(128)", .about = "of the text the vector was made of"),
	COLUMN(article, embedding_dim, INT4, .sql = "integer"),
	COLUMN(article, embedding_stale, BOOL, .required = true, .fallback = "false", .about = "the text has changed since"),
};

static const struct fold_entry folds[] = {
	ON(KB_CREATED, CREATE, .then = on_created),
	ON(KB_EDITED, CHANGES, .then = on_edited),
	ON(KB_SUBMITTED, COPY, .then = on_moved),
	ON(KB_APPROVED, COPY, .then = on_moved),
	ON(KB_REJECTED, COPY, .then = on_moved),
	ON(KB_PUBLISHED, CALL, .then = on_published, .refs = ENTITY_TENANT),
	ON(KB_UNPUBLISHED, COPY, .then = on_moved),
	ON(KB_ARCHIVED, COPY, .then = on_moved),
	ON(KB_RESTORED, COPY, .then = on_moved),
	ON(KB_EMBEDDED, CALL, .then = on_embedded),
	ON(KB_VIEWED, COPY, .then = on_used),
	ON(KB_RATED, COPY, .then = on_used),
	ON(KB_SUGGESTED, COPY, .then = on_used),
	ON(KB_SUGGESTION_SUCCEEDED, COPY, .then = on_used),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, category_id)", "(tenant_id, status)", "(tenant_id, visibility)", "(tenant_id, slug)", "USING gin (tags)",
	"USING gin (intent_keywords)", "USING gin (to_tsvector('english', title || ' ' || content))", NULL,
};

const struct projection knowledge_base_articles = {
	.schema = "core", .name = "knowledge_base_articles", .version = 1,
	.about = "What the tenant knows, for agents, models and customers.",
	.entity = ENTITY_KB_ARTICLE, COLUMNS(article, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 80,
	NEEDS(&tenants),
};
