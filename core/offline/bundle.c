/*
 * bundle - see bundle.h.
 *
 * The files come in one order and no other, so checking is one walk: each step takes the file that must come next.
 */
#include "offline/bundle.h"

#include <stdio.h>

#include "base/ustar.h"
#include "event/fields.h"
#include "event/merkle.h"
#include "event/proof.h"

enum { EVENT_DEPTH = 64 };

/* ---- what writer and reader share ---- */

char *bundle_event_name(int64_t position, char out[64])
{
	snprintf(out, 64, "events/%016lld.json", (long long)position);
	return out;
}

char *bundle_proof_name(int64_t position, char out[64])
{
	snprintf(out, 64, "proofs/%016lld.tlog-proof", (long long)position);
	return out;
}

void bundle_sum(struct buffer *sums, const char *name, struct bytes content)
{
	uint8_t hash[LEAF_BYTES];
	char hex[2 * LEAF_BYTES + 1];

	sha256(content.data, content.len, hash);
	hex_encode(hash, sizeof(hash), hex);
	buffer_printf(sums, "%s  %s\n", hex, name);
}

void bundle_seal_text(struct bytes sums, struct buffer *out)
{
	buffer_add_text(out, "verbatim-evidence-1\n");
	bundle_sum(out, "SHA256SUMS", sums);
}

void leaf_of(struct bytes text, uint8_t out[LEAF_BYTES])
{
	static const uint8_t zero;

	sha256_two(&zero, 1, text.data, text.len, out);
}

/* ---- single events ---- */

static bool has_text(struct bytes object, const char *name, const struct uuid *id)
{
	struct bytes raw = json_member(object, name);
	char text[UUID_TEXT];

	return raw.len == UUID_TEXT + 1 && raw.data[0] == '"' && memcmp(raw.data + 1, uuid_format(id, text), UUID_TEXT - 1) == 0;
}

static bool has_number(struct bytes object, const char *name, int64_t value)
{
	int64_t n;

	return checkpoint_number(json_member(object, name), &n) && n == value;
}

/* The text's own word about where it stands must be that of the proof. */
static int check_place(struct bytes text, const struct checkpoint *c, int64_t position, struct error *error)
{
	if (text.len == 0 || text.data[0] != '{' || !json_check(text, EVENT_DEPTH))
		return error_set(error, E_UNPROVEN, "the event of position %lld is no JSON object", (long long)position);
	if (!has_text(text, "log_id", &c->log_id) || !has_number(text, "shard", c->shard) || !has_number(text, "position", position))
		return error_set(error, E_UNPROVEN, "the event of position %lld names another log, shard or position", (long long)position);
	return 0;
}

static int check_inclusion(const struct proof *p, const uint8_t leaf[LEAF_BYTES], const struct checkpoint *c, struct error *error)
{
	if (p->kind != PROOF_INCLUSION)
		return error_set(error, E_UNPROVEN, "not a proof of an event");
	if (!merkle_check_inclusion(p->number, c->size, leaf, p->hashes[0], p->count, c->root))
		return error_set(error, E_UNPROVEN, "the event of position %lld is not the one that stands in the log: its hash and the proof do "
				 "not lead to the checkpoint's root", (long long)p->number + 1);
	return 0;
}

int event_check(struct bytes text, struct bytes proof, const struct note_key *keys, int count, struct checkpoint *checkpoint,
		int *which, int64_t *position, struct error *error)
{
	uint8_t leaf[LEAF_BYTES];
	struct proof p;
	int status = proof_read(proof, &p, error);

	if (!status)
		status = checkpoint_open(p.note, keys, count, checkpoint, which, error);
	leaf_of(text, leaf);
	if (!status)
		status = check_inclusion(&p, leaf, checkpoint, error);
	*position = status ? 0 : p.number + 1;
	return status ? status : check_place(text, checkpoint, *position, error);
}

int consistency_check(struct bytes older, struct bytes newer, const struct note_key *keys, int count, struct checkpoint *from,
		      struct checkpoint *to, int *which, struct error *error)
{
	struct proof p;
	int status = checkpoint_open(older, keys, count, from, which, error);

	if (status)
		return error_prefix(error, "the older checkpoint");
	status = proof_read(newer, &p, error);
	if (!status && p.kind != PROOF_CONSISTENCY)
		status = error_set(error, E_UNPROVEN, "not a proof of consistency");
	if (!status)
		status = checkpoint_open(p.note, keys, count, to, which, error);
	if (status)
		return error_prefix(error, "the newer checkpoint");
	if (!checkpoint_same_origin(from, to))
		return error_set(error, E_UNPROVEN, "the checkpoints are of different logs, epochs or shards");
	if (p.number != from->size || !merkle_check_consistency(from->size, from->root, to->size, to->root, p.hashes[0], p.count))
		return error_set(error, E_UNPROVEN, "the log at %lld does not extend the log at %lld", (long long)to->size, (long long)from->size);
	return 0;
}

/* ---- bundles ---- */

struct walk {
	struct bytes archive;
	size_t at;
	char name[USTAR_NAME_MAX + 1]; /* the file that comes next; "" at the end */
	struct bytes content;
	struct buffer sums;            /* of what was taken */
};

static int walk_next(struct walk *w, struct error *error)
{
	int r = ustar_next(w->archive, &w->at, w->name, &w->content);

	if (r < 0)
		return error_set(error, E_UNPROVEN, "not a bundle, or a damaged one: its tar is not well formed at byte %zu", w->at);
	if (r == 0)
		w->name[0] = 0;
	return 0;
}

/* The file that must come now. */
static int walk_take(struct walk *w, const char *name, struct bytes *content, struct error *error)
{
	if (strcmp(w->name, name) != 0)
		return error_set(error, E_UNPROVEN, "'%s' is missing, or '%s' should not be there", name, w->name);
	*content = w->content;
	bundle_sum(&w->sums, name, *content);
	return walk_next(w, error);
}

/* The next position: of an event or of a withheld one's proof; 0 when there are no more. */
static int64_t next_position(const struct walk *w)
{
	long long position = 0;
	int end = 0;

	if (sscanf(w->name, "events/%16lld.json%n", &position, &end) == 1 && end && !w->name[end])
		return position;
	end = 0;
	return sscanf(w->name, "proofs/%16lld.tlog-proof%n", &position, &end) == 1 && end && !w->name[end] ? position : 0;
}

static int check_text(struct walk *w, const struct bundle_report *r, int64_t position, uint8_t leaf[LEAF_BYTES], struct error *error)
{
	struct bytes text;
	char name[64];
	int status = walk_take(w, bundle_event_name(position, name), &text, error);

	if (!status)
		status = check_place(text, &r->checkpoint, position, error);
	if (!status && (!has_text(text, "conversation_id", &r->manifest.conversation_id) || !has_text(text, "tenant_id", &r->manifest.tenant_id)))
		status = error_set(error, E_UNPROVEN, "the event of position %lld is of another conversation or tenant", (long long)position);
	leaf_of(text, leaf);
	return status;
}

static int check_event(struct walk *w, const struct bundle_report *r, int64_t position, int *withheld, struct bytes note,
		       struct error *error)
{
	const struct manifest *m = &r->manifest;
	uint8_t leaf[LEAF_BYTES];
	struct bytes text;
	struct proof p;
	char name[64];
	int status = 0;

	if (*withheld < m->withheld_count && m->withheld[*withheld].position == position)
		memcpy(leaf, m->withheld[(*withheld)++].leaf, LEAF_BYTES);
	else
		status = check_text(w, r, position, leaf, error);
	if (!status)
		status = walk_take(w, bundle_proof_name(position, name), &text, error);
	if (!status)
		status = proof_read(text, &p, error);
	if (!status && (p.number != position - 1 || !bytes_equal(p.note, note)))
		status = error_set(error, E_UNPROVEN, "'%s' is the proof of another position or checkpoint", name);
	return status ? status : check_inclusion(&p, leaf, &r->checkpoint, error);
}

static int check_events(struct walk *w, const struct bundle_report *r, struct bytes note, struct error *error)
{
	int64_t before = 0, count = 0, position;
	int withheld = 0, status = 0;

	while (!status && (position = next_position(w)) > 0) {
		if (position <= before)
			return error_set(error, E_UNPROVEN, "the events are not in the order of their positions");
		status = check_event(w, r, position, &withheld, note, error);
		before = position;
		count++;
	}
	if (!status && (count != r->manifest.events || withheld != r->manifest.withheld_count))
		status = error_set(error, E_UNPROVEN, "the manifest tells of %lld events, %d of them withheld; there are %lld and %d",
				   (long long)r->manifest.events, r->manifest.withheld_count, (long long)count, withheld);
	return status;
}

static int check_head(struct walk *w, const struct note_key *keys, int count, struct arena *arena, struct bundle_report *r,
		      struct bytes *note, struct error *error)
{
	char fingerprint[NOTE_FINGERPRINT_TEXT];
	struct bytes text;
	struct note_key inside;
	int which = 0, status = walk_take(w, "manifest.json", &text, error);

	if (!status)
		status = manifest_read(text, arena, &r->manifest, error);
	if (!status)
		status = walk_take(w, "checkpoint", note, error);
	if (!status)
		status = walk_take(w, "key", &text, error);
	if (!status && (text.len == 0 || text.data[text.len - 1] != '\n' ||
			note_key_parse(bytes_of(text.data, text.len - 1), &inside, error)))
		status = error_set(error, E_UNPROVEN, "the key in the bundle is none");
	if (status)
		return status;
	r->trusted = count > 0;
	status = checkpoint_open(*note, count ? keys : &inside, count ? count : 1, &r->checkpoint, &which, error);
	if (status)
		return error_prefix(error, "the checkpoint");
	r->key = count ? keys[which] : inside;
	if (strcmp(r->manifest.fingerprint, note_key_fingerprint(&inside, fingerprint)) != 0 || !note_key_equal(&inside, &r->key))
		return error_set(error, E_UNPROVEN, "the key in the bundle is not the one that signed the checkpoint");
	if (!uuid_equal(&r->manifest.log_id, &r->checkpoint.log_id) || r->manifest.epoch != r->checkpoint.epoch ||
	    r->manifest.shard != r->checkpoint.shard || r->manifest.size != r->checkpoint.size)
		return error_set(error, E_UNPROVEN, "the manifest names another checkpoint than the one that is there");
	return 0;
}

/* SHA256SUMS and the note over it: the last files. */
static int check_tail(struct walk *w, struct bundle_report *r, struct error *error)
{
	struct bytes sums, note, text;
	struct buffer should = { 0 };
	size_t before = w->sums.len;
	int status = walk_take(w, "SHA256SUMS", &sums, error);

	if (!status && !bytes_equal(sums, bytes_of(w->sums.data, before)))
		status = error_set(error, E_UNPROVEN, "SHA256SUMS is not that of the files");
	if (status || !*w->name)
		return status;
	status = walk_take(w, "SHA256SUMS.note", &note, error);
	if (!status)
		status = note_open(note, &r->key, 1, &text, NULL, error);
	bundle_seal_text(sums, &should);
	if (!status && !bytes_equal(text, buffer_bytes(&should)))
		status = error_set(error, E_UNPROVEN, "SHA256SUMS.note is that of another bundle");
	buffer_release(&should);
	if (!status && *w->name)
		status = error_set(error, E_UNPROVEN, "'%s' should not be there", w->name);
	r->sealed = !status;
	return status;
}

int bundle_check(struct bytes archive, const struct note_key *keys, int count, struct arena *arena,
		 struct bundle_report *report, struct error *error)
{
	struct walk w = { .archive = archive };
	struct bytes note, state;
	int status = walk_next(&w, error);

	memset(report, 0, sizeof(*report));
	if (!status)
		status = check_head(&w, keys, count, arena, report, &note, error);
	if (!status)
		status = check_events(&w, report, note, error);
	if (!status && report->manifest.state)
		status = walk_take(&w, "state.ndjson", &state, error);
	if (!status)
		status = check_tail(&w, report, error);
	buffer_release(&w.sums);
	return status;
}
