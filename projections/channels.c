/* channels - the places where customers write, and whether they work.  Secrets are never here: secret_ref names where they are kept. */
#include "fold/state.h"
#include "projections/registry.h"

struct channel {
	struct row row;
	int16_t type;
	struct bytes name, config, credentials_encrypted;
	int16_t status;
	struct bytes last_error;
	int64_t last_error_at;
	struct uuid default_team_id;
	struct bytes default_skills;
	struct bytes webhook_url, secret_ref, sync_cursor;
	int64_t last_sync_at;
	int64_t created_at, updated_at;
};

static int on_errored(struct fold *f, const struct event *e)
{
	struct channel *c = f->row;

	c->last_error = fold_keep(f, field_text(&f->fields, "error"));
	c->last_error_at = e->occurred_at;
	return 0;
}

static int on_synced(struct fold *f, const struct event *e)
{
	struct channel *c = f->row;

	c->last_sync_at = time_later(c->last_sync_at, e->occurred_at);
	if (field_has(&f->fields, "cursor"))
		c->sync_cursor = fold_keep(f, field_text(&f->fields, "cursor"));
	return 0;
}

static const struct column columns[] = {
	COLUMN(channel, type, ENUM, .sql = "varchar(30)", .required = true, .values = values_channel_type),
	COLUMN(channel, name, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(channel, config, JSON, .required = true, .fallback = "{}"),
	COLUMN(channel, credentials_encrypted, TEXT, .about = "always null: events carry no secrets; see secret_ref"),
	COLUMN(channel, status, ENUM, .sql = "varchar(20)", .required = true, .values = channel_statuses,
	       .machine = &channel_machine, .fallback = "active"),
	COLUMN(channel, last_error, TEXT),
	COLUMN(channel, last_error_at, TIME),
	COLUMN(channel, default_team_id, UUID),
	COLUMN(channel, default_skills, TEXTS, .fallback = "[]"),
	COLUMN(channel, webhook_url, TEXT),
	COLUMN(channel, secret_ref, TEXT, .sql = "varchar(255)", .withheld = true, .about = "where the channel's secret is kept"),
	COLUMN(channel, sync_cursor, TEXT, .about = "where the next poll goes on"),
	COLUMN(channel, last_sync_at, TIME),
	COLUMN(channel, created_at, TIME, .required = true),
	COLUMN(channel, updated_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	ON(CHANNEL_CONNECTED, CREATE),
	ON(CHANNEL_UPDATED, CHANGES),
	ON(CHANNEL_CREDENTIALS_ROTATED, COPY),
	ON(CHANNEL_ACTIVATED, COPY),
	ON(CHANNEL_DEACTIVATED, COPY),
	ON(CHANNEL_ERRORED, COPY, .then = on_errored),
	ON(CHANNEL_RECOVERED, COPY),
	ON(CHANNEL_SYNCED, COPY, .then = on_synced),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, type)", "(tenant_id, status)", NULL };

const struct projection channels = {
	.schema = "core", .name = "channels", .version = 2,
	.about = "A tenant's connections to the places where customers write.",
	.entity = ENTITY_CHANNEL, COLUMNS(channel, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
};
