/*
 * anomalies - events that a read model could not take: nothing is dropped without a trace.
 *
 * The rows are written by the framework (core/fold/fold.c), in the transaction that passes the event by.
 */
#include "fold/anomaly.h"
#include "projections/registry.h"

static const struct column columns[] = {
	COLUMN(anomaly, position, INT8, .required = true, .about = "the event's position in its shard"),
	COLUMN(anomaly, read_model, TEXT, .required = true, .open = true, .about = "whose fold could not take it"),
	COLUMN(anomaly, code, TEXT, .required = true, .open = true,
	       .about = "unknown_conversation, exists, transition, stale_write, ..."),
	COLUMN(anomaly, text, TEXT, .required = true, .about = "what was wrong, in words"),
	COLUMN(anomaly, event_id, UUID, .required = true),
	COLUMN(anomaly, event_type, TEXT, .required = true, .open = true),
	COLUMN(anomaly, entity_type, TEXT, .open = true),
	COLUMN(anomaly, entity_id, UUID),
	COLUMN(anomaly, conversation_id, UUID),
	COLUMN(anomaly, customer_id, UUID),
	COLUMN(anomaly, occurred_at, TIME, .required = true),
	COLUMN(anomaly, recorded_at, TIME, .required = true),
};

static const struct fold_entry folds[] = {
	{ .kind = EV_UNKNOWN },
};

static const char *const indexes[] = {
	"(tenant_id, position)", "(tenant_id, code, recorded_at)", NULL,
};

const struct projection anomalies = {
	.schema = "core", .name = "anomalies", .version = 1,
	.about = "Events that did not fit a read model: its rows were left as they were, and this row says why.",
	COLUMNS(anomaly, columns), FOLDS(folds), .indexes = indexes, .history = true,
};
