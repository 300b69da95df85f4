/* map - the map against a naive list, over growth, clearing and odd key sizes. */
#include "tap.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/random.h"

static void basics(void)
{
	struct map m;
	const void *key;
	size_t at = 0;
	int value = 1;

	map_init(&m, 16);
	ok(!map_find(&m, "0123456789abcdef"), "nothing is found in an empty map");
	ok(!map_next(&m, &at, NULL), "nor walked over");
	*map_put(&m, "0123456789abcdef") = &value;
	ok(map_find(&m, "0123456789abcdef") == &value, "what was put is found");
	ok(!map_find(&m, "0123456789abcdeF"), "what was not is not");
	ok(*map_put(&m, "0123456789abcdef") == &value, "a second put finds the first");
	is_int((int64_t)m.count, 1, "one key");
	at = 0;
	ok(map_next(&m, &at, &key) == &value && memcmp(key, "0123456789abcdef", 16) == 0, "the walk gives key and value");
	ok(!map_next(&m, &at, &key), "and ends");
	map_clear(&m);
	ok(m.count == 0 && !map_find(&m, "0123456789abcdef"), "a cleared map is empty");
	*map_put(&m, "0123456789abcdef") = &value;
	ok(map_find(&m, "0123456789abcdef") == &value, "and can be filled again");
	map_release(&m);
	ok(m.capacity == 0 && m.count == 0, "a released map holds nothing");
	*map_put(&m, "0123456789abcdef") = &value;
	ok(map_find(&m, "0123456789abcdef") == &value, "and can be used again");
	map_release(&m);
}

static void against_a_list(size_t key_bytes)
{
	enum { KEYS = 3000 };
	char (*keys)[40] = mem_zalloc(KEYS * sizeof(*keys));
	int wrong = 0, walked = 0;
	const void *key;
	struct random r;
	struct map m;
	size_t at = 0;
	char *value;

	random_seed(&r, key_bytes);
	map_init(&m, key_bytes);
	for (int i = 0; i < KEYS; i++) {
		void **slot;

		random_fill(&r, keys[i], key_bytes);
		memcpy(keys[i], &i, 2); /* so that all differ */
		slot = map_put(&m, keys[i]);
		wrong += *slot != NULL;
		*slot = keys[i];
		wrong += map_find(&m, keys[random_below(&r, (uint64_t)i + 1)]) == NULL;
	}
	for (int i = 0; i < KEYS; i++)
		wrong += map_find(&m, keys[i]) != keys[i];
	while ((value = map_next(&m, &at, &key))) {
		wrong += memcmp(value, key, key_bytes) != 0;
		walked++;
	}
	is_int(wrong, 0, "3,000 keys are all found");
	is_int(walked, KEYS, "and walked over once");
	ok(m.count * 4 <= m.capacity * 3, "at most three quarters full");
	map_release(&m);
	free(keys);
}

static void the_walk_knows_no_pointers(void)
{
	struct map a, b;
	const void *key_a, *key_b;
	size_t at_a = 0, at_b = 0;
	int values[200], same = 0;

	map_init(&a, 4);
	map_init(&b, 4);
	for (int i = 0; i < 200; i++) {
		*map_put(&a, &i) = &values[i];
		*map_put(&b, &i) = &values[199 - i];
	}
	while (map_next(&a, &at_a, &key_a) && map_next(&b, &at_b, &key_b))
		same += memcmp(key_a, key_b, 4) == 0;
	is_int(same, 200, "the order of a walk does not depend on the values' addresses");
	map_release(&a);
	map_release(&b);
}

int main(void)
{
	basics();
	against_a_list(2);
	against_a_list(16);
	against_a_list(33);
	the_walk_knows_no_pointers();
	return tap_done();
}
