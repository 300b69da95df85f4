/* form - see form.h. */
#include "event/form.h"

#include <stdio.h>

#include "base/time.h"
#include "event/canonical_text.h"
#include "event/check.h"
#include "event/number.h"

static int not_that(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	char text[QUOTE_BYTES];

	if (value->type == MSGPACK_OBJECT_STR)
		return path_error(path, error, E_INVALID, "'%s' is not %s", quote(value_text(value), text), form->about);
	return path_error(path, error, E_INVALID, "must be %s, not %s", form->about, value_kind(value));
}

static int check_number(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	struct buffer text = { 0 };
	enum number_fit fit = NUMBER_NONE;
	int64_t v = 0;

	if (value->type == MSGPACK_OBJECT_STR || value->type == MSGPACK_OBJECT_BOOLEAN)
		return not_that(form, value, path, error);
	if (canonical_any_number(value, path, &text, error) == 0)
		fit = number_decimal(buffer_bytes(&text), form->scale, &v);
	buffer_release(&text);
	return fit == NUMBER_FITS && v >= form->min && v <= form->max ? 0 : path_error(path, error, E_INVALID, "must be %s", form->about);
}

static int check_text(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	struct bytes text = value_text(value);
	int64_t unused;
	bool fits = form->kind == FORM_CLOCK ? time_of_day_parse(text.data, text.len, &unused) : time_date_parse(text.data, text.len, &unused);

	return fits ? 0 : not_that(form, value, path, error);
}

static int check_count(const struct form *form, int64_t count, const struct path *path, struct error *error)
{
	if (count < form->min)
		return path_error(path, error, E_INVALID, "must be %s; nothing of that is there", form->about);
	if (form->max > 0 && count > form->max)
		return path_error(path, error, E_INVALID, "has %lld members, at most %lld are allowed", (long long)count, (long long)form->max);
	return 0;
}

static int check_list(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	int r = check_count(form, value->via.array.size, path, error);

	for (uint32_t i = 0; i < value->via.array.size && r == 0; i++) {
		struct path at = { path, { NULL, 0 }, i };

		r = form_check(form->of, &value->via.array.ptr[i], &at, error);
	}
	return r;
}

static int check_map(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	int r = check_count(form, value->via.map.size, path, error);

	for (uint32_t i = 0; i < value->via.map.size && r == 0; i++) {
		const msgpack_object_kv *pair = &value->via.map.ptr[i];
		struct path at = { path, { NULL, 0 }, 0 };
		struct bytes name;

		r = check_string(&pair->key, path, 1, form->key, &name, error);
		at.name = name;
		if (r == 0)
			r = form_check(form->of, &pair->val, &at, error);
	}
	return r;
}

static const struct form_member *member_find(const struct form *form, struct bytes name)
{
	for (const struct form_member *m = form->members; m->name; m++)
		if (bytes_is(name, m->name))
			return m;
	return NULL;
}

static const msgpack_object *value_find(const msgpack_object *value, const char *name)
{
	for (uint32_t i = 0; i < value->via.map.size; i++) {
		const msgpack_object_kv *pair = &value->via.map.ptr[i];

		if (pair->val.type != MSGPACK_OBJECT_NIL && bytes_is(value_text(&pair->key), name))
			return &pair->val;
	}
	return NULL;
}

static int no_member(const struct form *form, const struct path *path, struct error *error)
{
	char text[QUOTE_BYTES], list[200] = "";
	size_t n = 0;

	for (const struct form_member *m = form->members; m->name && n < sizeof(list) - 1; m++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", m == form->members ? "" : ", ", m->name);
	return path_error(path, error, E_INVALID, "'%s' is not one of %s", quote(path->name, text), list);
}

/* Its keys are texts, and none stands twice: it is canonical by now. */
static int check_members(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	int64_t there = 0;
	int r = 0;

	for (uint32_t i = 0; i < value->via.map.size && r == 0; i++) {
		const msgpack_object_kv *pair = &value->via.map.ptr[i];
		struct path at = { path, value_text(&pair->key), 0 };
		const struct form_member *m = member_find(form, at.name);

		if (!m)
			return no_member(form, &at, error);
		if (pair->val.type == MSGPACK_OBJECT_NIL)
			continue;
		r = form_check(m->form, &pair->val, &at, error);
		there++;
	}
	for (const struct form_member *m = form->members; m->name && r == 0; m++)
		if (m->required && !value_find(value, m->name))
			r = path_error(path, error, E_INVALID, "has no \"%s\", and must be %s", m->name, form->about);
	return r ? r : check_count(form, there, path, error);
}

static bool is_of_kind(const struct form *form, const msgpack_object *value)
{
	switch (form->kind) {
	case FORM_OBJECT:
	case FORM_MAP:
		return value->type == MSGPACK_OBJECT_MAP;
	case FORM_LIST:
		return value->type == MSGPACK_OBJECT_ARRAY;
	case FORM_CLOCK:
	case FORM_DATE:
		return value->type == MSGPACK_OBJECT_STR;
	case FORM_BOOL:
		return value->type == MSGPACK_OBJECT_BOOLEAN;
	case FORM_NUMBER:
	case FORM_EITHER:
		break;
	}
	return value->type != MSGPACK_OBJECT_MAP && value->type != MSGPACK_OBJECT_ARRAY;
}

int form_check(const struct form *form, const msgpack_object *value, const struct path *path, struct error *error)
{
	if (value->type == MSGPACK_OBJECT_NIL && form->null)
		return 0;
	if (form->kind == FORM_EITHER) {
		for (const struct form *const *one = form->any; *one; one++)
			if (is_of_kind(*one, value))
				return form_check(*one, value, path, error);
		return not_that(form, value, path, error);
	}
	if (!is_of_kind(form, value))
		return not_that(form, value, path, error);
	switch (form->kind) {
	case FORM_OBJECT:
		return check_members(form, value, path, error);
	case FORM_MAP:
		return check_map(form, value, path, error);
	case FORM_LIST:
		return check_list(form, value, path, error);
	case FORM_NUMBER:
		return check_number(form, value, path, error);
	case FORM_CLOCK:
	case FORM_DATE:
		return check_text(form, value, path, error);
	case FORM_BOOL:
	case FORM_EITHER:
		break;
	}
	return 0;
}
