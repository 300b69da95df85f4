/* json_number - see json_number.h. */
#include "fold/json_number.h"

void json_number_read(struct bytes raw, struct json_number *n)
{
	size_t i = raw.len && raw.data[0] == '-';
	int exponent = 0, zeros = 0, sign = 1;
	bool point = false;

	memset(n, 0, sizeof(*n));
	n->minus = i == 1;
	n->power = -1;
	for (; i < raw.len && raw.data[i] != 'e' && raw.data[i] != 'E'; i++) {
		if (raw.data[i] == '.') {
			point = true;
			continue;
		}
		if (n->count || raw.data[i] != '0')
			n->power += !point;
		else if (point)
			n->power--;
		if (raw.data[i] == '0') {
			zeros += n->count > 0;
			continue;
		}
		for (; zeros; zeros--)
			if (n->count < (int)sizeof(n->digits))
				n->digits[n->count++] = '0';
		if (n->count < (int)sizeof(n->digits))
			n->digits[n->count++] = raw.data[i];
	}
	if (i < raw.len && (raw.data[++i] == '-' || raw.data[i] == '+'))
		sign = raw.data[i++] == '-' ? -1 : 1;
	for (; i < raw.len; i++)
		exponent = exponent * 10 + (raw.data[i] - '0');
	n->power = n->count ? n->power + sign * exponent : 0;
	n->minus = n->minus && n->count;
}

bool json_number_same(struct bytes a, struct bytes b)
{
	struct json_number x, y;

	json_number_read(a, &x);
	json_number_read(b, &y);
	return x.minus == y.minus && x.power == y.power && x.count == y.count && memcmp(x.digits, y.digits, (size_t)x.count) == 0;
}

bool json_number_is(struct bytes raw)
{
	return raw.len && (raw.data[0] == '-' || (raw.data[0] >= '0' && raw.data[0] <= '9'));
}
