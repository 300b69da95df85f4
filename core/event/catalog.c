/*
 * catalog - the tables that the .def files become, and the way into them.
 *
 * Here FIELD and its attributes get their meaning: each is a part of a designated initialiser, so an entry
 * costs nothing at run time and a misspelt attribute does not compile.
 *
 *     ABOUT("...")             one sentence; version 1      ABOUT_VERSION(2, SYMBOL, 1, "...")  has an older one
 *     NEEDS_CONVERSATION       the envelope must have a conversation_id
 *     FIELD(name, TYPE, ...)   attributes: REQUIRED, OPTIONAL (says nothing; for shared lists), ANY_OF, PII,
 *                              CONTEXT, MIN(n), MAX(n), RANGE(a, b), SCALE(n), DRANGE(a, b), COUNT(n),
 *                              VALUES(list), ONE_OF("a", "b"), FORM(form), OF(FIELD...), LIKE(SYMBOL), REF(ENTITY),
 *                              DEFAULT("text")
 *
 * The files are included three times here: for the older shapes, for the newest ones with their types, and
 * (in the header) for the EV_ symbols.
 */
#include "event/catalog.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <xxhash.h>

#include "event/catalog/forms.h"
#include "event/catalog/upcast.h"
#include "event/catalog/values.h"

#define JSON_INT_MAX INT64_C(9007199254740991) /* 2^53 - 1: what JSON numbers carry exactly */
#define INT4_MAX     INT64_C(2147483647)
#define INT4_MIN     (-INT64_C(2147483648))

#define FIELD(name_, type_, ...) { .name = #name_, .type = FIELD_##type_, __VA_ARGS__ },
#define REQUIRED                 .required = true
#define OPTIONAL                 .required = false
#define ANY_OF                   .any_of = true
#define PII                      .pii = true
#define CONTEXT                  .context = true
#define MIN(n)                   .min = (n)
#define MAX(n)                   .max = (n)
#define RANGE(least, most)       .bounded = true, .min = (least), .max = (most)
#define DRANGE(least, most)      .bounded = true, .min = (least), .max = (most)
#define SCALE(n)                 .scale = (n)
#define COUNT(n)                 .count = (n)
#define VALUES(list)             .values = (list)
#define ONE_OF(...)              .values = (const char *const[]){ __VA_ARGS__, NULL }
#define FORM(which)              .form = &form_##which
#define OF(...)                  .fields = (const struct field[]){ __VA_ARGS__ { .name = NULL } }
#define REF(entity_)             .ref = ENTITY_##entity_
#define LIKE(symbol)             .like = EV_##symbol
#define DEFAULT(text)            .fallback = (text)

#define ABOUT(text)              .about = (text), .shape.version = 1,
#define ABOUT_VERSION(version_, symbol, older_, text) \
	.about = (text), .shape.version = (version_), .shape.older = &shape_##symbol##_##older_,
#define NEEDS_CONVERSATION       .needs_conversation = true,

/* Older shapes.  A third version would name the second as its `older`; then EVENT_OLD takes one argument more. */
#define EVENT(symbol, ...)
#define EVENT_OLD(symbol, version_, upcast_, ...)                                                          \
	static const struct shape shape_##symbol##_##version_ = {                                          \
		.version = (version_),                                                                     \
		.upcast = (upcast_),                                                                       \
		.fields = (const struct field[]){ __VA_ARGS__ { .name = NULL } },                          \
	};
#include "event/catalog/all.def"
#undef EVENT
#undef EVENT_OLD

/* Constant but for `family`, which catalog_init cuts out of the name. */
#define EVENT(symbol, name_, entity_, attributes, ...)                                                     \
	[EV_##symbol] = {                                                                                  \
		.kind = EV_##symbol,                                                                       \
		.name = (name_),                                                                           \
		.entity = ENTITY_##entity_,                                                                \
		attributes                                                                                 \
		.shape.fields = (const struct field[]){ __VA_ARGS__ { .name = NULL } },                    \
	},
#define EVENT_OLD(...)
static struct event_type types[EV_COUNT] = {
#include "event/catalog/all.def"
};
#undef EVENT
#undef EVENT_OLD

enum {
	NAME_MAX_CHARS = 50, /* event_type in the log */
	FIELD_DEPTH_MAX = 4, /* of objects in objects */
	INDEX_SLOTS = 1024,  /* a power of two, more than twice the number of types */
};

_Static_assert(EV_COUNT * 2 < INDEX_SLOTS, "the index is too small");

static uint16_t by_name[INDEX_SLOTS]; /* kinds, 0 = free; open addressing */
static char families[EV_COUNT][NAME_MAX_CHARS + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static size_t slot_of(struct bytes name)
{
	return (size_t)XXH3_64bits(name.data, name.len) & (INDEX_SLOTS - 1);
}

/* words of [a-z0-9_], exactly one dot between two of them */
static bool is_type_name(const char *name)
{
	const char *dot = strchr(name, '.');

	if (!dot || dot == name || dot[1] == 0 || strchr(dot + 1, '.') || strlen(name) > NAME_MAX_CHARS)
		return false;
	for (const char *p = name; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_' && *p != '.')
			return false;
	return true;
}

static void check_fields(const struct field *fields, int depth);

/* Each type has the limits it needs, so that nothing unbounded comes through the door. */
static void check_field(const struct field *f, int depth)
{
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_JSON:
	case FIELD_STRINGS:
		assert(f->max > 0);
		assert(f->min >= 0 && f->min <= f->max);
		break;
	case FIELD_ENUM:
		assert(f->values);
		break;
	case FIELD_INT:
		assert(f->bounded && f->min < f->max);
		assert(f->min >= -JSON_INT_MAX && f->max <= JSON_INT_MAX);
		break;
	case FIELD_DECIMAL:
		assert(f->bounded && f->min < f->max);
		assert(f->scale > 0 && f->scale <= 9);
		break;
	case FIELD_OBJECT:
	case FIELD_OBJECTS:
		assert(f->fields);
		check_fields(f->fields, depth + 1);
		break;
	case FIELD_CHANGES:
		if (f->fields)
			check_fields(f->fields, depth + 1);
		for (size_t i = 0; f->values && i < CATALOG_FIELDS_MAX && f->values[i]; i++)
			assert(catalog_column(f, bytes_text(f->values[i])));
		break;
	case FIELD_UUID:
	case FIELD_UUIDS:
	case FIELD_BOOL:
	case FIELD_TIME:
		break;
	}
	if (f->values)
		assert(f->values[0]);
	assert(!f->form || f->type == FIELD_JSON || f->type == FIELD_STRING);
	if (f->context)
		assert(f->type == FIELD_UUID && (strcmp(f->name, "conversation_id") == 0 ||
						 strcmp(f->name, "customer_id") == 0 ||
						 strcmp(f->name, "resolution_id") == 0));
	assert(!(f->required && f->any_of));
	assert(!(f->required && f->fallback));
}

static void check_fields(const struct field *fields, int depth)
{
	int count = 0;

	assert(depth <= FIELD_DEPTH_MAX);
	for (const struct field *f = fields; f->name; f++, count++) {
		for (const struct field *other = fields; other < f; other++)
			assert(strcmp(other->name, f->name) != 0);
		check_field(f, depth);
	}
	assert(count <= CATALOG_FIELDS_MAX);
}

static void check_type(const struct event_type *type)
{
	assert(type->name && is_type_name(type->name));
	assert(type->entity > ENTITY_NONE && type->entity < ENTITY_COUNT);
	assert(type->about && type->about[0]);
	assert(!type->shape.upcast);
	for (const struct shape *s = &type->shape; s; s = s->older) {
		assert(s->version >= 1);
		if (s->older)
			assert(s->older->version == s->version - 1 && s->older->upcast);
		else
			assert(s->version == 1);
		check_fields(s->fields, 1);
	}
}

static void build(void)
{
	for (int kind = EV_UNKNOWN + 1; kind < EV_COUNT; kind++) {
		struct event_type *type = &types[kind];
		size_t slot;

		check_type(type);
		memcpy(families[kind], type->name, (size_t)(strchr(type->name, '.') - type->name));
		type->family = families[kind];
		for (slot = slot_of(bytes_text(type->name)); by_name[slot]; slot = (slot + 1) & (INDEX_SLOTS - 1))
			assert(strcmp(types[by_name[slot]].name, type->name) != 0);
		by_name[slot] = (uint16_t)kind;
	}
	ready = true;
}

void catalog_init(void)
{
	pthread_once(&once, build);
}

const struct event_type *catalog_find(struct bytes name)
{
	assert(ready);
	if (name.len == 0 || name.len > NAME_MAX_CHARS)
		return NULL;
	for (size_t slot = slot_of(name); by_name[slot]; slot = (slot + 1) & (INDEX_SLOTS - 1))
		if (bytes_is(name, types[by_name[slot]].name))
			return &types[by_name[slot]];
	return NULL;
}

const struct event_type *catalog_get(enum event_kind kind)
{
	assert(ready);
	assert(kind > EV_UNKNOWN && kind < EV_COUNT);
	return &types[kind];
}

const struct shape *catalog_shape(const struct event_type *type, int version)
{
	for (const struct shape *s = &type->shape; s; s = s->older)
		if (s->version == version)
			return s;
	return NULL;
}

int shape_field_count(const struct shape *shape)
{
	int count = 0;

	while (shape->fields[count].name)
		count++;
	return count;
}

const struct field *catalog_column(const struct field *changes, struct bytes name)
{
	const struct field *columns = changes->like ? types[changes->like].shape.fields : changes->fields;

	for (; columns && columns->name; columns++)
		if (bytes_is(name, columns->name))
			return columns;
	return NULL;
}

#define X(symbol, name) [ENTITY_##symbol] = name,
static const char *const entity_names[ENTITY_COUNT] = { [ENTITY_NONE] = "", ENTITY_TABLE(X) };
#undef X

const char *entity_name(enum entity entity)
{
	assert((int)entity >= 0 && entity < ENTITY_COUNT);
	return entity_names[entity];
}

enum entity entity_find(struct bytes name)
{
	for (int i = ENTITY_NONE + 1; i < ENTITY_COUNT; i++)
		if (bytes_is(name, entity_names[i]))
			return (enum entity)i;
	return ENTITY_NONE;
}

const char *field_type_name(enum field_type type)
{
	static const char *const names[] = {
		[FIELD_STRING] = "string",   [FIELD_ENUM] = "enum",	  [FIELD_UUID] = "uuid",
		[FIELD_INT] = "int",	     [FIELD_DECIMAL] = "decimal", [FIELD_BOOL] = "bool",
		[FIELD_TIME] = "time",	     [FIELD_JSON] = "json",	  [FIELD_STRINGS] = "strings",
		[FIELD_UUIDS] = "uuids",     [FIELD_OBJECT] = "object",	  [FIELD_OBJECTS] = "objects",
		[FIELD_CHANGES] = "changes",
	};

	assert((size_t)type < sizeof(names) / sizeof(names[0]));
	return names[type];
}
