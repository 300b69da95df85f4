/*
 * catalog_gen - events made from the catalog's own tables, for tests: the smallest and the largest that are
 * valid, each field at its limit, and each one step beyond.
 *
 *     struct gen g;
 *     gen_init(&g, seed);
 *     gen_event(&g, type, &type->shape, &(struct gen_plan){ .size = GEN_HIGHEST }, GEN_MSGPACK, &out);
 *
 *     struct gen_case cases[GEN_CASES_MAX];
 *     int n = gen_cases(&type->shape, cases);
 *     for (i = 0; i < n; i++)
 *             gen_event(&g, type, &type->shape, &(struct gen_plan){ .broken = &cases[i] }, GEN_JSON, &out);
 *
 * One `struct gen` is one small world: its ids are drawn once from the seed, so that every reference to a
 * conversation, a user, a team names the same one, and a field that would name its own entity (merged into,
 * parent) names another.  The same seed gives the same event in both forms.
 */
#ifndef VERBATIM_TEST_CATALOG_GEN_H
#define VERBATIM_TEST_CATALOG_GEN_H

#include "base/random.h"
#include "event/catalog.h"
#include "event/event.h"
#include "event/form.h"
#include "test/gen_sink.h"

/* ---- what to make --------------------------------------------------------------------------- */

enum gen_size {
	GEN_MINIMAL, /* only what is required, short */
	GEN_LOWEST,  /* every field, at its lower limit: least numbers, shortest texts, empty lists */
	GEN_HIGHEST, /* every field, at its upper limit */
};

enum gen_break {
	GEN_NOTHING, /* the field is there, at its upper limit: valid */
	GEN_MISSING,
	GEN_TOO_LONG,
	GEN_TOO_SHORT,
	GEN_NOT_LISTED,
	GEN_BELOW,
	GEN_ABOVE,
	GEN_FINER,
	GEN_WRONG_TYPE,
	GEN_TOO_MANY,
	GEN_UNKNOWN, /* a name that the object (the payload when `field` is NULL) does not have */
};

gen_unused static const char *const gen_break_names[] = {
	"at its limit", "missing",	"too long",   "too short",	"not listed",	"below",
	"above",	"too fine",	"wrong type", "one too many",	"with an unknown member",
};

struct gen_case {
	enum gen_break what;
	const struct field *field; /* NULL: the payload itself */
	char path[96];		   /* of the field that the error must name: "payload.profile.name" */
};

struct gen_plan {
	enum gen_size size;
	const struct gen_case *broken; /* or NULL; is added to what `size` asks for */
	bool bare;		       /* conversation_id, customer_id, resolution_id in the envelope alone, not in the payload */
	int64_t cap;		       /* of characters and bytes of one value with GEN_HIGHEST; 0: the field's own limit */
};

enum { GEN_CASES_MAX = 400 };

struct gen {
	struct random random;
	struct uuid tenant_id;
	struct uuid ids[ENTITY_COUNT];
	struct uuid others[ENTITY_COUNT];
	int64_t occurred_at;
};

gen_unused static struct uuid gen_new_id(struct gen *g)
{
	uint8_t noise[16];
	struct uuid u;

	random_fill(&g->random, noise, sizeof(noise));
	uuid_v4(&u, noise);
	return u;
}

gen_unused static void gen_init(struct gen *g, uint64_t seed)
{
	memset(g, 0, sizeof(*g));
	random_seed(&g->random, seed);
	g->tenant_id = gen_new_id(g);
	for (int i = 0; i < ENTITY_COUNT; i++) {
		g->ids[i] = gen_new_id(g);
		g->others[i] = gen_new_id(g);
	}
	g->ids[ENTITY_TENANT] = g->tenant_id;
	g->occurred_at = INT64_C(1714979289123456); /* 2024-05-06T07:08:09.123456Z */
}

/* ---- values --------------------------------------------------------------------------------- */

struct gen_work {
	struct gen *g;
	struct gen_sink *sink;
	const struct gen_plan *plan;
	enum entity self;
};

gen_unused static bool gen_breaks(const struct gen_work *w, const struct field *f, enum gen_break what)
{
	return w->plan->broken && w->plan->broken->field == f && w->plan->broken->what == what;
}

/* The field is the one the plan is about, or holds it. */
gen_unused static bool gen_holds(const struct gen_work *w, const struct field *f)
{
	if (!w->plan->broken || !w->plan->broken->field)
		return false;
	if (w->plan->broken->field == f)
		return true;
	for (size_t i = 0; f->type == FIELD_CHANGES && f->values && f->values[i]; i++)
		if (gen_holds(w, catalog_column(f, bytes_text(f->values[i]))))
			return true;
	for (const struct field *sub = f->type == FIELD_CHANGES ? NULL : f->fields; sub && sub->name; sub++)
		if (gen_holds(w, sub))
			return true;
	return false;
}

gen_unused static enum gen_size gen_size_of(const struct gen_work *w, const struct field *f)
{
	return gen_breaks(w, f, GEN_NOTHING) ? GEN_HIGHEST : w->plan->size;
}

gen_unused static bool gen_has(const struct gen_work *w, const struct field *fields, const struct field *f)
{
	const struct field *first = fields;

	if (gen_breaks(w, f, GEN_MISSING) || (w->plan->bare && f->context))
		return false;
	if (f->any_of) { /* the first of these stands for all, unless all are to be missing */
		while (!first->any_of)
			first++;
		if (gen_breaks(w, first, GEN_MISSING))
			return false;
		if (f == first)
			return true;
	}
	return f->required || w->plan->size != GEN_MINIMAL || gen_holds(w, f);
}

gen_unused static int64_t gen_length(const struct gen_work *w, const struct field *f)
{
	int64_t cap = w->plan->cap;

	if (gen_breaks(w, f, GEN_TOO_LONG))
		return f->max + 1;
	if (gen_breaks(w, f, GEN_TOO_SHORT))
		return f->min - 1;
	switch (gen_size_of(w, f)) {
	case GEN_HIGHEST:
		return cap > 0 && cap < f->max ? (cap > f->min ? cap : f->min) : f->max;
	case GEN_LOWEST:
		return f->min;
	case GEN_MINIMAL:
		break;
	}
	return f->min > 0 ? f->min : f->type == FIELD_JSON ? 0 : 1;
}

gen_unused static int64_t gen_number(const struct gen_work *w, const struct field *f)
{
	if (gen_breaks(w, f, GEN_BELOW))
		return f->min - 1;
	if (gen_breaks(w, f, GEN_ABOVE))
		return f->max + 1;
	return gen_size_of(w, f) == GEN_HIGHEST ? f->max : f->min;
}

gen_unused static void gen_word(const struct gen_work *w, const struct field *f)
{
	const char *const *word = f->values;

	if (gen_breaks(w, f, GEN_NOT_LISTED)) {
		gen_text(w->sink, BYTES("no_such_word"));
		return;
	}
	while (gen_size_of(w, f) == GEN_HIGHEST && word[1])
		word++;
	gen_text(w->sink, bytes_text(*word));
}

/* What fits the form: as little as it takes, or all there is of it; `nth` makes each of several another. */
gen_unused static void gen_form(struct gen_sink *s, const struct form *form, bool full, int nth)
{
	int count = 0;

	switch (form->kind) {
	case FORM_OBJECT:
		for (const struct form_member *m = form->members; m->name; m++)
			count += full || m->required || count < form->min;
		gen_open(s, true, count);
		for (int i = 0; i < count; i++) {
			gen_key(s, form->members[i].name);
			gen_form(s, form->members[i].form, full, i);
		}
		gen_close(s);
		break;
	case FORM_MAP:
		gen_open(s, true, full ? 1 : 0);
		if (full) {
			gen_key(s, "email");
			gen_form(s, form->of, full, 0);
		}
		gen_close(s);
		break;
	case FORM_LIST:
		count = full ? (int)form->max : (int)form->min;
		gen_open(s, false, count);
		for (int i = 0; i < count; i++)
			gen_form(s, form->of, full, i);
		gen_close(s);
		break;
	case FORM_EITHER:
		for (; full && form->any[count + 1]; count++)
			;
		gen_form(s, form->any[count], full, nth);
		break;
	case FORM_CLOCK:
		gen_text(s, nth ? full ? BYTES("24:00") : BYTES("17:00") : BYTES("09:00:59"));
		break;
	case FORM_DATE:
		gen_text(s, full ? BYTES("2024-02-29") : BYTES("2025-12-24"));
		break;
	case FORM_NUMBER:
		gen_decimal(s, full ? form->max : form->min, form->scale);
		break;
	case FORM_BOOL:
		gen_bool(s, full);
		break;
	}
}

gen_unused static void gen_object(const struct gen_work *w, const struct field *fields, const struct field *owner);
gen_unused static void gen_field(const struct gen_work *w, const struct field *f);

gen_unused static void gen_reference(const struct gen_work *w, const struct field *f)
{
	enum entity e = f->ref;

	gen_uuid(w->sink, e == w->self && !f->context ? &w->g->others[e] : &w->g->ids[e]);
}

gen_unused static void gen_list(const struct gen_work *w, const struct field *f)
{
	int most = f->count > 0 ? f->count : CATALOG_COUNT_DEFAULT, count = 0;
	bool within = gen_holds(w, f);

	if (gen_breaks(w, f, GEN_TOO_MANY))
		count = most + 1;
	else if (gen_breaks(w, f, GEN_NOTHING) || (gen_size_of(w, f) == GEN_HIGHEST && !within))
		count = w->plan->cap > 0 && most > 20 ? 20 : most;
	else if (within || w->plan->size == GEN_MINIMAL)
		count = 1;
	gen_open(w->sink, false, count);
	for (int i = 0; i < count; i++) {
		struct uuid u;

		switch (f->type) {
		case FIELD_STRINGS:
			if (f->values)
				gen_word(w, f);
			else
				gen_characters(w->sink, gen_length(w, f));
			break;
		case FIELD_UUIDS:
			u = gen_new_id(w->g);
			gen_uuid(w->sink, i == 0 && f->ref ? &w->g->others[f->ref] : &u);
			break;
		default:
			gen_object(w, f->fields, f);
		}
	}
	gen_close(w->sink);
}

gen_unused static void gen_change(const struct gen_work *w, const struct field *changes, const char *name)
{
	const struct field *column = catalog_column(changes, bytes_text(name));

	gen_key(w->sink, name);
	gen_open(w->sink, true, 1);
	gen_key(w->sink, "to");
	if (column)
		gen_field(w, column);
	else
		gen_characters(w->sink, 1);
	gen_close(w->sink);
}

gen_unused static void gen_changes(const struct gen_work *w, const struct field *f)
{
	bool all = gen_size_of(w, f) == GEN_HIGHEST;
	int count = 1, from = 0;

	for (; all && f->values && f->values[count]; count++)
		;
	if (gen_size_of(w, f) == GEN_LOWEST)
		count = 0;
	for (int i = 0; f->values && f->values[i]; i++)
		if (gen_holds(w, catalog_column(f, bytes_text(f->values[i])))) {
			from = i;
			count = 1;
		}
	if (gen_breaks(w, f, GEN_TOO_LONG)) { /* {"k":{"to":{"k":"x..."}}} one byte over */
		gen_open(w->sink, true, 1);
		gen_key(w->sink, "k");
		gen_open(w->sink, true, 1);
		gen_key(w->sink, "to");
		gen_json(w->sink, f->max + 1 - 13);
		gen_close(w->sink);
		gen_close(w->sink);
		return;
	}
	gen_open(w->sink, true, count);
	for (int i = 0; i < count; i++)
		gen_change(w, f, gen_breaks(w, f, GEN_NOT_LISTED) ? "no_such_column" : f->values ? f->values[from + i] : "k");
	gen_close(w->sink);
}

gen_unused static void gen_field(const struct gen_work *w, const struct field *f)
{
	struct gen_sink *s = w->sink;

	if (gen_breaks(w, f, GEN_WRONG_TYPE)) {
		if (f->type == FIELD_STRING || f->type == FIELD_ENUM || f->type == FIELD_UUID || f->type == FIELD_TIME)
			gen_int(s, 7);
		else
			gen_text(s, BYTES("seven"));
		return;
	}
	switch (f->type) {
	case FIELD_STRING:
		if (f->form && !gen_breaks(w, f, GEN_TOO_LONG) && !gen_breaks(w, f, GEN_TOO_SHORT))
			gen_form(s, f->form, gen_size_of(w, f) == GEN_HIGHEST, 0);
		else
			gen_characters(s, gen_length(w, f));
		break;
	case FIELD_ENUM:
		gen_word(w, f);
		break;
	case FIELD_UUID:
		gen_reference(w, f);
		break;
	case FIELD_INT:
		gen_int(s, gen_number(w, f));
		break;
	case FIELD_DECIMAL:
		if (gen_breaks(w, f, GEN_FINER))
			gen_decimal(s, f->min < 0 ? 5 : f->min * 10 + 5, f->scale + 1);
		else
			gen_decimal(s, gen_number(w, f), f->scale);
		break;
	case FIELD_BOOL:
		gen_bool(s, gen_size_of(w, f) == GEN_HIGHEST);
		break;
	case FIELD_TIME:
		gen_time(s, w->g->occurred_at);
		break;
	case FIELD_JSON:
		if (f->form)
			gen_form(s, f->form, gen_size_of(w, f) == GEN_HIGHEST, 0);
		else
			gen_json(s, gen_length(w, f));
		break;
	case FIELD_STRINGS:
	case FIELD_UUIDS:
	case FIELD_OBJECTS:
		gen_list(w, f);
		break;
	case FIELD_OBJECT:
		gen_object(w, f->fields, f);
		break;
	case FIELD_CHANGES:
		gen_changes(w, f);
		break;
	}
}

/* `owner` is the field whose object this is, NULL for the payload. */
gen_unused static void gen_object(const struct gen_work *w, const struct field *fields, const struct field *owner)
{
	bool unknown = w->plan->broken && w->plan->broken->what == GEN_UNKNOWN && w->plan->broken->field == owner;
	int count = unknown ? 1 : 0;

	for (const struct field *f = fields; f->name; f++)
		count += gen_has(w, fields, f);
	gen_open(w->sink, true, count);
	for (const struct field *f = fields; f->name; f++) {
		if (!gen_has(w, fields, f))
			continue;
		gen_key(w->sink, f->name);
		gen_field(w, f);
	}
	if (unknown) {
		gen_key(w->sink, "no_such_field");
		gen_int(w->sink, 1);
	}
	gen_close(w->sink);
}

/* Whether the envelope says `name`: always where it must, else only when the payload leaves it to the envelope. */
gen_unused static bool gen_has_context(const struct event_type *type, const struct shape *shape,
				       const struct gen_plan *plan, const char *name)
{
	if (plan->broken && plan->broken->what == GEN_MISSING && plan->broken->field->context)
		return false;
	if (strcmp(name, "conversation_id") == 0 && type->needs_conversation && type->entity != ENTITY_CONVERSATION)
		return true;
	for (const struct field *f = shape->fields; plan->bare && f->name; f++)
		if (f->context && strcmp(f->name, name) == 0)
			return true;
	return false;
}

/*
 * One event: a MessagePack map, or a JSON object without a line end, appended to `out`.  A required field
 * that the plan leaves out is not in the envelope either.
 */
gen_unused static void gen_event(struct gen *g, const struct event_type *type, const struct shape *shape,
				 const struct gen_plan *plan, enum gen_form form, struct buffer *out)
{
	struct gen_sink sink;
	struct gen_work work = { g, &sink, plan, type->entity };
	bool conversation = gen_has_context(type, shape, plan, "conversation_id");
	bool customer = gen_has_context(type, shape, plan, "customer_id");
	bool resolution = gen_has_context(type, shape, plan, "resolution_id");
	struct uuid event_id;
	uint8_t noise[10];

	random_fill(&g->random, noise, sizeof(noise));
	uuid_v7(&event_id, g->occurred_at / 1000, noise);
	gen_sink_init(&sink, form, out);
	gen_open(&sink, true, 9 + conversation + customer + resolution);
	gen_key(&sink, "event_id");
	gen_uuid(&sink, &event_id);
	gen_key(&sink, "event_type");
	gen_text(&sink, bytes_text(type->name));
	gen_key(&sink, "event_version");
	gen_int(&sink, shape->version);
	gen_key(&sink, "tenant_id");
	gen_uuid(&sink, type->entity == ENTITY_LOG ? &system_tenant : &g->tenant_id);
	gen_key(&sink, "entity_id");
	gen_uuid(&sink, &g->ids[type->entity]);
	if (conversation) {
		gen_key(&sink, "conversation_id");
		gen_uuid(&sink, &g->ids[ENTITY_CONVERSATION]);
	}
	if (customer) {
		gen_key(&sink, "customer_id");
		gen_uuid(&sink, &g->ids[ENTITY_CUSTOMER]);
	}
	if (resolution) {
		gen_key(&sink, "resolution_id");
		gen_uuid(&sink, &g->ids[ENTITY_RESOLUTION]);
	}
	gen_key(&sink, "actor_type");
	gen_text(&sink, BYTES("user"));
	gen_key(&sink, "actor_id");
	gen_uuid(&sink, &g->ids[ENTITY_USER]);
	gen_key(&sink, "occurred_at");
	gen_time(&sink, g->occurred_at);
	gen_key(&sink, "payload");
	gen_object(&work, shape->fields, NULL);
	gen_close(&sink);
}

/* ---- the steps beyond, and the limits themselves -------------------------------------------- */

gen_unused static void gen_add(struct gen_case *cases, int *count, enum gen_break what, const struct field *f,
			       const char *path)
{
	struct gen_case *c = &cases[(*count)++];

	assert(*count <= GEN_CASES_MAX);
	c->what = what;
	c->field = f;
	snprintf(c->path, sizeof(c->path), "%s", path);
}

gen_unused static void gen_add_field(struct gen_case *cases, int *count, const struct field *f, const char *path);

gen_unused static void gen_add_object(struct gen_case *cases, int *count, const struct field *fields,
				      const struct field *owner, const char *path)
{
	char below[96];
	bool any_of = false;

	snprintf(below, sizeof(below), "%.60s.no_such_field", path);
	gen_add(cases, count, GEN_UNKNOWN, owner, below);
	for (const struct field *f = fields; f->name; f++) {
		snprintf(below, sizeof(below), "%.40s.%.50s", path, f->name);
		if (f->required || (f->any_of && !any_of))
			gen_add(cases, count, GEN_MISSING, f, below);
		any_of = any_of || f->any_of;
		gen_add_field(cases, count, f, below);
	}
}

gen_unused static void gen_add_field(struct gen_case *cases, int *count, const struct field *f, const char *path)
{
	char element[96];

	snprintf(element, sizeof(element), "%.90s.0", path);
	if (f->type != FIELD_JSON || f->form)
		gen_add(cases, count, GEN_WRONG_TYPE, f, path);
	switch (f->type) {
	case FIELD_STRING:
		gen_add(cases, count, GEN_TOO_LONG, f, path);
		if (f->min > 0)
			gen_add(cases, count, GEN_TOO_SHORT, f, path);
		break;
	case FIELD_JSON:
		if (!f->form)
			gen_add(cases, count, GEN_TOO_LONG, f, path);
		break;
	case FIELD_ENUM:
		gen_add(cases, count, GEN_NOT_LISTED, f, path);
		break;
	case FIELD_DECIMAL:
		gen_add(cases, count, GEN_FINER, f, path);
		/* fall through */
	case FIELD_INT:
		gen_add(cases, count, GEN_BELOW, f, path);
		gen_add(cases, count, GEN_ABOVE, f, path);
		break;
	case FIELD_STRINGS:
		gen_add(cases, count, GEN_TOO_MANY, f, path);
		gen_add(cases, count, f->values ? GEN_NOT_LISTED : GEN_TOO_LONG, f, element);
		break;
	case FIELD_UUIDS:
		gen_add(cases, count, GEN_TOO_MANY, f, path);
		break;
	case FIELD_OBJECTS:
		gen_add(cases, count, GEN_TOO_MANY, f, path);
		gen_add_object(cases, count, f->fields, f, element);
		break;
	case FIELD_OBJECT:
		gen_add_object(cases, count, f->fields, f, path);
		break;
	case FIELD_CHANGES:
		if (f->values) {
			snprintf(element, sizeof(element), "%.60s.no_such_column", path);
			gen_add(cases, count, GEN_NOT_LISTED, f, element);
		}
		for (size_t i = 0; f->values && f->values[i]; i++) {
			snprintf(element, sizeof(element), "%.50s.%.40s.to", path, f->values[i]);
			gen_add_field(cases, count, catalog_column(f, bytes_text(f->values[i])), element);
		}
		if (f->max > 0)
			gen_add(cases, count, GEN_TOO_LONG, f, path);
		break;
	case FIELD_UUID:
	case FIELD_BOOL:
	case FIELD_TIME:
		break;
	}
}

/* Every way to step over a limit of the shape by one; `cases` has room for GEN_CASES_MAX.  Returns how many. */
gen_unused static int gen_cases(const struct shape *shape, struct gen_case *cases)
{
	int count = 0;

	gen_add_object(cases, &count, shape->fields, NULL, "payload");
	return count;
}

/* Every field of the payload alone at its upper limit, beside what is required: all valid. */
gen_unused static int gen_limits(const struct shape *shape, struct gen_case *cases)
{
	int count = 0;
	char path[96];

	for (const struct field *f = shape->fields; f->name; f++) {
		snprintf(path, sizeof(path), "payload.%.80s", f->name);
		gen_add(cases, &count, GEN_NOTHING, f, path);
	}
	return count;
}

/*
 * Whether an error's field is the one the case is about.  A missing context may be named as the envelope's; when
 * any of several fields would do, the payload as a whole is at fault.
 */
gen_unused static bool gen_names(const struct gen_case *c, const char *field)
{
	if (strcmp(field, c->path) == 0)
		return true;
	if (c->what == GEN_MISSING && c->field->any_of && strcmp(field, "payload") == 0)
		return true;
	return c->what == GEN_MISSING && (c->field->context || c->field->any_of) &&
	       strncmp(c->path, "payload.", 8) == 0 && strcmp(field, c->path + 8) == 0;
}

#endif
