/* json - see json.h and the walks in fields.h. */
#include "event/json.h"

#include <assert.h>

#include "event/canonical.h"
#include "event/fields.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at `p`, or -1. */
static int hex_unit(const char *p, const char *end)
{
	int unit = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return -1;
		unit = unit << 4 | d;
	}
	return unit;
}

const char *json_skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* `p` stands behind a backslash; returns the end of the escape, or NULL. */
static const char *scan_escape(const char *p, const char *end)
{
	int unit;

	if (p == end)
		return NULL;
	if (*p != 'u')
		return memchr("\"\\/bfnrt", *p, 8) ? p + 1 : NULL;
	unit = hex_unit(p + 1, end);
	if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return NULL;
	p += 5;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
			return NULL;
		unit = hex_unit(p + 2, end);
		if (unit < 0xdc00 || unit > 0xdfff)
			return NULL;
		p += 6;
	}
	return p;
}

#ifdef __SSE2__
/* Sixteen bytes at a time, as long as there are so many. */
static inline const char *skip_sixteen(const char *p, const char *end, uint64_t *all)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16) {
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, quote), _mm_cmpeq_epi8(text, slash)),
					    _mm_cmpeq_epi8(_mm_min_epu8(text, last_control), text));
		int hit = _mm_movemask_epi8(hits);

		*all |= _mm_movemask_epi8(text) ? HIGHS : 0;
		if (hit)
			return p + __builtin_ctz((unsigned)hit);
	}
	return p;
}
#else
static inline const char *skip_sixteen(const char *p, const char *end, uint64_t *all)
{
	return p;
}
#endif

/*
 * The first byte that is a quote, a backslash or a control character, eight bytes at a time; or the start of the
 * last few, which are not looked at.  `all` gathers the bytes passed over (and perhaps a few more).
 */
static inline const char *skip_plain(const char *p, const char *end, uint64_t *all)
{
	p = skip_sixteen(p, end, all);
	while (end - p >= 8) {
		uint64_t word, quotes, slashes, hits;

		memcpy(&word, p, 8);
		*all |= word;
		quotes = word ^ ONES * '"';
		slashes = word ^ ONES * '\\';
		hits = (((word - ONES * 0x20) & ~word) | ((quotes - ONES) & ~quotes) | ((slashes - ONES) & ~slashes)) &
		       HIGHS;
		if (hits) /* the lowest is a true one; those above it may be borrows */
			return p + __builtin_ctzll(hits) / 8;
		p += 8;
	}
	return p;
}

static inline bool is_plain(char c)
{
	return c != '"' && c != '\\' && (uint8_t)c >= 0x20;
}

const char *json_scan_string(const char *p, const char *end, bool *escaped)
{
	const char *start = p;
	uint64_t all = 0;

	*escaped = false;
	for (;;) {
		uint8_t c;

		p = skip_plain(p, end, &all);
		for (; p < end && is_plain(*p); p++)
			all |= (uint8_t)*p;
		if (p == end)
			return NULL;
		c = (uint8_t)*p;
		if (c == '"')
			break;
		if (c != '\\')
			return NULL;
		*escaped = true;
		p = scan_escape(p + 1, end);
		if (!p)
			return NULL;
	}
	return !(all & HIGHS) || utf8_check(bytes_of(start, (size_t)(p - start)), NULL) ? p : NULL;
}

static const char *scan_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

const char *json_scan_number(const char *p, const char *end, bool *integer)
{
	*integer = true;
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = scan_digits(p, end);
	if (p && p < end && *p == '.') {
		*integer = false;
		p = scan_digits(p + 1, end);
	}
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		*integer = false;
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = scan_digits(p, end);
	}
	return p;
}

static size_t put_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* A unit that is no surrogate's half, or both halves; U+FFFD for what a scan would have refused. */
static const char *read_unit(const char *p, const char *end, uint32_t *c)
{
	int unit = hex_unit(p, end), low = -1;

	if (unit < 0) {
		*c = 0xfffd;
		return end;
	}
	p += 4;
	if (unit >= 0xd800 && unit <= 0xdfff) {
		if (unit < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u')
			low = hex_unit(p + 2, end);
		if (low < 0xdc00 || low > 0xdfff) {
			*c = 0xfffd;
			return p;
		}
		*c = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
		return p + 6;
	}
	*c = (uint32_t)unit;
	return p;
}

size_t json_unescape(const char *text, size_t len, char *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = text, *end = text + len;
	char *q = out;

	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((slash ? slash : end) - p);
		const char *found;

		memcpy(q, p, plain);
		q += plain;
		p += plain;
		if (end - p < 2)
			break;
		if (p[1] == 'u') {
			uint32_t c;

			p = read_unit(p + 2, end, &c);
			q += put_utf8(c, q);
			continue;
		}
		found = memchr(from, p[1], 5);
		*q++ = found ? to[found - from] : p[1];
		p += 2;
	}
	return (size_t)(q - out);
}

/* ---- the strict check ------------------------------------------------------------------------ */

static const char *scan_literal(const char *p, const char *end)
{
	static const char *const literals[] = { "true", "false", "null" };

	for (int i = 0; i < 3; i++) {
		size_t n = strlen(literals[i]);

		if ((size_t)(end - p) >= n && memcmp(p, literals[i], n) == 0)
			return p + n;
	}
	return NULL;
}

static const char *scan_scalar(const char *p, const char *end)
{
	bool unused;

	if (*p == '"') {
		p = json_scan_string(p + 1, end, &unused);
		return p ? p + 1 : NULL;
	}
	return *p == '-' || (*p >= '0' && *p <= '9') ? json_scan_number(p, end, &unused) : scan_literal(p, end);
}

const char *json_scan_key(const char *p, const char *end, struct bytes *key)
{
	const char *start = p + 1;
	bool unused;

	if (p == end || *p != '"')
		return NULL;
	p = json_scan_string(start, end, &unused);
	if (!p)
		return NULL;
	*key = bytes_of(start, (size_t)(p - start));
	p = json_skip_space(p + 1, end);
	return p < end && *p == ':' ? json_skip_space(p + 1, end) : NULL;
}

const char *json_scan_value(const char *p, const char *end, int depth)
{
	uint64_t objects = 0; /* bit 0: whether the innermost open container is an object */
	struct bytes unused;
	int level = 0;

	assert(depth <= JSON_DEPTH_MAX);
	while (p && p < end) {
		if (*p == '{' || *p == '[') {
			bool object = *p == '{';

			if (level == depth)
				return NULL;
			level++;
			objects = objects << 1 | object;
			p = json_skip_space(p + 1, end);
			if (p == end)
				return NULL;
			if (*p != (object ? '}' : ']')) {
				if (object)
					p = json_scan_key(p, end, &unused);
				continue;
			}
		} else {
			p = scan_scalar(p, end);
		}
		for (; p; p++) { /* behind a value, or at a bracket: close what closes here, stop at the next value */
			if (level == 0)
				return p;
			p = json_skip_space(p, end);
			if (p == end)
				return NULL;
			if (*p == ',') {
				p = json_skip_space(p + 1, end);
				if (objects & 1)
					p = json_scan_key(p, end, &unused);
				break;
			}
			if (*p != (objects & 1 ? '}' : ']'))
				return NULL;
			level--;
			objects >>= 1;
		}
	}
	return NULL;
}

bool json_check(struct bytes text, int depth)
{
	const char *end = text.data + text.len, *p = json_scan_value(json_skip_space(text.data, end), end, depth);

	return p && json_skip_space(p, end) == end;
}

/* ---- walks ----------------------------------------------------------------------------------- */

/* The closing quote of a string whose form is trusted, or `end`. */
static const char *skip_string(const char *p, const char *end)
{
	uint64_t unused = 0;

	for (;;) {
		p = skip_plain(p, end, &unused);
		if (p >= end || *p == '"')
			return p;
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	}
}

static const char *skip_value(const char *p, const char *end)
{
	int level = 0;

	for (; p < end; p++) {
		if (*p == '"') {
			p = skip_string(p + 1, end);
			if (p == end)
				return end;
			if (level == 0)
				return p + 1;
		} else if (*p == '{' || *p == '[') {
			level++;
		} else if (*p == '}' || *p == ']') {
			if (level == 0)
				return p;
			if (--level == 0)
				return p + 1;
		} else if (level == 0 && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
			return p;
		}
	}
	return end;
}

bool json_next(struct bytes container, size_t *at, struct bytes *key, struct bytes *value)
{
	const char *end = container.data + container.len, *p = container.data + *at, *start;
	bool object;

	if (container.len == 0)
		return false;
	start = json_skip_space(container.data, end);
	if (start == end || (*start != '{' && *start != '['))
		return false;
	object = *start == '{';
	p = json_skip_space(*at == 0 ? start + 1 : p, end);
	if (p < end && *p == ',')
		p = json_skip_space(p + 1, end);
	if (p >= end || *p == '}' || *p == ']')
		return false;
	*key = bytes_of(p, 0);
	if (object) {
		start = p + 1;
		if (*p != '"')
			return false;
		p = skip_string(start, end);
		*key = bytes_of(start, (size_t)(p - start));
		if (p == end)
			return false;
		p = json_skip_space(p + 1, end);
		if (p == end || *p != ':')
			return false;
		p = json_skip_space(p + 1, end);
	}
	start = p;
	p = skip_value(p, end);
	if (p == start)
		return false;
	*value = bytes_of(start, (size_t)(p - start));
	*at = (size_t)(p - container.data);
	return true;
}

struct bytes json_member(struct bytes object, const char *name)
{
	struct bytes key, value;
	size_t at = 0;

	while (json_next(object, &at, &key, &value))
		if (bytes_is(key, name))
			return value;
	return (struct bytes){ NULL, 0 };
}

struct bytes json_string(struct bytes raw, struct arena *arena)
{
	char *out;

	if (raw.len < 2 || raw.data[0] != '"')
		return (struct bytes){ NULL, 0 };
	raw = bytes_of(raw.data + 1, raw.len - 2);
	if (!memchr(raw.data, '\\', raw.len))
		return raw;
	out = arena_alloc(arena, raw.len);
	return bytes_of(out, json_unescape(raw.data, raw.len, out));
}

bool json_is_null(struct bytes raw)
{
	return raw.data && bytes_is(raw, "null");
}
