/*
 * merkle - see merkle.h.
 *
 * Behind the hashes of an open tile stand eight more: its frontier.  frontier[k] is the root of the perfect
 * subtree of 2^k entries whenever bit k of `count` is set, as in a binary counter, so that a new entry costs
 * one node hash on average, a full tile's own hash is there when the tile is, and the root of the whole
 * tree is one walk over the set bits of `size`, lowest first:
 *
 *     count = 13 = 1101b      frontier:  [3] 8 entries | [2] 4 entries | [0] 1 entry
 *                             root:      node([3], node([2], [0]))
 *
 * The open count of each level is that digit of `size` in base 256, so bit b of `size` is bit b mod 8 of
 * level b div 8.
 */
#include "event/merkle.h"

#include <assert.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

enum { FRONTIER = 8, LEVEL_BYTES = (MERKLE_TILE + FRONTIER) * LEAF_BYTES };

/* ---- SHA-256 --------------------------------------------------------------------------------- */

/*
 * By the functions that OpenSSL 3 calls deprecated: they are the same code underneath.  EVP's way to it costs a tree's node half
 * as much again, and fetching the digest a short-lived command a millisecond.
 */
void sha256_two(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[32])
{
	SHA256_CTX context;
	int good = SHA256_Init(&context) && SHA256_Update(&context, a, a_len) && (b_len == 0 || SHA256_Update(&context, b, b_len)) &&
		   SHA256_Final(out, &context);

	assert(good);
}

void sha256(const void *data, size_t len, uint8_t out[32])
{
	sha256_two(data, len, NULL, 0, out);
}

void merkle_node(const uint8_t left[LEAF_BYTES], const uint8_t right[LEAF_BYTES], uint8_t out[LEAF_BYTES])
{
	uint8_t text[1 + 2 * LEAF_BYTES];

	text[0] = 1;
	memcpy(text + 1, left, LEAF_BYTES);
	memcpy(text + 1 + LEAF_BYTES, right, LEAF_BYTES);
	sha256(text, sizeof(text), out);
}

/* ---- the tree -------------------------------------------------------------------------------- */

void merkle_init(struct merkle *m)
{
	memset(m, 0, sizeof(*m));
}

void merkle_release(struct merkle *m)
{
	for (int i = 0; i < MERKLE_LEVELS; i++)
		free(m->open[i]);
	merkle_init(m);
}

static uint8_t *level_get(struct merkle *m, int level)
{
	assert(level < MERKLE_LEVELS);
	if (!m->open[level])
		m->open[level] = mem_zalloc(LEVEL_BYTES);
	return m->open[level];
}

static uint8_t *frontier_at(const struct merkle *m, int level, int k)
{
	return m->open[level] + (MERKLE_TILE + k) * LEAF_BYTES;
}

void merkle_copy(struct merkle *to, const struct merkle *from)
{
	to->size = from->size;
	for (int i = 0; i < MERKLE_LEVELS; i++) {
		to->count[i] = from->count[i];
		if (from->open[i])
			memcpy(level_get(to, i), from->open[i], LEVEL_BYTES);
	}
}

static void hand_out(const struct merkle *m, int level, int64_t index, struct arena *arena, struct merkle_tile **tiles)
{
	struct merkle_tile *tile = arena_alloc(arena, sizeof(*tile));

	tile->level = level;
	tile->index = index;
	tile->hashes = arena_alloc(arena, MERKLE_TILE * LEAF_BYTES);
	memcpy(tile->hashes, m->open[level], MERKLE_TILE * LEAF_BYTES);
	tile->next = NULL;
	while (*tiles)
		tiles = &(*tiles)->next;
	*tiles = tile;
}

/* Appends an entry to a level's open tile; when that fills it, `carry` receives the tile's hash. */
static bool level_add(struct merkle *m, int level, const uint8_t *entry, uint8_t *carry)
{
	uint8_t *hashes = level_get(m, level);
	int k, count = m->count[level]++;

	memcpy(hashes + count * LEAF_BYTES, entry, LEAF_BYTES);
	memcpy(carry, entry, LEAF_BYTES);
	for (k = 0; count >> k & 1; k++)
		merkle_node(frontier_at(m, level, k), carry, carry);
	if (k == FRONTIER)
		return true;
	memcpy(frontier_at(m, level, k), carry, LEAF_BYTES);
	return false;
}

void merkle_add(struct merkle *m, const uint8_t leaf[LEAF_BYTES], struct arena *arena, struct merkle_tile **tiles)
{
	uint8_t entry[LEAF_BYTES], carry[LEAF_BYTES];

	memcpy(entry, leaf, LEAF_BYTES);
	m->size++;
	for (int level = 0; level_add(m, level, entry, carry); level++) {
		if (arena)
			hand_out(m, level, (m->size >> (8 * (level + 1))) - 1, arena, tiles);
		m->count[level] = 0;
		memcpy(entry, carry, LEAF_BYTES);
	}
}

void merkle_root(const struct merkle *m, uint8_t out[LEAF_BYTES])
{
	bool any = false;

	for (int level = 0; level < MERKLE_LEVELS; level++)
		for (int k = 0; k < FRONTIER; k++) {
			if (!(m->count[level] >> k & 1))
				continue;
			if (any)
				merkle_node(frontier_at(m, level, k), out, out);
			else
				memcpy(out, frontier_at(m, level, k), LEAF_BYTES);
			any = true;
		}
	if (!any)
		sha256("", 0, out);
}

void merkle_tile_hash(const uint8_t *hashes, int count, uint8_t out[LEAF_BYTES])
{
	uint8_t work[MERKLE_TILE * LEAF_BYTES];

	assert(count > 0 && count <= MERKLE_TILE);
	memcpy(work, hashes, (size_t)count * LEAF_BYTES);
	while (count > 1) { /* a last odd one goes up as it is: the tree of RFC 6962 seen from below */
		int pairs = count / 2;

		for (int i = 0; i < pairs; i++)
			merkle_node(work + 2 * i * LEAF_BYTES, work + (2 * i + 1) * LEAF_BYTES, work + i * LEAF_BYTES);
		if (count & 1)
			memmove(work + pairs * LEAF_BYTES, work + (count - 1) * LEAF_BYTES, LEAF_BYTES);
		count = pairs + (count & 1);
	}
	memcpy(out, work, LEAF_BYTES);
}

int merkle_open_count(int64_t size, int level)
{
	return (int)(size >> (8 * level) & (MERKLE_TILE - 1));
}

void merkle_load(struct merkle *m, int64_t size, const uint8_t *const open[MERKLE_LEVELS])
{
	uint8_t carry[LEAF_BYTES];

	assert(size >= 0);
	m->size = size;
	for (int level = 0; level < MERKLE_LEVELS; level++) {
		int count = merkle_open_count(size, level);

		m->count[level] = 0;
		for (int i = 0; i < count; i++)
			level_add(m, level, open[level] + i * LEAF_BYTES, carry);
	}
}

/* ---- proofs ---------------------------------------------------------------------------------- */

/* RFC 9162 section 2.1.3.2. */
bool merkle_check_inclusion(int64_t index, int64_t size, const uint8_t leaf[LEAF_BYTES], const uint8_t *path,
			    int path_count, const uint8_t root[LEAF_BYTES])
{
	uint8_t r[LEAF_BYTES];
	int64_t fn = index, sn = size - 1;

	if (index < 0 || index >= size)
		return false;
	memcpy(r, leaf, LEAF_BYTES);
	for (int i = 0; i < path_count; i++) {
		const uint8_t *p = path + i * LEAF_BYTES;

		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn) {
			merkle_node(p, r, r);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node(r, p, r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r, root, LEAF_BYTES) == 0;
}

/* RFC 9162 section 2.1.4.2; an empty old tree is consistent with every tree, equal sizes need equal roots. */
bool merkle_check_consistency(int64_t old_size, const uint8_t old_root[LEAF_BYTES], int64_t size,
			      const uint8_t root[LEAF_BYTES], const uint8_t *path, int path_count)
{
	uint8_t fr[LEAF_BYTES], sr[LEAF_BYTES];
	int64_t fn = old_size - 1, sn = size - 1;
	int i = 0;

	if (old_size < 0 || old_size > size)
		return false;
	if (old_size == size)
		return path_count == 0 && memcmp(old_root, root, LEAF_BYTES) == 0;
	if (old_size == 0) {
		sha256("", 0, fr);
		return path_count == 0 && memcmp(old_root, fr, LEAF_BYTES) == 0;
	}
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	if (fn == 0) { /* the old size is a power of two: its root starts the path without being sent */
		memcpy(fr, old_root, LEAF_BYTES);
	} else {
		if (path_count == 0)
			return false;
		memcpy(fr, path, LEAF_BYTES);
		i = 1;
	}
	memcpy(sr, fr, LEAF_BYTES);
	for (; i < path_count; i++) {
		const uint8_t *c = path + i * LEAF_BYTES;

		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn) {
			merkle_node(c, fr, fr);
			merkle_node(c, sr, sr);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node(sr, c, sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(fr, old_root, LEAF_BYTES) == 0 && memcmp(sr, root, LEAF_BYTES) == 0;
}
