/* merkle - roots, tiles and proofs against RFC 6962's known answers and a naive tree built by its definition. */
#include "tap.h"

#include "base/random.h"
#include "event/merkle.h"

static void hash_leaf(const char *hex, uint8_t out[32])
{
	uint8_t text[64] = { 0 };
	size_t n = strlen(hex) / 2;

	hex_decode(hex, 2 * n, text + 1, n);
	sha256(text, 1 + n, out);
}

static void hash_node(const uint8_t *left, const uint8_t *right, uint8_t *out)
{
	uint8_t text[65];

	text[0] = 1;
	memcpy(text + 1, left, 32);
	memcpy(text + 33, right, 32);
	sha256(text, sizeof(text), out);
}

static int64_t split(int64_t n)
{
	int64_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

/* MTH of RFC 6962 section 2.1. */
static void naive_root(const uint8_t *leaves, int64_t n, uint8_t *out)
{
	uint8_t left[32], right[32];
	int64_t k = split(n);

	if (n == 0) {
		sha256("", 0, out);
		return;
	}
	if (n == 1) {
		memcpy(out, leaves, 32);
		return;
	}
	naive_root(leaves, k, left);
	naive_root(leaves + k * 32, n - k, right);
	hash_node(left, right, out);
}

/* PATH of section 2.1.1; returns how many hashes stand in `path`. */
static int naive_path(const uint8_t *leaves, int64_t m, int64_t n, uint8_t *path)
{
	int64_t k = split(n);
	int count;

	if (n == 1)
		return 0;
	if (m < k) {
		count = naive_path(leaves, m, k, path);
		naive_root(leaves + k * 32, n - k, path + count * 32);
	} else {
		count = naive_path(leaves + k * 32, m - k, n - k, path);
		naive_root(leaves, k, path + count * 32);
	}
	return count + 1;
}

/* SUBPROOF of section 2.1.2. */
static int naive_consistency(const uint8_t *leaves, int64_t m, int64_t n, bool whole, uint8_t *path)
{
	int64_t k = split(n);
	int count;

	if (m == n) {
		if (whole)
			return 0;
		naive_root(leaves, n, path);
		return 1;
	}
	if (m <= k) {
		count = naive_consistency(leaves, m, k, whole, path);
		naive_root(leaves + k * 32, n - k, path + count * 32);
	} else {
		count = naive_consistency(leaves + k * 32, m - k, n - k, false, path);
		naive_root(leaves, k, path + count * 32);
	}
	return count + 1;
}

static uint8_t *make_leaves(int64_t n)
{
	uint8_t *leaves = mem_alloc((size_t)n * 32);

	for (int64_t i = 0; i < n; i++)
		sha256(&i, sizeof(i), leaves + i * 32);
	return leaves;
}

/* The reference tree of the certificate transparency project. */
static void known_answers(void)
{
	static const char *const leaves[] = { "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
					      "606162636465666768696a6b6c6d6e6f" };
	static const char *const roots[] = {
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	};
	uint8_t root[32], leaf[32];
	struct merkle m;
	char hex[65];

	merkle_init(&m);
	merkle_root(&m, root);
	hex_encode(root, 32, hex);
	is_text(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "the empty tree");
	for (int i = 0; i < 8; i++) {
		char name[32];

		hash_leaf(leaves[i], leaf);
		merkle_add(&m, leaf, NULL, NULL);
		merkle_root(&m, root);
		hex_encode(root, 32, hex);
		snprintf(name, sizeof(name), "root of size %d", i + 1);
		is_text(hex, roots[i], name);
	}
	merkle_release(&m);
}

static void roots_as_defined(void)
{
	enum { MOST = 600 };
	uint8_t *leaves = make_leaves(MOST), root[32], naive[32];
	int wrong = 0, wrong_tile = 0;
	struct merkle m;

	merkle_init(&m);
	for (int n = 0; n <= MOST; n++) {
		merkle_root(&m, root);
		naive_root(leaves, n, naive);
		wrong += memcmp(root, naive, 32) != 0;
		if (n > 0 && n <= MERKLE_TILE) {
			merkle_tile_hash(leaves, n, root);
			wrong_tile += memcmp(root, naive, 32) != 0;
		}
		if (n < MOST)
			merkle_add(&m, leaves + n * 32, NULL, NULL);
	}
	is_int(wrong, 0, "roots of sizes 0 to 600 are those of the definition");
	is_int(wrong_tile, 0, "merkle_tile_hash is the root of its entries, for every count");
	merkle_release(&m);
	free(leaves);
}

static void tiles_are_handed_out_once(void)
{
	enum { SIZE = 65536 + 300 };
	uint8_t *leaves = make_leaves(SIZE), hash[32];
	struct merkle_tile *tiles = NULL, *last = NULL;
	int64_t next[2] = { 0, 0 };
	struct arena arena;
	struct merkle m;
	bool good = true;

	arena_init(&arena, 1 << 20);
	merkle_init(&m);
	for (int64_t i = 0; i < 255; i++)
		merkle_add(&m, leaves + i * 32, &arena, &tiles);
	ok(!tiles, "no tile before the 256th leaf");
	merkle_add(&m, leaves + 255 * 32, &arena, &tiles);
	ok(tiles && !tiles->next && tiles->level == 0 && tiles->index == 0, "the 256th leaf hands out tile 0 of level 0");
	for (int64_t i = 256; i < SIZE; i++)
		merkle_add(&m, leaves + i * 32, &arena, &tiles);
	for (struct merkle_tile *t = tiles; t; last = t, t = t->next) {
		good = good && t->level < 2 && t->index == next[t->level]++;
		if (t->level == 0)
			good = good && memcmp(t->hashes, leaves + t->index * MERKLE_TILE * 32, MERKLE_TILE * 32) == 0;
		for (int i = 0; t->level == 1 && i < MERKLE_TILE; i++) {
			merkle_tile_hash(leaves + i * MERKLE_TILE * 32, MERKLE_TILE, hash);
			good = good && memcmp(t->hashes + i * 32, hash, 32) == 0;
		}
	}
	ok(good, "each tile holds what its place says");
	ok(next[0] == 257 && next[1] == 1, "257 tiles of level 0 and one of level 1");
	ok(last && last->level == 0 && last->index == 256, "in the order in which they fill");
	merkle_release(&m);
	arena_release(&arena);
	free(leaves);
}

/* The open hashes as a database has them: of each level those behind its last full tile. */
static void loads_from_tiles(void)
{
	enum { SEED = 7, MOST = 140000, CASES = 24 };
	uint8_t *leaves = make_leaves(MOST), *levels[3], root[32], loaded_root[32];
	int64_t sizes[CASES] = { 0, 1, 255, 256, 257, 65535, 65536, 65537, 131072, MOST };
	struct merkle built, loaded, copy;
	int wrong = 0, at = 0;
	struct random r;

	note("seed %d", SEED);
	random_seed(&r, SEED);
	for (int i = 10; i < CASES; i++)
		sizes[i] = (int64_t)random_below(&r, MOST);
	for (int i = 1; i < CASES; i++) /* ascending, so that one tree grows through all of them */
		for (int j = i; j > 0 && sizes[j] < sizes[j - 1]; j--) {
			int64_t swap = sizes[j];

			sizes[j] = sizes[j - 1];
			sizes[j - 1] = swap;
		}
	levels[0] = leaves;
	for (int level = 1, n = MOST / MERKLE_TILE; level < 3; level++, n /= MERKLE_TILE) {
		levels[level] = mem_zalloc((size_t)(n + 1) * 32);
		for (int i = 0; i < n; i++)
			merkle_tile_hash(levels[level - 1] + (size_t)i * MERKLE_TILE * 32, MERKLE_TILE, levels[level] + i * 32);
	}
	merkle_init(&built);
	merkle_init(&loaded);
	merkle_init(&copy);
	for (int i = 0; i < CASES; i++) {
		const uint8_t *open[MERKLE_LEVELS] = { NULL };

		for (; at < sizes[i]; at++)
			merkle_add(&built, leaves + (size_t)at * 32, NULL, NULL);
		for (int level = 0; level < 3; level++)
			open[level] = levels[level] + (sizes[i] >> (8 * (level + 1))) * MERKLE_TILE * 32;
		merkle_load(&loaded, sizes[i], open);
		merkle_root(&built, root);
		merkle_root(&loaded, loaded_root);
		wrong += memcmp(root, loaded_root, 32) != 0 || loaded.size != sizes[i];
		merkle_copy(&copy, &loaded);
		if (sizes[i] < MOST)
			merkle_add(&copy, leaves + sizes[i] * 32, NULL, NULL);
		naive_root(leaves, copy.size, root);
		merkle_root(&copy, loaded_root);
		wrong += memcmp(root, loaded_root, 32) != 0;
	}
	is_int(wrong, 0, "a tree loaded from tiles equals the grown one, and goes on growing");
	merkle_release(&built);
	merkle_release(&loaded);
	merkle_release(&copy);
	free(levels[1]);
	free(levels[2]);
	free(leaves);
}

static void inclusion(void)
{
	enum { MOST = 140 };
	uint8_t *leaves = make_leaves(MOST), root[32], other[32] = { 1 };
	int refused = 0, accepted = 0;
	static uint8_t path[65 * 32];

	for (int64_t n = 1; n <= MOST; n++) {
		naive_root(leaves, n, root);
		for (int64_t i = 0; i < n; i++) {
			const uint8_t *leaf = leaves + i * 32;
			int count = naive_path(leaves, i, n, path);

			refused += !merkle_check_inclusion(i, n, leaf, path, count, root);
			accepted += merkle_check_inclusion(i, n, other, path, count, root);
			accepted += merkle_check_inclusion(i, n, leaf, path, count, other);
			accepted += merkle_check_inclusion(i, n, leaf, path, count + 1, root);
			accepted += count > 0 && merkle_check_inclusion(i, n, leaf, path, count - 1, root);
			accepted += n > 1 && merkle_check_inclusion((i + 1) % n, n, leaf, path, count, root);
			if (count > 0) {
				path[(i % count) * 32] ^= 1;
				accepted += merkle_check_inclusion(i, n, leaf, path, count, root);
			}
		}
	}
	is_int(refused, 0, "every honest inclusion proof is accepted");
	is_int(accepted, 0, "no inclusion proof with a wrong leaf, root, index, length or byte is");
	ok(!merkle_check_inclusion(-1, 5, leaves, path, 0, leaves), "index below the tree");
	ok(!merkle_check_inclusion(5, 5, leaves, path, 0, leaves), "index behind the tree");
	ok(!merkle_check_inclusion(0, 0, leaves, path, 0, leaves), "nothing is in an empty tree");
	free(leaves);
}

static void consistency(void)
{
	enum { MOST = 140 };
	uint8_t *leaves = make_leaves(MOST), root[32], old_root[32], other[32] = { 1 };
	int refused = 0, accepted = 0;
	static uint8_t path[66 * 32];

	for (int64_t n = 1; n <= MOST; n++) {
		naive_root(leaves, n, root);
		for (int64_t m = 1; m <= n; m++) {
			int count = naive_consistency(leaves, m, n, true, path);

			naive_root(leaves, m, old_root);
			refused += !merkle_check_consistency(m, old_root, n, root, path, count);
			accepted += merkle_check_consistency(m, other, n, root, path, count);
			accepted += merkle_check_consistency(m, old_root, n, other, path, count);
			accepted += merkle_check_consistency(m, old_root, n, root, path, count + 1);
			accepted += count > 0 && merkle_check_consistency(m, old_root, n, root, path, count - 1);
			if (count > 0) {
				path[(m % count) * 32 + 31] ^= 0x80;
				accepted += merkle_check_consistency(m, old_root, n, root, path, count);
			}
		}
	}
	is_int(refused, 0, "every honest consistency proof is accepted");
	is_int(accepted, 0, "no consistency proof with a wrong root, length or byte is");
	sha256("", 0, old_root);
	ok(merkle_check_consistency(0, old_root, 5, root, path, 0), "every tree goes on from the empty one");
	ok(!merkle_check_consistency(0, other, 5, root, path, 0), "whose root is known");
	ok(!merkle_check_consistency(6, root, 5, root, path, 0), "a tree does not shrink");
	free(leaves);
}

int main(void)
{
	uint8_t one[32], two[32];

	sha256("abcdef", 6, one);
	sha256_two("abc", 3, "def", 3, two);
	ok(memcmp(one, two, 32) == 0, "sha256_two hashes its runs one after the other");
	known_answers();
	roots_as_defined();
	tiles_are_handed_out_once();
	loads_from_tiles();
	inclusion();
	consistency();
	return tap_done();
}
