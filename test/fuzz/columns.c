/* columns - what a database server sends for a column: read within its bytes, whatever they are. */
#include "fuzz.h"

#include "store/pg_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned kind = fuzz_take(&data, &size, 6);
	const char *bytes = (const char *)data;
	struct bytes out = { 0 };
	struct arena arena;

	arena_init(&arena, 4096);
	switch (kind) {
	case 0: out = pg_get_inet(bytes, (int)size, &arena); break;
	case 1: out = pg_get_strings(bytes, (int)size, false, &arena); break;
	case 2: out = pg_get_strings(bytes, (int)size, true, &arena); break;
	case 3: out = pg_get_jsonb(bytes, (int)size, &arena); break;
	case 4:
		for (int scale = 0; scale <= 6; scale += 2)
			(void)pg_get_decimal(bytes, (int)size, scale);
		break;
	default:
		if (size == 2 || size == 4 || size == 8)
			(void)pg_get_int(bytes, (int)size);
		break;
	}
	must(!out.data || out.len <= 6 * size + 64); /* a byte becomes at most \u00XX */
	arena_release(&arena);
	return 0;
}
