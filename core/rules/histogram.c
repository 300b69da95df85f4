/* histogram - see histogram.h. */
#include "rules/histogram.h"

/* 2^(63 + i/35), rounded up. */
static const uint64_t bounds[HISTOGRAM_OCTAVE] = {
	0x8000000000000000, 0x828f69a92a6bd402, 0x852bef4e0b5e38bc, 0x87d5d40ea72ef913, 0x8a8d5c62b775133f,
	0x8d52ce208af3eb23, 0x9026708408bc0932, 0x93088c35d733a4b6, 0x95f96b52a7bed348, 0x98f95972a7c2e49f,
	0x9c08a3b117c43215, 0x9f2798b409617cbd, 0xa25688b444f3dbd0, 0xa595c585579e3855, 0xa8e5a29dca9b622c,
	0xac46751f849deee5, 0xafb893e056194c24, 0xb33c5772b14fbe47, 0xb6d21a2e8f056939, 0xba7a383a80bcfcbc,
	0xbe350f94f1673025, 0xc203001d9572e35d, 0xc5e46b9f0b307cd0, 0xc9d9b5d8ac7ff620, 0xcde3448892c5fc7e,
	0xd2017f75ce2995d4, 0xd634d07ad120e231, 0xda7da3901158d184, 0xdedc66d6df09010b, 0xe3518aa473ca6ae3,
	0xe7dd818d3a0d24f8, 0xec80c0704e4f1c07, 0xf13bbe833b3b83db, 0xf60ef55df1e0a045, 0xfafae106ff2f92bd,
};

int histogram_class(int64_t micros)
{
	uint64_t value = micros > 1 ? (uint64_t)micros : 1;
	int zeros = __builtin_clzll(value), low = 0, high = HISTOGRAM_OCTAVE - 1;

	value <<= zeros;
	while (low < high) {
		int middle = (low + high + 1) / 2;

		if (bounds[middle] <= value)
			low = middle;
		else
			high = middle - 1;
	}
	return (63 - zeros) * HISTOGRAM_OCTAVE + low;
}
