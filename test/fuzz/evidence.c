/*
 * evidence - what the offline verifier reads from strangers: keys, notes, checkpoints, proofs, manifests, archives, bundles.
 *
 * What is read is written again and must be the same: there is one form of each.  No key is known here, so no bundle can
 * be one of a trusted key's.
 */
#include "fuzz.h"

#include "base/ustar.h"
#include "event/proof.h"
#include "offline/bundle.h"

static void as_key(struct bytes text)
{
	char again[NOTE_KEY_TEXT];
	struct note_signer signer;
	struct note_key key;
	struct error error;

	if (note_key_parse(text, &key, &error) == 0)
		must(bytes_is(text, note_key_format(&key, again)));
	if (note_signer_parse(text, &signer, &error) == 0)
		must(bytes_is(text, note_signer_format(&signer, again)));
}

static void as_checkpoint(struct bytes text)
{
	struct buffer again = { 0 };
	struct checkpoint c;
	struct error error;

	if (checkpoint_parse(text, &c, &error) == 0) {
		checkpoint_text(&c, &again);
		must(bytes_equal(text, buffer_bytes(&again)));
	}
	buffer_release(&again);
}

static void as_note(struct bytes text)
{
	uint8_t seed[NOTE_KEY_BYTES] = { 1 };
	struct note_signer signer;
	struct checkpoint c;
	struct error error;

	note_signer_make("log.example.com", seed, &signer);
	must(checkpoint_open(text, &signer.key, 1, &c, NULL, &error) == E_UNPROVEN || memmem(text.data, text.len, "log.example.com", 15));
}

static void as_proof(struct bytes text)
{
	struct buffer again = { 0 };
	struct proof p;
	struct error error;

	if (proof_read(text, &p, &error) == 0) {
		must(p.count <= PROOF_HASHES_MAX && p.note.len <= text.len);
		proof_write(&p, &again);
		must(memmem(text.data, text.len, "extra ", 6) || bytes_equal(text, buffer_bytes(&again)));
	}
	buffer_release(&again);
}

static void as_manifest(struct bytes text)
{
	static struct arena arena;
	struct buffer again = { 0 };
	struct manifest m;
	struct error error;

	if (!arena.block_bytes)
		arena_init(&arena, 4096);
	arena_reset(&arena);
	if (manifest_read(text, &arena, &m, &error) == 0) {
		manifest_write(&m, &again);
		must(bytes_equal(text, buffer_bytes(&again)));
	}
	buffer_release(&again);
}

static void as_archive(struct bytes text)
{
	struct buffer again = { 0 };
	struct bytes content;
	char name[USTAR_NAME_MAX + 1];
	size_t at = 0;
	int r;

	while ((r = ustar_next(text, &at, name, &content)) == 1)
		ustar_add(&again, name, content);
	ustar_end(&again);
	must(r < 0 || bytes_equal(text, buffer_bytes(&again)));
	buffer_release(&again);
}

static void as_bundle(struct bytes text)
{
	static struct arena arena;
	uint8_t seed[NOTE_KEY_BYTES] = { 1 };
	struct note_signer signer;
	struct bundle_report r;
	struct error error;
	int status;

	if (!arena.block_bytes)
		arena_init(&arena, 4096);
	arena_reset(&arena);
	note_signer_make("log.example.com", seed, &signer);
	must(bundle_check(text, &signer.key, 1, &arena, &r, &error) == E_UNPROVEN);
	arena_reset(&arena);
	status = bundle_check(text, NULL, 0, &arena, &r, &error);
	must(status == E_UNPROVEN || (status == 0 && !r.trusted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct bytes text) = { as_key, as_checkpoint, as_note, as_proof, as_manifest, as_archive, as_bundle };
	unsigned which = fuzz_take(&data, &size, sizeof(readers) / sizeof(readers[0]));

	readers[which](bytes_of(data ? (const char *)data : "", size));
	return 0;
}
