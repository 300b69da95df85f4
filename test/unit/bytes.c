/* bytes - borrowed runs, growing buffers, hex, big-endian integers, and the arena. */
#include "tap.h"

#include "base/arena.h"
#include "base/bytes.h"

static void runs(void)
{
	bool good = true;

	ok(bytes_equal(BYTES("abc"), bytes_of("abcd", 3)), "equal by length and content");
	ok(!bytes_equal(BYTES("abc"), BYTES("abd")) && !bytes_equal(BYTES("abc"), BYTES("ab")), "else not");
	ok(bytes_equal(BYTES(""), (struct bytes){ NULL, 0 }), "nothing equals nothing");
	for (size_t len = 1; len <= 40; len++) {
		char a[40], b[40];

		memset(a, 'x', sizeof(a));
		memset(b, 'x', sizeof(b));
		good = good && bytes_equal(bytes_of(a, len), bytes_of(b, len));
		for (size_t at = 0; at < len; at++) {
			b[at] = 'y';
			good = good && !bytes_equal(bytes_of(a, len), bytes_of(b, len));
			b[at] = 'x';
		}
	}
	ok(good, "one byte that differs is seen, wherever it is");
	ok(bytes_is(BYTES("abc"), "abc") && !bytes_is(BYTES("abc"), "ab") && !bytes_is(BYTES("ab"), "abc"), "bytes_is");
	ok(!bytes_text(NULL).data && bytes_text("").data, "absent is not empty");
}

static void buffers(void)
{
	struct buffer b = { 0 };
	bool good = true;

	ok(buffer_bytes(&b).data && buffer_bytes(&b).len == 0, "an empty buffer is an empty run");
	buffer_add(&b, NULL, 0);
	buffer_add_text(&b, "one ");
	buffer_add_byte(&b, '2');
	buffer_add_bytes(&b, BYTES(" three"));
	buffer_printf(&b, " %d%s", 4, "!");
	is_text(buffer_text(&b), "one 2 three 4!", "pieces stand in order");
	is_int((int64_t)b.len, 14, "the NUL does not count");
	buffer_drop(&b, 4);
	is_text(buffer_text(&b), "2 three 4!", "the first bytes are forgotten");
	buffer_drop(&b, 100);
	is_int((int64_t)b.len, 0, "at most all of them");
	for (int i = 0; i < 10000; i++)
		buffer_add(&b, &i, sizeof(i));
	for (int i = 0; i < 10000; i++)
		good = good && memcmp(b.data + (size_t)i * sizeof(i), &i, sizeof(i)) == 0;
	ok(good && b.len == 40000, "growing moves what is there");
	buffer_reset(&b);
	buffer_printf(&b, "%0*d", 5000, 7);
	ok(b.len == 5000 && b.data[4999] == '7', "printf makes the room it needs");
	buffer_release(&b);
	ok(!b.data && b.len == 0 && b.cap == 0, "a released buffer is empty and ready");
}

static void hex(void)
{
	int wrong = 0;
	uint8_t bytes[4] = { 0 };
	char text[9];

	hex_encode("\x00\x9f\xab\xff", 4, text);
	is_text(text, "009fabff", "lower case");
	ok(hex_decode("009FabFf", 8, bytes, 4) && memcmp(bytes, "\x00\x9f\xab\xff", 4) == 0, "either case");
	ok(!hex_decode("009fabf", 7, bytes, 4), "too short");
	ok(!hex_decode("009fabff0", 9, bytes, 4), "too long");
	ok(!hex_decode("009fabfg", 8, bytes, 4), "no hex");
	ok(hex_decode("", 0, bytes, 0), "nothing is nothing");
	for (int byte = 0; byte < 256; byte++) { /* every digit in every place of the words it is made by */
		uint8_t run[7], back[7];
		char digits[15], one[3];

		memset(run, byte, sizeof(run));
		run[2] = (uint8_t)~byte;
		hex_encode(run, sizeof(run), digits);
		for (size_t i = 0; i < sizeof(run); i++) {
			snprintf(one, sizeof(one), "%02x", run[i]);
			wrong += memcmp(digits + 2 * i, one, 2) != 0;
		}
		wrong += digits[14] != 0 || !hex_decode(digits, 14, back, sizeof(back)) || memcmp(run, back, sizeof(run)) != 0;
		digits[byte % 14] = (char)(byte < 128 ? 'g' + byte % 16 : byte);
		wrong += hex_decode(digits, 14, back, sizeof(back));
	}
	ok(!wrong, "every byte, there and back, and no other character");
}

static void big_endian(void)
{
	uint8_t p[9] = { 0 };

	put_be16(p + 1, 0x0102);
	ok(memcmp(p + 1, "\x01\x02", 2) == 0 && get_be16(p + 1) == 0x0102, "16 bits, at an odd address");
	put_be32(p + 1, 0x01020304);
	ok(memcmp(p + 1, "\x01\x02\x03\x04", 4) == 0 && get_be32(p + 1) == 0x01020304, "32 bits");
	put_be64(p + 1, 0x0102030405060708);
	ok(memcmp(p + 1, "\x01\x02\x03\x04\x05\x06\x07\x08", 8) == 0 && get_be64(p + 1) == 0x0102030405060708, "64 bits");
}

static void arenas(void)
{
	struct arena a;
	char *first, *second;
	bool aligned = true;

	arena_init(&a, 1024);
	first = arena_alloc(&a, 10);
	for (size_t size = 0; size < 3000; size += 7) {
		char *p = arena_alloc(&a, size);

		aligned = aligned && (uintptr_t)p % 16 == 0;
		memset(p, 0xaa, size);
	}
	ok(aligned, "pieces are aligned to 16 bytes and writable");
	ok(a.used > 1024, "blocks are counted");
	arena_reset(&a);
	ok(a.used == 1024, "reset keeps the first block alone");
	second = arena_alloc(&a, 10);
	ok(first == second, "and begins there again");
	ok(((char *)arena_zalloc(&a, 100))[99] == 0, "zeroed memory");
	ok(!arena_copy(&a, (struct bytes){ NULL, 0 }).data, "a copy of absent is absent");
	ok(arena_copy(&a, BYTES("")).data != NULL, "of empty, empty");
	ok(bytes_is(arena_copy(&a, BYTES("abc")), "abc"), "of bytes, bytes");
	is_text(arena_text(&a, bytes_of("abcdef", 3)), "abc", "a terminated copy");
	arena_release(&a);
	ok(a.used == 0 && !a.first, "released");
	ok(arena_alloc(&a, 5000) != NULL, "and usable again, for a piece larger than a block");
	arena_release(&a);
}

int main(void)
{
	runs();
	buffers();
	hex();
	big_endian();
	arenas();
	return tap_done();
}
