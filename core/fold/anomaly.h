/*
 * anomaly - the row that says which event a read model could not take, and why.
 *
 * The framework writes these rows itself (fold_anomaly, state_refuse) into the group's read model named
 * "anomalies", whose column table stands with the other projections.
 */
#ifndef VERBATIM_FOLD_ANOMALY_H
#define VERBATIM_FOLD_ANOMALY_H

#include "fold/projection.h"

struct anomaly {
	struct row row;
	int64_t position;
	struct bytes read_model;
	struct bytes code;
	struct bytes text;
	struct uuid event_id;
	struct bytes event_type;
	struct bytes entity_type;
	struct uuid entity_id;
	struct uuid conversation_id;
	struct uuid customer_id;
	int64_t occurred_at;
	int64_t recorded_at;
};

#endif
