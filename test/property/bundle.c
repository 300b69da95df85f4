/*
 * bundle - evidence bundles as a stranger gives them: any byte changed, cut or added, files dropped, doubled and swapped, and
 * what somebody would do who knows the format and has no key.
 *
 * Seeded; `SEED=n build/test/property/bundle` repeats a run.
 */
#include "tap.h"
#include "tree.h"

#include <stdlib.h>

#include "base/random.h"
#include "base/ustar.h"
#include "event/merkle.h"
#include "event/proof.h"
#include "offline/bundle.h"

enum { EVENTS = 300, MINE = 5 };

static struct random rng;
static struct note_signer signer, other;
static struct uuid log_id, tenant_id, conversation_id;
static struct buffer texts[EVENTS];
static uint8_t leaves[EVENTS][LEAF_BYTES];
static const int64_t positions[MINE] = { 7, 8, 100, 256, 299 };

/* What a forger may do to a bundle before it is closed again. */
struct forgery {
	const char *name;
	bool drop_file;        /* the third event and its proof */
	bool fix_manifest;     /* ... and the manifest's count */
	bool change_text;      /* of the second event */
	bool fix_nothing;      /* leave SHA256SUMS as it was */
	bool other_key;        /* sign everything anew with another key, and put that one in */
	bool other_conversation;
	bool swap_proofs;
	bool unsealed;
	bool state;            /* a file of state.ndjson ... */
	bool state_told;       /* ... that the manifest tells of */
	bool double_event;
	bool withhold;         /* the first event, honestly */
	bool withhold_lie;     /* its hash in the manifest is that of another */
	bool stray;            /* a file more at the end */
};

static int node_of(void *data, int level, int64_t index, uint8_t out[LEAF_BYTES], struct error *error)
{
	tree_hash(leaves, index << level, (index + 1) << level, out);
	return 0;
}

static void make_log(void)
{
	char log[UUID_TEXT], tenant[UUID_TEXT], conversation[UUID_TEXT];
	uint8_t seed[NOTE_KEY_BYTES];

	random_fill(&rng, seed, sizeof(seed));
	note_signer_make("log.example.com", seed, &signer);
	random_fill(&rng, seed, sizeof(seed));
	note_signer_make("log.example.com", seed, &other);
	random_fill(&rng, &log_id, sizeof(log_id));
	random_fill(&rng, &tenant_id, sizeof(tenant_id));
	random_fill(&rng, &conversation_id, sizeof(conversation_id));
	for (int i = 0; i < EVENTS; i++) {
		buffer_reset(&texts[i]);
		buffer_printf(&texts[i],
			      "{\"conversation_id\":\"%s\",\"event_type\":\"message.received\",\"log_id\":\"%s\",\"payload\":{\"content\":\"%llx\"},"
			      "\"position\":%d,\"shard\":3,\"tenant_id\":\"%s\"}",
			      uuid_format(&conversation_id, conversation), uuid_format(&log_id, log), (unsigned long long)random_next(&rng), i + 1,
			      uuid_format(&tenant_id, tenant));
		leaf_of(buffer_bytes(&texts[i]), leaves[i]);
	}
}

static void add(struct buffer *tar, struct buffer *sums, const char *name, struct bytes content)
{
	ustar_add(tar, name, content);
	bundle_sum(sums, name, content);
}

static void add_proof(struct buffer *tar, struct buffer *sums, int64_t of, int64_t named, struct bytes note)
{
	struct buffer text = { 0 };
	struct proof p;
	char name[64];

	if (proof_make_inclusion(of - 1, EVENTS, node_of, NULL, &p, NULL))
		abort();
	p.note = note;
	proof_write(&p, &text);
	add(tar, sums, bundle_proof_name(named, name), buffer_bytes(&text));
	buffer_release(&text);
}

static void close_bundle(const struct forgery *f, const struct note_signer *by, const struct buffer *sums, struct buffer *tar)
{
	struct buffer text = { 0 }, note = { 0 };

	ustar_add(tar, "SHA256SUMS", buffer_bytes(sums));
	bundle_seal_text(buffer_bytes(sums), &text);
	note_sign(by, buffer_bytes(&text), &note);
	if (!f->unsealed)
		ustar_add(tar, "SHA256SUMS.note", buffer_bytes(&note));
	if (f->stray)
		ustar_add(tar, "stray", BYTES("stray"));
	ustar_end(tar);
	buffer_release(&text);
	buffer_release(&note);
}

static void make(const struct forgery *f, struct buffer *tar)
{
	const struct note_signer *by = f->other_key ? &other : &signer;
	struct manifest_withheld held = { positions[0], "message.received", { 0 } };
	struct manifest m = { log_id, tenant_id, conversation_id, 2, 3, EVENTS, MINE - (f->drop_file && f->fix_manifest), 0, f->state_told, "", &held,
			      f->withhold || f->withhold_lie };
	struct checkpoint c = { log_id, 2, 3, EVENTS, { 0 } };
	struct buffer text = { 0 }, note = { 0 }, sums = { 0 }, key = { 0 };
	char name[64], vkey[NOTE_KEY_TEXT];

	buffer_reset(tar);
	memcpy(held.leaf, leaves[f->withhold_lie ? 20 : positions[0] - 1], LEAF_BYTES);
	note_key_fingerprint(&by->key, m.fingerprint);
	if (f->other_conversation)
		m.conversation_id.b[0] ^= 1;
	tree_hash(leaves, 0, EVENTS, c.root);
	checkpoint_text(&c, &text);
	note_sign(by, buffer_bytes(&text), &note);
	buffer_reset(&text);
	manifest_write(&m, &text);
	add(tar, &sums, "manifest.json", buffer_bytes(&text));
	add(tar, &sums, "checkpoint", buffer_bytes(&note));
	buffer_printf(&key, "%s\n", note_key_format(&by->key, vkey));
	add(tar, &sums, "key", buffer_bytes(&key));
	for (int i = 0; i < MINE; i++) {
		int64_t at = positions[i], of = f->swap_proofs && i < 2 ? positions[1 - i] : at;

		if (f->drop_file && i == 2)
			continue;
		buffer_reset(&text);
		buffer_add_bytes(&text, buffer_bytes(&texts[at - 1]));
		if (f->change_text && i == 1)
			*strstr(buffer_text(&text), "received") = 'R';
		for (int n = 0; n < (f->double_event && i == 3 ? 2 : 1); n++) {
			if (i > 0 || !m.withheld_count)
				add(tar, &sums, bundle_event_name(at, name), buffer_bytes(&text));
			add_proof(tar, &sums, of, at, buffer_bytes(&note));
		}
	}
	if (f->state)
		add(tar, &sums, "state.ndjson", BYTES("{}\n"));
	if (f->fix_nothing)
		sums.data[0] = sums.data[0] == '0' ? '1' : '0';
	close_bundle(f, by, &sums, tar);
	buffer_release(&text);
	buffer_release(&note);
	buffer_release(&sums);
	buffer_release(&key);
}

static int check(struct bytes archive, const struct note_key *keys, int count, struct bundle_report *r, struct error *error)
{
	static struct arena arena;
	int status;

	if (!arena.block_bytes)
		arena_init(&arena, 4096);
	arena_reset(&arena);
	status = bundle_check(archive, keys, count, &arena, r, error);
	return status;
}

/* ---- what holds, and what forgers try ---- */

static void honest(void)
{
	struct forgery plain = { 0 }, held = { .withhold = true }, open = { .unsealed = true }, state = { .state = true, .state_told = true };
	struct buffer tar = { 0 };
	struct bundle_report r;
	struct error error;

	make(&plain, &tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == 0 && r.trusted && r.sealed, "an honest bundle holds with its key");
	ok(check(buffer_bytes(&tar), NULL, 0, &r, &error) == 0 && !r.trusted && note_key_equal(&r.key, &signer.key),
	   "without a key it holds, and is not trusted");
	ok(check(buffer_bytes(&tar), &other.key, 1, &r, &error) == E_UNPROVEN, "with somebody else's key it is refused");
	make(&held, &tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == 0 && r.manifest.withheld_count == 1 && r.manifest.events == MINE,
	   "one with a withheld event holds, and says so");
	make(&state, &tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == 0 && r.manifest.state, "so does one with a state to be read");
	make(&open, &tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == 0 && !r.sealed, "one that is not signed as a whole holds, and says so");
	buffer_release(&tar);
}

static void forgers(void)
{
	static const struct forgery tries[] = {
		{ "an event is left out", .drop_file = true, .unsealed = true },
		{ "a text is changed, and the sums made anew", .change_text = true, .unsealed = true },
		{ "the sums are wrong", .fix_nothing = true, .unsealed = true },
		{ "all is signed anew with another key of the same name", .other_key = true },
		{ "the manifest names another conversation", .other_conversation = true, .unsealed = true },
		{ "two proofs are swapped", .swap_proofs = true, .unsealed = true },
		{ "a state is put in that the manifest does not tell of", .state = true, .unsealed = true },
		{ "the manifest tells of a state that is not there", .state_told = true, .unsealed = true },
		{ "an event stands there twice", .double_event = true, .unsealed = true },
		{ "a withheld event's hash is another's", .withhold_lie = true, .unsealed = true },
		{ "a file is added at the end", .stray = true, .unsealed = true },
		{ "a file is added behind the signature", .stray = true },
	};
	struct buffer tar = { 0 };
	struct bundle_report r;
	struct error error;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		make(&tries[i], &tar);
		ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == E_UNPROVEN, "refused: %s (%s)", tries[i].name, error.message);
	}
	buffer_release(&tar);
}

/* A middleman leaves an event out and mends everything but the signature that he cannot make. */
static void the_seal(void)
{
	struct forgery f = { .drop_file = true, .fix_manifest = true, .unsealed = true }, plain = { 0 };
	struct buffer tar = { 0 }, whole = { 0 };
	struct bytes content;
	struct bundle_report r;
	struct error error;
	char name[USTAR_NAME_MAX + 1];
	size_t at = 0;

	make(&f, &tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == 0 && !r.sealed, "without a signature over the whole, what is left out is not seen");
	make(&plain, &whole);
	while (ustar_next(buffer_bytes(&whole), &at, name, &content) == 1 && strcmp(name, "SHA256SUMS.note") != 0)
		;
	tar.len -= (size_t)2 * USTAR_BLOCK;
	ustar_add(&tar, "SHA256SUMS.note", content);
	ustar_end(&tar);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == E_UNPROVEN, "with the signature of the whole one it is");
	buffer_release(&tar);
	buffer_release(&whole);
}

/* ---- any byte ---- */

static void any_byte(void)
{
	struct forgery held = { .withhold = true };
	struct buffer tar = { 0 };
	struct bundle_report r;
	struct error error;
	size_t missed = 0, len;

	make(&held, &tar);
	for (size_t i = 0; i < tar.len; i++) {
		char change = (char)(1 + random_below(&rng, 255));

		tar.data[i] ^= change;
		if (check(buffer_bytes(&tar), i & 1 ? &signer.key : NULL, i & 1, &r, &error) != E_UNPROVEN && !missed++)
			note("byte %zu of %zu, changed by %d, was not seen", i, tar.len, change);
		tar.data[i] ^= change;
	}
	is_int((int64_t)missed, 0, "any changed byte is seen");
	for (len = 0; len < tar.len; len += 1 + random_below(&rng, 40)) {
		char *copy = malloc(len ? len : 1); /* of its very size, so that a sanitizer sees what reads beyond it */

		memcpy(copy, tar.data, len);
		missed += check(bytes_of(copy, len), &signer.key, 1, &r, &error) != E_UNPROVEN;
		free(copy);
	}
	is_int((int64_t)missed, 0, "any cut is seen");
	buffer_add_byte(&tar, 0);
	ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == E_UNPROVEN, "a byte behind the end is seen");
	for (int i = 0; i < 300; i++) {
		size_t n = random_below(&rng, 5000);
		char *noise = malloc(n ? n : 1);

		random_fill(&rng, noise, n);
		missed += check(bytes_of(noise, n), &signer.key, 1, &r, &error) != E_UNPROVEN;
		free(noise);
	}
	is_int((int64_t)missed, 0, "noise is refused");
	buffer_release(&tar);
}

/* Sizes and numbers that lie, in headers that are otherwise right. */
static void lies(void)
{
	static const char *const sizes[] = { "77777777777", "00000000000", "10000000000", "00000001000", "-0000000001", "0000000000 " };
	struct forgery plain = { 0 };
	struct buffer tar = { 0 };
	struct bundle_report r;
	struct error error;

	make(&plain, &tar);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned sum = 0;
		char saved[USTAR_BLOCK], text[8];

		memcpy(saved, tar.data, USTAR_BLOCK);
		memcpy(tar.data + 124, sizes[i], 11);
		memset(tar.data + 148, ' ', 8);
		for (int k = 0; k < USTAR_BLOCK; k++)
			sum += (uint8_t)tar.data[k];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(tar.data + 148, text, 7);
		ok(check(buffer_bytes(&tar), &signer.key, 1, &r, &error) == E_UNPROVEN, "a size of '%s' is refused", sizes[i]);
		memcpy(tar.data, saved, USTAR_BLOCK);
	}
	buffer_release(&tar);
}

int main(void)
{
	const char *seed = getenv("SEED");
	uint64_t number = seed ? strtoull(seed, NULL, 10) : 20261122;

	note("seed %llu", (unsigned long long)number);
	random_seed(&rng, number);
	make_log();
	honest();
	forgers();
	the_seal();
	any_byte();
	lies();
	return tap_done();
}
