/*
 * forms - see forms.h.
 *
 * Whether a zone's name means anything, and whether a window's end is its start, is for whoever reads the policy.
 */
#include "event/catalog/forms.h"

#define MEMBERS(...) .members = (const struct form_member[]){ __VA_ARGS__, { NULL, NULL, false } }
#define EITHER(...)  .kind = FORM_EITHER, .any = (const struct form *const[]){ __VA_ARGS__, NULL }

enum { WINDOWS_MOST = 24, WARNINGS_MOST = 16, CHANNELS_MOST = 64, CHANNEL_CHARACTERS = 30 };

static const struct form form_bool = { .kind = FORM_BOOL, .about = "true or false" };
static const struct form form_clock = { .kind = FORM_CLOCK, .about = "a time of day such as \"09:00\", up to \"24:00\"" };
const struct form form_date = { .kind = FORM_DATE, .about = "a date such as \"2026-12-24\"" };

/* ---- hours: {"start": "09:00", "end": "17:00"}, ["09:00", "17:00"], or a list of these ---- */

#define WINDOW "{\"start\": \"09:00\", \"end\": \"17:00\"}"
static const struct form window_named = {
	.kind = FORM_OBJECT, .about = "a window " WINDOW, MEMBERS({ "start", &form_clock, true }, { "end", &form_clock, true }),
};
static const struct form window_pair = { .kind = FORM_LIST, .about = "a window [\"09:00\", \"17:00\"]", .of = &form_clock, .min = 2, .max = 2 };
static const struct form window = { EITHER(&window_named, &window_pair), .about = "a window " WINDOW };
static const struct form window_list = { .kind = FORM_LIST, .about = "a list of windows", .of = &window, .max = WINDOWS_MOST };
const struct form form_windows = { EITHER(&window_named, &window_list), .about = "a window " WINDOW ", or a list of windows", .null = true };

const struct form form_business_hours = {
	.kind = FORM_OBJECT, .min = 1, .about = "windows by weekday, {\"monday\": " WINDOW ", ...}, of one day at least",
	MEMBERS({ "monday", &form_windows, false }, { "tuesday", &form_windows, false }, { "wednesday", &form_windows, false },
		{ "thursday", &form_windows, false }, { "friday", &form_windows, false }, { "saturday", &form_windows, false },
		{ "sunday", &form_windows, false }),
};

/* ---- numbers ---- */

static const struct form minutes = {
	.kind = FORM_NUMBER, .scale = 4, .min = 1, .max = SLA_MINUTES_MOST * INT64_C(10000),
	.about = "minutes, more than 0 and at most 5256000 (ten years), with up to four decimals",
};
static const struct form threshold = {
	.kind = FORM_NUMBER, .scale = 4, .min = 1, .max = SLA_MINUTES_MOST * INT64_C(600000),
	.about = "a share of the target below 1, or seconds before the due time, with up to four decimals",
};
const struct form form_warn_at = {
	.kind = FORM_LIST, .of = &threshold, .max = WARNINGS_MOST,
	.about = "a list of thresholds, each a share of the target below 1, or seconds before the due time",
};

static const struct form override = {
	.kind = FORM_OBJECT, .null = true,
	.about = "an override {\"first_response\", \"next_response\", \"update\", \"resolution\": minutes, \"business_hours_only\": bool}",
	MEMBERS({ "first_response", &minutes, false }, { "next_response", &minutes, false }, { "update", &minutes, false },
		{ "update_interval", &minutes, false }, { "resolution", &minutes, false },
		{ "first_response_time_minutes", &minutes, false }, { "next_response_time_minutes", &minutes, false },
		{ "update_interval_minutes", &minutes, false }, { "resolution_time_minutes", &minutes, false },
		{ "business_hours_only", &form_bool, false }),
};
const struct form form_priority_overrides = {
	.kind = FORM_OBJECT, .about = "overrides by severity, {\"P0\": {\"first_response\": 5}, ...}",
	MEMBERS({ "P0", &override, false }, { "P1", &override, false }, { "P2", &override, false }, { "P3", &override, false }),
};
const struct form form_channel_overrides = {
	.kind = FORM_MAP, .of = &override, .key = CHANNEL_CHARACTERS, .max = CHANNELS_MOST,
	.about = "overrides by channel, {\"email\": {\"first_response\": 120}, ...}",
};
