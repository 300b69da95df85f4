/*
 * users - agents, supervisors, engineers and programs that work for a tenant.
 *
 * current_conversation_count is folded from what the conversations' fold derived: an agent carries a
 * conversation while it is assigned to them and neither resolved nor deleted.  Agents who are not known here
 * (managed elsewhere) are no anomaly; nobody counts for them.
 *
 * team_id is the user's own team (user.created, user.team_changed); the first membership sets it when there is
 * none.  team_ids lists all memberships.
 */
#include "fold/state.h"
#include "projections/registry.h"

struct user {
	struct row row;
	struct bytes email, password_hash;
	int16_t auth_provider;
	struct bytes auth_provider_id;
	struct bytes first_name, last_name, display_name, avatar_url, timezone, locale;
	int16_t role;
	struct bytes permissions;
	struct uuid team_id;
	struct bytes team_ids, skills, skill_levels;
	int16_t status;
	int64_t status_until;
	int64_t max_concurrent_conversations, current_conversation_count;
	struct bytes slack_user_id;
	int8_t is_active;
	int64_t last_active_at, last_login_at, failed_login_count;
	struct bytes full_name, clerk_user_id, stack_user_id, sf_object, sf_id, secret_ref;
	int64_t created_at, updated_at;
};

/* What follows from other columns. */
static int derive(struct fold *f, const struct event *e)
{
	struct user *u = f->row;
	struct bytes none = { NULL, 0 };
	bool clerk = u->auth_provider >= 0 && strcmp(values_auth_provider[u->auth_provider], "clerk") == 0;
	bool stack = u->auth_provider >= 0 && strcmp(values_auth_provider[u->auth_provider], "stack") == 0;
	size_t len = u->first_name.len + 1 + u->last_name.len;
	char *name = arena_alloc(f->arena, len);

	memcpy(name, u->first_name.data, u->first_name.len);
	name[u->first_name.len] = ' ';
	memcpy(name + u->first_name.len + 1, u->last_name.data, u->last_name.len);
	u->full_name = u->first_name.len == 0 ? bytes_of(name + 1, len - 1) :
		       u->last_name.len == 0 ? bytes_of(name, len - 1) : bytes_of(name, len);
	u->clerk_user_id = clerk ? u->auth_provider_id : none;
	u->stack_user_id = stack ? u->auth_provider_id : none;
	return 0;
}

static struct bytes uuid_bytes(const struct uuid *id, char text[UUID_TEXT])
{
	return bytes_text(uuid_format(id, text));
}

static int on_created(struct fold *f, const struct event *e)
{
	struct user *u = f->row;
	char text[UUID_TEXT];

	if (!uuid_is_nil(&u->team_id))
		u->team_ids = fold_texts_add(f, u->team_ids, uuid_bytes(&u->team_id, text));
	return derive(f, e);
}

static int on_role_changed(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->role = (int16_t)field_enum(&f->fields, "to");
	return 0;
}

static int on_status_changed(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->status = (int16_t)field_enum(&f->fields, "to");
	u->status_until = field_time(&f->fields, "until");
	u->last_active_at = time_later(u->last_active_at, e->occurred_at);
	return 0;
}

static int on_capacity_changed(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->max_concurrent_conversations = field_int(&f->fields, "max", 0);
	return 0;
}

static int on_team_changed(struct fold *f, const struct event *e)
{
	struct user *u = f->row;
	char text[UUID_TEXT];

	u->team_ids = fold_texts_add(f, u->team_ids, uuid_bytes(&u->team_id, text));
	return 0;
}

static int on_activated(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->is_active = e->type->kind == EV_USER_ACTIVATED;
	return 0;
}

static int on_logged_in(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->last_login_at = time_later(u->last_login_at, e->occurred_at);
	u->last_active_at = time_later(u->last_active_at, e->occurred_at);
	u->failed_login_count = 0;
	return 0;
}

static int on_login_failed(struct fold *f, const struct event *e)
{
	struct user *u = f->row;

	u->failed_login_count++;
	return 0;
}

static int on_member_added(struct fold *f, const struct event *e)
{
	struct uuid id = field_uuid(&f->fields, "user_id");
	struct user *u = fold_self(f, &id);
	char text[UUID_TEXT];

	if (!u)
		return 0;
	fold_change(f, u);
	u->team_ids = fold_texts_add(f, u->team_ids, uuid_bytes(&e->entity_id, text));
	if (uuid_is_nil(&u->team_id))
		u->team_id = e->entity_id;
	return 0;
}

static int on_member_removed(struct fold *f, const struct event *e)
{
	struct uuid id = field_uuid(&f->fields, "user_id");
	struct user *u = fold_self(f, &id);
	char text[UUID_TEXT];

	if (!u)
		return 0;
	fold_change(f, u);
	u->team_ids = fold_texts_remove(f, u->team_ids, uuid_bytes(&e->entity_id, text));
	if (uuid_equal(&u->team_id, &e->entity_id))
		memset(&u->team_id, 0, sizeof(u->team_id));
	return 0;
}

static void carry(struct fold *f, const struct uuid *id, int by)
{
	struct user *u = fold_self(f, id);

	if (!u)
		return;
	fold_change(f, u);
	/* A user who became known after being assigned begins at nought. */
	if (u->current_conversation_count + by >= 0)
		u->current_conversation_count += by;
}

/* A conversation's load went from one agent to another, or to nobody. */
static int on_load(struct fold *f, const struct event *e)
{
	if (!f->facts.agent_changed)
		return 0;
	carry(f, &f->facts.from_agent, -1);
	carry(f, &f->facts.to_agent, +1);
	return 0;
}

static const struct column columns[] = {
	COLUMN(user, email, TEXT, .sql = "varchar(255)", .required = true, .unique = true),
	COLUMN(user, password_hash, TEXT, .sql = "varchar(255)", .about = "always null: events carry no secrets; see secret_ref"),
	COLUMN(user, auth_provider, ENUM, .sql = "varchar(50)", .values = values_auth_provider, .fallback = "local"),
	COLUMN(user, auth_provider_id, TEXT, .sql = "varchar(255)"),
	COLUMN(user, first_name, TEXT, .sql = "varchar(100)", .required = true, .fallback = ""),
	COLUMN(user, last_name, TEXT, .sql = "varchar(100)", .required = true, .fallback = ""),
	COLUMN(user, display_name, TEXT, .sql = "varchar(200)"),
	COLUMN(user, avatar_url, TEXT),
	COLUMN(user, timezone, TEXT, .sql = "varchar(50)", .fallback = "UTC"),
	COLUMN(user, locale, TEXT, .sql = "varchar(10)", .fallback = "en"),
	COLUMN(user, role, ENUM, .sql = "varchar(30)", .required = true, .values = values_user_role, .fallback = "agent"),
	COLUMN(user, permissions, JSON, .fallback = "[]"),
	COLUMN(user, team_id, UUID),
	COLUMN(user, team_ids, UUIDS, .fallback = "[]", .about = "all teams the user is a member of"),
	COLUMN(user, skills, TEXTS, .fallback = "[]"),
	COLUMN(user, skill_levels, JSON, .fallback = "{}", .open = true),
	COLUMN(user, status, ENUM, .sql = "varchar(20)", .values = values_user_status, .fallback = "offline"),
	COLUMN(user, status_until, TIME),
	COLUMN(user, max_concurrent_conversations, INT4, .sql = "integer", .fallback = "5"),
	COLUMN(user, current_conversation_count, INT4, .sql = "integer", .fallback = "0",
	       .about = "conversations assigned to the user that are neither resolved nor deleted"),
	COLUMN(user, slack_user_id, TEXT, .sql = "varchar(50)"),
	COLUMN(user, is_active, BOOL, .fallback = "true"),
	COLUMN(user, last_active_at, TIME, .about = "the latest login or change of status"),
	COLUMN(user, last_login_at, TIME),
	COLUMN(user, failed_login_count, INT4, .sql = "integer", .fallback = "0", .about = "since the last login"),
	COLUMN(user, full_name, TEXT, .sql = "varchar(201)"),
	COLUMN(user, clerk_user_id, TEXT, .sql = "varchar(255)"),
	COLUMN(user, stack_user_id, TEXT, .sql = "varchar(255)"),
	COLUMN(user, sf_object, TEXT, .sql = "varchar(100)"),
	COLUMN(user, sf_id, TEXT, .sql = "varchar(255)", .withheld = true),
	COLUMN(user, secret_ref, TEXT, .sql = "varchar(255)", .withheld = true, .about = "where the user's secret is kept"),
	COLUMN(user, created_at, TIME, .required = true),
	COLUMN(user, updated_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(USER_CREATED, CREATE, .then = on_created),
	ON(USER_UPDATED, CHANGES, .then = derive),
	ON(USER_ROLE_CHANGED, COPY, .then = on_role_changed),
	ON(USER_CREDENTIALS_CHANGED, COPY),
	ON(USER_STATUS_CHANGED, COPY, .then = on_status_changed),
	ON(USER_SKILLS_CHANGED, COPY),
	ON(USER_CAPACITY_CHANGED, COPY, .then = on_capacity_changed),
	ON(USER_TEAM_CHANGED, COPY, .then = on_team_changed),
	ON(USER_ACTIVATED, COPY, .then = on_activated),
	ON(USER_DEACTIVATED, COPY, .then = on_activated),
	ON(USER_LOGGED_IN, COPY, .then = on_logged_in),
	ON(USER_LOGIN_FAILED, COPY, .then = on_login_failed),
	ON(USER_CRM_LINKED, COPY),
	ON(TEAM_MEMBER_ADDED, CALL, .then = on_member_added, .refs = ENTITY_USER),
	ON(TEAM_MEMBER_REMOVED, CALL, .then = on_member_removed, .refs = ENTITY_USER),
	ON(MESSAGE_RECEIVED, CALL, .then = on_load),
	ON(CONVERSATION_ASSIGNED, CALL, .then = on_load, .refs = ENTITY_USER),
	ON(CONVERSATION_UNASSIGNED, CALL, .then = on_load),
	ON(CONVERSATION_TRANSFERRED, CALL, .then = on_load, .refs = ENTITY_USER),
	ON(CONVERSATION_RESOLVED, CALL, .then = on_load),
	ON(CONVERSATION_REOPENED, CALL, .then = on_load),
	ON(CONVERSATION_STATE_CHANGED, CALL, .then = on_load),
	ON(CONVERSATION_MERGED_INTO, CALL, .then = on_load),
	ON(CONVERSATION_DELETED, CALL, .then = on_load),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, email)", "(tenant_id, team_id)", "(tenant_id, role)", "USING gin (skills)", NULL,
};

const struct projection users = {
	.schema = "core", .name = "users", .version = 1,
	.about = "People and programs that work for a tenant.",
	.entity = ENTITY_USER, COLUMNS(user, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 70,
	NEEDS(&conversations),
};
