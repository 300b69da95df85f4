/* Digests of rows: the bytes that are hashed, what must not matter to them (order, shares, jsonb's ways), and that everything else does. */
#include <stdio.h>
#include <xxhash.h>

#include "fold/digest.h"
#include "fold/state.h"
#include "tap.h"

struct thing {
	struct row row;
	struct uuid owner;
	int16_t colour;
	int8_t open;
	struct bytes name, data, tags, owners, address;
	int64_t size, small, count, price, at;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct column columns[] = {
	COLUMN(thing, owner, UUID),		    COLUMN(thing, colour, ENUM, .values = colours),
	COLUMN(thing, open, BOOL),		    COLUMN(thing, name, TEXT),
	COLUMN(thing, data, JSON),		    COLUMN(thing, tags, TEXTS),
	COLUMN(thing, owners, UUIDS, .hidden = true), COLUMN(thing, address, INET),
	COLUMN(thing, size, INT8),		    COLUMN(thing, small, INT2),
	COLUMN(thing, count, INT4),		    COLUMN(thing, price, DECIMAL, .scale = 2),
	COLUMN(thing, at, TIME),
};

static const struct projection things = { .schema = "core", .name = "things", .version = 1, COLUMNS(thing, columns) };

static struct buffer scratch;

static struct thing thing_of(uint8_t number)
{
	struct thing t = { .row = { .of = &things, .last_position = 7 } };

	t.row.tenant_id.b[15] = 1;
	t.row.id.b[15] = number;
	t.owner.b[0] = 0xab;
	t.colour = 1;
	t.open = 1;
	t.name = BYTES("n\xc3\xa4me");
	t.data = BYTES("{\"a\":1.5,\"b\":[1,2],\"c\":{\"d\":null,\"e\":\"x\"}}");
	t.tags = BYTES("[\"a\",\"b\"]");
	t.owners = BYTES("[]");
	t.address = BYTES("192.0.2.1");
	t.size = 1000000000000;
	t.small = -2;
	t.count = 3;
	t.price = 1999;
	t.at = 1714979289123456;
	return t;
}

static struct digest digest_of(const struct thing *t)
{
	struct digest d = { 0 };

	digest_add_row(&d, &t->row, &scratch);
	return d;
}

static void test_bytes(void)
{
	static const unsigned char start[] = {
		0, 0, 'u', 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0, 1, 'u', 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
		0, 2, 'i', 0, 0, 0, 0, 8,  0, 0, 0, 0, 0, 0, 0, 7,
		0, 3, 'u', 0, 0, 0, 0, 16, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 4, 'e', 0, 0, 0, 0, 5,  'g', 'r', 'e', 'e', 'n',
		0, 5, 'b', 0, 0, 0, 0, 1,  1,
		0, 6, 't', 0, 0, 0, 0, 5,  'n', 0xc3, 0xa4, 'm', 'e',
		0, 7, 'j', 0, 0, 0, 0, 16,
	};
	static const unsigned char end[] = {
		0, 12, 'i', 0, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
		0, 13, 'i', 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3,
		0, 14, 'd', 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 7, 0xcf,
		0, 15, 'T', 1, 0, 0, 0, 0,
	};
	struct thing t = thing_of(9);
	struct digest d;
	XXH128_hash_t h;
	char text[DIGEST_TEXT], want[DIGEST_TEXT];

	t.at = TIME_NONE;
	d = digest_of(&t);
	ok(scratch.len > sizeof(start) && memcmp(scratch.data, start, sizeof(start)) == 0, "a row begins with its key, its position, its first columns");
	ok(memcmp(scratch.data + scratch.len - sizeof(end), end, sizeof(end)) == 0, "numbers are big-endian, null has a length of 0");
	h = XXH3_128bits(scratch.data, scratch.len);
	snprintf(want, sizeof(want), "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
	is_text(digest_format(&d, text), want, "and its digest is XXH3-128 of them");
	is_int(d.rows, 1, "one row");
}

/* JSON as it was folded, and as jsonb gives it back. */
static void test_json(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "{\"a\":1.5,\"b\":[1,2]}", "{\"b\": [1, 2], \"a\": 1.50}", true },
		{ "{\"a\":1e21}", "{\"a\": 1000000000000000000000}", true },
		{ "{\"a\":0}", "{\"a\": 0.0}", true },
		{ "[-0.0125]", "[-1.25e-2]", true },
		{ "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1,2,3]", false },
		{ "[[1],2]", "[[1,2]]", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":\"1\"}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}", false },
		{ "{\"a\":-1}", "{\"a\":1}", false },
		{ "{\"a\":10}", "{\"a\":1}", false },
		{ "{}", "[]", false },
		{ "[]", "null", false },
		{ "{\"a\":null}", "{}", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct thing x = thing_of(1), y = x;
		struct digest a, b;

		x.data = bytes_text(cases[i].a);
		y.data = bytes_text(cases[i].b);
		a = digest_of(&x);
		b = digest_of(&y);
		ok(digest_equal(&a, &b) == cases[i].same, "%s and %s are %s", cases[i].a, cases[i].b, cases[i].same ? "the same" : "not the same");
	}
}

/* Another value in any column, null too, is another digest. */
static void test_columns(void)
{
	const struct thing t = thing_of(1);
	const struct digest d = digest_of(&t);
	struct thing other = t;
	struct digest e;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		other = t;
		memset((char *)&other + columns[i].offset, columns[i].kind == COLUMN_ENUM || columns[i].kind == COLUMN_BOOL ? 0xff : 0,
		       columns[i].kind == COLUMN_ENUM ? 2 : columns[i].kind == COLUMN_BOOL ? 1 : 8);
		e = digest_of(&other);
		ok(!digest_equal(&d, &e), "%s matters", columns[i].name);
	}
	other = t;
	other.name = BYTES("");
	e = digest_of(&other);
	other.name = (struct bytes){ NULL, 0 };
	{
		struct digest null = digest_of(&other);

		ok(!digest_equal(&e, &null), "null is not the empty text");
	}
	other = t;
	other.row.last_position++;
	e = digest_of(&other);
	ok(!digest_equal(&d, &e), "last_position matters");
	other = t;
	other.row.changed = other.row.fresh = other.row.exists = true;
	other.row.looked = 5;
	e = digest_of(&other);
	ok(digest_equal(&d, &e), "what memory alone knows of a row does not");
	other = t;
	other.row.tenant_id.b[15]++;
	e = digest_of(&other);
	ok(!digest_equal(&d, &e), "the tenant matters");
}

static void test_sums(void)
{
	enum { ROWS = 100 };
	struct digest whole = { 0 }, back = { 0 }, parts[3] = { 0 }, twice;

	for (int i = 0; i < ROWS; i++) {
		struct thing t = thing_of((uint8_t)i), u = thing_of((uint8_t)(ROWS - 1 - i));

		digest_add_row(&whole, &t.row, &scratch);
		digest_add_row(&back, &u.row, &scratch);
		digest_add_row(&parts[i * 7 % 3], &t.row, &scratch);
	}
	ok(digest_equal(&whole, &back), "the order of rows does not matter");
	twice = back;
	digest_join(&parts[0], &parts[1]);
	digest_join(&parts[0], &parts[2]);
	ok(digest_equal(&whole, &parts[0]), "the parts' sum is the whole's");
	digest_join(&twice, &back);
	ok(!digest_equal(&whole, &twice) && twice.rows == 2 * ROWS, "a row that is there twice counts twice");
}

int main(void)
{
	test_bytes();
	test_json();
	test_columns();
	test_sums();
	buffer_release(&scratch);
	return tap_done();
}
