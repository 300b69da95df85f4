/*
 * form - what a JSON value must look like, where a field of the catalog takes no just any: data, beside the field.
 *
 *     static const struct form clock = { .kind = FORM_CLOCK, .about = "a time of day such as \"09:00\"" };
 *     static const struct form_member of_window[] = { { "start", &clock, true }, { "end", &clock, true }, { NULL } };
 *     static const struct form window = { .kind = FORM_OBJECT, .members = of_window, .about = "a window" };
 *
 * A form only refuses; the canonical text of what it lets through is that of any JSON value, and whoever reads it (the
 * rules of SLA policies, say) still copes with what it cannot mean: logs hold what older engines took.
 */
#ifndef VERBATIM_EVENT_FORM_H
#define VERBATIM_EVENT_FORM_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "event/path.h"

enum form_kind {
	FORM_OBJECT, /* known members, at least `min` of them there (null is not there) */
	FORM_MAP,    /* any keys of up to `key` characters, each value `of` that form; min to max members */
	FORM_LIST,   /* min to max elements `of` a form */
	FORM_EITHER, /* the form of `any` that is of the value's kind: object, list or other */
	FORM_CLOCK,  /* "HH:MM" or "HH:MM:SS", up to 24:00 */
	FORM_DATE,   /* "YYYY-MM-DD" */
	FORM_NUMBER, /* min to max, both times 10^scale; finer is refused */
	FORM_BOOL,
};

struct form {
	enum form_kind kind;
	const char *about; /* "a time of day such as \"09:00\"": for messages and the reference */
	const struct form_member *members; /* ended by a NULL name */
	const struct form *of;
	const struct form *const *any; /* ended by NULL */
	int64_t min, max;
	int scale, key;
	bool null; /* null will do as well */
};

struct form_member {
	const char *name;
	const struct form *form;
	bool required;
};

enum { FORM_DEPTH_MAX = 8 };

/* 0, or E_INVALID with the path of what does not fit and why. */
int form_check(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error) must_check;

#endif
