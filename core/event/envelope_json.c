/*
 * envelope_json - JSON text to MessagePack: one strict pass, see envelope.h.
 *
 * A container's header is written as one byte and widened when it closes with more than 15 members, so what
 * comes out is what a MessagePack library would pack.  Keys of open objects are remembered as a stack of
 * places in the output (which has them unescaped), and looked over for doubles when the object closes:
 *
 *     out    81 a1 'a' 82 a1 'b' 01 a1 'c' ...
 *     keys       [a]      [b]      [c]            <- the innermost object's are on top
 */
#include "event/envelope.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include "event/envelope_names.h"
#include "event/field_index.h"
#include "event/json.h"
#include "event/number.h"
#include "event/path.h"
#include "event/scratch.h"
#include "event/walk.h"

struct key {
	size_t at;
	size_t len;
};

struct reader {
	const char *start, *p, *end;
	struct buffer *out;
	struct buffer *keys; /* of struct key */
	struct error *error;
	struct uuid *event_id;  /* NULL when the text is no envelope */
	struct uuid *tenant_id;
};

static int malformed(const struct reader *r, const struct path *path, const char *what)
{
	return path_error(path, r->error, E_INVALID, "not JSON at byte %zu: %s", (size_t)(r->p - r->start), what);
}

/* ---- MessagePack headers --------------------------------------------------------------------- */

static size_t put_string_header(char *p, size_t len)
{
	if (len < 32) {
		p[0] = (char)(0xa0 | len);
		return 1;
	}
	if (len < 256) {
		p[0] = (char)0xd9;
		p[1] = (char)len;
		return 2;
	}
	if (len < 65536) {
		p[0] = (char)0xda;
		put_be16(p + 1, (uint16_t)len);
		return 3;
	}
	p[0] = (char)0xdb;
	put_be32(p + 1, (uint32_t)len);
	return 5;
}

/* The header of a container of `count` at `at`, where one byte was kept for it. */
static void put_container(struct buffer *out, size_t at, bool map, size_t count)
{
	size_t more = count < 16 ? 0 : count < 65536 ? 2 : 4;

	buffer_reserve(out, more);
	if (more) {
		memmove(out->data + at + 1 + more, out->data + at + 1, out->len - at - 1);
		out->len += more;
	}
	if (more == 0) {
		out->data[at] = (char)((map ? 0x80 : 0x90) | count);
	} else if (more == 2) {
		out->data[at] = (char)(map ? 0xde : 0xdc);
		put_be16(out->data + at + 1, (uint16_t)count);
	} else {
		out->data[at] = (char)(map ? 0xdf : 0xdd);
		put_be32(out->data + at + 1, (uint32_t)count);
	}
}

static void put_negative(struct buffer *out, int64_t v)
{
	char *p = buffer_reserve(out, 9);

	if (v >= -32) {
		p[0] = (char)v;
		out->len += 1;
	} else if (v >= INT8_MIN) {
		p[0] = (char)0xd0;
		p[1] = (char)v;
		out->len += 2;
	} else if (v >= INT16_MIN) {
		p[0] = (char)0xd1;
		put_be16(p + 1, (uint16_t)v);
		out->len += 3;
	} else if (v >= INT32_MIN) {
		p[0] = (char)0xd2;
		put_be32(p + 1, (uint32_t)v);
		out->len += 5;
	} else {
		p[0] = (char)0xd3;
		put_be64(p + 1, (uint64_t)v);
		out->len += 9;
	}
}

static void put_unsigned(struct buffer *out, uint64_t v)
{
	char *p = buffer_reserve(out, 9);

	if (v < 128) {
		p[0] = (char)v;
		out->len += 1;
	} else if (v <= UINT8_MAX) {
		p[0] = (char)0xcc;
		p[1] = (char)v;
		out->len += 2;
	} else if (v <= UINT16_MAX) {
		p[0] = (char)0xcd;
		put_be16(p + 1, (uint16_t)v);
		out->len += 3;
	} else if (v <= UINT32_MAX) {
		p[0] = (char)0xce;
		put_be32(p + 1, (uint32_t)v);
		out->len += 5;
	} else {
		p[0] = (char)0xcf;
		put_be64(p + 1, v);
		out->len += 9;
	}
}

static void put_double(struct buffer *out, double v)
{
	char *p = buffer_reserve(out, 9);
	uint64_t bits;

	memcpy(&bits, &v, 8);
	p[0] = (char)0xcb;
	put_be64(p + 1, bits);
	out->len += 9;
}

/* ---- scalars --------------------------------------------------------------------------------- */

/* r->p stands at the opening quote; gives the text between the quotes, still escaped. */
static int scan_string(struct reader *r, const struct path *path, struct bytes *raw, bool *escaped)
{
	const char *close = json_scan_string(r->p + 1, r->end, escaped);

	if (!close)
		return malformed(r, path, "string without end, with a bad escape, a control character, a NUL, or not UTF-8");
	*raw = bytes_of(r->p + 1, (size_t)(close - r->p - 1));
	r->p = close + 1;
	if (raw->len > UINT32_MAX - 5)
		return malformed(r, path, "string is too long");
	return 0;
}

/* Where the text's bytes begin in the output. */
static size_t put_string(struct reader *r, struct bytes raw, bool escaped)
{
	char *p = buffer_reserve(r->out, raw.len + 5);
	size_t len = raw.len, header;

	if (escaped) {
		len = json_unescape(raw.data, raw.len, p + 5);
		header = put_string_header((char[5]){ 0 }, len);
		memmove(p + header, p + 5, len);
		put_string_header(p, len);
	} else {
		header = put_string_header(p, len);
		memcpy(p + header, raw.data, len);
	}
	r->out->len += header + len;
	return r->out->len - len;
}

/* Whether the digits of an integer are those of the double, zeros at the end aside: nothing was rounded. */
static bool is_kept(struct bytes literal, double v)
{
	char text[NUMBER_TEXT + 8];
	size_t n = 0, kept = literal.len;
	const char *end = number_put_double(v, text);

	for (const char *p = text; p < end && *p != 'e'; p++)
		if (*p != '.')
			text[n++] = *p;
	while (n > 1 && text[n - 1] == '0')
		n--;
	while (kept > 1 && literal.data[kept - 1] == '0')
		kept--;
	return n == kept && memcmp(text, literal.data, n) == 0;
}

static int put_real(struct reader *r, const struct path *path, struct bytes literal, bool integer)
{
	enum { DIGITS_MAX = 1024 };
	char text[DIGITS_MAX + 1];
	double v;

	if (literal.len > DIGITS_MAX)
		return malformed(r, path, "number is too long");
	memcpy(text, literal.data, literal.len);
	text[literal.len] = 0;
	v = strtod(text, NULL);
	if (!isfinite(v))
		return malformed(r, path, "number is too large for a double");
	if (v == 0 && strcspn(text, "123456789") < strcspn(text, "eE"))
		return malformed(r, path, "number is too small for a double");
	if (integer && !is_kept(literal, v))
		return malformed(r, path, "integer cannot be kept exactly; send it as a string");
	put_double(r->out, v);
	return 0;
}

static int read_number(struct reader *r, const struct path *path)
{
	bool integer, negative = *r->p == '-';
	const char *start = r->p, *end = json_scan_number(r->p, r->end, &integer);
	uint64_t v = 0;

	if (!end)
		return malformed(r, path, "malformed number");
	r->p = end;
	for (const char *p = start + negative; integer && p < end; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return put_real(r, path, bytes_of(start, (size_t)(end - start)), true);
	if (!integer || (negative && v > (uint64_t)INT64_MAX + 1))
		return put_real(r, path, bytes_of(start, (size_t)(end - start)), integer);
	if (negative && v)
		put_negative(r->out, (int64_t)(0 - v));
	else
		put_unsigned(r->out, v);
	return 0;
}

static int read_literal(struct reader *r, const struct path *path)
{
	static const struct {
		struct bytes text;
		uint8_t byte;
	} literals[] = { { { "null", 4 }, 0xc0 }, { { "false", 5 }, 0xc2 }, { { "true", 4 }, 0xc3 } };

	for (int i = 0; i < 3; i++) {
		struct bytes text = literals[i].text;

		if ((size_t)(r->end - r->p) >= text.len && memcmp(r->p, text.data, text.len) == 0) {
			buffer_add_byte(r->out, (char)literals[i].byte);
			r->p += text.len;
			return 0;
		}
	}
	return malformed(r, path, r->p == r->end ? "it ends too early" : "a value was expected");
}

/* ---- containers ------------------------------------------------------------------------------ */

static int read_value(struct reader *r, const struct path *path, int depth, bool envelope);

static int compare_keys(const void *a, const void *b, void *text)
{
	const struct key *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp((const char *)text + x->at, (const char *)text + y->at, x->len);
}

/* The place in the output of a key that stands twice among the `count` on top of the stack, or NULL. */
static const struct key *find_double(const struct reader *r, size_t first, size_t count)
{
	enum { FEW = 12 };
	struct key *keys = (struct key *)(void *)(r->keys->data + first);

	if (count > FEW)
		qsort_r(keys, count, sizeof(*keys), compare_keys, r->out->data);
	for (size_t i = 1; i < count; i++)
		for (size_t j = count > FEW ? i - 1 : 0; j < i; j++)
			if (compare_keys(&keys[i], &keys[j], r->out->data) == 0)
				return &keys[i];
	return NULL;
}

/* A uuid of the envelope becomes 16 bytes; anything else stays what it is, for the server to judge. */
static bool read_envelope_uuid(struct reader *r, struct bytes name)
{
	int n = field_index_find(field_index_get(envelope_names), name);
	struct uuid u;
	char *p;

	if (n < 0 || n >= ENVELOPE_BY_LOG || envelope_names[n].type != FIELD_UUID)
		return false;
	if (r->end - r->p < UUID_TEXT + 1 || r->p[0] != '"' || r->p[UUID_TEXT] != '"' ||
	    !uuid_parse(r->p + 1, UUID_TEXT - 1, &u))
		return false;
	p = buffer_reserve(r->out, 18);
	p[0] = (char)0xc4;
	p[1] = 16;
	memcpy(p + 2, u.b, 16);
	r->out->len += 18;
	r->p += UUID_TEXT + 1;
	if (n == NAME_EVENT_ID)
		*r->event_id = u;
	else if (n == NAME_TENANT_ID)
		*r->tenant_id = u;
	return true;
}

static int read_member(struct reader *r, const struct path *path, int depth, bool envelope)
{
	struct path at = { path, { NULL, 0 }, 0 };
	struct key key;
	bool escaped;
	int e;

	if (r->p == r->end || *r->p != '"')
		return malformed(r, path, "a key in quotes was expected");
	e = scan_string(r, path, &at.name, &escaped);
	if (e < 0)
		return e;
	key.at = put_string(r, at.name, escaped);
	key.len = r->out->len - key.at;
	buffer_add(r->keys, &key, sizeof(key));
	r->p = json_skip_space(r->p, r->end);
	if (r->p == r->end || *r->p != ':')
		return malformed(r, &at, "':' was expected");
	r->p = json_skip_space(r->p + 1, r->end);
	if (envelope && read_envelope_uuid(r, bytes_of(r->out->data + key.at, key.len)))
		return 0;
	return read_value(r, &at, depth, false);
}

static int read_container(struct reader *r, const struct path *path, int depth, bool envelope)
{
	bool map = *r->p == '{';
	size_t header = r->out->len, first = r->keys->len, count = 0;
	const struct key *twice;

	if (depth <= 0)
		return path_error(path, r->error, E_INVALID, "nested deeper than %d levels", WALK_DEPTH_MAX);
	buffer_add_byte(r->out, 0);
	r->p = json_skip_space(r->p + 1, r->end);
	if (r->p < r->end && *r->p == (map ? '}' : ']')) {
		r->p++;
		put_container(r->out, header, map, 0);
		return 0;
	}
	for (;; count++) {
		struct path element = { path, { NULL, 0 }, count };
		int e = map ? read_member(r, path, depth - 1, envelope) : read_value(r, &element, depth - 1, false);

		if (e < 0)
			return e;
		r->p = json_skip_space(r->p, r->end);
		if (r->p == r->end)
			return malformed(r, path, "it ends too early");
		if (*r->p != ',')
			break;
		r->p = json_skip_space(r->p + 1, r->end);
	}
	if (*r->p != (map ? '}' : ']'))
		return malformed(r, path, map ? "',' or '}' was expected" : "',' or ']' was expected");
	r->p++;
	twice = map ? find_double(r, first, count + 1) : NULL;
	if (twice) {
		struct path at = { path, bytes_of(r->out->data + twice->at, twice->len), 0 };

		return path_error(&at, r->error, E_INVALID, "key stands twice");
	}
	r->keys->len = first;
	put_container(r->out, header, map, count + 1);
	return 0;
}

static int read_value(struct reader *r, const struct path *path, int depth, bool envelope)
{
	struct bytes raw;
	bool escaped;
	int e;

	if (r->p == r->end)
		return malformed(r, path, "it ends too early");
	switch (*r->p) {
	case '{':
	case '[':
		return read_container(r, path, depth, envelope);
	case '"':
		e = scan_string(r, path, &raw, &escaped);
		if (e == 0)
			put_string(r, raw, escaped);
		return e;
	case '-':
	case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return read_number(r, path);
	default:
		return read_literal(r, path);
	}
}

static int read_text(struct bytes text, struct buffer *out, struct uuid *event_id, struct uuid *tenant_id,
		     struct error *error)
{
	struct reader r = { text.data, text.data,  text.data + text.len, out, &scratch_get()->keys,
			    error,     event_id, tenant_id };
	size_t before = out->len;
	int e;

	buffer_reset(r.keys);
	buffer_reserve(out, text.len); /* what comes out is seldom longer */
	r.p = json_skip_space(r.p, r.end);
	if (event_id && (r.p == r.end || *r.p != '{')) {
		e = malformed(&r, NULL, "an event is an object");
	} else {
		e = read_value(&r, NULL, WALK_DEPTH_MAX, event_id != NULL);
		r.p = e < 0 ? r.p : json_skip_space(r.p, r.end);
		if (e == 0 && r.p < r.end)
			e = malformed(&r, NULL, "something follows the value");
	}
	if (e < 0)
		out->len = before;
	scratch_trim(r.keys);
	return e;
}

int envelope_from_json(struct bytes line, struct buffer *out, struct uuid *event_id, struct uuid *tenant_id,
		       struct error *error)
{
	assert(event_id && tenant_id);
	memset(event_id, 0, sizeof(*event_id));
	memset(tenant_id, 0, sizeof(*tenant_id));
	return read_text(line, out, event_id, tenant_id, error);
}

int json_to_msgpack(struct bytes text, struct buffer *out, struct error *error)
{
	return read_text(text, out, NULL, NULL, error);
}
