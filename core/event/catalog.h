/*
 * catalog - the single list of event types, as data.
 *
 * One `.def` file a family under core/event/catalog/, one entry an event type:
 *
 *     EVENT(MESSAGE_RETRIED, "message.retried", MESSAGE,
 *             ABOUT("Another attempt to send the message began.") NEEDS_CONVERSATION,
 *             FIELD(attempt, INT, REQUIRED, RANGE(1, 1000)))
 *
 * (catalog.c lists the attributes.)  The same files, included several times with other meanings for the macros,
 * give the `EV_...` symbols and the tables.  Everything that knows a type or a field takes it from here:
 * validation at the door, the printed reference, the field readers of the folds, the rows a batch must load (a
 * field's REF), the checks of the read models, the upcasters.
 *
 * Versions.  EVENT describes the newest version, 1 unless it says ABOUT_VERSION; EVENT_OLD(symbol, version,
 * upcast, fields) an older one, which stays valid at the door and is lifted, one version at a time, in the one
 * read path (event/fields.h).  message.def has an example.
 *
 * The tables are constant; nothing is allocated.  `catalog_init` sorts nothing and may be called twice: it
 * only builds the index by name and checks the tables (fields in ascending order of their UTF-16 names are
 * not demanded of the authors; the index sorts them).
 */
#ifndef VERBATIM_EVENT_CATALOG_H
#define VERBATIM_EVENT_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct form; /* event/form.h */

enum field_type {
	FIELD_STRING,  /* MAX(n) characters (Unicode scalar values), MIN(n) */
	FIELD_ENUM,    /* VALUES(list) */
	FIELD_UUID,    /* REF(entity); lower case with hyphens in the canonical text */
	FIELD_INT,     /* RANGE(min, max), default 0 .. 2^53-1 is not assumed: state it or take +-(2^53-1) */
	FIELD_DECIMAL, /* SCALE(digits after the point), DRANGE(min, max) both times 10^scale; finer input is refused */
	FIELD_BOOL,
	FIELD_TIME,    /* RFC 3339 or msgpack timestamp; canonical text has six digits and Z */
	FIELD_JSON,    /* any JSON value, MAX(n) bytes of canonical text; FORM(form) narrows it */
	FIELD_STRINGS, /* list of strings, MAX(n) characters each, COUNT(n) at most; VALUES(list) narrows each */
	FIELD_UUIDS,   /* list of uuids, COUNT(n), REF(entity) */
	FIELD_OBJECT,  /* one object, OF(fields) */
	FIELD_OBJECTS, /* list of objects, OF(fields), COUNT(n) */
	FIELD_CHANGES, /* {column: {"from": any, "to": any}}; VALUES(list) names the columns that may change,
			  catalog_column says what each may hold */
};

/* What changes; also the names of entity_type in the envelope. */
#define ENTITY_TABLE(X)                                                                                \
	X(TENANT, "tenant") X(USER, "user") X(TEAM, "team") X(CUSTOMER, "customer") X(CHANNEL, "channel") \
	X(CONVERSATION, "conversation") X(MESSAGE, "message") X(ATTACHMENT, "attachment")              \
	X(NOTE, "note") X(ANNOTATION, "annotation") X(RESOLUTION, "resolution")                        \
	X(CUSTOMER_UPDATE, "customer_update") X(SWARM, "swarm") X(SLA_POLICY, "sla_policy")            \
	X(SLA_CLOCK, "sla_clock") X(AUTOMATION_RULE, "automation_rule") X(KB_ARTICLE, "kb_article")    \
	X(KB_CATEGORY, "kb_category") X(FEEDBACK, "feedback") X(AUDIT, "audit") X(LOG, "log")          \
	X(ASSIGNMENT, "assignment")

#define X(symbol, name) ENTITY_##symbol,
enum entity { ENTITY_NONE, ENTITY_TABLE(X) ENTITY_COUNT };
#undef X

struct field {
	const char *name;
	enum field_type type;
	bool required;
	bool pii;      /* personal data: to be sealed with the customer's key before it is hashed */
	bool any_of;   /* at least one of the shape's fields so marked must be there (given, or by context) */
	bool context;  /* conversation_id, customer_id, resolution_id: the envelope's column of this name says the same */
	int64_t min;
	int64_t max;   /* 0: no bound beyond the type's own */
	bool bounded;  /* min and max hold for INT and DECIMAL */
	int scale;
	int count;     /* most elements of a list; 0: 100 */
	const char *const *values; /* NULL-terminated */
	const struct form *form;   /* of JSON and STRING: what it must look like besides; NULL: anything */
	const struct field *fields; /* of an object, ended by a NULL name; of CHANGES: what its columns may hold */
	enum entity ref;
	int like; /* of CHANGES: the enum event_kind whose fields say what the columns of the same name may hold */
	const char *fallback; /* the documented default, as text; for people, and for folds that ask */
};

/* How a version's payload becomes the next version's: canonical JSON text in, canonical JSON text out. */
typedef int (*upcast_fn)(struct bytes payload, struct buffer *out);

struct shape {
	int version;
	const struct field *fields; /* ended by a NULL name */
	upcast_fn upcast;           /* to the next version; NULL for the newest */
	const struct shape *older;  /* the version before, or NULL */
};

enum {
	CATALOG_FIELDS_MAX = 40,     /* fields of one type */
	CATALOG_COUNT_DEFAULT = 100, /* elements of a list that states no COUNT */
};

#define EVENT(symbol, ...) EV_##symbol,
#define EVENT_OLD(symbol, ...)
enum event_kind {
	EV_UNKNOWN, /* read from a log that a newer engine wrote */
#include "event/catalog/all.def"
	EV_COUNT
};
#undef EVENT
#undef EVENT_OLD

struct event_type {
	enum event_kind kind;
	const char *name;
	const char *family;   /* the part before the dot */
	enum entity entity;
	bool needs_conversation; /* the envelope must have a conversation_id, given or taken from the payload */
	struct shape shape;   /* the newest */
	const char *about;    /* one sentence for the reference */
};

/* Builds the index; call once before anything else here.  Asserts on a malformed table (a bug). */
void catalog_init(void);

/* NULL when there is no such type. */
const struct event_type *catalog_find(struct bytes name);

/* kind must be in (EV_UNKNOWN, EV_COUNT). */
const struct event_type *catalog_get(enum event_kind kind);

/* The shape of a version, or NULL. */
const struct shape *catalog_shape(const struct event_type *type, int version);

int shape_field_count(const struct shape *shape);

/*
 * What a column named in a CHANGES field may hold: "from" and "to" are checked as that field would be, and may
 * be null as well.  NULL when any value is allowed (or the column may not change at all; see its values).
 */
const struct field *catalog_column(const struct field *changes, struct bytes name);

const char *entity_name(enum entity entity);
enum entity entity_find(struct bytes name);
const char *field_type_name(enum field_type type);

/* The reference: every family, type, version and field, as a person's text, as JSON (one array), or as Markdown. `prefix` narrows to types that begin with it ("" = all). */
enum catalog_format { CATALOG_TEXT, CATALOG_JSON, CATALOG_MARKDOWN };
void catalog_print(struct buffer *out, enum catalog_format format, const char *prefix, bool colour);

/* The shared value lists (channels, severities, ...) that .def files and read models both name. */
extern const char *const values_channel[];
extern const char *const values_channel_type[];
extern const char *const values_severity[];
extern const char *const values_sentiment[];
extern const char *const values_sla_tier[];
extern const char *const values_conversation_state[];
extern const char *const values_sender_type[];
extern const char *const values_direction[];
extern const char *const values_content_type[];
extern const char *const values_user_role[];
extern const char *const values_user_status[];
extern const char *const values_auth_provider[];
extern const char *const values_routing_mode[];
extern const char *const values_assigned_by[];
extern const char *const values_resolution_status[];
extern const char *const values_issue_type[];
extern const char *const values_sla_clock[];
extern const char *const values_sla_pause[];
extern const char *const values_owning_team[];
extern const char *const values_actor_type[]; /* user, customer, system, ai, automation, api */

#endif
