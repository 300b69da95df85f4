/*
 * json - see state.h; here: lists and objects that are held as JSON text, edited as values.
 *
 * Strings are compared as they are written: RFC 8785 gives each text one way to be escaped, and jsonb escapes
 * the same characters in the same way.  Each edit makes a new text in the rows' memory; an edit that changes
 * nothing gives back the old one.
 */
#include "event/canonical.h"
#include "fold/json_number.h"
#include "fold/state.h"

/* Room for the whole result is taken first; the pieces follow. */
struct writer {
	char *data;
	size_t len;
};

static void put(struct writer *w, struct bytes piece)
{
	if (piece.len)
		memcpy(w->data + w->len, piece.data, piece.len);
	w->len += piece.len;
}

static void put_element(struct writer *w, struct bytes element)
{
	if (w->len > 1)
		w->data[w->len++] = ',';
	put(w, element);
}

struct bytes fold_quote(struct fold *f, struct bytes text)
{
	struct buffer out = { 0 };
	struct bytes kept;

	for (size_t i = 0;; i++) {
		unsigned char c = i < text.len ? (unsigned char)text.data[i] : 0;

		if (i == text.len) {
			char *p = arena_alloc(f->arena, text.len + 2);

			p[0] = '"';
			if (text.len)
				memcpy(p + 1, text.data, text.len);
			p[text.len + 1] = '"';
			return bytes_of(p, text.len + 2);
		}
		if (c < 0x20 || c == '"' || c == '\\')
			break;
	}
	canonical_string(text, &out);
	kept = arena_copy(f->arena, buffer_bytes(&out));
	buffer_release(&out);
	return kept;
}

static bool has_raw(struct bytes array, struct bytes raw)
{
	struct bytes key, value;
	size_t at = 0;

	while (array.data && json_next(array, &at, &key, &value))
		if (bytes_equal(value, raw))
			return true;
	return false;
}

struct bytes fold_list_add(struct fold *f, struct bytes array, struct bytes raw)
{
	struct writer w = { NULL, 0 };

	if (!array.data || array.len < 2)
		array = BYTES("[]");
	if (has_raw(array, raw))
		return array;
	w.data = arena_alloc(f->arena, array.len + raw.len + 3);
	put(&w, bytes_of(array.data, array.len - 1));
	put_element(&w, raw);
	put(&w, BYTES("]"));
	return bytes_of(w.data, w.len);
}

struct bytes fold_list_remove(struct fold *f, struct bytes array, struct bytes raw)
{
	struct writer w = { NULL, 0 };
	struct bytes key, value;
	size_t at = 0;

	if (!has_raw(array, raw))
		return array;
	w.data = arena_alloc(f->arena, array.len + 2);
	put(&w, BYTES("["));
	while (json_next(array, &at, &key, &value))
		if (!bytes_equal(value, raw))
			put_element(&w, value);
	put(&w, BYTES("]"));
	return bytes_of(w.data, w.len);
}

struct bytes fold_texts_add(struct fold *f, struct bytes array, struct bytes text)
{
	return fold_list_add(f, array, fold_quote(f, text));
}

struct bytes fold_texts_remove(struct fold *f, struct bytes array, struct bytes text)
{
	return fold_list_remove(f, array, fold_quote(f, text));
}

bool fold_texts_has(struct bytes array, struct bytes text)
{
	struct bytes key, value;
	size_t at = 0;

	/* Plain text, as ids and channel names are, stands between its quotes as it is. */
	while (array.data && json_next(array, &at, &key, &value))
		if (value.len == text.len + 2 && memcmp(value.data + 1, text.data, text.len) == 0)
			return true;
	return false;
}

struct bytes fold_texts_add_all(struct fold *f, struct bytes array, struct bytes values)
{
	struct bytes key, value;
	size_t at = 0;

	if (!values.data)
		return array;
	if (values.len == 0 || values.data[0] != '[')
		return fold_texts_add(f, array, values);
	while (json_next(values, &at, &key, &value))
		array = fold_list_add(f, array, value);
	return array;
}

struct bytes fold_texts_remove_all(struct fold *f, struct bytes array, struct bytes values)
{
	struct bytes key, value;
	size_t at = 0;

	if (!values.data)
		return array;
	if (values.len == 0 || values.data[0] != '[')
		return fold_texts_remove(f, array, values);
	while (json_next(values, &at, &key, &value))
		array = fold_list_remove(f, array, value);
	return array;
}

static size_t elements(struct bytes container)
{
	struct bytes key, value;
	size_t at = 0, count = 0;

	while (json_next(container, &at, &key, &value))
		count++;
	return count;
}

bool fold_json_same(struct bytes a, struct bytes b)
{
	struct bytes key, x, y;
	size_t at = 0, other = 0;

	if (!a.len || !b.len || bytes_equal(a, b))
		return a.len == b.len;
	if (json_number_is(a) && json_number_is(b))
		return json_number_same(a, b);
	if (a.data[0] != b.data[0] || (a.data[0] != '{' && a.data[0] != '[') || elements(a) != elements(b))
		return false;
	while (json_next(a, &at, &key, &x)) {
		struct bytes ignored;

		if (a.data[0] == '{')
			y = fold_object_get(b, key);
		else if (!json_next(b, &other, &ignored, &y))
			return false;
		if (!y.data || !fold_json_same(x, y))
			return false;
	}
	return true;
}

bool fold_change_holds(struct bytes change, struct bytes current)
{
	struct bytes from = json_member(change, "from"), to = json_member(change, "to");

	if (!current.data)
		current = BYTES("null");
	return !from.data || fold_json_same(from, current) || fold_json_same(to.data ? to : BYTES("null"), current);
}

struct bytes fold_object_get(struct bytes object, struct bytes name)
{
	struct bytes key, value;
	size_t at = 0;

	while (object.data && json_next(object, &at, &key, &value))
		if (bytes_equal(key, name))
			return value;
	return (struct bytes){ NULL, 0 };
}

struct bytes fold_object_set(struct fold *f, struct bytes object, struct bytes name, struct bytes raw)
{
	struct bytes key, value;
	struct writer w = { NULL, 0 };
	bool done = !raw.data;
	size_t at = 0;

	if (!object.data || object.len < 2)
		object = BYTES("{}");
	w.data = arena_alloc(f->arena, object.len + name.len + raw.len + 6);
	put(&w, BYTES("{"));
	while (json_next(object, &at, &key, &value)) {
		bool same = bytes_equal(key, name);

		if (same && !raw.data)
			continue;
		put_element(&w, BYTES("\""));
		put(&w, key);
		put(&w, BYTES("\":"));
		put(&w, same ? raw : value);
		done |= same;
	}
	if (!done) {
		put_element(&w, BYTES("\""));
		put(&w, name);
		put(&w, BYTES("\":"));
		put(&w, raw);
	}
	put(&w, BYTES("}"));
	return bytes_of(w.data, w.len);
}
