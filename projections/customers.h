/*
 * customers - what other folds of the group may ask about a customer.
 */
#ifndef VERBATIM_PROJECTIONS_CUSTOMERS_H
#define VERBATIM_PROJECTIONS_CUSTOMERS_H

#include "fold/state.h"

struct customer;

/* The customer with this id or, when that one was merged, the one it went to; NULL when there is none. */
struct customer *customer_find(struct fold *f, const struct uuid *id);

const struct uuid *customer_id(const struct customer *c);
/* The conversations that went to the survivor when this customer was merged: a JSON array of ids, or absent. */
struct bytes customer_moved(const struct customer *c);

bool customer_is_blocked(const struct customer *c);

/* The index in values_sla_tier. */
int16_t customer_tier(const struct customer *c);

#endif
