/*
 * gen_sink - values written either as MessagePack or as JSON by the same calls, for tests that need both forms.
 *
 * Containers say beforehand how many members they will have (JSON does not care); texts hold nothing that JSON
 * would escape.  uuids are 16-byte bin or text, times the timestamp extension or RFC 3339 text.
 */
#ifndef VERBATIM_TEST_GEN_SINK_H
#define VERBATIM_TEST_GEN_SINK_H

#include <assert.h>
#include <inttypes.h>
#include <msgpack.h>
#include <msgpack/timestamp.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/time.h"
#include "base/uuid.h"

#define gen_unused __attribute__((unused))

enum gen_form { GEN_MSGPACK, GEN_JSON };

enum { GEN_DEPTH_MAX = 16 };

struct gen_sink {
	enum gen_form form;
	struct buffer *out;
	msgpack_packer packer;
	int depth;
	bool more[GEN_DEPTH_MAX];  /* JSON: a comma is due before the next value */
	bool keyed[GEN_DEPTH_MAX]; /* JSON: the level is an object */
};

gen_unused static int gen_write(void *data, const char *bytes, size_t len)
{
	buffer_add(data, bytes, len);
	return 0;
}

gen_unused static void gen_sink_init(struct gen_sink *s, enum gen_form form, struct buffer *out)
{
	memset(s, 0, sizeof(*s));
	s->form = form;
	s->out = out;
	msgpack_packer_init(&s->packer, out, gen_write);
}

/* Before each value of a JSON array and each key of a JSON object. */
gen_unused static void gen_comma(struct gen_sink *s)
{
	if (s->more[s->depth])
		buffer_add_byte(s->out, ',');
	s->more[s->depth] = true;
}

gen_unused static void gen_value(struct gen_sink *s)
{
	if (!s->keyed[s->depth])
		gen_comma(s);
}

gen_unused static void gen_open(struct gen_sink *s, bool keyed, int count)
{
	if (s->form == GEN_MSGPACK) {
		if (keyed)
			msgpack_pack_map(&s->packer, (size_t)count);
		else
			msgpack_pack_array(&s->packer, (size_t)count);
		return;
	}
	gen_value(s);
	buffer_add_byte(s->out, keyed ? '{' : '[');
	assert(s->depth + 1 < GEN_DEPTH_MAX);
	s->depth++;
	s->more[s->depth] = false;
	s->keyed[s->depth] = keyed;
}

gen_unused static void gen_close(struct gen_sink *s)
{
	if (s->form == GEN_MSGPACK)
		return;
	buffer_add_byte(s->out, s->keyed[s->depth] ? '}' : ']');
	s->depth--;
}

/* Texts of the generator hold nothing that JSON would escape. */
gen_unused static void gen_text(struct gen_sink *s, struct bytes text)
{
	if (s->form == GEN_MSGPACK) {
		msgpack_pack_str(&s->packer, text.len);
		msgpack_pack_str_body(&s->packer, text.data, text.len);
		return;
	}
	gen_value(s);
	buffer_add_byte(s->out, '"');
	buffer_add_bytes(s->out, text);
	buffer_add_byte(s->out, '"');
}

gen_unused static void gen_key(struct gen_sink *s, const char *key)
{
	if (s->form == GEN_MSGPACK) {
		gen_text(s, bytes_text(key));
		return;
	}
	gen_comma(s);
	buffer_printf(s->out, "\"%s\":", key);
}

gen_unused static void gen_int(struct gen_sink *s, int64_t n)
{
	if (s->form == GEN_MSGPACK) {
		msgpack_pack_int64(&s->packer, n);
		return;
	}
	gen_value(s);
	buffer_printf(s->out, "%" PRId64, n);
}

/* n / 10^scale */
gen_unused static void gen_decimal(struct gen_sink *s, int64_t n, int scale)
{
	uint64_t size = n < 0 ? (uint64_t)-n : (uint64_t)n, unit = 1;
	char text[64];

	for (int i = 0; i < scale; i++)
		unit *= 10;
	snprintf(text, sizeof(text), "%s%" PRIu64 ".%0*" PRIu64, n < 0 ? "-" : "", size / unit, scale, size % unit);
	if (s->form == GEN_MSGPACK) {
		msgpack_pack_double(&s->packer, strtod(text, NULL));
		return;
	}
	gen_value(s);
	buffer_add_text(s->out, text);
}

gen_unused static void gen_bool(struct gen_sink *s, bool value)
{
	if (s->form == GEN_MSGPACK) {
		if (value)
			msgpack_pack_true(&s->packer);
		else
			msgpack_pack_false(&s->packer);
		return;
	}
	gen_value(s);
	buffer_add_text(s->out, value ? "true" : "false");
}

gen_unused static void gen_uuid(struct gen_sink *s, const struct uuid *u)
{
	char text[UUID_TEXT];

	if (s->form == GEN_MSGPACK) {
		msgpack_pack_bin(&s->packer, sizeof(u->b));
		msgpack_pack_bin_body(&s->packer, u->b, sizeof(u->b));
		return;
	}
	gen_text(s, bytes_text(uuid_format(u, text)));
}

gen_unused static void gen_time(struct gen_sink *s, int64_t t)
{
	msgpack_timestamp stamp = { t / TIME_SECOND, (uint32_t)(t % TIME_SECOND) * 1000 };
	char text[TIME_TEXT];

	if (s->form == GEN_MSGPACK) {
		msgpack_pack_timestamp(&s->packer, &stamp);
		return;
	}
	gen_text(s, bytes_text(time_format(t, text)));
}

/* `count` characters: of four bytes each when they are few (limits count characters, not bytes), else plain. */
gen_unused static void gen_characters(struct gen_sink *s, int64_t count)
{
	struct buffer text = { 0 };

	buffer_reserve(&text, 1);
	for (int64_t i = 0; i < count; i++) {
		if (count <= 10000 && i % 2)
			buffer_add_text(&text, "\xf0\x9f\x8c\xb1");
		else
			buffer_add_byte(&text, (char)('a' + i % 26));
	}
	gen_text(s, buffer_bytes(&text));
	buffer_release(&text);
}

/* {"k":"xxx"} of exactly `bytes` bytes of JSON, or {} when that is too few. */
gen_unused static void gen_json(struct gen_sink *s, int64_t bytes)
{
	struct buffer text = { 0 };
	bool empty = bytes < 8;

	gen_open(s, true, empty ? 0 : 1);
	if (!empty) {
		gen_key(s, "k");
		memset(buffer_reserve(&text, (size_t)bytes), 'x', (size_t)bytes);
		gen_text(s, bytes_of(text.data, (size_t)bytes - 8));
		buffer_release(&text);
	}
	gen_close(s);
}

#endif
