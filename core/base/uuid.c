/* uuid - see uuid.h. */
#include "base/uuid.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(const char *text, size_t len, struct uuid *out)
{
	int n = 0;

	if (len != 36)
		return false;
	for (int i = 0; i < 36;) {
		int high, low;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return false;
			continue;
		}
		high = digit(text[i]);
		low = digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->b[n++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return true;
}

char *uuid_format(const struct uuid *u, char *out)
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[u->b[i] >> 4];
		*p++ = digits[u->b[i] & 15];
	}
	*p = 0;
	return out;
}

static void stamp(struct uuid *out, int version)
{
	out->b[6] = (uint8_t)(version << 4 | (out->b[6] & 0x0f));
	out->b[8] = (uint8_t)(0x80 | (out->b[8] & 0x3f));
}

void uuid_v7(struct uuid *out, int64_t time_ms, const uint8_t random[10])
{
	for (int i = 0; i < 6; i++)
		out->b[i] = (uint8_t)(time_ms >> (40 - 8 * i));
	memcpy(out->b + 6, random, 10);
	stamp(out, 7);
}

void uuid_v4(struct uuid *out, const uint8_t random[16])
{
	memcpy(out->b, random, 16);
	stamp(out, 4);
}

void uuid_v8(struct uuid *out, const uint8_t hash[16])
{
	memcpy(out->b, hash, 16);
	stamp(out, 8);
}
