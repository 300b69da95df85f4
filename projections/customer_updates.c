/*
 * customer_updates - news about a resolution that goes to the customer of the tenant's own accord.
 *
 * Reports of delivery join as those of messages do, in whatever order they come; there is no reading and no second
 * attempt.  One that was called back is not sent any more: a report that says otherwise is an anomaly.
 */
#include "projections/customer_updates.h"

#include "projections/registry.h"

/* It left for the customer, which the resolution's history tells once. */
static int on_sent(struct fold *f, const struct event *e)
{
	struct customer_update *u = f->row;

	if (!u->told)
		f->facts.told = &u->row;
	u->told = true;
	return 0;
}

static int on_delivered(struct fold *f, const struct event *e)
{
	struct customer_update *u = f->row;

	u->delivered_at = e->occurred_at;
	u->error_message = (struct bytes){ NULL, 0 };
	return 0;
}

static const char *const update_types[] = {
	"acknowledgement", "status_update", "eta_update", "resolution_summary", "scheduled_update", NULL,
};

static const struct column columns[] = {
	COLUMN(customer_update, resolution_id, UUID, .required = true),
	COLUMN(customer_update, conversation_id, UUID, .required = true),
	COLUMN(customer_update, update_type, ENUM, .sql = "varchar(30)", .required = true, .values = update_types),
	COLUMN(customer_update, content, TEXT, .required = true),
	COLUMN(customer_update, channel, TEXT, .sql = "varchar(30)", .required = true),
	COLUMN(customer_update, message_id, UUID),
	COLUMN(customer_update, status, ENUM, .sql = "varchar(20)", .required = true, .values = customer_update_statuses,
	       .machine = &customer_update_machine, .fallback = "pending"),
	COLUMN(customer_update, error_message, TEXT, .about = "of the failure that the status tells of"),
	COLUMN(customer_update, scheduled_for, TIME, .about = "null: at once"),
	COLUMN(customer_update, sent_at, TIME),
	COLUMN(customer_update, created_at, TIME, .required = true),
	COLUMN(customer_update, delivered_at, TIME),
	COLUMN(customer_update, told, BOOL, .required = true, .hidden = true, .fallback = "false"),
};

static const struct fold_entry folds[] = {
	ON(CUSTOMER_UPDATE_SCHEDULED, CREATE),
	ON(CUSTOMER_UPDATE_SENT, COPY, .then = on_sent),
	ON(CUSTOMER_UPDATE_DELIVERED, COPY, .then = on_delivered),
	ON(CUSTOMER_UPDATE_FAILED, COPY),
	ON(CUSTOMER_UPDATE_CANCELLED, COPY),
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, resolution_id)", "(tenant_id, conversation_id)", "(tenant_id, scheduled_for) WHERE status = 'pending'", NULL,
};

const struct projection customer_updates = {
	.schema = "core", .name = "customer_updates", .version = 1,
	.about = "News about a resolution for the customer, and what became of it on its way.",
	.entity = ENTITY_CUSTOMER_UPDATE, COLUMNS(customer_update, columns), FOLDS(folds), .indexes = indexes, .fillfactor = 90,
};
