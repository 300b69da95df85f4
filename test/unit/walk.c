/* walk - what is counted as one message, what is refused, and that no split of the bytes changes the answer. */
#include "tap.h"

#include <msgpack.h>

#include "base/bytes.h"
#include "base/random.h"
#include "event/walk.h"

static const struct walk_limits wide = { 1 << 20, WALK_DEPTH_MAX, 100000 };

/* The bytes in memory of exactly that size, so that the sanitizer sees every step too far. */
static int walk_exact(const void *data, size_t len, const struct walk_limits *limits, size_t *at)
{
	char *copy = mem_alloc(len);
	struct error error;
	struct walk w;
	int r;

	memcpy(copy, data, len);
	walk_init(&w);
	r = walk_more(&w, copy, len, limits, &error);
	free(copy);
	if (at)
		*at = w.at;
	return r;
}

/* Every kind of value: the whole message is taken, all of its beginnings ask for more. */
static void every_format(void)
{
	static const struct {
		const char *name;
		size_t len;
		const char *bytes;
	} values[] = {
		{ "positive fixint", 1, "\x7f" },
		{ "negative fixint", 1, "\xe0" },
		{ "nil", 1, "\xc0" },
		{ "false", 1, "\xc2" },
		{ "true", 1, "\xc3" },
		{ "fixstr", 4, "\xa3""abc" },
		{ "empty fixstr", 1, "\xa0" },
		{ "str 8", 4, "\xd9\x02""ab" },
		{ "str 16", 5, "\xda\x00\x02""ab" },
		{ "str 32", 7, "\xdb\x00\x00\x00\x02""ab" },
		{ "bin 8", 4, "\xc4\x02\x00\x01" },
		{ "bin 16", 5, "\xc5\x00\x02\x00\x01" },
		{ "bin 32", 7, "\xc6\x00\x00\x00\x02\x00\x01" },
		{ "ext 8", 5, "\xc7\x02\x05\x00\x01" },
		{ "ext 16", 6, "\xc8\x00\x02\x05\x00\x01" },
		{ "ext 32", 8, "\xc9\x00\x00\x00\x02\x05\x00\x01" },
		{ "float 32", 5, "\xca\x00\x00\x00\x00" },
		{ "float 64", 9, "\xcb\x00\x00\x00\x00\x00\x00\x00\x00" },
		{ "uint 8", 2, "\xcc\xff" },
		{ "uint 16", 3, "\xcd\xff\xff" },
		{ "uint 32", 5, "\xce\xff\xff\xff\xff" },
		{ "uint 64", 9, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ "int 8", 2, "\xd0\xff" },
		{ "int 16", 3, "\xd1\xff\xff" },
		{ "int 32", 5, "\xd2\xff\xff\xff\xff" },
		{ "int 64", 9, "\xd3\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ "fixext 1", 3, "\xd4\x01\x00" },
		{ "fixext 2", 4, "\xd5\x01\x00\x00" },
		{ "fixext 4", 6, "\xd6\xff\x00\x00\x00\x00" },
		{ "fixext 8", 10, "\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00" },
		{ "fixext 16", 18, "\xd8\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" },
		{ "empty fixarray", 1, "\x90" },
		{ "fixarray", 3, "\x92\x01\x02" },
		{ "array 16", 5, "\xdc\x00\x02\x01\x02" },
		{ "array 32", 7, "\xdd\x00\x00\x00\x02\x01\x02" },
		{ "empty fixmap", 1, "\x80" },
		{ "fixmap", 3, "\x81\x01\x02" },
		{ "map 16", 5, "\xde\x00\x01\x01\x02" },
		{ "map 32", 7, "\xdf\x00\x00\x00\x01\x01\x02" },
		{ "nested", 7, "\x92\x91\x91\x90\x81\xc0\xc0" },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		size_t len = values[i].len, at;
		bool good = true;

		for (size_t n = 0; n < len; n++)
			good = good && walk_exact(values[i].bytes, n, &wide, NULL) == 0;
		good = good && walk_exact(values[i].bytes, len, &wide, &at) == 1 && at == len;
		ok(good, "%s", values[i].name);
	}
}

static void refusals(void)
{
	static const struct walk_limits small = { 64, 4, 10 };
	static const struct {
		const char *name;
		size_t len;
		const char *bytes;
		int code;
	} cases[] = {
		{ "0xc1 is never used", 1, "\xc1", E_PROTOCOL },
		{ "0xc1 inside an array", 2, "\x91\xc1", E_PROTOCOL },
		{ "five bytes that claim four billion elements", 5, "\xdd\xff\xff\xff\xff", E_TOO_LARGE },
		{ "a map of four billion", 5, "\xdf\xff\xff\xff\xff", E_TOO_LARGE },
		{ "a string of four billion", 5, "\xdb\xff\xff\xff\xff", E_TOO_LARGE },
		{ "binary of four billion", 5, "\xc6\xff\xff\xff\xff", E_TOO_LARGE },
		{ "an extension of four billion", 5, "\xc9\xff\xff\xff\xff", E_TOO_LARGE },
		{ "a string a byte over the limit", 2, "\xd9\x3f", E_TOO_LARGE },
		{ "eleven elements", 3, "\xdc\x00\x0b", E_TOO_LARGE },
		{ "six pairs are twelve elements", 1, "\x86", E_TOO_LARGE },
		{ "eleven elements in two arrays", 3, "\x95\x96\x00", E_TOO_LARGE },
		{ "five levels", 5, "\x91\x91\x91\x91\x91", E_TOO_LARGE },
		{ "five levels, the last one empty", 5, "\x91\x91\x91\x91\x90", E_TOO_LARGE },
	};
	char bomb[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(walk_exact(cases[i].bytes, cases[i].len, &small, NULL), cases[i].code, cases[i].name);
	is_int(walk_exact("\xd9\x3e", 2, &small, NULL), 0, "a string that just fits is waited for");
	is_int(walk_exact("\x91\x91\x91\x90", 4, &small, NULL), 1, "four levels are taken");
	memset(bomb, '\x91', sizeof(bomb));
	is_int(walk_exact(bomb, sizeof(bomb), &wide, NULL), E_TOO_LARGE, "a bomb of nested arrays");
	is_int(walk_exact("\x92\xd9\x3a", 3, &(struct walk_limits){ 60, 4, 10 }, NULL), E_TOO_LARGE,
	       "a claim that leaves no room for what it stands in");
	is_int(walk_exact("\x9a\x92\x01\x01", 4, &(struct walk_limits){ 12, 4, 100 }, NULL), E_TOO_LARGE,
	       "claims of several levels are added up");
}

static void stops_at_the_first_message(void)
{
	size_t at;

	is_int(walk_exact("\x91\x01\x92\x01", 4, &wide, &at), 1, "one message, and the beginning of another");
	is_int((int64_t)at, 2, "the walk stands behind the first");
}

/* Some value of at most `depth` levels. */
static void pack_some(struct random *r, msgpack_packer *packer, int depth)
{
	static const char text[70000];
	size_t n = random_below(r, 100) == 0 ? 66000 : random_below(r, 10) == 0 ? 300 : random_below(r, 40);

	switch (random_below(r, depth > 0 ? 9 : 6)) {
	case 0:
		msgpack_pack_nil(packer);
		break;
	case 1:
		msgpack_pack_int64(packer, (int64_t)(random_next(r) >> random_below(r, 64)) * (random_below(r, 2) ? 1 : -1));
		break;
	case 2:
		msgpack_pack_double(packer, 1.5);
		break;
	case 3:
		msgpack_pack_str_with_body(packer, text, n);
		break;
	case 4:
		msgpack_pack_bin_with_body(packer, text, n);
		break;
	case 5:
		msgpack_pack_ext_with_body(packer, text, n, 5);
		break;
	case 6:
	case 7:
		n %= 20;
		msgpack_pack_array(packer, n);
		for (size_t i = 0; i < n; i++)
			pack_some(r, packer, depth - 1);
		break;
	default:
		n %= 18;
		msgpack_pack_map(packer, n);
		for (size_t i = 0; i < 2 * n; i++)
			pack_some(r, packer, depth - 1);
	}
}

static void any_split_gives_the_same(void)
{
	enum { SEED = 11, CASES = 1500 };
	msgpack_sbuffer bytes;
	msgpack_packer packer;
	struct random r;
	int wrong = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
	for (int i = 0; i < CASES; i++) {
		struct error error;
		struct walk w;
		size_t len = 0;
		int whole, split;

		msgpack_sbuffer_clear(&bytes);
		pack_some(&r, &packer, 3);
		if (random_below(&r, 4) == 0)
			bytes.data[random_below(&r, bytes.size)] ^= (char)(1 << random_below(&r, 8));
		walk_init(&w);
		whole = walk_more(&w, bytes.data, bytes.size, &wide, &error);
		walk_init(&w);
		do {
			size_t step = random_below(&r, 3) == 0 ? 1 : 1 + random_below(&r, bytes.size);

			len = bytes.size - len < step ? bytes.size : len + step;
			split = walk_more(&w, bytes.data, len, &wide, &error);
		} while (split == 0 && len < bytes.size);
		wrong += split != whole;
	}
	is_int(wrong, 0, "any split of the bytes gives what the whole gives");
	msgpack_sbuffer_destroy(&bytes);
}

static void garbage_is_survived(void)
{
	enum { SEED = 12, CASES = 20000 };
	struct random r;
	int odd = 0;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		uint8_t bytes[64];
		size_t len = random_below(&r, sizeof(bytes)), at;
		int code;

		random_fill(&r, bytes, sizeof(bytes));
		if (i % 2)
			for (size_t j = 0; j < len; j++)
				bytes[j] = (uint8_t)(0x80 | bytes[j] >> 1);
		code = walk_exact(bytes, len, &wide, &at);
		odd += at > len || (code != 0 && code != 1 && code != E_PROTOCOL && code != E_TOO_LARGE);
	}
	is_int(odd, 0, "no garbage is read past its end");
}

int main(void)
{
	every_format();
	refusals();
	stops_at_the_first_message();
	any_split_gives_the_same();
	garbage_is_survived();
	return tap_done();
}
