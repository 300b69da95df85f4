/* base64 - see base64.h. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buffer *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	char *to = buffer_reserve(out, (len + 2) / 3 * 4);

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);

		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < len ? digits[v & 63] : '=';
	}
	out->len += (len + 2) / 3 * 4;
}

static int digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool base64_decode(struct bytes text, void *out, size_t len)
{
	uint8_t *to = out;

	if (text.len != (len + 2) / 3 * 4)
		return false;
	for (size_t i = 0, at = 0; i < len; i += 3, at += 4) {
		size_t n = len - i < 3 ? len - i : 3; /* bytes of this group */
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = k <= n ? digit(text.data[at + k]) : text.data[at + k] == '=' ? 0 : -1;

			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		if (n < 3 && v & (n == 1 ? 0xffff : 0xff))
			return false; /* bits that mean nothing */
		for (size_t k = 0; k < n; k++)
			*to++ = (uint8_t)(v >> (16 - 8 * k));
	}
	return true;
}
