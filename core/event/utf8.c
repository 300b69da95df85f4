/* utf8 - utf8_check of canonical.h, apart so that the offline verifier needs no MessagePack for it. */
#include "event/canonical.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* The length of the character at `p`, 0 when it is malformed (RFC 3629 section 4). */
static size_t utf8_length(const uint8_t *p, size_t room)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n > room)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool utf8_check(struct bytes text, size_t *characters)
{
	const uint8_t *p = (const uint8_t *)text.data, *end = p + text.len;
	size_t count = 0;

	while (p < end) {
		uint64_t word;
		size_t n;

		if (end - p >= 8) {
			memcpy(&word, p, 8);
			if (!((word | (word - ONES)) & HIGHS)) { /* eight of ASCII, none of them NUL */
				p += 8;
				count += 8;
				continue;
			}
		}
		n = utf8_length(p, (size_t)(end - p));
		if (n == 0)
			return false;
		p += n;
		count++;
	}
	if (characters)
		*characters = count;
	return true;
}
