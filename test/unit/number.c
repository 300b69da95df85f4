/* number - doubles print as ECMAScript prints them (RFC 8785 appendix B, ECMA-262), decimals are read exactly. */
#include "tap.h"

#include <math.h>

#include "base/random.h"
#include "event/canonical.h"
#include "event/number.h"

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, 8);
	return v;
}

static const char *print(double v)
{
	static struct buffer out;

	buffer_reset(&out);
	canonical_number(v, &out);
	return buffer_text(&out);
}

static void rfc_8785_appendix_b(void)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} samples[] = {
		{ 0x0000000000000000, "0" },
		{ 0x8000000000000000, "0" },
		{ 0x0000000000000001, "5e-324" },
		{ 0x8000000000000001, "-5e-324" },
		{ 0x7fefffffffffffff, "1.7976931348623157e+308" },
		{ 0xffefffffffffffff, "-1.7976931348623157e+308" },
		{ 0x4340000000000000, "9007199254740992" },
		{ 0xc340000000000000, "-9007199254740992" },
		{ 0x4430000000000000, "295147905179352830000" },
		{ 0x44b52d02c7e14af5, "9.999999999999997e+22" },
		{ 0x44b52d02c7e14af6, "1e+23" },
		{ 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
		{ 0x444b1ae4d6e2ef4e, "999999999999999700000" },
		{ 0x444b1ae4d6e2ef4f, "999999999999999900000" },
		{ 0x444b1ae4d6e2ef50, "1e+21" },
		{ 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
		{ 0x3eb0c6f7a0b5ed8d, "0.000001" },
		{ 0x41b3de4355555553, "333333333.3333332" },
		{ 0x41b3de4355555554, "333333333.33333325" },
		{ 0x41b3de4355555555, "333333333.3333333" },
		{ 0x41b3de4355555556, "333333333.3333334" },
		{ 0x41b3de4355555557, "333333333.33333343" },
		{ 0xbecbf647612f3696, "-0.0000033333333333333333" },
		{ 0x43143ff3c1cb0959, "1424953923781206.2" },
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		is_text(print(from_bits(samples[i].bits)), samples[i].text, samples[i].text);
}

static void edges(void)
{
	static const struct {
		double v;
		const char *text;
	} samples[] = {
		{ 1, "1" },
		{ -1, "-1" },
		{ 0.1, "0.1" },
		{ 0.97, "0.97" },
		{ 0.30000000000000004, "0.30000000000000004" },
		{ 12.5, "12.5" },
		{ 100, "100" },
		{ 123456789012345680.0, "123456789012345680" },
		{ 1e20, "100000000000000000000" },
		{ 1e21, "1e+21" },
		{ 1.5e21, "1.5e+21" },
		{ 1e-6, "0.000001" },
		{ 1e-7, "1e-7" },
		{ 1.5e-7, "1.5e-7" },
		{ 1e300, "1e+300" },
		{ 9007199254740991.0, "9007199254740991" },
		{ 9007199254740990.0, "9007199254740990" },
		{ 2251799813685249.5, "2251799813685249.5" },
		{ 0x1p-1022, "2.2250738585072014e-308" },
		{ 0x0.fffffffffffffp-1022, "2.225073858507201e-308" },
		{ 0x1p-44, "5.684341886080802e-14" }, /* a power of two: the nearest of 16 digits does not read back */
		{ 0x1p+89, "6.189700196426902e+26" },
		{ (double)3.4028234663852886e38f, "3.4028234663852886e+38" }, /* a float32, widened */
		{ (double)0.1f, "0.10000000149011612" },
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		is_text(print(samples[i].v), samples[i].text, samples[i].text);
}

/* How many digits the text has, zeros at either end aside. */
static int digits_in(const char *text)
{
	int digits = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (*text == '0' && digits == 0))
			continue;
		zeros = *text == '0' ? zeros + 1 : 0;
		digits++;
	}
	return digits - zeros;
}

/* Whether any decimal of that few digits reads back: the nearest one or one of its neighbours. */
static bool fewer_would_do(double v, int digits)
{
	char text[64];

	for (int step = -1; step <= 1; step++) {
		int exponent;
		long long m;

		snprintf(text, sizeof(text), "%.*e", digits - 1, v);
		exponent = atoi(strchr(text, 'e') + 1);
		m = llround(strtod(text, NULL) / pow(10, exponent) * pow(10, digits - 1)) + step;
		snprintf(text, sizeof(text), "%llde%d", m, exponent - digits + 1);
		if (strtod(text, NULL) == v)
			return true;
	}
	return false;
}

static void shortest_and_reads_back(void)
{
	enum { SEED = 20240501, CASES = 30000 };
	int wrong = 0, long_ones = 0;
	struct random r;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 0; i < CASES; i++) {
		uint64_t bits = random_next(&r);
		double v;
		const char *text;

		if (i < 2046)
			bits = (uint64_t)(i + 1) << 52; /* every power of two */
		v = fabs(from_bits(bits));
		if (!isfinite(v) || v == 0)
			continue;
		text = print(v);
		wrong += strtod(text, NULL) != v;
		if (digits_in(text) > 1 && v > 1e-290 && v < 1e290)
			long_ones += fewer_would_do(v, digits_in(text) - 1);
	}
	is_int(wrong, 0, "every double reads back from its text");
	is_int(long_ones, 0, "no shorter text reads back");
}

static void decimals(void)
{
	static const struct {
		const char *text;
		int scale;
		enum number_fit fit;
		int64_t value;
	} cases[] = {
		{ "0", 2, NUMBER_FITS, 0 },
		{ "-0", 2, NUMBER_FITS, 0 },
		{ "1", 0, NUMBER_FITS, 1 },
		{ "12.5", 2, NUMBER_FITS, 1250 },
		{ "12.50", 1, NUMBER_FITS, 125 },
		{ "12.55", 1, NUMBER_FINER, 0 },
		{ "-0.05", 2, NUMBER_FITS, -5 },
		{ "0.000001", 6, NUMBER_FITS, 1 },
		{ "1e-7", 6, NUMBER_FINER, 0 },
		{ "1e-7", 7, NUMBER_FITS, 1 },
		{ "0e-9", 2, NUMBER_FITS, 0 },
		{ "1e+3", 0, NUMBER_FITS, 1000 },
		{ "100", 4, NUMBER_FITS, 1000000 },
		{ "1e+21", 2, NUMBER_TOO_BIG, 0 },
		{ "1e+999999999999", 0, NUMBER_TOO_BIG, 0 },
		{ "9223372036854775807", 0, NUMBER_FITS, INT64_MAX },
		{ "9223372036854775808", 0, NUMBER_TOO_BIG, 0 },
		{ "9223372036854775807", 1, NUMBER_TOO_BIG, 0 },
		{ "", 0, NUMBER_NONE, 0 },
		{ "-", 0, NUMBER_NONE, 0 },
		{ "1x", 0, NUMBER_NONE, 0 },
		{ "1.2.3", 4, NUMBER_NONE, 0 },
		{ "1e", 0, NUMBER_NONE, 0 },
		{ ".2e3", 0, NUMBER_NONE, 0 },
		{ "2.", 0, NUMBER_NONE, 0 },
		{ "true", 0, NUMBER_NONE, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t v = 0;
		enum number_fit fit = number_decimal(bytes_text(cases[i].text), cases[i].scale, &v);

		ok(fit == cases[i].fit && (fit != NUMBER_FITS || v == cases[i].value), "decimal '%s' at scale %d",
		   cases[i].text, cases[i].scale);
	}
}

int main(void)
{
	rfc_8785_appendix_b();
	edges();
	shortest_and_reads_back();
	decimals();
	return tap_done();
}
