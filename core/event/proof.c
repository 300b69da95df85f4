/*
 * proof - see proof.h.
 *
 * MTH, PATH and SUBPROOF of RFC 6962 section 2.1 name ranges of leaves that begin at a multiple of the power of two
 * below or at their length; such a range is perfect subtrees of falling size, which is what a store can answer.
 */
#include "event/proof.h"

#include <assert.h>

#include "base/base64.h"
#include "event/merkle.h"

static const char inclusion_mark[] = "c2sp.org/tlog-proof@v1";

/* ---- making ---- */

struct maker {
	proof_node_fn node;
	void *data;
	struct proof *out; /* from the root downwards, for inclusion */
	struct error *error;
};

/* The largest power of two below `n`, which is over 1. */
static int64_t split(int64_t n)
{
	int64_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

static int range_hash(struct maker *m, int64_t low, int64_t high, uint8_t out[LEAF_BYTES])
{
	int64_t n = high - low, k = n == 1 ? 1 : split(n);
	uint8_t right[LEAF_BYTES];
	int level = 0, status;

	while (2 * k <= n)
		k *= 2; /* all of it is perfect */
	while (1LL << level < k)
		level++;
	status = m->node(m->data, level, low >> level, out, m->error);
	if (status || k == n)
		return status;
	status = range_hash(m, low + k, high, right);
	if (!status)
		merkle_node(out, right, out);
	return status;
}

static int add_range(struct maker *m, int64_t low, int64_t high)
{
	assert(m->out->count < PROOF_HASHES_MAX);
	return range_hash(m, low, high, m->out->hashes[m->out->count++]);
}

static void turn(struct proof *p)
{
	uint8_t hash[LEAF_BYTES];

	for (int i = 0, j = p->count - 1; i < j; i++, j--) {
		memcpy(hash, p->hashes[i], LEAF_BYTES);
		memcpy(p->hashes[i], p->hashes[j], LEAF_BYTES);
		memcpy(p->hashes[j], hash, LEAF_BYTES);
	}
}

int proof_make_inclusion(int64_t index, int64_t size, proof_node_fn node, void *data, struct proof *out,
			 struct error *error)
{
	struct maker m = { node, data, out, error };
	int64_t low = 0, high = size;
	int status = 0;

	assert(index >= 0 && index < size);
	*out = (struct proof){ .kind = PROOF_INCLUSION, .number = index };
	while (!status && high - low > 1) {
		int64_t middle = low + split(high - low);

		if (index < middle) {
			status = add_range(&m, middle, high);
			high = middle;
		} else {
			status = add_range(&m, low, middle);
			low = middle;
		}
	}
	turn(out);
	return status;
}

int proof_make_consistency(int64_t old_size, int64_t size, proof_node_fn node, void *data, struct proof *out,
			   struct error *error)
{
	struct maker m = { node, data, out, error };
	int64_t low = 0, high = size;
	bool whole = true; /* the old tree is a perfect left part of the new one: its root need not be sent */
	int status = 0;

	assert(old_size >= 0 && old_size <= size);
	*out = (struct proof){ .kind = PROOF_CONSISTENCY, .number = old_size };
	if (old_size == 0 || old_size == size)
		return 0;
	while (!status && old_size < high) {
		int64_t middle = low + split(high - low);

		if (old_size <= middle) {
			status = add_range(&m, middle, high);
			high = middle;
		} else {
			status = add_range(&m, low, middle);
			low = middle;
			whole = false;
		}
	}
	if (!status && !whole)
		status = add_range(&m, low, high);
	turn(out);
	return status;
}

int proof_make_root(int64_t size, proof_node_fn node, void *data, uint8_t out[LEAF_BYTES], struct error *error)
{
	struct maker m = { node, data, NULL, error };

	if (size > 0)
		return range_hash(&m, 0, size, out);
	sha256("", 0, out);
	return 0;
}

/* ---- text ---- */

void proof_write(const struct proof *p, struct buffer *out)
{
	if (p->kind == PROOF_INCLUSION)
		buffer_printf(out, "%s\nindex %lld\n", inclusion_mark, (long long)p->number);
	else
		buffer_printf(out, "old %lld\n", (long long)p->number);
	for (int i = 0; i < p->count; i++) {
		base64_add(out, p->hashes[i], LEAF_BYTES);
		buffer_add_byte(out, '\n');
	}
	buffer_add_byte(out, '\n');
	buffer_add_bytes(out, p->note);
}

static bool starts(struct bytes line, const char *word)
{
	return line.len >= strlen(word) && memcmp(line.data, word, strlen(word)) == 0;
}

static bool read_number(struct bytes line, const char *word, int64_t *out)
{
	return starts(line, word) && checkpoint_number(bytes_of(line.data + strlen(word), line.len - strlen(word)), out);
}

static bool read_head(struct bytes text, size_t *at, struct proof *out)
{
	struct bytes line;

	if (!checkpoint_line(text, at, &line))
		return false;
	out->kind = bytes_is(line, inclusion_mark) ? PROOF_INCLUSION : PROOF_CONSISTENCY;
	if (out->kind == PROOF_CONSISTENCY)
		return read_number(line, "old ", &out->number);
	if (!checkpoint_line(text, at, &line) || (starts(line, "extra ") && !checkpoint_line(text, at, &line)))
		return false;
	return read_number(line, "index ", &out->number);
}

int proof_read(struct bytes text, struct proof *out, struct error *error)
{
	struct bytes line;
	size_t at = 0;

	out->count = 0;
	if (text.len > PROOF_BYTES_MAX || !read_head(text, &at, out))
		return error_set(error, E_UNPROVEN, "not a proof");
	while (checkpoint_line(text, &at, &line)) {
		if (line.len == 0) {
			out->note = bytes_of(text.data + at, text.len - at);
			return 0;
		}
		if (out->count == PROOF_HASHES_MAX || !base64_decode(line, out->hashes[out->count++], LEAF_BYTES))
			break;
	}
	return error_set(error, E_UNPROVEN, "not a proof: hash %d is none", out->count);
}
