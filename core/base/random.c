/* random - see random.h. */
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) { /* splitmix64, as the authors advise */
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t random_next(struct random *r)
{
	uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)random_next(r) * bound >> 64);
}

void random_fill(struct random *r, void *out, size_t len)
{
	char *p = out;

	while (len) {
		uint64_t v = random_next(r);
		size_t n = len < 8 ? len : 8;

		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}

void random_system(void *out, size_t len)
{
	char *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0) {
			perror("verbatim: getrandom");
			abort();
		}
		p += n;
		len -= (size_t)n;
	}
}
