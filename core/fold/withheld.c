/* withheld - which columns analysts do not read.  See projection.h. */
#include <string.h>

#include "event/catalog.h"
#include "fold/projection.h"

/* A text longer than this is prose: somebody's words, whatever the field is called. */
enum { PROSE = 255 };

struct finding {
	bool known;   /* some event has a field of the column's name */
	bool private;
};

static void judge_field(struct finding *v, const struct field *f)
{
	bool text = f->type == FIELD_STRING || f->type == FIELD_STRINGS;

	v->known = true;
	if (f->pii || f->type == FIELD_JSON || f->type == FIELD_OBJECT || f->type == FIELD_OBJECTS ||
	    (text && !f->values && (f->max == 0 || f->max > PROSE)))
		v->private = true;
}

/* The fields of the events that the read model folds, and what their `changes` may set. */
static struct finding judge(const struct projection *p, const char *column)
{
	struct finding v = { 0 };

	for (const struct fold_entry *entry = p->folds; entry && entry->kind != EV_UNKNOWN; entry++) {
		const struct shape *shape = &catalog_get(entry->kind)->shape;

		for (const struct field *f = shape->fields; f->name; f++) {
			const struct field *changed = f->type == FIELD_CHANGES ? catalog_column(f, bytes_text(column)) : NULL;

			if (strcmp(f->name, column) == 0)
				judge_field(&v, f);
			if (changed)
				judge_field(&v, changed);
		}
	}
	return v;
}

static bool is_free(enum column_kind kind)
{
	return kind == COLUMN_TEXT || kind == COLUMN_TEXTS || kind == COLUMN_JSON || kind == COLUMN_INET;
}

bool column_is_withheld(const struct projection *p, const struct column *c)
{
	struct finding v;

	if (p->withheld || c->withheld || c->hidden)
		return true;
	if (c->open)
		return false;
	v = judge(p, c->name);
	return is_free(c->kind) ? !v.known || v.private : v.known && v.private;
}
