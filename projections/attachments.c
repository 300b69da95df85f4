/* attachments - the files that came with messages: where each is kept, and whether it is safe to open. */
#include "fold/state.h"
#include "projections/registry.h"

struct attachment {
	struct row row;
	struct uuid message_id;
	struct bytes filename, original_filename, content_type;
	int64_t size_bytes;
	int16_t storage_provider;
	struct bytes storage_url, storage_key;
	int8_t is_image;
	struct bytes thumbnail_url, dimensions;
	int8_t virus_scanned;
	int16_t virus_scan_result;
	int64_t created_at, expires_at, scanned_at, expired_at;
};

static int on_scanned(struct fold *f, const struct event *e)
{
	struct attachment *a = fold_self(f, &e->entity_id);
	int16_t state;

	if (!a)
		return fold_anomaly(f, "unknown_attachment", "no such attachment");
	state = (int16_t)(a->virus_scan_result + 1); /* null is unscanned */
	if (fold_step(f, &attachment_scan_machine, &state, field_enum(&f->fields, "virus_scan_result")) != VERDICT_MOVE)
		return 0;
	fold_change(f, a);
	a->virus_scan_result = (int16_t)(state - 1);
	a->virus_scanned = state != SCAN_ERROR;
	a->scanned_at = e->occurred_at;
	return 0;
}

static int on_expired(struct fold *f, const struct event *e)
{
	struct attachment *a = f->row;

	a->expired_at = time_earlier(a->expired_at, e->occurred_at);
	return 0;
}

static const char *const providers[] = { "local", "s3", "minio", "gcs", NULL };
static const char *const results[] = { "clean", "infected", "error", NULL }; /* the machine's states after unscanned */

static const struct column columns[] = {
	COLUMN(attachment, message_id, UUID, .required = true),
	COLUMN(attachment, filename, TEXT, .sql = "varchar(255)", .required = true),
	COLUMN(attachment, original_filename, TEXT, .sql = "varchar(255)", .required = true),
	COLUMN(attachment, content_type, TEXT, .sql = "varchar(100)", .required = true),
	COLUMN(attachment, size_bytes, INT8, .sql = "bigint", .required = true),
	COLUMN(attachment, storage_provider, ENUM, .sql = "varchar(50)", .values = providers, .fallback = "local"),
	COLUMN(attachment, storage_url, TEXT, .about = "null: made from provider and key when it is needed"),
	COLUMN(attachment, storage_key, TEXT, .required = true),
	COLUMN(attachment, is_image, BOOL, .fallback = "false"),
	COLUMN(attachment, thumbnail_url, TEXT),
	COLUMN(attachment, dimensions, JSON, .open = true, .about = "width and height in pixels"),
	COLUMN(attachment, virus_scanned, BOOL, .fallback = "false", .about = "a scan came to a result"),
	COLUMN(attachment, virus_scan_result, ENUM, .sql = "varchar(20)", .values = results,
	       .about = "null: not scanned; error: to be scanned again"),
	COLUMN(attachment, created_at, TIME, .required = true),
	COLUMN(attachment, expires_at, TIME),
	COLUMN(attachment, scanned_at, TIME),
	COLUMN(attachment, expired_at, TIME, .about = "the file is no longer kept"),
};

static const struct fold_entry folds[] = {
	ON(ATTACHMENT_ADDED, CREATE),
	ON(ATTACHMENT_SCANNED, CALL, .then = on_scanned),
	ON(ATTACHMENT_THUMBNAILED, COPY),
	ON(ATTACHMENT_EXPIRED, COPY, .then = on_expired),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = { "(tenant_id, message_id)", "(tenant_id, content_type)", NULL };

const struct projection attachments = {
	.schema = "core", .name = "attachments", .version = 1,
	.about = "Files that came with messages: where each is kept, and whether it is safe to open.",
	.entity = ENTITY_ATTACHMENT, COLUMNS(attachment, columns), FOLDS(folds), .indexes = indexes,
};
