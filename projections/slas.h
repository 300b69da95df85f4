/*
 * slas - the row of a policy, and what a policy says, which its versions say too.
 */
#ifndef VERBATIM_PROJECTIONS_SLAS_H
#define VERBATIM_PROJECTIONS_SLAS_H

#include "fold/state.h"

/* The fields of sla_policy.created and .updated as columns, in two parts: policies have some of their own between them. */
#define POLICY_MEMBERS                                                                                  \
	struct bytes name;                                                                              \
	int16_t tier;                                                                                   \
	int64_t first_response_time_minutes, resolution_time_minutes, update_interval_minutes;          \
	struct bytes channel_overrides, priority_overrides;                                             \
	int8_t business_hours_only;                                                                     \
	struct bytes business_hours, timezone;                                                          \
	int8_t is_default;                                                                              \
	int64_t next_response_time_minutes;                                                             \
	struct bytes holidays, pause_states, warn_at;                                                   \
	int16_t on_reopen, first_response_by

#define POLICY_COLUMNS(type)                                                                                                     \
	COLUMN(type, name, TEXT, .sql = "varchar(100)", .required = true),                                                       \
	COLUMN(type, tier, ENUM, .sql = "varchar(20)", .required = true, .values = values_sla_tier),                             \
	COLUMN(type, first_response_time_minutes, INT4, .sql = "integer", .required = true),                                     \
	COLUMN(type, resolution_time_minutes, INT4, .sql = "integer", .required = true),                                         \
	COLUMN(type, update_interval_minutes, INT4, .sql = "integer", .required = true, .fallback = "720"),                      \
	COLUMN(type, channel_overrides, JSON, .fallback = "{}", .open = true,                                                    \
	       .about = "channel to {first_response, ...} in minutes"),                                                          \
	COLUMN(type, priority_overrides, JSON, .fallback = "{}", .open = true,                                                   \
	       .about = "severity to {first_response, resolution, ...} in minutes"),                                             \
	COLUMN(type, business_hours_only, BOOL, .fallback = "true"),                                                             \
	COLUMN(type, business_hours, JSON, .fallback = policy_hours, .open = true,                                               \
	       .about = "weekday to {start, end} or a list of them, in the policy's time zone"),                                 \
	COLUMN(type, timezone, TEXT, .sql = "varchar(50)", .fallback = "UTC", .about = "a name of the tz database"),             \
	COLUMN(type, is_default, BOOL, .fallback = "false", .about = "holds where no policy of the tier does")

#define POLICY_MORE_COLUMNS(type)                                                                                                 \
	COLUMN(type, next_response_time_minutes, INT4, .sql = "integer", .about = "null: not promised"),                         \
	COLUMN(type, holidays, JSON, .fallback = "[]", .open = true),                                                            \
	COLUMN(type, pause_states, TEXTS, .about = "null: each clock's own"),                                                    \
	COLUMN(type, warn_at, JSON, .fallback = "[0.75]", .open = true,                                                          \
	       .about = "shares of the target, or seconds before the due time"),                                                 \
	COLUMN(type, on_reopen, ENUM, .sql = "varchar(10)", .values = policy_on_reopen, .fallback = "resume"),                   \
	COLUMN(type, first_response_by, ENUM, .sql = "varchar(10)", .values = policy_response_by, .fallback = "human",           \
	       .about = "whose answer counts as the first response")

extern const char policy_hours[]; /* Monday to Friday, 09:00 to 17:00 */
extern const char *const policy_on_reopen[];
extern const char *const policy_response_by[];

struct sla {
	struct row row;
	POLICY_MEMBERS;
	int8_t is_active;
	int64_t created_at, updated_at;
	int64_t policy_version;
	struct uuid version_id; /* of the row of sla_policy_versions that holds */
};

struct policy_version {
	struct row row;
	struct uuid sla_id;
	int64_t policy_version;
	POLICY_MEMBERS;
	int64_t created_at;
	struct uuid written_by_id;
};

/* Which versions new clocks go by: one row a tenant, under the tenant's id (sla_policy_choices.c). */
struct policy_choice {
	struct row row;
	struct uuid free_version_id, standard_version_id, premium_version_id, enterprise_version_id, default_version_id;
	struct bytes policies;
};

/* The version for a tier (of values_sla_tier); nil when there is none. */
struct uuid policy_choice_of(const struct policy_choice *choice, int16_t tier);

#endif
