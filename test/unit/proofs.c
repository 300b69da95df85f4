/*
 * proofs - keys, notes, checkpoints, proofs and archives as texts: known answers (the note is the example of
 * golang.org/x/mod/sumdb/note), what is refused, and proofs against trees built by their definition.
 */
#include "tap.h"
#include "tree.h"

#include "base/base64.h"
#include "base/random.h"
#include "base/ustar.h"
#include "event/merkle.h"
#include "event/proof.h"

static const char signer_text[] = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
static const char key_text[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char text[] = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
static const char signature[] =
	"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

static struct note_signer signer;

/* ---- base64 ---- */

static void base64_is_strict(void)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" } };
	static const struct {
		const char *text;
		size_t len;
		const char *why;
	} bad[] = {
		{ "Zh==", 1, "bits behind the last byte" }, { "Zm9=", 2, "bits behind the second" }, { "Zg=", 1, "one sign too few" },
		{ "Zg==", 2, "another length" },            { "Zg =", 2, "a space" },               { "Z===", 1, "too much padding" },
		{ "Zm9v\n", 3, "a line break" },            { "Zm-_", 3, "the alphabet of URLs" },
	};
	char out[16];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buffer b = { 0 };
		size_t n = strlen(pairs[i][0]);

		base64_add(&b, pairs[i][0], n);
		is_text(buffer_text(&b), pairs[i][1], "base64 of RFC 4648's examples");
		ok(base64_decode(bytes_text(pairs[i][1]), out, n) && memcmp(out, pairs[i][0], n) == 0, "and back");
		buffer_release(&b);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!base64_decode(bytes_text(bad[i].text), out, bad[i].len), "base64 with %s is refused", bad[i].why);
}

/* ---- keys and notes ---- */

static void keys_read_and_write(void)
{
	static const char *const bad[] = { "", "+", "PeterNeumann", "PeterNeumann+c74f20a3", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
					   "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
					   "PeterNeumann+c74f20a3+ArpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
					   "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
					   "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz" };
	char out[NOTE_KEY_TEXT], fingerprint[NOTE_FINGERPRINT_TEXT];
	struct note_signer other;
	struct note_key key;
	struct error error;

	ok(note_signer_parse(bytes_text(signer_text), &signer, &error) == 0, "a signing key of Go's is read");
	is_text(note_signer_format(&signer, out), signer_text, "and written as it was");
	is_text(note_key_format(&signer.key, out), key_text, "its verifier key follows from it");
	ok(note_key_parse(bytes_text(key_text), &key, &error) == 0 && note_key_equal(&key, &signer.key), "which is read");
	is_text(note_key_fingerprint(&key, fingerprint), "a82f24c48c9ee106dd11952a8026e14f3760ae4686748dd80e6cae8dd4e98a04",
		"its fingerprint is what sha256sum says of its text");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(note_key_parse(bytes_text(bad[i]), &key, &error) == E_CONFIG, "no verifier key: '%s'", bad[i]);
	ok(note_signer_parse(bytes_text(key_text), &other, &error) == E_CONFIG, "a verifier key does not sign");
	ok(note_signer_parse(bytes_text("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFA"), &other, &error) == E_CONFIG &&
		   !strstr(error.message, "AYEK"), "a damaged signing key is refused, and the message holds none of it");
	ok(!note_name_is_good("") && !note_name_is_good("a b") && !note_name_is_good("a+b") && !note_name_is_good("a\"b") &&
		   !note_name_is_good("\xc3\xa9") && note_name_is_good("log.example.com/a"), "names");
}

static int open_note(const char *note, const struct note_key *keys, int count, struct error *error)
{
	struct bytes t;

	return note_open(bytes_text(note), keys, count, &t, NULL, error);
}

static void notes(void)
{
	struct buffer note = { 0 }, twice = { 0 };
	struct note_key keys[2];
	struct note_signer other;
	struct bytes t;
	struct error error;
	uint8_t seed[32] = { 7 };
	int which = -1;

	note_sign(&signer, bytes_text(text), &note);
	buffer_printf(&twice, "%s\n%s", text, signature);
	is_text(buffer_text(&note), buffer_text(&twice), "a note is signed as Go signs it");
	note_signer_make("somebody.else", seed, &other);
	keys[0] = other.key;
	keys[1] = signer.key;
	ok(note_open(buffer_bytes(&note), keys, 2, &t, &which, &error) == 0 && which == 1 && bytes_is(t, text), "and opened with its key");
	ok(open_note(buffer_text(&note), keys, 1, &error) == E_UNPROVEN, "not without it");
	ok(open_note(buffer_text(&note), keys, 0, &error) == E_UNPROVEN, "nor with none");

	buffer_printf(&note, "\xe2\x80\x94 witness.example %s\n", "AAAAAUVuYW5vdGhlcnNpZ25hdHVyZXRoYXRub2JvZHlrbm93cw==");
	ok(open_note(buffer_text(&note), &keys[1], 1, &error) == 0, "signatures of others, of other kinds too, are passed over");
	for (size_t i = 0; i < strlen(text) + 1 + strlen(signature); i++) {
		char changed[512];

		snprintf(changed, sizeof(changed), "%s", twice.data);
		changed[i] ^= 1;
		if (open_note(changed, &keys[1], 1, &error) != E_UNPROVEN) {
			ok(false, "byte %zu of a note was changed and nobody saw it", i);
			break;
		}
	}
	ok(true, "any changed byte of a note is seen");
	ok(open_note("text\n", &keys[1], 1, &error) == E_UNPROVEN, "a text without signatures is no note");
	ok(open_note("\n\n", &keys[1], 1, &error) == E_UNPROVEN, "nor are two line breaks");
	buffer_reset(&note);
	for (int i = 0; i < 70000; i++)
		buffer_add_byte(&note, 'x');
	ok(note_open(buffer_bytes(&note), &keys[1], 1, &t, NULL, &error) == E_UNPROVEN, "nor is what is too long");
	buffer_release(&note);
	buffer_release(&twice);
}

/* ---- checkpoints ---- */

static void checkpoints(void)
{
	static const char good[] = "verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
	static const char *const bad[] = {
		"",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n20852163\n",
		"go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199C0DE-0000-7000-8000-000000000001/epoch-3/shard-12\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-03/shard-12\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-256\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n020852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n99999999999999999999\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n",
		"verbatim/0199c0de-0000-7000-8000-000000000001/epoch-3/shard-12\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
	};
	struct buffer out = { 0 };
	struct checkpoint c;
	struct error error;

	ok(checkpoint_parse(bytes_text(good), &c, &error) == 0, "a checkpoint is read");
	ok(c.epoch == 3 && c.shard == 12 && c.size == 20852163 && c.root[0] == 0x0a && c.log_id.b[0] == 0x01, "with what it says");
	checkpoint_text(&c, &out);
	is_text(buffer_text(&out), good, "and written as it was");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(checkpoint_parse(bytes_text(bad[i]), &c, &error) == E_UNPROVEN, "no checkpoint, case %zu", i);
	buffer_release(&out);
}

/* ---- proofs ---- */

static uint8_t leaves[3000][LEAF_BYTES];
static int asked;

static int node_of(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error)
{
	int64_t size = *(const int64_t *)data;

	asked++;
	if ((index + 1) << level > size)
		return error_set(error, E_INTERNAL, "a node that is not perfect was asked for");
	tree_hash(leaves, index << level, (index + 1) << level, out);
	return 0;
}

static void check_size(int64_t size, int64_t step)
{
	uint8_t root[LEAF_BYTES], other[LEAF_BYTES];
	struct proof p;
	struct error error;
	bool good = true;

	tree_hash(leaves, 0, size, root);
	good = proof_make_root(size, node_of, &size, other, &error) == 0 && memcmp(root, other, LEAF_BYTES) == 0;
	for (int64_t i = 0; i < size && good; i += step) {
		asked = 0;
		good = proof_make_inclusion(i, size, node_of, &size, &p, &error) == 0 &&
		       merkle_check_inclusion(i, size, leaves[i], p.hashes[0], p.count, root) && asked <= 2 * 12;
		if (good && p.count) {
			p.hashes[p.count / 2][3] ^= 1;
			good = !merkle_check_inclusion(i, size, leaves[i], p.hashes[0], p.count, root);
		}
	}
	for (int64_t old = 0; old <= size && good; old += step) {
		if (old)
			tree_hash(leaves, 0, old, other);
		else
			sha256("", 0, other);
		asked = 0;
		good = proof_make_consistency(old, size, node_of, &size, &p, &error) == 0 &&
		       merkle_check_consistency(old, other, size, root, p.hashes[0], p.count) && asked <= 2 * 12;
		if (good && old) {
			other[5] ^= 1;
			good = !merkle_check_consistency(old, other, size, root, p.hashes[0], p.count);
		}
	}
	if (!good || size % 500 == 0 || size == 64)
		ok(good, "proofs of inclusion and consistency at size %lld", (long long)size);
}

static void proofs_hold(void)
{
	uint8_t root[LEAF_BYTES], empty[LEAF_BYTES];
	int64_t none = 0;

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		sha256(&i, sizeof(i), leaves[i]);
	for (int64_t size = 1; size <= 70; size++)
		check_size(size, 1);
	for (int64_t size = 500; size <= 3000; size += 500)
		check_size(size, 97);
	sha256("", 0, empty);
	ok(proof_make_root(0, node_of, &none, root, NULL) == 0 && memcmp(root, empty, LEAF_BYTES) == 0, "the root of nothing");
}

static void proofs_as_text(void)
{
	static const char *const bad[] = { "", "\n", "old \n\n", "old 1", "old 01\n\nx", "index 1\n\nx", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v2\nindex 1\n\nx",
					   "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx", "c2sp.org/tlog-proof@v1\nindex 9007199254740992\n\nx",
					   "c2sp.org/tlog-proof@v1\nextra x\n\nx" };
	struct buffer out = { 0 }, again = { 0 };
	struct proof p = { .kind = PROOF_INCLUSION, .number = 73894, .count = 3, .note = BYTES("the checkpoint\n") }, q;
	struct error error;

	for (int i = 0; i < 3; i++)
		memcpy(p.hashes[i], leaves[i], LEAF_BYTES);
	proof_write(&p, &out);
	ok(strncmp(buffer_text(&out), "c2sp.org/tlog-proof@v1\nindex 73894\n", 35) == 0, "a tlog-proof begins as its page says");
	ok(proof_read(buffer_bytes(&out), &q, &error) == 0 && q.kind == PROOF_INCLUSION && q.number == 73894 && q.count == 3 &&
		   memcmp(p.hashes, q.hashes, 3 * LEAF_BYTES) == 0 && bytes_is(q.note, "the checkpoint\n"), "and is read again");
	ok(proof_read(BYTES("c2sp.org/tlog-proof@v1\nextra aGVsbG8=\nindex 0\n\nnote"), &q, &error) == 0 && q.number == 0 && q.count == 0,
	   "extra data are passed over");
	p.kind = PROOF_CONSISTENCY;
	proof_write(&p, &again);
	ok(proof_read(buffer_bytes(&again), &q, &error) == 0 && q.kind == PROOF_CONSISTENCY && q.number == 73894, "so is a proof of consistency");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(proof_read(bytes_text(bad[i]), &q, &error) == E_UNPROVEN, "no proof, case %zu", i);
	buffer_reset(&out);
	buffer_add_text(&out, "old 5\n");
	for (int i = 0; i <= PROOF_HASHES_MAX; i++)
		buffer_add_text(&out, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
	buffer_add_text(&out, "\nx");
	ok(proof_read(buffer_bytes(&out), &q, &error) == E_UNPROVEN, "more hashes than any tree is high are refused");
	buffer_release(&out);
	buffer_release(&again);
}

/* ---- archives ---- */

static void archives(void)
{
	struct buffer tar = { 0 };
	struct bytes content;
	char name[USTAR_NAME_MAX + 1];
	size_t at = 0;
	int seen = 0, r;

	ustar_add(&tar, "a.txt", BYTES("hello"));
	ustar_add(&tar, "b/c-d_e.json", BYTES(""));
	ustar_end(&tar);
	is_int((int64_t)tar.len, 512 * 5, "headers, a block of content, the end");
	ok(ustar_next(buffer_bytes(&tar), &at, name, &content) == 1 && strcmp(name, "a.txt") == 0 && bytes_is(content, "hello"), "the first file");
	ok(ustar_next(buffer_bytes(&tar), &at, name, &content) == 1 && strcmp(name, "b/c-d_e.json") == 0 && content.len == 0, "the second, empty");
	ok(ustar_next(buffer_bytes(&tar), &at, name, &content) == 0, "the end");
	for (size_t i = 0; i < tar.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			bool same = true;

			tar.data[i] ^= (char)(1 << bit);
			at = 0;
			while ((r = ustar_next(buffer_bytes(&tar), &at, name, &content)) == 1)
				same = same && (strcmp(name, "a.txt") != 0 || bytes_is(content, "hello"));
			seen += r < 0 || !same;
			tar.data[i] ^= (char)(1 << bit);
		}
	is_int(seen, (int64_t)tar.len * 8, "any changed bit of an archive is refused or changes what is in a file");
	for (size_t len = 0; len < tar.len; len++) {
		at = 0;
		while ((r = ustar_next(bytes_of(tar.data, len), &at, name, &content)) == 1)
			;
		if (r == 0) {
			ok(false, "an archive cut at %zu was taken for whole", len);
			break;
		}
	}
	buffer_add_byte(&tar, 0);
	at = 0;
	while ((r = ustar_next(buffer_bytes(&tar), &at, name, &content)) == 1)
		;
	is_int(r, -1, "nothing may follow the end");
	buffer_release(&tar);
}

int main(void)
{
	base64_is_strict();
	keys_read_and_write();
	notes();
	checkpoints();
	proofs_hold();
	proofs_as_text();
	archives();
	return tap_done();
}
