/*
 * upcast - from a version's payload to the next version's, one function a step.
 *
 * A step takes a payload that was checked against the older shape (canonical JSON text) and appends one that
 * fits the newer shape, canonical again, to `out`.  It has no clock and no other source than the payload:
 * the same event must read the same way for ever.
 */
#ifndef VERBATIM_EVENT_CATALOG_UPCAST_H
#define VERBATIM_EVENT_CATALOG_UPCAST_H

#include "base/bytes.h"
#include "base/error.h"

/*
 * message.failed 1 to 2: adds `retryable`, false when `code` is one that no other attempt will mend.
 * E_INVALID when it is no object.
 */
int upcast_message_failed_1(struct bytes payload, struct buffer *out) must_check;

#endif
