/* canonical - see canonical.h. */
#include "event/canonical.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "event/canonical_text.h"
#include "event/merkle.h"
#include "event/number.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* ---- strings --------------------------------------------------------------------------------- */

int utf16_compare(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		uint8_t x = (uint8_t)a.data[i], y = (uint8_t)b.data[i];

		if (x == y)
			continue;
		/* U+E000 to U+FFFF (0xee, 0xef) sort after the surrogates that stand for U+10000 and up (0xf0 to 0xf4). */
		if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
			return x >= 0xf0 ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static char *put_escape(char *p, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = "btn?fr"; /* U+0008 to U+000D; U+000B has none */

	*p++ = '\\';
	if (c == '"' || c == '\\') {
		*p++ = (char)c;
	} else if (c >= 8 && c <= 13 && c != 11) {
		*p++ = shorts[c - 8];
	} else {
		memcpy(p, "u00", 3);
		p[3] = hex[c >> 4];
		p[4] = hex[c & 15];
		p += 5;
	}
	return p;
}

/* Writes the escaped text; `p` has room for 6 * len + 8. */
static char *put_escaped(char *p, const char *text, size_t len)
{
	const char *end = text + len;

	while (end - text >= 8) {
		uint64_t word, quotes, slashes, hits;

		memcpy(&word, text, 8);
		memcpy(p, &word, 8);
		quotes = word ^ ONES * '"';
		slashes = word ^ ONES * '\\';
		hits = (((word - ONES * 0x20) & ~word) | ((quotes - ONES) & ~quotes) | ((slashes - ONES) & ~slashes)) &
		       HIGHS;
		if (!hits) {
			text += 8;
			p += 8;
		} else { /* the lowest hit is a true one; those above it may be borrows */
			size_t n = (size_t)__builtin_ctzll(hits) / 8;

			p = put_escape(p + n, (uint8_t)text[n]);
			text += n + 1;
		}
	}
	for (; text < end; text++) {
		uint8_t c = (uint8_t)*text;

		if (c < 0x20 || c == '"' || c == '\\')
			p = put_escape(p, c);
		else
			*p++ = (char)c;
	}
	return p;
}

void canonical_string(struct bytes text, struct buffer *out)
{
	enum { CHUNK = 2048 }; /* keeps what is reserved near what is needed */

	buffer_add_byte(out, '"');
	for (size_t at = 0; at < text.len; at += CHUNK) {
		size_t n = text.len - at < CHUNK ? text.len - at : CHUNK;
		char *p = buffer_reserve(out, 6 * n + 8);

		out->len += (size_t)(put_escaped(p, text.data + at, n) - p);
	}
	buffer_add_byte(out, '"');
}

/* ---- values ---------------------------------------------------------------------------------- */

const char *value_kind(const msgpack_object *value)
{
	switch (value->type) {
	case MSGPACK_OBJECT_NIL:
		return "null";
	case MSGPACK_OBJECT_BOOLEAN:
		return "a boolean";
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return "an integer";
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return "a float";
	case MSGPACK_OBJECT_STR:
		return "a string";
	case MSGPACK_OBJECT_ARRAY:
		return "an array";
	case MSGPACK_OBJECT_MAP:
		return "a map";
	case MSGPACK_OBJECT_BIN:
		return "binary";
	case MSGPACK_OBJECT_EXT:
		return "an extension value";
	}
	return "an unknown kind";
}

/*
 * A float whose text would be an integer's (below 1e21 they print without an exponent) is held to the same
 * bound as an integer, so that what is judged does not depend on how a client packs its numbers, and so that
 * every integer that stands in the log is exact.
 */
static bool is_integer_beyond(double v)
{
	return fabs(v) > (double)NUMBER_INT_MAX && fabs(v) < 1e21;
}

int canonical_any_number(const msgpack_object *value, const struct path *path, struct buffer *out,
			 struct error *error)
{
	static const char beyond[] = "integers must be within +-9007199254740991 (2^53 - 1); send larger ones as strings";
	char *p;

	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (value->via.u64 > NUMBER_INT_MAX)
			return path_error(path, error, E_INVALID, "%s", beyond);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		if (value->via.i64 < -NUMBER_INT_MAX)
			return path_error(path, error, E_INVALID, "%s", beyond);
		break;
	default:
		if (!isfinite(value->via.f64))
			return path_error(path, error, E_INVALID, "number is not finite");
		if (is_integer_beyond(value->via.f64))
			return path_error(path, error, E_INVALID, "%s", beyond);
	}
	p = buffer_reserve(out, NUMBER_TEXT);
	if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
		out->len += (size_t)(number_put_double(value->via.f64, p) - p);
	else
		out->len += (size_t)(number_put_int(value->via.i64, p) - p);
	return 0;
}

static struct bytes key_at(const msgpack_object_map *map, uint32_t i)
{
	return value_text(&map->ptr[i].key);
}

static int compare_keys(const void *a, const void *b, void *map)
{
	return utf16_compare(key_at(map, *(const uint32_t *)a), key_at(map, *(const uint32_t *)b));
}

int canonical_order(const msgpack_object_map *map, const struct path *path, uint32_t *order, struct error *error)
{
	enum { FEW = 24 };
	msgpack_object_map copy = *map;
	char name[QUOTE_BYTES];

	for (uint32_t i = 0; i < map->size; i++) {
		const msgpack_object *key = &map->ptr[i].key;
		uint32_t at = i;

		if (key->type != MSGPACK_OBJECT_STR)
			return path_error(path, error, E_INVALID, "keys must be strings, not %s", value_kind(key));
		if (!utf8_check(value_text(key), NULL))
			return path_error(path, error, E_INVALID, "key '%s' is not UTF-8 or holds a NUL",
					  quote(value_text(key), name));
		if (map->size <= FEW)
			for (; at > 0 && utf16_compare(key_at(map, order[at - 1]), key_at(map, i)) > 0; at--)
				order[at] = order[at - 1];
		order[at] = i;
	}
	if (map->size > FEW)
		qsort_r(order, map->size, sizeof(*order), compare_keys, &copy);
	for (uint32_t i = 1; i < map->size; i++)
		if (bytes_equal(key_at(map, order[i - 1]), key_at(map, order[i])))
			return path_error(path, error, E_INVALID, "key '%s' stands twice",
					  quote(key_at(map, order[i]), name));
	return 0;
}

static int canonical_map(const msgpack_object_map *map, const struct path *path, int depth, struct buffer *out,
			 struct error *error)
{
	uint32_t few[32], *order = map->size <= 32 ? few : mem_alloc(map->size * sizeof(*order));
	int r = canonical_order(map, path, order, error);

	buffer_add_byte(out, '{');
	for (uint32_t i = 0; r == 0 && i < map->size; i++) {
		struct path at = { path, key_at(map, order[i]), 0 };

		if (i)
			buffer_add_byte(out, ',');
		canonical_string(at.name, out);
		buffer_add_byte(out, ':');
		r = canonical_any(&map->ptr[order[i]].val, &at, depth, out, error);
	}
	buffer_add_byte(out, '}');
	if (order != few)
		free(order);
	return r;
}

static int canonical_array(const msgpack_object_array *array, const struct path *path, int depth, struct buffer *out,
			   struct error *error)
{
	buffer_add_byte(out, '[');
	for (uint32_t i = 0; i < array->size; i++) {
		struct path at = { path, { NULL, 0 }, i };
		int r;

		if (i)
			buffer_add_byte(out, ',');
		r = canonical_any(&array->ptr[i], &at, depth, out, error);
		if (r < 0)
			return r;
	}
	buffer_add_byte(out, ']');
	return 0;
}

int canonical_any(const msgpack_object *value, const struct path *path, int depth, struct buffer *out,
		  struct error *error)
{
	switch (value->type) {
	case MSGPACK_OBJECT_NIL:
		buffer_add(out, "null", 4);
		return 0;
	case MSGPACK_OBJECT_BOOLEAN:
		buffer_add_text(out, value->via.boolean ? "true" : "false");
		return 0;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return canonical_any_number(value, path, out, error);
	case MSGPACK_OBJECT_STR:
		if (!utf8_check(value_text(value), NULL))
			return path_error(path, error, E_INVALID, "string is not UTF-8 or holds a NUL");
		canonical_string(value_text(value), out);
		return 0;
	case MSGPACK_OBJECT_ARRAY:
	case MSGPACK_OBJECT_MAP:
		if (depth <= 0)
			return path_error(path, error, E_TOO_LARGE, "nested too deep");
		return value->type == MSGPACK_OBJECT_MAP ?
			       canonical_map(&value->via.map, path, depth - 1, out, error) :
			       canonical_array(&value->via.array, path, depth - 1, out, error);
	case MSGPACK_OBJECT_BIN:
	case MSGPACK_OBJECT_EXT:
		break;
	}
	return path_error(path, error, E_INVALID, "cannot hold %s; use a string", value_kind(value));
}

int canonical_value(const msgpack_object *value, const char *path, int depth, struct buffer *out,
		    struct error *error)
{
	struct path at = { NULL, bytes_text(path), 0 };

	return canonical_any(value, path && *path ? &at : NULL, depth, out, error);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Room for everything of fixed size: 22 keys with their punctuation, 10 uuids, 2 times, 3 integers. */
enum { FIXED_BYTES = 1536 };

static char *put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

#define PUT(p, literal) put((p), (literal), sizeof(literal) - 1)

static char *put_uuid(char *p, const char *key, size_t key_len, const struct uuid *u)
{
	if (uuid_is_nil(u))
		return p;
	p = put(p, key, key_len);
	uuid_format(u, p);
	return PUT(p + UUID_TEXT - 1, "\"");
}

static char *put_time(char *p, const char *key, size_t key_len, int64_t t)
{
	if (t == TIME_NONE)
		return p;
	p = put(p, key, key_len);
	time_format(t, p);
	return PUT(p + TIME_TEXT - 1, "\"");
}

static char *put_string(char *p, const char *key, size_t key_len, struct bytes text)
{
	if (!text.data)
		return p;
	p = put(p, key, key_len);
	p = put_escaped(p, text.data, text.len);
	return PUT(p, "\"");
}

/* Each key brings its own comma; the one before the first member becomes the opening brace. */
#define UUID_MEMBER(p, name) put_uuid((p), ",\"" #name "\":\"", sizeof(",\"" #name "\":\"") - 1, &e->name)
#define TIME_MEMBER(p, name) put_time((p), ",\"" #name "\":\"", sizeof(",\"" #name "\":\"") - 1, e->name)
#define STRING_MEMBER(p, name, value) put_string((p), ",\"" #name "\":\"", sizeof(",\"" #name "\":\"") - 1, (value))

void canonical_event(const struct event *e, const struct uuid *log_id, struct buffer *out)
{
	struct bytes actor_type = bytes_text(values_actor_type[e->actor_type]);
	size_t texts = e->actor_ip.len + e->actor_user_agent.len + e->entity_type.len + e->type_name.len;
	char *start, *p;

	assert(e->payload.data);
	start = p = buffer_reserve(out, FIXED_BYTES + 6 * texts + e->payload.len);
	p = UUID_MEMBER(p, actor_id);
	p = STRING_MEMBER(p, actor_ip, e->actor_ip);
	p = STRING_MEMBER(p, actor_type, actor_type);
	p = STRING_MEMBER(p, actor_user_agent, e->actor_user_agent);
	p = UUID_MEMBER(p, causation_id);
	p = UUID_MEMBER(p, conversation_id);
	p = UUID_MEMBER(p, correlation_id);
	p = UUID_MEMBER(p, customer_id);
	p = UUID_MEMBER(p, entity_id);
	p = STRING_MEMBER(p, entity_type, e->entity_type);
	p = UUID_MEMBER(p, event_id);
	p = STRING_MEMBER(p, event_type, e->type_name);
	p = PUT(p, ",\"event_version\":");
	p = number_put_int(e->version, p);
	if (log_id)
		p = put_uuid(p, ",\"log_id\":\"", sizeof(",\"log_id\":\"") - 1, log_id);
	p = TIME_MEMBER(p, occurred_at);
	p = PUT(p, ",\"payload\":");
	p = put(p, e->payload.data, e->payload.len);
	if (log_id) {
		p = PUT(p, ",\"position\":");
		p = number_put_int(e->position, p);
		p = TIME_MEMBER(p, recorded_at);
	}
	p = UUID_MEMBER(p, resolution_id);
	if (log_id) {
		p = PUT(p, ",\"shard\":");
		p = number_put_int(e->shard, p);
	}
	p = e->silent ? PUT(p, ",\"silent\":true") : PUT(p, ",\"silent\":false");
	p = UUID_MEMBER(p, tenant_id);
	*p++ = '}';
	*start = '{';
	out->len += (size_t)(p - start);
}

void canonical_leaf(const struct event *e, const struct uuid *log_id, struct buffer *scratch,
		    uint8_t out[LEAF_BYTES])
{
	buffer_reset(scratch);
	buffer_add_byte(scratch, 0);
	canonical_event(e, log_id, scratch);
	sha256(scratch->data, scratch->len, out);
}
