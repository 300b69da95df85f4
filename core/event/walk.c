/*
 * walk - see walk.h.
 *
 *     data   |....|....|....|.......          |
 *            0              w->at   len       limits->bytes
 *
 * w->at always stands at the first byte of a value that has not been seen whole, so a call that stops for
 * want of bytes leaves nothing to remember but the counts of the levels above.  Looking at a header again
 * costs a few instructions; bodies are stepped over, never read.
 */
#include "event/walk.h"

#include <string.h>

#include "base/bytes.h"

enum kind { PLAIN, RUN, ARRAY, MAP, NEVER };

/* What follows the first byte: `fixed` bytes, and for runs and containers a size of `size` bytes before them. */
struct head {
	uint8_t kind;
	uint8_t size;
	uint8_t fixed;
};

static const struct head heads[32] = { /* 0xc0 to 0xdf */
	{ PLAIN, 0, 0 }, { NEVER, 0, 0 }, { PLAIN, 0, 0 }, { PLAIN, 0, 0 },   /* nil, never used, false, true */
	{ RUN, 1, 0 },   { RUN, 2, 0 },   { RUN, 4, 0 },                      /* bin 8, 16, 32 */
	{ RUN, 1, 1 },   { RUN, 2, 1 },   { RUN, 4, 1 },                      /* ext 8, 16, 32: a type byte more */
	{ PLAIN, 0, 4 }, { PLAIN, 0, 8 },                                     /* float 32, 64 */
	{ PLAIN, 0, 1 }, { PLAIN, 0, 2 }, { PLAIN, 0, 4 }, { PLAIN, 0, 8 },   /* uint 8 to 64 */
	{ PLAIN, 0, 1 }, { PLAIN, 0, 2 }, { PLAIN, 0, 4 }, { PLAIN, 0, 8 },   /* int 8 to 64 */
	{ PLAIN, 0, 2 }, { PLAIN, 0, 3 }, { PLAIN, 0, 5 }, { PLAIN, 0, 9 }, { PLAIN, 0, 17 }, /* fixext 1 to 16 */
	{ RUN, 1, 0 },   { RUN, 2, 0 },   { RUN, 4, 0 },                      /* str 8, 16, 32 */
	{ ARRAY, 2, 0 }, { ARRAY, 4, 0 }, { MAP, 2, 0 }, { MAP, 4, 0 },
};

void walk_init(struct walk *w)
{
	memset(w, 0, sizeof(*w));
}

static uint64_t read_size(const char *p, int bytes)
{
	switch (bytes) {
	case 1:
		return (uint8_t)*p;
	case 2:
		return get_be16(p);
	case 4:
		return get_be32(p);
	default:
		return 0;
	}
}

static int too_many_bytes(const struct walk_limits *limits, struct error *error)
{
	return error_set(error, E_TOO_LARGE, "message does not fit into %zu bytes; send fewer events in one request",
			 limits->bytes);
}

/* Opens a container of `values` values, whose header ends at `end`. */
static int push(struct walk *w, uint64_t values, size_t end, const struct walk_limits *limits, struct error *error)
{
	uint64_t pending = values;
	int most = limits->depth < WALK_DEPTH_MAX ? limits->depth : WALK_DEPTH_MAX;

	if (w->depth >= most)
		return error_set(error, E_TOO_LARGE, "message is nested deeper than %d levels", most);
	if (values > limits->elements || w->elements > limits->elements - values)
		return error_set(error, E_TOO_LARGE, "message has more than %zu elements", limits->elements);
	for (int i = 0; i < w->depth; i++)
		pending += w->left[i];
	if (pending > limits->bytes - end)
		return too_many_bytes(limits, error);
	w->elements += values;
	w->left[w->depth++] = values;
	return 0;
}

int walk_more(struct walk *w, const char *data, size_t len, const struct walk_limits *limits, struct error *error)
{
	if (w->at > 0 && w->depth == 0)
		return 1;
	while (w->at < len) {
		const uint8_t first = (uint8_t)data[w->at];
		struct head head = { PLAIN, 0, 0 };
		uint64_t size = 0;
		size_t end;

		if (first >= 0xc0 && first <= 0xdf)
			head = heads[first - 0xc0];
		if (head.kind == NEVER)
			return error_set(error, E_PROTOCOL, "byte 0x%02x at %zu is not MessagePack", first, w->at);
		if ((size_t)1 + head.size > limits->bytes - w->at)
			return too_many_bytes(limits, error);
		if ((size_t)1 + head.size > len - w->at)
			return 0;
		if (head.size) {
			size = read_size(data + w->at + 1, head.size);
		} else if (first >= 0x80 && first <= 0xbf) {
			head.kind = first < 0x90 ? MAP : first < 0xa0 ? ARRAY : RUN;
			size = first & (head.kind == RUN ? 0x1f : 0x0f);
		}
		end = w->at + 1 + head.size + head.fixed;
		if (end > limits->bytes || (head.kind == RUN && size > limits->bytes - end))
			return too_many_bytes(limits, error);
		if (head.kind == RUN)
			end += (size_t)size;
		if (end > len)
			return 0;
		if (w->depth)
			w->left[w->depth - 1]--;
		if (head.kind == ARRAY || head.kind == MAP) {
			int r = push(w, head.kind == MAP ? size * 2 : size, end, limits, error);

			if (r < 0)
				return r;
		}
		w->at = end;
		while (w->depth && w->left[w->depth - 1] == 0)
			w->depth--;
		if (w->depth == 0)
			return 1;
	}
	return w->at >= limits->bytes ? too_many_bytes(limits, error) : 0;
}
