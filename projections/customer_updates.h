/*
 * customer_updates - the row of an update, as far as the resolution_updates' fold looks at it.
 */
#ifndef VERBATIM_PROJECTIONS_CUSTOMER_UPDATES_H
#define VERBATIM_PROJECTIONS_CUSTOMER_UPDATES_H

#include "fold/state.h"

struct customer_update {
	struct row row;
	struct uuid resolution_id, conversation_id;
	int16_t update_type;
	struct bytes content, channel;
	struct uuid message_id;
	int16_t status;
	struct bytes error_message;
	int64_t scheduled_for, sent_at, created_at, delivered_at;
	int8_t told;
};

#endif
