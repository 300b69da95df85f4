/* plan - see plan.h. */
#include "fold/plan.h"

#include <pthread.h>

#include "event/fields.h"
#include "fold/unique.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct plan *plans;

const struct column *projection_column(const struct projection *p, const char *name)
{
	for (int i = 0; i < p->column_count; i++)
		if (strcmp(p->columns[i].name, name) == 0)
			return &p->columns[i];
	return NULL;
}

const struct projection *group_projection_of(const struct group *g, enum entity entity)
{
	for (int i = 0; i < g->count; i++)
		if (entity != ENTITY_NONE && g->projections[i]->entity == entity)
			return g->projections[i];
	return NULL;
}

static bool is_text(enum column_kind kind)
{
	return kind == COLUMN_TEXT || kind == COLUMN_JSON || kind == COLUMN_TEXTS || kind == COLUMN_UUIDS ||
	       kind == COLUMN_INET;
}

void column_null(const struct column *column, void *row)
{
	char *at = (char *)row + column->offset;
	int64_t none = INT_NONE;
	int16_t no_value = -1;
	int8_t no_bool = -1;

	switch (column->kind) {
	case COLUMN_UUID:
		memset(at, 0, sizeof(struct uuid));
		break;
	case COLUMN_ENUM:
		memcpy(at, &no_value, sizeof(no_value));
		break;
	case COLUMN_BOOL:
		memcpy(at, &no_bool, sizeof(no_bool));
		break;
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_DECIMAL:
	case COLUMN_TIME:
		memcpy(at, &none, sizeof(none));
		break;
	case COLUMN_TEXT:
	case COLUMN_JSON:
	case COLUMN_TEXTS:
	case COLUMN_UUIDS:
	case COLUMN_INET:
		memset(at, 0, sizeof(struct bytes));
		break;
	}
}

static int find_value(const char *const *values, const char *text)
{
	for (int i = 0; values[i]; i++)
		if (strcmp(values[i], text) == 0)
			return i;
	return -1;
}

/* A column's documented beginning: constant text, so the row may point at it for ever. */
static void column_fallback(const struct column *column, void *row)
{
	char *at = (char *)row + column->offset;
	struct bytes text = bytes_text(column->fallback);

	if (is_text(column->kind)) {
		memcpy(at, &text, sizeof(text));
	} else if (column->kind == COLUMN_ENUM) {
		int16_t value = (int16_t)find_value(column->values, column->fallback);

		assert(value >= 0);
		memcpy(at, &value, sizeof(value));
	} else if (column->kind == COLUMN_BOOL) {
		int8_t value = strcmp(column->fallback, "true") == 0;

		memcpy(at, &value, sizeof(value));
	} else {
		int64_t value = strtoll(column->fallback, NULL, 10);

		assert(column->kind != COLUMN_UUID && column->kind != COLUMN_TIME);
		memcpy(at, &value, sizeof(value));
	}
}

static int32_t column_limit(const struct column *column)
{
	if (column->kind != COLUMN_TEXT || !column->sql || strncmp(column->sql, "varchar(", 8) != 0)
		return 0;
	return (int32_t)strtol(column->sql + 8, NULL, 10);
}

static void compile_rows(struct plan *plan, int index)
{
	const struct projection *p = plan->group->projections[index];
	struct plan_rows *rows = &plan->rows[index];
	struct row *null = mem_zalloc(p->row_bytes), *blank = mem_zalloc(p->row_bytes);
	size_t *texts = mem_alloc(sizeof(*texts) * (size_t)(p->column_count + 1));
	bool *json = mem_alloc(sizeof(*json) * (size_t)(p->column_count + 1));
	int32_t *limits = mem_zalloc(sizeof(*limits) * (size_t)(p->column_count + 1));
	struct plan_ref *refs = mem_alloc(sizeof(*refs) * (size_t)(p->column_count + 1));
	int16_t *unique = mem_alloc(sizeof(*unique) * (size_t)(p->column_count + 1));
	int16_t *sums = mem_alloc(sizeof(*sums) * (size_t)(p->column_count + 1));

	rows->projection = p;
	null->of = p;
	null->place = (uint8_t)index;
	for (int i = 0; i < p->column_count; i++) {
		const struct column *c = &p->columns[i];

		assert(c->offset >= sizeof(struct row) && c->offset < p->row_bytes);
		assert((c->kind == COLUMN_ENUM) == (c->values != NULL));
		assert(!c->machine || (c->kind == COLUMN_ENUM && c->required));
		if (c->unique) {
			assert(c->kind == COLUMN_TEXT && rows->unique_count < UNIQUE_MAX);
			unique[rows->unique_count++] = (int16_t)i;
		}
		if (c->adds) {
			assert(c->kind == COLUMN_JSON || c->kind == COLUMN_INT2 || c->kind == COLUMN_INT4 ||
			       c->kind == COLUMN_INT8 || c->kind == COLUMN_DECIMAL);
			assert(c->kind == COLUMN_JSON || c->fallback);
			sums[rows->sum_count++] = (int16_t)i;
		}
		column_null(c, null);
		if (is_text(c->kind)) {
			texts[rows->text_count] = c->offset;
			json[rows->text_count++] = c->kind == COLUMN_JSON;
		}
		if (c->ref != ENTITY_NONE && plan->by_entity[c->ref] >= 0) {
			assert(c->kind == COLUMN_UUID);
			refs[rows->ref_count++] = (struct plan_ref){ c->offset, plan->by_entity[c->ref] };
		}
		limits[i] = column_limit(c);
		if (strcmp(c->name, "created_at") == 0)
			rows->created_at = c->offset;
		if (strcmp(c->name, "updated_at") == 0)
			rows->updated_at = c->offset;
	}
	memcpy(blank, null, p->row_bytes);
	for (int i = 0; i < p->column_count; i++)
		if (p->columns[i].fallback)
			column_fallback(&p->columns[i], blank);
	rows->null = null;
	rows->blank = blank;
	rows->texts = texts;
	rows->is_json = json;
	rows->limits = limits;
	rows->refs = refs;
	rows->unique = unique;
	rows->sums = sums;
}

/* The envelope says what a context field says, and also when the payload leaves it out. */
static uint16_t context_at(const struct field *field)
{
	static const struct {
		const char *name;
		uint16_t at;
	} contexts[] = {
		{ "conversation_id", offsetof(struct event, conversation_id) },
		{ "customer_id", offsetof(struct event, customer_id) },
		{ "resolution_id", offsetof(struct event, resolution_id) },
	};

	for (size_t i = 0; field->context && i < sizeof(contexts) / sizeof(contexts[0]); i++)
		if (strcmp(field->name, contexts[i].name) == 0)
			return contexts[i].at;
	return 0;
}

/* Which columns the payload fields of this kind go into. */
static void compile_copies(struct plan_fold *fold, const struct event_type *type)
{
	const struct projection *p = fold->projection;
	int fields = shape_field_count(&type->shape);
	struct copy_step *steps = mem_alloc(sizeof(*steps) * (size_t)(fields + 1));

	for (int i = 0; i < fields; i++) {
		const struct column *c = projection_column(p, type->shape.fields[i].name);

		if (c)
			steps[fold->copy_count++] = (struct copy_step){ (int16_t)i, (int16_t)(c - p->columns), (uint16_t)c->offset,
									context_at(&type->shape.fields[i]) };
		if (c && c->unique && fold->how != FOLD_CALL)
			fold->unique = true;
	}
	fold->copies = steps;
}

/* Whether the row's machine has a say in this event. */
static void compile_machine(struct plan_fold *fold, const struct event_type *type)
{
	const struct projection *p = fold->projection;

	for (int i = 0; i < p->column_count; i++) {
		const struct column *c = &p->columns[i];

		if (!c->machine)
			continue;
		assert(!fold->machine);
		fold->input = machine_input(c->machine, type->name);
		fold->machine = fold->input >= 0 ? c->machine : NULL;
		fold->state_at = c->offset;
	}
}

static uint64_t bit(enum entity entity)
{
	return 1ull << entity;
}

/* The entities that a field's values may name, all levels. */
static uint64_t refs_of(const struct field *field)
{
	uint64_t refs = field->ref == ENTITY_NONE ? 0 : bit(field->ref);

	if (field->type == FIELD_OBJECT || field->type == FIELD_OBJECTS)
		for (const struct field *inner = field->fields; inner && inner->name; inner++)
			refs |= refs_of(inner);
	return refs;
}

static void add_want(struct plan *plan, struct plan_kind *kind, enum want_from from, enum entity entity, uint64_t folded)
{
	if (!(folded & bit(entity)))
		return;
	kind->wants[kind->want_count++] = (struct plan_want){ from, plan->by_entity[entity] };
}

static bool has_unique(const struct projection *p)
{
	for (int i = 0; i < p->column_count; i++)
		if (p->columns[i].unique)
			return true;
	return false;
}

static void compile_wants(struct plan *plan, struct plan_kind *kind, const struct event_type *type)
{
	int fields = shape_field_count(&type->shape);
	int16_t *ref_fields = mem_alloc(sizeof(*ref_fields) * (size_t)(fields + 1));
	uint64_t folded = 0;

	for (int i = 0; i < kind->fold_count; i++)
		if (kind->folds[i].projection->entity != ENTITY_NONE)
			folded |= bit(kind->folds[i].projection->entity);
	add_want(plan, kind, WANT_ENTITY, type->entity, folded);
	if (type->entity != ENTITY_CONVERSATION)
		add_want(plan, kind, WANT_CONVERSATION, ENTITY_CONVERSATION, folded);
	if (type->entity != ENTITY_CUSTOMER)
		add_want(plan, kind, WANT_CUSTOMER, ENTITY_CUSTOMER, folded);
	if (type->entity != ENTITY_RESOLUTION)
		add_want(plan, kind, WANT_RESOLUTION, ENTITY_RESOLUTION, folded);
	if (type->entity != ENTITY_TENANT)
		add_want(plan, kind, WANT_TENANT, ENTITY_TENANT, kind->entities);

	for (int i = 0; i < fields; i++)
		if (!type->shape.fields[i].context && (refs_of(&type->shape.fields[i]) & kind->entities))
			ref_fields[kind->ref_field_count++] = (int16_t)i;
	kind->ref_fields = ref_fields;
}

/* How many folds of the group are about this kind: short-lived commands feel each page that is touched. */
static int count_folds(const struct group *group, enum event_kind kind)
{
	int count = 0;

	for (int i = 0; i < group->count; i++)
		for (const struct fold_entry *entry = group->projections[i]->folds; entry && entry->kind != EV_UNKNOWN; entry++)
			count += entry->kind == kind;
	return count;
}

static void compile_kind(struct plan *plan, const struct event_type *type)
{
	struct plan_kind *kind = &plan->kinds[type->kind];
	int fold_count = count_folds(plan->group, type->kind);
	struct plan_fold *folds = mem_zalloc(sizeof(*folds) * (size_t)(fold_count + 1));
	foresee_fn *foresee = mem_alloc(sizeof(*foresee) * (size_t)(fold_count + 1));

	for (int i = 0; i < plan->group->count; i++) {
		const struct projection *p = plan->group->projections[i];

		for (const struct fold_entry *entry = p->folds; entry && entry->kind != EV_UNKNOWN; entry++) {
			struct plan_fold *fold = &folds[kind->fold_count];

			if (entry->kind != type->kind)
				continue;
			assert(kind->fold_count < fold_count);
			assert(entry->then || entry->how != FOLD_CALL);
			assert(p->entity == type->entity || entry->how == FOLD_CALL || entry->how == FOLD_ADD);
			*fold = (struct plan_fold){ .projection = p, .index = i, .how = entry->how, .then = entry->then };
			compile_copies(fold, type);
			if (entry->how == FOLD_COPY || entry->how == FOLD_CHANGES || entry->how == FOLD_REWRITE)
				compile_machine(fold, type);
			fold->unique |= entry->how == FOLD_CHANGES && has_unique(p);
			kind->unique |= fold->unique;
			if (entry->refs != ENTITY_NONE && plan->by_entity[entry->refs] >= 0)
				kind->entities |= bit(entry->refs);
			kind->folded |= UINT64_C(1) << i;
			kind->fold_count++;
			if (p->foresee && (kind->foresee_count == 0 || foresee[kind->foresee_count - 1] != p->foresee))
				foresee[kind->foresee_count++] = p->foresee;
		}
	}
	kind->folds = folds;
	kind->foresee = foresee;
	if (kind->fold_count)
		compile_wants(plan, kind, type);
}

/* Rows of projection `index` stand beside those of `entity`. */
static void compile_beside(struct plan *plan, int index, int entity)
{
	const char *name = plan->group->projections[index]->beside_if;
	const struct column *says = name ? projection_column(plan->group->projections[entity], name) : NULL;

	assert(!name || (says && says->kind == COLUMN_BOOL));
	plan->rows[entity].beside |= UINT64_C(1) << index;
	plan->rows[index].beside_if = says ? says->offset : 0;
}

static struct plan *compile(const struct group *group)
{
	struct plan *plan = mem_zalloc(sizeof(*plan));

	assert(group->count <= GROUP_PROJECTIONS_MAX);
	_Static_assert(ENTITY_COUNT <= 64, "entities are bits of a uint64_t");
	_Static_assert(GROUP_PROJECTIONS_MAX <= 64, "projections are bits of a uint64_t");
	plan->group = group;
	plan->anomalies = plan->unique_values = -1;
	for (int e = 0; e < ENTITY_COUNT; e++)
		plan->by_entity[e] = -1;
	for (int i = 0; i < group->count; i++) {
		const struct projection *p = group->projections[i];

		size_t at = plan_place_of(p);

		while (plan->places[at].projection)
			at = (at + 1) % PLAN_PLACES;
		plan->places[at] = (struct plan_place){ p, i };
		if (p->entity != ENTITY_NONE) {
			assert(plan->by_entity[p->entity] < 0);
			plan->by_entity[p->entity] = i;
		}
		if (strcmp(p->name, "anomalies") == 0)
			plan->anomalies = i;
		if (strcmp(p->name, "unique_values") == 0)
			plan->unique_values = i;
	}
	for (int i = 0; i < group->count; i++) {
		enum entity beside = group->projections[i]->beside;

		compile_rows(plan, i);
		if (beside != ENTITY_NONE && plan->by_entity[beside] >= 0)
			compile_beside(plan, i, plan->by_entity[beside]);
	}
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++)
		compile_kind(plan, catalog_get((enum event_kind)kind));
	return plan;
}

const struct plan *plan_get(const struct group *group)
{
	struct plan *plan;

	pthread_mutex_lock(&lock);
	for (plan = plans; plan && plan->group != group; plan = plan->next)
		;
	if (!plan) {
		plan = compile(group);
		plan->next = plans;
		plans = plan;
	}
	pthread_mutex_unlock(&lock);
	return plan;
}
