/*
 * resolution_updates - the history of a resolution as people read it: one row an event, under the event's id.
 *
 *     resolution.status_changed, .reopened     status_change
 *     resolution.note_added                    note
 *     customer_update.sent                     customer_update
 *     resolution.eta_changed                   eta_change
 *     resolution.assigned                      assignment_change
 *     resolution.priority_changed              priority_change
 *     resolution.fix_deployed                  fix_deployed
 *     resolution.root_cause_identified         root_cause_identified
 *
 * A change of status that was refused is a note that says so; a repeat is a note when it brings words, else nothing.
 * What was written about a resolution that is not known is kept too.  An event without words gets a sentence.
 */
#include "projections/customer_updates.h"
#include "projections/registry.h"
#include "projections/resolutions.h"

enum update_type {
	UPDATE_STATUS, UPDATE_NOTE, UPDATE_CUSTOMER, UPDATE_ETA, UPDATE_ASSIGNMENT, UPDATE_PRIORITY, UPDATE_FIX, UPDATE_CAUSE,
};
enum author_source { SOURCE_APP, SOURCE_SLACK, SOURCE_API, SOURCE_AUTOMATION };
enum { VISIBLE_INTERNAL, VISIBLE_CUSTOMER };

struct resolution_update {
	struct row row;
	struct uuid resolution_id;
	int16_t update_type;
	struct bytes content;
	int16_t visibility, previous_status, new_status;
	struct uuid author_id;
	int16_t author_source;
	int64_t created_at;
};

static struct resolution_update *add(struct fold *f, const struct event *e, enum update_type type, struct bytes content)
{
	struct resolution_update *u = fold_add(f);

	u->resolution_id = e->entity_id;
	u->update_type = (int16_t)type;
	u->content = content;
	u->author_id = fold_author(e);
	u->author_source = e->actor_type == ACTOR_USER ? SOURCE_APP : e->actor_type == ACTOR_API ? SOURCE_API : SOURCE_AUTOMATION;
	return u;
}

/* The field's words, or none when it has none. */
static struct bytes words(struct fold *f, const char *field)
{
	struct bytes text = field_text(&f->fields, field);

	return text.len ? fold_keep(f, text) : (struct bytes){ NULL, 0 };
}

static struct bytes words_or(struct bytes text, struct bytes otherwise)
{
	return text.data ? text : otherwise;
}

static const char *status_name(int status)
{
	return values_resolution_status[status];
}

/* The events that may move the status. */
static int on_status(struct fold *f, const struct event *e, enum update_type type, struct bytes text, int wanted)
{
	struct resolution_update *u;

	if (f->facts.resolution_moved) {
		u = add(f, e, type, words_or(text, fold_format(f, "Status changed from %s to %s",
							       status_name(f->facts.resolution_from), status_name(f->facts.resolution_to))));
		u->previous_status = f->facts.resolution_from;
		u->new_status = f->facts.resolution_to;
	} else if (f->facts.resolution_refused || !f->facts.resolution) {
		add(f, e, UPDATE_NOTE, words_or(text, fold_format(f, "Refused: the status should have become %s", status_name(wanted))));
	} else if (text.data || type == UPDATE_FIX) {
		add(f, e, type == UPDATE_FIX ? UPDATE_FIX : UPDATE_NOTE, words_or(text, BYTES("Another fix was deployed")));
	}
	return 0;
}

static int on_status_changed(struct fold *f, const struct event *e)
{
	return on_status(f, e, UPDATE_STATUS, words(f, "content"), field_enum(&f->fields, "new_status"));
}

static int on_reopened(struct fold *f, const struct event *e)
{
	return on_status(f, e, UPDATE_STATUS, words(f, "reason"), RESOLUTION_INVESTIGATING);
}

static int on_fix_deployed(struct fold *f, const struct event *e)
{
	return on_status(f, e, UPDATE_FIX, words(f, "fix_description"), RESOLUTION_DEPLOYED);
}

static int on_note(struct fold *f, const struct event *e)
{
	struct resolution_update *u = add(f, e, UPDATE_NOTE, fold_keep(f, field_text(&f->fields, "content")));

	fold_copy(f, u); /* visibility, author_source, content */
	return 0;
}

static int on_told(struct fold *f, const struct event *e)
{
	const struct customer_update *told = (const struct customer_update *)(const void *)f->facts.told;
	struct resolution_update *u;

	if (!told)
		return 0;
	u = add(f, e, UPDATE_CUSTOMER, fold_keep(f, told->content));
	u->resolution_id = told->resolution_id;
	u->visibility = VISIBLE_CUSTOMER;
	return 0;
}

static int on_eta(struct fold *f, const struct event *e)
{
	struct bytes at = field_text(&f->fields, "expected_resolution_at");

	add(f, e, UPDATE_ETA, words_or(words(f, "eta_update_reason"), fold_format(f, "Expected at %.*s", (int)at.len, at.data)));
	return 0;
}

static int on_assigned(struct fold *f, const struct event *e)
{
	struct uuid owner = field_uuid(&f->fields, "owner_id");
	int team = field_enum(&f->fields, "owning_team");
	char id[UUID_TEXT];

	uuid_format(&owner, id);
	add(f, e, UPDATE_ASSIGNMENT, team < 0 ? fold_format(f, "Assigned to user %s", id) :
						fold_format(f, "Assigned to user %s of %s", id, values_owning_team[team]));
	return 0;
}

static int on_priority(struct fold *f, const struct event *e)
{
	int from = field_enum(&f->fields, "from");
	const char *to = values_severity[field_enum(&f->fields, "to")];

	add(f, e, UPDATE_PRIORITY, from < 0 ? fold_format(f, "Priority changed to %s", to) :
					      fold_format(f, "Priority changed from %s to %s", values_severity[from], to));
	return 0;
}

static int on_cause(struct fold *f, const struct event *e)
{
	add(f, e, UPDATE_CAUSE, words_or(words(f, "root_cause"), BYTES("The root cause was found")));
	return 0;
}

static const char *const update_types[] = {
	"status_change", "note", "customer_update", "eta_change", "assignment_change", "priority_change", "fix_deployed",
	"root_cause_identified", NULL,
};
static const char *const visibilities[] = { "internal", "customer", NULL };
static const char *const author_sources[] = { "app", "slack", "api", "automation", NULL };

static const struct column columns[] = {
	COLUMN(resolution_update, resolution_id, UUID, .required = true),
	COLUMN(resolution_update, update_type, ENUM, .sql = "varchar(30)", .required = true, .values = update_types),
	COLUMN(resolution_update, content, TEXT, .required = true),
	COLUMN(resolution_update, visibility, ENUM, .sql = "varchar(20)", .values = visibilities, .fallback = "internal"),
	COLUMN(resolution_update, previous_status, ENUM, .sql = "varchar(30)", .values = values_resolution_status),
	COLUMN(resolution_update, new_status, ENUM, .sql = "varchar(30)", .values = values_resolution_status),
	COLUMN(resolution_update, author_id, UUID, .about = "null: it was no user"),
	COLUMN(resolution_update, author_source, ENUM, .sql = "varchar(20)", .values = author_sources, .fallback = "app"),
	COLUMN(resolution_update, created_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(RESOLUTION_STATUS_CHANGED, CALL, .then = on_status_changed),
	ON(RESOLUTION_REOPENED, CALL, .then = on_reopened),
	ON(RESOLUTION_NOTE_ADDED, CALL, .then = on_note),
	ON(CUSTOMER_UPDATE_SENT, CALL, .then = on_told),
	ON(RESOLUTION_ETA_CHANGED, CALL, .then = on_eta),
	ON(RESOLUTION_ASSIGNED, CALL, .then = on_assigned),
	ON(RESOLUTION_PRIORITY_CHANGED, CALL, .then = on_priority),
	ON(RESOLUTION_FIX_DEPLOYED, CALL, .then = on_fix_deployed),
	ON(RESOLUTION_ROOT_CAUSE_IDENTIFIED, CALL, .then = on_cause),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, resolution_id, created_at)", "(tenant_id, update_type)", "(tenant_id, visibility)", NULL,
};

const struct projection resolution_updates = {
	.schema = "core", .name = "resolution_updates", .version = 1,
	.about = "The history of a resolution, one row an event, in words.",
	COLUMNS(resolution_update, columns), FOLDS(folds), .indexes = indexes, .history = true,
	NEEDS(&resolutions, &customer_updates),
};
