/* forms - what the JSON fields of the catalog must look like (event/form.h). */
#ifndef VERBATIM_EVENT_CATALOG_FORMS_H
#define VERBATIM_EVENT_CATALOG_FORMS_H

#include "event/form.h"

/* Ten years: a promise that takes longer is none. */
enum { SLA_MINUTES_MOST = 5256000 };

extern const struct form form_date, form_windows, form_business_hours, form_warn_at, form_priority_overrides, form_channel_overrides;

#endif
