/* values - the value lists that only the .def files name; those that read models share stand in event/catalog.h. */
#ifndef VERBATIM_EVENT_CATALOG_VALUES_H
#define VERBATIM_EVENT_CATALOG_VALUES_H

extern const char *const values_usage_counter[];
extern const char *const values_identity_kind[];
extern const char *const values_ai_or_user[];
extern const char *const values_annotation_intent[];
extern const char *const values_trigger_event[];
extern const char *const values_condition_operator[];
extern const char *const values_feedback_kind[];

#endif
