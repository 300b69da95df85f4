/* uuid - see uuid.h. */
#include "base/uuid.h"

#include <xxhash.h>

#include "base/bytes.h"

static int digit(char c)
{
	/* One more than the digit's value, by character; 0 for what is none. */
	static const int8_t values[256] = {
		['0'] = 1,  2,	3,  4,	5,  6, 7, 8, 9, 10,
		['a'] = 11, 12, 13, 14, 15, 16,
		['A'] = 11, 12, 13, 14, 15, 16,
	};

	return values[(uint8_t)c] - 1;
}

bool uuid_parse(const char *text, size_t len, struct uuid *out)
{
	static const uint8_t places[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };
	int all = 0;

	if (len != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	for (int i = 0; i < 16; i++) {
		int high = digit(text[places[i]]), low = digit(text[places[i] + 1]);

		all |= high | low; /* negative as soon as one is */
		out->b[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return all >= 0;
}

char *uuid_format(const struct uuid *u, char *out)
{
	char digits[2 * sizeof(u->b) + 1];

	hex_encode(u->b, sizeof(u->b), digits);
	memcpy(out, digits, 8);
	out[8] = out[13] = out[18] = out[23] = '-';
	memcpy(out + 9, digits + 8, 4);
	memcpy(out + 14, digits + 12, 4);
	memcpy(out + 19, digits + 16, 4);
	memcpy(out + 24, digits + 20, 13);
	return out;
}

static void stamp(struct uuid *out, int version)
{
	out->b[6] = (uint8_t)(version << 4 | (out->b[6] & 0x0f));
	out->b[8] = (uint8_t)(0x80 | (out->b[8] & 0x3f));
}

void uuid_v7(struct uuid *out, int64_t time_ms, const uint8_t random[10])
{
	memcpy(out->b + 6, random, 10);
	uuid_set_time(out, time_ms * 1000);
	stamp(out, 7);
}

void uuid_v4(struct uuid *out, const uint8_t random[16])
{
	memcpy(out->b, random, 16);
	stamp(out, 4);
}

void uuid_digest(struct uuid *out, const void *data, size_t len)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
	uuid_v8(out, canonical.digest);
}

void uuid_set_time(struct uuid *id, int64_t time)
{
	uint64_t ms = (uint64_t)(time / 1000);

	for (int i = 0; i < 6; i++)
		id->b[i] = (uint8_t)(ms >> (40 - 8 * i));
}

void uuid_v8(struct uuid *out, const uint8_t hash[16])
{
	memcpy(out->b, hash, 16);
	stamp(out, 8);
}
