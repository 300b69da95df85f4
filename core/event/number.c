/*
 * number - doubles as ECMAScript prints them (ECMA-262 section 6.1.6.1.20, RFC 8785 section 3.2.2.3).
 *
 * The shortest digits that read back as the same double, and of those the nearest to it; found without
 * tables, by facts that hold for every normal double:
 *
 *   - a decimal of at most 15 digits comes back from its double when that is printed with 15 digits, so
 *     if 15 digits read back, they without their trailing zeros are the answer;
 *   - 17 digits always read back; what is left is one try with 16.
 *
 * Two corners.  At a power of two the doubles below stand twice as close as those above, so the nearest
 * 16-digit decimal may lie below, too far off, while its neighbour above reads back.  And subnormals carry
 * fewer digits than 15, so there every length is tried, the shortest first.
 */
#include "event/number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/canonical.h"

struct digits {
	char text[24]; /* no leading or trailing zeros */
	int count;
	int point;     /* the value is 0.ddd times 10^point */
};

char *number_put_int(int64_t v, char *out)
{
	char text[20];
	int n = 0;
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	if (v < 0)
		*out++ = '-';
	do
		text[n++] = (char)('0' + rest % 10);
	while (rest /= 10);
	while (n)
		*out++ = text[--n];
	return out;
}

static void strip(struct digits *d)
{
	while (d->count > 1 && d->text[d->count - 1] == '0')
		d->count--;
}

/*
 * Most decimals people write: m / 10^k with m below 10^15.  The division of two exact doubles is rounded
 * once, just as reading the decimal would be, so equality proves that m and k read back as v.
 */
static bool try_decimal(double v, struct digits *d)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
					 1e15 };

	if (v < 1e-5 || v >= 1e15)
		return false;
	for (int k = 1; k < (int)(sizeof(powers) / sizeof(*powers)); k++) {
		double m = rint(v * powers[k]);

		if (m >= 1e15)
			return false;
		if (m / powers[k] != v)
			continue;
		d->count = (int)(number_put_int((int64_t)m, d->text) - d->text);
		d->point = d->count - k;
		strip(d);
		return true;
	}
	return false;
}

static bool reads_back(const struct digits *d, double v)
{
	char text[48];

	snprintf(text, sizeof(text), "%.*se%d", d->count, d->text, d->point - d->count);
	return strtod(text, NULL) == v;
}

/* The nearest decimal of `count` digits. */
static bool try_count(double v, int count, struct digits *d)
{
	char text[48], *e;

	snprintf(text, sizeof(text), "%.*e", count - 1, v);
	e = strchr(text, 'e');
	assert(e);
	d->point = atoi(e + 1) + 1;
	d->count = 0;
	for (const char *p = text; p < e; p++)
		if (*p >= '0' && *p <= '9')
			d->text[d->count++] = *p;
	if (!reads_back(d, v))
		return false;
	strip(d);
	return true;
}

/* As try_count, but the neighbour above the nearest one. */
static bool try_above(double v, int count, struct digits *d)
{
	int i = count - 1;

	try_count(v, count, d);
	d->count = count;
	while (i >= 0 && d->text[i] == '9')
		d->text[i--] = '0';
	if (i < 0) {
		d->text[0] = '1';
		d->point++;
	} else {
		d->text[i]++;
	}
	if (!reads_back(d, v))
		return false;
	strip(d);
	return true;
}

static bool is_power_of_two(double v)
{
	int exponent;

	return frexp(v, &exponent) == 0.5;
}

static void shortest(double v, struct digits *d)
{
	static const double smallest_normal = 0x1p-1022;

	if (try_decimal(v, d))
		return;
	for (int count = v < smallest_normal ? 1 : 15; count < 17; count++)
		if (try_count(v, count, d) || (is_power_of_two(v) && try_above(v, count, d)))
			return;
	try_count(v, 17, d);
}

char *number_put_double(double v, char *out)
{
	struct digits d;
	int n;

	assert(isfinite(v));
	if (fabs(v) <= (double)NUMBER_INT_MAX && v == (double)(int64_t)v)
		return number_put_int((int64_t)v, out); /* also the zero without its sign */
	if (v < 0) {
		*out++ = '-';
		v = -v;
	}
	shortest(v, &d);
	n = d.point;
	if (n > 0 && n <= 21) {
		int whole = d.count < n ? d.count : n;

		memcpy(out, d.text, (size_t)whole);
		memset(out + whole, '0', (size_t)(n - whole));
		out += n;
		if (d.count > n) {
			*out++ = '.';
			memcpy(out, d.text + n, (size_t)(d.count - n));
			out += d.count - n;
		}
		return out;
	}
	if (n > -6 && n <= 0) {
		memcpy(out, "0.000000", 8);
		out += 2 - n;
		memcpy(out, d.text, (size_t)d.count);
		return out + d.count;
	}
	*out++ = d.text[0];
	if (d.count > 1) {
		*out++ = '.';
		memcpy(out, d.text + 1, (size_t)(d.count - 1));
		out += d.count - 1;
	}
	*out++ = 'e';
	if (n - 1 > 0)
		*out++ = '+';
	return number_put_int(n - 1, out);
}

void canonical_number(double v, struct buffer *out)
{
	char *p = buffer_reserve(out, NUMBER_TEXT);

	out->len += (size_t)(number_put_double(v, p) - p);
}

enum number_fit number_decimal(struct bytes text, int scale, int64_t *out)
{
	const char *p = text.data, *end = text.data + text.len;
	bool negative = p < end && *p == '-', point = false, any = false;
	int64_t v = 0;
	int shift = scale, zeros = 0; /* zeros are held back: they matter only if a digit follows */

	for (p += negative; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.' && !point && any && end - p > 1 && p[1] >= '0' && p[1] <= '9') {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			return NUMBER_NONE;
		any = true;
		shift -= point;
		if (*p == '0') {
			zeros += v != 0;
			continue;
		}
		for (zeros++; zeros; zeros--)
			if (__builtin_mul_overflow(v, 10, &v))
				return NUMBER_TOO_BIG;
		if (__builtin_add_overflow(v, *p - '0', &v))
			return NUMBER_TOO_BIG;
	}
	if (!any)
		return NUMBER_NONE;
	if (p < end) {
		int exponent = 0;
		bool below = false;

		if (++p < end && (*p == '+' || *p == '-'))
			below = *p++ == '-';
		if (p == end)
			return NUMBER_NONE;
		for (; p < end; p++) {
			if (*p < '0' || *p > '9')
				return NUMBER_NONE;
			if (exponent < 100000)
				exponent = exponent * 10 + (*p - '0');
		}
		shift += below ? -exponent : exponent;
	}
	shift += zeros;
	if (v == 0)
		shift = 0;
	if (shift < 0)
		return NUMBER_FINER;
	for (; shift; shift--)
		if (__builtin_mul_overflow(v, 10, &v))
			return NUMBER_TOO_BIG;
	*out = negative ? -v : v;
	return NUMBER_FITS;
}
